//! Moving answers from journals into the sorted files.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

use super::file::RecordedFile;
use super::journal::find_orphans;
use super::line::Line;
use super::{audited_path, judged_path, recorded_path, retrieved_path};
use crate::core::names::PromptName;
use crate::core::path::TreePath;
use crate::core::problem::{Place, Problem, Problems};
use crate::tree::{state, write};

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
    /// Lines in the middle of a killed run's journal cannot be read, which no kill explains.
    #[error(
        "{lines} answers of a run that was killed cannot be read; its other answers were recovered, and its journal is kept as `{kept}`: look into it or delete it, then run again"
    )]
    Journal {
        /// How many.
        lines: usize,
        /// The file.
        kept: String,
    },
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
        if orphan.damaged > 0 {
            let kept = orphan.path.with_extension("damaged");
            fs::rename(&orphan.path, &kept)?;
            return Err(SettleError::Journal { lines: orphan.damaged, kept: kept.display().to_string() });
        }
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
        let path = match (&line.check, &line.experiment) {
            _ if line.response.documents.is_some() => retrieved_path,
            (Some(_), _) => judged_path,
            (None, Some(_)) => audited_path,
            (None, None) => recorded_path,
        };
        by_file.entry(path(&prompt, &line.model)).or_default().push(line);
    }
    let _lock = lock(root)?;
    for (path, lines) in by_file {
        settle_file(root, &path, lines)?;
    }
    Ok(())
}

fn settle_file(root: &Path, path: &TreePath, lines: Vec<Line>) -> Result<(), SettleError> {
    let old = read_settled(root, path)?;
    let file = RecordedFile::parse(path, old.clone()).map_err(SettleError::Damaged)?;
    let mut merged: BTreeMap<String, Line> =
        file.lines().map(|(_, line)| (line.key.as_str().to_owned(), line)).collect();
    for line in lines {
        let newer = merged.get(line.key.as_str()).is_none_or(|known| known.time() <= line.time());
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

fn read_settled(root: &Path, path: &TreePath) -> Result<String, SettleError> {
    match fs::read(root.join(path.as_str())) {
        Ok(bytes) => String::from_utf8(bytes).map_err(|error| {
            let message = format!("this is no UTF-8 from byte {} on", error.utf8_error().valid_up_to());
            let problem = Problem::error(Place::File(path.to_string()), message).help("restore the file from git");
            SettleError::Damaged(problem.into())
        }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(String::new()),
        Err(error) => Err(error.into()),
    }
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
    let full = state::prepare(root, "lock")?;
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
    fn times_with_an_offset_are_compared_as_times() {
        let root = tempfile::tempdir().expect("a folder");
        let (mut older, mut newer) = (line("a", "1", "old"), line("a", "1", "new"));
        older.recorded_at = "2026-01-01T12:00:00+02:00".into();
        newer.recorded_at = "2026-01-01T11:00:00Z".into();
        settle(root.path(), vec![(prompt(), older)]).expect("settled");
        settle(root.path(), vec![(prompt(), newer.clone())]).expect("settled");
        assert_eq!(recorded(root.path()).find(newer.key.as_str()).map(|l| l.response.text), Some("new".into()));
    }

    #[test]
    fn damage_in_the_middle_of_a_journal_is_told_and_kept() {
        let root = tempfile::tempdir().expect("a folder");
        let journals = root.path().join(".promptctl/journal");
        fs::create_dir_all(&journals).expect("made");
        let entry = |name: &str| format!("{{\"prompt\":\"p\",\"line\":{}}}\n", line(name, name, "x").to_json());
        let edited = entry("c").replace("\"content\":\"c\"", "\"content\":\"z\"");
        let text = format!("{}{}\n{edited}{}", entry("a"), &entry("b")[..50], entry("d"));
        fs::write(journals.join("1.jsonl"), &text).expect("written");
        let error = recover(root.path()).expect_err("told");
        assert!(matches!(error, SettleError::Journal { lines: 2, .. }), "{error}");
        assert_eq!(fs::read_to_string(journals.join("1.damaged")).expect("kept"), text);
        assert_eq!(recorded(root.path()).len(), 2);
        assert_eq!(recover(root.path()).expect("told once"), 0);
    }

    #[test]
    fn a_run_that_begins_while_others_recover_keeps_its_journal() {
        let root = tempfile::tempdir().expect("a folder");
        let done = std::sync::atomic::AtomicBool::new(false);
        std::thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    while !done.load(std::sync::atomic::Ordering::Relaxed) {
                        recover(root.path()).expect("nothing is in the way");
                    }
                });
            }
            for run in 0..200 {
                let journal = Journal::begin(root.path(), &run.to_string(), Secrets::default()).expect("open");
                let path = root.path().join(format!(".promptctl/journal/{run}.jsonl"));
                assert!(path.exists(), "run {run} lost its journal");
                drop(journal);
            }
            done.store(true, std::sync::atomic::Ordering::Relaxed);
        });
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
