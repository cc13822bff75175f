//! Base against head: the same cases on the same model, pair by pair.
//!
//! Where the tokens of both sides were counted, they are compared. Where only one side's were, the other's are those, in
//! the proportion in which the estimates of the two requests differ: the same tokenizer counted both, so that what it gets
//! wrong is wrong alike. Where neither was, the requests alone are compared, as they are estimated.

use std::collections::HashMap;

use serde::Serialize;

use super::{Asked, Requests, as_f64, mean};
use crate::core::names::{CaseName, ModelAlias, PromptName};
use crate::core::price::Price;
use crate::core::record::Usage;
use crate::stats::{clustered_mean, median, percentile};

/// Where the figures of a pair are from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Basis {
    /// The tokens of both sides were counted.
    Recorded,
    /// Those of one side were, and the other's follow from how the requests differ.
    Proportion,
    /// Only the requests are known, and their tokens are estimated.
    Input,
}

/// Something on both sides, a request, over the pairs.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Difference {
    /// The mean in base.
    pub base: f64,
    /// The mean in head.
    pub head: f64,
    /// Head minus base, on the mean.
    pub mean: f64,
    /// The median of the differences of the pairs.
    pub median: f64,
    /// Where the mean of the difference lies at 95 %, over the cases; none of too few.
    pub interval: Option<(f64, f64)>,
    /// Head by base, less 1; none where base is 0.
    pub increase: Option<f64>,
}

/// A prompt on a model, in base and in head.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Change {
    /// The prompt.
    pub prompt: PromptName,
    /// The prompt, as base calls it.
    pub base_prompt: PromptName,
    /// The model, as head calls it.
    pub model: ModelAlias,
    /// The model, as base calls it.
    pub base_model: ModelAlias,
    /// What the author calls the versions: base and head.
    pub versions: (Option<String>, Option<String>),
    /// Whether the prompt is the same on both sides.
    pub same_digest: bool,
    /// Whether both sides ask the same model.
    pub same_model: bool,
    /// Cases on both sides.
    pub pairs: u64,
    /// Those of which both sides were counted.
    pub recorded: u64,
    /// Those of which one side was.
    pub proportion: u64,
    /// Cases that only base has.
    pub only_base: u64,
    /// Cases that only head has.
    pub only_head: u64,
    /// Where the figures are from, the weakest of them.
    pub basis: Option<Basis>,
    /// Tokens that are read.
    pub input: Option<Difference>,
    /// Tokens that are written.
    pub output: Option<Difference>,
    /// How long 95 in 100 requests of the cases on both sides took, in milliseconds: base and head, where both say.
    pub latency_p95_ms: Option<(f64, f64)>,
    /// USD; of what is read alone, where nothing was counted.
    pub cost_usd: Option<Difference>,
    /// Requests a month.
    pub volume: Option<u64>,
    /// USD a month, base and head.
    pub month_usd: Option<(f64, f64)>,
}

/// A case on both sides.
struct Pair<'a> {
    group: String,
    basis: Basis,
    base: Side<'a>,
    head: Side<'a>,
}

/// What a side of a pair takes a request, on the mean of its samples.
struct Side<'a> {
    rows: &'a [&'a Asked],
    input: f64,
    output: Option<f64>,
    cost: Option<f64>,
}

impl Side<'_> {
    fn estimate(rows: &[&Asked]) -> f64 {
        mean(rows.iter().map(|row| as_f64(row.estimate.input))).unwrap_or(0.0)
    }

    fn is_counted(rows: &[&Asked]) -> bool {
        rows.iter().any(|row| row.usage.is_some())
    }
}

/// The mean of a side that was counted, its input times a factor.
fn counted<'a>(rows: &'a [&'a Asked], from: &[&Asked], factor: f64, price: Option<&Price>) -> Side<'a> {
    let usages: Vec<Usage> = from.iter().filter_map(|row| row.usage).collect();
    let of = |part: fn(&Usage) -> Option<u64>| mean(usages.iter().map(|usage| as_f64(part(usage).unwrap_or(0))));
    let cost = |price: &Price| {
        mean(usages.iter().filter_map(|usage| {
            // Of a request that grew or shrank, the tier is that of what it is now.
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "tokens, and not below 0")]
            let input = (as_f64(usage.input?) * factor).round() as u64;
            let parts = price.at(input).parts(usage)?;
            Some((parts.input + parts.cached_input + parts.cache_write) * factor + parts.output + parts.reasoning)
        }))
    };
    Side {
        rows,
        input: of(|usage| usage.input).unwrap_or(0.0) * factor,
        output: of(|usage| usage.output),
        cost: price.and_then(cost),
    }
}

