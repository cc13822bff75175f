//! The project that an import makes, before it is written.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use super::finding::Findings;
use super::template::has_tags;
use crate::core::names::{CaseName, MAX_CASE_NAME, ModelAlias, PromptName};
use crate::core::problem::Place;
use crate::core::yaml::{Data, Node};
use crate::prompt::Inline;
use crate::prompt::elsewhere::Dialect;

/// The most cases that an import makes.
pub(super) const MOST_CASES: usize = 100_000;
/// The most characters of a name that is made of values.
const SHORT_NAME: usize = 70;

/// A model of the project.
#[derive(Clone, Debug)]
pub(super) struct ModelDraft {
    pub(super) alias: String,
    /// Its entry in `promptctl.yaml`.
    pub(super) entry: Map<String, Value>,
    /// Whether cases are sent to it; else it only judges.
    pub(super) answers: bool,
    pub(super) place: Place,
}

/// A golden case.
#[derive(Clone, Debug)]
pub(super) struct CaseDraft {
    /// As its author calls it.
    pub(super) name: Option<String>,
    pub(super) variables: Map<String, Value>,
    pub(super) expect: Vec<Value>,
    /// Everything else of the case, by its key.
    pub(super) more: Map<String, Value>,
    pub(super) tags: Vec<String>,
    /// Aliases, where not every model of the prompt is asked.
    pub(super) models: Option<Vec<String>>,
    pub(super) place: Place,
}

impl CaseDraft {
    pub(super) fn new(place: Place) -> Self {
        let (variables, more) = (Map::new(), Map::new());
        Self { name: None, variables, expect: Vec::new(), more, tags: Vec::new(), models: None, place }
    }
}

/// A data set: a table that was copied, a case a row.
#[derive(Clone, Debug)]
pub(super) struct DatasetDraft {
    /// Its entry in `cases.yaml`.
    pub(super) entry: Map<String, Value>,
    /// The columns that every row has, and the type of their values where that is one.
    pub(super) columns: BTreeMap<String, Option<&'static str>>,
    pub(super) rows: usize,
}

/// A prompt with its cases.
#[derive(Clone, Debug)]
pub(super) struct PromptDraft {
    pub(super) name: String,
    pub(super) description: Option<String>,
    /// `params`, `output` and `tools` of the front matter.
    pub(super) front: Map<String, Value>,
    /// Declared variables: their schemas, from a source that declares them.
    pub(super) declared: Map<String, Value>,
    /// The template, in Jinja.
    pub(super) body: String,
    /// Aliases, where not every model is meant.
    pub(super) models: Option<Vec<String>>,
    /// What holds for every case: `vars`, `expect` and others.
    pub(super) default_variables: Map<String, Value>,
    pub(super) default_expect: Vec<Value>,
    pub(super) default_more: Map<String, Value>,
    pub(super) cases: Vec<CaseDraft>,
    pub(super) datasets: Vec<DatasetDraft>,
    /// Whether its template is in the project already, and stays as it is.
    pub(super) is_there: bool,
    /// By whose rules the source renders its template, where those are not Jinja's.
    pub(super) dialect: Option<Dialect>,
    pub(super) place: Place,
}

impl PromptDraft {
    pub(super) fn new(name: &str, body: String, place: Place) -> Self {
        Self {
            name: prompt_name(name),
            description: None,
            front: Map::new(),
            declared: Map::new(),
            body,
            models: None,
            default_variables: Map::new(),
            default_expect: Vec::new(),
            default_more: Map::new(),
            cases: Vec::new(),
            datasets: Vec::new(),
            is_there: false,
            dialect: None,
            place,
        }
    }
}

/// Everything that an import found.
#[derive(Debug, Default)]
pub(super) struct Draft {
    /// What the source says of itself; the first lines of `promptctl.yaml`.
    pub(super) description: Option<String>,
    pub(super) models: Vec<ModelDraft>,
    pub(super) prompts: Vec<PromptDraft>,
    /// Copied files by their names, beside the cases.
    pub(super) files: BTreeMap<String, Vec<u8>>,
    /// `defaults:` of the project, beside the models.
    pub(super) defaults: Map<String, Value>,
    /// The alias of the model that judges where an expectation names none.
    pub(super) judge: Option<String>,
    /// The alias of the model that embeds.
    pub(super) embeddings: Option<String>,
}

impl Draft {
    /// Adds a prompt under a name that is free.
    pub(super) fn add_prompt(&mut self, mut prompt: PromptDraft) -> usize {
        let free = |name: &str| !self.prompts.iter().any(|known| known.name.eq_ignore_ascii_case(name));
        prompt.name = first_free(&prompt.name, "-", free);
        self.prompts.push(prompt);
        self.prompts.len() - 1
    }

