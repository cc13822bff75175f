//! What a prompt was at a commit: loaded with nothing beside it, and with a list of what was read to load it, so that
//! the commits at which none of that differs need not be loaded at all.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use crate::case::{CASES_FILE, FIXTURES, cases_path};
use crate::core::digest::canonical_json;
use crate::core::names::{ModelAlias, PromptName};
use crate::core::path::TreePath;
use crate::core::problem::{Problem, Problems, Severity};
use crate::plan::{Overrides, Plan, Workspace};
use crate::project::{CONFIG_FILE, Config};
use crate::prompt::{ENDING as TEMPLATE, PROMPTS, Prompt, Prompts};
use crate::recording::Store;
use crate::run::Prepared;
use crate::tree::{CommitTree, Nothing, Only, Reads, Traced, Tree};

/// A prompt with its cases, compiled and planned.
pub struct Loaded {
    /// The project, as far as the prompt reaches.
    pub prepared: Prepared,
    /// Every case of the prompt on its models.
    pub plan: Plan,
}

impl Loaded {
    /// The prompt.
    #[must_use]
    pub fn prompt(&self, name: &PromptName) -> Option<&Prompt> {
        self.prepared.workspace.prompts.get(name)
    }
}

/// What a prompt is made of; two commits whose parts are the same have the same version of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Parts {
    /// Whether it could be loaded.
    pub(super) loads: bool,
    /// The template without its front matter.
    pub(super) body: String,
    /// The front matter, as it is written.
    pub(super) front: String,
    /// What of it shapes a request, and of the models that it is for.
    pub(super) parameters: String,
    /// The partials, by name, with git's names for their contents.
    pub(super) partials: BTreeMap<String, String>,
    /// The cases and the files that they name.
    pub(super) cases: BTreeMap<String, String>,
    /// The accepted answers.
    pub(super) snapshots: BTreeMap<String, String>,
}

/// A prompt at a commit, or in the working tree.
pub struct State {
    /// What it is called there.
    pub name: PromptName,
    /// What its author calls this version.
    pub version: Option<String>,
    /// What it is.
    pub digest: Option<String>,
    /// Why it cannot be loaded, where it cannot.
    pub broken: Option<String>,
    /// The prompt with its cases, where it can be loaded.
    pub loaded: Option<Loaded>,
    /// Where it was read from.
    pub tree: Arc<dyn Tree>,
    pub(super) parts: Parts,
    /// What it needs.
    pub needs: Needs,
}

/// What a prompt needs of a tree: where two commits have the same of it, they have the same version.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Needs {
    /// The files, the configuration left out, with git's names for their contents.
    pub(super) reads: Reads,
    /// Whether any partial may count.
    pub(super) open: bool,
    /// The models that it is for.
    pub(super) aliases: BTreeSet<ModelAlias>,
}

impl Needs {
    /// Whether there is nothing in the others that is not here.
    #[must_use]
    pub fn cover(&self, other: &Self) -> bool {
        other.reads.keys().all(|path| self.reads.contains_key(path))
            && other.aliases.is_subset(&self.aliases)
            && (self.open || !other.open)
    }

    /// Adds what others need.
    pub fn add(&mut self, other: &Self) {
        self.reads.extend(other.reads.clone());
        self.aliases.extend(other.aliases.iter().cloned());
        self.open |= other.open;
    }

    /// The same of a prompt of another name.
    #[must_use]
    pub fn renamed(&self, old: &PromptName, new: &PromptName) -> Self {
        let path = |path: &TreePath| {
            if *path == template_path(old) {
                return template_path(new);
            }
            let below = path.below(folder_of(FIXTURES, old).as_str());
            below.and_then(|below| folder_of(FIXTURES, new).join(below).ok()).unwrap_or_else(|| path.clone())
        };
        let reads = self.reads.iter().map(|(read, id)| (path(read), id.clone())).collect();
        Self { reads, ..self.clone() }
    }
}

/// The file of a prompt.
#[must_use]
pub fn template_path(name: &PromptName) -> TreePath {
    TreePath::new(&format!("{PROMPTS}/{name}{TEMPLATE}")).unwrap_or_else(|_| unreachable!("a prompt's name is a path"))
}

/// The folder of a prompt below one of the mirrored places.
pub(super) fn folder_of(place: &str, name: &PromptName) -> TreePath {
    TreePath::new(&format!("{place}/{name}")).unwrap_or_else(|_| unreachable!("a prompt's name is a path"))
}

