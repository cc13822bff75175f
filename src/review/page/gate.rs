//! Who may ask what.

use hyper::header::{self, HeaderMap, HeaderName};
use hyper::http::request::Parts;
use hyper::{Method, StatusCode};
use subtle::ConstantTimeEq as _;

/// The most bytes of a request's body.
pub const MOST_IN_BODY: usize = 1 << 20;

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Route {
    /// The page.
    Page,
    /// The page, without the slash behind the token.
    Slash,
    /// What is decided and what is left.
    State,
    /// One answer as a whole.
    Item(usize),
    /// To decide.
    Decide,
    /// To undo.
    Undo,
    /// To end the review.
    Finish,
}

/// The only name and token that are answered.
pub(super) struct Gate {
    authority: String,
    origin: String,
    token: String,
}

const FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

impl Gate {
    pub(super) fn new(authority: &str, token: &str) -> Self {
        Self { authority: authority.to_owned(), origin: format!("http://{authority}"), token: token.to_owned() }
    }

    pub(super) fn token(&self) -> &str {
        &self.token
    }

    /// What a request asks for; `Err` is what it is answered with instead.
    pub(super) fn admit(&self, parts: &Parts) -> Result<Route, StatusCode> {
        // A name of somebody else that leads here: a page of theirs would be our own origin.
        let is_named = parts.uri.authority().is_none_or(|authority| authority.as_str() == self.authority);
        if !is_named || Given::of(&parts.headers, &header::HOST) != Given::Once(&self.authority) {
            return Err(StatusCode::FORBIDDEN);
        }
        let route = self.route(parts.uri.path()).ok_or(StatusCode::NOT_FOUND)?;
        let is_own = |name: &HeaderName, own: &[&str]| match Given::of(&parts.headers, name) {
            Given::Not => true,
            Given::Once(value) => own.contains(&value),
            Given::Oddly => false,
        };
        let is_page = matches!(route, Route::Page | Route::Slash);
        // A person who types the address comes from no site at all.
        let sites: &[&str] = if is_page { &["same-origin", "none"] } else { &["same-origin"] };
        if !is_own(&header::ORIGIN, &[&self.origin]) || !is_own(&FETCH_SITE, sites) {
            return Err(StatusCode::FORBIDDEN);
        }
        let changes = matches!(route, Route::Decide | Route::Undo | Route::Finish);
        if parts.method != if changes { Method::POST } else { Method::GET } {
            return Err(StatusCode::METHOD_NOT_ALLOWED);
        }
        if changes {
            // What a form of another page can send is never JSON.
            let is_json = |kind: &str| {
                let kind = kind.split(';').next().unwrap_or_default().trim();
                kind.eq_ignore_ascii_case("application/json")
            };
            if !matches!(Given::of(&parts.headers, &header::CONTENT_TYPE), Given::Once(kind) if is_json(kind)) {
                return Err(StatusCode::UNSUPPORTED_MEDIA_TYPE);
            }
            let fits = |length: &str| length.parse().is_ok_and(|length: usize| length <= MOST_IN_BODY);
            match Given::of(&parts.headers, &header::CONTENT_LENGTH) {
                // What comes in pieces is counted while it comes.
                Given::Not => {}
                Given::Once(length) if fits(length) => {}
                Given::Once(_) | Given::Oddly => return Err(StatusCode::PAYLOAD_TOO_LARGE),
            }
        }
        Ok(route)
    }

    fn route(&self, path: &str) -> Option<Route> {
        let path = path.strip_prefix('/')?;
        let (token, rest) = path.split_once('/').map_or((path, None), |(token, rest)| (token, Some(rest)));
        // The time that this takes says nothing of how much of the token is right.
        if !bool::from(token.as_bytes().ct_eq(self.token.as_bytes())) {
            return None;
        }
        match rest {
            None => Some(Route::Slash),
            Some("") => Some(Route::Page),
            Some("state") => Some(Route::State),
            Some("decide") => Some(Route::Decide),
            Some("undo") => Some(Route::Undo),
            Some("finish") => Some(Route::Finish),
            Some(other) => other.strip_prefix("item/")?.parse().ok().map(Route::Item),
        }
    }
}

/// A header that may stand once.
#[derive(Debug, PartialEq)]
enum Given<'h> {
    Not,
    Once(&'h str),
    /// Twice, or no text.
    Oddly,
}

