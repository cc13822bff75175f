//! What changed since the past that is compared with: size, versions, prohibitions, what was shared.

use std::collections::BTreeMap;
use std::ops::Range;

use super::look::{Look, Sink, Subject};
use super::pattern;
use super::size::about_tokens;
use super::text::{Template, normalised};
use crate::prompt::{PROMPTS, Prompt};

/// A prompt as it was, and its templates, where it was another one.
fn before<'a>(look: &'a Look<'_>, subject: &Subject<'_>) -> Option<(&'a Prompt, Vec<Template>)> {
    let workspace = look.material.evidence.before.as_ref()?;
    let prompt = workspace.prompts.get(&subject.prompt.name)?;
    if prompt.digest == subject.prompt.digest {
        return None;
    }
    let own = prompt.path.below(PROMPTS)?;
    let is_part = |key: &str| key == own || (!prompt.open && prompt.partials.iter().any(|partial| partial == key));
    let parts = workspace.prompts.files().filter(|file| is_part(file.key)).map(Template::new).collect();
    Some((prompt, parts))
}

fn prose<'a>(parts: impl Iterator<Item = &'a Template>) -> String {
    parts.map(Template::prose_text).collect::<Vec<_>>().join("\n")
}

/// Much more text than before, or somewhat more and no case for it.
pub(super) fn growth(look: &Look<'_>, subject: &Subject<'_>, sink: &mut Sink) {
    let Some((prompt, parts)) = before(look, subject) else { return };
    let (old, new) = (about_tokens(&prose(parts.iter())), about_tokens(&subject.prose()));
    if old == 0 || new < look.count("tokens") {
        return;
    }
    let past = look.material.evidence.before.as_ref();
    let cases =
        past.map_or(0, |past| past.cases.list.iter().filter(|case| past.prompt_of(case).name == prompt.name).count());
    #[expect(clippy::cast_precision_loss, reason = "counts of tokens")]
    let factor = new as f64 / old as f64;
    let is_new_case = subject.cases.len() > cases;
    let since = &look.material.evidence.before_name;
    let message = if factor >= look.limit("factor") {
        format!("the instructions grew from about {old} to {new} tokens, {factor:.1} times as many, since {since}")
    } else if factor >= look.limit("without-case") && !is_new_case {
        format!("the instructions grew from about {old} to {new} tokens since {since}, and no case was added")
    } else {
        return;
    };
    sink.of(subject.own, subject.own.start(), message).about(subject.own.key.clone());
}

/// Another prompt under the same version.
pub(super) fn unmoved(look: &Look<'_>, subject: &Subject<'_>, sink: &mut Sink) {
    let Some((prompt, _)) = before(look, subject) else { return };
    let (Some(version), Some(span)) = (&subject.prompt.front.version, &subject.prompt.front.version_span) else {
        return;
    };
    if prompt.front.version.as_ref() == Some(version) {
        let since = &look.material.evidence.before_name;
        let message = format!("the prompt changed since {since}, and its version is still {version}");
        let help = format!("`promptctl bump {} patch`, or minor or major where callers must know", subject.prompt.name);
        let strict = look.material.workspace.config.strict_versions;
        let finding = sink.of(subject.own, span.clone(), message);
        finding.help(help).about(subject.own.key.clone());
        if strict {
            finding.level(crate::project::Level::Error);
        }
    }
}

pattern!(NEGATION, r"(?i)\b(?:do not|don't|never|must not|should not|avoid|cannot|can't|refuse to)\b");

/// Prohibitions that were added.
pub(super) fn negations(look: &Look<'_>, subject: &Subject<'_>, sink: &mut Sink) {
    let Some((_, parts)) = before(look, subject) else { return };
    let count = |text: &str| NEGATION.find_iter(text).count();
    let (old, new) = (count(&prose(parts.iter())), count(&subject.prose()));
    if new >= old + look.count("count").max(1) {
        let since = &look.material.evidence.before_name;
        let message = format!("{} prohibitions were added since {since}; there are {new} now", new - old);
        sink.of(subject.own, subject.own.start(), message).about(subject.own.key.clone());
    }
}

/// The paragraphs of a template, as they are compared.
fn paragraphs(template: &Template, least: usize) -> BTreeMap<String, Range<usize>> {
    let mut found = BTreeMap::new();
    let mut open: Option<Range<usize>> = None;
    let mut close = |open: &mut Option<Range<usize>>| {
        if let Some(span) = open.take() {
            let text = normalised(&template.masked[span.clone()]);
            if text.split(' ').count() >= least {
                found.insert(text, span);
            }
        }
    };
    for line in &template.lines {
        let is_text = !template.masked[line.span.clone()].trim().is_empty();
        match &mut open {
            Some(span) if is_text => span.end = line.span.end,
            None if is_text => open = Some(line.span.clone()),
            _ => close(&mut open),
        }
    }
    close(&mut open);
    found
}

/// A paragraph that two prompts shared, and only one of them has kept.
pub(super) fn drift(look: &Look<'_>, sink: &mut Sink) {
    let Some(past) = &look.material.evidence.before else { return };
    let least = look.count("words");
    let mut shared: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for file in past.prompts.files() {
        let template = Template::new(file);
        for text in paragraphs(&template, least).into_keys() {
            shared.entry(text).or_default().push(template.key.clone());
        }
    }
    shared.retain(|_, keys| keys.len() > 1);
    if shared.is_empty() {
        return;
    }
    let now: BTreeMap<&str, (&Template, BTreeMap<String, Range<usize>>)> = look
        .material
        .templates
        .iter()
        .map(|template| (template.key.as_str(), (template, paragraphs(template, least))))
        .collect();
    for (text, keys) in &shared {
        // Of one that was removed nothing was changed.
        let there = keys.iter().filter_map(|key| now.get(key.as_str()));
        let (kept, lost): (Vec<_>, Vec<_>) = there.partition(|(_, paragraphs)| paragraphs.contains_key(text));
        let Some((changed, _)) = lost.first() else { continue };
        for (template, own) in kept {
            if let Some(span) = own.get(text) {
                let message = format!("`{}` shared this paragraph, and has changed its own", changed.source.path);
                sink.of(template, span.clone(), message);
            }
        }
    }
}
