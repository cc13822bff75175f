//! Putting cases together: every `cases.yaml` and data set of a tree, in the order of the prompts.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use serde_json::{Map, Value};

use super::bind;
use super::dataset;
use super::file::{self, CasesFile, Common, Written, WrittenCase, WrittenDataset, WrittenFact, WrittenVariable};
use super::relevant::{Relevant, Retrieval};
use super::row::RowTemplates;
use super::turns::{Turn, WrittenTurn};
use crate::core::decode::Decoder;
use crate::core::names::{CaseName, ModelAlias, PromptName};
use crate::core::path::TreePath;
use crate::core::problem::{Mistake, Place, Problem, Problems, Source};
use crate::core::redact::key_shape;
use crate::core::suggest::did_you_mean;
use crate::core::verdict::Quarantine;
use crate::core::yaml::{self, Data, Node};
use crate::project::{Compare, Config, SnapshotSettings};
use crate::prompt::{PROMPTS, Prompt, Prompts, SharedVariables, Variables};
use crate::tree::Tree;

/// The folder that mirrors `prompts/` with cases and recordings.
pub const FIXTURES: &str = "fixtures";
/// The file with a prompt's cases.
pub const CASES_FILE: &str = "cases.yaml";

/// An expectation as it was written.
#[derive(Debug)]
pub struct Check {
    /// The file.
    pub source: Arc<Source>,
    /// The expectation.
    pub node: Node,
    /// The folder from which it names files.
    pub folder: TreePath,
}

/// A golden case.
#[derive(Clone, Debug)]
pub struct Case {
    /// Its name.
    pub name: CaseName,
    /// The index of its prompt in [`Prompts::list`].
    pub prompt: usize,
    /// Its variables.
    pub variables: Variables,
    /// What is expected of the answer.
    pub checks: Arc<[Arc<Check>]>,
    /// What is said after the first answer, turn by turn.
    pub turns: Arc<[Turn]>,
    /// How the answer is compared with the accepted one.
    pub compare: Compare,
    /// How the answer is kept.
    pub snapshot: Arc<SnapshotSettings>,
    /// How many samples it takes.
    pub repeat: u32,
    /// The share of samples that must pass.
    pub min_pass_rate: f64,
    /// Whether every sample must pass, whatever statistics say.
    pub must_pass: bool,
    /// The score that is enough, instead of every expectation.
    pub threshold: Option<f64>,
    /// Labels.
    pub tags: Arc<[String]>,
    /// What it was made from: cases of a group are not counted as independent of one another.
    pub group: Option<Arc<str>>,
    /// Models that go before those of the prompt.
    pub models: Option<Arc<[ModelAlias]>>,
    /// What is known to be true and would answer it: shown to a model in an experiment, never in a test.
    pub facts: Arc<[String]>,
    /// What its retriever was asked, and found, where the prompt has one.
    pub retrieval: Option<Arc<Retrieval>>,
    /// The documents that would answer it, by their ids, where the case says.
    pub relevant: Arc<[Relevant]>,
    /// Where it is written.
    pub place: Place,
    /// Whether it may check nothing.
    pub unasserted: bool,
    /// Until when it decides nothing, and why.
    pub quarantine: Option<Arc<Quarantine>>,
}

/// All cases of a tree.
#[derive(Debug, Default)]
pub struct Cases {
    /// The cases, by prompt, in the order of the files.
    pub list: Vec<Case>,
}

/// The file with the cases of a prompt.
#[must_use]
pub fn cases_path(prompt: &PromptName) -> TreePath {
    let path = format!("{FIXTURES}/{prompt}/{CASES_FILE}");
    TreePath::new(&path).unwrap_or_else(|_| unreachable!("a prompt's name is a relative path"))
}

