//! What is asked of the history.

use std::collections::BTreeMap;

use rusqlite::{Row, params};
use serde::Serialize;

use super::database::{History, HistoryError};
use super::record::RunRow;
use super::trend::TrendRow;
use crate::core::event::Provenance;
use crate::core::verdict::{Summary, Verdict};

/// A case on a model, and how often its answers did not agree with each other.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct FlakyCase {
    /// The prompt.
    pub prompt: String,
    /// The case.
    pub case: String,
    /// The model.
    pub model: String,
    /// Runs whose samples disagreed, or that came out otherwise than most runs that asked the same.
    pub flaky_runs: u64,
    /// Runs that asked.
    pub runs: u64,
    /// Samples that passed, in these runs.
    pub passes: u64,
    /// Samples in these runs.
    pub samples: u64,
}

/// Whether a case failed in a run.
#[derive(Clone, Debug)]
pub struct OutcomeRow {
    /// What the prompt was.
    pub digest: String,
    /// The case.
    pub case: String,
    /// The model.
    pub model: String,
    /// Whether it failed.
    pub failed: bool,
}

/// Counts the runs that asked the same of a model, by how they came out. A replayed answer is no new evidence: it
/// counts once, and only where the asking is not in the history.
const FLAKY: &str = "
WITH answered AS (
    SELECT prompts.name AS prompt, case_name, model, ifnull(request, '') AS request, source = 'live' AS live,
        flaky, verdict = 'failed' AS failed, passes, samples
    FROM results JOIN prompts ON prompts.id = results.prompt
    WHERE verdict IN ('passed', 'failed', 'changed', 'new')
), asked AS (
    SELECT prompt, case_name, model, max(live) AS live,
        sum(live AND flaky) AS mixed,
        sum(live AND NOT flaky AND failed) AS failed,
        sum(live AND NOT flaky AND NOT failed) AS held,
        sum(live * passes) AS passes, sum(live * samples) AS samples,
        max(flaky) AS replayed_mixed, max(passes) AS replayed_passes, max(samples) AS replayed_samples
    FROM answered GROUP BY prompt, case_name, model, request
)
SELECT prompt, case_name, model,
    sum(iif(live, mixed + min(failed, held), replayed_mixed)) AS flaky_runs,
    sum(iif(live, mixed + failed + held, 1)) AS runs,
    sum(iif(live, passes, replayed_passes)), sum(iif(live, samples, replayed_samples))
FROM asked GROUP BY prompt, case_name, model HAVING flaky_runs > 0
ORDER BY CAST(flaky_runs AS REAL) / runs DESC, flaky_runs DESC, prompt, case_name, model LIMIT ?1";

