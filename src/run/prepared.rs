//! A project with its expectations compiled: everything that can be wrong was found before anything runs.

use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::Arc;

use rayon::prelude::*;
use serde_json::Value;

use super::consulted::Consulted;
use super::judges::Judges;
use crate::case::{Case, Check};
use crate::core::digest::sha256_hex;
use crate::core::problem::{Place, Problem, Problems};
use crate::core::record::Request;
use crate::core::yaml::{Data, Key, Node};
use crate::expect::{Expectation, Need, compile};
use crate::model::{self, Checker};
use crate::plan::{Item, Overrides, Plan, Unsendable, Variation, Workspace};
use crate::project::{CONFIG_FILE, Compare, RetrieverKind};
use crate::prompt::Prompt;
use crate::recording::Store;

/// A project, ready to be run.
pub struct Prepared {
    /// The project.
    pub workspace: Workspace,
    pub(super) checker: Checker,
    /// The prompts of judges.
    pub(super) judges: Judges,
    /// What was asked for checks.
    pub(super) consulted: Consulted,
    /// Whether any case asks beyond its first answers.
    pub(super) is_judged: bool,
    /// By the address of what was written, which many rows share.
    pub(super) expectations: HashMap<usize, Arc<Expectation>>,
    /// The digests of the files that they name, by the same address.
    files: HashMap<usize, Vec<String>>,
    /// The schema of each prompt's structured output, as an expectation.
    pub(super) outputs: Vec<Option<Arc<Expectation>>>,
}

fn address(check: &Arc<Check>) -> usize {
    Arc::as_ptr(check) as usize
}

impl Prepared {
    /// Compiles every expectation and checks every model entry. What is wrong goes to `problems`.
    pub fn new(workspace: Workspace, problems: &mut Problems) -> Self {
        let checker = Checker::new(&workspace.config.models, problems);
        check_retrievers(&workspace, problems);
        for prompt in &workspace.prompts.list {
            check_params(&workspace, prompt, problems);
        }
        let outputs = workspace.prompts.list.iter().map(|prompt| output_expectation(prompt, problems)).collect();
        let (mut expectations, mut files) = (HashMap::new(), HashMap::new());
        let mut seen = std::collections::HashSet::new();
        let of_case = |case: &Case| {
            let of_turns = case.turns.iter().flat_map(|turn| turn.checks.iter().cloned());
            case.checks.iter().cloned().chain(of_turns).collect::<Vec<_>>()
        };
        for check in &workspace.cases.list.iter().flat_map(of_case).collect::<Vec<_>>() {
            if !seen.insert(address(check)) {
                continue;
            }
            let named = RefCell::new(Vec::new());
            let read = |name: &str| {
                let path = check.folder.join(name)?;
                let text = workspace.tree.text(&path).map_err(|error| error.to_string())?;
                named.borrow_mut().push(sha256_hex(text.as_bytes()));
                Ok(text)
            };
            if let Some(expectation) = compile(&check.source, &check.node, &read, problems) {
                expectations.insert(address(check), Arc::new(expectation));
            }
            files.insert(address(check), named.into_inner());
        }
        files.retain(|_, named| !named.is_empty());
        let (judges, consulted) = (Judges::default(), Consulted::default());
        let is_judged = workspace.cases.list.iter().any(|case| !case.turns.is_empty())
            || expectations.values().any(|expectation: &Arc<Expectation>| !expectation.needs().is_empty());
        let prepared = Self { workspace, checker, judges, consulted, is_judged, expectations, files, outputs };
        prepared.check_needs(problems);
        prepared.check_weights(problems);
        prepared
    }

    /// Reports cases of which nothing that is expected decides anything. Rows that share their expectations are told once.
    fn check_weights(&self, problems: &mut Problems) {
        let mut told = std::collections::HashSet::new();
        for case in self.workspace.cases.list.iter().filter(|case| case.compare == Compare::None && !case.unasserted) {
            let mut expectations = self.all_expectations(case).peekable();
            let Some(first) = expectations.peek().map(|first| Arc::as_ptr(first)) else { continue };
            if expectations.all(|expectation| expectation.weight() == 0.0) && told.insert(first) {
                let message = format!("case `{}` checks nothing: every expectation has the weight 0", case.name);
                let help = "give one of them a weight above 0, ask for `snapshot: text`, or say `unasserted: allow`";
                problems.push(Problem::error(case.place.clone(), message).help(help));
            }
        }
    }

    /// What is to be done for these cases. A case that cannot be rendered, or not be sent to its model, is a problem.
    pub fn plan(&self, selected: &[usize], overrides: &Overrides) -> Result<Plan, Problems> {
        let models = &self.workspace.config.models;
        let sendable = |index: usize, request: &Request| self.checker.request(index, &models[index], request);
        Plan::new(&self.workspace, selected, overrides, &sendable)
    }

    /// An experiment with a case on a model, of so many samples. An error is why it cannot be sent there.
    pub fn varied(&self, case: usize, model: usize, variation: Variation, samples: u32) -> Result<Item, Unsendable> {
        let variation = Some(Arc::new(variation));
        let mut item = Item { case, model, keys: Vec::new(), position: None, variation };
        let request = self
            .workspace
            .request_of_item(&item)
            .map_err(|problem| Unsendable { why: problem.message, help: "mend the prompt or the case".to_owned() })?;
        self.checker.request(model, &self.workspace.config.models[model], &request)?;
        item.keys = (0..samples).map(|sample| request.key(sample)).collect();
        Ok(item)
    }

