//! Pairing: the same case on both sides, with its answers and what they are worth.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::order::ranks;
use crate::case::Case;
use crate::core::names::{CaseName, ModelAlias, PromptName};
use crate::core::problem::Problems;
use crate::core::record::{Response, ToolCall};
use crate::core::verdict::{Checked, Quality, SourceLine, Verdict};
use crate::expect::is_refusal;
use crate::plan::Plan;
use crate::project::{Compare, ModelEntry};
use crate::prompt::DOCUMENTS;
use crate::recording::Store;
use crate::run::{Prepared, Scoring, Script, place_of};

/// One side of a comparison.
pub struct Side<'a> {
    /// The project.
    pub prepared: &'a Prepared,
    /// What was planned of it.
    pub plan: &'a Plan,
    /// Its recordings.
    pub store: &'a Store,
}

/// One answer, as far as a comparison looks at it.
#[derive(Clone, Debug, Default)]
pub struct Sample {
    /// Whether it passes, under head's expectations.
    pub pass: bool,
    /// The weighted score of its expectations, from 0 to 1.
    pub score: Option<f64>,
    /// The answer.
    pub text: String,
    /// The calls of tools in it, as JSON.
    pub calls: Option<String>,
    /// Characters.
    pub length: u64,
    /// Tokens of the request.
    pub input_tokens: Option<u64>,
    /// Tokens of the answer.
    pub output_tokens: Option<u64>,
    /// USD.
    pub cost: Option<f64>,
    /// Milliseconds.
    pub latency_ms: Option<u64>,
    /// Whether the model declined.
    pub refused: bool,
    /// Whether JSON was wanted and something else came.
    pub unparsed: bool,
    /// The model that answered, as the server reported it, with its fingerprint.
    pub served: Option<String>,
    /// Why it fails whatever is expected: it was cut off, filtered, declined, or is empty.
    pub unfinished: Option<String>,
    /// What did not hold.
    pub failed: Vec<Checked>,
    /// Every expectation by its name, and whether it holds.
    pub checks: Vec<(String, bool)>,
}

impl Sample {
    /// Whether the same was said, and the same is made of it.
    fn is_same(&self, other: &Self) -> bool {
        (self.pass, &self.text, &self.calls, &self.checks) == (other.pass, &other.text, &other.calls, &other.checks)
    }

    /// Why it fails: each expectation that does not hold, and what is wrong beyond them.
    #[must_use]
    pub fn reasons(&self) -> Vec<String> {
        let failed = self.failed.iter().map(|checked| format!("{}: {}", checked.kind, checked.reason));
        self.unfinished.iter().cloned().chain(failed).collect()
    }
}

/// A case on both sides.
#[derive(Clone, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each says of another thing whether it differs")]
pub struct Pair {
    /// The prompt.
    pub prompt: PromptName,
    /// The case.
    pub case: CaseName,
    /// The model, as head calls it.
    pub model: ModelAlias,
    /// Its place in the order in which the cases of the prompt are looked at one by one.
    pub rank: usize,
    /// Its tags, as head has them.
    pub tags: Vec<String>,
    /// The digests of the prompt: base and head.
    pub digests: (String, String),
    /// Whether the entries of the two models say something else.
    pub entry_changed: bool,
    /// Whether head expects something else.
    pub expectations_changed: bool,
    /// Base's answers that pass only under what base itself expects, and those that pass only under what head expects.
    pub rescored: (u64, u64),
    /// Whether head's case must pass, whatever statistics say.
    pub must_pass: bool,
    /// Whether the case gives other variables.
    pub variables_changed: bool,
    /// Whether its retriever found other documents.
    pub documents_changed: bool,
    /// How many documents were asked for and how good they are: base and head, where the case says what is relevant.
    pub retrieved: Option<[(usize, Quality); 2]>,
    /// Whether both sides ask the same, expect the same and have the very same recorded answers: no chance is in it.
    pub same: bool,
    /// What the case was made from.
    pub group: Option<Arc<str>>,
    /// Where head's case is written.
    pub place: Option<SourceLine>,
    /// Base's answers.
    pub base: Vec<Sample>,
    /// Head's answers.
    pub head: Vec<Sample>,
}

/// The variables that a case itself gives.
fn said(case: &Case) -> String {
    let mut variables = case.variables.clone();
    if case.retrieval.is_some() {
        variables.set(DOCUMENTS, serde_json::Value::Null);
    }
    variables.canonical()
}

fn digest_of(case: &Case) -> Option<String> {
    case.retrieval.as_ref().map(|retrieval| retrieval.digest())
}

fn quality(case: &Case) -> Option<(usize, Quality)> {
    let retrieval = case.retrieval.as_ref()?;
    Some((retrieval.top(), retrieval.quality?))
}

