//! What is wrong with all examples together, each thing under its code, the good ones too: whoever trusts the data sees what was
//! looked at.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde::Serialize;

use super::alike::spaced;
use super::{Division, Example, FEW, FEWEST, Format, Gathered, Side, Wanted};
use crate::core::record::{Message, Role};
use crate::core::words::counted;
use crate::expect::personal_data;

/// How many cases are named.
const NAMED: usize = 5;
/// The words of a short answer.
const SHORT: usize = 5;
/// The share of one answer that is too much of it.
const LOPSIDED: f64 = 0.8;
/// The share of all examples that the largest group may have.
const LARGEST: f64 = 0.25;

/// What became of a check.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Standing {
    /// Nothing is written, unless that is asked for.
    Refused,
    /// A person should look at it.
    Warned,
    /// Nothing is wrong.
    Good,
}

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Check {
    /// Its code.
    pub code: &'static str,
    /// What became of it.
    pub standing: Standing,
    /// The figures, in a sentence.
    pub sentence: String,
    /// What to do; empty where nothing is.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub help: String,
    /// A few of the cases.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub cases: Vec<String>,
}

impl Check {
    fn new(code: &'static str, standing: Standing, sentence: impl Into<String>) -> Self {
        Self { code, standing, sentence: sentence.into(), help: String::new(), cases: Vec::new() }
    }

    fn help(mut self, help: &str) -> Self {
        if self.standing != Standing::Good {
            help.clone_into(&mut self.help);
        }
        self
    }

    fn of(mut self, names: impl IntoIterator<Item = String>) -> Self {
        let names: BTreeSet<String> = names.into_iter().collect();
        let more = names.len().saturating_sub(NAMED);
        self.cases = names.into_iter().take(NAMED).collect();
        if more > 0 {
            self.cases.push(format!("and {more} more"));
        }
        self
    }
}

fn bad(is_bad: bool, standing: Standing) -> Standing {
    if is_bad { standing } else { Standing::Good }
}

#[expect(clippy::cast_precision_loss, reason = "counts of examples are far below 2^53")]
fn share(part: usize, whole: usize) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

/// Looks at everything.
#[must_use]
pub fn check(found: &Gathered, division: &Division, wanted: &Wanted, allows_personal_data: bool) -> Vec<Check> {
    let examples = &found.examples;
    let mut checks = vec![
        enough(examples.len(), division),
        left_out(found, "empty", "answers are empty"),
        left_out(found, "truncated", "answers are cut off or filtered"),
        left_out(found, "roles", "conversations are in an order that trainers do not take"),
        left_out(found, "too-long", &format!("lines are longer than {} tokens", wanted.max_tokens)),
        left_out(found, "key", "lines hold what looks like a key"),
    ];
    checks.extend(repeated(examples, division));
    checks.push(contradictions(examples));
    checks.push(personal(examples, allows_personal_data));
    checks.push(balance(examples));
    checks.extend(of_split(examples, division, wanted));
    if wanted.format == Format::Hf {
        checks.push(shown_answers(examples));
    }
    checks.sort_by_key(|check| check.standing);
    checks
}

/// What is held out teaches nothing.
fn enough(all: usize, division: &Division) -> Check {
    let (count, apart) = (division.count(Side::Train), division.count(Side::Validation));
    let standing = match count {
        count if count < FEWEST => Standing::Refused,
        count if count < FEW => Standing::Warned,
        _ => Standing::Good,
    };
    let than = if count < FEWEST { FEWEST } else { FEW };
    let examples = counted(count as u64, "example", "examples");
    let split = if apart > 0 { format!(" to learn from, of {all}") } else { String::new() };
    let sentence = match standing {
        Standing::Good => format!("{examples}{split}"),
        _ => format!("{examples}{split}, fewer than {than}"),
    };
    let help = if count < FEWEST && all >= FEWEST {
        "accept more answers (`promptctl test`, `promptctl review`), or hold out a smaller share (`--holdout`)"
    } else {
        "accept more answers (`promptctl test`, `promptctl review`); a longer prompt with examples often does as well as so few"
    };
    Check::new("few-examples", standing, sentence).help(help)
}

