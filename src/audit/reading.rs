//! From counts to a gap: what each experiment says, how sure that is, and which of several readings stands first.

use serde::Serialize;

use super::course::{Evidence, Experiment, Trial, is_constant};
use super::evidence::{Answered, Fails, Unsaid};
use crate::stats::{Stratum, binomial_at_least, holm, stratified_exact, wilson};

/// Up to this chance of a false alarm a reading is sure.
const ALPHA: f64 = 0.05;
/// A case passes more than rarely where the interval of its pass rate begins here.
const RARELY: f64 = 0.10;

/// A kind of gap.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Gap {
    /// It passes sometimes.
    Reliability,
    /// It is put wrongly, or passes once it is shown how.
    Behaviour,
    /// It passes once the facts are given.
    Knowledge,
    /// Only a stronger model passes.
    Skill,
    /// Nothing helps: beyond any model of the project, or the case is wrong.
    Review,
    /// The evidence is missing.
    Unknown,
}

impl Gap {
    /// All of them, in the order in which they are read.
    pub const ALL: [Self; 6] =
        [Self::Reliability, Self::Behaviour, Self::Knowledge, Self::Skill, Self::Review, Self::Unknown];

    /// In a word.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Reliability => "reliability",
            Self::Behaviour => "behaviour",
            Self::Knowledge => "knowledge",
            Self::Skill => "skill",
            Self::Review => "review",
            Self::Unknown => "unknown",
        }
    }
}

/// How sure a reading is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Confidence {
    /// Beyond chance.
    Confident,
    /// It looks so.
    Suggested,
    /// Nobody can say.
    Unknown,
}

impl Confidence {
    /// In a word.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Confident => "confident",
            Self::Suggested => "suggested",
            Self::Unknown => "unknown",
        }
    }
}

/// What one experiment, or the failing checks, say.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Reading {
    /// The gap.
    pub gap: Gap,
    /// How sure that is.
    pub confidence: Confidence,
    /// The experiment that says so; none: what fails in the answers.
    pub by: Option<Experiment>,
    /// Why, in a sentence.
    pub why: String,
    /// Whether an experiment is missing that could say otherwise.
    #[serde(skip)]
    pub open: bool,
    /// Whether it is a second gap, which showed once the first was closed.
    #[serde(skip)]
    pub behind: bool,
}

/// An experiment held against the answers without it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Contrast {
    /// The experiment.
    pub experiment: Experiment,
    /// The one-sided p-value of "it passes more often with it"; none where both sides always say the
    /// same.
    pub p: Option<f64>,
    /// The same after all experiments of the case (Holm).
    pub adjusted: Option<f64>,
    /// Whether most answers pass with it, and a larger share than without.
    pub closes: bool,
    /// Whether that is beyond chance.
    pub sure: bool,
}

/// Something in which answers fail and of which no experiment speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Beside {
    /// What they took: time, money, the model that served them.
    Means,
    /// They are cut off at the limit on tokens.
    CutOff,
    /// The provider's filter stops them.
    Filtered,
    /// The model declines.
    Refused,
}

/// Everything that is read from a case, what stands first in front.
#[derive(Clone, Debug, PartialEq)]
pub struct Readings {
    /// At least one.
    pub all: Vec<Reading>,
    /// What the experiments say.
    pub contrasts: Vec<Contrast>,
    form: Option<Confidence>,
    beside: Option<Beside>,
}

impl Readings {
    /// What stands first.
    #[must_use]
    pub fn first(&self) -> &Reading {
        &self.all[0]
    }

    /// How sure it is that answers fail in their form alone.
    #[must_use]
    pub fn in_form(&self) -> Option<Confidence> {
        self.form
    }

    /// What answers fail in, where no experiment speaks of it.
    #[must_use]
    pub fn beside(&self) -> Option<Beside> {
        self.beside
    }

    /// What an experiment says.
    #[must_use]
    pub fn contrast(&self, experiment: Experiment) -> Option<&Contrast> {
        self.contrasts.iter().find(|contrast| contrast.experiment == experiment)
    }
}

