//! What the past of a prompt tells: patches upon patches, cases that flip, that never fail, or that nobody can trust.

use std::ops::Range;
use std::sync::Arc;

use super::look::{Look, Sink, Subject};
use crate::case::Case;
use crate::core::problem::{Place, Source};
use crate::core::words::counted;

/// Where a case is written.
pub(super) fn place(look: &Look<'_>, case: &Case) -> Option<(Arc<Source>, Range<usize>)> {
    match &case.place {
        Place::Span(source, span) => Some((Arc::clone(source), span.clone())),
        Place::Line(path, line) => look.material.line(path, *line),
        _ => None,
    }
}

/// Whether a case is a row of a data set.
pub(super) fn is_row(case: &Case) -> bool {
    matches!(case.place, Place::Line(..))
}

/// Many small commits, commits that are taken back, cases that pass and fail by turns.
pub(super) fn churn(look: &Look<'_>, subject: &Subject<'_>, sink: &mut Sink) {
    let evidence = look.material.evidence;
    let none = Vec::new();
    let commits = evidence.commits.get(subject.prompt.path.as_str()).unwrap_or(&none);
    let within = |days: i64| commits.iter().filter(move |commit| commit.days <= days);
    let (month, quarter) = (within(30).count(), within(90).count());
    let mut sizes: Vec<usize> = within(30).map(|commit| commit.lines).collect();
    sizes.sort_unstable();
    let median = sizes.get(sizes.len() / 2).copied().unwrap_or(usize::MAX);
    let reverts = within(90).filter(|commit| commit.reverts).count();
    let mut why = Vec::new();
    if month >= look.count("commits").max(1) && median <= look.count("lines") {
        why.push(format!("{month} commits in 30 days and {quarter} in 90, half of them of at most {median} lines"));
    }
    if reverts >= look.count("reverts").max(1) {
        why.push(format!("{} in 90 days took another one back", counted(reverts as u64, "commit", "commits")));
    }
    for case in &subject.cases {
        let flips = flips(look, subject, case);
        if flips >= look.count("flips").max(1) {
            why.push(format!("the case `{}` changed {flips} times between passing and failing", case.name));
        }
    }
    if !why.is_empty() {
        sink.of(subject.own, subject.own.start(), why.join("; ")).about(subject.own.key.clone());
    }
}

/// How often a case came out otherwise with the next state of its prompt.
fn flips(look: &Look<'_>, subject: &Subject<'_>, case: &Case) -> usize {
    let own = look.material.results(&subject.prompt.name, case);
    let mut last: Vec<(&str, &str, bool)> = Vec::new();
    let mut most: Vec<(&str, usize)> = Vec::new();
    for result in own {
        match last.iter_mut().find(|(model, ..)| *model == result.model) {
            Some((model, digest, failed)) if *digest != result.digest => {
                if *failed != result.failed {
                    match most.iter_mut().find(|(known, _)| known == model) {
                        Some((_, count)) => *count += 1,
                        None => most.push((model, 1)),
                    }
                }
                (*digest, *failed) = (&result.digest, result.failed);
            }
            Some((_, _, failed)) => *failed = result.failed,
            None => last.push((&result.model, &result.digest, result.failed)),
        }
    }
    most.into_iter().map(|(_, count)| count).max().unwrap_or(0)
}

/// Cases that no change ever broke.
pub(super) fn never_failed(look: &Look<'_>, subject: &Subject<'_>, sink: &mut Sink) {
    for case in &subject.cases {
        let own = look.material.results(&subject.prompt.name, case);
        let mut digests: Vec<&str> = own.iter().map(|result| result.digest.as_str()).collect();
        digests.sort_unstable();
        digests.dedup();
        let is_long = own.len() >= look.count("runs").max(1) && digests.len() >= look.count("digests");
        if is_long
            && own.iter().all(|result| !result.failed)
            && let Some((source, span)) = place(look, case)
        {
            let message = format!(
                "the case `{}` passed in all {} runs, with {} states of the prompt",
                case.name,
                own.len(),
                digests.len()
            );
            sink.at(&source, span, message).of_file(case.name.as_str()).row(is_row(case));
        }
    }
}

/// Cases whose answers disagree.
pub(super) fn flaky(look: &Look<'_>, subject: &Subject<'_>, sink: &mut Sink) {
    for case in &subject.cases {
        let all = look.material.flaky(&subject.prompt.name, case).iter();
        for flaky in all.filter(|flaky| flaky.runs >= look.count("runs") as u64) {
            let Some((source, span)) = place(look, case) else { continue };
            let message = format!(
                "the case `{}` is flaky on `{}`: {} of {} runs disagree",
                case.name, flaky.model, flaky.flaky_runs, flaky.runs
            );
            let finding = sink.at(&source, span, message);
            finding.of_file(format!("{} {}", case.name, flaky.model)).row(is_row(case));
        }
    }
}
