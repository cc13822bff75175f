//! What rules look at: the project, its templates taken apart, its cases rendered, and what others know of it.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Range;
use std::sync::{Arc, Mutex, OnceLock};

use rayon::prelude::*;

use super::files::may_be_text;
use super::finding::Finding;
use super::registry::Rule;
use super::text::Template;
use crate::case::Case;
use crate::core::escape::is_hidden;
use crate::core::names::PromptName;
use crate::core::path::TreePath;
use crate::core::problem::Source;
use crate::core::record::Message;
use crate::plan::{Overrides, Workspace};
use crate::project::{Level, ModelEntry};
use crate::prompt::{Coverage, Prompt, Renamed};
use crate::recording::Store;

/// How many cases of a prompt are rendered to see how large its requests are.
const RENDERED: usize = 40;

/// What git and the history of runs know, as plain data.
#[derive(Default)]
pub struct Evidence {
    /// The day, as `2026-12-31`, in UTC.
    pub today: String,
    /// The project as it was before the change that is looked at.
    pub before: Option<Workspace>,
    /// What the past is called: `HEAD`, `main`.
    pub before_name: String,
    /// What has another name than in that past.
    pub renamed: Renamed,
    /// Of prompts that are what they were then: the project as it was when their version began, where they were otherwise.
    pub began: BTreeMap<PromptName, VersionEvidence>,
    /// Cases whose answers disagree.
    pub flaky: Arc<Vec<FlakyEvidence>>,
    /// What became of cases in all runs.
    pub results: Arc<Vec<ResultEvidence>>,
    /// The commits that changed a file, by its path, newest first.
    pub commits: Arc<BTreeMap<String, Vec<CommitEvidence>>>,
}

/// Where the version of a prompt began.
pub struct VersionEvidence {
    /// The project then, or the part of it that the prompt is made of.
    pub workspace: Workspace,
    /// What the prompt was called.
    pub name: PromptName,
    /// What that past is called.
    pub since: String,
}

/// A case on a model whose answers disagree.
#[derive(Clone, Debug)]
pub struct FlakyEvidence {
    /// The prompt.
    pub prompt: String,
    /// The case.
    pub case: String,
    /// The model.
    pub model: String,
    /// Runs that disagree.
    pub flaky_runs: u64,
    /// All runs.
    pub runs: u64,
}

/// What became of a case in one run, oldest first.
#[derive(Clone, Debug)]
pub struct ResultEvidence {
    /// The prompt.
    pub prompt: String,
    /// The case.
    pub case: String,
    /// The model.
    pub model: String,
    /// What the prompt was.
    pub digest: String,
    /// Whether it failed.
    pub failed: bool,
}

/// A commit that changed a file.
#[derive(Clone, Debug)]
pub struct CommitEvidence {
    /// How many days ago.
    pub days: i64,
    /// Its hash.
    pub commit: String,
    /// Lines that it added and removed.
    pub lines: usize,
    /// Whether it takes another one back: it says so, or the file says again what it said before.
    pub reverts: bool,
}

/// A prompt with what it is made of and tested with.
pub(super) struct Subject<'a> {
    /// The prompt.
    pub(super) prompt: &'a Prompt,
    /// Its template.
    pub(super) own: &'a Template,
    /// Its template, and every partial that it names.
    pub(super) parts: Vec<&'a Template>,
    /// Its cases.
    pub(super) cases: Vec<&'a Case>,
    /// The messages of its first cases.
    pub(super) rendered: Vec<Vec<Message>>,
    /// The models that it is asked of.
    pub(super) models: Vec<&'a ModelEntry>,
}

impl Subject<'_> {
    /// The text of all parts that the application wrote, examples and code left out.
    pub(super) fn prose(&self) -> String {
        self.parts.iter().map(|part| part.prose_text()).collect::<Vec<_>>().join("\n")
    }

    /// Whether nothing stands in its template and its partials that a model could be told.
    pub(super) fn is_silent(&self) -> bool {
        let says = |part: &&Template| {
            let is_text = |c: char| !c.is_whitespace() && !is_hidden(c);
            !part.prints.is_empty()
                || part.masked[part.body..].contains(is_text)
                || part.tags.iter().any(|tag| tag.keyword == "call")
        };
        !self.prompt.open && !self.parts.iter().any(says)
    }
}

