//! Asking a retriever the golden queries, and what its rankings are worth.

use std::collections::{BTreeMap, HashMap};

use rayon::prelude::*;

use super::document::{Against, Asked, Difference, Finding, Measured, Ranked, Retrieved, Row, Tag};
use super::golden::{Fault, Golden, Query};
use super::local::Index;
use super::metrics::{At, CONFIDENCE, Measure, Relevance, mean, vary};
use super::passage::Passages;
use crate::case::{Limit, Relevant};
use crate::core::record::Document;
use crate::core::suggest::did_you_mean;
use crate::stats::{holm, paired_mean, sign_flip};

/// How far down something relevant is looked for, where that costs nothing.
const DEEP: usize = 100;
/// From which p-value on a difference is taken for chance.
const ALPHA: f64 = 0.05;
/// Fixes which signs are flipped.
const SEED: u64 = 20_250_601;

/// Something that finds documents.
pub trait Retrieves: Sync {
    /// The first documents for a query, the best first; `Err` says why there are none.
    fn retrieve(&self, query: &str, top: usize) -> Result<Vec<Document>, Lack>;
}

/// Why nothing is known to be found.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum Lack {
    /// Nobody may be asked, and nothing is recorded.
    #[error("what is found is not recorded, and nobody was asked")]
    NotRecorded,
    /// It could not be had.
    #[error("{0}")]
    Failed(String),
    /// A limit was reached before.
    #[error("{0}")]
    Limited(Limit),
}

/// What is tried on golden queries.
pub struct Trial<'a> {
    /// What finds.
    pub retriever: &'a dyn Retrieves,
    /// How many documents a prompt is given.
    pub top: usize,
    /// Its index, of a local one.
    pub index: Option<&'a Index>,
    /// The index whose chunks the golden queries name, where that is another one over the same files.
    pub named: Option<&'a Index>,
    /// Since which day files have not been touched, of those that are stale.
    pub stale: &'a HashMap<String, String>,
    /// Whether the golden queries are its own, so that what they expect is expected of it.
    pub is_own: bool,
}

