//! Whether a version of a prompt is as it should be: by its recorded answers, by those that are asked for, and where its
//! answers disagree, by as many as it takes.

use globset::GlobMatcher;

use super::ask::{Asker, Keep};
use super::context::Context;
use super::failure::Failure;
use super::load::Project;
use crate::core::record::Response;
use crate::core::verdict::Verdict;
use crate::history::{Loaded, Mark};
use crate::plan::{Item, Plan};
use crate::recording::Store;
use crate::run::{Mode, Prepared, Scoring};
use crate::snapshot::Index;
use crate::stats::RateBets;

/// The chance of calling a version that is as good as it must be a bad one, and the other way round.
const ALPHA: f64 = 0.05;
/// How many answers are asked for at once where those that are known disagree.
const MORE: usize = 5;
/// The most answers of a case.
const MOST: usize = 60;
/// Where a case must pass every time, one whose answers disagree is called good if it passes more often than not.
const EVEN: f64 = 0.5;

/// What a version is looked at for.
pub(super) struct Probe {
    pub(super) cases: Vec<(String, GlobMatcher)>,
    pub(super) models: Vec<String>,
    pub(super) min_pass_rate: Option<f64>,
    pub(super) repeat: Option<u32>,
    pub(super) mode: Mode,
    pub(super) keep: Keep,
    pub(super) asker: Asker,
    /// Only these of the cases, once it is known which fail.
    pub(super) only: Option<Vec<String>>,
}

/// What a version turned out to be, and why.
pub(super) struct Judged {
    pub(super) mark: Mark,
    pub(super) reason: String,
    /// Whether there was nothing to judge.
    pub(super) missing: bool,
    /// The cases that fail, as far as was looked.
    pub(super) failing: Vec<String>,
    /// Which models answered, as the server reported.
    pub(super) served: Vec<String>,
    pub(super) passed: u64,
    pub(super) answers: u64,
}

impl Judged {
    fn new(mark: Mark, reason: String) -> Self {
        Self { mark, reason, missing: false, failing: Vec::new(), served: Vec::new(), passed: 0, answers: 0 }
    }

    /// It cannot be told.
    pub(super) fn skip(reason: String) -> Self {
        Self::new(Mark::Skip, reason)
    }

    /// What is not there does not fail.
    pub(super) fn missing(reason: String) -> Self {
        Self { missing: true, ..Self::new(Mark::Good, reason) }
    }
}

/// The answers of a case on a model: which of them pass, and why the first that fails does.
struct Answers {
    item: Item,
    passes: Vec<bool>,
    why: Option<String>,
    /// The models that answered.
    served: Vec<String>,
}

impl Answers {
    fn count(&self) -> u64 {
        self.passes.iter().filter(|pass| **pass).count() as u64
    }

    fn rate(&self) -> f64 {
        rate(self.count(), self.passes.len() as u64)
    }

    fn disagree(&self) -> bool {
        self.passes.iter().any(|pass| *pass) && self.passes.iter().any(|pass| !*pass)
    }
}

#[expect(clippy::cast_precision_loss, reason = "counts of answers")]
fn rate(passed: u64, of: u64) -> f64 {
    passed as f64 / of.max(1) as f64
}

