//! `is-xml` and `contains-xml`: whether an answer is well-formed XML, holds some, and which elements are in it.

use std::sync::Arc;

use quick_xml::NsReader;
use quick_xml::events::{BytesStart, Event};
use quick_xml::name::ResolveResult;

use super::argument::Arguments;
use super::shown::quoted;
use super::texts::Texts;
use super::{Check, Finding, Subject, Written};

/// The deepest nesting that is read.
const DEEPEST: usize = 10_000;
/// How much is read, in bytes, looking for XML that begins at each `<` in turn.
const MOST: usize = 32 << 20;

struct Xml {
    anywhere: bool,
    elements: Option<Texts>,
}

struct BoundXml {
    anywhere: bool,
    elements: Vec<String>,
}

fn build(arguments: &mut Arguments<'_, '_, '_>, anywhere: bool) -> Option<Box<dyn Written>> {
    let elements = if arguments.value.is_some() { Some(Texts::read(arguments)?) } else { None };
    Some(Box::new(Xml { anywhere, elements }))
}

pub(super) fn is_xml(arguments: &mut Arguments<'_, '_, '_>) -> Option<Box<dyn Written>> {
    build(arguments, false)
}

pub(super) fn contains_xml(arguments: &mut Arguments<'_, '_, '_>) -> Option<Box<dyn Written>> {
    build(arguments, true)
}

impl Written for Xml {
    fn variables(&self) -> Vec<String> {
        self.elements.as_ref().map(Texts::variables).unwrap_or_default()
    }

    fn bind(&self, variables: &minijinja::Value) -> Result<Arc<dyn Check>, String> {
        let elements = self.elements.as_ref().map(|texts| texts.render(variables)).transpose()?.unwrap_or_default();
        if let Some(bad) = elements.iter().find(|path| path.split('.').any(|name| !is_name(name.trim()))) {
            return Err(format!("`{bad}` is no path of elements such as `order.item.price`"));
        }
        Ok(Arc::new(BoundXml { anywhere: self.anywhere, elements }))
    }
}

/// Why a text is no XML.
enum Fault {
    Malformed(String),
    /// It declares entities or elements itself, which is never read.
    Declares,
    /// It is nested deeper than anybody nests.
    Deep,
}

fn malformed<T>(why: impl Into<String>) -> Result<T, Fault> {
    Err(Fault::Malformed(why.into()))
}

/// What was read: which of the wanted paths were found, and where it ended.
struct Read {
    found: Vec<bool>,
    end: usize,
}

/// Reads one document, or with `element` the one element that the text begins with.
fn read(text: &str, paths: &[Vec<&str>], element: bool) -> Result<Read, Fault> {
    let mut reader = NsReader::from_str(text);
    reader.config_mut().check_comments = true;
    let mut open: Vec<Vec<u8>> = Vec::new();
    let mut found = vec![false; paths.len()];
    let (mut root, mut doctype) = (false, false);
    loop {
        let start = position(&reader);
        let (namespace, event) = match reader.read_resolved_event() {
            Ok(read) => read,
            Err(error) => return malformed(error.to_string()),
        };
        // Within other text prefixes may be declared further out.
        if let (ResolveResult::Unknown(prefix), false) = (&namespace, element) {
            return malformed(format!("the prefix `{}` is declared nowhere", String::from_utf8_lossy(prefix)));
        }
        let inside = !open.is_empty();
        let mut ended = false;
        match event {
            Event::Start(tag) => {
                enter(&tag, &mut open, root, paths, &mut found)?;
                root = true;
            }
            Event::Empty(tag) => {
                enter(&tag, &mut open, root, paths, &mut found)?;
                open.pop();
                root = true;
                ended = open.is_empty();
            }
            Event::End(_) => {
                open.pop();
                ended = open.is_empty();
            }
            Event::Text(text) => {
                let text = String::from_utf8_lossy(&text);
                if !inside && !text.trim_matches(['\u{feff}', ' ', '\t', '\r', '\n']).is_empty() {
                    return malformed(format!("there is text outside of the root element: {}", quoted(text.trim())));
                }
                if text.contains("]]>") {
                    return malformed("`]]>` stands in a text");
                }
            }
            Event::CData(_) if inside => {}
            Event::CData(_) => return malformed("there is text outside of the root element"),
            Event::GeneralRef(reference) => {
                let name = String::from_utf8_lossy(&reference).into_owned();
                let known = matches!(name.as_str(), "lt" | "gt" | "amp" | "apos" | "quot");
                let number = reference.resolve_char_ref().ok().flatten().is_some_and(is_character);
                if !inside || !known && !number {
                    return malformed(format!("`&{name};` stands for nothing"));
                }
            }
            Event::Decl(declaration) => {
                if start > 0 || declaration.version().is_err() {
                    return malformed("an XML declaration stands at the very beginning only, with its version");
                }
            }
            Event::DocType(declared) => {
                if std::mem::replace(&mut doctype, true) || root {
                    return malformed("a document type is declared in front of the root element, once");
                }
                if declares(&String::from_utf8_lossy(&declared)) {
                    return Err(Fault::Declares);
                }
            }
            Event::PI(instruction) => {
                if instruction.target().eq_ignore_ascii_case(b"xml") {
                    return malformed("an XML declaration stands at the very beginning only");
                }
            }
            Event::Comment(_) => {}
            Event::Eof if inside => {
                let name = open.last().map(|name| String::from_utf8_lossy(name).into_owned()).unwrap_or_default();
                return malformed(format!("`<{name}>` is not closed"));
            }
            Event::Eof if !root => return malformed("there is no element"),
            Event::Eof => return Ok(Read { found, end: text.len() }),
        }
        if ended && element {
            return Ok(Read { found, end: position(&reader) });
        }
    }
}

