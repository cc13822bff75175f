//! Taking a template apart into what the model reads and what the engine does.

use std::ops::Range;
use std::sync::LazyLock;

use minijinja::machinery::{Token, tokenize};
use minijinja::syntax::SyntaxConfig;
use regex::Regex;

use super::{Comment, Print, Speaker, Tag};
use crate::core::record::Role;
use crate::prompt::opens_raw;

static COMMENT: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"(?s)\{#[-+]?(.*?)[-+]?#\}").ok());

/// A template while it is read.
pub(super) struct Reader<'t> {
    text: &'t str,
    body: usize,
    pub(super) mask: Vec<u8>,
    /// Who speaks from an offset on.
    pub(super) speakers: Vec<(usize, Speaker)>,
    pub(super) prints: Vec<Print>,
    pub(super) comments: Vec<Comment>,
    pub(super) tags: Vec<Tag>,
    pub(super) raw: Vec<Range<usize>>,
}

impl<'t> Reader<'t> {
    pub(super) fn new(text: &'t str, body: usize, is_partial: bool) -> Self {
        // Everything is blank until it turns out to be text.
        let mask = text.bytes().map(|b| if b == b'\n' { b'\n' } else { b' ' }).collect();
        let first = if is_partial { Speaker::Unknown } else { Speaker::User };
        let (prints, comments, tags, raw) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        Self { text, body, mask, speakers: vec![(body, first)], prints, comments, tags, raw }
    }

    pub(super) fn read(&mut self) {
        let body = &self.text[self.body..];
        let mut end = 0;
        let mut open: Option<(usize, bool, Vec<Token<'t>>)> = None;
        for (token, span) in tokenize(body, false, SyntaxConfig::default()).map_while(Result::ok) {
            let (from, to) = (span.start_offset as usize, span.end_offset as usize);
            match (token, &mut open) {
                (Token::TemplateData(data), _) => {
                    // A slice of the body: white space that a tag takes away is not in it.
                    let at = data.as_ptr() as usize - body.as_ptr() as usize;
                    self.gap(end..at);
                    if opens_raw(body.get(end..at).unwrap_or_default()) {
                        self.raw.push(self.body + at..self.body + at + data.len());
                    }
                    self.mask[self.body + at..self.body + at + data.len()].copy_from_slice(data.as_bytes());
                    end = at + data.len();
                }
                (start @ (Token::VariableStart | Token::BlockStart), _) => {
                    self.gap(end..from);
                    open = Some((from, matches!(start, Token::VariableStart), Vec::new()));
                }
                (Token::VariableEnd | Token::BlockEnd, opened) => {
                    if let Some((from, is_print, tokens)) = opened.take() {
                        self.tag(from..to, is_print, &tokens);
                    }
                    end = to;
                }
                (token, Some((_, _, tokens))) => tokens.push(token),
                (_, None) => {}
            }
        }
        self.gap(end..body.len());
    }

    /// What lies between tags and text: comments, and white space that is not sent.
    fn gap(&mut self, range: Range<usize>) {
        let Some(text) = self.text[self.body..].get(range.clone()).filter(|text| text.contains("{#")) else { return };
        for found in COMMENT.iter().flat_map(|regex| regex.captures_iter(text)) {
            let at = self.body + range.start;
            if let (Some(whole), Some(inner)) = (found.get(0), found.get(1)) {
                let moved = |range: Range<usize>| at + range.start..at + range.end;
                self.comments.push(Comment { span: moved(whole.range()), text: moved(inner.range()) });
            }
        }
    }

    fn tag(&mut self, range: Range<usize>, is_print: bool, tokens: &[Token<'t>]) {
        let span = self.body + range.start..self.body + range.end;
        if !is_print {
            if let Some((Token::Ident(keyword), rest)) = tokens.split_first() {
                let speaker = self.speakers.last().map_or(Speaker::Unknown, |(_, speaker)| *speaker);
                self.tags.push(Tag {
                    span,
                    keyword: (*keyword).to_owned(),
                    names: names(&rest.iter().collect::<Vec<_>>()),
                    speaker,
                });
            }
            return;
        }
        if let [Token::Ident("role"), Token::ParenOpen, role, ..] = tokens {
            let name = match role {
                Token::Str(name) => Some((*name).to_owned()),
                Token::String(name) => Some(name.to_string()),
                _ => None,
            };
            let speaker = match name.as_deref().and_then(Role::parse) {
                Some(Role::System | Role::Developer) => Speaker::System,
                Some(Role::User) => Speaker::User,
                Some(Role::Assistant) => Speaker::Assistant,
                Some(Role::Tool) => Speaker::Tool,
                None => Speaker::Unknown,
            };
            self.speakers.push((span.end, speaker));
            return;
        }
        let speaker = self.speakers.last().map_or(Speaker::Unknown, |(_, speaker)| *speaker);
        for at in span.clone() {
            if self.mask[at] != b'\n' {
                self.mask[at] = 1;
            }
        }
        self.prints.push(Print { span, names: printed(tokens), speaker });
    }
}

/// The names of what an expression prints: no condition, no comparison, nothing of which only the length is told.
fn printed(tokens: &[Token<'_>]) -> Vec<String> {
    let (mut depth, mut is_condition) = (0_i32, false);
    let mut values: Vec<Vec<&Token<'_>>> = vec![Vec::new()];
    for token in tokens {
        match token {
            Token::ParenOpen | Token::BracketOpen | Token::BraceOpen => depth += 1,
            Token::ParenClose | Token::BracketClose | Token::BraceClose => depth -= 1,
            Token::Ident("if") if depth == 0 => is_condition = true,
            Token::Ident("else") if depth == 0 => {
                is_condition = false;
                values.push(Vec::new());
            }
            _ => {}
        }
        if let (false, Some(value)) = (is_condition, values.last_mut()) {
            value.push(token);
        }
    }
    let is_told = |value: &&Vec<&Token<'_>>| {
        let compares = |token: &&Token<'_>| {
            matches!(
                token,
                Token::Eq | Token::Ne | Token::Gt | Token::Gte | Token::Lt | Token::Lte | Token::Ident("is")
            )
        };
        let counts = matches!(value.as_slice(), [.., Token::Pipe, Token::Ident("length" | "count" | "int" | "float")]);
        value.iter().any(|token| matches!(token, Token::Tilde)) || !(counts || value.iter().any(compares))
    };
    let mut all: Vec<String> = Vec::new();
    for name in values.iter().filter(is_told).flat_map(|value| names(value)) {
        if !all.contains(&name) {
            all.push(name);
        }
    }
    all
}

/// The names of an expression that are no attributes, filters or keywords.
fn names(tokens: &[&Token<'_>]) -> Vec<String> {
    const WORDS: [&str; 14] =
        ["if", "else", "and", "or", "not", "in", "is", "true", "false", "none", "True", "False", "None", "defined"];
    let mut names: Vec<String> = Vec::new();
    for (i, token) in tokens.iter().enumerate() {
        let Token::Ident(name) = token else { continue };
        let before = i.checked_sub(1).and_then(|i| tokens.get(i)).copied();
        let is_free = !matches!(before, Some(Token::Dot | Token::Pipe | Token::Ident("is")))
            && !matches!(tokens.get(i + 1).copied(), Some(Token::Assign));
        if is_free && !WORDS.contains(name) && !names.iter().any(|known| known == name) {
            names.push((*name).to_owned());
        }
    }
    names
}