impl Probe {
    /// Judges a version by its answers.
    pub(super) fn judge(
        &mut self,
        context: &mut Context,
        project: &Project,
        loaded: &Loaded,
        store: Store,
    ) -> Result<Judged, Failure> {
        let items = self.items(&loaded.prepared, &loaded.plan);
        if items.is_empty() {
            return Ok(Judged::missing(self.missing_words(&loaded.prepared, &loaded.plan)));
        }
        let (mut store, mut all) = self.answers(context, project, &loaded.prepared, items, store)?;
        if let Some(lacks) = all.iter().find(|answers| answers.passes.len() < answers.item.keys.len()) {
            let case = &loaded.prepared.workspace.cases.list[lacks.item.case].name;
            let why = if loaded.prepared.judges(lacks.item.case) {
                "there is no answer"
            } else {
                "there is no answer, or none was accepted"
            };
            let retrieval = loaded.prepared.workspace.cases.list[lacks.item.case].retrieval.as_ref();
            if retrieval.is_some_and(|retrieval| retrieval.documents().is_none()) {
                return Ok(Judged::skip(format!("{case}: what its retriever finds is not known")));
            }
            let budget = self.asker.came.skipped > 0;
            let why = if budget { "not asked: the budget is spent, or a key is not set" } else { why };
            return Ok(Judged::skip(format!("{case}: {why}")));
        }
        let mut judged = Judged::new(Mark::Good, String::new());
        if let Some(least) = self.min_pass_rate {
            judged = by_rate(&all, least);
        } else {
            for answers in &mut all {
                let one = self.judge_case(context, project, &loaded.prepared, answers, &mut store)?;
                // The first bad one decides; what cannot be told does not hide it.
                let mut failing = std::mem::take(&mut judged.failing);
                if one.mark == Mark::Bad {
                    failing.push(loaded.prepared.workspace.cases.list[answers.item.case].name.to_string());
                }
                let worse = one.mark == Mark::Bad && judged.mark != Mark::Bad
                    || one.mark == Mark::Skip && judged.mark == Mark::Good;
                if worse {
                    judged = one;
                }
                judged.failing = failing;
                // At the bad end all that fails is wanted; after that the first one decides.
                if judged.mark == Mark::Bad && self.only.is_some() {
                    break;
                }
            }
        }
        judged.served = all.iter().flat_map(|answers| answers.served.iter().cloned()).collect();
        judged.served.sort_unstable();
        judged.served.dedup();
        judged.passed = all.iter().map(Answers::count).sum();
        judged.answers = all.iter().map(|answers| answers.passes.len() as u64).sum();
        if judged.reason.is_empty() {
            judged.reason = format!("{} of {} answers pass", judged.passed, judged.answers);
        }
        Ok(judged)
    }

    /// Why there is nothing to look at.
    fn missing_words(&self, prepared: &Prepared, plan: &Plan) -> String {
        let cases = &prepared.workspace.cases.list;
        if plan.items.iter().any(|item| self.names(cases[item.case].name.as_str())) {
            format!("there is no such case on {}", self.models.join(", "))
        } else {
            "there is no such case".to_owned()
        }
    }

    /// Whether a case is named.
    fn names(&self, name: &str) -> bool {
        let wanted = self.only.as_ref().is_none_or(|only| only.iter().any(|known| known == name));
        wanted && (self.cases.is_empty() || self.cases.iter().any(|(text, glob)| text == name || glob.is_match(name)))
    }

    /// What is looked at of a version, with as many samples as are wanted.
    fn items(&self, prepared: &Prepared, plan: &Plan) -> Vec<Item> {
        let workspace = &prepared.workspace;
        let is_wanted = |item: &&Item| {
            let name = workspace.cases.list[item.case].name.as_str();
            let alias = workspace.config.models[item.model].alias.as_str();
            self.names(name) && (self.models.is_empty() || self.models.iter().any(|model| model == alias))
        };
        let wanted = plan.items.iter().filter(is_wanted).cloned();
        let least = self.repeat.and_then(|repeat| usize::try_from(repeat).ok()).unwrap_or(0);
        wanted.map(|item| with_samples(prepared, item, least)).collect()
    }