fn left_out(found: &Gathered, code: &'static str, what: &str) -> Check {
    let those: Vec<_> = found.left_out.iter().filter(|one| one.code == code).collect();
    let (count, left_out) = match those.len() {
        0 => ("no".to_owned(), ""),
        count => (count.to_string(), ", and left out"),
    };
    let mut sentence = format!("{count} {what}{left_out}");
    if those.len() < 2 {
        let several = ["answers are", "lines are", "lines hold", "conversations are"];
        for (several, one) in several.iter().zip(["answer is", "line is", "line holds", "conversation is"]) {
            sentence = sentence.replacen(&format!("{count} {several}"), &format!("{count} {one}"), 1);
        }
    }
    let name = |one: &&super::LeftOut| format!("`{}` › `{}` on `{}`: {}", one.prompt, one.case, one.model, one.why);
    Check::new(code, bad(!those.is_empty(), Standing::Warned), sentence).of(those.iter().map(name))
}

/// What a model sees before it answers, and what it answers, as far as a reader can tell them apart.
fn said(messages: &[Message]) -> String {
    messages
        .iter()
        .map(|message| format!("{}: {}", message.role.name(), spaced(&message.shown())))
        .collect::<Vec<_>>()
        .join("\n")
}

fn repeated(examples: &[Example], division: &Division) -> [Check; 2] {
    let mut seen: HashMap<String, usize> = HashMap::new();
    let mut again = Vec::new();
    for (index, example) in examples.iter().enumerate() {
        if *seen.entry(said(&example.messages)).or_insert(index) != index {
            again.push(example.name());
        }
    }
    let sentence = match again.len() {
        0 => "no line stands twice".to_owned(),
        count => format!("{} as another one", counted(count as u64, "line says the same", "lines say the same")),
    };
    let twice = Check::new("duplicates", bad(!again.is_empty(), Standing::Warned), sentence)
        .help("a line that stands twice is learnt twice; take the case out where that is not meant")
        .of(again);
    let pairs = division.near.len() + division.again.len();
    let sentence = match pairs {
        0 => "no two cases say nearly the same".to_owned(),
        _ => format!(
            "{} nearly the same; each pair is on one side",
            counted(pairs as u64, "pair of cases says", "pairs of cases say")
        ),
    };
    let pair = |(one, other): &(usize, usize)| format!("{} and {}", examples[*one].name(), examples[*other].name());
    let nearly = Check::new("near-duplicates", bad(pairs > 0, Standing::Warned), sentence).of(division
        .near
        .iter()
        .chain(&division.again)
        .map(pair));
    [twice, nearly]
}

fn contradictions(examples: &[Example]) -> Check {
    let mut answers: BTreeMap<String, BTreeMap<String, String>> = BTreeMap::new();
    for example in examples {
        let Some((last, before)) = example.messages.split_last() else { continue };
        let answer = spaced(&last.shown());
        answers.entry(said(before)).or_default().entry(answer).or_insert_with(|| example.name());
    }
    let those: Vec<String> = answers
        .values()
        .filter(|answers| answers.len() > 1)
        .map(|answers| answers.values().cloned().collect::<Vec<_>>().join(" and "))
        .collect();
    let sentence = match those.len() {
        0 => "no input has two answers".to_owned(),
        count => format!("{} different answers", counted(count as u64, "input has", "inputs have")),
    };
    Check::new("contradictions", bad(!those.is_empty(), Standing::Refused), sentence)
        .help("decide which answer is right, and leave the other case out (`--case`, `--tag`, `--model`)")
        .of(those)
}

fn personal(examples: &[Example], allowed: bool) -> Check {
    let mut kinds: BTreeMap<&'static str, usize> = BTreeMap::new();
    let mut those = Vec::new();
    for example in examples {
        let found: BTreeSet<&'static str> =
            example.messages.iter().flat_map(|message| personal_data(&message.shown())).map(|(what, _)| what).collect();
        if !found.is_empty() {
            those.push(example.name());
        }
        for what in found {
            *kinds.entry(what).or_default() += 1;
        }
    }
    let sentence = if kinds.is_empty() {
        "no e-mail address, phone number, payment card, IBAN or US social security number was found".to_owned()
    } else {
        let kinds: Vec<String> = kinds.iter().map(|(what, count)| format!("{what} in {count}")).collect();
        format!(
            "{} of data of persons: {}",
            counted(those.len() as u64, "line holds what has the form", "lines hold what has the form"),
            kinds.join(", ")
        )
    };
    let standing = if allowed { Standing::Warned } else { Standing::Refused };
    Check::new("personal-data", bad(!those.is_empty(), standing), sentence)
        .help("take it out of the cases; `--allow-personal-data` where whoever it is about agreed, or nobody is")
        .of(those)
}

