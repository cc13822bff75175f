use super::*;
use crate::core::event::{Event, Listener as _, Provenance};
use crate::core::names::{CaseName, ModelAlias, PromptName, RequestKey};
use crate::core::record::Usage;
use crate::core::verdict::{Detail, Exit, Outcome, Quarantine, SampleOutcome};
use crate::history::{By, trends};
use crate::run::Mode;

/// A case of the prompt `p` with so many samples that pass and fail.
fn outcome(digest: &str, case: &str, (pass, fail): (u32, u32), source: AnswerSource) -> Outcome {
    let sample = |number: u32| SampleOutcome {
        key: RequestKey::new(&digest.repeat(64)).ok(),
        served_model: Some("served".into()),
        usage: Usage { input: Some(10), output: Some(2), ..Usage::default() },
        latency_ms: Some(u64::from(number) * 10 + 10),
        cost_usd: Some(0.5),
        source: Some(source),
        ..SampleOutcome::new(number, if number < pass { Verdict::Passed } else { Verdict::Failed })
    };
    Outcome {
        prompt: PromptName::new("p").expect("a name"),
        case: CaseName::new(case).expect("a name"),
        model: ModelAlias::new("m").expect("an alias"),
        tags: Vec::new(),
        verdict: if pass > 0 { Verdict::Passed } else { Verdict::Failed },
        good: fail == 0,
        flaky: pass > 0 && fail > 0,
        quarantine: None,
        reason: String::new(),
        prompt_version: Some("1.0.0".into()),
        prompt_digest: digest.repeat(64),
        samples: (0..pass + fail).map(sample).collect(),
        position: None,
        detail: Detail::default(),
    }
}

/// A run that came to these outcomes.
fn run(outcomes: Vec<Outcome>) -> Gather {
    let mut gather = Gather::new(jiff::Timestamp::UNIX_EPOCH, "working tree".into(), Mode::Fill);
    let provenance = Provenance { commit: Some("c".repeat(40)), dirty: Some(true) };
    let planned = outcomes.len() as u64;
    let started = Event::Started { planned, heading: String::new(), calls: 0, provenance, shard: None };
    let finished = outcomes.into_iter().map(|outcome| Event::Finished(Box::new(outcome)));
    for event in std::iter::once(started).chain(finished) {
        gather.on(&event).expect("gathered");
    }
    gather.end(Exit::Failed);
    gather
}

fn reopened(root: &Path) -> History {
    History::open(root).expect("readable").expect("there")
}

const LIVE: AnswerSource = AnswerSource::Live;

#[test]
fn what_is_written_is_read_again() {
    let folder = tempfile::tempdir().expect("a folder");
    assert!(History::open(folder.path()).expect("no error").is_none(), "nothing yet");
    let gathered = run(vec![outcome("a", "one", (1, 1), LIVE), outcome("a", "two", (0, 2), LIVE)]);
    assert!(append(folder.path(), &gathered).expect("written").is_none());
    assert!(append(folder.path(), &run(Vec::new())).expect("written").is_none());
    let runs = reopened(folder.path()).runs(10).expect("read");
    let expected = RunRow { run: 1, ..gathered.run.clone() };
    assert_eq!((runs.len(), runs[1].run, runs[1].exit_code), (2, 1, Some(1)));
    assert_eq!(runs[1].summary.verdicts.len(), 8, "all verdicts are there");
    assert_eq!(runs[1].provenance, expected.provenance);
    assert_eq!(runs[1].summary.output_tokens, 8);
    assert_eq!(reopened(folder.path()).runs(1).expect("read")[0].run, 2, "the newest one");
}

