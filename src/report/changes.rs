//! What changed in prompts, for a person: files and settings, the contract, messages, answers.

use std::collections::BTreeMap;
use std::io::{self, Write};

use super::difference::{write_texts, write_values};
use super::style::Style;
use crate::compare::changes::{
    AnswerCase, AnswerKept, AnswersChange, Changes, Contract, FileChange, FileKind, Given, MessageChange, MessageKind,
    PromptChange, PromptKind, RenderedCase, RenderedChange, Step, TemplateChange, Tokens,
};
use crate::core::escape::terminal_line;

/// The most names of cases or prompts in a line.
const NAMES: usize = 8;
/// The most lines of a message's or an answer's difference; `--json` has all of it.
const LINES: usize = 40;
/// The most different changes of cases that are shown; the rest is counted.
const SHOWN: usize = 20;

/// Writes what changed between two sides.
pub fn write_changes(out: &mut dyn Write, changes: &Changes, sides: (&str, &str), style: Style) -> io::Result<()> {
    let title = format!("diff {} → {}", terminal_line(sides.0), terminal_line(sides.1));
    writeln!(out, "{}", style.bold(&title))?;
    for change in &changes.prompts {
        writeln!(out)?;
        prompt(out, change, style)?;
    }
    if !changes.prompts.is_empty() && !changes.same.is_empty() {
        writeln!(out)?;
    }
    let same = match changes.same.len() {
        0 if changes.prompts.is_empty() => "neither side has a prompt".to_owned(),
        0 => return out.flush(),
        1 => format!("the same on both sides: {}", names(changes.same.iter().map(String::as_str))),
        count => {
            format!("{count} prompts are the same on both sides: {}", names(changes.same.iter().map(String::as_str)))
        }
    };
    writeln!(out, "{}", style.dim(&same))?;
    out.flush()
}

/// Names in a line, the first few of many.
fn names<'a>(all: impl Iterator<Item = &'a str>) -> String {
    let all: Vec<&str> = all.collect();
    let shown: Vec<String> = all.iter().take(NAMES).map(|name| terminal_line(name).into_owned()).collect();
    let more = all.len().saturating_sub(NAMES);
    if more > 0 { format!("{} and {more} more", shown.join(", ")) } else { shown.join(", ") }
}

fn prompt(out: &mut dyn Write, change: &PromptChange, style: Style) -> io::Result<()> {
    let name = style.bold(&terminal_line(&change.prompt));
    let what = match (change.kind, &change.renamed_from) {
        (PromptKind::Added, _) => style.green("  (added)"),
        (PromptKind::Removed, _) => style.red("  (removed)"),
        (_, Some(old)) => style.yellow(&format!("  (renamed from {})", terminal_line(old))),
        _ => String::new(),
    };
    let version = |version: &Option<String>| version.clone().unwrap_or_else(|| "no version".to_owned());
    let versions = change.contract.as_ref().filter(|contract| contract.base_version != contract.head_version);
    let versions = versions.map(|c| format!("  {} → {}", version(&c.base_version), version(&c.head_version)));
    writeln!(out, "{name}{what}{}", versions.unwrap_or_default())?;
    for why in &change.broken {
        writeln!(out, "  {}", style.yellow(&terminal_line(why)))?;
    }
    if let Some(template) = &change.template {
        files(out, template, style)?;
    }
    if let Some(found) = change.contract.as_ref().filter(|contract| contract.is_told()) {
        contract(out, found, style)?;
    }
    if let Some(found) = &change.rendered {
        rendered(out, found, style)?;
    }
    match &change.answers {
        Some(found) if change.kind != PromptKind::Added && change.kind != PromptKind::Removed => {
            answers(out, found, style)
        }
        _ => Ok(()),
    }
}

fn files(out: &mut dyn Write, template: &TemplateChange, style: Style) -> io::Result<()> {
    for file in &template.files {
        let title = match (file.kind, &file.renamed_from) {
            (FileKind::Added, _) => format!("{} (added)", file.path),
            (FileKind::Removed, _) => format!("{} (removed)", file.path),
            (_, Some(old)) => format!("{old} → {}", file.path),
            _ => file.path.clone(),
        };
        writeln!(out, "  {}", style.bold(&terminal_line(&title)))?;
        text(out, file, style)?;
    }
    for setting in &template.settings {
        writeln!(out, "  {}", style.bold(&terminal_line(&setting.setting)))?;
        write_values(out, &setting.changes, "    ", style)?;
    }
    Ok(())
}

