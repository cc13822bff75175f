//! What is to be done: prompt × case × model × sample, each with the key of its request.
//!
//! Everything is rendered here, before anything is asked, so that every mistake of every case is reported in one go.
//! Only the keys are kept; a request is rendered again where its text is needed.

mod shard;
mod tokens;
mod workspace;

use std::sync::Arc;

use rayon::prelude::*;

pub use shard::Part;
pub use tokens::{Counter, Estimate, PER_MESSAGE, PER_REQUEST, default_limit};
pub use workspace::Workspace;

use crate::case::Case;
use crate::core::names::{ModelAlias, RequestKey};
use crate::core::problem::{Problem, Problems};
use crate::core::record::{Message, Request, RequestKind};
use crate::project::{Compare, ModelEntry};
use crate::prompt::Prompt;

/// One case on one model.
#[derive(Clone, Debug)]
pub struct Item {
    /// The index of the case in [`crate::case::Cases::list`].
    pub case: usize,
    /// The index of the model in [`crate::project::Config::models`].
    pub model: usize,
    /// The key of each sample's request.
    pub keys: Vec<RequestKey>,
    /// Where it stands in the whole plan, from 0, where that was divided.
    pub position: Option<u64>,
    /// How its request differs from that of the case, where it is an experiment.
    pub variation: Option<Arc<Variation>>,
}

/// An experiment with a case: what it is called, and what is asked instead.
#[derive(Clone, Debug)]
pub struct Variation {
    /// The name of the experiment.
    pub experiment: String,
    /// The messages; none where the prompt says them.
    pub messages: Option<Vec<Message>>,
    /// The case as it is then, where its retriever found something else.
    pub case: Option<Case>,
}

/// Why a request cannot be sent to a model, and what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unsendable {
    /// Why.
    pub why: String,
    /// What to do.
    pub help: String,
}

/// Says whether a request can be sent to the model of an index.
pub type Sendable<'a> = &'a (dyn Fn(usize, &Request) -> Result<(), Unsendable> + Sync);

/// Why a case is not planned. What is wrong with many cases for the same reason is `alike`.
struct NoItem {
    problem: Problem,
    alike: Option<String>,
}

impl From<Problem> for NoItem {
    fn from(problem: Problem) -> Self {
        Self { problem, alike: None }
    }
}

/// Everything that a run will do, in its order.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    /// The items, by prompt, case and model.
    pub items: Vec<Item>,
}

/// What the command line says over what the project says.
#[derive(Clone, Debug, Default)]
pub struct Overrides {
    /// These models instead of those of the prompts.
    pub models: Vec<ModelAlias>,
    /// This many samples of each case.
    pub repeat: Option<u32>,
}

impl Plan {
    /// Plans the selected cases. Every case that cannot be rendered, or that checks nothing, is a problem.
    ///
    /// `sendable` says whether a request can be sent to the model of an index, else why not, and what to do.
    pub fn new(
        workspace: &Workspace,
        selected: &[usize],
        overrides: &Overrides,
        sendable: Sendable<'_>,
    ) -> Result<Self, Problems> {
        let planned: Vec<Result<Vec<Item>, NoItem>> =
            selected.par_iter().map(|index| plan_case(workspace, *index, overrides, sendable)).collect();
        let mut items = Vec::with_capacity(selected.len());
        let mut problems = Problems::default();
        let mut refused: Vec<(String, Problem, usize)> = Vec::new();
        for result in planned {
            match result {
                Ok(case) => items.extend(case),
                Err(NoItem { problem, alike: None }) => problems.push(problem),
                Err(NoItem { problem, alike: Some(why) }) => match refused.iter_mut().find(|(known, ..)| *known == why)
                {
                    Some((_, _, count)) => *count += 1,
                    None => refused.push((why, problem, 0_usize)),
                },
            }
        }
        // What is true of every case of a prompt is said once.
        for (_, mut problem, more) in refused {
            if more > 0 {
                problem.message = format!("{} (and so {more} more cases)", problem.message);
            }
            problems.push(problem);
        }
        if problems.is_empty() { Ok(Self { items }) } else { Err(problems) }
    }

    /// How many answers are wanted in all.
    #[must_use]
    pub fn samples(&self) -> usize {
        self.items.iter().map(|item| item.keys.len()).sum()
    }
}

