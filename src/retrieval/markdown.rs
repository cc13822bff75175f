//! As much of CommonMark as tells headings and paragraphs apart: a line at a time, so that every byte of a file keeps its place.
//!
//! What stands in fenced code, in a comment, or in an item of a list is no heading of the file. Held against `comrak` in a test, but for
//! headings that are indented themselves: which of those belong to a list takes a whole parser.

use std::ops::Range;

use crate::core::problem::Source;
use crate::core::yaml::{self, Data, Node};

/// What a line is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Nothing to be seen.
    Blank,
    /// The first line of a heading of this level.
    Heading(u8, String),
    /// A line more of a heading: of its text, or what underlines it.
    Underline,
    /// Fenced code, with its fences.
    Code,
    /// Anything else.
    Text,
}

/// A line with its line end.
#[derive(Clone, Debug)]
pub(super) struct Line {
    /// Bytes of the text.
    pub(super) range: Range<usize>,
    /// What it is.
    pub(super) kind: Kind,
}

/// Where the text begins behind a front matter in YAML; 0 where there is none.
pub(super) fn body(text: &str) -> usize {
    front_matter(text).map_or(0, |(_, end)| end)
}

/// The front matter of a text, where it says something, and where it ends.
pub(super) fn front_matter(text: &str) -> Option<(Option<Node>, usize)> {
    let mut lines = text.split_inclusive('\n');
    let first = lines.next().filter(|line| line.trim_end() == "---")?;
    let mut at = first.len();
    for line in lines {
        let end = at;
        at += line.len();
        if matches!(line.trim_end(), "---" | "...") {
            // A rule may stand first, too: what follows it is then no mapping.
            let yaml = &text[first.len()..end];
            let node = yaml::parse(&Source::new("front matter", yaml)).ok();
            let node = node.filter(|node| matches!(node.data, Data::Map(_)));
            return (node.is_some() || yaml.trim().is_empty()).then_some((node, at));
        }
    }
    None
}

