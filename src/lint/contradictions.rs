//! Instructions that exclude each other, by pairs of words that do.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::LazyLock;

use regex::Regex;

use super::look::{Look, Sink, Subject};
use super::text::{Template, normalised};
use super::{compiled, pattern};

/// What excludes what, in sentences that are no questions.
static PAIRS: LazyLock<Vec<(&str, Regex, &str, Regex)>> = LazyLock::new(|| {
    [
        (
            "short",
            r"(?i)\b(?:be (?:very )?(?:concise|brief|terse)|(?:keep|make) (?:it|your (?:answers?|responses?|replies)|answers?|responses?) (?:very )?(?:concise|brief|short)|(?:in|answer with|with) (?:exactly )?(?:one|a single) sentence|as (?:short|brief|concise) as possible)\b",
            "long",
            r"(?i)\b(?:be (?:very )?(?:comprehensive|exhaustive|thorough)|as (?:detailed|long|comprehensive|thorough) as possible|in (?:great|full|as much) detail|(?:write|give|provide) (?:a |an )?(?:long|lengthy|exhaustive|comprehensive) (?:answer|response|reply|explanation))\b",
        ),
        (
            "nothing but JSON",
            r"(?i)\b(?:(?:only|just) (?:with |in |return |output |a |the |valid )*json|json (?:only|and nothing else)|nothing (?:but|except|other than) (?:the |valid )*json|no (?:text|explanation|prose)[^.]{0,40}json)\b",
            "an explanation",
            r"(?i)^\W*(?:then |also |and |please )*(?:explain|justify|describe) (?:your|why|how|the|each)\b",
        ),
        (
            "no lists",
            r"(?i)\b(?:do not|don't|never) use (?:any )?(?:bullets?|bullet points|lists|markdown)\b",
            "lists",
            r"(?i)\b(?:use|as|with|in) (?:a )?(?:bullets|bullet points|bulleted lists?|markdown)\b",
        ),
    ]
    .map(|(one, pattern, other, against)| (one, compiled(pattern), other, compiled(against)))
    .into()
});

pattern!(
    NEVER,
    r"(?i)^\W*(?:you (?:must|should) )?(?:never|do not|don't|must not|should not)(?: ever)? (\w+(?: \S+){1,6})"
);
pattern!(ALWAYS, r"(?i)^\W*(?:you (?:must|should) )?always (\w+(?: \S+){1,6})");

type Place<'a> = (&'a Template, Range<usize>);

/// Sentences that exclude each other.
pub(super) fn contradiction(_: &Look<'_>, subject: &Subject<'_>, sink: &mut Sink) {
    let all: Vec<Place<'_>> =
        subject.parts.iter().flat_map(|part| part.sentences.iter().map(move |span| (*part, span.clone()))).collect();
    let text = |(template, span): &Place<'_>| template.masked[span.clone()].to_owned();
    for (one, wanted, other, against) in PAIRS.iter() {
        let first = all.iter().find(|place| wanted.is_match(&text(place)) && !against.is_match(&text(place)));
        let second = all.iter().find(|place| against.is_match(&text(place)) && !wanted.is_match(&text(place)));
        // Not to use lists matches "use lists", too.
        if let (Some(first), Some(second)) = (first, second) {
            report(sink, first, second, &format!("{other} is asked for"), one);
        }
    }
    let said = |pattern: &Regex, place: &Place<'_>| -> Option<String> {
        let found = pattern.captures(&text(place))?.get(1).map(|said| normalised(said.as_str()))?;
        Some(found).filter(|said| said.split(' ').count() >= 3)
    };
    // By their first three words, which both must share.
    let start = |said: &str| said.split(' ').take(3).collect::<Vec<_>>().join(" ");
    let mut always: HashMap<String, (String, &Place<'_>)> = HashMap::new();
    for place in &all {
        if let Some(said) = said(&ALWAYS, place) {
            always.entry(start(&said)).or_insert((said, place));
        }
    }
    if always.is_empty() {
        return;
    }
    for first in &all {
        let Some(never) = said(&NEVER, first) else { continue };
        let Some((said, second)) = always.get(&start(&never)) else { continue };
        let length = said.split(' ').count().min(never.split(' ').count());
        if said.split(' ').take(length).eq(never.split(' ').take(length)) {
            report(sink, first, second, "this is to be done always", "never");
        }
    }
}

fn report(sink: &mut Sink, first: &Place<'_>, second: &Place<'_>, here: &str, there: &str) {
    let line = first.0.source.line_column(first.1.start).0;
    let written: String = normalised(first.0.written(first.1.clone())).chars().take(60).collect();
    let place = if first.0.key == second.0.key { String::new() } else { format!("{}:", first.0.source.path) };
    let message = format!("here {here}; {place}line {line} says {there}: `{written}`");
    let about =
        format!("{}\n{}", normalised(first.0.written(first.1.clone())), normalised(second.0.written(second.1.clone())));
    sink.of(second.0, second.1.clone(), message).about(about);
}
