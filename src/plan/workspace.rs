//! A project as it was loaded from a tree: configuration, prompts and cases.

use std::sync::Arc;

use crate::case::{Case, Cases};
use crate::core::problem::Problems;
use crate::project::Config;
use crate::prompt::{Prompt, Prompts};
use crate::tree::Tree;

/// A loaded project.
pub struct Workspace {
    /// Where it was read from.
    pub tree: Arc<dyn Tree>,
    /// `promptctl.yaml`.
    pub config: Config,
    /// The prompts.
    pub prompts: Prompts,
    /// Their cases.
    pub cases: Cases,
}

impl Workspace {
    /// Loads a project. What is wrong goes to `problems`; `None` where not even `promptctl.yaml` could be read.
    pub fn load(tree: Arc<dyn Tree>, problems: &mut Problems) -> Option<Self> {
        let config = Config::load(&*tree, problems)?;
        let prompts = Prompts::load(&tree, &config, problems);
        let cases = Cases::load(&*tree, &config, &prompts, problems);
        Some(Self { tree, config, prompts, cases })
    }

    /// The prompt of a case.
    #[must_use]
    pub fn prompt_of(&self, case: &Case) -> &Prompt {
        &self.prompts.list[case.prompt]
    }
}
