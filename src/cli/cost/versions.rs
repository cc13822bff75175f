//! `cost --versions`: what each version of a prompt took, by the recordings of its commit.

use std::num::NonZeroUsize;
use std::ops::ControlFlow;

use super::side::Side;
use crate::cli::failure::Failure;
use crate::cli::log::is_left_out;
use crate::cli::past;
use crate::core::problem::Problems;
use crate::cost::{Bill, Requests, VersionRow, bill, gather};
use crate::history::{Change, Entry, Versions, Walk};
use crate::project::CacheSettings;

/// The versions of every prompt that is looked at, the newest first. A model costs in all of them what it costs now, so that
/// rows differ by the prompt.
pub(super) fn rows(
    head: &Side,
    at: Option<&str>,
    now: &[Requests],
    most: Option<NonZeroUsize>,
) -> Result<Vec<VersionRow>, Failure> {
    let project = &head.project;
    let walk = Walk::new(&project.root, at.unwrap_or("HEAD"), None).map_err(|error| past::failure(&error))?;
    let mut rows = Vec::new();
    for name in head.prompts() {
        let working = project.files().filter(|_| at.is_none() && !is_left_out(&project.root, &name));
        let (mut wrong, mut before, mut count): (Option<Problems>, Option<String>, usize) = (None, None, 0);
        let mut take = |entry: Entry| {
            let digest = entry.state.digest.clone();
            // What changed of its cases or snapshots makes no other version of it.
            if digest == before || digest.is_none() || entry.changes.contains(&Change::Removed) {
                return ControlFlow::Continue(());
            }
            before = digest;
            match of_entry(&entry, now) {
                Ok(found) => rows.extend(found),
                Err(problems) => wrong = Some(problems),
            }
            count += 1;
            let enough = wrong.is_some() || most.is_some_and(|most| count >= most.get());
            if enough { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        };
        Versions::new(&project.root, &walk).find(&name, working, &mut take).map_err(|error| past::failure(&error))?;
        if let Some(problems) = wrong {
            return Err(problems.into());
        }
    }
    Ok(rows)
}

fn of_entry(entry: &Entry, now: &[Requests]) -> Result<Vec<VersionRow>, Problems> {
    let (Some(loaded), Some(store)) = (&entry.state.loaded, entry.store()) else { return Ok(Vec::new()) };
    let about = entry.about.as_ref();
    let row = |mut requests: Requests| {
        let same = |one: &&Requests| one.served == requests.served && one.price.is_some();
        if let Some(present) = now.iter().find(same) {
            requests.price.clone_from(&present.price);
        }
        let Bill { prompt, version, digest, model, input, output, counted, estimated_input, cost_usd, margin, .. } =
            bill(&requests, None, &CacheSettings::default());
        VersionRow {
            prompt,
            model,
            commit: about.map(|about| about.commit.clone()),
            date: about.map(|about| about.date.clone()),
            version,
            digest,
            requests: requests.rows.len() as u64,
            counted,
            input: input.or(estimated_input),
            output,
            cost_usd,
            estimated: counted == 0,
            margin,
        }
    };
    Ok(gather(&loaded.prepared, &loaded.plan, &store)?.into_iter().map(row).collect())
}
