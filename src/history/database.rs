//! The file of the history: opening it, adding a run, and what becomes of one that cannot be used.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rusqlite::config::DbConfig;
use rusqlite::types::Value;
use rusqlite::{Connection, ErrorCode, OpenFlags, Transaction, TransactionBehavior, params, params_from_iter};

use super::gather::Gather;
use super::record::{PromptRow, RunRow};
use super::schema::{self, Age};
use crate::core::verdict::{AnswerSource, Verdict};
use crate::tree::state;

/// The database, as seen from the project's root.
pub const DATABASE: &str = ".promptctl/history.db";
const FILE: &str = "history.db";
/// How long another process may hold the database.
const PATIENCE: Duration = Duration::from_secs(5);
/// How many results are kept, some hundred bytes each: the oldest runs go first.
const KEPT: i64 = 1_000_000;

/// Why the history cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum HistoryError {
    /// Something else stands at its place.
    #[error("it is {0}")]
    NoFile(&'static str),
    /// It is no whole database.
    #[error("it is damaged: {0}")]
    Damaged(String),
    /// It is a database, and not ours.
    #[error("it is no history of promptctl: {0}")]
    Foreign(&'static str),
    /// It is from the future.
    #[error("a newer promptctl made it: its version is {found}, and this one knows {known}")]
    Newer {
        /// Its version.
        found: i64,
        /// The newest version that is known.
        known: usize,
    },
    /// Another process holds it.
    #[error("another process has held it for {} seconds", PATIENCE.as_secs())]
    Busy,
    /// The disk said no.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// SQLite said no.
    #[error("{0}")]
    Sql(rusqlite::Error),
}

impl HistoryError {
    /// Whether a new database in its place is better than this one.
    #[must_use]
    pub fn is_lost(&self) -> bool {
        matches!(self, Self::Damaged(_) | Self::Foreign(_))
    }
}

impl From<rusqlite::Error> for HistoryError {
    fn from(error: rusqlite::Error) -> Self {
        use rusqlite::Error;
        match (&error, error.sqlite_error_code()) {
            (_, Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked)) => Self::Busy,
            (_, Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase))
            | (
                Error::InvalidColumnType(..)
                | Error::FromSqlConversionFailure(..)
                | Error::IntegralValueOutOfRange(..)
                | Error::Utf8Error(..),
                _,
            ) => Self::Damaged(error.to_string()),
            _ => Self::Sql(error),
        }
    }
}

/// A database that could not be used, out of the way.
#[derive(Debug)]
pub struct Aside {
    /// Where it is now, as seen from the project's root.
    pub path: String,
    /// What was wrong with it.
    pub reason: HistoryError,
}

/// Adds a run. A database that is damaged, or somebody else's, is moved aside for a new one.
pub fn append(root: &Path, gather: &Gather) -> Result<Option<Aside>, HistoryError> {
    // Without this, two processes that find the same damage would move the second one's new database aside.
    let _lock = lock(root)?;
    let path = locate(root)?;
    match write(&path, gather) {
        Err(reason) if reason.is_lost() => {
            let aside = move_aside(&path)?;
            write(&path, gather)?;
            Ok(Some(Aside { path: format!("{}/{aside}", state::STATE), reason }))
        }
        written => written.map(|()| None),
    }
}

/// The lock of all that write. It ends with the file that is returned.
fn lock(root: &Path) -> Result<File, HistoryError> {
    let path = state::prepare(root, "history.lock")?;
    let file = OpenOptions::new().create(true).truncate(false).write(true).open(path)?;
    let begun = Instant::now();
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::Error(error)) => return Err(error.into()),
            Err(TryLockError::WouldBlock) if begun.elapsed() > PATIENCE => return Err(HistoryError::Busy),
            Err(TryLockError::WouldBlock) => std::thread::sleep(Duration::from_millis(5)),
        }
    }
}

/// The database's path without links on the way, if what stands there is a file or nothing.
fn locate(root: &Path) -> Result<PathBuf, HistoryError> {
    let path = root.join(state::STATE).canonicalize()?.join(FILE);
    match path.symlink_metadata() {
        Ok(found) if found.is_dir() => Err(HistoryError::NoFile("a folder")),
        Ok(found) if found.is_symlink() => Err(HistoryError::NoFile("a symbolic link")),
        Ok(found) if !found.is_file() => Err(HistoryError::NoFile("no regular file")),
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error.into()),
        _ => Ok(path),
    }
}

