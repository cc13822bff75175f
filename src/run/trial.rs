//! A judge on trial: it is asked about answers that people have labelled, as a run asks it about any answer. The labelled
//! answers are the cases of a plan, and what a model would have to answer is known already.

use std::collections::HashMap;
use std::sync::Arc;

use serde::Serialize;
use serde_json::{Map, Value, json};

use super::calibration::{Calibration, calibration_path};
use super::judges::with_shipped;
use super::prepared::Prepared;
use crate::case::{Case, Cases, Check, Labelled};
use crate::core::digest::sha256_hex;
use crate::core::names::{PromptName, RequestKey};
use crate::core::path::TreePath;
use crate::core::problem::{Place, Problem, Problems, Source};
use crate::core::record::{FinishReason, Message, Request, RequestKind, Response, Role};
use crate::core::verdict::{Lack, Outcome, Verdict};
use crate::core::yaml;
use crate::expect::{ASKS_AGAIN, Need};
use crate::plan::{Item, Plan, Workspace};
use crate::project::Compare;
use crate::prompt::{Prompts, SharedVariables, Variables};
use crate::recording::Line;
use crate::tree::TreeError;

/// The checks that can be held against labels of single answers, and the column with the value of each.
const CHECKS: [(&str, Option<&str>); 7] = [
    ("llm-rubric", Some("rubric")),
    ("g-eval", Some("criteria")),
    ("factuality", Some("reference")),
    ("context-recall", Some("reference")),
    ("context-faithfulness", None),
    ("context-relevance", None),
    ("answer-relevance", None),
];
/// Where problems with what was said on the command line are.
const COMMAND_LINE: &str = "command line";
/// The variable that holds what an answer answers.
const QUESTION: [&str; 2] = ["question", "query"];

/// Which judge is tried, as an expectation would name it.
#[derive(Clone, Debug, Default)]
pub struct Expected {
    /// The check that asks it.
    pub check: String,
    /// Its value; none: a column of the labels.
    pub value: Option<String>,
    /// Its threshold.
    pub threshold: Option<f64>,
    /// The judge's model.
    pub model: Option<String>,
    /// The judge's prompt.
    pub prompt: Option<String>,
    /// The categories of `factuality` that hold.
    pub accept: Option<String>,
    /// The steps of `g-eval`; none: the judge makes them up.
    pub steps: Vec<String>,
    /// The model that embeds what is said for `answer-relevance`.
    pub embeddings: Option<String>,
}

impl Expected {
    /// The expectation as it would stand in `cases.yaml`. JSON is YAML.
    fn written(&self, value: Option<&str>) -> String {
        let mut text = format!("type: {}\n", json!(self.check));
        let options = [
            ("value", value),
            ("model", self.model.as_deref()),
            ("prompt", self.prompt.as_deref()),
            ("accept", self.accept.as_deref()),
            ("embeddings", self.embeddings.as_deref()),
        ];
        for (name, option) in options {
            text.extend(option.map(|option| format!("{name}: {}\n", json!(option))));
        }
        text.extend(self.threshold.map(|threshold| format!("threshold: {threshold}\n")));
        if !self.steps.is_empty() {
            text.push_str(&format!("steps: {}\n", json!(self.steps)));
        }
        text
    }
}

/// The checks that can be tried.
pub fn triable() -> impl Iterator<Item = &'static str> {
    CHECKS.iter().map(|(name, _)| *name)
}

/// Labelled answers, ready to be judged.
pub struct Trial {
    /// A project whose cases are the labelled answers.
    pub prepared: Prepared,
    /// All of them.
    pub plan: Plan,
    /// The answers, as if they had been recorded.
    pub answers: Vec<(PromptName, Line)>,
    /// Where the calibration of this judge is kept.
    pub path: TreePath,
    /// Whether the judge's prompt is one of those that are built in.
    pub is_shipped: bool,
    /// Whether each is good, and where it stands.
    labels: HashMap<String, (bool, Place)>,
    /// What is known before anything is judged.
    bare: Calibration,
}

/// An answer of which a judge says something else than people.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Disagreement {
    /// The label's name.
    pub name: String,
    /// Its line.
    pub line: usize,
    /// What people say, `pass` or `fail`.
    pub people: &'static str,
    /// What the judge says.
    pub judge: &'static str,
    /// Its score, from 0 to 1.
    pub score: f64,
    /// Why.
    pub reason: String,
}

/// An answer that was not judged.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Unjudged {
    /// The label's name.
    pub name: String,
    /// Its line.
    pub line: usize,
    /// What became of it: `errored`, `stale`, `unrecorded` or `skipped`.
    pub verdict: Verdict,
    /// Why.
    pub reason: String,
}

/// What came of a trial.
#[derive(Clone, Debug)]
pub struct Tried {
    /// How far the judge agrees with people.
    pub calibration: Calibration,
    /// Where it does not.
    pub disagreements: Vec<Disagreement>,
    /// What it could not be asked, or what it said and nobody can read.
    pub unjudged: Vec<Unjudged>,
    /// Why it may only advise; `None` where it decides.
    pub falls_short: Option<String>,
}

