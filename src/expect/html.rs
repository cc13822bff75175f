//! `is-html` and `contains-html`. A browser makes a page of every text, so what counts as HTML is a rule, and a published one.

use std::sync::LazyLock;

use html5gum::Tokenizer;
use html5gum::emitters::default::{DefaultEmitter, Token};
use regex::Regex;

use super::argument::Arguments;
use super::fixed::fixed;
use super::shown::quoted;
use super::{Check, Finding, Subject, Written};

/// The longest text that is looked at, in bytes.
const LONGEST: usize = 10 << 20;

/// The deepest nesting that is read; browsers stop at 512.
const DEEPEST: usize = 1_000;

/// The elements of HTML, but for `html`, `head` and `body`.
const ELEMENTS: &str = " title base link meta style article section nav aside h1 h2 h3 h4 h5 h6 header footer address p hr pre \
    blockquote ol ul li dl dt dd figure figcaption main div a em strong small s cite q dfn abbr ruby rt rp data time code var samp \
    kbd sub sup i b u mark bdi bdo span br wbr img iframe embed object param picture source video audio track map area svg math \
    script noscript canvas ins del table caption colgroup col tbody thead tfoot tr td th form label input button select datalist \
    optgroup option textarea output progress meter fieldset legend details summary dialog menu slot template ";
const VOID: &str = " area base basefont bgsound br col embed frame hr img input link meta param source track wbr ";
/// They end a paragraph that is open.
const BLOCKS: &str = " address article aside blockquote center details dialog dir div dl fieldset figcaption figure footer form \
    h1 h2 h3 h4 h5 h6 header hgroup hr main menu nav ol p pre section summary table ul ";
/// They go on behind the element in which they were opened.
const FORMATTING: &str = " a b big code em font i nobr s small strike strong tt u ";
/// They mean something within a table only.
const OF_TABLES: &str = " caption col colgroup tbody td tfoot th thead tr ";

fn is_in(list: &str, name: &str) -> bool {
    list.contains(&format!(" {name} "))
}

struct IsHtml;
struct ContainsHtml;

fn nothing(arguments: &mut Arguments<'_, '_, '_>) -> bool {
    if arguments.value.is_some() {
        let message = format!("`{}` takes no value", arguments.name);
        arguments.error(message);
    }
    arguments.value.is_none()
}

pub(super) fn is_html(arguments: &mut Arguments<'_, '_, '_>) -> Option<Box<dyn Written>> {
    nothing(arguments).then(|| fixed(IsHtml))
}

pub(super) fn contains_html(arguments: &mut Arguments<'_, '_, '_>) -> Option<Box<dyn Written>> {
    nothing(arguments).then(|| fixed(ContainsHtml))
}

/// The elements that are open, as far as it matters for what stands outside of them all.
#[derive(Default)]
struct Open {
    stack: Vec<String>,
    formatting: Vec<String>,
    /// Whether an element of HTML was seen.
    known: bool,
    /// Whether a body was opened by its tag.
    body: bool,
    /// The first text outside of every element.
    outside: Option<String>,
    /// Whether it is nested deeper than anybody nests.
    deep: bool,
}

impl Open {
    fn has(&self, name: &str) -> bool {
        self.stack.iter().any(|open| open == name)
    }

    fn start(&mut self, name: &str, closes_itself: bool) {
        if matches!(name, "html" | "head" | "body") {
            self.known = true;
            self.body |= name == "body";
            return;
        }
        let foreign = self.has("svg") || self.has("math");
        if is_in(OF_TABLES, name) && !self.has("table") && !self.has("template") && !foreign {
            return;
        }
        self.known |= is_in(ELEMENTS, name) || name.contains('-');
        if is_in(BLOCKS, name) && !foreign {
            self.close("p");
        }
        if is_in(VOID, name) || closes_itself && (foreign || matches!(name, "svg" | "math")) {
            return;
        }
        if is_in(FORMATTING, name) {
            self.formatting.push(name.to_owned());
        }
        self.stack.push(name.to_owned());
        self.deep |= self.stack.len() > DEEPEST || self.formatting.len() > DEEPEST;
    }

    fn end(&mut self, name: &str) {
        // These make an element of their own where none is open.
        self.known |= matches!(name, "p" | "br");
        if is_in(FORMATTING, name) {
            if let Some(at) = self.formatting.iter().rposition(|open| open == name) {
                self.formatting.remove(at);
            }
            // What was opened within it stays open.
            if let Some(at) = self.stack.iter().rposition(|open| open == name) {
                self.stack.remove(at);
            }
            return;
        }
        self.close(name);
    }

    fn close(&mut self, name: &str) {
        if let Some(at) = self.stack.iter().rposition(|open| open == name) {
            self.stack.truncate(at);
        }
    }

    fn text(&mut self, text: &str) {
        // A text directly within a table is put in front of it.
        let of_table = |name: &str| matches!(name, "table" | "tbody" | "thead" | "tfoot" | "tr");
        let inside = match self.stack.iter().rposition(|open| !of_table(open)) {
            Some(_) => true,
            None => !self.formatting.is_empty(),
        };
        if !inside && self.outside.is_none() && !text.trim().is_empty() {
            self.outside = Some(text.trim().to_owned());
        }
    }
}

