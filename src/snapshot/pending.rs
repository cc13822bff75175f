//! Answers that wait for a person: written by a run, then accepted or rejected.

use std::fs::{File, OpenOptions};
use std::io;
use std::path::Path;

use super::change::{Change, classify};
use super::format::{Info, Snapshot};
use super::index::Index;
use super::pending_path;
use super::reason::Reason;
use crate::core::digest::sha256_hex;
use crate::core::path::TreePath;
use crate::core::problem::{Place, Problem, Problems};
use crate::tree::{MAX_FILE, Tree, TreeError, WorkingTree, state, write};

/// An answer that waits.
#[derive(Clone, Debug)]
pub struct Pending {
    /// Where the accepted answer is, or will be.
    pub path: TreePath,
    /// The accepted answer, if there is one.
    pub accepted: Option<Snapshot>,
    /// The answer that waits.
    pub new: Snapshot,
    /// What is known about it.
    pub info: Info,
    /// What changed.
    pub change: Change,
    /// The files that this was read from.
    pub seen: Seen,
}

/// The accepted file and the one that waits, by their SHA-256; `None` where there is none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    accepted: Option<String>,
    waiting: Option<String>,
}

impl Pending {
    /// Why the accepted answer was accepted, where somebody said so.
    #[must_use]
    pub fn accepted_reason(&self) -> Option<String> {
        let header = self.accepted.as_ref()?.header().ok()?;
        Some(header.info.reason).filter(|reason| !reason.is_empty())
    }
}

/// What is made of an answer that waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Act {
    /// It becomes the accepted answer.
    Accept,
    /// It is removed, and the accepted answer stays.
    Reject,
}

