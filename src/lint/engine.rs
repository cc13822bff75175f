//! One pass over a project: every rule that is on, over everything that is selected, in an order that never changes.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Range;
use std::sync::Arc;

use rayon::prelude::*;

use super::finding::Finding;
use super::look::{Evidence, Look, Material, Sink, Subject};
use super::private;
use super::registry::{Check, RULES, Rule};
use super::settings::Settings;
use super::waivers::{self, Waiver};
use crate::core::problem::{Problem, Severity, Source};
use crate::plan::Workspace;
use crate::project::{CONFIG_FILE, Level};
use crate::prompt::{PROMPTS, Renamed};
use crate::recording::Store;

/// What a pass found.
#[derive(Default)]
pub struct Linted {
    /// What stands, by place.
    pub findings: Vec<Finding>,
    /// What was waived.
    pub waived: usize,
    /// Every waiver that was read.
    pub waivers: Vec<Waiver>,
    /// How many prompts were looked at.
    pub prompts: usize,
    /// The files of prompts that were not, as nothing stands in their templates.
    pub skipped: Vec<String>,
    /// What was found before, and is found no more.
    pub gone: Vec<Finding>,
    /// Whether the project could not be loaded.
    pub is_refused: bool,
    /// The waived findings.
    let_go: Vec<Finding>,
    scope: Scope,
}

/// What a pass is about.
#[derive(Default)]
struct Scope {
    /// Whether that is the whole project.
    is_all: bool,
    /// The files of its prompts.
    paths: BTreeSet<String>,
    /// The folders of its prompts among fixtures and accepted answers, with a `/` behind them.
    folders: Vec<String>,
}

impl Scope {
    fn new(subjects: &[Subject<'_>], is_all: bool) -> Self {
        let paths = subjects.iter().flat_map(|subject| &subject.parts).map(|part| part.source.path.clone()).collect();
        let names = subjects.iter().map(|subject| &subject.prompt.name);
        let folders = names.flat_map(|name| ["fixtures", "snapshots"].map(|folder| format!("{folder}/{name}/")));
        Self { is_all, paths, folders: folders.collect() }
    }

    /// Whether a file belongs to it.
    fn has(&self, path: &str) -> bool {
        let is_of_prompts = path.starts_with(PROMPTS) || path == CONFIG_FILE;
        self.is_all
            || self.paths.contains(path)
            || (!is_of_prompts && self.folders.iter().any(|folder| path.starts_with(folder)))
    }
}

impl Linted {
    /// What is wrong with a project that cannot be loaded, and was not looked at for that.
    #[must_use]
    pub fn refused(problems: &[Problem]) -> Self {
        let errors = problems.iter().filter(|problem| problem.severity == Severity::Error);
        let mut findings: Vec<Finding> = errors.map(Finding::refused).collect();
        sort(&mut findings);
        Self { findings, is_refused: true, ..Self::default() }
    }

    /// How many findings have a level.
    #[must_use]
    pub fn count(&self, level: Level) -> usize {
        self.findings.iter().filter(|finding| finding.level == level).count()
    }

    /// Whether something is at that level or above it.
    #[must_use]
    pub fn fails(&self, from: Level) -> bool {
        self.findings.iter().any(|finding| finding.level >= from)
    }

