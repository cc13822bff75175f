//! A comparison as a page: the verdict, every prompt and slice with its interval, what changed in the prompts, and every
//! answer that differs.

use std::collections::BTreeMap;
use std::io::{self, Write};

use minijinja::{Value, context};
use serde::Serialize;
use serde_json::json;

use super::changed::{Changed, summaries};
use super::figures::{dollars, fragment, grouped, percent, share};
use super::packed::{Chunks, Lines, write_element};
use super::{Parts, forest, template, write_page};
use crate::compare::changes::Changes;
use crate::compare::{AnswerSample, Answers, ChangedAnswer, Document, Row, Text, UNJUDGED, Verdict, Way};
use crate::core::verdict::Difference;
use crate::core::words::counted;
use crate::report::markdown::{cause, comparison_verdict};
use crate::report::page::difference::{Shown, difference, text};
use crate::report::page::escape::shown;

const SCRIPT: &str = include_str!("compare.js");
const BODY: &str = include_str!("compare.html");
/// The most rows of the table that are seen at once.
const ROWS: usize = 60;
/// The most cases that are in the page without a script.
const FIRST: usize = 25;
/// Lines that stand in both, around what differs.
const CONTEXT: usize = 30;
/// The most characters of one of several answers.
const OF_SAMPLE: usize = 4_000;
/// The most characters of a reason in the index.
const OF_WHY: usize = 240;

/// Writes a comparison as a page, with what changed in the prompts where that is known.
pub fn write_html_comparison(out: &mut dyn Write, document: &Document, changes: Option<&Changes>) -> io::Result<()> {
    let mut answers: Vec<&ChangedAnswer> = document.answers.iter().collect();
    answers.sort_by_key(|answer| rank(answer));
    let mut names = Names::default();
    let (mut index, mut details) = (Lines::default(), Chunks::default());
    for answer in &answers {
        let (chunk, line) = details.add(&Detail::of(answer))?;
        index.add(&(
            [names.place(answer.prompt.as_str()), names.place(answer.model.as_str())],
            shown(answer.case.as_str()),
            rank(answer),
            answer.tags.iter().map(|tag| names.place(tag)).collect::<Vec<usize>>(),
            [answer.base.passes, answer.base.count, answer.head.passes, answer.head.count],
            why(answer),
            chunk,
            line,
        ))?;
    }
    let mut edits = Lines::default();
    let prompts = changes.map(|changes| changes.prompts.as_slice()).unwrap_or_default();
    for change in prompts {
        edits.add(&Changed::of(change))?;
    }
    let (verdict, kind) = headline(document);
    let body = body(document, (&verdict, kind), &answers, changes)?;
    // What changed stands beside the details, and is unpacked as these are.
    let mut packed = Vec::new();
    write_element(&mut packed, "changed", &edits.finish()?)?;
    let body = body + &String::from_utf8_lossy(&packed);
    let data = json!({ "names": names.names });
    let title = format!("{verdict} · promptctl");
    write_page(out, Parts { title: &title, body: &body, script: SCRIPT, data: &data, index, details })
}

#[derive(Default)]
struct Names {
    names: Vec<String>,
    places: BTreeMap<String, usize>,
}

impl Names {
    fn place(&mut self, name: &str) -> usize {
        *self.places.entry(name.to_owned()).or_insert_with(|| {
            self.names.push(shown(name));
            self.names.len() - 1
        })
    }
}

/// Losses first, then what nobody judged, what is worth the same, and wins.
fn rank(answer: &ChangedAnswer) -> u8 {
    match answer.flip {
        Way::Loss => 0,
        Way::None if !answer.judged => 1,
        Way::None => 2,
        Way::Win => 3,
    }
}

fn why(answer: &ChangedAnswer) -> String {
    let line = shown(answer.failed.first().map_or("", String::as_str)).replace('\n', " ");
    match line.char_indices().nth(OF_WHY) {
        Some((at, _)) => format!("{}…", &line[..at]),
        None => line,
    }
}