#[test]
fn flaky_cases_are_ranked_by_the_share_of_runs_that_disagree() {
    let folder = tempfile::tempdir().expect("a folder");
    let write = |outcomes| append(folder.path(), &run(outcomes)).expect("written");
    for pass in [1, 0, 1, 1] {
        write(vec![outcome("a", "sometimes", (pass, 1 - pass), LIVE), outcome("a", "steady", (1, 0), LIVE)]);
        // The same answer, read again: no evidence of anything.
        write(vec![outcome("a", "sometimes", (pass, 1 - pass), AnswerSource::Recorded)]);
    }
    write(vec![outcome("a", "mixed", (2, 1), LIVE)]);
    // Another request that fails is an edit, not flaky.
    write(vec![outcome("b", "steady", (0, 1), LIVE)]);
    // Recorded elsewhere: it counts once, however often it is replayed.
    for _ in 0..3 {
        write(vec![outcome("a", "pulled", (1, 3), AnswerSource::Recorded)]);
    }
    let found = reopened(folder.path()).flaky(10).expect("read");
    let found: Vec<_> = found.iter().map(|f| (f.case.as_str(), f.flaky_runs, f.runs, f.passes, f.samples)).collect();
    assert_eq!(found, [("mixed", 1, 1, 2, 3), ("pulled", 1, 1, 1, 4), ("sometimes", 1, 4, 3, 4)]);
}

#[test]
fn a_trend_has_a_point_a_run_or_a_digest() {
    let folder = tempfile::tempdir().expect("a folder");
    for (digest, one) in [("a", 0), ("a", 1), ("b", 1)] {
        let outcomes = vec![outcome(digest, "one", (one, 1 - one), LIVE), outcome(digest, "two", (1, 0), LIVE)];
        append(folder.path(), &run(outcomes)).expect("written");
    }
    let rows = reopened(folder.path()).results("p").expect("read");
    let by = |by, limit| -> Vec<(i64, u64, u64)> {
        trends(&rows, by, limit)[0].points.iter().map(|point| (point.run, point.passes, point.answered)).collect()
    };
    assert_eq!(by(By::Run, 10), [(1, 1, 2), (2, 2, 2), (3, 2, 2)]);
    assert_eq!(by(By::Run, 1), [(3, 2, 2)]);
    assert_eq!(by(By::Digest, 10), [(2, 2, 2), (3, 2, 2)], "the newest result of each case");
    let point = &trends(&rows, By::Run, 1)[0].points[0];
    assert_eq!((point.tokens, point.cost_usd, point.latency_ms), (Some(12.0), Some(0.5), Some(10.0)));
    assert_eq!((point.prompt_version.as_deref(), point.served_model.as_deref()), (Some("1.0.0"), Some("served")));
}

#[test]
fn the_oldest_runs_are_forgotten() {
    let folder = tempfile::tempdir().expect("a folder");
    for _ in 0..4 {
        append(folder.path(), &run(vec![outcome("a", "one", (1, 0), LIVE), outcome("a", "two", (1, 0), LIVE)]))
            .expect("written");
    }
    let mut connection = open(&folder.path().join(DATABASE), OpenFlags::SQLITE_OPEN_READ_WRITE).expect("opened");
    for (kept, left) in [(8, 4), (5, 2), (0, 1)] {
        let transaction = connection.transaction().expect("begun");
        forget(&transaction, kept).expect("forgotten");
        transaction.commit().expect("written");
        let of = |sql: &str| connection.query_row(sql, [], |row| row.get::<_, i64>(0)).expect("counted");
        assert_eq!(of("SELECT count(*) FROM runs"), left);
        assert_eq!(of("SELECT count(*) FROM results"), left * 2);
    }
    append(folder.path(), &run(Vec::new())).expect("written");
    assert_eq!(reopened(folder.path()).runs(1).expect("read")[0].run, 5, "a number is not given twice");
}

/// Whether a database that was changed so is moved aside for a new one, which holds the run; with and without what
/// SQLite keeps beside it.
fn is_replaced(change: impl Fn(&Path)) -> bool {
    is_replaced_where(true, &change) && is_replaced_where(false, &change)
}