/// Reads a text as HTML, as far as `is-html` needs it.
fn read(text: &str) -> Open {
    let mut emitter = DefaultEmitter::default();
    emitter.naively_switch_states(true);
    let mut open = Open::default();
    // A text has no errors of reading.
    for token in Tokenizer::new_with_emitter(text, emitter).flatten() {
        if open.deep {
            break;
        }
        match token {
            Token::StartTag(tag) => open.start(&String::from_utf8_lossy(&tag.name), tag.self_closing),
            Token::EndTag(tag) => open.end(&String::from_utf8_lossy(&tag.name)),
            Token::String(text) => open.text(&String::from_utf8_lossy(&text)),
            Token::Comment(_) | Token::Doctype(_) | Token::Error(_) => {}
        }
    }
    open
}

impl Check for IsHtml {
    fn check(&self, subject: &Subject<'_>) -> Finding {
        let text = subject.response.text.trim();
        if text.len() > LONGEST {
            return Finding::unknown(format!(
                "the answer is longer than {} MiB, too long to look for HTML in it",
                LONGEST >> 20
            ));
        }
        if text.get(..5).is_some_and(|start| start.eq_ignore_ascii_case("<?xml")) {
            return Finding::new(false, format!("the answer is XML and not HTML: {}", quoted(text)));
        }
        let open = read(text);
        if open.deep {
            return Finding::unknown(format!("the answer is nested deeper than {DEEPEST} elements"));
        }
        match open.outside {
            Some(outside) if !open.body => {
                Finding::new(false, format!("there is text outside of every element: {}", quoted(&outside)))
            }
            _ if !open.known => Finding::new(false, format!("there is no element of HTML in {}", quoted(text))),
            _ => Finding::new(true, format!("the answer is HTML: {}", quoted(text))),
        }
    }
}

/// What speaks for HTML within other text, and how much: 2 together are enough.
static HINTS: LazyLock<Vec<(u32, Regex)>> = LazyLock::new(|| {
    [
        (1, r"<[a-zA-Z][a-zA-Z0-9-]*(?:\s[^>]*)?>"),
        (1, r"</[a-zA-Z][a-zA-Z0-9-]*\s*>"),
        (1, r"<[a-zA-Z][a-zA-Z0-9-]*(?:\s[^>]*)?/>"),
        (1, r"&(?:[a-zA-Z]+|#[0-9]+|#x[0-9a-fA-F]+);"),
        (2, r"(?i)<!DOCTYPE\s+html"),
        (1, r"<!--[^-]*(?:-[^-]+)*-->"),
        (1, r#"\s[a-zA-Z-]+=\s*["'][^"']*["']"#),
        (2, r"(?i)<(?:html|head|body|div|span|p|a|img|h[1-6]|ul|ol|li|table|tr|td|th|form|input|button|script|style|link|meta|br|hr)\b"),
    ]
    .into_iter()
    // The expressions are constants, and a test compiles every one of them.
    .filter_map(|(weight, pattern)| Some((weight, Regex::new(pattern).ok()?)))
    .collect()
});

impl Check for ContainsHtml {
    fn check(&self, subject: &Subject<'_>) -> Finding {
        let text = &subject.response.text;
        if text.len() > LONGEST {
            return Finding::unknown(format!(
                "the answer is longer than {} MiB, too long to look for HTML in it",
                LONGEST >> 20
            ));
        }
        let hints: u32 = HINTS.iter().filter(|(_, hint)| hint.is_match(text)).map(|(weight, _)| weight).sum();
        let what = if hints >= 2 { "there is HTML in" } else { "there is no HTML in" };
        Finding::new(hints >= 2, format!("{what} {}", quoted(text)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn is_page(text: &str) -> bool {
        let open = read(text);
        open.known && (open.body || open.outside.is_none())
    }

    #[test]
    fn the_rule_follows_what_a_browser_makes_of_a_text() {
        assert_eq!(HINTS.len(), 8, "every expression compiles");
        for good in [
            "<p>a</p>",
            "<p>a<p>b",
            "<!DOCTYPE html><html><head><title>t</title></head><body>text</body></html>",
            "<body>text",
            "<ul><li>a<li>b</ul>\n<br>",
            "<b><p>x</b>y</p>",
            "<p><b>x</p>y",
            "<my-element>x</my-element>",
            "<script>if (a < b) { '</div>' }</script>",
            "<table><tr><td>x</td></tr></table>",
            "<svg><path/></svg>",
            "<div/>text",
        ] {
            assert!(is_page(good), "{good}");
        }
        for bad in [
            "text",
            "<p>a</p> text",
            "text <p>a</p>",
            "<br>text",
            "<foo>x</foo>",
            "1 < 2",
            "<!-- c -->",
            "<p>a<div>b</div>c",
            "<table>text</table>",
            "<td>x</td>",
        ] {
            assert!(!is_page(bad), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_the_reader_panic(text in "(<[/!]?[a-z]{0,6}[ />='\"-]{0,3}|x| ){0,20}|.*") {
            let _ = is_page(&text);
        }
    }
}