/// Why nothing was written.
#[derive(Debug, thiserror::Error)]
pub enum ActError {
    /// Files are no longer what was looked at.
    #[error("{} changed since it was looked at; look at it again", list(.0))]
    Changed(Vec<TreePath>),
    /// Its header cannot be read.
    #[error("{0}: {1}")]
    Broken(TreePath, super::format::SnapshotError),
    /// The files cannot be read or written.
    #[error(transparent)]
    Io(#[from] io::Error),
}

fn list(paths: &[TreePath]) -> String {
    paths.iter().map(TreePath::as_str).collect::<Vec<_>>().join(", ")
}

/// What takes an act back: both files as they were, and as they must still be for that.
#[derive(Clone, Debug)]
pub struct Undo {
    path: TreePath,
    accepted: Option<Vec<u8>>,
    waiting: Option<Vec<u8>>,
    left: Seen,
}

/// Everything that waits in a tree, riskiest first, the same change together. Files that cannot be read are problems.
pub fn pending(tree: &dyn Tree, problems: &mut Problems) -> Vec<Pending> {
    let index = match Index::load(tree) {
        Ok(index) => index,
        Err(problem) => {
            problems.push(problem);
            return Vec::new();
        }
    };
    let mut found: Vec<Pending> = Vec::new();
    for path in index.pending() {
        match read(tree, &index, path) {
            Ok(pending) => found.push(pending),
            Err(problem) => problems.push(problem),
        }
    }
    found.sort_by(|a, b| (&a.change, &a.path).cmp(&(&b.change, &b.path)));
    found
}

/// One answer as it waits now; `None` where it no longer does.
pub fn pending_at(tree: &dyn Tree, accepted: &TreePath) -> Result<Option<Pending>, Problem> {
    let (index, path) = (Index::load(tree)?, pending_path(accepted));
    if index.contains(&path) { read(tree, &index, &path).map(Some) } else { Ok(None) }
}

fn read(tree: &dyn Tree, index: &Index, path: &TreePath) -> Result<Pending, Problem> {
    let broken = |path: &TreePath, line: usize, why: String| Problem::error(Place::Line(path.to_string(), line), why);
    let accepted_path = path.as_str().strip_suffix(".new").unwrap_or(path.as_str());
    let accepted_path = TreePath::new(accepted_path).map_err(|why| Problem::error(Place::Nowhere, why))?;
    // Before they are read: what changes in between is then found when it matters.
    let seen = Seen::now(tree, &accepted_path).map_err(TreeError::into_problem)?;
    let Some(new) = index.get(tree, path)? else {
        return Err(Problem::error(Place::File(path.to_string()), "the file is gone"));
    };
    let header = new.header().map_err(|error| broken(path, new.error_line(), error.to_string()))?;
    let accepted = index.get(tree, &accepted_path)?;
    let old_info = match &accepted {
        Some(snapshot) => snapshot.header().map(|header| header.info).unwrap_or_default(),
        None => Info::default(),
    };
    let old = accepted.as_ref().map(|snapshot| (snapshot.body(), &old_info));
    let change = classify(old, (new.body(), &header.info), path.as_str());
    Ok(Pending { path: accepted_path, accepted, info: header.info, new, change, seen })
}

/// Writes an answer beside the accepted one.
pub fn write_pending(root: &Path, accepted: &TreePath, new: &Snapshot) -> io::Result<()> {
    let _lock = lock(root)?;
    let (path, text) = (pending_path(accepted), new.to_text());
    // What waits already is left as it is.
    if std::fs::read(root.join(path.as_str())).is_ok_and(|there| there == text.as_bytes()) {
        return Ok(());
    }
    write::replace(root, &path, text.as_bytes())
}

/// Writes an answer as the accepted one, and removes what waited.
pub fn write_accepted(root: &Path, path: &TreePath, new: &Snapshot) -> io::Result<()> {
    let _lock = lock(root)?;
    put_accepted(root, path, new)
}

fn put_accepted(root: &Path, path: &TreePath, new: &Snapshot) -> io::Result<()> {
    write::replace(root, path, new.to_text().as_bytes())?;
    write::remove(root, &pending_path(path))
}

/// Accepts or rejects what waits: all of these, or none. Nothing is written over that was not looked at, and whoever stops
/// this in the middle leaves every file whole. Gives what takes each back.
pub fn act(root: &Path, waiting: &[&Pending], act: Act, reason: Option<&Reason>) -> Result<Vec<Undo>, ActError> {
    let _lock = lock(root)?;
    let tree = WorkingTree::open(root)?;
    let mut changed = Vec::new();
    let mut undo = Vec::new();
    let mut made = Vec::new();
    for pending in waiting {
        let (accepted, new) = both(&tree, &pending.path)?;
        if Seen::of(accepted.as_deref(), new.as_deref()) != pending.seen {
            changed.push(pending.path.clone());
            continue;
        }
        let broken = |error| ActError::Broken(pending_path(&pending.path), error);
        let snapshot = match act {
            Act::Accept => Some(pending.new.accepted(reason).map_err(broken)?),
            Act::Reject => None,
        };
        let kept = match &snapshot {
            Some(snapshot) => Some(sha256_hex(snapshot.to_text().as_bytes())),
            None => pending.seen.accepted.clone(),
        };
        let left = Seen { accepted: kept, waiting: None };
        undo.push(Undo { path: pending.path.clone(), accepted, waiting: new, left });
        made.push(snapshot);
    }
    if !changed.is_empty() {
        return Err(ActError::Changed(changed));
    }
    for (done, (snapshot, entry)) in made.iter().zip(&undo).enumerate() {
        let written = match snapshot {
            Some(snapshot) => put_accepted(root, &entry.path, snapshot),
            None => write::remove(root, &pending_path(&entry.path)),
        };
        if let Err(error) = written {
            // The one that failed may have been written by half: accepted, and still waiting.
            for entry in &undo[..=done] {
                entry.restore(root)?;
            }
            return Err(error.into());
        }
    }
    Ok(undo)
}

/// Takes acts back: all of these, or none, and only where the files are still as they were left.
pub fn take_back(root: &Path, undo: &[Undo]) -> Result<(), ActError> {
    let _lock = lock(root)?;
    let tree = WorkingTree::open(root)?;
    let mut changed = Vec::new();
    for entry in undo {
        let (accepted, waiting) = both(&tree, &entry.path)?;
        if Seen::of(accepted.as_deref(), waiting.as_deref()) != entry.left {
            changed.push(entry.path.clone());
        }
    }
    if !changed.is_empty() {
        return Err(ActError::Changed(changed));
    }
    undo.iter().try_for_each(|entry| entry.restore(root)).map_err(ActError::from)
}

impl Undo {
    fn restore(&self, root: &Path) -> io::Result<()> {
        let put = |path: &TreePath, bytes: Option<&Vec<u8>>| match bytes {
            Some(bytes) => write::replace(root, path, bytes),
            None => write::remove(root, path),
        };
        // What waits comes first: an answer is rather there twice than not at all.
        put(&pending_path(&self.path), self.waiting.as_ref())?;
        put(&self.path, self.accepted.as_ref())
    }
}

impl Seen {
    fn of(accepted: Option<&[u8]>, waiting: Option<&[u8]>) -> Self {
        Self { accepted: accepted.map(sha256_hex), waiting: waiting.map(sha256_hex) }
    }

    fn now(tree: &dyn Tree, path: &TreePath) -> Result<Self, TreeError> {
        Ok(Self::of(bytes(tree, path)?.as_deref(), bytes(tree, &pending_path(path))?.as_deref()))
    }
}

/// The files of an answer: the accepted one, and the one that waits.
type Both = (Option<Vec<u8>>, Option<Vec<u8>>);

fn both(tree: &dyn Tree, path: &TreePath) -> io::Result<Both> {
    let read = |path: &TreePath| bytes(tree, path).map_err(|error| io::Error::other(error.to_string()));
    Ok((read(path)?, read(&pending_path(path))?))
}

fn bytes(tree: &dyn Tree, path: &TreePath) -> Result<Option<Vec<u8>>, TreeError> {
    match tree.read(path, MAX_FILE) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(TreeError::Missing(_)) => Ok(None),
        Err(error) => Err(error),
    }
}

