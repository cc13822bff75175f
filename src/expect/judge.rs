//! Checks by a model: a judge reads the answer and says, in JSON, what it finds. What it says is data: a judgement that
//! cannot be read is an error, and never a pass or a fail.

use std::sync::Arc;

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::argument::Arguments;
use super::oracle::{JudgeNeed, JudgeQuestion, Judgement, Need, Told};
use super::outright::contradicts;
use super::reading::read;
use super::shown::quoted;
use super::{Check, Finding, Subject, Written};
use crate::core::verdict::Lack;
use crate::core::yaml::Data;
use crate::prompt::Inline;

/// What to do about a judgement that nobody can read.
pub const ASKS_AGAIN: &str = "; `promptctl test --rejudge` asks again";

/// The default of `threshold` for a score from 0 to 1 that steps lead to.
const G_EVAL: f64 = 0.7;

/// What a judge of this kind is asked.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Rubric,
    Steps,
    Factuality,
    Faithfulness,
    Recall,
    Relevance,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Self::Rubric => "llm-rubric",
            Self::Steps => "g-eval",
            Self::Factuality => "factuality",
            Self::Faithfulness => "context-faithfulness",
            Self::Recall => "context-recall",
            Self::Relevance => "context-relevance",
        }
    }

    fn has_context(self) -> bool {
        matches!(self, Self::Faithfulness | Self::Recall | Self::Relevance)
    }
}

/// The texts of one expectation of a judge.
pub(super) struct Judging {
    /// The judge's prompt and model, where they are named.
    pub(super) prompt: Option<String>,
    pub(super) model: Option<String>,
    /// What the answer answers, where that is named.
    pub(super) question: Option<Inline>,
}

impl Judging {
    pub(super) fn read(arguments: &mut Arguments<'_, '_, '_>) -> Option<Self> {
        Some(Self {
            prompt: arguments.word("prompt").ok()?,
            model: arguments.word("model").ok()?,
            question: arguments.option("question").ok()?,
        })
    }

    /// The judge of a check of this kind.
    pub(super) fn need(&self, kind: &'static str, rule: String) -> JudgeNeed {
        let (model, prompt) = (self.model.clone(), self.prompt.clone());
        JudgeNeed { kind, prompt, default_prompt: kind, model, rule, beside: Vec::new() }
    }

    pub(super) fn variables(&self) -> impl Iterator<Item = String> {
        self.question.iter().flat_map(|inline| inline.variables().to_vec())
    }

    /// For a case: the question is what is named, else what was asked last; in the first turn a variable of that name goes before.
    pub(super) fn bind(&self, need: JudgeNeed, variables: &minijinja::Value) -> Result<BoundJudging, String> {
        let question = match &self.question {
            Some(inline) => Asked::Named(inline.render(variables)?),
            None => Asked::Variable(["question", "query"].iter().find_map(|name| text_of(variables, name))),
        };
        let case = serde_json::to_value(variables).ok().filter(Value::is_object).unwrap_or_else(|| json!({}));
        Ok(BoundJudging { need, question, case })
    }
}

/// What an answer answers, as far as that is known before.
enum Asked {
    /// The expectation names it.
    Named(String),
    /// The first answer answers the variable of that name, where there is one; later ones what was asked last.
    Variable(Option<String>),
}

/// A variable of the case that is a text.
fn text_of(variables: &minijinja::Value, name: &str) -> Option<String> {
    variables.get_attr(name).ok()?.as_str().map(str::to_owned)
}

/// The same for a case.
pub(super) struct BoundJudging {
    need: JudgeNeed,
    question: Asked,
    /// The variables of the case, which a project's own judge may use.
    case: Value,
}

impl BoundJudging {
    /// Asks, and gives what was said.
    pub(super) fn ask(&self, subject: &Subject<'_>, own: &[(&str, Value)]) -> Result<Judgement, Finding> {
        self.ask_of(&self.need, subject, own)
    }

