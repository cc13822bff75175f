//! What retrievers find, as a person reads it: the measures, what is wrong query by query, what moved, and ways beside each other.

use std::io::{self, Write};

use super::history::write_aligned;
use super::retrieval_words::{
    STALE, counts, expected, figure, lack_word, measured, of_difference, of_move, of_row, share, stale, title,
};
use super::style::Style;
use crate::core::escape::{terminal, terminal_line};
use crate::core::record::Document;
use crate::core::words::counted;
use crate::retrieval::metrics::Measure;
use crate::retrieval::{Asked, Index, Row, Tested};

/// The most lines of a text that are shown, and the most characters of each.
const LINES: usize = 3;
const LINE: usize = 160;
/// The most queries whose ids are shown where they moved.
const MOVED: usize = 20;

/// Writes all that was found.
pub fn write_retrieval(out: &mut dyn Write, tested: &Tested, style: Style) -> io::Result<()> {
    let base = tested.base.as_ref().map(|base| format!(", against {base}")).unwrap_or_default();
    writeln!(out, "{}", style.bold(&terminal_line(&format!("retrieval in {}{base}", tested.tree))))?;
    for row in tested.rows.iter().filter(|row| !row.alternative) {
        writeln!(out, "\n{}", style.bold(&terminal_line(&title(row))))?;
        writeln!(out, "  {}", terminal_line(&of_row(row)))?;
        write_measures(out, row, style)?;
        write_tags(out, row, style)?;
        for (is_kept, line) in expected(row) {
            let line = terminal_line(&line).into_owned();
            writeln!(out, "  {}", if is_kept { style.green(&line) } else { style.red(&line) })?;
        }
        for asked in &row.queries {
            write_query(out, asked, style)?;
        }
        for (fails, line) in stale(row) {
            let line = terminal_line(&line).into_owned();
            writeln!(out, "  {}", if fails { style.red(&line) } else { style.yellow(&line) })?;
        }
        write_kept(out, row, style)?;
        if let Some(against) = &row.against {
            writeln!(out, "  {}", style.bold(&terminal_line(&format!("against {}", against.other))))?;
            let mut rows = vec![
                ["measure", "base", "now", "difference", "95 %", "p", "better", "worse", ""]
                    .map(str::to_owned)
                    .to_vec(),
            ];
            rows.extend(against.differences.iter().map(|one| of_difference(one).to_vec()));
            write_aligned(out, &rows, 1, "    ", style)?;
        }
        write_beside(out, tested, row, style)?;
    }
    if tested.rows.iter().filter(|row| !row.alternative).count() > 1 {
        writeln!(out, "\n{}", style.bold("beside each other, each with its own queries"))?;
        let rows: Vec<&Row> = tested.rows.iter().filter(|row| !row.alternative).collect();
        write_rows(out, &rows, style)?;
    }
    for note in &tested.notes {
        writeln!(out, "{}", style.yellow(&format!("note: {}", terminal_line(note))))?;
    }
    Ok(())
}

fn write_measures(out: &mut dyn Write, row: &Row, style: Style) -> io::Result<()> {
    let mut ks: Vec<usize> = row.measures.iter().map(|measured| measured.k).collect();
    ks.sort_unstable();
    ks.dedup();
    if ks.is_empty() {
        let says = row.queries.iter().any(|asked| !asked.relevant.is_empty());
        let why = if says { "no query could be asked" } else { "no query says what is relevant" };
        return writeln!(out, "  {why}: there is nothing to measure");
    }
    let mut rows = vec![[String::new()].into_iter().chain(ks.iter().map(|k| format!("@{k}"))).collect::<Vec<_>>()];
    for measure in Measure::ALL {
        let of = |k: &usize| {
            let found = row.measures.iter().find(|measured| measured.measure == measure.name() && measured.k == *k);
            found.map(measured).unwrap_or_default()
        };
        rows.push([measure.name().to_owned()].into_iter().chain(ks.iter().map(of)).collect());
    }
    write_aligned(out, &rows, ks.len() + 1, "  ", style)
}

fn write_tags(out: &mut dyn Write, row: &Row, style: Style) -> io::Result<()> {
    if row.tags.is_empty() {
        return Ok(());
    }
    let names = Measure::ALL.map(|measure| format!("{}@{}", measure.name(), row.top));
    let mut rows = vec![["tag".to_owned(), "queries".to_owned()].into_iter().chain(names).collect::<Vec<_>>()];
    for tag in &row.tags {
        let queries = tag.measures.first().map_or(0, |measured| measured.queries);
        let of = |measure: Measure| {
            let found = tag.measures.iter().find(|measured| measured.measure == measure.name());
            found.map_or_else(|| "-".to_owned(), |measured| share(measured.mean))
        };
        let start = [terminal_line(&tag.tag).into_owned(), queries.to_string()];
        rows.push(start.into_iter().chain(Measure::ALL.map(of)).collect());
    }
    write_aligned(out, &rows, 1, "  ", style)
}

fn write_query(out: &mut dyn Write, asked: &Asked, style: Style) -> io::Result<()> {
    let findings: Vec<_> = asked.findings.iter().filter(|finding| finding.kind != STALE).collect();
    if findings.is_empty() && asked.error.is_none() {
        return Ok(());
    }
    writeln!(out, "  {}", terminal_line(&asked.name))?;
    if let Some(error) = &asked.error {
        writeln!(out, "    {}", style.red(&format!("{}: {}", lack_word(asked), terminal_line(error))))?;
    }
    for finding in findings {
        let line = terminal_line(&format!("{}: {}", finding.kind, finding.text)).into_owned();
        writeln!(out, "    {}", if finding.fails { style.red(&line) } else { style.yellow(&line) })?;
    }
    Ok(())
}