impl<'h> Given<'h> {
    fn of(headers: &'h HeaderMap, name: &HeaderName) -> Self {
        let mut values = headers.get_all(name).iter();
        match (values.next(), values.next()) {
            (None, _) => Self::Not,
            (Some(value), None) => value.to_str().map_or(Self::Oddly, Self::Once),
            (Some(_), Some(_)) => Self::Oddly,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hyper::Request;

    const TOKEN: &str = "0123456789abcdef0123456789abcdef";

    fn admit(method: &str, path: &str, headers: &[(&str, &str)]) -> Result<Route, u16> {
        let mut request = Request::builder().method(method).uri(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let (parts, ()) = request.body(()).expect("a request").into_parts();
        Gate::new("127.0.0.1:4000", TOKEN).admit(&parts).map_err(|status| status.as_u16())
    }

    #[test]
    fn only_our_own_page_is_answered() {
        let own = ("host", "127.0.0.1:4000");
        let json = ("content-type", "application/json; charset=utf-8");
        let page = format!("/{TOKEN}/");
        let decide = format!("/{TOKEN}/decide");
        assert_eq!(admit("GET", &page, &[own]), Ok(Route::Page));
        assert_eq!(admit("GET", &page, &[own, ("sec-fetch-site", "none")]), Ok(Route::Page));
        assert_eq!(admit("GET", &format!("/{TOKEN}/item/7"), &[own]), Ok(Route::Item(7)));
        assert_eq!(admit("POST", &decide, &[own, json, ("origin", "http://127.0.0.1:4000")]), Ok(Route::Decide));
        let elsewhere = [
            vec![("host", "localhost:4000")],
            vec![("host", "127.0.0.1")],
            vec![("host", "127.0.0.1:4001")],
            vec![("host", "evil.example:4000")],
            vec![("host", "127.0.0.1:4000"), ("host", "evil.example")],
            vec![],
            vec![own, ("origin", "http://evil.example")],
            vec![own, ("origin", "null")],
            vec![own, ("origin", "http://127.0.0.1:4001")],
            vec![own, ("origin", "https://127.0.0.1:4000")],
            vec![own, ("sec-fetch-site", "cross-site")],
            vec![own, ("sec-fetch-site", "same-site")],
            vec![own, ("sec-fetch-site", "same-origin"), ("sec-fetch-site", "same-origin")],
        ];
        for headers in elsewhere {
            let mut headers = headers;
            headers.push(json);
            assert_eq!(admit("POST", &decide, &headers), Err(403), "{headers:?}");
            assert_eq!(admit("GET", &page, &headers), Err(403), "{headers:?}");
        }
        assert_eq!(admit("POST", &decide, &[own, json, ("sec-fetch-site", "none")]), Err(403));
        assert_eq!(admit("GET", &format!("http://evil.example/{TOKEN}/"), &[own]), Err(403));
    }

    #[test]
    fn without_the_token_there_is_nothing() {
        let own = ("host", "127.0.0.1:4000");
        let wrong = format!("/{}e/", &TOKEN[1..]);
        let longer = format!("/{TOKEN}0/");
        let shorter = format!("/{}/", &TOKEN[1..]);
        for path in ["/", "/state", "//", &wrong, &longer, &shorter, "/favicon.ico", "/%2e%2e/state"] {
            assert_eq!(admit("GET", path, &[own]), Err(404), "{path}");
        }
        assert_eq!(admit("GET", &format!("/{TOKEN}/item/../state"), &[own]), Err(404));
        assert_eq!(admit("GET", &format!("/{TOKEN}/item/99999999999999999999999"), &[own]), Err(404));
    }

    #[test]
    fn what_a_form_can_send_decides_nothing() {
        let own = ("host", "127.0.0.1:4000");
        let decide = format!("/{TOKEN}/decide");
        assert_eq!(admit("GET", &decide, &[own]), Err(405));
        assert_eq!(admit("POST", &format!("/{TOKEN}/state"), &[own]), Err(405));
        for kind in ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "application/jsonx"] {
            assert_eq!(admit("POST", &decide, &[own, ("content-type", kind)]), Err(415), "{kind}");
        }
        assert_eq!(admit("POST", &decide, &[own]), Err(415));
        let huge = ("content-length", "1048577");
        assert_eq!(admit("POST", &decide, &[own, ("content-type", "application/json"), huge]), Err(413));
    }
}
