//! The versions of a prompt across the commits, newest first: where it differs from what it was before, and by what.

use std::collections::{BTreeSet, HashMap};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::Serialize;

use super::asked::Asked;
use super::lookup::Lookup;
use super::state::{Parts, State, folder_of, template_path};
use super::walk::{About, Walk, WalkError, changed_lines};
use crate::core::names::PromptName;
use crate::core::path::TreePath;
use crate::core::problem::Problems;
use crate::core::verdict::Verdict;
use crate::prompt::PROMPTS;
use crate::recording::Store;
use crate::run::Scoring;
use crate::snapshot::{ACCEPTED, SNAPSHOTS};
use crate::tree::{CommitTree, Tree, blob_name};

/// What differs between a version and the one before it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "kind", content = "name")]
pub enum Change {
    /// It was not there before.
    Created,
    /// It is not there any more.
    Removed,
    /// It had another name.
    Renamed(String),
    /// The template's text.
    Template,
    /// A partial that it reaches.
    Partial(String),
    /// Parameters, output or tools, its variables, or a model entry.
    Parameters,
    /// What its author calls it.
    Version,
    /// What else stands in the front matter.
    FrontMatter,
    /// The cases, or files that they name.
    Cases,
    /// The accepted answers.
    Snapshots,
    /// The recorded answers to the very same requests.
    Recordings,
    /// It cannot be loaded any more.
    Broken,
    /// It can be loaded again.
    Mended,
}

/// What the recordings of a commit say of a version.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Figures {
    /// Cases × models × samples.
    pub planned: u64,
    /// Those with a recorded answer.
    pub answered: u64,
    /// Those whose answer is as expected.
    pub passed: u64,
    /// Tokens read, on average; none where nobody counted them.
    pub input_tokens: Option<f64>,
    /// Tokens written, on average.
    pub output_tokens: Option<f64>,
}

/// A version of a prompt.
pub struct Entry {
    /// The commit; `None`: the working tree.
    pub about: Option<About>,
    /// The prompt as it was there.
    pub state: Arc<State>,
    /// What differs from the version before.
    pub changes: Vec<Change>,
    /// Lines added and removed, in the template, partials and cases.
    pub lines: (usize, usize),
    /// Whether nothing is known of what was before, because the clone is shallow.
    pub cut: bool,
    /// Where the recordings of the commit are.
    pub(super) recordings: Option<Arc<dyn Tree>>,
}

/// Looks for the versions of a prompt.
pub struct Versions<'w> {
    folder: PathBuf,
    walk: &'w Walk,
    lookup: Lookup<'w>,
}

/// What is known of a commit: the prompt as it was, or that there was none.
type There = Option<Arc<State>>;
/// The same with the name under which it is looked for.
type Followed = (PromptName, There);

impl<'w> Versions<'w> {
    /// Looks in a walk of the repository around a folder.
    #[must_use]
    pub fn new(folder: &Path, walk: &'w Walk) -> Self {
        Self { folder: folder.to_owned(), walk, lookup: Lookup::new(folder, walk) }
    }

