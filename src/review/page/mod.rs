//! The review as a page: a request in, a response out, over a desk. No socket, no clock: `cli` listens and serves.
//!
//! Whoever can reach the port may be another user of this machine, and any web page may make a browser send something
//! here. So nothing is answered without the token in the path, to another name than the one that was bound, or on behalf
//! of another page ([`gate`]), and no answer may be read, framed or kept by anybody else.

mod gate;
mod view;

use hyper::header::{self, HeaderName, HeaderValue};
use hyper::http::request::Parts;
use hyper::{Response, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};

use self::gate::Gate;
pub use self::gate::{MOST_IN_BODY, Route};
use super::desk::{Desk, Refusal};
use super::session::Decision;
use crate::core::escape::terminal_line;
use crate::report::page::{DIFFERENCE, PAGE, Page, STYLE};
use crate::snapshot::{Pending, Reason};

/// A message that the model was shown: who speaks, and what is said.
pub type Said = (&'static str, String);

/// What the model was shown, where that is known.
pub type Messages = Box<dyn Fn(&Pending) -> Option<Vec<Said>>>;

/// A review that a browser looks at.
pub struct Site {
    desk: Desk,
    gate: Gate,
    project: String,
    messages: Messages,
    ended: bool,
}

/// An answer to a request.
pub type Reply = Response<Vec<u8>>;

/// What `decide` is told. The revisions say what was looked at: an answer that was read anew since is not decided unseen.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    ids: Vec<usize>,
    revisions: Vec<u32>,
    decision: Word,
    #[serde(default)]
    reason: Option<String>,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Word {
    Accept,
    Reject,
    Skip,
}

/// What `undo` is told: how many steps there were, so that nobody undoes what another window did.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Back {
    steps: usize,
}

impl Site {
    /// A review at a desk. `authority` is the name and port that was bound, `token` what the path must begin with.
    #[must_use]
    pub fn new(desk: Desk, project: &str, authority: &str, token: &str, messages: Messages) -> Self {
        let gate = Gate::new(authority, token);
        Self { desk, gate, project: project.to_owned(), messages, ended: false }
    }

