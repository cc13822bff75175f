//! A comparison: which prompts got worse, what an answer takes, and every answer that differs.

use std::collections::BTreeMap;

use super::difference::{block, difference};
use super::escape::{code, dollars, html_code, text};
use super::page::{Folded, Page, details};
use super::{NAME, SENTENCE};
use crate::compare::{Answers, ChangedAnswer, Document, Row, Text, UNJUDGED, Verdict, Way};
use crate::core::verdict::Exit;
use crate::core::words::counted;
use crate::report::comparison::retrieval;

/// The most bytes of a reason behind a case's name.
const SHORT: usize = 140;

/// A comparison as Markdown of at most so many bytes.
#[must_use]
pub fn comparison_markdown(document: &Document, limit: usize) -> String {
    let mut page = Page::new(limit);
    let (sign, line) = comparison_verdict(document);
    page.push(&format!("### {sign} {line}\n\n"));
    page.push(&format!("base {} → head {}\n\n", code(&document.base, NAME), code(&document.head, NAME)));
    table(&mut page, document);
    let left_out = page.lines(notes(document).into_iter().map(|note| format!("- {note}\n")), 6);
    if left_out > 0 {
        page.push(&format!("- … and {}\n", counted(left_out as u64, "more note", "more notes")));
    }
    let items: Vec<Folded<'_>> = document.answers.iter().map(folded).collect();
    if !items.is_empty() {
        let losses = document.answers.iter().filter(|answer| answer.flip == Way::Loss).count();
        let wins = document.answers.iter().filter(|answer| answer.flip == Way::Win).count();
        let count = counted(items.len() as u64, "changed answer", "changed answers");
        let (losses, wins) = (counted(losses as u64, "loss", "losses"), counted(wins as u64, "win", "wins"));
        page.push(&format!("\n#### {count}: {losses}, {wins}\n\n"));
    }
    let left_out = page.folded(items);
    if left_out > 0 {
        let more = counted(left_out as u64, "more changed answer", "more changed answers");
        page.push(&format!("… and {more}: the report of `--report html=FILE` has all of them\n"));
    }
    page.finish()
}

/// The first line, what a reviewer has to know: a sign, and the sentence behind it.
pub(in crate::report) fn comparison_verdict(document: &Document) -> (&'static str, String) {
    let count = |rows: &[Row], verdict| rows.iter().filter(|row| row.verdict == verdict).count() as u64;
    let order = [Verdict::Regressed, Verdict::Undecided, Verdict::Improved, Verdict::NotRegressed, Verdict::Unchanged];
    let mut parts: Vec<String> = Vec::new();
    for verdict in order {
        let prompts = count(&document.prompts, verdict);
        if prompts > 0 {
            let (one, many) = if document.several_models {
                ("pair of prompt and model", "pairs of prompt and model")
            } else {
                ("prompt", "prompts")
            };
            let what = if parts.is_empty() { counted(prompts, one, many) } else { prompts.to_string() };
            parts.push(format!("{what} {}", verdict.name()));
        }
    }
    let slices = count(&document.slices, Verdict::Regressed);
    let slices = (slices > 0).then(|| format!("{} regressed", counted(slices, "slice", "slices")));
    if document.prompts.is_empty() {
        parts.push("nothing could be compared".to_owned());
    }
    let regressed = count(&document.prompts, Verdict::Regressed) + count(&document.slices, Verdict::Regressed) > 0;
    let undecided = count(&document.prompts, Verdict::Undecided) > 0;
    let exit = Exit::of_code(document.exit_code);
    let (sign, but) = match exit {
        _ if regressed => ("❌", ""),
        Some(Exit::Good) if document.prompts.is_empty() => ("⚪", ""),
        Some(Exit::Failed) => ("❌", ""),
        Some(Exit::Good) if undecided => ("⚪", ""),
        Some(Exit::Good) => ("✅", ""),
        Some(Exit::Interrupted) => ("⚠️", "interrupted: "),
        Some(Exit::Errored) => ("⚠️", "some answers could not be had: "),
        Some(Exit::Incomplete) => ("⚠️", "incomplete: "),
        Some(Exit::Waiting) => ("⚠️", "answers wait to be recorded: "),
        Some(Exit::Usage | Exit::Nothing) | None => ("⚠️", ""),
    };
    let prompts = parts.join(", ");
    // The worst is said first.
    let whole = match slices {
        Some(slices) if count(&document.prompts, Verdict::Regressed) > 0 => format!("{prompts}; {slices}"),
        Some(slices) => format!("{slices}; {prompts}"),
        None => prompts,
    };
    (sign, format!("{but}{whole}"))
}

