//! Numbers as people write them in texts: with signs, currencies, groups of thousands, decimals, exponents, percent.

use super::exact::Exact;

/// A number of a text.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Numeral {
    pub(super) exact: Exact,
    /// Whether a percent sign stands behind it. `12%` is 12.
    pub(super) percent: bool,
}

/// Which mark stands before the decimals.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Decimal {
    /// `1,234.5`; also `1'234.5`, `1_234.5`, and groups with narrow blanks.
    Point,
    /// `1.234,5`; also `1 234,5`.
    Comma,
}

impl Decimal {
    fn mark(self) -> char {
        if self == Self::Point { '.' } else { ',' }
    }

    fn groups(self, c: char) -> bool {
        let own = if self == Self::Point { c == ',' } else { matches!(c, '.' | ' ') };
        own || matches!(c, '\'' | '\u{2019}' | '_' | '\u{a0}' | '\u{202f}' | '\u{2009}')
    }
}

/// Every number of a text, in order. Digits that belong to a word (`v2`, `A4`) or to a dotted name (`1.2.3`,
/// `24.12.2025`), and days (`2025-01-02`, `12/31/2025`) are none.
pub(super) fn numerals(text: &str, decimal: Decimal) -> Vec<Numeral> {
    let chars: Vec<char> = text.chars().collect();
    let mut found = Vec::new();
    let mut at = 0;
    while at < chars.len() {
        let in_word = at > 0 && (chars[at - 1].is_alphanumeric() || chars[at - 1] == '_');
        let bare_decimals = chars[at] == decimal.mark()
            && digit(&chars, at + 1)
            && !in_word
            && (at == 0 || !matches!(chars[at - 1], '.' | ','));
        if !chars[at].is_ascii_digit() && !bare_decimals {
            at += 1;
        } else if in_word {
            at = digits_end(&chars, at);
        } else if let Some(end) = day_end(&chars, at) {
            at = end;
        } else {
            let (end, plain) = read(&chars, at, decimal);
            let exact = plain.and_then(|plain| Exact::read(&plain));
            let behind = chars[end..].iter().position(|c| !matches!(c, ' ' | '\u{a0}' | '\u{202f}')).map(|i| end + i);
            let percent = behind.is_some_and(|i| i <= end + 1 && matches!(chars[i], '%' | '\u{ff05}' | '\u{66a}'));
            let signed = |exact: Exact| if negative(&chars, at) { exact.turned() } else { exact };
            found.extend(exact.map(|exact| Numeral { exact: signed(exact), percent }));
            // A mark that separates is passed over.
            at = end.max(at + 1);
        }
    }
    found
}

fn digit(chars: &[char], at: usize) -> bool {
    chars.get(at).is_some_and(char::is_ascii_digit)
}

fn digits_end(chars: &[char], at: usize) -> usize {
    at + chars[at..].iter().take_while(|c| c.is_ascii_digit()).count()
}

/// The end of the day that begins here, and of the time of day behind it: `2025-01-02T10:30:00Z`, `12/31/2025`, `31/12/25`.
fn day_end(chars: &[char], start: usize) -> Option<usize> {
    let mut parts = Vec::new();
    let mut at = start;
    let mark = *chars.get(digits_end(chars, start)).filter(|c| matches!(c, '-' | '/'))?;
    for index in 0..3 {
        if index > 0 {
            chars.get(at).filter(|c| **c == mark)?;
            at += 1;
        }
        let end = digits_end(chars, at);
        let digits: String = chars[at..end].iter().take(5).collect();
        parts.push((digits.len(), digits.parse::<u32>().ok()?));
        at = end;
    }
    let month_and_day = |(one, first): (usize, u32), (other, second): (usize, u32)| {
        let (low, high) = (first.min(second), first.max(second));
        one <= 2 && other <= 2 && (1..=12).contains(&low) && high <= 31
    };
    let is_year = |(length, _): (usize, u32), mark: char| length == 4 || length == 2 && mark == '/';
    let [first, second, third] = parts[..] else { return None };
    let is_day = first.0 == 4 && month_and_day(second, third) || is_year(third, mark) && month_and_day(first, second);
    let time =
        if matches!(chars.get(at), Some('T' | 't')) && digit(chars, at + 1) { time_end(chars, at + 1) } else { at };
    (is_day && !chars.get(time).is_some_and(|c| c.is_alphanumeric())).then_some(time)
}