/// The lock of all that write snapshots: between looking and writing nobody else writes. It ends with the file that is
/// returned.
fn lock(root: &Path) -> io::Result<File> {
    let path = state::prepare(root, "snapshots.lock")?;
    let file = OpenOptions::new().create(true).truncate(false).write(true).open(path)?;
    file.lock()?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::record::Response;
    use crate::project::{Compare, SnapshotSettings};
    use crate::snapshot::Answer;
    use crate::tree::WorkingTree;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn an_accepted_answer_is_clean_at_once(text in "(?s)(---\n|\r\n|\n| |\t|[a-z]|\\PC|.){1,40}") {
            let root = tempfile::tempdir().expect("a folder");
            let response = Response { text, ..Response::default() };
            let answer = Answer::new(&response, Compare::Text, &SnapshotSettings::default());
            let info = Info { case: "a".into(), sha256: answer.sha256().into(), ..Info::default() };
            let path = TreePath::new("snapshots/p/a@fast.snap").expect("a path");
            let new = Snapshot::new("c", "p", &info, answer.body().to_owned());
            write_pending(root.path(), &path, &new).expect("written");
            let tree = WorkingTree::open(root.path()).expect("open");
            let mut problems = Problems::default();
            let waiting = pending(&tree, &mut problems);
            prop_assert_eq!(waiting.len(), 1);
            let before = both(&tree, &path).expect("readable");
            let undo = act(root.path(), &[&waiting[0]], Act::Accept, None).expect("accepted");
            take_back(root.path(), &undo).expect("taken back");
            prop_assert_eq!(&before, &both(&tree, &path).expect("readable"));
            act(root.path(), &[&waiting[0]], Act::Accept, None).expect("accepted");
            prop_assert!(pending(&tree, &mut problems).is_empty());
            let index = Index::load(&tree).expect("listed");
            let accepted = index.get(&tree, &path).expect("readable").expect("there");
            prop_assert!(answer.matches(&accepted));
            prop_assert!(problems.is_empty());
        }
    }

    /// A project in which these cases wait, with `old` accepted where it is not empty.
    fn waiting(cases: &[&str], old: &str) -> (tempfile::TempDir, Vec<Pending>) {
        let root = tempfile::tempdir().expect("a folder");
        for case in cases {
            let path = TreePath::new(&format!("snapshots/p/{case}@m.snap")).expect("a path");
            let info = Info { case: (*case).into(), ..Info::default() };
            if !old.is_empty() {
                write_accepted(root.path(), &path, &Snapshot::new("", "", &info, old.into())).expect("written");
            }
            write_pending(root.path(), &path, &Snapshot::new("", "", &info, "new".into())).expect("written");
        }
        let tree = WorkingTree::open(root.path()).expect("open");
        let found = pending(&tree, &mut Problems::default());
        (root, found)
    }

    #[test]
    fn nothing_is_written_over_that_nobody_looked_at() {
        for (file, text) in [("a@m.snap.new", "---\n---\nnewer\n"), ("a@m.snap", "---\n---\nother\n")] {
            let (root, found) = waiting(&["a", "b"], "old");
            let file = root.path().join("snapshots/p").join(file);
            std::fs::write(&file, text).expect("written");
            let all: Vec<&Pending> = found.iter().collect();
            for kind in [Act::Accept, Act::Reject] {
                let error = act(root.path(), &all, kind, None).expect_err("it changed").to_string();
                assert_eq!(error, "snapshots/p/a@m.snap changed since it was looked at; look at it again");
            }
            assert_eq!(std::fs::read_to_string(&file).expect("there"), text);
            assert!(root.path().join("snapshots/p/b@m.snap.new").exists(), "all or none");
        }
    }

    #[test]
    fn what_somebody_wrote_since_is_not_taken_back() {
        let (root, found) = waiting(&["a"], "");
        let undo = act(root.path(), &[&found[0]], Act::Accept, None).expect("accepted");
        let newer = root.path().join("snapshots/p/a@m.snap.new");
        std::fs::write(&newer, "---\n---\nnewer\n").expect("written");
        assert!(matches!(take_back(root.path(), &undo), Err(ActError::Changed(_))));
        std::fs::remove_file(&newer).expect("there");
        take_back(root.path(), &undo).expect("taken back");
        assert!(newer.exists() && !root.path().join("snapshots/p/a@m.snap").exists());
    }

    #[test]
    fn a_file_that_is_not_in_our_own_form_comes_back_byte_for_byte() {
        let (root, _) = waiting(&["a"], "old");
        let odd = b"\xef\xbb\xbf---\r\ninfo:\r\n  case: a\r\n---\r\nno line feed at the end";
        std::fs::write(root.path().join("snapshots/p/a@m.snap.new"), odd).expect("written");
        let tree = WorkingTree::open(root.path()).expect("open");
        let found = pending(&tree, &mut Problems::default());
        let undo = act(root.path(), &[&found[0]], Act::Reject, None).expect("rejected");
        take_back(root.path(), &undo).expect("taken back");
        assert_eq!(std::fs::read(root.path().join("snapshots/p/a@m.snap.new")).expect("there"), odd);
    }
}