fn estimated<'a>(rows: &'a [&'a Asked], price: Option<&Price>) -> Side<'a> {
    let input = Side::estimate(rows);
    Side {
        rows,
        input,
        output: None,
        cost: price.and_then(|price| mean(rows.iter().map(|row| price.read(as_f64(row.estimate.input))))),
    }
}

type ByCase<'a> = HashMap<&'a CaseName, Vec<&'a Asked>>;

fn by_case(requests: &Requests) -> ByCase<'_> {
    let mut cases: ByCase<'_> = HashMap::new();
    for row in &requests.rows {
        cases.entry(&row.case).or_default().push(row);
    }
    cases
}

/// Base against head. A model that both sides ask is taken at head's price, so that the difference is that of the prompt.
#[must_use]
pub fn change(base: &Requests, head: &Requests, volume: Option<u64>) -> Change {
    let same_model = base.served == head.served;
    let head_price = head.price.as_ref();
    let base_price = if same_model { head_price } else { base.price.as_ref() };
    let (of_base, of_head) = (by_case(base), by_case(head));
    let mut names: Vec<&CaseName> = of_head.keys().copied().filter(|name| of_base.contains_key(name)).collect();
    names.sort();
    let mut pairs: Vec<Pair<'_>> =
        names.iter().map(|name| pair(&of_base[name], &of_head[name], base_price, head_price)).collect();
    let count = |basis: Basis| pairs.iter().filter(|pair| pair.basis == basis).count() as u64;
    let (all, recorded, proportion) = (pairs.len() as u64, count(Basis::Recorded), count(Basis::Proportion));
    // A sum of whole costs and of halves would be neither.
    if recorded + proportion > 0 {
        pairs.retain(|pair| pair.basis != Basis::Input);
    }
    let basis = [Basis::Input, Basis::Proportion, Basis::Recorded]
        .into_iter()
        .find(|basis| pairs.iter().any(|pair| pair.basis == *basis));
    let cost_usd = difference(&pairs, |side| side.cost);
    Change {
        prompt: head.prompt.clone(),
        base_prompt: base.prompt.clone(),
        model: head.model.clone(),
        base_model: base.model.clone(),
        versions: (base.version.clone(), head.version.clone()),
        same_digest: base.digest == head.digest,
        same_model,
        pairs: all,
        recorded,
        proportion,
        only_base: (of_base.len() - names.len()) as u64,
        only_head: (of_head.len() - names.len()) as u64,
        basis,
        input: difference(&pairs, |side| Some(side.input)),
        output: difference(&pairs, |side| side.output),
        latency_p95_ms: latency(&names, &of_base, &of_head),
        cost_usd,
        volume,
        month_usd: cost_usd.zip(volume).map(|(cost, volume)| (cost.base * as_f64(volume), cost.head * as_f64(volume))),
    }
}

/// How long 95 in 100 requests took on each side, of the cases of which both sides say.
fn latency(names: &[&CaseName], of_base: &ByCase<'_>, of_head: &ByCase<'_>) -> Option<(f64, f64)> {
    let took = |rows: &[&Asked]| -> Vec<f64> { rows.iter().filter_map(|row| row.latency_ms).map(as_f64).collect() };
    let (mut base, mut head) = (Vec::new(), Vec::new());
    for name in names {
        let (before, after) = (took(&of_base[name]), took(&of_head[name]));
        if !before.is_empty() && !after.is_empty() {
            base.extend(before);
            head.extend(after);
        }
    }
    percentile(&base, 0.95).zip(percentile(&head, 0.95))
}

fn pair<'a>(
    base: &'a [&'a Asked],
    head: &'a [&'a Asked],
    base_price: Option<&Price>,
    price: Option<&Price>,
) -> Pair<'a> {
    let factor = |one: f64, other: f64| if other > 0.0 { one / other } else { 1.0 };
    let (of_base, of_head) = (Side::estimate(base), Side::estimate(head));
    let (basis, base, head) = match (Side::is_counted(base), Side::is_counted(head)) {
        (true, true) => (Basis::Recorded, counted(base, base, 1.0, base_price), counted(head, head, 1.0, price)),
        (true, false) => {
            let head = counted(head, base, factor(of_head, of_base), price);
            (Basis::Proportion, counted(base, base, 1.0, base_price), head)
        }
        (false, true) => {
            let base = counted(base, head, factor(of_base, of_head), base_price);
            (Basis::Proportion, base, counted(head, head, 1.0, price))
        }
        (false, false) => (Basis::Input, estimated(base, base_price), estimated(head, price)),
    };
    // Cases that were made from one another are not counted as many.
    let first = head.rows.first().or(base.rows.first());
    let group = first.map_or_else(String::new, |row| match &row.group {
        Some(group) => format!("group {group}"),
        None => format!("case {}", row.case),
    });
    Pair { group, basis, base, head }
}

