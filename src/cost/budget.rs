//! Whether a prompt stays within its budget. What nobody can say is never taken for yes.

use serde::Serialize;

use super::bill::Bill;
use super::change::{Basis, Change};
use crate::core::names::{ModelAlias, PromptName};
use crate::project::Budget;

/// What became of a budget.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// It is kept.
    Kept,
    /// It is exceeded.
    Exceeded,
    /// Nobody can say.
    Unjudged,
    /// It does not apply: the prompt is not in base.
    New,
}

/// A budget, and what became of it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Judged {
    /// The prompt.
    pub prompt: PromptName,
    /// The model.
    pub model: ModelAlias,
    /// Which budget: `increase`, `per_request`, `per_month`, `tokens`, `tokens_increase`, `latency_p95`, `latency_increase`.
    pub budget: &'static str,
    /// The most that is allowed: a share, USD, tokens or milliseconds.
    pub limit: f64,
    /// What it is.
    pub value: Option<f64>,
    /// Whether the value rests on an estimate.
    pub estimated: bool,
    /// How many requests (against base: cases) the value is of, and how many there are, where it is not of all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub counted: Option<(u64, u64)>,
    /// What became of it.
    pub standing: Standing,
    /// Why nobody can say.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

const UNPRICED: &str = "the model has no price; give its entry a `price`";
const UNRECORDED: &str =
    "no recorded answer says what is written, so only what is read has a price; record the answers";

const UNWRITTEN: &str = "no recorded answer says how much is written; record the answers";
const UNTIMED: &str = "no recorded answer says how long it took; record the answers";

const UNCOUNTED: &str = "it has no case, so nothing of it can be counted; write one";

/// Holds a prompt without cases to its budget: nobody can say whether it keeps it. `base` says, where there is a base, whether
/// the prompt is there, and whether it is the very same.
#[must_use]
pub fn judge_uncounted(
    (prompt, model): (&PromptName, &ModelAlias),
    base: Option<Option<bool>>,
    budget: &Budget,
) -> Vec<Judged> {
    let judged = |name, limit: Option<f64>, standing: Standing| {
        limit.map(|limit| Judged {
            prompt: prompt.clone(),
            model: model.clone(),
            budget: name,
            limit,
            value: (standing == Standing::Kept).then_some(0.0),
            estimated: false,
            counted: None,
            standing,
            reason: (standing == Standing::Unjudged).then(|| UNCOUNTED.to_owned()),
        })
    };
    let increase = match base {
        Some(None) => Standing::New,
        Some(Some(true)) => Standing::Kept,
        Some(Some(false)) | None => Standing::Unjudged,
    };
    let against = |limit: Option<f64>| limit.filter(|_| base.is_some());
    let all = [
        judged("increase", against(budget.increase), increase),
        judged("per_request", budget.per_request, Standing::Unjudged),
        judged("per_month", budget.per_month, Standing::Unjudged),
        judged("tokens", budget.tokens, Standing::Unjudged),
        judged("tokens_increase", against(budget.tokens_increase), increase),
        judged("latency_p95", budget.latency_p95_ms, Standing::Unjudged),
        judged("latency_increase", against(budget.latency_increase), increase),
    ];
    all.into_iter().flatten().collect()
}

