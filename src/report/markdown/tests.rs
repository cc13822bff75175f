//! What is written is read again by a reader of GitHub's Markdown: nothing but what was meant may stand there.

use comrak::nodes::{AstNode, NodeValue};
use comrak::{Arena, Options, parse_document};
use proptest::prelude::*;

use super::escape::{clip, code, fence, html_code, text};
use super::page::details;
use super::*;
use crate::compare::{Document, Limits, Pairs, Told, compare};
use crate::core::event::{Event, Listener as _};
use crate::core::names::{CaseName, ModelAlias, PromptName};
use crate::core::verdict::{Exit, Outcome, Summary};

/// The worst that a name, a reason or an answer may hold.
const WORST: [&str; 32] = [
    "\u{1b}[31mred\u{7}\u{8}\r\u{9b}2J",
    "a\u{202e}b\u{200b}c\u{2066}d\u{feff}e\u{2028}f",
    "</details></summary><script>alert(1)</script>",
    "<!-- promptctl:report -->",
    "--> <img src=x onerror=alert(1)> <b>",
    "[x](javascript:alert(1)) ![i](https://example.com/i.png)",
    "``` \n```\n# heading\n~~~~\n````````````\n",
    "` `` ``` ````a` b",
    "\\` \\| a\\|b \\\\| |",
    "@someone @org/team x@example.com",
    "#123 org/repo#1 GH-1 JIRA-42 org/repo@13cce9d",
    "13cce9d 13cce9d0f5a3c8e2b1d4f6a7c8e9f0a1b2c3d4e5 deadbeef",
    "https://example.com www.example.com WWW.example.com mailto:a@example.com ftp://a.b xmpp:a@b.c",
    ":smile: :+1: :tada:",
    "a | b | c\n| --- | --- |\n| 1 | 2 |",
    "[^1] and [^1]: note",
    "$x^2$ $$y$$ $`z`$ costs $1 or $2",
    "::set-output name=x::y\n::error::z ##[error]w",
    "*a* _b_ __c__ ~~d~~ ~e~ ^f^ ==g== ++h++ ||i||",
    "&lt;b&gt; &#64;someone &amp; &copy;",
    "- [ ] task\n1. one\n> quote\n> [!WARNING]\n> alert",
    "Title\n===\nOther\n---\n***",
    "[link]: https://example.com\n[link]",
    "<https://example.com> <a@b.example>",
    "{{ x }} {% y %} {: .class}",
    "    indented\n\n\n<div>\n\n</div>",
    "",
    " ",
    "`",
    "``",
    "\\",
    "|",
];

fn options() -> Options<'static> {
    let mut options = Options::default();
    let e = &mut options.extension;
    e.table = true;
    e.autolink = true;
    e.strikethrough = true;
    e.tasklist = true;
    e.footnotes = true;
    e.math_dollars = true;
    e.math_code = true;
    e.shortcodes = true;
    e.alerts = true;
    e.superscript = true;
    e.subscript = true;
    e.spoiler = true;
    e.highlight = true;
    e.inline_footnotes = true;
    options
}

/// What a page consists of.
#[derive(Debug, Default)]
struct Seen {
    kinds: Vec<&'static str>,
    html: Vec<String>,
    headings: usize,
    tables: Vec<(usize, usize)>,
    /// Text that stands outside of code, as the host looks through it for names.
    text: String,
}

