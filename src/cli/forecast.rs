//! What a run will ask, take and cost, before it does.

use std::io::BufRead as _;

use super::context::Context;
use super::environment::Environment;
use super::failure::Failure;
use super::load::Project;
use crate::core::escape::terminal_line;
use crate::core::time::{Clock as _, rfc3339};
use crate::core::verdict::Exit;
use crate::plan::Plan;
use crate::project::known_price;
use crate::recording::orphans;
use crate::run::{Missing, Mode, Prepared, Settings};

/// How many days before a model ends a run says so.
const SOON: i64 = 60;
/// From how many US dollars on a person is asked before a run.
const MUCH: f64 = 1.0;

/// What a run would have to ask for.
fn missing(
    project: &Project,
    prepared: &Prepared,
    plan: &Plan,
    settings: &Settings,
    environment: &Environment,
) -> Result<Missing, Failure> {
    let store = project.store().with(orphans(&project.root));
    let get = |name: &str| environment.get(name);
    Ok(Missing::find(prepared, plan, settings, &store, &get, None)?)
}

/// Says what a run would ask, and what that would take.
pub(super) fn dry_run(
    context: &mut Context,
    notes: &[String],
    (project, prepared, plan): (&Project, &Prepared, &Plan),
    settings: &Settings,
    environment: &Environment,
) -> Result<Exit, Failure> {
    let missing = missing(project, prepared, plan, settings, environment)?;
    let forecast = missing.forecast(prepared, plan);
    let (calls, answers) = (missing.calls(), plan.samples());
    let style = context.style();
    writeln!(context.out(), "{}", style.bold(&settings.heading))?;
    writeln!(context.out(), "{} planned, {answers} answers wanted, {calls} to ask for", plan.items.len())?;
    for note in notes.iter().chain(&missing.notes).chain(&missing.unseen()) {
        writeln!(context.out(), "{}", style.yellow(&format!("note: {}", terminal_line(note))))?;
    }
    for model in &forecast {
        writeln!(context.out(), "{}", terminal_line(&model.sentence()))?;
    }
    let total: f64 = forecast.iter().filter_map(|model| model.cost).sum();
    if let Some(limit) = settings.max_cost.filter(|limit| total > *limit) {
        writeln!(context.out(), "that may be more than ${limit}: the run would stop asking before")?;
    }
    Ok(Exit::Good)
}

/// Whether a run may begin. A person at a terminal is asked before one that may cost much, unless it has a limit.
pub(super) fn agrees(
    context: &mut Context,
    project: &Project,
    prepared: &Prepared,
    plan: &Plan,
    settings: &Settings,
    environment: &Environment,
) -> Result<bool, Failure> {
    if !is_asked_about(context, settings) {
        return Ok(true);
    }
    let missing = missing(project, prepared, plan, settings, environment)?;
    agrees_to(context, &missing, prepared, plan, settings)
}

/// Whether a person is asked before a run that may cost much.
pub(super) fn is_asked_about(context: &Context, settings: &Settings) -> bool {
    settings.mode != Mode::Replay && settings.max_cost.is_none() && context.is_interactive()
}

/// Whether these calls may be made. As [`agrees`], where it is known what is missing.
pub(super) fn agrees_to(
    context: &mut Context,
    missing: &Missing,
    prepared: &Prepared,
    plan: &Plan,
    settings: &Settings,
) -> Result<bool, Failure> {
    if !is_asked_about(context, settings) {
        return Ok(true);
    }
    let forecast = missing.forecast(prepared, plan);
    if forecast.iter().filter_map(|model| model.cost).sum::<f64>() < MUCH {
        return Ok(true);
    }
    for model in &forecast {
        writeln!(context.out(), "{}", terminal_line(&model.sentence()))?;
    }
    write!(context.out(), "Go on? [y/N] ")?;
    context.flush()?;
    let mut answer = String::new();
    std::io::stdin().lock().read_line(&mut answer)?;
    Ok(matches!(answer.trim().to_lowercase().as_str(), "y" | "yes"))
}

/// Models of the plan that their vendor ends soon, or has ended.
pub(super) fn retirements(context: &Context, prepared: &Prepared, plan: &Plan, settings: &Settings) -> Vec<String> {
    if settings.mode == Mode::Replay {
        return Vec::new();
    }
    let today = rfc3339(context.take_clock().now());
    let soon = context.take_clock().now().checked_add(jiff::SignedDuration::from_hours(24 * SOON)).map(rfc3339);
    let soon = soon.unwrap_or_default();
    let used: std::collections::BTreeSet<usize> = plan.items.iter().map(|item| item.model).collect();
    let entries = used.into_iter().map(|index| &prepared.workspace.config.models[index]);
    let note = |entry: &crate::project::ModelEntry| {
        let known = known_price(&entry.provider, entry.base_url.as_deref(), &entry.model)?;
        let day = known.retires.as_deref().filter(|day| **day < *soon)?;
        let verb = if *day < *today { "was to end" } else { "ends" };
        Some(format!("the vendor {verb} `{}` (model `{}`) on {day}", entry.model, entry.alias))
    };
    entries.filter_map(note).collect()
}
