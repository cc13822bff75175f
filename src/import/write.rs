//! From a draft to the files of a project, and the one project that they are merged into.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, LazyLock};

use regex::Regex;
use serde_json::{Map, Value, json};

use super::declare::faithful;
use super::draft::{CaseDraft, Draft, PromptDraft, SHARED, case_name, first_free, mentioned};
use super::finding::Findings;
use super::merge::Names;
use super::template::variables;
use super::yaml::to_yaml;
use crate::core::path::TreePath;
use crate::core::problem::{Place, Problems, Source};
use crate::core::yaml;
use crate::expect::compile;
use crate::project::{CONFIG_FILE, Config};
use crate::prompt::Inline;
use crate::tree::{Tree, TreeError};

/// What an import makes.
pub struct Imported {
    /// The files to be written, by their paths in the project.
    pub files: BTreeMap<TreePath, Vec<u8>>,
    /// What a person should know.
    pub findings: Findings,
    /// How many prompts there are.
    pub prompts: usize,
    /// How many cases, those of data sets among them.
    pub cases: usize,
    /// How many models.
    pub models: usize,
}

/// The files of a draft in the project of `target`. Where `replace` is set, a prompt of the same name is replaced.
pub(super) fn write(draft: Draft, mut findings: Findings, target: &Arc<dyn Tree>, replace: bool) -> Imported {
    let mut files = BTreeMap::new();
    let existing = Config::load(&**target, &mut Problems::default());
    let names = match &existing {
        Some(config) => Names::in_project(&draft, config, &mut findings),
        None => {
            insert(&mut files, CONFIG_FILE, config_text(&draft).into_bytes());
            Names::of_draft(&draft)
        }
    };
    let (models, mut cases) = (draft.models.len(), 0);
    let several = draft.prompts.len() > 1;
    let prompts = draft.prompts.len();
    let mut unused = Unused::default();
    for mut prompt in draft.prompts {
        let own = if several { BTreeMap::new() } else { draft.files.clone() };
        names.judges(&mut prompt, &mut findings);
        let texts = prompt_files(prompt, &names, &draft.files, &mut findings, &mut unused);
        cases += texts.count;
        let made = |name: &str| {
            let mut made = BTreeMap::new();
            if let Some(template) = &texts.template {
                insert(&mut made, &format!("prompts/{name}.j2"), template.clone().into_bytes());
            }
            if let Some(cases) = &texts.cases {
                insert(&mut made, &format!("fixtures/{name}/cases.yaml"), cases.clone().into_bytes());
            }
            for (file, bytes) in &own {
                insert(&mut made, &format!("fixtures/{name}/{file}"), bytes.clone());
            }
            made
        };
        let is_free = |name: &str| {
            replace || texts.template.is_none() || made(name).iter().all(|(path, bytes)| is_free(target, path, bytes))
        };
        let name = first_free(&texts.name, "-", is_free);
        if name != texts.name {
            let message = format!("the project has another prompt `{}`; this one is called `{name}`", texts.name);
            findings.note(texts.place.clone(), message, "`--force` replaces what is there");
        }
        files.extend(made(&name));
    }
    if several {
        for (name, bytes) in &draft.files {
            insert(&mut files, &format!("fixtures/{SHARED}/{name}"), bytes.clone());
        }
    }
    unused.report(&mut findings);
    Imported { files, findings, prompts, cases, models }
}

/// Variables of cases that nothing makes use of, in any prompt.
#[derive(Default)]
struct Unused {
    dropped: BTreeMap<String, (Place, usize)>,
    used: BTreeSet<String>,
}

impl Unused {
    fn report(self, findings: &mut Findings) {
        for (name, (place, count)) in self.dropped {
            if self.used.contains(&name) {
                continue;
            }
            let more = if count > 1 { format!(" (in {count} cases)") } else { String::new() };
            let message = format!("the variable `{name}` is used neither by a prompt nor by an expectation{more}");
            findings.lost(place, message, "");
        }
    }
}

fn insert(files: &mut BTreeMap<TreePath, Vec<u8>>, path: &str, bytes: Vec<u8>) {
    if let Ok(path) = TreePath::new(path) {
        files.insert(path, bytes);
    }
}

