//! The commits of a repository, newest first, and where the files of a project were in each: by git's names for their
//! contents, without reading them. The only place beside `tree` that knows git.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::sync::Arc;

use git2::{Commit, DiffFindOptions, DiffOptions, ErrorCode, ObjectType, Oid, Repository, Sort};
use jiff::Timestamp;

use crate::core::path::TreePath;
use crate::tree::{CommitError, open_repository};

/// Who made a commit, when, and what they say of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct About {
    /// The hash.
    pub commit: String,
    /// RFC 3339, in UTC.
    pub date: String,
    /// The author's name.
    pub author: String,
    /// The first line of the message.
    pub summary: String,
}

/// Why history cannot be walked.
#[derive(Debug, thiserror::Error)]
pub enum WalkError {
    /// There is no commit to begin at.
    #[error(transparent)]
    Commit(#[from] CommitError),
    /// git said no.
    #[error("the history could not be read: {0}")]
    Unreadable(String),
}

impl From<git2::Error> for WalkError {
    fn from(error: git2::Error) -> Self {
        Self::Unreadable(error.message().to_owned())
    }
}

/// One commit of the walk.
#[derive(Clone, Debug)]
pub struct Node {
    pub(super) id: Oid,
    /// The parents, by their place in the walk.
    pub(super) parents: Vec<usize>,
    /// Whether it has parents that are not in the repository or not in the walk.
    pub(super) cut: bool,
    /// What the project's folder holds at its top, by git's names.
    top: Top,
}

/// The folders of a project, and its configuration.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Top {
    root: Option<Oid>,
    config: Option<Oid>,
    prompts: Option<Oid>,
    fixtures: Option<Oid>,
    snapshots: Option<Oid>,
}

/// All commits that one reaches, newest first, parents behind their children.
pub struct Walk {
    repository: Repository,
    /// The commits.
    pub nodes: Arc<Vec<Node>>,
    places: Arc<HashMap<Oid, usize>>,
    shallow: bool,
}

impl Walk {
    /// The commits that `from` reaches. With `until` those that it is made of are left out, itself not.
    pub fn new(folder: &Path, from: &str, until: Option<&str>) -> Result<Self, WalkError> {
        let (repository, prefix) = open_repository(folder)?;
        let start = resolve(&repository, from)?;
        let mut walk = repository.revwalk()?;
        walk.set_sorting(Sort::TOPOLOGICAL | Sort::TIME)?;
        walk.push(start)?;
        if let Some(revision) = until {
            let until = repository.find_commit(resolve(&repository, revision)?)?;
            for parent in until.parent_ids() {
                walk.hide(parent)?;
            }
        }
        let ids = walk.collect::<Result<Vec<Oid>, git2::Error>>()?;
        let places: HashMap<Oid, usize> = ids.iter().enumerate().map(|(place, id)| (*id, place)).collect();
        let mut nodes = Vec::with_capacity(ids.len());
        let mut tops = HashMap::new();
        for id in ids {
            let commit = repository.find_commit(id)?;
            let parents: Vec<usize> = commit.parent_ids().filter_map(|id| places.get(&id).copied()).collect();
            let cut = parents.len() < commit.parent_count();
            let top = *tops.entry(commit.tree_id()).or_insert_with(|| top_of(&repository, &commit, &prefix));
            nodes.push(Node { id, parents, cut, top });
        }
        let shallow = repository.is_shallow();
        Ok(Self { repository, nodes: Arc::new(nodes), places: Arc::new(places), shallow })
    }

    /// The same walk for another thread: what was read is shared.
    pub fn again(&self) -> Result<Self, WalkError> {
        let repository = Repository::open(self.repository.path())?;
        let (nodes, places) = (Arc::clone(&self.nodes), Arc::clone(&self.places));
        Ok(Self { repository, nodes, places, shallow: self.shallow })
    }

    /// Whether the repository does not hold all of its history.
    #[must_use]
    pub fn is_shallow(&self) -> bool {
        self.shallow
    }

    /// The hash of a commit.
    #[must_use]
    pub fn hash(&self, place: usize) -> String {
        self.nodes[place].id.to_string()
    }

    /// The place of a revision in the walk.
    #[must_use]
    pub fn place(&self, revision: &str) -> Option<usize> {
        resolve(&self.repository, revision).ok().and_then(|id| self.places.get(&id).copied())
    }

    /// Who made a commit, when, and why.
    pub fn about(&self, place: usize) -> Result<About, WalkError> {
        let commit = self.repository.find_commit(self.nodes[place].id)?;
        let author = commit.author();
        let date = Timestamp::from_second(author.when().seconds()).map(|time| time.to_string()).unwrap_or_default();
        Ok(About {
            commit: commit.id().to_string(),
            date,
            author: String::from_utf8_lossy(author.name_bytes()).into_owned(),
            summary: commit.summary_bytes().map(String::from_utf8_lossy).unwrap_or_default().into_owned(),
        })
    }

