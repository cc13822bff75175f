//! The decision table: every rule with what goes into it, whether it holds, and what it says.

use serde::Serialize;

use super::course::Experiment;
use super::reading::Beside;
use crate::core::words::{counted, usd};
use crate::project::AuditSettings;

/// How many labelled examples fine-tuning takes at the least.
pub(super) const LABELLED: u64 = 50;

/// Whether a rule holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Holds {
    /// It does.
    Yes,
    /// It does not.
    No,
    /// What goes into it is not known.
    Unknown,
}

impl Holds {
    /// In a word.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Yes => "yes",
            Self::No => "no",
            Self::Unknown => "unknown",
        }
    }

    fn of(holds: bool) -> Self {
        if holds { Self::Yes } else { Self::No }
    }
}

/// A rule.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Rule {
    /// Its name.
    pub rule: &'static str,
    /// What it asks.
    pub question: &'static str,
    /// What goes into it, in words.
    pub inputs: String,
    /// Whether it holds.
    pub holds: Holds,
    /// What follows.
    pub says: String,
}

/// How many cases a gap was read in: in all, and surely. What is sure of all together counts, too.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// Cases.
    pub cases: u64,
    /// Those of which it is sure.
    pub sure: u64,
    /// Whether it is sure of the prompt as a whole.
    pub together: bool,
}

impl Seen {
    pub(super) fn is_sure(self) -> bool {
        self.sure > 0 || self.together
    }

    fn words(self) -> String {
        let together = if self.together { ", and of all together" } else { "" };
        format!("{}, sure of {}{together}", counted(self.cases, "case", "cases"), self.sure)
    }
}

/// What an answer takes with an experiment.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Figures {
    /// The middle one of the latencies, in milliseconds.
    pub latency_ms: Option<u64>,
    /// The mean cost, in USD.
    pub cost_usd: Option<f64>,
}

/// What goes into the rules.
#[derive(Clone, Debug, Default)]
pub struct Inputs {
    /// What people weigh.
    pub settings: AuditSettings,
    /// Accepted answers of the prompt.
    pub accepted: u64,
    /// Cases that pass sometimes.
    pub reliability: Seen,
    /// Cases that are put wrongly, or pass with examples.
    pub behaviour: Seen,
    /// Those of them that are put wrongly, as far as nothing else comes first.
    pub put: Seen,
    /// Those of them that pass with examples, as far as nothing else comes first.
    pub shown: Seen,
    /// Cases that pass with their facts.
    pub knowledge: Seen,
    /// Whether those are documents that a retriever should have found.
    pub retrieves: bool,
    /// Cases that only a stronger model passes.
    pub skill: Seen,
    /// Cases of behaviour that examples were tried on, and those of them that pass with them.
    pub examples: [u64; 2],
    /// What cases fail in of which no experiment speaks.
    pub beside: Vec<Beside>,
    /// What an answer takes, by the experiment.
    pub figures: Vec<(Experiment, Figures)>,
}

impl Inputs {
    fn figures(&self, experiment: Experiment) -> Figures {
        let known = self.figures.iter().find(|(known, _)| *known == experiment);
        known.map(|(_, figures)| *figures).unwrap_or_default()
    }

    /// Whether answers take longer with an experiment than they may.
    pub(super) fn is_slow(&self, experiment: Experiment) -> Option<bool> {
        Some(self.figures(experiment).latency_ms? > self.settings.latency_budget_ms?)
    }

    /// What a month would cost with an experiment.
    fn month(&self, experiment: Experiment) -> Option<f64> {
        #[expect(clippy::cast_precision_loss, reason = "requests of a month are far below 2^53")]
        let volume = self.settings.volume? as f64;
        Some(self.figures(experiment).cost_usd? * volume)
    }

    /// Whether a month would cost more with an experiment than it may.
    pub(super) fn is_dear(&self, experiment: Experiment) -> Option<bool> {
        Some(self.month(experiment)? > self.settings.money_per_month?)
    }

    /// Whether an experiment is over any budget.
    pub(super) fn is_over(&self, experiment: Experiment) -> bool {
        self.is_slow(experiment) == Some(true) || self.is_dear(experiment) == Some(true)
    }

    /// Whether examples close every gap of behaviour that they were tried on.
    pub(super) fn examples_suffice(&self) -> Option<bool> {
        let [tried, closed] = self.examples;
        (tried > 0).then_some(closed == tried)
    }

    /// How many labelled examples there are, and who says so.
    pub(super) fn labelled(&self) -> (u64, &'static str) {
        match self.settings.labelled_examples {
            Some(count) => (count, "as promptctl.yaml says"),
            None => (self.accepted, "accepted answers"),
        }
    }

