//! What became of a plan by what is recorded alone, as `promptctl test --offline` decides it. Nothing is asked and nothing
//! written.

use super::context::Context;
use super::failure::Failure;
use super::heard::Heard;
use super::load::Project;
use crate::core::event::Provenance;
use crate::core::redact::Secrets;
use crate::core::verdict::Outcome;
use crate::model::{AllowedHosts, Permissions};
use crate::plan::Plan;
use crate::recording::Store;
use crate::run::{FlakyResult, Mode, Prepared, Run, RunError, Settings, SnapshotPolicy, Stop};
use crate::snapshot::Index;

/// The outcomes of a plan, in its order.
pub(super) fn replay(
    context: &Context,
    project: &Project,
    prepared: &Prepared,
    plan: &Plan,
    store: &Store,
) -> Result<Vec<Outcome>, Failure> {
    let settings = Settings {
        mode: Mode::Replay,
        rejudges: false,
        snapshots: SnapshotPolicy::Fail,
        writes: false,
        max_calls: None,
        calls_before: 0,
        again: false,
        max_cost: None,
        confirms: false,
        flaky: FlakyResult::AsRate,
        max_age: None,
        until: None,
        fail_fast: false,
        new_waits: true,
        require_live: false,
        heading: String::new(),
        provenance: Provenance::default(),
        shard: None,
    };
    let permissions = Permissions {
        hosts: AllowedHosts::new(None),
        programs: false,
        folder: project.root.clone(),
        traces: false,
        secrets: Secrets::default(),
    };
    let index = Index::load(&*project.tree)?;
    let (clock, stop) = (context.take_clock(), Stop::default());
    let run = Run {
        prepared,
        plan,
        settings: &settings,
        store,
        snapshots: (&index, &*project.tree),
        against: None,
        journal: None,
        root: None,
        variables: &|_| None,
        clock: &clock,
        stop: &stop,
        jobs: None,
        permissions,
        notes: Vec::new(),
    };
    let mut heard = Heard::default();
    match run.run(&mut heard) {
        Ok(result) if result.problems.has_errors() => Err(result.problems.into()),
        Ok(_) => Ok(heard.0),
        Err(RunError::Problems(problems)) => Err(problems.into()),
        Err(RunError::Io(error)) => Err(error.into()),
    }
}
