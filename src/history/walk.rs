//! The commits of a repository, newest first, and where the files of a project were in each: by git's names for their
//! contents, without reading them. The only place beside `tree` that knows git.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::Path;
use std::sync::Arc;

use git2::{Commit, Delta, Diff, DiffFindOptions, DiffOptions, ObjectType, Oid, Repository, Sort};
use jiff::Timestamp;

use crate::core::names::PromptName;
use crate::core::path::TreePath;
use crate::tree::{FSCK, RepositoryError, TreeError, damaged_commit, is_partial, open_repository, resolve};

/// The mode of a symbolic link in a git tree.
const LINK: i32 = 0o120_000;
/// How many links are followed one after the other.
const MAX_LINKS: usize = 16;

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

impl About {
    /// The hash as people read it.
    #[must_use]
    pub fn short(&self) -> &str {
        self.commit.get(..12).unwrap_or(&self.commit)
    }

    /// The day.
    #[must_use]
    pub fn day(&self) -> &str {
        self.date.get(..10).unwrap_or(&self.date)
    }
}

/// Why history cannot be walked.
#[derive(Debug, thiserror::Error)]
pub enum WalkError {
    /// There is no commit to begin at.
    #[error(transparent)]
    Commit(#[from] RepositoryError),
    /// A clone that leaves contents out does not hold something that is needed.
    #[error("{}", TreeError::Promised(.0.clone()))]
    Promised(TreePath),
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
    /// Where a shallow clone ends, by places in the walk.
    ends: Arc<BTreeSet<usize>>,
    /// Whether contents may be missing.
    partial: bool,
}

impl Walk {
    /// The commits that `from` reaches. With `until` those that it is made of are left out, itself not.
    pub fn new(folder: &Path, from: &str, until: Option<&str>) -> Result<Self, WalkError> {
        let (repository, prefix) = open_repository(folder)?;
        let start = resolve(&repository, from)?;
        let damaged = |error| match (&error, damaged_commit(&open_repository(folder)?.0, start)) {
            (WalkError::Unreadable(_), Some((id, why))) => {
                Err(WalkError::Unreadable(format!("the commit {id} is damaged ({why}); {FSCK}")))
            }
            _ => Err(error),
        };
        Self::from_commit(repository, &prefix, start, until).or_else(damaged)
    }

    fn from_commit(repository: Repository, prefix: &str, start: Oid, until: Option<&str>) -> Result<Self, WalkError> {
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
            let top = match tops.get(&commit.tree_id()) {
                Some(known) => *known,
                None => top_of(&repository, &commit, prefix)?,
            };
            tops.insert(commit.tree_id(), top);
            nodes.push(Node { id, parents, cut, top });
        }
        let ends = shallow_ends(&repository).iter().filter_map(|id| places.get(id).copied()).collect();
        let (nodes, places, ends) = (Arc::new(nodes), Arc::new(places), Arc::new(ends));
        Ok(Self { partial: is_partial(&repository), repository, nodes, places, ends })
    }

    /// The same walk for another thread: what was read is shared.
    pub fn again(&self) -> Result<Self, WalkError> {
        let repository = Repository::open(self.repository.path())?;
        let (nodes, places, ends) = (Arc::clone(&self.nodes), Arc::clone(&self.places), Arc::clone(&self.ends));
        Ok(Self { repository, nodes, places, ends, partial: self.partial })
    }

