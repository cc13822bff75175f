//! Which answers are not there and must be asked for, and what that will take.

use std::collections::BTreeMap;

use rayon::prelude::*;

use super::against::Against;
use super::answer::{Answer, Skip};
use super::checking::check_sample;
use super::consulted::{Errand, Role};
use super::desk::Room;
use super::prepared::Prepared;
use super::settings::{Mode, Settings};
use crate::core::names::{CaseName, ModelAlias, PromptName, RequestKey};
use crate::core::price::Price;
use crate::core::problem::Problems;
use crate::core::verdict::AnswerSource;
use crate::core::words::counted;
use crate::model::{Variables, missing_credentials};
use crate::plan::{Estimate, Item, Plan};
use crate::project::{ModelEntry, PriceFrom};
use crate::recording::{Line, Store};

/// One request that is to be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// The index of the item in the plan.
    pub item: usize,
    /// The number of the sample.
    pub sample: u32,
}

/// Everything that a plan needs answers for, and does not have.
#[derive(Debug, Default)]
pub struct Missing {
    /// The requests to ask, by the index of their model.
    pub wanted: BTreeMap<usize, Vec<Wanted>>,
    /// Recorded answers of which checks want to know something that is not recorded.
    pub(super) consults: Vec<Wanted>,
    /// What judges are known to be asked, and what is said in conversations, by the index of the model and its role.
    judging: BTreeMap<(usize, &'static str), Vec<Estimate>>,
    /// How many answers will be judged that nobody has seen yet.
    unseen: u64,
    /// The variables of judges' keys that are not set, by the index of the model.
    pub(super) without_key: BTreeMap<usize, String>,
    /// Those that may not be asked, and why.
    pub(super) skipped: Vec<(Wanted, Skip)>,
    /// What a person should know of them.
    pub notes: Vec<String>,
}

impl Missing {
    /// Looks for every answer of a plan, and for what is wanted beside the other side where two are compared.
    pub fn find(
        prepared: &Prepared,
        plan: &Plan,
        settings: &Settings,
        store: &Store,
        variables: Variables<'_>,
        against: Option<&Against>,
    ) -> Result<Self, Problems> {
        let room = Room::of_run(prepared, store, settings, plan);
        let room = against.map_or(room, |against| room.against(against));
        Self::find_in(plan, settings, store, variables, (&|_| false, room))
    }