fn look<'a>(node: &'a AstNode<'a>, seen: &mut Seen) {
    match &node.data.borrow().value {
        NodeValue::Link(_) | NodeValue::WikiLink(_) => seen.kinds.push("link"),
        NodeValue::Image(_) => seen.kinds.push("image"),
        NodeValue::Math(_) => seen.kinds.push("math"),
        NodeValue::ShortCode(_) => seen.kinds.push("shortcode"),
        NodeValue::FootnoteDefinition(_) | NodeValue::FootnoteReference(_) => seen.kinds.push("footnote"),
        NodeValue::Emph | NodeValue::Strong | NodeValue::Strikethrough | NodeValue::Underline => {
            seen.kinds.push("emphasis");
        }
        NodeValue::Superscript | NodeValue::Subscript | NodeValue::SpoileredText | NodeValue::Highlight => {
            seen.kinds.push("mark");
        }
        NodeValue::BlockQuote | NodeValue::Alert(_) => seen.kinds.push("quote"),
        NodeValue::TaskItem(_) => seen.kinds.push("task"),
        NodeValue::ThematicBreak => seen.kinds.push("rule"),
        NodeValue::HtmlBlock(block) => seen.html.push(block.literal.clone()),
        NodeValue::HtmlInline(html) => seen.html.push(html.clone()),
        NodeValue::Raw(raw) => seen.html.push(raw.clone()),
        NodeValue::Heading(_) => seen.headings += 1,
        NodeValue::Table(table) => seen.tables.push((table.num_rows, table.num_columns)),
        NodeValue::Text(text) => seen.text.push_str(text),
        NodeValue::Code(_) | NodeValue::CodeBlock(_) => seen.text.push('\u{fffc}'),
        NodeValue::SoftBreak | NodeValue::LineBreak | NodeValue::Paragraph | NodeValue::TableCell => {
            seen.text.push('\n');
        }
        _ => {}
    }
    for child in node.children() {
        look(child, seen);
    }
}

fn seen(markdown: &str) -> Seen {
    let arena = Arena::new();
    let mut seen = Seen::default();
    look(parse_document(&arena, markdown, &options()), &mut seen);
    seen
}

/// Holds a page to: no link, no image, no marks, nobody mentioned, no HTML but what we fold with.
#[track_caller]
fn is_harmless(markdown: &str) -> Seen {
    let seen = seen(markdown);
    assert!(seen.kinds.is_empty(), "{:?}\n{markdown}", seen.kinds);
    let folds = regex::Regex::new(r"^(<details><summary>([^<>]|<code>[^<>]*</code>)*</summary>\n|</details>\n)$")
        .expect("valid");
    for html in &seen.html {
        assert!(folds.is_match(html), "{html:?}\n{markdown}");
    }
    let opened = seen.html.iter().filter(|html| html.starts_with("<details>")).count();
    assert_eq!(opened * 2, seen.html.len(), "every fold is closed: {markdown}");
    // As GitHub finds names, issues and commits in text that is no code.
    for pattern in [
        r"@[A-Za-z0-9]",
        r"#[0-9]",
        r"(?i)\bGH-[0-9]",
        r"[A-Z]+-[0-9]+\b",
        r"\b[0-9a-f]{7,40}\b",
        r":[a-z0-9+_-]+:",
        r"://",
        r"(?i)www\.",
    ] {
        let found = regex::Regex::new(pattern).expect("valid");
        assert!(!found.is_match(&seen.text), "{pattern} in {:?}", seen.text);
    }
    let hidden = |c: char| {
        !matches!(c, '\n' | '\t') && (c.is_control() || c != '\u{200b}' && crate::core::escape::is_invisible(c))
    };
    assert!(!markdown.chars().any(hidden), "{markdown:?}");
    for line in markdown.lines() {
        assert!(!line.trim_start().starts_with("::") && !line.contains("##["), "{line:?}");
    }
    seen
}

#[test]
fn whatever_a_text_holds_it_stays_text_in_a_line_and_in_a_cell() {
    for worst in WORST {
        let line = format!("- a {} b {} c\n", text(worst, 500), code(worst, 500));
        let found = is_harmless(&line);
        assert_eq!((found.headings, found.tables.len()), (0, 0), "{line}");
        let row = format!("| a | b |\n| --- | --- |\n| {} | {} |\n| {0} | x |\n", text(worst, 500), code(worst, 500));
        let found = is_harmless(&row);
        assert_eq!(found.tables, [(3, 2)], "{row}");
    }
}