impl Cases {
    /// Reads the cases of every prompt. What is wrong goes to `problems`; what can be read is returned.
    pub fn load(tree: &dyn Tree, config: &Config, prompts: &Prompts, problems: &mut Problems) -> Self {
        let files: BTreeSet<TreePath> = match TreePath::new(FIXTURES).map(|folder| tree.list(&folder)) {
            Ok(Ok(files)) => files.into_iter().collect(),
            Ok(Err(error)) => {
                problems.push(error.into_problem());
                BTreeSet::new()
            }
            Err(_) => BTreeSet::new(),
        };
        let mut list = Vec::new();
        for (index, prompt) in prompts.list.iter().enumerate() {
            let path = cases_path(&prompt.name);
            if files.contains(&path) {
                let mut loader = Loader::new(tree, config, prompt, index, problems);
                loader.load(&path);
                list.append(&mut loader.cases);
            }
        }
        report_orphans(tree, files.iter(), prompts, problems);
        Self { list }
    }
}

/// A `cases.yaml` whose prompt does not exist would never be tested, and nobody would know.
fn report_orphans<'a>(
    tree: &dyn Tree,
    files: impl Iterator<Item = &'a TreePath>,
    prompts: &Prompts,
    problems: &mut Problems,
) {
    let names = || prompts.list.iter().map(|prompt| prompt.name.as_str());
    let templates = TreePath::new(PROMPTS).ok().and_then(|folder| tree.list(&folder).ok()).unwrap_or_default();
    for path in files.filter(|path| matches!(path.file_name(), CASES_FILE | "cases.yml")) {
        let folder = path.parent();
        let name = folder.below(FIXTURES).unwrap_or_default();
        if path.file_name() == "cases.yml" {
            problems
                .error(Place::File(path.to_string()), format!("the cases of a prompt are in {CASES_FILE}; rename it"));
        } else if !names().any(|known| known == name) {
            let template = format!("{PROMPTS}/{name}.j2");
            let is_there = templates.iter().any(|path| path.as_str() == template);
            let message = if !is_there {
                let hint = did_you_mean(name, names());
                format!("these cases belong to no prompt: there is no {template}{hint}")
            } else if name.split('/').any(|part| part.starts_with('_')) {
                format!("these cases belong to no prompt: {template} is a partial")
            } else {
                // Why it is no prompt was said already.
                continue;
            };
            problems.error(Place::File(path.to_string()), message);
        }
    }
}

struct Loader<'a> {
    tree: &'a dyn Tree,
    config: &'a Config,
    prompt: &'a Prompt,
    index: usize,
    problems: &'a mut Problems,
    folder: TreePath,
    cases: Vec<Case>,
    names: HashMap<String, (CaseName, Place)>,
    /// Texts of files that variables name, each read once.
    texts: HashMap<TreePath, String>,
}

impl<'a> Loader<'a> {
    fn new(
        tree: &'a dyn Tree,
        config: &'a Config,
        prompt: &'a Prompt,
        index: usize,
        problems: &'a mut Problems,
    ) -> Self {
        let (cases, names, texts) = (Vec::new(), HashMap::new(), HashMap::new());
        Self { tree, config, prompt, index, problems, folder: TreePath::root(), cases, names, texts }
    }

    fn load(&mut self, path: &TreePath) {
        self.folder = path.parent();
        let source = match self.tree.source(path) {
            Ok(source) => source,
            Err(error) => return self.problems.push(error.into_problem()),
        };
        let node = match yaml::parse(&source) {
            Ok(node) => node,
            Err(found) => return self.problems.extend(found),
        };
        if matches!(node.data, Data::Null) {
            let help = "list at least one case under `cases:`";
            self.problems.push(Problem::error(Place::File(source.path.clone()), "the file is empty").help(help));
            return;
        }
        if let Some((shape, range)) = key_shape(&source.text) {
            let help = "if it is a real key, revoke it: whoever has the repository has the key";
            let problem = Problem::warning(Place::span(&source, range), format!("this looks like {shape}"));
            self.problems.push(problem.help(help));
        }
        let mut decoder = Decoder { source: &source, problems: self.problems };
        let Some(file) = file::decode(&mut decoder, &node, self.config) else { return };
        let shared = self.values(&source, &file.variables);
        let shared = SharedVariables::new(shared);
        let defaults = self.checks(&source, &file.common.expect);
        for case in &file.cases {
            self.add_case(&source, &file, &shared, &defaults, case);
        }
        for dataset in &file.datasets {
            self.add_dataset(&source, &file, &shared, &defaults, dataset);
        }
    }

