//! From counts to a gap: what each experiment says, how sure that is, and which of several readings stands first.

use serde::Serialize;

use super::course::{Evidence, Experiment, Trial, is_constant};
use super::evidence::{Answered, Fails};
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
    all.sort_by_key(|reading| (reading.confidence, reading.gap, reading.by.is_some()));
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
    let why = format!("the provider's filter stopped {filtered} of {count} failing answers");
    (filtered * 2 > count).then_some((Beside::Filtered, why))
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
    /// Whether nothing could check what most of the answers say.
    unchecked: bool,
}

/// Whether what fails is the form, and the p-value of "that is so in no more than half of the answers"; none where the
/// answers are always the same.
fn form<'a>(answers: impl Iterator<Item = &'a Answered>, with: &str) -> (Option<Form>, Option<f64>) {
    let answers: Vec<&Answered> = answers.collect();
    let fails: Vec<Fails> = answers.iter().filter_map(|answer| answer.fails).collect();
    let count = fails.len() as u64;
    let held = fails.iter().filter(|fails| **fails == Fails::Form).count() as u64;
    let alone = fails.iter().filter(|fails| matches!(fails, Fails::Form | Fails::FormAlone)).count() as u64;
    if alone * 2 <= count {
        return (None, None);
    }
    if held * 2 <= count {
        let why =
            format!("{with}{alone} of {count} failing answers fail in form, and nothing could check their content");
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
mod tests {
    use super::super::course::{Lack, next};
    use super::*;

    /// Answers written as `+` (passes), `f` (form), `a` (form alone), `c` (content), `m` (means), `l` (cut off), each another
    /// text.
    fn answers(written: &str, constant: bool) -> Vec<Answered> {
        let one = |(i, c): (usize, char)| Answered {
            fails: match c {
                '+' => None,
                'f' => Some(Fails::Form),
                'a' => Some(Fails::FormAlone),
                'm' => Some(Fails::Means),
                'l' => Some(Fails::CutOff),
                _ => Some(Fails::Content),
            },
            text: if constant { written.chars().take(1).collect() } else { i.to_string() },
            why: String::new(),
            cost_usd: None,
            latency_ms: None,
        };
        written.chars().enumerate().map(one).collect()
    }

    fn trial(written: &str) -> Trial {
        match written {
            "-" => Trial::lacking(Lack::NoFacts),
            written => match written.strip_prefix('=') {
                Some(same) => Trial { answers: answers(same, true), ..Trial::default() },
                None => Trial { answers: answers(written, false), ..Trial::default() },
            },
        }
    }

    /// The own answer, then repeat, facts, examples, model; `-` cannot be made, an empty one is open.
    fn evidence(own: &str, trials: [&str; 4]) -> Evidence {
        let trials = Experiment::ALL.into_iter().zip(trials).filter(|(_, written)| !written.is_empty());
        let own = trial(own).answers;
        let trials = trials.map(|(experiment, written)| (experiment, trial(written))).collect();
        Evidence { own, trials, ..Evidence::default() }
    }

    fn reads(own: &str, trials: [&str; 4]) -> String {
        let readings = read(&evidence(own, trials));
        let one = |reading: &Reading| format!("{} {}", reading.confidence.name(), reading.gap.name());
        readings.all.iter().map(one).collect::<Vec<_>>().join(", ")
    }

    #[test]
    fn each_row_of_the_table_is_read() {
        for (own, trials, expected) in [
            ("c", ["++c+c", "", "", ""], "confident reliability"),
            ("c", ["ccccc", "+++++", "ccccc", ""], "confident knowledge"),
            ("f", ["fffff", "", "", ""], "confident behaviour"),
            ("c", ["ccccc", "ccccc", "+++++", ""], "confident behaviour"),
            ("c", ["ccccc", "ccccc", "ccccc", "+++++"], "confident skill"),
            ("c", ["ccccc", "ccccc", "ccccc", "ccccc"], "suggested review"),
        ] {
            assert_eq!(reads(own, trials), expected, "{trials:?}");
        }
    }

    #[test]
    fn nothing_is_sure_whose_evidence_is_missing() {
        for (own, trials, expected) in [
            ("c", ["-", "", "", ""], "unknown unknown"),
            ("c", ["ccccc", "-", "-", "-"], "unknown unknown"),
            ("c", ["ccccc", "-", "ccccc", "+++++"], "suggested skill"),
            ("c", ["ccccc", "ccccc", "-", "+++++"], "suggested skill"),
            ("c", ["ccccc", "ccccc", "ccccc", "-"], "unknown unknown"),
            ("a", ["aaaaa", "-", "-", "-"], "suggested behaviour"),
            ("m", ["mmmmm", "", "", ""], "unknown unknown"),
            ("a", ["aaaaa", "aaaaa", "aaaaa", "aaaaa"], "suggested behaviour, suggested review"),
            ("a", ["aaaaa", "aaaaa", "aaaaa", "+++++"], "confident skill, suggested behaviour"),
            ("l", ["lllll", "", "", ""], "unknown unknown"),
            ("l", ["lllcc", "+++++", "ccccc", ""], "unknown unknown"),
            ("c", ["c", "+", "c", ""], "suggested knowledge"),
            ("c", ["ccccc", "+c+c+", "ccccc", ""], "suggested knowledge"),
            ("c", ["ccccc", "+cc+c", "ccccc", "ccccc"], "suggested review"),
        ] {
            assert_eq!(reads(own, trials), expected, "{trials:?}");
        }
    }

    #[test]
    fn what_is_sure_stands_first_and_then_the_order_decides() {
        assert_eq!(reads("c", ["++c+c", "+++++", "ccccc", ""]), "confident reliability, suggested knowledge");
        assert_eq!(reads("c", ["+cccc", "+++++", "ccccc", ""]), "confident knowledge, suggested reliability");
        assert_eq!(
            reads("c", ["+ccccccccc", "++++++++++", "cccccccccc", ""]),
            "confident knowledge, suggested reliability"
        );
        assert_eq!(reads("c", ["ccccc", "+++++", "+++++", ""]), "confident behaviour, confident knowledge");
        // Facts mend what is said, and how it is put is still wrong: two gaps, one behind the other.
        assert_eq!(reads("c", ["ccccc", "fffff", "ccccc", ""]), "confident knowledge, confident behaviour");
        assert_eq!(reads("c", ["ccccc", "fcccc", "ccccc", "ccccc"]), "suggested review");
        assert_eq!(reads("a", ["aaaaa", "+++++", "aaaaa", ""]), "confident knowledge, suggested behaviour");
    }

    #[test]
    fn the_same_answer_again_and_again_is_one_answer() {
        assert_eq!(reads("=c", ["=ccccc", "=+++++", "=ccccc", ""]), "suggested knowledge");
        assert_eq!(reads("=f", ["=fff", "", "=fff", ""]), "confident behaviour", "that is what it says");
        let mut sampled = evidence("=c", ["=ccccc", "=+++++", "=ccccc", ""]);
        sampled.is_sampled = true;
        assert_eq!(read(&sampled).first().confidence, Confidence::Confident, "each was drawn anew");
        assert_eq!(reads("=c", ["=cc", "=++", "=cc", ""]), "suggested knowledge");
        assert_eq!(reads("c", ["ccc", "+++", "ccc", ""]), "suggested knowledge");
        // One answer that is another shows that the model is not bound to one.
        assert_eq!(reads("+", ["=ccccc", "=+++++", "=ccccc", ""]), "confident knowledge");
    }

    #[test]
    fn what_an_example_tells_was_not_known() {
        let told = |trials| {
            let mut told = evidence("c", trials);
            told.is_told = true;
            let readings = read(&told);
            let one = |reading: &Reading| format!("{} {}", reading.confidence.name(), reading.gap.name());
            readings.all.iter().map(one).collect::<Vec<_>>().join(", ")
        };
        assert_eq!(told(["ccccc", "+++++", "+++++", ""]), "confident knowledge, suggested behaviour");
        assert_eq!(told(["ccccc", "-", "+++++", ""]), "suggested behaviour");
        assert_eq!(told(["ccccc", "+++++", "ccccc", ""]), "confident knowledge");
    }

    #[test]
    fn no_experiment_is_made_that_changes_nothing() {
        use Experiment::{Examples, Facts, Model, Repeat};
        for (own, trials, expected) in [
            ("c", ["", "", "", ""], vec![Repeat]),
            ("c", ["-", "", "", ""], vec![]),
            ("c", ["+++++", "", "", ""], vec![]),
            ("c", ["ccccc", "", "", ""], vec![Facts, Examples]),
            ("c", ["ccccc", "-", "", ""], vec![Examples]),
            ("c", ["++c+c", "ccccc", "ccccc", ""], vec![]),
            ("c", ["+cccc", "ccccc", "ccccc", ""], vec![Model]),
            ("f", ["fffff", "", "", ""], vec![Examples]),
            ("f", ["fffff", "", "fffff", ""], vec![]),
            ("c", ["ccccc", "+++++", "ccccc", ""], vec![]),
            ("c", ["ccccc", "ccccc", "ccccc", ""], vec![Model]),
            ("c", ["ccccc", "-", "-", ""], vec![Model]),
            ("c", ["ccccc", "ccccc", "ccccc", "ccccc"], vec![]),
            ("m", ["mmmmm", "", "", ""], vec![]),
            ("l", ["lllll", "", "", ""], vec![]),
            ("a", ["aaaaa", "", "", ""], vec![Facts, Examples]),
            ("a", ["aaaaa", "aaaaa", "aaaaa", ""], vec![Model]),
            ("a", ["aaaaa", "-", "-", ""], vec![Model]),
            ("a", ["aaaaa", "aaaaa", "+++++", ""], vec![]),
        ] {
            assert_eq!(next(&evidence(own, trials)), expected, "{trials:?}");
        }
    }

    #[test]
    fn many_experiments_are_held_to_more() {
        let readings = read(&evidence("c", ["ccccc", "+++++", "c+ccc", ""]));
        let facts = readings.contrast(Experiment::Facts).expect("made");
        assert!((facts.p.expect("tested") - 1.0 / 252.0).abs() < 1e-12);
        assert!((facts.adjusted.expect("tested") - 2.0 / 252.0).abs() < 1e-12);
    }
}
