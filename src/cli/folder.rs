//! A folder that is written as a whole: put together beside its place, and moved there in one step. What is there already gives
//! way only where this program wrote it.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::failure::Failure;
use crate::core::path::TreePath;
use crate::tree::write;

/// The files of a folder, by name.
pub(super) type Files = BTreeMap<&'static str, Vec<u8>>;

/// The files of a folder as they are; nothing where there is none. A link, a folder or a file that is not among the `known`
/// is an error: it is not this program's to replace.
pub(super) fn read(folder: &Path, known: &[&'static str]) -> Result<Option<Files>, Failure> {
    let shown = folder.display();
    let foreign = |name: &str| {
        Failure::usage(format!("{shown} holds `{name}`, which this command did not write; nothing was written"))
            .help("name another folder with `--into`, or move it away")
    };
    let cannot = |error: io::Error| Failure::usage(format!("{shown} cannot be read: {error}"));
    match folder.symlink_metadata() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(cannot(error)),
        Ok(about) if !about.is_dir() => {
            return Err(Failure::usage(format!("{shown} is there, and is no folder; nothing was written"))
                .help("name another folder with `--into`"));
        }
        Ok(_) => {}
    }
    let mut files = Files::new();
    for entry in fs::read_dir(folder).map_err(cannot)? {
        let entry = entry.map_err(cannot)?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let is_file = entry.file_type().map_err(cannot)?.is_file();
        match known.iter().find(|known| **known == name) {
            Some(known) if is_file => files.insert(known, fs::read(entry.path()).map_err(cannot)?),
            _ => return Err(foreign(&name)),
        };
    }
    Ok(Some(files).filter(|files| !files.is_empty()))
}

/// Puts a folder with these files where `folder` is, or was.
pub(super) fn replace(folder: &Path, files: &Files) -> Result<(), Failure> {
    place(folder, files).map_err(|error| Failure::usage(format!("{} cannot be written: {error}", folder.display())))
}

fn place(folder: &Path, files: &Files) -> io::Result<()> {
    let parent = folder.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fs::create_dir_all(parent)?;
    let beside = tempfile::Builder::new().prefix(".promptctl-").tempdir_in(parent)?;
    let new = beside.path().join("new");
    fs::create_dir(&new)?;
    for (name, bytes) in files {
        let name = TreePath::new(name).map_err(|why| io::Error::new(io::ErrorKind::InvalidInput, why))?;
        write::replace(&new, &name, bytes)?;
    }
    let old: PathBuf = beside.path().join("old");
    let was_there = match fs::rename(folder, &old) {
        Ok(()) => true,
        Err(error) if error.kind() == io::ErrorKind::NotFound => false,
        Err(error) => return Err(error),
    };
    if let Err(error) = fs::rename(&new, folder) {
        if was_there && fs::rename(&old, folder).is_err() {
            // What was there must not go with the folder beside it.
            let kept = beside.keep();
            return Err(io::Error::new(error.kind(), format!("{error}; what was there is in {}", kept.display())));
        }
        return Err(error);
    }
    Ok(())
}
