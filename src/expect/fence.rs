//! `code-fence`: whether the answer holds a fenced block of code; and the blocks, for others that look into them.

use super::argument::Arguments;
use super::fixed::fixed;
use super::shown::quoted;
use super::{Check, Finding, Subject, Written};
use crate::core::yaml::Data;

/// A fenced block: its language in lower case (empty where none is named), what stands in it, and where the whole is.
#[derive(Debug, PartialEq)]
pub(super) struct Block<'t> {
    pub(super) language: String,
    pub(super) body: &'t str,
    pub(super) whole: std::ops::Range<usize>,
}

/// The fenced blocks of a text, as CommonMark has them, in items of lists too, but that a block which is never closed is
/// none: its end is missing.
pub(super) fn blocks(text: &str) -> Vec<Block<'_>> {
    let mut blocks = Vec::new();
    let mut open: Option<(char, usize, String, usize, usize)> = None;
    let mut at = 0;
    // Where the contents of the items begin that this line may belong to, from the outermost.
    let mut items: Vec<usize> = Vec::new();
    for line in text.split_inclusive('\n') {
        let start = at;
        at += line.len();
        let indent = indent(line);
        if open.is_none() && !line.trim().is_empty() {
            items.retain(|item| *item <= indent);
            let is_code = indent >= items.last().unwrap_or(&0) + CODE;
            items.extend(item(line, indent).filter(|_| !is_code));
        }
        // What is indented so far is code already, or part of a paragraph.
        if indent >= items.last().unwrap_or(&0) + CODE {
            continue;
        }
        let Some((mark, count, rest)) = fence(line) else { continue };
        match &open {
            Some((opened, least, language, whole, body)) => {
                if *opened == mark && count >= *least && rest.is_empty() {
                    let whole = *whole..start + line.trim_end_matches(['\n', '\r']).len();
                    blocks.push(Block { language: language.clone(), body: &text[*body..start], whole });
                    open = None;
                }
            }
            // Back quotes behind the opening ones make it a span of code within a line.
            None if mark == '`' && rest.contains('`') => {}
            None => {
                let language = rest.split_whitespace().next().unwrap_or_default().to_lowercase();
                open = Some((mark, count, language, start, at));
            }
        }
    }
    blocks
}

/// The indentation that makes a line code without any fence.
const CODE: usize = 4;

/// How far a line is indented, in columns.
fn indent(line: &str) -> usize {
    let blank = line.chars().take_while(|c| matches!(c, ' ' | '\t'));
    blank.fold(0, |column, c| if c == '\t' { column / CODE * CODE + CODE } else { column + 1 })
}

/// Where the contents of an item of a list begin, if the line begins one.
fn item(line: &str, indent: usize) -> Option<usize> {
    let line = line.trim();
    let digits = line.chars().take_while(char::is_ascii_digit).count();
    let marker = match line[digits..].chars().next()? {
        '-' | '+' | '*' if digits == 0 => 1,
        '.' | ')' if (1..=9).contains(&digits) => digits + 1,
        _ => return None,
    };
    let behind = &line[marker..];
    let blanks = behind.len() - behind.trim_start_matches([' ', '\t']).len();
    let is_item = behind.is_empty() || blanks > 0;
    is_item.then_some(indent + marker + if (1..=CODE).contains(&blanks) { blanks } else { 1 })
}

/// The mark of a line that opens or closes a block, how many there are, and what stands behind them.
fn fence(line: &str) -> Option<(char, usize, &str)> {
    let line = line.trim();
    let mark = line.chars().next().filter(|c| matches!(c, '`' | '~'))?;
    let count = line.chars().take_while(|c| *c == mark).count();
    (count >= 3).then(|| (mark, count, line[count..].trim()))
}

struct CodeFence {
    /// In lower case; empty: whatever the language.
    languages: Vec<String>,
    only: bool,
}

