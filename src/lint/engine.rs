//! One pass over a project: every rule that is on, over everything that is selected, in an order that never changes.

use std::collections::{BTreeSet, HashMap};

use rayon::prelude::*;

use super::finding::Finding;
use super::look::{Evidence, Look, Material, Sink};
use super::private;
use super::registry::{Check, RULES, Rule};
use super::settings::Settings;
use super::waivers::{self, Waiver};
use crate::plan::Workspace;
use crate::project::{CONFIG_FILE, Level};
use crate::prompt::{PROMPTS, Renamed};
use crate::recording::Store;

/// What a pass found.
pub struct Linted {
    /// What stands, by place.
    pub findings: Vec<Finding>,
    /// What was waived.
    pub waived: usize,
    /// Every waiver that was read.
    pub waivers: Vec<Waiver>,
    /// How many prompts were looked at.
    pub prompts: usize,
}

impl Linted {
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
    /// is called now, then what is about a text in another one. Gives how many that were.
    pub fn subtract(&mut self, before: &Self, renamed: &Renamed) -> usize {
        let count = self.findings.len();
        let mut same: HashMap<(String, String), Vec<&Finding>> = HashMap::new();
        for finding in &before.findings {
            let path = renamed.path_now(&finding.source.path);
            same.entry((finding.identity().0, path)).or_default().push(finding);
        }
        self.findings.retain(|finding| {
            let place = (finding.identity().0, finding.source.path.clone());
            !take(same.get_mut(&place), finding)
        });
        let mut other: HashMap<String, Vec<&Finding>> = HashMap::new();
        for ((identity, _), left) in same {
            other.entry(identity).or_default().extend(left);
        }
        self.findings.retain(|finding| {
            let (identity, bound) = finding.identity();
            bound || !take(other.get_mut(&identity), finding)
        });
        count - self.findings.len()
    }

    /// As it is shown: of many alike the first, with how many more there are, and no line that nobody should read.
    #[must_use]
    pub fn bounded(mut self) -> Self {
        self.findings = bounded(self.findings);
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
    let mut paths: BTreeSet<String> = BTreeSet::new();
    let mut keys: BTreeSet<&str> = BTreeSet::new();
    for subject in &subjects {
        for part in &subject.parts {
            paths.insert(part.source.path.clone());
            keys.insert(&part.key);
        }
    }
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
                let each = subjects.par_iter().map(|subject| {
                    let mut sink = sink();
                    check(&look, subject, &mut sink);
                    sink.found
                });
                each.flatten().collect()
            }
            Check::Project(check) => {
                let mut sink = sink();
                check(&look, &mut sink);
                sink.found.retain(|finding| is_all || is_selected(&finding.source.path, &paths, &subjects));
                sink.found
            }
            Check::Waiver => Vec::new(),
        }
    };
    let on: Vec<&'static Rule> = RULES.iter().filter(|rule| settings.of(rule).0 != Level::Off).collect();
    let mut findings: Vec<Finding> = on.par_iter().flat_map(|rule| run(rule)).collect();
    findings.retain(|finding| finding.level != Level::Off);
    // What several prompts include is one thing.
    let place =
        |finding: &Finding| (finding.rule.code, finding.source.path.clone(), finding.span.start, finding.span.end);
    findings.sort_by_cached_key(|finding| (place(finding), finding.message.clone()));
    findings.dedup_by(|one, other| place(one) == place(other) && one.message == other.message);
    let (mut waivers, wrong) = waivers::read(&material, &subjects, &templates, settings);
    let found = findings.len();
    findings.retain(|finding| !waivers::waive(&mut waivers, finding));
    let waived = found - findings.len();
    findings.extend(wrong);
    findings.extend(waivers::unused(&waivers, settings, &on));
    findings.sort_by_cached_key(|finding| {
        (finding.source.path.clone(), finding.span.start, finding.span.end, finding.rule.code, finding.message.clone())
    });
    Linted { findings, waived, waivers, prompts: subjects.len() }
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

/// Whether a file belongs to the selected prompts.
fn is_selected(path: &str, paths: &BTreeSet<String>, subjects: &[super::look::Subject<'_>]) -> bool {
    if path.starts_with(PROMPTS) || path == CONFIG_FILE {
        return paths.contains(path);
    }
    subjects.iter().any(|subject| {
        ["fixtures", "snapshots"].iter().any(|folder| path.starts_with(&format!("{folder}/{}/", subject.prompt.name)))
    })
}
