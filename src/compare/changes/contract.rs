//! What a change asks of those who call the prompt: what they must give, what they get, and whether the version says so.

use std::collections::BTreeSet;

use semver::Version;
use serde::Serialize;
use serde_json::{Map, Value};

use crate::core::record::Tool;
use crate::prompt::{Prompt, VariableDeclaration};
use crate::snapshot::diff_json;

/// A step of a semantic version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    /// Nothing that is sent differs.
    None,
    /// Callers need not know.
    Patch,
    /// Callers may give or get more.
    Minor,
    /// Callers must change something.
    Major,
}

impl Step {
    /// In words.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Patch => "patch",
            Self::Minor => "minor",
            Self::Major => "major",
        }
    }
}

/// What became of a variable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum VariableKind {
    /// Callers must give it now.
    Added,
    /// Callers may give it now.
    AddedWithDefault,
    /// It is gone.
    Removed,
    /// Other values are allowed than before.
    Retyped,
    /// More values are allowed than before.
    Widened,
    /// Callers need not give it any more.
    DefaultAdded,
    /// Callers must give it now, who needed not.
    DefaultRemoved,
    /// It is something else where callers do not give it.
    DefaultChanged,
}

impl VariableKind {
    /// In words.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Added => "added, without a default",
            Self::AddedWithDefault => "added, with a default",
            Self::Removed => "removed",
            Self::Retyped => "of another type",
            Self::Widened => "of a wider type",
            Self::DefaultAdded => "has a default now",
            Self::DefaultRemoved => "has no default any more",
            Self::DefaultChanged => "has another default",
        }
    }

    /// The step that it asks for.
    #[must_use]
    pub fn step(self) -> Step {
        match self {
            Self::Added | Self::Removed | Self::Retyped | Self::DefaultRemoved => Step::Major,
            Self::AddedWithDefault | Self::Widened | Self::DefaultAdded => Step::Minor,
            Self::DefaultChanged => Step::Patch,
        }
    }
}

/// A variable that callers give otherwise.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct VariableChange {
    /// The variable.
    pub name: String,
    /// What became of it.
    pub kind: VariableKind,
    /// The step that this asks for.
    pub step: Step,
    /// Its declaration at base, where it is declared there.
    pub old: Option<Value>,
    /// Its declaration at head, where it is declared there.
    pub new: Option<Value>,
}

/// What a change asks of callers, and what the author says of it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Contract {
    /// Whether head declares its variables; else those that its template mentions are taken.
    pub declared: bool,
    /// Variables.
    pub variables: Vec<VariableChange>,
    /// The step that the form of the answer asks for.
    pub output: Step,
    /// The step that the tools ask for, which callers run.
    pub tools: Step,
    /// The step that is asked for in all.
    pub asks_for: Step,
    /// Base's version.
    pub base_version: Option<String>,
    /// Head's version.
    pub head_version: Option<String>,
    /// The step that the author made.
    pub made: Step,
    /// What the version does not say, with what to do.
    pub warning: Option<String>,
}

impl Contract {
    /// Whether there is something to be told of it.
    #[must_use]
    pub fn is_told(&self) -> bool {
        self.asks_for > Step::None || self.base_version != self.head_version
    }
}

/// Compares what callers of a prompt give and get.
pub(super) fn contract(old: &Prompt, new: &Prompt) -> Contract {
    let variables = variables(old, new);
    let output = output(old, new);
    let tools = tools(&old.front.tools, &new.front.tools);
    let text = if old.digest == new.digest { Step::None } else { Step::Patch };
    let asked = variables.iter().map(|change| change.step).chain([output, tools, text]).max();
    let asks_for = asked.unwrap_or(Step::None);
    let version = |prompt: &Prompt| prompt.front.version.as_ref().map(ToString::to_string);
    let (before, now) = (old.front.version.as_ref(), new.front.version.as_ref());
    Contract {
        declared: new.front.variables.is_some(),
        variables,
        output,
        tools,
        asks_for,
        base_version: version(old),
        head_version: version(new),
        made: before.zip(now).map_or(Step::None, |(before, now)| made(before, now)),
        warning: warning(before, now, asks_for, new.name.as_str()),
    }
}

/// A variable as far as it is known: with its declaration, or only mentioned.
fn known(prompt: &Prompt) -> Vec<(&str, Option<&VariableDeclaration>)> {
    match &prompt.front.variables {
        Some(declared) => declared.iter().map(|variable| (variable.name.as_str(), Some(variable))).collect(),
        None => prompt.variables.iter().map(|name| (name.as_str(), None)).collect(),
    }
}