    /// Whether two commits have the same project, file for file.
    pub(super) fn is_same_project(&self, one: usize, other: usize) -> bool {
        self.nodes[one].top == self.nodes[other].top
    }

    /// git's name for the configuration at a commit.
    pub(super) fn config(&self, place: usize) -> Option<Oid> {
        self.nodes[place].top.config
    }

    /// git's name for the folder with the prompts.
    pub(super) fn prompts(&self, place: usize) -> Option<Oid> {
        self.nodes[place].top.prompts
    }

    /// git's name for what is at a path of the project: a file or a folder.
    pub(super) fn at(&self, place: usize, path: &TreePath, known: &mut Known) -> Option<Oid> {
        let top = &self.nodes[place].top;
        let (first, rest) = path.as_str().split_once('/').unwrap_or((path.as_str(), ""));
        let folder = match first {
            "prompts" => top.prompts,
            "fixtures" => top.fixtures,
            "snapshots" => top.snapshots,
            "promptctl.yaml" => return top.config,
            _ => return self.below(top.root?, path.as_str(), known),
        };
        if rest.is_empty() { folder } else { self.below(folder?, rest, known) }
    }

    fn below(&self, folder: Oid, path: &str, known: &mut Known) -> Option<Oid> {
        if let Some(found) = known.0.get(&(folder, path.to_owned())) {
            return *found;
        }
        let (first, rest) = path.split_once('/').unwrap_or((path, ""));
        let entry = self.repository.find_tree(folder).ok().and_then(|tree| {
            let entry = tree.get_name(first)?;
            Some((entry.id(), entry.kind()))
        });
        let found = match entry {
            Some((id, _)) if rest.is_empty() => Some(id),
            Some((id, Some(ObjectType::Tree))) => self.below(id, rest, known),
            _ => None,
        };
        known.0.insert((folder, path.to_owned()), found);
        found
    }

    /// What a file below `prompts/` was called at a parent, where it only has another name since.
    pub(super) fn renamed_from(&self, child: usize, parent: usize, path: &TreePath) -> Option<TreePath> {
        let tree = |place: usize| self.repository.find_tree(self.nodes[place].top.root?).ok();
        let (old, new) = (tree(parent)?, tree(child)?);
        let mut options = DiffOptions::new();
        options.pathspec("prompts/");
        let mut diff = self.repository.diff_tree_to_tree(Some(&old), Some(&new), Some(&mut options)).ok()?;
        diff.find_similar(Some(DiffFindOptions::new().renames(true).rename_threshold(50))).ok()?;
        diff.deltas().find_map(|delta| {
            let of = |file: git2::DiffFile<'_>| file.path().and_then(Path::to_str).map(str::to_owned);
            let new = of(delta.new_file())?;
            (delta.status() == git2::Delta::Renamed && new == path.as_str())
                .then(|| TreePath::new(&of(delta.old_file())?).ok())
                .flatten()
        })
    }
}

/// What was looked up already, by folder and path below it.
#[derive(Default)]
pub(super) struct Known(HashMap<(Oid, String), Option<Oid>>);

fn resolve(repository: &Repository, revision: &str) -> Result<Oid, CommitError> {
    let found = repository.revparse_single(revision).and_then(|object| object.peel_to_commit());
    found.map(|commit| commit.id()).map_err(|error| CommitError::NoCommit {
        revision: revision.to_owned(),
        reason: match error.code() {
            ErrorCode::NotFound => "no branch, tag or hash is called so".to_owned(),
            _ => error.message().to_owned(),
        },
    })
}

fn top_of(repository: &Repository, commit: &Commit<'_>, prefix: &str) -> Top {
    let root = commit.tree().ok().and_then(|tree| {
        if prefix.is_empty() {
            return Some(tree);
        }
        let entry = tree.get_path(Path::new(prefix)).ok()?;
        repository.find_tree(entry.id()).ok()
    });
    let Some(root) = root else { return Top::default() };
    let at = |name: &str| root.get_name(name).map(|entry| entry.id());
    Top {
        root: Some(root.id()),
        config: at("promptctl.yaml"),
        prompts: at("prompts"),
        fixtures: at("fixtures"),
        snapshots: at("snapshots"),
    }
}

/// Lines that were added and removed between two texts.
#[must_use]
pub(super) fn changed_lines(old: &str, new: &str) -> (usize, usize) {
    let patch = git2::Patch::from_buffers(old.as_bytes(), None, new.as_bytes(), None, None);
    patch.and_then(|patch| patch.line_stats()).map_or((0, 0), |(_, added, removed)| (added, removed))
}

/// The names of files in a folder, with git's names for their contents; folders in it are left out.
pub(super) fn files_in(walk: &Walk, folder: Option<Oid>) -> BTreeMap<String, String> {
    let Some(tree) = folder.and_then(|id| walk.repository.find_tree(id).ok()) else { return BTreeMap::new() };
    let blobs = tree.iter().filter(|entry| entry.kind() == Some(ObjectType::Blob));
    blobs.filter_map(|entry| Some((entry.name().ok()?.to_owned(), entry.id().to_string()))).collect()
}
