//! Expectations on the text of an answer: equal to, containing, beginning, ending, matching.

use std::sync::Arc;

use serde_json::Value;

use super::argument::Arguments;
use super::shown::{form_hint, quoted};
use super::wanted::{How as Exactly, Template, Wanted};
use super::{Check, Finding, Subject, Written};
use crate::core::yaml::Data;
use crate::prompt::Inline;

/// How a regex of the larger kind may go back before it gives up.
pub(super) const BACKTRACKS: usize = 1_000_000;

/// How a text is compared with the answer.
#[derive(Clone, Copy)]
enum How {
    Equals,
    Contains,
    StartsWith,
    EndsWith,
}

/// One text, compared in one way.
struct OneText {
    how: How,
    fold: bool,
    text: Inline,
}

struct BoundText {
    how: How,
    fold: bool,
    text: String,
}

impl Written for OneText {
    fn variables(&self) -> Vec<String> {
        self.text.variables().to_vec()
    }

    fn bind(&self, variables: &minijinja::Value) -> Result<Arc<dyn Check>, String> {
        let text = self.text.render(variables)?;
        if text.is_empty() {
            return Err("the value is empty for this case, so it would hold for every answer".into());
        }
        let text = if self.fold { text.to_lowercase() } else { text };
        Ok(Arc::new(BoundText { how: self.how, fold: self.fold, text }))
    }
}

impl Check for BoundText {
    fn check(&self, subject: &Subject<'_>) -> Finding {
        let answer = &subject.response.text;
        let folded = self.fold.then(|| answer.to_lowercase());
        let text = folded.as_deref().unwrap_or(answer);
        let (holds, verb) = match self.how {
            How::Equals => (text == self.text, "equal to"),
            How::Contains => (text.contains(&self.text), "containing"),
            How::StartsWith => (text.starts_with(&self.text), "beginning with"),
            How::EndsWith => (text.ends_with(&self.text), "ending with"),
        };
        let hint = if matches!(self.how, How::Equals) { form_hint(text, &self.text) } else { "" };
        Finding::new(holds, format!("expected an answer {verb} {}; it is {}{hint}", quoted(&self.text), quoted(answer)))
    }
}

fn one_text(arguments: &mut Arguments<'_, '_, '_>, how: How, fold: bool) -> Option<Box<dyn Written>> {
    Some(Box::new(OneText { how, fold, text: arguments.text()? }))
}

pub(super) fn contains(arguments: &mut Arguments<'_, '_, '_>) -> Option<Box<dyn Written>> {
    one_text(arguments, How::Contains, false)
}

pub(super) fn icontains(arguments: &mut Arguments<'_, '_, '_>) -> Option<Box<dyn Written>> {
    one_text(arguments, How::Contains, true)
}

pub(super) fn starts_with(arguments: &mut Arguments<'_, '_, '_>) -> Option<Box<dyn Written>> {
    one_text(arguments, How::StartsWith, false)
}

pub(super) fn ends_with(arguments: &mut Arguments<'_, '_, '_>) -> Option<Box<dyn Written>> {
    one_text(arguments, How::EndsWith, false)
}

/// A mapping or a list equals the answer's JSON; anything else equals its text.
pub(super) fn equals(arguments: &mut Arguments<'_, '_, '_>) -> Option<Box<dyn Written>> {
    let node = arguments.required("a value")?;
    match &node.data {
        Data::Map(_) | Data::List(_) => Some(Box::new(EqualJson(Template::read(arguments, node)?))),
        Data::Bool(value) => {
            let text = arguments.inline(node, &value.to_string())?;
            Some(Box::new(OneText { how: How::Equals, fold: false, text }))
        }
        _ => one_text(arguments, How::Equals, false),
    }
}

struct EqualJson(Template);
struct BoundJson(Wanted);

impl Written for EqualJson {
    fn variables(&self) -> Vec<String> {
        self.0.variables()
    }

    fn bind(&self, variables: &minijinja::Value) -> Result<Arc<dyn Check>, String> {
        Ok(Arc::new(BoundJson(self.0.render(variables)?)))
    }
}

impl Check for BoundJson {
    fn check(&self, subject: &Subject<'_>) -> Finding {
        let wanted = self.0.shown();
        match serde_json::from_str::<Value>(&subject.response.text) {
            Ok(value) => {
                let mismatch = self.0.mismatch(&value, Exactly { exact: true, ..Exactly::default() });
                let reason = format!("expected {wanted}; the answer is {}", quoted(&value.to_string()));
                match mismatch {
                    None => Finding::new(true, reason),
                    Some(why) => Finding::new(false, format!("{reason}: {why}")),
                }
            }
            Err(error) => Finding::unread(format!("expected {wanted}; the answer is no JSON ({error})")),
        }
    }
}

/// Several texts, all or any of which must be in the answer.
struct SeveralTexts {
    all: bool,
    fold: bool,
    texts: Vec<Inline>,
}

struct BoundTexts {
    all: bool,
    fold: bool,
    texts: Vec<String>,
}

impl Written for SeveralTexts {
    fn variables(&self) -> Vec<String> {
        self.texts.iter().flat_map(|text| text.variables().iter().cloned()).collect()
    }

    fn bind(&self, variables: &minijinja::Value) -> Result<Arc<dyn Check>, String> {
        let mut texts = Vec::with_capacity(self.texts.len());
        for inline in &self.texts {
            let text = inline.render(variables)?;
            if text.is_empty() {
                return Err("one of the texts is empty for this case, so every answer contains it".into());
            }
            texts.push(if self.fold { text.to_lowercase() } else { text });
        }
        Ok(Arc::new(BoundTexts { all: self.all, fold: self.fold, texts }))
    }
}

