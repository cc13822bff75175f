//! Handlebars, as dotprompt has it, as Jinja. Each block of Handlebars has its own view of the variables; here a name is
//! written with what it belongs to.

use std::ops::Range;

use handlebars::Path;
use handlebars::template::{HelperTemplate, Parameter, Template, TemplateElement};
use serde_json::json;

use super::finding::shown;
use super::intake::Intake;
use super::template::{Piece, is_too_deep, jinja, literal, own_name};
use crate::core::path::TreePath;
use crate::core::problem::{Place, Source};
use crate::prompt::Inline;

/// How deep partials may include each other.
const DEEPEST: usize = 8;

/// The Jinja of the text that stands in a range of a source.
pub(super) fn translate(
    intake: &mut Intake<'_>,
    source: &std::sync::Arc<Source>,
    body: Range<usize>,
    folder: &TreePath,
) -> String {
    let text = &source.text[body.clone()];
    let (first, _) = source.line_column(body.start);
    if is_too_deep(text) {
        let message = "this template nests too deep, and is carried over as plain text";
        intake.findings.lost(Place::span(source, body), message, "write it as a Jinja template");
        return literal(text);
    }
    let template = match Template::compile(text) {
        Ok(template) => template,
        Err(error) => {
            let line = error.pos().map_or(first, |(line, _)| first + line - 1);
            let place = Place::span(source, source.line_range(line));
            let message =
                format!("this template cannot be read, and is carried over as plain text: {}", error.reason());
            intake.findings.lost(place, message, "write it as a Jinja template");
            return literal(text);
        }
    };
    let mut translator = Translator {
        intake,
        source,
        first,
        folder,
        depth: 0,
        pieces: Vec::new(),
        scopes: vec![Scope::default()],
        line: first,
        loops: 0,
    };
    translator.template(&template);
    let translated = jinja(&translator.pieces);
    match Inline::new(&translated) {
        Ok(_) => translated,
        Err(why) => {
            let message = format!("this template cannot be translated, and is carried over as plain text: {why}");
            intake.findings.lost(Place::span(source, body), message, "write it as a Jinja template");
            literal(text)
        }
    }
}

/// What names mean within a block.
#[derive(Clone, Default)]
struct Scope {
    /// What a name belongs to; nothing at the top.
    of: Option<String>,
    /// Whether the block is a loop, and over the pairs of an object.
    key: Option<String>,
    names: Vec<(String, String)>,
}

struct Translator<'i, 't, 's> {
    intake: &'i mut Intake<'t>,
    source: &'s std::sync::Arc<Source>,
    first: usize,
    folder: &'s TreePath,
    depth: usize,
    pieces: Vec<Piece>,
    scopes: Vec<Scope>,
    line: usize,
    loops: usize,
}