fn position(reader: &NsReader<&[u8]>) -> usize {
    usize::try_from(reader.buffer_position()).unwrap_or(usize::MAX)
}

/// Checks an element that begins, and looks whether it stands at a wanted path.
fn enter(
    tag: &BytesStart<'_>,
    open: &mut Vec<Vec<u8>>,
    root: bool,
    paths: &[Vec<&str>],
    found: &mut [bool],
) -> Result<(), Fault> {
    let name = tag.name().as_ref().to_vec();
    if open.is_empty() && root {
        return malformed(format!("`<{}>` is a second root element", String::from_utf8_lossy(&name)));
    }
    if !std::str::from_utf8(&name).is_ok_and(is_name) {
        return malformed(format!("`{}` cannot be the name of an element", String::from_utf8_lossy(&name)));
    }
    for attribute in tag.attributes() {
        let attribute = match attribute {
            Ok(attribute) => attribute,
            Err(error) => return malformed(format!("in `<{}>`: {error}", String::from_utf8_lossy(&name))),
        };
        if !std::str::from_utf8(attribute.key.as_ref()).is_ok_and(is_name) {
            return malformed(format!("an attribute of `<{}>` has no name", String::from_utf8_lossy(&name)));
        }
        let value = String::from_utf8_lossy(&attribute.value);
        if value.contains('<') || quick_xml::escape::unescape(&value).is_err() {
            return malformed(format!(
                "an attribute of `<{}>` holds `<` or a lone `&`",
                String::from_utf8_lossy(&name)
            ));
        }
    }
    open.push(name);
    if open.len() > DEEPEST {
        return Err(Fault::Deep);
    }
    for (path, found) in paths.iter().zip(found) {
        *found |= path.len() == open.len() && path.iter().zip(&*open).all(|(name, open)| name.as_bytes() == &open[..]);
    }
    Ok(())
}

/// Whether a document type has declarations of its own, between `[` and `]` outside of quotes.
fn declares(doctype: &str) -> bool {
    let mut quote = None;
    for c in doctype.chars() {
        match (quote, c) {
            (Some(open), _) if open == c => quote = None,
            (None, '"' | '\'') => quote = Some(c),
            (None, '[') => return true,
            _ => {}
        }
    }
    false
}

/// Whether a character may stand in XML 1.0.
fn is_character(c: char) -> bool {
    !matches!(c, '\0'..='\u{8}' | '\u{b}' | '\u{c}' | '\u{e}'..='\u{1f}' | '\u{fffe}' | '\u{ffff}')
}

/// Whether a text is a name of XML 1.0.
fn is_name(text: &str) -> bool {
    let start = |c: char| {
        matches!(c, ':' | '_' | 'A'..='Z' | 'a'..='z' | '\u{c0}'..='\u{d6}' | '\u{d8}'..='\u{f6}' | '\u{f8}'..='\u{2ff}'
            | '\u{370}'..='\u{37d}' | '\u{37f}'..='\u{1fff}' | '\u{200c}'..='\u{200d}' | '\u{2070}'..='\u{218f}'
            | '\u{2c00}'..='\u{2fef}' | '\u{3001}'..='\u{d7ff}' | '\u{f900}'..='\u{fdcf}' | '\u{fdf0}'..='\u{fffd}'
            | '\u{10000}'..='\u{effff}')
    };
    let more = |c: char| {
        start(c) || matches!(c, '-' | '.' | '0'..='9' | '\u{b7}' | '\u{300}'..='\u{36f}' | '\u{203f}'..='\u{2040}')
    };
    let mut chars = text.chars();
    chars.next().is_some_and(start) && chars.all(more)
}

impl Check for BoundXml {
    fn check(&self, subject: &Subject<'_>) -> Finding {
        let text = &subject.response.text;
        let paths: Vec<Vec<&str>> = self.elements.iter().map(|path| path.split('.').map(str::trim).collect()).collect();
        if self.anywhere { self.search(text, &paths) } else { self.whole(text, &paths) }
    }
}