fn write_kept(out: &mut dyn Write, row: &Row, style: Style) -> io::Result<()> {
    let Some(kept) = &row.snapshot else { return Ok(()) };
    let moved = counted(kept.changes.len() as u64, "query finds", "queries find");
    let line = match kept.state {
        "differs" => {
            style.yellow(&format!("snapshot: {moved} something else than what was accepted; `--update` accepts it"))
        }
        "missing" => style.yellow("snapshot: nothing was accepted yet; `--update` accepts what is found"),
        "written" => format!("snapshot: accepted in {}", terminal_line(&kept.path)),
        _ => return Ok(()),
    };
    writeln!(out, "  {line}")?;
    for moved in kept.changes.iter().take(MOVED) {
        writeln!(out, "    {}", terminal_line(&moved.query))?;
        for (sign, line) in of_move(moved) {
            let line = terminal_line(&format!("{sign} {line}")).into_owned();
            let line = match sign {
                '+' => style.green(&line),
                '-' => style.red(&line),
                _ => line,
            };
            writeln!(out, "      {line}")?;
        }
    }
    let left_out = kept.changes.len().saturating_sub(MOVED);
    if left_out > 0 {
        writeln!(out, "    and {} more", counted(left_out as u64, "query", "queries"))?;
    }
    Ok(())
}

/// The other ways that were tried on the same queries.
fn write_beside(out: &mut dyn Write, tested: &Tested, own: &Row, style: Style) -> io::Result<()> {
    let others = tested.rows.iter().filter(|row| row.alternative && row.golden == own.retriever);
    let rows: Vec<&Row> = [own].into_iter().chain(others).collect();
    // Base alone is shown measure by measure.
    if rows[1..].iter().all(|row| row.at.is_some()) {
        return Ok(());
    }
    writeln!(out, "  {}", style.bold("other ways, on the same queries"))?;
    write_rows(out, &rows, style)?;
    for row in &rows[1..] {
        for one in row.against.iter().flat_map(|against| &against.differences).filter(|one| one.verdict != "same") {
            let words = if one.difference > 0.0 { "better" } else { "worse" };
            let chance = if one.verdict == "undecided" {
                "in too few queries to tell it from chance"
            } else {
                "by more than chance"
            };
            let line = format!("{}: {}@{} is {words} {chance}: {}", title(row), one.measure, one.k, figure(one));
            writeln!(out, "    {}", terminal_line(&line))?;
        }
    }
    Ok(())
}

fn write_rows(out: &mut dyn Write, rows: &[&Row], style: Style) -> io::Result<()> {
    let is_alike = rows.iter().all(|row| row.top == rows[0].top);
    let at = |measure: Measure| {
        if is_alike { format!("{}@{}", measure.name(), rows[0].top) } else { measure.name().to_owned() }
    };
    let start = [String::new(), "chunks".to_owned(), "queries".to_owned()];
    let mut table = vec![start.into_iter().chain(Measure::ALL.map(at)).collect::<Vec<_>>()];
    for row in rows {
        let of = |measure: Measure| {
            let found =
                row.measures.iter().find(|measured| measured.measure == measure.name() && measured.k == row.top);
            found.map_or_else(|| "-".to_owned(), |measured| share(measured.mean))
        };
        let start = [terminal_line(&title(row)).into_owned(), counts(row.chunks), row.queries.len().to_string()];
        table.push(start.into_iter().chain(Measure::ALL.map(of)).collect());
    }
    write_aligned(out, &table, 1, "    ", style)
}

/// Writes what was found for a query, the best first.
pub fn write_documents(out: &mut dyn Write, found: &[Document], whole: bool, style: Style) -> io::Result<()> {
    for (document, rank) in found.iter().zip(1..) {
        let score = document.score.map(|score| format!("  {score:.4}")).unwrap_or_default();
        writeln!(out, "{rank:>3}{score}  {}", style.bold(&terminal_line(&document.id)))?;
        write_text(out, &document.text, whole)?;
    }
    Ok(())
}

/// Writes chunks of an index, by their places.
pub fn write_chunks(out: &mut dyn Write, index: &Index, wanted: &[usize], whole: bool, style: Style) -> io::Result<()> {
    for place in wanted {
        let (chunk, text) = (&index.chunks()[*place], index.text(*place));
        let under = if chunk.under.is_empty() { String::new() } else { format!(", under {}", chunk.under.join(" > ")) };
        let size = counted(text.chars().count() as u64, "character", "characters");
        writeln!(out, "{}  {}", style.bold(&terminal_line(&chunk.id)), terminal_line(&format!("{size}{under}")))?;
        write_text(out, text, whole)?;
    }
    let all = index.chunks().len();
    let chunks = counted(all as u64, "chunk", "chunks");
    let files = counted(index.files().len() as u64, "file", "files");
    let some = if wanted.len() < all { format!("{} of ", wanted.len()) } else { String::new() };
    writeln!(out, "{some}{chunks} in {files}")
}

fn write_text(out: &mut dyn Write, text: &str, whole: bool) -> io::Result<()> {
    if whole {
        for line in terminal(text).lines() {
            writeln!(out, "     {line}")?;
        }
        return Ok(());
    }
    let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
    for line in lines.iter().take(LINES) {
        let shown: String = line.chars().take(LINE).collect();
        let more = if shown.len() < line.len() { "…" } else { "" };
        writeln!(out, "     {}{more}", terminal_line(&shown))?;
    }
    if lines.len() > LINES {
        writeln!(out, "     …")?;
    }
    Ok(())
}