/// The end of a time of day with its zone.
fn time_end(chars: &[char], start: usize) -> usize {
    let mut at = digits_end(chars, start);
    while matches!(chars.get(at), Some(':' | '.' | ',' | '+' | '-')) && digit(chars, at + 1) {
        at = digits_end(chars, at + 1);
    }
    at + usize::from(matches!(chars.get(at), Some('Z' | 'z')))
}

/// Where the number that begins here ends, and its digits as Rust reads them; none for a dotted name.
fn read(chars: &[char], start: usize, decimal: Decimal) -> (usize, Option<String>) {
    let mut at = digits_end(chars, start);
    let mut plain: String = chars[start..at].iter().collect();
    if let Some(end) = grouped(chars, start, at, decimal) {
        plain.extend(chars[at..end].iter().filter(|c| c.is_ascii_digit()));
        at = end;
    } else if let Some((end, thousands)) = dotted(chars, start, at) {
        let digits = chars[start..end].iter().filter(|c| c.is_ascii_digit()).collect();
        return (end, thousands.then_some(digits));
    }
    // In `1,2,3` with a decimal comma the commas separate.
    let behind = |end: usize| chars.get(end) == Some(&',') && digit(chars, end + 1);
    let before = start > 1 && chars[start - 1] == ',' && digit(chars, start - 2);
    let listed = |end: usize| decimal == Decimal::Comma && (before || behind(end));
    if chars.get(at) == Some(&decimal.mark()) && digit(chars, at + 1) {
        let end = digits_end(chars, at + 1);
        if !listed(end) {
            plain.push('.');
            plain.extend(&chars[at + 1..end]);
            at = end;
        }
    }
    if matches!(chars.get(at), Some('e' | 'E')) {
        let signed = usize::from(matches!(chars.get(at + 1), Some('+' | '-')));
        let end = digits_end(chars, (at + 1 + signed).min(chars.len()));
        if end > at + 1 + signed && !chars.get(end).is_some_and(|c| c.is_alphanumeric()) {
            plain.extend(&chars[at..end]);
            at = end;
        }
    }
    (at, Some(plain))
}

/// The end of the groups behind the first digits: of three digits each, or of two and a last one of three (`1,23,456`).
fn grouped(chars: &[char], start: usize, first: usize, decimal: Decimal) -> Option<usize> {
    let separator = *chars.get(first).filter(|c| decimal.groups(**c))?;
    let mut lengths = Vec::new();
    let mut at = first;
    while chars.get(at) == Some(&separator) && digit(chars, at + 1) {
        let end = digits_end(chars, at + 1);
        lengths.push(end - at - 1);
        at = end;
    }
    let (last, others) = lengths.split_last()?;
    let by = |length: usize| *last == 3 && others.iter().all(|other| *other == length);
    let leading = first - start;
    ((1..=3).contains(&leading) && by(3) || leading <= 2 && separator == ',' && by(2)).then_some(at)
}

/// The end of digits with several points between, and whether the points group thousands (`1.234.567`).
fn dotted(chars: &[char], start: usize, first: usize) -> Option<(usize, bool)> {
    let mut at = first;
    let (mut points, mut thousands) = (0, (1..=3).contains(&(first - start)));
    while chars.get(at) == Some(&'.') && digit(chars, at + 1) {
        let end = digits_end(chars, at + 1);
        thousands &= end - at - 1 == 3;
        points += 1;
        at = end;
    }
    (points > 1).then_some((at, thousands))
}