    /// Every version of a prompt that the walk reaches, newest first, until `each` has enough. The working tree comes
    /// first, where it is given and differs.
    pub fn find(
        &mut self,
        name: &PromptName,
        working: Option<&Arc<dyn Tree>>,
        each: &mut dyn FnMut(Entry) -> ControlFlow<()>,
    ) -> Result<(), WalkError> {
        let mut pending: HashMap<usize, Followed> = HashMap::new();
        if !self.walk.nodes.is_empty() {
            let head = self.lookup.load(0, name).map(Arc::new);
            self.check_whole()?;
            if let Some(entry) = working.and_then(|tree| Self::uncommitted(tree, name, head.as_ref()))
                && each(entry).is_break()
            {
                return Ok(());
            }
            pending.insert(0, (name.clone(), head));
        }
        for place in 0..self.walk.nodes.len() {
            let Some((name, there)) = pending.remove(&place) else { continue };
            let parents = self.walk.nodes[place].parents.clone();
            if let Some(same) = parents.iter().find(|parent| self.is_same(**parent, place, &there, &name)) {
                pending.entry(*same).or_insert((name, there));
                continue;
            }
            let before: Vec<There> = parents
                .iter()
                .map(|parent| match pending.get(parent) {
                    Some((_, known)) => known.clone(),
                    None => self.lookup.load_parent(place, *parent, &name).map(Arc::new),
                })
                .collect();
            self.check_whole()?;
            // Read and found to be the same, though a file is another: a comment in the configuration.
            let same = before.iter().position(|other| match (other, &there) {
                (Some(old), Some(new)) => old.name == new.name && old.parts == new.parts,
                (None, None) => true,
                _ => false,
            });
            if let Some(index) = same {
                pending.entry(parents[index]).or_insert_with(|| (name, before[index].clone()));
                continue;
            }
            // Before it was created it may have been there once already.
            for (parent, state) in parents.iter().zip(&before) {
                let name = state.as_ref().map_or(&name, |state| &state.name);
                pending.entry(*parent).or_insert_with(|| (name.clone(), state.clone()));
            }
            let old = before.first().cloned().flatten();
            if let Some(entry) = self.entry(place, there, old)?
                && each(entry).is_break()
            {
                return Ok(());
            }
        }
        Ok(())
    }

    /// What a prompt was called at another commit, where it was renamed since. Nothing is loaded to find out.
    pub fn name_at(&mut self, name: &PromptName, revision: &str) -> Option<PromptName> {
        let wanted = self.walk.place(revision)?;
        let mut names = HashMap::from([(0, name.clone())]);
        for place in 0..wanted {
            let Some(name) = names.remove(&place) else { continue };
            for parent in &self.walk.nodes[place].parents {
                let untouched = self.walk.prompts(*parent) == self.walk.prompts(place);
                let renamed = if untouched { None } else { self.lookup.name_at(place, *parent, &name) };
                // A side on which it has a name says more than one on which it never was.
                if renamed.is_some() || !names.contains_key(parent) {
                    names.insert(*parent, renamed.unwrap_or_else(|| name.clone()));
                }
            }
        }
        names.remove(&wanted)
    }

    /// What a partial clone left out is no change of the prompt.
    fn check_whole(&mut self) -> Result<(), WalkError> {
        self.lookup.lacks.take().map_or(Ok(()), |path| Err(WalkError::Promised(path)))
    }

    /// Whether a parent has the very files that the state was read from.
    fn is_same(&mut self, parent: usize, place: usize, there: &There, name: &PromptName) -> bool {
        let Some(state) = there else {
            let untouched = self.walk.prompts(parent) == self.walk.prompts(place);
            return untouched || self.lookup.at(parent, &template_path(name)).is_none();
        };
        let snapshots = folder_of(SNAPSHOTS, &state.name);
        self.lookup.is_same(parent, place, &state.needs)
            && self.lookup.at(parent, &snapshots) == self.lookup.at(place, &snapshots)
    }

    /// The working tree, where it differs from the last commit.
    fn uncommitted(tree: &Arc<dyn Tree>, name: &PromptName, head: Option<&Arc<State>>) -> Option<Entry> {
        let there = tree.read(&template_path(name), u64::MAX).is_ok();
        if !there && head.is_none() {
            return None;
        }
        let mut state = State::load(tree, name);
        let folder = folder_of(SNAPSHOTS, name);
        for path in tree.list(&folder).unwrap_or_default() {
            let own = path.parent() == folder && path.as_str().ends_with(ACCEPTED);
            if let Some(id) = tree.read(&path, u64::MAX).ok().filter(|_| own).and_then(|bytes| blob_name(&bytes)) {
                state.parts.snapshots.insert(path.file_name().to_owned(), id);
            }
        }
        if head.is_some_and(|head| head.parts == state.parts) {
            return None;
        }
        let changes = if there { changes(head.map(|head| &**head), &state) } else { vec![Change::Removed] };
        let lines = lines(head.map(|head| &**head), &state);
        let recordings = Some(Arc::clone(tree));
        Some(Entry { about: None, state: Arc::new(state), changes, lines, cut: false, recordings })
    }

