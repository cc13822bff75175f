//! The folder with local state, which git ignores: journals, locks, the history of runs.

use std::io;
use std::path::{Path, PathBuf};

use super::write;
use crate::core::path::TreePath;

/// The folder with local state.
pub const STATE: &str = ".promptctl";

/// The full path of a file in the state folder, which is made where it is not there.
pub fn prepare(root: &Path, file: &str) -> io::Result<PathBuf> {
    check(root)?;
    let path = TreePath::new(&format!("{STATE}/{file}")).map_err(io::Error::other)?;
    let full = write::prepare(root, &path)?;
    ignore(root)?;
    Ok(full)
}

/// Whether local state can be there at all: something else may be called so.
pub fn check(root: &Path) -> io::Result<()> {
    if root.join(STATE).is_file() {
        let message = format!("`{STATE}` is a file, where a folder for local state is needed; move it away");
        return Err(io::Error::new(io::ErrorKind::NotADirectory, message));
    }
    Ok(())
}

/// The state folder ignores itself, whatever the project's `.gitignore` says.
fn ignore(root: &Path) -> io::Result<()> {
    let path = TreePath::new(&format!("{STATE}/.gitignore")).map_err(io::Error::other)?;
    match write::create_new(root, &path, b"*\n") {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        _ => Ok(()),
    }
}
