//! What changed since the past that is compared with: size, versions, prohibitions, what was shared.

use std::collections::BTreeMap;
use std::ops::Range;

use rayon::prelude::*;

use super::look::{Look, Sink, Subject};
use super::pattern;
use super::size::about_tokens;
use super::text::{Template, normalised};
use crate::core::names::PromptName;
use crate::plan::Workspace;
use crate::prompt::{PROMPTS, Prompt};

/// A prompt as it was, where it was another one.
struct Past<'a> {
    prompt: &'a Prompt,
    parts: Vec<Template>,
    /// How many cases it had.
    cases: usize,
    /// What that past is called.
    since: &'a str,
}

/// A prompt before the change that is looked at; one that did not change since then, where its version began.
fn before<'a>(look: &'a Look<'_>, subject: &Subject<'_>) -> Option<Past<'a>> {
    let evidence = look.material.evidence;
    let (name, own) = (&subject.prompt.name, &subject.prompt.digest);
    let past = |workspace: &'a Workspace, then: &PromptName, since: &'a str| {
        let prompt = workspace.prompts.get(then).filter(|prompt| prompt.digest != *own)?;
        let key = prompt.path.below(PROMPTS)?;
        let is_part =
            |known: &str| known == key || (!prompt.open && prompt.partials.iter().any(|partial| partial == known));
        let parts = workspace.prompts.files().filter(|file| is_part(file.key)).map(Template::new).collect();
        let cases = workspace.cases.list.iter().filter(|case| workspace.prompt_of(case).name == *then).count();
        Some(Past { prompt, parts, cases, since })
    };
    let then = evidence.renamed.name_before(name).unwrap_or_else(|| name.clone());
    let changed = evidence.before.as_ref().and_then(|workspace| past(workspace, &then, &evidence.before_name));
    let began = || evidence.began.get(name).and_then(|began| past(&began.workspace, &began.name, &began.since));
    changed.or_else(began)
}

fn prose<'a>(parts: impl Iterator<Item = &'a Template>) -> String {
    parts.map(Template::prose_text).collect::<Vec<_>>().join("\n")
}

/// Much more text than before, or somewhat more and no case for it.
pub(super) fn growth(look: &Look<'_>, subject: &Subject<'_>, sink: &mut Sink) {
    let Some(past) = before(look, subject) else { return };
    let (old, new) = (about_tokens(&prose(past.parts.iter())), about_tokens(&subject.prose()));
    if old == 0 || new < look.count("tokens") {
        return;
    }
    #[expect(clippy::cast_precision_loss, reason = "counts of tokens")]
    let factor = new as f64 / old as f64;
    let (is_new_case, since) = (subject.cases.len() > past.cases, past.since);
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
    let Some(past) = before(look, subject) else { return };
    let (Some(version), Some(span)) = (&subject.prompt.front.version, &subject.prompt.front.version_span) else {
        return;
    };
    if past.prompt.front.version.as_ref() == Some(version) {
        let since = past.since;
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
    let Some(past) = before(look, subject) else { return };
    let count = |text: &str| NEGATION.find_iter(text).count();
    let (old, new) = (count(&prose(past.parts.iter())), count(&subject.prose()));
    if new >= old + look.count("count").max(1) {
        let since = past.since;
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
    let renamed = &look.material.evidence.renamed;
    let now: BTreeMap<&str, (&Template, BTreeMap<String, Range<usize>>)> = look
        .material
        .templates
        .par_iter()
        .map(|template| (template.key.as_str(), (template, paragraphs(template, least))))
        .collect();
    // Most files are what they were: what stands in those is known.
    let mut then: Vec<(&str, Vec<String>)> = past
        .prompts
        .files()
        .par_bridge()
        .map(|file| {
            let key = renamed.key_now(file.key);
            let same = now.get(key).filter(|(template, _)| template.source.text == file.source.text);
            let texts = match same {
                Some((_, paragraphs)) => paragraphs.keys().cloned().collect(),
                None => paragraphs(&Template::new(file), least).into_keys().collect(),
            };
            (key, texts)
        })
        .collect();
    then.sort_by_key(|(key, _)| *key);
    for (key, texts) in then {
        for text in texts {
            shared.entry(text).or_default().push(key.to_owned());
        }
    }
    shared.retain(|_, keys| keys.len() > 1);
    if shared.is_empty() {
        return;
    }
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
