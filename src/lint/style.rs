//! How instructions are put: structure, length, order, precision.

use std::ops::Range;

use super::branches::includes;
use super::look::{Look, Sink, Subject};
use super::pattern;
use super::size::about_tokens;
use super::text::{Speaker, Tag, Template, TextLine};
use crate::project::Level;

pattern!(
    STRUCTURE,
    r"(?m)^\s*(?:#{1,6}\s|[-*+•]\s|\d{1,3}[.)]\s|```|<[A-Za-z][\w-]*>|[A-Z][\w ]{1,40}:\s*$|={3,}|-{3,})|\n\s*\n"
);

/// How deep partials are followed.
const DEPTH: usize = 5;

/// What a stretch of a template says, with the partials that are included in it: everything, and the instructions alone.
fn with_partials(subject: &Subject<'_>, template: &Template, span: &Range<usize>, depth: usize) -> (String, String) {
    let is_within = |inner: &Range<usize>| span.start <= inner.start && inner.end <= span.end;
    let prose = template.prose().filter(|(line, _)| is_within(&line.span)).map(|(_, text)| text);
    let mut prose = prose.collect::<Vec<_>>().join("\n");
    let (mut text, mut at) = (String::new(), span.start);
    let included = template.tags.iter().filter(|tag| depth > 0 && tag.keyword == "include" && is_within(&tag.span));
    for tag in included {
        let Some(part) = subject.parts.iter().find(|part| includes(template, tag, &part.key)) else { continue };
        let (whole, instructions) = with_partials(subject, part, &(part.body..part.masked.len()), depth - 1);
        text.push_str(&template.masked[at..tag.span.start]);
        text.push_str(whole.trim_end());
        prose.push('\n');
        prose.push_str(&instructions);
        at = tag.span.end;
    }
    text.push_str(&template.masked[at..span.end]);
    (text, prose)
}

/// Much text without any mark of structure, in one message.
pub(super) fn unstructured(look: &Look<'_>, subject: &Subject<'_>, sink: &mut Sink) {
    let own = subject.own;
    // What is not known may bring the structure.
    if subject.prompt.open || own.tags.iter().any(|tag| tag.keyword == "extends") {
        return;
    }
    let messages = own.lines.chunk_by(|one, next| one.speaker == next.speaker);
    let wall = |lines: &[TextLine]| {
        let span = lines.first()?.span.start..lines.last()?.span.end;
        let (text, prose) = with_partials(subject, own, &span, DEPTH);
        let tokens = about_tokens(&prose);
        let is_wall = tokens > look.count("tokens") && !STRUCTURE.is_match(text.trim());
        let first = lines.iter().find(|line| !own.masked[line.span.clone()].trim().is_empty());
        is_wall.then(|| (tokens, first.map_or_else(|| own.start(), |line| line.span.clone())))
    };
    if let Some((tokens, place)) = messages.filter_map(wall).max_by_key(|(tokens, _)| *tokens) {
        let message = format!("about {tokens} tokens of instructions without a heading, a list or a tag");
        sink.of(own, place, message).about(own.key.clone()).amount(tokens);
    }
}

pattern!(
    CRITICAL,
    r"(?i)\b(?:critical(?:ly)?|crucial|most important(?:ly)?|under no circumstances|must never|never ever|above all|(?-i:MUST NOT|NEVER|IMPORTANT))\b"
);

/// What must not go wrong, near the end of a long text.
pub(super) fn late(look: &Look<'_>, subject: &Subject<'_>, sink: &mut Sink) {
    let own = subject.own;
    // Where the application has a message of its own, that of the user holds what is worked on.
    let has_own = own.prose().any(|(line, _)| line.speaker == Speaker::System);
    let lines: Vec<_> = own.prose().filter(|(line, _)| line.speaker != Speaker::User || !has_own).collect();
    let counted = |tag: &&Tag| tag.keyword == "include" && (tag.speaker != Speaker::User || !has_own);
    let included = own
        .tags
        .iter()
        .filter(counted)
        .map(|tag| (tag.span.start, with_partials(subject, own, &tag.span, DEPTH).1.len()));
    let included: Vec<(usize, usize)> = included.collect();
    let of_partials = |to: usize| included.iter().filter(|(at, _)| *at < to).map(|(_, length)| length).sum::<usize>();
    let total = lines.iter().map(|(_, text)| text.len()).sum::<usize>() + of_partials(usize::MAX);
    if total / 4 < look.count("tokens") {
        return;
    }
    let mut before = 0;
    for (line, text) in lines {
        for found in CRITICAL.find_iter(text) {
            let span = line.span.start + found.start()..line.span.start + found.end();
            #[expect(clippy::cast_precision_loss, reason = "lengths of texts")]
            let share = (before + found.start() + of_partials(span.start)) as f64 / total as f64;
            if share >= look.limit("share") {
                let message = format!("`{}` stands behind {:.0} % of the instructions", found.as_str(), share * 100.0);
                sink.of(own, span, message).about(text.trim().to_owned());
                break;
            }
        }
        before += text.len();
    }
}

