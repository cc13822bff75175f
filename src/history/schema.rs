//! The tables of the history, and how an older database becomes one of today. `docs/formats.md` describes them.

use rusqlite::{Connection, Transaction};

use super::database::HistoryError;

/// Marks a database as a history of promptctl: `pctl` in ASCII.
const APPLICATION: i64 = 0x7063_746c;

/// One step for each version of the schema. A step that was released is never changed: another one is added.
const STEPS: [&str; 2] = [
    "
CREATE TABLE runs (
    id INTEGER PRIMARY KEY,
    started TEXT NOT NULL,
    tree TEXT NOT NULL,
    commit_hash TEXT,
    dirty INTEGER,
    mode TEXT NOT NULL,
    tool_version TEXT NOT NULL,
    exit_code INTEGER,
    planned INTEGER NOT NULL,
    passed INTEGER NOT NULL,
    failed INTEGER NOT NULL,
    changed INTEGER NOT NULL,
    new INTEGER NOT NULL,
    stale INTEGER NOT NULL,
    unrecorded INTEGER NOT NULL,
    errored INTEGER NOT NULL,
    skipped INTEGER NOT NULL,
    flaky INTEGER NOT NULL,
    cut_off INTEGER NOT NULL,
    calls_made INTEGER NOT NULL,
    replayed INTEGER NOT NULL,
    retries INTEGER NOT NULL,
    input_tokens INTEGER NOT NULL,
    output_tokens INTEGER NOT NULL,
    cost_usd REAL NOT NULL,
    recorded_cost_usd REAL NOT NULL,
    unpriced INTEGER NOT NULL,
    seconds REAL NOT NULL
) STRICT;
CREATE TABLE prompts (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL,
    version TEXT,
    digest TEXT NOT NULL
) STRICT;
CREATE INDEX prompts_by_name ON prompts (name, digest);
CREATE TABLE results (
    run INTEGER NOT NULL REFERENCES runs,
    number INTEGER NOT NULL,
    prompt INTEGER NOT NULL REFERENCES prompts,
    case_name TEXT NOT NULL,
    model TEXT NOT NULL,
    served_model TEXT,
    request TEXT,
    verdict TEXT NOT NULL,
    passes INTEGER NOT NULL,
    samples INTEGER NOT NULL,
    flaky INTEGER NOT NULL,
    input_tokens INTEGER,
    output_tokens INTEGER,
    cost_usd REAL,
    latency_ms REAL,
    source TEXT,
    PRIMARY KEY (run, number)
) STRICT, WITHOUT ROWID;
CREATE INDEX results_by_prompt ON results (prompt);
",
    "ALTER TABLE runs ADD COLUMN quarantined INTEGER NOT NULL DEFAULT 0;",
];

/// What a database is, as its head says.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Age {
    /// Nothing is in it yet.
    Empty,
    /// A history with this many steps done.
    Steps(usize),
}

/// Reads what a database is.
pub(super) fn age(connection: &Connection) -> Result<Age, HistoryError> {
    let head = |name: &str| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
    let (application, version) = (head("application_id")?, head("user_version")?);
    let objects: i64 = connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    if application == 0 && version == 0 && objects == 0 {
        return Ok(Age::Empty);
    }
    if application != APPLICATION {
        return Err(HistoryError::Foreign("another program made it"));
    }
    match usize::try_from(version) {
        Ok(steps @ 1..) if steps <= STEPS.len() => {
            check(connection, steps)?;
            Ok(Age::Steps(steps))
        }
        Ok(steps) if steps > STEPS.len() => Err(HistoryError::Newer { found: version, known: STEPS.len() }),
        _ => Err(HistoryError::Foreign("its version is none of promptctl's")),
    }
}

/// Whether its tables are those that the steps make: a file is only believed where it is what it says.
fn check(connection: &Connection, steps: usize) -> Result<(), HistoryError> {
    let made = Connection::open_in_memory()?;
    STEPS[..steps].iter().try_for_each(|step| made.execute_batch(step))?;
    if objects(connection)? == objects(&made)? {
        return Ok(());
    }
    Err(HistoryError::Foreign("its tables are not those of promptctl"))
}

/// Every table, index and trigger with the statement that makes it.
fn objects(connection: &Connection) -> rusqlite::Result<Vec<(String, Option<String>)>> {
    let mut statement = connection.prepare(
        "SELECT name, sql FROM sqlite_schema WHERE type <> 'view' AND name NOT LIKE 'sqlite_stat%' ORDER BY name",
    )?;
    statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect()
}

/// Does the steps that a database lacks.
pub(super) fn migrate(transaction: &Transaction<'_>, age: &Age) -> rusqlite::Result<()> {
    let done = match age {
        Age::Empty => 0,
        Age::Steps(done) => *done,
    };
    if done == STEPS.len() {
        return Ok(());
    }
    STEPS[done..].iter().try_for_each(|step| transaction.execute_batch(step))?;
    transaction.pragma_update(None, "application_id", APPLICATION)?;
    transaction.pragma_update(None, "user_version", i64::try_from(STEPS.len()).unwrap_or(i64::MAX))
}
