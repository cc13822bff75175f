//! Where checks ask for what an answer alone cannot tell: what is recorded or known is told at once, the rest is noted down
//! for whoever may ask.

use std::cell::RefCell;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use serde_json::Value;

use super::against::{Against, Script};
use super::bound::Spoken;
use super::checking::fails_already;
use super::consulted::{Came, Consulted, Errand, Role};
use super::prepared::Prepared;
use super::settings::{Mode, Settings};
use crate::case::Case;
use crate::core::record::{Request, Response, Role as SpeakerRole, Tool};
use crate::core::verdict::{AnswerSource, JudgedBy, Judging, Lack};
use crate::expect::{JudgeNeed, JudgeQuestion, Judgement, Oracle, Told};
use crate::model::embedding_request;
use crate::plan::{Counter, Item, Plan};
use crate::project::ModelEntry;
use crate::recording::{Line, Store};
use crate::snapshot::{Index, snapshot_path};
use crate::tree::Tree;

/// What happens to what is not known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unknown {
    /// It is noted down, and waited for.
    Asked,
    /// Nobody may ask.
    Forbidden,
    /// It was to be asked, and the run ended before.
    Late,
}

/// What is asked again although it is recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd)]
pub(super) enum Fresh {
    Nothing,
    Judges,
    Everything,
}