    /// The alias of a model with this entry; it is added where it is new.
    pub(super) fn add_model(&mut self, name: &str, entry: Map<String, Value>, answers: bool, place: Place) -> String {
        if let Some(known) = self.models.iter_mut().find(|known| known.entry == entry) {
            known.answers |= answers;
            return known.alias.clone();
        }
        let free = |name: &str| !self.models.iter().any(|known| known.alias.eq_ignore_ascii_case(name));
        let alias = first_free(&model_alias(name), "-", free);
        self.models.push(ModelDraft { alias: alias.clone(), entry, answers, place });
        alias
    }

    /// The alias of a model that has this entry and is called so; it is added where there is none. One that only judges is
    /// any with this entry.
    pub(super) fn add_labelled_model(
        &mut self,
        label: &str,
        entry: Map<String, Value>,
        answers: bool,
        place: Place,
    ) -> String {
        let alias = model_alias(label);
        if let Some(known) = self.models.iter_mut().find(|known| known.entry == entry && known.alias == alias) {
            known.answers |= answers;
            return alias;
        }
        if !answers {
            return self.add_model(label, entry, false, place);
        }
        let is_it = |known: &ModelDraft| known.entry == entry && (known.alias == alias || !known.answers);
        if self.models.iter().any(is_it) || !self.models.iter().any(|known| known.entry == entry) {
            return self.add_model(label, entry, true, place);
        }
        let free = |name: &str| !self.models.iter().any(|known| known.alias.eq_ignore_ascii_case(name));
        let alias = first_free(&alias, "-", free);
        self.models.push(ModelDraft { alias: alias.clone(), entry, answers: true, place });
        alias
    }

    /// Whether the model of that alias embeds.
    pub(super) fn embeds(&self, alias: &str) -> bool {
        let model = self.models.iter().find(|model| model.alias == alias);
        model.and_then(|model| model.entry.get("model")?.as_str()).is_some_and(|id| id.contains("embed"))
    }

    /// Keeps a file beside the cases, under its name or, where another one has that, a near one.
    pub(super) fn add_file(&mut self, name: &str, bytes: Vec<u8>) -> String {
        let (stem, ending) = name.rsplit_once('.').unwrap_or((name, "txt"));
        let safe = format!("{}.{}", prompt_name(stem), plain(ending));
        let safe = if safe == "cases.yaml" { "table.yaml".to_owned() } else { safe };
        let mut number = 1;
        let mut free = safe.clone();
        while self.files.get(&free).is_some_and(|known| *known != bytes) {
            number += 1;
            let (stem, ending) = safe.rsplit_once('.').unwrap_or((&safe, "txt"));
            free = format!("{stem}-{number}.{ending}");
        }
        self.files.insert(free.clone(), bytes);
        free
    }

    /// How a file beside the cases is named in them.
    pub(super) fn file_reference(&self, name: &str) -> String {
        if self.prompts.len() > 1 { format!("../{SHARED}/{name}") } else { name.to_owned() }
    }
}

/// The folder of files that the cases of several prompts name.
pub(super) const SHARED: &str = "_shared";

/// The first of `name`, `name-2`, `name-3`, … that is free.
pub(super) fn first_free(name: &str, between: &str, is_free: impl Fn(&str) -> bool) -> String {
    let mut free = name.to_owned();
    let mut number = 1_usize;
    while !is_free(&free) {
        number += 1;
        free = format!("{name}{between}{number}");
    }
    free
}

fn plain(text: &str) -> String {
    let mut plain = String::new();
    for c in text.trim().chars() {
        let kept = match c {
            c if c.is_ascii_alphanumeric() => c.to_ascii_lowercase(),
            '_' => '_',
            _ => '-',
        };
        if kept != '-' || !(plain.is_empty() || plain.ends_with('-')) {
            plain.push(kept);
        }
    }
    plain.truncate(60);
    plain.trim_matches(['-', '_']).to_owned()
}

/// A name for a prompt, near to the one of the source: lower-case letters, digits, `-` and `_`.
pub(super) fn prompt_name(name: &str) -> String {
    let plain = plain(name);
    if plain.is_empty() || PromptName::new(&plain).is_err() {
        format!("prompt-{plain}").trim_matches('-').to_owned()
    } else {
        plain
    }
}

fn model_alias(name: &str) -> String {
    let mut alias = String::new();
    for c in name.trim().chars() {
        let kept = if c.is_ascii_alphanumeric() || matches!(c, '.' | '_') { c } else { '-' };
        if kept != '-' || !(alias.is_empty() || alias.ends_with('-')) {
            alias.push(kept);
        }
    }
    alias.truncate(50);
    let alias = alias.trim_matches(['-', '.', '_']).to_owned();
    if ModelAlias::new(&alias).is_ok() { alias } else { format!("model-{alias}").trim_matches(['-', '.']).to_owned() }
}

