//! From answers to an outcome: expectations, then the snapshot, then the verdict.

use std::path::Path;

use super::against::whole;
use super::answer::Answer;
use super::checking::check_sample;
use super::desk::Room;
use super::prepared::Prepared;
use super::settings::{FlakyResult, Settings, SnapshotPolicy};
use crate::case::{Case, cases_path};
use crate::core::problem::Problem;
use crate::core::record::{Request, Response};
use crate::core::verdict::{Detail, Difference, Outcome, SampleOutcome, SnapshotState, SourceLine, Verdict};
use crate::expect::{form_changes, is_refusal};
use crate::plan::Item;
use crate::project::{Compare, ModelEntry};
use crate::prompt::Prompt;
use crate::snapshot::{
    Answer as Golden, Index, Info, Snapshot, pending_path, snapshot_path, write_accepted, write_pending,
};
use crate::tree::{Tree, write};

/// What evaluating needs beside the answers.
pub(super) struct Evaluator<'a> {
    pub(super) prepared: &'a Prepared,
    pub(super) settings: &'a Settings,
    pub(super) index: &'a Index,
    pub(super) tree: &'a dyn Tree,
    /// Where snapshots are written; `None` where nothing may be.
    pub(super) root: Option<&'a Path>,
    /// The day of the run, as `2026-12-31`.
    pub(super) today: String,
    /// Where checks ask for what an answer alone cannot tell.
    pub(super) room: Room<'a>,
}

/// An outcome, and what is wrong with the project that showed only now.
pub(super) type Evaluated = (Outcome, Option<Problem>);

