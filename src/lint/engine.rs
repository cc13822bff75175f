//! One pass over a project: every rule that is on, over everything that is selected, in an order that never changes.

use std::collections::{BTreeSet, HashMap};
use std::hash::Hash;

use rayon::prelude::*;

use super::finding::Finding;
use super::look::{Evidence, Look, Material, Sink};
use super::private;
use super::registry::{Check, RULES, Rule};
use super::settings::Settings;
use super::waivers::{self, Waiver};
use crate::plan::Workspace;
use crate::project::{CONFIG_FILE, Level};
use crate::prompt::PROMPTS;
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

    /// Without what was there before already, each as often as it was: in the same file first, then in another, as files
    /// are renamed. Gives how many that were.
    pub fn subtract(&mut self, before: &Self) -> usize {
        let count = self.findings.len();
        let mut same: HashMap<(String, String), usize> = HashMap::new();
        for finding in &before.findings {
            *same.entry((finding.key(), finding.source.path.clone())).or_default() += 1;
        }
        self.findings.retain(|finding| !take(&mut same, &(finding.key(), finding.source.path.clone())));
        let mut other: HashMap<String, usize> = HashMap::new();
        for ((key, _), left) in same {
            *other.entry(key).or_default() += left;
        }
        self.findings.retain(|finding| !take(&mut other, &finding.key()));
        count - self.findings.len()
    }
}

/// Takes one of those that are left.
fn take<K: Eq + Hash>(counts: &mut HashMap<K, usize>, key: &K) -> bool {
    counts.get_mut(key).filter(|left| **left > 0).map(|left| *left -= 1).is_some()
}

/// Looks at the selected prompts of a project.
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
    let (mut waivers, wrong) = waivers::read(&material, &subjects, &templates, settings);
    let found = findings.len();
    findings.retain(|finding| !waivers::waive(&mut waivers, finding));
    let waived = found - findings.len();
    findings.extend(wrong);
    findings.extend(waivers::unused(&waivers, settings, &on));
    let mut findings = bounded(findings);
    findings.iter_mut().filter(|finding| !finding.is_hidden).for_each(private::guard);
    findings.sort_by_cached_key(|finding| {
        (finding.source.path.clone(), finding.span.start, finding.span.end, finding.rule.code, finding.message.clone())
    });
    Linted { findings, waived, waivers, prompts: subjects.len() }
}

/// At most so many findings of a rule in a file: of a thousand alike the last says how many more there are, and mends them
/// all.
fn bounded(findings: Vec<Finding>) -> Vec<Finding> {
    const MOST: usize = 50;
    let mut kept: Vec<Finding> = Vec::with_capacity(findings.len());
    let mut last: HashMap<(&'static str, String), (usize, usize)> = HashMap::new();
    for finding in findings {
        let (count, place) = last.entry((finding.rule.code, finding.source.path.clone())).or_default();
        *count += 1;
        if *count <= MOST {
            *place = kept.len();
            kept.push(finding);
        } else if let Some(known) = kept.get_mut(*place) {
            known.edits.extend(finding.edits);
        }
    }
    for (count, place) in last.into_values().filter(|(count, _)| *count > MOST) {
        kept[place].message.push_str(&format!(" (and so {} more)", count - MOST));
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
