//! A prompt as a list of messages whose texts are templates of another tool: as it is written where that says the same,
//! else rendered, with the text of each message as a value of each case.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use minijinja::value::Serde;
use regex::Regex;
use serde_json::{Map, Value};

use super::Exported;
use crate::case::Case;
use crate::core::record::{Message, Role, ToolCall};
use crate::plan::Workspace;
use crate::prompt::elsewhere::{self, Dialect, tags, uses};
use crate::prompt::{Inline, PROMPTS, Prompt};

/// How deep partials may include each other.
const DEEPEST: usize = 20;

/// Filters that mean the same in Nunjucks.
#[rustfmt::skip]
const FILTERS: [&str; 28] = [
    "abs", "batch", "capitalize", "d", "default", "dictsort", "e", "escape", "first", "float", "indent", "int", "join",
    "last", "length", "list", "lower", "reject", "rejectattr", "replace", "reverse", "round", "safe", "select",
    "selectattr", "string", "trim", "upper",
];

static ROLE: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r#"\{\{\s*role\(\s*["'](\w+)["']\s*\)\s*\}\}"#).ok());
static INCLUDE: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r#"\{%\s*include\s+["']([^"']+)["']\s*%\}"#).ok());
static FILTER: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"\|\s*(\w+)").ok());
/// What only Jinja has: tags, functions, slices, its names of constants, its ways to write numbers and texts.
static FOREIGN: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(r#"\{%-?\s*(?:include|import|from|extends|block|with|do|autoescape|break|continue|macro|call|filter|raw)\b|\b(?:role|image|tool_call|namespace|dict)\s*\(|\.\w+\s*\(|\bloop\.(?:previtem|nextitem|cycle|depth)|\[[^\[\]]*:|\b(?:True|False|None)\b|\\[^nrt"'\\]|\{[{%]\+|\+[}%]\}|\b\d[\d.]*[A-Za-z_]|[A-Za-z_\])]\.\d|\bis\s+(?:not\s+)?divisibleby\b"#).ok()
});
static NAME: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"\{\{\s*([A-Za-z_]\w*)\s*\}\}").ok());

/// A message of the other tool.
#[derive(Clone, Debug)]
pub(super) struct Turn {
    pub(super) role: Role,
    pub(super) text: String,
    pub(super) calls: Vec<ToolCall>,
}

/// A prompt with the values of its cases.
pub(super) struct Shared {
    pub(super) turns: Vec<Turn>,
    /// The variables of each case, in their order.
    pub(super) variables: Vec<Map<String, Value>>,
}

/// How much of a template the other tool understands.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Language {
    /// Nunjucks.
    Nunjucks,
    /// Names in braces and nothing else.
    Names,
}

/// The prompt of some cases; `None` where the other tool cannot be given it, which was reported.
pub(super) fn shared(
    workspace: &Workspace,
    prompt: &Prompt,
    cases: &[&Case],
    language: Language,
    exported: &mut Exported,
) -> Option<Shared> {
    let place = || crate::core::problem::Place::File(prompt.path.to_string());
    let mut rendered = Vec::with_capacity(cases.len());
    for case in cases {
        match workspace.messages(case) {
            Ok(messages) => rendered.push(messages),
            Err(problem) => exported.findings.push(problem),
        }
    }
    if rendered.len() < cases.len() {
        return None;
    }
    if rendered.iter().flatten().any(|message| !message.images.is_empty()) {
        exported.lost(place(), format!("the prompt `{}` shows pictures, and is left out", prompt.name), "");
        return None;
    }
    let mut variables: Vec<Map<String, Value>> = cases.iter().map(|case| values(case)).collect();
    if language == Language::Names {
        // Values are texts there: each is the one that is printed here.
        print_as_here(&mut variables, |_| true);
    }
    if let Some((turns, exact)) = as_written(workspace, prompt, language)
        .and_then(|turns| same_there(turns, &mut variables, &rendered, language, prompt, exported))
    {
        if !exact {
            let message = format!("blank lines at the ends of messages of `{}` are sent there, too", prompt.name);
            exported.lost(place(), message, "");
        }
        return Some(Shared { turns, variables });
    }
    let shape = |messages: &[Message]| -> Vec<(Role, Vec<ToolCall>)> {
        messages.iter().map(|message| (message.role, message.tool_calls.clone())).collect()
    };
    let first = rendered.first().map(|messages| shape(messages)).unwrap_or_default();
    if rendered.iter().any(|messages| shape(messages) != first) {
        let message =
            format!("the messages of `{}` differ from case to case in who speaks; it is left out", prompt.name);
        exported.lost(place(), message, "");
        return None;
    }
    let message = format!(
        "the template of `{}` is not carried over: the text of each message is a value of each case",
        prompt.name
    );
    exported.lost(place(), message, "");
    let name = |at: usize| format!("message_{}", at + 1);
    let turns = first
        .into_iter()
        .enumerate()
        .map(|(at, (role, calls))| Turn { role, text: format!("{{{{ {} }}}}", name(at)), calls })
        .collect();
    let with_texts = |(mut values, messages): (Map<String, Value>, Vec<Message>)| {
        for (at, message) in messages.into_iter().enumerate() {
            values.insert(name(at), Value::String(message.content));
        }
        values
    };
    Some(Shared { turns, variables: variables.into_iter().zip(rendered).map(with_texts).collect() })
}