/// What answers are preferred to.
#[derive(Clone, Copy)]
pub(super) enum Accepted<'a> {
    /// Nothing.
    None,
    /// The accepted answers.
    Snapshots(&'a Index, &'a dyn Tree),
    /// The answers of the other side of a comparison, by the index of the case.
    Opposed(&'a HashMap<usize, String>),
    /// This one.
    Answer(&'a str),
}

/// What the desk of any case may look at.
#[derive(Clone, Copy)]
pub(super) struct Room<'a> {
    pub(super) prepared: &'a Prepared,
    /// Where recorded things are looked up, one after the other.
    pub(super) stores: [Option<&'a Store>; 2],
    /// What of the recorded does not count.
    pub(super) fresh: Fresh,
    pub(super) unknown: Unknown,
    /// Where the other answers of a case stand.
    pub(super) plan: Option<&'a Plan>,
    /// What answers are preferred to.
    pub(super) accepted: Accepted<'a>,
    /// The conversations that are judged instead of the cases' own, by the indexes of case and model.
    pub(super) scripts: Option<&'a HashMap<(usize, usize), Script>>,
}

impl<'a> Room<'a> {
    /// For replaying what is recorded, and nothing else.
    pub(super) fn replaying(prepared: &'a Prepared, stores: [Option<&'a Store>; 2], accepted: Accepted<'a>) -> Self {
        Self {
            prepared,
            stores,
            fresh: Fresh::Nothing,
            unknown: Unknown::Forbidden,
            plan: None,
            accepted,
            scripts: None,
        }
    }

    /// For a run.
    pub(super) fn of_run(prepared: &'a Prepared, store: &'a Store, settings: &Settings, plan: &'a Plan) -> Self {
        let unknown = if settings.mode == Mode::Replay { Unknown::Forbidden } else { Unknown::Late };
        let fresh = match (settings.mode, settings.rejudges) {
            (Mode::Refresh, _) => Fresh::Everything,
            (_, true) => Fresh::Judges,
            (_, false) => Fresh::Nothing,
        };
        Self {
            prepared,
            stores: [Some(store), None],
            fresh,
            unknown,
            plan: Some(plan),
            accepted: Accepted::None,
            scripts: None,
        }
    }

    /// The same beside another side.
    pub(super) fn against(self, against: &'a Against) -> Self {
        let accepted = against.answers.as_ref().map_or(Accepted::None, Accepted::Opposed);
        Self { accepted, scripts: Some(&against.scripts), ..self }
    }

    /// The same for whoever may ask.
    pub(super) fn asking(self) -> Self {
        let unknown = if self.unknown == Unknown::Late { Unknown::Asked } else { self.unknown };
        Self { unknown, ..self }
    }

    /// The desk for a sample of an item.
    pub(super) fn desk_of(self, item: &'a Item, sample: u32) -> Desk<'a> {
        let script = self.scripts.and_then(|scripts| scripts.get(&(item.case, item.model)));
        let desk = self.desk(item.case, &self.prepared.workspace.config.models[item.model], sample).following(script);
        let case = self.prepared.workspace.case_of(item);
        Desk { case, item: item.variation.is_some().then_some(item), ..desk }
    }

    /// The desk for an answer to a case.
    pub(super) fn desk(self, case: usize, entry: &'a ModelEntry, sample: u32) -> Desk<'a> {
        Desk {
            room: self,
            index: case,
            case: &self.prepared.workspace.cases.list[case],
            entry,
            item: None,
            sample,
            script: None,
            question: RefCell::default(),
            wanted: RefCell::default(),
            judging: RefCell::default(),
            used: RefCell::default(),
        }
    }
}

/// The desk for one sample.
pub(super) struct Desk<'a> {
    room: Room<'a>,
    index: usize,
    case: &'a Case,
    entry: &'a ModelEntry,
    /// The item, where it is an experiment with the case.
    item: Option<&'a Item>,
    pub(super) sample: u32,
    /// The conversation, where it is not the case's own.
    script: Option<&'a Script>,
    /// What was asked last, once that is known.
    question: RefCell<Option<String>>,
    wanted: RefCell<Vec<Errand>>,
    judging: RefCell<Judging>,
    used: RefCell<HashSet<String>>,
}

impl<'a> Desk<'a> {
    /// The same for an answer of another conversation.
    pub(super) fn following(self, script: Option<&'a Script>) -> Self {
        Self { script, ..self }
    }

    /// What is said before the answer of a turn, from 0: by the conversation that the answers belong to. An error says that
    /// it ends before.
    pub(super) fn says<'s>(&'s self, turn: usize, own: &'s Spoken) -> Result<&'s Spoken, String> {
        let Some(script) = self.script else { return Ok(own) };
        script.spoken.get(turn).ok_or_else(|| "the conversation of the other side ends before".to_owned())
    }
    /// What was noted down.
    pub(super) fn wanted(&self) -> Vec<Errand> {
        self.wanted.take()
    }

    /// What it took; `None` where nobody was asked.
    pub(super) fn judging(&self) -> Option<Judging> {
        let judging = *self.judging.borrow();
        (judging != Judging::default()).then_some(judging)
    }

    /// The keys of everything that judges and embeddings were looked up by.
    pub(super) fn used(&self) -> HashSet<String> {
        self.used.take()
    }

    /// The request of the case, to which a conversation is added.
    pub(super) fn request(&self) -> Result<Request, String> {
        let workspace = &self.room.prepared.workspace;
        let request = match (self.script, self.item) {
            (Some(script), _) => return Ok(script.opening.clone()),
            (None, Some(item)) => workspace.request_of_item(item),
            (None, None) => workspace.request(self.case, self.entry),
        };
        request.map_err(|problem| problem.message)
    }

    /// From here on this was asked last.
    pub(super) fn asks_now(&self, question: &str) {
        self.question.replace(Some(question.to_owned()));
    }

    /// The answer to what was said in a conversation.
    pub(super) fn turn(&self, request: &Request, turn: u32) -> Result<(Response, AnswerSource), (Lack, String)> {
        let key = request.key(self.sample);
        let workspace = &self.room.prepared.workspace;
        let model = workspace.config.models.iter().position(|entry| entry.alias == self.entry.alias);
        // What was asked in this process is told to the run that asked it, and not to whoever compares what is recorded.
        let asked = self.room.plan.and(model).and_then(|model| self.consulted().response(model, &key));
        match asked {
            Some(Came::Response(response)) => return Ok((*response, AnswerSource::Live)),
            Some(Came::Lacking(lack, why)) => return Err((lack, why)),
            Some(Came::Printed(_)) | None => {}
        }
        let prompt = &workspace.prompt_of(self.case).name;
        // The answers of one side of a comparison are no answers of the other.
        for store in self.stores().take(1).filter(|_| self.room.fresh < Fresh::Everything) {
            let found = match self.item {
                Some(_) => store.find_audited(prompt, &self.entry.alias, &key),
                None => store.find(prompt, &self.entry.alias, &key),
            };
            match found {
                Ok(Some(line)) => return Ok((line.response, AnswerSource::Recorded)),
                Ok(None) => {}
                Err(problems) => {
                    let why = problems.sorted().first().map(|problem| problem.message.clone()).unwrap_or_default();
                    return Err((Lack::Errored, format!("what is recorded cannot be read: {why}")));
                }
            }
        }
        match self.room.unknown {
            Unknown::Asked => {
                let request = Box::new(request.clone());
                let (sample, role) = (self.sample, Role::Turn(turn));
                self.wanted.borrow_mut().extend(model.map(|model| Errand::Call { model, request, sample, role }));
                Err((Lack::Waiting, "it is waited for".to_owned()))
            }
            Unknown::Late => Err((Lack::Skipped, "interrupted before it was asked".to_owned())),
            Unknown::Forbidden => {
                let mut stores = self.stores();
                let known = stores.any(|store| {
                    let has = store.has_turn(prompt, &self.entry.alias, &self.case.name, (self.sample, turn));
                    has.is_ok_and(|known| known)
                });
                if known {
                    let why =
                        "what is recorded answers another conversation; `promptctl test` without --offline asks again";
                    Err((Lack::Stale, why.to_owned()))
                } else {
                    Err((Lack::Unrecorded, "nothing is recorded; `promptctl test` without --offline asks".to_owned()))
                }
            }
        }
    }

    /// The tools that the prompt of the case offers.
    pub(super) fn tools(&self) -> &[Tool] {
        &self.room.prepared.workspace.prompt_of(self.case).front.tools
    }

    fn stores(&self) -> impl Iterator<Item = &Store> {
        self.room.stores.into_iter().flatten()
    }

    fn consulted(&self) -> &Consulted {
        &self.room.prepared.consulted
    }

    /// What a model said to a request of a check.
    fn response(&self, model: usize, request: Request, check: &'static str) -> Told<Response> {
        let key = request.key(0);
        let errand = Errand::Call { model, request: Box::new(request), sample: 0, role: Role::Judge(check) };
        let entry = &self.room.prepared.workspace.config.models[model];
        let first = self.used.borrow_mut().insert(key.to_string());
        match self.consulted().response(model, &key) {
            Some(Came::Response(response)) => {
                // Whoever still asks is not told of, and counts nothing.
                if first && self.room.unknown != Unknown::Asked {
                    let asker = (self.index, self.entry.alias.clone(), self.sample);
                    self.count(entry, &response, self.consulted().counts_for(&errand.key(), &asker));
                }
                return Told::Said(*response);
            }
            Some(Came::Lacking(lack, why)) => {
                // A call that brought nothing was made all the same.
                if lack == Lack::Errored && first && self.room.unknown != Unknown::Asked {
                    let asker = (self.index, self.entry.alias.clone(), self.sample);
                    let counts = self.consulted().counts_for(&errand.key(), &asker);
                    self.judging.borrow_mut().calls += u64::from(counts);
                }
                return Told::Lacking(lack, why);
            }
            Some(Came::Printed(_)) => return Told::Lacking(Lack::Errored, "a program answered".to_owned()),
            None => {}
        }
        let prompt = &self.room.prepared.workspace.prompt_of(self.case).name;
        for store in self.stores().filter(|_| self.room.fresh < Fresh::Judges) {
            match store.find_judged(prompt, &entry.alias, &key) {
                Ok(Some(Line { response, .. })) => {
                    if first {
                        self.count(entry, &response, false);
                    }
                    return Told::Said(response);
                }
                Ok(None) => {}
                Err(problems) => {
                    let why = problems.sorted().first().map(|problem| problem.message.clone()).unwrap_or_default();
                    return Told::Lacking(Lack::Errored, format!("what judges said cannot be read: {why}"));
                }
            }
        }
        match self.room.unknown {
            Unknown::Asked => {
                self.wanted.borrow_mut().push(errand);
                Told::Lacking(Lack::Waiting, "it is waited for".to_owned())
            }
            Unknown::Late => Told::Lacking(Lack::Skipped, "interrupted before it was judged".to_owned()),
            Unknown::Forbidden => {
                let mut stores = self.stores();
                let known = stores.any(|store| {
                    store.has_judged(prompt, &entry.alias, &self.case.name, check).is_ok_and(|known| known)
                });
                let alias = &entry.alias;
                if known {
                    let why = format!(
                        "what `{alias}` said for `{check}` is recorded of another answer or another rule; `promptctl test` without --offline asks again"
                    );
                    Told::Lacking(Lack::Stale, why)
                } else {
                    let why = format!(
                        "nothing is recorded of what `{alias}` says for `{check}`; `promptctl test` without --offline asks"
                    );
                    Told::Lacking(Lack::Unrecorded, why)
                }
            }
        }
    }

    fn count(&self, entry: &ModelEntry, response: &Response, live: bool) {
        let cost = entry.price.as_ref().and_then(|price| price.cost(&response.usage));
        let mut judging = self.judging.borrow_mut();
        judging.unpriced += u64::from(cost.is_none());
        if live {
            judging.calls += 1;
            judging.cost_usd += cost.unwrap_or(0.0);
        } else {
            judging.replayed += 1;
            judging.recorded_cost_usd += cost.unwrap_or(0.0);
        }
    }
}

impl Oracle for Desk<'_> {
    fn judge(&self, question: &JudgeQuestion<'_>) -> Told<Judgement> {
        let prepared = self.room.prepared;
        let judge = match prepared.judge(question.judge) {
            Ok(judge) => judge,
            Err(why) => return Told::Lacking(Lack::Errored, why),
        };
        let request = match prepared.judge_request(&judge, question.variables.clone()) {
            Ok(request) => request,
            Err(why) => return Told::Lacking(Lack::Errored, why),
        };
        match self.response(judge.model, request, question.judge.kind) {
            Told::Said(response) => Told::Said(Judgement {
                text: response.text,
                finish: response.finish_reason,
                by: JudgedBy {
                    model: judge.entry.alias.clone(),
                    prompt: judge.prompt.name.to_string(),
                    digest: judge.prompt.digest.clone(),
                },
                advises: prepared.advises(question.judge),
            }),
            Told::Lacking(lack, why) => Told::Lacking(lack, why),
        }
    }

    fn advises(&self, judge: &JudgeNeed) -> Option<String> {
        self.room.prepared.advises(judge)
    }

    fn embed(&self, model: Option<&str>, text: &str) -> Told<Arc<[f32]>> {
        let (model, entry) = match self.room.prepared.embedder(model) {
            Ok(embedder) => embedder,
            Err(why) => return Told::Lacking(Lack::Errored, why),
        };
        let request = embedding_request(entry, text);
        match self.response(model, request, "similar") {
            Told::Said(response) => match response.embedding {
                Some(embedding) => Told::Said(embedding.values().into()),
                None => Told::Lacking(Lack::Errored, format!("the model `{}` gave no embedding", entry.alias)),
            },
            Told::Lacking(lack, why) => Told::Lacking(lack, why),
        }
    }

    fn execute(&self, command: &[String], input: &Value) -> Told<String> {
        let errand = Errand::Program { command: command.to_vec(), input: input.clone() };
        match self.consulted().get(&errand.key()) {
            Some(Came::Printed(text)) => Told::Said(text),
            Some(Came::Lacking(lack, why)) => Told::Lacking(lack, why),
            Some(Came::Response(_)) => Told::Lacking(Lack::Errored, "a model answered".to_owned()),
            // Programs run whether models may be called or not.
            None if self.room.unknown == Unknown::Late => {
                Told::Lacking(Lack::Skipped, "interrupted before the program ran".to_owned())
            }
            None => {
                self.wanted.borrow_mut().push(errand);
                Told::Lacking(Lack::Waiting, format!("the program `{}` did not run", command.join(" ")))
            }
        }
    }

    fn answers(&self) -> Told<Vec<(String, String)>> {
        let workspace = &self.room.prepared.workspace;
        let items = self.room.plan.map_or(&[][..], |plan| plan.items.as_slice());
        let of_case: Vec<&Item> = items.iter().filter(|item| item.case == self.index).collect();
        if of_case.len() < 2 {
            let why = format!(
                "there is nothing to select from: of the case's models only `{}` is asked in this run; leave `--model` out, or name others, too",
                self.entry.alias
            );
            return Told::Lacking(Lack::Errored, why);
        }
        let bound = match self.room.prepared.bind(self.case) {
            Ok(bound) => bound,
            Err(problem) => return Told::Lacking(Lack::Errored, problem.message),
        };
        let mut answers = Vec::with_capacity(of_case.len());
        for item in of_case {
            let entry = &workspace.config.models[item.model];
            let prompt = &workspace.prompt_of(self.case).name;
            let response = match self.consulted().answer(item.case, item.model) {
                Some(response) => Some(response),
                None => item.keys.first().and_then(|key| {
                    let mut stores = self.stores();
                    stores.find_map(|store| Some(store.find(prompt, &entry.alias, key).ok()??.response))
                }),
            };
            match response {
                // What fails already is shown to no judge.
                Some(response) if fails_already(&bound, &response, entry.price.as_ref(), self.tools()) => {}
                Some(response) => answers.push((entry.alias.to_string(), response.text)),
                None => {
                    let why = format!("there is no answer of `{}` to select from", entry.alias);
                    let lack = match self.room.unknown {
                        Unknown::Asked => Lack::Waiting,
                        Unknown::Forbidden => Lack::Unrecorded,
                        Unknown::Late => Lack::Skipped,
                    };
                    return Told::Lacking(lack, why);
                }
            }
        }
        Told::Said(answers)
    }

    fn model(&self) -> &str {
        self.entry.alias.as_str()
    }

    fn window(&self) -> Option<u64> {
        self.entry.context_window
    }

    fn tokens(&self, text: &str) -> u64 {
        Counter::of_entry(self.entry).count(text)
    }

    fn question(&self) -> String {
        if let Some(question) = self.question.borrow().as_ref() {
            return question.clone();
        }
        let messages = self.room.prepared.workspace.messages(self.case).unwrap_or_default();
        let last = messages.into_iter().rev().find(|message| message.role == SpeakerRole::User);
        let question = last.map(|message| message.content).unwrap_or_default();
        self.asks_now(&question);
        question
    }

    fn accepted(&self) -> Told<Option<String>> {
        let (index, tree) = match self.room.accepted {
            // Of a conversation the whole is accepted, and no answer alone.
            _ if !self.case.turns.is_empty() => return Told::Said(None),
            Accepted::None => return Told::Said(None),
            Accepted::Opposed(answers) => return Told::Said(answers.get(&self.index).cloned()),
            Accepted::Answer(text) => return Told::Said(Some(text.to_owned())),
            Accepted::Snapshots(index, tree) => (index, tree),
        };
        let path =
            snapshot_path(&self.room.prepared.workspace.prompt_of(self.case).name, &self.case.name, &self.entry.alias);
        match index.get(tree, &path) {
            Ok(accepted) => Told::Said(accepted.map(|snapshot| snapshot.body().to_owned())),
            Err(problem) => Told::Lacking(Lack::Errored, problem.message),
        }
    }
}