    /// Asks whoever makes up the steps, where there is one.
    fn ask_beside(&self, subject: &Subject<'_>, own: &[(&str, Value)]) -> Option<Result<Judgement, Finding>> {
        let judge = self.need.beside.iter().find_map(|need| match need {
            Need::Judge(judge) => Some(judge),
            _ => None,
        })?;
        Some(self.ask_of(judge, subject, own))
    }

    fn ask_of(&self, judge: &JudgeNeed, subject: &Subject<'_>, own: &[(&str, Value)]) -> Result<Judgement, Finding> {
        let question = self.question(subject);
        let mut variables = Map::new();
        variables.insert("vars".to_owned(), self.case.clone());
        variables.insert("question".to_owned(), question.into());
        variables.insert("conversation".to_owned(), self.conversation(subject));
        variables.insert("output".to_owned(), subject.response.text.clone().into());
        variables.extend(own.iter().map(|(name, value)| ((*name).to_owned(), value.clone())));
        match subject.oracle.judge(&JudgeQuestion { judge, variables }) {
            Told::Said(judgement) => Ok(judgement),
            Told::Lacking(lack, why) => Err(Finding::lacking(lack, why)),
        }
    }

    /// What is known without asking, and is advice all the same where the judge may only advise.
    pub(super) fn unasked(&self, subject: &Subject<'_>, score: f64, reason: &str) -> Finding {
        let advises = subject.oracle.advises(&self.need).is_some();
        Finding { score, advises, ..Finding::new(true, reason) }
    }

    /// What the answer answers.
    pub(super) fn question(&self, subject: &Subject<'_>) -> String {
        match &self.question {
            Asked::Named(question) => question.clone(),
            Asked::Variable(Some(question)) if subject.turn <= 1 => question.clone(),
            Asked::Variable(_) => subject.question(),
        }
    }

    /// What was said before the answer. Of a labelled answer that is what its label says.
    fn conversation(&self, subject: &Subject<'_>) -> Value {
        let labelled = self.case.get("conversation").filter(|_| subject.sent.is_empty());
        labelled.cloned().unwrap_or_else(|| subject.conversation())
    }
}

/// A judgement that nobody can read, or that says what it may not say.
pub(super) fn off_menu(judgement: &Judgement, what: &str) -> Finding {
    let why = format!("the judge `{}` ({}) said {what}{ASKS_AGAIN}", judgement.by.model, judgement.by.prompt);
    Finding { judge: Some(Box::new(judgement.by.clone())), ..Finding::lacking(Lack::Errored, why) }
}

/// What a judge found, with who it was, and whether it may decide.
pub(super) fn judged(judgement: &Judgement, holds: bool, score: f64, reason: &str) -> Finding {
    let reason = match &judgement.advises {
        Some(why) => format!("{reason} [advice alone: {why}]"),
        None => reason.to_owned(),
    };
    let judge = Some(Box::new(judgement.by.clone()));
    Finding { score, judge, advises: judgement.advises.is_some(), ..Finding::new(holds, reason) }
}

struct Judge {
    kind: Kind,
    judging: Judging,
    /// The rubric, the reference, the criteria.
    text: Option<Inline>,
    context: Option<Inline>,
    steps: Vec<String>,
    /// The categories that hold.
    accept: Vec<char>,
    threshold: Option<f64>,
}

struct BoundJudge {
    kind: Kind,
    judging: BoundJudging,
    text: String,
    context: String,
    steps: Vec<String>,
    accept: Vec<char>,
    threshold: Option<f64>,
}