/// A case's name: what its author says, or its values.
pub(super) fn case_name(case: &CaseDraft, number: usize) -> String {
    let wanted = case.name.clone().unwrap_or_else(|| name_of_values(&case.variables));
    let visible = |c: char| !c.is_control() && !crate::core::escape::is_hidden(c);
    let line: String =
        wanted.chars().map(|c| if c.is_whitespace() { ' ' } else { c }).filter(|c| visible(*c)).collect();
    let words: Vec<&str> = line.split(' ').filter(|word| !word.is_empty()).collect();
    // Room for a number that tells it from another one.
    let short: String = words.join(" ").chars().take(MAX_CASE_NAME - 10).collect();
    let short = short.trim();
    if CaseName::new(short).is_ok() { short.to_owned() } else { format!("case {number}") }
}

fn name_of_values(variables: &Map<String, Value>) -> String {
    let mut parts: Vec<String> = Vec::new();
    for (_, value) in variables.iter().filter(|(name, _)| !name.starts_with("prompt_")) {
        match value {
            Value::String(text) if !text.trim().is_empty() => parts.push(text.trim().to_owned()),
            Value::Number(number) => parts.push(number.to_string()),
            _ => {}
        }
    }
    let joined = parts.join(", ");
    let short: String = joined.chars().take(SHORT_NAME).collect();
    if short.len() < joined.len() { format!("{short}…") } else { joined }
}

/// The kind of a value as `vars:` of a front matter names it; a text that is read from a file is a text.
pub(super) fn type_of(value: &Value) -> Option<&'static str> {
    match value {
        Value::Null => None,
        Value::Bool(_) => Some("boolean"),
        Value::Number(_) => Some("number"),
        Value::String(_) => Some("string"),
        Value::Array(_) => Some("array"),
        Value::Object(map) if map.len() == 1 && map.contains_key("file") => Some("string"),
        Value::Object(_) => Some("object"),
    }
}

/// The variables that a value of `expect:` mentions.
pub(super) fn mentioned(value: &Value, into: &mut BTreeSet<String>) {
    match value {
        Value::String(text) if has_tags(text) => {
            if let Ok(inline) = Inline::new(text) {
                into.extend(inline.variables().iter().cloned());
            }
        }
        Value::Array(items) => items.iter().for_each(|item| mentioned(item, into)),
        Value::Object(map) => map.values().for_each(|item| mentioned(item, into)),
        _ => {}
    }
}

/// A value of the source as one of `vars:`. A mapping that would mean a file here is reported.
pub(super) fn variable(node: &Node, place: &Place, findings: &mut Findings) -> Option<Value> {
    if let Data::Map(entries) = &node.data
        && let [(key, _)] = entries.as_slice()
        && matches!(key.text.as_str(), "file" | "image")
    {
        let message = format!("a mapping with the one key `{}` would mean a file of the project", key.text);
        findings.lost(place.clone(), message, "give the value another key, and use that in the template");
        return None;
    }
    Some(node.to_json())
}

/// One expectation: `NAME: VALUE`, or the long form where something stands beside the value.
pub(super) fn expectation(name: &str, value: Option<Value>, options: Map<String, Value>) -> Value {
    if options.is_empty() {
        return match value {
            Some(value) => json!({ name: value }),
            None => json!(name),
        };
    }
    let mut long = Map::new();
    long.insert("type".to_owned(), json!(name));
    if let Some(value) = value {
        long.insert("value".to_owned(), value);
    }
    long.extend(options);
    Value::Object(long)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_becomes_one_that_can_be_a_file() {
        for name in ["../x", "CON", "", "a/b", "Ünïcode", "x".repeat(500).as_str(), "nul.txt", "  -- ", "a\u{202e}b"]
        {
            PromptName::new(&prompt_name(name)).expect(name);
            ModelAlias::new(&model_alias(name)).expect(name);
            let case = CaseDraft { name: Some(name.to_owned()), ..CaseDraft::new(Place::Nowhere) };
            CaseName::new(&case_name(&case, 3)).expect(name);
        }
        assert_eq!(prompt_name("Support / Refund v2"), "support-refund-v2");
        assert_eq!(model_alias("openai:gpt-4.1-mini"), "openai-gpt-4.1-mini");
    }

    #[test]
    fn names_that_are_taken_get_a_number() {
        let mut draft = Draft::default();
        let names: Vec<usize> =
            (0..3).map(|_| draft.add_prompt(PromptDraft::new("a", String::new(), Place::Nowhere))).collect();
        assert_eq!(names, [0, 1, 2]);
        assert_eq!(draft.prompts[2].name, "a-3");
        assert_eq!(draft.add_file("x/Data.CSV", b"1".to_vec()), "x-data.csv");
        assert_eq!(draft.add_file("x/data.csv", b"2".to_vec()), "x-data-2.csv");
        assert_eq!(draft.add_file("x/data.csv", b"1".to_vec()), "x-data.csv");
        assert_eq!(draft.add_file("cases.yaml", b"1".to_vec()), "table.yaml");
    }
}
