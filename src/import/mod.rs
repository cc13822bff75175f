//! The way in from other tools: their configurations, prompts and tables as the files of a project.
//!
//! Gets a folder as a tree, gives the files to be written and the findings: what could not be carried over and what
//! means something else now. Writes nothing itself, runs no program of the source, and reads nothing outside its folder.

mod chat;
mod csv;
mod declare;
mod dotprompt;
mod draft;
mod expectations;
mod expression;
mod faithful;
mod files;
mod finding;
mod github_models;
mod handlebars;
mod intake;
mod javascript;
mod judges;
mod keys;
mod merge;
mod models;
mod nunjucks;
mod openai_evals;
mod picoschema;
mod promptfoo;
mod prompty;
mod prompty_form;
mod shape;
mod table;
mod template;
mod write;
mod yaml;

use std::sync::Arc;

pub use finding::{Finding, Findings};
pub use write::Imported;

use self::intake::Intake;
use crate::core::path::TreePath;
use crate::core::problem::{Place, Problems};
use crate::tree::Tree;

/// A form that can be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Format {
    /// A configuration of promptfoo.
    Promptfoo,
    /// A `.prompt.yml` of GitHub Models.
    GithubModels,
    /// A `.prompt` file.
    Dotprompt,
    /// A `.prompty` file.
    Prompty,
    /// A registry file of openai/evals, or a file of samples.
    OpenaiEvals,
    /// A table of tests, for the prompt of that name.
    Csv(String),
}

impl Format {
    /// The names that a file of this form has where only its folder is given.
    #[must_use]
    pub fn usual_files(&self) -> &'static [&'static str] {
        match self {
            Self::Promptfoo => &promptfoo::FILES,
            _ => &[],
        }
    }

    /// The endings of files of this form, all of which are read where only their folder is given.
    #[must_use]
    pub fn endings(&self) -> &'static [&'static str] {
        match self {
            Self::GithubModels => &[".prompt.yml", ".prompt.yaml"],
            Self::Dotprompt => &[".prompt"],
            Self::Prompty => &[".prompty"],
            _ => &[],
        }
    }
}

/// Where an import goes.
pub struct Target {
    /// The project that is there, or nothing.
    pub tree: Arc<dyn Tree>,
    /// Whether a prompt of the same name is replaced.
    pub replace: bool,
}

/// Reads files of another tool, and whatever they name in their folder. `Err` says why there is nothing to be made of
/// them.
pub fn read(format: &Format, tree: &dyn Tree, paths: &[TreePath], target: &Target) -> Result<Imported, Problems> {
    let mut intake = Intake::new(tree);
    // A file that cannot be read keeps no other from being carried over.
    let mut refused = Problems::default();
    for path in paths {
        let outcome = match format {
            Format::Promptfoo => promptfoo::read(&mut intake, path),
            Format::GithubModels => github_models::read(&mut intake, path),
            Format::Dotprompt => dotprompt::read(&mut intake, path),
            Format::Prompty => prompty::read(&mut intake, path),
            Format::OpenaiEvals => openai_evals::read(&mut intake, path),
            Format::Csv(prompt) => csv::read(&mut intake, path, prompt, &*target.tree),
        };
        if let Err(problems) = outcome {
            refused.extend(problems);
        }
    }
    if intake.draft.prompts.is_empty() {
        return Err(refused);
    }
    intake.findings.unreadable(refused);
    let place = paths.first().map_or(Place::Nowhere, |path| Place::File(path.to_string()));
    judges::name_judges(&mut intake.draft, &mut intake.findings, None, &place);
    judges::at_least_one(&mut intake.draft, &mut intake.findings, &place);
    let Intake { draft, findings, .. } = intake;
    Ok(write::write(draft, findings, &target.tree, target.replace))
}