fn sign(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Regressed => "❌",
        Verdict::Improved | Verdict::NotRegressed | Verdict::Unchanged => "✅",
        Verdict::Undecided => "⚪",
    }
}

fn table(page: &mut Page, document: &Document) {
    let is_open = |row: &&Row| row.verdict != Verdict::Unchanged;
    if !document.prompts.iter().any(|row| is_open(&row)) {
        return;
    }
    page.push("| prompt | verdict | passed | points [95 %] | lost, won | tokens in | tokens out | cost an answer |\n");
    page.push("| --- | --- | --- | --- | --- | --- | --- | --- |\n");
    let mut rows: Vec<&Row> = document.prompts.iter().filter(is_open).collect();
    rows.sort_by_key(|row| {
        let slices = slices(document, row).next().is_some();
        match row.verdict {
            Verdict::Regressed => 0,
            _ if slices => 1,
            Verdict::Undecided => 2,
            Verdict::Improved => 3,
            Verdict::NotRegressed | Verdict::Unchanged => 4,
        }
    });
    let lines = rows.into_iter().map(|row| {
        let mut lines = line(row, document.several_models);
        lines.extend(slices(document, row).map(|slice| line(slice, document.several_models)));
        lines
    });
    let left_out = page.lines(lines, 2);
    page.push("\n");
    if left_out > 0 {
        page.push(&format!("… and {}\n\n", counted(left_out as u64, "more prompt", "more prompts")));
    }
}

/// The slices of a prompt that regressed.
fn slices<'a>(document: &'a Document, row: &'a Row) -> impl Iterator<Item = &'a Row> {
    let is_of = |slice: &&Row| (&slice.prompt, &slice.model) == (&row.prompt, &row.model);
    document.slices.iter().filter(move |slice| is_of(slice) && slice.verdict == Verdict::Regressed)
}

fn name(row: &Row, several_models: bool) -> String {
    let model = if several_models { format!(" on {}", code(&row.model, NAME)) } else { String::new() };
    match &row.tag {
        Some(tag) => format!("↳ tag {}{model}", code(tag, NAME)),
        None => format!("{}{model}", code(&row.prompt, NAME)),
    }
}

fn line(row: &Row, several_models: bool) -> String {
    let interval = row.interval.map(|(low, high)| format!(" [{:+.1}, {:+.1}]", low * 100.0, high * 100.0));
    let confirmed = row.confirmed_by.map(|n| format!(", by {n} fresh answers a case")).unwrap_or_default();
    let count = |tokens: f64| if tokens < 10.0 { format!("{tokens:.1}") } else { format!("{tokens:.0}") };
    format!(
        "| {} | {} {}{confirmed} | {} of {} → {} of {} | {:+.1}{} | {}, {} | {} | {} | {} |\n",
        name(row, several_models),
        sign(row.verdict),
        row.verdict.name(),
        row.base_passes,
        row.base_answers,
        row.head_passes,
        row.head_answers,
        row.difference * 100.0,
        interval.unwrap_or_default(),
        row.losses,
        row.wins,
        moved(row.means.input_tokens, count),
        moved(row.means.output_tokens, count),
        moved(row.means.cost_usd, dollars),
    )
}

/// A mean of both sides, and by how much it moved.
fn moved(means: (Option<f64>, Option<f64>), show: impl Fn(f64) -> String) -> String {
    let one = |mean: Option<f64>| mean.map_or_else(|| "not told".to_owned(), &show);
    match means {
        (None, None) => "not told".to_owned(),
        (Some(base), Some(head)) if show(base) == show(head) => show(base),
        (Some(base), Some(head)) if base > 0.0 => {
            format!("{} → {} ({:+.0} %)", show(base), show(head), (head / base - 1.0) * 100.0)
        }
        (base, head) => format!("{} → {}", one(base), one(head)),
    }
}