fn build(arguments: &mut Arguments<'_, '_, '_>, kind: Kind) -> Option<Judge> {
    let text = match kind {
        Kind::Faithfulness | Kind::Relevance => {
            if arguments.value.is_some() {
                arguments.error(format!("`{}` takes no value; the context stands in `context:`", kind.name()));
                return None;
            }
            None
        }
        _ => Some(arguments.text()?),
    };
    let threshold = match kind {
        Kind::Rubric if arguments.threshold.is_none() => None,
        Kind::Steps => Some(arguments.share(Some(G_EVAL))?),
        Kind::Factuality => None,
        Kind::Rubric | Kind::Faithfulness | Kind::Recall | Kind::Relevance => Some(arguments.share(None)?),
    };
    let context = if kind.has_context() { arguments.option("context").ok()? } else { None };
    let judging = Judging::read(arguments)?;
    Some(Judge { kind, judging, text, context, steps: Vec::new(), accept: Vec::new(), threshold })
}

pub(super) fn llm_rubric(arguments: &mut Arguments<'_, '_, '_>) -> Option<Box<dyn Written>> {
    Some(Box::new(build(arguments, Kind::Rubric)?))
}

pub(super) fn g_eval(arguments: &mut Arguments<'_, '_, '_>) -> Option<Box<dyn Written>> {
    let mut judge = build(arguments, Kind::Steps)?;
    if let Some(node) = arguments.options.get("steps") {
        judge.steps = arguments.decoder.texts(node, "steps")?;
        if judge.steps.is_empty() || judge.steps.iter().any(|step| step.trim().is_empty()) {
            arguments.decoder.error(node.span.clone(), "`steps` needs at least one step, and none of them empty");
            return None;
        }
    }
    Some(Box::new(judge))
}

pub(super) fn factuality(arguments: &mut Arguments<'_, '_, '_>) -> Option<Box<dyn Written>> {
    let mut judge = build(arguments, Kind::Factuality)?;
    judge.accept = "ABCE".chars().collect();
    if let Some(node) = arguments.options.get("accept") {
        let Data::Text(text) = &node.data else {
            arguments.decoder.wrong_kind(node, "accept", "letters such as `ABC`");
            return None;
        };
        let known = text.chars().all(|c| CATEGORIES.iter().any(|(letter, _)| *letter == c));
        if text.is_empty() || !known || CATEGORIES.iter().all(|(letter, _)| text.contains(*letter)) {
            arguments.decoder.error(node.span.clone(), "accept is some, and not all, of the letters A, B, C, D, E");
            return None;
        }
        judge.accept = CATEGORIES.iter().map(|(letter, _)| *letter).filter(|letter| text.contains(*letter)).collect();
    }
    Some(Box::new(judge))
}

pub(super) fn context_faithfulness(arguments: &mut Arguments<'_, '_, '_>) -> Option<Box<dyn Written>> {
    Some(Box::new(build(arguments, Kind::Faithfulness)?))
}

pub(super) fn context_recall(arguments: &mut Arguments<'_, '_, '_>) -> Option<Box<dyn Written>> {
    Some(Box::new(build(arguments, Kind::Recall)?))
}

pub(super) fn context_relevance(arguments: &mut Arguments<'_, '_, '_>) -> Option<Box<dyn Written>> {
    Some(Box::new(build(arguments, Kind::Relevance)?))
}

impl Judge {
    fn need(&self) -> JudgeNeed {
        let rule = match self.kind {
            Kind::Factuality => format!("accept {}", self.accept.iter().collect::<String>()),
            _ => self.threshold.map(|threshold| format!("threshold {threshold}")).unwrap_or_default(),
        };
        let need = self.judging.need(self.kind.name(), rule);
        // The prompt that an expectation names is the one that decides; steps before it keep the check's own.
        let steps = (self.kind == Kind::Steps && self.steps.is_empty()).then(|| {
            let default_prompt = super::shipped::STEPS;
            Need::Judge(JudgeNeed { prompt: None, default_prompt, rule: String::new(), ..need.clone() })
        });
        JudgeNeed { beside: steps.into_iter().collect(), ..need }
    }
}