/// Holds a prompt on a model to its budget. `compared` says whether there is a base at all.
#[must_use]
pub fn judge(bill: &Bill, change: Option<&Change>, compared: bool, budget: &Budget) -> Vec<Judged> {
    let mut judged = Vec::new();
    let mut add = |name, limit: f64, found: Found| {
        let standing = match (&found.reason, found.value) {
            _ if found.is_new => Standing::New,
            // A part that is too much already makes the whole too much.
            (_, Some(value))
                if matches!(found.decides, Decides::Above | Decides::Both) && value > limit * (1.0 + 1e-9) =>
            {
                Standing::Exceeded
            }
            (_, Some(value))
                if matches!(found.decides, Decides::Below | Decides::Both) && value <= limit * (1.0 + 1e-9) =>
            {
                Standing::Kept
            }
            _ => Standing::Unjudged,
        };
        judged.push(Judged {
            prompt: bill.prompt.clone(),
            model: bill.model.clone(),
            budget: name,
            limit,
            value: found.value,
            estimated: found.estimated,
            counted: found.counted.filter(|(counted, all)| found.value.is_some() && counted < all),
            standing,
            reason: found.reason.filter(|_| standing == Standing::Unjudged),
        });
    };
    if let Some(limit) = budget.increase.filter(|_| compared) {
        add("increase", limit, increase(bill, change));
    }
    if let Some(limit) = budget.per_request {
        add("per_request", limit, per_request(bill, change));
    }
    if let Some(limit) = budget.per_month {
        let mut found = per_request(bill, change);
        found.value = found.value.zip(bill.volume).map(|(value, volume)| value * super::as_f64(volume));
        if bill.volume.is_none() {
            let why = "nobody says how many requests a month it gets; give `--volume`, or `cost: { volume: … }`";
            found = Found { reason: Some(why.into()), ..Found::default() };
        }
        add("per_month", limit, found);
    }
    if let Some(limit) = budget.tokens {
        add("tokens", limit, tokens(bill));
    }
    if let Some(limit) = budget.tokens_increase.filter(|_| compared) {
        add("tokens_increase", limit, tokens_increase(change));
    }
    if let Some(limit) = budget.latency_p95_ms {
        add("latency_p95", limit, latency(bill));
    }
    if let Some(limit) = budget.latency_increase.filter(|_| compared) {
        add("latency_increase", limit, latency_increase(change));
    }
    judged
}

/// What a value says, held against its limit.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Decides {
    /// Nothing: there is none.
    #[default]
    Nothing,
    /// That it is exceeded, where it is above.
    Above,
    /// That it is kept, where it is not.
    Below,
    /// Either.
    Both,
}

/// What is known of a figure that has a limit.
#[derive(Default)]
struct Found {
    value: Option<f64>,
    estimated: bool,
    /// How many requests or cases the value is of, and how many there are.
    counted: Option<(u64, u64)>,
    is_new: bool,
    decides: Decides,
    reason: Option<String>,
}

fn increase(bill: &Bill, change: Option<&Change>) -> Found {
    let Some(change) = change else { return Found { is_new: true, ..Found::default() } };
    let Some(cost) = change.cost_usd else {
        let why = if !bill.priced {
            UNPRICED.to_owned()
        } else if change.pairs == 0 {
            "base and head have no case in common".to_owned()
        } else {
            "the model of base has no price".to_owned()
        };
        return Found { reason: Some(why), ..Found::default() };
    };
    let value = more(cost.base, cost.head);
    let of_input = change.basis == Some(Basis::Input);
    Found {
        value: Some(value),
        estimated: change.basis != Some(Basis::Recorded),
        counted: (!of_input).then_some((change.recorded + change.proportion, change.pairs)),
        is_new: false,
        // What is read may grow by more than what is written does, and by more than both together.
        decides: if of_input { Decides::Below } else { Decides::Both },
        reason: of_input.then(|| UNRECORDED.to_owned()),
    }
}

fn per_request(bill: &Bill, change: Option<&Change>) -> Found {
    let proportion = change.filter(|change| change.basis == Some(Basis::Proportion)).and_then(|change| change.cost_usd);
    match (bill.cost_usd, proportion, bill.estimated_input_usd) {
        (Some(cost), ..) => Found {
            value: Some(cost.mean),
            counted: Some((bill.counted, bill.requests)),
            decides: Decides::Both,
            ..Found::default()
        },
        (None, Some(cost), _) => {
            Found { value: Some(cost.head), estimated: true, decides: Decides::Both, ..Found::default() }
        }
        (None, None, Some(input)) => Found {
            value: Some(input),
            estimated: true,
            decides: Decides::Above,
            reason: Some(UNRECORDED.into()),
            ..Found::default()
        },
        (None, None, None) => Found { reason: Some(UNPRICED.into()), ..Found::default() },
    }
}