fn difference(pairs: &[Pair<'_>], of: impl Fn(&Side<'_>) -> Option<f64>) -> Option<Difference> {
    let both: Vec<(&str, f64, f64)> =
        pairs.iter().filter_map(|pair| Some((pair.group.as_str(), of(&pair.base)?, of(&pair.head)?))).collect();
    let base = mean(both.iter().map(|(_, base, _)| *base))?;
    let head = mean(both.iter().map(|(_, _, head)| *head))?;
    let differences: Vec<(&str, f64)> = both.iter().map(|(group, base, head)| (*group, head - base)).collect();
    let plain: Vec<f64> = differences.iter().map(|(_, difference)| *difference).collect();
    Some(Difference {
        base,
        head,
        mean: head - base,
        median: median(&plain)?,
        // Where every case differs by the same, nothing says how far others might.
        interval: clustered_mean(&differences, 0.95).map(|estimate| estimate.interval).filter(|(low, high)| high > low),
        increase: (base > 0.0).then(|| head / base - 1.0),
    })
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::core::verdict::Judging;
    use crate::plan::Estimate;
    use crate::project::PriceFrom;

    /// A case, what was counted of it, and its estimate.
    pub(in crate::cost) type Taken<'a> = (&'a str, Option<(u64, u64)>, u64);

    pub(in crate::cost) fn requests(rows: &[Taken<'_>], price: Option<(f64, f64)>) -> Requests {
        let row = |(case, usage, estimate): &Taken<'_>| Asked {
            case: CaseName::new(case).expect("a name"),
            group: None,
            is_answered: true,
            usage: usage.map(|(input, output)| Usage { input: Some(input), output: Some(output), ..Usage::default() }),
            estimate: Estimate { input: *estimate, output: None, most: None, counted: true },
            passed: Some(true),
            latency_ms: None,
        };
        Requests {
            prompt: PromptName::new("p").expect("a name"),
            version: None,
            digest: "d".into(),
            model: ModelAlias::new("m").expect("a name"),
            served: ("openai".into(), "m".into()),
            price: price.map(|(input, output)| Price {
                input,
                cached_input: None,
                cache_write: None,
                output,
                reasoning: None,
                tiers: Vec::new(),
            }),
            price_from: PriceFrom::default(),
            rows: rows.iter().map(row).collect(),
            answered: rows.iter().filter(|(_, usage, _)| usage.is_some()).count() as u64,
            fixed: None,
            judging: Judging::default(),
            turns: (0, 0.0),
        }
    }

    fn near(one: f64, other: f64) -> bool {
        (one - other).abs() < 1e-9
    }

    #[test]
    fn what_was_not_recorded_grows_as_its_estimate_does() {
        let base = requests(&[("a", Some((200, 10)), 100), ("b", Some((400, 10)), 200)], Some((1.0, 2.0)));
        let head = requests(&[("a", None, 118), ("b", None, 236), ("c", None, 9)], Some((1.0, 2.0)));
        let change = change(&base, &head, Some(1000));
        let input = change.input.expect("known");
        assert!(near(input.increase.expect("some"), 0.18), "{change:?}");
        assert!(near(input.head, 354.0));
        let cost = change.cost_usd.expect("priced");
        assert!(near(cost.base, (300.0 + 20.0) / 1e6) && near(cost.head, (354.0 + 20.0) / 1e6), "{change:?}");
        assert_eq!((change.pairs, change.proportion, change.only_head, change.only_base), (2, 2, 1, 0));
        assert_eq!(change.basis, Some(Basis::Proportion));
        let month = change.month_usd.expect("a volume");
        assert!(near(month.1 - month.0, 0.054), "{month:?}");
    }

    #[test]
    fn halves_are_not_added_to_wholes() {
        let base = requests(&[("a", Some((200, 10)), 100), ("b", None, 200)], Some((1.0, 2.0)));
        let head = requests(&[("a", Some((300, 10)), 100), ("b", None, 900)], Some((1.0, 2.0)));
        let found = change(&base, &head, None);
        assert_eq!((found.pairs, found.recorded, found.basis), (2, 1, Some(Basis::Recorded)));
        assert!(near(found.input.expect("known").head, 300.0), "{found:?}");
        let nothing = change(&requests(&[("a", None, 100)], None), &requests(&[("a", None, 150)], None), None);
        assert_eq!((nothing.basis, nothing.output, nothing.cost_usd), (Some(Basis::Input), None, None));
        assert!(near(nothing.input.expect("estimated").increase.expect("some"), 0.5));
    }

    #[test]
    fn a_price_that_was_corrected_is_no_change_of_the_prompt() {
        let base = requests(&[("a", Some((200, 10)), 100)], Some((9.0, 9.0)));
        let head = requests(&[("a", Some((200, 10)), 100)], Some((1.0, 2.0)));
        assert!(near(change(&base, &head, None).cost_usd.expect("priced").mean, 0.0));
        let mut other = base;
        other.served.1 = "another".into();
        assert!(change(&other, &head, None).cost_usd.expect("priced").mean < 0.0);
    }
}