    /// How long each item took when it was recorded last, in milliseconds, where that is known.
    #[must_use]
    pub fn recorded_latencies(&self, plan: &Plan, store: &Store) -> Vec<Option<u64>> {
        let latency = |item: &Item| {
            let case = &self.workspace.cases.list[item.case];
            let (prompt, model) =
                (&self.workspace.prompt_of(case).name, &self.workspace.config.models[item.model].alias);
            // What is damaged is reported when the run reads it.
            let line = store.nearest(prompt, model, &case.name, 0).ok()??;
            Some(line.response.latency_ms? * item.keys.len() as u64)
        };
        plan.items.par_iter().map(latency).collect()
    }

    /// The digests of the files that an expectation names.
    pub(super) fn files(&self, check: &Arc<Check>) -> impl Iterator<Item = &String> {
        self.files.get(&address(check)).into_iter().flatten()
    }

    /// What became of expectations as they were written.
    pub(super) fn compiled<'a>(&'a self, checks: &'a [Arc<Check>]) -> impl Iterator<Item = &'a Arc<Expectation>> {
        checks.iter().filter_map(|check| self.expectations.get(&address(check)))
    }

    /// Everything that is expected in the course of a case.
    pub(super) fn all_expectations<'a>(&'a self, case: &'a Case) -> impl Iterator<Item = &'a Arc<Expectation>> {
        let later = case.turns.iter().flat_map(|turn| self.compiled(&turn.checks));
        self.expectations(case).chain(later)
    }

    /// What is expected of the first answer of a case.
    pub(super) fn expectations<'a>(&'a self, case: &'a Case) -> impl Iterator<Item = &'a Arc<Expectation>> {
        let own = self.compiled(&case.checks);
        self.outputs.get(case.prompt).and_then(Option::as_ref).into_iter().chain(own)
    }

    /// Whether a case asks beyond its first answer.
    pub(super) fn asks(&self, case: &Case) -> bool {
        self.is_judged && (!case.turns.is_empty() || self.needs(case).next().is_some())
    }

    /// Whether the answers of a case are held against each other.
    pub(super) fn needs_others(&self, case: &Case) -> bool {
        self.needs(case).any(|need| need == Need::Others)
    }

    /// What is asked beyond the answers of a case.
    pub(super) fn needs<'a>(&'a self, case: &'a Case) -> impl Iterator<Item = Need> {
        self.all_expectations(case).flat_map(|expectation| expectation.needs()).map(|(_, need)| need)
    }

    /// Every selected case whose expectations make no sense with its variables.
    #[must_use]
    pub fn check_values(&self, selected: &[usize]) -> Problems {
        let cases = &self.workspace.cases.list;
        let found: Vec<Problem> = selected.par_iter().filter_map(|index| self.bind(&cases[*index]).err()).collect();
        let mut problems = Problems::default();
        for problem in found {
            problems.push(problem);
        }
        problems
    }
}

/// Reports what is wrong with the retrievers that are asked, those of prompts included.
fn check_retrievers(workspace: &Workspace, problems: &mut Problems) {
    let of_prompts = workspace.prompts.list.iter().filter_map(|prompt| prompt.front.retriever.as_ref());
    // One that prompts name is checked where it stands.
    let own = of_prompts.map(|own| &own.retriever).filter(|own| own.source.path != CONFIG_FILE);
    for retriever in workspace.config.retrievers.iter().chain(own) {
        if let RetrieverKind::Asked(entry) = &retriever.kind {
            model::check_retriever(entry, problems);
        }
    }
}

/// Reports the parameters of a prompt that one of its models cannot be sent, where they stand.
fn check_params(workspace: &Workspace, prompt: &Prompt, problems: &mut Problems) {
    let config = &workspace.config;
    let aliases = prompt.front.models.as_ref().unwrap_or(&config.defaults.models);
    let mut told = Vec::new();
    for entry in config.models.iter().filter(|entry| aliases.contains(&entry.alias)) {
        for name in prompt.front.params.keys().filter(|name| !entry.ignore.contains(name)) {
            let Some(refusal) = model::refusal(entry, name).filter(|_| !told.contains(name)) else { continue };
            let span = prompt.front.param_spans.get(name).cloned().unwrap_or(0..0);
            let message = format!("{} (model `{}`)", refusal.why, entry.alias);
            problems.push(Problem::error(Place::span(&prompt.source, span), message).help(refusal.help));
            told.push(name.clone());
        }
    }
}

/// Structured output is asked for and also checked.
fn output_expectation(prompt: &Prompt, problems: &mut Problems) -> Option<Arc<Expectation>> {
    let output = prompt.front.output.as_ref()?;
    let span = output.span.clone();
    let key = Key { span: span.clone(), text: "json-schema".into() };
    let schema = to_node(&output.format.schema, &span);
    let node = Node { span, data: Data::Map(vec![(key, schema)]) };
    let read = |name: &str| Err(format!("`{name}` is not read again"));
    compile(&prompt.source, &node, &read, problems).map(Arc::new)
}

/// A JSON value as if it stood in a file at one place.
fn to_node(value: &Value, span: &std::ops::Range<usize>) -> Node {
    let data = match value {
        Value::Null => Data::Null,
        Value::Bool(b) => Data::Bool(*b),
        Value::Number(n) => Data::Number(n.clone(), n.to_string()),
        Value::String(s) => Data::Text(s.clone()),
        Value::Array(items) => Data::List(items.iter().map(|item| to_node(item, span)).collect()),
        Value::Object(map) => Data::Map(
            map.iter()
                .map(|(name, value)| (Key { span: span.clone(), text: name.clone() }, to_node(value, span)))
                .collect(),
        ),
    };
    Node { span: span.clone(), data }
}