impl Trial<'_> {
    /// Asks every query and measures at these ranks.
    #[must_use]
    pub fn run(&self, golden: &Golden, ks: &[usize]) -> Row {
        let mut wanted: Vec<At> = ks.iter().flat_map(|k| Measure::ALL.map(|measure| At { measure, k: *k })).collect();
        wanted.extend(golden.expect.iter().map(|(at, _)| *at));
        wanted.sort_by_key(|at| (at.measure, at.k));
        wanted.dedup();
        let most = depth(golden, ks, self.top);
        let depth = if self.index.is_some() { most.max(DEEP) } else { most };
        let has_passages = golden.queries.iter().any(|query| query.passage.is_some());
        let passages = self.index.filter(|_| has_passages && self.is_own).map(Passages::new);
        let one = |query: &Query| self.ask(query, golden, &wanted, depth, passages.as_ref());
        let queries: Vec<Asked> = golden.queries.par_iter().map(one).collect();
        let least =
            |at: At| golden.expect.iter().find(|(other, _)| *other == at && self.is_own).map(|(_, least)| *least);
        let all: Vec<&Asked> = queries.iter().collect();
        let measures = wanted.iter().filter_map(|at| measured(&all, *at, least(*at))).collect();
        let tags = self.tags(&queries);
        Row { top: self.top, measures, tags, queries, alternative: !self.is_own, ..Row::default() }
    }

    fn tags(&self, queries: &[Asked]) -> Vec<Tag> {
        let mut names: Vec<&String> = queries.iter().flat_map(|asked| &asked.tags).collect();
        names.sort();
        names.dedup();
        let of = |tag: &String| {
            let own: Vec<&Asked> = queries.iter().filter(|asked| asked.tags.contains(tag)).collect();
            let at = |measure| At { measure, k: self.top };
            let measures = Measure::ALL.into_iter().filter_map(|measure| measured(&own, at(measure), None)).collect();
            Tag { tag: tag.clone(), measures }
        };
        names.into_iter().map(of).collect()
    }

    fn ask(
        &self,
        query: &Query,
        golden: &Golden,
        wanted: &[At],
        depth: usize,
        passages: Option<&Passages<'_>>,
    ) -> Asked {
        let mut asked = Asked {
            name: query.name.to_string(),
            query: query.query.clone(),
            tags: query.tags.clone(),
            retrieved: Vec::new(),
            relevant: Vec::new(),
            values: BTreeMap::new(),
            findings: Vec::new(),
            error: None,
            is_unrecorded: false,
        };
        let mut found = match self.retriever.retrieve(&query.query, depth) {
            Ok(found) => found,
            Err(why) => {
                asked.is_unrecorded = why == Lack::NotRecorded;
                asked.error = Some(why.to_string());
                let unranked = |one: &Relevant| Ranked { id: one.id.clone(), grade: one.grade, rank: None };
                asked.relevant = query.relevant.iter().map(unranked).collect();
                return asked;
            }
        };
        found.truncate(depth);
        let relevant: Vec<(String, f64)> = query.relevant.iter().map(|one| (one.id.clone(), one.grade)).collect();
        let relevance = Relevance::of(&found, &relevant, |document, id| self.fit(document, id));
        for at in wanted {
            asked.values.extend(at.measure.of(&relevance, at.k).map(|value| (at.to_string(), value)));
        }
        let gains = relevance.gains.iter().copied();
        let shown = found.iter().zip(gains).take(self.top);
        let shown = shown.map(|(document, grade)| Retrieved { id: document.id.clone(), score: document.score, grade });
        asked.retrieved = shown.collect();
        let rank = |id: &str| found.iter().position(|document| self.fit(document, id)).map(|at| at + 1);
        let ranked = |(id, grade): &(String, f64)| Ranked { id: id.clone(), grade: *grade, rank: rank(id) };
        asked.relevant = relevant.iter().map(ranked).collect();
        let faults = self.faults(query, &asked, (&found, depth), passages);
        let finding = |(fault, text): (Fault, String)| {
            let fails = self.is_own && golden.fail_on.contains(&fault);
            Finding { kind: fault.name(), text, fails }
        };
        asked.findings = faults.into_iter().map(finding).collect();
        asked
    }

    /// How a document fits a relevant id: it is called so, or it is a part of what is called so.
    fn fit(&self, document: &Document, id: &str) -> bool {
        if let (Some((path, wanted)), Some(index)) = (self.named.and_then(|named| named.place_of(id)), self.index) {
            // Cut otherwise a chunk has another name: it counts where one of the two is in the other by half.
            let Some((other, range)) = index.place_of(&document.id) else { return false };
            let shared = wanted.end.min(range.end).saturating_sub(wanted.start.max(range.start));
            return other == path && shared > 0 && shared * 2 >= wanted.len().min(range.len());
        }
        part_of(document, id)
    }

    fn faults(
        &self,
        query: &Query,
        asked: &Asked,
        (found, depth): (&[Document], usize),
        passages: Option<&Passages<'_>>,
    ) -> Vec<(Fault, String)> {
        let mut faults = Vec::new();
        for ranked in &asked.relevant {
            if let Some(index) = self.index.filter(|index| self.is_own && !knows(index, &ranked.id)) {
                let hint = did_you_mean(&ranked.id, ids(index));
                faults.push((Fault::Gone, format!("the relevant `{}` is no document and no chunk{hint}", ranked.id)));
                continue;
            }
            let text = match ranked.rank {
                Some(rank) if rank <= self.top => continue,
                Some(rank) => {
                    format!("the relevant `{}` has rank {rank}, and the first {} are taken", ranked.id, self.top)
                }
                None if found.len() < depth => format!("the relevant `{}` was not found", ranked.id),
                None => format!("the relevant `{}` is not among the first {depth}", ranked.id),
            };
            faults.push((Fault::Missed, text));
        }
        if let (Some(passages), Some(passage)) = (passages, &query.passage) {
            faults.extend(passages.fault(passage));
        }
        let mut seen: Vec<&str> = Vec::new();
        for source in found.iter().take(self.top).filter_map(|document| document.source.as_deref()) {
            let Some(day) = self.stale.get(source).filter(|_| !seen.contains(&source)) else { continue };
            seen.push(source);
            faults.push((Fault::Stale, format!("`{source}` has not been touched since {day}")));
        }
        faults
    }
}