impl Translator<'_, '_, '_> {
    fn place(&self) -> Place {
        Place::span(self.source, self.source.line_range(self.line))
    }

    fn lost(&mut self, message: String, help: &str) {
        let place = self.place();
        self.intake.findings.lost(place, message, help);
    }

    fn tag(&mut self, tag: String) {
        self.pieces.push(Piece::Tag(tag));
    }

    fn template(&mut self, template: &Template) {
        for (i, element) in template.elements.iter().enumerate() {
            if let Some(mapping) = template.mapping.get(i) {
                self.line = self.first + mapping.0.saturating_sub(1);
            }
            self.element(element);
        }
    }

    fn element(&mut self, element: &TemplateElement) {
        match element {
            TemplateElement::RawString(text) => match self.pieces.last_mut() {
                Some(Piece::Literal(before)) => before.push_str(text),
                _ => self.pieces.push(Piece::Literal(text.clone())),
            },
            TemplateElement::Expression(helper) | TemplateElement::HtmlExpression(helper) => self.expression(helper),
            TemplateElement::HelperBlock(helper) => self.block(helper),
            TemplateElement::PartialExpression(partial) => {
                let name = match &partial.name {
                    Parameter::Name(name) => name.clone(),
                    Parameter::Path(path) => raw(path).to_owned(),
                    _ => String::new(),
                };
                if partial.params.is_empty() && partial.hash.is_empty() {
                    self.partial(&name);
                } else {
                    let message = format!("the partial `{}` with values of its own is not carried over", shown(&name));
                    self.lost(message, "write it as a partial below prompts/, and include it");
                }
            }
            TemplateElement::Comment(_) => {}
            _ => self.lost("a decorator is not carried over".to_owned(), "write it as a tag that Jinja has"),
        }
    }

    fn partial(&mut self, name: &str) {
        let place = self.place();
        let (folder, leaf) = name.rsplit_once('/').map_or(("", name), |(folder, leaf)| (folder, leaf));
        let file = format!("{folder}{}_{leaf}.prompt", if folder.is_empty() { "" } else { "/" });
        if self.depth >= DEEPEST {
            return self.lost(format!("partials include each other more than {DEEPEST} levels deep"), "");
        }
        let Some(path) = self.intake.path(self.folder, &file, &place) else { return };
        let Some(source) = self.intake.source(&path, &place) else { return };
        let start = super::dotprompt::body_start(&source.text).map_or(0, |(_, start)| start);
        if is_too_deep(&source.text) {
            return self.lost(format!("`{path}` nests too deep, and is not carried over"), "");
        }
        let compiled = match Template::compile(source.text[start..].trim_end_matches('\n')) {
            Ok(template) => template,
            Err(error) => return self.lost(format!("`{path}` cannot be read: {}", error.reason()), ""),
        };
        let (first, _) = source.line_column(start);
        let mut inner = Translator {
            intake: self.intake,
            source: &source,
            first,
            folder: self.folder,
            depth: self.depth + 1,
            pieces: std::mem::take(&mut self.pieces),
            scopes: self.scopes.clone(),
            line: first,
            loops: self.loops,
        };
        inner.template(&compiled);
        (self.pieces, self.loops) = (inner.pieces, inner.loops);
    }

    /// A name or a helper that gives text.
    fn expression(&mut self, helper: &HelperTemplate) {
        let name = name_of(&helper.name);
        let first = helper.params.first();
        match (name.as_str(), helper.params.len()) {
            ("role", 1) => {
                let wanted = match first {
                    Some(Parameter::Literal(value)) => value.as_str().unwrap_or_default().to_owned(),
                    _ => {
                        return self.lost(
                            "a role that a variable decides is not carried over".to_owned(),
                            "write the role out",
                        );
                    }
                };
                let place = self.place();
                let role = super::chat::our_role(&wanted, &mut self.intake.findings, &place);
                self.tag(format!("{{{{ role(\"{}\") }}}}", role.name()));
                // A message begins in a line of its own.
                self.pieces.push(Piece::Literal("\n".to_owned()));
            }
            ("json", 1) => {
                let value = self.parameter(first);
                let indent = match helper.hash.get("indent") {
                    Some(Parameter::Literal(indent)) => format!("(indent={indent})"),
                    _ => String::new(),
                };
                let place = self.place();
                let message = "`json` becomes `tojson`, which puts a blank behind `:` and `,`, and writes `<`, `>`, `&` and `'` as escapes of JSON";
                self.intake.findings.note(place, message, "");
                self.tag(format!("{{{{ {value} | tojson{indent} }}}}"));
            }
            ("media", _) => {
                let help =
                    "a picture goes into a case as `{ image: FILE }` and into the template as `{{ image(NAME) }}`";
                self.lost("`media` is not carried over".to_owned(), help);
            }
            ("history", _) => {
                self.lost(
                    "`history` is not carried over: each case is one request".to_owned(),
                    "write the turns before it with role()",
                );
            }
            ("section", _) => self.lost("`section` is not carried over".to_owned(), "write what it stands for"),
            (_, 0) if helper.hash.is_empty() => {
                let value = self.parameter(Some(&helper.name));
                // Nothing prints as an empty text there.
                let value = if value == "none" { "\"\"".to_owned() } else { value };
                self.tag(format!("{{{{ {value} }}}}"));
            }
            (other, _) => {
                let message = format!("the helper `{}` is not carried over", shown(other));
                self.lost(message, "use a filter of Jinja, or prepare the value in the case");
            }
        }
    }

    fn block(&mut self, helper: &HelperTemplate) {
        let name = name_of(&helper.name);
        let condition = match (name.as_str(), helper.params.as_slice()) {
            ("if", [value]) => self.parameter(Some(value)),
            ("unless", [value]) => format!("not {}", self.parameter(Some(value))),
            ("ifEquals", [a, b]) => format!("{} == {}", self.parameter(Some(a)), self.parameter(Some(b))),
            ("unlessEquals", [a, b]) => format!("{} != {}", self.parameter(Some(a)), self.parameter(Some(b))),
            ("each", [items]) => return self.each(helper, items),
            ("with", [of]) => {
                let of = self.parameter(Some(of));
                self.tag(format!("{{% if {of} %}}"));
                let names = block_names(helper).into_iter().take(1).map(|name| (name, of.clone())).collect();
                self.scoped(Scope { of: Some(of), names, key: None }, helper.template.as_ref());
                return self.otherwise(helper, "{% endif %}");
            }
            _ => {
                let message = format!("the block `{}` is not carried over, but for what stands in it", shown(&name));
                self.lost(message, "write it as `{% if %}` or `{% for %}`");
                if let Some(template) = &helper.template {
                    self.template(template);
                }
                return;
            }
        };
        self.tag(format!("{{% if {condition} %}}"));
        if let Some(template) = &helper.template {
            self.template(template);
        }
        self.otherwise(helper, "{% endif %}");
    }

    fn each(&mut self, helper: &HelperTemplate, items: &Parameter) {
        let items = self.parameter(Some(items));
        self.loops += 1;
        let number = if self.loops == 1 { String::new() } else { self.loops.to_string() };
        let own = block_names(helper);
        let item = format!("item{number}");
        let wants_key = helper.template.as_ref().is_some_and(mentions_key) || own.len() > 1;
        let key = wants_key.then(|| format!("key{number}"));
        match &key {
            Some(key) => self.tag(format!("{{% for {key}, {item} in {items}|items %}}")),
            None => self.tag(format!("{{% for {item} in {items} %}}")),
        }
        let mut names = Vec::new();
        if let Some(name) = own.first() {
            names.push((name.clone(), item.clone()));
        }
        if let (Some(name), Some(key)) = (own.get(1), &key) {
            names.push((name.clone(), key.clone()));
        }
        self.scoped(Scope { of: Some(item), names, key }, helper.template.as_ref());
        self.otherwise(helper, "{% endfor %}");
    }

    fn scoped(&mut self, scope: Scope, template: Option<&Template>) {
        self.scopes.push(scope);
        if let Some(template) = template {
            self.template(template);
        }
        self.scopes.pop();
    }

    fn otherwise(&mut self, helper: &HelperTemplate, end: &str) {
        if let Some(template) = &helper.inverse {
            self.tag("{% else %}".to_owned());
            self.template(template);
        }
        self.tag(end.to_owned());
    }

    fn parameter(&mut self, parameter: Option<&Parameter>) -> String {
        match parameter {
            Some(Parameter::Literal(value)) => match value {
                serde_json::Value::Null => "none".to_owned(),
                other => other.to_string(),
            },
            Some(Parameter::Path(path)) => self.path(raw(path)),
            Some(Parameter::Name(name)) => self.path(name),
            Some(Parameter::Subexpression(_)) => {
                self.lost("an expression in brackets is not carried over".to_owned(), "prepare the value in the case");
                "none".to_owned()
            }
            _ => "none".to_owned(),
        }
    }

    /// A path as it is seen from where it stands.
    fn path(&mut self, raw: &str) -> String {
        let mut rest = raw;
        let mut up = 0;
        while let Some(after) = rest.strip_prefix("../") {
            rest = after;
            up += 1;
        }
        let scope = self.scopes[self.scopes.len().saturating_sub(1 + up)].clone();
        if let Some(local) = rest.strip_prefix('@') {
            return self.local(local, &scope);
        }
        let rest = rest.strip_prefix("./").unwrap_or(rest);
        let mut parts: Vec<&str> = rest.split(['.', '/']).filter(|part| !part.is_empty()).collect();
        if matches!(parts.first(), Some(&"this")) {
            parts.remove(0);
            let Some(of) = &scope.of else {
                if parts.is_empty() {
                    self.lost("`this` at the top of a template is not carried over".to_owned(), "name the variable");
                    return "none".to_owned();
                }
                return joined(None, &parts);
            };
            return joined(Some(of), &parts);
        }
        let known = self
            .scopes
            .iter()
            .rev()
            .flat_map(|scope| &scope.names)
            .find(|(name, _)| Some(&name.as_str()) == parts.first());
        match known {
            Some((_, own)) => joined(Some(&own.clone()), &parts[1..]),
            None => joined(scope.of.as_deref(), &parts),
        }
    }

    fn local(&mut self, local: &str, scope: &Scope) -> String {
        match local {
            "index" => "loop.index0".to_owned(),
            "first" => "loop.first".to_owned(),
            "last" => "loop.last".to_owned(),
            "key" => scope.key.clone().unwrap_or_else(|| "loop.index0".to_owned()),
            other => match other.strip_prefix("root.").or_else(|| other.strip_prefix("root/")) {
                Some(path) => joined(None, &path.split(['.', '/']).collect::<Vec<_>>()),
                None => {
                    self.lost(
                        format!("`@{}` is not carried over", shown(other)),
                        "give the value as a variable of the case",
                    );
                    "none".to_owned()
                }
            },
        }
    }
}