    /// Whether fine-tuning is worth it: nothing cheaper is left, and what it takes is there.
    pub(super) fn tunes(&self) -> bool {
        let short = self.examples_suffice() == Some(false)
            || self.examples_suffice().is_some() && self.is_over(Experiment::Examples);
        // Nothing says that a tuned model fits into what the model as it is does not fit into.
        let fits = !self.is_over(Experiment::Repeat);
        self.behaviour.is_sure() && short && fits && self.labelled().0 >= LABELLED
    }
}

/// Every rule, in the order of the cost of what it says.
pub(super) fn rules(inputs: &Inputs) -> Vec<Rule> {
    vec![
        reliability(inputs),
        behaviour(inputs),
        examples(inputs),
        knowledge(inputs),
        facts_change(inputs),
        sources(inputs),
        latency(inputs),
        money(inputs),
        labelled(inputs),
        fine_tuning(inputs),
        stronger(inputs),
    ]
}

fn rule(rule: &'static str, question: &'static str, inputs: String, holds: Holds, says: &str) -> Rule {
    Rule { rule, question, inputs, holds, says: says.to_owned() }
}

/// Sure, only suggested, or not seen.
fn seen(seen: Seen) -> Holds {
    match (seen.is_sure(), seen.cases) {
        (true, _) => Holds::Yes,
        (false, 0) => Holds::No,
        (false, _) => Holds::Unknown,
    }
}

fn reliability(inputs: &Inputs) -> Rule {
    let holds = seen(inputs.reliability);
    let says = match holds {
        Holds::Yes => "ask several times and take what most say, or lower the temperature",
        Holds::Unknown => "passing may be luck: no step is taken for it; --repeat tells",
        Holds::No => "asking again does not help",
    };
    rule("reliability", "Do cases pass sometimes?", inputs.reliability.words(), holds, says)
}

fn behaviour(inputs: &Inputs) -> Rule {
    let holds = seen(inputs.behaviour);
    let says = match holds {
        Holds::Yes => "change the prompt first: it is the cheapest step",
        Holds::Unknown => "try another wording; it is cheap, but nothing dearer follows from it",
        Holds::No => "how the answer is put is not what fails",
    };
    rule("behaviour", "Is it the form, or the way of answering?", inputs.behaviour.words(), holds, says)
}

fn examples(inputs: &Inputs) -> Rule {
    let [tried, closed] = inputs.examples;
    let holds = inputs.examples_suffice().map_or(Holds::Unknown, Holds::of);
    let says = match holds {
        Holds::Yes => "show examples in the prompt; fine-tuning is not needed for it",
        Holds::No => "examples alone do not suffice",
        Holds::Unknown => "no examples were tried on a case of behaviour that do not say its answer",
    };
    rule(
        "examples",
        "Do examples suffice?",
        format!("{closed} of {} of behaviour pass with them", counted(tried, "case", "cases")),
        holds,
        says,
    )
}

fn knowledge(inputs: &Inputs) -> Rule {
    let holds = seen(inputs.knowledge);
    let says = match holds {
        Holds::Yes if inputs.retrieves => "mend the retriever: what is relevant is there, and it does not find it",
        Holds::Yes => "give the facts: in the prompt where they are few, else by retrieval",
        Holds::Unknown => "not sure enough to build retrieval for it; --repeat tells",
        Holds::No => "retrieval is not called for",
    };
    rule("knowledge", "Are facts missing?", inputs.knowledge.words(), holds, says)
}

fn facts_change(inputs: &Inputs) -> Rule {
    let change = inputs.settings.facts_change;
    let (holds, says) = match change {
        Some(change) if change.outruns_training() => {
            (Holds::Yes, "fine-tuning for knowledge is ruled out: it would be old before it is trained again")
        }
        Some(_) => (Holds::No, "facts hold long enough for any step"),
        None => (
            Holds::Unknown,
            "say `facts-change` under `audit:`; fine-tuning for knowledge is not recommended without it",
        ),
    };
    let given = change.map_or("not given", crate::project::FactsChange::name);
    rule(
        "facts-change",
        "Do facts change faster than a model is trained?",
        format!("facts-change: {given}"),
        holds,
        says,
    )
}

