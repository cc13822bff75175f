//! How instructions are put: structure, length, order, precision.

use super::look::{Look, Sink, Subject};
use super::pattern;
use super::size::about_tokens;
use super::text::{Speaker, Template};

pattern!(
    STRUCTURE,
    r"(?m)^\s*(?:#{1,6}\s|[-*+•]\s|\d{1,3}[.)]\s|```|<[A-Za-z][\w-]*>|[A-Z][\w ]{1,40}:\s*$|={3,}|-{3,})|\n\s*\n"
);

/// Much text without any mark of structure.
pub(super) fn unstructured(look: &Look<'_>, subject: &Subject<'_>, sink: &mut Sink) {
    let text = subject.prose();
    let whole = &subject.own.masked[subject.own.body..];
    if about_tokens(&text) > look.count("tokens") && !STRUCTURE.is_match(whole.trim()) && subject.parts.len() == 1 {
        let message =
            format!("about {} tokens of instructions without a heading, a list or a tag", about_tokens(&text));
        let finding = sink.of(subject.own, subject.own.start(), message);
        finding.about(subject.own.key.clone()).amount(about_tokens(&text));
    }
}

pattern!(
    CRITICAL,
    r"(?i)\b(?:critical(?:ly)?|crucial|most important(?:ly)?|under no circumstances|must never|never ever|above all)\b"
);

/// What must not go wrong, near the end of a long text.
pub(super) fn late(look: &Look<'_>, subject: &Subject<'_>, sink: &mut Sink) {
    let lines: Vec<_> = subject
        .own
        .prose()
        .filter(|(line, _)| line.speaker != Speaker::User || subject.own.prints.is_empty())
        .collect();
    let total: usize = lines.iter().map(|(_, text)| text.len()).sum();
    if total / 4 < look.count("tokens") {
        return;
    }
    let mut before = 0;
    for (line, text) in lines {
        #[expect(clippy::cast_precision_loss, reason = "lengths of texts")]
        let share = before as f64 / total as f64;
        before += text.len();
        if let Some(found) = CRITICAL.find(text).filter(|_| share >= look.limit("share")) {
            let span = line.span.start + found.start()..line.span.start + found.end();
            let message = format!("`{}` stands behind {:.0} % of the instructions", found.as_str(), share * 100.0);
            sink.of(subject.own, span, message).about(text.trim().to_owned());
        }
    }
}

pattern!(
    INSTRUCTION,
    r"(?i)^\W*(?:\d+[.)]\s*)?(?:(?:please|then|also|finally|next|first|if [^,]{1,80},)\s+)?(?:do not|don't|never|always|only|you (?:must|should|will|can ?not|may)|make sure|ensure|be|answer|respond|reply|return|output|write|use|give|provide|include|list|avoid|follow|keep|explain|describe|summari[sz]e|translate|classify|extract|identify|generate|create|consider|remember|start|begin|end|add|limit|mention|ask|say|tell|check|review|analy[sz]e|format|read|think|show|select|choose|assign|compare|cite|quote|refer|set|treat|ignore|assume|note|act|call|determine|evaluate|rewrite)\b"
);

/// Very many instructions.
pub(super) fn many_instructions(look: &Look<'_>, subject: &Subject<'_>, sink: &mut Sink) {
    let of_part = |part: &&Template| {
        part.sentences.iter().filter(|span| INSTRUCTION.is_match(&part.masked[(*span).clone()])).count()
    };
    let count: usize = subject.parts.iter().map(of_part).sum();
    if count >= look.count("count") {
        let message = format!("the prompt gives about {count} instructions");
        sink.of(subject.own, subject.own.start(), message).about(subject.own.key.clone()).amount(count);
    }
}

pattern!(
    VAGUE,
    r"(?i)\b(?:as appropriate|if appropriate|where appropriate|if possible|where possible|as (?:needed|necessary)|try to|attempt to|and so on|somewhat|fairly|reasonably|a bit|kind of|sort of|not too (?:long|short|much)|etc)\b"
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

/// A sentence, or a line, that is very long.
pub(super) fn long(look: &Look<'_>, template: &Template, sink: &mut Sink) {
    for span in &template.sentences {
        let text = &template.masked[span.clone()];
        let words = text.split_whitespace().count();
        if words > look.count("words") {
            sink.of(template, span.clone(), format!("a sentence of {words} words"));
        }
    }
    for (line, text) in template.prose().filter(|(_, text)| text.trim().len() > look.count("characters")) {
        let message = format!("a paragraph of {} characters in one line", text.trim().chars().count());
        sink.of(template, line.span.clone(), message);
    }
}
