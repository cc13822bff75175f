//! A commit's tree, read through libgit2: no checkout, no temporary clone, the working tree untouched.

use std::cell::RefCell;
use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard};

use git2::{ErrorCode, ObjectType, Oid, Repository};

use super::repository::{RepositoryError, is_partial, open_repository, resolve};
use super::{Tree, TreeError};
use crate::core::path::TreePath;

/// The mode of a symbolic link in a git tree.
const LINK: i32 = 0o120_000;
/// How many links are followed one after the other.
const MAX_LINKS: usize = 16;

/// Why a commit could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum CommitError {
    /// There is no repository to read, or no such commit.
    #[error(transparent)]
    Repository(#[from] RepositoryError),
    /// The commit has no project at that place.
    #[error("at commit {commit} there is no folder `{folder}` yet, and so no project")]
    NoFolder {
        /// The commit, shortened.
        commit: String,
        /// The project's folder in the repository.
        folder: String,
    },
}

/// A project as it was at a commit.
pub struct CommitTree {
    opened: Mutex<Opened>,
    tree: Oid,
    commit: String,
}

impl CommitTree {
    /// The tree of the project in `folder` at a revision (`HEAD~2`, a tag, a branch, a hash).
    pub fn open(folder: &Path, revision: &str) -> Result<Self, CommitError> {
        let (repository, prefix) = open_repository(folder)?;
        let id = resolve(&repository, revision)?;
        let commit: String = id.to_string().chars().take(12).collect();
        let tree = {
            let root = repository.find_commit(id).and_then(|commit| commit.tree());
            let root = root.map_err(|error| RepositoryError::Unreadable {
                at: folder.display().to_string(),
                reason: error.message().to_owned(),
            })?;
            let below = || root.get_path(Path::new(&prefix)).ok().filter(|e| e.kind() == Some(ObjectType::Tree));
            if prefix.is_empty() { Some(root.id()) } else { below().map(|entry| entry.id()) }
        };
        match tree {
            Some(tree) => {
                Ok(Self { opened: Mutex::new(Opened { repository, folders: RefCell::default() }), tree, commit })
            }
            None => Err(CommitError::NoFolder { commit, folder: prefix }),
        }
    }

    /// The commit's hash, shortened.
    #[must_use]
    pub fn commit(&self) -> &str {
        &self.commit
    }

    fn unreadable(path: &TreePath, reason: impl Into<String>) -> TreeError {
        TreeError::Unreadable { path: path.clone(), reason: reason.into() }
    }

    fn opened(&self, path: &TreePath) -> Result<MutexGuard<'_, Opened>, TreeError> {
        self.opened.lock().map_err(|_| Self::unreadable(path, "an earlier read failed"))
    }
}

/// A repository, with the folders of the commit that were looked into: to find one of a thousand files, a folder is not
/// read a thousand times.
struct Opened {
    repository: Repository,
    folders: RefCell<HashMap<Oid, Arc<Folder>>>,
}

/// What stands in a folder, by name.
type Folder = HashMap<String, Entry>;

/// Something in a folder.
#[derive(Clone, Copy)]
struct Entry {
    id: Oid,
    kind: Option<ObjectType>,
    mode: i32,
}

impl Opened {
    fn folder(&self, id: Oid) -> Result<Arc<Folder>, git2::Error> {
        if let Some(known) = self.folders.borrow().get(&id) {
            return Ok(Arc::clone(known));
        }
        let tree = self.repository.find_tree(id)?;
        let entries = tree.iter().filter_map(|entry| {
            let name = entry.name().ok()?.to_owned();
            Some((name, Entry { id: entry.id(), kind: entry.kind(), mode: entry.filemode() }))
        });
        let folder = Arc::new(entries.collect::<Folder>());
        self.folders.borrow_mut().insert(id, Arc::clone(&folder));
        Ok(folder)
    }
}

/// What stands at a path of a commit, links followed.
enum Found {
    File(Oid),
    Folder(Oid),
}

/// Looks into the tree of one commit.
struct Looking<'r> {
    opened: &'r Opened,
    root: Oid,
}

