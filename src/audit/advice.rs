//! What to do next, in the order of cost: the prompt, then retrieval, then fine-tuning, then a stronger model. Never a step
//! whose evidence is missing.

use serde::Serialize;

use super::course::{Evidence, Experiment, Lack};
use super::reading::{Beside, Confidence, Gap, Readings};
use super::table::{Inputs, Seen};

/// What to do next.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Step {
    /// What kind of step: `prompt`, `sampling`, `retrieval`, `fine-tuning`, `model`, `review`, `evidence`.
    pub step: &'static str,
    /// How many cases it is for: those of which it is sure, where there are any.
    pub cases: u64,
    /// For how many more it is only suggested.
    pub suggested: u64,
    /// What to do, in a sentence.
    pub what: String,
    /// Whether the evidence for it is beyond chance.
    pub confident: bool,
    /// Whether it is that only of all the cases together.
    pub together: bool,
}

impl Step {
    fn new(step: &'static str, cases: u64, what: &str) -> Self {
        Self { step, cases, suggested: 0, what: what.to_owned(), confident: false, together: false }
    }

    /// A step for a gap.
    fn of(step: &'static str, seen: Seen, what: &str) -> Self {
        match seen.sure {
            0 => Self { confident: seen.together, together: seen.together, ..Self::new(step, seen.cases, what) },
            sure => Self { confident: true, suggested: seen.cases - sure, ..Self::new(step, sure, what) },
        }
    }
}

/// What is known of a prompt as it is written.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Written {
    /// Whether it asks for structured output already.
    pub(super) is_structured: bool,
}

const MEND_RETRIEVER: &str =
    "mend what the retriever finds: with the documents that are relevant it passes (`promptctl retrieval test`)";
const LONGER: &str = "raise `max_tokens`, or ask for shorter answers: they are cut off";
const UNFILTERED: &str = "ask in other words, or change the settings of the provider's filter: it stops the answers";
const REFUSED: &str = "say in the prompt why it may be answered, or ask in other words: the model declines";
const CHEAPER: &str = "take a faster or cheaper model, or a larger limit: no experiment of an audit speaks of it";

/// The steps for a prompt.
pub(super) fn steps(inputs: &Inputs, gaps: &[(Gap, u64)], written: Written) -> Vec<Step> {
    let mut steps = Vec::new();
    let count = |gap: Gap| gaps.iter().find(|(known, _)| *known == gap).map_or(0, |(_, cases)| *cases);
    let beside = |what: Beside| inputs.beside.iter().filter(|beside| **beside == what).count() as u64;
    for (what, says) in [(Beside::CutOff, LONGER), (Beside::Filtered, UNFILTERED), (Beside::Refused, REFUSED)] {
        if beside(what) > 0 {
            steps.push(Step { confident: true, ..Step::new("prompt", beside(what), says) });
        }
    }
    if inputs.put.cases > 0 {
        let what = if written.is_structured {
            "say in the prompt how the answer is to be put"
        } else {
            "say in the prompt how the answer is to be put; ask for structured output (`output:`) where it is JSON"
        };
        steps.push(Step::of("prompt", inputs.put, what));
    }
    if inputs.shown.cases > 0 && !inputs.is_over(Experiment::Examples) {
        steps.push(Step::of("prompt", inputs.shown, "show examples of good answers in the prompt: they close it"));
    }
    if inputs.reliability.is_sure() {
        let what = "lower the temperature, or ask several times and take what most say";
        steps.push(Step::of("sampling", inputs.reliability, what));
    }
    // What changes before the next release of a prompt does not belong into it.
    let moves = inputs.settings.facts_change.is_some_and(crate::project::FactsChange::outruns_training);
    let retrieves = inputs.retrieves;
    if inputs.knowledge.is_sure() && !retrieves && !moves && !inputs.is_over(Experiment::Facts) {
        let what = "put the facts into the prompt where they are few and seldom change";
        steps.push(Step::of("prompt", inputs.knowledge, what));
    }
    if inputs.knowledge.is_sure() {
        let what = if retrieves { MEND_RETRIEVER } else { "give the facts by retrieval where they are many or change" };
        steps.push(Step::of("retrieval", inputs.knowledge, what));
    }
    if inputs.tunes() {
        let what = "fine-tune for behaviour: examples do not do it within the budgets";
        // A budget is no evidence that a model fits into it which nobody has trained yet.
        let price = "; what it costs is not known here: `promptctl cost --alternatives` reckons it";
        let price = if inputs.settings.money_per_month.is_some() { price } else { "" };
        steps.push(Step::of("fine-tuning", inputs.behaviour, &format!("{what}{price}")));
    }
    if inputs.skill.is_sure() && !inputs.is_over(Experiment::Model) {
        steps.push(Step::of("model", inputs.skill, "ask a stronger model where these cases matter"));
    }
    if beside(Beside::Means) > 0 {
        steps.push(Step::new("model", beside(Beside::Means), CHEAPER));
    }
    if count(Gap::Review) > 0 {
        let what = "read the case: nothing helps, so that it may be wrong, or beyond these models";
        steps.push(Step::new("review", count(Gap::Review), what));
    }
    let unsure = count(Gap::Unknown).saturating_sub(inputs.beside.len() as u64);
    if unsure > 0 {
        steps.push(Step::new("evidence", unsure, "supply what is missing, and audit again"));
    }
    steps
}

