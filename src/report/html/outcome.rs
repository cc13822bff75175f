//! An outcome as a page shows it: a row of the index, and the detail behind it.

use serde::Serialize;

use crate::core::verdict::{Checked, Outcome, SampleOutcome, Verdict};
use crate::report::page::difference::{Shown, difference, text};
use crate::report::page::escape::shown;
use crate::report::samples::{found, is_undecided, samples_line, why};

/// The most characters of a passing answer.
const OF_PASSED: usize = 4_000;
/// The most characters of all answers of one outcome; the answers behind it are cut short.
const OF_OUTCOME: usize = 600_000;
/// The most characters that are shown of one answer.
const OF_ANSWER: usize = 200_000;
/// The most characters of an answer once there are too many.
const OF_REST: usize = 200;
/// The most characters of a reason in the index.
const OF_WHY: usize = 240;
/// Lines that stand in both, around what differs.
const CONTEXT: usize = 30;

/// How soon somebody should look at an outcome, the soonest first.
pub(super) fn rank(outcome: &Outcome) -> u8 {
    let rank = match outcome.verdict {
        Verdict::Passed if outcome.flaky => return 18,
        Verdict::Passed => return 20,
        other => other.risk(),
    };
    if outcome.good { rank + 10 } else { rank }
}

/// A row of the index. Written as an array: prompt, model, case, verdict, marks, tags, tokens in, tokens out, cost,
/// milliseconds, why, rank, chunk, line.
#[derive(Debug, Serialize)]
pub(super) struct Row(
    pub usize,
    pub usize,
    pub String,
    pub usize,
    pub u8,
    pub Vec<usize>,
    pub Option<u64>,
    pub Option<u64>,
    pub Option<f64>,
    pub Option<u64>,
    pub String,
    pub u8,
    pub usize,
    pub usize,
);

/// Flaky, in quarantine, undecided, good: a bit each.
pub(super) fn marks(outcome: &Outcome) -> u8 {
    u8::from(outcome.flaky)
        | u8::from(outcome.quarantine.is_some()) << 1
        | u8::from(is_undecided(outcome)) << 2
        | u8::from(outcome.good) << 3
}

/// Why it is what it is, in a line that is not too long.
pub(super) fn short_why(outcome: &Outcome) -> String {
    let why = why(outcome);
    let line = shown(&why).replace('\n', " ");
    match line.char_indices().nth(OF_WHY) {
        Some((at, _)) => format!("{}…", &line[..at]),
        None => line,
    }
}

/// The sum of what samples tell; none where no sample tells it.
pub(super) fn sum(outcome: &Outcome, of: fn(&SampleOutcome) -> Option<u64>) -> Option<u64> {
    outcome.samples.iter().filter_map(of).reduce(u64::saturating_add)
}

/// What all samples cost; none where no sample has a price.
pub(super) fn cost(outcome: &Outcome) -> Option<f64> {
    outcome.samples.iter().filter_map(|sample| sample.cost_usd).reduce(|a, b| a + b)
}

/// What is behind a row.
#[derive(Debug, Serialize)]
pub(super) struct Detail {
    #[serde(skip_serializing_if = "Option::is_none")]
    place: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<String>,
    digest: String,
    /// Why, where that is not what a sample says.
    #[serde(skip_serializing_if = "String::is_empty")]
    reason: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    quarantine: Option<String>,
    /// How many samples passed, with the interval.
    #[serde(skip_serializing_if = "Option::is_none")]
    rate: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pending: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    difference: Option<Differs>,
    samples: Vec<Sample>,
}

#[derive(Debug, Serialize)]
struct Differs {
    what: String,
    shown: Shown,
}

