//! How templates are made: variables, partials, logic, what was copied.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Range;

use super::look::{Look, Sink, Subject};
use super::pattern;
use super::text::{Template, normalised};
use crate::case::cases_path;
use crate::core::words::counted;
use crate::core::yaml::{self, Data};
use crate::prompt::Prompt;

/// Declared, and in no template.
pub(super) fn unused_variable(_: &Look<'_>, subject: &Subject<'_>, sink: &mut Sink) {
    let declared = subject.prompt.front.variables.iter().flatten();
    for declaration in declared.filter(|declaration| !subject.prompt.variables.contains(&declaration.name)) {
        let message = format!("the variable `{}` is declared, and no template uses it", declaration.name);
        sink.of(subject.own, declaration.span.clone(), message);
    }
}

pattern!(SINGLE, r"\{([A-Za-z_][A-Za-z0-9_]*)\}");
pattern!(OF_PLACEHOLDERS, r"(?i)\b(?:place-?holders?|(?:curly )?bra(?:ces|ckets)|literal(?:ly)?|verbatim)\b");

/// The names of variables that prompts with this template have: those that any of them has, and those that all have.
fn known_names<'a>(look: &Look<'a>, template: &Template) -> (BTreeSet<&'a str>, BTreeSet<&'a str>) {
    let names = |prompt: &'a Prompt| -> BTreeSet<&'a str> {
        let declared = prompt.front.variables.iter().flatten().map(|declaration| declaration.name.as_str());
        declared.chain(prompt.variables.iter().map(String::as_str)).collect()
    };
    let prompts = look.material.workspace.prompts.list.iter();
    let each: Vec<_> = prompts.filter(|prompt| template.is_part_of(prompt)).map(names).collect();
    let any = each.iter().flatten().copied().collect();
    let all = each.into_iter().reduce(|one, other| &one & &other).unwrap_or_default();
    (any, all)
}

/// The name of a variable in single braces. What text says of placeholders, and what is not to be rendered, is meant so.
pub(super) fn single_brace(look: &Look<'_>, template: &Template, sink: &mut Sink) {
    let text = &template.masked;
    if !SINGLE.is_match(text) {
        return;
    }
    let (any, all) = known_names(look, template);
    let is_doubled =
        |span: &Range<usize>| text[..span.start].ends_with(['{', '$']) || text[span.end..].starts_with('}');
    let places = template.lines.iter().filter(|line| !line.is_code).flat_map(|line| {
        let found = SINGLE.captures_iter(&text[line.span.clone()]).filter_map(|found| found.get(0).zip(found.get(1)));
        found.map(move |(whole, name)| {
            (line, line.span.start + whole.start()..line.span.start + whole.end(), name.as_str())
        })
    });
    let is_raw = |span: &Range<usize>| template.raw.iter().any(|raw| raw.contains(&span.start));
    let places: Vec<_> = places.filter(|(_, span, _)| !is_doubled(span) && !is_raw(span)).collect();
    // Beside names that nothing gives, single braces may be what the application fills in later.
    let has_others = places.iter().any(|(_, _, name)| !any.contains(name));
    for (line, span, name) in places.into_iter().filter(|(_, _, name)| any.contains(name)) {
        if OF_PLACEHOLDERS.is_match(&text[line.span.clone()]) {
            continue;
        }
        let is_quoted = text[line.span.start..span.start].matches('`').count() % 2 == 1;
        let message = format!("`{{{name}}}` is plain text; the variable is `{{{{ {name} }}}}`");
        let finding = sink.of(template, span.clone(), message);
        if !all.contains(name) {
            finding.help(format!("write two braces, and give `{name}` to every prompt that includes this partial"));
        } else if !has_others && !is_quoted && !line.is_example {
            finding.edit(span, format!("{{{{ {name} }}}}"));
        }
    }
}

/// A variable that all cases give, and nothing reads.
pub(super) fn ignored(look: &Look<'_>, subject: &Subject<'_>, sink: &mut Sink) {
    if subject.cases.is_empty() {
        return;
    }
    let Some(source) = look.material.file(cases_path(&subject.prompt.name).as_str()) else { return };
    let Ok(node) = yaml::parse(&source) else { return };
    let Some(Data::Map(variables)) = node.get("defaults").and_then(|node| node.get("vars")).map(|node| &node.data)
    else {
        return;
    };
    for (key, _) in variables.iter().filter(|(key, _)| !subject.prompt.variables.contains(&key.text)) {
        // An expectation, or the name of a case, may read it.
        let is_read = source.text.split("{{").skip(1).any(|part| {
            let code = part.split("}}").next().unwrap_or_default();
            code.split(|c: char| !c.is_alphanumeric() && c != '_').any(|word| word == key.text)
        });
        if !is_read {
            let message = format!("all cases give `{}`, and neither the prompt nor an expectation reads it", key.text);
            sink.at(&source, key.span.clone(), message);
        }
    }
}