    /// The commits before which a shallow clone holds nothing, by their places.
    #[must_use]
    pub fn ends(&self) -> &BTreeSet<usize> {
        &self.ends
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

    /// The parents of a commit, also those that are not in the walk.
    #[must_use]
    pub fn parents(&self, place: usize) -> Vec<String> {
        let commit = self.repository.find_commit(self.nodes[place].id);
        commit.map(|commit| commit.parent_ids().map(|id| id.to_string()).collect()).unwrap_or_default()
    }

    /// git's name for all that a commit has recorded of a prompt.
    #[must_use]
    pub fn recordings(&self, place: usize, name: &PromptName) -> Option<String> {
        let path = TreePath::new(&format!("fixtures/{name}/recorded")).ok()?;
        self.at(place, &path, &mut Known::default()).map(|id| id.to_string())
    }

    /// Who made a commit, when, and why.
    pub fn about(&self, place: usize) -> Result<About, WalkError> {
        Ok(about_commit(&self.repository.find_commit(self.nodes[place].id)?))
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

    /// git's name for what is at a path of the project: a file or a folder. A link to a file is that file.
    pub(super) fn at(&self, place: usize, path: &TreePath, known: &mut Known) -> Option<Oid> {
        let mut path = path.clone();
        for _ in 0..MAX_LINKS {
            let top = &self.nodes[place].top;
            let (first, rest) = path.as_str().split_once('/').unwrap_or((path.as_str(), ""));
            let folder = match first {
                "promptctl.yaml" => return top.config,
                "prompts" => top.prompts,
                "fixtures" => top.fixtures,
                "snapshots" => top.snapshots,
                _ => None,
            };
            let (id, behind) = match (folder, rest) {
                (Some(folder), "") => return Some(folder),
                (Some(folder), rest) => self.below(folder, rest, known)?,
                (None, _) => self.below(top.root?, path.as_str(), known)?,
            };
            let Some(behind) = behind else { return Some(id) };
            // A link: to a file at the end of the path, or to a folder on the way.
            let text = path.as_str();
            let link = if behind.is_empty() { text } else { text.strip_suffix(&format!("/{behind}"))? };
            let target = TreePath::new(link).ok()?.parent().join(&self.target(id)?).ok()?;
            path = if behind.is_empty() { target } else { target.join(&behind).ok()? };
        }
        None
    }

    /// Whether a commit has something at a path that this clone does not hold.
    pub(super) fn lacks(&self, place: usize, path: &TreePath, known: &mut Known) -> bool {
        self.partial
            && self.at(place, path, known).is_some_and(|id| self.repository.odb().is_ok_and(|odb| !odb.exists(id)))
    }

    /// Where a link leads.
    fn target(&self, link: Oid) -> Option<String> {
        String::from_utf8(self.repository.find_blob(link).ok()?.content().to_vec()).ok()
    }

    /// What is at a path below a folder; where there is a link on the way, that link and the path behind it.
    fn below(&self, folder: Oid, path: &str, known: &mut Known) -> Option<Below> {
        if let Some(found) = known.0.get(&(folder, path.to_owned())) {
            return found.clone();
        }
        let (first, rest) = path.split_once('/').unwrap_or((path, ""));
        let entry = self.repository.find_tree(folder).ok().and_then(|tree| {
            let entry = tree.get_name(first)?;
            Some((entry.id(), entry.kind(), entry.filemode() == LINK))
        });
        let found = match entry {
            Some((id, _, true)) => Some((id, Some(rest.to_owned()))),
            Some((id, ..)) if rest.is_empty() => Some((id, None)),
            Some((id, Some(ObjectType::Tree), _)) => self.below(id, rest, known),
            _ => None,
        };
        known.0.insert((folder, path.to_owned()), found.clone());
        found
    }

    /// What a file below `prompts/` was called at a parent, where it only has another name since.
    pub(super) fn renamed_from(&self, child: usize, parent: usize, path: &TreePath) -> Option<TreePath> {
        let tree = |place: usize| self.repository.find_tree(self.nodes[place].top.root?).ok();
        let (old, new) = (tree(parent)?, tree(child)?);
        let renamed = renames(&self.repository, Some(&old), Some(&new)).ok()?;
        TreePath::new(renamed.get(path.as_str())?).ok()
    }
}

/// What files below `prompts/` were called before, by what they are called after.
pub(super) fn renames(
    repository: &Repository,
    old: Option<&git2::Tree<'_>>,
    new: Option<&git2::Tree<'_>>,
) -> Result<BTreeMap<String, String>, git2::Error> {
    let mut diff = changes_of_prompts(repository, old, new)?;
    if diff.deltas().any(|delta| delta.status() == Delta::Deleted) {
        find_renamed(&mut diff)?;
    }
    let renamed = diff.deltas().filter(|delta| delta.status() == Delta::Renamed);
    Ok(renamed.filter_map(|delta| Some((path_of(&delta.new_file())?, path_of(&delta.old_file())?))).collect())
}

/// What became of the files below `prompts/`.
pub(super) fn changes_of_prompts<'r>(
    repository: &'r Repository,
    old: Option<&git2::Tree<'_>>,
    new: Option<&git2::Tree<'_>>,
) -> Result<Diff<'r>, git2::Error> {
    let mut options = DiffOptions::new();
    options.pathspec("prompts/");
    repository.diff_tree_to_tree(old, new, Some(&mut options))
}

