//! How large a prompt is: its instructions, its share of what a request costs, its share of the model's window.

use std::collections::BTreeMap;

use super::look::{Look, Sink, Subject};
use super::text::TextLine;
use crate::core::record::{Message, Role};
use crate::core::words::counted;
use crate::plan::{Estimate, request};

/// About how many tokens a text has, where no model is asked: four bytes each.
pub(super) fn about_tokens(text: &str) -> usize {
    text.split_whitespace().map(str::len).sum::<usize>().div_ceil(4) + text.split_whitespace().count() / 8
}

/// How many tokens the first model of a prompt reads in a text, as well as that is known.
fn tokens(subject: &Subject<'_>, text: &str) -> usize {
    let Some(entry) = subject.models.first() else { return text.len().div_ceil(4) };
    let read = |text: &str| {
        let mut bare = request(subject.prompt, entry, vec![Message::new(Role::User, text)]);
        (bare.tools, bare.response_format) = (Vec::new(), None);
        Estimate::of(entry, &bare).input
    };
    usize::try_from(read(text).saturating_sub(read(""))).unwrap_or(usize::MAX)
}

/// How often each piece of a text stands in the templates of a prompt.
type Pieces<'a> = BTreeMap<&'a str, usize>;

fn pieces<'a>(subject: &Subject<'a>, is_wanted: fn(&TextLine) -> bool) -> Pieces<'a> {
    let mut pieces = Pieces::new();
    for part in &subject.parts {
        for (_, piece) in part.pieces(is_wanted) {
            *pieces.entry(piece).or_default() += 1;
        }
    }
    pieces
}

/// The pieces that stand in a request, each as often as it does, and not more often than the templates have it.
fn within<'a>(pieces: &Pieces<'a>, messages: &[Message]) -> Pieces<'a> {
    let said = |piece: &str| messages.iter().map(|message| message.content.matches(piece).count()).sum::<usize>();
    let there = pieces.iter().map(|(piece, count)| (*piece, said(piece).min(*count)));
    there.filter(|(_, count)| *count > 0).collect()
}

fn text(pieces: &Pieces<'_>) -> String {
    pieces.iter().flat_map(|(piece, count)| std::iter::repeat_n(*piece, *count)).collect::<Vec<_>>().join("\n")
}

/// Instructions beyond the size at which prompting pays off: in the largest request of the cases, or, where there are no
/// cases, on the longest way through the templates.
pub(super) fn instructions(look: &Look<'_>, subject: &Subject<'_>, sink: &mut Sink) {
    let limit = look.count("tokens");
    let all = pieces(subject, TextLine::is_prose);
    // Cheap to see where it is far from the limit.
    if text(&all).len() < limit {
        return;
    }
    let texts = subject.rendered.iter().map(|messages| text(&within(&all, messages)));
    let largest = texts.max_by_key(String::len).unwrap_or_else(|| {
        let ways = subject.parts.iter().flat_map(|part| part.longest_way(TextLine::is_prose));
        ways.collect::<Vec<_>>().join("\n")
    });
    let count = if largest.len() < limit { 0 } else { tokens(subject, &largest) };
    if count > limit {
        let parts = subject.parts.len() as u64 - 1;
        let with = if parts > 0 { format!(" with {}", counted(parts, "partial", "partials")) } else { String::new() };
        let message = format!("the instructions have {count} tokens{with}; the limit is {limit}");
        sink.of(subject.own, subject.own.start(), message).about(subject.own.key.clone()).amount(count);
    }
}

/// Much text that is the same in every request.
pub(super) fn fixed_share(look: &Look<'_>, subject: &Subject<'_>, sink: &mut Sink) {
    let mut fixed = pieces(subject, |_| true);
    // Cheap to see where there is too little text.
    if subject.rendered.is_empty() || text(&fixed).len() < look.count("tokens") {
        return;
    }
    for messages in &subject.rendered {
        fixed = within(&fixed, messages);
    }
    let count = tokens(subject, &text(&fixed));
    if count <= look.count("tokens") {
        return;
    }
    let whole = |messages: &Vec<Message>| {
        tokens(subject, &messages.iter().map(|message| message.content.as_str()).collect::<Vec<_>>().join("\n"))
    };
    let sum: usize = subject.rendered.iter().map(whole).sum();
    #[expect(clippy::cast_precision_loss, reason = "counts of tokens")]
    let share = (count * subject.rendered.len()) as f64 / sum.max(1) as f64;
    if share > look.limit("share") {
        let message = format!(
            "{:.0} % of a request is the same text each time: about {count} of {} tokens in the mean of {}",
            share.min(1.0) * 100.0,
            sum / subject.rendered.len(),
            counted(subject.rendered.len() as u64, "case", "cases")
        );
        sink.of(subject.own, subject.own.start(), message).about(subject.own.key.clone()).amount(count);
    }
}

/// The largest request of the cases on each model: its tokens, what it may write, and the model's window.
fn largest<'a>(subject: &'a Subject<'a>) -> impl Iterator<Item = (&'a str, u64, u64, u64)> + 'a {
    subject.models.iter().filter_map(|entry| {
        let window = entry.context_window?;
        let size = |messages: &&Vec<Message>| messages.iter().map(|message| message.content.len()).sum::<usize>();
        let messages = subject.rendered.iter().max_by_key(size)?;
        let estimate = Estimate::of(entry, &request(subject.prompt, entry, messages.clone()));
        Some((entry.alias.as_str(), estimate.input, estimate.output.unwrap_or(0), window))
    })
}

/// A request that does not fit.
pub(super) fn overflow(_: &Look<'_>, subject: &Subject<'_>, sink: &mut Sink) {
    for (alias, input, output, window) in largest(subject).filter(|(_, input, output, window)| input + output > *window)
    {
        let message = format!(
            "a case has about {input} tokens and may be answered with {output}; the window of `{alias}` has {window}"
        );
        let size = usize::try_from(input + output).unwrap_or(usize::MAX);
        sink.of(subject.own, subject.own.start(), message).about(format!("{} {alias}", subject.own.key)).amount(size);
    }
}

/// A request that fills much of the window.
pub(super) fn context_share(look: &Look<'_>, subject: &Subject<'_>, sink: &mut Sink) {
    for (alias, input, output, window) in largest(subject) {
        #[expect(clippy::cast_precision_loss, reason = "counts of tokens")]
        let share = input as f64 / window as f64;
        if share > look.limit("share") && input + output <= window {
            let message = format!("a case has about {input} tokens, {:.0} % of the window of `{alias}`", share * 100.0);
            let size = usize::try_from(input + output).unwrap_or(usize::MAX);
            sink.of(subject.own, subject.own.start(), message)
                .about(format!("{} {alias}", subject.own.key))
                .amount(size);
        }
    }
}