/// The texts of a file: what differs, or all of it where it stands on one side.
fn text(out: &mut dyn Write, file: &FileChange, style: Style) -> io::Result<()> {
    match (&file.old, &file.new) {
        (Some(old), Some(new)) if old == new => writeln!(out, "    {}", style.dim("(the text is the same)")),
        (Some(old), Some(new)) => {
            // The line feed at the end of both is no line.
            let ended = old.strip_suffix('\n').zip(new.strip_suffix('\n'));
            write_texts(out, ended.unwrap_or((old, new)), usize::MAX, "    ", style)
        }
        (Some(old), None) => whole(out, old, |line| style.red(&format!("- {line}")), "    "),
        (None, Some(new)) => whole(out, new, |line| style.green(&format!("+ {line}")), "    "),
        (None, None) => Ok(()),
    }
}

fn whole(out: &mut dyn Write, text: &str, paint: impl Fn(&str) -> String, indent: &str) -> io::Result<()> {
    for line in text.lines() {
        writeln!(out, "{indent}{}", paint(&terminal_line(line)))?;
    }
    Ok(())
}

fn contract(out: &mut dyn Write, contract: &Contract, style: Style) -> io::Result<()> {
    let asks = match contract.asks_for {
        Step::None => "nothing that is sent differs".to_owned(),
        Step::Patch => "callers need not know: a patch step".to_owned(),
        Step::Minor => "callers may give or get more: a minor step".to_owned(),
        Step::Major => "callers must change something: a major step".to_owned(),
    };
    writeln!(out, "  {} {asks}", style.bold("contract:"))?;
    for change in &contract.variables {
        let sign = if change.new.is_none() && change.old.is_some() { "-" } else { "~" };
        let sign = if change.kind.name().starts_with("added") { "+" } else { sign };
        let shown = [&change.old, &change.new].map(|value| value.as_ref().map(ToString::to_string));
        let types = match shown {
            [Some(old), Some(new)] => format!("  {old} → {new}"),
            [Some(one), None] | [None, Some(one)] => format!("  {one}"),
            [None, None] => String::new(),
        };
        let line = format!("{sign} {}: {}{types}", change.name, change.kind.name());
        let line = terminal_line(&line);
        let breaking = if change.step == Step::Major { style.red(" (breaking)") } else { String::new() };
        writeln!(out, "    {line}{breaking}")?;
    }
    if !contract.declared && !contract.variables.is_empty() {
        let text = "(the prompt declares no `vars:`; these are the variables that its template mentions)";
        writeln!(out, "    {}", style.dim(text))?;
    }
    for (what, step) in [("the form of the answer", contract.output), ("the tools that callers run", contract.tools)] {
        if step > Step::None {
            writeln!(out, "    ~ {what}: a {} step", step.name())?;
        }
    }
    if let Some(warning) = &contract.warning {
        writeln!(out, "    {}{}", style.yellow("warning: "), terminal_line(warning))?;
    }
    Ok(())
}

/// Cases whose changes are the very same, by the first of them.
fn grouped<T>(all: &[T], group: impl Fn(&T) -> usize) -> Vec<(&T, Vec<&T>)> {
    let mut groups: BTreeMap<usize, Vec<&T>> = BTreeMap::new();
    for one in all {
        groups.entry(group(one)).or_default().push(one);
    }
    groups.into_values().filter_map(|group| group.split_first().map(|(first, rest)| (*first, rest.to_vec()))).collect()
}

/// `1 case`, `2 cases`.
fn count(count: u64, what: &str) -> String {
    if count == 1 { format!("1 {what}") } else { format!("{count} {what}s") }
}

