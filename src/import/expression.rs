//! An expression of Nunjucks as one of Jinja.

use std::ops::Range;

use super::template::own_name;

/// What is to be said of a part of an expression.
pub(super) struct Complaint {
    /// Where, in the expression.
    pub(super) range: Range<usize>,
    /// What.
    pub(super) message: String,
    /// What to do.
    pub(super) help: &'static str,
    /// Whether Jinja has no way to say it.
    pub(super) fatal: bool,
}

/// Filters that mean the same in both.
const SAME_FILTERS: [&str; 34] = [
    "abs",
    "batch",
    "capitalize",
    "d",
    "default",
    "dictsort",
    "e",
    "escape",
    "first",
    "float",
    "groupby",
    "indent",
    "int",
    "items",
    "last",
    "length",
    "list",
    "lower",
    "map",
    "reject",
    "rejectattr",
    "replace",
    "reverse",
    "round",
    "safe",
    "select",
    "selectattr",
    "slice",
    "split",
    "string",
    "title",
    "trim",
    "upper",
    "unique",
];

/// Tests that mean the same in both.
const SAME_TESTS: [&str; 25] = [
    "defined",
    "divisibleby",
    "eq",
    "equalto",
    "escaped",
    "even",
    "ge",
    "greaterthan",
    "gt",
    "iterable",
    "le",
    "lessthan",
    "lower",
    "lt",
    "mapping",
    "ne",
    "none",
    "number",
    "odd",
    "sameas",
    "string",
    "undefined",
    "upper",
    "in",
    "sequence",
];

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Kind {
    Blank,
    Text,
    Number,
    Word,
    Sign,
}

#[derive(Clone)]
struct Token<'s> {
    kind: Kind,
    text: &'s str,
    start: usize,
}

/// The expression in Jinja, and what is to be said of it.
pub(super) fn translate(source: &str) -> (String, Vec<Complaint>) {
    let tokens = tokens(source);
    let mut complaints = Vec::new();
    let out = Translator { tokens: &tokens, complaints: &mut complaints }.run();
    (out, complaints)
}

fn tokens(source: &str) -> Vec<Token<'_>> {
    let mut tokens = Vec::new();
    let mut at = 0;
    while let Some(c) = source[at..].chars().next() {
        let rest = &source[at..];
        let while_ = |test: &dyn Fn(char) -> bool| rest.find(|c| !test(c)).unwrap_or(rest.len());
        let (kind, length) = if c.is_whitespace() {
            (Kind::Blank, while_(&char::is_whitespace))
        } else if matches!(c, '"' | '\'') {
            (Kind::Text, text_length(rest, c))
        } else if c == 'r' && rest[1..].starts_with('/') {
            let end = rest[2..].find('/').map_or(rest.len(), |i| i + 3);
            let flags = rest[end..].find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(rest.len() - end);
            (Kind::Sign, end + flags)
        } else if c.is_ascii_digit() {
            (Kind::Number, while_(&|c| c.is_ascii_digit() || c == '.'))
        } else if c.is_alphabetic() || c == '_' || c == '$' {
            (Kind::Word, while_(&|c| c.is_alphanumeric() || c == '_' || c == '$'))
        } else {
            let signs = ["===", "!==", "==", "!=", ">=", "<=", "&&", "||", "**", "//"];
            let length = signs.iter().find(|sign| rest.starts_with(**sign)).map_or(c.len_utf8(), |sign| sign.len());
            (Kind::Sign, length)
        };
        tokens.push(Token { kind, text: &rest[..length], start: at });
        at += length;
    }
    tokens
}

fn text_length(rest: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, c) in rest.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            c if c == quote => return at + c.len_utf8(),
            _ => {}
        }
    }
    rest.len()
}

/// What a closing bracket becomes, and whether commas at its level do, too.
struct Level {
    start: usize,
    close: Option<String>,
    colon: bool,
}

struct Translator<'t, 's, 'c> {
    tokens: &'t [Token<'s>],
    complaints: &'c mut Vec<Complaint>,
}

impl<'s> Translator<'_, 's, '_> {
    fn complain(&mut self, token: &Token<'s>, fatal: bool, message: String, help: &'static str) {
        let range = token.start..token.start + token.text.len();
        self.complaints.push(Complaint { range, message, help, fatal });
    }

    /// The next token behind `at` that is no blank.
    fn next(&self, at: usize) -> Option<(usize, &Token<'s>)> {
        self.tokens.iter().enumerate().skip(at + 1).find(|(_, token)| token.kind != Kind::Blank)
    }