fn plan_case(
    workspace: &Workspace,
    index: usize,
    overrides: &Overrides,
    sendable: Sendable<'_>,
) -> Result<Vec<Item>, NoItem> {
    let case = &workspace.cases.list[index];
    let prompt = &workspace.prompts.list[case.prompt];
    let checks = case.checks.len() + case.turns.iter().map(|turn| turn.checks.len()).sum::<usize>();
    if checks == 0 && case.compare == Compare::None && prompt.front.output.is_none() && !case.unasserted {
        let message = format!("case `{}` checks nothing: it has neither an expectation nor a snapshot", case.name);
        let help = "add `expect:`, ask for `snapshot: text`, or say `unasserted: allow`";
        return Err(Problem::error(case.place.clone(), message).help(help).into());
    }
    let messages = match workspace.messages(case) {
        Ok(messages) => messages,
        // What was found is no mistake of the project: of this case alone nobody can be asked, which shows when it is tried.
        Err(_) if case.retrieval.as_ref().is_some_and(|retrieval| retrieval.documents().is_some()) => Vec::new(),
        Err(problem) => return Err(problem.into()),
    };
    let repeat = overrides.repeat.unwrap_or(case.repeat);
    let item = |alias: &ModelAlias| {
        let model = workspace.config.models.iter().position(|entry| entry.alias == *alias)?;
        let request = workspace.request_of(case, &workspace.config.models[model], messages.clone());
        if let Err(Unsendable { why, help }) = sendable(model, &request) {
            let message = format!("case `{}`: {why}", case.name);
            let alike = Some(format!("{} {why}", prompt.name));
            return Some(Err(NoItem { problem: Problem::error(case.place.clone(), message).help(help), alike }));
        }
        Some(Ok(Item {
            case: index,
            model,
            keys: (0..repeat).map(|sample| request.key(sample)).collect(),
            position: None,
            variation: None,
        }))
    };
    let aliases = models_of(workspace, case, prompt, overrides);
    if aliases.is_empty() {
        let message = format!("no model is named for the prompt `{}`", prompt.name);
        let help = "name one under `models:` in its front matter, or under `defaults:` in promptctl.yaml";
        return Err(Problem::error(case.place.clone(), message).help(help).into());
    }
    aliases.iter().filter_map(item).collect()
}

/// The nearest list of models counts: command line, case, prompt, project.
fn models_of<'a>(
    workspace: &'a Workspace,
    case: &'a Case,
    prompt: &'a Prompt,
    overrides: &'a Overrides,
) -> &'a [ModelAlias] {
    if !overrides.models.is_empty() {
        return &overrides.models;
    }
    match (&case.models, &prompt.front.models) {
        (Some(models), _) => models,
        (None, Some(models)) => models,
        (None, None) => &workspace.config.defaults.models,
    }
}

/// The request of a prompt for a model. The prompt's parameters go over those of the model.
#[must_use]
pub fn request(prompt: &Prompt, entry: &ModelEntry, messages: Vec<Message>) -> Request {
    let mut params = entry.params.clone();
    params.extend(prompt.front.params.iter().map(|(name, value)| (name.clone(), value.clone())));
    params.retain(|name, _| !entry.ignore.contains(name));
    Request {
        provider: entry.provider.clone(),
        model: entry.model.clone(),
        kind: RequestKind::Answer,
        messages,
        tools: prompt.front.tools.clone(),
        response_format: prompt.front.output.as_ref().map(|output| output.format.clone()),
        params,
        extras: entry.extras.clone(),
        retrieved: None,
    }
}

impl Workspace {
    /// The messages of a case.
    pub fn messages(&self, case: &Case) -> Result<Vec<Message>, Problem> {
        let prompt = &self.prompts.list[case.prompt];
        self.prompts.render(prompt, &case.variables).map_err(|mut problem| {
            // A picture is the case's own, where the template only shows it.
            if problem.message.starts_with("image()") {
                problem.place = case.place.clone();
            }
            problem.message = format!("case `{}`: {}", case.name, problem.message);
            problem
        })
    }

    /// The request of a case for a model.
    pub fn request(&self, case: &Case, entry: &ModelEntry) -> Result<Request, Problem> {
        Ok(self.request_of(case, entry, self.messages(case)?))
    }

    /// The request of a case, whose messages are known, for a model.
    #[must_use]
    pub fn request_of(&self, case: &Case, entry: &ModelEntry, messages: Vec<Message>) -> Request {
        let retrieved = case.retrieval.as_ref().map(|retrieval| retrieval.digest());
        Request { retrieved, ..request(&self.prompts.list[case.prompt], entry, messages) }
    }

    /// The case of an item, as it is in the experiment.
    #[must_use]
    pub fn case_of<'a>(&'a self, item: &'a Item) -> &'a Case {
        let varied = item.variation.as_ref().and_then(|variation| variation.case.as_ref());
        varied.unwrap_or(&self.cases.list[item.case])
    }

    /// The request of an item: that of its case, or of the experiment with it.
    pub fn request_of_item(&self, item: &Item) -> Result<Request, Problem> {
        let (case, entry) = (self.case_of(item), &self.config.models[item.model]);
        match item.variation.as_ref().and_then(|variation| variation.messages.clone()) {
            Some(messages) => Ok(self.request_of(case, entry, messages)),
            None => self.request(case, entry),
        }
    }

    /// The models that a case is sent to: the nearest list counts, of command line, case, prompt and project.
    #[must_use]
    pub fn models_of<'a>(&'a self, case: &'a Case, overrides: &'a Overrides) -> &'a [ModelAlias] {
        models_of(self, case, &self.prompts.list[case.prompt], overrides)
    }
}