/// What is behind a row.
#[derive(Serialize)]
struct Detail {
    failed: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    difference: Option<Shown>,
    /// The answer, where both sides say the same.
    #[serde(skip_serializing_if = "Option::is_none")]
    same: Option<Shown>,
    #[serde(skip_serializing_if = "Option::is_none")]
    calls: Option<Shown>,
    left_out: u64,
    shown: [u64; 2],
    base: Vec<Sample>,
    head: Vec<Sample>,
    #[serde(skip_serializing_if = "Option::is_none")]
    place: Option<String>,
}

#[derive(Serialize)]
struct Sample {
    pass: bool,
    answer: Shown,
    #[serde(skip_serializing_if = "Option::is_none")]
    same_as: Option<usize>,
    left_out: usize,
}

impl Detail {
    fn of(answer: &ChangedAnswer) -> Self {
        let (base, head) = (&answer.base.shown, &answer.head.shown);
        let both = |what: &'static str, old: &str, new: &str, json| {
            let texts = Difference { what: what.into(), old: old.to_owned(), new: new.to_owned(), json };
            (old != new).then(|| difference(&texts, CONTEXT))
        };
        let calls = |text: &Text| text.calls.clone().unwrap_or_default();
        let is_json = base.calls.is_some() && head.calls.is_some();
        Self {
            failed: answer.failed.iter().map(|reason| shown(clip(reason).0)).collect(),
            difference: both("answer", &base.text, &head.text, answer.json),
            same: (base.text == head.text).then(|| text(&head.text)),
            calls: both("calls", &calls(base), &calls(head), is_json),
            left_out: base.left_out + head.left_out,
            shown: [answer.base.sample, answer.head.sample],
            base: samples(&answer.base),
            head: samples(&answer.head),
            place: answer.place.as_ref().map(|place| shown(&format!("{}:{}", place.path, place.line))),
        }
    }
}

fn samples(answers: &Answers) -> Vec<Sample> {
    let sample = |(at, sample): (usize, &AnswerSample)| {
        let same_as = answers.samples[..at].iter().position(|other| other.text == sample.text);
        let whole = match &sample.text.calls {
            Some(calls) => format!("{}\n{calls}", sample.text.text),
            None => sample.text.text.clone(),
        };
        let (kept, left_out) = if same_as.is_some() { ("", 0) } else { clip(&whole) };
        Sample { pass: sample.pass, answer: text(kept), same_as, left_out }
    };
    answers.samples.iter().enumerate().map(sample).collect()
}

fn clip(text: &str) -> (&str, usize) {
    match text.char_indices().nth(OF_SAMPLE) {
        Some((at, _)) => (&text[..at], text[at..].chars().count()),
        None => (text, 0),
    }
}

/// The verdict in a line, and how it is coloured.
fn headline(document: &Document) -> (String, &'static str) {
    let (sign, line) = comparison_verdict(document);
    let kind = match sign {
        "❌" => "bad",
        "✅" => "good",
        "⚪" => "none",
        _ => "warn",
    };
    let mut letters = line.chars();
    let first = letters.next().map(|first| first.to_uppercase().to_string()).unwrap_or_default();
    (format!("{first}{}", letters.as_str()), kind)
}