fn values(case: &Case) -> Map<String, Value> {
    let mut all: Vec<(&String, &Value)> = case.variables.iter().collect();
    all.sort_unstable_by_key(|(name, _)| *name);
    all.into_iter().map(|(name, value)| (name.clone(), value.clone())).collect()
}

/// The template cut at its roles, where each part is one of its own and says nothing that only Jinja understands.
fn as_written(workspace: &Workspace, prompt: &Prompt, language: Language) -> Option<Vec<Turn>> {
    let body = with_partials(workspace, workspace.prompts.body(prompt), 0)?;
    let mut turns = Vec::new();
    let mut from = 0;
    let mut role = None;
    for found in ROLE.as_ref()?.captures_iter(&body) {
        let whole = found.get(0)?;
        let before = &body[from..whole.start()];
        match role {
            Some(role) => turns.push(turn(role, before, language)?),
            None if before.trim().is_empty() => {}
            None => return None,
        }
        role = Some(Role::parse(&found[1])?);
        from = whole.end();
    }
    turns.push(turn(role.unwrap_or(Role::User), &body[from..], language)?);
    Some(turns)
}

/// The text with its partials in place.
fn with_partials(workspace: &Workspace, body: &str, depth: usize) -> Option<String> {
    let mut out = String::new();
    let mut from = 0;
    for found in INCLUDE.as_ref()?.captures_iter(body) {
        let whole = found.get(0)?;
        out.push_str(&body[from..whole.start()]);
        from = whole.end();
        if depth >= DEEPEST {
            return None;
        }
        let path = crate::core::path::TreePath::new(&format!("{PROMPTS}/{}", &found[1])).ok()?;
        let text = workspace.tree.text(&path).ok()?.replace("\r\n", "\n");
        let text = with_partials(workspace, &text, depth + 1)?;
        out.push_str(text.strip_suffix('\n').unwrap_or(&text));
    }
    out.push_str(&body[from..]);
    Some(out)
}

/// The parts and whether they are exact, where they say the same there: with the values as they are, or with those that
/// are only printed as the texts that are printed here.
fn same_there(
    turns: Vec<Turn>,
    variables: &mut Vec<Map<String, Value>>,
    rendered: &[Vec<Message>],
    language: Language,
    prompt: &Prompt,
    exported: &mut Exported,
) -> Option<(Vec<Turn>, bool)> {
    if let Some(exact) = says_the_same(&turns, variables, rendered, language) {
        return Some((turns, exact));
    }
    let mut printed = variables.clone();
    let changed = print_as_here(&mut printed, |name| {
        let all: Vec<(usize, usize)> = turns.iter().map(|turn| uses(&turn.text, name)).collect();
        all.iter().any(|(alone, _)| *alone > 0) && all.iter().all(|(_, other)| *other == 0)
    });
    let exact = says_the_same(&turns, &printed, rendered, language)?;
    *variables = printed;
    for name in changed {
        let message = format!("the variable `{name}` of `{}` is given as the text that is printed here", prompt.name);
        let help = "JavaScript prints `true`, nothing and lists in its own way";
        exported.lost(crate::core::problem::Place::File(prompt.path.to_string()), message, help);
    }
    Some((turns, exact))
}