    fn checks(&self, source: &Arc<Source>, nodes: &[Node]) -> Vec<Arc<Check>> {
        let check = |node: &Node| Check { source: Arc::clone(source), node: node.clone(), folder: self.folder.clone() };
        nodes.iter().map(|node| Arc::new(check(node))).collect()
    }

    /// The variables' values, files read.
    fn values(&mut self, source: &Arc<Source>, variables: &[WrittenVariable]) -> Map<String, Value> {
        let mut values = file::plain_values(variables);
        for variable in variables {
            let text = match &variable.written {
                Written::File(name) => self.file_text(name),
                Written::Image(name) => self.folder.join(name).map(|path| path.to_string()),
                Written::Value(_) => continue,
            };
            match text {
                Ok(text) => {
                    values.insert(variable.name.clone(), Value::String(text));
                }
                Err(why) => {
                    self.problems.error(Place::span(source, variable.span.clone()), why);
                    // It is given, if wrongly.
                    values.insert(variable.name.clone(), Value::String(String::new()));
                }
            }
        }
        values
    }

    /// The texts of facts, files read.
    fn facts(&mut self, source: &Arc<Source>, written: &[&WrittenFact]) -> Vec<String> {
        let mut facts = Vec::with_capacity(written.len());
        for fact in written {
            match &fact.written {
                Written::Value(Value::String(text)) => facts.push(text.clone()),
                Written::File(name) => match self.file_text(name) {
                    Ok(text) => facts.push(text),
                    Err(why) => self.problems.error(Place::span(source, fact.span.clone()), why),
                },
                Written::Value(_) | Written::Image(_) => {}
            }
        }
        facts
    }

    fn file_text(&mut self, name: &str) -> Result<String, String> {
        let path = self.folder.join(name)?;
        if let Some(text) = self.texts.get(&path) {
            return Ok(text.clone());
        }
        let text = self.tree.text(&path).map_err(|error| error.to_string())?;
        self.texts.insert(path, text.clone());
        Ok(text)
    }

    /// Whether the name is free; a name that is not is a problem at `place`.
    fn take_name(&mut self, name: &str, place: &Place) -> Option<CaseName> {
        let name = match CaseName::new(name) {
            Ok(name) => name,
            Err(why) => {
                self.problems.error(place.clone(), why);
                return None;
            }
        };
        if let Some((_, first)) = self.names.get(name.as_str()) {
            let at = match first.locate() {
                (Some(path), Some(line), _) => format!(" (first in {path}:{line})"),
                _ => String::new(),
            };
            let message = format!("the case name `{name}` stands here a second time{at}");
            self.problems.push(Problem::error(place.clone(), message).of(Mistake::UnknownOrDouble));
            return None;
        }
        self.names.insert(name.to_string(), (name.clone(), place.clone()));
        Some(name)
    }

