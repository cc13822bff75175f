//! Instructions that exclude each other, by pairs of words that do.
//!
//! Only what holds for the whole answer contradicts: a sentence that says when it holds, or of what, contradicts nothing
//! here, nor do sentences of branches that exclude each other.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::LazyLock;

use regex::Regex;

use super::branches::Branches;
use super::look::{Look, Sink, Subject};
use super::text::{Template, normalised};
use super::{compiled, pattern};

/// How many sentences of a kind are held against how many of the other.
const MOST: usize = 50;

/// That an answer is to be explained.
const EXPLANATION: &str = r"(?i)^\W*(?:(?:then |also |and |please |always |finally |afterwards )*(?:explain|justify) (?:your|why you|how you)|(?:then|also|and|afterwards|finally|additionally),? (?:please )?(?:explain|justify|describe)|(?:then |also |and |please |always |finally |afterwards )*(?:include|add|append|give|provide|write|return|output) (?:an?|your|the) (?:short |brief |one-sentence |clear |detailed )*(?:explanation|justification|rationale)(?: (?:of|for) (?:your|the) (?:choice|answer|decision|verdict|rating|score|classification|label))?(?: (?:before|after|below|above) (?:the |your )?(?:json|answer|object|output))?)\b";

/// What excludes what, in sentences that are no questions.
static PAIRS: LazyLock<Vec<(&str, Regex, &str, Regex)>> = LazyLock::new(|| {
    [
        (
            "short",
            r"(?i)\b(?:be (?:very |as |extremely |highly )?(?:concise|brief|terse|succinct)|(?:keep|make) (?:it|(?:all |your )?(?:answers?|responses?|replies)) (?:very )?(?:concise|brief|short)|(?:write|give|provide) (?:only |very )*(?:short|brief|concise|terse) (?:answers|responses|replies)|(?:answer|reply|respond)(?: only)? (?:in|with) (?:exactly |only |just )?(?:one|a single) (?:sentence|word|line)|(?:answer|reply|respond) (?:very )?(?:concisely|briefly|tersely)|as (?:short|brief|concise) as possible|(?:(?:keep|limit) (?:it|(?:all |every |each |your |the )*(?:answers?|responses?|replies|reply))|(?:answer|reply|respond)(?: only)?) (?:to |in |within |with |at )?(?:under |below |most |at most |no more than |fewer than |less than |up to |only |just )?(?:(?:[1-9]|[1-5]\d|60|ten|twenty|thirty|forty|fifty) words|(?:one|two|three|[1-3]) sentences?))\b",
            "long",
            r"(?i)\b(?:be (?:very |as |extremely |highly )?(?:comprehensive|exhaustive|thorough|detailed|verbose|elaborate)|(?:write|use|give|provide) (?:at least|no less than|no fewer than|more than) (?:[2-9]\d\d|\d{4,}) words|(?:write|use|give|provide) (?:at least |exactly )?(?:two|three|four|five|six|several|[2-9]) (?:long |full )?paragraphs|as (?:detailed|long|comprehensive|thorough) as possible|explain (?:each|every) step in (?:great |full )?detail|in (?:great|full|as much) detail|(?:write|give|provide) (?:a |an )?(?:(?:very |and )*(?:long|lengthy|exhaustive|extensive|comprehensive|detailed|thorough|in-depth),? ){1,4}(?:answer|response|reply|explanation)|(?:write|give|provide) (?:(?:very |and )*(?:long|lengthy|exhaustive|extensive|comprehensive|detailed|thorough|in-depth),? ){1,4}(?:answers|responses|replies|explanations)|(?:answer|reply|respond) (?:comprehensively|exhaustively|extensively|thoroughly|at length|in depth))\b",
        ),
        (
            "nothing but JSON",
            r"(?i)\b(?:(?:only|just) (?:with |in |return |output |a |the |valid )*json|json (?:only|and nothing else)|nothing (?:but|except|other than) (?:the |valid )*json|no (?:text|explanation|prose)[^.]{0,40}json)\b",
            "an explanation",
            EXPLANATION,
        ),
        (
            "nothing but a word",
            r"(?i)\b(?:(?:answer|reply|respond)(?: only)? (?:in|with) (?:exactly |only |just )?(?:one|a single) word|(?:only )?(?:answer|reply|respond)(?: only)? with (?:only |just )?[\x22'`]?yes[\x22'`]? or [\x22'`]?no|answer only [\x22'`]?yes[\x22'`]? or [\x22'`]?no)\b",
            "an explanation",
            EXPLANATION,
        ),
        (
            "no lists",
            r"(?i)\b(?:do not|don't|never) use (?:any )?(?:bullets?|bullet points|lists)\b",
            "lists",
            r"(?i)\b(?:use|(?:answer|reply|respond|return|write|give|present|list|structure|format|output|summari[sz]e)\b[^.;]{0,50}\b(?:as|with|in|using)) (?:a |an |short )*(?:bullets|bullet points|bulleted lists?|bullet lists?)\b",
        ),
        (
            "no Markdown",
            r"(?i)\b(?:(?:do not|don't|never) use (?:any )?markdown|no markdown|plain text only|only plain text|(?:respond|reply|answer|write|output|return)(?: only)? (?:in|as|with) plain text(?: only)?)\b",
            "Markdown",
            r"(?i)\b(?:use|(?:answer|reply|respond|return|write|give|present|structure|format|output)\b[^.;]{0,50}\b(?:as|with|in|using)) (?:a )?markdown\b",
        ),
        (
            "no emojis",
            r"(?i)\b(?:(?:do not|don't|never) (?:use|add|include|write) (?:any )?emojis?|avoid (?:using |all |any )?emojis?|no emojis?|without (?:any )?emojis?)\b",
            "emojis",
            r"(?i)\b(?:use|add|include) (?:a |an |some |many |one |fitting |friendly |relevant )*emojis?\b",
        ),
        (
            "a formal tone",
            r"(?i)\b(?:be (?:very |always )?formal|(?:use|adopt|keep|maintain|write in|answer in|reply in|respond in) (?:a |an )?(?:very |strictly |professional,? )*formal (?:tone|style|register|language|voice))\b",
            "a casual one",
            r"(?i)\b(?:be (?:very |always )?(?:casual|informal|colloquial)|(?:use|adopt|keep|maintain|write in|answer in|reply in|respond in) (?:a |an )?(?:very |friendly,? |relaxed,? )*(?:casual|informal|colloquial|chatty) (?:tone|style|register|language|voice))\b",
        ),
        (
            "no explanation",
            r"(?i)\b(?:(?:do not|don't|never) (?:explain|justify) (?:your|the) (?:answer|reasoning|choice|decision)|(?:do not|don't|never) (?:include|add|give|provide|write) (?:an |any )?(?:explanations?|justifications?|reasoning))\b",
            "one",
            r"(?i)^\W*(?:then |also |and |please |always |finally )*(?:explain|justify) your (?:answer|reasoning|choice|decision)\b",
        ),
    ]
    .map(|(one, pattern, other, against)| (one, compiled(pattern), other, compiled(against)))
    .into()
});

