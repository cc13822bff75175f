//! Finding and loading the project that a command is about.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;

use super::context::Context;
use super::environment::Environment;
use super::failure::Failure;
use super::held::HeldArgs;
use crate::case::{Selection, SelectionError};
use crate::core::names::PromptName;
use crate::core::problem::{Problem, Problems};
use crate::core::redact::Secrets;
use crate::core::verdict::Exit;
use crate::lint;
use crate::model::{secret_variables, vendor_variables};
use crate::plan::Workspace;
use crate::project::{ModelEntry, Root, find_project};
use crate::recording::{Line, Store};
use crate::retrieval::{check_relevant, rate, search_local};
use crate::run::Prepared;
use crate::tree::{CommitError, CommitTree, Nothing, RepositoryError, Tree, WorkingTree};

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
    #[command(flatten)]
    pub(super) held: HeldArgs,
}

impl SelectionArgs {
    pub(super) fn selection(&self, context: &Context) -> Result<Selection, Failure> {
        let (prompts, cases, tags) = (self.prompts.clone(), self.cases.clone(), self.tags.clone());
        Ok(Selection { prompts, cases, tags, listed: self.held.read(context)? })
    }
}

/// What to do with a bare repository where a command needs files.
pub(super) const IN_A_CLONE: &str = "this command reads no commit: `git clone` the repository, and run it in the clone";

/// A project that was found, and where it is.
pub(super) struct Project {
    pub(super) root: PathBuf,
    pub(super) tree: Arc<dyn Tree>,
    pub(super) working: Arc<dyn Tree>,
    /// Whether it is in a bare repository, and can only be read at commits.
    pub(super) is_bare: bool,
    /// Answers that it has from elsewhere.
    pub(super) shared: Vec<(PromptName, Line)>,
}

impl Project {
    /// Finds the project around the command's folder, in the working tree or at a revision.
    pub(super) fn find(context: &Context, revision: Option<&str>) -> Result<Self, Failure> {
        let project = Self::around(context)?;
        let Some(revision) = revision else {
            project.needs_files("to read", "name a commit (`--at HEAD`), or clone it")?;
            return Ok(project);
        };
        let tree: Arc<dyn Tree> = Arc::new(CommitTree::open(&project.root, revision)?);
        Ok(Self { tree, ..project })
    }

    /// Finds the project around the command's folder, for a command that looks at its files and at no commit instead.
    pub(super) fn on_disk(context: &Context) -> Result<Self, Failure> {
        let project = Self::around(context)?;
        project.needs_files("to read", IN_A_CLONE)?;
        Ok(project)
    }

    /// As it was at a revision; nothing at all where the project was not there yet.
    pub(super) fn find_or_nothing(context: &Context, revision: &str) -> Result<Self, Failure> {
        let project = Self::around(context)?;
        let tree: Arc<dyn Tree> = match CommitTree::open(&project.root, revision) {
            Ok(tree) => Arc::new(tree),
            Err(CommitError::NoFolder { commit, .. }) => Arc::new(Nothing::at(&format!("commit {commit}"))),
            Err(error) => return Err(error.into()),
        };
        Ok(Self { tree, ..project })
    }

    /// Finds the project around the command's folder, for a command that looks at its commits.
    pub(super) fn around(context: &Context) -> Result<Self, Failure> {
        let (root, is_bare) = match find_project(context.folder()) {
            Ok(Root::Folder(root)) => (root, false),
            Ok(Root::Bare(root)) => (root, true),
            Err(error) => return Err(Failure::usage(error.to_string())),
        };
        let working: Arc<dyn Tree> =
            if is_bare { Arc::new(Nothing::at("a bare repository")) } else { Arc::new(open_working(&root)?) };
        Ok(Self { root, tree: Arc::clone(&working), working, is_bare, shared: Vec::new() })
    }

    /// Its files on the disk, where it has any.
    pub(super) fn files(&self) -> Option<&Arc<dyn Tree>> {
        Some(&self.working).filter(|_| !self.is_bare)
    }

    /// A bare repository has no files; `what` they are needed for, and what helps.
    pub(super) fn needs_files(&self, what: &str, help: &str) -> Result<(), Failure> {
        if !self.is_bare {
            return Ok(());
        }
        let message = format!("{} is a bare repository: it has commits, but no files {what}", self.root.display());
        Err(Failure::usage(message).help(help))
    }

    /// Its recordings. A project at a revision may also use what the working tree holds: answers are found by their
    /// requests, whenever they were recorded.
    pub(super) fn store(&self) -> Store {
        let store = Store::open(Arc::clone(&self.tree)).with(self.shared.clone());
        if Arc::ptr_eq(&self.tree, &self.working) { store } else { store.or(Arc::clone(&self.working)) }
    }

    /// Loads the project and compiles everything in it. Warnings come back; any error is a failure that shows all
    /// of them.
    pub(super) fn load(&self) -> Result<(Prepared, Vec<Problem>), Failure> {
        super::memory::watch();
        let mut problems = Problems::default();
        let workspace = Workspace::load(Arc::clone(&self.tree), &mut problems);
        let mut prepared = workspace.map(|workspace| Prepared::new(workspace, &mut problems));
        if let Some(prepared) = &mut prepared {
            prepared.find_documents(&self.store(), &mut problems);
            search_local(prepared, &mut problems);
            rate(prepared);
            check_relevant(prepared, &mut problems);
        }
        if let Some(prepared) = &prepared {
            // A misspelt rule would not be missed before it is needed.
            lint::Settings::new(&prepared.workspace.config, &mut problems);
        }
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

impl From<CommitError> for Failure {
    fn from(error: CommitError) -> Self {
        Self::usage(error.to_string())
    }
}

impl From<RepositoryError> for Failure {
    fn from(error: RepositoryError) -> Self {
        Self::usage(error.to_string())
    }
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