fn notes(document: &Document) -> Vec<String> {
    let mut notes: Vec<String> = document.notes.iter().map(|note| format!("note: {}", text(note, SENTENCE))).collect();
    let mut told = false;
    for row in document.prompts.iter().filter(|row| row.confounded) {
        let changed = &row.changed;
        notes.push(format!("{} is confounded: {} differ", name(row, document.several_models), cause(row)));
        told |= changed.prompt && changed.model;
    }
    if told {
        notes.extend(document.tell_apart.iter().map(|command| format!("tell them apart: {}", code(command, SENTENCE))));
    }
    for row in document.prompts.iter().filter(|row| row.served.moved()) {
        let names = |names: &[String]| {
            let shown: Vec<String> = names.iter().take(3).map(|name| code(name, NAME)).collect();
            if shown.is_empty() { "not told".to_owned() } else { shown.join(", ") }
        };
        let (base, head) = (names(&row.served.base), names(&row.served.head));
        notes.push(format!("{}: another model answers: {base} → {head}", name(row, document.several_models)));
    }
    for row in &document.prompts {
        notes.extend(retrieval(row).into_iter().map(|line| format!("{}: {line}", name(row, document.several_models))));
    }
    let mut reasons: BTreeMap<&str, u64> = BTreeMap::new();
    for case in document.left_out.iter().filter(|case| case.why != UNJUDGED) {
        *reasons.entry(&case.why).or_default() += 1;
    }
    for (why, count) in reasons {
        notes.push(format!("{} left out: {}", counted(count, "case", "cases"), text(why, SENTENCE)));
    }
    if document.unjudged > 0 {
        let cases = counted(document.unjudged, "case", "cases");
        let changed = document.unjudged_changed;
        notes.push(format!("{cases} left out, checked by snapshots alone: {changed} of these answers differ"));
    }
    if document.calls_made > 0 {
        let calls = counted(document.calls_made, "call", "calls");
        notes.push(format!("{calls} made, {}", dollars(document.cost_usd)));
    }
    notes
}

/// What differs between the sides.
pub(in crate::report) fn cause(row: &Row) -> String {
    let changed = &row.changed;
    let causes =
        [(changed.prompt, "the prompt"), (changed.model, "the model"), (changed.expectations, "the expectations")];
    let causes: Vec<&str> = causes.into_iter().filter_map(|(differs, what)| differs.then_some(what)).collect();
    if causes.is_empty() { "nothing that is known".to_owned() } else { causes.join(" and ") }
}

fn folded(answer: &ChangedAnswer) -> Folded<'_> {
    let size = |answers: &Answers| answers.shown.text.len() + answers.shown.calls.as_ref().map_or(0, String::len);
    Folded {
        rank: match answer.flip {
            Way::Loss => 0,
            Way::Win => 1,
            Way::None => 2,
        },
        size: size(&answer.base) + size(&answer.head) + answer.failed.iter().map(String::len).sum::<usize>(),
        make: Box::new(|| shown(answer)),
    }
}

fn shown(answer: &ChangedAnswer) -> String {
    let (sign, what) = match answer.flip {
        Way::Loss => ("❌", "fails now"),
        Way::Win => ("✅", "passes now"),
        Way::None if !answer.judged => ("〰️", "differs, and only a snapshot checks it"),
        Way::None => ("〰️", "differs, and is worth the same"),
    };
    let name = |name: &str| html_code(name, NAME);
    let (base, head) = (&answer.base, &answer.head);
    let passes = if base.count.max(head.count) > 1 {
        format!(": {} of {} → {} of {}", base.passes, base.count, head.passes, head.count)
    } else {
        String::new()
    };
    let reason = answer.failed.first().map(|reason| format!(" {}", html_code(reason, SHORT))).unwrap_or_default();
    let summary = format!(
        "{sign} {} › {} › {} {what}{passes}{reason}",
        name(answer.prompt.as_str()),
        name(answer.case.as_str()),
        name(answer.model.as_str())
    );
    let mut body = String::new();
    if !answer.failed.is_empty() {
        body.push_str(&block("text", answer.failed.iter().map(|reason| format!("✗ {reason}")).collect()));
        body.push('\n');
    }
    if base.count.max(head.count) > 1 {
        body.push_str(&format!("sample {} of base, sample {} of head:\n\n", base.sample, head.sample));
    }
    body.push_str(&texts(&base.shown, &head.shown, answer.json));
    if !head.samples.is_empty() || !base.samples.is_empty() {
        let marks = |side: &str, answers: &Answers| {
            let marks: String = answers.samples.iter().map(|sample| if sample.pass { '✓' } else { '✗' }).collect();
            format!("{side} {marks}")
        };
        body.push('\n');
        body.push_str(&block("text", vec![marks("base", base), marks("head", head)]));
    }
    details(&summary, &body)
}