fn body(
    document: &Document,
    (verdict, kind): (&str, &str),
    answers: &[&ChangedAnswer],
    changes: Option<&Changes>,
) -> io::Result<String> {
    let rows = ordered(document);
    let scale = forest::scale(rows.iter().copied(), document.delta);
    let mut shown: Vec<Value> = rows.iter().map(|row| row_value(row, document, scale)).collect();
    let more = shown.split_off(shown.len().min(ROWS));
    let behind: Vec<Value> =
        rows.iter().filter(|row| row.tag.is_none()).take(ROWS).map(|row| behind(row, document)).collect();
    let count = |way| answers.iter().filter(|answer| answer.flip == way).count() as u64;
    let facts = [
        ("base", document.base.clone()),
        ("head", document.head.clone()),
        ("losses", grouped(count(Way::Loss))),
        ("wins", grouped(count(Way::Win))),
        ("changed, worth the same", grouped(count(Way::None))),
        ("chance of a false alarm", percent(document.alpha)),
        ("a drop that matters", format!("{:.1} points", document.delta * 100.0)),
    ];
    let values = context! {
        heading => document.heading.as_str(),
        verdict,
        kind,
        exit => document.exit_code,
        facts => facts.into_iter().map(|(name, value)| context! { name, value }).collect::<Vec<_>>(),
        warnings => notes(document),
        several => document.several_models,
        axis => forest::axis(scale, document.delta),
        rows => shown,
        more,
        behind,
        changes => changes.map(summaries).unwrap_or_default(),
        first => answers.iter().take(FIRST).map(|answer| first(answer)).collect::<Vec<_>>(),
        has_cases => !answers.is_empty(),
        packed => template::html(super::PACKED_HERE.to_owned()),
    };
    template::fill("compare.html", BODY, &values)
}

/// Prompts with their slices below them, the worst first.
fn ordered(document: &Document) -> Vec<&Row> {
    let slices = |row: &Row| -> Vec<&Row> {
        let own = |slice: &&Row| (&slice.prompt, &slice.model) == (&row.prompt, &row.model);
        document.slices.iter().filter(own).collect()
    };
    let weight = |row: &Row| match row.verdict {
        Verdict::Regressed => 0,
        _ if slices(row).iter().any(|slice| slice.verdict == Verdict::Regressed) => 1,
        Verdict::Undecided => 2,
        Verdict::Improved => 3,
        Verdict::NotRegressed | Verdict::Unchanged => 4,
    };
    let differs = |row: &&Row| row.verdict != Verdict::Unchanged;
    let mut rows: Vec<&Row> = document.prompts.iter().filter(differs).collect();
    rows.sort_by_key(|row| weight(row));
    rows.into_iter().flat_map(|row| std::iter::once(row).chain(slices(row))).collect()
}

fn kind(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Regressed => "bad",
        Verdict::Improved => "good",
        Verdict::NotRegressed | Verdict::Unchanged => "calm",
        Verdict::Undecided => "warn",
    }
}

fn row_value(row: &Row, document: &Document, scale: f64) -> Value {
    let rate = |passes, answers| percent(share(passes, answers));
    let count = |tokens: f64| if tokens < 10.0 { format!("{tokens:.1}") } else { format!("{tokens:.0}") };
    let mut wanted = vec![("prompt", crate::report::page::escape::shown(&row.prompt))];
    wanted.extend(row.tag.as_ref().map(|tag| ("tag", crate::report::page::escape::shown(tag))));
    let wanted: Vec<(&str, &str)> = wanted.iter().map(|(name, value)| (*name, value.as_str())).collect();
    context! {
        prompt => row.prompt.as_str(),
        tag => row.tag.as_deref(),
        model => Some(row.model.as_str()).filter(|_| document.several_models),
        verdict => row.verdict.name(),
        kind => kind(row.verdict),
        link => fragment(&wanted),
        base => rate(row.base_passes, row.base_answers),
        base_of => format!("{} of {}", grouped(row.base_passes), grouped(row.base_answers)),
        head => rate(row.head_passes, row.head_answers),
        head_of => format!("{} of {}", grouped(row.head_passes), grouped(row.head_answers)),
        picture => forest::picture(row, scale, document.delta),
        points => forest::points(row),
        interval => forest::interval(row),
        losses => grouped(row.losses),
        wins => grouped(row.wins),
        input => moved(row.means.input_tokens, count),
        output => moved(row.means.output_tokens, count),
        cost => moved(row.means.cost_usd, dollars),
    }
}

