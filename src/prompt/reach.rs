//! What a template reaches: the partials that it names, and where it mentions a name.

use std::ops::Range;

use minijinja::machinery::{Token, tokenize};
use minijinja::syntax::SyntaxConfig;

/// A template that another one includes, imports or extends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Reached {
    /// The name as it was written; `None` where it is an expression, known only when rendered.
    pub(super) name: Option<String>,
    /// Where it stands, in bytes.
    pub(super) span: Range<usize>,
    /// Whether the template may be absent (`ignore missing`).
    pub(super) optional: bool,
}

/// The tokens of a template's body, as far as they can be read, each with its bytes.
pub(crate) fn tokens(body: &str) -> Vec<(Token<'_>, Range<usize>)> {
    tokenize(body, false, SyntaxConfig::default())
        .map_while(Result::ok)
        .map(|(token, span)| (token, span.start_offset as usize..span.end_offset as usize))
        .collect()
}

/// Every template that `body` reaches by `include`, `import`, `from … import` or `extends`.
pub(super) fn reached(body: &str) -> Vec<Reached> {
    let tokens = tokens(body);
    let mut found = Vec::new();
    for (i, window) in tokens.windows(2).enumerate() {
        let (Token::BlockStart, Token::Ident("include" | "import" | "from" | "extends")) = (&window[0].0, &window[1].0)
        else {
            continue;
        };
        let block = &tokens[i + 2..];
        let end = block.iter().position(|(token, _)| matches!(token, Token::BlockEnd)).unwrap_or(block.len());
        found.extend(named(&block[..end]));
    }
    found
}

/// The names behind the keyword: one text, a list of texts, or an expression.
fn named(block: &[(Token<'_>, Range<usize>)]) -> Vec<Reached> {
    let optional = block.iter().any(|(token, _)| matches!(token, Token::Ident("missing")));
    let listed = block.first().is_some_and(|(token, _)| matches!(token, Token::BracketOpen | Token::ParenOpen));
    let text = |token: &Token<'_>| match token {
        Token::Str(text) => Some((*text).to_owned()),
        Token::String(text) => Some(text.to_string()),
        _ => None,
    };
    // Of a list the first that exists is taken, so each alone may be absent.
    let names: Vec<Reached> = block
        .iter()
        .take(if listed { block.len() } else { 1 })
        .filter_map(|(token, span)| {
            Some(Reached { name: Some(text(token)?), span: span.clone(), optional: optional || listed })
        })
        .collect();
    let follows = block.get(1).map(|(token, _)| token);
    let whole = listed || matches!(follows, None | Some(Token::Ident("ignore" | "as" | "import" | "with" | "without")));
    if !names.is_empty() && whole {
        return names;
    }
    let span = block.first().map_or(0..0, |(_, span)| span.clone());
    vec![Reached { name: None, span, optional: true }]
}

/// The first place where a template mentions a variable.
pub(super) fn mention(body: &str, name: &str) -> Option<Range<usize>> {
    tokens(body)
        .into_iter()
        .find(|(token, _)| matches!(token, Token::Ident(ident) if *ident == name))
        .map(|(_, span)| span)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(body: &str) -> Vec<Option<String>> {
        reached(body).into_iter().map(|r| r.name).collect()
    }

    #[test]
    fn named_templates_are_found() {
        let body = r#"{% include "_a.j2" %}{%- import '_b.j2' as b -%}{% from "_c.j2" import x %}{% extends "_d.j2" %}
            {% include ["_e.j2", "_f.j2"] ignore missing %} {{ "include '_no.j2'" }} {# {% include "_no.j2" %} #}"#;
        let some = |name: &str| Some(name.to_owned());
        assert_eq!(
            names(body),
            [some("_a.j2"), some("_b.j2"), some("_c.j2"), some("_d.j2"), some("_e.j2"), some("_f.j2")]
        );
    }

    #[test]
    fn an_expression_is_known_only_when_rendered() {
        assert_eq!(names("{% include kind ~ '.j2' %}"), [None]);
        assert_eq!(names("{% include 'a' ~ kind %}"), [None]);
    }

    #[test]
    fn a_mention_has_its_place() {
        let body = "Hello {{ user.name }}";
        assert_eq!(mention(body, "user").map(|span| &body[span]), Some("user"));
    }
}