pattern!(
    LANGUAGE,
    r"(?i)\b(?:answer|reply|respond|write|speak)(?: only| always| strictly| exclusively| back)* in (Arabic|Chinese|Czech|Danish|Dutch|English|Finnish|French|German|Greek|Hebrew|Hindi|Italian|Japanese|Korean|Norwegian|Polish|Portuguese|Russian|Spanish|Swedish|Turkish|Ukrainian)\b"
);
pattern!(CHOICE, r"^\W*(?:or|and|oder|und)\b|^\s*[,/]");

pattern!(NEVER, r"(?i)^\W*(?:you (?:must|should) )?(?:never|do not|don't|must not|should not)(?: ever)? (\w.*)$");
pattern!(ALWAYS, r"(?i)^\W*(?:you (?:must|should) )?always (\w.*)$");

// What limits a sentence to a part of the answers, or to a part of one.
pattern!(
    SCOPED,
    r"(?i)\b(?:if|when|whenever|where|unless|otherwise|except|for|in|within|inside|during|while|until|once|before|after|first|second|next|then|finally|instead|of|each|per|below|above|under|followed|at (?:the|first)|field|key|summary|introduction|title|subject|longer)\b|[`<]"
);
// A limit to all answers is none, and neither is their length.
pattern!(
    ALL,
    r"(?i)\b(?:(?:in|for) (?:all |your |every |each |the |any )+(?:answer|response|repl(?:y|ie)|case|message|time)s?|keep (?:all |every |each )(?:answers?|responses?|replies|reply)|(?:under|below|in|within|to|at most|than|up to) (?:\d+|one|two|three|four|five|ten|twenty|thirty|fifty) (?:words?|sentences?|lines?))\b"
);
pattern!(NEGATED, r"(?i)(?:\bnot|n't|\bnever|\bwithout|\bavoid|\bthan|\bno need|\binstead of)\W+(?:\w+\W+){0,2}$");
// A place for an explanation within the answer.
pattern!(
    EXPLAINED,
    r#"(?i)["'`]\w*(?:reason|why|expla|rational|justif|thought|thinking|analysis|evidence|because|comment|summary)\w*["'`]|<(?:thinking|reasoning|scratchpad|analysis|thoughts?)\b"#
);
// A title under which everything is about the whole answer.
pattern!(
    GENERAL,
    r"(?i)\b(?:styles?|tone|rules?|instructions?|guidelines?|format\w*|outputs?|answers?|respon\w+|repl\w+|tasks?|roles?|general|important|constraints?|notes?|behaviou?r|requirements?|principles|remember|you|your|must|should|always|please|content|quality|language|voice|persona|goals?|objective|following|tips|context|json|return|write|use|be|keep)\b"
);

