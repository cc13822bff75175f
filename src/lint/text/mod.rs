//! A template as a linter reads it: which bytes are text that a model is sent, in whose message, in which part.
//!
//! The masked text has the bytes of the file, tags and comments blanked out, so that a match in it has its place in the
//! file. What is printed by an expression is [`HOLE`]: no word, and no end of a sentence.

mod reader;

use std::ops::Range;
use std::sync::{Arc, LazyLock};

use regex::Regex;

use self::reader::Reader;
use crate::core::problem::Source;
use crate::prompt::{File, Prompt, fence_mark};

/// What stands in the masked text where an expression prints something.
pub(super) const HOLE: char = '\u{1}';

/// Who says a stretch of a template.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Speaker {
    /// The application: a message of `system` or `developer`.
    System,
    /// The user, or nobody said.
    User,
    /// The model, earlier.
    Assistant,
    /// A tool.
    Tool,
    /// Whoever includes this partial, or an expression decides.
    Unknown,
}

/// A line of a template's body.
#[derive(Clone, Debug)]
pub(super) struct TextLine {
    /// Its bytes, without the line feed.
    pub(super) span: Range<usize>,
    /// Whose message it is in.
    pub(super) speaker: Speaker,
    /// Whether it is within a code fence, or is one.
    pub(super) is_code: bool,
    /// Whether it is part of an example.
    pub(super) is_example: bool,
}

/// An expression that is printed.
#[derive(Clone, Debug)]
pub(super) struct Print {
    /// Its bytes, braces included.
    pub(super) span: Range<usize>,
    /// The names of what it prints, of variables and functions: what it only asks or counts is not among them.
    pub(super) names: Vec<String>,
    /// Whose message it is in.
    pub(super) speaker: Speaker,
}

/// A comment of the template, which no model sees.
#[derive(Clone, Debug)]
pub(super) struct Comment {
    /// Its bytes, marks included.
    pub(super) span: Range<usize>,
    /// What it says.
    pub(super) text: Range<usize>,
}

/// A tag with a keyword: `{% if … %}`.
#[derive(Clone, Debug)]
pub(super) struct Tag {
    /// Its bytes.
    pub(super) span: Range<usize>,
    /// `if`, `endif`, …
    pub(super) keyword: String,
    /// The names that it reads, of variables and functions.
    pub(super) names: Vec<String>,
    /// Whose message it is in.
    pub(super) speaker: Speaker,
}

/// A template, taken apart.
#[derive(Clone, Debug)]
pub(super) struct Template {
    /// Its name below `prompts/`.
    pub(super) key: String,
    /// The file's text.
    pub(super) source: Arc<Source>,
    /// Where the template begins, behind the front matter.
    pub(super) body: usize,
    /// Whether it is a partial.
    pub(super) is_partial: bool,
    /// The text, with everything else blanked out.
    pub(super) masked: String,
    /// The lines of the body.
    pub(super) lines: Vec<TextLine>,
    /// What is printed.
    pub(super) prints: Vec<Print>,
    /// What is said to people only.
    pub(super) comments: Vec<Comment>,
    /// The tags.
    pub(super) tags: Vec<Tag>,
    /// What stands within `{% raw %}`.
    pub(super) raw: Vec<Range<usize>>,
    /// The sentences of its prose, in the masked text.
    pub(super) sentences: Vec<Range<usize>>,
}

static EXAMPLE: LazyLock<Option<Regex>> = LazyLock::new(|| {
    let label = r"(?:few[- ]shots?|(?:sample |example )?(?:inputs?|outputs?)|(?:for )?examples?|q|a|question|answer|assistant|user|human|ai)";
    Regex::new(&format!(r"(?i)^\W{{0,4}}{label}\W{{0,2}}(?:\s?\d+|\s\([^)]*\))?\W{{0,3}}:")).ok()
});
static HEADING: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"^\s{0,3}(#{1,6})\s+(.*)$").ok());
static OPEN_TAG: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"(?i)<(/?)(?:few[-_]?shot[-_]?)?(?:examples?|samples?)\b[^>]*>").ok());
static SENTENCE: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"(?s)\S.*?(?:[.!?]+[)\x22']*(?:\s|$)|$)").ok());
static ITEM: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"^\s*(?:(?:[-*+•]|\d{1,3}[.)]|#{1,6})\s|\|)").ok());

