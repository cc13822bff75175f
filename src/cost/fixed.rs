//! Which part of the requests of a prompt is the same every time, found by rendering its cases.
//!
//! Two things are called fixed. The *beginning*: what all requests begin with, token for token, in the order in which a model
//! reads them (tools, the form of the answer, the messages); only that can come from a cache. And the *fixed text*: the words
//! that stand in all requests in the same order, wherever they are; that is what the template says itself, and what every case
//! gives alike.

use serde::Serialize;
use serde_json::json;
use similar::{Algorithm, DiffOp, capture_diff_slices};

use crate::core::record::Request;
use crate::plan::{Counter, PER_MESSAGE, PER_REQUEST};

/// A run of fewer words between two that differ is taken for chance.
const LEAST_RUN: usize = 3;
/// As many requests are looked at for the fixed text, evenly spread; for the beginning all of them.
const MOST_REQUESTS: usize = 40;
/// Of longer messages lines are compared, not words.
const MOST_WORDS: usize = 3000;

/// What is the same in all requests, in estimated tokens.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Fixed {
    /// How many different requests were looked at.
    pub requests: u64,
    /// The tokens of a request on the mean.
    pub of_tokens: f64,
    /// Those of the text that stands in all of them.
    pub tokens: u64,
    /// Those of the beginning that all of them have.
    pub beginning: u64,
    /// How far the counts may be off.
    pub margin: f64,
}

impl Fixed {
    /// The share of a request that is fixed.
    #[must_use]
    pub fn share(&self) -> f64 {
        share(self.tokens, self.of_tokens)
    }

    /// The share of a request that is the beginning of all of them.
    #[must_use]
    pub fn beginning_share(&self) -> f64 {
        share(self.beginning, self.of_tokens)
    }
}

fn share(tokens: u64, of: f64) -> f64 {
    if of > 0.0 { (super::as_f64(tokens) / of).min(1.0) } else { 0.0 }
}

/// A piece of a request that a model reads: what it is, and its text.
struct Piece {
    head: String,
    text: String,
}

fn pieces(request: &Request) -> Vec<Piece> {
    let mut pieces = Vec::new();
    if !request.tools.is_empty() {
        pieces.push(Piece { head: "tools".into(), text: json!(request.tools).to_string() });
    }
    if let Some(format) = &request.response_format {
        pieces.push(Piece { head: "form".into(), text: format.schema.to_string() });
    }
    pieces.extend(request.messages.iter().map(|message| {
        let canonical = message.canonical();
        // What is no text is the same as a whole or not at all.
        let head =
            format!("{:?} {:?} {:?} {}", message.role, message.tool_call_id, message.tool_calls, canonical["images"]);
        Piece { head, text: message.content.clone() }
    }));
    pieces
}

/// What is the same in all requests; `None` of fewer than two, which say nothing of the next.
#[must_use]
pub fn fixed(requests: &[Request]) -> Option<Fixed> {
    let counter = Counter::of(requests.first()?);
    let mut all: Vec<Vec<Piece>> = requests.iter().map(pieces).collect();
    let of_tokens = super::mean(all.iter().map(|pieces| super::as_f64(tokens(&counter, pieces))))?;
    let said = all.len();
    if said < 2 {
        return None;
    }
    let beginning = beginning(&counter, &all);
    let step = said.div_ceil(MOST_REQUESTS);
    let mut at = 0;
    all.retain(|_| {
        at += 1;
        (at - 1) % step == 0
    });
    let tokens = alike(&counter, &all).max(beginning);
    let margin = if counter.is_exact() { 0.1 } else { 0.5 };
    Some(Fixed { requests: said as u64, of_tokens, tokens, beginning, margin })
}

fn tokens(counter: &Counter, pieces: &[Piece]) -> u64 {
    PER_REQUEST + pieces.iter().map(|piece| PER_MESSAGE + counter.count(&piece.text)).sum::<u64>()
}

/// The tokens of what all requests begin with.
fn beginning(counter: &Counter, all: &[Vec<Piece>]) -> u64 {
    let Some((first, rest)) = all.split_first() else { return 0 };
    let mut sum = PER_REQUEST;
    for (index, piece) in first.iter().enumerate() {
        let mut common = piece.text.as_str();
        let mut whole = true;
        for other in rest {
            let Some(other) = other.get(index).filter(|other| other.head == piece.head) else { return sum };
            whole &= other.text == piece.text;
            common = &common[..common_prefix(common, &other.text)];
        }
        sum += PER_MESSAGE + counter.count(common);
        if !whole {
            break;
        }
    }
    sum
}