pattern!(LABEL, r"^\W*((?:\w+ ?){1,3})\W{0,2}:\W");

type Place<'a> = (usize, &'a Template, Range<usize>);

/// Sentences that exclude each other.
pub(super) fn contradiction(_: &Look<'_>, subject: &Subject<'_>, sink: &mut Sink) {
    let parts = subject.parts.iter().enumerate();
    let all: Vec<Place<'_>> =
        parts.flat_map(|(number, part)| part.sentences.iter().map(move |span| (number, *part, span.clone()))).collect();
    let branches = Branches::new(&subject.parts);
    for (one, wanted, other, against) in PAIRS.iter() {
        let only = |of: &'static Regex, not: &'static Regex| {
            let is = move |place: &&Place<'_>| {
                let text = &place.1.masked[place.2.clone()];
                asked(not, text).is_none() && asked(of, text).is_some_and(|found| is_of_all(text, &found))
            };
            all.iter().filter(is).take(MOST).collect::<Vec<_>>()
        };
        let (first, second) = (only(wanted, against), only(against, wanted));
        if first.is_empty() || second.is_empty() || (*other == "an explanation" && has_room(subject)) {
            continue;
        }
        let pairs = first.iter().flat_map(|first| second.iter().map(move |second| (*first, *second)));
        if let Some((first, second)) = pairs.into_iter().find(|(a, b)| meet(&branches, a, b)) {
            report(sink, first, second, &format!("{other} is asked for"), one);
        }
    }
    languages(&all, &branches, sink);
    let mut always: HashMap<String, &Place<'_>> = HashMap::new();
    for place in &all {
        if let Some(said) = said(&ALWAYS, place) {
            always.entry(said).or_insert(place);
        }
    }
    if always.is_empty() {
        return;
    }
    for first in &all {
        let Some(second) = said(&NEVER, first).and_then(|said| always.get(&said)) else { continue };
        if meet(&branches, first, second) {
            report(sink, first, second, "this is to be done always", "never");
        }
    }
}

