//! What Python's Jinja2 makes otherwise of a template: for prompts that an application renders with that.
//!
//! The list is held against Jinja2 itself by `scripts/jinja2`: what is told differs there, and what is not told does not.

use std::ops::Range;

use minijinja::machinery::Token;

use super::look::{Look, Sink};
use super::text::Template;
use crate::prompt::tokens;

/// A name, what Jinja2 does otherwise, and what to write instead.
type Differs = (&'static str, &'static str, &'static str);

const QUOTES: &str = "Jinja2 writes quotes as `&#34;` and `&#39;`, and here they are `&quot;` and `&#x27;`";
const FILTERS: [Differs; 10] = [
    ("attr", "of a mapping, Jinja2's filter `attr` gives nothing", "write `.name` or `['name']`"),
    ("bool", "Jinja2 has no filter `bool`", "ask with `if`"),
    ("chain", "Jinja2 has no filter `chain`", "add the lists: `a + b`"),
    ("e", QUOTES, "escape the value in the application"),
    ("escape", QUOTES, "escape the value in the application"),
    ("lines", "Jinja2 has no filter `lines`", "write `.splitlines()`"),
    ("pprint", "Jinja2's filter `pprint` breaks lines elsewhere", "loop over the value"),
    ("split", "Jinja2 has no filter `split`", "write `.split(…)`"),
    (
        "tojson",
        "Jinja2's filter `tojson` sorts keys, and writes what is not ASCII as `\\u…`",
        "give the JSON as a text, or set Jinja2's policy `json.dumps_kwargs`",
    ),
    ("zip", "Jinja2 has no filter `zip`", "loop over one and take the other's `[loop.index0]`"),
];
const TESTS: [Differs; 5] = [
    ("endingwith", "Jinja2 has no test `endingwith`", "write `.endswith(…)`"),
    ("int", "Jinja2 has no test `int`", "write `is integer`"),
    ("safe", "Jinja2 has no test `safe`", "write `is escaped`"),
    (
        "sequence",
        "of texts and mappings, the test `sequence` holds in Jinja2 and not here",
        "ask for `string` or `mapping`, too",
    ),
    ("startingwith", "Jinja2 has no test `startingwith`", "write `.startswith(…)`"),
];
const METHODS: [Differs; 1] = [(
    "title",
    "Jinja2's `.title()` begins a word behind everything that is no letter: `It'S`",
    "write the filter: `| title`",
)];
const TAGS: [Differs; 4] = [
    ("autoescape", QUOTES, "escape the value in the application"),
    (
        "break",
        "Jinja2 knows `break` with the extension `jinja2.ext.loopcontrols` only",
        "load it, or filter the loop: `for … if …`",
    ),
    (
        "continue",
        "Jinja2 knows `continue` with the extension `jinja2.ext.loopcontrols` only",
        "load it, or filter the loop: `for … if …`",
    ),
    ("do", "Jinja2 knows `do` with the extension `jinja2.ext.do` only", "load it, or write `set`"),
];
/// Filters that give a list here, and something in Jinja2 that can be walked through once.
const LAZY: [&str; 8] = ["batch", "items", "map", "reject", "rejectattr", "select", "selectattr", "unique"];
/// Filters that want a list.
const OF_LISTS: [&str; 6] = ["count", "last", "length", "reverse", "string", "tojson"];

struct Reader<'t> {
    tokens: Vec<(Token<'t>, Range<usize>)>,
}

impl Reader<'_> {
    fn name(&self, at: usize) -> Option<&str> {
        match self.tokens.get(at).map(|(token, _)| token) {
            Some(Token::Ident(name)) => Some(name),
            _ => None,
        }
    }

    fn is(&self, at: usize, wanted: fn(&Token<'_>) -> bool) -> bool {
        self.tokens.get(at).is_some_and(|(token, _)| wanted(token))
    }

    /// Whether what stands at a place is the name of another template.
    fn is_named(&self, at: usize) -> bool {
        let keyword = at.checked_sub(1).and_then(|at| self.name(at));
        matches!(keyword, Some("include" | "import" | "from" | "extends"))
            && self.is(at.saturating_sub(2), |token| matches!(token, Token::BlockStart))
    }

    /// Behind the arguments of what is called at a place, where it has any.
    fn behind(&self, at: usize) -> usize {
        if !self.is(at, |token| matches!(token, Token::ParenOpen)) {
            return at;
        }
        let mut depth = 0_usize;
        for (place, (token, _)) in self.tokens.iter().enumerate().skip(at) {
            match token {
                Token::ParenOpen => depth += 1,
                Token::ParenClose if depth == 1 => return place + 1,
                Token::ParenClose => depth -= 1,
                _ => {}
            }
        }
        self.tokens.len()
    }

    /// What is wrong with using what a lazy filter gives, whose name stands at a place, as a list.
    fn lazy(&self, at: usize, is_condition: bool) -> Option<&'static str> {
        let next = self.behind(at + 1);
        match self.tokens.get(next).map(|(token, _)| token) {
            Some(Token::VariableEnd) => Some("printed, it is `<generator object …>` in Jinja2"),
            Some(Token::Pipe) => {
                let wants = self.name(next + 1).is_some_and(|name| OF_LISTS.contains(&name));
                wants.then_some("in Jinja2 it is no list, and the next filter wants one")
            }
            Some(Token::ParenClose) if self.is(next + 1, |token| matches!(token, Token::BracketOpen)) => {
                Some("in Jinja2 it is no list that one could take an element of")
            }
            Some(Token::BlockEnd | Token::Ident("and" | "or")) if is_condition => {
                Some("as a condition it always holds in Jinja2")
            }
            _ => None,
        }
    }
}

