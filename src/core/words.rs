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
        let text = format!("{size:.2}");
        let (whole, cents) = text.split_once('.').unwrap_or((&text, "00"));
        return format!("{sign}${}.{cents}", grouped(whole));
    }
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "from 3 to 12")]
    let digits = (2.0 - size.log10().floor()).clamp(3.0, 12.0) as usize;
    format!("{sign}${size:.digits$}")
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