fn is_match(regex: &LazyLock<Option<Regex>>, text: &str) -> bool {
    regex.as_ref().is_some_and(|regex| regex.is_match(text))
}

impl Template {
    /// Takes a template apart. One with mistakes of syntax is taken apart as far as it goes; it is refused elsewhere.
    pub(super) fn new(file: File<'_>) -> Self {
        let source = Arc::clone(file.source);
        let mut reader = Reader::new(&source.text, file.body, file.is_partial);
        reader.read();
        let Reader { mask, speakers, prints, comments, tags, raw, .. } = reader;
        // Whole characters were blanked out, each byte by a byte.
        let masked = String::from_utf8(mask).unwrap_or_default();
        let lines = lines(&masked, file.body, &speakers);
        let sentences = sentences(&masked, &lines);
        Self {
            key: file.key.to_owned(),
            source,
            body: file.body,
            is_partial: file.is_partial,
            masked,
            lines,
            prints,
            comments,
            tags,
            raw,
            sentences,
        }
    }

    /// The lines that are instructions: no code, no example, nothing that the model or a tool said.
    pub(super) fn prose(&self) -> impl Iterator<Item = (&TextLine, &str)> {
        let lines = self.lines.iter().filter(|line| line.is_prose());
        lines.map(|line| (line, &self.masked[line.span.clone()])).filter(|(_, text)| !text.trim().is_empty())
    }

    /// All prose, a line a line.
    pub(super) fn prose_text(&self) -> String {
        self.prose().map(|(_, text)| text).collect::<Vec<_>>().join("\n")
    }

    /// Every match of an expression in the prose, with its place in the file.
    pub(super) fn matches<'t>(&'t self, regex: &'t Regex) -> impl Iterator<Item = Range<usize>> + 't {
        let found = |(line, text): (&'t TextLine, &'t str)| {
            regex.find_iter(text).map(move |found| line.span.start + found.start()..line.span.start + found.end())
        };
        self.prose().flat_map(found)
    }

    /// Stretches of text with no tag, value or line end in them, each with its place: what stands in a request just so
    /// where it is rendered.
    pub(super) fn pieces(&self, is_wanted: fn(&TextLine) -> bool) -> Vec<(usize, &str)> {
        let lines = self.lines.iter().filter(|line| is_wanted(line));
        // A tag was blanked out by at least four blanks.
        let cut = |line: &TextLine| {
            let (start, text) = (line.span.start, &self.masked[line.span.clone()]);
            let parts = text.split(HOLE).flat_map(|part| part.split("  ")).map(str::trim);
            let parts = parts.filter(|part| part.chars().any(char::is_alphanumeric));
            parts.map(move |part| (start + (part.as_ptr() as usize - text.as_ptr() as usize), part)).collect::<Vec<_>>()
        };
        lines.flat_map(cut).collect()
    }

    /// The pieces of the longest way through the template: of branches that exclude each other the longest.
    pub(super) fn longest_way(&self, is_wanted: fn(&TextLine) -> bool) -> Vec<&str> {
        let weight = |pieces: &[&str]| pieces.iter().map(|piece| piece.len()).sum::<usize>();
        let mut pieces = self.pieces(is_wanted).into_iter().peekable();
        // Of each tag that is open: the longest branch so far, and the one that is read.
        let mut open: Vec<(Vec<&str>, Vec<&str>)> = vec![(Vec::new(), Vec::new())];
        for tag in &self.tags {
            while let (Some((_, piece)), Some((_, branch))) =
                (pieces.next_if(|(at, _)| *at < tag.span.start), open.last_mut())
            {
                branch.push(piece);
            }
            match tag.keyword.as_str() {
                "if" | "for" => open.push((Vec::new(), Vec::new())),
                "elif" | "else" | "endif" | "endfor" if open.len() > 1 => {
                    let Some((longest, branch)) = open.last_mut() else { continue };
                    if weight(branch) > weight(longest) {
                        *longest = std::mem::take(branch);
                    }
                    branch.clear();
                    if tag.keyword.starts_with("end")
                        && let (Some((longest, _)), Some((_, outer))) = (open.pop(), open.last_mut())
                    {
                        outer.extend(longest);
                    }
                }
                _ => {}
            }
        }
        // The syntax was checked: nothing is open any more.
        let mut way: Vec<&str> = open.into_iter().flat_map(|(longest, branch)| [longest, branch].concat()).collect();
        way.extend(pieces.map(|(_, piece)| piece));
        way
    }

