//! What HTTP says for all protocols: which status is which fault, what a broken connection is, how long to wait.

use std::time::{Duration, SystemTime};

use reqwest::header::HeaderMap;

use super::fault::{Fault, FaultKind};

/// The fault that a status is, with what the server said.
pub(super) fn status_fault(status: u16, said: &str, alias: &str) -> Fault {
    let (kind, help) = match status {
        401 | 403 => (
            FaultKind::Credentials,
            Some(format!("check the key of the model `{alias}` (the variable that its `api-key-env` names)")),
        ),
        402 => (FaultKind::Credentials, Some("the account has no credit left".to_owned())),
        404 => (
            FaultKind::NotFound,
            Some(format!("check `model` and `base-url` of the model `{alias}` in promptctl.yaml")),
        ),
        429 => (FaultKind::RateLimited, None),
        300..=399 => {
            (FaultKind::Protocol, Some("redirects are not followed; write the final address into base-url".to_owned()))
        }
        400..=499 => (FaultKind::BadRequest, None),
        _ => (FaultKind::Server, None),
    };
    let mut fault = Fault::new(kind, format!("the server answered {status}: {said}")).again(is_transient(status));
    // A server may refuse one request with 403 for what is in it; the others are about the key or the address.
    fault.fatal = matches!(status, 401 | 402 | 404);
    match help {
        Some(help) => fault.help(help),
        None => fault,
    }
}

/// The statuses after which sending the same request again may help.
fn is_transient(status: u16) -> bool {
    matches!(status, 408 | 409 | 425 | 429 | 500 | 502 | 503 | 504 | 520..=524 | 529)
}

/// The fault that a failed call is.
#[must_use]
pub fn call_fault(error: &reqwest::Error, limit: Duration) -> Fault {
    let causes = causes(error);
    if error.is_timeout() {
        return Fault::new(FaultKind::Timeout, format!("no answer within {} s", limit.as_secs_f64()))
            .again(true)
            .billable();
    }
    if ["UnknownIssuer", "invalid peer certificate", "self-signed", "self signed"]
        .iter()
        .any(|sign| causes.contains(sign))
    {
        let message = format!("the server's certificate is not trusted: {causes}");
        let help = "if a proxy of your company signs it, set SSL_CERT_FILE to a file with its certificate";
        return Fault::new(FaultKind::Tls, message).fatal().help(help);
    }
    if causes.contains("InvalidContentType") {
        let message = "the server does not speak TLS at this address".to_owned();
        return Fault::new(FaultKind::Tls, message).fatal().help("does it speak http:// there?");
    }
    if error.is_connect() {
        return Fault::new(FaultKind::Connection, format!("no connection: {causes}")).again(true);
    }
    Fault::new(FaultKind::Connection, format!("the connection broke: {causes}")).again(true).billable()
}

/// The innermost causes of an error, without the address, which may carry what nobody should see.
fn causes(error: &reqwest::Error) -> String {
    let mut texts: Vec<String> = Vec::new();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        let text = cause.to_string();
        if !texts.contains(&text) {
            texts.push(text);
        }
        source = cause.source();
    }
    match texts.pop() {
        Some(last) => last,
        None => "no reason was given".to_owned(),
    }
}

/// How long the server asks to be left alone: `retry-after-ms`, or `retry-after` in seconds or as a date.
#[must_use]
pub fn retry_after(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim);
    if let Some(ms) = text("retry-after-ms").and_then(|text| text.parse::<f64>().ok()) {
        return seconds(ms / 1000.0);
    }
    let text = text("retry-after")?;
    match text.parse::<f64>() {
        Ok(value) => seconds(value),
        Err(_) => httpdate::parse_http_date(text).ok()?.duration_since(now).ok(),
    }
}

/// Whether the server itself says that sending the request again helps.
pub(super) fn should_retry(headers: &HeaderMap) -> Option<bool> {
    match headers.get("x-should-retry")?.to_str().ok()?.trim() {
        "true" => Some(true),
        "false" => Some(false),
        _ => None,
    }
}

fn seconds(value: f64) -> Option<Duration> {
    Duration::try_from_secs_f64(value).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use reqwest::header::{HeaderName, HeaderValue};

    fn wait(name: &'static str, value: &'static str) -> Option<Duration> {
        let mut headers = HeaderMap::new();
        headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
        retry_after(&headers, SystemTime::UNIX_EPOCH + Duration::from_secs(1_445_412_470))
    }

    #[test]
    fn waiting_times_are_read_in_every_form() {
        assert_eq!(wait("retry-after-ms", "1500"), Some(Duration::from_millis(1500)));
        assert_eq!(wait("retry-after", "2"), Some(Duration::from_secs(2)));
        assert_eq!(wait("retry-after", "Wed, 21 Oct 2015 07:28:00 GMT"), Some(Duration::from_secs(10)));
        assert_eq!(wait("retry-after", "soon"), None);
        assert_eq!(wait("retry-after", "-1"), None);
    }

    #[test]
    fn only_what_may_pass_is_tried_again() {
        for status in [408, 409, 425, 429, 500, 502, 503, 504, 520, 529] {
            assert!(is_transient(status), "{status}");
        }
        for status in [400, 401, 402, 403, 404, 413, 422, 501, 301] {
            assert!(!is_transient(status), "{status}");
        }
    }
}