/// Which way a case went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Flip {
    /// More of base's answers passed.
    Loss,
    /// More of head's answers pass.
    Win,
}

impl Pair {
    /// A case with these answers, in which nothing but them differs.
    #[must_use]
    pub fn new(prompt: PromptName, case: CaseName, model: ModelAlias, base: Vec<Sample>, head: Vec<Sample>) -> Self {
        Self {
            prompt,
            case,
            model,
            rank: 0,
            tags: Vec::new(),
            place: None,
            digests: (String::new(), String::new()),
            entry_changed: false,
            expectations_changed: false,
            rescored: (0, 0),
            must_pass: false,
            variables_changed: false,
            documents_changed: false,
            retrieved: None,
            same: false,
            group: None,
            base,
            head,
        }
    }

    /// Head's share of passing answers less base's.
    #[must_use]
    pub fn difference(&self) -> f64 {
        rate(&self.head) - rate(&self.base)
    }

    /// Whether it must pass, and does not.
    #[must_use]
    pub fn must_fail(&self) -> bool {
        self.must_pass && self.head.iter().any(|sample| !sample.pass)
    }

    /// Which way the case went, if any.
    #[must_use]
    pub fn flip(&self) -> Option<Flip> {
        let difference = self.difference();
        if difference < 0.0 {
            Some(Flip::Loss)
        } else if difference > 0.0 {
            Some(Flip::Win)
        } else {
            None
        }
    }
}

fn rate(samples: &[Sample]) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "at most a thousand samples")]
    let (passes, count) = (samples.iter().filter(|s| s.pass).count() as f64, samples.len().max(1) as f64);
    passes / count
}

/// What could be paired, and what could not.
#[derive(Clone, Debug, Default)]
pub struct Pairs {
    /// The pairs, in head's order.
    pub pairs: Vec<Pair>,
    /// Cases of head that base does not have.
    pub only_head: u64,
    /// Cases of base that head does not have.
    pub only_base: u64,
    /// Cases of both without an answer on one side.
    pub unanswered: u64,
    /// Cases that are checked by their snapshot alone, so that no answer is right or wrong on both sides.
    pub unjudged: u64,
    /// Those of them whose answers differ.
    pub unjudged_changed: u64,
    /// The same with both answers, to be looked at: they pass on both sides, and count nowhere.
    pub beside: Vec<Pair>,
    /// The cases that could not be paired, each with its prompt and why.
    pub left_out: Vec<LeftOut>,
}

/// A case that could not be paired.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeftOut {
    /// The prompt.
    pub prompt: PromptName,
    /// The case.
    pub case: CaseName,
    /// The model, as its own side calls it.
    pub model: ModelAlias,
    /// Why.
    pub why: Cow<'static, str>,
}

/// Why a case is left out that only its snapshot checks.
pub const UNJUDGED: &str = "checked by its snapshot alone";

/// Which samples of a case count, by their numbers.
pub type Samples<'a> = &'a dyn Fn(usize) -> bool;

