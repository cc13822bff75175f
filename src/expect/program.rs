//! `exec`: a program of the project checks the answer. It is given JSON and prints JSON.

use std::sync::Arc;

use serde::Deserialize;
use serde_json::{Value, json};

use super::argument::Arguments;
use super::oracle::{Need, Told};
use super::outright::contradicts;
use super::shown::quoted;
use super::{Check, Finding, Subject, Written};
use crate::core::verdict::Lack;
use crate::core::yaml::Data;

struct Program(Vec<String>);

struct BoundProgram {
    command: Vec<String>,
    variables: Value,
}

pub(super) fn exec(arguments: &mut Arguments<'_, '_, '_>) -> Option<Box<dyn Written>> {
    let node = arguments.required("a program with its arguments, as a list")?;
    let command = match &node.data {
        Data::List(_) => arguments.decoder.texts(node, "the value of `exec`")?,
        // A line would need a shell, which nothing here is given to; one word looks like one.
        _ => {
            arguments.decoder.error_help(
                node.span.clone(),
                "`exec` runs a program and no shell; its value is a list of the program and its arguments",
                "write a list: `exec: [python3, checks/tone.py]`",
            );
            return None;
        }
    };
    if command.first().is_none_or(|program| program.trim().is_empty()) {
        arguments.error("`exec` names no program");
        return None;
    }
    if command.len() == 1 && command[0].trim().contains(char::is_whitespace) {
        arguments.decoder.error_help(
            node.span.clone(),
            "`exec` runs a program and no shell: the whole text would be its name",
            "write a list: `exec: [python3, checks/tone.py]`",
        );
        return None;
    }
    Some(Box::new(Program(command)))
}

impl Written for Program {
    fn variables(&self) -> Vec<String> {
        // The program is given every variable of the case.
        vec![String::new()]
    }

    fn needs(&self) -> Vec<Need> {
        vec![Need::Program(self.0.clone())]
    }

    fn bind(&self, variables: &minijinja::Value) -> Result<Arc<dyn Check>, String> {
        let variables = serde_json::to_value(variables).ok().filter(Value::is_object).unwrap_or_else(|| json!({}));
        Ok(Arc::new(BoundProgram { command: self.0.clone(), variables }))
    }
}

/// What a program may print.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Said {
    pass: bool,
    score: Option<f64>,
    #[serde(default)]
    reason: String,
}

impl Check for BoundProgram {
    fn check(&self, subject: &Subject<'_>) -> Finding {
        let response = subject.response;
        let calls: Vec<Value> =
            response.tool_calls.iter().map(|call| json!({"name": call.name, "arguments": call.arguments})).collect();
        let input = json!({
            "output": response.text,
            "tool_calls": calls,
            "finish_reason": response.finish_reason.name(),
            "question": subject.question(),
            "conversation": subject.conversation(),
            "vars": self.variables,
            "model": subject.oracle.model(),
        });
        let printed = match subject.oracle.execute(&self.command, &input) {
            Told::Said(printed) => printed,
            Told::Lacking(lack, why) => return Finding::lacking(lack, why),
        };
        let said: Said = match serde_json::from_str(printed.trim()) {
            Ok(said) => said,
            Err(error) => {
                let why = format!(
                    "the program `{}` printed something else than {{\"pass\": true, \"score\": 1, \"reason\": \"…\"}} ({error}): {}",
                    self.command.join(" "),
                    quoted(&printed)
                );
                return Finding::lacking(Lack::Errored, why);
            }
        };
        let score = said.score.unwrap_or(f64::from(u8::from(said.pass)));
        if !(0.0..=1.0).contains(&score) {
            let why = format!("the program `{}` gave the score {score}; it is from 0 to 1", self.command.join(" "));
            return Finding::lacking(Lack::Errored, why);
        }
        if let Some(what) = contradicts(said.pass, score, None) {
            let why = format!("the program `{}` said {what}: {}", self.command.join(" "), quoted(&printed));
            return Finding::lacking(Lack::Errored, why);
        }
        let reason =
            if said.reason.is_empty() { format!("`{}` says so", self.command.join(" ")) } else { quoted(&said.reason) };
        Finding { score, outright: true, ..Finding::new(said.pass, reason) }
    }
}
