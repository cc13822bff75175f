//! What stands behind a prompt: cases, branches that they take, recordings, accepted answers.

use std::collections::BTreeMap;
use std::ops::Range;

use jiff::Timestamp;
use jiff::civil::Date;

use super::churn::{is_row, place};
use super::covered::branches;
use super::look::{Look, Sink, Subject};
use super::structure::counts;
use super::text::Template;
use crate::case::Case;
use crate::core::names::ModelAlias;
use crate::core::record::Request;
use crate::core::time::day;
use crate::core::words::counted;
use crate::plan::{Estimate, Overrides};
use crate::project::{Compare, MaxAge};
use crate::recording::{Line, recorded_path};
use crate::snapshot::{Snapshot, snapshot_path};

/// A prompt that nothing tests.
pub(super) fn no_cases(_: &Look<'_>, subject: &Subject<'_>, sink: &mut Sink) {
    // The prompt of a judge is held against labels.
    if subject.cases.is_empty() && !subject.prompt.name.as_str().starts_with("judges/") {
        let message = format!("the prompt `{}` has no case", subject.prompt.name);
        let help = format!("write one in fixtures/{}/cases.yaml", subject.prompt.name);
        sink.of(subject.own, subject.own.start(), message).help(help).about(subject.own.key.clone());
    }
}

fn expects(subject: &Subject<'_>, case: &Case) -> bool {
    let of_turns = case.turns.iter().any(|turn| !turn.checks.is_empty());
    !case.checks.is_empty() || of_turns || subject.prompt.front.output.is_some()
}

/// Says something of each of these cases.
fn report(look: &Look<'_>, cases: &[&Case], what: &str, sink: &mut Sink) {
    for case in cases {
        let Some((source, span)) = place(look, case) else { continue };
        let message = format!("the case `{}` {what}", case.name);
        sink.at(&source, span, message).of_file(format!("{} {what}", case.name)).row(is_row(case));
    }
}

/// Cases that nothing can fail.
pub(super) fn unasserted(look: &Look<'_>, subject: &Subject<'_>, sink: &mut Sink) {
    let bare = |case: &&&Case| !expects(subject, case) && case.compare == Compare::None;
    let cases: Vec<&Case> = subject.cases.iter().filter(bare).copied().collect();
    report(look, &cases, "checks nothing", sink);
}

/// Cases that only compare with what was accepted.
pub(super) fn only_snapshot(look: &Look<'_>, subject: &Subject<'_>, sink: &mut Sink) {
    let bare = |case: &&&Case| !expects(subject, case) && case.compare != Compare::None;
    let cases: Vec<&Case> = subject.cases.iter().filter(bare).copied().collect();
    report(look, &cases, "expects nothing, and compares with the accepted answer only", sink);
}

/// A quarantine whose end is over.
pub(super) fn quarantine(look: &Look<'_>, subject: &Subject<'_>, sink: &mut Sink) {
    for case in &subject.cases {
        let over = case.quarantine.as_ref().filter(|held| !held.holds(&look.material.evidence.today));
        if let (Some(held), Some((source, span))) = (over, place(look, case)) {
            let message = format!("the quarantine of the case `{}` ended on {}", case.name, held.until);
            sink.at(&source, span, message).of_file(case.name.as_str()).row(is_row(case));
        }
    }
}

/// Ways through a template that no case takes.
pub(super) fn uncovered(look: &Look<'_>, template: &Template, sink: &mut Sink) {
    let coverage = look.material.coverage();
    // Nothing renders it at all: another rule says so.
    if !coverage.is_rendered(&template.key) {
        return;
    }
    let branches = branches(look.material, template);
    for (i, branch) in branches.iter().enumerate().filter(|(_, branch)| !branch.is_seen) {
        // What lies within a branch that is not taken needs no word of its own.
        let is_inside = |outer: &Range<usize>| outer.start <= branch.span.start && branch.span.end <= outer.end;
        let hidden = branches[..i]
            .iter()
            .filter(|outer| !outer.is_seen)
            .any(|outer| outer.region.as_ref().is_some_and(is_inside));
        if !hidden {
            let about = format!("{} {}", branch.what, super::text::normalised(template.written(branch.span.clone())));
            sink.of(template, branch.span.clone(), format!("no case renders {}", branch.what)).about(about);
        }
    }
}