    /// Whether somebody said that the review is over.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        self.ended
    }

    /// The desk, once nobody looks at the page any more.
    #[must_use]
    pub fn into_desk(self) -> Desk {
        self.desk
    }

    /// Whether a request may be answered at all, and what it asks for; `Err` is the answer where it may not.
    pub fn admit(&self, parts: &Parts) -> Result<Route, Box<Reply>> {
        self.gate.admit(parts).map_err(|status| Box::new(refuse(status)))
    }

    /// Answers a request that was admitted.
    pub fn answer(&mut self, route: Route, body: &[u8]) -> Reply {
        match route {
            Route::Page => page(),
            Route::Slash => {
                let mut reply = refuse(StatusCode::PERMANENT_REDIRECT);
                if let Ok(place) = HeaderValue::from_str(&format!("/{}/", self.gate.token())) {
                    reply.headers_mut().insert(header::LOCATION, place);
                }
                reply
            }
            Route::State => said(StatusCode::OK, &view::state(&self.desk, &self.project)),
            Route::Item(id) if id < self.desk.session.pending.len() => {
                let said_before = (self.messages)(&self.desk.session.pending[id]);
                said(StatusCode::OK, &view::item(&self.desk, id, said_before.as_deref()))
            }
            Route::Item(_) => refuse(StatusCode::NOT_FOUND),
            Route::Decide => self.with(body, Self::decide),
            Route::Undo => self.with(body, Self::undo),
            Route::Finish => {
                self.ended = true;
                said(StatusCode::OK, &json!({ "line": self.desk.closing_line() }))
            }
        }
    }

    fn with<T: for<'a> Deserialize<'a>>(&mut self, body: &[u8], act: impl Fn(&mut Self, &T) -> Reply) -> Reply {
        match serde_json::from_slice(body) {
            Ok(wanted) => act(self, &wanted),
            Err(error) => failed(StatusCode::BAD_REQUEST, &error.to_string()),
        }
    }

    fn decide(&mut self, wanted: &Wanted) -> Reply {
        let count = self.desk.session.pending.len();
        let mut ids = wanted.ids.clone();
        ids.sort_unstable();
        ids.dedup();
        let fits = ids.len() == wanted.ids.len() && wanted.ids.len() == wanted.revisions.len();
        if ids.is_empty() || !fits || ids.iter().any(|id| *id >= count) {
            return failed(StatusCode::BAD_REQUEST, "`ids` and `revisions` do not name answers");
        }
        let looked_at = wanted.ids.iter().zip(&wanted.revisions);
        let unseen: Vec<usize> =
            looked_at.filter(|(id, seen)| self.desk.session.revision(**id) != **seen).map(|(id, _)| *id).collect();
        if !unseen.is_empty() {
            return self.refused(&Refusal::Changed(unseen));
        }
        let reason = match wanted.reason.as_deref().map(str::trim).filter(|text| !text.is_empty()) {
            Some(text) => match Reason::new(text) {
                Ok(reason) => Some(reason),
                Err(why) => return failed(StatusCode::UNPROCESSABLE_ENTITY, &why),
            },
            None => None,
        };
        let decision = match wanted.decision {
            Word::Accept => Decision::Accept,
            Word::Reject => Decision::Reject,
            Word::Skip => Decision::Skip,
        };
        match self.desk.decide(&ids, decision, reason.as_ref()) {
            Ok(()) => self.moved(&ids),
            Err(refusal) => self.refused(&refusal),
        }
    }

    fn undo(&mut self, wanted: &Back) -> Reply {
        if wanted.steps != self.desk.session.steps() {
            let all: Vec<usize> = (0..self.desk.session.pending.len()).collect();
            let why = "another window decided something since; look again";
            return failed_with(StatusCode::CONFLICT, why, view::moved(&self.desk, &all));
        }
        match self.desk.undo() {
            Ok(ids) => self.moved(&ids),
            Err(refusal) => self.refused(&refusal),
        }
    }

    fn moved(&self, ids: &[usize]) -> Reply {
        said(StatusCode::OK, &view::moved(&self.desk, ids))
    }

    fn refused(&self, refusal: &Refusal) -> Reply {
        let (status, ids) = match refusal {
            Refusal::Changed(ids) => (StatusCode::CONFLICT, ids.as_slice()),
            Refusal::Decided | Refusal::NothingToUndo | Refusal::CannotUndo(_) => (StatusCode::CONFLICT, [].as_slice()),
            Refusal::NeedsReason(_) | Refusal::FailingTogether => (StatusCode::UNPROCESSABLE_ENTITY, [].as_slice()),
            Refusal::Unreadable(_) | Refusal::Unwritten(_) => (StatusCode::INTERNAL_SERVER_ERROR, [].as_slice()),
        };
        failed_with(status, &refusal.to_string(), view::moved(&self.desk, ids))
    }
}

/// The page itself.
fn page() -> Reply {
    let page = Page {
        title: "Review · promptctl",
        body: include_str!("review.html"),
        styles: &[STYLE, include_str!("review.css")],
        scripts: &[PAGE, DIFFERENCE, include_str!("review.js")],
        data: None,
        talks: true,
    };
    let mut reply = plain(StatusCode::OK, "text/html; charset=utf-8", page.html().into_bytes());
    // As a header it can also forbid to be framed.
    if let Ok(policy) = HeaderValue::from_str(&format!("{}; frame-ancestors 'none'", page.policy())) {
        reply.headers_mut().insert(header::CONTENT_SECURITY_POLICY, policy);
    }
    reply
}

/// An answer that says nothing.
#[must_use]
pub fn refuse(status: StatusCode) -> Reply {
    plain(status, "text/plain; charset=utf-8", Vec::new())
}

fn said(status: StatusCode, value: &Value) -> Reply {
    plain(status, "application/json", value.to_string().into_bytes())
}

fn failed(status: StatusCode, why: &str) -> Reply {
    failed_with(status, why, json!({ "items": [] }))
}

fn failed_with(status: StatusCode, why: &str, mut value: Value) -> Reply {
    value["error"] = terminal_line(why).into();
    said(status, &value)
}

/// What every answer carries, whatever it is.
fn plain(status: StatusCode, kind: &'static str, body: Vec<u8>) -> Reply {
    let mut reply = Response::new(body);
    *reply.status_mut() = status;
    for (name, value) in [
        (header::CONTENT_TYPE, kind),
        (header::CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::CACHE_CONTROL, "no-store"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    ] {
        reply.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    reply
}
