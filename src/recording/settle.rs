//! Moving answers from journals into the sorted files.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

use super::file::RecordedFile;
use super::journal::{STATE, find_orphans, ignore_state};
use super::line::Line;
use super::recorded_path;
use crate::core::names::PromptName;
use crate::core::path::TreePath;
use crate::core::problem::Problems;
use crate::tree::write;

/// How long another process may hold the files.
const PATIENCE: Duration = Duration::from_secs(30);

/// Why answers stay in their journal.
#[derive(Debug, thiserror::Error)]
pub enum SettleError {
    /// The disk said no.
    #[error("the recordings could not be written: {0}")]
    Io(#[from] io::Error),
    /// A file that is there cannot be read, so nothing may be put into it.
    #[error("the recordings were kept in .promptctl/journal, because the file that they belong into is damaged")]
    Damaged(Problems),
    /// Another process holds the files.
    #[error("another promptctl has been writing recordings for more than {} seconds; the answers stay in .promptctl/journal", PATIENCE.as_secs())]
    Busy,
}

/// Settles the journals of killed runs; says how many answers came from them.
pub fn recover(root: &Path) -> Result<usize, SettleError> {
    let orphans = find_orphans(root)?;
    let mut recovered = 0;
    for orphan in orphans {
        recovered += orphan.lines.len();
        settle(root, orphan.lines)?;
        remove(&orphan.path)?;
    }
    Ok(recovered)
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Puts lines into the sorted files, each file replaced whole. A line whose key is there already replaces the
/// older one.
pub fn settle(root: &Path, lines: Vec<(PromptName, Line)>) -> Result<(), SettleError> {
    if lines.is_empty() {
        return Ok(());
    }
    let mut by_file: BTreeMap<TreePath, Vec<Line>> = BTreeMap::new();
    for (prompt, line) in lines {
        by_file.entry(recorded_path(&prompt, &line.model)).or_default().push(line);
    }
    let _lock = lock(root)?;
    for (path, lines) in by_file {
        settle_file(root, &path, lines)?;
    }
    Ok(())
}

fn settle_file(root: &Path, path: &TreePath, lines: Vec<Line>) -> Result<(), SettleError> {
    let old = match fs::read_to_string(root.join(path.as_str())) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
        Err(error) => return Err(error.into()),
    };
    let file = RecordedFile::parse(path, old.clone()).map_err(SettleError::Damaged)?;
    let mut merged: BTreeMap<String, Line> =
        file.lines().map(|(_, line)| (line.key.as_str().to_owned(), line)).collect();
    for line in lines {
        let newer = merged.get(line.key.as_str()).is_none_or(|known| known.recorded_at <= line.recorded_at);
        if newer {
            merged.insert(line.key.as_str().to_owned(), line);
        }
    }
    let text = to_text(merged.into_values().collect());
    if text != old {
        write::replace(root, path, text.as_bytes())?;
    }
    Ok(())
}

/// A file's text: sorted lines.
pub(super) fn to_text(mut lines: Vec<Line>) -> String {
    lines.sort_by(|a, b| a.sort_key().cmp(&b.sort_key()));
    lines.iter().fold(String::new(), |mut text, line| {
        text.push_str(&line.to_json());
        text.push('\n');
        text
    })
}

/// The lock under which sorted files are replaced. It ends with the file that is returned.
pub(super) fn lock(root: &Path) -> Result<File, SettleError> {
    let path = TreePath::new(&format!("{STATE}/lock")).map_err(io::Error::other)?;
    let full = write::prepare(root, &path)?;
    ignore_state(root)?;
    let file = OpenOptions::new().create(true).truncate(false).write(true).open(full)?;
    let begun = Instant::now();
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(fs::TryLockError::Error(error)) => return Err(error.into()),
            Err(fs::TryLockError::WouldBlock) if begun.elapsed() > PATIENCE => return Err(SettleError::Busy),
            Err(fs::TryLockError::WouldBlock) => std::thread::sleep(Duration::from_millis(20)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::journal::Journal;
    use super::super::line::tests::line;
    use super::*;
    use crate::core::redact::Secrets;

    fn prompt() -> PromptName {
        PromptName::new("p").expect("a name")
    }

    fn recorded(root: &Path) -> RecordedFile {
        let path = TreePath::new("fixtures/p/recorded/fast.jsonl").expect("a path");
        let text = fs::read_to_string(root.join(path.as_str())).expect("there");
        RecordedFile::parse(&path, text).expect("readable")
    }

    #[test]
    fn answers_of_a_killed_run_are_recovered_once() {
        let root = tempfile::tempdir().expect("a folder");
        let journal = Journal::begin(root.path(), "run", Secrets::default()).expect("open");
        journal.append(&prompt(), &line("b", "2", "y")).expect("appended");
        journal.append(&prompt(), &line("a", "1", "x")).expect("appended");
        assert_eq!(recover(root.path()).expect("looked"), 0, "a run that is alive is left alone");
        drop(journal);
        let torn =
            fs::read_dir(root.path().join(".promptctl/journal")).expect("there").next().expect("one").expect("ok");
        let mut text = fs::read_to_string(torn.path()).expect("there");
        text.push_str("{\"prompt\":\"p\",\"line\":{\"key\":\"12");
        fs::write(torn.path(), text).expect("written");
        assert_eq!(recover(root.path()).expect("recovered"), 2);
        assert_eq!(recover(root.path()).expect("nothing left"), 0);
        let cases: Vec<_> = recorded(root.path()).lines().map(|(_, line)| line.case.to_string()).collect();
        assert_eq!(cases, ["a", "b"]);
    }

    #[test]
    fn a_damaged_file_is_not_touched_and_the_journal_stays() {
        let root = tempfile::tempdir().expect("a folder");
        fs::create_dir_all(root.path().join("fixtures/p/recorded")).expect("made");
        fs::write(root.path().join("fixtures/p/recorded/fast.jsonl"), "{broken\n").expect("written");
        let journal = Journal::begin(root.path(), "run", Secrets::default()).expect("open");
        journal.append(&prompt(), &line("a", "1", "x")).expect("appended");
        drop(journal);
        assert!(matches!(recover(root.path()), Err(SettleError::Damaged(_))));
        assert_eq!(super::super::orphans(root.path()).len(), 1);
        let text = fs::read_to_string(root.path().join("fixtures/p/recorded/fast.jsonl")).expect("there");
        assert_eq!(text, "{broken\n");
    }

    #[test]
    fn a_newer_answer_replaces_the_older_one() {
        let root = tempfile::tempdir().expect("a folder");
        let mut newer = line("a", "1", "new");
        newer.recorded_at = "2026-05-01T00:00:00Z".into();
        settle(root.path(), vec![(prompt(), line("a", "1", "old"))]).expect("settled");
        settle(root.path(), vec![(prompt(), newer.clone())]).expect("settled");
        settle(root.path(), vec![(prompt(), line("a", "1", "old"))]).expect("settled");
        assert_eq!(recorded(root.path()).find(newer.key.as_str()).map(|l| l.response.text), Some("new".into()));
    }

    #[test]
    fn two_runs_at_once_both_finish() {
        let root = tempfile::tempdir().expect("a folder");
        std::thread::scope(|scope| {
            for run in 0..4 {
                let root = root.path();
                scope.spawn(move || {
                    for i in 0..5 {
                        let content = format!("{run}-{i}");
                        settle(root, vec![(prompt(), line(&content, &content, "x"))]).expect("settled");
                    }
                });
            }
        });
        assert_eq!(recorded(root.path()).len(), 20);
    }

    #[test]
    fn a_known_secret_is_replaced_and_an_unknown_one_refused() {
        let root = tempfile::tempdir().expect("a folder");
        let mut secrets = Secrets::default();
        secrets.add("API_KEY", "canary-value-123");
        let journal = Journal::begin(root.path(), "run", secrets).expect("open");
        journal.append(&prompt(), &line("a", "1", "your key is canary-value-123.")).expect("appended");
        let shaped = format!("gsk_{}", "a1".repeat(20));
        assert!(journal.append(&prompt(), &line("b", "2", &shaped)).is_err());
        let (path, lines) = journal.finish().expect("finished");
        assert_eq!(lines[0].1.response.text, "your key is [redacted:API_KEY].");
        let text = fs::read_to_string(path).expect("there");
        assert!(!text.contains("canary-value-123") && !text.contains(&shaped));
    }
}
