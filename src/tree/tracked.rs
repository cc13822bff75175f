//! What git keeps of a folder.

use std::path::Path;

use git2::Repository;

/// The files below a project's root that git tracks and whose name ends so, as seen from the root. Nothing outside a
/// repository, or in one that libgit2 cannot read.
#[must_use]
pub fn tracked(root: &Path, ending: &str) -> Vec<String> {
    find(root, ending).unwrap_or_default()
}

fn find(root: &Path, ending: &str) -> Option<Vec<String>> {
    let repository = Repository::discover(root).ok()?;
    let workdir = repository.workdir()?.canonicalize().ok()?;
    let prefix = root.canonicalize().ok()?.strip_prefix(&workdir).ok()?.to_owned();
    let index = repository.index().ok()?;
    let paths = index.iter().filter_map(|entry| String::from_utf8(entry.path).ok());
    let below = paths.filter(|path| path.ends_with(ending)).filter_map(|path| {
        let below = Path::new(&path).strip_prefix(&prefix).ok()?;
        Some(below.to_string_lossy().replace('\\', "/"))
    });
    Some(below.collect())
}
