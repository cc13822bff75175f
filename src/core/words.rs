//! Words of the sentences that people read.

/// So many of something: `1 call`, `2 calls`.
#[must_use]
pub fn counted(count: u64, one: &str, several: &str) -> String {
    if count == 1 { format!("1 {one}") } else { format!("{count} {several}") }
}

/// USD, with as many digits as say something.
#[must_use]
pub fn usd(amount: f64) -> String {
    let (sign, size) = (if amount < 0.0 { "-" } else { "" }, amount.abs());
    if !amount.is_finite() {
        return "without end".to_owned();
    }
    if size == 0.0 {
        return "$0".to_owned();
    }
    if size >= 1.0 {
        return usd_with(amount, 2);
    }
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "from 3 to 12")]
    let digits = (2.0 - size.log10().floor()).clamp(3.0, 12.0) as usize;
    format!("{sign}${size:.digits$}")
}

/// USD with so many digits behind the point, which are not none.
fn usd_with(amount: f64, digits: usize) -> String {
    let (sign, text) = (if amount < 0.0 { "-" } else { "" }, format!("{:.digits$}", amount.abs()));
    let (whole, rest) = text.split_once('.').unwrap_or((&text, "0"));
    format!("{sign}${}.{rest}", grouped(whole))
}

/// Two amounts, where they are not the same with as many digits as tell them apart.
#[must_use]
pub fn usd_apart(one: f64, other: f64) -> (String, String) {
    apart((one, other), usd, usd_with)
}

/// The same of two numbers that `short` and `long` write: as they are usually written, and with so many digits.
pub fn apart((one, other): (f64, f64), short: fn(f64) -> String, long: fn(f64, usize) -> String) -> (String, String) {
    /// What a number tells at the most.
    const MOST: usize = 18;
    let usual = (short(one), short(other));
    // `$0.001000` is no more than `$0.00100`.
    let is_same = usual.0.trim_end_matches('0') == usual.1.trim_end_matches('0');
    if !is_same || !(one - other).is_finite() {
        return usual;
    }
    let longer = (2..=MOST).map(|digits| (long(one, digits), long(other, digits)));
    longer.into_iter().find(|(one, other)| one != other).unwrap_or(usual)
}

/// Digits in groups of three.
#[must_use]
pub fn grouped(digits: &str) -> String {
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_that_differ_are_told_apart() {
        for (one, other, first, second) in [
            (0.0012, 0.001_199_99, "$0.00120000", "$0.00119999"),
            (1.0, 2.0, "$1.00", "$2.00"),
            (0.001, 0.000_999_99, "$0.00100000", "$0.00099999"),
            (1234.5001, 1234.5, "$1,234.5001", "$1,234.5000"),
            (0.5, 0.5, "$0.500", "$0.500"),
            (f64::INFINITY, 1.0, "without end", "$1.00"),
        ] {
            assert_eq!(usd_apart(one, other), (first.to_owned(), second.to_owned()));
        }
    }
}