/// Everything that is looked at.
pub(super) struct Material<'a> {
    pub(super) workspace: &'a Workspace,
    pub(super) store: &'a Store,
    pub(super) evidence: &'a Evidence,
    /// Every template, by name.
    pub(super) templates: Vec<Template>,
    coverage: OnceLock<Coverage>,
    files: OnceLock<BTreeSet<TreePath>>,
    texts: OnceLock<Vec<Arc<Source>>>,
    results: OnceLock<ByCase<'a, ResultEvidence>>,
    flaky: OnceLock<ByCase<'a, FlakyEvidence>>,
    sources: Mutex<HashMap<String, Option<Arc<Lines>>>>,
}

/// What is known of each case, by its prompt and its name.
type ByCase<'a, T> = HashMap<&'a str, HashMap<&'a str, Vec<&'a T>>>;

fn of_case<'m, 'a, T>(all: &'m ByCase<'a, T>, prompt: &PromptName, case: &Case) -> &'m [&'a T] {
    let known = all.get(prompt.as_str()).and_then(|cases| cases.get(case.name.as_str()));
    known.map_or(&[], Vec::as_slice)
}

/// A file, and where its lines begin.
struct Lines {
    source: Arc<Source>,
    starts: Vec<usize>,
}

impl<'a> Material<'a> {
    pub(super) fn new(workspace: &'a Workspace, store: &'a Store, evidence: &'a Evidence) -> Self {
        let files: Vec<_> = workspace.prompts.files().collect();
        let templates = files.into_par_iter().map(Template::new).collect();
        Self {
            workspace,
            store,
            evidence,
            templates,
            coverage: OnceLock::new(),
            files: OnceLock::new(),
            texts: OnceLock::new(),
            results: OnceLock::new(),
            flaky: OnceLock::new(),
            sources: Mutex::default(),
        }
    }

    /// What became of a case in all runs, oldest first.
    pub(super) fn results(&self, prompt: &PromptName, case: &Case) -> &[&'a ResultEvidence] {
        let all = || {
            let mut by_case: ByCase<'a, ResultEvidence> = HashMap::new();
            for result in self.evidence.results.iter() {
                by_case.entry(&result.prompt).or_default().entry(&result.case).or_default().push(result);
            }
            by_case
        };
        of_case(self.results.get_or_init(all), prompt, case)
    }

    /// On which models the answers of a case disagree.
    pub(super) fn flaky(&self, prompt: &PromptName, case: &Case) -> &[&'a FlakyEvidence] {
        let all = || {
            let mut by_case: ByCase<'a, FlakyEvidence> = HashMap::new();
            for flaky in self.evidence.flaky.iter() {
                by_case.entry(&flaky.prompt).or_default().entry(&flaky.case).or_default().push(flaky);
            }
            by_case
        };
        of_case(self.flaky.get_or_init(all), prompt, case)
    }

    /// A line of a file, which is read once, however many of its lines are wanted.
    pub(super) fn line(&self, path: &str, line: usize) -> Option<(Arc<Source>, Range<usize>)> {
        let read = || {
            let source = self.file(path)?;
            let ends = source.text.match_indices('\n').map(|(at, _)| at + 1);
            let starts = std::iter::once(0).chain(ends).collect();
            Some(Arc::new(Lines { source, starts }))
        };
        let lines = self.sources.lock().ok()?.entry(path.to_owned()).or_insert_with(read).clone()?;
        let whole = lines.source.text.len();
        let start = lines.starts.get(line.checked_sub(1)?).copied().unwrap_or(whole);
        let end = lines.starts.get(line).map_or(whole, |next| next - 1);
        Some((Arc::clone(&lines.source), start..end))
    }

    /// The template of a name.
    pub(super) fn template(&self, key: &str) -> Option<&Template> {
        let place = self.templates.binary_search_by(|template| template.key.as_str().cmp(key)).ok()?;
        self.templates.get(place)
    }

    /// Which branches of the templates the cases render.
    pub(super) fn coverage(&self) -> &Coverage {
        self.coverage.get_or_init(|| {
            let cases = self.workspace.cases.list.iter().map(|case| (case.prompt, &case.variables)).collect();
            self.workspace.prompts.coverage(cases)
        })
    }

