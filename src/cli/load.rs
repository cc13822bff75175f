//! Finding and loading the project that a command is about.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;

use super::context::Context;
use super::environment::Environment;
use super::failure::Failure;
use crate::case::{Selection, SelectionError};
use crate::core::problem::{Problem, Problems};
use crate::core::redact::Secrets;
use crate::core::verdict::Exit;
use crate::model::{secret_variables, vendor_variables};
use crate::plan::Workspace;
use crate::project::{ModelEntry, find_root};
use crate::recording::Store;
use crate::run::Prepared;
use crate::tree::{CommitTree, Tree, WorkingTree};

/// Which cases a command is about.
#[derive(Clone, Debug, Default, Args)]
pub(super) struct SelectionArgs {
    /// Prompts: a name, a glob or a path. Left out: all of them.
    #[arg(value_name = "PROMPT")]
    pub(super) prompts: Vec<String>,
    /// Only cases whose name matches this glob. May be given several times.
    #[arg(long = "case", value_name = "GLOB")]
    pub(super) cases: Vec<String>,
    /// Only cases with this tag. May be given several times.
    #[arg(long = "tag", value_name = "TAG")]
    pub(super) tags: Vec<String>,
}

impl SelectionArgs {
    pub(super) fn selection(&self) -> Selection {
        Selection { prompts: self.prompts.clone(), cases: self.cases.clone(), tags: self.tags.clone() }
    }
}

/// A project that was found, and where it is.
pub(super) struct Project {
    pub(super) root: PathBuf,
    pub(super) tree: Arc<dyn Tree>,
    pub(super) working: Arc<dyn Tree>,
}

impl Project {
    /// Finds the project around the command's folder, in the working tree or at a revision.
    pub(super) fn find(context: &Context, revision: Option<&str>) -> Result<Self, Failure> {
        let root = match find_root(context.folder()) {
            Ok(root) => root,
            Err(error) => return Err(Failure::usage(error.to_string())),
        };
        let working: Arc<dyn Tree> = Arc::new(open_working(&root)?);
        let tree: Arc<dyn Tree> = match revision {
            Some(revision) => {
                Arc::new(CommitTree::open(&root, revision).map_err(|error| Failure::usage(error.to_string()))?)
            }
            None => Arc::clone(&working),
        };
        Ok(Self { root, tree, working })
    }

    /// Its recordings. A project at a revision may also use what the working tree holds: answers are found by their
    /// requests, whenever they were recorded.
    pub(super) fn store(&self) -> Store {
        let store = Store::open(Arc::clone(&self.tree));
        if Arc::ptr_eq(&self.tree, &self.working) { store } else { store.or(Arc::clone(&self.working)) }
    }

    /// Loads the project and compiles everything in it. Warnings come back; any error is a failure that shows all
    /// of them.
    pub(super) fn load(&self) -> Result<(Prepared, Vec<Problem>), Failure> {
        super::memory::watch();
        let mut problems = Problems::default();
        let workspace = Workspace::load(Arc::clone(&self.tree), &mut problems);
        let prepared = workspace.map(|workspace| Prepared::new(workspace, &mut problems));
        match prepared {
            Some(prepared) if !problems.has_errors() => Ok((prepared, problems.sorted())),
            _ => Err(problems.into()),
        }
    }
}

/// The keys that this process could send, so that none of them is ever written.
pub(super) fn known_secrets(environment: &Environment, models: &[ModelEntry]) -> Secrets {
    let mut secrets = Secrets::default();
    // A program of the project could say any key that it finds, not only those that models name.
    let names = models.iter().flat_map(secret_variables).chain(vendor_variables().map(str::to_owned));
    for name in names {
        if let Some(value) = environment.get(&name) {
            // It is sent without the line end that a file of keys may have.
            secrets.add(&name, value.trim());
        }
    }
    secrets
}

fn open_working(root: &Path) -> Result<WorkingTree, Failure> {
    WorkingTree::open(root).map_err(|error| Failure::usage(format!("{} cannot be read: {error}", root.display())))
}

impl From<SelectionError> for Failure {
    fn from(error: SelectionError) -> Self {
        let exit = match error {
            SelectionError::BadGlob(..) => Exit::Usage,
            SelectionError::NoMatch { .. } | SelectionError::NothingLeft(_) => Exit::Nothing,
        };
        Self::Message { exit, message: error.to_string(), help: None }
    }
}
