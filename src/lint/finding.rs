//! What a rule found: where, what, what to do, and the key under which it is known again when lines move.

use std::ops::Range;
use std::sync::Arc;

use jiff::civil::Date;

use super::registry::{Check, Rule, broken};
use crate::core::digest::sha256_hex;
use crate::core::problem::{Place, Problem, Source};
use crate::core::redact::Secrets;
use crate::core::words::counted;
use crate::project::{CONFIG_FILE, Level};
use crate::prompt::PROMPTS;

/// The longest text of a finding that is shown, in characters.
const LONGEST: usize = 120;

/// A change that needs nobody to decide anything: these bytes become that text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edit {
    /// Bytes of the file.
    pub span: Range<usize>,
    /// What stands there afterwards.
    pub text: String,
}

/// What a list of debts says of something: since when it is owed, to whom one turns, and what it stands in costs.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Owed {
    /// The day since which its line is there.
    pub since: Option<String>,
    /// How many days that are.
    pub days: Option<u32>,
    /// Who brought the line.
    pub by: Option<String>,
    /// USD of a request of its prompt, on the mean.
    pub request_usd: Option<f64>,
    /// Whether that is an estimate, and of what is read alone.
    pub is_estimate: bool,
}

/// Something that a rule has against a project.
#[derive(Clone, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each says another thing of it")]
pub struct Finding {
    /// The rule.
    pub rule: &'static Rule,
    /// How severe it is here.
    pub level: Level,
    /// The file.
    pub source: Arc<Source>,
    /// Bytes of the file.
    pub span: Range<usize>,
    /// What is wrong, as a lower-case fragment.
    pub message: String,
    /// What to do.
    pub help: String,
    /// Whether the line must not be shown: it holds what nobody should read.
    pub is_hidden: bool,
    /// Changes that mend it.
    pub edits: Vec<Edit>,
    /// Since when it is there, and what it costs, as far as that was asked and is known.
    pub owed: Owed,
    /// Whether its message says since when it is there.
    is_aged: bool,
    /// What it is about, whatever line that is in.
    subject: Option<String>,
    /// Whether it is known again in its own file alone.
    is_of_file: bool,
    /// How much it is: where that grows, it is new.
    amount: Option<f64>,
    /// What it consists of: where that becomes more, it is new. Never written, as it may be a key.
    parts: Vec<String>,
    /// Whether it is about a row of a data set: of many in a file one is shown.
    pub(super) is_row: bool,
}

/// By how much something may grow and still be what was there before.
const TOLERANCE: f64 = 1.1;

impl Finding {
    pub(super) fn new(
        rule: &'static Rule,
        level: Level,
        source: &Arc<Source>,
        span: Range<usize>,
        message: String,
    ) -> Self {
        Self {
            rule,
            level,
            source: Arc::clone(source),
            span,
            message,
            help: rule.fix.to_owned(),
            is_hidden: false,
            edits: Vec::new(),
            owed: Owed::default(),
            is_aged: false,
            subject: None,
            is_of_file: false,
            amount: None,
            parts: Vec::new(),
            is_row: false,
        }
    }

    /// What is wrong with a project that cannot be loaded, where it stands; what is nowhere, in the project's own file.
    pub(super) fn refused(problem: &Problem) -> Self {
        let (source, span) = match &problem.place {
            Place::Span(source, span) => (Arc::clone(source), span.clone()),
            Place::Line(path, line) => {
                let before = "\n".repeat(line.saturating_sub(1));
                let end = before.len();
                (Source::new(path.as_str(), before), end..end)
            }
            Place::File(path) => (Source::new(path.as_str(), ""), 0..0),
            Place::Nowhere => (Source::new(CONFIG_FILE, ""), 0..0),
        };
        let mut finding = Self::new(broken(problem.mistake), Level::Error, &source, span, problem.message.clone());
        finding.of_file(problem.message.as_str());
        finding.help(problem.help.as_deref().unwrap_or("every command refuses the project until this is mended"));
        finding
    }

    /// The same with another line on what to do.
    pub(super) fn help(&mut self, help: impl Into<String>) -> &mut Self {
        self.help = help.into();
        self
    }

    /// The same, known again by this instead of by its text.
    pub(super) fn about(&mut self, subject: impl Into<String>) -> &mut Self {
        self.subject = Some(subject.into());
        self
    }

    /// The same, known again by this in its own file alone, whatever that is called by then.
    pub(super) fn of_file(&mut self, subject: impl Into<String>) -> &mut Self {
        self.is_of_file = true;
        self.about(subject)
    }

    /// The same with how much it is.
    #[expect(clippy::cast_precision_loss, reason = "counts")]
    pub(super) fn amount(&mut self, amount: usize) -> &mut Self {
        self.amount = Some(amount as f64);
        self
    }