/// Whether the file begins as a database does and is as long as it says. SQLite asks neither where its log covers what
/// is missing, and would go on with holes.
fn check_head(path: &Path) -> Result<(), HistoryError> {
    let mut head = Vec::with_capacity(100);
    let length = match File::open(path) {
        Ok(mut file) => {
            file.by_ref().take(100).read_to_end(&mut head)?;
            file.metadata()?.len()
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error.into()),
    };
    if head.is_empty() {
        return Ok(());
    }
    let (Some(page), Some(pages)) = (head.get(16..18), head.get(28..32)) else {
        return Err(HistoryError::Damaged("it is cut off".to_owned()));
    };
    let number = |bytes: &[u8]| bytes.iter().fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
    if !head.starts_with(b"SQLite format 3\0") {
        return Err(HistoryError::Damaged("it does not begin as a database does".to_owned()));
    }
    if length < number(page) * number(pages) {
        return Err(HistoryError::Damaged("it is cut off".to_owned()));
    }
    Ok(())
}

/// Renames a database and what SQLite keeps beside it. Gives its new name.
fn move_aside(path: &Path) -> io::Result<String> {
    let name = |number: u32| format!("history-damaged-{number}.db");
    let is_free = |number: &u32| path.with_file_name(name(*number)).symlink_metadata().is_err();
    let free = name((1..1000).find(is_free).unwrap_or(1000));
    // What is not yet in the database itself belongs to it, and must not be taken for a part of the new one.
    for ending in ["-wal", "-shm", "-journal", ""] {
        let of = |name: &str| path.with_file_name(format!("{name}{ending}"));
        match fs::rename(of(FILE), of(&free)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    Ok(free)
}

fn open(path: &Path, flags: OpenFlags) -> Result<Connection, HistoryError> {
    let flags = flags | OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_NOFOLLOW;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(PATIENCE)?;
    // A database can come with a clone: nothing that it defines is to be run.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
    Ok(connection)
}

fn write(path: &Path, gather: &Gather) -> Result<(), HistoryError> {
    check_head(path)?;
    let mut connection = open(path, OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE)?;
    let age = schema::age(&connection)?;
    if age == Age::Empty {
        // Where the file system cannot, SQLite keeps its usual journal, which is as good for short transactions.
        connection.pragma_update_and_check(None, "journal_mode", "wal", |_| Ok(()))?;
    }
    // Waiting for the disk takes longer than all the rest: SQLite does it now and then, when its log has grown. A power
    // cut may cost the last runs, and damages nothing.
    connection.pragma_update(None, "synchronous", "normal")?;
    connection.pragma_update_and_check(None, "wal_autocheckpoint", 500, |_| Ok(()))?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    schema::migrate(&transaction, &age)?;
    insert(&transaction, gather)?;
    forget(&transaction, KEPT)?;
    transaction.commit()?;
    Ok(())
}

/// One transaction a run: a run is in the history as a whole or not at all.
fn insert(transaction: &Transaction<'_>, gather: &Gather) -> rusqlite::Result<()> {
    let values = run_values(&gather.run);
    let places = vec!["?"; values.len()].join(", ");
    transaction.execute(&format!("INSERT INTO runs VALUES (NULL, {places})"), params_from_iter(values))?;
    let run = transaction.last_insert_rowid();
    let ids = gather.prompts.iter().map(|prompt| prompt_id(transaction, prompt)).collect::<Result<Vec<i64>, _>>()?;
    let mut statement = transaction.prepare(
        "INSERT INTO results VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16)",
    )?;
    for (number, row) in (0_i64..).zip(&gather.results) {
        statement.execute(params![
            run,
            number,
            ids[row.prompt],
            row.case.as_str(),
            row.model.as_str(),
            row.served_model.as_deref(),
            row.request,
            row.verdict.name(),
            integer(row.passes),
            integer(row.samples),
            row.flaky,
            row.input_tokens.map(integer),
            row.output_tokens.map(integer),
            row.cost_usd,
            row.latency_ms,
            row.source.map(AnswerSource::name),
        ])?;
    }
    Ok(())
}

fn prompt_id(transaction: &Transaction<'_>, prompt: &PromptRow) -> rusqlite::Result<i64> {
    let key = params![prompt.name.as_str(), prompt.version, prompt.digest];
    let find = "SELECT id FROM prompts WHERE name = ?1 AND version IS ?2 AND digest = ?3";
    match transaction.query_row(find, key, |row| row.get(0)) {
        Err(rusqlite::Error::QueryReturnedNoRows) => {
            transaction.execute("INSERT INTO prompts (name, version, digest) VALUES (?1, ?2, ?3)", key)?;
            Ok(transaction.last_insert_rowid())
        }
        found => found,
    }
}

/// The values of a run, in the order of the table's columns.
fn run_values(run: &RunRow) -> Vec<Value> {
    let summary = &run.summary;
    let text = |text: &str| Value::Text(text.to_owned());
    let count = |count: u64| Value::Integer(integer(count));
    let mut values: Vec<Value> = vec![
        text(&run.started),
        text(&run.tree),
        run.provenance.commit.as_deref().map_or(Value::Null, text),
        run.provenance.dirty.map_or(Value::Null, |dirty| Value::Integer(dirty.into())),
        text(&run.mode),
        text(&run.tool_version),
        run.exit_code.map_or(Value::Null, |code| Value::Integer(code.into())),
        count(summary.planned),
    ];
    values.extend(Verdict::ALL.map(|verdict| count(summary.count(verdict))));
    let counts = [
        summary.flaky,
        summary.cut_off,
        summary.calls_made,
        summary.replayed,
        summary.retries,
        summary.input_tokens,
        summary.output_tokens,
    ];
    values.extend(counts.map(count));
    values.extend([Value::Real(summary.cost_usd), Value::Real(summary.recorded_cost_usd)]);
    values.extend([count(summary.unpriced), Value::Real(summary.seconds), count(summary.quarantined)]);
    values
}

/// SQLite counts to 2^63.
fn integer(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// Removes the oldest runs where the results of all of them are more than are kept; the newest run always stays.
fn forget(transaction: &Transaction<'_>, kept: i64) -> rusqlite::Result<()> {
    let oldest = "SELECT max(id) FROM (SELECT id, sum(planned) OVER (ORDER BY id DESC) AS so_far FROM runs)
        WHERE so_far > ?1 AND id < (SELECT max(id) FROM runs)";
    let Some(last) = transaction.query_row(oldest, [kept], |row| row.get::<_, Option<i64>>(0))? else { return Ok(()) };
    transaction.execute("DELETE FROM results WHERE run <= ?1", [last])?;
    transaction.execute("DELETE FROM runs WHERE id <= ?1", [last])?;
    Ok(())
}

/// A history that is there to be read.
#[derive(Debug)]
pub struct History {
    pub(super) connection: Connection,
}

impl History {
    /// Opens the history of a project; `None` where nothing was written yet.
    pub fn open(root: &Path) -> Result<Option<Self>, HistoryError> {
        if root.join(DATABASE).symlink_metadata().is_err_and(|error| error.kind() == io::ErrorKind::NotFound) {
            return Ok(None);
        }
        let path = locate(root)?;
        check_head(&path)?;
        // A reader may have to make SQLite's shared memory, and cannot where nothing may be written.
        let (connection, age) = match Self::read(&path, OpenFlags::SQLITE_OPEN_READ_WRITE) {
            Err(HistoryError::Sql(_)) => {
                let immutable = PathBuf::from(format!("file:{}?immutable=1", escaped(&path)));
                Self::read(&immutable, OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI)?
            }
            read => read?,
        };
        Ok((age != Age::Empty).then_some(Self { connection }))
    }

    fn read(path: &Path, flags: OpenFlags) -> Result<(Connection, Age), HistoryError> {
        let connection = open(path, flags)?;
        let age = schema::age(&connection)?;
        connection.pragma_update(None, "query_only", true)?;
        Ok((connection, age))
    }
}

/// A path as a part of a URI.
fn escaped(path: &Path) -> String {
    path.to_string_lossy().replace('%', "%25").replace('?', "%3f").replace('#', "%23")
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