/// Reads the evidence of a case. What is sure stands before what is suggested; of the same confidence the order of
/// [`Gap::ALL`] decides.
#[must_use]
pub fn read(evidence: &Evidence) -> Readings {
    let Some(again) = evidence.trial(Experiment::Repeat) else { return nothing(evidence) };
    if let Some((beside, why)) = beside(evidence, again) {
        let reading =
            Reading { gap: Gap::Unknown, confidence: Confidence::Unknown, by: None, why, open: true, behind: false };
        return Readings { all: vec![reading], contrasts: Vec::new(), form: None, beside: Some(beside) };
    }
    let (form, form_p) = form(evidence.own.iter().chain(&again.answers), "");
    let contrasts = contrasts(evidence, again, form_p);
    let form = form.map(|form| Form {
        confidence: match form_p.map(|p| adjusted(p, &contrasts)) {
            Some(p) if p > ALPHA => Confidence::Suggested,
            _ => form.confidence,
        },
        ..form
    });
    let mut all = Vec::new();
    all.extend(reliability(evidence, again));
    if let Some(form) = &form {
        let (confidence, why, open) = (form.confidence, form.why.clone(), form.unchecked);
        all.push(Reading { gap: Gap::Behaviour, confidence, by: None, why, open, behind: false });
    }
    for contrast in contrasts.iter().filter(|contrast| contrast.closes) {
        all.extend(helped(evidence, again, contrast));
    }
    // What only looks like a matter of form, because nobody can say more, stands behind what an experiment closed.
    let is_guess = |reading: &Reading| reading.gap == Gap::Behaviour && reading.by.is_none() && reading.open;
    all.sort_by_key(|reading| (reading.confidence, is_guess(reading), reading.gap, reading.by.is_some()));
    if let Some(behind) = form_behind_facts(evidence, &contrasts, form.is_some()) {
        // The second gap is uncovered by what closes the first, and closes nothing alone.
        let facts = all.iter().position(|reading| reading.gap == Gap::Knowledge);
        all.insert(facts.map_or(all.len(), |at| at + 1), behind);
    }
    let nothing_closes = !contrasts.iter().any(|contrast| contrast.closes);
    let only_looks = form.as_ref().is_some_and(|form| form.confidence != Confidence::Confident);
    let nothing = nothing_helped(evidence);
    if all.is_empty() || nothing_closes && only_looks && nothing.gap == Gap::Review {
        all.push(nothing);
    }
    Readings { all, contrasts, form: form.map(|form| form.confidence), beside: None }
}

fn nothing(evidence: &Evidence) -> Readings {
    let lack = evidence.trials.get(&Experiment::Repeat).and_then(|trial| trial.lack.as_ref());
    let why = lack.map_or_else(|| "nothing was tried".to_owned(), |lack| format!("no fresh answers: {}", lack.what()));
    let reading =
        Reading { gap: Gap::Unknown, confidence: Confidence::Unknown, by: None, why, open: true, behind: false };
    Readings { all: vec![reading], contrasts: Vec::new(), form: None, beside: None }
}

/// What no experiment speaks of, where answers fail in that: in what they took alone; or most of them because they were
/// stopped, whatever they would have said.
fn beside(evidence: &Evidence, again: &Trial) -> Option<(Beside, String)> {
    let failing: Vec<Fails> = evidence.own.iter().chain(&again.answers).filter_map(|answer| answer.fails).collect();
    let count = failing.len();
    let of = |what: Fails| failing.iter().filter(|fails| **fails == what).count();
    if count == 0 {
        return None;
    }
    if of(Fails::Means) == count {
        let why = "the answers fail only in what they took (time, money, the model that served them)";
        return Some((Beside::Means, why.to_owned()));
    }
    let (cut_off, filtered) = (of(Fails::CutOff), of(Fails::Filtered));
    if cut_off * 2 > count {
        return Some((
            Beside::CutOff,
            format!("{cut_off} of {count} failing answers are cut off at the limit on tokens"),
        ));
    }
    if filtered * 2 > count {
        let why = format!("the provider's filter stopped {filtered} of {count} failing answers");
        return Some((Beside::Filtered, why));
    }
    let refused = of(Fails::Refused);
    let why = format!("the model declined in {refused} of {count} failing answers");
    (refused * 2 > count).then_some((Beside::Refused, why))
}

/// It passes sometimes: a fact, once both were seen. How sure the reading is depends on how often.
fn reliability(evidence: &Evidence, again: &Trial) -> Option<Reading> {
    let (passes, count) = (again.passes(), again.count());
    let fails = evidence.own.iter().any(|answer| !answer.passes()) || passes < count;
    if passes == 0 || !fails {
        return None;
    }
    let (low, _) = wilson(passes, count, 0.95);
    let sure = low >= RARELY;
    let confidence = if sure { Confidence::Confident } else { Confidence::Suggested };
    let rare = if sure { "" } else { ", which may be luck" };
    let why = format!("{passes} of {count} fresh answers to the same request pass{rare}");
    Some(Reading { gap: Gap::Reliability, confidence, by: Some(Experiment::Repeat), why, open: false, behind: false })
}

