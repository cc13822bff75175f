//! What servers say of their limits in the headers of every answer. Source of the names: the documentation of OpenAI
//! and of Anthropic.

use std::time::{Duration, SystemTime};

use reqwest::header::HeaderMap;

/// What is left of one limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Part {
    pub(super) limit: Option<u64>,
    pub(super) remaining: u64,
    /// After how long it is filled up again.
    pub(super) reset: Option<Duration>,
}

/// What is left of requests and of tokens.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Quota {
    pub(super) requests: Option<Part>,
    pub(super) tokens: Option<Part>,
}

impl Quota {
    /// Reads the headers of a reply; `None` where there are none of the kind.
    pub(super) fn read(headers: &HeaderMap, now: SystemTime) -> Option<Self> {
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim);
        let number = |name: &str| text(name).and_then(|text| text.parse::<u64>().ok());
        let openai = |what: &str| {
            Some(Part {
                limit: number(&format!("x-ratelimit-limit-{what}")),
                remaining: number(&format!("x-ratelimit-remaining-{what}"))?,
                reset: text(&format!("x-ratelimit-reset-{what}")).and_then(|text| reset(text, now)),
            })
        };
        let anthropic = |what: &str| {
            Some(Part {
                limit: number(&format!("anthropic-ratelimit-{what}-limit")),
                remaining: number(&format!("anthropic-ratelimit-{what}-remaining"))?,
                reset: text(&format!("anthropic-ratelimit-{what}-reset")).and_then(|text| reset(text, now)),
            })
        };
        let quota = Self {
            requests: openai("requests").or_else(|| anthropic("requests")),
            // Whichever of the vendor's kinds of token is nearest to its end.
            tokens: openai("tokens").or_else(|| {
                let kinds = ["tokens", "input-tokens", "output-tokens"].into_iter().filter_map(anthropic);
                kinds.min_by_key(|part| part.remaining)
            }),
        };
        (quota != Self::default()).then_some(quota)
    }
}

/// `6m0s`, `1s`, `20ms`; a number of seconds; a date of RFC 3339.
fn reset(text: &str, now: SystemTime) -> Option<Duration> {
    if let Ok(seconds) = text.parse::<f64>() {
        return Duration::try_from_secs_f64(seconds).ok();
    }
    if let Ok(time) = text.parse::<jiff::Timestamp>() {
        return Some(SystemTime::from(time).duration_since(now).unwrap_or_default());
    }
    let duration = text.parse::<jiff::SignedDuration>().ok()?;
    Duration::try_from(duration).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use reqwest::header::{HeaderName, HeaderValue};

    fn read(pairs: &[(&'static str, &'static str)]) -> Option<Quota> {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
        Quota::read(&headers, SystemTime::UNIX_EPOCH + Duration::from_secs(1_767_323_045))
    }

    #[test]
    fn both_vendors_are_understood() {
        let openai = read(&[
            ("x-ratelimit-limit-requests", "60"),
            ("x-ratelimit-remaining-requests", "59"),
            ("x-ratelimit-reset-requests", "1s"),
            ("x-ratelimit-remaining-tokens", "149984"),
            ("x-ratelimit-reset-tokens", "6m0s"),
        ]);
        let part = |limit, remaining, reset| Some(Part { limit, remaining, reset: Some(Duration::from_secs(reset)) });
        assert_eq!(openai, Some(Quota { requests: part(Some(60), 59, 1), tokens: part(None, 149_984, 360) }));
        let anthropic = read(&[
            ("anthropic-ratelimit-requests-limit", "50"),
            ("anthropic-ratelimit-requests-remaining", "0"),
            ("anthropic-ratelimit-requests-reset", "2026-01-02T03:04:15Z"),
        ]);
        assert_eq!(anthropic, Some(Quota { requests: part(Some(50), 0, 10), tokens: None }));
        assert_eq!(read(&[("content-type", "text/html")]), None);
        let odd = read(&[("x-ratelimit-remaining-requests", "5"), ("x-ratelimit-reset-requests", "soon")]);
        assert_eq!(odd.and_then(|q| q.requests).and_then(|p| p.reset), None);
    }

    #[test]
    fn times_have_several_forms() {
        let now = SystemTime::UNIX_EPOCH;
        assert_eq!(reset("20ms", now), Some(Duration::from_millis(20)));
        assert_eq!(reset("1m30.5s", now), Some(Duration::from_millis(90_500)));
        assert_eq!(reset("2", now), Some(Duration::from_secs(2)));
    }
}
