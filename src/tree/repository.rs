//! Opening the git repository around a folder, and the commits that revisions name: the one place that knows why that
//! fails, and what to do about it.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use git2::{Config, ErrorCode, Oid, Repository};

/// Why there is no repository to read, or no such commit in it.
#[derive(Debug, thiserror::Error)]
pub enum RepositoryError {
    /// There is no repository around the project.
    #[error("{0} is not in a git repository, so there are no commits to read")]
    NoRepository(String),
    /// git refuses because somebody else owns the folder.
    #[error(
        "the repository at {0} belongs to another user, so git refuses to read it; if you trust it, run\n    git config --global --add safe.directory {0}"
    )]
    Ownership(String),
    /// The repository keeps its objects or branches in a way that cannot be read here.
    #[error(
        "the repository at {at} {what}, which promptctl cannot read, so nothing can be said of its commits; {todo}"
    )]
    Kind {
        /// Where it is.
        at: String,
        /// What is unusual about it.
        what: String,
        /// What to do.
        todo: &'static str,
    },
    /// Nothing was committed yet.
    #[error("the repository at {0} has no commit yet; `git commit` makes the first")]
    Empty(String),
    /// The revision names nothing.
    #[error("there is no commit `{revision}`: {reason}")]
    NoCommit {
        /// What was asked for.
        revision: String,
        /// Why.
        reason: String,
        /// Whether it looks like a hash.
        is_hash: bool,
    },
    /// The repository holds only the newest commits, and not this one.
    #[error("there is no commit `{revision}` in this shallow clone, {holds}; {todo}")]
    Shallow {
        /// What was asked for.
        revision: String,
        /// How far back the clone reaches.
        holds: String,
        /// What to do.
        todo: String,
    },
    /// It is damaged, or not to be read.
    #[error("the git repository at {at} could not be read: {reason}")]
    Unreadable {
        /// Where it is.
        at: String,
        /// What was said.
        reason: String,
    },
}

/// What to do where a shallow clone lacks commits.
pub(super) const UNSHALLOW: &str =
    "`git fetch --unshallow` fetches all of them, with actions/checkout `fetch-depth: 0` does";

/// What to do about damage.
pub const FSCK: &str = "`git fsck` lists what is damaged, and a fresh clone mends it";

/// The repository around a folder, and the folder as seen from its root, `/` between the parts.
pub fn open_repository(folder: &Path) -> Result<(Repository, String), RepositoryError> {
    let repository = Repository::discover(folder).map_err(|error| refusal(folder, &error))?;
    let prefix = repository.workdir().map(|workdir| prefix_of(workdir, folder)).unwrap_or_default();
    Ok((repository, prefix))
}

/// The commit that a revision (`HEAD~2`, a tag, a branch, a hash) names; `A...B` is the last one that both have in common.
pub fn resolve(repository: &Repository, revision: &str) -> Result<Oid, RepositoryError> {
    if let Some((one, other)) = revision.split_once("...") {
        let side = |name: &str| resolve(repository, if name.is_empty() { "HEAD" } else { name });
        let base = repository.merge_base(side(one)?, side(other)?);
        return base.map_err(|error| match error.code() {
            ErrorCode::NotFound if repository.is_shallow() => beyond(repository, revision),
            ErrorCode::NotFound => RepositoryError::NoCommit {
                revision: revision.to_owned(),
                reason: "the two have no commit in common".to_owned(),
                is_hash: false,
            },
            _ => no_commit(repository, revision, &error),
        });
    }
    let found = repository.revparse_single(revision).and_then(|object| object.peel_to_commit());
    found.map(|commit| commit.id()).map_err(|error| no_commit(repository, revision, &error))
}

/// The first commit of those that one is made of that cannot be read, and why: git's own word seldom says which it is.
#[must_use]
pub fn damaged_commit(repository: &Repository, start: Oid) -> Option<(Oid, String)> {
    let (mut waiting, mut seen) = (vec![start], HashSet::from([start]));
    while let Some(id) = waiting.pop() {
        match repository.find_commit(id) {
            Ok(commit) => waiting.extend(commit.parent_ids().filter(|parent| seen.insert(*parent))),
            // Before a shallow clone begins nothing is there, and nothing is wrong.
            Err(error) if error.code() == ErrorCode::NotFound && repository.is_shallow() => {}
            Err(error) => return Some((id, error.message().to_owned())),
        }
    }
    None
}