impl Looking<'_> {
    /// What is at a path. A link on the way, or at its end, is followed while it stays in the project.
    fn find(&self, path: &TreePath) -> Result<Found, TreeError> {
        let mut at = path.clone();
        for _ in 0..MAX_LINKS {
            match self.step(&at).map_err(|error| error.of(path))? {
                Step::There(found) => return Ok(found),
                Step::Linked(to) => at = to,
            }
        }
        Err(CommitTree::unreadable(path, "too many symbolic links"))
    }

    /// The same up to the first link, and where that leads.
    fn step(&self, path: &TreePath) -> Result<Step, Miss> {
        let mut folder = self.root;
        let mut parts = path.as_str().split('/').filter(|part| !part.is_empty()).peekable();
        let mut seen = TreePath::root();
        while let Some(part) = parts.next() {
            let entries = self.opened.folder(folder).map_err(|error| self.miss(&error))?;
            let Some(entry) = entries.get(part) else { return Err(Miss::Missing) };
            let parent = seen.clone();
            seen = seen.join(part).map_err(|_| Miss::Missing)?;
            match entry.kind {
                Some(ObjectType::Tree) => folder = entry.id,
                Some(ObjectType::Commit) => return Err(Miss::Submodule),
                _ if entry.mode == LINK => {
                    let blob = self.opened.repository.find_blob(entry.id).map_err(|error| self.miss(&error))?;
                    let target = std::str::from_utf8(blob.content()).map_err(|_| Miss::Leaves)?;
                    let rest = parts.map(|part| format!("/{part}")).collect::<String>();
                    let to = parent.join(target).map_err(|_| Miss::Leaves)?;
                    // A link to the root itself has no name.
                    let to = format!("{to}{rest}");
                    let to = to.trim_start_matches('/');
                    let to = if to.is_empty() { Ok(TreePath::root()) } else { TreePath::new(to) };
                    return Ok(Step::Linked(to.map_err(|_| Miss::Leaves)?));
                }
                _ if parts.peek().is_some() => return Err(Miss::Missing),
                _ => return Ok(Step::There(Found::File(entry.id))),
            }
        }
        Ok(Step::There(Found::Folder(folder)))
    }

    /// Every file below a folder. `above` are the folders that it lies in, which no link may lead into again.
    fn list(
        &self,
        folder: &TreePath,
        id: Oid,
        above: &mut Vec<Oid>,
        files: &mut Vec<TreePath>,
    ) -> Result<(), TreeError> {
        let tree = self.opened.repository.find_tree(id).map_err(|error| self.miss(&error).of(folder))?;
        above.push(id);
        for entry in &tree {
            let Some(path) = entry.name().ok().and_then(|name| folder.join(name).ok()) else { continue };
            match entry.kind() {
                Some(ObjectType::Tree) => self.list(&path, entry.id(), above, files)?,
                Some(ObjectType::Blob) if entry.filemode() == LINK => match self.find(&path) {
                    Ok(Found::Folder(id)) if above.contains(&id) => {}
                    Ok(Found::Folder(id)) => self.list(&path, id, above, files)?,
                    // A broken link is no file; one that leaves is refused when it is read.
                    Err(TreeError::Missing(_)) => {}
                    Ok(Found::File(_)) | Err(_) => files.push(path),
                },
                Some(ObjectType::Blob) => files.push(path),
                _ => {}
            }
        }
        above.pop();
        Ok(())
    }

    /// Why an object that a commit names is not there.
    fn miss(&self, error: &git2::Error) -> Miss {
        match error.code() {
            ErrorCode::NotFound if is_partial(&self.opened.repository) => Miss::Promised,
            _ => Miss::Unreadable(error.message().to_owned()),
        }
    }
}

enum Step {
    There(Found),
    Linked(TreePath),
}

/// Why nothing can be had at a path.
enum Miss {
    Missing,
    Leaves,
    Submodule,
    Promised,
    Unreadable(String),
}

impl Miss {
    fn of(self, path: &TreePath) -> TreeError {
        let path = path.clone();
        match self {
            Self::Missing => TreeError::Missing(path),
            Self::Leaves => TreeError::Leaves(path),
            Self::Submodule => TreeError::Submodule(path),
            Self::Promised => TreeError::Promised(path),
            Self::Unreadable(reason) => TreeError::Unreadable { path, reason },
        }
    }
}

impl Tree for CommitTree {
    fn describe(&self) -> String {
        format!("commit {}", self.commit)
    }

    fn list(&self, folder: &TreePath) -> Result<Vec<TreePath>, TreeError> {
        let opened = self.opened(folder)?;
        let looking = Looking { opened: &opened, root: self.tree };
        let mut files = Vec::new();
        match looking.find(folder) {
            Ok(Found::Folder(id)) => looking.list(folder, id, &mut Vec::new(), &mut files)?,
            Ok(Found::File(_)) | Err(TreeError::Missing(_) | TreeError::Submodule(_)) => return Ok(files),
            Err(error) => return Err(error),
        }
        files.sort_unstable();
        Ok(files)
    }

    fn read(&self, path: &TreePath, limit: u64) -> Result<Vec<u8>, TreeError> {
        let opened = self.opened(path)?;
        let looking = Looking { opened: &opened, root: self.tree };
        let Found::File(id) = looking.find(path)? else { return Err(TreeError::NotAFile(path.clone())) };
        let blob = opened.repository.find_blob(id).map_err(|error| looking.miss(&error).of(path))?;
        let size = blob.size() as u64;
        if size > limit {
            return Err(TreeError::TooLarge { path: path.clone(), size, limit });
        }
        Ok(blob.content().to_vec())
    }
}