const CURRENCIES: [char; 9] = ['$', '€', '£', '¥', '₹', '₽', '₩', '₺', '¢'];

/// Whether a minus stands before the number, a currency between them or before both: `-$5`, `$-5`.
fn negative(chars: &[char], start: usize) -> bool {
    let mut at = start;
    if at > 0 && CURRENCIES.contains(&chars[at - 1]) {
        at -= 1;
    }
    let minus = at > 0 && matches!(chars[at - 1], '-' | '\u{2212}');
    let before = at.checked_sub(2).map(|i| chars[i]);
    // `10-20` is a range, `GPT-4` a name, `2024-01-05` a day.
    minus && !before.is_some_and(|c| c.is_alphanumeric() || matches!(c, ')' | ']' | '.' | '-'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn values(text: &str, decimal: Decimal) -> Vec<f64> {
        numerals(text, decimal).iter().map(|n| n.exact.value()).collect()
    }

    #[test]
    fn numbers_are_read_as_people_write_them() {
        for (text, expected) in [
            ("It costs $1,234.50.", vec![1234.5]),
            ("-$5 and $-6 and −7 and +8", vec![-5.0, -6.0, -7.0, 8.0]),
            ("10-20, GPT-4, 2024-01-05", vec![10.0, 20.0, 4.0]),
            ("2025-01-02T10:30:00.5+01:00, 2025-1-2, 12/31/2025, 31-12-2025 and 12/31/25 were 4 days", vec![4.0]),
            ("2025-01-02-2025-01-05 or (2025/01/02).", vec![]),
            ("1/2/3, 120/80, 3-4-5, 2025-13-41", vec![1.0, 2.0, 3.0, 120.0, 80.0, 3.0, 4.0, 5.0, 2025.0, 13.0, 41.0]),
            ("v2, A4, x_1", vec![]),
            ("1,23,456 lakh", vec![123_456.0]),
            ("1,2,3 and 1,200,3", vec![1.0, 2.0, 3.0, 1.0, 200.0, 3.0]),
            ("1'000'000 and 1_000 and 1\u{202f}000", vec![1_000_000.0, 1000.0, 1000.0]),
            ("1.234.567 but not 1.2.3 or 127.0.0.1", vec![1_234_567.0]),
            ("1e3 2.5E-2 3em 1e", vec![1000.0, 0.025, 3.0, 1.0]),
            (".5 0.5 5.", vec![0.5, 0.5, 5.0]),
            ("9".repeat(400).as_str(), vec![]),
            ("12 % of 30", vec![12.0, 30.0]),
            ("5km 3rd", vec![5.0, 3.0]),
            ("1 000", vec![1.0, 0.0]),
        ] {
            assert_eq!(values(text, Decimal::Point), expected, "{text}");
        }
        for (text, expected) in [
            ("1.234,50 €", vec![1234.5]),
            ("1 234,5", vec![1234.5]),
            ("3,25", vec![3.25]),
            ("1,2,3", vec![1.0, 2.0, 3.0]),
            ("24.12.2025", vec![]),
        ] {
            assert_eq!(values(text, Decimal::Comma), expected, "{text}");
        }
        let percents: Vec<bool> = numerals("12% 12 % 12  % 12", Decimal::Point).iter().map(|n| n.percent).collect();
        assert_eq!(percents, [true, true, false, false]);
    }

    #[test]
    fn a_list_without_a_first_number_was_read_for_ever() {
        assert_eq!(values("x ,5,6", Decimal::Comma), [5.6]);
        assert_eq!(values(",1,2,3", Decimal::Comma), [1.0, 2.0, 3.0]);
    }

    proptest! {
        #[test]
        fn no_text_makes_the_reader_panic(text in "[0-9.,eE+ '_$%a-]{0,40}|.*") {
            for decimal in [Decimal::Point, Decimal::Comma] {
                for numeral in numerals(&text, decimal) {
                    prop_assert!(numeral.exact.value().is_finite());
                }
            }
        }
    }
}
