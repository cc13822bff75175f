//! Why an answer could not be had.

use std::fmt;
use std::time::Duration;

use crate::core::escape::terminal_line;
use crate::core::redact::Secrets;

/// The kinds of fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FaultKind {
    /// The key is wrong, missing or not allowed to do this.
    Credentials,
    /// The server knows no such model or address.
    NotFound,
    /// The request is refused as it is.
    BadRequest,
    /// Too many requests, or the account is used up.
    RateLimited,
    /// The server failed.
    Server,
    /// No connection, or it broke.
    Connection,
    /// The connection is not trusted.
    Tls,
    /// No answer in time.
    Timeout,
    /// An answer that is not what the protocol promises.
    Protocol,
    /// A program that could not be run, or that failed.
    Program,
}

/// Why an answer could not be had.
#[derive(Clone, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each says another thing about what to do now")]
pub struct Fault {
    /// The kind.
    pub kind: FaultKind,
    /// What happened.
    pub message: String,
    /// What to do.
    pub help: Option<String>,
    /// How many times the request was sent.
    pub attempts: u32,
    /// Whether sending it again may help.
    pub(super) again: bool,
    /// Whether every other request will fare the same.
    pub(super) fatal: bool,
    /// Whether it was not sent at all, because others before it failed.
    pub unasked: bool,
    /// Whether the vendor may have counted the tokens all the same.
    pub billable: bool,
    /// How long the server asks to be left alone.
    pub(super) wait: Option<Duration>,
}

/// How much of a body a message shows, in characters, and how much a trace does.
const SHOWN: usize = 200;
const TRACED: usize = 4000;

impl Fault {
    pub(super) fn new(kind: FaultKind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
            help: None,
            attempts: 1,
            again: false,
            fatal: false,
            unasked: false,
            billable: false,
            wait: None,
        }
    }

    /// The fault of a request that was not sent.
    pub(super) fn unasked(why: impl Into<String>) -> Self {
        Self { unasked: true, ..Self::new(FaultKind::Server, why) }
    }

    pub(super) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    pub(super) fn again(mut self, again: bool) -> Self {
        self.again = again;
        self
    }

    /// The same message for what is really the other fault.
    pub(super) fn like(self, other: Self) -> Self {
        Self { message: self.message, ..other }
    }

    pub(super) fn billable(mut self) -> Self {
        self.billable = true;
        self
    }

    pub(super) fn fatal(mut self) -> Self {
        self.fatal = true;
        self
    }

    /// The same without any key in it.
    pub(super) fn redacted(mut self, secrets: &Secrets) -> Self {
        for text in [Some(&mut self.message), self.help.as_mut()].into_iter().flatten() {
            *text = secrets.clean(text);
        }
        self
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        if self.attempts > 1 {
            write!(f, " (tried {} times)", self.attempts)?;
        }
        match &self.help {
            Some(help) => write!(f, "; {help}"),
            None => Ok(()),
        }
    }
}

/// The beginning of a body, harmless and on one line.
pub(super) fn start_of(body: &[u8]) -> String {
    beginning(body, SHOWN)
}

/// As [`start_of`], for whoever wants to see nearly all of it.
pub(super) fn excerpt(body: &[u8]) -> String {
    beginning(body, TRACED)
}

fn beginning(body: &[u8], most: usize) -> String {
    let text = String::from_utf8_lossy(&body[..body.len().min(most * 4)]);
    let mut start: String = text.chars().take(most).collect();
    if start.len() < body.len() && text.chars().nth(most).is_some() {
        start.push('…');
    }
    terminal_line(&start).into_owned()
}