fn is_replaced_where(whole: bool, change: impl Fn(&Path)) -> bool {
    let folder = tempfile::tempdir().expect("a folder");
    let root = folder.path();
    for _ in 0..3 {
        append(root, &run(vec![outcome("a", "one", (1, 0), LIVE)])).expect("written");
    }
    if whole {
        // The last reader leaves nothing beside the file.
        drop(reopened(root));
    }
    change(&root.join(DATABASE));
    assert!(History::open(root).and_then(|history| history.map_or(Ok(Vec::new()), |h| h.runs(9))).is_err());
    let aside = append(root, &run(vec![outcome("a", "one", (1, 0), LIVE)])).expect("written");
    assert_eq!(reopened(root).runs(9).expect("read").len(), 1);
    aside.is_some_and(|aside| root.join(aside.path).is_file())
}

#[test]
fn a_database_that_cannot_be_believed_is_moved_aside() {
    let cut = |to: u64| {
        move |path: &Path| OpenOptions::new().write(true).open(path).and_then(|file| file.set_len(to)).expect("cut")
    };
    assert!(is_replaced(cut(10)), "less than a head");
    assert!(is_replaced_where(true, cut(4096)), "one page");
    assert!(is_replaced(|path| fs::write(path, "no database ".repeat(1000)).expect("written")));
    let overwritten = |path: &Path| {
        let mut bytes = fs::read(path).expect("read");
        bytes[100..4096].fill(0xff);
        fs::write(path, bytes).expect("written");
    };
    assert!(is_replaced_where(true, overwritten));
    let told =
        |sql: &'static str| move |path: &Path| Connection::open(path).and_then(|c| c.execute_batch(sql)).expect("told");
    assert!(is_replaced(told("PRAGMA application_id = 7")), "somebody else's");
    assert!(is_replaced(told("DROP TABLE results")));
    assert!(is_replaced(told("ALTER TABLE runs ADD COLUMN more TEXT")));
    let trigger = "CREATE TRIGGER t AFTER INSERT ON runs BEGIN DELETE FROM runs; END";
    assert!(is_replaced(told(trigger)), "what it defines is not run");
    assert!(is_replaced(told("PRAGMA user_version = -3")));
}

#[test]
fn an_older_database_is_read_and_brought_up_to_date() {
    let folder = tempfile::tempdir().expect("a folder");
    append(folder.path(), &run(Vec::new())).expect("written");
    let older = "ALTER TABLE runs DROP COLUMN quarantined; PRAGMA user_version = 1";
    Connection::open(folder.path().join(DATABASE)).and_then(|c| c.execute_batch(older)).expect("told");
    assert_eq!(reopened(folder.path()).runs(9).expect("read")[0].summary.quarantined, 0);
    let mut outcome = outcome("a", "one", (0, 1), LIVE);
    outcome.quarantine = Some(Quarantine { until: "2026-12-31".into(), reason: String::new() });
    assert!(append(folder.path(), &run(vec![outcome])).expect("written").is_none(), "nothing is moved aside");
    let counts: Vec<u64> =
        reopened(folder.path()).runs(9).expect("read").iter().map(|run| run.summary.quarantined).collect();
    assert_eq!(counts, [1, 0]);
}

#[test]
fn a_newer_database_is_left_alone() {
    let folder = tempfile::tempdir().expect("a folder");
    let append = || append(folder.path(), &run(Vec::new()));
    append().expect("written");
    Connection::open(folder.path().join(DATABASE))
        .and_then(|connection| connection.pragma_update(None, "user_version", 99))
        .expect("told");
    assert!(matches!(append(), Err(HistoryError::Newer { found: 99, .. })));
    assert!(matches!(History::open(folder.path()), Err(HistoryError::Newer { .. })));
}

#[cfg(unix)]
#[test]
fn nothing_is_written_through_a_link() {
    let (folder, outside) = (tempfile::tempdir().expect("a folder"), tempfile::tempdir().expect("a folder"));
    let target = outside.path().join("file.db");
    fs::create_dir(folder.path().join(state::STATE)).expect("made");
    std::os::unix::fs::symlink(&target, folder.path().join(DATABASE)).expect("linked");
    assert!(matches!(append(folder.path(), &run(Vec::new())), Err(HistoryError::NoFile(_))));
    assert!(!target.exists());
}
