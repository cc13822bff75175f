//! The search of a bisection: looks at one version after the other, each with the answers of its own commit.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::ask;
use super::context::Context;
use super::failure::Failure;
use super::load::Project;
use super::past;
use super::probe::{Judged, Probe};
use super::retrieve::documents;
use crate::core::names::PromptName;
use crate::core::problem::{Problem, Problems};
use crate::core::verdict::Exit;
use crate::history::{
    Bisect, Candidates, Change, Extent, FirstBad, Found, Loaded, Looked, Mark, Needs, State, Step, Walk, changes,
    lines, template_path,
};
use crate::plan::Overrides;
use crate::recording::Store;
use crate::report::{write_candidates, write_looked};
use crate::retrieval::search_local;
use crate::tree::{CommitError, CommitTree, Tree, TreeError};

/// The search as far as it is.
pub(super) struct Search<'a> {
    pub(super) project: &'a Project,
    pub(super) walk: &'a Walk,
    pub(super) name: PromptName,
    pub(super) probe: Probe,
    /// What the bad commit is called.
    pub(super) bad: String,
    /// Whether each step is told at once.
    pub(super) tells: bool,
    /// What the prompt needs, as far as is known.
    pub(super) needs: Needs,
    pub(super) candidates: Candidates,
    /// What was looked at, by its place in the walk, in order.
    pub(super) looked: Vec<(usize, Looked)>,
    /// The commit within a version at which its recorded answers became bad ones.
    pub(super) replaced: Option<usize>,
    /// Whether what was looked at last had nothing to judge.
    pub(super) is_missing: bool,
    /// The cases that failed at what was looked at last.
    pub(super) failing: Vec<String>,
}

/// The first of what is wrong, with its place.
fn problem_words(problems: &[Problem]) -> String {
    problems.first().map_or_else(|| "it cannot be read".to_owned(), Problem::in_a_line)
}

/// The commits that have a version, in which its recordings may have been replaced.
struct Stretch {
    name: PromptName,
    version: usize,
    newest: usize,
    oldest: usize,
    /// Whether its first commit is known to be good.
    begins_good: bool,
}

