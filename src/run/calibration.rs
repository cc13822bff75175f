//! How far a judge agrees with people, as it is kept in the project: counts, and what follows from them.

use serde::{Deserialize, Serialize};

use super::judges::Judge;
use crate::core::path::TreePath;
use crate::expect::JudgeNeed;
use crate::project::Gate;
use crate::stats::Confusion;

/// The folder below a judge's fixtures that says how well it agrees with people.
const CALIBRATED: &str = "calibrated";
/// The level of confidence of its intervals.
const CONFIDENCE: f64 = 0.95;
/// The most answers that anybody has labelled.
const MOST: u64 = 100_000_000;
/// How far a figure may be from what the counts say: it was written with fewer digits by nobody.
const NEAR: f64 = 1e-6;

/// How well a judge agreed with people, as it stands in the project. The fields are written in this order.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Calibration {
    /// The judge's prompt.
    pub prompt: String,
    /// What that is.
    pub digest: String,
    /// The alias of its model.
    pub model: String,
    /// SHA-256 of everything that makes the judge what it is: prompt, provider, model, parameters.
    pub judge: String,
    /// The check that asked it.
    pub check: String,
    /// What of the expectation made a verdict of what it said, such as `threshold 0.7`; empty where nothing did.
    pub rule: String,
    /// The value of the expectation, where it was one for all labels.
    pub value: Option<String>,
    /// The file with the labels.
    pub labels: String,
    /// SHA-256 of that file.
    pub labels_sha256: String,
    /// How many labels were judged.
    pub judged: u64,
    /// How many could not be.
    pub errored: u64,
    /// Both say pass.
    pub pass_pass: u64,
    /// People say pass, the judge says fail.
    pub pass_fail: u64,
    /// People say fail, the judge says pass.
    pub fail_pass: u64,
    /// Both say fail.
    pub fail_fail: u64,
    /// The share of labels that the judge agrees with.
    pub accuracy: f64,
    /// Its 95 % interval.
    pub accuracy_interval: (f64, f64),
    /// Cohen's kappa; `None` where it is not defined.
    pub kappa: Option<f64>,
    /// Its 95 % interval.
    pub kappa_interval: Option<(f64, f64)>,
    /// The day, `2026-12-31`.
    pub day: String,
}

/// The file with the calibration of a judge: beside what it said, in the fixtures that mirror its prompt.
#[must_use]
pub fn calibration_path(judge: &Judge<'_>) -> TreePath {
    let path = format!("{}/{}/{CALIBRATED}/{}.json", crate::case::FIXTURES, judge.prompt.name, judge.entry.alias);
    TreePath::new(&path).unwrap_or_else(|_| unreachable!("checked names make a relative path"))
}

impl Calibration {
    /// Reads one. Its figures must follow from its counts: those decide, and nobody writes them by hand.
    pub fn read(text: &str) -> Result<Self, String> {
        let read: Self = serde_json::from_str(text).map_err(|error| error.to_string())?;
        let counts = [read.pass_pass, read.pass_fail, read.fail_pass, read.fail_fail];
        if counts.iter().any(|count| *count > MOST) || counts.iter().sum::<u64>() != read.judged || read.judged == 0 {
            return Err("its counts do not add up to what was judged".to_owned());
        }
        let near = |a: f64, b: f64| (a - b).abs() <= NEAR;
        let again = read.clone().figured();
        let kappas = read.kappa.zip(again.kappa);
        if !near(read.accuracy, again.accuracy)
            || read.kappa.is_some() != again.kappa.is_some()
            || kappas.is_some_and(|(a, b)| !near(a, b))
        {
            return Err("its figures do not follow from its counts".to_owned());
        }
        Ok(read)
    }

    /// How often each pair of labels was given: by people, by the judge. `true` is *pass*.
    #[must_use]
    pub fn confusion(&self) -> Confusion<bool> {
        Confusion::counted([
            ((true, true), self.pass_pass),
            ((true, false), self.pass_fail),
            ((false, true), self.fail_pass),
            ((false, false), self.fail_fail),
        ])
    }

    /// The same with the figures that follow from its counts.
    #[must_use]
    pub fn figured(mut self) -> Self {
        let confusion = self.confusion();
        let accuracy = confusion.accuracy();
        let kappa = confusion.kappa(CONFIDENCE);
        self.judged = confusion.n();
        self.accuracy = accuracy.value().unwrap_or(0.0);
        self.accuracy_interval = accuracy.interval(CONFIDENCE);
        self.kappa = kappa.map(|kappa| kappa.value);
        self.kappa_interval = kappa.and_then(|kappa| kappa.interval);
        self
    }

    /// As it stands in its file.
    #[must_use]
    pub fn to_text(&self) -> String {
        // Nothing in it can fail to serialise: its numbers are finite.
        format!("{}\n", serde_json::to_string_pretty(self).unwrap_or_default())
    }

