//! Recorded answers of a plan, scored under whatever expectations: what a comparison is made of. Nothing is asked.

use std::collections::HashSet;

use rayon::prelude::*;

use super::against::Script;
use super::answer::Answer;
use super::checking::check_sample;
use super::desk::{Accepted, Room};
use super::prepared::Prepared;
use super::wanted::recorded;
use crate::core::names::RequestKey;
use crate::core::problem::{Problem, Problems};
use crate::core::record::Response;
use crate::core::verdict::{AnswerSource, SampleOutcome, Verdict};
use crate::expect::{Need, PREFERS};
use crate::plan::{Item, Plan};
use crate::project::ModelEntry;
use crate::recording::Store;
use crate::snapshot::{Answer as Golden, Index, snapshot_path};
use crate::tree::Tree;

/// An answer, and what it is held against.
pub struct Scoring<'a> {
    /// The index of the case.
    pub case: usize,
    /// The model that answered.
    pub entry: &'a ModelEntry,
    /// The number of the sample.
    pub sample: u32,
    /// The answer; where more is said, the first one.
    pub answer: &'a Response,
    /// Where the later answers of its conversation are looked for, and what judges say of it; and where else that is.
    pub stores: [Option<&'a Store>; 2],
    /// The answer that it is preferred to.
    pub opposed: Option<&'a str>,
    /// The conversation that it belongs to, where that is not the case's own.
    pub script: Option<&'a Script>,
}

impl<'a> Scoring<'a> {
    /// An answer that is held against nothing but what is expected of it.
    #[must_use]
    pub fn new(case: usize, entry: &'a ModelEntry, (sample, answer): (u32, &'a Response), store: &'a Store) -> Self {
        Self { case, entry, sample, answer, stores: [Some(store), None], opposed: None, script: None }
    }
}

impl Prepared {
    /// The recorded answers to each item of a plan, one a sample; `None` where there is none.
    pub fn answers(&self, plan: &Plan, store: &Store) -> Result<Vec<Vec<Option<Response>>>, Problems> {
        let of_item = |item: &Item| {
            let found = item.keys.iter().map(|key| Ok(recorded(self, store, item, key)?.map(|line| line.response)));
            found.collect::<Result<Vec<_>, Problems>>()
        };
        plan.items.par_iter().map(of_item).collect()
    }

    /// What the expectations of a case make of an answer, wherever the answer is from. Where what they ask for is not
    /// recorded, the verdict is neither *passed* nor *failed*.
    pub fn score(&self, scoring: &Scoring<'_>) -> Result<SampleOutcome, Problem> {
        let accepted = scoring.opposed.map_or(Accepted::None, Accepted::Answer);
        let room = Room::replaying(self, scoring.stores, accepted);
        let desk = room.desk(scoring.case, scoring.entry, scoring.sample).following(scoring.script);
        let bound = self.bind(&self.workspace.cases.list[scoring.case])?;
        let answer = Answer::Here(Box::new(scoring.answer.clone()), AnswerSource::Recorded, None);
        Ok(check_sample(&answer, &bound, scoring.entry.price.as_ref(), &desk))
    }

    /// Whether every answer of a plan is there, each conversation to its end, and what judges say of it.
    pub fn is_whole(&self, plan: &Plan, store: &Store) -> Result<bool, Problems> {
        let of_item = |item: &Item| -> Result<bool, Problems> {
            let asks = self.asks(&self.workspace.cases.list[item.case]);
            let entry = &self.workspace.config.models[item.model];
            for (sample, key) in (0..).zip(&item.keys) {
                let Some(line) = recorded(self, store, item, key)? else { return Ok(false) };
                if asks {
                    let outcome = self.score(&Scoring::new(item.case, entry, (sample, &line.response), store))?;
                    if matches!(outcome.verdict, Verdict::Stale | Verdict::Unrecorded | Verdict::Skipped) {
                        return Ok(false);
                    }
                }
            }
            Ok(true)
        };
        let whole: Vec<bool> = plan.items.par_iter().map(of_item).collect::<Result<_, Problems>>()?;
        Ok(whole.into_iter().all(|whole| whole))
    }

    /// The keys of everything that checks and conversations make of the recorded answers of a plan, beyond those answers.
    pub fn reached(&self, plan: &Plan, store: &Store) -> Result<HashSet<RequestKey>, Problems> {
        let of_item = |item: &Item| -> Result<Vec<RequestKey>, Problems> {
            let case = &self.workspace.cases.list[item.case];
            if !self.asks(case) {
                return Ok(Vec::new());
            }
            let bound = self.bind(case)?;
            let mut keys = Vec::new();
            for (sample, key) in (0..).zip(&item.keys) {
                let Some(line) = recorded(self, store, item, key)? else { continue };
                let desk = Room::replaying(self, [Some(store), None], Accepted::None).desk_of(item, sample);
                let answer = Answer::Here(Box::new(line.response), AnswerSource::Recorded, None);
                let outcome = check_sample(&answer, &bound, None, &desk);
                keys.extend(outcome.turns.into_iter().map(|turn| turn.key));
                keys.extend(desk.used().iter().filter_map(|key| RequestKey::new(key).ok()));
            }
            Ok(keys)
        };
        let found: Vec<Vec<RequestKey>> = plan.items.par_iter().map(of_item).collect::<Result<_, Problems>>()?;
        Ok(found.into_iter().flatten().collect())
    }

    /// Whether a case asks beyond its first answer.
    #[must_use]
    pub fn is_judged(&self, case: usize) -> bool {
        self.asks(&self.workspace.cases.list[case])
    }

    /// Whether the answers of a case are held against those of the other side of a comparison.
    #[must_use]
    pub fn opposes(&self, case: usize) -> bool {
        let is_preference = |need| matches!(&need, Need::Judge(judge) if judge.default_prompt == PREFERS);
        self.is_judged && self.needs(&self.workspace.cases.list[case]).any(is_preference)
    }

    /// Whether a case expects anything of an answer, beside what was accepted.
    #[must_use]
    pub fn judges(&self, case: usize) -> bool {
        self.all_expectations(&self.workspace.cases.list[case]).next().is_some()
    }

    /// Whether an answer is the accepted one; `None` where nothing was accepted.
    pub fn accepts(
        &self,
        case: usize,
        entry: &ModelEntry,
        answer: &Response,
        (index, tree): (&Index, &dyn Tree),
    ) -> Result<Option<bool>, Problem> {
        let case = &self.workspace.cases.list[case];
        let path = snapshot_path(&self.workspace.prompt_of(case).name, &case.name, &entry.alias);
        let accepted = index.get(tree, &path)?;
        let golden = Golden::new(answer, case.compare, &case.snapshot);
        Ok(accepted.map(|accepted| golden.matches(&accepted)))
    }

    /// What is expected of a case, as it is written: two sides that expect the same say the same here.
    #[must_use]
    pub fn expected(&self, case: usize) -> String {
        let case = &self.workspace.cases.list[case];
        let prompt = self.workspace.prompt_of(case);
        let said = case.turns.iter().flat_map(|turn| {
            let texts = turn.say.texts().map(|text| text.source().to_owned());
            texts.chain(turn.checks.iter().map(|check| check.node.to_json().to_string()))
        });
        let checks = case.checks.iter().map(|check| check.node.to_json().to_string());
        let checks: Vec<String> = checks.chain(said).collect();
        let output = prompt.front.output.as_ref().map(|output| output.format.schema.to_string());
        format!("{}\n{}\n{:?}", checks.join("\n"), output.unwrap_or_default(), case.threshold)
    }
}
