//! An audit as a person reads it: each failing case with its gap and the evidence, the cases together, the decision table
//! rule by rule, and what to do next.

use std::io::{self, Write};

use super::style::Style;
use crate::audit::{CaseAudit, Confidence, Document, Experiment, Gap, Holds, PromptAudit, ShownTrial, Slice, Step};
use crate::core::escape::terminal_line;
use crate::core::words::counted;

/// A gap in a word or two.
pub(super) fn gap_name(gap: Gap) -> &'static str {
    match gap {
        Gap::Review => "skill, or the case is wrong",
        other => other.name(),
    }
}

/// What a case was found to be: the gap, and how sure that is.
pub(super) fn verdict(gap: Gap, confidence: Confidence) -> String {
    match (gap, confidence) {
        (Gap::Unknown, _) => "unknown".to_owned(),
        (Gap::Review, _) => format!("{}: for review", gap_name(gap)),
        (gap, confidence) => format!("{} ({})", gap_name(gap), confidence.name()),
    }
}

/// What an experiment came to, in a line.
pub(super) fn trial_line(trial: &ShownTrial) -> String {
    if trial.needless {
        return "not made: it would say no more".to_owned();
    }
    let mut parts = Vec::new();
    if trial.answers > 0 {
        parts.push(format!("{} of {} pass", trial.passes, trial.answers));
        parts.extend(trial.right.map(|right| format!("{right} of {} say what is right", trial.answers)));
    }
    if let Some(model) = &trial.model {
        parts.push(format!("on {model}"));
    }
    if trial.constant {
        parts.push("always the same answer".to_owned());
    }
    match (trial.p, trial.p_adjusted) {
        (Some(p), Some(adjusted)) if trial.answers > 0 => {
            parts.push(format!("p {} ({} adjusted)", number(p), number(adjusted)));
        }
        _ => {}
    }
    if let Some(lack) = &trial.missing {
        parts.push(format!("missing: {}; {}", lack.what, lack.help));
    }
    parts.join(", ")
}

/// A p-value with as many digits as say something.
pub(super) fn number(p: f64) -> String {
    if p < 0.0001 { "<0.0001".to_owned() } else { format!("{p:.4}") }
}

/// What stands in front of an experiment.
pub(super) fn experiment_label(experiment: Experiment) -> &'static str {
    match experiment {
        Experiment::Repeat => "asked again",
        Experiment::Facts => "with facts",
        Experiment::Examples => "with examples",
        Experiment::Model => "stronger model",
    }
}

/// How many cases have which gap, in words.
pub(super) fn gaps_line(slice: &Slice) -> String {
    let one = |count: &crate::audit::GapCount| {
        let sure = if matches!(count.gap, Gap::Review | Gap::Unknown) {
            String::new()
        } else {
            format!(" ({} confident)", count.confident)
        };
        format!("{} {}{sure}", count.cases, gap_name(count.gap))
    };
    slice.gaps.iter().map(one).collect::<Vec<_>>().join(", ")
}

/// What experiments say of cases together, in lines.
pub(super) fn pooled_lines(slice: &Slice) -> Vec<String> {
    let one = |pooled: &crate::audit::Pooled| {
        let ([without, of], [with, of_with]) = (pooled.without, pooled.with);
        let sure = if pooled.confident { "beyond chance" } else { "not beyond chance" };
        let good = if pooled.right { "say what is right" } else { "pass" };
        format!(
            "{}: closes {} of {}; {without} of {of} {good} without, {with} of {of_with} with; p {} adjusted, {sure}",
            experiment_label(pooled.experiment),
            pooled.closes,
            counted(pooled.cases, "case", "cases"),
            number(pooled.p_adjusted),
        )
    };
    slice.experiments.iter().map(one).collect()
}

/// For how many cases a step is, and how sure that is.
pub(super) fn step_cases(step: &Step) -> String {
    let cases = counted(step.cases, "case", "cases");
    let sure = match (step.confident, step.together) {
        (false, _) => "not sure",
        (true, false) => "confident",
        (true, true) => "confident of all together",
    };
    let more = if step.suggested > 0 { format!("; {} more suggested", step.suggested) } else { String::new() };
    format!("{cases}, {sure}{more}")
}