    /// What is missing for the judge to decide; `None` where nothing is.
    #[must_use]
    pub fn falls_short(&self, gate: &Gate) -> Option<String> {
        if self.judged < gate.labels {
            return Some(format!("it was held against {} labels, {} are wanted", self.judged, gate.labels));
        }
        let all = self.judged + self.errored;
        #[expect(clippy::cast_precision_loss, reason = "as many as people label")]
        let errored = self.errored as f64 / all as f64;
        if errored > gate.errored + 1e-9 {
            let most = gate.errored * 100.0;
            return Some(format!("{} of {all} labels could not be judged, {most:.0} % may be so", self.errored));
        }
        if let Some(wanted) = gate.kappa {
            if self.kappa.is_none_or(|kappa| kappa + 1e-9 < wanted) {
                let kappa = self.kappa.map_or_else(|| "not defined".to_owned(), |kappa| format!("{kappa:.2}"));
                return Some(format!("its kappa is {kappa}, {wanted} is wanted"));
            }
            if let Some((low, _)) = self.kappa_interval.filter(|(low, _)| *low <= 0.0) {
                return Some(format!("its kappa may be chance: the interval begins at {low:.2}; label more answers"));
            }
        }
        let wanted = gate.accuracy.filter(|wanted| self.accuracy + 1e-9 < *wanted)?;
        Some(format!("it agrees with {:.0} % of the labels, {:.0} % are wanted", self.accuracy * 100.0, wanted * 100.0))
    }

    /// Why it says nothing of an expectation that makes another verdict of the same words; `None` where it does.
    #[must_use]
    pub fn of_another_rule(&self, need: &JudgeNeed) -> Option<String> {
        if self.check != need.kind {
            return Some(format!("is of the check `{}`, not of `{}`", self.check, need.kind));
        }
        let shown = |rule: &str| if rule.is_empty() { "no threshold".to_owned() } else { format!("`{rule}`") };
        (self.rule != need.rule)
            .then(|| format!("was made with {}, and the expectation has {}", shown(&self.rule), shown(&need.rule)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn calibration(pass_pass: u64, pass_fail: u64, fail_pass: u64, fail_fail: u64) -> Calibration {
        let text = |text: &str| text.to_owned();
        let bare = Calibration {
            prompt: text("judges/llm-rubric"),
            digest: text("d"),
            model: text("strict"),
            judge: text("j"),
            check: text("llm-rubric"),
            rule: String::new(),
            value: None,
            labels: text("labels.csv"),
            labels_sha256: text("s"),
            judged: 0,
            errored: 0,
            pass_pass,
            pass_fail,
            fail_pass,
            fail_fail,
            accuracy: 0.0,
            accuracy_interval: (0.0, 0.0),
            kappa: None,
            kappa_interval: None,
            day: text("2026-01-01"),
        };
        bare.figured()
    }

    #[test]
    fn a_gate_let_two_labels_decide_and_forty_that_were_not_judged() {
        let gate = Gate::default();
        let short = |calibration: &Calibration, gate: &Gate| calibration.falls_short(gate).unwrap_or_default();
        assert_eq!(short(&calibration(1, 0, 0, 1), &gate), "it was held against 2 labels, 30 are wanted");
        let few = Gate { labels: 8, ..gate };
        assert_eq!(short(&calibration(4, 0, 0, 4), &few), "");
        let unread = Calibration { errored: 40, ..calibration(4, 0, 0, 4) };
        assert_eq!(short(&unread, &few), "40 of 48 labels could not be judged, 10 % may be so");
        assert_eq!(short(&unread, &Gate { errored: 0.9, ..few }), "");
        let chance = calibration(4, 1, 1, 4);
        let low = chance.kappa_interval.expect("an interval").0;
        assert!((low..=0.6).contains(&0.6) && (low > 0.0) == short(&chance, &few).is_empty(), "{low}");
        assert!(short(&calibration(7, 0, 1, 1), &few).contains("its kappa may be chance"));
    }

    #[test]
    fn figures_follow_from_counts_or_are_not_believed() {
        let good = calibration(16, 4, 4, 16);
        assert_eq!(Calibration::read(&good.to_text()), Ok(good.clone()));
        assert!((good.kappa.expect("defined") - 0.6).abs() < 1e-9 && (good.accuracy - 0.8).abs() < 1e-9);
        let gate = Gate::default();
        assert_eq!((good.falls_short(&gate), calibration(12, 8, 4, 16).falls_short(&gate).is_some()), (None, true));
        for wrong in [
            Calibration { accuracy: 1.0, ..good.clone() },
            Calibration { kappa: Some(1.0), ..good.clone() },
            Calibration { kappa: None, ..good.clone() },
            Calibration { judged: 1000, ..good.clone() },
            Calibration { pass_pass: u64::MAX, judged: 23, ..good.clone() },
            Calibration { pass_pass: 0, pass_fail: 0, fail_pass: 0, fail_fail: 0, judged: 0, ..good.clone() },
        ] {
            assert!(Calibration::read(&wrong.to_text()).is_err(), "{wrong:?}");
        }
        assert!(Calibration::read(&good.to_text().replace("\"day\"", "\"days\"")).is_err());
        // All of one label proves nothing, however many there are.
        let one = calibration(500, 0, 0, 0);
        assert_eq!(Calibration::read(&one.to_text()), Ok(one.clone()));
        assert_eq!(one.falls_short(&gate).as_deref(), Some("its kappa is not defined, 0.6 is wanted"));
    }
}
