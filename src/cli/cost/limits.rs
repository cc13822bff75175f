//! `--volume` and `--budget`, as they are written.

use crate::project::{MOST_COUNTED, parse_increase};

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

/// `+10%`, `$0.004` or `$500/month`; the dollar may be left out.
pub(super) fn limit(text: &str) -> Result<Limit, String> {
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
    "write a share over base such as +10%, USD a request such as $0.004, or USD a month such as $500/month".into()
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
        for wrong in ["", "%", "-1%", "nan%", "inf", "$", "-3", "+3", "5/year", "1e999", "five"] {
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
