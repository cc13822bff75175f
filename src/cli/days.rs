//! What a run has to say of the calendar: when a recorded answer is old, and which quarantines are over.

use std::collections::BTreeMap;

use super::context::Context;
use crate::case::Case;
use crate::core::problem::{Place, Problem};
use crate::core::time::{Clock as _, day};
use crate::plan::Plan;
use crate::project;
use crate::run::{MaxAge, Prepared};

/// After how many days a person is told that an answer is old, where the project does not say.
const USUAL: u32 = 90;

/// When an answer is old. Where the project says so, old answers hold up a build; else only a person is told, of the
/// project as it is.
pub(super) fn max_age(context: &Context, of_project: project::MaxAge, at_commit: bool) -> Option<MaxAge> {
    let ci = context.is_ci();
    match of_project {
        project::MaxAge::Off => None,
        project::MaxAge::Usual if ci || at_commit => None,
        project::MaxAge::Usual => Some(MaxAge { days: USUAL, waits: false }),
        project::MaxAge::Days(days) => Some(MaxAge { days, waits: ci }),
    }
}

/// A warning for each quarantine that is over, at the first case that it was for.
pub(super) fn quarantines_over(context: &Context, prepared: &Prepared, plan: &Plan) -> Vec<Problem> {
    let today = day(context.take_clock().now());
    let cases = plan.items.iter().map(|item| &prepared.workspace.cases.list[item.case]);
    let mut over: BTreeMap<(usize, &str, &str), Vec<&Case>> = BTreeMap::new();
    for case in cases {
        let Some(quarantine) = case.quarantine.as_deref().filter(|quarantine| !quarantine.holds(&today)) else {
            continue;
        };
        let of_quarantine = over.entry((case.prompt, &quarantine.until, &quarantine.reason)).or_default();
        // On several models it is the same case.
        if of_quarantine.last().is_none_or(|last| last.name != case.name) {
            of_quarantine.push(case);
        }
    }
    over.into_iter().map(|((_, until, reason), cases)| warning(until, reason, &cases)).collect()
}

fn warning(until: &str, reason: &str, cases: &[&Case]) -> Problem {
    let what = match cases {
        [one] => format!("the case `{}`", one.name),
        several => format!("{} cases", several.len()),
    };
    let because = if reason.is_empty() { String::new() } else { format!(" ({reason})") };
    let message = format!("the quarantine of {what} ended on {until}{because}: what becomes of it counts again");
    let place = cases.first().map_or(Place::Nowhere, |case| case.place.clone());
    Problem::warning(place, message).help("take `quarantine` out, or set another `until`")
}