fn rendered(out: &mut dyn Write, change: &RenderedChange, style: Style) -> io::Result<()> {
    let heading = style.bold("rendered:");
    match (change.changed.len(), change.compared) {
        (0, 0) if change.differs() || !change.unrendered.is_empty() => writeln!(out, "  {heading}")?,
        (0, 0) => {}
        (0, all) => writeln!(out, "  {heading} {}, all the same", count(all, "case"))?,
        (differ, all) => writeln!(out, "  {heading} {differ} of {} differ", count(all, "case"))?,
    }
    tokens(out, change, style)?;
    let groups = grouped(&change.changed, |case| case.group);
    for (case, others) in groups.iter().take(SHOWN) {
        rendered_case(out, case, style)?;
        also(out, others.iter().map(|case| case.case.as_str()).collect(), style)?;
    }
    beyond(out, groups.len(), style)?;
    let lists = [
        (&change.only_head, style.green("+"), "only in head"),
        (&change.only_base, style.red("-"), "only in base"),
        (&change.expectations_changed, "~".to_owned(), "other expectations"),
    ];
    for (cases, sign, what) in lists.iter().filter(|(cases, ..)| !cases.is_empty()) {
        let list = names(cases.iter().map(AsRef::as_ref));
        writeln!(out, "    {sign} {what}: {} ({list})", count(cases.len() as u64, "case"))?;
    }
    unrendered(out, change, style)
}

/// The cases that could not be rendered, together where the reason is the same.
fn unrendered(out: &mut dyn Write, change: &RenderedChange, style: Style) -> io::Result<()> {
    let mut reasons: Vec<((&str, &str), Vec<&str>)> = Vec::new();
    for case in &change.unrendered {
        for (side, why) in [("base", &case.base), ("head", &case.head)] {
            let Some(why) = why else { continue };
            match reasons.iter_mut().find(|(known, _)| *known == (side, why)) {
                Some((_, cases)) => cases.push(case.case.as_str()),
                None => reasons.push(((side, why), vec![case.case.as_str()])),
            }
        }
    }
    for ((side, why), cases) in reasons.iter().take(SHOWN) {
        let number = count(cases.len() as u64, "case");
        let line = format!("! {number} not rendered at {side}: {}", terminal_line(why));
        writeln!(out, "    {}\n      {}", style.yellow(&line), style.dim(&names(cases.iter().copied())))?;
    }
    beyond(out, reasons.len(), style)
}

/// Says that there is more than was shown.
fn beyond(out: &mut dyn Write, all: usize, style: Style) -> io::Result<()> {
    match all.saturating_sub(SHOWN) {
        0 => Ok(()),
        more => writeln!(out, "    {}", style.dim(&format!("… and {more} more; --json has all of them"))),
    }
}

/// The other cases of a group.
fn also(out: &mut dyn Write, others: Vec<&str>, style: Style) -> io::Result<()> {
    if others.is_empty() {
        return Ok(());
    }
    let more = count(others.len() as u64, "more case");
    let text = format!("the same change in {more}: {}", names(others.into_iter()));
    writeln!(out, "      {}", style.dim(&text))
}

fn tokens(out: &mut dyn Write, change: &RenderedChange, style: Style) -> io::Result<()> {
    for total in change.tokens.iter().filter(|total| total.base != total.head) {
        let about = if total.counted { "" } else { "about " };
        let text = format!(
            "tokens in on {}: {about}{} → {} ({}), {:+.1} a case",
            total.model,
            total.base,
            total.head,
            signed(total.base, total.head),
            total.mean_difference
        );
        writeln!(out, "    {}", style.dim(&terminal_line(&text)))?;
    }
    Ok(())
}

/// The difference with its sign.
fn signed(base: u64, head: u64) -> String {
    if head < base { format!("-{}", base - head) } else { format!("+{}", head - base) }
}

fn rendered_case(out: &mut dyn Write, case: &RenderedCase, style: Style) -> io::Result<()> {
    let tokens = |t: &Tokens| format!("{} tokens ({} → {})", signed(t.base, t.head), t.base, t.head);
    let differing = case.tokens.first().filter(|tokens| tokens.base != tokens.head);
    let tokens = differing.map(tokens).map(|text| style.dim(&format!("  {text}"))).unwrap_or_default();
    writeln!(out, "    {}{tokens}", style.bold(&terminal_line(case.case.as_str())))?;
    for message in &case.messages {
        rendered_message(out, message, style)?;
    }
    Ok(())
}