/// A mean of both sides: from and to, and by how much it moved.
fn moved(means: (Option<f64>, Option<f64>), show: impl Fn(f64) -> String) -> Value {
    let one = |mean: Option<f64>| mean.map_or_else(|| "–".to_owned(), &show);
    let (text, by) = match means {
        (None, None) => ("–".to_owned(), None),
        (Some(base), Some(head)) if show(base) == show(head) => (show(base), None),
        (Some(base), Some(head)) if base > 0.0 => {
            (format!("{} → {}", show(base), show(head)), Some(format!("{:+.0} %", (head / base - 1.0) * 100.0)))
        }
        (base, head) => (format!("{} → {}", one(base), one(head)), None),
    };
    context! { text, by }
}

/// What is behind the figures of a prompt.
fn behind(row: &Row, document: &Document) -> Value {
    let p = |p: f64| if p < 0.001 { "< 0.001".to_owned() } else { format!("{p:.3}") };
    let ratio = |ratio: Option<crate::compare::Ratio>| {
        ratio.map(|r| format!("×{:.2} [{:.2}, {:.2}]", r.ratio, r.interval.0, r.interval.1))
    };
    let both = |(base, head): (f64, f64)| format!("{} → {}", percent(base), percent(head));
    let models = |names: &[String]| if names.is_empty() { "not told".to_owned() } else { names.join(", ") };
    let expectations = row
        .expectations
        .iter()
        .filter(|kind| kind.base_passes * kind.head_answers != kind.head_passes * kind.base_answers)
        .map(|kind| {
            let (base, head) = ((kind.base_passes, kind.base_answers), (kind.head_passes, kind.head_answers));
            format!("{} {} of {} → {} of {}", kind.kind, base.0, base.1, head.0, head.1)
        })
        .collect::<Vec<_>>()
        .join(" · ");
    let least = row.least_losses.filter(|least| row.verdict == Verdict::Undecided && *least > row.losses);
    let facts = [
        ("cases", Some(grouped(row.cases))),
        ("groups", row.groups.map(grouped)),
        ("what differs", Some(cause(row))),
        ("expectations that moved", Some(expectations).filter(|moved| !moved.is_empty())),
        ("p, two-sided", Some(p(row.p_two_sided))),
        ("p, worse", Some(p(row.p_regress))),
        ("q", Some(p(row.q))),
        ("Holm's p", Some(p(row.p_holm))),
        ("losses to call it regressed", least.map(grouped)),
        ("fresh answers a case", row.confirmed_by.map(grouped)),
        ("pairs until it was decided", row.stopped_after.filter(|_| document.sequential).map(grouped)),
        ("length", ratio(row.length_ratio)),
        ("tokens", ratio(row.token_ratio)),
        ("cost", ratio(row.cost_ratio)),
        ("median latency", row.latency.map(|(base, head)| format!("{} → {} ms", base.median_ms, head.median_ms))),
        ("score", row.score.map(|score| format!("{:.3} → {:.3}", score.base, score.head))),
        ("passes at least once", row.reliability.map(|shares| format!("{} (of {})", both(shares.any), shares.k))),
        ("passes every time", row.reliability.map(|shares| format!("{} (of {})", both(shares.all), shares.k))),
        ("refused", Some(both(row.shares.refusals))),
        ("no JSON where it was wanted", Some(both(row.shares.unparsed))),
        ("commonest answer", Some(both(row.shares.commonest))),
        (
            "served by",
            (row.served.moved()).then(|| format!("{} → {}", models(&row.served.base), models(&row.served.head))),
        ),
    ];
    let facts: Vec<Value> =
        facts.into_iter().filter_map(|(name, value)| Some(context! { name, value => value? })).collect();
    let model = Some(row.model.as_str()).filter(|_| document.several_models);
    context! { prompt => row.prompt.as_str(), model, verdict => row.verdict.name(), kind => kind(row.verdict), facts }
}

