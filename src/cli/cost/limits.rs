//! `--volume` and `--budget`, as they are written.

use crate::core::time::parse_duration_ms;
use crate::project::{Budget, MOST_COUNTED, parse_increase};

/// Requests a month.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Volume {
    /// Of every prompt.
    All(u64),
    /// Of one.
    Of(String, u64),
}

/// A budget.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Limit {
    /// A share over base.
    Increase(f64),
    /// USD a request.
    PerRequest(f64),
    /// USD a month.
    PerMonth(f64),
    /// Tokens a request.
    Tokens(f64),
    /// A share of tokens over base.
    TokensIncrease(f64),
    /// Milliseconds that 95 in 100 requests take at the most.
    LatencyP95(f64),
    /// A share of that over base.
    LatencyIncrease(f64),
}

impl Limit {
    /// Whether there must be something to compare with.
    pub(super) fn is_relative(self) -> bool {
        matches!(self, Self::Increase(_) | Self::TokensIncrease(_) | Self::LatencyIncrease(_))
    }

    /// Sets it in a budget.
    pub(super) fn set(self, budget: &mut Budget) {
        let (place, value) = match self {
            Self::Increase(value) => (&mut budget.increase, value),
            Self::PerRequest(value) => (&mut budget.per_request, value),
            Self::PerMonth(value) => (&mut budget.per_month, value),
            Self::Tokens(value) => (&mut budget.tokens, value),
            Self::TokensIncrease(value) => (&mut budget.tokens_increase, value),
            Self::LatencyP95(value) => (&mut budget.latency_p95_ms, value),
            Self::LatencyIncrease(value) => (&mut budget.latency_increase, value),
        };
        *place = Some(value);
    }
}

/// `120000` or `support/refund=120000`; digits may be grouped with `_` or `,`.
pub(super) fn volume(text: &str) -> Result<Volume, String> {
    let (prompt, number) = match text.rsplit_once('=') {
        Some((prompt, number)) => (Some(prompt.trim()), number),
        None => (None, text),
    };
    let digits: String = number.trim().chars().filter(|c| *c != '_' && *c != ',').collect();
    let count = digits.parse::<u64>().ok().filter(|count| (1..=MOST_COUNTED).contains(count));
    let count = count.ok_or("write a whole number from 1 to a million million, such as 120000, or PROMPT=120000")?;
    match prompt {
        Some("") => Err("the prompt before the = is empty".into()),
        Some(prompt) => Ok(Volume::Of(prompt.to_owned(), count)),
        None => Ok(Volume::All(count)),
    }
}

/// `+10%`, `$0.004` or `$500/month`, where the dollar may be left out; `tokens=1500`, `latency=2s`, or either with `+10%`.
pub(super) fn limit(text: &str) -> Result<Limit, String> {
    if let Some((name, value)) = text.split_once('=') {
        let share = value.contains('%').then(|| parse_increase(value).ok_or_else(wrong)).transpose()?;
        return match (name.trim(), share) {
            ("tokens", Some(share)) => Ok(Limit::TokensIncrease(share)),
            ("latency", Some(share)) => Ok(Limit::LatencyIncrease(share)),
            ("tokens", None) => match volume(value) {
                #[expect(clippy::cast_precision_loss, reason = "at most a million million")]
                Ok(Volume::All(count)) => Ok(Limit::Tokens(count as f64)),
                _ => Err(wrong()),
            },
            #[expect(clippy::cast_precision_loss, reason = "milliseconds are far below 2^53")]
            ("latency", None) => {
                parse_duration_ms(value.trim()).map(|ms| Limit::LatencyP95(ms as f64)).ok_or_else(wrong)
            }
            _ => Err(wrong()),
        };
    }
    if text.contains('%') {
        return parse_increase(text).map(Limit::Increase).ok_or_else(wrong);
    }
    let (amount, is_month) = match text.rsplit_once('/') {
        Some((amount, "month")) => (amount, true),
        Some((amount, "request")) => (amount, false),
        Some(_) => return Err(wrong()),
        None => (text, false),
    };
    let amount = amount.trim();
    let amount = amount.strip_prefix('$').unwrap_or(amount).parse::<f64>().map_err(|_| wrong())?;
    if !(0.0..=1e12).contains(&amount) || text.starts_with('+') {
        return Err(wrong());
    }
    Ok(if is_month { Limit::PerMonth(amount) } else { Limit::PerRequest(amount) })
}

fn wrong() -> String {
    "write a share over base such as +10%, USD a request such as $0.004 or a month such as $500/month, tokens=1500 or tokens=+10%, \
     or latency=2s or latency=+20%"
        .into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_shares_or_amounts() {
        assert_eq!(limit("+10%"), Ok(Limit::Increase(0.1)));
        assert_eq!(limit("0%"), Ok(Limit::Increase(0.0)));
        assert_eq!(limit("$0.004"), Ok(Limit::PerRequest(0.004)));
        assert_eq!(limit("0.004/request"), Ok(Limit::PerRequest(0.004)));
        assert_eq!(limit("$500/month"), Ok(Limit::PerMonth(500.0)));
        assert_eq!(limit("tokens=1,500"), Ok(Limit::Tokens(1500.0)));
        assert_eq!(limit("tokens=+10%"), Ok(Limit::TokensIncrease(0.1)));
        assert_eq!(limit("latency=1.5s"), Ok(Limit::LatencyP95(1500.0)));
        assert_eq!(limit("latency=20%"), Ok(Limit::LatencyIncrease(0.2)));
        for wrong in [
            "",
            "%",
            "-1%",
            "nan%",
            "inf",
            "$",
            "-3",
            "+3",
            "5/year",
            "1e999",
            "five",
            "tokens=",
            "tokens=0",
            "latency=soon",
            "words=3",
        ] {
            assert!(limit(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn volumes_are_of_all_or_of_one() {
        assert_eq!(volume("120_000"), Ok(Volume::All(120_000)));
        assert_eq!(volume("support/refund=1,000"), Ok(Volume::Of("support/refund".into(), 1000)));
        for wrong in ["", "0", "-1", "1.5", "=5", "p=", "p=x", "99999999999999999999", "1000000000001"] {
            assert!(volume(wrong).is_err(), "{wrong}");
        }
    }
}
