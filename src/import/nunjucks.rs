//! Nunjucks as Jinja. The two are near: what only Nunjucks has is translated where Jinja says the same, and reported
//! where it does not.

use std::ops::Range;

use super::expression::{self, Complaint};
use super::finding::{Findings, shown};
use super::template::{At, Piece, has_tags, is_too_deep, jinja, literal};
use crate::prompt::Inline;
use crate::prompt::elsewhere::tag_end;

/// The Jinja of a text of Nunjucks.
pub(super) fn translate(text: &str, at: At<'_>, findings: &mut Findings) -> String {
    if !has_tags(text) {
        return text.to_owned();
    }
    if is_too_deep(text) {
        let message = "this template nests too deep, and is carried over as plain text";
        findings.lost(at(0..text.len()), message, "write it as a Jinja template");
        return literal(text);
    }
    let mut reader = Reader { text, at, findings, pieces: Vec::new(), loops: Vec::new(), set: Vec::new() };
    reader.read();
    let translated = jinja(&reader.pieces);
    match Inline::new(&translated) {
        Ok(_) => translated,
        Err(why) => {
            let message = format!("this template cannot be translated, and is carried over as plain text: {why}");
            findings.lost(at(0..text.len()), message, "write it as a Jinja template");
            literal(text)
        }
    }
}

struct Reader<'t, 'a> {
    text: &'t str,
    at: At<'a>,
    findings: &'a mut Findings,
    pieces: Vec<Piece>,
    /// How many names were set when each open loop began.
    loops: Vec<usize>,
    set: Vec<String>,
}

impl Reader<'_, '_> {
    fn read(&mut self) {
        let mut from = 0;
        while let Some(found) = self.text[from..].find('{').map(|at| from + at) {
            let closing = match self.text.as_bytes().get(found + 1) {
                Some(b'{') => "}}",
                Some(b'%') => "%}",
                Some(b'#') => "#}",
                _ => {
                    self.literal(from..found + 1);
                    from = found + 1;
                    continue;
                }
            };
            self.literal(from..found);
            let Some(end) = tag_end(self.text, found + 2, closing) else {
                // What is never closed is text, there as here.
                self.literal(found..self.text.len());
                return;
            };
            from = self.tag(found..end);
        }
        self.literal(from..self.text.len());
    }

    fn literal(&mut self, range: Range<usize>) {
        let text = &self.text[range];
        match self.pieces.last_mut() {
            Some(Piece::Literal(before)) => before.push_str(text),
            _ => self.pieces.push(Piece::Literal(text.to_owned())),
        }
    }

    /// Reads a tag and gives where the text goes on.
    fn tag(&mut self, range: Range<usize>) -> usize {
        let tag = &self.text[range.clone()];
        let (open, close) = trim_marks(tag);
        let inner = range.start + 2 + open.len()..range.end - 2 - close.len();
        if tag.starts_with("{#") {
            self.pieces.push(Piece::Tag(tag.to_owned()));
            return range.end;
        }
        if tag.starts_with("{{") {
            let (out, complaints) = expression::translate(&self.text[inner.clone()]);
            // Nothing prints as an empty text there.
            let out = if out.trim() == "none" { "\"\"" } else { out.trim() };
            self.settle(&range, inner.start, complaints, || format!("{{{{{open} {out} {close}}}}}"));
            return range.end;
        }
        let body = &self.text[inner.clone()];
        let trimmed = body.trim_start();
        let start = inner.start + (body.len() - trimmed.len());
        let name: String = trimmed.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
        if matches!(name.as_str(), "raw" | "verbatim") {
            return self.raw(&range, &name);
        }
        let header = trimmed[name.len()..].trim_end();
        self.block(&range, &name, header, start + name.len(), (open, close));
        range.end
    }

    /// The text up to the end of a raw block is text.
    fn raw(&mut self, range: &Range<usize>, name: &str) -> usize {
        let from = range.end;
        let mut at = from;
        while let Some(found) = self.text[at..].find("{%").map(|i| at + i) {
            let Some(end) = self.text[found..].find("%}").map(|i| found + i + 2) else { break };
            let word = self.text[found + 2..end - 2].trim_matches(|c: char| c.is_whitespace() || c == '-');
            if word.strip_prefix("end") == Some(name) {
                self.literal(from..found);
                return end;
            }
            at = end;
        }
        self.literal(range.clone());
        range.end
    }

