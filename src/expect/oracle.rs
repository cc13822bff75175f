//! What a check asks outside of itself: a model that judges, one that embeds, a program. `expect` knows the question and
//! never who answers it.

use std::sync::Arc;

use serde_json::{Map, Value};

use crate::core::record::FinishReason;
use crate::core::verdict::{JudgedBy, Lack};

/// A judge as an expectation names it, and by what its words become a verdict.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct JudgeNeed {
    /// The check that asks.
    pub kind: &'static str,
    /// The judge's prompt, where the expectation names one; else the check's own.
    pub prompt: Option<String>,
    /// The template that the check has where the project has none of that name.
    pub default_prompt: &'static str,
    /// The model, where the expectation names one; else the project's judge.
    pub model: Option<String>,
    /// What of the expectation makes a verdict of what the judge says, such as `threshold 0.7`; empty where nothing does.
    pub rule: String,
    /// Who else has a say in it: whoever makes up its steps, the model that embeds what it says.
    pub beside: Vec<Need>,
}

/// A question to a judge.
#[derive(Debug)]
pub struct JudgeQuestion<'q> {
    /// Who is asked.
    pub judge: &'q JudgeNeed,
    /// What the template gets.
    pub variables: Map<String, Value>,
}

/// What a judge said.
#[derive(Clone, Debug)]
pub struct Judgement {
    /// The text of its answer.
    pub text: String,
    /// Why it ended.
    pub finish: FinishReason,
    /// Who it was.
    pub by: JudgedBy,
    /// Whether it may only advise: why.
    pub advises: Option<String>,
}

/// What came of a question.
#[derive(Clone, Debug)]
pub enum Told<T> {
    /// An answer.
    Said(T),
    /// None, and why.
    Lacking(Lack, String),
}

/// Who is asked.
pub trait Oracle {
    /// Asks a judge.
    fn judge(&self, question: &JudgeQuestion<'_>) -> Told<Judgement>;

    /// Why a judge may only advise; `None` where it decides.
    fn advises(&self, judge: &JudgeNeed) -> Option<String>;

    /// The embedding of a text, by the model that is named, else by the project's own for that.
    fn embed(&self, model: Option<&str>, text: &str) -> Told<Arc<[f32]>>;

    /// Runs a program with this input, and gives what it printed.
    fn execute(&self, command: &[String], input: &Value) -> Told<String>;

    /// The answers of the other models to the same case, by their aliases; this one's own among them.
    fn answers(&self) -> Told<Vec<(String, String)>>;

    /// The alias of the model that answered.
    fn model(&self) -> &str;

    /// The most tokens that this model reads and writes at once, where that is known.
    fn window(&self) -> Option<u64> {
        None
    }

    /// How many tokens a text has for this model, about.
    fn tokens(&self, text: &str) -> u64 {
        text.len() as u64 / 4
    }

    /// What was asked last: the last message of the user in the request.
    fn question(&self) -> String;

    /// The accepted answer of the case; `None` where nothing was accepted yet.
    fn accepted(&self) -> Told<Option<String>>;
}

/// Nobody: for expectations that ask nobody.
#[derive(Clone, Copy, Debug)]
pub struct Nobody;

const NOBODY: &str = "nobody can be asked here";

impl Oracle for Nobody {
    fn judge(&self, _: &JudgeQuestion<'_>) -> Told<Judgement> {
        Told::Lacking(Lack::Errored, NOBODY.to_owned())
    }

    fn advises(&self, _: &JudgeNeed) -> Option<String> {
        None
    }

    fn embed(&self, _: Option<&str>, _: &str) -> Told<Arc<[f32]>> {
        Told::Lacking(Lack::Errored, NOBODY.to_owned())
    }

    fn execute(&self, _: &[String], _: &Value) -> Told<String> {
        Told::Lacking(Lack::Errored, NOBODY.to_owned())
    }

    fn answers(&self) -> Told<Vec<(String, String)>> {
        Told::Lacking(Lack::Errored, NOBODY.to_owned())
    }

    fn model(&self) -> &'static str {
        ""
    }

    fn question(&self) -> String {
        String::new()
    }

    fn accepted(&self) -> Told<Option<String>> {
        Told::Lacking(Lack::Errored, NOBODY.to_owned())
    }
}

/// What an expectation needs from outside, known before anything runs.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Need {
    /// A judge, with its prompt.
    Judge(JudgeNeed),
    /// A model that embeds.
    Embedder(Option<String>),
    /// A program.
    Program(Vec<String>),
    /// The answers of the case's other models.
    Others,
}