#[derive(Debug)]
struct Form {
    confidence: Confidence,
    why: String,
    /// Whether nobody can say of most of the answers whether their content holds.
    unchecked: bool,
}

/// Whether what fails is the form, and the p-value of "that is so in no more than half of the answers"; none where the
/// answers are always the same.
fn form<'a>(answers: impl Iterator<Item = &'a Answered>, with: &str) -> (Option<Form>, Option<f64>) {
    let answers: Vec<&Answered> = answers.collect();
    let fails: Vec<Fails> = answers.iter().filter_map(|answer| answer.fails).collect();
    let count = fails.len() as u64;
    let held = fails.iter().filter(|fails| **fails == Fails::Form).count() as u64;
    let alone = fails.iter().filter(|fails| matches!(fails, Fails::Form | Fails::FormAlone(_))).count() as u64;
    if alone * 2 <= count {
        return (None, None);
    }
    if held * 2 <= count {
        let why = format!("{with}{alone} of {count} failing answers {}", unchecked(&fails, held, alone));
        return (Some(Form { confidence: Confidence::Suggested, why, unchecked: true }), None);
    }
    let why = format!("{with}{held} of {count} failing answers fail in form alone; their content holds");
    if is_constant(answers.into_iter()) {
        let why = format!("{why} (always the same answer)");
        return (Some(Form { confidence: Confidence::Confident, why, unchecked: false }), None);
    }
    let p = binomial_at_least(held, count, 0.5);
    let confidence = if p <= ALPHA { Confidence::Confident } else { Confidence::Suggested };
    (Some(Form { confidence, why, unchecked: false }), Some(p))
}

/// In what answers fail of which nobody can say whether their content holds, and why not; of `held` of them it does.
fn unchecked(fails: &[Fails], held: u64, alone: u64) -> String {
    let of = |cause: Unsaid| fails.iter().filter(|fails| **fails == Fails::FormAlone(cause)).count() as u64;
    let causes = Unsaid::ALL.into_iter().filter(|cause| of(*cause) > 0);
    match causes.clone().find(|cause| of(*cause) == alone) {
        Some(Unsaid::Nothing) => return "fail in form, and nothing could check their content".to_owned(),
        Some(Unsaid::Part) => {
            return "fail in form, and what checks their content could not say everything".to_owned();
        }
        Some(Unsaid::Either) => return "fail checks that may mean their form or their content".to_owned(),
        None => {}
    }
    let each = causes.map(|cause| match cause {
        Unsaid::Nothing => format!("of {} nothing could check the content", of(cause)),
        Unsaid::Part => format!("of {} not everything could check the content", of(cause)),
        Unsaid::Either => format!("{} fail checks that may mean form or content", of(cause)),
    });
    let held = (held > 0).then(|| format!("the content of {held} holds"));
    format!("may fail in form alone: {}", held.into_iter().chain(each).collect::<Vec<_>>().join(", "))
}

/// An experiment beside the answers without it. Facts are about what is said: where that is wrong, an answer that says
/// what is right counts, however it is put.
pub(super) fn stratum(again: &Trial, trial: &Trial, experiment: Experiment) -> Stratum {
    let of_right = experiment == Experiment::Facts && again.is_wrong();
    let good = |trial: &Trial| if of_right { trial.right() } else { trial.passes() };
    Stratum { base_passes: good(again), base: again.count(), head_passes: good(trial), head: trial.count() }
}

/// Every experiment against the fresh answers without it.
fn contrasts(evidence: &Evidence, again: &Trial, form_p: Option<f64>) -> Vec<Contrast> {
    let mut contrasts: Vec<Contrast> = Vec::new();
    for experiment in [Experiment::Facts, Experiment::Examples, Experiment::Model] {
        let Some(trial) = evidence.trial(experiment) else { continue };
        let both = stratum(again, trial, experiment);
        let p = (!evidence.is_one_answer_a_side(again, trial)).then(|| stratified_exact(&[both]).p_improve());
        let closes = both.head_passes * 2 > both.head && both.head_passes * both.base > both.base_passes * both.head;
        contrasts.push(Contrast { experiment, p, adjusted: None, closes, sure: false });
    }
    let family: Vec<f64> = contrasts.iter().filter_map(|contrast| contrast.p).chain(form_p).collect();
    let mut left = holm(&family).into_iter();
    for contrast in &mut contrasts {
        contrast.adjusted = contrast.p.and_then(|_| left.next());
        // One answer a side is no more than one flip, which any other wording might have made.
        contrast.sure = contrast.closes && contrast.adjusted.is_some_and(|p| p <= ALPHA);
    }
    contrasts
}

