//! Writing below a project's root: a file is replaced whole or not at all, and never outside the root.

use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use crate::core::path::TreePath;

/// Replaces a file: write beside it, fsync, rename, fsync the folder. Folders are made as needed.
pub fn replace(root: &Path, path: &TreePath, bytes: &[u8]) -> io::Result<()> {
    let full = prepare(root, path)?;
    replace_file(root, &full, bytes).map_err(|error| named(path, &error))
}

/// Changes a file that was read: one behind a symbolic link is changed where it is, and the link stays a link. Nothing is
/// made: neither outside the root nor in what git keeps for itself.
pub fn rewrite(root: &Path, path: &TreePath, bytes: &[u8]) -> io::Result<()> {
    let change = || {
        let (full, root) = (root.join(path.as_str()).canonicalize()?, root.canonicalize()?);
        let refused = |message: &str| Err(io::Error::new(io::ErrorKind::PermissionDenied, message.to_owned()));
        match full.strip_prefix(&root) {
            Err(_) => refused("it lies behind a symbolic link that leaves the project"),
            Ok(below) if below.components().any(|part| part.as_os_str() == ".git") => {
                refused("it is a symbolic link to what git keeps for itself")
            }
            Ok(_) => replace_file(&root, &full, bytes),
        }
    };
    change().map_err(|error| named(path, &error))
}

fn replace_file(root: &Path, full: &Path, bytes: &[u8]) -> io::Result<()> {
    let folder = full.parent().unwrap_or(root);
    let mut file = tempfile::Builder::new().prefix(".promptctl-").suffix(".tmp").tempfile_in(folder)?;
    file.write_all(bytes)?;
    keep_mode(full, file.as_file())?;
    file.as_file().sync_all()?;
    file.persist(full).map_err(|error| error.error)?;
    sync_folder(folder)
}

/// Writes a file that must not exist yet.
pub fn create_new(root: &Path, path: &TreePath, bytes: &[u8]) -> io::Result<()> {
    let full = prepare(root, path)?;
    let create = || {
        let mut file = fs::OpenOptions::new().write(true).create_new(true).open(full)?;
        file.write_all(bytes)?;
        file.sync_all()
    };
    create().map_err(|error| named(path, &error))
}

/// Removes a file; one that is not there is no error.
pub fn remove(root: &Path, path: &TreePath) -> io::Result<()> {
    match fs::remove_file(prepare(root, path)?) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(named(path, &error)),
        _ => Ok(()),
    }
}

/// The full path, its folder made and found to lie inside the root.
pub fn prepare(root: &Path, path: &TreePath) -> io::Result<PathBuf> {
    prepare_folder(root, path).map_err(|error| named(path, &error))
}

/// The same error with the path in front, for whoever reads it.
fn named(path: &TreePath, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{path}: {error}"))
}

/// Whether a file could be written as far as links and folders go; makes nothing. A root that is not there is made later.
pub fn fits(root: &Path, path: &TreePath) -> io::Result<()> {
    if !root.exists() {
        return Ok(());
    }
    let full = root.join(path.as_str());
    nearest(root, full.parent().unwrap_or(root)).map_err(|error| named(path, &error))
}

fn prepare_folder(root: &Path, path: &TreePath) -> io::Result<PathBuf> {
    let full = root.join(path.as_str());
    let folder = full.parent().unwrap_or(root);
    nearest(root, folder)?;
    fs::create_dir_all(folder)?;
    Ok(full)
}

/// Finds the nearest folder that exists to lie inside the root.
fn nearest(root: &Path, folder: &Path) -> io::Result<()> {
    // The nearest folder that exists decides: a link on the way may lead anywhere.
    let existing = folder.ancestors().find(|f| f.symlink_metadata().is_ok()).unwrap_or(root);
    if !existing.canonicalize()?.starts_with(root.canonicalize()?) {
        let message = "it lies behind a symbolic link that leaves the project";
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, message));
    }
    if existing.is_dir() {
        return Ok(());
    }
    Err(io::Error::new(io::ErrorKind::NotADirectory, "a file stands where a folder is needed"))
}

#[cfg(unix)]
fn keep_mode(target: &Path, file: &fs::File) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    // A temporary file is private; what people commit is not.
    let mode = target.metadata().map_or(0o644, |m| m.permissions().mode() & 0o777);
    file.set_permissions(fs::Permissions::from_mode(mode))
}

#[cfg(not(unix))]
fn keep_mode(_target: &Path, _file: &fs::File) -> io::Result<()> {
    Ok(())
}

#[cfg(unix)]
fn sync_folder(folder: &Path) -> io::Result<()> {
    fs::File::open(folder)?.sync_all()
}

#[cfg(not(unix))]
fn sync_folder(_folder: &Path) -> io::Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(text: &str) -> TreePath {
        TreePath::new(text).expect("a valid path")
    }

    #[test]
    fn a_file_is_replaced_whole() {
        let folder = tempfile::tempdir().expect("a folder");
        replace(folder.path(), &path("a/b.txt"), b"one").expect("written");
        replace(folder.path(), &path("a/b.txt"), b"two").expect("written");
        assert_eq!(fs::read(folder.path().join("a/b.txt")).expect("there"), b"two");
        assert_eq!(fs::read_dir(folder.path().join("a")).expect("there").count(), 1, "nothing is left beside it");
    }

    #[cfg(unix)]
    #[test]
    fn a_link_stays_a_link() {
        use std::os::unix::fs::symlink;
        let outside = tempfile::tempdir().expect("a folder");
        let folder = tempfile::tempdir().expect("a folder");
        let at = |name: &str| folder.path().join(name);
        fs::write(outside.path().join("a"), "old").expect("written");
        fs::create_dir_all(at(".git")).expect("made");
        fs::write(at("real"), "old").expect("written");
        fs::write(at(".git/config"), "old").expect("written");
        for (target, link) in [("real", "link"), ("link", "again"), (".git/config", "git"), ("nothing", "dangling")] {
            symlink(target, at(link)).expect("linked");
        }
        symlink(outside.path().join("a"), at("out")).expect("linked");
        for name in ["link", "again"] {
            rewrite(folder.path(), &path(name), name.as_bytes()).expect("written");
            assert_eq!(fs::read(at("real")).expect("there"), name.as_bytes());
            assert!(at(name).symlink_metadata().expect("there").is_symlink());
        }
        for name in ["git", "dangling", "out"] {
            assert!(rewrite(folder.path(), &path(name), b"new").is_err(), "{name}");
        }
        assert_eq!(fs::read(at(".git/config")).expect("there"), b"old");
        assert_eq!(fs::read(outside.path().join("a")).expect("there"), b"old");
        assert!(!at("nothing").exists());
    }

    #[cfg(unix)]
    #[test]
    fn nothing_is_written_through_a_link_that_leaves() {
        let outside = tempfile::tempdir().expect("a folder");
        let folder = tempfile::tempdir().expect("a folder");
        std::os::unix::fs::symlink(outside.path(), folder.path().join("link")).expect("linked");
        assert!(replace(folder.path(), &path("link/b.txt"), b"x").is_err());
        assert!(replace(folder.path(), &path("link/c/b.txt"), b"x").is_err());
        assert_eq!(fs::read_dir(outside.path()).expect("there").count(), 0);
    }
}