/// How many bytes two texts begin with alike, up to a whole character.
fn common_prefix(one: &str, other: &str) -> usize {
    one.char_indices()
        .zip(other.chars())
        .find(|((_, a), b)| a != b)
        .map_or_else(|| one.len().min(other.len()), |((at, _), _)| at)
}

/// The tokens of the words that stand in all requests.
fn alike(counter: &Counter, all: &[Vec<Piece>]) -> u64 {
    let Some((first, rest)) = all.split_first() else { return 0 };
    let mut sum = PER_REQUEST;
    for (index, piece) in first.iter().enumerate() {
        let others: Vec<&Piece> = rest.iter().filter_map(|other| other.get(index)).collect();
        if others.len() < rest.len() || others.iter().any(|other| other.head != piece.head) {
            continue;
        }
        let most = others.iter().map(|other| &other.text).chain([&piece.text]).map(|text| words(text).len()).max();
        let split = if most.unwrap_or(0) > MOST_WORDS { lines } else { words };
        let mut common = split(&piece.text);
        for other in others {
            common = common_words(&common, &split(&other.text));
        }
        sum += PER_MESSAGE + counter.count(&common.concat());
    }
    sum
}

fn words(text: &str) -> Vec<&str> {
    text.split_inclusive(char::is_whitespace).collect()
}

fn lines(text: &str) -> Vec<&str> {
    text.split_inclusive('\n').collect()
}

/// The words of one text that another has in the same order, but for short runs that both have by chance.
fn common_words<'a>(one: &[&'a str], other: &[&str]) -> Vec<&'a str> {
    let mut common = Vec::new();
    for op in capture_diff_slices(Algorithm::Myers, one, other) {
        if let DiffOp::Equal { old_index, new_index, len } = op {
            let at_an_end =
                old_index == 0 && new_index == 0 || old_index + len == one.len() && new_index + len == other.len();
            if len >= LEAST_RUN || at_an_end {
                common.extend_from_slice(&one[old_index..old_index + len]);
            }
        }
    }
    common
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::record::{Message, Role};

    fn request(messages: &[(Role, &str)]) -> Request {
        let mut request = Request::of_params("mock", "m", serde_json::Map::new());
        request.messages = messages.iter().map(|(role, text)| Message::new(*role, *text)).collect();
        request
    }

    #[test]
    fn the_beginning_ends_where_the_first_request_differs() {
        let system = "You are a support agent. Be brief.";
        let ask = |policy: &str, q: &str| {
            request(&[
                (Role::System, system),
                (Role::User, &format!("Policy: {policy}\nAnswer from it in two sentences.\nQuestion: {q}")),
            ])
        };
        let all = [ask("abc abc abc", "why so late"), ask("xyz", "who are you"), ask("123 456", "when is it here")];
        let found = fixed(&all).expect("several");
        // Four bytes are a token here: 34 of the system's, "Policy: " of the user's.
        assert_eq!(found.beginning, PER_REQUEST + PER_MESSAGE + 9 + PER_MESSAGE + 2);
        // Beside that "it in two sentences.\nQuestion: " and "Answer from " stand in all of them.
        assert!(found.tokens > found.beginning + 8, "{found:?}");
        assert!(super::super::as_f64(found.tokens) < found.of_tokens, "{found:?}");
        assert!(fixed(&all[..1]).is_none() && fixed(&[]).is_none());
    }

    #[test]
    fn what_is_the_same_as_a_whole_is_all_fixed() {
        let one = request(&[(Role::User, "ümläut 😀 text")]);
        let found = fixed(&[one.clone(), one.clone()]).expect("two");
        assert!((found.share() - 1.0).abs() < 1e-9 && (found.beginning_share() - 1.0).abs() < 1e-9, "{found:?}");
        let other = request(&[(Role::User, "ümlaut")]);
        assert_eq!(fixed(&[one, other]).expect("two").beginning, PER_REQUEST + PER_MESSAGE + 1);
    }

    #[test]
    fn another_role_ends_the_beginning() {
        let (one, other) = (request(&[(Role::User, "abcd")]), request(&[(Role::System, "abcd")]));
        let found = fixed(&[one, other]).expect("two");
        assert_eq!((found.beginning, found.tokens), (PER_REQUEST, PER_REQUEST));
    }
}