/// An answer with its checks.
#[derive(Debug, Serialize)]
struct Sample {
    number: u32,
    verdict: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    /// Name, whether it holds, why.
    checks: Vec<(String, bool, String)>,
    #[serde(skip_serializing_if = "Option::is_none")]
    score: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    answer: Option<Shown>,
    /// Characters that are left out of the answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    left_out: Option<usize>,
    /// The sample before it that answered the same.
    #[serde(skip_serializing_if = "Option::is_none")]
    same_as: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    calls: Option<Shown>,
    /// What else is known, name and value.
    facts: Vec<(&'static str, String)>,
}

impl Detail {
    pub(super) fn of(outcome: &Outcome) -> Self {
        let mut room = OF_OUTCOME;
        let mut samples: Vec<Sample> = Vec::with_capacity(outcome.samples.len());
        for (at, sample) in outcome.samples.iter().enumerate() {
            let says = |sample: &SampleOutcome| (sample.output.clone(), sample.tool_calls.clone());
            let before = outcome.samples[..at].iter().take(50);
            let same = before.filter(|_| sample.output.is_some()).find(|other| says(other) == says(sample));
            samples.push(Sample::of(sample, same.map(|other| other.sample), &mut room));
        }
        let detail = &outcome.detail;
        if let (Some(first), Some(retrieved)) = (samples.first_mut(), &detail.retrieved) {
            first.facts.push(("retrieved", shown(&found(retrieved))));
        }
        Self {
            place: detail.place.as_ref().map(|place| shown(&format!("{}:{}", place.path, place.line))),
            version: outcome.prompt_version.as_deref().map(shown),
            digest: shown(outcome.prompt_digest.get(..12).unwrap_or(&outcome.prompt_digest)),
            reason: shown(&outcome.reason),
            quarantine: outcome.quarantine.as_ref().map(|held| {
                let reason = if held.reason.is_empty() { String::new() } else { format!(": {}", held.reason) };
                shown(&format!("until {}{reason}", held.until))
            }),
            rate: (outcome.samples.len() > 1).then(|| samples_line(outcome)),
            pending: detail.pending.as_deref().map(shown),
            difference: detail
                .difference
                .as_ref()
                .map(|differs| Differs { what: shown(&differs.what), shown: difference(differs, CONTEXT) }),
            samples,
        }
    }
}

impl Sample {
    fn of(sample: &SampleOutcome, same_as: Option<u32>, room: &mut usize) -> Self {
        let most = if sample.verdict == Verdict::Passed { OF_PASSED } else { usize::MAX };
        // An answer that is shown as far as any is counts what it leaves out by itself.
        let most = if *room == 0 { OF_REST } else { most };
        let output = sample.output.as_deref().filter(|_| same_as.is_none());
        let (answer, left_out) = output.map_or((None, 0), |output| {
            let (kept, left_out) = clip(output, most);
            *room = room.saturating_sub(kept.len().min(OF_ANSWER));
            (Some(text(kept)), left_out)
        });
        let listed = |checked: &Checked| {
            let name = if checked.advises { format!("{} (advice)", checked.kind) } else { checked.kind.clone() };
            (shown(&name), checked.pass, shown(clip(&checked.reason, OF_PASSED).0))
        };
        Self {
            number: sample.sample,
            verdict: sample.verdict.name(),
            reason: sample.reason.as_deref().map(|reason| shown(clip(reason, OF_PASSED).0)),
            checks: sample.expectations.iter().filter(|checked| checked.lack.is_none()).map(listed).collect(),
            score: sample.score.filter(|score| *score > 0.0 && *score < 1.0),
            answer,
            left_out: Some(left_out).filter(|count| *count > 0),
            same_as,
            calls: (!sample.tool_calls.is_empty() && same_as.is_none())
                .then(|| text(&serde_json::to_string_pretty(&sample.tool_calls).unwrap_or_default())),
            facts: facts(sample),
        }
    }
}

/// The beginning of a text, and how many characters are behind it.
fn clip(text: &str, most: usize) -> (&str, usize) {
    match text.char_indices().nth(most) {
        Some((at, _)) => (&text[..at], text[at..].chars().count()),
        None => (text, 0),
    }
}

fn facts(sample: &SampleOutcome) -> Vec<(&'static str, String)> {
    let usage = &sample.usage;
    let number = |count: Option<u64>| count.map(super::figures::grouped);
    let source = sample.source.map(|source| match &sample.recorded_at {
        Some(at) => format!("{}, {}", source.name(), shown(at)),
        None => source.name().to_owned(),
    });
    [
        ("tokens in", number(usage.input)),
        ("of them cached", number(usage.cached_input.filter(|count| *count > 0))),
        ("tokens out", number(usage.output)),
        ("of them reasoning", number(usage.reasoning.filter(|count| *count > 0))),
        ("cost", sample.cost_usd.map(super::figures::dollars)),
        ("latency", sample.latency_ms.map(super::figures::milliseconds)),
        ("ended by", sample.finish_reason.map(|reason| reason.name().to_owned())),
        ("served by", sample.served_model.as_deref().map(shown)),
        ("answer", source),
        ("request", sample.key.as_ref().map(|key| key.short().to_owned())),
    ]
    .into_iter()
    .filter_map(|(name, value)| Some((name, value?)))
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::names::{CaseName, ModelAlias, PromptName};
    use crate::core::verdict::AnswerSource;

    fn outcome(verdict: Verdict, answers: &[String]) -> Outcome {
        let sample = |(number, text): (u32, &String)| SampleOutcome {
            output: Some(text.clone()),
            source: Some(AnswerSource::Live),
            ..SampleOutcome::new(number, verdict)
        };
        Outcome {
            prompt: PromptName::new("p").expect("a name"),
            case: CaseName::new("c").expect("a name"),
            model: ModelAlias::new("m").expect("a name"),
            tags: Vec::new(),
            verdict,
            good: verdict == Verdict::Passed,
            flaky: false,
            quarantine: None,
            reason: String::new(),
            prompt_version: None,
            prompt_digest: "0".repeat(64),
            samples: (0..).zip(answers).map(sample).collect(),
            position: None,
            detail: crate::core::verdict::Detail::default(),
        }
    }

    #[test]
    fn what_is_not_good_comes_before_what_is() {
        let good = |verdict| Outcome { good: true, ..outcome(verdict, &[]) };
        let flaky = Outcome { flaky: true, ..outcome(Verdict::Passed, &[]) };
        let order = [
            outcome(Verdict::Failed, &[]),
            outcome(Verdict::Errored, &[]),
            outcome(Verdict::Changed, &[]),
            outcome(Verdict::Skipped, &[]),
            good(Verdict::Failed),
            good(Verdict::Changed),
            flaky,
            outcome(Verdict::Passed, &[]),
        ];
        assert!(order.iter().map(rank).is_sorted_by(|a, b| a < b));
    }

    #[test]
    fn many_long_answers_are_not_a_long_page_and_what_is_left_out_is_counted() {
        let answers: Vec<String> = (0..100).map(|n| format!("{n} {}", "words of an answer\n".repeat(5_000))).collect();
        let detail = Detail::of(&outcome(Verdict::Failed, &answers));
        let size = serde_json::to_vec(&detail).expect("JSON").len();
        assert!(size < 1_000_000, "{size} bytes");
        let last = &detail.samples[99];
        assert_eq!(last.left_out, Some(answers[99].chars().count() - OF_REST));
        // Of a passing answer less is shown.
        let passed = Detail::of(&outcome(Verdict::Passed, &answers[..1]));
        assert_eq!(passed.samples[0].left_out, Some(answers[0].chars().count() - OF_PASSED));
    }
}