impl History {
    /// The newest runs, newest first.
    pub fn runs(&self, limit: usize) -> Result<Vec<RunRow>, HistoryError> {
        let mut statement = self.connection.prepare("SELECT * FROM runs ORDER BY id DESC LIMIT ?1")?;
        let rows = statement.query_map([i64::try_from(limit).unwrap_or(i64::MAX)], run)?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// The flaky cases, most flaky first.
    pub fn flaky(&self, limit: usize) -> Result<Vec<FlakyCase>, HistoryError> {
        let mut statement = self.connection.prepare(FLAKY)?;
        let rows = statement.query_map([i64::try_from(limit).unwrap_or(i64::MAX)], |row| {
            Ok(FlakyCase {
                prompt: row.get(0)?,
                case: row.get(1)?,
                model: row.get(2)?,
                flaky_runs: count(row, 3)?,
                runs: count(row, 4)?,
                passes: count(row, 5)?,
                samples: count(row, 6)?,
            })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// The names of all prompts that were ever tested.
    pub fn prompts(&self) -> Result<Vec<String>, HistoryError> {
        let mut statement = self.connection.prepare("SELECT DISTINCT name FROM prompts ORDER BY name")?;
        Ok(statement.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?)
    }

    /// Of each answer of a prompt's cases whether it failed, oldest first; what could not be had is left out.
    pub fn outcomes(&self, prompt: &str) -> Result<Vec<OutcomeRow>, HistoryError> {
        let mut statement = self.connection.prepare(
            "SELECT digest, case_name, model, verdict = 'failed'
            FROM prompts JOIN results ON results.prompt = prompts.id
            WHERE prompts.name = ?1 AND verdict IN ('passed', 'failed', 'changed', 'new') ORDER BY run, number",
        )?;
        let rows = statement.query_map(params![prompt], |row| {
            Ok(OutcomeRow { digest: row.get(0)?, case: row.get(1)?, model: row.get(2)?, failed: row.get(3)? })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Everything that became of a prompt's cases, oldest first.
    pub fn results(&self, prompt: &str) -> Result<Vec<TrendRow>, HistoryError> {
        let mut statement = self.connection.prepare(
            "SELECT run, started, commit_hash, dirty, version, digest, case_name, model, served_model, verdict,
                results.input_tokens, results.output_tokens, results.cost_usd, latency_ms
            FROM prompts JOIN results ON results.prompt = prompts.id JOIN runs ON runs.id = results.run
            WHERE prompts.name = ?1 ORDER BY run, number",
        )?;
        let rows = statement.query_map(params![prompt], |row| {
            let tokens: [Option<u64>; 2] = [optional(row, 10)?, optional(row, 11)?];
            let verdict: String = row.get(9)?;
            Ok(TrendRow {
                run: row.get(0)?,
                started: row.get(1)?,
                provenance: Provenance { commit: row.get(2)?, dirty: row.get(3)? },
                prompt_version: row.get(4)?,
                prompt_digest: row.get(5)?,
                case: row.get(6)?,
                model: row.get(7)?,
                served_model: row.get(8)?,
                verdict: Verdict::ALL.into_iter().find(|known| known.name() == verdict),
                tokens: tokens.iter().any(Option::is_some).then(|| tokens.iter().flatten().sum()),
                cost_usd: row.get(12)?,
                latency_ms: row.get(13)?,
            })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }
}

pub(super) fn count(row: &Row<'_>, column: usize) -> rusqlite::Result<u64> {
    let value: i64 = row.get(column)?;
    u64::try_from(value).map_err(|_| rusqlite::Error::IntegralValueOutOfRange(column, value))
}

fn optional(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<u64>> {
    let value: Option<i64> = row.get(column)?;
    let out_of_range = |value| rusqlite::Error::IntegralValueOutOfRange(column, value);
    value.map(|value| u64::try_from(value).map_err(|_| out_of_range(value))).transpose()
}

fn run(row: &Row<'_>) -> rusqlite::Result<RunRow> {
    let named = |name: &str| count(row, row.as_ref().column_index(name)?);
    let mut verdicts = BTreeMap::new();
    for verdict in Verdict::ALL {
        verdicts.insert(verdict, named(verdict.name())?);
    }
    Ok(RunRow {
        run: row.get("id")?,
        started: row.get("started")?,
        tree: row.get("tree")?,
        provenance: Provenance { commit: row.get("commit_hash")?, dirty: row.get("dirty")? },
        mode: row.get("mode")?,
        tool_version: row.get("tool_version")?,
        exit_code: row.get("exit_code")?,
        summary: Summary {
            planned: named("planned")?,
            verdicts,
            flaky: named("flaky")?,
            // Runs of before there was such a thing.
            quarantined: named("quarantined").unwrap_or(0),
            cut_off: named("cut_off")?,
            calls_made: named("calls_made")?,
            replayed: named("replayed")?,
            retries: named("retries")?,
            input_tokens: named("input_tokens")?,
            output_tokens: named("output_tokens")?,
            cost_usd: row.get("cost_usd")?,
            recorded_cost_usd: row.get("recorded_cost_usd")?,
            unpriced: named("unpriced")?,
            seconds: row.get("seconds")?,
            ..Summary::default()
        },
    })
}