impl Tried {
    /// Whether every label was judged, or was found not to be judged by this judge: else more would be to ask.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.unjudged.iter().all(|unjudged| unjudged.verdict == Verdict::Errored)
    }
}

impl Prepared {
    /// Makes labelled answers the cases of the project. `text` is that of the file that they were read from.
    pub fn on_trial(self, of: &Expected, labels: Vec<Labelled>, file: &TreePath) -> Result<Trial, Problems> {
        let Some((_, column)) = CHECKS.iter().find(|(name, _)| *name == of.check) else {
            let known: Vec<&str> = triable().collect();
            let hint = crate::core::suggest::did_you_mean(&of.check, known.iter().copied());
            let message = format!("no label of a single answer says whether `{}` holds{hint}", of.check);
            return Err(Problem::error(Place::Nowhere, message).help(format!("known: {}", known.join(", "))).into());
        };
        let needs = Wants { value: column.filter(|_| of.value.is_none()), context: of.check.starts_with("context-") };
        needs.check(&labels)?;
        let text = self.workspace.tree.text_up_to(file, u64::MAX).unwrap_or_default();
        let mut problems = Problems::default();
        let Workspace { tree, config, .. } = self.workspace;
        // What is built in stands among the project's own, so that it is found by its name.
        let prompts = Prompts::load(&with_shipped(Arc::clone(&tree)), &config, &mut problems);
        let workspace = Workspace { tree, config, prompts, cases: Cases::default() };
        let value = of.value.clone().or_else(|| column.map(|column| format!("{{{{ {column} }}}}")));
        let source = Source::new(COMMAND_LINE, of.written(value.as_deref()));
        let node = yaml::parse(&source)?;
        let check = Arc::new(Check { source, node, folder: TreePath::root() });
        let mut cases: Vec<Case> = labels.iter().map(|label| case_of(label, &check)).collect();
        let expected = Workspace { cases: Cases { list: cases.clone() }, ..workspace };
        let mut prepared = Prepared::new(expected, &mut problems);
        if problems.has_errors() {
            return Err(problems);
        }
        let need = prepared.compiled(std::slice::from_ref(&check)).flat_map(|expectation| expectation.needs());
        let need = need.filter_map(|(_, need)| match need {
            Need::Judge(need) => Some(need),
            _ => None,
        });
        let wrong = |why: String| Problems::from(Problem::error(Place::Nowhere, why));
        let need = need.last().ok_or_else(|| wrong(format!("`{}` asks no judge", of.check)))?;
        let judge = prepared.judge(&need).map_err(wrong)?;
        let (name, model) = (judge.prompt.name.clone(), judge.model);
        let bare = Calibration {
            prompt: name.to_string(),
            digest: judge.prompt.digest.clone(),
            model: judge.entry.alias.to_string(),
            judge: prepared.judge_identity(&need).map_err(wrong)?,
            check: need.kind.to_owned(),
            rule: need.rule.clone(),
            value: of.value.clone(),
            labels: file.to_string(),
            labels_sha256: sha256_hex(text.as_bytes()),
            ..Calibration::default()
        };
        let (path, alias) = (calibration_path(&judge), judge.entry.alias.clone());
        let own = prepared.workspace.tree.read(&judge.prompt.path, u64::MAX);
        let is_shipped = matches!(own, Err(TreeError::Missing(_)));
        let prompts = &prepared.workspace.prompts.list;
        let index = prompts.iter().position(|prompt| prompt.name == name).unwrap_or_default();
        for case in &mut cases {
            case.prompt = index;
        }
        prepared.workspace.cases = Cases { list: cases };
        // What the judge itself must say is nothing that the answers must be.
        prepared.outputs = Vec::new();
        prepared.judges.on_trial = true;
        let mut trial = Trial {
            plan: Plan::default(),
            answers: Vec::new(),
            path,
            is_shipped,
            labels: HashMap::new(),
            bare,
            prepared,
        };
        for (index, label) in labels.into_iter().enumerate() {
            if let Err(problem) = trial.prepared.bind(&trial.prepared.workspace.cases.list[index]) {
                problems.push(Problem { place: label.place.clone(), ..problem });
            }
            let (key, line) = known(&label, alias.clone());
            trial.plan.items.push(Item { case: index, model, keys: vec![key], position: None, variation: None });
            trial.answers.push((name.clone(), line));
            trial.labels.insert(label.name.to_string(), (label.is_good, label.place));
        }
        if problems.has_errors() { Err(problems) } else { Ok(trial) }
    }
}

/// What every label needs beside an answer.
struct Wants {
    /// The column with the value of the expectation.
    value: Option<&'static str>,
    context: bool,
}

