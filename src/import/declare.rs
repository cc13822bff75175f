//! `vars:` of an imported prompt: what its cases give, and what stands for what they lack.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use regex::Regex;
use serde_json::{Map, Value, json};

use super::draft::{CaseDraft, PromptDraft, mentioned, type_of};
use super::faithful::{Values, hold};
use super::finding::Findings;
use super::write::{FUNCTIONS, default_values, seen};
use crate::prompt::Inline;

/// Holds the prompt to what the other tool renders, and gives `vars:` of its front matter.
pub(super) fn faithful(
    prompt: &mut PromptDraft,
    used: &BTreeSet<String>,
    files: &BTreeMap<String, Vec<u8>>,
    findings: &mut Findings,
) -> Option<Map<String, Value>> {
    let declared = declare(prompt, used, findings);
    if prompt.dialect.is_none() {
        return declared;
    }
    let own = |prompt: &PromptDraft, declared: Option<&Map<String, Value>>| -> Vec<Map<String, Value>> {
        let defaults = default_values(prompt, declared, files);
        let with_own = |case: &CaseDraft| {
            let mut all = defaults.clone();
            all.extend(case.variables.iter().map(|(name, value)| (name.clone(), seen(value, files))));
            all
        };
        prompt.cases.iter().map(with_own).collect()
    };
    if declared.is_none() {
        give_what_is_missing(prompt, used);
        let renders = |prompt: &PromptDraft| {
            let body = FUNCTIONS.as_ref().map(|functions| functions.replace_all(&prompt.body, ""))?;
            let inline = Inline::new(&body).ok()?;
            let values = |values: &Map<String, Value>| minijinja::Value::from(minijinja::value::Serde(values));
            Some(own(prompt, None).iter().all(|own| inline.render(&values(own)).is_ok()))
        };
        if renders(prompt) == Some(false) {
            empty_where_it_is_plain(prompt);
        }
    }
    // What the source itself declares holds there, too; what is only declared here is not defined there.
    let given = Value::Object(prompt.declared.clone());
    let there = Values::of(own(prompt, given.as_object()));
    let contexts = |prompt: &PromptDraft| own(prompt, declared.as_ref());
    hold(prompt, &there, &contexts, findings);
    empty_where_checked(prompt);
    declare(prompt, used, findings)
}

/// Where the template asks whether a variable is defined, every other one that a case lacks is empty, as it is there.
fn give_what_is_missing(prompt: &mut PromptDraft, used: &BTreeSet<String>) {
    let asked = asked_for(&prompt.body);
    for name in used.iter().filter(|name| !asked.contains(*name) && !prompt.default_variables.contains_key(*name)) {
        for case in prompt.cases.iter_mut().filter(|case| !case.variables.contains_key(name)) {
            case.variables.insert(name.clone(), json!(""));
        }
    }
}

/// An empty text for each variable that a case lacks, wherever it is printed or asked for alone.
fn empty_where_it_is_plain(prompt: &mut PromptDraft) {
    for name in asked_for(&prompt.body) {
        let has = |case: &CaseDraft| case.variables.contains_key(&name);
        if !prompt.default_variables.contains_key(&name) && !prompt.cases.iter().all(has) {
            prompt.body = with_empty(&prompt.body, &name);
        }
    }
}

fn with_empty(body: &str, name: &str) -> String {
    let quoted = regex::escape(name);
    let printed = Regex::new(&format!(r"(\{{\{{[-+]?\s*{quoted})(\s*[-+]?\}}\}})"));
    let asked = Regex::new(&format!(r"(\{{%[-+]?\s*(?:if|elif)\s+(?:not\s+)?{quoted})(\s*[-+]?%\}})"));
    let mut body = body.to_owned();
    for place in [printed, asked].iter().flatten() {
        body = place.replace_all(&body, "${1} | default(\"\")${2}").into_owned();
    }
    body
}

/// Nothing is an empty text in an expectation.
fn empty_where_checked(prompt: &mut PromptDraft) {
    let mut checked = BTreeSet::new();
    prompt.default_expect.iter().for_each(|expect| mentioned(expect, &mut checked));
    prompt.cases.iter().flat_map(|case| &case.expect).for_each(|expect| mentioned(expect, &mut checked));
    let cases = prompt.cases.iter_mut().map(|case| &mut case.variables);
    for values in cases.chain([&mut prompt.default_variables]) {
        for (_, value) in values.iter_mut().filter(|(name, value)| value.is_null() && checked.contains(*name)) {
            *value = json!("");
        }
    }
}

/// The names that every case gives, and of which type; those that some give; the rest.
struct Given<'p> {
    prompt: &'p PromptDraft,
}