/// What a block began with that lines can go on with.
enum Open {
    Nothing,
    /// A paragraph, from this line on; and whether it may become a heading.
    Paragraph(usize, bool),
    /// Fenced code: which character, and how many of it.
    Fence(char, usize),
    /// HTML up to a line that holds this.
    Html(&'static str),
}

/// The lines of a text without a front matter.
pub(super) fn lines(text: &str) -> Vec<Line> {
    let mut found: Vec<Line> = Vec::new();
    let mut open = Open::Nothing;
    // From which column on lines belong to an open item of a list; 0 where none is open.
    let mut item = 0;
    let mut at = 0;
    for raw in text.split_inclusive('\n') {
        let range = at..at + raw.len();
        at = range.end;
        let line = raw.trim_end();
        let (indent, rest) = indentation(line);
        let is_list = indent < 4 && list_item(rest).is_some();
        let mut kind = Kind::Text;
        open = match open {
            Open::Fence(mark, length) => {
                kind = Kind::Code;
                let run = rest.chars().take_while(|c| *c == mark).count();
                let is_end = indent < 4 && run >= length && rest.chars().all(|c| c == mark);
                if is_end { Open::Nothing } else { Open::Fence(mark, length) }
            }
            Open::Html(end) => {
                if line.to_ascii_lowercase().contains(end) {
                    Open::Nothing
                } else {
                    Open::Html(end)
                }
            }
            _ if line.is_empty() => {
                kind = Kind::Blank;
                Open::Nothing
            }
            Open::Paragraph(first, may_be_heading) if indent >= 4 && (item == 0 || is_text(rest)) => {
                Open::Paragraph(first, may_be_heading)
            }
            _ if item > 0 && (4..item + 4).contains(&indent) && is_text(rest) => Open::Paragraph(found.len(), false),
            _ if indent >= 4 => Open::Nothing,
            before => {
                // Text may go on with the paragraph of an item; anything else that is not indented so far ends the item.
                if indent < item && !(is_text(rest) && !is_list && matches!(before, Open::Paragraph(..))) {
                    item = 0;
                }
                let is_inside = item > 0 && indent >= item;
                if let Some(width) = list_item(rest).filter(|_| is_text(rest) && item == 0) {
                    item = indent + width;
                }
                if let Some(fence) = fence(rest) {
                    kind = Kind::Code;
                    Open::Fence(fence.0, fence.1)
                } else if let Some((level, title)) = atx(rest) {
                    if !is_inside {
                        kind = Kind::Heading(level, title);
                    }
                    Open::Nothing
                } else if let Some(end) = html(rest) {
                    // Behind the four characters that all of them begin with.
                    if rest[4..].to_ascii_lowercase().contains(end) { Open::Nothing } else { Open::Html(end) }
                } else if let (Open::Paragraph(first, true), Some(level)) = (&before, setext(rest)) {
                    let title = found[*first..].iter().map(|line| text[line.range.clone()].trim());
                    let title = plain(&title.collect::<Vec<_>>().join(" "));
                    found[*first].kind = Kind::Heading(level, title);
                    found[first + 1..].iter_mut().for_each(|line| line.kind = Kind::Underline);
                    kind = Kind::Underline;
                    Open::Nothing
                } else if is_break(rest) {
                    Open::Nothing
                } else {
                    match before {
                        Open::Paragraph(first, may) if !is_list => {
                            Open::Paragraph(first, may && !rest.starts_with('>'))
                        }
                        _ => Open::Paragraph(found.len(), !is_list && !rest.starts_with('>') && !is_inside),
                    }
                }
            }
        };
        found.push(Line { range, kind });
    }
    found
}

/// Whether a line is nothing that ends a paragraph.
fn is_text(rest: &str) -> bool {
    let is_quote = rest.starts_with('>');
    !is_quote && fence(rest).is_none() && atx(rest).is_none() && html(rest).is_none() && !is_break(rest)
}

/// How far a line is indented, and what stands behind that; a tab goes on to the next multiple of 4.
fn indentation(line: &str) -> (usize, &str) {
    let mut columns = 0;
    for (at, c) in line.char_indices() {
        match c {
            ' ' => columns += 1,
            '\t' => columns += 4 - columns % 4,
            _ => return (columns, &line[at..]),
        }
    }
    (columns, "")
}

fn fence(rest: &str) -> Option<(char, usize)> {
    let mark = rest.chars().next().filter(|c| matches!(c, '`' | '~'))?;
    let length = rest.chars().take_while(|c| *c == mark).count();
    let is_inline = mark == '`' && rest[length..].contains('`');
    (length >= 3 && !is_inline).then_some((mark, length))
}

fn atx(rest: &str) -> Option<(u8, String)> {
    let level = rest.bytes().take_while(|b| *b == b'#').count();
    let title = &rest[level..];
    if !(1..=6).contains(&level) || !(title.is_empty() || title.starts_with([' ', '\t'])) {
        return None;
    }
    let title = title.trim();
    let without = title.trim_end_matches('#');
    let title = if without.is_empty() || without.ends_with([' ', '\t']) { without.trim_end() } else { title };
    Some((u8::try_from(level).unwrap_or(6), plain(title)))
}

fn setext(rest: &str) -> Option<u8> {
    let of = |mark: char| !rest.is_empty() && rest.chars().all(|c| c == mark);
    if of('=') {
        Some(1)
    } else if of('-') {
        Some(2)
    } else {
        None
    }
}

/// A line across the page.
fn is_break(rest: &str) -> bool {
    ['-', '*', '_'].into_iter().any(|mark| {
        let count = rest.chars().filter(|c| *c == mark).count();
        count >= 3 && rest.chars().all(|c| c == mark || c == ' ' || c == '\t')
    })
}

/// HTML that may hold what looks like a heading, and what ends it.
fn html(rest: &str) -> Option<&'static str> {
    let lower = rest.get(..rest.floor_char_boundary(12))?.to_ascii_lowercase();
    if lower.starts_with("<!--") {
        return Some("-->");
    }
    [("<pre", "</pre>"), ("<script", "</script>"), ("<style", "</style>")].into_iter().find_map(|(start, end)| {
        let behind = lower.strip_prefix(start)?;
        (behind.is_empty() || behind.starts_with([' ', '\t', '>'])).then_some(end)
    })
}