    /// The text of a stretch as it is written in the file.
    pub(super) fn written(&self, span: Range<usize>) -> &str {
        self.source.text.get(span).unwrap_or_default()
    }

    /// Whether a prompt is this template, or reaches it.
    pub(super) fn is_part_of(&self, prompt: &Prompt) -> bool {
        prompt.path.as_str() == self.source.path || prompt.open || prompt.partials.contains(&self.key)
    }

    /// A place for what is about the template as a whole: its first line with something in it.
    pub(super) fn start(&self) -> Range<usize> {
        let first = self.lines.iter().find(|line| !self.source.text[line.span.clone()].trim().is_empty());
        first.map_or(self.body..self.body, |line| line.span.clone())
    }
}

impl TextLine {
    /// Whether it is an instruction, and no code or example.
    pub(super) fn is_prose(&self) -> bool {
        !self.is_code && !self.is_example && !matches!(self.speaker, Speaker::Assistant | Speaker::Tool)
    }
}

fn lines(masked: &str, body: usize, speakers: &[(usize, Speaker)]) -> Vec<TextLine> {
    let mut lines: Vec<TextLine> = Vec::new();
    let (mut at, mut fence, mut heading): (usize, Option<&str>, Option<usize>) = (body, None, None);
    let (mut in_tag, mut labelled) = (false, false);
    for text in masked[body..].split_inclusive('\n') {
        let line = text.trim_end_matches('\n');
        let span = at..at + line.len();
        at += text.len();
        // Who speaks is said at the end of a line as often as at its start: its own text decides.
        let first = span.start + (line.len() - line.trim_start().len());
        let index = speakers.partition_point(|(from, _)| *from <= first).saturating_sub(1);
        let speaker = speakers.get(index).map_or(Speaker::Unknown, |(_, speaker)| *speaker);
        if speakers.iter().any(|(from, _)| span.contains(from) || *from == span.end) {
            (heading, labelled, in_tag) = (None, false, false);
        }
        let mark = fence_mark(line);
        let mut is_code = fence.is_some();
        match (fence, mark) {
            (None, Some(mark)) => (fence, is_code) = (Some(mark), true),
            (Some(open), Some(mark)) if mark.starts_with(open) => fence = None,
            _ => {}
        }
        if !is_code && let Some(found) = HEADING.as_ref().and_then(|regex| regex.captures(line)) {
            let (depth, title) = (found[1].len(), found[2].to_lowercase());
            if title.contains("example") || title.contains("few-shot") || title.contains("few shot") {
                heading = Some(heading.map_or(depth, |known: usize| known.min(depth)));
            } else if heading.is_some_and(|known| depth <= known) {
                heading = None;
            }
        }
        if line.trim().is_empty() && !is_code {
            labelled = false;
        } else if is_match(&EXAMPLE, line) {
            labelled = true;
        }
        let mut was_in_tag = in_tag;
        for found in OPEN_TAG.iter().flat_map(|regex| regex.captures_iter(line)) {
            in_tag = found[1].is_empty();
            was_in_tag = true;
        }
        let is_example = heading.is_some() || labelled || was_in_tag || in_tag;
        lines.push(TextLine { span, speaker, is_code, is_example });
    }
    few_shot(&mut lines);
    lines
}

/// What a user said before the model answered is an example of the conversation.
fn few_shot(lines: &mut [TextLine]) {
    let mut next = None;
    for line in lines.iter_mut().rev() {
        let followed =
            matches!((line.speaker, next), (Speaker::User, Some((Speaker::Assistant, _) | (Speaker::User, true))));
        line.is_example |= followed;
        next = Some((line.speaker, followed));
    }
}

