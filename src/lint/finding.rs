//! What a rule found: where, what, what to do, and the key under which it is known again when lines move.

use std::ops::Range;
use std::sync::Arc;

use super::registry::{Check, Rule};
use crate::core::digest::sha256_hex;
use crate::core::problem::Source;
use crate::core::redact::Secrets;
use crate::project::Level;

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

/// Something that a rule has against a project.
#[derive(Clone, Debug)]
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
    /// What it is about, whatever line that is in.
    subject: Option<String>,
}

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
            subject: None,
        }
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

    /// By what it is known again: the rule and what it is about, and neither the file nor the line.
    #[must_use]
    pub fn key(&self) -> String {
        let text = || self.source.text.get(self.span.clone()).unwrap_or_default();
        let subject = self.subject.clone().unwrap_or_else(|| super::text::normalised(text()));
        sha256_hex(format!("{}\n{subject}", self.rule.code).as_bytes())[..32].to_owned()
    }
}