/// How far the text of an item of a list is indented beyond its mark.
fn list_item(rest: &str) -> Option<usize> {
    let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
    let mark = match rest.as_bytes().get(digits) {
        Some(b'-' | b'+' | b'*') if digits == 0 => 1,
        Some(b'.' | b')') if (1..=9).contains(&digits) => digits + 1,
        _ => return None,
    };
    let behind = &rest[mark..];
    (behind.is_empty() || behind.starts_with([' ', '\t'])).then_some(mark + 1)
}

/// The words of a heading: a link is its text, and nothing is left of what makes text bold, slanted, or code.
fn plain(title: &str) -> String {
    let mut words = String::with_capacity(title.len());
    let mut rest = title;
    while let Some(at) = rest.find(']') {
        let is_link = rest[at + 1..].starts_with('(');
        let end = is_link.then(|| rest[at..].find(')')).flatten();
        words.push_str(&rest[..at]);
        rest = &rest[at + end.map_or(1, |end| end + 1)..];
    }
    words.push_str(rest);
    words.retain(|c| !matches!(c, '*' | '`' | '[' | '!'));
    words.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use comrak::nodes::NodeValue;
    use proptest::prelude::*;

    use super::*;

    /// The lines of the headings of a file, with their levels.
    fn headings(text: &str) -> Vec<(usize, u8)> {
        let numbered = lines(text).into_iter().zip(1..);
        numbered
            .filter_map(|(line, number)| match line.kind {
                Kind::Heading(level, _) => Some((number, level)),
                _ => None,
            })
            .collect()
    }

    fn by_comrak(text: &str) -> Vec<(usize, u8)> {
        let arena = comrak::Arena::new();
        let root = comrak::parse_document(&arena, text, &comrak::Options::default());
        root.children()
            .filter_map(|node| {
                let node = node.data.borrow();
                match node.value {
                    NodeValue::Heading(heading) => Some((node.sourcepos.start.line, heading.level)),
                    _ => None,
                }
            })
            .collect()
    }

    const FRAGMENTS: [&str; 33] = [
        "# A title",
        "## Two",
        "###### Six",
        "####### Seven",
        "#",
        "#x",
        "## Closed ##",
        "    # Code",
        "",
        "",
        "",
        "A line of text.",
        "Another",
        "===",
        "---",
        "-----",
        "  continued",
        "```",
        "```sh",
        "~~~~",
        "````",
        "# comment",
        "- item",
        "1. item",
        "> quote",
        "<!-- # x",
        "-->",
        "<!-- whole -->",
        "* * *",
        "***",
        "text `code` text",
        "\tcode",
        "`` ` # x",
    ];

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(3000))]
        #[test]
        fn headings_are_those_of_comrak(picked in prop::collection::vec(0..FRAGMENTS.len(), 0..14), end in "(\r?\n)") {
            let text: String = picked.iter().map(|index| format!("{}{end}", FRAGMENTS[*index])).collect();
            prop_assert_eq!(headings(&text), by_comrak(&text), "{}", text);
        }

        #[test]
        fn lines_are_the_whole_text(text in "(?s).{0,80}") {
            let joined: String = lines(&text).iter().map(|line| &text[line.range.clone()]).collect();
            prop_assert_eq!(joined, text);
        }
    }

    #[test]
    fn a_heading_has_words() {
        let title = |text: &str| {
            lines(text).into_iter().find_map(|line| match line.kind {
                Kind::Heading(_, title) => Some(title),
                _ => None,
            })
        };
        assert_eq!(title("## The **`x`** of [leave](a.md#b) #\n").as_deref(), Some("The x of leave"));
        assert_eq!(title("Two\nlines\n===\n").as_deref(), Some("Two lines"));
        assert_eq!(title("# [open (a\n").as_deref(), Some("open (a"));
    }

    #[test]
    fn a_front_matter_is_no_text() {
        assert_eq!(&"---\na: 1\n---\n# T\n"[body("---\na: 1\n---\n# T\n")..], "# T\n");
        assert_eq!((body("---\nno end\n"), body("# T\n---\n"), body("")), (0, 0, 0));
    }
}