fn texts(base: &Text, head: &Text, json: bool) -> String {
    let mut body = String::new();
    if base.text != head.text {
        body.push_str(&difference(&base.text, &head.text, json));
    }
    if base.calls != head.calls {
        let calls = |calls: &Option<String>| calls.clone().unwrap_or_default();
        body.push_str("\ncalls of tools:\n\n");
        let both = base.calls.is_some() && head.calls.is_some();
        body.push_str(&difference(&calls(&base.calls), &calls(&head.calls), both));
    }
    if body.is_empty() {
        body.push_str("both sides answer the same\n\n");
        body.push_str(&super::difference::plain(&head.text));
    }
    let left_out = base.left_out.saturating_add(head.left_out);
    if left_out > 0 {
        let bytes = counted(left_out, "byte", "bytes");
        body.push_str(&format!("\n(the report that this was made from leaves out {bytes} of these answers)\n"));
    }
    body
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::compare::{AnswerSample, FlippedCase, Limits, Pair, Pairs, Sample, Told, compare};
    use crate::core::names::{CaseName, ModelAlias, PromptName};

    /// A regressed row that was computed.
    pub(in crate::report) fn row() -> Row {
        let say = |text: &str, pass| Sample {
            text: text.into(),
            pass,
            input_tokens: Some(100),
            output_tokens: Some(if pass { 10 } else { 12 }),
            cost: Some(0.001),
            ..Sample::default()
        };
        let pair = |n: usize| {
            let (prompt, case) = (PromptName::new("p").expect("a name"), CaseName::new(&format!("c{n}")));
            let model = ModelAlias::new("m").expect("a name");
            let (base, head) = (vec![say("good", true)], vec![say("bad", false)]);
            let digests = ("1".into(), "2".into());
            Pair { rank: n, digests, ..Pair::new(prompt, case.expect("a name"), model, base, head) }
        };
        let limits = Limits { alpha: 0.05, delta: 0.1, sequential: false };
        let pairs = Pairs { pairs: (0..12).map(pair).collect(), ..Pairs::default() };
        compare(&pairs, &limits).prompts.remove(0)
    }

    /// A changed answer that says something.
    pub(in crate::report) fn answer(case: &CaseName, says: &str, n: usize) -> ChangedAnswer {
        let text = |text: String| Text { text, calls: Some(says.to_owned()), left_out: n as u64 };
        let answers = |shown: String| Answers {
            samples: vec![AnswerSample { text: text(shown.clone()), pass: n.is_multiple_of(2) }; n % 4],
            shown: text(shown),
            sample: 0,
            passes: 1,
            count: (n % 4) as u64,
        };
        ChangedAnswer {
            prompt: PromptName::new("a/p").expect("a name"),
            case: case.clone(),
            model: ModelAlias::new("m").expect("a name"),
            tags: vec![says.to_owned()],
            place: None,
            flip: [Way::Loss, Way::Win, Way::None][n % 3],
            judged: n.is_multiple_of(2),
            json: n.is_multiple_of(5),
            failed: vec![says.to_owned(); n % 3],
            base: answers(says.to_owned()),
            head: answers(format!("{says} {says}")),
        }
    }

    fn document() -> Document {
        let limits = Limits { alpha: 0.05, delta: 0.1, sequential: false };
        let told = Told { sides: ("commit 1".into(), "working tree".into()), ..Told::default() };
        Document::new(&compare(&Pairs::default(), &limits), &Pairs::default(), &limits, told)
    }

    #[test]
    fn the_first_line_is_the_verdict() {
        let mut document = document();
        let first = |document: &Document| {
            comparison_markdown(document, 9000).lines().next().map(str::to_owned).unwrap_or_default()
        };
        assert_eq!(first(&document), "### ⚪ nothing could be compared");
        document.exit_code = 4;
        assert_eq!(first(&document), "### ⚠️ nothing could be compared");
        let as_verdict = |verdict| Row { verdict, flips: Vec::<FlippedCase>::new(), ..row() };
        document.exit_code = 0;
        document.prompts = vec![as_verdict(Verdict::NotRegressed), as_verdict(Verdict::Improved)];
        assert_eq!(first(&document), "### ✅ 1 prompt improved, 1 not regressed");
        document.prompts.push(as_verdict(Verdict::Undecided));
        assert_eq!(first(&document), "### ⚪ 1 prompt undecided, 1 improved, 1 not regressed");
        document.slices = vec![as_verdict(Verdict::Regressed)];
        document.exit_code = 1;
        assert_eq!(first(&document), "### ❌ 1 slice regressed; 1 prompt undecided, 1 improved, 1 not regressed");
        document.prompts.extend([as_verdict(Verdict::Regressed), as_verdict(Verdict::Regressed)]);
        assert_eq!(
            first(&document),
            "### ❌ 2 prompts regressed, 1 undecided, 1 improved, 1 not regressed; 1 slice regressed"
        );
        document.prompts = vec![as_verdict(Verdict::NotRegressed)];
        (document.slices, document.exit_code) = (Vec::new(), 6);
        assert_eq!(first(&document), "### ⚠️ incomplete: 1 prompt not regressed");
    }

    #[test]
    fn a_row_says_what_a_reviewer_needs() {
        assert_eq!(
            line(&row(), false),
            "| `p` | ❌ regressed | 12 of 12 → 0 of 12 | -100.0 | 12, 0 | 100 | 10 → 12 (+20 %) | &#36;0.001000 |\n"
        );
    }
}