fn variables(old: &Prompt, new: &Prompt) -> Vec<VariableChange> {
    let (before, now) = (known(old), known(new));
    let names: BTreeSet<&str> = before.iter().chain(&now).map(|(name, _)| *name).collect();
    let find = |list: &[(&str, Option<&VariableDeclaration>)], name: &str| {
        list.iter().find(|(known, _)| *known == name).map(|(_, declaration)| declaration.cloned())
    };
    let mut changes = Vec::new();
    for name in names {
        let (was, is) = (find(&before, name), find(&now, name));
        let value = |side: &Option<Option<VariableDeclaration>>| side.as_ref()?.as_ref().map(declaration);
        let (before, after) = (value(&was), value(&is));
        for kind in kinds(was.as_ref(), is.as_ref()) {
            let (old, new) = (before.clone(), after.clone());
            changes.push(VariableChange { name: name.to_owned(), kind, step: kind.step(), old, new });
        }
    }
    changes
}

/// What became of a variable; of one that a side only mentions, the type and the default are not known.
fn kinds(was: Option<&Option<VariableDeclaration>>, is: Option<&Option<VariableDeclaration>>) -> Vec<VariableKind> {
    let (was, is) = match (was, is) {
        (None, Some(Some(is))) if is.default.is_some() => return vec![VariableKind::AddedWithDefault],
        (None, Some(_)) => return vec![VariableKind::Added],
        (Some(_), None) => return vec![VariableKind::Removed],
        (Some(Some(was)), Some(Some(is))) => (was, is),
        _ => return Vec::new(),
    };
    let (old, new) = (bare(&was.schema), bare(&is.schema));
    let mut kinds = Vec::new();
    if old != new {
        kinds.push(if is_wider(&old, &new) { VariableKind::Widened } else { VariableKind::Retyped });
    }
    match (&was.default, &is.default) {
        (None, Some(_)) => kinds.push(VariableKind::DefaultAdded),
        (Some(_), None) => kinds.push(VariableKind::DefaultRemoved),
        (Some(old), Some(new)) if old != new => kinds.push(VariableKind::DefaultChanged),
        _ => {}
    }
    kinds
}

/// A declaration as it may be written.
fn declaration(variable: &VariableDeclaration) -> Value {
    let mut value = variable.schema.clone();
    if let (Value::Object(map), Some(default)) = (&mut value, &variable.default) {
        map.insert("default".into(), default.clone());
    }
    value
}

/// Keywords that say something to people only.
const WORDS: [&str; 5] = ["description", "title", "examples", "$comment", "deprecated"];
/// Keywords that each forbid values on their own: without one of them more values are allowed, never fewer.
const FORBIDDING: [&str; 17] = [
    "type",
    "enum",
    "const",
    "pattern",
    "format",
    "minLength",
    "maxLength",
    "minimum",
    "maximum",
    "exclusiveMinimum",
    "exclusiveMaximum",
    "multipleOf",
    "minItems",
    "maxItems",
    "uniqueItems",
    "minProperties",
    "maxProperties",
];

/// A schema without what it says to people.
fn bare(schema: &Value) -> Value {
    let mut schema = schema.clone();
    if let Value::Object(map) = &mut schema {
        map.retain(|key, _| !WORDS.contains(&key.as_str()));
    }
    schema
}

/// Whether every value that fits the one surely fits the other.
fn is_wider(old: &Value, new: &Value) -> bool {
    let empty = Map::new();
    let (old, new) = (old.as_object().unwrap_or(&empty), new.as_object().unwrap_or(&empty));
    let kept = new.iter().all(|(key, value)| {
        old.get(key).is_some_and(|was| was == value || key == "type" && types(was).is_subset(&types(value)))
    });
    kept && old.keys().all(|key| new.contains_key(key) || new.is_empty() || FORBIDDING.contains(&key.as_str()))
}

/// The types of `type:`, a whole number being a number too.
fn types(value: &Value) -> BTreeSet<&str> {
    let mut types: BTreeSet<&str> = match value {
        Value::Array(list) => list.iter().filter_map(Value::as_str).collect(),
        one => one.as_str().into_iter().collect(),
    };
    if types.contains("number") {
        types.insert("integer");
    }
    types
}

/// A form that appears or goes is for every reader another; a field more is not.
fn output(old: &Prompt, new: &Prompt) -> Step {
    let schema = |prompt: &Prompt| prompt.front.output.as_ref().map(|output| output.format.schema.clone());
    match (schema(old), schema(new)) {
        (None, None) => Step::None,
        (Some(old), Some(new)) => diff_json(&old, &new)
            .iter()
            .map(|change| of_schema(&change.path, change.old.is_none()))
            .max()
            .unwrap_or(Step::None),
        _ => Step::Major,
    }
}