/// Pairs the items of both plans: the same prompt and case, and the same model unless two are named.
pub fn pair(
    base: &Side<'_>,
    head: &Side<'_>,
    models: Option<(&ModelAlias, &ModelAlias)>,
    samples: Samples<'_>,
) -> Result<Pairs, Problems> {
    let (base_answers, head_answers) =
        (base.prepared.answers(base.plan, base.store)?, head.prepared.answers(head.plan, head.store)?);
    let mut of_base: HashMap<(PromptName, CaseName, ModelAlias), usize> =
        (0..base.plan.items.len()).map(|index| (name(base, index), index)).collect();
    let base_cases: HashSet<(PromptName, CaseName)> =
        of_base.keys().map(|(prompt, case, _)| (prompt.clone(), case.clone())).collect();
    let ranks = ranks(base.prepared, head.prepared, head.plan);
    let mut pairs = Pairs::default();
    for (index, answers) in head_answers.iter().enumerate() {
        let (prompt, case, model) = name(head, index);
        let other = match models {
            Some((base_model, head_model)) if *head_model == model => base_model.clone(),
            Some(_) => continue,
            None => model.clone(),
        };
        let Some(base_index) = of_base.remove(&(prompt.clone(), case.clone(), other.clone())) else {
            pairs.only_head += 1;
            let elsewhere = base_cases.contains(&(prompt.clone(), case.clone()));
            let why = if elsewhere { "on another model in base" } else { "only in head" };
            pairs.left_out.push(LeftOut { prompt, case, model, why: why.into() });
            continue;
        };
        let (mut before, mut after) = (counted(&base_answers[base_index], samples), counted(answers, samples));
        if base.plan.items[base_index].keys.first() == head.plan.items[index].keys.first() {
            share(&mut before, &mut after);
        }
        if before.is_empty() || after.is_empty() {
            pairs.unanswered += 1;
            let side = if before.is_empty() { "no recorded answer in base" } else { "no recorded answer in head" };
            pairs.left_out.push(LeftOut { prompt, case, model, why: side.into() });
            continue;
        }
        let (base_item, item) = (&base.plan.items[base_index], &head.plan.items[index]);
        let judged = head.prepared.judges(item.case);
        if !judged {
            // Only its snapshot says what is right, and that is not what head's author expects of base.
            pairs.unjudged += 1;
            let (prompt, case, model) = (prompt.clone(), case.clone(), model.clone());
            pairs.left_out.push(LeftOut { prompt, case, model, why: UNJUDGED.into() });
        }
        let base_entry = &base.prepared.workspace.config.models[base_item.model];
        let entry = &head.prepared.workspace.config.models[item.model];
        // Head's answers are held against base's first one, and that against itself.
        let opposed = base_answers[base_index].iter().flatten().next().map(|answer| answer.text.as_str());
        // Base's conversations went as base's script says, whatever head expects of their answers.
        let script = base.prepared.script(base_item.case, base_entry)?;
        let (ours, theirs) = ([Some(head.store), Some(base.store)], [Some(base.store), Some(head.store)]);
        let expectations_changed = base.prepared.expected(base_item.case) != head.prepared.expected(item.case);
        let base_case = &base.prepared.workspace.cases.list[base_item.case];
        let head_case = &head.prepared.workspace.cases.list[item.case];
        let (scored, answered) = match (
            score(head.prepared, item.case, (base_entry, &before), (theirs, opposed, script.as_ref()))?,
            score(head.prepared, item.case, (entry, &after), (ours, opposed, None))?,
        ) {
            (Ok(scored), Ok(answered)) => (scored, answered),
            (Err(why), _) | (_, Err(why)) => {
                pairs.unanswered += 1;
                pairs.left_out.push(LeftOut { prompt, case, model, why: format!("not judged: {why}").into() });
                continue;
            }
        };
        if !judged {
            if scored[0].text == answered[0].text {
                continue;
            }
            pairs.unjudged_changed += 1;
        }
        let mut rescored = (0, 0);
        for (answer, sample) in before.iter().zip(&scored).filter(|_| expectations_changed) {
            let own = Scoring::new(base_item.case, base_entry, (answer.0, &answer.1), base.store);
            let own = Scoring { stores: theirs, opposed, ..own };
            let passed = base.prepared.score(&own)?.verdict == Verdict::Passed;
            rescored.0 += u64::from(passed && !sample.pass);
            rescored.1 += u64::from(!passed && sample.pass);
        }
        let list = if judged { &mut pairs.pairs } else { &mut pairs.beside };
        list.push(Pair {
            rank: ranks[index],
            tags: head_case.tags.to_vec(),
            group: head_case.group.clone(),
            same: !expectations_changed
                && base_item.keys.first() == item.keys.first()
                && before == after
                && scored.iter().zip(&answered).all(|(one, other)| one.is_same(other)),
            variables_changed: said(base_case) != said(head_case),
            documents_changed: digest_of(base_case) != digest_of(head_case),
            retrieved: quality(base_case).zip(quality(head_case)).map(|(base, head)| [base, head]),
            place: place_of(head_case),
            must_pass: head_case.must_pass,
            rescored,
            digests: (digest(base.prepared, base_item.case), digest(head.prepared, item.case)),
            entry_changed: !ask_alike(base_entry, entry),
            expectations_changed,
            base: scored,
            head: answered,
            prompt,
            case,
            model,
        });
    }
    leave_out_the_rest(of_base, models, &mut pairs);
    Ok(pairs)
}

/// What an item is, as its own side calls it.
fn name(side: &Side<'_>, index: usize) -> (PromptName, CaseName, ModelAlias) {
    let item = &side.plan.items[index];
    let workspace = &side.prepared.workspace;
    let case = &workspace.cases.list[item.case];
    let model = workspace.config.models[item.model].alias.clone();
    (workspace.prompt_of(case).name.clone(), case.name.clone(), model)
}

/// What the prompt of a case is.
fn digest(prepared: &Prepared, case: usize) -> String {
    prepared.workspace.prompt_of(&prepared.workspace.cases.list[case]).digest.clone()
}