    /// The selected prompts.
    pub(super) fn subjects(&self, selected: &[usize]) -> Vec<Subject<'_>> {
        let mut cases: BTreeMap<usize, Vec<&Case>> = BTreeMap::new();
        for case in &self.workspace.cases.list {
            cases.entry(case.prompt).or_default().push(case);
        }
        let subject = |index: &usize| {
            let prompt = &self.workspace.prompts.list[*index];
            let own = self.template(prompt.path.below(crate::prompt::PROMPTS)?)?;
            let partials = prompt.partials.iter().filter(|_| !prompt.open).filter_map(|key| self.template(key));
            let cases = cases.get(index).cloned().unwrap_or_default();
            let rendered = cases.iter().take(RENDERED).filter_map(|case| self.workspace.messages(case).ok()).collect();
            let mut models: Vec<&ModelEntry> = Vec::new();
            let none = Overrides::default();
            let of_cases = cases.iter().flat_map(|case| self.workspace.models_of(case, &none));
            let of_prompt = prompt.front.models.as_ref().unwrap_or(&self.workspace.config.defaults.models);
            for alias in of_cases.chain(of_prompt) {
                let known = models.iter().any(|entry| entry.alias == *alias);
                models.extend(self.workspace.config.model(alias).filter(|_| !known));
            }
            Some(Subject { prompt, own, parts: [own].into_iter().chain(partials).collect(), cases, rendered, models })
        };
        selected.par_iter().filter_map(subject).collect()
    }

    /// Whether there is such a file among recordings and accepted answers.
    pub(super) fn has_file(&self, path: &TreePath) -> bool {
        let all = || ["fixtures", "snapshots"].iter().flat_map(|folder| self.list(folder)).collect();
        self.files.get_or_init(all).contains(path)
    }

    /// A file of the project as text, where it is one.
    pub(super) fn file(&self, path: &str) -> Option<Arc<Source>> {
        self.workspace.tree.source(&TreePath::new(path).ok()?).ok()
    }

    /// Every text among fixtures and accepted answers, by path.
    pub(super) fn texts(&self) -> &[Arc<Source>] {
        let all = || {
            let files: Vec<TreePath> = ["fixtures", "snapshots"].iter().flat_map(|folder| self.list(folder)).collect();
            let texts = files.par_iter().filter(|path| may_be_text(path));
            texts.filter_map(|path| self.file(path.as_str())).filter(|source| !source.text.contains('\0')).collect()
        };
        self.texts.get_or_init(all)
    }

    /// Every file below a folder.
    pub(super) fn list(&self, folder: &str) -> Vec<TreePath> {
        TreePath::new(folder).ok().and_then(|folder| self.workspace.tree.list(&folder).ok()).unwrap_or_default()
    }
}

/// What one rule looks at, with its limits.
pub(super) struct Look<'a> {
    pub(super) material: &'a Material<'a>,
    pub(super) limits: &'a [f64],
    pub(super) rule: &'static Rule,
}

impl Look<'_> {
    /// A limit of the rule.
    pub(super) fn limit(&self, name: &str) -> f64 {
        let place = self.rule.limits.iter().position(|limit| limit.name == name);
        place.and_then(|place| self.limits.get(place)).copied().unwrap_or(f64::INFINITY)
    }

    /// A limit that is a count.
    pub(super) fn count(&self, name: &str) -> usize {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a limit is never below 0")]
        let count = self.limit(name).min(1e15) as usize;
        count
    }
}

/// Where a rule puts what it found.
pub(super) struct Sink {
    pub(super) rule: &'static Rule,
    pub(super) level: Level,
    pub(super) found: Vec<Finding>,
}

impl Sink {
    /// Something found at a place.
    pub(super) fn at(&mut self, source: &Arc<Source>, span: Range<usize>, message: impl Into<String>) -> &mut Finding {
        let finding = Finding::new(self.rule, self.level, source, span, message.into());
        self.found.push(finding);
        let last = self.found.len() - 1;
        &mut self.found[last]
    }

    /// Something found in a template.
    pub(super) fn of(&mut self, template: &Template, span: Range<usize>, message: impl Into<String>) -> &mut Finding {
        self.at(&template.source, span, message)
    }
}
