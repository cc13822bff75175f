//! How an expectation came out, and what named scores add up to.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::names::ModelAlias;

/// Why nobody can say whether an expectation holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Lack {
    /// What was asked outside did not answer, or in a form that nobody can read.
    Errored,
    /// Calls are not allowed, and what is recorded judges another answer, or by another rule.
    Stale,
    /// Calls are not allowed, and nothing is recorded.
    Unrecorded,
    /// A limit was reached, or a key is missing.
    Skipped,
    /// It was not asked for, because the answer fails already.
    Unasked,
    /// It is still waited for.
    Waiting,
}

/// What an expectation speaks of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum About {
    /// How an answer is put: JSON, a length, a language.
    Form,
    /// What it says.
    Content,
    /// Either: a regular expression may want a form as well as a fact.
    Either,
    /// What it took, and where it came from: time, money, the model that served it.
    Means,
}

/// What an expectation would say of an answer whose form keeps it from being read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unread {
    /// Nobody can tell.
    Unknown,
    /// It holds of what stands in the answer.
    Holds,
    /// It fails of that, too.
    Fails,
}

/// Who judged.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct JudgedBy {
    /// The model.
    pub model: ModelAlias,
    /// The judge's prompt.
    pub prompt: String,
    /// What that prompt is.
    pub digest: String,
}

/// How one expectation came out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[expect(clippy::struct_excessive_bools, reason = "each is another fact")]
pub struct Checked {
    /// Its name, with `not-` in front where it was turned round.
    #[serde(rename = "type")]
    pub kind: String,
    /// Whether it holds.
    pub pass: bool,
    /// From 0 to 1, finite.
    pub score: f64,
    /// Why, in a sentence that shows what was expected and what came.
    pub reason: String,
    /// Its weight in the score; left out where it is 1.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub weight: f64,
    /// The named score that it counts for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metric: Option<String>,
    /// Why nobody can say, where that is so. Then it neither holds nor fails.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lack: Option<Lack>,
    /// Whether it is advice alone, because its judge has not proved itself; it decides nothing.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub advises: bool,
    /// Who judged, where a model did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub judge: Option<Box<JudgedBy>>,
    /// After which turn of the conversation it was checked, from 2; none after the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub turn: Option<u32>,
    /// What it is made of, where it is composed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parts: Vec<Checked>,
    /// Whether nobody could score it, because what it looks at is not known: it fails, and its score counts for no named score.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unscored: bool,
    /// Whether it fails for want of something to check, turned round or not.
    #[serde(skip)]
    pub void: bool,
    /// What it speaks of; `None` where that follows from its parts.
    #[serde(skip)]
    pub about: Option<About>,
    /// What it would say where the form keeps the answer from being read; none where it can be read.
    #[serde(skip)]
    pub unread: Option<Unread>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "as serde calls it")]
#[expect(clippy::float_cmp, reason = "the very number that is left out")]
fn is_one(weight: &f64) -> bool {
    *weight == 1.0
}

fn one() -> f64 {
    1.0
}

impl Default for Checked {
    fn default() -> Self {
        Self {
            kind: String::new(),
            pass: false,
            score: 0.0,
            reason: String::new(),
            weight: 1.0,
            metric: None,
            lack: None,
            advises: false,
            judge: None,
            turn: None,
            parts: Vec::new(),
            unscored: false,
            void: false,
            about: None,
            unread: None,
        }
    }
}

impl Checked {
    /// Whether it counts for the verdict and the score of its case.
    #[must_use]
    pub fn decides(&self) -> bool {
        !self.advises && self.lack.is_none()
    }

    /// Whether a person should look at it: it does not hold, and not only because nobody asked.
    #[must_use]
    pub fn is_bad(&self) -> bool {
        !self.pass && self.lack != Some(Lack::Unasked)
    }
}

/// A named score of a run: the weighted mean of the scores of all expectations that name it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Metric {
    /// The mean, from 0 to 1; `None` where nothing could be scored.
    pub mean: Option<f64>,
    /// How many scores are in it.
    pub scored: u64,
    /// How many there should be.
    pub of: u64,
    /// Σ score · weight.
    #[serde(skip)]
    sum: f64,
    /// Σ weight.
    #[serde(skip)]
    weight: f64,
}

impl Metric {
    /// The mean, and of how many it is.
    #[must_use]
    pub fn shown(&self) -> String {
        match (self.mean, self.scored == self.of) {
            (None, _) => format!("no score (0 of {})", self.of),
            (Some(mean), true) => format!("{mean:.3} (mean of {})", self.of),
            (Some(mean), false) => format!("{mean:.3} (mean over {} of {})", self.scored, self.of),
        }
    }
}

/// The named scores of a run.
pub type Metrics = BTreeMap<String, Metric>;

/// Adds what an expectation, and everything in it, says to the scores that it names.
pub fn add_metrics(metrics: &mut Metrics, checked: &Checked) {
    if let Some(name) = &checked.metric {
        let metric = metrics.entry(name.clone()).or_default();
        metric.of += 1;
        if checked.lack.is_none() && !checked.unscored {
            metric.scored += 1;
            metric.sum += checked.score * checked.weight;
            metric.weight += checked.weight;
        }
        metric.mean = (metric.weight > 0.0).then(|| metric.sum / metric.weight);
    }
    checked.parts.iter().for_each(|part| add_metrics(metrics, part));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_metric_says_of_how_many_it_is() {
        let checked = |score, weight, lack| Checked {
            kind: "x".into(),
            score,
            weight,
            lack,
            metric: Some("tone".into()),
            ..Checked::default()
        };
        let mut metrics = Metrics::new();
        add_metrics(&mut metrics, &checked(1.0, 3.0, None));
        add_metrics(&mut metrics, &checked(0.0, 1.0, Some(Lack::Errored)));
        let nested = Checked { parts: vec![checked(0.0, 1.0, None)], ..Checked::default() };
        add_metrics(&mut metrics, &nested);
        // A cost that is not known counted as 0.
        add_metrics(&mut metrics, &Checked { unscored: true, ..checked(0.0, 1.0, None) });
        let tone = metrics["tone"];
        assert_eq!((tone.mean, tone.scored, tone.of), (Some(0.75), 2, 4));
    }

    #[test]
    fn what_is_usual_is_not_written() {
        let checked = Checked { kind: "contains".into(), pass: true, score: 1.0, ..Checked::default() };
        let text = serde_json::to_string(&checked).expect("serialisable");
        assert_eq!(text, r#"{"type":"contains","pass":true,"score":1.0,"reason":""}"#);
        assert_eq!(serde_json::from_str::<Checked>(&text).expect("the same"), checked);
    }
}
