//! What retrievers find, in Markdown: what a comment of a pull request shows.

use super::escape::{code, html_code, text};
use super::page::{Page, details};
use super::{NAME, SENTENCE};
use crate::core::words::counted;
use crate::report::retrieval_words::{
    STALE, counts, expected, lack_word, measured, of_difference, of_move, of_row, stale, title,
};
use crate::retrieval::metrics::Measure;
use crate::retrieval::{Row, Tested};

/// A page of at most so many bytes: the verdict, a table of the retrievers, and what is behind it, folded away.
#[must_use]
pub fn retrieval_markdown(tested: &Tested, limit: usize) -> String {
    let mut page = Page::new(limit);
    page.push(&format!("**{}**\n\n", text(&verdict(tested), SENTENCE)));
    let names = Measure::ALL.map(Measure::name).join(" | ");
    page.push(&format!(
        "| retriever | first | chunks | queries | {names} |\n| --- | ---: | ---: | ---: |{}\n",
        " ---: |".repeat(Measure::ALL.len())
    ));
    let mut left_out = page.lines(tested.rows.iter().map(table_row), 2);
    page.push("\n");
    let own = || tested.rows.iter().filter(|row| !row.alternative);
    let lines = own()
        .flat_map(expected)
        .map(|(is_kept, line)| format!("- {} {}\n", if is_kept { "✅" } else { "❌" }, text(&line, SENTENCE)));
    left_out += page.lines(lines, 3);
    page.push("\n");
    left_out += page.lines(own().flat_map(behind), 1);
    let notes = tested.notes.iter().map(|note| format!("- note: {}\n", text(note, SENTENCE)));
    left_out += page.lines(notes, 1);
    if left_out > 0 {
        page.push(&format!("\n{left_out} more lines do not fit on this page.\n"));
    }
    page.finish()
}

fn verdict(tested: &Tested) -> String {
    let own = || tested.rows.iter().filter(|row| !row.alternative);
    let count = |is: &dyn Fn(&Row) -> usize| own().map(is).sum::<usize>() as u64;
    let low = count(&|row| row.measures.iter().filter(|measured| measured.kept == Some(false)).count());
    let fails = count(&|row| row.queries.iter().flat_map(|asked| &asked.findings).filter(|one| one.fails).count());
    let regressed = count(&|row| {
        row.against.iter().flat_map(|against| &against.differences).filter(|one| one.verdict == "regressed").count()
    });
    let errored = count(&|row| row.queries.iter().filter(|asked| asked.error.is_some()).count());
    let moved = count(&|row| {
        row.snapshot.as_ref().map_or(0, |kept| if kept.state == "differs" { kept.changes.len() } else { 0 })
    });
    let parts = [
        (low, "measure too low", "measures too low"),
        (regressed, "measure regressed", "measures regressed"),
        (fails, "finding that fails", "findings that fail"),
        (errored, "query without an answer", "queries without an answer"),
        (moved, "query finds something else", "queries find something else"),
    ];
    let parts: Vec<String> = parts
        .into_iter()
        .filter(|(count, ..)| *count > 0)
        .map(|(count, one, several)| counted(count, one, several))
        .collect();
    if parts.is_empty() { "retrieval: good".to_owned() } else { format!("retrieval: {}", parts.join(", ")) }
}

fn table_row(row: &Row) -> String {
    let cells = Measure::ALL.map(|measure| {
        let found = row.measures.iter().find(|measured| measured.measure == measure.name() && measured.k == row.top);
        text(&found.map_or_else(|| "-".to_owned(), measured), NAME)
    });
    let (chunks, queries) = (counts(row.chunks), row.queries.len());
    format!("| {} | {} | {chunks} | {queries} | {} |\n", code(&title(row), NAME), row.top, cells.join(" | "))
}

