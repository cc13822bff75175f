//! The sentences of costs, as the terminal and Markdown both say them. They hold names of the project: each sink escapes them.

use crate::core::words::{apart, counted, grouped, usd, usd_apart};
use crate::cost::{
    Alternative, Assumption, Basis, Bill, Caching, Change, Difference, Evidence, Judged, Kind, Origin, Standing,
};

/// The same of a difference.
fn usd_more(amount: f64) -> String {
    if amount > 0.0 { format!("+{}", usd(amount)) } else { usd(amount) }
}

/// A count of tokens or requests.
pub(super) fn count(value: f64) -> String {
    let text = format!("{:.0}", value.abs());
    let sign = if value < 0.0 && text != "0" { "-" } else { "" };
    format!("{sign}{}", grouped(&text))
}

pub(super) fn whole(value: u64) -> String {
    grouped(&value.to_string())
}

/// A share in percent.
pub(super) fn percent(share: f64) -> String {
    format!("{:.1} %", share * 100.0)
}

pub(super) fn percent_more(share: f64) -> String {
    percent_more_with(share, 1)
}

fn percent_more_with(share: f64, digits: usize) -> String {
    if share.is_finite() { format!("{:+.digits$} %", share * 100.0) } else { "from nothing".to_owned() }
}

/// What stands under the figures of a prompt on a model.
pub(super) fn of_bill(bill: &Bill) -> Vec<String> {
    let mut lines = Vec::new();
    let margin = format!("{:.0} %", bill.margin * 100.0);
    if bill.counted == 0 {
        let why =
            if bill.answered == 0 { "no answer is recorded" } else { "no recorded answer has its tokens counted" };
        let what = if bill.priced { ", and the price is of what is read alone" } else { "" };
        lines.push(format!("{why}: what is read is estimated (±{margin}){what}"));
    }
    if !bill.priced {
        lines.push("unpriced: no price of the model is known; give its entry a `price`".to_owned());
    }
    if let Some(parts) = bill.parts_usd.filter(|p| p.cached_input + p.cache_write + p.reasoning > 0.0) {
        let parts = [
            ("input", parts.input),
            ("cached input", parts.cached_input),
            ("cache writes", parts.cache_write),
            ("output", parts.output),
            ("reasoning", parts.reasoning),
        ];
        let parts: Vec<String> = parts
            .iter()
            .filter(|(_, amount)| *amount > 0.0)
            .map(|(name, amount)| format!("{name} {}", usd(*amount)))
            .collect();
        lines.push(format!("of the mean: {}", parts.join(", ")));
    }
    match &bill.fixed {
        Some(fixed) => lines.push(format!(
            "fixed: about {} of {} tokens ({}, ±{:.0} %) stand in all {}; {} ({}) are the beginning of all of them",
            whole(fixed.tokens),
            count(fixed.of_tokens),
            percent(fixed.share()),
            fixed.margin * 100.0,
            counted(fixed.requests, "request", "requests"),
            whole(fixed.beginning),
            percent(fixed.beginning_share()),
        )),
        None => lines.push("fixed: one case alone does not show what all requests have".to_owned()),
    }
    match &bill.caching {
        Caching::Saves { tokens, per_request_usd, per_month_usd, hit_rate, cached_already } => {
            let month = per_month_usd.map(|usd_| format!(", {} a month", usd(usd_))).unwrap_or_default();
            let already = if *cached_already > 0.0 {
                format!("; {} came from one already", count(*cached_already))
            } else {
                String::new()
            };
            lines.push(format!(
                "cache: {} tokens from a cache would save {} a request{month}, where {} of the requests find them there{already}",
                whole(*tokens),
                usd(*per_request_usd),
                percent(*hit_rate),
            ));
        }
        Caching::Nothing { why } => lines.push(format!("cache: saves nothing: {why}")),
    }
    if let Some(judging) = &bill.judging {
        let calls = counted(judging.calls + judging.replayed, "judgement", "judgements");
        let unpriced =
            if judging.unpriced > 0 { format!(", {} of them unpriced", judging.unpriced) } else { String::new() };
        let cost = usd(judging.cost_usd + judging.recorded_cost_usd);
        lines.push(format!("judging the answers took {calls} and {cost}{unpriced}; no part of a request"));
    }
    if bill.later_turns > 0 {
        let turns = counted(bill.later_turns, "request", "requests");
        lines.push(format!(
            "conversations: {turns} beyond the first of a case took {}; not in the figures",
            usd(bill.later_turns_usd)
        ));
    }
    lines
}

fn moved(difference: &Difference, show: fn(f64) -> String) -> String {
    let more = difference.increase.map(|share| format!(" ({})", percent_more(share))).unwrap_or_default();
    format!("{} → {}{more}", show(difference.base), show(difference.head))
}

