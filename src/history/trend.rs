//! How a prompt did over time: points by run or by digest, apart for each model.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::core::event::Provenance;
use crate::core::verdict::Verdict;
use crate::stats::median;

/// What makes a point.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum By {
    /// Each run.
    Run,
    /// Each state of the prompt, with the newest result of each case.
    Digest,
}

/// What became of a case on a model in a run.
#[derive(Clone, Debug, PartialEq)]
pub struct TrendRow {
    /// The run.
    pub run: i64,
    /// When it began.
    pub started: String,
    /// What it read.
    pub provenance: Provenance,
    /// What the prompt's author called it.
    pub prompt_version: Option<String>,
    /// What the prompt was.
    pub prompt_digest: String,
    /// The case.
    pub case: String,
    /// The model.
    pub model: String,
    /// The model id that the server reported.
    pub served_model: Option<String>,
    /// What became of it; none for a word that is not known.
    pub verdict: Option<Verdict>,
    /// Tokens in and out.
    pub tokens: Option<u64>,
    /// USD.
    pub cost_usd: Option<f64>,
    /// Milliseconds.
    pub latency_ms: Option<f64>,
}

/// How a prompt did on a model.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Trend {
    /// The model.
    pub model: String,
    /// Oldest first.
    pub points: Vec<Point>,
}

/// How a prompt did on a model in a run, or as long as it was the same.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Point {
    /// The run; the newest one of a digest.
    pub run: i64,
    /// When it began.
    pub started: String,
    /// What it read.
    #[serde(flatten)]
    pub provenance: Provenance,
    /// What the prompt's author called it.
    pub prompt_version: Option<String>,
    /// What the prompt was.
    pub prompt_digest: String,
    /// The model id that the server reported last.
    pub served_model: Option<String>,
    /// Cases of which the expectations held.
    pub passes: u64,
    /// Cases with an answer.
    pub answered: u64,
    /// The one over the other; none without an answer.
    pub pass_rate: Option<f64>,
    /// The mean over the cases that tell.
    pub tokens: Option<f64>,
    /// The mean over the cases that have a price, when they were asked.
    pub cost_usd: Option<f64>,
    /// The median over the cases, in milliseconds.
    pub latency_ms: Option<f64>,
}

/// The trends of a prompt's results, oldest first, a trend a model; of each the newest `limit` points.
#[must_use]
pub fn trends(rows: &[TrendRow], by: By, limit: usize) -> Vec<Trend> {
    let mut models: BTreeMap<&str, Vec<&TrendRow>> = BTreeMap::new();
    for row in rows {
        models.entry(&row.model).or_default().push(row);
    }
    let trend = |(model, rows): (&str, Vec<&TrendRow>)| {
        let groups = match by {
            By::Run => by_run(&rows),
            By::Digest => by_digest(&rows),
        };
        let newest = groups.len().saturating_sub(limit);
        Trend { model: model.to_owned(), points: groups[newest..].iter().filter_map(|rows| point(rows)).collect() }
    };
    models.into_iter().map(trend).collect()
}

fn by_run<'a>(rows: &[&'a TrendRow]) -> Vec<Vec<&'a TrendRow>> {
    rows.chunk_by(|a, b| a.run == b.run).map(<[_]>::to_vec).collect()
}

/// The newest result of each case, for each digest; digests in the order in which they came up.
fn by_digest<'a>(rows: &[&'a TrendRow]) -> Vec<Vec<&'a TrendRow>> {
    let mut order: Vec<&str> = Vec::new();
    let mut newest: BTreeMap<&str, BTreeMap<&str, &TrendRow>> = BTreeMap::new();
    for row in rows.iter().copied() {
        let cases = newest.entry(&row.prompt_digest).or_insert_with(|| {
            order.push(&row.prompt_digest);
            BTreeMap::new()
        });
        // An answer that could not be had in a later run does not undo the one before.
        if row.is_answered() || !cases.contains_key(row.case.as_str()) {
            cases.insert(&row.case, row);
        }
    }
    order.iter().filter_map(|digest| newest.remove(digest)).map(|cases| cases.into_values().collect()).collect()
}

impl TrendRow {
    fn is_answered(&self) -> bool {
        matches!(self.verdict, Some(Verdict::Passed | Verdict::Failed | Verdict::Changed | Verdict::New))
    }
}

#[expect(clippy::cast_precision_loss, reason = "counts of cases and tokens are far below 2^52")]
fn point(rows: &[&TrendRow]) -> Option<Point> {
    let last = rows.iter().max_by_key(|row| row.run)?;
    let answered: Vec<&TrendRow> = rows.iter().copied().filter(|row| row.is_answered()).collect();
    let count = answered.len() as u64;
    let passes = answered.iter().filter(|row| row.verdict != Some(Verdict::Failed)).count() as u64;
    Some(Point {
        run: last.run,
        started: last.started.clone(),
        provenance: last.provenance.clone(),
        prompt_version: last.prompt_version.clone(),
        prompt_digest: last.prompt_digest.clone(),
        served_model: answered.iter().max_by_key(|row| row.run).and_then(|row| row.served_model.clone()),
        passes,
        answered: count,
        pass_rate: (count > 0).then(|| passes as f64 / count as f64),
        tokens: mean(answered.iter().filter_map(|row| row.tokens).map(|tokens| tokens as f64)),
        cost_usd: mean(answered.iter().filter_map(|row| row.cost_usd)),
        latency_ms: median(&answered.iter().filter_map(|row| row.latency_ms).collect::<Vec<f64>>()),
    })
}

fn mean(values: impl Iterator<Item = f64>) -> Option<f64> {
    let (sum, count) = values.fold((0.0, 0.0), |(sum, count), value| (sum + value, count + 1.0));
    (count > 0.0).then(|| sum / count)
}