pattern!(
    INSTRUCTION,
    r"(?i)^\W*(?:\d+[.)]\s*)?(?:(?:please|then|also|finally|next|first|if [^,]{1,80},)\s+)?(?:do not|don't|never|always|only|you (?:must|should|will|can ?not|may)|make sure|ensure|be|answer|respond|reply|return|output|write|use|give|provide|include|list|avoid|follow|keep|explain|describe|summari[sz]e|translate|classify|extract|identify|generate|create|consider|remember|start|begin|end|add|limit|mention|ask|say|tell|check|review|analy[sz]e|format|read|think|show|select|choose|assign|compare|cite|quote|refer|set|treat|ignore|assume|note|act|call|determine|evaluate|rewrite|do|apply|put|place|convert|calculate|compute|count|rank|sort|rate|score|highlight|report|address|greet|thank|apologi[sz]e|offer|refuse|decline|escalate|confirm|verify|double-check|stick|focus|stay|speak|suggest|recommend|wrap|prefer|replace|remove|omit|skip|stop|let|help|handle|look|find|search|name|state|group|fill|correct|fix|preserve|maintain|adapt|adjust|match|respect|break|split|combine|refrain)\b"
);

/// Very many instructions.
pub(super) fn many_instructions(look: &Look<'_>, subject: &Subject<'_>, sink: &mut Sink) {
    let of_part = |part: &&Template| {
        part.sentences.iter().filter(|span| INSTRUCTION.is_match(&part.masked[(*span).clone()])).count()
    };
    let count: usize = subject.parts.iter().map(of_part).sum();
    if count >= look.count("count") {
        let message = format!("the prompt gives about {count} instructions");
        let level = if count >= look.count("warn") { sink.level.max(Level::Warning) } else { sink.level };
        let finding = sink.of(subject.own, subject.own.start(), message);
        finding.about(subject.own.key.clone()).amount(count).level(level);
    }
}

// Numbers and permissions that leave open what is wanted, where something is asked for: of what is only told, nothing is open.
pattern!(
    VAGUE,
    r"(?ix)
    \b(?:(?:as|if|where)\ appropriate|(?:if|where)\ possible|as\ (?:needed|necessary)|(?:try|attempt)\ to|and\ so\ on|somewhat|fairly|reasonably|a\ bit|(?:kind|sort)\ of|not\ too\ (?:long|short|much)|(?:in\ an?\ )?(?:timely|appropriate|suitable)\ (?:manner|way)|as\ you\ see\ fit|(?:good|long|short|detailed)\ enough|enough\ (?:detail|information|context)|make\ it\ nice|etc)\b
    | \b(?:give|list|mention|write|add|include|provide|name|suggest|offer|use|ask|ask\ for|show|generate|create|produce|make|pick|choose|select|return|find)\s
      (?:(?:me|us|them|only|just|also)\s)?(?:a\s(?:few|couple\sof|handful\sof|number\sof)|several|various|many|some\s(?:of\s)?(?:\w+\s)?\w+s)\b
    | \b(?:you\s(?:could|might)|perhaps|maybe|ideally|preferably),?\s(?:(?:perhaps|maybe|possibly|also|want\sto|wish\sto|like\sto)\s)*
      (?:give|list|mention|write|add|include|provide|name|suggest|offer|use|ask|show|explain|say|tell|refer|point)\b
    "
);

/// Words that leave to the model what they mean.
pub(super) fn vague(_: &Look<'_>, template: &Template, sink: &mut Sink) {
    for span in template.matches(&VAGUE) {
        let message = format!("`{}` leaves open what is meant", template.written(span.clone()));
        let sentence =
            template.sentences.iter().find(|sentence| sentence.start <= span.start && span.end <= sentence.end);
        let about = sentence.map(|sentence| super::text::normalised(&template.masked[sentence.clone()]));
        let finding = sink.of(template, span, message);
        if let Some(about) = about {
            finding.about(about);
        }
    }
}

pattern!(ITEM, r"^\s*(?:(?:[-*+•]|\d{1,3}[.)]|#{1,6})\s|\|)");

/// The paragraphs of the prose: lines that follow each other, but for items of a list and headings.
fn paragraphs(template: &Template) -> impl Iterator<Item = &[TextLine]> {
    let text = |line: &TextLine| template.masked[line.span.clone()].trim_start();
    let is_text = move |line: &TextLine| line.is_prose() && text(line).chars().any(char::is_alphanumeric);
    let goes_on = move |one: &TextLine, next: &TextLine| {
        is_text(one) && is_text(next) && !ITEM.is_match(text(next)) && !text(one).starts_with('#')
    };
    template.lines.chunk_by(goes_on).filter(|lines| lines.iter().all(TextLine::is_prose))
}

/// A sentence, or a paragraph, that is very long.
pub(super) fn long(look: &Look<'_>, template: &Template, sink: &mut Sink) {
    for span in &template.sentences {
        let text = &template.masked[span.clone()];
        let words = text.split_whitespace().count();
        if words > look.count("words") {
            sink.of(template, span.clone(), format!("a sentence of {words} words"));
        }
    }
    for lines in paragraphs(template) {
        let count: usize = lines.iter().map(|line| template.masked[line.span.clone()].trim().chars().count() + 1).sum();
        let (Some(first), count) = (lines.first(), count.saturating_sub(1)) else { continue };
        if count > look.count("characters") {
            let within = if lines.len() == 1 { "one line".to_owned() } else { format!("{} lines", lines.len()) };
            let message = format!("a paragraph of {count} characters in {within}");
            sink.of(template, first.span.clone(), message).amount(count);
        }
    }
}