/// Whether prompts need to know of a file: their own templates, partials, and files that are no template; no cases but
/// their own.
fn concerns(names: &[PromptName], path: &TreePath) -> bool {
    if let Some(below) = path.below(PROMPTS) {
        let partial = below.split('/').any(|part| part.starts_with('_'));
        let own = below.strip_suffix(TEMPLATE).is_some_and(|name| names.iter().any(|known| known.as_str() == name));
        return partial || !below.ends_with(TEMPLATE) || own;
    }
    if matches!(path.file_name(), CASES_FILE | "cases.yml") && path.below(FIXTURES).is_some() {
        return names.iter().any(|name| path.parent() == folder_of(FIXTURES, name));
    }
    true
}

/// A tree with some prompts, their cases and what they may need. A prompt that includes another one needs the others, too.
#[must_use]
pub fn alone(tree: &Arc<dyn Tree>, names: &[PromptName]) -> Arc<dyn Tree> {
    if names.iter().any(|name| includes_prompts(tree, name)) {
        return Arc::clone(tree);
    }
    let names = names.to_vec();
    Arc::new(Only::new(Arc::clone(tree), move |path| concerns(&names, path)))
}

/// A prompt with its cases and nothing beside it.
fn load(tree: &Arc<dyn Tree>, name: &PromptName) -> Result<Loaded, Problems> {
    let found = load_all(&alone(tree, std::slice::from_ref(name)))?;
    let cases = &found.workspace.cases.list;
    let own: Vec<usize> =
        (0..cases.len()).filter(|index| found.workspace.prompt_of(&cases[*index]).name == *name).collect();
    let plan = found.plan(&own, &Overrides::default())?;
    Ok(Loaded { prepared: found, plan })
}

/// The version and the digest of a prompt whose cases may be what is broken.
fn prompt_alone(tree: &Arc<dyn Tree>, name: &PromptName) -> Option<(Option<String>, String)> {
    let tree = alone(tree, std::slice::from_ref(name));
    let mut problems = Problems::default();
    let config = Config::load(&*tree, &mut problems)?;
    let prompts = Prompts::load(&tree, &config, &mut problems);
    let prompt = prompts.get(name).filter(|_| !problems.has_errors())?;
    Some((prompt.front.version.as_ref().map(ToString::to_string), prompt.digest.clone()))
}

fn load_all(tree: &Arc<dyn Tree>) -> Result<Prepared, Problems> {
    let mut problems = Problems::default();
    let mut prepared = Workspace::load(Arc::clone(tree), &mut problems).map(|w| Prepared::new(w, &mut problems));
    if let Some(prepared) = &mut prepared {
        prepared.find_documents(&Store::open(Arc::clone(tree)).glancing(), &mut problems);
    }
    prepared.filter(|_| !problems.has_errors()).ok_or(problems)
}

/// Whether a prompt's text names a template that is no partial.
fn includes_prompts(tree: &Arc<dyn Tree>, name: &PromptName) -> bool {
    let text = tree.text(&template_path(name)).unwrap_or_default();
    let named = text.split(['"', '\'']).filter(|part| part.ends_with(TEMPLATE));
    named.into_iter().any(|part| !part.split('/').any(|part| part.starts_with('_')))
}

impl State {
    /// A prompt in any tree. A project that cannot be loaded is a state, too.
    #[must_use]
    pub fn load(tree: &Arc<dyn Tree>, name: &PromptName) -> Self {
        let traced = Arc::new(Traced::new(Arc::clone(tree)));
        let as_tree: Arc<dyn Tree> = Arc::clone(&traced) as Arc<dyn Tree>;
        let loaded = load(&as_tree, name);
        let reads = traced.reads();
        match loaded {
            Ok(loaded) if loaded.prompt(name).is_some() => Self::whole(tree, name, loaded, &reads),
            Ok(_) => Self::broken(tree, name, format!("there is no {}", template_path(name)), &reads),
            Err(problems) => Self::broken(tree, name, sentence(problems), &reads),
        }
    }

    /// A prompt at a commit.
    pub(super) fn at_commit(folder: &Path, hash: &str, name: &PromptName) -> Self {
        match CommitTree::open(folder, hash) {
            Ok(tree) => Self::load(&(Arc::new(tree) as Arc<dyn Tree>), name),
            Err(error) => {
                let nothing: Arc<dyn Tree> = Arc::new(Nothing::at("nothing"));
                Self::broken(&nothing, name, error.to_string(), &Reads::new())
            }
        }
    }