/// A partial that no prompt reaches.
pub(super) fn unused_partial(look: &Look<'_>, sink: &mut Sink) {
    let prompts = &look.material.workspace.prompts.list;
    // Which one an expression names is known only when it is rendered.
    if prompts.iter().any(|prompt| prompt.open) {
        return;
    }
    let used: BTreeSet<&String> = prompts.iter().flat_map(|prompt| &prompt.partials).collect();
    for partial in
        look.material.templates.iter().filter(|template| template.is_partial && !used.contains(&template.key))
    {
        sink.of(partial, partial.start(), "no prompt includes or imports this partial").about(partial.key.clone());
    }
}

/// Conditions and loops within each other.
pub(super) fn deep(look: &Look<'_>, template: &Template, sink: &mut Sink) {
    let mut depth = 0_usize;
    for tag in &template.tags {
        match tag.keyword.as_str() {
            "if" | "for" => {
                depth += 1;
                if depth == look.count("depth") + 1 {
                    let message = format!("conditions and loops are nested {depth} deep here");
                    sink.of(template, tag.span.clone(), message);
                }
            }
            "endif" | "endfor" => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
}

/// A line of a template that has a text.
type Line = (String, Range<usize>);

fn text_lines(template: &Template) -> Vec<Line> {
    let text = |span: &Range<usize>| normalised(&template.masked[span.clone()]);
    let lines = template.lines.iter().map(|line| (text(&line.span), line.span.clone()));
    lines.filter(|(text, _)| !text.is_empty()).collect()
}

/// Lines that follow each other in several templates.
pub(super) fn copied(look: &Look<'_>, sink: &mut Sink) {
    let least = look.count("lines").max(2);
    let templates: Vec<(&Template, Vec<Line>)> =
        look.material.templates.iter().map(|template| (template, text_lines(template))).collect();
    let mut places: HashMap<Vec<&str>, BTreeSet<usize>> = HashMap::new();
    for (number, (_, lines)) in templates.iter().enumerate() {
        for window in lines.windows(least) {
            places.entry(window.iter().map(|(text, _)| text.as_str()).collect()).or_default().insert(number);
        }
    }
    for (number, (template, lines)) in templates.iter().enumerate() {
        let mut at = 0;
        while at + least <= lines.len() {
            let others = |at: usize| -> BTreeSet<usize> {
                let window: Vec<&str> = lines[at..at + least].iter().map(|(text, _)| text.as_str()).collect();
                let known = places.get(&window).into_iter().flatten();
                known.copied().filter(|other| *other != number).collect()
            };
            let first = others(at);
            if first.is_empty() {
                at += 1;
                continue;
            }
            let mut end = at + least;
            while end < lines.len() && others(end + 1 - least).is_superset(&first) {
                end += 1;
            }
            let texts: Vec<&str> = lines[at..end].iter().map(|(text, _)| text.as_str()).collect();
            let block = texts.join("\n");
            if block.len() >= look.count("characters") {
                let names: Vec<&str> = first.iter().map(|other| templates[*other].0.source.path.as_str()).collect();
                let more = names.len().saturating_sub(3);
                let more = if more > 0 { format!(" and {more} more") } else { String::new() };
                let shown: Vec<String> = names.iter().take(3).map(|name| format!("`{name}`")).collect();
                let message = format!(
                    "these {} also stand in {}{more}",
                    counted((end - at) as u64, "line", "lines"),
                    shown.join(", ")
                );
                let span = lines[at].1.start..lines[end - 1].1.end;
                sink.of(template, span, message).about(block);
            }
            at = end;
        }
    }
}

/// How often each name is given, most often first: for what is said of several.
pub(super) fn counts<'a>(names: impl Iterator<Item = &'a str>) -> Vec<(&'a str, usize)> {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for name in names {
        *counts.entry(name).or_default() += 1;
    }
    let mut counts: Vec<_> = counts.into_iter().collect();
    counts.sort_by_key(|(name, count)| (std::cmp::Reverse(*count), *name));
    counts
}