/// What it all came to, in a sentence.
pub(super) fn summary(document: &Document) -> String {
    let looked = counted(document.looked_at, "case looked at", "cases looked at");
    let unanswered = match document.unanswered {
        0 => String::new(),
        count => format!(", {count} without an answer"),
    };
    match document.failing {
        0 => format!("nothing fails: {looked}{unanswered}"),
        failing => format!("{looked}, {failing} {}{unanswered}", if failing == 1 { "fails" } else { "fail" }),
    }
}

/// What it took, in words.
pub(super) fn spent(document: &Document) -> String {
    let calls = counted(document.calls_made, "call", "calls");
    if document.unpriced >= document.calls_made && document.calls_made > 0 {
        format!("{calls}, unpriced")
    } else {
        format!("{calls}, ${:.4}", document.cost_usd)
    }
}

/// Writes an audit for a person.
pub fn write_audit(out: &mut dyn Write, document: &Document, style: Style) -> io::Result<()> {
    writeln!(out, "{}", style.bold(&summary(document)))?;
    for note in &document.notes {
        writeln!(out, "{}", style.yellow(&format!("note: {}", terminal_line(note))))?;
    }
    for prompt in &document.prompts {
        write_prompt(out, prompt, style)?;
    }
    writeln!(out, "\n{}", style.dim(&spent(document)))
}

fn write_prompt(out: &mut dyn Write, prompt: &PromptAudit, style: Style) -> io::Result<()> {
    let title = format!("{} on {}", prompt.prompt, prompt.model);
    writeln!(out, "\n{}", style.bold(&terminal_line(&title)))?;
    for case in &prompt.cases {
        write_case(out, case, style)?;
    }
    writeln!(out, "\n  {}", style.bold("together"))?;
    for slice in &prompt.slices {
        let name = slice.tag.as_ref().map_or_else(|| "all".to_owned(), |tag| format!("tag {tag}"));
        let cases = counted(slice.cases, "case", "cases");
        writeln!(out, "    {}: {cases}: {}", terminal_line(&name), terminal_line(&gaps_line(slice)))?;
        for line in pooled_lines(slice) {
            writeln!(out, "      {}", style.dim(&terminal_line(&line)))?;
        }
    }
    writeln!(out, "\n  {}", style.bold("decision table"))?;
    for rule in &prompt.rules {
        let holds = match rule.holds {
            Holds::Yes => style.green("yes    "),
            Holds::No => style.dim("no     "),
            Holds::Unknown => style.yellow("unknown"),
        };
        writeln!(out, "    {holds} {} [{}]", rule.question, terminal_line(&rule.inputs))?;
        writeln!(out, "            {}", terminal_line(&rule.says))?;
    }
    writeln!(out, "\n  {}", style.bold("next steps, the cheapest first"))?;
    for (number, step) in prompt.steps.iter().enumerate() {
        let (what, cases) = (terminal_line(&step.what), step_cases(step));
        writeln!(out, "    {}. {}: {what} ({cases})", number + 1, step.step)?;
    }
    Ok(())
}

fn write_case(out: &mut dyn Write, case: &CaseAudit, style: Style) -> io::Result<()> {
    let verdict = verdict(case.gap, case.confidence);
    let verdict = match case.confidence {
        Confidence::Confident => style.red(&verdict),
        Confidence::Suggested | Confidence::Unknown => style.yellow(&verdict),
    };
    writeln!(out, "  {}: {verdict}", style.bold(&terminal_line(case.case.as_str())))?;
    writeln!(out, "    {}", terminal_line(&case.why))?;
    for reading in &case.also {
        let also = format!("also {} ({}): {}", gap_name(reading.gap), reading.confidence.name(), reading.why);
        writeln!(out, "    {}", terminal_line(&also))?;
    }
    if !case.fails.is_empty() {
        writeln!(out, "    {}", style.dim(&format!("fails: {}", terminal_line(&case.fails))))?;
    }
    for trial in &case.experiments {
        let line = format!("{:<14} {}", experiment_label(trial.experiment), trial_line(trial));
        writeln!(out, "    {}", style.dim(&terminal_line(&line)))?;
    }
    writeln!(out, "    next: {}", terminal_line(&case.next))
}