    fn whole(tree: &Arc<dyn Tree>, name: &PromptName, loaded: Loaded, reads: &Reads) -> Self {
        let workspace = &loaded.prepared.workspace;
        let Some(prompt) = loaded.prompt(name) else { unreachable!("looked for before") };
        let aliases: BTreeSet<ModelAlias> =
            loaded.plan.items.iter().map(|item| workspace.config.models[item.model].alias.clone()).collect();
        // A partial that is not reached was read and does not count.
        let partial =
            |path: &TreePath| path.below(PROMPTS).filter(|below| below.ends_with(TEMPLATE)).map(str::to_owned);
        let own = template_path(name);
        let counts = |path: &TreePath| match partial(path) {
            Some(below) => *path == own || prompt.open || prompt.partials.contains(&below),
            None => path.as_str() != CONFIG_FILE,
        };
        let mut kept: Reads =
            reads.iter().filter(|(path, _)| counts(path)).map(|(path, id)| (path.clone(), id.clone())).collect();
        let absent = prompt.absent.iter().filter_map(|below| TreePath::new(&format!("{PROMPTS}/{below}")).ok());
        kept.extend(absent.map(|path| (path, None)));
        kept.entry(cases_path(name)).or_default();
        let body = prompt.source.text.len() - loaded.prepared.workspace.prompts.body(prompt).len();
        let mut parts = Parts {
            loads: true,
            body: prompt.source.text[body..].to_owned(),
            front: prompt.source.text[..body].to_owned(),
            parameters: format!("{}\n{}", shaping(prompt), models(&workspace.config, &aliases)),
            ..Parts::default()
        };
        for (path, id) in reads.iter().filter(|(path, id)| counts(path) && id.is_some() && **path != own) {
            parts.take(name, path, id.clone().unwrap_or_default());
        }
        Self {
            name: name.clone(),
            version: prompt.front.version.as_ref().map(ToString::to_string),
            digest: Some(prompt.digest.clone()),
            broken: None,
            tree: Arc::clone(tree),
            needs: Needs { reads: kept, open: prompt.open, aliases },
            parts,
            loaded: Some(loaded),
        }
    }

    fn broken(tree: &Arc<dyn Tree>, name: &PromptName, why: String, reads: &Reads) -> Self {
        let mut parts = Parts::default();
        let (version, digest) = prompt_alone(tree, name).unzip();
        for (path, id) in reads {
            parts.take(name, path, id.clone().unwrap_or_default());
        }
        Self {
            name: name.clone(),
            version: version.flatten(),
            digest,
            broken: Some(why),
            loaded: None,
            tree: Arc::clone(tree),
            // The configuration counts as a file here: it may be what is broken.
            needs: Needs { reads: reads.clone(), ..Needs::default() },
            parts,
        }
    }
}

impl Parts {
    /// Puts a file that was read where it belongs. Names are those that a renamed prompt keeps.
    fn take(&mut self, name: &PromptName, path: &TreePath, id: String) {
        let below = |place: &str| path.below(folder_of(place, name).as_str()).map(str::to_owned);
        match path.below(PROMPTS) {
            Some(partial) if partial.ends_with(TEMPLATE) => self.partials.insert(partial.to_owned(), id),
            // What a file of a schema or a tool says stands in the parameters.
            Some(_) => None,
            None => self.cases.insert(below(FIXTURES).unwrap_or_else(|| path.to_string()), id),
        };
    }
}

/// What a prompt's front matter makes of its requests.
fn shaping(prompt: &Prompt) -> String {
    let front = &prompt.front;
    let defaults: Vec<_> = front.variables.iter().flatten().map(|v| (&v.name, &v.schema, &v.default)).collect();
    canonical_json(&serde_json::json!({
        "params": front.params, "output": front.output.as_ref().map(|output| &output.format), "tools": front.tools,
        "variables": defaults, "models": front.models,
    }))
}

/// What a project says of these models, and of all cases.
pub(super) fn models(config: &Config, aliases: &BTreeSet<ModelAlias>) -> String {
    let entries = config.models.iter().filter(|entry| aliases.contains(&entry.alias));
    let entries: Vec<_> =
        entries.map(|e| serde_json::json!([e.alias, e.provider, e.model, e.params, e.ignore, e.extras])).collect();
    let defaults = &config.defaults;
    canonical_json(&serde_json::json!([entries, defaults.models, defaults.repeat, defaults.min_pass_rate]))
}

/// The first of what is wrong, with its place.
fn sentence(problems: Problems) -> String {
    let sorted = problems.sorted();
    let errors = || sorted.iter().filter(|problem| problem.severity == Severity::Error);
    let more = errors().count().saturating_sub(1);
    let Some(first) = errors().next().map(Problem::in_a_line) else { return "it cannot be loaded".to_owned() };
    if more > 0 { format!("{first} (and {more} more)") } else { first }
}