/// Whether no other file has the name. What no name helps against (a folder that leaves the project) is told where the
/// files are compared with those that are there.
fn is_free(target: &Arc<dyn Tree>, path: &TreePath, bytes: &[u8]) -> bool {
    match target.read(path, u64::MAX) {
        Ok(known) => known == bytes,
        Err(TreeError::NotAFile(_)) => false,
        Err(_) => true,
    }
}

fn config_text(draft: &Draft) -> String {
    let mut text = String::new();
    for line in draft.description.iter().flat_map(|description| description.trim().lines()) {
        let safe: String = line.chars().filter(|c| !crate::core::escape::is_hidden(*c)).collect();
        text.push_str(format!("# {safe}").trim_end());
        text.push('\n');
    }
    let mut config = Map::new();
    let entries: Map<String, Value> =
        draft.models.iter().map(|model| (model.alias.clone(), Value::Object(model.entry.clone()))).collect();
    config.insert("models".to_owned(), Value::Object(entries));
    let mut defaults = Map::new();
    let answering: Vec<&str> =
        draft.models.iter().filter(|model| model.answers).map(|model| model.alias.as_str()).collect();
    defaults.insert("models".to_owned(), json!(answering));
    defaults.extend(draft.defaults.clone());
    config.insert("defaults".to_owned(), Value::Object(defaults));
    let judges = [("model", &draft.judge), ("embeddings", &draft.embeddings)];
    let judges: Map<String, Value> =
        judges.into_iter().filter_map(|(key, alias)| Some((key.to_owned(), json!(alias.as_ref()?)))).collect();
    if !judges.is_empty() {
        config.insert("judge".to_owned(), Value::Object(judges));
    }
    text.push_str(&to_yaml(&Value::Object(config)));
    text
}

struct PromptFiles {
    name: String,
    /// `None` where the project has it already.
    template: Option<String>,
    /// `None` where there is no case.
    cases: Option<String>,
    count: usize,
    place: Place,
}

fn prompt_files(
    mut prompt: PromptDraft,
    names: &Names,
    files: &BTreeMap<String, Vec<u8>>,
    findings: &mut Findings,
    unused: &mut Unused,
) -> PromptFiles {
    let used = variables(&prompt.body).unwrap_or_default();
    if prompt.cases.is_empty() && prompt.datasets.is_empty() {
        let gives = |name: &String| prompt.default_variables.contains_key(name);
        let has_default = |schema: &Value| schema.get("default").is_some();
        if prompt.declared.iter().all(|(name, schema)| has_default(schema) || gives(name)) {
            prompt.cases.push(CaseDraft { name: Some("as it is".to_owned()), ..CaseDraft::new(prompt.place.clone()) });
        } else {
            let message = format!("the prompt `{}` has no case: the source gives its variables no values", prompt.name);
            findings.note(prompt.place.clone(), message, format!("write fixtures/{}/cases.yaml", prompt.name));
        }
    }
    let declared = faithful(&mut prompt, &used, files, findings);
    keep_what_fits(&mut prompt, declared.as_ref(), files, findings);
    keep_what_renders(&mut prompt, declared.as_ref(), files, findings);
    drop_unused(&mut prompt, &used, declared.as_ref(), unused);
    let (name, place) = (prompt.name.clone(), prompt.place.clone());
    let count = prompt.cases.len() + prompt.datasets.iter().map(|dataset| dataset.rows).sum::<usize>();
    let models = prompt.models.as_deref().map(|aliases| names.all_known(aliases));
    let template = (!prompt.is_there).then(|| template_text(&prompt, declared, models));
    let cases = (count > 0).then(|| cases_text(prompt, names));
    PromptFiles { name, template, cases, count, place }
}

/// The functions of a template that make messages: nothing of them is needed to see whether it renders.
pub(super) static FUNCTIONS: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"\{\{-? *(?:role|tool_call|image)\([^\n]*?\) *-?\}\}").ok());