/// A bare repository.
pub struct Bare {
    /// Its folder.
    pub root: PathBuf,
    /// Whether its HEAD has the file that was looked for.
    pub has_file: bool,
}

/// The bare repository that a folder is, or lies in, and whether a file is at the root of its HEAD.
pub fn bare_repository(folder: &Path, file: &str) -> Result<Option<Bare>, RepositoryError> {
    if around_itself(folder).is_none() {
        return Ok(None);
    }
    let repository = match open_repository(folder) {
        Ok((repository, _)) if repository.is_bare() => repository,
        Ok(_) | Err(RepositoryError::NoRepository(_)) => return Ok(None),
        Err(error) => return Err(error),
    };
    let head = repository.head().and_then(|head| head.peel_to_tree());
    let has_file = head.is_ok_and(|tree| tree.get_name(file).is_some());
    Ok(Some(Bare { root: PathBuf::from(shown(repository.path())), has_file }))
}

/// git's own folder around a folder.
fn git_folder(folder: &Path) -> Option<PathBuf> {
    Repository::discover_path(folder, std::iter::empty::<&Path>()).ok()
}

/// git's own folder, where a folder is or lies in it.
fn around_itself(folder: &Path) -> Option<PathBuf> {
    let real = |path: &Path| path.canonicalize().ok();
    git_folder(folder).filter(|own| real(folder).zip(real(own)).is_some_and(|(folder, own)| folder.starts_with(own)))
}

/// Where a repository is, as git's own messages call it: the folder with the work in it, of a bare one its own.
fn place_of(folder: &Path) -> PathBuf {
    let real = folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
    let with_work = || real.ancestors().find(|above| above.join(".git").exists()).map(Path::to_owned);
    around_itself(folder).or_else(with_work).unwrap_or(real)
}

fn shown(path: &Path) -> String {
    path.display().to_string().trim_end_matches('/').to_owned()
}

/// Why a repository cannot be opened.
fn refusal(folder: &Path, error: &git2::Error) -> RepositoryError {
    let at = shown(&place_of(folder));
    match error.code() {
        ErrorCode::NotFound => RepositoryError::NoRepository(folder.display().to_string()),
        ErrorCode::Owner => RepositoryError::Ownership(at),
        _ => match unusual(folder) {
            Some((what, todo)) => RepositoryError::Kind { at, what, todo },
            None => RepositoryError::Unreadable { at, reason: error.message().to_owned() },
        },
    }
}

/// What is unusual about a repository that libgit2 refuses, by its own configuration, and what to do.
fn unusual(folder: &Path) -> Option<(String, &'static str)> {
    let own = git_folder(folder)?;
    let shared = std::fs::read_to_string(own.join("commondir")).ok();
    let shared = shared.map_or_else(|| own.clone(), |path| own.join(path.trim()));
    let config = Config::open(&shared.join("config")).ok()?;
    let mut found = None;
    config
        .entries(Some("^extensions\\."))
        .ok()?
        .for_each(|entry| {
            let (name, value) = (entry.name().unwrap_or_default(), entry.value().unwrap_or_default());
            found = found.take().or_else(|| extension(name.trim_start_matches("extensions."), value));
        })
        .ok()?;
    found
}

/// What an extension of the repository's format is, where it is one that cannot be read.
fn extension(name: &str, value: &str) -> Option<(String, &'static str)> {
    match name {
        "objectformat" if value != "sha1" => Some((
            format!("names its objects by {}", value.to_uppercase().replace("SHA256", "SHA-256")),
            "commands on commits need a repository with SHA-1, such as a copy: `git fast-export --all | git -C COPY fast-import`",
        )),
        "refstorage" if value != "files" => {
            Some((format!("keeps its branches as {value}"), "`git refs migrate --ref-format=files` changes that"))
        }
        "partialclone" => Some((
            "is a partial clone".to_owned(),
            "clone it without --filter (with actions/checkout, without `filter:`)",
        )),
        "noop" | "objectformat" | "refstorage" | "worktreeconfig" | "preciousobjects" | "relativeworktrees" => None,
        _ => Some((format!("uses git's extension `{name}`"), "clone it anew without that")),
    }
}

/// Whether objects may be left out of a clone, to be fetched when they are needed.
#[must_use]
pub fn is_partial(repository: &Repository) -> bool {
    let Ok(config) = repository.config() else { return false };
    let mut promised = false;
    if let Ok(entries) = config.entries(Some("^remote\\..*\\.promisor$")) {
        let _ = entries.for_each(|entry| promised |= entry.value().is_ok_and(|value| value == "true"));
    }
    promised
}