/// Tokens that a request reads and writes on the mean.
fn tokens(bill: &Bill) -> Found {
    match (bill.input, bill.output, bill.estimated_input) {
        (Some(input), Some(output), _) => Found {
            value: Some(input.mean + output.mean),
            counted: Some((bill.counted, bill.requests)),
            decides: Decides::Both,
            ..Found::default()
        },
        (_, _, Some(input)) => Found {
            value: Some(input.mean),
            estimated: true,
            decides: Decides::Above,
            reason: Some(UNWRITTEN.into()),
            ..Found::default()
        },
        (_, _, None) => Found { reason: Some(UNWRITTEN.into()), ..Found::default() },
    }
}

/// The share by which these are more than in base.
fn tokens_increase(change: Option<&Change>) -> Found {
    let Some(change) = change else { return Found { is_new: true, ..Found::default() } };
    let Some(input) = change.input else {
        let why = "base and head have no case in common";
        return Found { reason: Some(why.into()), ..Found::default() };
    };
    let output = change.output.filter(|_| change.basis != Some(Basis::Input));
    let (base, head) =
        (input.base + output.map_or(0.0, |output| output.base), input.head + output.map_or(0.0, |output| output.head));
    Found {
        value: Some(more(base, head)),
        estimated: change.basis != Some(Basis::Recorded),
        counted: output.is_some().then_some((change.recorded + change.proportion, change.pairs)),
        decides: if output.is_some() { Decides::Both } else { Decides::Below },
        reason: output.is_none().then(|| UNWRITTEN.to_owned()),
        ..Found::default()
    }
}

fn latency(bill: &Bill) -> Found {
    let Some(took) = bill.latency_ms else { return Found { reason: Some(UNTIMED.into()), ..Found::default() } };
    let counted = Some((bill.timed, bill.requests));
    Found { value: Some(took.p95), counted, decides: Decides::Both, ..Found::default() }
}

fn latency_increase(change: Option<&Change>) -> Found {
    let Some(change) = change else { return Found { is_new: true, ..Found::default() } };
    let Some((base, head)) = change.latency_p95_ms else {
        let why = "of no case both sides say how long it took; record the answers";
        return Found { reason: Some(why.into()), ..Found::default() };
    };
    Found { value: Some(more(base, head)), decides: Decides::Both, ..Found::default() }
}

/// The share by which head is more than base; from nothing to something is more than any.
fn more(base: f64, head: f64) -> f64 {
    if base > 0.0 {
        head / base - 1.0
    } else if head > 0.0 {
        f64::INFINITY
    } else {
        0.0
    }
}

#[cfg(test)]
mod tests {
    use super::super::bill::bill;
    use super::super::change::change;
    use super::super::change::tests::{Taken, requests};
    use super::*;
    use crate::project::CacheSettings;