/// Drops each case with which the template cannot be rendered.
fn keep_what_renders(
    prompt: &mut PromptDraft,
    declared: Option<&Map<String, Value>>,
    files: &BTreeMap<String, Vec<u8>>,
    findings: &mut Findings,
) {
    let Some(functions) = FUNCTIONS.as_ref() else { return };
    let Ok(inline) = Inline::new(&functions.replace_all(&prompt.body, "")) else { return };
    let defaults = default_values(prompt, declared, files);
    let name = prompt.name.clone();
    prompt.cases.retain(|case| {
        let mut context = defaults.clone();
        context.extend(case.variables.iter().map(|(name, value)| (name.clone(), seen(value, files))));
        let Err(why) = inline.render(&minijinja::Value::from(minijinja::value::Serde(&context))) else { return true };
        let message =
            format!("a case of the prompt `{name}` is not carried over, because it cannot be rendered: {why}");
        findings.lost(case.place.clone(), message, "");
        false
    });
}

/// The values of variables that no case has to give.
pub(super) fn default_values(
    prompt: &PromptDraft,
    declared: Option<&Map<String, Value>>,
    files: &BTreeMap<String, Vec<u8>>,
) -> Map<String, Value> {
    let declared_defaults = declared
        .into_iter()
        .flatten()
        .filter_map(|(name, schema)| Some((name.clone(), schema.get("default")?.clone())));
    let shared = prompt.default_variables.iter().map(|(name, value)| (name.clone(), seen(value, files)));
    declared_defaults.chain(shared).collect()
}

/// The value of a variable as an expectation sees it.
pub(super) fn seen(value: &Value, files: &BTreeMap<String, Vec<u8>>) -> Value {
    match value.get("file").and_then(Value::as_str).filter(|_| value.as_object().is_some_and(|map| map.len() == 1)) {
        Some(file) => {
            let name = file.rsplit('/').next().unwrap_or(file);
            let bytes = files.get(name).map(Vec::as_slice).unwrap_or_default();
            Value::String(String::from_utf8_lossy(bytes).into_owned())
        }
        None => value.clone(),
    }
}

/// Drops each expectation that makes no sense with the variables of its case.
fn keep_what_fits(
    prompt: &mut PromptDraft,
    declared: Option<&Map<String, Value>>,
    files: &BTreeMap<String, Vec<u8>>,
    findings: &mut Findings,
) {
    let defaults = default_values(prompt, declared, files);
    let common = std::mem::take(&mut prompt.default_expect);
    let fits = |expect: &Value, own: &Map<String, Value>| {
        let mut mentioned_names = BTreeSet::new();
        mentioned(expect, &mut mentioned_names);
        if mentioned_names.is_empty() {
            return None;
        }
        let mut context = defaults.clone();
        context.extend(own.iter().map(|(name, value)| (name.clone(), seen(value, files))));
        binding_fault(expect, &context)
    };
    // What all cases share and one of them cannot have is each case's own.
    let rows_fit = |expect: &Value| {
        let mut names = BTreeSet::new();
        mentioned(expect, &mut names);
        prompt.datasets.iter().all(|set| names.iter().all(|n| set.columns.contains_key(n) || defaults.contains_key(n)))
    };
    let (shared, own): (Vec<Value>, Vec<Value>) = common.into_iter().partition(|expect| {
        rows_fit(expect) && prompt.cases.iter().all(|case| fits(expect, &case.variables).is_none())
    });
    for case in &mut prompt.cases {
        let all: Vec<Value> = own.iter().cloned().chain(std::mem::take(&mut case.expect)).collect();
        for expect in all {
            match fits(&expect, &case.variables) {
                None => case.expect.push(expect),
                Some(why) => {
                    findings.lost(case.place.clone(), format!("an expectation is not carried over: {why}"), "");
                }
            }
        }
    }
    prompt.default_expect = shared;
}

/// Why an expectation makes no sense with these variables.
fn binding_fault(expect: &Value, variables: &Map<String, Value>) -> Option<String> {
    let source = Source::new("expect", to_yaml(expect));
    let node = yaml::parse(&source).ok()?;
    let compiled = compile(&source, &node, &|_| Err(String::new()), &mut Problems::default())?;
    compiled.bind(&minijinja::Value::from(minijinja::value::Serde(variables))).err()
}