/// Knows files again that have another name, by half of their text.
pub(super) fn find_renamed(diff: &mut Diff<'_>) -> Result<(), git2::Error> {
    diff.find_similar(Some(DiffFindOptions::new().renames(true).rename_threshold(50)))
}

/// Where a file of a difference is.
pub(super) fn path_of(file: &git2::DiffFile<'_>) -> Option<String> {
    file.path().and_then(Path::to_str).map(str::to_owned)
}

/// What was looked up already, by folder and path below it.
#[derive(Default)]
pub(super) struct Known(HashMap<(Oid, String), Option<Below>>);

/// git's name for what is at a path; for a link on the way to it also the path behind the link.
type Below = (Oid, Option<String>);

/// Who made a commit, when, and why.
pub fn about(folder: &Path, revision: &str) -> Result<About, WalkError> {
    let (repository, _) = open_repository(folder)?;
    let id = resolve(&repository, revision)?;
    Ok(about_commit(&repository.find_commit(id)?))
}

fn about_commit(commit: &Commit<'_>) -> About {
    let author = commit.author();
    let date = Timestamp::from_second(author.when().seconds()).map(|time| time.to_string()).unwrap_or_default();
    About {
        commit: commit.id().to_string(),
        date,
        author: String::from_utf8_lossy(author.name_bytes()).into_owned(),
        summary: commit.summary_bytes().map(String::from_utf8_lossy).unwrap_or_default().into_owned(),
    }
}

/// The commits whose parents a shallow clone left out. git lists them in a file that all its worktrees share.
fn shallow_ends(repository: &Repository) -> Vec<Oid> {
    let text = std::fs::read_to_string(repository.commondir().join("shallow")).unwrap_or_default();
    text.lines().filter_map(|line| Oid::from_str(line.trim()).ok()).collect()
}

/// What the project's folder held at a commit. A folder that was not there yet held nothing; one that a partial clone
/// left out is no such folder.
fn top_of(repository: &Repository, commit: &Commit<'_>, prefix: &str) -> Result<Top, WalkError> {
    let partial = |_| {
        let reason = "this is a partial clone that left out folders of old commits; `git fetch --refetch --no-filter` \
                      fetches all of them";
        WalkError::Unreadable(reason.to_owned())
    };
    let mut root = commit.tree().map_err(partial)?;
    for part in prefix.split('/').filter(|part| !part.is_empty()) {
        let Some(id) = root.get_name(part).filter(|e| e.kind() == Some(ObjectType::Tree)).map(|e| e.id()) else {
            return Ok(Top::default());
        };
        root = repository.find_tree(id).map_err(partial)?;
    }
    let at = |name: &str| root.get_name(name).map(|entry| entry.id());
    // A link to a folder is followed where it is looked into.
    let folder =
        |name: &str| root.get_name(name).filter(|entry| entry.kind() == Some(ObjectType::Tree)).map(|e| e.id());
    Ok(Top {
        root: Some(root.id()),
        config: at("promptctl.yaml"),
        prompts: folder("prompts"),
        fixtures: folder("fixtures"),
        snapshots: folder("snapshots"),
    })
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