/// What changed of a prompt on a model.
pub(super) fn of_change(change: &Change) -> Vec<String> {
    let mut lines = Vec::new();
    if change.base_prompt != change.prompt {
        lines.push(format!("the prompt was called `{}` in base", change.base_prompt));
    }
    if change.base_model != change.model {
        lines.push(format!("the model was `{}` in base", change.base_model));
    } else if !change.same_model {
        lines.push(format!("`{}` is another model than in base", change.model));
    }
    let of_input = change.basis == Some(Basis::Input);
    if let Some(cost) = &change.cost_usd {
        let what = if of_input { "what is read of a request" } else { "a request" };
        let interval = cost
            .interval
            .map(|(low, high)| format!(", 95 % interval {} to {}", usd_more(low), usd_more(high)))
            .unwrap_or_default();
        let (mean, median) = (usd_more(cost.mean), usd_more(cost.median));
        lines.push(format!(
            "{what}: {}, {mean} on the mean of the cases{interval}; their median {median}",
            moved(cost, usd)
        ));
    }
    if let Some(((base, head), volume)) = change.month_usd.zip(change.volume) {
        lines.push(format!(
            "a month: {} → {} ({}) at {} requests",
            usd(base),
            usd(head),
            usd_more(head - base),
            whole(volume)
        ));
    }
    let tokens = [("input", &change.input), ("output", &change.output)];
    let tokens: Vec<String> = tokens
        .iter()
        .filter_map(|(name, difference)| Some(format!("{name} {}", moved((*difference).as_ref()?, count))))
        .collect();
    if !tokens.is_empty() {
        lines.push(format!("tokens: {}", tokens.join(", ")));
    }
    lines.push(basis(change));
    lines
}

/// Where the figures of a change are from.
fn basis(change: &Change) -> String {
    let cases = counted(change.pairs, "case", "cases");
    let mut text = match change.basis {
        Some(Basis::Recorded) if change.recorded == change.pairs => {
            format!("from the recorded usage of both sides, {cases}")
        }
        Some(Basis::Recorded) => format!("from the recorded usage of both sides, {} of {cases}", change.recorded),
        Some(Basis::Proportion) => format!(
            "estimated for {} of {cases}: recorded on one side, the other in the proportion of the requests",
            change.proportion
        ),
        Some(Basis::Input) => format!("estimated from the requests alone, {cases}: nothing is recorded"),
        None => "no case is on both sides".to_owned(),
    };
    for (count, side) in [(change.only_base, "base"), (change.only_head, "head")] {
        if count > 0 {
            text.push_str(&format!("; {} only in {side}", counted(count, "case", "cases")));
        }
    }
    text
}

/// A number in whole.
fn plain(value: f64) -> String {
    plain_with(value, 0)
}

fn plain_with(value: f64, digits: usize) -> String {
    format!("{value:.digits$}")
}

/// Who kept what budget, without the names.
pub(super) fn of_budget(judged: &Judged) -> String {
    let (what, is_share) = match judged.budget {
        "increase" => ("a request against base", true),
        "per_month" => ("a month", false),
        "tokens" => ("tokens of a request", false),
        "tokens_increase" => ("tokens of a request against base", true),
        "latency_p95" => ("the time of 95 in 100 requests", false),
        "latency_increase" => ("the time of 95 in 100 requests against base", true),
        _ => ("a request", false),
    };
    let show = |value: f64| match judged.budget {
        _ if is_share => percent_more(value),
        "tokens" => plain(value),
        "latency_p95" => format!("{} ms", plain(value)),
        _ => usd(value),
    };
    let limit = show(judged.limit);
    let about = if judged.estimated { "about " } else { "" };
    let things = if is_share { "cases" } else { "requests" };
    let of =
        judged.counted.map(|(counted, all)| format!(", by {counted} of {all} {things}: the others are not counted"));
    let of = of.unwrap_or_default();
    match (judged.standing, judged.value, &judged.reason) {
        (Standing::New, ..) => format!("{what}: at most {limit}; not in base, so there is nothing to compare"),
        (Standing::Unjudged, _, Some(reason)) => format!("{what}: at most {limit}; nobody can say: {reason}"),
        (Standing::Exceeded, Some(value), _) => {
            let (value, limit) = match judged.budget {
                _ if is_share => apart((value, judged.limit), percent_more, percent_more_with),
                "tokens" => apart((value, judged.limit), plain, plain_with),
                "latency_p95" => apart(
                    (value, judged.limit),
                    |ms| format!("{} ms", plain(ms)),
                    |ms, digits| format!("{} ms", plain_with(ms, digits)),
                ),
                _ => usd_apart(value, judged.limit),
            };
            format!("{what}: at most {limit}, and it is {about}{value}: exceeded{of}")
        }
        (_, Some(value), _) => format!("{what}: at most {limit}, and it is {about}{}{of}", show(value)),
        (..) => format!("{what}: at most {limit}; nobody can say"),
    }
}

/// The alternative's name, without the names of prompt and models.
pub(super) fn kind(kind: Kind) -> &'static str {
    match kind {
        Kind::SmallerModel => "another model",
        Kind::FineTuned => "a fine-tuned model",
        Kind::Retrieval => "retrieval",
    }
}