impl Written for Judge {
    fn variables(&self) -> Vec<String> {
        // Any judge may be given every variable of the case.
        let texts = self.text.iter().chain(&self.context).flat_map(|inline| inline.variables().to_vec());
        texts.chain(self.judging.variables()).chain([String::new()]).collect()
    }

    fn needs(&self) -> Vec<Need> {
        let need = self.need();
        need.beside.iter().cloned().chain([Need::Judge(need.clone())]).collect()
    }

    fn bind(&self, variables: &minijinja::Value) -> Result<Arc<dyn Check>, String> {
        let text = match &self.text {
            Some(inline) => inline.render(variables)?,
            None => String::new(),
        };
        if self.text.is_some() && text.trim().is_empty() {
            return Err("the value is empty for this case".to_owned());
        }
        let context = match (&self.context, self.kind.has_context()) {
            (Some(inline), _) => inline.render(variables)?,
            (None, true) => {
                context_of(variables).ok_or("the case has no variable `context`; name it with `context:`")?
            }
            (None, false) => String::new(),
        };
        if self.kind.has_context() && context.trim().is_empty() {
            return Err("the context is empty for this case".to_owned());
        }
        Ok(Arc::new(BoundJudge {
            kind: self.kind,
            judging: self.judging.bind(self.need(), variables)?,
            text,
            context,
            steps: self.steps.clone(),
            accept: self.accept.clone(),
            threshold: self.threshold,
        }))
    }
}

/// The variable `context`: a text, or a list of them with a blank line between.
fn context_of(variables: &minijinja::Value) -> Option<String> {
    let value = variables.get_attr("context").ok()?;
    if let Some(text) = value.as_str() {
        return Some(text.to_owned());
    }
    let items: Vec<String> =
        value.try_iter().ok()?.map(|item| item.as_str().map(str::to_owned)).collect::<Option<_>>()?;
    Some(items.join("\n\n"))
}

/// The categories of `factuality`: what the answer says beside the reference.
const CATEGORIES: [(char, &str); 5] = [
    ('A', "the answer says less than the reference, and nothing against it"),
    ('B', "the answer says more than the reference, and nothing against it"),
    ('C', "the answer says the same as the reference"),
    ('D', "the answer disagrees with the reference"),
    ('E', "the answer differs from the reference in ways that do not matter"),
];

#[derive(Deserialize)]
struct Rubric {
    #[serde(default)]
    reason: String,
    pass: bool,
    score: Option<f64>,
}

#[derive(Deserialize)]
struct Score {
    #[serde(default)]
    reason: String,
    score: f64,
}

#[derive(Deserialize)]
struct Steps {
    steps: Vec<String>,
}

#[derive(Deserialize)]
struct Category {
    #[serde(default)]
    reason: String,
    category: String,
}

#[derive(Deserialize)]
struct Parts {
    parts: Vec<Part>,
}

#[derive(Deserialize)]
struct Part {
    text: String,
    holds: bool,
}

impl Check for BoundJudge {
    fn check(&self, subject: &Subject<'_>) -> Finding {
        let found = match self.kind {
            Kind::Rubric => self.rubric(subject),
            Kind::Steps => self.steps(subject),
            Kind::Factuality => self.factuality(subject),
            Kind::Faithfulness | Kind::Recall | Kind::Relevance => self.share(subject),
        };
        found.unwrap_or_else(|finding| finding)
    }
}