/// The p-value of the form after all experiments of the case.
fn adjusted(p: f64, contrasts: &[Contrast]) -> f64 {
    let family: Vec<f64> = contrasts.iter().filter_map(|contrast| contrast.p).chain([p]).collect();
    holm(&family).last().copied().unwrap_or(p)
}

/// Answers that say what is right once the facts are given, and are put wrongly: a second gap behind the first.
fn form_behind_facts(evidence: &Evidence, contrasts: &[Contrast], is_known: bool) -> Option<Reading> {
    let facts = contrasts.iter().find(|contrast| contrast.experiment == Experiment::Facts && contrast.closes)?;
    let trial = evidence.trial(facts.experiment).filter(|trial| !is_known && trial.passes() * 2 <= trial.count())?;
    let (form, _) = form(trial.answers.iter(), "with its facts ");
    let form = form?;
    let confidence = if facts.sure { form.confidence } else { Confidence::Suggested };
    Some(Reading { gap: Gap::Behaviour, confidence, by: None, why: form.why, open: false, behind: true })
}

/// What an experiment says that makes the case pass.
fn helped(evidence: &Evidence, again: &Trial, contrast: &Contrast) -> Option<Reading> {
    let trial = evidence.trial(contrast.experiment)?;
    let sure = if contrast.sure { Confidence::Confident } else { Confidence::Suggested };
    let both = stratum(again, trial, contrast.experiment);
    let word = if both.head_passes > trial.passes() { "say what is right" } else { "pass" };
    let (good, base) = (both.head_passes, both.base_passes);
    let counts = format!("{good} of {} {word}, {base} of {} without", both.head, both.base);
    let mut open = false;
    let mut less = String::new();
    let (gap, confidence, with) = match contrast.experiment {
        Experiment::Repeat => return None,
        Experiment::Facts if evidence.is_retrieved => {
            (Gap::Knowledge, sure, "with the documents that are relevant".to_owned())
        }
        Experiment::Facts => (Gap::Knowledge, sure, "with its facts".to_owned()),
        Experiment::Examples if evidence.is_told => {
            open = true;
            ", one of which says what was asked for: it may be copied".clone_into(&mut less);
            (Gap::Behaviour, Confidence::Suggested, "with examples of other cases".to_owned())
        }
        Experiment::Examples => (Gap::Behaviour, sure, "with examples of other cases".to_owned()),
        Experiment::Model => {
            let missing: Vec<&str> = [Experiment::Facts, Experiment::Examples]
                .into_iter()
                .filter(|one| evidence.is_missing(*one))
                .map(Experiment::name)
                .collect();
            let model = trial.model.as_ref().map(|model| format!("on `{model}`")).unwrap_or_default();
            // A stronger model may also know more, or need no examples: without those experiments nobody can tell.
            if missing.is_empty() {
                (Gap::Skill, sure, model)
            } else {
                open = true;
                less = format!("; without {} it may be another gap", missing.join(" and "));
                (Gap::Skill, Confidence::Suggested, model)
            }
        }
    };
    let constant =
        if contrast.p.is_none() { "; always the same answer on both sides, so that each is one" } else { "" };
    let why = format!("{with} {counts}{constant}{less}");
    Some(Reading { gap, confidence, by: Some(contrast.experiment), why, open, behind: false })
}

/// Nothing closes the gap: for review where everything was tried, else nobody can say.
fn nothing_helped(evidence: &Evidence) -> Reading {
    let tried = [Experiment::Facts, Experiment::Examples, Experiment::Model];
    let missing: Vec<&str> = tried.into_iter().filter(|one| evidence.is_missing(*one)).map(Experiment::name).collect();
    if missing.is_empty() {
        let why = "neither facts nor examples nor a stronger model help: beyond these models, or the case is wrong";
        let (gap, confidence) = (Gap::Review, Confidence::Suggested);
        return Reading { gap, confidence, by: None, why: why.to_owned(), open: false, behind: false };
    }
    let why = format!("nothing that was tried helps, and not all could be tried: {} missing", missing.join(", "));
    Reading { gap: Gap::Unknown, confidence: Confidence::Unknown, by: None, why, open: true, behind: false }
}

#[cfg(test)]
#[path = "reading_tests.rs"]
mod tests;
