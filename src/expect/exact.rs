//! Numbers as they are written, digit by digit: a float takes `9007199254740993` for `9007199254740992`.

use std::cmp::Ordering;
use std::fmt;

/// The most digits that a reason shows one by one.
const SHOWN: usize = 40;

/// `±0.DIGITS · 10^exponent`, without zeros at either end; no digit at all is 0.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Exact {
    negative: bool,
    digits: String,
    exponent: i64,
}

impl Exact {
    /// Reads what Rust reads as a finite float: `-1.50e3`. `None` for anything else.
    pub(super) fn read(text: &str) -> Option<Self> {
        text.parse::<f64>().ok().filter(|value| value.is_finite())?;
        let negative = text.starts_with('-');
        let plain = text.trim_start_matches(['-', '+']);
        let (mantissa, power) = match plain.split_once(['e', 'E']) {
            Some((mantissa, power)) => (mantissa, power.parse::<i64>().ok()?),
            None => (plain, 0),
        };
        let (whole, decimals) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let all = format!("{whole}{decimals}");
        let digits = all.trim_start_matches('0');
        let exponent =
            power.checked_add(i64::try_from(whole.len()).ok()? - i64::try_from(all.len() - digits.len()).ok()?)?;
        let digits = digits.trim_end_matches('0');
        if digits.is_empty() {
            return Some(Self { negative: false, digits: String::new(), exponent: 0 });
        }
        Some(Self { negative, digits: digits.to_owned(), exponent })
    }

    /// The same with the other sign.
    pub(super) fn turned(self) -> Self {
        Self { negative: !self.negative && !self.digits.is_empty(), ..self }
    }

    /// As the float that is nearest.
    pub(super) fn value(&self) -> f64 {
        let sign = if self.negative { "-" } else { "" };
        format!("{sign}0.{}e{}", self.digits, self.exponent).parse().unwrap_or(0.0)
    }

    /// As a whole number, if it is one of at most 38 digits.
    pub(super) fn whole(&self) -> Option<i128> {
        let length = usize::try_from(self.exponent).ok().filter(|length| (self.digits.len()..=38).contains(length))?;
        let sign = if self.negative { "-" } else { "" };
        format!("{sign}0{:0<length$}", self.digits).parse().ok()
    }
}

impl Ord for Exact {
    fn cmp(&self, other: &Self) -> Ordering {
        let sign = |number: &Self| match (number.digits.is_empty(), number.negative) {
            (true, _) => 0,
            (false, true) => -1,
            (false, false) => 1,
        };
        // Digits without zeros at their ends compare as decimals do: 12 is below 121, and 13 above both.
        let size = self.exponent.cmp(&other.exponent).then_with(|| self.digits.cmp(&other.digits));
        sign(self).cmp(&sign(other)).then(if self.negative { size.reverse() } else { size })
    }
}

impl PartialOrd for Exact {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Display for Exact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(whole) = self.whole() {
            return write!(f, "{whole}");
        }
        let count = i64::try_from(self.digits.len()).unwrap_or(i64::MAX);
        if self.digits.len() > SHOWN || !(-6..=count).contains(&self.exponent) {
            return write!(f, "{}", self.value());
        }
        let point = usize::try_from(self.exponent).unwrap_or(0);
        let zeros = usize::try_from(-self.exponent).unwrap_or(0);
        let (whole, decimals) = self.digits.split_at(point);
        let whole = if whole.is_empty() { "0" } else { whole };
        write!(f, "{}{whole}.{}{decimals}", if self.negative { "-" } else { "" }, "0".repeat(zeros))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn exact(text: &str) -> Exact {
        Exact::read(text).expect(text)
    }

    #[test]
    fn a_number_is_the_same_however_it_is_written() {
        for (one, other) in [
            ("1500", "1.5e3"),
            ("1.0", "1"),
            ("0.10", ".1"),
            ("-0", "0.000"),
            ("+5.", "5"),
            ("100e-2", "1"),
            ("0e99999999", "0"),
        ] {
            assert_eq!(exact(one), exact(other), "{one} {other}");
        }
        for (less, more) in [
            ("9007199254740992", "9007199254740993"),
            ("-9007199254740993", "-9007199254740992"),
            ("0.1", "0.1000000000000000055"),
            ("-1", "0"),
            ("0", "1e-400"),
            ("12", "121"),
            ("99", "100"),
            ("-100", "99"),
        ] {
            assert!(exact(less) < exact(more), "{less} {more}");
        }
        for wrong in ["", "1e999", "inf", "NaN", "1e-99999999999999999999", "x", "1e"] {
            assert_eq!(Exact::read(wrong), None, "{wrong}");
        }
        for (text, shown) in [
            ("9007199254740993", "9007199254740993"),
            ("-1.50", "-1.5"),
            ("0.00012", "0.00012"),
            ("0", "0"),
            ("-0.5", "-0.5"),
            ("123e36", "123000000000000000000000000000000000000"),
        ] {
            assert_eq!(exact(text).to_string(), shown);
        }
        assert_eq!(exact("-5").turned(), exact("5"));
        assert_eq!(exact("1e30").whole(), Some(10_i128.pow(30)));
        assert_eq!((exact("1.5").whole(), exact("1e60").whole()), (None, None));
    }

    proptest! {
        #[test]
        fn order_is_that_of_numbers(a in any::<i64>(), b in any::<i64>(), scale in -3_i32..3) {
            let read = |n: i64| exact(&format!("{n}e{scale}"));
            prop_assert_eq!(read(a).cmp(&read(b)), a.cmp(&b));
            prop_assert_eq!(exact(&read(a).to_string()), read(a));
        }
    }
}