fn find(all: &[Differs], name: &str) -> Option<Differs> {
    all.iter().find(|(known, ..)| *known == name).copied()
}

/// What Jinja2 does not know, or does otherwise.
pub(super) fn differs(_: &Look<'_>, template: &Template, sink: &mut Sink) {
    let body = &template.source.text[template.body..];
    let start = template.body;
    let reader = Reader { tokens: tokens(body) };
    let mut is_condition = false;
    for (at, (token, span)) in reader.tokens.iter().enumerate() {
        let mut tell = |found: Option<Differs>, at: usize| {
            if let (Some((_, why, instead)), Some((_, span))) = (found, reader.tokens.get(at)) {
                sink.of(template, start + span.start..start + span.end, why).help(instead);
            }
        };
        let next = reader.name(at + 1);
        match token {
            Token::BlockStart => {
                is_condition = matches!(next, Some("if" | "elif"));
                tell(next.and_then(|name| find(&TAGS, name)), at + 1);
            }
            Token::VariableStart => is_condition = false,
            Token::Pipe => {
                tell(next.and_then(|name| find(&FILTERS, name)), at + 1);
                let lazy = next.filter(|name| LAZY.contains(name)).and_then(|_| reader.lazy(at + 1, is_condition));
                tell(lazy.map(|why| ("", why, "make a list of it first: `| list`")), at + 1);
            }
            Token::Dot if reader.is(at + 2, |token| matches!(token, Token::ParenOpen)) => {
                tell(next.and_then(|name| find(&METHODS, name)), at + 1);
            }
            Token::Ident("is") => {
                let at = if next == Some("not") { at + 2 } else { at + 1 };
                tell(reader.name(at).and_then(|name| find(&TESTS, name)), at);
            }
            Token::Str(name) if reader.is_named(at) && (name.starts_with("./") || name.starts_with("../")) => {
                let why = "Jinja2 looks a name up from its search path, and not from the template's folder";
                sink.of(template, start + span.start..start + span.end, why)
                    .help("write the whole name, from `prompts/` on");
            }
            _ => {}
        }
    }
}