/// What a person should know before all else.
fn notes(document: &Document) -> Vec<String> {
    let mut notes = document.notes.clone();
    let confounded: Vec<&Row> = document.prompts.iter().filter(|row| row.confounded).collect();
    notes.extend(confounded.iter().map(|row| format!("{} is confounded: {} differ", row.prompt, cause(row))));
    if confounded.iter().any(|row| row.changed.prompt && row.changed.model) {
        notes.extend(document.tell_apart.iter().map(|command| format!("tell them apart: {command}")));
    }
    let moved = document.prompts.iter().filter(|row| row.served.moved());
    notes.extend(moved.map(|row| format!("{}: another model answers in head than in base", row.prompt)));
    let mut reasons: BTreeMap<&str, u64> = BTreeMap::new();
    for case in document.left_out.iter().filter(|case| case.why != UNJUDGED) {
        *reasons.entry(&case.why).or_default() += 1;
    }
    notes
        .extend(reasons.into_iter().map(|(why, count)| format!("{} left out: {why}", counted(count, "case", "cases"))));
    if document.unjudged > 0 {
        notes.push(format!(
            "{} left out, checked by snapshots alone: {} of these answers differ",
            counted(document.unjudged, "case", "cases"),
            document.unjudged_changed
        ));
    }
    if document.calls_made > 0 {
        let calls = counted(document.calls_made, "call", "calls");
        notes.push(format!("{calls} made, {}", dollars(document.cost_usd)));
    }
    notes
}

/// A changed answer as it is shown without a script.
fn first(answer: &ChangedAnswer) -> Value {
    let (verdict, kind) =
        [("lost", "bad"), ("changed", "odd"), ("changed", "warn"), ("won", "good")][usize::from(rank(answer))];
    context! {
        verdict,
        kind,
        prompt => answer.prompt.as_str(),
        case => answer.case.as_str(),
        model => answer.model.as_str(),
        why => why(answer),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compare::{Limits, Pairs, Told, compare};
    use crate::core::names::CaseName;
    use crate::report::markdown::{changed_answer, regressed_row};

    const WORST: &str = "</script><script>alert(1)</script><!--\u{202e}\u{0}\u{2028}'\"&";

    fn document() -> Document {
        let limits = Limits { alpha: 0.05, delta: 0.1, sequential: false };
        let told = Told { sides: (WORST.into(), WORST.into()), heading: WORST.into(), ..Told::default() };
        let told = Told { notes: vec![WORST.into()], tell_apart: vec![WORST.into()], ..told };
        Document::new(&compare(&Pairs::default(), &limits), &Pairs::default(), &limits, told)
    }

    fn page(document: &Document) -> String {
        let mut html = Vec::new();
        write_html_comparison(&mut html, document, None).expect("memory");
        String::from_utf8(html).expect("text")
    }

    #[test]
    fn no_text_of_a_comparison_leaves_its_place() {
        let mut document = document();
        let case = CaseName::new("</script><b>'&").expect("a name");
        document.answers = (0..30).map(|n| changed_answer(&case, WORST, n)).collect();
        let row = Row { prompt: WORST.into(), model: WORST.into(), confounded: true, ..regressed_row() };
        document.slices = vec![Row { tag: Some(WORST.into()), ..row.clone() }];
        document.prompts = vec![row];
        document.several_models = true;
        let html = page(&document);
        assert_eq!((html.matches("<script").count(), html.matches("</script").count()), (5, 5));
        assert!(!html.contains("<!--") && !html.contains(['\u{202e}', '\u{0}', '\u{2028}']), "{html}");
        assert!(html.contains("alert(1)"), "it is shown");
    }

    #[test]
    fn losses_come_first_and_wins_last() {
        let mut document = document();
        let case = CaseName::new("c").expect("a name");
        document.answers = (0..9).map(|n| changed_answer(&case, "x", n)).collect();
        let html = page(&document);
        let at = |what: &str| html.find(&format!("\">{what}</span>")).expect("there");
        assert!(at("lost") < at("changed") && at("changed") < at("won"));
    }

    #[test]
    fn where_nothing_is_compared_the_page_says_so() {
        let html = page(&document());
        assert!(html.contains("Nothing could be compared") && !html.contains("id=\"prompts-title\""));
    }
}