/// Drops the variables of cases that neither the template nor an expectation makes use of.
fn drop_unused(
    prompt: &mut PromptDraft,
    used: &BTreeSet<String>,
    declared: Option<&Map<String, Value>>,
    unused: &mut Unused,
) {
    let mut common = used.clone();
    common.extend(declared.iter().flat_map(|declared| declared.keys().cloned()));
    prompt.default_expect.iter().for_each(|expect| mentioned(expect, &mut common));
    for case in &mut prompt.cases {
        let mut all = common.clone();
        case.expect.iter().for_each(|expect| mentioned(expect, &mut all));
        let whole = case.clone();
        case.variables.retain(|name, _| all.contains(name));
        let named = case_name(&whole, 0);
        if case.name.is_none() && case.variables.is_empty() && named != "case 0" {
            case.name = Some(named);
        }
        for name in whole.variables.keys() {
            if all.contains(name) {
                unused.used.insert(name.clone());
            } else {
                unused.dropped.entry(name.clone()).or_insert_with(|| (case.place.clone(), 0)).1 += 1;
            }
        }
    }
}

fn template_text(prompt: &PromptDraft, declared: Option<Map<String, Value>>, models: Option<Vec<String>>) -> String {
    let mut front = Map::new();
    if let Some(description) = &prompt.description {
        front.insert("description".to_owned(), json!(description));
    }
    if let Some(models) = models.filter(|models| !models.is_empty()) {
        front.insert("models".to_owned(), json!(models));
    }
    front.extend(prompt.front.clone());
    if let Some(declared) = declared.filter(|declared| !declared.is_empty()) {
        front.insert("vars".to_owned(), Value::Object(declared));
    }
    let mut text = String::new();
    // A body that begins with a line of three dashes would be read as a front matter.
    if !front.is_empty() || prompt.body.trim_start().starts_with("---") {
        let yaml = if front.is_empty() { String::new() } else { to_yaml(&Value::Object(front)) };
        text = format!("---\n{yaml}---\n");
    }
    text.push_str(&prompt.body.replace("\r\n", "\n"));
    if !text.ends_with('\n') {
        text.push('\n');
    }
    text
}

fn cases_text(prompt: PromptDraft, aliases: &Names) -> String {
    let mut file = Map::new();
    let mut defaults = Map::new();
    if !prompt.default_variables.is_empty() {
        defaults.insert("vars".to_owned(), Value::Object(prompt.default_variables));
    }
    if !prompt.default_expect.is_empty() {
        defaults.insert("expect".to_owned(), Value::Array(prompt.default_expect));
    }
    defaults.extend(prompt.default_more);
    if !defaults.is_empty() {
        file.insert("defaults".to_owned(), Value::Object(defaults));
    }
    let mut names: BTreeSet<String> = BTreeSet::new();
    let mut cases = Vec::new();
    for (i, case) in prompt.cases.into_iter().enumerate() {
        let name = case_name(&case, i + 1);
        let name = first_free(&name, " ", |name| !names.contains(name));
        names.insert(name.clone());
        let mut entry = Map::from_iter([("name".to_owned(), json!(name))]);
        if !case.variables.is_empty() {
            entry.insert("vars".to_owned(), Value::Object(case.variables));
        }
        if !case.expect.is_empty() {
            entry.insert("expect".to_owned(), Value::Array(case.expect));
        }
        entry.extend(case.more);
        let models = case.models.map(|models| aliases.all_known(&models));
        if let Some(models) = models.filter(|models| !models.is_empty()) {
            entry.insert("models".to_owned(), json!(models));
        }
        if !case.tags.is_empty() {
            entry.insert("tags".to_owned(), json!(case.tags));
        }
        cases.push(Value::Object(entry));
    }
    if !cases.is_empty() {
        file.insert("cases".to_owned(), Value::Array(cases));
    }
    if !prompt.datasets.is_empty() {
        let sets = prompt.datasets.into_iter().map(|dataset| Value::Object(dataset.entry));
        file.insert("datasets".to_owned(), sets.collect());
    }
    to_yaml(&Value::Object(file))
}