    /// The same of what is not `known`, in a room.
    pub(super) fn find_in(
        plan: &Plan,
        settings: &Settings,
        store: &Store,
        variables: Variables<'_>,
        (known, room): (&dyn Fn(Wanted) -> bool, Room<'_>),
    ) -> Result<Self, Problems> {
        let mut missing = Self::default();
        let prepared = room.prepared;
        if prepared.is_judged {
            missing.find_judged(plan, settings, store, variables, (known, room.asking()))?;
        }
        if settings.mode == Mode::Replay {
            return Ok(missing);
        }
        let models = &prepared.workspace.config.models;
        let without: Vec<Option<String>> = models.iter().map(|entry| missing_credentials(entry, variables)).collect();
        let mut without_key: BTreeMap<String, u64> = BTreeMap::new();
        let mut calls = 0;
        for (index, item) in plan.items.iter().enumerate() {
            for (sample, key) in (0..).zip(&item.keys) {
                let wanted = Wanted { item: index, sample };
                if known(wanted) || settings.mode == Mode::Fill && recorded(prepared, store, item, key)?.is_some() {
                    continue;
                }
                if let Some(why) = prepared.lacks_documents(item) {
                    missing.skipped.push((wanted, why));
                    continue;
                }
                match (&without[item.model], settings.max_calls) {
                    (Some(variable), _) => {
                        *without_key.entry(variable.clone()).or_default() += 1;
                        missing.skipped.push((wanted, Skip::Credentials(variable.clone())));
                    }
                    (None, Some(most)) if calls + settings.calls_before >= most => {
                        missing.skipped.push((wanted, Skip::Budget(most)));
                    }
                    _ => {
                        calls += 1;
                        missing.unseen += u64::from(prepared.asks(&prepared.workspace.cases.list[item.case]));
                        missing.wanted.entry(item.model).or_default().push(wanted);
                    }
                }
            }
        }
        let note = |(variable, count): (String, u64)| {
            format!("{count} answers are not recorded and cannot be asked for: {variable} is not set")
        };
        missing.notes.extend(without_key.into_iter().map(note));
        Ok(missing)
    }

    /// Looks for everything that checks want to know of recorded answers.
    fn find_judged(
        &mut self,
        plan: &Plan,
        settings: &Settings,
        store: &Store,
        variables: Variables<'_>,
        (known, room): (&dyn Fn(Wanted) -> bool, Room<'_>),
    ) -> Result<(), Problems> {
        let prepared = room.prepared;
        let workspace = &prepared.workspace;
        let asked = |item: &Item| prepared.asks(&workspace.cases.list[item.case]);
        let items = plan.items.iter().enumerate().filter(|(_, item)| asked(item));
        let samples = items.flat_map(|(index, item)| {
            let count = u32::try_from(item.keys.len()).unwrap_or(u32::MAX);
            (0..count).map(move |sample| Wanted { item: index, sample })
        });
        let samples: Vec<Wanted> = samples.filter(|wanted| !known(*wanted)).collect();
        let errands = |wanted: &Wanted| -> Result<Option<Vec<Errand>>, Problems> {
            let item = &plan.items[wanted.item];
            if settings.mode == Mode::Refresh {
                return Ok(None);
            }
            let Some(line) = recorded(prepared, store, item, &item.keys[wanted.sample as usize])? else {
                return Ok(None);
            };
            let case = workspace.case_of(item);
            let Ok(bound) = prepared.bind(case) else { return Ok(None) };
            let desk = room.desk_of(item, wanted.sample);
            let answer = Answer::Here(Box::new(line.response), AnswerSource::Recorded, None);
            check_sample(&answer, &bound, workspace.config.models[item.model].price.as_ref(), &desk);
            Ok(Some(desk.wanted()))
        };
        let found: Vec<_> = samples.par_iter().map(errands).collect::<Result<_, Problems>>()?;
        let models = &workspace.config.models;
        let mut seen = std::collections::HashSet::new();
        for (wanted, errands) in samples.iter().zip(found) {
            // What two answers have in common is asked once. An answer that waits for others is looked at again then.
            let Some(errands) = errands else { continue };
            let waits = settings.mode != Mode::Replay
                && prepared.needs_others(&workspace.cases.list[plan.items[wanted.item].case]);
            if errands.is_empty() && !waits {
                continue;
            }
            self.consults.push(*wanted);
            for errand in errands.into_iter().filter(|errand| seen.insert(errand.key())) {
                if let Errand::Call { model, request, role, .. } = errand {
                    let role = if matches!(role, Role::Turn(_)) { "" } else { "judge " };
                    self.judging.entry((model, role)).or_default().push(Estimate::of(&models[model], &request));
                }
            }
        }
        if settings.mode != Mode::Replay {
            for (index, entry) in prepared.judging_models(plan) {
                if let Some(variable) = missing_credentials(entry, variables) {
                    self.notes.push(format!(
                        "nothing can be asked of `{}`, which judges: {variable} is not set",
                        entry.alias
                    ));
                    self.without_key.insert(index, variable);
                }
            }
            self.notes.sort();
        }
        Ok(())
    }

    /// Whether nothing is to be asked of anybody.
    #[must_use]
    pub fn is_nothing(&self) -> bool {
        self.wanted.is_empty() && self.consults.is_empty()
    }

    /// The calls of judges that are known already.
    #[must_use]
    pub fn judge_calls(&self) -> u64 {
        self.judging.values().map(Vec::len).sum::<usize>() as u64
    }

    /// A word on the judges' calls that nobody can count yet.
    #[must_use]
    pub fn unseen(&self) -> Option<String> {
        let answers = counted(self.unseen, "answer that is not there yet", "answers that are not there yet");
        (self.unseen > 0)
            .then(|| format!("judges and later turns of {answers} take calls that nobody can count before"))
    }

    /// How many cases may not be asked for.
    #[must_use]
    pub fn left_out(&self) -> u64 {
        let items: std::collections::BTreeSet<usize> = self.skipped.iter().map(|(wanted, _)| wanted.item).collect();
        items.len() as u64
    }

    /// How many calls are needed.
    #[must_use]
    pub fn calls(&self) -> u64 {
        self.wanted.values().map(Vec::len).sum::<usize>() as u64
    }

    /// What the calls will take, by model. A model that is no server of anybody's takes nothing, unless it has a price.
    #[must_use]
    pub fn forecast(&self, prepared: &Prepared, plan: &Plan) -> Vec<Forecast> {
        let models = &prepared.workspace.config.models;
        let remote = self.wanted.iter().filter(|(model, _)| !is_free(&models[**model]));
        let answers = remote.map(|(model, wanted)| Forecast::of(prepared, plan, *model, wanted));
        let judges = self.judging.iter().filter(|((model, _), _)| !is_free(&models[*model]));
        let judges = judges.map(|((model, role), all)| Forecast::sum(&models[*model], all, role));
        answers.chain(judges).collect()
    }
}

/// Whether the calls of a model are worth no word: nobody's server answers them, and nobody says that they cost.
fn is_free(entry: &ModelEntry) -> bool {
    ["mock", "exec"].contains(&entry.provider.as_str()) && entry.price.is_none()
}

/// A request of which no answer is recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unrecorded {
    /// The prompt.
    pub prompt: PromptName,
    /// The case.
    pub case: CaseName,
    /// The model.
    pub model: ModelAlias,
    /// The key of the request.
    pub key: RequestKey,
}

impl Prepared {
    /// Everything of a plan that is not recorded.
    pub fn unrecorded(&self, plan: &Plan, store: &Store) -> Result<Vec<Unrecorded>, Problems> {
        let mut found = Vec::new();
        for item in &plan.items {
            for key in &item.keys {
                if recorded(self, store, item, key)?.is_some() {
                    continue;
                }
                let case = &self.workspace.cases.list[item.case];
                found.push(Unrecorded {
                    prompt: self.workspace.prompt_of(case).name.clone(),
                    case: case.name.clone(),
                    model: self.workspace.config.models[item.model].alias.clone(),
                    key: key.clone(),
                });
            }
        }
        Ok(found)
    }
}

/// The recorded answer to a request, where there is one.
pub(super) fn recorded(
    prepared: &Prepared,
    store: &Store,
    item: &Item,
    key: &RequestKey,
) -> Result<Option<Line>, Problems> {
    let workspace = &prepared.workspace;
    let prompt = &workspace.prompts.list[workspace.cases.list[item.case].prompt];
    let model = &workspace.config.models[item.model].alias;
    match item.variation {
        Some(_) => store.find_audited(&prompt.name, model, key),
        None => store.find(&prompt.name, model, key),
    }
}

/// What the calls of one model will take.
#[derive(Clone, Debug)]
pub struct Forecast {
    /// What it does, with a blank behind; empty where it answers.
    role: &'static str,
    /// The model.
    pub model: ModelAlias,
    /// How many calls.
    pub calls: u64,
    /// Tokens that the model reads, and the share by which that may be off.
    pub input: u64,
    /// The share by which `input` may be off.
    pub margin: f64,
    /// The most tokens that it writes; `None` where a request sets no limit.
    pub output: Option<u64>,
    /// USD at the most, where the model has a price and every request a limit; else for the input alone.
    pub cost: Option<f64>,
    /// Where the price is from.
    pub price_from: PriceFrom,
}

impl Forecast {
    fn of(prepared: &Prepared, plan: &Plan, model: usize, wanted: &[Wanted]) -> Self {
        let workspace = &prepared.workspace;
        let entry = &workspace.config.models[model];
        // The samples of a case are the same request.
        let estimate = |wanted: &Wanted| {
            workspace.request_of_item(&plan.items[wanted.item]).ok().map(|request| Estimate::of(entry, &request))
        };
        let all: Vec<Estimate> = wanted.par_iter().filter_map(estimate).collect();
        Self { calls: wanted.len() as u64, ..Self::sum(entry, &all, "") }
    }

