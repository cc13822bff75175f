//! How templates are made: variables, partials, logic.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use super::look::{Look, Sink, Subject};
use super::pattern;
use super::text::{Template, TextLine};
use crate::case::cases_path;
use crate::core::yaml::{self, Data};
use crate::prompt::{Prompt, is_of_placeholders, single_braces};

/// Declared, and in no template.
pub(super) fn unused_variable(_: &Look<'_>, subject: &Subject<'_>, sink: &mut Sink) {
    let declared = subject.prompt.front.variables.iter().flatten();
    for declaration in declared.filter(|declaration| !subject.prompt.variables.contains(&declaration.name)) {
        let message = format!("the variable `{}` is declared, and no template uses it", declaration.name);
        sink.of(subject.own, declaration.span.clone(), message);
    }
}

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

// What other languages put a variable in, and what people put a gap in.
pattern!(OF_OTHERS, r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}|%\(([A-Za-z_][A-Za-z0-9_]*)\)[sdf]\b");
pattern!(GAP, r"\[[A-Z][A-Z_]{2,}(?: [A-Z_]+){0,3}\]");

pattern!(CHOSEN_BEHIND, r"^(?:\s*[,/|]\s*|,?\s+(?:or|and|oder|und)\s+)\[");
pattern!(CHOSEN_BEFORE, r"\](?:\s*[,/|]\s*|,?\s+(?:or|and|oder|und)\s+)$");

/// The name of a variable in single braces, or in those of another language; gaps of several styles. What text says of
/// placeholders, and what is not to be rendered, is meant so.
pub(super) fn single_brace(look: &Look<'_>, template: &Template, sink: &mut Sink) {
    let text = &template.masked;
    let is_raw = |span: &Range<usize>| template.raw.iter().any(|raw| raw.contains(&span.start));
    let lines = || template.lines.iter().filter(|line| !line.is_code);
    let places = lines().flat_map(|line| {
        let found = single_braces(&text[line.span.clone()]);
        found.map(move |(span, name)| (line, line.span.start + span.start..line.span.start + span.end, name))
    });
    let places: Vec<_> = places.filter(|(_, span, _)| !is_raw(span)).collect();
    if places.is_empty() && !OF_OTHERS.is_match(text) {
        return;
    }
    let (any, all) = known_names(look, template);
    // Beside names that nothing gives, single braces may be what the application fills in later.
    let has_others = places.iter().any(|(_, _, name)| !any.contains(name));
    let is_quoted =
        |line: &TextLine, span: &Range<usize>| text[line.span.start..span.start].matches('`').count() % 2 == 1;
    for (line, span, name) in places.iter().filter(|(_, _, name)| any.contains(name)).cloned() {
        if is_of_placeholders(&text[line.span.clone()]) {
            continue;
        }
        let message = format!("`{{{name}}}` is plain text; the variable is `{{{{ {name} }}}}`");
        let finding = sink.of(template, span.clone(), message);
        if !all.contains(name) {
            finding.help(format!("write two braces, and give `{name}` to every prompt that includes this partial"));
        } else if !has_others && !is_quoted(line, &span) && !line.is_example {
            finding.edit(span, format!("{{{{ {name} }}}}"));
        }
    }
    for line in lines().filter(|line| !is_of_placeholders(&text[line.span.clone()])) {
        for found in OF_OTHERS.captures_iter(&text[line.span.clone()]) {
            let (Some(whole), Some(name)) = (found.get(0), found.get(1).or_else(|| found.get(2))) else { continue };
            let (span, name) = (line.span.start + whole.start()..line.span.start + whole.end(), name.as_str());
            if any.contains(name) && !is_raw(&span) && !is_quoted(line, &span) {
                let message = format!("`{}` is plain text; the variable is `{{{{ {name} }}}}`", whole.as_str());
                sink.of(template, span, message);
            }
        }
    }
    mixed(
        template,
        places.iter().filter(|(_, _, name)| !any.contains(name)).map(|(line, span, _)| (*line, span)),
        sink,
    );
}

/// Gaps in single braces beside gaps in brackets: nobody fills in both.
fn mixed<'t>(template: &'t Template, braces: impl Iterator<Item = (&'t TextLine, &'t Range<usize>)>, sink: &mut Sink) {
    let text = &template.masked;
    let is_said = |line: &TextLine, span: &Range<usize>| {
        if is_of_placeholders(&text[line.span.clone()]) || is_choice(text, span) {
            return false;
        }
        let rest = format!("{} {}", &text[line.span.start..span.start], &text[span.end..line.span.end]);
        let is_code = text[line.span.start..span.start].matches('`').count() % 2 == 1;
        line.is_prose() && !is_code && rest.split_whitespace().filter(|word| is_word(word)).count() >= 2
    };
    let Some((_, brace)) = { braces }.find(|(line, span)| is_said(line, span)) else { return };
    let gap = template.lines.iter().find_map(|line| {
        let found = GAP.find_iter(&text[line.span.clone()]);
        let mut found = found.map(|found| line.span.start + found.start()..line.span.start + found.end());
        found.find(|span| is_said(line, span) && !text[span.end..].starts_with('('))
    });
    if let Some(gap) = gap {
        let message = format!(
            "`{}` and `{}` are both plain text",
            template.written(gap.clone()),
            template.written(brace.clone())
        );
        sink.of(template, gap, message).help("write what is filled in as `{{ name }}`, and the rest as words");
    }
}

/// Whether a gap stands beside another one, to be chosen from: `[YES] or [NO]`.
fn is_choice(text: &str, span: &Range<usize>) -> bool {
    let (before, behind) = (&text[..span.start], &text[span.end..]);
    CHOSEN_BEHIND.is_match(behind)
        || CHOSEN_BEFORE.is_match(&before[before.floor_char_boundary(before.len().saturating_sub(20))..])
}

fn is_word(word: &str) -> bool {
    word.chars().any(char::is_lowercase) && !word.contains(['{', '[', '<'])
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