fn sources(inputs: &Inputs) -> Rule {
    let named = inputs.settings.sources_must_be_named;
    let (holds, says) = match named {
        Some(true) => (Holds::Yes, "only retrieval can name them; fine-tuning for knowledge is ruled out"),
        Some(false) => (Holds::No, "nothing follows"),
        None => (Holds::Unknown, "say `sources-must-be-named` under `audit:`"),
    };
    let given = named.map_or("not given".to_owned(), |named| named.to_string());
    rule("sources", "Must sources be named?", format!("sources-must-be-named: {given}"), holds, says)
}

fn latency(inputs: &Inputs) -> Rule {
    let Some(budget) = inputs.settings.latency_budget_ms else {
        let given = "latency-budget: not given".to_owned();
        return rule("latency", "Is a step too slow?", given, Holds::Unknown, "no step is ruled out by it");
    };
    let known: Vec<String> = inputs
        .figures
        .iter()
        .filter_map(|(experiment, figures)| Some(format!("{} {} ms", experiment.name(), figures.latency_ms?)))
        .collect();
    let slow: Vec<&str> = Experiment::ALL
        .into_iter()
        .filter(|experiment| inputs.is_slow(*experiment) == Some(true))
        .map(Experiment::name)
        .collect();
    let given = format!("latency-budget: {budget} ms; measured: {}", listed(&known));
    let holds = if known.is_empty() { Holds::Unknown } else { Holds::of(!slow.is_empty()) };
    let says = match holds {
        Holds::Yes => over("slow", &slow),
        Holds::No => "every step that was tried is fast enough".to_owned(),
        Holds::Unknown => "nobody measured how long an answer takes".to_owned(),
    };
    rule("latency", "Is a step too slow?", given, holds, &says)
}

fn money(inputs: &Inputs) -> Rule {
    let (Some(budget), Some(volume)) = (inputs.settings.money_per_month, inputs.settings.volume) else {
        let says = "say `money-budget: { per-month: … }` and `volume` under `audit:`; no step is ruled out by it";
        let given = "money-budget and volume: not both given".to_owned();
        return rule("money", "Is a step too dear?", given, Holds::Unknown, says);
    };
    let known: Vec<String> = inputs
        .figures
        .iter()
        .filter_map(|(experiment, _)| Some(format!("{} {}", experiment.name(), usd(inputs.month(*experiment)?))))
        .collect();
    let dear: Vec<&str> = Experiment::ALL
        .into_iter()
        .filter(|experiment| inputs.is_dear(*experiment) == Some(true))
        .map(Experiment::name)
        .collect();
    let given = format!("{} a month for {volume} requests; a month with: {}", usd(budget), listed(&known));
    let holds = if known.is_empty() { Holds::Unknown } else { Holds::of(!dear.is_empty()) };
    let says = match holds {
        Holds::Yes => over("dear", &dear),
        Holds::No => "every step that was tried is cheap enough".to_owned(),
        Holds::Unknown => "the models have no `price`".to_owned(),
    };
    rule("money", "Is a step too dear?", given, holds, &says)
}

/// What is over a budget. The request as it is is no step.
fn over(how: &str, over: &[&str]) -> String {
    let steps: Vec<&str> = over.iter().copied().filter(|name| *name != Experiment::Repeat.name()).collect();
    match (steps.len() < over.len(), steps.is_empty()) {
        (false, _) => format!("too {how}: {}", steps.join(", ")),
        (true, true) => format!("too {how} as it is already, before any step"),
        (true, false) => format!("too {how} as it is already, before any step; and with {}", steps.join(", ")),
    }
}

fn listed(known: &[String]) -> String {
    if known.is_empty() { "nothing".to_owned() } else { known.join(", ") }
}

fn labelled(inputs: &Inputs) -> Rule {
    let (count, who) = inputs.labelled();
    let holds = Holds::of(count >= LABELLED);
    let says = match holds {
        Holds::Yes => "enough to fine-tune on",
        _ => "fine-tuning is ruled out until there are more",
    };
    rule(
        "labelled-examples",
        "Are there labelled examples enough?",
        format!("{count} ({who}), {LABELLED} are needed"),
        holds,
        says,
    )
}

fn fine_tuning(inputs: &Inputs) -> Rule {
    let short = match inputs.examples_suffice() {
        None => "examples not tried, or they say the answer",
        Some(true) if inputs.is_over(Experiment::Examples) => "examples suffice and are over a budget",
        Some(true) => "examples suffice",
        Some(false) => "examples do not suffice",
    };
    let sure = if inputs.behaviour.is_sure() { "behaviour is sure" } else { "behaviour is not sure" };
    let over = inputs.is_over(Experiment::Repeat);
    let already = if over { ", over a budget as it is already" } else { "" };
    let given = format!("{sure}, {short}, {} labelled examples{already}", inputs.labelled().0);
    let holds = Holds::of(inputs.tunes());
    let says = match holds {
        Holds::Yes => "fine-tune for behaviour",
        _ if over => "do not fine-tune: nothing says that a tuned model would be within the budget",
        _ => "do not fine-tune: it takes all of the three",
    };
    rule("fine-tuning", "Is fine-tuning called for?", given, holds, says)
}