/// Two languages, each for every answer.
fn languages(all: &[Place<'_>], branches: &Branches<'_>, sink: &mut Sink) {
    let language = |place: &Place<'_>| {
        let text = &place.1.masked[place.2.clone()];
        let span = asked(&LANGUAGE, text)?;
        let found = LANGUAGE.captures(&text[span.clone()])?[1].to_lowercase();
        (is_of_all(text, &span) && !CHOICE.is_match(&text[span.end..])).then_some(found)
    };
    let asked: Vec<(&Place<'_>, String)> =
        all.iter().filter_map(|place| Some((place, language(place)?))).take(MOST).collect();
    for (number, (first, one)) in asked.iter().enumerate() {
        let is_other = |(second, other): &&(&Place<'_>, String)| other != one && meet(branches, first, second);
        if let Some((second, _)) = asked[number + 1..].iter().find(is_other) {
            report(sink, first, second, "another language is asked for", "which");
            return;
        }
    }
}

/// What is to be done, whole: with a word more it is something else.
fn said(pattern: &Regex, (_, template, span): &Place<'_>) -> Option<String> {
    let found = pattern.captures(&template.masked[span.clone()])?;
    let small = ["a", "an", "the", "any", "your"];
    let words = normalised(&found[1]);
    let words: Vec<&str> = words.split(' ').filter(|word| !small.contains(word)).collect();
    (words.len() >= 2).then(|| words.iter().map(|word| word.trim_end_matches('s')).collect::<Vec<_>>().join(" "))
}

/// Where a sentence asks for something, and not for the contrary: not to use lists matches "use lists", too.
fn asked(pattern: &Regex, text: &str) -> Option<Range<usize>> {
    pattern.find_iter(text).map(|found| found.range()).find(|found| !NEGATED.is_match(&text[..found.start]))
}

/// Whether what a sentence asks for holds for every answer as a whole.
fn is_of_all(text: &str, found: &Range<usize>) -> bool {
    let rest = format!("{} . {}", &text[..found.start], &text[found.end..]);
    !SCOPED.is_match(&ALL.replace_all(&rest, ""))
}

/// Whether the answer has a place for an explanation, by its schema or by what the prompt shows of it.
fn has_room(subject: &Subject<'_>) -> bool {
    let schema = subject.prompt.front.output.as_ref().map(|output| output.format.schema.to_string());
    schema.is_some_and(|schema| EXPLAINED.is_match(&schema))
        || subject.parts.iter().any(|part| EXPLAINED.is_match(&part.masked))
}

/// Whether two sentences are sent together and are about the same.
fn meet(branches: &Branches<'_>, first: &Place<'_>, second: &Place<'_>) -> bool {
    let titles = [first, second].map(|(_, template, span)| title(template, span));
    let is_special = |title: &Option<String>| title.as_ref().is_some_and(|title| !GENERAL.is_match(title));
    let is_apart = titles[0] != titles[1] && titles.iter().any(is_special);
    !is_apart && !branches.exclude((first.0, first.2.start), (second.0, second.2.start))
}

/// What a place stands under: the heading, or the line that ends with a colon above it.
fn title(template: &Template, span: &Range<usize>) -> Option<String> {
    // A label in front of it.
    let label = LABEL.captures(&template.masked[span.clone()]).map(|found| normalised(&found[1]));
    if label.as_ref().is_some_and(|label| !GENERAL.is_match(label)) {
        return label;
    }
    let last = template.lines.partition_point(|line| line.span.end < span.start);
    let mut is_near = true;
    for line in template.lines[..last].iter().rev() {
        let text = template.masked[line.span.clone()].trim();
        is_near &= !text.is_empty();
        let is_title = text.starts_with('#')
            || (is_near && (text.ends_with(':') || text.ends_with(":**")))
            || (text.starts_with("**") && text.ends_with("**"));
        if is_title {
            return Some(normalised(text));
        }
    }
    None
}

fn report(sink: &mut Sink, first: &Place<'_>, second: &Place<'_>, here: &str, there: &str) {
    let (_, one, span) = first;
    let (_, other, second) = second;
    let line = one.source.line_column(span.start).0;
    let written: String = normalised(one.written(span.clone())).chars().take(60).collect();
    let place = if one.key == other.key { String::new() } else { format!("{}:", one.source.path) };
    let message = format!("here {here}; {place}line {line} says {there}: `{written}`");
    let about = format!("{}\n{}", normalised(one.written(span.clone())), normalised(other.written(second.clone())));
    sink.of(other, second.clone(), message).about(about);
}
