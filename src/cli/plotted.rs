//! The versions of prompts that a report plots: the newest few of those that matter most, quietly none where there is no
//! git or its history cannot be read.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rayon::prelude::*;

use super::log::is_left_out;
use crate::core::event::Provenance;
use crate::core::names::PromptName;
use crate::history::{Entry, Told, Versions, Walk};
use crate::project::{Root, find_project};
use crate::report::Past;
use crate::tree::{Tree, WorkingTree};

/// The most prompts.
const PROMPTS: usize = 8;
/// The most versions of each.
const VERSIONS: usize = 20;

/// Looks the versions up in the repository around a folder.
pub(super) fn versions_of(folder: &Path) -> Past {
    let folder = folder.to_owned();
    Box::new(move |provenance, prompts| look_up(&folder, provenance, prompts).unwrap_or_default())
}

fn look_up(folder: &Path, provenance: &Provenance, prompts: &[PromptName]) -> Option<Vec<(PromptName, Vec<Told>)>> {
    let commit = provenance.commit.as_deref()?;
    let root: PathBuf = match find_project(folder).ok()? {
        Root::Folder(root) | Root::Bare(root) => root,
    };
    let walk = Walk::new(&root, commit, None).ok()?;
    let working = working(&root, provenance);
    let jobs: Vec<(&PromptName, Walk)> =
        prompts.iter().take(PROMPTS).filter_map(|name| Some((name, walk.again().ok()?))).collect();
    let found = jobs.into_par_iter().map(|(name, walk)| (name.clone(), newest(&root, &walk, name, working.as_ref())));
    Some(found.collect())
}

/// The files that were edited, where the run was of these.
fn working(root: &Path, provenance: &Provenance) -> Option<Arc<dyn Tree>> {
    let head = crate::history::about(root, "HEAD").ok()?;
    if provenance.dirty != Some(true) || provenance.commit.as_ref() != Some(&head.commit) {
        return None;
    }
    WorkingTree::open(root).ok().map(|tree| Arc::new(tree) as Arc<dyn Tree>)
}

fn newest(root: &Path, walk: &Walk, name: &PromptName, working: Option<&Arc<dyn Tree>>) -> Vec<Told> {
    let working = working.filter(|_| !is_left_out(root, name));
    let mut found = Vec::new();
    let mut take = |entry: Entry| {
        // A version whose recordings cannot be read is not drawn; the run itself says what is wrong with them.
        if let Ok(figures) = entry.figures() {
            found.push(entry.told(figures));
        }
        if found.len() < VERSIONS { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    };
    // What was found before something could not be read is still true.
    let _ = Versions::new(root, walk).find(name, working, &mut take);
    found
}
