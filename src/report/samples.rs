//! What the samples of a case say of its pass rate: how many passed, the interval, and whether they decide.

use crate::core::verdict::{Outcome, Retrieved, SampleOutcome, Summary, Verdict};
use crate::core::words::counted;
use crate::stats::{binomial_at_least, binomial_at_most, wilson};

/// How often what the samples are said to show may be wrong.
const ALPHA: f64 = 0.05;

/// How many of an outcome's samples passed, and of how many.
fn passes(outcome: &Outcome) -> (u64, u64) {
    let passed = outcome.samples.iter().filter(|sample| sample.verdict == Verdict::Passed).count();
    (passed as u64, outcome.samples.len() as u64)
}

/// `7 of 10 samples passed [40 %, 89 %]`, with the Wilson interval at 95 %; what is undecided is said.
pub(super) fn samples_line(outcome: &Outcome) -> String {
    let (passed, all) = passes(outcome);
    let (low, high) = wilson(passed, all, 1.0 - ALPHA);
    let mut text = format!("{passed} of {all} samples passed [{:.0} %, {:.0} %]", low * 100.0, high * 100.0);
    if let Some(rate) = outcome.detail.min_pass_rate.filter(|_| is_undecided(outcome)) {
        text.push_str(&format!(", undecided: they neither refute nor certify a min-pass-rate of {rate}"));
    }
    text
}

/// Whether the samples of a case that need not all pass neither refute nor certify its rate. Its verdict is what the share
/// that passed says, all the same.
pub(super) fn is_undecided(outcome: &Outcome) -> bool {
    let (Some(rate), (passed, all)) = (outcome.detail.min_pass_rate, passes(outcome)) else { return false };
    let answered = [Verdict::Passed, Verdict::Failed, Verdict::Changed, Verdict::New].contains(&outcome.verdict);
    let is_open = |p: f64| p > ALPHA;
    answered && all > 1 && is_open(binomial_at_most(passed, all, rate)) && is_open(binomial_at_least(passed, all, rate))
}

/// Why an outcome is what it is, in a line; empty where its verdict says it all.
pub(super) fn why(outcome: &Outcome) -> String {
    let sample = outcome.samples.iter().find(|sample| sample.verdict == Verdict::Failed);
    match (outcome.verdict, sample) {
        _ if !outcome.reason.is_empty() => outcome.reason.clone(),
        (Verdict::Failed, Some(sample)) => sample_why(sample),
        (Verdict::Changed, _) if !outcome.detail.form.is_empty() => {
            format!("the answer differs from the accepted one, also in its form: {}", outcome.detail.form.join(", "))
        }
        (Verdict::Changed, _) => "the answer differs from the accepted one".to_owned(),
        (Verdict::New, _) => "nothing is accepted yet".to_owned(),
        (Verdict::Stale, _) => "what is recorded answers another request".to_owned(),
        (Verdict::Unrecorded, _) => "nothing is recorded".to_owned(),
        _ => String::new(),
    }
}

/// How many of the ids of what was found are shown.
const SHOWN: usize = 5;

/// What was found for a case, in a line.
pub(super) fn found(retrieved: &Retrieved) -> String {
    let Retrieved { retriever, documents, quality, top } = retrieved;
    let ids = documents.iter().take(SHOWN).map(String::as_str).collect::<Vec<_>>().join(", ");
    let more = documents.len().saturating_sub(SHOWN);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    let ids = if documents.is_empty() { "nothing".to_owned() } else { ids };
    let good = match quality {
        Some(quality) if quality.hit == 0.0 => ": nothing relevant".to_owned(),
        Some(quality) => format!(": recall@{top} {:.3}", quality.recall),
        None => String::new(),
    };
    format!("`{retriever}` found {ids}{more}{good}")
}

/// Why a sample failed, in a line.
pub(super) fn sample_why(sample: &SampleOutcome) -> String {
    let reasons = sample.reason.iter().cloned();
    reasons
        .chain(sample.failing().map(|checked| format!("{}: {}", checked.kind, checked.reason)))
        .collect::<Vec<_>>()
        .join("; ")
}

/// How good retrievers are, a line each.
pub(super) fn retrieval_lines(summary: &Summary) -> impl Iterator<Item = String> + '_ {
    summary.retrieval.iter().map(|(name, retrieval)| format!("retrieval, {name}: {}", retrieval.shown()))
}

/// What judges took and said, the named scores, and how good retrievers were, a line each.
pub(super) fn judged_lines(summary: &Summary) -> Vec<String> {
    let mut lines: Vec<String> =
        summary.metrics.iter().map(|(name, metric)| format!("{name}: {}", metric.shown())).collect();
    lines.extend(retrieval_lines(summary));
    if summary.judge_calls + summary.judge_replayed > 0 {
        let calls = counted(summary.judge_calls, "call", "calls");
        let mut line = format!("judges: {calls}, {} replayed", summary.judge_replayed);
        if summary.judge_cost_usd > 0.0 || summary.recorded_judge_cost_usd > 0.0 {
            let (now, before) = (summary.judge_cost_usd, summary.recorded_judge_cost_usd);
            line.push_str(&format!(" · ${now:.4} now, ${before:.4} when recorded"));
        }
        lines.push(line);
    }
    if summary.advice > 0 {
        let judgements = counted(summary.advice, "judgement is", "judgements are");
        lines.push(format!(
            "{judgements} advice alone and decided nothing, {} of them against: `promptctl judge list` says why",
            summary.advised_against
        ));
    }
    lines
}
