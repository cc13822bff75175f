//! What the past of a prompt tells: patches upon patches, cases that flip, that never fail, or that nobody can trust.

use std::collections::{BTreeMap, HashMap};
use std::ops::Range;
use std::sync::Arc;

use super::look::{Look, Sink, Subject};
use super::text::Template;
use crate::case::Case;
use crate::core::names::PromptName;
use crate::core::problem::{Place, Source};
use crate::core::words::counted;
use crate::prompt::PROMPTS;

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

/// Many small commits, commits that are taken back, cases that pass and fail by turns. A partial that one prompt reaches is a
/// part of it; one that several reach is told by itself.
pub(super) fn churn(look: &Look<'_>, sink: &mut Sink) {
    let material = look.material;
    let mut users: HashMap<&str, usize> = HashMap::new();
    for prompt in &material.workspace.prompts.list {
        for partial in &prompt.partials {
            *users.entry(partial).or_default() += 1;
        }
    }
    let is_shared = |key: &str| users.get(key).copied() != Some(1);
    let mut cases: HashMap<usize, Vec<&Case>> = HashMap::new();
    for case in &material.workspace.cases.list {
        cases.entry(case.prompt).or_default().push(case);
    }
    for (index, prompt) in material.workspace.prompts.list.iter().enumerate() {
        let Some(own) = prompt.path.below(PROMPTS).and_then(|key| material.template(key)) else { continue };
        let partials = prompt.partials.iter().filter(|key| !prompt.open && !is_shared(key));
        let parts: Vec<&Template> =
            [own].into_iter().chain(partials.filter_map(|key| material.template(key))).collect();
        let mut why = patched(look, &parts);
        for case in cases.get(&index).into_iter().flatten() {
            let flips = flips(look, &prompt.name, case);
            if flips >= look.count("flips").max(1) {
                why.push(format!("the case `{}` changed {flips} times between passing and failing", case.name));
            }
        }
        if !why.is_empty() {
            sink.of(own, own.start(), why.join("; ")).about(own.key.clone());
        }
    }
    let is_open = material.workspace.prompts.list.iter().any(|prompt| prompt.open);
    for partial in material.templates.iter().filter(|part| part.is_partial && (is_open || is_shared(&part.key))) {
        let why = patched(look, &[partial]);
        if !why.is_empty() {
            sink.of(partial, partial.start(), why.join("; ")).about(partial.key.clone());
        }
    }
}

/// What the commits that changed these files tell.
fn patched(look: &Look<'_>, parts: &[&Template]) -> Vec<String> {
    // Of a commit that changed several of them the lines of all.
    let mut commits: BTreeMap<&str, (i64, usize, bool)> = BTreeMap::new();
    for part in parts {
        for commit in look.material.evidence.commits.get(&part.source.path).into_iter().flatten() {
            let (_, lines, reverts) = commits.entry(&commit.commit).or_insert((commit.days, 0, false));
            *lines += commit.lines;
            *reverts |= commit.reverts;
        }
    }
    let small = |days: i64| {
        let mut sizes: Vec<usize> =
            commits.values().filter(|(age, ..)| *age <= days).map(|(_, lines, _)| *lines).collect();
        sizes.sort_unstable();
        let median = sizes.get(sizes.len() / 2).copied().unwrap_or(usize::MAX);
        (sizes.len(), median <= look.count("lines"))
    };
    let ((month, in_month), (quarter, in_quarter)) = (small(30), small(90));
    let most = look.count("commits").max(1);
    let mut why = Vec::new();
    // What goes on for three months at that rate is the same.
    if (month >= most && in_month) || (quarter >= most.saturating_mul(3) && in_quarter) {
        let most = look.count("lines");
        why.push(format!("{month} commits in 30 days and {quarter} in 90, half of them of at most {most} lines"));
    }
    let reverts = commits.values().filter(|(age, _, reverts)| *age <= 90 && *reverts).count();
    if reverts >= look.count("reverts").max(1) {
        why.push(format!("{} in 90 days took another one back", counted(reverts as u64, "commit", "commits")));
    }
    why
}

/// How often a case came out otherwise with the next state of its prompt.
fn flips(look: &Look<'_>, prompt: &PromptName, case: &Case) -> usize {
    let own = look.material.results(prompt, case);
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