    /// The same with what it consists of.
    pub(super) fn parts(&mut self, parts: impl IntoIterator<Item = String>) -> &mut Self {
        self.parts = parts.into_iter().collect();
        self
    }

    /// The same about a row of a data set, or about something else.
    pub(super) fn row(&mut self, is_row: bool) -> &mut Self {
        self.is_row = is_row;
        self
    }

    /// The same with a change that mends it.
    pub(super) fn edit(&mut self, span: Range<usize>, text: impl Into<String>) -> &mut Self {
        self.edits.push(Edit { span, text: text.into() });
        self
    }

    /// The same, its line not shown.
    pub(super) fn hidden(&mut self) -> &mut Self {
        self.is_hidden = true;
        self
    }

    /// The same, told with its age.
    pub(super) fn aged(&mut self) -> &mut Self {
        self.is_aged = true;
        self
    }

    /// Whether it is told with its age.
    pub(super) fn is_aged(&self) -> bool {
        self.is_aged
    }

    /// Says since when it is there, and by whom.
    pub(super) fn date(&mut self, day: &str, by: &str, today: &str) {
        let age = today.parse::<Date>().ok().zip(day.parse::<Date>().ok());
        let age = age.and_then(|(today, day)| day.until(today).ok()).map_or(0, |span| span.get_days().max(0));
        self.owed.since = Some(day.to_owned());
        self.owed.days = Some(age.unsigned_abs());
        self.owed.by = Some(by.to_owned());
    }

    /// Says in its message, too, since when it is there.
    pub(super) fn tell_age(&mut self) {
        if let (true, Some(day), Some(days)) = (self.is_aged, &self.owed.since, self.owed.days) {
            self.message = format!("{}, since {day} ({})", self.message, counted(days.into(), "day", "days"));
        }
    }

    /// The same at a level of its own.
    pub(super) fn level(&mut self, level: Level) -> &mut Self {
        self.level = level;
        self
    }

    /// Whether it is about a waiver.
    #[must_use]
    pub fn is_of_waivers(&self) -> bool {
        matches!(self.rule.check, Check::Waiver)
    }

    /// The line and column, from 1.
    #[must_use]
    pub fn start(&self) -> (usize, usize) {
        self.source.line_column(self.span.start)
    }

    /// The line and column behind it, from 1.
    #[must_use]
    pub fn end(&self) -> (usize, usize) {
        self.source.line_column(self.span.end.max(self.span.start))
    }

    /// What it is about, as it is written, in one line; empty where that must not be shown.
    #[must_use]
    pub fn text(&self) -> String {
        if self.is_hidden {
            return String::new();
        }
        let text = self.source.text.get(self.span.clone()).unwrap_or_default();
        let line: String = text.split_whitespace().collect::<Vec<_>>().join(" ");
        Secrets::default().clean(&line.chars().take(LONGEST).collect::<String>())
    }

    fn subject(&self) -> String {
        let text = || self.source.text.get(self.span.clone()).unwrap_or_default();
        self.subject.clone().unwrap_or_else(|| super::text::normalised(text()))
    }

    /// By what it is known again: the rule and what it is about, and not the line. The file only where it is about that.
    #[must_use]
    pub fn key(&self) -> String {
        let subject = self.subject();
        let file = if self.is_of_file { self.source.path.as_str() } else { "" };
        sha256_hex(format!("{}\n{file}{subject}", self.rule.code).as_bytes())[..32].to_owned()
    }

    /// The rule and what it is about, without what its file is called, and whether it is about that file alone.
    pub(super) fn identity(&self) -> (String, bool) {
        let (subject, path) = (self.subject(), self.source.path.as_str());
        let own = path.strip_prefix(PROMPTS).map_or(path, |below| below.trim_start_matches('/'));
        let within = |name: &str| {
            let is_part = |rest: &&str| rest.is_empty() || rest.starts_with(' ');
            let behind = subject.strip_prefix(name).filter(is_part);
            behind.or_else(|| subject.strip_suffix(name).filter(|rest| rest.is_empty() || rest.ends_with(' ')))
        };
        let of_file = within(own).or_else(|| within(path));
        let bound = self.is_of_file || of_file.is_some();
        (format!("{}\n{}", self.rule.code, of_file.unwrap_or(&subject)), bound)
    }

    /// Whether this, found before, is the other one: not less of the same.
    pub(super) fn covers(&self, other: &Self) -> bool {
        let is_enough = |(before, now): (f64, f64)| now <= before * TOLERANCE;
        self.amount.zip(other.amount).is_none_or(is_enough) && other.parts.iter().all(|part| self.parts.contains(part))
    }
}
