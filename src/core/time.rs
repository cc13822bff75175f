//! The wall clock, as a trait so that tests and replays can hold it still.

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

/// Something that knows the time. Only the command line owns the real one.
pub trait Clock: Send + Sync {
    /// The time now.
    fn now(&self) -> Timestamp;
}

/// A time as recordings carry it: RFC 3339 in UTC, whole seconds.
#[must_use]
pub fn rfc3339(time: Timestamp) -> String {
    // Rounding to a second only fails at the ends of the calendar, where the time itself is as good.
    time.round(jiff::Unit::Second).unwrap_or(time).to_string()
}

/// The day of a time, in UTC, as `2026-12-31`.
#[must_use]
pub fn day(time: Timestamp) -> String {
    time.to_zoned(TimeZone::UTC).date().to_string()
}

/// Reads a day written as `2026-12-31`; `None` for anything else.
#[must_use]
pub fn parse_day(text: &str) -> Option<String> {
    let day: Date = text.parse().ok()?;
    (day.to_string() == text).then(|| text.to_owned())
}

/// Reads a duration written as `250ms`, `60s`, `2m` or `1h`, in milliseconds; `None` for anything else.
#[must_use]
pub fn parse_duration_ms(text: &str) -> Option<u64> {
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.')?;
    let (number, unit) = text.split_at(digits);
    let factor = match unit {
        "ms" => 1.0,
        "s" => 1_000.0,
        "m" => 60_000.0,
        "h" => 3_600_000.0,
        _ => return None,
    };
    let value: f64 = number.parse().ok()?;
    let ms = value * factor;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "digits only, and bounded here")]
    (ms <= 1e12).then_some(ms.round() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days() {
        assert_eq!(parse_day("2026-12-31").as_deref(), Some("2026-12-31"));
        for bad in ["", "2026-13-01", "2026-2-1", "2026-02-30", "31.12.2026", "2026-12-31T00:00", "tomorrow"] {
            assert_eq!(parse_day(bad), None, "{bad}");
        }
        let last = Timestamp::from_second(1_798_761_599).expect("a time");
        assert_eq!(day(last), "2026-12-31");
    }

    #[test]
    fn durations() {
        let cases = [("250ms", Some(250)), ("60s", Some(60_000)), ("1.5m", Some(90_000)), ("2h", Some(7_200_000))];
        for (text, ms) in cases {
            assert_eq!(parse_duration_ms(text), ms, "{text}");
        }
        for bad in ["", "5", "s", "-1s", "1 s", "1d", "1.2.3s", "99999999999999999h"] {
            assert_eq!(parse_duration_ms(bad), None, "{bad}");
        }
    }
}
