//! The journal of a run: each answer is appended the moment it arrives, so that a killed run loses none.
//!
//! A line reaches the operating system before the next answer is waited for, which outlives the process. The disk is
//! asked to keep it (fsync) at most every [`SYNC_EVERY`] and at the end: a power cut may cost the last moments.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::leak;
use super::line::Line;
use crate::core::names::{CaseName, PromptName};
use crate::core::redact::Secrets;
use crate::tree::state;

const JOURNALS: &str = ".promptctl/journal";
const SYNC_EVERY: Duration = Duration::from_millis(200);

/// Why an answer was not recorded.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// The disk said no.
    #[error("an answer could not be recorded: {0}")]
    Io(#[from] io::Error),
    /// The answer, or what was asked, holds something that looks like a key.
    #[error("case `{case}`: {part} seems to hold {shape}, and is therefore not recorded")]
    Secret {
        /// The case.
        case: CaseName,
        /// Whether it is in the request or in the answer.
        part: &'static str,
        /// What it looks like.
        shape: &'static str,
    },
}

/// A line of a journal.
#[derive(Debug, Serialize, Deserialize)]
struct Entry {
    prompt: PromptName,
    line: Line,
}

/// The open journal of a run.
#[derive(Debug)]
pub struct Journal {
    path: PathBuf,
    secrets: Secrets,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    file: File,
    /// The length of the whole lines, in bytes.
    written: u64,
    synced: Instant,
    lines: Vec<(PromptName, Line)>,
}

impl Journal {
    /// Opens the journal of a run. `run` must be unique among the runs that are alive.
    pub fn begin(root: &Path, run: &str, secrets: Secrets) -> io::Result<Self> {
        Self::begin_in(root, &format!("{run}.jsonl"), secrets)
    }

    /// A journal that holds all of these lines, or that nobody ever finds.
    pub fn whole(root: &Path, run: &str, secrets: Secrets, lines: &[(PromptName, Line)]) -> Result<Self, JournalError> {
        // Only what is called a journal is taken for one.
        let mut journal = Self::begin_in(root, &format!("{run}.part"), secrets)?;
        let written = lines.iter().try_for_each(|(prompt, line)| journal.append(prompt, line));
        if let Err(error) = written {
            fs::remove_file(&journal.path)?;
            return Err(error);
        }
        let complete = journal.path.with_extension("jsonl");
        journal.state.lock().map_err(|_| io::Error::other("an earlier write failed"))?.file.sync_all()?;
        fs::rename(&journal.path, &complete)?;
        journal.path = complete;
        Ok(journal)
    }

    fn begin_in(root: &Path, file: &str, secrets: Secrets) -> io::Result<Self> {
        let path = state::prepare(root, &format!("journal/{file}"))?;
        let file = open_locked(&path)?;
        let state = State { file, written: 0, synced: Instant::now(), lines: Vec::new() };
        Ok(Self { path, secrets, state: Mutex::new(state) })
    }

    /// Appends an answer, every known secret replaced. One that looks like an unknown key is refused.
    pub fn append(&self, prompt: &PromptName, line: &Line) -> Result<(), JournalError> {
        let line = leak::redacted(line, &self.secrets).map_err(|leak| JournalError::Secret {
            case: line.case.clone(),
            part: leak.part,
            shape: leak.shape,
        })?;
        let entry = Entry { prompt: prompt.clone(), line };
        let mut text = serde_json::to_string(&entry).map_err(io::Error::other)?;
        text.push('\n');
        let mut state = self.state.lock().map_err(|_| io::Error::other("an earlier write failed"))?;
        if let Err(error) = state.file.write_all(text.as_bytes()) {
            // A full disk may take half a line, which the next one must not be glued to.
            let _ = state.file.set_len(state.written);
            return Err(error.into());
        }
        state.written += text.len() as u64;
        if state.synced.elapsed() >= SYNC_EVERY {
            state.file.sync_data()?;
            state.synced = Instant::now();
        }
        state.lines.push((entry.prompt, entry.line));
        Ok(())
    }

    /// Ends the journal: everything in it, and the file, which the caller removes once the lines are settled.
    pub fn finish(self) -> io::Result<(PathBuf, Vec<(PromptName, Line)>)> {
        let state = self.state.into_inner().map_err(|_| io::Error::other("an earlier write failed"))?;
        state.file.sync_all()?;
        Ok((self.path, state.lines))
    }
}

/// A new journal, locked. The lock lives as long as this process: it tells a run that goes on from one that was
/// killed.
fn open_locked(path: &Path) -> io::Result<File> {
    loop {
        let file = OpenOptions::new().create_new(true).append(true).open(path)?;
        file.lock()?;
        // Another process may have taken it for an orphan, and removed it, before it was locked.
        if path.try_exists()? {
            return Ok(file);
        }
    }
}

/// A journal that a killed run left behind.
pub(super) struct Orphan {
    pub(super) path: PathBuf,
    pub(super) lines: Vec<(PromptName, Line)>,
    /// How many of its lines cannot be read, a last one that the kill cut not counted.
    pub(super) damaged: usize,
    /// Held, so that no other process settles it at the same time.
    pub(super) _lock: File,
}

/// The answers of killed runs, which are in no sorted file yet.
#[must_use]
pub fn orphans(root: &Path) -> Vec<(PromptName, Line)> {
    let found = find_orphans(root).unwrap_or_default();
    found.into_iter().flat_map(|orphan| orphan.lines).collect()
}

/// The journals that no living run holds.
pub(super) fn find_orphans(root: &Path) -> io::Result<Vec<Orphan>> {
    state::check(root)?;
    let entries = match fs::read_dir(root.join(JOURNALS)) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(io::Error::new(error.kind(), format!("{JOURNALS}: {error}"))),
    };
    let mut orphans = Vec::new();
    for entry in entries {
        let path = entry?.path();
        if path.extension().is_none_or(|ending| ending != "jsonl") {
            continue;
        }
        // One that is gone by now was settled by the run that it belongs to, or by another that found it.
        let Ok(file) = File::open(&path) else { continue };
        match file.try_lock() {
            Ok(()) if path.try_exists()? => orphans.push(Orphan::read(path, file)?),
            Ok(()) | Err(TryLockError::WouldBlock) => {}
            Err(TryLockError::Error(error)) => return Err(error),
        }
    }
    Ok(orphans)
}

impl Orphan {
    /// Reads through the handle that holds the lock: where locks are mandatory, no other may.
    fn read(path: PathBuf, mut lock: File) -> io::Result<Self> {
        let mut bytes = Vec::new();
        lock.read_to_end(&mut bytes)?;
        let (mut lines, mut damaged) = (Vec::new(), 0);
        for text in bytes.split_inclusive(|byte| *byte == b'\n') {
            match serde_json::from_slice::<Entry>(text) {
                Ok(entry) if entry.line.check().is_ok() => lines.push((entry.prompt, entry.line)),
                // What the kill cut had not arrived wholly.
                Err(_) if !text.ends_with(b"\n") => {}
                Ok(_) | Err(_) => damaged += 1,
            }
        }
        Ok(Self { path, lines, damaged, _lock: lock })
    }
}