    fn add_case(
        &mut self,
        source: &Arc<Source>,
        file: &CasesFile,
        shared: &Arc<SharedVariables>,
        defaults: &[Arc<Check>],
        written: &WrittenCase,
    ) {
        let place = Place::span(source, written.name_span.clone());
        let name = self.take_name(&written.name, &place);
        let mut own = self.values(source, &written.variables);
        let given = |name: &str| written.variables.iter().chain(&file.variables).any(|v| v.name == name);
        bind::add_defaults(self.prompt, given, &mut own);
        let of_turns = written.turns.iter().flat_map(|turn| &turn.expect);
        let nodes: Vec<&Node> = written.common.expect.iter().chain(&file.common.expect).chain(of_turns).collect();
        let said = |name: &str| {
            let mut texts = written.turns.iter().flat_map(|turn| turn.say.texts());
            texts.any(|text| text.variables().iter().any(|used| used == name))
        };
        // Of a template that could not be parsed nobody knows what it uses.
        for variable in written.variables.iter().filter(|_| self.prompt.is_whole) {
            if !said(&variable.name) && !bind::is_used(self.prompt, &variable.name, &nodes) {
                let known = self.prompt.variables.iter().map(String::as_str);
                let hint = did_you_mean(&variable.name, known);
                let message = format!(
                    "the variable `{}` is used neither by the prompt `{}` nor by an expectation{hint}",
                    variable.name, self.prompt.name
                );
                let problem = Problem::error(Place::span(source, variable.name_span.clone()), message);
                self.problems.push(problem.of(Mistake::UndefinedVariable));
            }
        }
        let variables = Variables::new(Arc::clone(shared), own);
        for why in bind::mismatches(self.prompt, &variables) {
            self.problems.push(why.problem(&place, &written.name));
        }
        let Some(name) = name else { return };
        let mut checks = defaults.to_vec();
        checks.extend(self.checks(source, &written.common.expect));
        let shape = Shape::new(self, &file.common, &written.common, true);
        let tags: Vec<String> = file.tags.iter().chain(&written.tags).cloned().collect();
        let group = written.group.as_deref().map(Arc::from);
        let facts: Vec<&WrittenFact> = file.common.facts.iter().chain(&written.common.facts).collect();
        let facts = self.facts(source, &facts).into();
        let relevant = file.common.relevant.iter().chain(&written.common.relevant).cloned().collect();
        let turn = |written: &WrittenTurn| Turn {
            say: written.say.clone(),
            checks: self.checks(source, &written.expect).into(),
            place: Place::span(source, written.span.clone()),
        };
        let turns: Arc<[Turn]> = written.turns.iter().map(turn).collect();
        self.cases.push(Case {
            turns,
            group,
            facts,
            relevant,
            ..shape.case(name, self.index, variables, checks.into(), tags.into(), place)
        });
    }

    fn add_dataset(
        &mut self,
        source: &Arc<Source>,
        file: &CasesFile,
        shared: &Arc<SharedVariables>,
        defaults: &[Arc<Check>],
        written: &WrittenDataset,
    ) {
        let rows = match self.folder.join(&written.file) {
            Ok(path) => dataset::read(self.tree, &path).map(|rows| (path, rows)),
            Err(why) => Err(Problem::error(Place::span(source, written.file_span.clone()), why).into()),
        };
        let (path, rows) = match rows {
            Ok(rows) => rows,
            Err(found) => return self.problems.extend(found),
        };
        let Some(templates) = RowTemplates::new(source, file, written, self.problems) else { return };
        let extra = self.values(source, &written.variables);
        let shared_facts = self.facts(source, &file.common.facts.iter().collect::<Vec<_>>());
        let own: Vec<&WrittenFact> =
            written.common.facts.iter().filter(|fact| matches!(fact.written, Written::File(_))).collect();
        let files = self.facts(source, &own);
        let mut checks = defaults.to_vec();
        checks.extend(self.checks(source, &written.common.expect));
        let checks: Arc<[Arc<Check>]> = checks.into();
        let shape = Shape::new(self, &file.common, &written.common, false);
        if rows.is_empty() {
            self.problems.error(Place::span(source, written.span.clone()), format!("the data set `{path}` has no row"));
        }
        let mut tag_sets: HashMap<Vec<String>, Arc<[String]>> = HashMap::new();
        for (number, mut row) in rows.into_iter().enumerate() {
            let place = Place::Line(path.to_string(), row.line);
            bind::coerce(self.prompt.front.variables.as_deref().unwrap_or_default(), &mut row.values);
            let Some(rendered) = templates.render(&row.values, &extra, number, &path, &place, self.problems) else {
                continue;
            };
            let mut own = rendered.variables;
            let given = |name: &str| own.contains_key(name) || file.variables.iter().any(|v| v.name == name);
            let mut with_defaults = Map::new();
            bind::add_defaults(self.prompt, given, &mut with_defaults);
            own.extend(with_defaults);
            let variables = Variables::new(Arc::clone(shared), own);
            for why in bind::mismatches(self.prompt, &variables) {
                self.problems.push(why.problem(&place, &rendered.name));
            }
            let tags = Arc::clone(tag_sets.entry(rendered.tags.clone()).or_insert_with(|| rendered.tags.into()));
            if let Some(name) = self.take_name(&rendered.name, &place) {
                let group = rendered.group.map(Arc::from);
                let facts = shared_facts.iter().chain(&files).cloned().chain(rendered.facts).collect();
                let case = shape.case(name, self.index, variables, Arc::clone(&checks), tags, place);
                let relevant = file.common.relevant.iter().cloned().chain(rendered.relevant).collect();
                self.cases.push(Case { group, facts, relevant, ..case });
            }
        }
    }
}

