//! `junit`: a suite a prompt, a test case a case and model, as the consumers of JUnit's XML read it.

use std::io::{self, Write};
use std::time::Duration;

use quick_junit::{
    FlakyOrRerun, NonSuccessKind, Report as Document, TestCase, TestCaseStatus, TestRerun, TestSuite, XmlString,
};

use super::Report;
use super::difference::write_difference;
use super::samples::{sample_why, samples_line, why};
use super::style::Style;
use crate::core::escape::terminal;
use crate::core::event::{Event, Listener};
use crate::core::verdict::{Exit, Outcome, SampleOutcome, Summary, Verdict};

/// The most characters of an answer or a message.
const LONGEST: usize = 4000;

/// Collects a run as JUnit's XML.
#[derive(Debug)]
pub struct JunitReport {
    /// The project's folder in its repository, with a `/` behind it.
    folder: String,
    /// In the order of the plan.
    suites: Vec<TestSuite>,
    commit: Option<String>,
    summary: Summary,
}

/// Untrusted text in XML: control, invisible and forbidden characters are written out; the writer escapes the rest.
pub(super) fn xml(text: &str) -> XmlString {
    let mut clipped: String = text.chars().take(LONGEST).collect();
    if clipped.len() < text.len() {
        clipped.push_str(&format!("… and {} more bytes", text.len() - clipped.len()));
    }
    XmlString::new(terminal(&clipped))
}

impl JunitReport {
    /// A report of a project in this folder of its repository, written with a `/` behind it.
    #[must_use]
    pub fn new(folder: String) -> Self {
        Self { folder, suites: Vec::new(), commit: None, summary: Summary::default() }
    }

    fn add(&mut self, outcome: &Outcome) {
        let name = xml(outcome.prompt.as_str());
        if self.suites.last().is_none_or(|suite| suite.name != name) {
            match self.suites.iter().position(|suite| suite.name == name) {
                // What was confirmed comes late.
                Some(at) => {
                    let suite = self.suites.remove(at);
                    self.suites.push(suite);
                }
                None => self.suites.push(TestSuite::new(name)),
            }
        }
        let Some(suite) = self.suites.last_mut() else { return };
        suite.add_test_case(case(outcome, &self.folder));
    }
}

fn case(outcome: &Outcome, folder: &str) -> TestCase {
    let name = format!("{} › {}", outcome.case, outcome.model);
    let mut case = TestCase::new(xml(&name), status(outcome));
    case.set_classname(xml(outcome.prompt.as_str()));
    case.set_time(Duration::from_millis(sum(outcome, |sample| sample.latency_ms)));
    case.set_assertions(outcome.samples.iter().map(|sample| sample.expectations.len()).sum());
    let tokens = |of: fn(&SampleOutcome) -> Option<u64>| sum(outcome, of).to_string();
    case.add_property(("verdict", outcome.verdict.name()));
    case.add_property(("model", outcome.model.as_str()));
    case.add_property(("input_tokens", tokens(|sample| sample.usage.input).as_str()));
    case.add_property(("output_tokens", tokens(|sample| sample.usage.output).as_str()));
    let costs: Vec<f64> = outcome.samples.iter().filter_map(|sample| sample.cost_usd).collect();
    if !costs.is_empty() {
        case.add_property(("cost_usd", costs.iter().sum::<f64>().to_string().as_str()));
    }
    if !outcome.tags.is_empty() {
        case.add_property(quick_junit::Property::new("tags", xml(&outcome.tags.join(", "))));
    }
    if let Some(place) = &outcome.detail.place {
        case.extra.insert("file".into(), xml(&format!("{folder}{}", place.path)));
        case.extra.insert("line".into(), XmlString::new(place.line.to_string()));
    }
    if outcome.verdict != Verdict::Passed
        && let Some(answer) = outcome.samples.iter().find_map(|sample| sample.output.as_deref())
    {
        case.set_system_out(xml(answer));
    }
    case
}

/// The sum over the samples. A saved run may hold any number.
fn sum(outcome: &Outcome, of: fn(&SampleOutcome) -> Option<u64>) -> u64 {
    outcome.samples.iter().filter_map(of).fold(0, u64::saturating_add)
}