#[test]
fn whatever_a_text_holds_it_stays_in_its_block_and_behind_its_fold() {
    for worst in WORST {
        let page = details(&format!("❌ {}", html_code(worst, 500)), &fence("diff", worst));
        let found = is_harmless(&page);
        assert_eq!((found.headings, found.html.len()), (0, 2), "{page}");
        assert_eq!(found.text.matches('\u{fffc}').count(), 1, "one block: {page}");
    }
}

#[test]
fn what_is_shown_is_what_was_said() {
    for plain in ["a | b", "<b> & \"c\" 'd'", "cost $1 – ok?", "x_y*z", "[1] (2) {3}", "50 %"] {
        assert!(seen(&format!("- {}\n", text(plain, 500))).text.contains(plain), "{plain}");
    }
    assert_eq!(code("a`b", 500), "``a`b``");
    assert_eq!(code("`", 500), "`` ` ``");
}

#[test]
fn ten_megabytes_on_one_line_are_cut() {
    let long = "@x <b> ".repeat(1_500_000);
    for shown in [text(&long, 500), code(&long, 500), html_code(&long, 500)] {
        assert!(shown.len() < 8000 && shown.contains('…'), "{} {}", shown.len(), &shown[..300]);
    }
    let same = format!("{long}!");
    let block = super::difference::difference(&long, &same, true);
    assert!(block.len() < 20_000, "{}", block.len());
    assert_eq!(clip("äää", 3), ("ä", 4));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]
    #[test]
    fn no_text_becomes_more(any in "[a-cw@#:|`\\\\<>\\[\\]()!&$*_~^=+. \t\r\n0-9/-]{0,40}") {
        is_harmless(&format!("- a {} b {} c\n", text(&any, 500), code(&any, 500)));
        let row = format!("| a | b |\n| --- | --- |\n| {} | {} |\n", text(&any, 500), code(&any, 500));
        prop_assert_eq!(is_harmless(&row).tables, [(2, 2)]);
        is_harmless(&details(&html_code(&any, 500), &fence("text", &any)));
    }
}

/// The names that hold the worst of what a name may hold.
fn names() -> Vec<CaseName> {
    WORST.iter().filter_map(|worst| CaseName::new(worst).ok()).collect()
}

fn outcome(case: &CaseName, verdict: &str, worst: &str) -> Outcome {
    let sample = |number: u32, verdict: &str, output: &str| {
        serde_json::json!({
            "sample": number, "verdict": verdict, "key": null, "output": output, "finish_reason": "stop", "served_model": worst,
            "expectations": [{"type": "contains", "pass": verdict == "passed", "score": 0.0, "reason": worst}],
            "score": 0.0, "snapshot": "none", "usage": {"input": 3, "output": 4}, "latency_ms": 1, "cost_usd": 0.01,
            "source": "recorded", "reason": worst,
        })
    };
    let other = format!("{worst}{worst}");
    serde_json::from_value(serde_json::json!({
        "prompt": "a/p", "case": case, "model": "m", "tags": [worst], "verdict": verdict, "good": false, "flaky": true,
        "quarantine": {"until": "2026-12-31", "reason": worst}, "reason": worst, "prompt_version": worst, "prompt_digest": worst,
        "samples": [sample(0, "failed", worst), sample(1, "passed", &other)],
        "detail": {"place": {"path": worst, "line": 3}, "difference": {"what": worst, "old": worst, "new": other, "json": true}},
    }))
    .expect("an outcome")
}

