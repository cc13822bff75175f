//! From the evidence of every failing case to a document: readings, slices, the decision table, the next steps.

use std::collections::{BTreeMap, BTreeSet};

use super::advice::{self, Written};
use super::course::{Evidence, Experiment, Trial, is_constant};
use super::document::{CaseAudit, GapCount, PromptAudit, ShownLack, ShownTrial, Slice, round};
use super::pool::pooled;
use super::reading::{Confidence, Gap, Reading, Readings, read};
use super::table::{Figures, Inputs, Seen, rules};
use crate::core::names::{CaseName, ModelAlias, PromptName};
use crate::core::verdict::SourceLine;
use crate::project::AuditSettings;

/// A failing case with its evidence.
#[derive(Clone, Debug)]
pub struct Audited {
    /// Its prompt.
    pub prompt: PromptName,
    /// The model.
    pub model: ModelAlias,
    /// The case.
    pub case: CaseName,
    /// Where it is written.
    pub place: Option<SourceLine>,
    /// Its tags.
    pub tags: Vec<String>,
    /// What is known of it.
    pub evidence: Evidence,
}

/// What is known of a prompt beside its cases.
#[derive(Clone, Debug, Default)]
pub struct Frame {
    /// What people weigh.
    pub settings: AuditSettings,
    /// Accepted answers, by prompt.
    pub accepted: BTreeMap<PromptName, u64>,
    /// Prompts that ask for structured output.
    pub structured: BTreeSet<PromptName>,
}

/// Reads everything, a prompt on a model together, in the order in which they were audited.
#[must_use]
pub fn gather(audited: &[Audited], frame: &Frame) -> Vec<PromptAudit> {
    let mut prompts: Vec<PromptAudit> = Vec::new();
    for one in audited {
        if prompts.iter().any(|known| known.prompt == one.prompt && known.model == one.model) {
            continue;
        }
        let cases: Vec<&Audited> =
            audited.iter().filter(|other| other.prompt == one.prompt && other.model == one.model).collect();
        prompts.push(prompt(&cases, one, frame));
    }
    prompts
}

fn prompt(cases: &[&Audited], one: &Audited, frame: &Frame) -> PromptAudit {
    let readings: Vec<Readings> = cases.iter().map(|case| read(&case.evidence)).collect();
    let written = Written { is_structured: frame.structured.contains(&one.prompt) };
    let shown: Vec<CaseAudit> =
        cases.iter().zip(&readings).map(|(case, readings)| shown(case, readings, written)).collect();
    let mut slices = vec![slice(None, cases, &shown)];
    let tags: BTreeSet<&String> = cases.iter().flat_map(|case| &case.tags).collect();
    slices.extend(tags.into_iter().map(|tag| slice(Some(tag), cases, &shown)));
    let inputs = inputs(cases, &readings, &slices[0], frame, &one.prompt);
    let gaps: Vec<(Gap, u64)> = slices[0].gaps.iter().map(|count| (count.gap, count.cases)).collect();
    PromptAudit {
        prompt: one.prompt.clone(),
        model: one.model.clone(),
        rules: rules(&inputs),
        steps: advice::steps(&inputs, &gaps, written),
        cases: shown,
        slices,
    }
}

fn shown(case: &Audited, readings: &Readings, written: Written) -> CaseAudit {
    let first = readings.first();
    let evidence = &case.evidence;
    let again = evidence.trial(Experiment::Repeat).map(|trial| trial.answers.iter());
    let failing = evidence.own.iter().chain(again.clone().into_iter().flatten()).find(|answer| !answer.passes());
    CaseAudit {
        case: case.case.clone(),
        place: case.place.clone(),
        tags: case.tags.clone(),
        gap: first.gap,
        confidence: first.confidence,
        why: first.why.clone(),
        also: readings.all[1..].to_vec(),
        fails: failing.map(|answer| answer.why.clone()).unwrap_or_default(),
        constant: is_constant(evidence.own.iter().chain(again.into_iter().flatten())),
        experiments: Experiment::ALL.into_iter().map(|one| trial(evidence, readings, one)).collect(),
        next: advice::next_of(evidence, readings, written),
    }
}

fn trial(evidence: &Evidence, readings: &Readings, experiment: Experiment) -> ShownTrial {
    let none = Trial::default();
    let known = evidence.trials.get(&experiment);
    let trial = known.unwrap_or(&none);
    // Held against the answers without facts is what the answers say, where that was wrong.
    let by_right = matches!(experiment, Experiment::Repeat | Experiment::Facts)
        && evidence.trial(Experiment::Facts).is_some()
        && evidence.trial(Experiment::Repeat).is_some_and(Trial::is_wrong);
    let contrast = readings.contrast(experiment);
    ShownTrial {
        experiment,
        passes: trial.passes(),
        answers: trial.count(),
        right: Some(trial.right()).filter(|right| by_right && *right != trial.passes()),
        constant: trial.is_constant(),
        model: trial.model.clone(),
        p: contrast.and_then(|contrast| contrast.p).map(round),
        p_adjusted: contrast.and_then(|contrast| contrast.adjusted).map(round),
        closes: contrast.is_some_and(|contrast| contrast.closes),
        missing: trial.lack.as_ref().map(|lack| ShownLack { what: lack.what(), help: lack.help().to_owned() }),
        needless: known.is_none(),
    }
}

