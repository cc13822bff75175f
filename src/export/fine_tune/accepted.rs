//! From outcomes to examples: which answers are accepted, and what is left out for which reason.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde_json::Value;

use super::alike::{spaced, words};
use super::record::digest_of;
use super::{Example, LeftOut, Source, Wanted};
use crate::case::Case;
use crate::core::problem::Problems;
use crate::core::record::{FinishReason, Message, Request, Role};
use crate::core::redact::key_shape;
use crate::core::verdict::{Outcome, SampleOutcome, SnapshotState, Verdict};
use crate::plan::{Estimate, Item, Plan, Workspace};
use crate::project::{Compare, ModelEntry};
use crate::prompt::{PROMPTS, Prompt};
use crate::recording::Store;
use crate::run::{Conversation, Prepared};

/// A value that so many cases have on the mean tells nothing of one of them: it is a context that they share.
const SHARED_BY: usize = 10;
/// With fewer words a text of a prompt is like that of a case by chance.
const WORDS: usize = 4;

/// What was found.
#[derive(Debug, Default)]
pub struct Gathered {
    /// The accepted answers, in the order of the plan.
    pub examples: Vec<Example>,
    /// The rest.
    pub left_out: Vec<LeftOut>,
}

/// Why answers are left out that are accepted all the same: no line can be made of them, or of no use.
const UNUSABLE: [&str; 7] = ["pictures", "vector", "roles", "truncated", "empty", "too-long", "key"];

impl Gathered {
    /// The accepted answers of which no line is made, by the kind of reason.
    #[must_use]
    pub fn unusable(&self) -> BTreeMap<&'static str, u64> {
        let mut counts = BTreeMap::new();
        for one in self.left_out.iter().filter(|one| UNUSABLE.contains(&one.code)) {
            *counts.entry(one.code).or_default() += 1;
        }
        counts
    }
}

