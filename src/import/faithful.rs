//! Holds what an imported prompt renders to against what the other tool makes of it, case by case. Values that are only
//! printed become the texts that are printed there; whatever still differs is told, tag by tag.

use std::collections::BTreeSet;

use regex::Regex;
use serde_json::{Map, Value};

use super::draft::{PromptDraft, mentioned};
use super::finding::{Findings, shown};
use crate::prompt::Inline;
use crate::prompt::elsewhere::{Dialect, Spot, given_here, render, tag_around, text, uses};

/// The most differences that are told of one prompt.
const MOST_TOLD: usize = 20;

/// What the cases of a prompt give a template, by what both sides see.
pub(super) struct Values {
    /// Before anything was changed, as the other tool has them.
    there: Vec<Map<String, Value>>,
}

/// The variables of each case.
pub(super) type Contexts<'a> = dyn Fn(&PromptDraft) -> Vec<Map<String, Value>> + 'a;

impl Values {
    pub(super) fn of(there: Vec<Map<String, Value>>) -> Self {
        Self { there }
    }
}

/// The template without the functions that make messages; `None` where it cannot be looked at.
fn plain(prompt: &PromptDraft) -> Option<String> {
    Some(super::write::FUNCTIONS.as_ref()?.replace_all(&prompt.body, "").into_owned())
}

/// Makes a prompt render as it does there where that can be said exactly, and tells of the rest. `contexts` gives the
/// variables of each case, with what is declared for those that it lacks.
pub(super) fn hold(prompt: &mut PromptDraft, values: &Values, contexts: &Contexts<'_>, findings: &mut Findings) {
    let Some(dialect) = prompt.dialect else { return };
    let Some(body) = plain(prompt) else { return };
    let there: Vec<Option<String>> =
        values.there.iter().map(|values| render(&body, values, dialect).ok().map(|told| told.text)).collect();
    let before = differing(&body, &there, &contexts(prompt));
    if before.iter().any(|differs| *differs) {
        print_as_there(prompt, &body, findings);
        // A case that cannot be rendered at all is worse than one that renders otherwise.
        let bad = |prompt: &PromptDraft, body: &str| -> usize {
            let contexts = contexts(prompt);
            let Ok(inline) = Inline::new(body) else { return usize::MAX };
            let renders = |values: &Map<String, Value>| inline.render(&jinja(values)).is_ok();
            let differs = differing(body, &there, &contexts);
            differs
                .iter()
                .zip(&contexts)
                .map(|(differs, values)| usize::from(*differs) + 2 * usize::from(!renders(values)))
                .sum()
        };
        let mut least = bad(prompt, &body);
        if least > 0 {
            let mut other = prompt.clone();
            print_parts_as_there(&mut other, &body);
            let left = bad(&other, &body);
            if left < least {
                *prompt = other;
                least = left;
            }
        }
        if least > 0 {
            let mut other = prompt.clone();
            other.body = with_empty_members(&prompt.body);
            let changed = plain(&other).unwrap_or_default();
            if bad(&other, &changed) < least {
                *prompt = other;
            }
        }
    }
    let Some(now) = plain(prompt) else { return };
    let contexts = contexts(prompt);
    let still = differing(&now, &there, &contexts);
    let mut told: BTreeSet<String> = BTreeSet::new();
    for (at, _) in still.into_iter().enumerate().filter(|(_, differs)| *differs) {
        if told.len() >= MOST_TOLD {
            return;
        }
        // What cannot be rendered at all is told where the case is left out.
        let renders = Inline::new(&now).is_ok_and(|inline| inline.render(&jinja(&contexts[at])).is_ok());
        if renders {
            tell(prompt, &body, (&values.there[at], &contexts[at]), dialect, &mut told, findings);
        }
    }
    for values in &values.there {
        let places = match render(&body, values, dialect) {
            Ok(told) => told.unsure,
            Err(unsure) => vec![unsure.0],
        };
        for at in places {
            let Some(tag) = tag_around(&body, at) else { continue };
            if told.insert(tag.to_owned()) {
                let message = format!("`{}` may render differently here", shown(tag));
                let place = findings.spot(tag).unwrap_or_else(|| prompt.place.clone());
                findings.note(place, message, "compare `promptctl render` with what was sent there");
            }
        }
    }
}

fn jinja(values: &Map<String, Value>) -> minijinja::Value {
    minijinja::Value::from(minijinja::value::Serde(values))
}

/// Which cases render otherwise here than there, as far as that is known.
fn differing(body: &str, there: &[Option<String>], contexts: &[Map<String, Value>]) -> Vec<bool> {
    let Ok(inline) = Inline::new(body) else { return vec![false; there.len()] };
    let differs = |(there, values): (&Option<String>, &Map<String, Value>)| {
        there.as_ref().is_some_and(|there| inline.render(&jinja(values)).as_ref() != Ok(there))
    };
    there.iter().zip(contexts).map(differs).collect()
}

/// Whether both sides print a value alike.
fn prints_alike(value: &Value) -> bool {
    match value {
        Value::String(_) => true,
        Value::Number(number) => {
            !number.is_f64() || text(value) == minijinja::Value::from(minijinja::value::Serde(number)).to_string()
        }
        _ => false,
    }
}

