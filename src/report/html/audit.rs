//! An audit as a page: every failing case with its gap, its evidence and what to do, and the decision table. It needs no
//! script.

use std::io::{self, Write};

use minijinja::{Value, context};

use super::{REPORT_STYLE, template};
use crate::audit::{CaseAudit, Confidence, Document, Holds, PromptAudit};
use crate::report::audit::{
    experiment_label, gap_name, gaps_line, pooled_lines, spent, step_cases, summary, trial_line, verdict,
};
use crate::report::page::{Page, STYLE};

const BODY: &str = include_str!("audit.html");

/// Writes an audit as a page.
pub fn write_html_audit(out: &mut dyn Write, document: &Document) -> io::Result<()> {
    let title = summary(document);
    let values = context! {
        summary => title.clone(),
        kind => if document.failing == 0 { "good" } else { "bad" },
        spent => spent(document),
        notes => document.notes.clone(),
        prompts => document.prompts.iter().map(prompt_values).collect::<Vec<_>>(),
    };
    let body = template::fill("audit.html", BODY, &values)?;
    let title = format!("{title} · promptctl");
    let page =
        Page { title: &title, body: &body, styles: &[STYLE, REPORT_STYLE], scripts: &[], data: None, talks: false };
    out.write_all(page.html().as_bytes())?;
    out.flush()
}

fn prompt_values(prompt: &PromptAudit) -> Value {
    let slice = |slice: &crate::audit::Slice| {
        let name = slice.tag.as_ref().map_or_else(|| "all".to_owned(), |tag| format!("tag {tag}"));
        context! { name, gaps => gaps_line(slice), lines => pooled_lines(slice) }
    };
    let rule = |rule: &crate::audit::Rule| {
        let kind = match rule.holds {
            Holds::Yes => "good",
            Holds::No => "calm",
            Holds::Unknown => "warn",
        };
        context! {
            question => rule.question, inputs => rule.inputs.clone(), holds => rule.holds.name(), kind,
            says => rule.says.clone(),
        }
    };
    let step = |step: &crate::audit::Step| {
        context! { step => step.step, what => step.what.clone(), about => step_cases(step) }
    };
    context! {
        title => format!("{} on {}", prompt.prompt, prompt.model),
        cases => prompt.cases.iter().map(case_values).collect::<Vec<_>>(),
        slices => prompt.slices.iter().map(slice).collect::<Vec<_>>(),
        rules => prompt.rules.iter().map(rule).collect::<Vec<_>>(),
        steps => prompt.steps.iter().map(step).collect::<Vec<_>>(),
    }
}

fn case_values(case: &CaseAudit) -> Value {
    let also = |reading: &crate::audit::Reading| {
        format!("also {} ({}): {}", gap_name(reading.gap), reading.confidence.name(), reading.why)
    };
    let trial = |trial: &crate::audit::ShownTrial| {
        context! { name => experiment_label(trial.experiment), line => trial_line(trial) }
    };
    let place = case.place.as_ref().map(|place| format!("{}:{}", place.path, place.line));
    context! {
        case => case.case.as_str(),
        place => place.unwrap_or_default(),
        verdict => verdict(case.gap, case.confidence),
        kind => if case.confidence == Confidence::Confident { "bad" } else { "warn" },
        why => case.why.clone(),
        also => case.also.iter().map(also).collect::<Vec<_>>(),
        next => case.next.clone(),
        fails => case.fails.clone(),
        experiments => case.experiments.iter().map(trial).collect::<Vec<_>>(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::markdown::hostile_audit;

    #[test]
    fn no_text_of_an_audit_leaves_its_place() {
        let worst = "</td><script>alert(1)</script>'\"\u{202e}\0";
        let mut html = Vec::new();
        write_html_audit(&mut html, &hostile_audit(worst)).expect("memory");
        let html = String::from_utf8(html).expect("text");
        assert_eq!((html.matches("<script").count(), html.matches("</script").count()), (1, 1), "our own, empty one");
        assert!(!html.contains(['\u{202e}', '\u{0}']) && html.contains("alert(1)"), "it is shown, and harmless");
        assert!(!html.contains("https://") && !html.contains("src="), "nothing is fetched");
    }
}
