//! The tags of a template, found without reading what they say.

use regex::Regex;

/// The tags of a template.
pub(crate) fn tags(body: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let mut from = 0;
    while let Some(start) = body[from..].find('{').map(|at| from + at) {
        let closing = match body.as_bytes().get(start + 1) {
            Some(b'{') => "}}",
            Some(b'%') => "%}",
            _ => {
                from = start + 1;
                continue;
            }
        };
        let Some(end) = tag_end(body, start + 2, closing) else { break };
        found.push(&body[start..end]);
        from = end;
    }
    found
}

/// The tag in which a place lies.
pub(crate) fn tag_around(body: &str, at: usize) -> Option<&str> {
    let start = body.as_ptr() as usize;
    tags(body).into_iter().find(|tag| {
        let from = tag.as_ptr() as usize - start;
        (from..from + tag.len()).contains(&at)
    })
}

/// How a variable is used: in how many tags that print it alone, and in how many others.
pub(crate) fn uses(body: &str, name: &str) -> (usize, usize) {
    let Ok(word) = Regex::new(&format!(r"(?:^|[^.\w$]){}\b", regex::escape(name))) else { return (0, 1) };
    let Ok(alone) = Regex::new(&format!(r"^\{{\{{[-+]?\s*{}\s*[-+]?\}}\}}$", regex::escape(name))) else {
        return (0, 1);
    };
    let with: Vec<&str> = tags(body).into_iter().filter(|tag| word.is_match(tag)).collect();
    let bare = with.iter().filter(|tag| alone.is_match(tag)).count();
    (bare, with.len() - bare)
}

/// Where a tag ends: behind its closing braces that stand in no text.
pub(crate) fn tag_end(text: &str, from: usize, closing: &str) -> Option<usize> {
    if closing == "#}" {
        return text[from..].find(closing).map(|at| from + at + 2);
    }
    let bytes = text.as_bytes();
    let mut at = from;
    let mut quote = None;
    let mut braces = 0_usize;
    while at < bytes.len() {
        let byte = bytes[at];
        match quote {
            Some(_) if byte == b'\\' => at += 1,
            Some(open) if byte == open => quote = None,
            None if matches!(byte, b'"' | b'\'') => quote = Some(byte),
            None if braces == 0 && bytes[at..].starts_with(closing.as_bytes()) => return Some(at + 2),
            None if byte == b'{' => braces += 1,
            None if byte == b'}' => braces = braces.saturating_sub(1),
            _ => {}
        }
        at += 1;
    }
    None
}
