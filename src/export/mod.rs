//! The way out: a loaded project as the files of another tool. What those cannot say is told, never left out silently.
//!
//! Gets the cases that were selected and gives files and problems (warnings). Writes nothing itself, asks nobody.

mod assertions;
mod github_models;
mod messages;
mod promptfoo;
mod table;
mod template;

use std::collections::BTreeMap;

use crate::core::path::TreePath;
use crate::core::problem::{Place, Problem, Problems};
use crate::core::record::Response;
use crate::plan::{Item, Workspace};

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