    fn sum(entry: &ModelEntry, all: &[Estimate], role: &'static str) -> Self {
        let input = all.iter().map(|estimate| estimate.input).sum();
        let output = all.iter().map(|estimate| estimate.output).sum::<Option<u64>>();
        let margin = all.iter().map(Estimate::margin).fold(0.1, f64::max);
        let cost = |price: &Price| all.iter().map(|e| e.cost_with(price, e.output.unwrap_or(0))).sum();
        Self {
            role,
            model: entry.alias.clone(),
            calls: all.len() as u64,
            input,
            margin,
            output,
            cost: entry.price.as_ref().map(cost),
            price_from: entry.price_from.clone(),
        }
    }

    /// The forecast in a sentence.
    #[must_use]
    pub fn sentence(&self) -> String {
        let calls = counted(self.calls, "call", "calls");
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a share from 0 to 1")]
        let margin = (self.margin * 100.0).round() as u64;
        let mut text = format!("{}{}: {calls}, about {} tokens in (±{margin} %)", self.role, self.model, self.input);
        match (self.output, self.cost) {
            (Some(output), Some(cost)) => text.push_str(&format!(", at most {output} out: at most ${cost:.4}")),
            (Some(output), None) => text.push_str(&format!(", at most {output} out; the model has no `price`")),
            (None, Some(cost)) => text.push_str(&format!(
                ", answers without a limit: ${cost:.4} at most for what is read, and what they cost"
            )),
            (None, None) => text.push_str(", answers without a limit; the model has no `price`"),
        }
        if let (Some(_), Some(day)) = (self.cost, &self.price_from.as_of) {
            let see = if self.price_from.shipped { ", see `promptctl models`" } else { "" };
            text.push_str(&format!(" (prices of {day}{see})"));
        }
        text
    }
}
