//! An audit: a table of the failing cases of each prompt, the evidence folded away, the decision table and the next steps.

use super::escape::{code, html_code, text};
use super::page::{Folded, Page, details};
use super::{COMMENT, NAME, SENTENCE};
use crate::audit::{CaseAudit, Document, PromptAudit};
use crate::core::words::counted;
use crate::report::audit::{
    experiment_label, gap_name, gaps_line, pooled_lines, spent, step_cases, summary, trial_line, verdict,
};

/// An audit as Markdown that fits into a comment.
#[must_use]
pub fn audit_markdown(document: &Document) -> String {
    let mut page = Page::new(COMMENT);
    page.push(&format!("### {}\n\n", text(&summary(document), SENTENCE)));
    for note in &document.notes {
        page.push(&format!("- {}\n", text(note, SENTENCE)));
    }
    if !document.notes.is_empty() {
        page.push("\n");
    }
    for prompt in &document.prompts {
        one(&mut page, prompt);
    }
    page.push(&format!("\n{}\n", text(&spent(document), SENTENCE)));
    let cases = document.prompts.iter().flat_map(|prompt| prompt.cases.iter().map(move |case| folded(prompt, case)));
    let cases: Vec<Folded<'_>> = cases.collect();
    if !cases.is_empty() {
        page.push("\n#### Evidence\n\n");
    }
    let left_out = page.folded(cases);
    if left_out > 0 {
        let more = counted(left_out as u64, "more case", "more cases");
        page.push(&format!("… and {more}: the report of `--report html=FILE` has all of them\n"));
    }
    page.finish()
}

fn one(page: &mut Page, prompt: &PromptAudit) {
    page.push(&format!("#### {} on {}\n\n", code(prompt.prompt.as_str(), NAME), code(prompt.model.as_str(), NAME)));
    page.push("| Case | Gap | Why | Next |\n| --- | --- | --- | --- |\n");
    let row = |case: &CaseAudit| {
        let verdict = verdict(case.gap, case.confidence);
        let (case_name, why) = (code(case.case.as_str(), NAME), text(&case.why, SENTENCE));
        format!("| {case_name} | {verdict} | {why} | {} |\n", text(&case.next, SENTENCE))
    };
    let left_out = page.lines(prompt.cases.iter().map(row), 3);
    if left_out > 0 {
        page.push(&format!("\n… and {}\n", counted(left_out as u64, "more case", "more cases")));
    }
    page.push("\n**Together**\n\n");
    let slice = |slice: &crate::audit::Slice| {
        let name = slice.tag.as_ref().map_or_else(|| "all".to_owned(), |tag| format!("tag {}", code(tag, NAME)));
        let lines: String = pooled_lines(slice).iter().map(|line| format!("  - {}\n", text(line, SENTENCE))).collect();
        format!("- {name}: {}\n{lines}", text(&gaps_line(slice), SENTENCE))
    };
    let left_out = page.lines(prompt.slices.iter().map(slice), 4);
    if left_out > 0 {
        page.push(&format!("- … and {}\n", counted(left_out as u64, "more tag", "more tags")));
    }
    page.push("\n**Decision table**\n\n| Rule | Inputs | Holds | What it says |\n| --- | --- | --- | --- |\n");
    for rule in &prompt.rules {
        let (inputs, says) = (text(&rule.inputs, SENTENCE), text(&rule.says, SENTENCE));
        page.push(&format!("| {} | {inputs} | {} | {says} |\n", rule.question, rule.holds.name()));
    }
    page.push("\n**Next steps, the cheapest first**\n\n");
    for (number, step) in prompt.steps.iter().enumerate() {
        let (what, cases) = (text(&step.what, SENTENCE), step_cases(step));
        page.push(&format!("{}. {}: {what} ({cases})\n", number + 1, step.step));
    }
    page.push("\n");
}

fn folded<'a>(prompt: &'a PromptAudit, case: &'a CaseAudit) -> Folded<'a> {
    let make = move || {
        let name = format!("{}/{}", prompt.prompt, case.case);
        let mut body = String::new();
        for reading in &case.also {
            let confidence = reading.confidence.name();
            let why = text(&reading.why, SENTENCE);
            body.push_str(&format!("- also {} ({confidence}): {why}\n", gap_name(reading.gap)));
        }
        if !case.fails.is_empty() {
            body.push_str(&format!("- fails: {}\n", text(&case.fails, SENTENCE)));
        }
        for trial in &case.experiments {
            body.push_str(&format!(
                "- {}: {}\n",
                experiment_label(trial.experiment),
                text(&trial_line(trial), SENTENCE)
            ));
        }
        details(&html_code(&name, NAME), &body)
    };
    Folded { rank: 0, size: case.why.len() + case.fails.len(), make: Box::new(make) }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::audit::{Answered, Audited, Evidence, Experiment, Fails, Frame, Lack, Trial, VERSION, gather};
    use crate::core::names::{CaseName, ModelAlias, PromptName};

    /// An audit in which every text from outside is this one.
    pub(crate) fn hostile_audit(worst: &str) -> Document {
        let answer = || Answered {
            fails: Some(Fails::Content),
            text: worst.to_owned(),
            why: worst.to_owned(),
            cost_usd: None,
            latency_ms: None,
        };
        let again = Trial { answers: vec![answer(); 5], ..Trial::default() };
        let trials = [
            (Experiment::Repeat, again),
            (Experiment::Facts, Trial::lacking(Lack::Errored(worst.to_owned()))),
            (Experiment::Examples, Trial::lacking(Lack::Unsendable(worst.to_owned()))),
        ];
        let case = Audited {
            prompt: PromptName::new("p").expect("a name"),
            model: ModelAlias::new("m").expect("an alias"),
            case: CaseName::new("</td>|`@all").expect("a name"),
            place: None,
            tags: vec![worst.to_owned()],
            evidence: Evidence { own: vec![answer()], trials: trials.into_iter().collect(), ..Evidence::default() },
        };
        let prompts = gather(&[case], &Frame::default());
        let notes = vec![worst.to_owned()];
        Document { version: VERSION, looked_at: 1, failing: 1, notes, prompts, ..Document::default() }
    }

    #[test]
    fn no_text_of_an_audit_becomes_markdown() {
        let worst = "a | b\n\n# c <script> @all [x](https://example.org) `\u{202e}`";
        let page = audit_markdown(&hostile_audit(worst));
        // A tag stands as code, of which a host makes nothing.
        let tag = page.lines().find(|line| line.starts_with("- tag ``")).expect("a tag in code").to_owned();
        let page = page.replace(&tag, "");
        assert!(!page.contains("<script") && !page.contains("@all [") && !page.contains('\u{202e}'), "{page}");
        assert!(!page.contains("\n# c") && !page.contains("](https"), "{page}");
        for row in page.lines().filter(|line| line.starts_with("| ") && line.contains("unknown |")) {
            assert_eq!(row.matches(" | ").count(), 3, "{row}");
        }
    }
}