impl Check for BoundTexts {
    fn check(&self, subject: &Subject<'_>) -> Finding {
        let answer = &subject.response.text;
        let folded = self.fold.then(|| answer.to_lowercase());
        let text = folded.as_deref().unwrap_or(answer);
        let (found, missing): (Vec<&String>, Vec<&String>) =
            self.texts.iter().partition(|wanted| text.contains(wanted.as_str()));
        let list = |texts: &[&String]| texts.iter().map(|t| quoted(t)).collect::<Vec<_>>().join(", ");
        let holds = if self.all { missing.is_empty() } else { !found.is_empty() };
        let reason = match (holds, self.all) {
            (true, _) => format!("the answer contains {}", list(&found)),
            (false, true) => format!("the answer lacks {}; it is {}", list(&missing), quoted(answer)),
            (false, false) => format!("the answer contains none of {}; it is {}", list(&missing), quoted(answer)),
        };
        Finding::new(holds, reason)
    }
}

fn several_texts(arguments: &mut Arguments<'_, '_, '_>, all: bool, fold: bool) -> Option<Box<dyn Written>> {
    Some(Box::new(SeveralTexts { all, fold, texts: arguments.texts()? }))
}

pub(super) fn contains_all(arguments: &mut Arguments<'_, '_, '_>) -> Option<Box<dyn Written>> {
    several_texts(arguments, true, false)
}

pub(super) fn contains_any(arguments: &mut Arguments<'_, '_, '_>) -> Option<Box<dyn Written>> {
    several_texts(arguments, false, false)
}

pub(super) fn icontains_all(arguments: &mut Arguments<'_, '_, '_>) -> Option<Box<dyn Written>> {
    several_texts(arguments, true, true)
}

pub(super) fn icontains_any(arguments: &mut Arguments<'_, '_, '_>) -> Option<Box<dyn Written>> {
    several_texts(arguments, false, true)
}

/// A regular expression: the `regex` crate's syntax, and `fancy-regex` where that refuses (lookaround, backreferences).
struct Pattern {
    pattern: Inline,
    flags: String,
}

enum BoundPattern {
    Plain(regex::Regex),
    Fancy(Box<fancy_regex::Regex>),
}

pub(super) fn regex(arguments: &mut Arguments<'_, '_, '_>) -> Option<Box<dyn Written>> {
    let node = arguments.required("a regular expression")?;
    if !matches!(node.data, Data::Text(_)) {
        arguments.decoder.wrong_kind(node, "the value of `regex`", "text");
        return None;
    }
    let pattern = arguments.text()?;
    let flags = match arguments.flags {
        Some(node) => {
            let flags = arguments.decoder.text(node, "flags")?;
            if flags.is_empty() || !flags.chars().all(|c| "imsxu".contains(c)) {
                let message = "flags are letters of `i` (case), `m` (lines), `s` (dot matches all), `x`, `u`";
                arguments.decoder.error(node.span.clone(), message);
                return None;
            }
            flags
        }
        None => String::new(),
    };
    Some(Box::new(Pattern { pattern, flags }))
}

impl Written for Pattern {
    fn variables(&self) -> Vec<String> {
        self.pattern.variables().to_vec()
    }

    fn bind(&self, variables: &minijinja::Value) -> Result<Arc<dyn Check>, String> {
        let text = self.pattern.render(variables)?;
        let pattern = if self.flags.is_empty() { text } else { format!("(?{}){text}", self.flags) };
        let bound = compile_pattern(&pattern)?;
        if bound.matches_anything() {
            return Err(format!("the regex `{pattern}` matches every answer"));
        }
        Ok(Arc::new(bound))
    }
}

fn compile_pattern(pattern: &str) -> Result<BoundPattern, String> {
    let plain = match regex::Regex::new(pattern) {
        Ok(regex) => return Ok(BoundPattern::Plain(regex)),
        Err(error) => error,
    };
    match fancy_regex::RegexBuilder::new(pattern).backtrack_limit(BACKTRACKS).build() {
        Ok(regex) => Ok(BoundPattern::Fancy(Box::new(regex))),
        Err(_) => {
            let text = plain.to_string();
            let why = text.lines().last().unwrap_or(&text).trim_start_matches("error: ");
            Err(format!("the regex `{pattern}` does not compile: {why}"))
        }
    }
}

impl BoundPattern {
    /// Whether it matches whatever one can think of: letters, blanks, one character, many, several lines.
    fn matches_anything(&self) -> bool {
        let long = "x ".repeat(5_000);
        ["\u{1}", "a", "7", " ", "é", "\n", "a\n\nb", &long].iter().all(|text| self.matches(text))
    }

    fn matches(&self, text: &str) -> bool {
        match self {
            Self::Plain(regex) => regex.is_match(text),
            Self::Fancy(regex) => regex.is_match(text).unwrap_or(false),
        }
    }
}

impl Check for BoundPattern {
    fn check(&self, subject: &Subject<'_>) -> Finding {
        let answer = &subject.response.text;
        let (found, source) = match self {
            Self::Plain(regex) => (Ok(regex.find(answer).map(|m| m.as_str().to_owned())), regex.as_str()),
            Self::Fancy(regex) => (
                regex.find(answer).map(|found| found.map(|m| m.as_str().to_owned())).map_err(|e| e.to_string()),
                regex.as_str(),
            ),
        };
        match found {
            Ok(Some(text)) => Finding::new(true, format!("`{source}` matches {}", quoted(&text))),
            Ok(None) => Finding::new(false, format!("nothing matches `{source}` in {}", quoted(answer))),
            Err(why) => Finding::unknown(format!("`{source}` gave up: {why}")),
        }
    }
}