/// What is behind a row, folded away.
fn behind(row: &Row) -> Vec<String> {
    let mut folded = Vec::new();
    let mut fold = |summary: &str, lines: Vec<String>| {
        if !lines.is_empty() {
            folded.push(details(&html_code(summary, NAME), &lines.concat()));
        }
    };
    let findings = row.queries.iter().flat_map(|asked| {
        let error = asked.error.iter().map(|why| format!("{}: {why}", lack_word(asked)));
        let findings =
            asked.findings.iter().filter(|one| one.kind != STALE).map(|one| format!("{}: {}", one.kind, one.text));
        error.chain(findings).map(|line| format!("- {}: {}\n", code(&asked.name, NAME), text(&line, SENTENCE)))
    });
    let stale = stale(row).into_iter().map(|(_, line)| format!("- {}\n", text(&line, SENTENCE)));
    fold(&format!("{}: what is wrong", row.retriever), findings.chain(stale).collect());
    let moved = row.snapshot.iter().flat_map(|kept| &kept.changes).map(|moved| {
        let line = |(sign, line): (char, String)| format!("  - {}\n", code(&format!("{sign} {line}"), SENTENCE));
        format!("- {}\n{}", code(&moved.query, NAME), of_move(moved).into_iter().map(line).collect::<String>())
    });
    fold(&format!("{}: what moved", row.retriever), moved.collect());
    if let Some(against) = &row.against {
        let cells = |one| of_difference(one).map(|cell| text(&cell, NAME)).join(" | ");
        let head = "| measure | base | now | difference | 95 % | p | better | worse | |\n| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | --- |\n".to_owned();
        let lines = against.differences.iter().map(|one| format!("| {} |\n", cells(one)));
        fold(&format!("{}: against {}", row.retriever, against.other), [head].into_iter().chain(lines).collect());
    }
    fold(&format!("{}: how it finds", row.retriever), vec![format!("{}\n", text(&of_row(row), SENTENCE))]);
    folded
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::retrieval::kept::Moved;
    use crate::retrieval::{Asked, Finding, Kept, Measured};

    /// A test with the worst in every text.
    pub(crate) fn hostile(worst: &str) -> Tested {
        let measured = Measured {
            measure: "recall",
            k: 5,
            mean: 0.5,
            interval: None,
            queries: 2,
            least: Some(0.9),
            kept: Some(false),
        };
        let asked = Asked {
            name: worst.into(),
            query: worst.into(),
            tags: vec![worst.into()],
            retrieved: Vec::new(),
            relevant: Vec::new(),
            values: std::collections::BTreeMap::new(),
            findings: vec![Finding { kind: "gone", text: worst.into(), fails: true }],
            error: Some(worst.into()),
            is_unrecorded: false,
        };
        let moved = Moved { query: worst.into(), before: Some(vec![worst.into()]), after: Some(Vec::new()) };
        let row = Row {
            retriever: worst.into(),
            kind: "local".into(),
            chunking: Some(worst.into()),
            top: 5,
            measures: vec![measured],
            queries: vec![asked],
            snapshot: Some(Kept { state: "differs", path: worst.into(), changes: vec![moved] }),
            ..Row::default()
        };
        Tested {
            version: 1,
            tree: worst.into(),
            base: Some(worst.into()),
            k: vec![5],
            rows: vec![row],
            notes: vec![worst.into()],
            exit_code: 1,
        }
    }

    #[test]
    fn nothing_of_it_becomes_markdown_or_html() {
        let worst = "a|b\n# x\n<img src=x onerror=alert(1)></details>@everyone #1 `c` \u{1b}[31m\u{202e}::error::x";
        let page = retrieval_markdown(&hostile(worst), 10_000);
        assert!(page.chars().all(|c| !crate::core::escape::is_hidden(c)), "{page}");
        let html = comrak::markdown_to_html(&page, &{
            let mut options = comrak::Options::default();
            options.render.r#unsafe = true;
            options.extension.table = true;
            options
        });
        assert!(!html.contains("<img") && !html.contains("<h1") && !html.contains("<a "), "{html}");
        assert_eq!(html.matches("<details>").count(), html.matches("</details>").count(), "{html}");
        assert!(retrieval_markdown(&hostile(worst), 700).len() <= 700);
    }

    #[test]
    fn nothing_of_it_reaches_the_terminal() {
        let mut out = Vec::new();
        crate::report::write_retrieval(
            &mut out,
            &hostile("\u{1b}[2J\u{202e}\r\n::error::x"),
            crate::report::Style::plain(),
        )
        .expect("written");
        let text = String::from_utf8(out).expect("text");
        assert!(text.chars().all(|c| !crate::core::escape::is_hidden(c)), "{text:?}");
        assert!(!text.lines().any(|line| line.trim_start().starts_with("::")), "{text}");
    }
}