    /// Without what was there before already, each as often as it was, and no more of it: in the same file first, whatever that
    /// is called now, then what is about a text in another one. Gives how many that were. What is left of before is gone.
    pub fn subtract(&mut self, before: &Self, renamed: &Renamed) -> usize {
        let count = self.findings.len();
        let mut same: HashMap<(String, String), Vec<&Finding>> = HashMap::new();
        for finding in &before.findings {
            let path = renamed.path_now(&finding.source.path);
            same.entry((finding.identity().0, path)).or_default().push(finding);
        }
        let mut is_same = |finding: &Finding| {
            let place = (finding.identity().0, finding.source.path.clone());
            take(same.get_mut(&place), finding)
        };
        self.findings.retain(|finding| !is_same(finding));
        // What is waived now is not gone.
        let waived: Vec<&Finding> = self.let_go.iter().filter(|finding| !is_same(finding)).collect();
        let mut other: HashMap<String, Vec<&Finding>> = HashMap::new();
        for ((identity, _), left) in same {
            other.entry(identity).or_default().extend(left);
        }
        let mut is_other = |finding: &Finding| {
            let (identity, bound) = finding.identity();
            !bound && take(other.get_mut(&identity), finding)
        };
        self.findings.retain(|finding| !is_other(finding));
        for finding in waived {
            is_other(finding);
        }
        // What there is more of now is not gone either.
        for finding in &self.findings {
            let (identity, bound) = finding.identity();
            let Some(left) = other.get_mut(&identity) else { continue };
            let is_less = |known: &&Finding| !bound || renamed.path_now(&known.source.path) == finding.source.path;
            if let Some(place) = left.iter().position(is_less) {
                left.swap_remove(place);
            }
        }
        let gone = other.into_values().flatten();
        self.gone = gone.filter(|finding| self.scope.has(&renamed.path_now(&finding.source.path))).cloned().collect();
        sort(&mut self.gone);
        count - self.findings.len()
    }

    /// The places of what is told with its age, or of all that was found: the file, and where it begins.
    pub fn places(&self, all: bool) -> impl Iterator<Item = (&Arc<Source>, &Range<usize>)> {
        let asked = self.findings.iter().filter(move |finding| all || finding.is_aged());
        asked.map(|finding| (&finding.source, &finding.span))
    }

    /// Says since when that is there, and by whom: the days and the names, in the order of [`Linted::places`].
    pub fn date(&mut self, all: bool, found: &[Option<(String, String)>], today: &str) {
        let asked = self.findings.iter_mut().filter(|finding| all || finding.is_aged());
        for (finding, found) in asked.zip(found) {
            if let Some((day, by)) = found {
                finding.date(day, by, today);
            }
            // A list of debts says it beside the message.
            if !all {
                finding.tell_age();
            }
        }
    }

    /// Says what a request of the prompt costs that something stands in: by file, in USD, and whether that is an estimate.
    pub fn price(&mut self, by_path: &BTreeMap<String, (f64, bool)>) {
        for finding in &mut self.findings {
            if let Some((usd, is_estimate)) = by_path.get(&finding.source.path) {
                finding.owed.request_usd = Some(*usd);
                finding.owed.is_estimate = *is_estimate;
            }
        }
    }

