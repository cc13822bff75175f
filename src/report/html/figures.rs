//! Sums by prompt and model, and numbers as people read them.

use std::collections::BTreeMap;

use minijinja::{Value, context};

use super::outcome::{cost, sum};
use crate::core::names::{ModelAlias, PromptName};
use crate::core::verdict::{Outcome, Verdict};
use crate::report::page::escape::html;

/// `1,234,567`.
pub(super) fn grouped(count: u64) -> String {
    let digits = count.to_string();
    let mut text = String::with_capacity(digits.len() * 4 / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `$0.0012`, with as many digits as say something.
pub(super) fn dollars(amount: f64) -> String {
    match amount {
        much if much >= 1.0 => format!("${much:.2}"),
        some if some >= 0.01 || some <= 0.0 => format!("${some:.4}"),
        little => {
            // Two digits behind the zeros.
            let digits = (-little.log10()).ceil().clamp(0.0, 12.0);
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 0 and 12")]
            let digits = digits as usize + 1;
            format!("${little:.digits$}")
        }
    }
}

/// `812 ms`, `1.2 s`.
pub(super) fn milliseconds(ms: u64) -> String {
    if ms < 1_000 {
        return format!("{ms} ms");
    }
    #[expect(clippy::cast_precision_loss, reason = "latencies are far below 2^53")]
    let seconds = ms as f64 / 1e3;
    if seconds < 100.0 { format!("{seconds:.1} s") } else { format!("{seconds:.0} s") }
}

#[expect(clippy::cast_precision_loss, reason = "counts are far below 2^53")]
pub(super) fn share(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

/// The fragment that shows the cases for which this holds.
pub(super) fn fragment(wanted: &[(&str, &str)]) -> String {
    let mut query = form_urlencoded::Serializer::new(String::new());
    query.extend_pairs(wanted);
    format!("#{}", query.finish())
}

/// What became of a prompt's cases on a model.
#[derive(Debug, Default)]
pub(super) struct Figures {
    verdicts: BTreeMap<Verdict, u64>,
    flaky: u64,
    tokens: (Option<u64>, Option<u64>),
    cost: Option<f64>,
    latencies: Vec<u64>,
}

impl Figures {
    fn add(&mut self, outcome: &Outcome) {
        *self.verdicts.entry(outcome.verdict).or_default() += 1;
        self.flaky += u64::from(outcome.flaky);
        let add = |sum: &mut Option<u64>, more: Option<u64>| {
            *sum = sum.iter().copied().chain(more).reduce(u64::saturating_add);
        };
        add(&mut self.tokens.0, sum(outcome, |sample| sample.usage.input));
        add(&mut self.tokens.1, sum(outcome, |sample| sample.usage.output));
        self.cost = self.cost.into_iter().chain(cost(outcome)).reduce(|a, b| a + b);
        self.latencies.extend(outcome.samples.iter().filter_map(|sample| sample.latency_ms));
    }

    fn count(&self, verdict: Verdict) -> u64 {
        self.verdicts.get(&verdict).copied().unwrap_or(0)
    }

    fn all(&self) -> u64 {
        self.verdicts.values().sum()
    }

    fn median(&mut self) -> Option<u64> {
        let middle = self.latencies.len() / 2;
        (!self.latencies.is_empty()).then(|| *self.latencies.select_nth_unstable(middle).1)
    }
}

/// Sums by prompt and model.
#[derive(Debug, Default)]
pub(super) struct Table(BTreeMap<(PromptName, ModelAlias), Figures>);

impl Table {
    pub(super) fn add(&mut self, outcome: &Outcome) {
        self.0.entry((outcome.prompt.clone(), outcome.model.clone())).or_default().add(outcome);
    }

    /// The prompts, those with the most cases that are not good first.
    pub(super) fn prompts(&self) -> Vec<PromptName> {
        let mut prompts: BTreeMap<&PromptName, u64> = BTreeMap::new();
        for ((prompt, _), figures) in &self.0 {
            *prompts.entry(prompt).or_default() += figures.all() - figures.count(Verdict::Passed);
        }
        let mut prompts: Vec<_> = prompts.into_iter().collect();
        prompts.sort_by_key(|(_, wrong)| std::cmp::Reverse(*wrong));
        prompts.into_iter().map(|(prompt, _)| prompt.clone()).collect()
    }

    /// The rows as a template shows them, those that did not pass first.
    pub(super) fn rows(self) -> Vec<Value> {
        let mut rows: Vec<_> = self.0.into_iter().collect();
        rows.sort_by_key(|(_, figures)| figures.count(Verdict::Passed) == figures.all());
        rows.into_iter().map(|((prompt, model), figures)| row(&prompt, &model, figures)).collect()
    }
}

fn row(prompt: &PromptName, model: &ModelAlias, mut figures: Figures) -> Value {
    let (passed, all) = (figures.count(Verdict::Passed), figures.all());
    let number = |count: Option<u64>| count.map_or_else(|| "–".to_owned(), grouped);
    let others: Vec<Value> = Verdict::ALL
        .into_iter()
        .filter(|verdict| *verdict != Verdict::Passed && figures.count(*verdict) > 0)
        .map(|verdict| {
            let link = fragment(&[
                ("verdict", verdict.name()),
                ("prompt", &visible(prompt.as_str())),
                ("model", &visible(model.as_str())),
            ]);
            context! { count => grouped(figures.count(verdict)), name => verdict.name(), kind => kind(verdict), link }
        })
        .collect();
    context! {
        prompt => prompt.as_str(),
        model => model.as_str(),
        link => fragment(&[("prompt", &visible(prompt.as_str())), ("model", &visible(model.as_str()))]),
        passed => grouped(passed),
        all => grouped(all),
        percent => percent(share(passed, all)),
        bar => super::plot::bar(&[("good", passed), ("rest", all - passed)]),
        others,
        flaky => grouped(figures.flaky),
        is_flaky => figures.flaky > 0,
        input => number(figures.tokens.0),
        output => number(figures.tokens.1),
        cost => figures.cost.map_or_else(|| "–".to_owned(), dollars),
        latency => figures.median().map_or_else(|| "–".to_owned(), milliseconds),
    }
}

fn visible(text: &str) -> String {
    crate::report::page::escape::shown(text)
}

/// A share in percent; never 100 where something is missing, nor 0 where something is there.
pub(super) fn percent(share: f64) -> String {
    match share * 100.0 {
        all if all > 99.0 && all < 100.0 => format!("{:.1} %", all.min(99.9)),
        few if few > 0.0 && few < 1.0 => format!("{:.1} %", few.max(0.1)),
        other => format!("{other:.0} %"),
    }
}

/// How a verdict is coloured.
pub(super) fn kind(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Passed => "good",
        Verdict::Failed | Verdict::Errored => "bad",
        Verdict::Changed | Verdict::Stale => "warn",
        Verdict::New | Verdict::Unrecorded => "odd",
        Verdict::Skipped => "none",
    }
}

/// Text within an SVG or HTML of our own.
pub(super) fn escaped(text: &str) -> String {
    html(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_as_people_read_them() {
        assert_eq!([0, 12, 1234, 1_234_567].map(grouped), ["0", "12", "1,234", "1,234,567"]);
        assert_eq!([812, 1_234, 123_456].map(milliseconds), ["812 ms", "1.2 s", "123 s"]);
        assert_eq!(
            [0.0, 0.000_031_4, 0.005, 0.25, 12.345].map(dollars),
            ["$0.0000", "$0.000031", "$0.0050", "$0.2500", "$12.35"]
        );
        assert_eq!([-1.0, 1e-300].map(dollars), ["$-1.0000", "$0.0000000000000"]);
        assert_eq!([1.0, 0.9999, 0.5, 0.0001, 0.0].map(percent), ["100 %", "99.9 %", "50 %", "0.1 %", "0 %"]);
    }

    #[test]
    fn a_fragment_holds_any_name() {
        assert_eq!(fragment(&[("prompt", "a/b &=#\"<")]), "#prompt=a%2Fb+%26%3D%23%22%3C");
    }
}