fn stronger(inputs: &Inputs) -> Rule {
    let over = inputs.is_over(Experiment::Model);
    let holds = match seen(inputs.skill) {
        Holds::Yes if over => Holds::No,
        holds => holds,
    };
    let says = match holds {
        Holds::Yes => "ask a stronger model where these cases matter",
        Holds::No if over => "a stronger model would do, and is over a budget",
        Holds::No => "a stronger model is not called for",
        Holds::Unknown => "not sure enough to pay for a stronger model",
    };
    let given = format!("{}{}", inputs.skill.words(), if over { ", over a budget" } else { "" });
    rule("stronger-model", "Is a stronger model called for?", given, holds, says)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::project::FactsChange;

    fn sure(cases: u64) -> Seen {
        Seen { cases, sure: cases, together: false }
    }

    fn holds(inputs: &Inputs, name: &str) -> Holds {
        rules(inputs).into_iter().find(|rule| rule.rule == name).map(|rule| rule.holds).expect(name)
    }

    #[test]
    fn fine_tuning_takes_sure_behaviour_examples_that_do_not_suffice_and_labels() {
        let settings = AuditSettings { labelled_examples: Some(60), ..AuditSettings::default() };
        let all = Inputs { settings, behaviour: sure(4), examples: [4, 1], ..Inputs::default() };
        assert_eq!(holds(&all, "fine-tuning"), Holds::Yes);
        let unsure = Inputs { behaviour: Seen { cases: 4, ..Seen::default() }, ..all.clone() };
        let suffice = Inputs { examples: [4, 4], ..all.clone() };
        let untried = Inputs { examples: [0, 0], ..all.clone() };
        let mut few = all.clone();
        few.settings.labelled_examples = Some(LABELLED - 1);
        for inputs in [&unsure, &suffice, &untried, &few] {
            assert_eq!(holds(inputs, "fine-tuning"), Holds::No, "{inputs:?}");
        }
        // Examples that suffice and cost too much leave it open.
        let mut dear = suffice;
        dear.figures = vec![(Experiment::Examples, Figures { latency_ms: None, cost_usd: Some(0.01) })];
        dear.settings.volume = Some(1_000);
        dear.settings.money_per_month = Some(5.0);
        assert_eq!((holds(&dear, "money"), holds(&dear, "fine-tuning")), (Holds::Yes, Holds::Yes));
        // A budget that the request alone is over is not kept by training.
        dear.figures.push((Experiment::Repeat, Figures { latency_ms: None, cost_usd: Some(0.009) }));
        assert_eq!((holds(&dear, "money"), holds(&dear, "fine-tuning")), (Holds::Yes, Holds::No));
        dear.settings.money_per_month = Some(10.0);
        assert_eq!((holds(&dear, "money"), holds(&dear, "fine-tuning")), (Holds::No, Holds::No));
    }

    #[test]
    fn what_is_not_given_is_unknown_and_rules_nothing_out() {
        let inputs = Inputs::default();
        for name in ["facts-change", "sources", "latency", "money", "examples"] {
            assert_eq!(holds(&inputs, name), Holds::Unknown, "{name}");
        }
        let mut given = inputs;
        given.settings.facts_change = Some(FactsChange::Weekly);
        assert_eq!(holds(&given, "facts-change"), Holds::Yes);
        given.settings.facts_change = Some(FactsChange::Yearly);
        assert_eq!(holds(&given, "facts-change"), Holds::No);
    }

    #[test]
    fn a_stronger_model_over_a_budget_is_not_called_for() {
        let mut inputs = Inputs { skill: sure(2), ..Inputs::default() };
        assert_eq!(holds(&inputs, "stronger-model"), Holds::Yes);
        inputs.settings.latency_budget_ms = Some(2_000);
        inputs.figures = vec![(Experiment::Model, Figures { latency_ms: Some(2_500), cost_usd: None })];
        assert_eq!((holds(&inputs, "latency"), holds(&inputs, "stronger-model")), (Holds::Yes, Holds::No));
        inputs.skill = Seen { cases: 1, ..Seen::default() };
        inputs.figures.clear();
        assert_eq!(holds(&inputs, "stronger-model"), Holds::Unknown);
    }
}
