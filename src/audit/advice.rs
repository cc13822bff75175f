//! What to do next, in the order of cost: the prompt, then retrieval, then fine-tuning, then a stronger model. Never a step
//! whose evidence is missing.

use serde::Serialize;

use super::course::{Evidence, Experiment};
use super::reading::{Confidence, Gap, Readings};
use super::table::Inputs;

/// What to do next.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Step {
    /// What kind of step: `prompt`, `sampling`, `retrieval`, `fine-tuning`, `model`, `review`, `evidence`.
    pub step: &'static str,
    /// How many cases it is for.
    pub cases: u64,
    /// What to do, in a sentence.
    pub what: String,
    /// Whether the evidence for it is beyond chance.
    pub confident: bool,
}

/// What is known of a prompt as it is written.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Written {
    /// Whether it asks for structured output already.
    pub(super) is_structured: bool,
}

/// The steps for a prompt.
pub(super) fn steps(inputs: &Inputs, gaps: &[(Gap, u64)], written: Written) -> Vec<Step> {
    let mut steps = Vec::new();
    let count = |gap: Gap| gaps.iter().find(|(known, _)| *known == gap).map_or(0, |(_, cases)| *cases);
    let mut add =
        |step, cases, confident, what: &str| steps.push(Step { step, cases, what: what.to_owned(), confident });
    if inputs.behaviour.cases > 0 {
        let what = if written.is_structured {
            "say in the prompt how the answer is to be put"
        } else {
            "say in the prompt how the answer is to be put; ask for structured output (`output:`) where it is JSON"
        };
        add("prompt", inputs.behaviour.cases, inputs.behaviour.is_sure(), what);
        let [_, closed] = inputs.examples;
        if closed > 0 && !inputs.is_over(Experiment::Examples) {
            add(
                "prompt",
                closed,
                inputs.behaviour.is_sure(),
                "show examples of good answers in the prompt: they close it",
            );
        }
    }
    if inputs.reliability.is_sure() {
        let what = "lower the temperature, or ask several times and take what most say";
        add("sampling", inputs.reliability.cases, true, what);
    }
    // What changes before the next release of a prompt does not belong into it.
    let moves = inputs.settings.facts_change.is_some_and(crate::project::FactsChange::outruns_training);
    if inputs.knowledge.is_sure() && !moves && !inputs.is_over(Experiment::Facts) {
        add(
            "prompt",
            inputs.knowledge.cases,
            true,
            "put the facts into the prompt where they are few and seldom change",
        );
    }
    if inputs.knowledge.is_sure() {
        add("retrieval", inputs.knowledge.cases, true, "give the facts by retrieval where they are many or change");
    }
    if inputs.tunes() {
        add(
            "fine-tuning",
            inputs.behaviour.cases,
            true,
            "fine-tune for behaviour: examples do not do it within the budgets",
        );
    }
    if inputs.skill.is_sure() && !inputs.is_over(Experiment::Model) {
        add("model", inputs.skill.cases, true, "ask a stronger model where these cases matter");
    }
    if count(Gap::Review) > 0 {
        add(
            "review",
            count(Gap::Review),
            false,
            "read the case: nothing helps, so that it may be wrong, or beyond these models",
        );
    }
    let unsure = count(Gap::Unknown);
    if unsure > 0 {
        add("evidence", unsure, false, "supply what is missing, and audit again");
    }
    steps
}

/// What to do next with one case.
pub(super) fn next_of(evidence: &Evidence, readings: &Readings, written: Written) -> String {
    let first = readings.first();
    let sure = first.confidence == Confidence::Confident;
    if readings.is_beside_the_point() {
        return "a faster or cheaper model, or a larger limit: no experiment of an audit speaks of it".to_owned();
    }
    let step = match (first.gap, first.by) {
        (Gap::Behaviour, Some(_)) => "show examples of good answers in the prompt",
        (Gap::Behaviour, None) if readings.contrast(Experiment::Examples).is_some_and(|c| c.closes) => {
            "say in the prompt how the answer is to be put, or show examples: they close it"
        }
        (Gap::Behaviour, None) if written.is_structured => "say in the prompt how the answer is to be put",
        (Gap::Behaviour, None) => "say in the prompt how the answer is to be put, or ask for structured output",
        (Gap::Reliability, _) => "lower the temperature, or ask several times and take what most say",
        (Gap::Knowledge, _) => "put the facts into the prompt, or give them by retrieval",
        (Gap::Skill, _) => "ask a stronger model where this case matters",
        (Gap::Review, _) => "read the case: its expectations may be wrong",
        (Gap::Unknown, _) => return missing(evidence),
    };
    if sure || first.gap == Gap::Review {
        step.to_owned()
    } else {
        format!("make sure of it first ({}{}), then {step}", surer(readings), also_missing(evidence))
    }
}

/// How to make sure of a reading.
fn surer(readings: &Readings) -> &'static str {
    let contrast = readings.first().by.and_then(|experiment| readings.contrast(experiment));
    if contrast.is_some_and(|contrast| contrast.p.is_none()) {
        "audit more cases like it, or give the model a temperature above 0: it always says the same"
    } else {
        "a larger --repeat"
    }
}

fn missing(evidence: &Evidence) -> String {
    let helps: Vec<&str> =
        evidence.trials.values().filter_map(|trial| trial.lack.as_ref()).map(super::Lack::help).collect();
    if helps.is_empty() { "nothing is left to try".to_owned() } else { helps.join("; ") }
}

fn also_missing(evidence: &Evidence) -> String {
    let helps: Vec<String> = evidence
        .trials
        .values()
        .filter_map(|trial| trial.lack.as_ref())
        .map(|lack| format!("; {}", lack.help()))
        .collect();
    helps.concat()
}