impl Given<'_> {
    fn types(&self, name: &str) -> (BTreeSet<Option<&'static str>>, bool) {
        let mut types = BTreeSet::new();
        let default = self.prompt.default_variables.get(name);
        let mut everywhere = true;
        for case in &self.prompt.cases {
            match case.variables.get(name).or(default) {
                Some(value) => {
                    types.insert(type_of(value));
                }
                None => everywhere = false,
            }
        }
        for dataset in &self.prompt.datasets {
            match (dataset.columns.get(name), default) {
                (Some(kind), _) => {
                    types.insert(*kind);
                }
                (None, Some(value)) => {
                    types.insert(type_of(value));
                }
                (None, None) => everywhere = false,
            }
        }
        (types, everywhere)
    }
}

/// `vars:` of the front matter; `None` where the template asks whether a variable is defined at all.
fn declare(prompt: &PromptDraft, used: &BTreeSet<String>, findings: &mut Findings) -> Option<Map<String, Value>> {
    let given = Given { prompt };
    let lacks = |name: &String| !given.types(name).1;
    if prompt.declared.is_empty() && asked_for(&prompt.body).iter().any(lacks) {
        return None;
    }
    let mut declared = Map::new();
    let in_order = prompt.declared.keys().chain(used.iter().filter(|name| !prompt.declared.contains_key(*name)));
    for name in in_order {
        let (types, everywhere) = given.types(name);
        let mut schema = match prompt.declared.get(name) {
            Some(Value::Object(schema)) => schema.clone(),
            _ => match types.iter().collect::<Vec<_>>().as_slice() {
                [Some(only)] => Map::from_iter([("type".to_owned(), json!(only))]),
                _ => Map::from_iter([("type".to_owned(), json!("any"))]),
            },
        };
        if !everywhere && !schema.contains_key("default") {
            if types.is_empty() && used.contains(name) && fallbacks(&prompt.body, name).is_none() {
                let message =
                    format!("no case gives the variable `{name}` of the prompt `{}`; it is empty", prompt.name);
                findings.note(prompt.place.clone(), message, "");
            }
            if schema.get("type") != Some(&json!("string")) || types.is_empty() {
                schema.remove("type");
            }
            let own = fallbacks(&prompt.body, name).map(|(_, own)| own).filter(|_| prompt.dialect.is_some());
            schema.insert("default".to_owned(), own.unwrap_or_else(|| json!("")));
        }
        let short = match schema.get("type") {
            Some(kind @ Value::String(_)) if schema.len() == 1 => kind.clone(),
            _ => Value::Object(schema),
        };
        declared.insert(name.clone(), short);
    }
    Some(declared)
}

/// The variables that a template asks for: whether they are defined, or what stands for them, in more than one way.
fn asked_for(body: &str) -> BTreeSet<String> {
    static ASKED: LazyLock<Option<Regex>> =
        LazyLock::new(|| Regex::new(r"(?:^|[^.\w])([A-Za-z_]\w*)\s+is\s+(?:not\s+)?(?:un)?defined\b").ok());
    static OTHERWISE: LazyLock<Option<Regex>> =
        LazyLock::new(|| Regex::new(r"(?:^|[^.\w])([A-Za-z_]\w*)\s*\|\s*(?:default|d)\b").ok());
    let names = |regex: &'static LazyLock<Option<Regex>>| -> Vec<String> {
        regex
            .as_ref()
            .map(|regex| regex.captures_iter(body).map(|found| found[1].to_owned()).collect())
            .unwrap_or_default()
    };
    let otherwise = names(&OTHERWISE).into_iter().filter(|name| fallbacks(body, name).is_none());
    names(&ASKED).into_iter().chain(otherwise).collect()
}

/// What stands for a variable that no case gives, if every use of it says the same: `NAME | default("…")`. And how often.
fn fallbacks(body: &str, name: &str) -> Option<(usize, Value)> {
    let quoted = regex::escape(name);
    let every = Regex::new(&format!(r"(?:^|[^.\w]){quoted}\b")).ok()?;
    let own = Regex::new(&format!(
        r#"(?:^|[^.\w]){quoted}\s*\|\s*(?:default|d)\(\s*(?:"([^"\\]*)"|'([^'\\]*)'|(-?\d+))\s*\)"#
    ))
    .ok()?;
    let inside: Vec<&str> = crate::prompt::elsewhere::tags(body);
    let uses: usize = inside.iter().map(|tag| every.find_iter(tag).count()).sum();
    let mut found: Vec<Value> = Vec::new();
    for tag in &inside {
        for own in own.captures_iter(tag) {
            let text = own.get(1).or_else(|| own.get(2));
            found.push(match (text, own.get(3)) {
                (Some(text), _) => json!(text.as_str()),
                (None, number) => serde_json::from_str(number?.as_str()).ok()?,
            });
        }
    }
    let first = found.first()?.clone();
    (found.len() == uses && found.iter().all(|other| *other == first)).then_some((uses, first))
}