/// Cases by model, each with its request, what is recorded, and whether that answers this request.
type Recorded<'a> = BTreeMap<&'a ModelAlias, Vec<(&'a Case, Request, Option<Line>, bool)>>;

/// The cases of a prompt on its models, each with its request and what is recorded for it: an answer to this request, or
/// to an earlier one.
fn recorded<'a>(look: &'a Look<'_>, subject: &'a Subject<'_>) -> Recorded<'a> {
    let workspace = look.material.workspace;
    let none = Overrides::default();
    let mut found: BTreeMap<&ModelAlias, Vec<_>> = BTreeMap::new();
    let has = |alias: &ModelAlias| look.material.has_file(&recorded_path(&subject.prompt.name, alias));
    for case in &subject.cases {
        for entry in subject.models.iter().filter(|entry| has(&entry.alias)) {
            if !workspace.models_of(case, &none).contains(&entry.alias) {
                continue;
            }
            let Ok(request) = workspace.request(case, entry) else { continue };
            let (name, store) = (&subject.prompt.name, look.material.store);
            let exact = store.find(name, &entry.alias, &request.key(0)).ok().flatten();
            let is_exact = exact.is_some();
            let line = exact.or_else(|| store.nearest(name, &entry.alias, &case.name, 0).ok().flatten());
            found.entry(&entry.alias).or_default().push((*case, request, line, is_exact));
        }
    }
    found
}

/// Recordings that answer an earlier request, or that not one model answered.
pub(super) fn stale_recording(look: &Look<'_>, subject: &Subject<'_>, sink: &mut Sink) {
    for (alias, all) in recorded(look, subject) {
        let stale: Vec<_> = all.iter().filter(|(_, _, line, is_exact)| line.is_some() && !is_exact).collect();
        if let Some((case, ..)) = stale.first() {
            let message = format!(
                "what is recorded of {} of {} on `{alias}` answers an earlier request: `{}`",
                stale.len(),
                counted(all.len() as u64, "case", "cases"),
                case.name
            );
            let help = format!("`promptctl test {}` where `{alias}` can be asked", subject.prompt.name);
            let finding = sink.of(subject.own, subject.own.start(), message);
            let names = stale.iter().map(|(case, ..)| case.name.to_string());
            finding.help(help).about(format!("{} {alias}", subject.own.key)).parts(names);
        }
        if let Some(told) = answered_by(&all) {
            let message = format!("what is recorded on `{alias}` was answered by different models: {told}");
            let help = format!("`promptctl test --refresh {}` asks one of them for all", subject.prompt.name);
            let finding = sink.of(subject.own, subject.own.start(), message);
            finding.help(help).about(format!("{} {alias} models", subject.own.key));
        }
    }
}

/// The models that servers named in what is recorded, where those are several: each with its cases.
fn answered_by(all: &[(&Case, Request, Option<Line>, bool)]) -> Option<String> {
    const SHOWN: usize = 4;
    // What answers an earlier request will be asked again anyway.
    let lines = all.iter().filter(|(.., is_exact)| *is_exact).filter_map(|(_, _, line, _)| line.as_ref());
    let models = counts(lines.filter_map(|line| line.response.model.as_deref()).filter(|model| !model.is_empty()));
    let shown = models.iter().take(SHOWN);
    let shown = shown.map(|(model, count)| format!("`{model}` ({})", counted(*count as u64, "case", "cases")));
    let more = models.len().saturating_sub(SHOWN);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    (models.len() > 1).then(|| format!("{}{more}", shown.collect::<Vec<_>>().join(", ")))
}

/// Recordings that are older than the project allows.
pub(super) fn old_recording(look: &Look<'_>, subject: &Subject<'_>, sink: &mut Sink) {
    let limit = match look.material.workspace.config.recordings.max_age {
        MaxAge::Off => return,
        MaxAge::Usual => look.limit("days"),
        MaxAge::Days(days) => f64::from(days),
    };
    let Ok(today) = look.material.evidence.today.parse::<Date>() else { return };
    let age = |line: &Line| {
        let made: Date = day(line.recorded_at.parse::<Timestamp>().ok()?).parse().ok()?;
        made.until(today).ok().map(|span| span.get_days())
    };
    for (alias, all) in recorded(look, subject) {
        let ages: Vec<i32> = all.iter().filter_map(|(_, _, line, _)| age(line.as_ref()?)).collect();
        let old = ages.iter().filter(|days| f64::from(**days) > limit).count();
        let is_old = |line: &Line| age(line).is_some_and(|days| f64::from(days) > limit);
        if let (Some(oldest), true) = (ages.iter().max(), old > 0) {
            let message = format!(
                "{old} of {} on `{alias}` are older than {limit:.0} days, the oldest {oldest}",
                counted(ages.len() as u64, "recorded answer", "recorded answers")
            );
            let names = all.iter().filter(|(_, _, line, _)| line.as_ref().is_some_and(is_old));
            let names = names.map(|(case, ..)| case.name.to_string());
            let finding = sink.of(subject.own, subject.own.start(), message);
            finding.about(format!("{} {alias}", subject.own.key)).parts(names);
        }
    }
}

/// Answers that nearly reach the limit of what they may be.
pub(super) fn near_limit(look: &Look<'_>, subject: &Subject<'_>, sink: &mut Sink) {
    for (alias, all) in recorded(look, subject) {
        let Some(entry) = subject.models.iter().find(|entry| entry.alias == *alias) else { continue };
        let Some(most) = all.first().and_then(|(_, request, ..)| Estimate::of(entry, request).output) else { continue };
        let mut sizes: Vec<u64> =
            all.iter().filter_map(|(_, _, line, _)| line.as_ref()?.response.usage.output).collect();
        sizes.sort_unstable();
        let Some(size) = sizes.get((sizes.len() * 95).div_ceil(100).saturating_sub(1)) else { continue };
        #[expect(clippy::cast_precision_loss, reason = "counts of tokens")]
        let share = *size as f64 / most as f64;
        if share > look.limit("share") {
            let message = format!(
                "of {} on `{alias}` one in twenty has {size} tokens or more; the limit is {most}",
                counted(sizes.len() as u64, "recorded answer", "recorded answers")
            );
            let finding = sink.of(subject.own, subject.own.start(), message);
            finding.about(format!("{} {alias}", subject.own.key)).amount(usize::try_from(*size).unwrap_or(usize::MAX));
        }
    }
}

/// Accepted answers to an earlier request.
pub(super) fn stale_snapshot(look: &Look<'_>, subject: &Subject<'_>, sink: &mut Sink) {
    let (workspace, none) = (look.material.workspace, Overrides::default());
    let mut stale: Vec<(&Case, &ModelAlias)> = Vec::new();
    let mut kept = 0_u64;
    for case in subject.cases.iter().filter(|case| case.compare != Compare::None) {
        for alias in workspace.models_of(case, &none) {
            let path = snapshot_path(&subject.prompt.name, &case.name, alias);
            if !look.material.has_file(&path) {
                continue;
            }
            let Some(entry) = workspace.config.model(alias) else { continue };
            let Some(header) =
                look.material.file(path.as_str()).and_then(|source| Snapshot::parse(&source.text).ok()?.header().ok())
            else {
                continue;
            };
            let Ok(request) = workspace.request(case, entry) else { continue };
            kept += 1;
            if !header.info.key.is_empty() && header.info.key != request.key(0).as_str() {
                stale.push((case, alias));
            }
        }
    }
    if let Some((case, alias)) = stale.first() {
        let message = format!(
            "{} of {} answer an earlier request: `{}` on `{alias}`",
            stale.len(),
            counted(kept, "accepted answer", "accepted answers"),
            case.name
        );
        let names = stale.iter().map(|(case, alias)| format!("{} {alias}", case.name));
        sink.of(subject.own, subject.own.start(), message).about(subject.own.key.clone()).parts(names);
    }
}