fn balance(examples: &[Example]) -> Check {
    let mut prompts: BTreeMap<&str, BTreeMap<String, usize>> = BTreeMap::new();
    let mut all: BTreeMap<&str, usize> = BTreeMap::new();
    for example in examples {
        *all.entry(example.prompt.as_str()).or_default() += 1;
        let Some(answer) = example.messages.last() else { continue };
        let text = spaced(&answer.shown());
        if text.split(' ').count() <= SHORT {
            *prompts.entry(example.prompt.as_str()).or_default().entry(text).or_default() += 1;
        }
    }
    let mut lopsided = Vec::new();
    let mut classes = 0;
    for (prompt, answers) in &prompts {
        let (short, whole) = (answers.values().sum::<usize>(), all.get(prompt).copied().unwrap_or(0));
        // Where most answers are long, the short ones are no classes.
        if short * 2 < whole {
            continue;
        }
        classes += answers.len();
        let Some((answer, count)) = answers.iter().max_by_key(|(_, count)| **count) else { continue };
        if share(*count, whole) > LOPSIDED && whole > 1 {
            lopsided.push(format!("`{prompt}`: {count} of {whole} answers are `{answer}`"));
        }
    }
    let sentence = match (lopsided.len(), classes) {
        (0, 0) => "answers are texts, not classes".to_owned(),
        (0, classes) => format!(
            "{}, none of them most of a prompt",
            counted(classes as u64, "short answer", "different short answers")
        ),
        (count, _) => format!("{} mostly one answer", counted(count as u64, "prompt has", "prompts have")),
    };
    Check::new("balance", bad(!lopsided.is_empty(), Standing::Warned), sentence)
        .help("a model learns to say what is always right; add cases with other answers")
        .of(lopsided)
}

fn of_split(examples: &[Example], division: &Division, wanted: &Wanted) -> Vec<Check> {
    let shown: Vec<String> = examples.iter().filter(|example| example.is_shown).map(Example::name).collect();
    let sentence = match shown.len() {
        0 => "no case is an example of its prompt".to_owned(),
        count => format!(
            "{} of its prompt, and never held out",
            counted(count as u64, "case is an example", "cases are examples")
        ),
    };
    let leak = Check::new("example-leak", bad(!shown.is_empty(), Standing::Warned), sentence)
        .help("the prompt says the answer already: such a case proves nothing")
        .of(shown);
    let (groups, largest) = division.largest();
    let held = division.count(Side::Validation);
    let too_large = share(largest, examples.len()) > LARGEST && examples.len() > 1 && wanted.holdout > 0.0;
    let none = held == 0 && wanted.holdout > 0.0;
    let all = held == examples.len() && held > 0;
    let figures = format!(
        "{} held out of {}, in {}; the largest has {largest}",
        held,
        examples.len(),
        counted(groups as u64, "group", "groups")
    );
    let standing = bad(none || all, Standing::Refused).min(bad(too_large, Standing::Warned));
    let advice = if none || all {
        "another `--seed`, another `--holdout`, or more groups; `--holdout 0` holds nothing out"
    } else {
        "a group is never divided: with one that large the held-out share is far from what was asked for"
    };
    vec![leak, Check::new("split", standing, figures).help(advice)]
}

/// Only OpenAI's form can say that an answer is not to be learnt.
fn shown_answers(examples: &[Example]) -> Check {
    let shows = |example: &&Example| example.messages.iter().take(example.asked).any(|one| one.role == Role::Assistant);
    let those: Vec<String> = examples.iter().filter(shows).map(|example| format!("`{}`", example.prompt)).collect();
    let sentence = match those.len() {
        0 => "no line has an answer that the prompt shows".to_owned(),
        count => format!("{} an answer that the prompt shows", counted(count as u64, "line has", "lines have")),
    };
    Check::new("shown-answers", bad(!those.is_empty(), Standing::Warned), sentence)
        .help("a trainer that learns every answer learns these, too; `--format openai` marks them with `weight: 0`")
        .of(those)
}