    fn before(&self, at: usize) -> Option<&Token<'s>> {
        self.tokens[..at].iter().rev().find(|token| token.kind != Kind::Blank)
    }

    fn run(mut self) -> String {
        let mut out = String::new();
        let mut levels: Vec<Level> = Vec::new();
        // Where the operand begins in `out` that a `.` or a bracket belongs to.
        let mut start = 0;
        let mut at = 0;
        while at < self.tokens.len() {
            let token = self.tokens[at].clone();
            let before = self.before(at).map(|token| token.text);
            match (token.kind, token.text) {
                (Kind::Word, word) => match before {
                    Some(".") => at = self.member(at, word, &mut out, start, &mut levels),
                    Some("|") => at = self.filter(at, word, &mut out),
                    _ if self.is_test(at) => out.push_str(&self.test(&token)),
                    _ => {
                        start = out.len();
                        out.push_str(&self.word(at, &token));
                    }
                },
                (Kind::Sign, "(" | "[" | "{") => {
                    let follows = before.is_some_and(|text| {
                        text.ends_with(|c: char| c.is_alphanumeric() || matches!(c, '_' | ')' | ']' | '"' | '\''))
                            && !matches!(text, "and" | "or" | "not" | "in" | "if" | "else" | "is")
                    });
                    if !follows {
                        start = out.len();
                    }
                    levels.push(Level { start, close: None, colon: false });
                    out.push_str(token.text);
                }
                (Kind::Sign, ")" | "]" | "}") => match levels.pop() {
                    Some(level) => {
                        start = level.start;
                        out.push_str(level.close.as_deref().unwrap_or(token.text));
                    }
                    None => out.push_str(token.text),
                },
                (Kind::Sign, ",") if levels.last().is_some_and(|level| level.colon) => out.push(':'),
                (Kind::Sign, "===") => out.push_str("=="),
                (Kind::Sign, "!==") => out.push_str("!="),
                (Kind::Sign, "&&") => out.push_str("and"),
                (Kind::Sign, "||") => out.push_str("or"),
                (Kind::Sign, "!") => out.push_str("not "),
                (Kind::Sign, text) if text.starts_with("r/") => {
                    let message = format!("the regular expression `{text}` is not carried over");
                    self.complain(&token, true, message, "prepare the value in the case instead");
                }
                (Kind::Text | Kind::Number, text) => {
                    start = out.len();
                    out.push_str(text);
                }
                (_, text) => out.push_str(text),
            }
            at += 1;
        }
        out
    }

    fn is_test(&self, at: usize) -> bool {
        let mut words = self.tokens[..at].iter().rev().filter(|token| token.kind != Kind::Blank);
        match words.next().map(|token| token.text) {
            Some("is") => self.tokens[at].text != "not",
            Some("not") => words.next().is_some_and(|token| token.text == "is"),
            _ => false,
        }
    }

    fn test(&mut self, token: &Token<'s>) -> String {
        if token.text == "null" {
            return "none".to_owned();
        }
        if !SAME_TESTS.contains(&token.text) {
            let message = format!("the test `{}` is not carried over", token.text);
            self.complain(token, true, message, "write the condition with a test that Jinja has");
        }
        token.text.to_owned()
    }

    /// A word that is neither a member, a filter nor a test.
    fn word(&mut self, at: usize, token: &Token<'s>) -> String {
        let next = self.next(at).map(|(_, token)| token.text);
        match token.text {
            "null" | "undefined" => "none".to_owned(),
            "and" | "or" | "not" | "in" | "is" | "if" | "else" | "true" | "false" | "none" | "loop" | "recursive" => {
                token.text.to_owned()
            }
            "env" if matches!(next, Some("." | "[")) => {
                let message = "the environment is out of reach of a prompt".to_owned();
                self.complain(token, true, message, "give the value as a variable of the case");
                String::new()
            }
            "_conversation" => {
                let message = "`_conversation` is not carried over: each case is one request".to_owned();
                self.complain(token, true, message, "write the turns before it into the prompt with role()");
                String::new()
            }
            name @ ("joiner" | "cycler") if next == Some("(") => {
                let message = format!("`{name}` is not carried over");
                self.complain(token, true, message, "use `loop.first`, `loop.last` or `loop.index` instead");
                String::new()
            }
            "range" | "caller" | "super" if next == Some("(") => token.text.to_owned(),
            // A keyword argument or a function of the template's own is no variable.
            name if next == Some("=") || next == Some("(") => name.to_owned(),
            name => own_name(name),
        }
    }

    /// What stands behind a dot. The dot is already in `out`.
    fn member(&mut self, at: usize, word: &str, out: &mut String, start: usize, levels: &mut Vec<Level>) -> usize {
        let call = self.next(at).filter(|(_, token)| token.text == "(").map(|(at, _)| at);
        let Some(open) = call else {
            if word == "length" && &out[start..] != "loop." {
                out.pop();
                out.insert(start, '(');
                out.push_str("|length)");
            } else {
                out.push_str(word);
            }
            return at;
        };
        let filter = match word {
            "toUpperCase" => "upper",
            "toLowerCase" => "lower",
            "toString" => "string",
            "trim" | "join" => word,
            "includes" => {
                out.pop();
                let subject = out.split_off(start);
                out.push('(');
                levels.push(Level { start, close: Some(format!(" in {subject})")), colon: false });
                return open;
            }
            "slice" => {
                out.pop();
                out.push('[');
                let ends = if self.arguments_at(open) == 1 { ":]" } else { "]" };
                levels.push(Level { start, close: Some(ends.to_owned()), colon: true });
                return open;
            }
            // Only the first one is replaced there.
            "replace" => {
                out.push_str(word);
                out.push('(');
                levels.push(Level { start, close: Some(", 1)".to_owned()), colon: false });
                return open;
            }
            "startsWith" | "endsWith" => {
                out.push_str(&word.to_lowercase());
                return at;
            }
            // These are the same in both, or Python's own.
            "split" | "keys" | "values" | "items" | "startswith" | "endswith" | "upper" | "lower" | "strip" | "get"
            | "title" | "capitalize" => {
                out.push_str(word);
                return at;
            }
            _ => {
                let token = self.tokens[at].clone();
                let message = format!("the method `{word}` is not carried over");
                self.complain(&token, true, message, "use a filter of Jinja, or prepare the value in the case");
                return at;
            }
        };
        out.pop();
        out.insert(start, '(');
        out.push_str(&format!("|{filter}("));
        levels.push(Level { start, close: Some("))".to_owned()), colon: false });
        open
    }

    /// A filter with its arguments. The bar is already in `out`.
    fn filter(&mut self, at: usize, name: &str, out: &mut String) -> usize {
        let token = self.tokens[at].clone();
        let open = self.next(at).filter(|(_, token)| token.text == "(").map(|(at, _)| at);
        let (arguments, end) = match open {
            Some(open) => self.arguments(open),
            None => (Vec::new(), at),
        };
        let given = |name: &str| {
            if arguments.is_empty() { name.to_owned() } else { format!("{name}({})", arguments.join(", ")) }
        };
        let keyword = |names: &[&str]| {
            let named = arguments.iter().enumerate().map(|(i, argument)| match names.get(i) {
                Some(name) if !argument.contains('=') => format!("{name}={argument}"),
                _ => argument.clone(),
            });
            named.collect::<Vec<_>>().join(", ")
        };
        let text = match (name, arguments.len()) {
            ("tojson", _) => given("tojson"),
            ("dump", _) => {
                let message = "`dump` becomes `tojson`, which puts a blank behind `:` and `,`, and writes `<`, `>`, `&` \
                               and `'` as escapes of JSON";
                self.complain(&token, false, message.to_owned(), "");
                given("tojson")
            }
            ("nl2br", _) => "replace(\"\\n\", \"<br />\\n\")".to_owned(),
            ("wordcount", _) => "split | length".to_owned(),
            ("forceescape", _) => "escape".to_owned(),
            ("sort", 1..) => format!("sort({})", keyword(&["reverse", "case_sensitive", "attribute"])),
            ("sort" | "sum" | "join", 0) => name.to_owned(),
            ("join", 1) => given("join"),
            ("join", 2) => format!("map(attribute={}) | join({})", arguments[1], arguments[0]),
            ("sum", 1) => format!("map(attribute={}) | sum", arguments[0]),
            ("groupby", _) => {
                let message = "`groupby` gives its groups sorted, not in the order of the list".to_owned();
                self.complain(&token, false, message, "");
                given("groupby")
            }
            ("int" | "float", 1..) | ("replace", 3..) | ("round" | "dictsort", 2..) => {
                let message = format!("the filter `{name}` has fewer arguments in Jinja");
                self.complain(&token, true, message, "prepare the value in the case instead");
                String::new()
            }
            (same, _) if SAME_FILTERS.contains(&same) => given(same),
            _ => {
                let message = format!("the filter `{name}` is not carried over");
                self.complain(&token, true, message, "use a filter of Jinja, or prepare the value in the case");
                String::new()
            }
        };
        out.push_str(&text);
        end
    }

    /// How many arguments stand in the brackets that open at `open`.
    fn arguments_at(&self, open: usize) -> usize {
        Translator { tokens: self.tokens, complaints: &mut Vec::new() }.arguments(open).0.len()
    }

    /// The arguments in brackets that open at `open`, each translated, and where the brackets close.
    fn arguments(&mut self, open: usize) -> (Vec<String>, usize) {
        let mut depth = 0_usize;
        let mut parts: Vec<Range<usize>> = Vec::new();
        let mut from = open + 1;
        let mut end = self.tokens.len().saturating_sub(1);
        for at in open..self.tokens.len() {
            match self.tokens[at].text {
                "(" | "[" | "{" => depth += 1,
                ")" | "]" | "}" => depth = depth.saturating_sub(1),
                "," if depth == 1 => {
                    parts.push(from..at);
                    from = at + 1;
                }
                _ => {}
            }
            if depth == 0 {
                end = at;
                break;
            }
        }
        parts.push(from..end.max(from));
        let mut arguments = Vec::new();
        for part in parts {
            let tokens = &self.tokens[part];
            let text = Translator { tokens, complaints: self.complaints }.run();
            if !text.trim().is_empty() {
                arguments.push(text.trim().to_owned());
            }
        }
        (arguments, end)
    }
}