fn run(limit: usize, times: usize) -> String {
    let mut report = MarkdownReport::new(limit);
    let mut summary = Summary::default();
    let heading = WORST.join(" ");
    let provenance = crate::core::event::Provenance::default();
    let tell = |report: &mut MarkdownReport, event: &Event| report.on(event).expect("told");
    tell(&mut report, &Event::Started { planned: 0, heading, calls: 0, provenance, shard: None });
    for worst in WORST {
        tell(&mut report, &Event::Noted(worst.to_owned()));
    }
    let verdicts = ["failed", "errored", "changed", "new", "stale", "unrecorded", "passed", "skipped"];
    for round in 0..times {
        for (n, case) in names().iter().enumerate() {
            let outcome = outcome(case, verdicts[(n + round) % verdicts.len()], WORST[(n + round) % WORST.len()]);
            summary.add(&outcome);
            summary.planned += 1;
            tell(&mut report, &Event::Finished(Box::new(outcome)));
        }
    }
    tell(&mut report, &Event::Ended(Box::new(summary)));
    report.page(Exit::Failed, limit)
}

#[test]
fn a_run_of_the_worst_is_one_table_and_folds() {
    let page = run(1_000_000, 8);
    let found = is_harmless(&page);
    assert_eq!((found.headings, found.tables.as_slice()), (1, &[(2, 6)][..]));
    assert!(found.html.len() > 100, "{}", found.html.len());
}

fn document(times: usize) -> Document {
    let limits = Limits { alpha: 0.05, delta: 0.1, sequential: false };
    let pairs = Pairs::default();
    let told = Told {
        heading: WORST.join(" "),
        sides: (WORST[6].to_owned(), WORST[14].to_owned()),
        notes: WORST.iter().map(|worst| (*worst).to_owned()).collect(),
        tell_apart: WORST.iter().map(|worst| (*worst).to_owned()).collect(),
        ..Told::default()
    };
    let mut document = Document::new(&compare(&pairs, &limits), &pairs, &limits, told);
    let row = super::comparison::tests::row();
    for worst in WORST {
        let mut whole = row.clone();
        (whole.prompt, whole.model, whole.confounded) = (worst.to_owned(), worst.to_owned(), true);
        (whole.changed.prompt, whole.changed.model) = (true, true);
        (whole.served.base, whole.served.head) = (vec![worst.to_owned()], vec![format!("{worst} 2")]);
        let mut slice = whole.clone();
        slice.tag = Some(worst.to_owned());
        document.prompts.push(whole);
        document.slices.push(slice);
        document.left_out.push(crate::compare::LeftOut {
            prompt: PromptName::new("p").expect("a name"),
            case: CaseName::new("c").expect("a name"),
            model: ModelAlias::new("m").expect("a name"),
            why: worst.into(),
        });
    }
    document.several_models = true;
    for round in 0..times {
        for (n, case) in names().iter().enumerate() {
            let worst = WORST[(n + round) % WORST.len()];
            document.answers.push(super::comparison::tests::answer(case, worst, n));
        }
    }
    document
}

#[test]
fn a_comparison_of_the_worst_is_one_table_and_folds() {
    let page = comparison_markdown(&document(8), 1_000_000);
    let found = is_harmless(&page);
    assert_eq!((found.headings, found.tables.as_slice()), (2, &[(1 + 2 * WORST.len(), 8)][..]));
    assert!(found.html.len() > 100, "{}", found.html.len());
}

#[test]
fn a_page_is_never_longer_than_its_limit_and_says_what_it_leaves_out() {
    for limit in [2_000, 5_000, 20_000, COMMENT] {
        for page in [comparison_markdown(&document(300), limit), run(limit, 300)] {
            assert!(page.len() <= limit, "{} > {limit}", page.len());
            is_harmless(&page);
            assert!(page.contains("… and "), "{page}");
        }
    }
}

#[test]
fn what_got_worse_comes_first_and_the_longest_last() {
    let page = comparison_markdown(&document(1), 1_000_000);
    let order: Vec<char> = page.split("<summary>").skip(1).filter_map(|item| item.chars().next()).collect();
    let rank = |sign: &char| ['❌', '✅', '〰'].iter().position(|known| known == sign);
    assert!(order.iter().map(rank).is_sorted() && order.len() > 20, "{order:?}");
}