impl Search<'_> {
    /// Says that there is no such prompt before anything is looked at.
    pub(super) fn check_begin(&self) -> Result<(), Failure> {
        let hash = self.walk.hash(0);
        let is_missing = match CommitTree::open(&self.project.root, &hash) {
            Ok(tree) => matches!(tree.read(&template_path(&self.name), u64::MAX), Err(TreeError::Missing(_))),
            Err(CommitError::NoFolder { .. }) => true,
            Err(error) => return Err(error.into()),
        };
        if is_missing {
            let short = hash.get(..12).unwrap_or(&hash);
            let message = format!("at {short} there is no such prompt: `{}`", self.name);
            let help = Some(format!("`promptctl log {}` lists where it was; --bad names a commit", self.name));
            return Err(Failure::Message { exit: Exit::Nothing, message, help });
        }
        Ok(())
    }

    /// The exit code where the first bad commit cannot be told.
    pub(super) fn exit_untold(&self) -> Exit {
        if self.probe.asker.came.skipped > 0 { Exit::Incomplete } else { Exit::Errored }
    }

    /// What was found to be bad may have been good under other recorded answers to the same requests: then the commit that
    /// replaced them is looked for.
    pub(super) fn look_into(
        &mut self,
        context: &mut Context,
        good: Option<usize>,
        bisect: &Bisect,
    ) -> Result<(), Failure> {
        if let (Step::Found(bad), Some(place)) = (bisect.step(), good) {
            self.check_good(context, bad, place)?;
        }
        let stretches = match (bisect.step(), good) {
            (Step::Found(bad), _) => {
                let before = self.candidates.list[bad].parents.first().copied();
                let is_newest = self.candidates.of.get(&0) == Some(&bad);
                // Where the newest version began it may have been good; the one before it was found to be good where it
                // began, and may have ended bad.
                let own = is_newest.then(|| self.stretch(bad, false)).flatten();
                own.into_iter().chain(before.and_then(|before| self.stretch(before, self.is_good(before)))).collect()
            }
            // The good commit has the very version that is bad.
            (Step::NothingBad, Some(oldest)) => {
                let version = self.candidates.of.get(&0).copied().unwrap_or(0);
                self.stretch(version, true).map(|stretch| Stretch { oldest, ..stretch }).into_iter().collect()
            }
            _ => Vec::new(),
        };
        for stretch in stretches {
            if self.look_within(context, &stretch)? {
                return Ok(());
            }
        }
        Ok(())
    }

    /// A commit that was called good decides where everything after it is bad: then it is looked at.
    fn check_good(&mut self, context: &mut Context, bad: usize, place: usize) -> Result<(), Failure> {
        let Some(version) = self.candidates.of.get(&place).copied() else { return Ok(()) };
        if !self.candidates.list[bad].parents.contains(&version) {
            return Ok(());
        }
        let name = self.candidates.list[version].name.clone();
        if self.look(context, place, place, name.as_ref())? != Mark::Bad {
            return Ok(());
        }
        let message = "the commit that was called good fails as well".to_owned();
        let help = Some("name another one with --good, or leave it out".to_owned());
        Err(Failure::Message { exit: Exit::Usage, message, help })
    }

    /// Looks for the commit of a version at which its recordings became bad ones, and says whether there is one.
    fn look_within(&mut self, context: &mut Context, stretch: &Stretch) -> Result<bool, Failure> {
        // The commits at which the recordings became what they are, the newest first.
        let mut points: Vec<(usize, Option<String>)> = Vec::new();
        let own = |place: &usize| self.candidates.of.get(place) == Some(&stretch.version);
        for place in (stretch.newest..=stretch.oldest).filter(own) {
            let recorded = self.walk.recordings(place, &stretch.name);
            match points.last_mut().filter(|(_, known)| *known == recorded) {
                Some((last, _)) => *last = place,
                None => points.push((place, recorded)),
            }
        }
        let count = points.len();
        if count < 2 {
            return Ok(false);
        }
        let look = |search: &mut Self, context: &mut Context, point: usize| {
            search.look(context, points[point].0, points[point].0, Some(&stretch.name))
        };
        let first = if stretch.newest == 0 { Mark::Bad } else { look(self, context, 0)? };
        let last = if stretch.begins_good { Mark::Good } else { look(self, context, count - 1)? };
        if (first, last) != (Mark::Bad, Mark::Good) {
            return Ok(false);
        }
        let line = (0..count).map(|point| (point + 1 < count).then_some(point + 1).into_iter().collect()).collect();
        let mut within = Bisect::new(line);
        within.mark(0, first);
        within.mark(count - 1, last);
        while let Step::Probe(point) = within.step() {
            let mark = look(self, context, point)?;
            within.mark(point, mark);
        }
        if let Step::Found(point) = within.step() {
            self.replaced = Some(points[point].0);
        }
        Ok(self.replaced.is_some())
    }

    /// Whether a version was found to be good at the commit that made it.
    fn is_good(&self, version: usize) -> bool {
        let place = self.candidates.list[version].place;
        self.looked.iter().any(|(looked, at)| *looked == place && at.mark == Mark::Good)
    }

    /// The commits that have a version.
    fn stretch(&self, version: usize, begins_good: bool) -> Option<Stretch> {
        let candidate = &self.candidates.list[version];
        let name = candidate.name.clone()?;
        Some(Stretch { name, version, newest: candidate.newest, oldest: candidate.place, begins_good })
    }

    /// Looks at the bad end, which must be bad, and finds the candidates.
    pub(super) fn begin(&mut self, context: &mut Context) -> Result<(), Failure> {
        let name = self.name.clone();
        let mark = self.look(context, 0, 0, Some(&name))?;
        let Some((_, looked)) = self.looked.last() else { return Ok(()) };
        let (bad, reason) = (&self.bad, &looked.reason);
        let message = match mark {
            Mark::Bad => {
                // A case that is mended since is nobody's question.
                self.probe.only = (!self.failing.is_empty()).then(|| self.failing.clone());
                return Ok(());
            }
            Mark::Good if self.is_missing => format!("at {bad}, {reason}"),
            Mark::Good => format!("nothing fails at {bad}: there is nothing to look for"),
            Mark::Skip => format!("whether it fails at {bad} cannot be told: {reason}"),
        };
        let help = "name a commit at which it fails with --bad, and the cases with --case".to_owned();
        let exit = if mark == Mark::Skip { self.exit_untold() } else { Exit::Nothing };
        Err(Failure::Message { exit, message, help: Some(help) })
    }

    /// Looks at one commit after the other, until the first bad one is known.
    pub(super) fn halve(&mut self, context: &mut Context, good: Option<usize>) -> Result<Bisect, Failure> {
        let mut is_known = false;
        loop {
            if !is_known {
                self.candidates = Candidates::find(&self.project.root, self.walk, &self.name, &self.needs);
            }
            let bisect = self.marked(good);
            if !is_known && self.tells {
                let style = context.style();
                write_candidates(context.out(), bisect.suspects().len(), self.walk.nodes.len(), style)?;
            }
            let Step::Probe(version) = bisect.step() else { return Ok(bisect) };
            let candidate = self.candidates.list[version].clone();
            let known = self.needs.clone();
            self.look(context, candidate.place, candidate.newest, candidate.name.as_ref())?;
            if self.probe.asker.came.interrupted {
                let message = "interrupted; the same command goes on from what was asked".to_owned();
                return Err(Failure::Message { exit: Exit::Interrupted, message, help: None });
            }
            // A version in the middle may need what neither end needs: then there may be more candidates.
            is_known = known.cover(&self.needs);
        }
    }

    /// What is known of the candidates as they are now.
    fn marked(&self, good: Option<usize>) -> Bisect {
        let parents = self.candidates.list.iter().map(|candidate| candidate.parents.clone()).collect();
        let mut bisect = Bisect::new(parents);
        for (place, looked) in &self.looked {
            if let Some(version) = self.candidates.of.get(place) {
                bisect.mark(*version, looked.mark);
            }
        }
        if let Some(version) = good.and_then(|place| self.candidates.of.get(&place)) {
            bisect.mark(*version, Mark::Good);
        }
        bisect
    }

    /// Loads a version and judges it.
    fn look(
        &mut self,
        context: &mut Context,
        place: usize,
        newest: usize,
        name: Option<&PromptName>,
    ) -> Result<Mark, Failure> {
        let about = self.walk.about(place).map_err(|error| past::failure(&error))?;
        let (judged, version) = match name {
            None => (Judged::missing("there was no such prompt".to_owned()), None),
            Some(name) => self.judge(context, place, newest, name)?,
        };
        let Judged { mark, reason, passed, answers, missing, failing, served } = judged;
        self.is_missing = missing;
        self.failing = failing;
        let looked = Looked { about, mark, reason, version, served, passed, answers };
        if self.tells {
            let style = context.style();
            write_looked(context.out(), self.looked.len() + 1, &looked, style)?;
        }
        self.looked.push((place, looked));
        Ok(mark)
    }

    /// Judges a version by the answers of its own commit, or those that came later.
    fn judge(
        &mut self,
        context: &mut Context,
        place: usize,
        newest: usize,
        name: &PromptName,
    ) -> Result<(Judged, Option<String>), Failure> {
        let at = |place: usize| CommitTree::open(&self.project.root, &self.walk.hash(place));
        let tree: Arc<dyn Tree> = match at(place) {
            Ok(tree) => Arc::new(tree),
            Err(CommitError::NoFolder { .. }) => {
                return Ok((Judged::missing("there was no such prompt".to_owned()), None));
            }
            Err(error) => return Err(error.into()),
        };
        match tree.read(&template_path(name), u64::MAX) {
            Err(TreeError::Missing(_)) => return Ok((Judged::missing("there is no such prompt".to_owned()), None)),
            Err(error) => return Ok((Judged::skip(error.to_string()), None)),
            Ok(_) => {}
        }
        let state = State::load(&tree, name);
        // What the bad end needs is called there as it is here.
        self.needs.add(&state.needs.renamed(name, &self.name));
        let Some(mut loaded) = state.loaded else {
            let why = state.broken.unwrap_or_default();
            return Ok((Judged::skip(format!("cannot be loaded: {why}")), None));
        };
        // Answers may have been recorded at a later commit that has the same version.
        let mut store = ask::store(self.project);
        if place != newest
            && let Ok(tree) = at(newest)
        {
            store = store.before(Arc::new(tree));
        }
        let store = store.before(Arc::clone(&tree));
        let (root, working, is_bare) =
            (self.project.root.clone(), Arc::clone(&self.project.working), self.project.is_bare);
        let project = Project { root, tree, working, is_bare, shared: Vec::new() };
        if let Err(failure) = self.find_documents(context, &project, &store, &mut loaded) {
            return match failure {
                Failure::Problems(problems) => Ok((Judged::skip(problem_words(&problems)), state.version)),
                failure => Err(failure),
            };
        }
        let judged = match self.probe.judge(context, &project, &loaded, store) {
            Ok(judged) => judged,
            // Damage at one commit says nothing of the others.
            Err(Failure::Problems(problems)) => Judged::skip(problem_words(&problems)),
            Err(failure) => return Err(failure),
        };
        Ok((judged, state.version))
    }

    /// Gives the cases of a version the documents that its retriever finds: those that were recorded, at its commit or later, and
    /// what is found now where nothing was.
    fn find_documents(
        &mut self,
        context: &mut Context,
        project: &Project,
        store: &Store,
        loaded: &mut Loaded,
    ) -> Result<(), Failure> {
        let cases = &loaded.prepared.workspace.cases.list;
        let selected: Vec<usize> = (0..cases.len()).filter(|case| cases[*case].retrieval.is_some()).collect();
        if selected.is_empty() {
            return Ok(());
        }
        let mut problems = Problems::default();
        loaded.prepared.find_documents(store, &mut problems);
        search_local(&mut loaded.prepared, &mut problems);
        if problems.has_errors() {
            return Err(problems.into());
        }
        let allowance = self.probe.asker.allowance();
        let asks = self.probe.asker.asks(self.probe.mode, self.probe.keep, &allowance);
        documents(context, project, &mut loaded.prepared, &selected, asks)?;
        self.probe.asker.came.calls += allowance.calls();
        self.probe.asker.came.cost += allowance.cost();
        let own: BTreeSet<usize> = loaded.plan.items.iter().map(|item| item.case).collect();
        let own: Vec<usize> = own.into_iter().collect();
        loaded.plan = loaded.prepared.plan(&own, &Overrides::default())?;
        Ok(())
    }

    /// How it ended.
    pub(super) fn found(&self, bisect: &Bisect) -> Result<Found, Failure> {
        let step = bisect.step();
        let about = |place: usize| self.walk.about(place).map_err(|error| past::failure(&error));
        let first = match (&step, self.replaced) {
            (_, Some(place)) => Some((place, vec![Change::Recordings], (0, 0))),
            (Step::Found(version), None) => {
                let (changes, lines) = self.changed(*version);
                Some((self.candidates.list[*version].place, changes, lines))
            }
            _ => None,
        };
        let first_bad = match first {
            Some((place, changes, lines)) => {
                let is_root = self.walk.parents(place).is_empty();
                Some(FirstBad { about: about(place)?, changes, lines, is_root })
            }
            None => None,
        };
        if let (Step::Found(version), Some(first), None) = (&step, &first_bad, self.replaced) {
            self.check_end(*version, &first.about.commit)?;
        }
        let moved = first_bad.as_ref().and_then(|first| self.moved(&first.about.commit));
        let among = match &step {
            Step::Among(versions) => {
                versions.iter().map(|version| about(self.candidates.list[*version].place)).collect::<Result<_, _>>()?
            }
            _ => Vec::new(),
        };
        Ok(Found { first_bad, moved, among })
    }

    /// The models that answered at the first bad commit, where another one had answered at the good ones.
    fn moved(&self, commit: &str) -> Option<(Vec<String>, Vec<String>)> {
        let bad = self.looked.iter().map(|(_, looked)| looked).find(|looked| looked.about.commit == commit)?;
        let good = self.looked.iter().map(|(_, looked)| looked).filter(|looked| looked.mark == Mark::Good);
        let mut before: Vec<String> = good.flat_map(|looked| looked.served.iter().cloned()).collect();
        before.sort_unstable();
        before.dedup();
        let is_other = !before.is_empty() && bad.served.iter().any(|served| !before.contains(served));
        is_other.then(|| (before, bad.served.clone()))
    }

    /// How much there was to look through.
    pub(super) fn extent(&self) -> Extent {
        Extent {
            commits: self.walk.nodes.len(),
            candidates: self.candidates.list.len(),
            loaded: self.looked.len(),
            calls_made: self.probe.asker.came.calls,
        }
    }

    /// A version that a shallow clone does not hold the beginning of may be older than what is known of it.
    fn check_end(&self, version: usize, commit: &str) -> Result<(), Failure> {
        let reaches_back = |place: &usize| self.candidates.of.get(place) == Some(&version);
        if !self.walk.ends().iter().any(reaches_back) {
            return Ok(());
        }
        let short = commit.get(..12).unwrap_or(commit);
        let message = format!("it fails already at {short}, before which this shallow clone holds nothing");
        let help = "fetch more of the past, `git fetch --deepen=100` or all of it, `git fetch --unshallow` (with \
                    actions/checkout `fetch-depth: 0`); the same command then goes on from what was asked";
        Err(Failure::Message { exit: Exit::Errored, message, help: Some(help.to_owned()) })
    }

    /// What a version changed of the one before it.
    fn changed(&self, version: usize) -> (Vec<Change>, (usize, usize)) {
        let state = |commit: &str, name: &PromptName| {
            let tree = CommitTree::open(&self.project.root, commit).ok()?;
            tree.read(&template_path(name), u64::MAX).ok()?;
            Some(State::load(&(Arc::new(tree) as Arc<dyn Tree>), name))
        };
        let candidate = &self.candidates.list[version];
        let Some(name) = &candidate.name else { return (Vec::new(), (0, 0)) };
        let Some(new) = state(&self.walk.hash(candidate.place), name) else { return (Vec::new(), (0, 0)) };
        let before = candidate.parents.first().map(|parent| &self.candidates.list[*parent]);
        let old = match before {
            Some(before) => before.name.as_ref().and_then(|name| state(&self.walk.hash(before.place), name)),
            // What the walk leaves out is there all the same.
            None => self.walk.parents(candidate.place).first().and_then(|parent| state(parent, name)),
        };
        (changes(old.as_ref(), &new), lines(old.as_ref(), &new))
    }
}