/// The sentences of the prose. Lines that follow each other are one paragraph, but for items of a list.
fn sentences(masked: &str, lines: &[TextLine]) -> Vec<Range<usize>> {
    let mut paragraphs: Vec<Range<usize>> = Vec::new();
    let mut goes_on = false;
    for line in lines {
        let text = &masked[line.span.clone()];
        // A line that only prints a value is no part of a sentence.
        let is_text = line.is_prose() && text.chars().any(char::is_alphanumeric);
        match paragraphs.last_mut() {
            Some(last) if is_text && goes_on && !is_match(&ITEM, text) => last.end = line.span.end,
            _ if is_text => paragraphs.push(line.span.clone()),
            _ => {}
        }
        // A heading is a sentence of its own.
        goes_on = is_text && !text.trim_start().starts_with('#');
    }
    let within = |paragraph: Range<usize>| {
        let text = &masked[paragraph.clone()];
        let found = SENTENCE.iter().flat_map(move |regex| regex.find_iter(text));
        found.map(move |found| {
            let end = found.start() + found.as_str().trim_end().len();
            paragraph.start + found.start()..paragraph.start + end
        })
    };
    paragraphs.into_iter().flat_map(within).filter(|span| !span.is_empty()).collect()
}

/// A sentence as it is compared with others: small letters, one blank between words, no mark of a list.
pub(super) fn normalised(text: &str) -> String {
    let words: Vec<String> = text
        .split(|c: char| c.is_whitespace())
        .map(|word| word.trim_matches(|c: char| !c.is_alphanumeric() && c != HOLE).to_lowercase())
        .filter(|word| !word.is_empty())
        .collect();
    let (mut text, mut in_hole) = (String::new(), false);
    for c in words.join(" ").chars() {
        if c != HOLE {
            text.push(c);
        } else if !in_hole {
            text.push_str("{}");
        }
        in_hole = c == HOLE;
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn template(text: &str) -> Template {
        let source = Source::new("prompts/p.j2", text);
        Template::new(File { key: "p.j2", source: &source, body: 0, is_partial: false })
    }

    #[test]
    fn tags_are_blank_and_every_byte_keeps_its_place() {
        let text = "Grüße {{ name }}, {# nö #}{% if a -%}  ja{% endif %}\n{% raw %}{{ x }}{% endraw %} ende";
        let found = template(text);
        assert_eq!(found.masked.len(), text.len());
        let at = found.masked.find("ja").expect("text");
        assert_eq!(&text[at..at + 2], "ja");
        assert!(found.masked.contains("{{ x }}") && !found.masked.contains("name") && !found.masked.contains("nö"));
        assert_eq!(found.comments.iter().map(|c| found.written(c.text.clone())).collect::<Vec<_>>(), [" nö "]);
        assert_eq!(found.prints[0].names, ["name"]);
        assert_eq!(found.tags.iter().map(|tag| tag.keyword.as_str()).collect::<Vec<_>>(), ["if", "endif"]);
    }

    #[test]
    fn examples_and_code_are_no_prose() {
        let text = "{{ role('system') }}\nBe kind.\n```\nNEVER\n```\n<example>\nDo that\n</example>\nQ: what?\nThis\n\nStop.\n{{ role('user') }}\nHi\n{{ role('assistant') }}\nHello\n{{ role('user') }}\n{{ q }}";
        let found = template(text);
        let prose: Vec<&str> =
            found.prose().map(|(_, text)| text.trim()).filter(|text| !text.starts_with(HOLE)).collect();
        assert_eq!(prose, ["Be kind.", "Stop."]);
        assert_eq!(found.lines[1].speaker, Speaker::System);
    }

    #[test]
    fn of_branches_the_longest_is_the_way() {
        let found = template(
            "One {{ a }} two {% if x %}short{% elif y %}the longest {% if z %}deep{% endif %}{% else %}middle{% endif %} end\n{% for i in x %}body{% else %}no{% endfor %} {% raw %}{i}{% endraw %}",
        );
        let way = found.longest_way(|_| true);
        let mut sorted = way.clone();
        sorted.sort_unstable();
        assert_eq!(sorted, ["One", "body", "deep", "end", "the longest", "two", "{i}"], "{way:?}");
        assert_eq!(found.raw.iter().map(|span| found.written(span.clone())).collect::<Vec<_>>(), ["{i}"]);
    }

    #[test]
    fn sentences_cross_lines_and_end_at_items() {
        let found = template("Answer in\none line. Be brief!\n- First\n- Second {{ x }}.\n\nEnd");
        let texts: Vec<String> = found.sentences.iter().map(|s| normalised(&found.masked[s.clone()])).collect();
        assert_eq!(texts[..3], ["answer in one line", "be brief", "first"]);
        assert_eq!((texts.len(), texts[4].as_str()), (5, "end"), "{texts:?}");
    }
}