/// How a document fits a relevant id: it is called so, or it is a part of what is called so.
pub(super) fn part_of(document: &Document, id: &str) -> bool {
    document.id == id || is_part(&document.id, id) || document.source.as_deref() == Some(id)
}

/// Whether a chunk is a part of what an id names.
pub(super) fn is_part(chunk: &str, id: &str) -> bool {
    chunk.strip_prefix(id).is_some_and(|rest| rest.starts_with('#'))
}

/// How many documents are needed to measure at these ranks and as is expected.
#[must_use]
pub fn depth(golden: &Golden, ks: &[usize], top: usize) -> usize {
    let expected = golden.expect.iter().map(|(at, _)| at.k);
    ks.iter().copied().chain(expected).max().unwrap_or(0).max(top)
}

fn knows(index: &Index, id: &str) -> bool {
    index.place_of(id).is_some() || index.files().iter().any(|(path, _)| path.as_str() == id)
}

fn ids(index: &Index) -> impl Iterator<Item = &str> {
    let files = index.files().iter().map(|(path, _)| path.as_str());
    index.chunks().iter().map(|chunk| chunk.id.as_str()).chain(files)
}

fn measured(asked: &[&Asked], at: At, least: Option<f64>) -> Option<Measured> {
    let name = at.to_string();
    let values: Vec<f64> = asked.iter().filter_map(|asked| asked.values.get(&name).copied()).collect();
    let found = mean(at.measure, &values)?;
    // A mean of thirds must not miss its own minimum by its last digit.
    let kept = least.map(|least| found.mean >= least - 1e-9);
    let (mean, interval, queries) = (found.mean, found.interval, found.queries);
    Some(Measured { measure: at.measure.name(), k: at.k, mean, interval, queries, least, kept })
}

/// Whether signs of so many queries are never beyond chance once every measure was looked at.
fn too_few(moved: usize) -> bool {
    #[expect(clippy::cast_precision_loss, reason = "six measures")]
    let measures = Measure::ALL.len() as f64;
    let least = 2.0 * 0.5_f64.powi(i32::try_from(moved).unwrap_or(i32::MAX));
    least * measures >= ALPHA
}

/// Holds what was found against what another side found for the same queries; `None` where they have no measured query in
/// common.
#[must_use]
pub fn against(row: &Row, other: &Row, name: &str) -> Option<Against> {
    let mut differences: Vec<Difference> = Vec::new();
    for measure in Measure::ALL {
        let at = At { measure, k: row.top }.to_string();
        let pairs: Vec<(f64, f64)> = row
            .queries
            .iter()
            .filter_map(|head| {
                let base = other.queries.iter().find(|base| base.name == head.name)?;
                Some((*base.values.get(&at)?, *head.values.get(&at)?))
            })
            .collect();
        let moves: Vec<f64> = pairs.iter().map(|(base, head)| head - base).collect();
        let bases: Vec<f64> = pairs.iter().map(|(base, _)| *base).collect();
        let heads: Vec<f64> = pairs.iter().map(|(_, head)| *head).collect();
        let (base, head) = (mean(measure, &bases)?.mean, mean(measure, &heads)?.mean);
        let estimate = paired_mean(&moves, CONFIDENCE).filter(|_| vary(&moves));
        differences.push(Difference {
            measure: measure.name(),
            k: row.top,
            base,
            head,
            difference: head - base,
            interval: estimate.map(|estimate| estimate.interval),
            p: sign_flip(&moves, SEED).p_two_sided,
            better: moves.iter().filter(|one| **one > 0.0).count(),
            worse: moves.iter().filter(|one| **one < 0.0).count(),
            verdict: "same",
        });
    }
    let adjusted = holm(&differences.iter().map(|one| one.p).collect::<Vec<_>>());
    for (one, p) in differences.iter_mut().zip(adjusted) {
        one.p = p;
        one.verdict = match () {
            // So few queries moved that not even all of them for the worse would tell.
            () if p >= ALPHA && one.difference.abs() > 0.0 && too_few(one.better + one.worse) => "undecided",
            () if p >= ALPHA => "same",
            () if one.difference < 0.0 => "regressed",
            () => "improved",
        };
    }
    Some(Against { other: name.to_owned(), differences })
}