    fn entry(&self, place: usize, there: There, old: There) -> Result<Option<Entry>, WalkError> {
        let about = Some(self.walk.about(place)?);
        let cut = self.walk.nodes[place].cut || self.walk.ends().contains(&place);
        let Some(state) = there else {
            // It was removed: the entry shows what was.
            let Some(old) = old else { return Ok(None) };
            let changes = vec![Change::Removed];
            return Ok(Some(Entry { about, state: old, changes, lines: (0, 0), cut, recordings: None }));
        };
        let tree = CommitTree::open(&self.folder, &self.walk.hash(place)).ok();
        let changes = changes(old.as_deref(), &state);
        let lines = lines(old.as_deref(), &state);
        let recordings = tree.map(|tree| Arc::new(tree) as Arc<dyn Tree>);
        Ok(Some(Entry { about, state, changes, lines, cut, recordings }))
    }
}

/// A version as it is told, without what was loaded to find it.
#[derive(Clone, Debug)]
pub struct Told {
    /// The commit; `None`: the working tree.
    pub about: Option<About>,
    /// What the prompt was called.
    pub name: PromptName,
    /// What its author called this version.
    pub version: Option<String>,
    /// What it was.
    pub digest: Option<String>,
    /// Why it cannot be loaded, where it cannot.
    pub broken: Option<String>,
    /// What differs from the version before.
    pub changes: Vec<Change>,
    /// Lines added and removed.
    pub lines: (usize, usize),
    /// Whether nothing is known of what was before.
    pub cut: bool,
    /// What the recordings say of it.
    pub figures: Option<Figures>,
    /// The requests of it that were looked for.
    pub asked: Vec<Asked>,
}

impl Entry {
    /// The version as it is told.
    #[must_use]
    pub fn told(self, figures: Option<Figures>) -> Told {
        let Self { about, state, changes, lines, cut, .. } = self;
        let (name, version) = (state.name.clone(), state.version.clone());
        let (digest, broken) = (state.digest.clone(), state.broken.clone());
        Told { about, name, version, digest, broken, changes, lines, cut, figures, asked: Vec::new() }
    }

    /// The recordings of this version: those of its commit, and what was committed after it while it was still the version.
    #[must_use]
    pub fn store(&self) -> Option<Store> {
        let recordings = self.recordings.as_ref()?;
        Some(Store::open(Arc::clone(recordings)).or(Arc::clone(&self.state.tree)).glancing())
    }

    /// What the recordings say of this version; `None` where it cannot be loaded. Answers that were committed after it,
    /// while it was still the version, count too.
    pub fn figures(&self) -> Result<Option<Figures>, Problems> {
        let (Some(loaded), Some(store)) = (&self.state.loaded, self.store()) else { return Ok(None) };
        let mut figures = Figures::default();
        let (mut input, mut output) = (Mean::default(), Mean::default());
        let answers = loaded.prepared.answers(&loaded.plan, &store)?;
        for (item, answers) in loaded.plan.items.iter().zip(answers) {
            let entry = &loaded.prepared.workspace.config.models[item.model];
            figures.planned += answers.len() as u64;
            for (number, answer) in (0..).zip(&answers).filter_map(|(number, answer)| Some((number, answer.as_ref()?)))
            {
                let outcome = loaded.prepared.score(&Scoring::new(item.case, entry, (number, answer), &store))?;
                if !matches!(outcome.verdict, Verdict::Passed | Verdict::Failed) {
                    // Whoever judges did not say.
                    continue;
                }
                figures.answered += 1;
                figures.passed += u64::from(outcome.verdict == Verdict::Passed);
                input.add(outcome.usage.input);
                output.add(outcome.usage.output);
            }
        }
        (figures.input_tokens, figures.output_tokens) = (input.get(), output.get());
        Ok(Some(figures))
    }
}

