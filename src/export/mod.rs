//! The way out: a loaded project as the files of another tool. What those cannot say is told, never left out silently.
//!
//! Gets the cases that were selected and gives files and problems (warnings). Writes nothing itself, asks nobody.

mod assertions;
pub mod fine_tune;
mod github_models;
mod messages;
mod promptfoo;
mod table;
mod template;

use std::collections::BTreeMap;

use crate::case::Case;
use crate::core::path::TreePath;
use crate::core::problem::{Place, Problem, Problems};
use crate::core::record::Response;
use crate::plan::{Item, Workspace};
use crate::project::Compare;

pub use messages::messages;
pub use table::table;

/// The recorded answer of an item, where there is one.
pub type Answers<'a> = dyn Fn(&Item) -> Option<Response> + 'a;

/// What an export makes.
#[derive(Debug, Default)]
pub struct Exported {
    /// The files, by their paths below the folder of the export.
    pub files: BTreeMap<TreePath, Vec<u8>>,
    /// What could not be said in the other form.
    pub findings: Problems,
    /// How many cases are in it.
    pub cases: usize,
}

impl Exported {
    fn add(&mut self, path: &str, text: String) {
        if let Ok(path) = TreePath::new(path) {
            self.files.insert(path, text.into_bytes());
        }
    }

    fn lost(&mut self, place: Place, message: impl Into<String>, help: &str) {
        let problem = Problem::warning(place, message);
        self.findings.push(if help.is_empty() { problem } else { problem.help(help) });
    }
}

/// Tells what of the cases of a prompt no other tool has a word for.
fn lost_of_cases(cases: &[&Case], exported: &mut Exported) {
    for case in cases {
        lost_of_case(case, exported);
    }
    let is_special = |case: &&&Case| {
        case.compare == Compare::Json || case.compare == Compare::Text && !case.snapshot.redact.is_empty()
    };
    let special: Vec<&&Case> = cases.iter().filter(is_special).collect();
    if let Some(first) = special.first() {
        let more = match special.len() {
            1 => String::new(),
            2 => " and of 1 more case".to_owned(),
            n => format!(" and of {} more cases", n - 1),
        };
        let message = format!("the `snapshot` of `{}`{more} is left out", first.name);
        exported.lost(first.place.clone(), message, "there is no accepted answer to compare with");
    }
}

fn lost_of_case(case: &Case, exported: &mut Exported) {
    let name = &case.name;
    let mut lost = |message: String| exported.lost(case.place.clone(), message, "");
    if case.min_pass_rate < 1.0 {
        lost(format!("`min-pass-rate` of `{name}` is left out"));
    }
    if case.must_pass {
        lost(format!("`must-pass` of `{name}` is left out"));
    }
    if case.quarantine.is_some() {
        lost(format!("the quarantine of `{name}` is left out"));
    }
    if let Some(group) = &case.group {
        lost(format!("the group `{group}` of `{name}` is left out: its cases count as independent there"));
    }
    if case.compare != Compare::None && case.checks.is_empty() {
        lost(format!("`{name}` checks nothing there: here it is compared with the accepted answer"));
    }
}

/// Tells of an item of which only the first answer is exported.
fn lost_of_samples(item: &Item, case: &Case, what: &str, exported: &mut Exported) {
    if item.keys.len() > 1 {
        let message = format!("of the {} samples of {what} only the first answer is here", item.keys.len());
        exported.lost(case.place.clone(), message, "the JSON report of `promptctl test` has every sample");
    }
}

/// The items of a plan by their prompts, in the order of the project.
fn by_prompt<'i>(workspace: &Workspace, items: &'i [Item]) -> BTreeMap<usize, Vec<&'i Item>> {
    let mut prompts: BTreeMap<usize, Vec<&Item>> = BTreeMap::new();
    for item in items {
        prompts.entry(workspace.cases.list[item.case].prompt).or_default().push(item);
    }
    prompts
}

/// The cases of items, each once.
fn cases_of(items: &[&Item]) -> Vec<usize> {
    let mut cases: Vec<usize> = items.iter().map(|item| item.case).collect();
    cases.dedup();
    cases
}

/// A configuration of promptfoo with its prompts.
#[must_use]
pub fn promptfoo(workspace: &Workspace, items: &[Item]) -> Exported {
    promptfoo::write(workspace, items)
}

/// A `.prompt.yml` of GitHub Models for each prompt.
#[must_use]
pub fn github_models(workspace: &Workspace, items: &[Item]) -> Exported {
    github_models::write(workspace, items)
}