fn raw(path: &Path) -> &str {
    match path {
        Path::Relative((_, raw)) | Path::Local((_, _, raw)) => raw,
    }
}

fn name_of(parameter: &Parameter) -> String {
    match parameter {
        Parameter::Name(name) => name.clone(),
        Parameter::Path(path) => raw(path).to_owned(),
        _ => String::new(),
    }
}

fn block_names(helper: &HelperTemplate) -> Vec<String> {
    match &helper.block_param {
        Some(handlebars::template::BlockParam::Single(one)) => vec![name_of(one)],
        Some(handlebars::template::BlockParam::Pair((one, two))) => vec![name_of(one), name_of(two)],
        _ => Vec::new(),
    }
}

/// Whether a block names the key of its round.
fn mentions_key(template: &Template) -> bool {
    let is_key = |parameter: &Parameter| name_of(parameter) == "@key";
    template.elements.iter().any(|element| match element {
        TemplateElement::Expression(helper) | TemplateElement::HtmlExpression(helper) => {
            is_key(&helper.name) || helper.params.iter().any(is_key)
        }
        TemplateElement::HelperBlock(helper) => {
            let inner = [&helper.template, &helper.inverse];
            helper.params.iter().any(is_key) || inner.into_iter().flatten().any(mentions_key)
        }
        _ => false,
    })
}

/// A path in Jinja: names with dots, anything else in brackets.
fn joined(of: Option<&str>, parts: &[&str]) -> String {
    let mut path = of.unwrap_or_default().to_owned();
    for part in parts {
        let name = part.trim_start_matches('[').trim_end_matches(']');
        let is_name =
            name.chars().all(|c| c.is_alphanumeric() || c == '_') && !name.starts_with(|c: char| c.is_ascii_digit());
        match (path.is_empty(), is_name) {
            (true, _) => path.push_str(&own_name(&name.replace(|c: char| !(c.is_alphanumeric() || c == '_'), "_"))),
            (false, true) => path.push_str(&format!(".{name}")),
            (false, false) if name.chars().all(|c| c.is_ascii_digit()) => path.push_str(&format!("[{name}]")),
            (false, false) => path.push_str(&format!("[{}]", json!(name))),
        }
    }
    path
}