#[derive(Default)]
struct Mean {
    sum: u64,
    count: u32,
}

impl Mean {
    fn add(&mut self, value: Option<u64>) {
        if let Some(value) = value {
            self.sum += value;
            self.count += 1;
        }
    }

    #[expect(clippy::cast_precision_loss, reason = "counts of tokens are far below 2^53")]
    fn get(&self) -> Option<f64> {
        (self.count > 0).then(|| self.sum as f64 / f64::from(self.count))
    }
}

/// What differs, the weightiest first.
#[must_use]
pub fn changes(old: Option<&State>, new: &State) -> Vec<Change> {
    let Some(old) = old else {
        return if new.broken.is_some() { vec![Change::Created, Change::Broken] } else { vec![Change::Created] };
    };
    let mut found = Vec::new();
    if old.name != new.name {
        found.push(Change::Renamed(old.name.to_string()));
    }
    match (old.parts.loads, new.parts.loads) {
        (true, false) => {
            found.push(Change::Broken);
            return found;
        }
        (false, true) => found.push(Change::Mended),
        (false, false) => return found,
        (true, true) => {}
    }
    let (a, b): (&Parts, &Parts) = (&old.parts, &new.parts);
    if !a.loads {
        return found;
    }
    if a.body != b.body {
        found.push(Change::Template);
    }
    let names: BTreeSet<&String> = a.partials.keys().chain(b.partials.keys()).collect();
    let differing = names.into_iter().filter(|name| a.partials.get(*name) != b.partials.get(*name));
    found.extend(differing.map(|name| Change::Partial(name.clone())));
    if a.parameters != b.parameters {
        found.push(Change::Parameters);
    }
    if old.version != new.version {
        found.push(Change::Version);
    }
    if a.front != b.front && a.parameters == b.parameters && old.version == new.version {
        found.push(Change::FrontMatter);
    }
    if a.cases != b.cases {
        found.push(Change::Cases);
    }
    if a.snapshots != b.snapshots {
        found.push(Change::Snapshots);
    }
    found
}

/// Lines added and removed in the template, the partials and the cases.
#[must_use]
pub fn lines(old: Option<&State>, new: &State) -> (usize, usize) {
    let text = |state: Option<&State>, path: Option<TreePath>| {
        state.zip(path).and_then(|(state, path)| state.tree.text(&path).ok()).unwrap_or_default()
    };
    let mut sum = (0, 0);
    let mut add = |before: &str, after: &str| {
        let (added, removed) = changed_lines(before, after);
        sum = (sum.0 + added, sum.1 + removed);
    };
    add(&text(old, old.map(|state| template_path(&state.name))), &text(Some(new), Some(template_path(&new.name))));
    let path = |state: Option<&State>, kind: &str, name: &str| {
        let state = state?;
        if kind == PROMPTS {
            return state.parts.partials.get(name).and_then(|_| TreePath::new(&format!("{PROMPTS}/{name}")).ok());
        }
        state.parts.cases.get(name)?;
        let own = folder_of(crate::case::FIXTURES, &state.name).join(name).ok();
        own.filter(|path| state.needs.reads.contains_key(path)).or_else(|| TreePath::new(name).ok())
    };
    // Of what cannot be loaded only the template is known for sure.
    if !new.parts.loads || old.is_some_and(|old| !old.parts.loads) {
        return sum;
    }
    let empty = Parts::default();
    let before = old.map_or(&empty, |state| &state.parts);
    for (kind, a, b) in [(PROMPTS, &before.partials, &new.parts.partials), ("", &before.cases, &new.parts.cases)] {
        let names: BTreeSet<&String> = a.keys().chain(b.keys()).collect();
        for name in names.into_iter().filter(|name| a.get(*name) != b.get(*name)) {
            add(&text(old, path(old, kind, name)), &text(Some(new), path(Some(new), kind, name)));
        }
    }
    sum
}