fn of_schema(path: &str, added: bool) -> Step {
    let last = path.rsplit(['.']).next().unwrap_or_default();
    if WORDS.contains(&last) && !path.ends_with(&format!("properties.{last}")) {
        return Step::Patch;
    }
    let in_list = path.ends_with(']') && !last.starts_with("required[");
    if added && !in_list { Step::Minor } else { Step::Major }
}

/// Callers run the tools: one that is new, or is called otherwise, they must know.
fn tools(old: &[Tool], new: &[Tool]) -> Step {
    let of = |tool: &Tool| match old.iter().find(|known| known.name == tool.name) {
        Some(known) if known == tool => Step::None,
        Some(known) if known.parameters == tool.parameters => Step::Patch,
        _ => Step::Major,
    };
    let gone = old.iter().any(|tool| new.iter().all(|known| known.name != tool.name));
    new.iter().map(of).chain(gone.then_some(Step::Patch)).max().unwrap_or(Step::None)
}

fn made(old: &Version, new: &Version) -> Step {
    if new <= old {
        Step::None
    } else if new.major != old.major {
        Step::Major
    } else if new.minor != old.minor {
        Step::Minor
    } else {
        Step::Patch
    }
}

/// What the author's version does not say.
fn warning(old: Option<&Version>, new: Option<&Version>, asked: Step, name: &str) -> Option<String> {
    let old = old?;
    let bump = |step: Step| format!("`promptctl bump {name} {}`", step.name());
    let Some(new) = new else { return Some(format!("the version {old} is gone")) };
    if new < old {
        return Some(format!("the version went back, from {old} to {new}"));
    }
    // Before 1.0.0 a minor step may ask callers to change something; a pre-release promises nothing.
    let wanted = if old.major == 0 { asked.min(Step::Minor) } else { asked };
    if asked == Step::None || made(old, new) >= wanted {
        return None;
    }
    if new == old {
        return Some(format!("the prompt changed, and its version is still {old}: {}", bump(wanted)));
    }
    if !old.pre.is_empty() {
        return None;
    }
    let (made, wanted_name) = (made(old, new).name(), wanted.name());
    Some(format!("{old} → {new} is a {made} step, and this change asks for a {wanted_name} one: {}", bump(wanted)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn warned(old: &str, new: &str, asked: Step) -> Option<String> {
        let version = |text: &str| Version::parse(text).expect("a version");
        warning(Some(&version(old)), Some(&version(new)), asked, "p")
    }

    #[test]
    fn a_step_that_is_too_small_is_told() {
        assert!(warned("1.0.0", "1.0.1", Step::Major).expect("told").contains("`promptctl bump p major`"));
        assert!(warned("1.0.0", "1.0.0", Step::Patch).expect("told").contains("still 1.0.0"));
        assert!(warned("1.1.0", "1.0.0", Step::None).expect("told").contains("went back"));
        assert!(warned("0.3.0", "0.3.1", Step::Major).expect("told").contains("bump p minor"));
        let good = [("1.0.0", "2.0.0", Step::Major), ("0.3.0", "0.4.0", Step::Major), ("1.0.0", "1.0.0", Step::None)];
        let pre = [("2.0.0-rc.1", "2.0.0", Step::Major), ("1.0.0", "1.0.1", Step::Patch)];
        for (old, new, asked) in good.into_iter().chain(pre) {
            assert_eq!(warned(old, new, asked), None, "{old} {new}");
        }
    }

    #[test]
    fn a_type_that_allows_more_is_no_other_type() {
        let wider = [
            (json!({"type": "string"}), json!({"type": ["string", "null"]})),
            (json!({"type": "integer"}), json!({"type": "number"})),
            (json!({"type": "string", "maxLength": 9}), json!({"type": "string"})),
            (json!({"type": "object", "properties": {"a": {}}, "additionalProperties": false}), json!({})),
        ];
        for (old, new) in wider {
            assert!(is_wider(&old, &new), "{old} {new}");
            assert!(!is_wider(&new, &old), "{new} {old}");
        }
        let closed = json!({"type": "object", "properties": {"a": {}}, "additionalProperties": false});
        assert!(!is_wider(&closed, &json!({"type": "object", "additionalProperties": false})), "it allows less");
    }

    #[test]
    fn readers_of_an_answer_may_meet_a_new_field_but_no_new_value() {
        assert_eq!(of_schema("$.properties.reason", true), Step::Minor);
        assert_eq!(of_schema("$.required[2]", true), Step::Minor);
        assert_eq!(of_schema("$.properties.queue.enum[3]", true), Step::Major);
        assert_eq!(of_schema("$.properties.queue", false), Step::Major);
        assert_eq!(of_schema("$.properties.queue.description", false), Step::Patch);
        assert_eq!(of_schema("$.properties.description", false), Step::Major, "a field of that name");
    }
}