/// What to do next with one case.
pub(super) fn next_of(evidence: &Evidence, readings: &Readings, written: Written) -> String {
    let first = readings.first();
    let sure = first.confidence == Confidence::Confident;
    match readings.beside() {
        Some(Beside::CutOff) => return LONGER.to_owned(),
        Some(Beside::Filtered) => return UNFILTERED.to_owned(),
        Some(Beside::Refused) => return REFUSED.to_owned(),
        Some(Beside::Means) => return CHEAPER.to_owned(),
        None => {}
    }
    let is_behind = readings.all.iter().any(|reading| reading.behind);
    let step = match (first.gap, first.by) {
        (Gap::Behaviour, Some(_)) => "show examples of good answers in the prompt",
        (Gap::Behaviour, None) if readings.contrast(Experiment::Examples).is_some_and(|c| c.closes) => {
            "say in the prompt how the answer is to be put, or show examples: they close it"
        }
        (Gap::Behaviour, None) if written.is_structured => "say in the prompt how the answer is to be put",
        (Gap::Behaviour, None) => "say in the prompt how the answer is to be put, or ask for structured output",
        (Gap::Reliability, _) => "lower the temperature, or ask several times and take what most say",
        (Gap::Knowledge, _) if evidence.is_retrieved => MEND_RETRIEVER,
        (Gap::Knowledge, _) if is_behind => {
            "put the facts into the prompt, or give them by retrieval; then say there how the answer is to be put"
        }
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
    let first = readings.first();
    let contrast = first.by.and_then(|experiment| readings.contrast(experiment));
    if contrast.is_some_and(|contrast| contrast.p.is_none()) {
        "audit more cases like it, or give the model a temperature above 0: it always says the same"
    } else if first.gap == Gap::Behaviour && first.by.is_none() && first.open {
        "expect something of what the answer says, so that its content can be checked"
    } else if first.gap == Gap::Behaviour && first.open {
        "try examples in the prompt that do not say it"
    } else {
        "a larger --repeat"
    }
}

fn missing(evidence: &Evidence) -> String {
    let helps: Vec<&str> = evidence.lacks().map(Lack::help).collect();
    if helps.is_empty() { "nothing is left to try".to_owned() } else { helps.join("; ") }
}

fn also_missing(evidence: &Evidence) -> String {
    evidence.lacks().map(|lack| format!("; {}", lack.help())).collect()
}
