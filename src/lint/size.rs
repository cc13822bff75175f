//! How large a prompt is: its instructions, its share of what a request costs, its share of the model's window.

use super::look::{Look, Sink, Subject};
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

/// Instructions beyond the size at which prompting pays off.
pub(super) fn instructions(look: &Look<'_>, subject: &Subject<'_>, sink: &mut Sink) {
    let text = subject.prose().replace(super::text::HOLE, "");
    // Cheap to see where it is far from the limit.
    if text.len() < look.count("tokens") {
        return;
    }
    let count = tokens(subject, &text);
    if count > look.count("tokens") {
        let parts = subject.parts.len() as u64 - 1;
        let with = if parts > 0 { format!(" with {}", counted(parts, "partial", "partials")) } else { String::new() };
        let message = format!("the instructions have {count} tokens{with}; the limit is {}", look.count("tokens"));
        sink.of(subject.own, subject.own.start(), message).about(subject.own.key.clone());
    }
}

/// Much text that is the same in every request.
pub(super) fn fixed_share(look: &Look<'_>, subject: &Subject<'_>, sink: &mut Sink) {
    if subject.rendered.is_empty() {
        return;
    }
    let of_part = |text: &str| {
        text.split_whitespace().filter(|word| !word.starts_with('\u{1}')).map(|word| word.len() + 1).sum::<usize>()
    };
    let fixed: usize = subject.parts.iter().map(|part| of_part(&part.masked[part.body..])).sum();
    let size = |messages: &Vec<Message>| messages.iter().map(|message| message.content.len()).sum::<usize>();
    let mean = subject.rendered.iter().map(size).sum::<usize>() / subject.rendered.len();
    #[expect(clippy::cast_precision_loss, reason = "lengths of texts")]
    let share = (fixed as f64 / mean.max(1) as f64).min(1.0);
    if share > look.limit("share") && fixed / 4 > look.count("tokens") {
        let message = format!(
            "{:.0} % of a request is the same text each time, about {} tokens in the mean of {}",
            share * 100.0,
            fixed / 4,
            counted(subject.rendered.len() as u64, "case", "cases")
        );
        sink.of(subject.own, subject.own.start(), message).about(subject.own.key.clone());
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
        sink.of(subject.own, subject.own.start(), message).about(format!("{} {alias}", subject.own.key));
    }
}

/// A request that fills much of the window.
pub(super) fn context_share(look: &Look<'_>, subject: &Subject<'_>, sink: &mut Sink) {
    for (alias, input, output, window) in largest(subject) {
        #[expect(clippy::cast_precision_loss, reason = "counts of tokens")]
        let share = input as f64 / window as f64;
        if share > look.limit("share") && input + output <= window {
            let message = format!("a case has about {input} tokens, {:.0} % of the window of `{alias}`", share * 100.0);
            sink.of(subject.own, subject.own.start(), message).about(format!("{} {alias}", subject.own.key));
        }
    }
}