fn slice(tag: Option<&String>, cases: &[&Audited], shown: &[CaseAudit]) -> Slice {
    let is_in = |case: &Audited| tag.is_none_or(|tag| case.tags.contains(tag));
    let evidence: Vec<&Evidence> = cases.iter().filter(|case| is_in(case)).map(|case| &case.evidence).collect();
    let own: Vec<&CaseAudit> =
        cases.iter().zip(shown).filter(|(case, _)| is_in(case)).map(|(_, shown)| shown).collect();
    let count = |gap: Gap| {
        let of_gap = || own.iter().filter(|case| case.gap == gap);
        let confident = of_gap().filter(|case| case.confidence == Confidence::Confident).count() as u64;
        GapCount { gap, cases: of_gap().count() as u64, confident }
    };
    Slice {
        tag: tag.cloned(),
        cases: own.len() as u64,
        gaps: Gap::ALL.into_iter().map(count).filter(|count| count.cases > 0).collect(),
        experiments: pooled(&evidence),
    }
}

fn inputs(cases: &[&Audited], readings: &[Readings], whole: &Slice, frame: &Frame, prompt: &PromptName) -> Inputs {
    let together = |experiment: Experiment| {
        whole.experiments.iter().any(|pooled| pooled.experiment == experiment && pooled.confident && pooled.closes > 0)
    };
    let seen_in = |together: bool, is_it: &dyn Fn(&Readings, &Reading) -> bool| {
        let confidence = |readings: &Readings| {
            let those = readings.all.iter().filter(|reading| is_it(readings, reading));
            those.map(|reading| reading.confidence).min()
        };
        let found: Vec<Confidence> = readings.iter().filter_map(confidence).collect();
        let sure = found.iter().filter(|confidence| **confidence == Confidence::Confident).count() as u64;
        Seen { cases: found.len() as u64, sure, together: together && !found.is_empty() }
    };
    let seen = |gap: Gap, together: bool| seen_in(together, &|_, reading| reading.gap == gap);
    // What is only suggested is no step where something else is sure.
    let behaviour_by = |together: bool, by: Option<Experiment>| {
        seen_in(together, &|readings, reading| {
            let first = readings.first();
            let is_moot = first.confidence < reading.confidence && first.gap != Gap::Behaviour;
            reading.gap == Gap::Behaviour && reading.by == by && !is_moot
        })
    };
    // A stronger model may know more: what only it passes is skill where the other experiments were made. What was told by
    // an example may be copied from there.
    let is_closed = |gap: Gap, by: Experiment| {
        let mut those = readings.iter().flat_map(|readings| &readings.all);
        !those.any(|reading| reading.gap == gap && reading.by == Some(by) && reading.open)
    };
    let by_examples = together(Experiment::Examples) && is_closed(Gap::Behaviour, Experiment::Examples);
    let by_model = together(Experiment::Model) && is_closed(Gap::Skill, Experiment::Model);
    let mut examples = [0, 0];
    // Of examples that say the answer nobody can tell whether they suffice.
    let is_told = |readings: &Readings| {
        readings.all.iter().any(|one| one.gap == Gap::Behaviour && one.by == Some(Experiment::Examples) && one.open)
    };
    let of_behaviour = |readings: &&Readings| readings.all.iter().any(|one| one.gap == Gap::Behaviour);
    for readings in readings.iter().filter(of_behaviour) {
        if let Some(contrast) = readings.contrast(Experiment::Examples).filter(|_| !is_told(readings)) {
            examples[0] += 1;
            examples[1] += u64::from(contrast.closes);
        }
    }
    Inputs {
        settings: frame.settings.clone(),
        accepted: frame.accepted.get(prompt).copied().unwrap_or(0),
        reliability: seen(Gap::Reliability, false),
        behaviour: seen(Gap::Behaviour, by_examples),
        put: behaviour_by(false, None),
        shown: behaviour_by(by_examples, Some(Experiment::Examples)),
        knowledge: seen(Gap::Knowledge, together(Experiment::Facts)),
        retrieves: is_retrieved(cases, readings),
        skill: seen(Gap::Skill, by_model),
        beside: readings.iter().filter_map(Readings::beside).collect(),
        examples,
        figures: Experiment::ALL.into_iter().filter_map(|one| Some((one, figures(cases, one)?))).collect(),
    }
}

/// Whether every fact that is missing is a document that a retriever should have found.
fn is_retrieved(cases: &[&Audited], readings: &[Readings]) -> bool {
    let lacks = |readings: &Readings| readings.all.iter().any(|reading| reading.gap == Gap::Knowledge);
    let mut those = cases.iter().zip(readings).filter(|(_, readings)| lacks(readings)).peekable();
    those.peek().is_some() && those.all(|(case, _)| case.evidence.is_retrieved)
}

fn figures(cases: &[&Audited], experiment: Experiment) -> Option<Figures> {
    let answers = || cases.iter().filter_map(|case| case.evidence.trial(experiment)).flat_map(|trial| &trial.answers);
    answers().next()?;
    let mut latencies: Vec<u64> = answers().filter_map(|answer| answer.latency_ms).collect();
    latencies.sort_unstable();
    let costs: Vec<f64> = answers().filter_map(|answer| answer.cost_usd).collect();
    #[expect(clippy::cast_precision_loss, reason = "counts of answers are far below 2^53")]
    let mean = |costs: &[f64]| costs.iter().sum::<f64>() / costs.len() as f64;
    Some(Figures {
        latency_ms: latencies.get(latencies.len() / 2).copied(),
        cost_usd: (!costs.is_empty()).then(|| mean(&costs)),
    })
}