    /// Asks for what is missing, and scores all that there is.
    fn answers(
        &mut self,
        context: &mut Context,
        project: &Project,
        prepared: &Prepared,
        items: Vec<Item>,
        store: Store,
    ) -> Result<(Store, Vec<Answers>), Failure> {
        let plan = Plan { items };
        let store = if self.mode == Mode::Replay {
            store
        } else {
            self.asker.fill(context, project, prepared, &plan, (self.mode, self.keep), store)?.0
        };
        let found = prepared.answers(&plan, &store)?;
        let index = Index::load(&*project.tree)?;
        let mut all = Vec::with_capacity(plan.items.len());
        for (item, responses) in plan.items.into_iter().zip(found) {
            let entry = &prepared.workspace.config.models[item.model];
            let (mut passes, mut why) = (Vec::new(), None);
            for (number, response) in
                (0..).zip(&responses).filter_map(|(number, answer)| Some((number, answer.as_ref()?)))
            {
                let outcome = prepared.score(&Scoring::new(item.case, entry, (number, response), &store))?;
                if !matches!(outcome.verdict, Verdict::Passed | Verdict::Failed) {
                    // Whoever judges did not say.
                    continue;
                }
                let accepted = if prepared.judges(item.case) {
                    Some(true)
                } else {
                    prepared.accepts(item.case, entry, response, (&index, &*project.tree))?
                };
                let pass = outcome.verdict == Verdict::Passed && accepted == Some(true);
                if accepted == Some(false) && why.is_none() {
                    why = Some("the answer is not the accepted one".to_owned());
                } else if accepted.is_none() {
                    // Nothing says whether it is right.
                    continue;
                }
                if !pass && why.is_none() {
                    let failed = outcome.expectations.iter().find(|checked| !checked.pass);
                    why = outcome.reason.or_else(|| failed.map(|c| format!("{}: {}", c.kind, c.reason)));
                }
                passes.push(pass);
            }
            let served = responses.iter().flatten().filter_map(Response::served).collect();
            all.push(Answers { item, passes, why, served });
        }
        Ok((store, all))
    }

    /// Judges one case. Where its answers disagree, more are taken until a bet on its pass rate is won.
    fn judge_case(
        &mut self,
        context: &mut Context,
        project: &Project,
        prepared: &Prepared,
        answers: &mut Answers,
        store: &mut Store,
    ) -> Result<Judged, Failure> {
        let case = prepared.workspace.cases.list[answers.item.case].clone();
        let least = case.min_pass_rate;
        if !answers.disagree() {
            let bad = answers.rate() + 1e-9 < least;
            let why = answers.why.clone().unwrap_or_default();
            return Ok(if bad {
                Judged::new(Mark::Bad, format!("{}: {why}", case.name))
            } else {
                Judged::new(Mark::Good, String::new())
            });
        }
        let threshold = if least < 1.0 { least } else { EVEN };
        loop {
            let mut bets = RateBets::new(ALPHA, threshold);
            let decided = answers.passes.iter().find_map(|pass| bets.take(*pass));
            let text = format!("{}: {} of {} answers pass", case.name, answers.count(), answers.passes.len());
            match decided {
                Some(true) => return Ok(Judged::new(Mark::Bad, text)),
                Some(false) => return Ok(Judged::new(Mark::Good, text)),
                None => {}
            }
            let count = answers.passes.len();
            if self.mode == Mode::Replay || count >= MOST {
                return Ok(Judged::skip(format!("{text}, which decides nothing")));
            }
            let item = with_samples(prepared, answers.item.clone(), count + MORE);
            // The store is handed over, and comes back knowing more.
            let known = std::mem::replace(store, Store::empty());
            let (more, mut all) = self.answers(context, project, prepared, vec![item], known)?;
            *store = more;
            match all.pop() {
                Some(more) if more.passes.len() > count => *answers = more,
                _ => return Ok(Judged::skip(format!("{text}, and no more could be had"))),
            }
        }
    }
}

/// The version by the pass rate of all its answers.
fn by_rate(all: &[Answers], least: f64) -> Judged {
    let passed: u64 = all.iter().map(Answers::count).sum();
    let of: u64 = all.iter().map(|answers| answers.passes.len() as u64).sum();
    let mark = if rate(passed, of) + 1e-9 < least { Mark::Bad } else { Mark::Good };
    Judged::new(mark, format!("{passed} of {of} answers pass"))
}

/// The item with at least so many samples.
fn with_samples(prepared: &Prepared, mut item: Item, least: usize) -> Item {
    let workspace = &prepared.workspace;
    let entry = &workspace.config.models[item.model];
    if item.keys.len() < least
        && let Ok(request) = workspace.request(&workspace.cases.list[item.case], entry)
    {
        let least = u32::try_from(least).unwrap_or(u32::MAX);
        item.keys = (0..least).map(|sample| request.key(sample)).collect();
    }
    item
}