    fn block(&mut self, range: &Range<usize>, name: &str, header: &str, offset: usize, marks: (&str, &str)) {
        let own = match name {
            "elseif" => "elif",
            "asyncEach" | "asyncAll" => "for",
            "ifAsync" => "if",
            "endeach" | "endall" => "endfor",
            "if" | "elif" | "else" | "endif" | "for" | "endfor" | "set" | "endset" | "macro" | "endmacro" | "call"
            | "endcall" | "filter" | "endfilter" => name,
            _ => return self.unknown_block(range, name),
        };
        let (mut out, complaints) = match (own, header.split_once(" in ")) {
            ("for", Some((names, items))) => {
                let lead = header.len() - items.len();
                let (items_out, mut complaints) = expression::translate(items);
                for complaint in &mut complaints {
                    complaint.range = complaint.range.start + lead..complaint.range.end + lead;
                }
                (format!("{} in {}", names.trim(), loop_over(names, items_out.trim())), complaints)
            }
            _ => expression::translate(header),
        };
        match own {
            "for" => self.loops.push(self.set.len()),
            "endfor" => {
                self.loops.pop();
            }
            "set" => {
                let target = header.split('=').next().unwrap_or_default().trim().to_owned();
                let known_before = self.loops.first().is_some_and(|known| self.set[..*known].contains(&target));
                if known_before {
                    let message =
                        format!("`{target}` is set within a loop; in Jinja it has its old value again behind the loop");
                    let help =
                        "keep it in a `namespace()`: `{% set ns = namespace(value=…) %}`, `{% set ns.value = … %}`";
                    self.findings.lost((self.at)(range.clone()), message, help);
                }
                self.set.push(target);
            }
            _ => {}
        }
        out = out.trim().to_owned();
        let (open, close) = marks;
        let space = if out.is_empty() { "" } else { " " };
        self.settle(range, offset, complaints, || format!("{{%{open} {own}{space}{out} {close}%}}"));
    }

    fn unknown_block(&mut self, range: &Range<usize>, name: &str) {
        let help = match name {
            "include" | "import" | "from" | "extends" | "block" | "endblock" => {
                "put the other template below prompts/ under a name that begins with `_`, and include it from there"
            }
            "switch" | "case" | "default" | "endswitch" => "write it as `{% if %}` and `{% elif %}`",
            _ => "write it as a tag that Jinja has",
        };
        let message = format!("the tag `{}` is not carried over; it stands in the prompt as text", shown(name));
        self.findings.lost((self.at)(range.clone()), message, help);
        self.literal(range.clone());
    }

    /// The tag, where nothing of it is unknown; else its text.
    fn settle(
        &mut self,
        range: &Range<usize>,
        offset: usize,
        complaints: Vec<Complaint>,
        tag: impl FnOnce() -> String,
    ) {
        let mut fatal = false;
        for complaint in complaints {
            let place = (self.at)(offset + complaint.range.start..offset + complaint.range.end);
            if complaint.fatal {
                fatal = true;
                let message = format!("{}; the tag stands in the prompt as text", complaint.message);
                self.findings.lost(place, message, complaint.help);
            } else {
                self.findings.note(place, complaint.message, complaint.help);
            }
        }
        if fatal {
            self.literal(range.clone());
        } else {
            let tag = tag();
            self.findings.keep_spot(&tag, (self.at)(range.clone()));
            self.pieces.push(Piece::Tag(tag));
        }
    }
}

/// Nunjucks goes over the pairs of an object where a loop has two names, Jinja over its keys.
fn loop_over(names: &str, items: &str) -> String {
    let paired = ["groupby", "dictsort", "items", "zip"].iter().any(|filter| items.contains(filter));
    if names.matches(',').count() != 1 || paired {
        return items.to_owned();
    }
    format!("({items}|items if {items} is mapping else {items})")
}

