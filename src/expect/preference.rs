//! Checks by a model that compares: `select-best` among the models of a case, `prefers` against the accepted answer.

use std::sync::Arc;

use serde::Deserialize;
use serde_json::{Value, json};

use super::argument::Arguments;
use super::judge::{BoundJudging, Judging, judged, off_menu};
use super::oracle::{Judgement, Need, Told};
use super::reading::read;
use super::shown::quoted;
use super::{Check, Finding, Subject, Written};
use crate::prompt::Inline;

const BEST: &str = "select-best";
/// The judge that prefers one of two answers.
pub const PREFERS: &str = "prefers";

/// Whether a check compares answers: no label of a single one says how far its judge agrees with people.
#[must_use]
pub fn compares_answers(check: &str) -> bool {
    [BEST, PREFERS].contains(&check)
}

struct Preference {
    kind: &'static str,
    judging: Judging,
    criteria: Inline,
}

struct Best {
    judging: BoundJudging,
    criteria: String,
}

struct Prefers {
    judging: BoundJudging,
    criteria: String,
}

fn build(arguments: &mut Arguments<'_, '_, '_>, kind: &'static str) -> Option<Box<dyn Written>> {
    if let Some(node) = arguments.threshold {
        arguments.decoder.error(node.span.clone(), format!("`{kind}` knows no `threshold`"));
        return None;
    }
    let criteria = arguments.text()?;
    Some(Box::new(Preference { kind, judging: Judging::read(arguments)?, criteria }))
}

pub(super) fn select_best(arguments: &mut Arguments<'_, '_, '_>) -> Option<Box<dyn Written>> {
    build(arguments, BEST)
}

pub(super) fn prefers(arguments: &mut Arguments<'_, '_, '_>) -> Option<Box<dyn Written>> {
    build(arguments, PREFERS)
}

impl Written for Preference {
    fn variables(&self) -> Vec<String> {
        self.criteria.variables().iter().cloned().chain(self.judging.variables()).chain([String::new()]).collect()
    }

    fn needs(&self) -> Vec<Need> {
        let others = (self.kind == BEST).then_some(Need::Others);
        [Need::Judge(self.judging.need(self.kind, String::new()))].into_iter().chain(others).collect()
    }

    fn bind(&self, variables: &minijinja::Value) -> Result<Arc<dyn Check>, String> {
        let judging = self.judging.bind(self.judging.need(self.kind, String::new()), variables)?;
        let criteria = self.criteria.render(variables)?;
        if criteria.trim().is_empty() {
            return Err("the criteria are empty for this case".to_owned());
        }
        Ok(if self.kind == BEST {
            Arc::new(Best { judging, criteria })
        } else {
            Arc::new(Prefers { judging, criteria })
        })
    }
}

#[derive(Deserialize)]
struct Chosen {
    #[serde(default)]
    reason: String,
    /// The number of the best answer, from 1.
    best: usize,
}

impl Check for Best {
    fn check(&self, subject: &Subject<'_>) -> Finding {
        self.compare(subject).unwrap_or_else(|finding| finding)
    }
}

impl Best {
    fn compare(&self, subject: &Subject<'_>) -> Result<Finding, Finding> {
        let answers = match subject.oracle.answers() {
            Told::Said(answers) => answers,
            Told::Lacking(lack, why) => return Err(Finding::lacking(lack, why)),
        };
        let own = subject.oracle.model();
        let texts: Vec<&str> = answers.iter().map(|(_, text)| text.as_str()).collect();
        if let [_] = texts[..] {
            return Ok(self.judging.unasked(
                subject,
                1.0,
                "no other answer is left: those of the other models fail already",
            ));
        }
        if texts.windows(2).all(|pair| pair[0] == pair[1]) {
            return Ok(self.judging.unasked(subject, 1.0, "all models gave the same answer"));
        }
        let judgement = self
            .judging
            .ask(subject, &[("criteria", json!(self.criteria)), ("answers", json!(texts)), ("output", Value::Null)])?;
        let said: Chosen = read(&judgement)?;
        let Some((model, text)) = said.best.checked_sub(1).and_then(|index| answers.get(index)) else {
            let what = format!("that the best answer is number {} of {}", said.best, answers.len());
            return Err(off_menu(&judgement, &what));
        };
        // Whoever gave the very same answer is as good.
        let holds = *model == own || answers.iter().any(|(name, other)| name == own && other == text);
        let reason = format!("the answer of `{model}` is the best: {}", quoted(&said.reason));
        Ok(judged(&judgement, holds, f64::from(u8::from(holds)), &reason))
    }
}

#[derive(Deserialize)]
struct Preferred {
    #[serde(default)]
    reason: String,
    better: String,
}

/// What a judge says of two answers, from the first one's point of view.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    First,
    Second,
    Tie,
}

impl Check for Prefers {
    fn check(&self, subject: &Subject<'_>) -> Finding {
        self.compare(subject).unwrap_or_else(|finding| finding)
    }
}

impl Prefers {
    fn compare(&self, subject: &Subject<'_>) -> Result<Finding, Finding> {
        let accepted = match subject.oracle.accepted() {
            Told::Said(Some(accepted)) => accepted,
            Told::Said(None) => {
                return Ok(self.judging.unasked(subject, 1.0, "nothing was accepted yet that it could be worse than"));
            }
            Told::Lacking(lack, why) => return Err(Finding::lacking(lack, why)),
        };
        let answer = &subject.response.text;
        if accepted == *answer {
            return Ok(self.judging.unasked(subject, 0.5, "it is the accepted answer"));
        }
        // Judges like what stands first: both orders are asked, and what depends on the order is a tie.
        let there = self.ask(subject, &accepted, answer);
        let back = self.ask(subject, answer, &accepted);
        let ((there, judgement, reason), (back, ..)) = (there?, back?);
        let (holds, score, what) = match (there, back) {
            (Side::Second, Side::First) => (true, 1.0, "better than the accepted answer"),
            (Side::First, Side::Second) => (false, 0.0, "worse than the accepted answer"),
            (Side::Tie, Side::Tie) => (true, 0.5, "as good as the accepted answer"),
            _ => (true, 0.5, "as good as the accepted answer: what the judge prefers depends on the order"),
        };
        Ok(judged(&judgement, holds, score, &format!("it is {what}: {}", quoted(&reason))))
    }

    fn ask(&self, subject: &Subject<'_>, first: &str, second: &str) -> Result<(Side, Judgement, String), Finding> {
        let own = [
            ("criteria", json!(self.criteria)),
            ("first", json!(first)),
            ("second", json!(second)),
            ("output", Value::Null),
        ];
        let judgement = self.judging.ask(subject, &own)?;
        let said: Preferred = read(&judgement)?;
        let side = match said.better.trim().to_lowercase().as_str() {
            "first" => Side::First,
            "second" => Side::Second,
            "tie" => Side::Tie,
            other => {
                return Err(off_menu(&judgement, &format!("{} where first, second or tie is wanted", quoted(other))));
            }
        };
        Ok((side, judgement, said.reason))
    }
}
