//! The journal of a run: each answer is appended the moment it arrives, so that a killed run loses none.
//!
//! A line reaches the operating system before the next answer is waited for, which outlives the process. The disk is
//! asked to keep it (fsync) at most every [`SYNC_EVERY`] and at the end: a power cut may cost the last moments.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::line::Line;
use crate::core::names::{CaseName, PromptName};
use crate::core::path::TreePath;
use crate::core::redact::{Secrets, key_shape};
use crate::tree::write;

/// The folder with local state, which git ignores.
pub(super) const STATE: &str = ".promptctl";
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
    synced: Instant,
    lines: Vec<(PromptName, Line)>,
}

impl Journal {
    /// Opens the journal of a run. `run` must be unique among the runs that are alive.
    pub fn begin(root: &Path, run: &str, secrets: Secrets) -> io::Result<Self> {
        let relative = TreePath::new(&format!("{JOURNALS}/{run}.jsonl")).map_err(io::Error::other)?;
        let path = write::prepare(root, &relative)?;
        ignore_state(root)?;
        let file = OpenOptions::new().create_new(true).append(true).open(&path)?;
        // The lock lives as long as this process: it tells a run that goes on from one that was killed.
        file.lock()?;
        let state = State { file, synced: Instant::now(), lines: Vec::new() };
        Ok(Self { path, secrets, state: Mutex::new(state) })
    }

    /// Appends an answer, every known secret replaced. One that looks like an unknown key is refused.
    pub fn append(&self, prompt: &PromptName, line: &Line) -> Result<(), JournalError> {
        let line = self.clean(line)?;
        let entry = Entry { prompt: prompt.clone(), line };
        let mut text = serde_json::to_string(&entry).map_err(io::Error::other)?;
        text.push('\n');
        let mut state = self.state.lock().map_err(|_| io::Error::other("an earlier write failed"))?;
        state.file.write_all(text.as_bytes())?;
        if state.synced.elapsed() >= SYNC_EVERY {
            state.file.sync_data()?;
            state.synced = Instant::now();
        }
        state.lines.push((entry.prompt, entry.line));
        Ok(())
    }

    fn clean(&self, line: &Line) -> Result<Line, JournalError> {
        let mut line = line.clone();
        if self.secrets.found_in(&line.to_json()) {
            // A secret in what is asked cannot be replaced: the key would no longer match.
            let asked = line.request.as_ref().and_then(|request| serde_json::to_string(request).ok());
            if asked.is_some_and(|text| self.secrets.found_in(&text)) {
                let shape = "a key of this run";
                return Err(JournalError::Secret { case: line.case, part: "the request", shape });
            }
            let text = serde_json::to_string(&line.response).map_err(io::Error::other)?;
            line.response = serde_json::from_str(&self.secrets.redact(&text)).map_err(io::Error::other)?;
        }
        let parts = [
            ("the request", serde_json::to_string(&line.request).unwrap_or_default()),
            ("the answer", serde_json::to_string(&line.response).unwrap_or_default()),
        ];
        for (part, text) in parts {
            if let Some((shape, _)) = key_shape(&text) {
                return Err(JournalError::Secret { case: line.case, part, shape });
            }
        }
        Ok(line)
    }

    /// Ends the journal: everything in it, and the file, which the caller removes once the lines are settled.
    pub fn finish(self) -> io::Result<(PathBuf, Vec<(PromptName, Line)>)> {
        let state = self.state.into_inner().map_err(|_| io::Error::other("an earlier write failed"))?;
        state.file.sync_all()?;
        Ok((self.path, state.lines))
    }
}

/// The state folder ignores itself, whatever the project's `.gitignore` says.
pub(super) fn ignore_state(root: &Path) -> io::Result<()> {
    let path = TreePath::new(&format!("{STATE}/.gitignore")).map_err(io::Error::other)?;
    match write::create_new(root, &path, b"*\n") {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        _ => Ok(()),
    }
}

/// A journal that a killed run left behind.
pub(super) struct Orphan {
    pub(super) path: PathBuf,
    pub(super) lines: Vec<(PromptName, Line)>,
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
        let Ok(file) = File::open(&path) else { continue };
        match file.try_lock() {
            Ok(()) => orphans.push(Orphan { lines: read_lines(&path)?, path, _lock: file }),
            Err(TryLockError::WouldBlock) => {}
            Err(TryLockError::Error(error)) => return Err(error),
        }
    }
    Ok(orphans)
}

/// Every whole line; the last one may have been cut by the kill, and then its answer had not arrived wholly.
fn read_lines(path: &Path) -> io::Result<Vec<(PromptName, Line)>> {
    let bytes = fs::read(path)?;
    let text = String::from_utf8_lossy(&bytes);
    let entries = text.lines().filter_map(|line| serde_json::from_str::<Entry>(line).ok());
    Ok(entries.map(|entry| (entry.prompt, entry.line)).collect())
}