impl Evaluator<'_> {
    /// What became of an item with these answers, one a sample.
    pub(super) fn evaluate(&self, item: &Item, answers: &[Answer]) -> Evaluated {
        let case = self.prepared.workspace.case_of(item);
        let entry = &self.prepared.workspace.config.models[item.model];
        let prompt = self.prepared.workspace.prompt_of(case);
        let mut outcome = Outcome {
            prompt: prompt.name.clone(),
            case: case.name.clone(),
            model: entry.alias.clone(),
            tags: case.tags.to_vec(),
            verdict: Verdict::Passed,
            good: false,
            flaky: false,
            quarantine: case.quarantine.as_deref().filter(|quarantine| quarantine.holds(&self.today)).cloned(),
            reason: String::new(),
            prompt_version: prompt.front.version.as_ref().map(ToString::to_string),
            prompt_digest: prompt.digest.clone(),
            samples: Vec::with_capacity(answers.len()),
            position: item.position,
            detail: Detail {
                place: place_of(case),
                must_pass: case.must_pass,
                retrieved: case.retrieval.as_ref().and_then(|retrieval| retrieval.told()),
                min_pass_rate: Some(case.min_pass_rate).filter(|rate| *rate < 1.0),
                ..Detail::default()
            },
        };
        let bound = match self.prepared.bind(case) {
            Ok(bound) => bound,
            Err(problem) => {
                outcome.verdict = Verdict::Errored;
                outcome.reason.clone_from(&problem.message);
                return (outcome, Some(problem));
            }
        };
        for (answer, (key, sample)) in answers.iter().zip(item.keys.iter().zip(0..)) {
            let desk = self.room.desk_of(item, sample);
            let mut done = check_sample(answer, &bound, entry.price.as_ref(), &desk);
            done.key = Some(key.clone());
            outcome.samples.push(done);
        }
        let problem = self.decide(&mut outcome, case, entry, prompt, item, answers);
        (outcome, problem)
    }

    fn decide(
        &self,
        outcome: &mut Outcome,
        case: &Case,
        entry: &ModelEntry,
        prompt: &Prompt,
        item: &Item,
        answers: &[Answer],
    ) -> Option<Problem> {
        let without = [Verdict::Errored, Verdict::Stale, Verdict::Unrecorded, Verdict::Skipped];
        if let Some(verdict) = without.into_iter().find(|v| outcome.samples.iter().any(|s| s.verdict == *v)) {
            outcome.verdict = verdict;
            let of_verdict = answers.iter().find(|answer| answer.verdict_without() == Some(verdict));
            let of_sample = outcome.samples.iter().find(|sample| sample.verdict == verdict);
            outcome.reason = of_sample.and_then(|sample| sample.reason.clone()).unwrap_or_default();
            outcome.detail.unasked = matches!(of_verdict, Some(Answer::Unasked(_)));
            if let Some(Answer::Stale(line)) = of_verdict {
                let present = self.prepared.workspace.request(case, entry).ok();
                outcome.detail.difference = line.request.as_ref().zip(present.as_ref()).map(request_difference);
            }
            return None;
        }
        let passes = outcome.samples.iter().filter(|s| s.verdict == Verdict::Passed).count();
        let count = outcome.samples.len().max(1);
        outcome.flaky = passes > 0 && passes < count;
        #[expect(clippy::cast_precision_loss, reason = "at most a thousand samples")]
        let rate = passes as f64 / count as f64;
        let failed = match self.settings.flaky {
            _ if case.must_pass => passes < count,
            FlakyResult::Pass => passes == 0,
            FlakyResult::Fail => passes < count,
            FlakyResult::AsRate if self.settings.confirms && case.min_pass_rate >= 1.0 => rate <= 0.5,
            FlakyResult::AsRate => rate + 1e-9 < case.min_pass_rate,
        };
        if failed {
            outcome.verdict = Verdict::Failed;
            outcome.reason = failure_reason(outcome, passes, count);
        }
        if case.turns.is_empty() {
            return self.compare(outcome, case, entry, prompt, item, answers, failed);
        }
        // Of a conversation the whole is accepted.
        let talks: Vec<Answer> =
            answers.iter().zip(&outcome.samples).map(|(answer, sample)| with_turns(answer, sample)).collect();
        self.compare(outcome, case, entry, prompt, item, &talks, failed)
    }

    /// Compares the answer with the accepted one, and writes what is to be written.
    #[expect(clippy::too_many_arguments, reason = "each is another part of one case")]
    fn compare(
        &self,
        outcome: &mut Outcome,
        case: &Case,
        entry: &ModelEntry,
        prompt: &Prompt,
        item: &Item,
        answers: &[Answer],
        failed: bool,
    ) -> Option<Problem> {
        if case.compare == Compare::None {
            return None;
        }
        let (chosen, response) = commonest(answers)?;
        let golden = Golden::new(response, case.compare, &case.snapshot);
        let path = snapshot_path(&prompt.name, &case.name, &entry.alias);
        let accepted = match self.index.get(self.tree, &path) {
            Ok(accepted) => accepted,
            Err(problem) => {
                outcome.verdict = Verdict::Errored;
                outcome.reason = format!("the accepted answer cannot be read: {}", problem.message);
                return Some(problem);
            }
        };
        let state = match &accepted {
            Some(accepted) if golden.matches(accepted) => SnapshotState::Matches,
            Some(_) => SnapshotState::Differs,
            None => SnapshotState::Missing,
        };
        for (index, (sample, answer)) in outcome.samples.iter_mut().zip(answers).enumerate() {
            if index == chosen {
                sample.snapshot = state;
            } else if let (Answer::Here(response, ..), Some(accepted)) = (answer, &accepted) {
                let own = Golden::new(response, case.compare, &case.snapshot);
                sample.snapshot = if own.matches(accepted) { SnapshotState::Matches } else { SnapshotState::Differs };
            } else if accepted.is_none() {
                sample.snapshot = SnapshotState::Missing;
            }
        }
        if !failed {
            outcome.verdict = match state {
                SnapshotState::Differs => Verdict::Changed,
                SnapshotState::Missing => Verdict::New,
                SnapshotState::Matches | SnapshotState::None => Verdict::Passed,
            };
        }
        if let (SnapshotState::Differs, Some(accepted)) = (state, &accepted) {
            outcome.detail.form = form_changes(accepted.body(), golden.body());
            outcome.detail.difference = Some(Difference {
                what: "answer".into(),
                old: accepted.body().to_owned(),
                new: golden.body().to_owned(),
                json: golden.is_json() && serde_json::from_str::<serde_json::Value>(accepted.body()).is_ok(),
            });
        }
        // Most answers match, and then nothing is written.
        let info = |outcome: &Outcome| Info {
            prompt: prompt.name.to_string(),
            case: case.name.to_string(),
            model: entry.alias.to_string(),
            version: prompt.front.version.as_ref().map(ToString::to_string).unwrap_or_default(),
            digest: prompt.digest.clone(),
            key: item.keys.get(chosen).map(ToString::to_string).unwrap_or_default(),
            compare: golden.compare().name().to_owned(),
            sha256: golden.sha256().to_owned(),
            finish: response.finish_reason.name().to_owned(),
            refusal: is_refusal(response),
            failing: failed,
            fails: if failed { failures(outcome, chosen) } else { Vec::new() },
            reason: String::new(),
        };
        let new = |outcome: &Outcome| {
            let source = cases_path(&prompt.name);
            Snapshot::new(source.as_str(), prompt.path.as_str(), &info(outcome), golden.body().to_owned())
        };
        if let Err(error) = self.keep(state, failed, &path, &new, outcome) {
            let place = crate::core::problem::Place::File(path.to_string());
            return Some(Problem::error(place, format!("the snapshot cannot be written: {error}")));
        }
        None
    }

    fn keep(
        &self,
        state: SnapshotState,
        failed: bool,
        path: &crate::core::path::TreePath,
        new: &dyn Fn(&Outcome) -> Snapshot,
        outcome: &mut Outcome,
    ) -> std::io::Result<()> {
        let Some(root) = self.root else { return Ok(()) };
        // A failure that is yet to be confirmed leaves nothing behind.
        if failed && self.settings.confirms && outcome.samples.len() == 1 && !outcome.detail.must_pass {
            return Ok(());
        }
        let waiting = pending_path(path);
        match state {
            SnapshotState::Matches if self.index.contains(&waiting) => write::remove(root, &waiting),
            SnapshotState::Differs | SnapshotState::Missing => {
                if self.settings.snapshots == SnapshotPolicy::Accept && !failed {
                    outcome.reason.push_str("accepted");
                    return write_accepted(root, path, &new(outcome));
                }
                outcome.detail.pending = Some(waiting.to_string());
                write_pending(root, path, &new(outcome))
            }
            SnapshotState::Matches | SnapshotState::None => Ok(()),
        }
    }
}