impl BoundXml {
    fn whole(&self, text: &str, paths: &[Vec<&str>]) -> Finding {
        if let Some(bad) = text.chars().find(|c| !is_character(*c)) {
            let why = format!("the answer is no XML (the character U+{:04X} may not stand there)", u32::from(bad));
            return Finding::new(false, format!("{why}: {}", quoted(text)));
        }
        match read(text.strip_prefix('\u{feff}').unwrap_or(text), paths, false) {
            Ok(read) => match self.missing(&read) {
                Some(missing) => Finding::new(false, format!("the XML has no element {missing}: {}", quoted(text))),
                None => Finding::new(true, format!("the answer is XML: {}", quoted(text))),
            },
            Err(Fault::Malformed(why)) => {
                Finding::new(false, format!("the answer is no XML ({why}): {}", quoted(text)))
            }
            Err(Fault::Declares) => Finding::unknown(
                "the answer declares entities or elements of its own in a document type, which is never read",
            ),
            Err(Fault::Deep) => Finding::unknown(format!("the answer is nested deeper than {DEEPEST} elements")),
        }
    }

    fn search(&self, text: &str, paths: &[Vec<&str>]) -> Finding {
        let (mut at, mut budget) = (0, MOST);
        let mut missing = None;
        while let Some(found) = text[at..].find('<') {
            let start = at + found;
            let rest = &text[start..];
            at = start + 1;
            if !rest[1..].starts_with(|c: char| is_name(c.encode_utf8(&mut [0; 4]))) {
                continue;
            }
            // Where an element never ends, everything behind it is read.
            if budget < rest.len() {
                return Finding::unknown("the answer has too many tags that are never closed to look for XML in it");
            }
            match read(rest, paths, true) {
                Ok(read) => match self.missing(&read) {
                    None => return Finding::new(true, format!("the answer holds {}", quoted(&rest[..read.end]))),
                    Some(name) => {
                        missing = Some(name);
                        at = start + read.end.max(1);
                    }
                },
                Err(_) => budget -= rest.len(),
            }
        }
        let why = match missing {
            Some(name) => format!("no XML in the answer has an element {name}: {}", quoted(text)),
            None => format!("there is no XML element in {}", quoted(text)),
        };
        Finding::new(false, why)
    }

    fn missing(&self, read: &Read) -> Option<String> {
        let (path, _) = self.elements.iter().zip(&read.found).find(|(_, found)| !**found)?;
        Some(quoted(path))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn well_formed(text: &str) -> bool {
        read(text, &[], false).is_ok()
    }

    #[test]
    fn xml_is_well_formed_or_not() {
        for good in [
            "<a/>",
            "<?xml version=\"1.0\"?>\n<!-- c --><a b='1' c=\"&amp;&#65;\">x &lt; <b/><![CDATA[<&]]></a>\n",
            "<!DOCTYPE a SYSTEM 'x[y]'><a/>",
            "<ä:ö xmlns:ä='u'/>",
            "<a xmlns='u'><?pi x?></a>",
        ] {
            assert!(well_formed(good), "{good}");
        }
        for bad in [
            "",
            "text",
            "<a>",
            "<a></b>",
            "</a>",
            "<a/><b/>",
            "<a/>x",
            "x<a/>",
            "<a b=1/>",
            "<a b/>",
            "<a b='1' b='2'/>",
            "<a>&nbsp;</a>",
            "<a>&</a>",
            "<a b='<'/>",
            "<a b='&'/>",
            "<1/>",
            "<a>]]></a>",
            "<a><!-- -- --></a>",
            "<p:a/>",
            " <?xml version='1.0'?><a/>",
            "<a/><!DOCTYPE a>",
            "<a>&#0;</a>",
            "&amp;<a/>",
            "<a><?xml version='1.0'?></a>",
        ] {
            assert!(!well_formed(bad), "{bad}");
        }
    }

    #[test]
    fn declared_entities_are_never_read() {
        let bomb = "<!DOCTYPE l [<!ENTITY a \"ha\"><!ENTITY b \"&a;&a;\">]><l>&b;</l>";
        assert!(matches!(read(bomb, &[], false), Err(Fault::Declares)));
    }

    #[test]
    fn depth_has_a_limit() {
        let deep = |levels: usize| format!("{}{}", "<a>".repeat(levels), "</a>".repeat(levels));
        assert!(well_formed(&deep(DEEPEST)));
        assert!(matches!(read(&deep(200_000), &[], false), Err(Fault::Deep)));
    }

    proptest! {
        #[test]
        fn no_text_makes_the_reader_panic(text in "[<>/a='\"&;!\\[\\]?x -]{0,40}|.*") {
            let _ = read(&text, &[vec!["a", "a"]], false);
            let check = BoundXml { anywhere: true, elements: vec!["a.a".into()] };
            let _ = check.search(&text, &[vec!["a", "a"]]);
        }
    }
}