fn rendered_message(out: &mut dyn Write, message: &MessageChange, style: Style) -> io::Result<()> {
    let role = |role: Option<&'static str>| role.unwrap_or_default();
    let (old_role, new_role) = (role(message.old_role), role(message.role));
    let (old, new) = (message.old.as_deref().unwrap_or_default(), message.new.as_deref().unwrap_or_default());
    match message.kind {
        MessageKind::Same => writeln!(out, "      {}", style.dim(&format!("[{new_role}] the same"))),
        MessageKind::Added => {
            writeln!(out, "      {}", style.green(&format!("+ [{new_role}] added")))?;
            whole(out, new, |line| style.green(&format!("+ {line}")), "      ")
        }
        MessageKind::Removed => {
            writeln!(out, "      {}", style.red(&format!("- [{old_role}] removed")))?;
            whole(out, old, |line| style.red(&format!("- {line}")), "      ")
        }
        MessageKind::Changed if old_role != new_role => {
            writeln!(out, "      {} → {}", style.red(&format!("[{old_role}]")), style.green(&format!("[{new_role}]")))
        }
        MessageKind::Changed => {
            writeln!(out, "      {}", style.dim(&format!("[{new_role}]")))?;
            write_texts(out, (old, new), LINES, "      ", style)
        }
    }
}

fn answers(out: &mut dyn Write, change: &AnswersChange, style: Style) -> io::Result<()> {
    let heading = style.bold("answers:");
    let missing = [
        (change.only_recorded_at_base, "without an answer at head yet: `promptctl test` records it"),
        (change.only_recorded_at_head, "without an answer at base"),
        (change.unrecorded, "without an answer on either side"),
        (change.unrecorded_same_request, "without an answer, whose request is the same"),
        (change.unrendered, "not rendered on a side"),
        (change.without_counterpart, "on a model that only one side names"),
    ];
    match (change.changed.len(), change.compared) {
        (0, 0) if missing.iter().all(|(number, _)| *number == 0) && change.problems.is_empty() => return Ok(()),
        (0, 0) => writeln!(out, "  {heading} none on both sides")?,
        (0, all) => writeln!(out, "  {heading} {all}, all the same")?,
        (differ, all) => writeln!(out, "  {heading} {differ} of {all} differ")?,
    }
    let groups = grouped(&change.changed, |case| case.group);
    for (case, others) in groups.iter().take(SHOWN) {
        answer(out, case, style)?;
        let others = others.iter().map(|case| format!("{} ({})", case.case, case.model)).collect::<Vec<String>>();
        also(out, others.iter().map(String::as_str).collect(), style)?;
    }
    beyond(out, groups.len(), style)?;
    for (number, what) in missing.into_iter().filter(|(number, _)| *number > 0) {
        writeln!(out, "    {}", style.yellow(&format!("{} {what}", count(number, "case"))))?;
    }
    for why in &change.problems {
        writeln!(out, "    {}", style.yellow(&format!("not readable: {}", terminal_line(why))))?;
    }
    Ok(())
}

fn answer(out: &mut dyn Write, case: &AnswerCase, style: Style) -> io::Result<()> {
    let title = format!("{} ({})", case.case, case.model);
    let mut facts = vec![case.what.to_owned()];
    let kept = |given: &Given| given.kept == AnswerKept::Accepted;
    match (kept(&case.base), kept(&case.head)) {
        (true, true) => facts.push("the accepted answers".to_owned()),
        (true, false) => facts.push("base's accepted answer".to_owned()),
        (false, true) => facts.push("head's accepted answer".to_owned()),
        (false, false) => {}
    }
    if case.base.samples.max(case.head.samples) > 1 {
        facts.push(format!("the first of {} and {} answers", case.base.samples, case.head.samples));
    }
    if case.same_request {
        facts.push("the request is the same".to_owned());
    }
    let facts = style.dim(&format!("  {}", facts.join(" · ")));
    writeln!(out, "    {}{facts}", style.bold(&terminal_line(&title)))?;
    if let Some(reason) = &case.reason {
        writeln!(out, "      {}", style.dim(&format!("accepted, because: {}", terminal_line(reason))))?;
    }
    match &case.json {
        Some(changes) => write_values(out, changes, "      ", style),
        None => write_texts(out, (&case.base.text, &case.head.text), LINES, "      ", style),
    }
}