    /// As it is shown: of many alike the first, with how many more there are, and no line that nobody should read.
    #[must_use]
    pub fn bounded(mut self) -> Self {
        self.findings = bounded(self.findings);
        self.gone = bounded(self.gone);
        self.findings.iter_mut().filter(|finding| !finding.is_hidden).for_each(private::guard);
        self
    }
}

/// Takes one of those that are left.
fn take(left: Option<&mut Vec<&Finding>>, finding: &Finding) -> bool {
    let Some(left) = left else { return false };
    let Some(place) = left.iter().position(|known| known.covers(finding)) else { return false };
    left.swap_remove(place);
    true
}

/// Looks at the selected prompts of a project. What is found is to be bounded before it is shown.
#[must_use]
pub fn lint(
    workspace: &Workspace,
    store: &Store,
    evidence: &Evidence,
    settings: &Settings,
    selected: &[usize],
) -> Linted {
    let material = Material::new(workspace, store, evidence);
    let subjects = material.subjects(selected);
    let is_all = selected.len() == workspace.prompts.list.len();
    let scope = Scope::new(&subjects, is_all);
    let keys: BTreeSet<&str> =
        subjects.iter().flat_map(|subject| &subject.parts).map(|part| part.key.as_str()).collect();
    let templates: Vec<_> = material.templates.iter().filter(|t| is_all || keys.contains(t.key.as_str())).collect();
    let run = |rule: &'static Rule| -> Vec<Finding> {
        let (level, limits) = settings.of(rule);
        let look = Look { material: &material, limits, rule };
        let sink = || Sink { rule, level, found: Vec::new() };
        match rule.check {
            Check::Template(check) => {
                let each = templates.par_iter().map(|template| {
                    let mut sink = sink();
                    check(&look, template, &mut sink);
                    sink.found
                });
                each.flatten().collect()
            }
            Check::Prompt(check) => {
                let each = subjects.par_iter().filter(|subject| !subject.is_silent()).map(|subject| {
                    let mut sink = sink();
                    check(&look, subject, &mut sink);
                    sink.found
                });
                each.flatten().collect()
            }
            Check::Project(check) => {
                let mut sink = sink();
                check(&look, &mut sink);
                sink.found.retain(|finding| scope.has(&finding.source.path));
                sink.found
            }
            Check::Waiver => Vec::new(),
        }
    };
    let mut on: Vec<&'static Rule> = RULES.iter().filter(|rule| settings.of(rule).0 != Level::Off).collect();
    // What one thread does alone begins first, while the others do the rest.
    on.sort_by_key(|rule| !matches!(rule.check, Check::Project(_)));
    let mut findings: Vec<Finding> = on.par_iter().flat_map(|rule| run(rule)).collect();
    findings.retain(|finding| finding.level != Level::Off);
    // What several prompts include is one thing.
    let place =
        |finding: &Finding| (finding.rule.code, finding.source.path.clone(), finding.span.start, finding.span.end);
    findings.sort_by_cached_key(|finding| (place(finding), finding.message.clone()));
    findings.dedup_by(|one, other| place(one) == place(other) && one.message == other.message);
    let (mut waivers, wrong) = waivers::read(&material, &subjects, &templates, settings);
    let (let_go, mut findings): (Vec<_>, Vec<_>) =
        findings.into_iter().partition(|finding| waivers::waive(&mut waivers, finding));
    findings.extend(wrong);
    findings.extend(waivers::unused(&waivers, settings, &on));
    sort(&mut findings);
    let silent = subjects.iter().filter(|subject| subject.is_silent());
    let skipped: Vec<String> = silent.map(|subject| subject.own.source.path.clone()).collect();
    let (waived, prompts, gone) = (let_go.len(), subjects.len() - skipped.len(), Vec::new());
    Linted { findings, waived, waivers, prompts, skipped, gone, is_refused: false, let_go, scope }
}

/// By place, in an order that never changes.
fn sort(findings: &mut [Finding]) {
    findings.sort_by_cached_key(|finding| {
        (finding.source.path.clone(), finding.span.start, finding.span.end, finding.rule.code, finding.message.clone())
    });
}

/// At most so many findings of a rule in a file, and one of rows of a data set: of a thousand alike the last says how many
/// more there are, and mends them all.
fn bounded(findings: Vec<Finding>) -> Vec<Finding> {
    const MOST: usize = 50;
    let mut kept: Vec<Finding> = Vec::with_capacity(findings.len());
    let most = |is_row: bool| if is_row { 1 } else { MOST };
    let mut last: HashMap<(&'static str, String, bool), (usize, usize)> = HashMap::new();
    for finding in findings {
        let (count, place) = last.entry((finding.rule.code, finding.source.path.clone(), finding.is_row)).or_default();
        *count += 1;
        if *count <= most(finding.is_row) {
            *place = kept.len();
            kept.push(finding);
        } else if let Some(known) = kept.get_mut(*place) {
            known.edits.extend(finding.edits);
        }
    }
    for ((_, _, is_row), (count, place)) in last {
        let more = count.saturating_sub(most(is_row));
        if more > 0 {
            kept[place].message.push_str(&format!(" (and so {more} more)"));
        }
    }
    kept
}