/// What the cases of one origin have in common, after all defaults.
struct Shape {
    compare: Compare,
    snapshot: Arc<SnapshotSettings>,
    repeat: u32,
    min_pass_rate: f64,
    must_pass: bool,
    threshold: Option<f64>,
    models: Option<Arc<[ModelAlias]>>,
    unasserted: bool,
    quarantine: Option<Arc<Quarantine>>,
}

impl Shape {
    fn new(loader: &Loader<'_>, file: &Common, own: &Common, hand_written: bool) -> Self {
        let defaults = &loader.config.defaults;
        let near = own.snapshot.or(&file.snapshot);
        let snapshot = near.or(&defaults.snapshot);
        let by_form = if loader.prompt.front.output.is_some() { Compare::Json } else { Compare::Text };
        // A row keeps a snapshot only where its own file asks for one.
        let compare =
            if hand_written { snapshot.compare.unwrap_or(by_form) } else { near.compare.unwrap_or(Compare::None) };
        // What the case itself says goes before what its file says of all.
        let must_pass = own.must_pass.unwrap_or_else(|| {
            let otherwise = own.min_pass_rate.is_some_and(|rate| rate < 1.0) || own.quarantine.is_some();
            file.must_pass.unwrap_or(false) && !otherwise
        });
        let quarantine = own.quarantine.as_ref().or(file.quarantine.as_ref()).filter(|_| !must_pass).cloned();
        Self {
            compare,
            snapshot: Arc::new(SnapshotSettings { compare: Some(compare), ..snapshot }),
            repeat: own.repeat.or(file.repeat).unwrap_or(defaults.repeat),
            min_pass_rate: own.min_pass_rate.or(file.min_pass_rate).unwrap_or(defaults.min_pass_rate),
            threshold: own.threshold.or(file.threshold),
            models: own.models.clone().or_else(|| file.models.clone()).map(Into::into),
            unasserted: own.unasserted.or(file.unasserted).unwrap_or(loader.config.unasserted),
            quarantine,
            must_pass,
        }
    }

    fn case(
        &self,
        name: CaseName,
        prompt: usize,
        variables: Variables,
        checks: Arc<[Arc<Check>]>,
        tags: Arc<[String]>,
        place: Place,
    ) -> Case {
        Case {
            name,
            prompt,
            variables,
            checks,
            turns: Arc::default(),
            compare: self.compare,
            snapshot: Arc::clone(&self.snapshot),
            repeat: self.repeat,
            min_pass_rate: if self.must_pass { 1.0 } else { self.min_pass_rate },
            must_pass: self.must_pass,
            threshold: self.threshold,
            tags,
            group: None,
            facts: Arc::default(),
            retrieval: None,
            relevant: Arc::default(),
            models: self.models.clone(),
            place,
            unasserted: self.unasserted,
            quarantine: self.quarantine.clone(),
        }
    }
}