/// What came of an alternative, the outcome first.
pub(super) fn of_alternative(found: &Alternative) -> Vec<String> {
    let mut lines = vec![outcome(found)];
    if let Some((now, then)) = found.now_usd.zip(found.then_usd) {
        let share = if now > 0.0 { format!(" ({})", percent_more(then / now - 1.0)) } else { String::new() };
        let passed =
            found.passed_usd.map(|(now, then)| format!("; an answer that passes {} → {}", usd(now), usd(then)));
        lines.push(format!("a request {} → {}{share}{}", usd(now), usd(then), passed.unwrap_or_default()));
    }
    if found.then_usd.is_some() && found.one_off_usd + found.monthly_usd > 0.0 {
        lines.push(format!("{} once, {} a month beside", usd(found.one_off_usd), usd(found.monthly_usd)));
    }
    if let Some((saving, volume)) = found.saving_usd.zip(found.volume) {
        let word = if saving < 0.0 { "costs" } else { "saves" };
        lines.push(format!("at {} requests a month it {word} {} a month", whole(volume), usd(saving.abs())));
    }
    if let Some(requests) = found.from_volume.filter(|requests| *requests > 0) {
        lines.push(format!("it is cheaper from {} requests a month on", whole(requests)));
    }
    if let Some(requests) = found.after_requests.filter(|requests| *requests > 0) {
        let months = found.after_months.map(|months| format!(", {} months", months_of(months))).unwrap_or_default();
        let word = if requests == 1 { "request" } else { "requests" };
        lines.push(format!("what it costs once is back after {} {word}{months}", whole(requests)));
    }
    if let Some(evidence) = &found.evidence {
        lines.push(of_evidence(evidence));
    }
    if let (Some(now), Some(then)) = found.latency_ms {
        lines.push(format!("an answer takes {} → {} ms (medians)", count(now), count(then)));
    }
    let assumed: Vec<String> = found.assumptions.iter().map(of_assumption).collect();
    if !assumed.is_empty() {
        lines.push(format!("assumed: {}", assumed.join("; ")));
    }
    lines.extend(found.missing.iter().map(|what| format!("missing: {what}")));
    lines
}

fn months_of(months: f64) -> String {
    if months < 0.1 { "less than 0.1".to_owned() } else { format!("{months:.1}") }
}

fn of_evidence(evidence: &Evidence) -> String {
    let ((now, of), (then, of_then)) = (evidence.now, evidence.then);
    let cases = counted(evidence.cases, "case", "cases");
    let points = evidence.delta * 100.0;
    let verdict = evidence.verdict.name();
    format!(
        "passes {now} of {of} → {then} of {of_then}, over {cases}: {verdict} (a drop of {points:.1} points matters)"
    )
}

fn of_assumption(assumption: &Assumption) -> String {
    let from = match assumption.from {
        Origin::File => "promptctl.yaml",
        Origin::Default => "default",
        Origin::Measured => "measured",
        Origin::Estimated => "estimated",
        Origin::Price => "price",
    };
    let Assumption { name, value, unit, .. } = assumption;
    match *unit {
        "cases" if count(*value) == "1" => format!("{name} 1 case ({from})"),
        "tokens" | "cases" | "answers" | "pieces" | "times" | "ms" => {
            format!("{name} {} {unit} ({from})", count(*value))
        }
        "of a request" | "of the fixed text" => format!("{name} {} {unit} ({from})", percent(*value)),
        _ => format!("{name} {} {} ({from})", usd(*value), unit.trim_start_matches("USD ")),
    }
}

/// What follows, where anything does.
fn outcome(found: &Alternative) -> String {
    let text = match (found.is_cheaper(), &found.evidence) {
        (None, _) => "cannot be reckoned: something is missing",
        (Some(false), _) => "does not pay, by what is assumed",
        (Some(true), Some(evidence)) if evidence.is_no_worse() && found.missing.is_empty() => "cheaper, and no worse",
        (Some(true), Some(evidence)) if evidence.verdict == crate::compare::Verdict::Regressed => "cheaper, and worse",
        (Some(true), Some(_)) => "cheaper; not enough evidence that it is no worse",
        (Some(true), None) => "cheaper by what is assumed; nothing says that it is no worse",
    };
    text.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_have_the_digits_that_say_something() {
        let shown = [0.0, 0.000_123_4, 0.01, 0.5, 1.0, 1234.567, 1e9, -0.002, -1500.0, 1e-15].map(usd);
        let wanted = [
            "$0",
            "$0.000123",
            "$0.0100",
            "$0.500",
            "$1.00",
            "$1,234.57",
            "$1,000,000,000.00",
            "-$0.00200",
            "-$1,500.00",
            "$0.000000000000",
        ];
        assert_eq!(shown, wanted);
        assert_eq!(usd_more(0.5), "+$0.500");
        assert_eq!([count(0.4), count(-0.4), count(-1234.0)], ["0", "0", "-1,234"]);
        assert_eq!([percent_more(0.18), percent_more(f64::INFINITY)], ["+18.0 %", "from nothing"]);
    }
}