pub(super) fn code_fence(arguments: &mut Arguments<'_, '_, '_>) -> Option<Box<dyn Written>> {
    let mut check = CodeFence { languages: Vec::new(), only: false };
    match arguments.value {
        None => {}
        Some(node) if matches!(node.data, Data::Map(_)) => {
            let fields = arguments.decoder.fields(node, "code-fence", &["language", "only"])?;
            if let Some(node) = fields.get("language") {
                check.languages = arguments.decoder.texts(node, "language")?;
            }
            if let Some(node) = fields.get("only") {
                check.only = arguments.decoder.bool(node, "only")?;
            }
        }
        Some(node) => check.languages = arguments.decoder.texts(node, "the value of `code-fence`")?,
    }
    let bad = |language: &String| language.is_empty() || language.contains(char::is_whitespace);
    if check.languages.iter().any(bad) {
        arguments.error("a language is one word, such as `python`");
        return None;
    }
    check.languages.iter_mut().for_each(|language| *language = language.to_lowercase());
    Some(fixed(check))
}

impl Check for CodeFence {
    fn check(&self, subject: &Subject<'_>) -> Finding {
        let text = &subject.response.text;
        let blocks = blocks(text);
        let wanted = |block: &&Block<'_>| self.languages.is_empty() || self.languages.contains(&block.language);
        let Some(found) = blocks.iter().find(wanted) else { return Finding::new(false, self.nothing(text, &blocks)) };
        if self.only {
            if blocks.len() > 1 {
                return Finding::new(false, format!("expected one fenced block alone, there are {}", blocks.len()));
            }
            let around = format!("{} {}", text[..found.whole.start].trim(), text[found.whole.end..].trim());
            if !around.trim().is_empty() {
                return Finding::new(
                    false,
                    format!("there is text around the fenced block: {}", quoted(around.trim())),
                );
            }
        }
        Finding::new(true, format!("there is a fenced block: {}", quoted(&text[found.whole.clone()])))
    }
}

impl CodeFence {
    fn nothing(&self, text: &str, blocks: &[Block<'_>]) -> String {
        let wanted = match self.languages.as_slice() {
            [] => String::new(),
            languages => format!(" of {}", languages.join(" or ")),
        };
        if blocks.is_empty() {
            let opened = text.lines().any(|line| fence(line).is_some());
            let open = if opened { "; one is opened but never closed" } else { "" };
            return format!("there is no fenced block{wanted}{open} in {}", quoted(text));
        }
        let name = |block: &Block<'_>| match block.language.as_str() {
            "" => "no language".to_owned(),
            language => quoted(language),
        };
        let found: Vec<String> = blocks.iter().take(5).map(name).collect();
        format!("there is no fenced block{wanted}; those that are there have {}", found.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn found(text: &str) -> Vec<(String, &str)> {
        blocks(text).into_iter().map(|block| (block.language, block.body)).collect()
    }

    #[test]
    fn blocks_are_found_as_commonmark_has_them() {
        assert_eq!(found("a\n```Rust ignore\nx\n```\nb"), [("rust".into(), "x\n")]);
        assert_eq!(found("~~~\n```\n~~~"), [(String::new(), "```\n")]);
        assert_eq!(found("````\n```\n````"), [(String::new(), "```\n")]);
        assert_eq!(found("1. so:\n     ```\r\n     x\r\n     ```\r\n"), [(String::new(), "     x\r\n")]);
        assert_eq!(found("a\n\n    ```\n    x\n    ```\n"), [], "indented code");
        assert_eq!(found("a\n\n\t```\n\tx\n\t```\n"), [], "indented code");
        assert_eq!(found("   ```\n   x\n   ```\n"), [(String::new(), "   x\n")]);
        assert_eq!(found("- a\n  - b\n\n    ```\n    x\n    ```\n"), [(String::new(), "    x\n")]);
        assert_eq!(found("- a\n\nb\n\n    ```\n    x\n    ```\n"), [], "behind the list");
        assert_eq!(found("```\n- x\n```"), [(String::new(), "- x\n")]);
        assert_eq!(found("```\nno end"), []);
        assert_eq!(found("```a``` b\n```"), []);
        assert_eq!(found("``\nx\n``"), []);
    }

    proptest! {
        #[test]
        fn no_text_makes_the_search_panic(text in "[`~a \n\r]{0,60}|.*") {
            for block in blocks(&text) {
                prop_assert!(text[block.whole].contains(block.body));
            }
        }
    }
}