/// Why a revision names no commit.
fn no_commit(repository: &Repository, revision: &str, error: &git2::Error) -> RepositoryError {
    let is_unborn = repository.head().is_err_and(|error| error.code() == ErrorCode::UnbornBranch);
    let has_nothing = || repository.references().is_ok_and(|mut all| all.next().is_none());
    if is_unborn && (revision.starts_with("HEAD") || has_nothing()) {
        return RepositoryError::Empty(shown(repository.workdir().unwrap_or_else(|| repository.path())));
    }
    let is_hash = revision.len() >= 7 && revision.chars().all(|c| c.is_ascii_hexdigit());
    let damaged = || damaged_commit(repository, repository.refname_to_id(split_back(revision).0).ok()?);
    if let Some((id, why)) = damaged() {
        let reason = format!("the commit {id} on the way there cannot be read ({why}); {FSCK}");
        return RepositoryError::NoCommit { revision: revision.to_owned(), reason, is_hash: false };
    }
    let reason = match error.code() {
        ErrorCode::NotFound if repository.is_shallow() => return beyond(repository, revision),
        ErrorCode::NotFound if is_hash => {
            "no object is called so; one that was force-pushed away may still be had: `git fetch origin HASH`"
                .to_owned()
        }
        ErrorCode::NotFound => "no branch, tag or hash is called so".to_owned(),
        ErrorCode::Ambiguous => "several objects begin so; write more of the hash".to_owned(),
        _ => error.message().to_owned(),
    };
    RepositoryError::NoCommit { revision: revision.to_owned(), reason, is_hash }
}

/// A commit that a shallow clone does not reach back to; of `HEAD~50` it is known how much is missing.
fn beyond(repository: &Repository, revision: &str) -> RepositoryError {
    let (tip, back) = split_back(revision);
    let begin = repository.revparse_single(tip).and_then(|object| object.peel_to_commit()).ok();
    let depth = begin.map(|commit| std::iter::successors(Some(commit), |commit| commit.parent(0).ok()).count());
    let (holds, todo) = match (depth, back) {
        (Some(depth), Some(back)) => (
            format!("which reaches {depth} back from {tip} where {} are needed", back + 1),
            format!("`git fetch --deepen={}` fetches as many; {UNSHALLOW}", (back + 1).saturating_sub(depth)),
        ),
        _ => (
            "which holds only the newest commits of some branches".to_owned(),
            format!("{UNSHALLOW}; first `git remote set-branches origin '*'` where other branches are missing"),
        ),
    };
    RepositoryError::Shallow { revision: revision.to_owned(), holds, todo }
}

/// `HEAD~50` and `HEAD^^` in the commit that they begin at and how far they go back.
fn split_back(revision: &str) -> (&str, Option<usize>) {
    let Some(at) = revision.find(['~', '^']) else { return (revision, None) };
    let (tip, mut rest) = revision.split_at(at);
    let mut back: usize = 0;
    while let Some(step) = rest.chars().next() {
        rest = &rest[step.len_utf8()..];
        let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let (number, after) = rest.split_at(digits);
        back = match (step, number.parse()) {
            ('~', Ok(count)) => back.saturating_add(count),
            ('~' | '^', _) if number.is_empty() || number == "1" => back.saturating_add(1),
            _ => return (tip, None),
        };
        rest = after;
    }
    (tip, Some(back))
}

/// The project's folder as seen from the repository's root, `/` between the parts.
pub(super) fn prefix_of(workdir: &Path, folder: &Path) -> String {
    let real = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let (workdir, folder) = (real(workdir), real(folder));
    let below = folder.strip_prefix(&workdir).unwrap_or(Path::new(""));
    let parts: Vec<String> = below.components().map(|c| c.as_os_str().to_string_lossy().into_owned()).collect();
    parts.join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn how_far_a_revision_goes_back() {
        for (revision, expected) in [
            ("HEAD~50", ("HEAD", Some(50))),
            ("HEAD^^", ("HEAD", Some(2))),
            ("v1~2^", ("v1", Some(3))),
            ("HEAD^2", ("HEAD", None)),
            ("HEAD@{1}", ("HEAD@{1}", None)),
            ("HEAD~", ("HEAD", Some(1))),
            ("HEAD~99999999999999999999999", ("HEAD", None)),
            ("HEAD^{tree}", ("HEAD", None)),
        ] {
            assert_eq!(split_back(revision), expected, "{revision}");
        }
    }
}