impl BoundJudge {
    fn rubric(&self, subject: &Subject<'_>) -> Result<Finding, Finding> {
        let judgement = self.judging.ask(subject, &[("rubric", json!(self.text))])?;
        let said: Rubric = read(&judgement)?;
        let score = said.score.unwrap_or(f64::from(u8::from(said.pass)));
        if !(0.0..=1.0).contains(&score) {
            return Err(off_menu(&judgement, &format!("that the score is {score}; it is from 0 to 1")));
        }
        if let Some(what) = contradicts(said.pass, score, self.threshold) {
            return Err(off_menu(&judgement, &format!("{what}: {}", quoted(&said.reason))));
        }
        let reached = self.threshold.is_none_or(|threshold| score + 1e-9 >= threshold);
        let reason = match (said.pass, reached, self.threshold) {
            (true, false, Some(threshold)) => {
                format!("the score is {score}, at least {threshold} is expected: {}", quoted(&said.reason))
            }
            _ => quoted(&said.reason),
        };
        // Without a threshold the verdict alone decides.
        let outright = self.threshold.is_none();
        Ok(Finding { outright, ..judged(&judgement, said.pass && reached, score, &reason) })
    }

    fn steps(&self, subject: &Subject<'_>) -> Result<Finding, Finding> {
        let criteria = json!(self.text);
        let made_up = self.judging.ask_beside(subject, &[("criteria", criteria.clone())]).transpose()?;
        let steps = if let Some(planned) = made_up {
            let said: Steps = read(&planned)?;
            if said.steps.is_empty() {
                return Err(off_menu(&planned, "no step at all"));
            }
            said.steps
        } else {
            self.steps.clone()
        };
        let own = [("criteria", criteria), ("steps", json!(steps))];
        let judgement = self.judging.ask(subject, &own)?;
        let said: Score = read(&judgement)?;
        if !(0.0..=10.0).contains(&said.score) {
            return Err(off_menu(&judgement, &format!("that the score is {}; it is from 0 to 10", said.score)));
        }
        Ok(self.reaches(&judgement, said.score / 10.0, &quoted(&said.reason)))
    }

    fn factuality(&self, subject: &Subject<'_>) -> Result<Finding, Finding> {
        let judgement = self.judging.ask(subject, &[("reference", json!(self.text))])?;
        let said: Category = read(&judgement)?;
        let letter = said.category.trim().trim_matches(['(', ')']);
        let known = CATEGORIES.iter().find(|(known, _)| letter.len() == 1 && letter.starts_with(*known));
        let Some((letter, meaning)) = known else {
            return Err(off_menu(
                &judgement,
                &format!("the category {}, which is none of A to E", quoted(&said.category)),
            ));
        };
        let holds = self.accept.contains(letter);
        let reason = format!("({letter}) {meaning}: {}", quoted(&said.reason));
        Ok(judged(&judgement, holds, f64::from(u8::from(holds)), &reason))
    }

    /// The share of the parts of a text of which something holds.
    fn share(&self, subject: &Subject<'_>) -> Result<Finding, Finding> {
        let own = [("context", json!(self.context)), ("reference", json!(self.text))];
        let judgement = self.judging.ask(subject, &own)?;
        let said: Parts = read(&judgement)?;
        let (what, held) = match self.kind {
            Kind::Faithfulness => ("claims of the answer", "supported by the context"),
            Kind::Recall => ("statements of the reference", "supported by the context"),
            _ => ("parts of the context", "needed to answer"),
        };
        if said.parts.is_empty() {
            return Err(off_menu(&judgement, &format!("of no {what} whether they are {held}")));
        }
        let holding = said.parts.iter().filter(|part| part.holds).count();
        #[expect(clippy::cast_precision_loss, reason = "as many as a model can list")]
        let score = holding as f64 / said.parts.len() as f64;
        let first = said.parts.iter().find(|part| !part.holds);
        let first = first.map(|part| format!("; not {}", quoted(&part.text))).unwrap_or_default();
        let reason = format!("{holding} of {} {what} are {held}{first}", said.parts.len());
        Ok(self.reaches(&judgement, score, &reason))
    }

    fn reaches(&self, judgement: &Judgement, score: f64, reason: &str) -> Finding {
        let threshold = self.threshold.unwrap_or(1.0);
        let holds = score + 1e-9 >= threshold;
        let reason = format!("the score is {score:.3}, at least {threshold} is expected: {reason}");
        judged(judgement, holds, score, &reason)
    }
}