    type Rows<'a> = &'a [Taken<'a>];

    fn standings(base: Option<Rows<'_>>, head: Rows<'_>, price: Option<(f64, f64)>, budget: Budget) -> Vec<Standing> {
        let head = requests(head, price);
        let change = base.map(|base| change(&requests(base, price), &head, None));
        let bill = bill(&head, Some(1000), &CacheSettings::default());
        judge(&bill, change.as_ref(), true, &budget).iter().map(|judged| judged.standing).collect()
    }

    #[test]
    fn what_nobody_can_say_is_not_kept() {
        let price = Some((1.0, 1.0));
        let tenth = Budget { increase: Some(0.1), ..Budget::default() };
        let base: Rows<'_> = &[("a", Some((100, 100)), 100)];
        assert_eq!(standings(Some(base), &[("a", None, 110)], price, tenth), [Standing::Kept]);
        assert_eq!(standings(Some(base), &[("a", None, 150)], price, tenth), [Standing::Exceeded]);
        assert_eq!(standings(Some(base), &[("a", Some((100, 100)), 1)], price, tenth), [Standing::Kept]);
        assert_eq!(standings(Some(base), &[("a", None, 150)], None, tenth), [Standing::Unjudged]);
        assert_eq!(standings(None, base, price, tenth), [Standing::New]);
        // Of the input alone one can only say that it did not grow.
        let nothing: Rows<'_> = &[("a", None, 100)];
        assert_eq!(standings(Some(nothing), &[("a", None, 105)], price, tenth), [Standing::Kept]);
        assert_eq!(standings(Some(nothing), &[("a", None, 150)], price, tenth), [Standing::Unjudged]);
    }

    #[test]
    fn a_part_that_is_too_much_makes_the_whole_too_much() {
        let price = Some((1.0, 1.0));
        let each = |limit| Budget { per_request: Some(limit), ..Budget::default() };
        let nothing: Rows<'_> = &[("a", None, 100)];
        assert_eq!(standings(None, nothing, price, each(0.000_05)), [Standing::Exceeded]);
        assert_eq!(standings(None, nothing, price, each(0.000_2)), [Standing::Unjudged]);
        let month = Budget { per_month: Some(0.2), ..Budget::default() };
        assert_eq!(standings(None, &[("a", Some((100, 100)), 1)], price, month), [Standing::Kept]);
        assert_eq!(standings(None, &[("a", Some((100, 101)), 1)], price, month), [Standing::Exceeded]);
    }

    #[test]
    fn tokens_and_time_have_limits_of_their_own() {
        let counted: Rows<'_> = &[("a", Some((100, 50)), 90), ("b", Some((200, 50)), 180)];
        let most = |tokens| Budget { tokens: Some(tokens), ..Budget::default() };
        // 150 and 250 are 200 on the mean; what they cost does not matter.
        assert_eq!(standings(None, counted, None, most(200.0)), [Standing::Kept]);
        assert_eq!(standings(None, counted, None, most(199.0)), [Standing::Exceeded]);
        assert_eq!(standings(None, &[("a", None, 100)], None, most(99.0)), [Standing::Exceeded]);
        assert_eq!(standings(None, &[("a", None, 100)], None, most(500.0)), [Standing::Unjudged]);
        let more = Budget { tokens_increase: Some(0.1), ..Budget::default() };
        let grown: Rows<'_> = &[("a", Some((120, 50)), 90), ("b", Some((220, 50)), 180)];
        assert_eq!(standings(Some(counted), grown, None, more), [Standing::Kept]);
        let grown: Rows<'_> = &[("a", Some((120, 51)), 90), ("b", Some((220, 50)), 180)];
        assert_eq!(standings(Some(counted), grown, None, more), [Standing::Exceeded]);
        let long = Budget { latency_p95_ms: Some(1000.0), latency_increase: Some(0.5), ..Budget::default() };
        assert_eq!(standings(Some(counted), counted, None, long), [Standing::Unjudged, Standing::Unjudged]);
        let timed = |took: &[u64]| {
            let names: Vec<String> = (0..took.len()).map(|n| format!("c{n}")).collect();
            let rows: Vec<Taken<'_>> = names.iter().map(|name| (name.as_str(), Some((1, 1)), 1)).collect();
            let mut all = requests(&rows, None);
            all.rows.iter_mut().zip(took).for_each(|(row, ms)| row.latency_ms = Some(*ms));
            all
        };
        let standing = |base: &[u64], head: &[u64]| {
            let (base, head) = (timed(base), timed(head));
            let bill = bill(&head, None, &CacheSettings::default());
            let judged = judge(&bill, Some(&change(&base, &head, None)), true, &long);
            judged.iter().map(|judged| (judged.standing, judged.value)).collect::<Vec<_>>()
        };
        assert_eq!(standing(&[600, 800], &[900, 900]), [(Standing::Kept, Some(900.0)), (Standing::Kept, Some(0.125))]);
        assert_eq!(
            standing(&[600, 600], &[1200, 1200]),
            [(Standing::Exceeded, Some(1200.0)), (Standing::Exceeded, Some(1.0))]
        );
    }
}
