//! The sentences and figures of retrieval, as the terminal and Markdown both say them. They hold ids and names of the project: each
//! sink escapes them.

use super::audit::number;
use crate::core::words::counted;
use crate::retrieval::kept::Moved;
use crate::retrieval::{Asked, Difference, Measured, Row};

/// What is told of files, not query by query.
pub(super) const STALE: &str = "stale";

/// A value from 0 to 1.
pub(super) fn share(value: f64) -> String {
    format!("{value:.3}")
}

/// A number that may not be known.
pub(super) fn counts(count: Option<usize>) -> String {
    count.map_or_else(|| "-".to_owned(), |count| count.to_string())
}

/// A mean with its interval.
pub(super) fn measured(measured: &Measured) -> String {
    match measured.interval {
        Some((low, high)) => format!("{} [{low:.2}, {high:.2}]", share(measured.mean)),
        None => share(measured.mean),
    }
}

/// What a row is about.
pub(super) fn title(row: &Row) -> String {
    let chunking = row.chunking.as_ref().filter(|_| row.alternative).map(|chunking| format!(", {chunking}"));
    let at = row.at.as_ref().map(|at| format!(", at {at}"));
    format!("{}{}{}", row.retriever, chunking.unwrap_or_default(), at.unwrap_or_default())
}

/// What finds, how, and among what.
pub(super) fn of_row(row: &Row) -> String {
    let mut parts = vec![row.kind.clone()];
    parts.extend(row.chunking.as_ref().map(|chunking| format!("chunks by {chunking}")));
    parts.extend(row.engine.clone());
    parts.extend(row.embeddings.as_ref().map(|model| format!("and vectors of {model}")));
    let of = |count: usize, one, several| counted(count as u64, one, several);
    let among = row
        .chunks
        .zip(row.files)
        .map(|(chunks, files)| format!("; {} of {}", of(chunks, "chunk", "chunks"), of(files, "file", "files")));
    let queries = of(row.queries.len(), "query", "queries");
    let unmeasured = row.queries.iter().filter(|asked| asked.relevant.is_empty()).count();
    let unmeasured = if unmeasured > 0 { format!(" ({unmeasured} with nothing relevant)") } else { String::new() };
    format!("{}{}; {queries}{unmeasured}; the first {} are taken", parts.join(", "), among.unwrap_or_default(), row.top)
}

/// What is expected, and whether it is so.
pub(super) fn expected(row: &Row) -> Vec<(bool, String)> {
    let unknown = row.queries.iter().filter(|asked| asked.error.is_some()).count() as u64;
    let of = |measured: &Measured| {
        let (least, is_kept) = (measured.least?, measured.kept?);
        let words = if is_kept { "as expected" } else { "too low" };
        let line = format!(
            "{}@{} is {words}{}: {}, at least {}",
            measured.measure,
            measured.k,
            if unknown > 0 {
                format!(" as far as known, without {}", counted(unknown, "query", "queries"))
            } else {
                String::new()
            },
            share(measured.mean),
            share(least)
        );
        Some((is_kept, line))
    };
    row.measures.iter().filter_map(of).collect()
}

/// The files that were found although nobody touched them for too long, each once; and for how many queries.
pub(super) fn stale(row: &Row) -> Vec<(bool, String)> {
    let mut found: Vec<(bool, &str, u64)> = Vec::new();
    for finding in row.queries.iter().flat_map(|asked| &asked.findings).filter(|one| one.kind == STALE) {
        match found.iter_mut().find(|(_, text, _)| *text == finding.text) {
            Some((_, _, count)) => *count += 1,
            None => found.push((finding.fails, &finding.text, 1)),
        }
    }
    let line = |(fails, text, count)| (fails, format!("stale: {text} (for {})", counted(count, "query", "queries")));
    found.into_iter().map(line).collect()
}

/// Why a query has no ranking, in a word.
pub(super) fn lack_word(asked: &Asked) -> &'static str {
    if asked.is_unrecorded { "unrecorded" } else { "errored" }
}

/// A difference in a line.
pub(super) fn figure(one: &Difference) -> String {
    format!("{} → {}, p {}", share(one.base), share(one.head), number(one.p))
}

/// A difference in the cells of a table.
pub(super) fn of_difference(one: &Difference) -> [String; 9] {
    let interval = one.interval.map_or_else(|| "-".to_owned(), |(low, high)| format!("[{low:+.2}, {high:+.2}]"));
    let verdict = if one.verdict == "same" { "" } else { one.verdict };
    [
        format!("{}@{}", one.measure, one.k),
        share(one.base),
        share(one.head),
        format!("{:+.3}", one.difference),
        interval,
        number(one.p),
        one.better.to_string(),
        one.worse.to_string(),
        verdict.to_owned(),
    ]
}

/// What moved for a query, an id a line: `+` came, `-` went, and a blank what has another rank.
pub(super) fn of_move(moved: &Moved) -> Vec<(char, String)> {
    let (before, after) = match (&moved.before, &moved.after) {
        (_, None) => return vec![('-', "the query is gone".to_owned())],
        (None, Some(_)) => return vec![('+', "the query is new".to_owned())],
        (Some(before), Some(after)) => (before, after),
    };
    let mut lines = Vec::new();
    for (id, rank) in after.iter().zip(1..) {
        match before.iter().position(|old| old == id).map(|old| old + 1) {
            Some(old) if old == rank => {}
            Some(old) => lines.push((' ', format!("{old} → {rank}  {id}"))),
            None => lines.push(('+', format!("{rank}  {id}"))),
        }
    }
    let gone = before.iter().zip(1..).filter(|(id, _)| !after.contains(id));
    lines.extend(gone.map(|(id, rank)| ('-', format!("{rank}  {id}"))));
    lines
}