impl Wants {
    fn check(&self, labels: &[Labelled]) -> Result<(), Problems> {
        let mut problems = Problems::default();
        let has = |label: &Labelled, column: &str| label.variables.get(column).is_some_and(|value| !value.is_null());
        for column in self.value.into_iter().chain(self.context.then_some("context")) {
            let mut lacking = labels.iter().filter(|label| !has(label, column));
            let Some(first) = lacking.next() else { continue };
            let more = match lacking.count() {
                0 => String::new(),
                more => format!(" (and so {more} more)"),
            };
            let message = format!("the row has no `{column}`{more}");
            let problem = Problem::error(first.place.clone(), message);
            problems.push(match self.value {
                Some(value) if value == column => {
                    problem.help("give each row one, or one for all of them with `--rubric TEXT`")
                }
                _ => problem,
            });
        }
        if problems.is_empty() { Ok(()) } else { Err(problems) }
    }
}

/// A label as a case that expects what the judge is to say.
fn case_of(label: &Labelled, check: &Arc<Check>) -> Case {
    let mut variables = label.variables.clone();
    if !QUESTION.iter().any(|name| variables.get(*name).is_some_and(Value::is_string)) {
        // What was asked is not known, and is nothing that the judge's own prompt says.
        variables.insert(QUESTION[0].to_owned(), Value::from(""));
    }
    Case {
        name: label.name.clone(),
        prompt: 0,
        variables: Variables::new(SharedVariables::new(variables), Map::new()),
        checks: Arc::from([Arc::clone(check)]),
        turns: Arc::default(),
        compare: Compare::None,
        snapshot: Arc::default(),
        repeat: 1,
        min_pass_rate: 1.0,
        must_pass: false,
        threshold: None,
        tags: Arc::default(),
        group: None,
        facts: Arc::default(),
        retrieval: None,
        relevant: Arc::default(),
        models: None,
        place: label.place.clone(),
        unasserted: false,
        quarantine: None,
    }
}

/// A labelled answer as if it had been recorded. It is found by what it says, and never written down.
fn known(label: &Labelled, model: crate::core::names::ModelAlias) -> (RequestKey, Line) {
    let request = Request {
        provider: "labels".to_owned(),
        model: String::new(),
        kind: RequestKind::Answer,
        messages: vec![Message::new(Role::Assistant, label.output.clone())],
        tools: Vec::new(),
        response_format: None,
        params: Map::new(),
        extras: None,
        retrieved: None,
    };
    let key = request.key(0);
    let line = Line {
        key: key.clone(),
        case: label.name.clone(),
        sample: 0,
        model,
        check: None,
        turn: None,
        experiment: None,
        request: None,
        response: Response { text: label.output.clone(), finish_reason: FinishReason::Stop, ..Response::default() },
        recorded_at: "1970-01-01T00:00:00Z".to_owned(),
    };
    (key, line)
}

impl Trial {
    /// What the outcomes of a run of its plan say of the judge.
    #[must_use]
    pub fn result(&self, outcomes: &[Outcome], day: String) -> Tried {
        let mut calibration = Calibration { day, ..self.bare.clone() };
        let (mut disagreements, mut unjudged) = (Vec::new(), Vec::new());
        let word = |pass: bool| if pass { "pass" } else { "fail" };
        for outcome in outcomes {
            let Some((is_good, place)) = self.labels.get(outcome.case.as_str()) else { continue };
            let (name, line) = (outcome.case.to_string(), place.locate().1.unwrap_or_default());
            let sample = outcome.samples.first();
            let checked = sample.and_then(|sample| sample.expectations.first());
            let judged = checked.filter(|checked| checked.lack.is_none() && !checked.void);
            let Some(judged) = judged else {
                let lack = checked.and_then(|checked| checked.lack);
                let verdict = match lack {
                    Some(Lack::Stale) => Verdict::Stale,
                    Some(Lack::Unrecorded | Lack::Waiting) => Verdict::Unrecorded,
                    Some(Lack::Skipped) => Verdict::Skipped,
                    Some(Lack::Errored | Lack::Unasked) => Verdict::Errored,
                    None if checked.is_some() => Verdict::Errored,
                    None => outcome.verdict,
                };
                let reason = match (verdict, checked) {
                    (Verdict::Stale, _) => "what is recorded is of another answer, rule or judge".to_owned(),
                    (Verdict::Unrecorded, _) => "nothing is recorded".to_owned(),
                    (_, Some(checked)) => checked.reason.replace(ASKS_AGAIN, "; --refresh asks again"),
                    (_, None) => outcome.reason.clone(),
                };
                calibration.errored += u64::from(verdict == Verdict::Errored);
                unjudged.push(Unjudged { name, line, verdict, reason });
                continue;
            };
            let count = match (*is_good, judged.pass) {
                (true, true) => &mut calibration.pass_pass,
                (true, false) => &mut calibration.pass_fail,
                (false, true) => &mut calibration.fail_pass,
                (false, false) => &mut calibration.fail_fail,
            };
            *count += 1;
            if *is_good != judged.pass {
                let (people, judge) = (word(*is_good), word(judged.pass));
                let (score, reason) = (judged.score, judged.reason.clone());
                disagreements.push(Disagreement { name, line, people, judge, score, reason });
            }
        }
        let calibration = calibration.figured();
        let falls_short = calibration.falls_short(&self.prepared.workspace.config.judge.gate);
        Tried { calibration, disagreements, unjudged, falls_short }
    }
}