/// Turns values into the texts that are printed of them here, and gives the names of those that were none.
fn print_as_here(variables: &mut [Map<String, Value>], wanted: impl Fn(&str) -> bool) -> BTreeSet<String> {
    let Ok(print) = Inline::new("{{ value }}") else { return BTreeSet::new() };
    let mut changed = BTreeSet::new();
    for (name, value) in variables.iter_mut().flatten() {
        if value.is_string() || !wanted(name) {
            continue;
        }
        if let Ok(text) = print.render(&minijinja::context! { value => Serde(&*value) }) {
            // A whole number is the same text already.
            if !value.is_i64() {
                changed.insert(name.clone());
                *value = Value::String(text);
            }
        }
    }
    changed
}

/// What the other tool makes of a text, where that is known for sure.
pub(super) fn rendered_there(text: &str, values: &Map<String, Value>) -> Option<String> {
    if tags(text).into_iter().any(|tag| !is_shared(tag).unwrap_or(false)) {
        return None;
    }
    let told = elsewhere::render(text, values, Dialect::Nunjucks).ok()?;
    told.unsure.is_empty().then_some(told.text)
}

/// Whether a tag is one of Nunjucks, too.
fn is_shared(tag: &str) -> Option<bool> {
    let mut filters = FILTER.as_ref()?.captures_iter(tag);
    Some(tag == "{{ \"{\" }}" || !FOREIGN.as_ref()?.is_match(tag) && filters.all(|found| FILTERS.contains(&&found[1])))
}

fn turn(role: Role, text: &str, language: Language) -> Option<Turn> {
    let text = text.trim_matches('\n');
    Inline::new(text).ok()?;
    for tag in tags(text) {
        let fits = match language {
            Language::Names => tag == "{{ \"{\" }}" || NAME.as_ref()?.is_match(tag),
            Language::Nunjucks => is_shared(tag)?,
        };
        if !fits {
            return None;
        }
    }
    // A comment says nothing to the model.
    (!text.contains("{#")).then(|| Turn { role, text: text.to_owned(), calls: Vec::new() })
}

/// Whether the parts, each rendered alone, are the messages of every case, here and there: `Some(false)` where they have
/// blank lines around them, which are taken off here.
fn says_the_same(
    turns: &[Turn],
    variables: &[Map<String, Value>],
    rendered: &[Vec<Message>],
    language: Language,
) -> Option<bool> {
    let compiled: Vec<Inline> = turns.iter().map(|turn| Inline::new(&turn.text).ok()).collect::<Option<_>>()?;
    let mut exact = true;
    for (own, messages) in variables.iter().zip(rendered) {
        let values = minijinja::Value::from(Serde(own));
        if turns.len() != messages.len() {
            return None;
        }
        for ((turn, inline), message) in turns.iter().zip(&compiled).zip(messages) {
            let text = inline.render(&values).ok()?;
            if language == Language::Nunjucks && rendered_there(&turn.text, own)? != text {
                return None;
            }
            let (before, after) = text.split_once(message.content.as_str())?;
            let same = before.trim().is_empty() && after.trim().is_empty();
            if turn.role != message.role || !message.tool_calls.is_empty() || !same {
                return None;
            }
            exact &= before.is_empty() && after.is_empty();
        }
    }
    Some(exact)
}

/// A template in which only names stand, as GitHub Models writes them; literal braces are themselves again.
pub(super) fn names_only(text: &str) -> String {
    let Some(name) = NAME.as_ref() else { return text.to_owned() };
    name.replace_all(text, "{{$1}}").replace("{{ \"{\" }}", "{")
}