/// Why an answer is left out: the kind, and what more there is to say.
type Reason = (&'static str, String);

/// Everything that was accepted, of the outcomes of a replay in the order of its plan.
pub fn accepted(
    prepared: &Prepared,
    plan: &Plan,
    outcomes: &[Outcome],
    store: &Store,
    wanted: &Wanted,
) -> Result<Gathered, Problems> {
    let workspace = &prepared.workspace;
    let mut found = Gathered::default();
    let mut texts: HashMap<usize, Texts> = HashMap::new();
    for (item, outcome) in plan.items.iter().zip(outcomes) {
        let case = &workspace.cases.list[item.case];
        let texts = texts.entry(case.prompt).or_insert_with(|| Texts::new(workspace, case.prompt));
        match example(prepared, (item, outcome), store, wanted, texts)? {
            Ok(example) => found.examples.push(example),
            Err((code, why)) => {
                let (prompt, model) = (outcome.prompt.clone(), outcome.model.clone());
                found.left_out.push(LeftOut { prompt, case: outcome.case.clone(), model, code, why });
            }
        }
    }
    Ok(found)
}

fn example(
    prepared: &Prepared,
    (item, outcome): (&Item, &Outcome),
    store: &Store,
    wanted: &Wanted,
    texts: &Texts,
) -> Result<Result<Example, Reason>, Problems> {
    let workspace = &prepared.workspace;
    let (case, entry) = (&workspace.cases.list[item.case], &workspace.config.models[item.model]);
    let prompt = workspace.prompt_of(case);
    let sample = match chosen(case, prompt, outcome, wanted.source) {
        Ok(sample) => sample,
        Err(reason) => return Ok(Err(reason)),
    };
    let Some(key) = &sample.key else { return Ok(Err(("unrecorded", String::new()))) };
    let Some(line) = store.find(&prompt.name, &entry.alias, key)? else {
        return Ok(Err(("unrecorded", String::new())));
    };
    let request = workspace.request(case, entry)?;
    if request.messages.iter().any(|message| !message.images.is_empty()) {
        return Ok(Err(("pictures", "the request shows pictures".to_owned())));
    }
    if line.response.embedding.is_some() {
        return Ok(Err(("vector", "the answer is a vector".to_owned())));
    }
    let talk = match prepared.conversation(case, request, &line.response, sample) {
        Ok(talk) => talk,
        Err(why) => return Ok(Err(("roles", why))),
    };
    if let Err(reason) = whole(sample, &talk) {
        return Ok(Err(reason));
    }
    let sha256 = digest_of(&talk.messages, &prompt.front.tools);
    let (messages, asked) = if wanted.keeps_system { (talk.messages, talk.asked) } else { without_system(&talk) };
    if let Some(why) = wrong_order(&messages, asked, wanted.keeps_system) {
        return Ok(Err(("roles", why)));
    }
    let estimate = tokens(workspace, case, entry, &messages);
    if estimate.input > wanted.max_tokens {
        let why = format!("about {} tokens, at most {} fit", estimate.input, wanted.max_tokens);
        return Ok(Err(("too-long", why)));
    }
    if let Some((what, _)) = messages.iter().find_map(|message| key_shape(&message.shown())) {
        return Ok(Err(("key", format!("it holds {what}"))));
    }
    let particular = texts.particular(case);
    let particular = if particular.is_empty() {
        // A prompt without variables: all that it says is its own.
        words(&messages.iter().take(asked).map(Message::shown).collect::<Vec<_>>().join(" "))
    } else {
        particular
    };
    Ok(Ok(Example {
        prompt: prompt.name.clone(),
        version: outcome.prompt_version.clone(),
        prompt_digest: outcome.prompt_digest.clone(),
        case: case.name.clone(),
        model: entry.alias.clone(),
        served: line.response.model.clone().unwrap_or_else(|| entry.model.clone()),
        tags: case.tags.clone(),
        group: case.group.clone(),
        messages,
        asked,
        tools: prompt.front.tools.clone(),
        particular,
        is_shown: texts.shows(case),
        by_person: sample.snapshot == SnapshotState::Matches,
        tokens: estimate.input,
        counted: estimate.counted,
        sha256,
    }))
}

/// The sample whose answer is accepted.
fn chosen<'o>(case: &Case, prompt: &Prompt, outcome: &'o Outcome, source: Source) -> Result<&'o SampleOutcome, Reason> {
    if outcome.verdict != Verdict::Passed {
        return Err((outcome.verdict.name(), outcome.reason.clone()));
    }
    let keeps = case.compare != Compare::None;
    match (source, keeps) {
        (Source::Snapshots, false) => {
            return Err(("recording", "only what a person accepted is wanted, and it keeps no snapshot".to_owned()));
        }
        (Source::Recordings, true) => {
            return Err(("snapshot", "only what expectations accept is wanted, and it has a snapshot".to_owned()));
        }
        _ => {}
    }
    let checks = case.checks.iter().chain(case.turns.iter().flat_map(|turn| turn.checks.iter())).count();
    if !keeps && checks == 0 && prompt.front.output.is_none() {
        return Err(("unchecked", "nothing is expected of it, and nobody accepted it".to_owned()));
    }
    let fits = |sample: &&SampleOutcome| {
        sample.verdict == Verdict::Passed && (!keeps || sample.snapshot == SnapshotState::Matches)
    };
    outcome.samples.iter().find(fits).ok_or(("failed", "no sample that passes is the accepted one".to_owned()))
}

/// An answer that is there, and to its end, in every turn.
fn whole(sample: &SampleOutcome, talk: &Conversation) -> Result<(), Reason> {
    let ends = sample.finish_reason.into_iter().chain(sample.turns.iter().map(|turn| turn.finish_reason));
    for end in ends {
        match end {
            FinishReason::Length => return Err(("truncated", "the answer was cut off".to_owned())),
            FinishReason::ContentFilter => return Err(("truncated", "the answer was filtered".to_owned())),
            _ => {}
        }
    }
    let is_empty = |message: &Message| message.content.trim().is_empty() && message.tool_calls.is_empty();
    if talk.messages[talk.asked..].iter().any(|message| message.role == Role::Assistant && is_empty(message)) {
        return Err(("empty", "the answer is empty".to_owned()));
    }
    Ok(())
}

fn without_system(talk: &Conversation) -> (Vec<Message>, usize) {
    let dropped = talk.messages[..talk.asked].iter().filter(|message| message.role.instructs()).count();
    let keeps = |(at, message): &(usize, Message)| *at >= talk.asked || !message.role.instructs();
    let messages = talk.messages.iter().cloned().enumerate().filter(keeps).map(|(_, message)| message).collect();
    (messages, talk.asked - dropped)
}