/// An answer with the conversation behind it as its text.
fn with_turns(answer: &Answer, sample: &SampleOutcome) -> Answer {
    match answer {
        Answer::Here(response, source, recorded_at) if !sample.turns.is_empty() => {
            let text = sample.output.clone().unwrap_or_default();
            Answer::Here(Box::new(whole(response, text)), *source, recorded_at.clone())
        }
        other => other.clone(),
    }
}

/// Where a case is written.
#[must_use]
pub fn place_of(case: &Case) -> Option<SourceLine> {
    match case.place.locate() {
        (Some(path), Some(line), _) => Some(SourceLine { path: path.to_owned(), line }),
        _ => None,
    }
}

fn failure_reason(outcome: &Outcome, passes: usize, count: usize) -> String {
    let failed = outcome.samples.iter().find(|sample| sample.verdict == Verdict::Failed);
    let why = failed.map_or_else(String::new, |sample| match &sample.reason {
        Some(reason) => reason.clone(),
        None => {
            let bad = sample.expectations.iter().find(|checked| checked.is_bad() && checked.decides());
            bad.map_or_else(|| "it does not hold".to_owned(), |c| format!("{}: {}", c.kind, c.reason))
        }
    });
    if count > 1 { format!("{passes} of {count} samples passed; {why}") } else { why }
}

/// What fails in the sample whose answer waits, and of all samples together.
fn failures(outcome: &Outcome, chosen: usize) -> Vec<String> {
    let Some(sample) = outcome.samples.get(chosen) else { return Vec::new() };
    let mut fails: Vec<String> = sample.reason.iter().cloned().collect();
    let failed = sample.expectations.iter().filter(|checked| checked.is_bad() && checked.decides());
    fails.extend(failed.map(|checked| format!("{}: {}", checked.kind, checked.reason)));
    if fails.is_empty() || outcome.samples.len() > 1 {
        fails.insert(0, outcome.reason.clone());
    }
    fails
}

/// The commonest answer of the samples, the first of those that are as common.
fn commonest(answers: &[Answer]) -> Option<(usize, &Response)> {
    let responses: Vec<&Response> = answers
        .iter()
        .filter_map(|answer| match answer {
            Answer::Here(response, ..) => Some(&**response),
            _ => None,
        })
        .collect();
    let same = |a: &Response, b: &Response| a.text == b.text && a.tool_calls == b.tool_calls;
    let count = |response: &Response| responses.iter().filter(|other| same(response, other)).count();
    let best = (0..responses.len()).max_by(|a, b| count(responses[*a]).cmp(&count(responses[*b])).then(b.cmp(a)))?;
    Some((best, responses[best]))
}

fn request_difference((old, new): (&Request, &Request)) -> Difference {
    Difference { what: "request".into(), old: request_text(old), new: request_text(new), json: false }
}

/// A request as a person reads it.
fn request_text(request: &Request) -> String {
    let mut text = format!("{} {}\n", request.provider, request.model);
    if !request.params.is_empty() {
        text.push_str(&format!("params: {}\n", serde_json::Value::Object(request.params.clone())));
    }
    for tool in &request.tools {
        text.push_str(&format!("tool {}: {} {}\n", tool.name, tool.description, tool.parameters));
    }
    if let Some(format) = &request.response_format {
        text.push_str(&format!("output {}: {}\n", format.name, format.schema));
    }
    for message in &request.messages {
        text.push_str(&format!("[{}]\n{}\n", message.role.name(), message.shown()));
    }
    text
}