/// Tells of the cases that only base has.
fn leave_out_the_rest(
    of_base: HashMap<(PromptName, CaseName, ModelAlias), usize>,
    models: Option<(&ModelAlias, &ModelAlias)>,
    pairs: &mut Pairs,
) {
    let wanted = |model: &ModelAlias| models.is_none_or(|(base_model, _)| base_model == model);
    let mut rest: Vec<_> = of_base.into_keys().filter(|(_, _, model)| wanted(model)).collect();
    rest.sort();
    pairs.only_base = rest.len() as u64;
    pairs.left_out.extend(rest.into_iter().map(|(prompt, case, model)| LeftOut {
        prompt,
        case,
        model,
        why: "only in base".into(),
    }));
}

/// Leaves out the answers that only one side took, where both asked the same: they are no difference between the sides.
fn share(before: &mut Vec<Numbered>, after: &mut Vec<Numbered>) {
    let shared = before.len().min(after.len());
    if shared > 0 {
        before.truncate(shared);
        after.truncate(shared);
    }
}

/// The answers that count and are there.
fn counted(answers: &[Option<Response>], samples: Samples<'_>) -> Vec<Numbered> {
    let counted = (0..).zip(answers).enumerate().filter(|(sample, _)| samples(*sample));
    counted.filter_map(|(_, (number, answer))| Some((number, answer.clone()?))).collect()
}

/// An answer with the number of its sample.
type Numbered = (u32, Response);

/// Whether two entries ask the same model for the same things, wherever it is and whatever it is called.
#[must_use]
pub fn ask_alike(one: &ModelEntry, other: &ModelEntry) -> bool {
    (&one.provider, &one.model, &one.params, &one.extras)
        == (&other.provider, &other.model, &other.params, &other.extras)
}

fn characters(text: &str) -> u64 {
    text.chars().count() as u64
}

fn is_unparsed(text: &str, calls: &[ToolCall]) -> bool {
    calls.is_empty() && serde_json::from_str::<serde::de::IgnoredAny>(text.trim()).is_err()
}

fn wants_json(prepared: &Prepared, case: usize) -> bool {
    let case = &prepared.workspace.cases.list[case];
    case.compare == Compare::Json || prepared.workspace.prompt_of(case).front.output.is_some()
}

/// What head makes of the answers of a side, or why nobody can say.
fn score(
    head: &Prepared,
    case: usize,
    (entry, answers): (&ModelEntry, &[Numbered]),
    (stores, opposed, script): ([Option<&Store>; 2], Option<&str>, Option<&Script>),
) -> Result<Result<Vec<Sample>, String>, Problems> {
    let wants_json = wants_json(head, case);
    let scored = answers.iter().map(|(number, answer)| {
        let scoring = Scoring { case, entry, sample: *number, answer, stores, opposed, script };
        sample(head, &scoring, wants_json)
    });
    scored.collect()
}

fn sample(prepared: &Prepared, scoring: &Scoring<'_>, wants_json: bool) -> Result<Result<Sample, String>, Problems> {
    let answer = scoring.answer;
    let outcome = prepared.score(scoring)?;
    if !matches!(outcome.verdict, Verdict::Passed | Verdict::Failed) {
        // Nobody can say whether it is good.
        return Ok(Err(outcome.reason.unwrap_or_default()));
    }
    Ok(Ok(Sample {
        pass: outcome.verdict == Verdict::Passed,
        score: outcome.score,
        calls: (!answer.tool_calls.is_empty()).then(|| serde_json::to_string(&answer.tool_calls).unwrap_or_default()),
        // Of a conversation everything counts that the model said.
        length: outcome
            .turns
            .iter()
            .map(|turn| turn.output.as_str())
            .chain([answer.text.as_str()])
            .map(characters)
            .sum(),
        input_tokens: outcome.usage.input,
        output_tokens: outcome.usage.output,
        cost: outcome.cost_usd,
        latency_ms: outcome.latency_ms,
        refused: is_refusal(answer)
            || outcome.turns.iter().any(|turn| {
                is_refusal(&Response {
                    text: turn.output.clone(),
                    finish_reason: turn.finish_reason,
                    ..Response::default()
                })
            }),
        unparsed: wants_json
            && (is_unparsed(&answer.text, &answer.tool_calls)
                || outcome.turns.iter().any(|turn| is_unparsed(&turn.output, &turn.tool_calls))),
        // Of a conversation the whole is shown.
        text: outcome.output.unwrap_or_else(|| answer.text.clone()),
        served: answer.served(),
        unfinished: outcome.reason,
        checks: outcome
            .expectations
            .iter()
            .filter(|checked| checked.decides())
            .map(|checked| (checked.kind.clone(), checked.pass))
            .collect(),
        failed: outcome.expectations.into_iter().filter(|checked| checked.is_bad() && checked.decides()).collect(),
    }))
}