/// Why a trainer would not take these messages in this order.
fn wrong_order(messages: &[Message], asked: usize, keeps_system: bool) -> Option<String> {
    if !messages.iter().take(asked).any(|message| message.role == Role::User) {
        let dropped = if keeps_system { "" } else { "; `--system keep` leaves the instructions in" };
        return Some(format!("no message of the user stands before the answer{dropped}"));
    }
    if messages.get(asked.wrapping_sub(1)).is_some_and(|message| message.role == Role::Assistant) {
        return Some("the prompt begins the answer itself".to_owned());
    }
    let last = messages.last()?;
    if last.role != Role::Assistant {
        return Some("the last message is no answer".to_owned());
    }
    // Every call has its result behind it, and every result a call before it; the calls of the last answer have none yet.
    let mut open: BTreeSet<&str> = BTreeSet::new();
    for message in messages {
        match (&message.tool_call_id, message.role) {
            (Some(id), Role::Tool) if open.remove(id.as_str()) => {}
            (_, Role::Tool) => return Some("the result of a tool stands behind no call of it".to_owned()),
            _ if !open.is_empty() => return Some("a call of a tool has no result".to_owned()),
            _ => open.extend(message.tool_calls.iter().map(|call| call.id.as_str())),
        }
    }
    None
}

fn tokens(workspace: &Workspace, case: &Case, entry: &ModelEntry, messages: &[Message]) -> Estimate {
    // The form of the answer is no part of a line.
    let request = Request { response_format: None, ..workspace.request_of(case, entry, messages.to_vec()) };
    Estimate::of(entry, &request)
}

/// What the cases of a prompt say of their own, and what the prompt says already.
struct Texts {
    /// The variables that tell one case from another.
    own: Vec<String>,
    /// Every variable that the prompt uses.
    used: BTreeSet<String>,
    /// The prompt and its partials, in words, with a space around.
    template: String,
}

/// How many cases have a variable, and its different values.
type Values = (usize, BTreeSet<String>);

fn text_of(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

impl Texts {
    fn new(workspace: &Workspace, prompt: usize) -> Self {
        let cases = || workspace.cases.list.iter().filter(|case| case.prompt == prompt);
        let prompt = &workspace.prompts.list[prompt];
        let mut values: BTreeMap<&String, Values> = BTreeMap::new();
        for (name, value) in cases().flat_map(|case| case.variables.iter()) {
            if prompt.variables.contains(name) {
                let (count, distinct) = values.entry(name).or_default();
                *count += 1;
                distinct.insert(text_of(value));
            }
        }
        let varies = |(_, distinct): &Values| distinct.len() > 1;
        let tells = |one: &Values| varies(one) && one.1.len() * SHARED_BY > one.0;
        let named = |test: &dyn Fn(&Values) -> bool| -> Vec<String> {
            values.iter().filter(|(_, one)| test(one)).map(|(name, _)| (*name).clone()).collect()
        };
        let own = Some(named(&tells)).filter(|own| !own.is_empty()).unwrap_or_else(|| named(&varies));
        let reached =
            |key: &str| prompt.path.below(PROMPTS) == Some(key) || prompt.partials.iter().any(|own| own == key);
        let files = workspace.prompts.files().filter(|file| reached(file.key));
        let template: String = files.map(|file| words(&file.source.text[file.body..])).collect::<Vec<_>>().join(" ");
        Self { own, used: prompt.variables.clone(), template: format!(" {template} ") }
    }

    /// What a case alone says, in words.
    fn particular(&self, case: &Case) -> String {
        let values = self.own.iter().filter_map(|name| case.variables.get(name)).map(text_of);
        let turns = case.turns.iter().flat_map(|turn| turn.say.texts()).map(|text| text.source().to_owned());
        // Where nothing tells the cases apart but what is said later, that alone would make different questions one.
        let own: Vec<String> = values.chain(turns).collect();
        let said = words(&own.join(" "));
        if said.is_empty() { spaced(&own.join(" ")) } else { said }
    }

    /// Whether the prompt shows what the case says.
    fn shows(&self, case: &Case) -> bool {
        let long = |text: &String| text.split(' ').count() >= WORDS;
        let values = case.variables.iter().filter(|(name, _)| self.used.contains(*name));
        let mut texts = values.filter_map(|(_, value)| value.as_str()).map(words).filter(long);
        texts.any(|text| self.template.contains(&format!(" {text} ")))
    }
}