fn is_file(value: &Value) -> bool {
    value.as_object().is_some_and(|map| map.len() == 1 && map.contains_key("file"))
}

/// Goes over the values of a variable, wherever they stand.
fn change(prompt: &mut PromptDraft, name: &str, with: &dyn Fn(&Value) -> Value) {
    let cases = prompt.cases.iter_mut().map(|case| &mut case.variables);
    for values in cases.chain([&mut prompt.default_variables]) {
        if let Some(value) = values.get_mut(name).filter(|value| !is_file(value)) {
            *value = with(value);
        }
    }
}

fn names(prompt: &PromptDraft, wanted: impl Fn(&Value) -> bool) -> Vec<String> {
    let cases = prompt.cases.iter().map(|case| &case.variables);
    let mut names: Vec<String> = cases
        .chain([&prompt.default_variables])
        .flatten()
        .filter(|(_, value)| !is_file(value) && wanted(value))
        .map(|(name, _)| name.clone())
        .collect();
    names.sort_unstable();
    names.dedup();
    names
}

/// Values that are only printed become what is printed there.
fn print_as_there(prompt: &mut PromptDraft, body: &str, findings: &mut Findings) {
    let mut checked = BTreeSet::new();
    prompt.default_expect.iter().for_each(|expect| mentioned(expect, &mut checked));
    prompt.cases.iter().flat_map(|case| &case.expect).for_each(|expect| mentioned(expect, &mut checked));
    for name in names(prompt, |value| !prints_alike(value)) {
        let (alone, other) = uses(body, &name);
        if alone == 0 || other > 0 {
            continue;
        }
        let is_json = names(prompt, |value| value.is_array() || value.is_object()).contains(&name);
        // What an expectation takes as JSON must stay that.
        if is_json && checked.contains(&name) {
            continue;
        }
        change(prompt, &name, &|value| if prints_alike(value) { value.clone() } else { Value::String(text(value)) });
        let message =
            format!("the variable `{name}` of the prompt `{}` is given as the text that is printed there", prompt.name);
        findings.note(prompt.place.clone(), message, "Jinja prints `True`, `None` and lists in its own way");
    }
}

/// What lies in lists and mappings, likewise.
fn print_parts_as_there(prompt: &mut PromptDraft, body: &str) {
    fn parts(value: &Value) -> Value {
        match value {
            Value::Array(items) => items.iter().map(parts).collect(),
            Value::Object(map) => Value::Object(map.iter().map(|(name, value)| (name.clone(), parts(value))).collect()),
            value if prints_alike(value) => value.clone(),
            value => Value::String(text(value)),
        }
    }
    let nothing = names(prompt, Value::is_null);
    for name in names(prompt, |value| value.is_array() || value.is_object()).into_iter().chain(nothing) {
        if uses(body, &name).0 == 0 {
            change(prompt, &name, &parts);
        }
    }
}

/// A member that is not there prints nothing, there.
fn with_empty_members(body: &str) -> String {
    let Ok(path) = Regex::new(r"\{\{(-?) *([A-Za-z_]\w*(?:\.[A-Za-z_]\w*)+) *(-?)\}\}") else { return body.to_owned() };
    let with_default = |found: &regex::Captures<'_>| match &found[2] {
        path if path.starts_with("loop.") => found[0].to_owned(),
        path => format!("{{{{{} {path} | default(\"\") {}}}}}", &found[1], &found[3]),
    };
    path.replace_all(body, with_default).into_owned()
}

/// Tells of each tag that gives something else here.
fn tell(
    prompt: &PromptDraft,
    body: &str,
    (there, here): (&Map<String, Value>, &Map<String, Value>),
    dialect: Dialect,
    told: &mut BTreeSet<String>,
    findings: &mut Findings,
) {
    let spots: Vec<Spot> = render(body, there, dialect).map(|told| told.spots).unwrap_or_default();
    let known = told.len();
    for spot in spots {
        let Some(tag) = tag_around(body, spot.at) else { continue };
        if told.contains(tag) {
            continue;
        }
        // A tag that cannot be looked at alone is told with the whole.
        let is_own = |name: &String| spot.scope.get(name) == there.get(name);
        let mut scope = spot.scope.clone();
        scope.extend(here.iter().filter(|(name, _)| is_own(name)).map(|(name, value)| (name.clone(), value.clone())));
        let Some(here) = given_here(tag, spot.is_condition, &scope) else { continue };
        if here == spot.gives {
            continue;
        }
        told.insert(tag.to_owned());
        let message = format!("`{}` gives `{}` here and `{}` there", shown(tag), shown(&here), shown(&spot.gives));
        let place = findings.spot(tag).unwrap_or_else(|| prompt.place.clone());
        findings.lost(place, message, "write it so that Jinja gives the same, or give the value as text");
    }
    if told.len() == known && known == 0 {
        told.insert(String::new());
        let message = format!("the prompt `{}` renders differently here", prompt.name);
        findings.lost(prompt.place.clone(), message, "compare `promptctl render` with what was sent there");
    }
}