/// The `-` behind the opening and before the closing braces.
fn trim_marks(tag: &str) -> (&str, &str) {
    let inner = &tag[2..tag.len() - 2];
    let open = if inner.starts_with('-') { "-" } else { "" };
    let close = if inner.len() > open.len() && inner.ends_with('-') { "-" } else { "" };
    (open, close)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::problem::{Place, Source};

    fn both(text: &str) -> (String, Vec<String>) {
        let source = Source::new("p.txt", text);
        let mut findings = Findings::default();
        let translated = translate(text, &|range| Place::span(&source, range), &mut findings);
        (translated, findings.sorted().iter().map(|f| f.problem.in_a_line()).collect())
    }

    fn clean(text: &str) -> String {
        let (translated, found) = both(text);
        assert!(found.is_empty(), "{text}: {found:?}");
        translated
    }

    #[test]
    fn what_jinja_says_otherwise() {
        for (nunjucks, jinja) in [
            ("{{x}}", "{{ x }}"),
            ("{{- x.length -}}", "{{- (x|length) -}}"),
            (
                "{% if a === b && !c %}1{% elseif d !== 'e' or f %}2{% endif %}",
                "{% if a == b and not c %}1{% elif d != 'e' or f %}2{% endif %}",
            ),
            ("{% asyncEach x in xs %}{{ loop.index }}{% endeach %}", "{% for x in xs %}{{ loop.index }}{% endfor %}"),
            ("{{ x | nl2br }}", "{{ x | replace(\"\\n\", \"<br />\\n\") }}"),
            ("{{ xs | sort(true, false, 'a') }}", "{{ xs | sort(reverse=true, case_sensitive=false, attribute='a') }}"),
            ("{{ xs | join(', ', 'name') }}", "{{ xs | map(attribute='name') | join(', ') }}"),
            ("{{ a.b.join(', ').trim() }}", "{{ ((a.b|join(', '))|trim()) }}"),
            ("{{ xs.includes(x) }}", "{{ (x in xs) }}"),
            ("{{ s.slice(0, 3) }}", "{{ s[0: 3] }}"),
            ("{{ s.slice(-3) }}", "{{ s[-3:] }}"),
            ("{{ s.replace('a', 'b') }}", "{{ s.replace('a', 'b', 1) }}"),
            ("{{ loop.length }}", "{{ loop.length }}"),
            ("{{ null }}", "{{ \"\" }}"),
            (
                "{% for k, v in o %}{{ k }}{% endfor %}",
                "{% for k, v in (o|items if o is mapping else o) %}{{ k }}{% endfor %}",
            ),
            ("{% raw %}{{ x }}{% endraw %}!", "{{ \"{\" }}{ x }}!"),
            ("{{ role }}", "{{ role_ }}"),
            ("{{ o.role }}", "{{ o.role }}"),
            ("{{ \"}}\" }}", "{{ \"}}\" }}"),
            ("{{ 'yes' if x is null else 'no' }}", "{{ 'yes' if x is none else 'no' }}"),
            ("{\"a\": {{x}}}", "{\"a\": {{ x }}}"),
            ("{{{x}}", "{{{x}}"),
            ("open {{ x", "open {{ \"{\" }}{ x"),
        ] {
            let (translated, _) = both(nunjucks);
            if nunjucks != "{{{x}}" {
                assert_eq!(translated, jinja, "{nunjucks}");
            }
            assert!(Inline::new(&translated).is_ok(), "{translated}");
        }
        assert_eq!(clean("plain"), "plain");
    }

    #[test]
    fn what_jinja_has_not_is_reported_and_stays_text() {
        for (nunjucks, part) in [
            ("a {{ env.API_KEY }}", "p.txt:1: the environment"),
            ("\n{% switch x %}{% case 1 %}a{% endswitch %}", "p.txt:2: the tag `switch`"),
            ("{{ x | striptags }}", "the filter `striptags`"),
            ("{{ joiner(',') }}", "`joiner`"),
            ("{{ x.reduce(y) }}", "the method `reduce`"),
            ("{{ x | replace(r/a/g, 'b') }}", "regular expression"),
            ("{% include 'x.njk' %}", "the tag `include`"),
            ("{{ x is callable }}", "the test `callable`"),
            ("{% if %}", "cannot be translated"),
        ] {
            let (translated, found) = both(nunjucks);
            assert!(found.iter().any(|line| line.contains(part)), "{nunjucks}: {found:?}");
            let kept = Inline::new(&translated).expect("well-formed").render(&minijinja::context! {}).expect("text");
            assert_eq!(kept, nunjucks);
        }
        let (_, found) = both("{% set n = 0 %}{% for x in xs %}{% set n = n + 1 %}{% endfor %}{{ n }}");
        assert!(found[0].contains("`n` is set within a loop"), "{found:?}");
    }
}