fn status(outcome: &Outcome) -> TestCaseStatus {
    let verdict = outcome.verdict;
    if let Some(quarantine) = outcome.quarantine.as_ref().filter(|_| verdict != Verdict::Passed) {
        let mut status = TestCaseStatus::skipped();
        let why = format!("{}, in quarantine until {}: {}", verdict.name(), quarantine.until, quarantine.reason);
        status.set_type(verdict.name()).set_message(xml(&why));
        return status;
    }
    if verdict == Verdict::Skipped {
        let mut status = TestCaseStatus::skipped();
        status.set_message(xml(&outcome.reason));
        return status;
    }
    let failing = outcome.samples.iter().filter(|sample| sample.verdict == Verdict::Failed);
    if outcome.good {
        let mut status = TestCaseStatus::success();
        // Samples that failed while the case is good: what consumers show as flaky.
        status.add_reruns(failing.map(|sample| rerun(sample, NonSuccessKind::Failure)));
        return status;
    }
    // An answer that is wrong is a failure; one that could not be had, or not be looked at, an error.
    let kind = match verdict {
        Verdict::Failed | Verdict::Changed | Verdict::New => NonSuccessKind::Failure,
        _ => NonSuccessKind::Error,
    };
    let mut status = TestCaseStatus::non_success(kind);
    status.set_type(verdict.name()).set_message(xml(&why(outcome))).set_description(xml(&description(outcome)));
    if outcome.samples.len() > 1 {
        status.add_reruns(failing.skip(1).map(|sample| rerun(sample, kind)));
        status.set_rerun_kind(FlakyOrRerun::Rerun);
    }
    status
}

fn rerun(sample: &SampleOutcome, kind: NonSuccessKind) -> TestRerun {
    let mut rerun = TestRerun::new(kind);
    rerun.set_type(sample.verdict.name()).set_message(xml(&sample_why(sample)));
    if let Some(milliseconds) = sample.latency_ms {
        rerun.set_time(Duration::from_millis(milliseconds));
    }
    if let Some(answer) = &sample.output {
        rerun.set_system_out(xml(answer));
    }
    rerun
}

/// All reasons, and what differs.
fn description(outcome: &Outcome) -> String {
    let mut text = Vec::new();
    let sample = outcome.samples.iter().find(|sample| sample.verdict == outcome.verdict);
    for checked in sample.into_iter().flat_map(SampleOutcome::failing) {
        text.extend_from_slice(format!("{}: {}\n", checked.kind, checked.reason).as_bytes());
    }
    if outcome.samples.len() > 1 {
        text.extend_from_slice(format!("{}\n", samples_line(outcome)).as_bytes());
    }
    if let Some(difference) = &outcome.detail.difference {
        text.extend_from_slice(format!("the {} changed (- before, + now):\n", difference.what).as_bytes());
        // Writing into memory does not fail.
        let _ = write_difference(&mut text, difference, "", Style::plain());
    }
    String::from_utf8_lossy(&text).into_owned()
}

impl Listener for JunitReport {
    fn on(&mut self, event: &Event) -> io::Result<()> {
        match event {
            Event::Started { provenance, .. } => self.commit.clone_from(&provenance.commit),
            Event::Finished(outcome) => self.add(outcome),
            Event::Ended(summary) => self.summary = (**summary).clone(),
            _ => {}
        }
        Ok(())
    }
}

impl Report for JunitReport {
    fn write(&mut self, out: &mut dyn Write, exit: Exit) -> io::Result<()> {
        let mut document = Document::new("promptctl");
        document.set_time(Duration::try_from_secs_f64(self.summary.seconds).unwrap_or_default());
        for mut suite in std::mem::take(&mut self.suites) {
            let times = suite.test_cases.iter().filter_map(|case| case.time);
            suite.set_time(times.fold(Duration::ZERO, Duration::saturating_add));
            suite.add_property(("promptctl", env!("CARGO_PKG_VERSION")));
            suite.add_property(("exit_code", exit.code().to_string().as_str()));
            if let Some(commit) = &self.commit {
                suite.add_property(quick_junit::Property::new("commit", xml(commit)));
            }
            document.add_test_suite(suite);
        }
        document.serialize(&mut *out).map_err(io::Error::other)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_xml_forbids_is_written_out() {
        let text = xml("a\u{0}\u{b}\u{1b}[31m]]>\u{202e}\u{fffe}\u{ffff}\u{1fffe}<b>&amp;\n\t");
        let allowed = |c: char| matches!(c, '\n' | '\t' | ' '..='\u{D7FF}' | '\u{E000}'..='\u{FFFD}' | '\u{10000}'..);
        assert!(text.as_str().chars().all(allowed), "{text:?}");
        assert!(text.as_str().contains("\\e[31m]]>\\u{202e}\\u{fffe}\\u{ffff}\\u{1fffe}<b>"), "{text:?}");
        assert!(xml(&"x".repeat(10_000_000)).as_str().len() < 5000);
    }
}
