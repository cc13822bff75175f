//! Who judges: the prompt and the model of a judge, and whether it has proved itself enough to decide.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::prepared::Prepared;
use crate::core::digest::{canonical_json, sha256_hex};
use crate::core::names::PromptName;
use crate::core::path::TreePath;
use crate::core::problem::{Place, Problem, Problems};
use crate::core::record::Request;
use crate::core::suggest::did_you_mean;
use crate::expect::{Need, SHIPPED, given};
use crate::model::embedding_request;
use crate::plan::{Plan, Unsendable, request};
use crate::project::{CONFIG_FILE, Gate, ModelEntry};
use crate::prompt::{JUDGES, PROMPTS, Prompt, Prompts, SharedVariables, Variables};
use crate::tree::{Tree, TreeError};

/// The folder below a judge's fixtures that says how well it agrees with people.
const CALIBRATED: &str = "calibrated";

/// A judge: its prompt, with the prompts that this one stands among, and its model.
#[derive(Clone, Copy)]
pub struct Judge<'a> {
    prompts: &'a Prompts,
    /// Its prompt.
    pub prompt: &'a Prompt,
    /// The index of its model.
    pub model: usize,
    /// Its model.
    pub entry: &'a ModelEntry,
}

/// How well a judge agreed with people, as it stands in the project.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Calibration {
    /// The judge's prompt.
    pub prompt: String,
    /// What that is.
    pub digest: String,
    /// The alias of its model.
    pub model: String,
    /// SHA-256 of everything that makes the judge what it is: prompt, provider, model, parameters.
    pub judge: String,
    /// The file with the labels, and its SHA-256.
    pub labels: String,
    /// SHA-256 of that file.
    pub labels_sha256: String,
    /// How many labels were judged.
    pub judged: u64,
    /// How many could not be.
    pub errored: u64,
    /// Both say pass.
    pub pass_pass: u64,
    /// People say pass, the judge says fail.
    pub pass_fail: u64,
    /// People say fail, the judge says pass.
    pub fail_pass: u64,
    /// Both say fail.
    pub fail_fail: u64,
    /// The share of labels that the judge agrees with.
    pub accuracy: f64,
    /// Its 95 % interval.
    pub accuracy_interval: (f64, f64),
    /// Cohen's kappa; `None` where it is not defined.
    pub kappa: Option<f64>,
    /// Its 95 % interval.
    pub kappa_interval: Option<(f64, f64)>,
    /// The day, `2026-12-31`.
    pub day: String,
}

impl Calibration {
    /// What is missing for the judge to decide; `None` where nothing is.
    #[must_use]
    pub fn falls_short(&self, gate: &Gate) -> Option<String> {
        if self.judged < gate.labels {
            return Some(format!("it was held against {} labels, {} are wanted", self.judged, gate.labels));
        }
        if let Some(wanted) = gate.kappa
            && self.kappa.is_none_or(|kappa| kappa + 1e-9 < wanted)
        {
            let kappa = self.kappa.map_or_else(|| "not defined".to_owned(), |kappa| format!("{kappa:.2}"));
            return Some(format!("its kappa is {kappa}, {wanted} is wanted"));
        }
        let wanted = gate.accuracy.filter(|wanted| self.accuracy + 1e-9 < *wanted)?;
        Some(format!("it agrees with {:.0} % of the labels, {:.0} % are wanted", self.accuracy * 100.0, wanted * 100.0))
    }
}

/// The file with the calibration of a judge: beside what it said, in the fixtures that mirror its prompt.
#[must_use]
pub fn calibration_path(judge: &Judge<'_>) -> TreePath {
    let path = format!("{}/{}/{CALIBRATED}/{}.json", crate::case::FIXTURES, judge.prompt.name, judge.entry.alias);
    TreePath::new(&path).unwrap_or_else(|_| unreachable!("checked names make a relative path"))
}

/// The prompts that are built in, as a tree.
struct Shipped;

impl Tree for Shipped {
    fn describe(&self) -> String {
        "what is built in".to_owned()
    }

    fn list(&self, folder: &TreePath) -> Result<Vec<TreePath>, TreeError> {
        let all = SHIPPED.iter().filter_map(|(name, _)| shipped_path(name));
        let mut files: Vec<TreePath> = all.filter(|path| path.below(folder.as_str()).is_some()).collect();
        files.sort();
        Ok(files)
    }

    fn read(&self, path: &TreePath, _: u64) -> Result<Vec<u8>, TreeError> {
        let found = SHIPPED.iter().find(|(name, _)| shipped_path(name).is_some_and(|known| known == *path));
        found.map(|(_, text)| text.as_bytes().to_vec()).ok_or_else(|| TreeError::Missing(path.clone()))
    }
}

/// Where a prompt that is built in stands in a project that has its own.
#[must_use]
pub fn shipped_path(name: &str) -> Option<TreePath> {
    TreePath::new(&format!("{PROMPTS}/{JUDGES}/{name}.j2")).ok()
}

/// What a project's judges are made of.
#[derive(Default)]
pub(super) struct Judges {
    shipped: OnceLock<Prompts>,
    /// Why each may only advise, by its calibration's file, read once.
    advice: Mutex<HashMap<TreePath, Option<String>>>,
}

impl Prepared {
    fn shipped(&self) -> &Prompts {
        self.judges.shipped.get_or_init(|| {
            let tree: Arc<dyn Tree> = Arc::new(Shipped);
            let mut problems = Problems::default();
            let prompts = Prompts::load(&tree, &self.workspace.config, &mut problems);
            debug_assert!(problems.is_empty(), "{:?}", problems.sorted());
            prompts
        })
    }

    /// The judge of an expectation: the prompt and the model that it names, else the project's own, else those built in.
    pub fn judge(&self, model: Option<&str>, prompt: Option<&str>, default_prompt: &str) -> Result<Judge<'_>, String> {
        let config = &self.workspace.config;
        let own = &self.workspace.prompts;
        let find = |prompts: &'_ Prompts, name: &str| prompts.list.iter().position(|p| p.name.as_str() == name);
        let default = format!("{JUDGES}/{default_prompt}");
        let (prompts, index) = match prompt {
            Some(name) => match find(own, name) {
                Some(index) => (own, index),
                None => {
                    let hint = did_you_mean(name, own.list.iter().map(|prompt| prompt.name.as_str()));
                    return Err(format!("there is no prompt `{name}` for the judge{hint}"));
                }
            },
            None => match (find(own, &default), find(self.shipped(), &default)) {
                (Some(index), _) => (own, index),
                (None, Some(index)) => (self.shipped(), index),
                (None, None) => return Err(format!("no judge `{default_prompt}` is built in")),
            },
        };
        let wanted = "a judge needs a model: name one with `model:`, or for all with `judge: { model: … }`";
        let (model, entry) = self.named_model(model, config.judge.model.as_ref().map(ToString::to_string), wanted)?;
        Ok(Judge { prompts, prompt: &prompts.list[index], model, entry })
    }

    /// The model that embeds.
    pub(super) fn embedder(&self, model: Option<&str>) -> Result<(usize, &ModelEntry), String> {
        let wanted = "embeddings need a model: name one with `model:`, or for all with `judge: { embeddings: … }`";
        self.named_model(model, self.workspace.config.judge.embeddings.as_ref().map(ToString::to_string), wanted)
    }

    fn named_model(
        &self,
        model: Option<&str>,
        usual: Option<String>,
        wanted: &str,
    ) -> Result<(usize, &ModelEntry), String> {
        let models = &self.workspace.config.models;
        let Some(name) = model.map(str::to_owned).or(usual) else { return Err(format!("{wanted} in {CONFIG_FILE}")) };
        match models.iter().position(|entry| entry.alias.as_str() == name) {
            Some(index) => Ok((index, &models[index])),
            None => {
                let hint = did_you_mean(&name, models.iter().map(|entry| entry.alias.as_str()));
                Err(format!("{CONFIG_FILE} has no model `{name}`{hint}"))
            }
        }
    }

    /// What a judge is asked. Structured output is asked for where the provider has it.
    pub fn judge_request(&self, judge: &Judge<'_>, variables: Map<String, Value>) -> Result<Request, String> {
        let variables = Variables::new(SharedVariables::new(variables), Map::new());
        let messages = judge.prompts.render(judge.prompt, &variables).map_err(|problem| {
            format!("the judge's prompt `{}` cannot be rendered: {}", judge.prompt.name, problem.message)
        })?;
        let whole = request(judge.prompt, judge.entry, messages);
        if self.checker.request(judge.model, judge.entry, &whole).is_ok() {
            return Ok(whole);
        }
        let plain = Request { response_format: None, ..whole };
        match self.checker.request(judge.model, judge.entry, &plain) {
            Ok(()) => Ok(plain),
            Err(unsendable) => Err(unsendable.why),
        }
    }

    /// Everything that makes a judge what it is, whatever it is called.
    #[must_use]
    pub fn judge_identity(judge: &Judge<'_>) -> String {
        let entry = judge.entry;
        let whole = json!({
            "digest": judge.prompt.digest,
            "provider": entry.provider,
            "model": entry.model,
            "params": entry.params,
            "extras": entry.extras,
        });
        sha256_hex(canonical_json(&whole).as_bytes())
    }

    /// Why a judge may only advise; `None` where it has proved itself.
    pub(super) fn advises(&self, judge: &Judge<'_>) -> Option<String> {
        let path = calibration_path(judge);
        let mut known = self.judges.advice.lock().unwrap_or_else(PoisonError::into_inner);
        known.entry(path.clone()).or_insert_with(|| self.falls_short(judge, &path)).clone()
    }

    fn falls_short(&self, judge: &Judge<'_>, path: &TreePath) -> Option<String> {
        let how = format!("`promptctl judge calibrate LABELS --prompt {}`", judge.prompt.name);
        let text = match self.workspace.tree.text(path) {
            Ok(text) => text,
            Err(TreeError::Missing(_)) => {
                return Some(format!("the judge `{}` was never held against people; {how}", judge.entry.alias));
            }
            Err(error) => return Some(error.to_string()),
        };
        let calibration: Calibration = match serde_json::from_str(&text) {
            Ok(calibration) => calibration,
            Err(error) => return Some(format!("{path} cannot be read ({error}); {how}")),
        };
        if calibration.judge != Self::judge_identity(judge) {
            return Some(format!("{path} is of another judge: its prompt or its model changed; {how}"));
        }
        calibration.falls_short(&self.workspace.config.judge.gate)
    }

    /// The models that are asked beyond first answers for the cases of a plan, by their indexes.
    pub(super) fn judging_models(&self, plan: &Plan) -> BTreeMap<usize, &ModelEntry> {
        let mut models = BTreeMap::new();
        let cases: BTreeSet<usize> = plan.items.iter().map(|item| item.case).collect();
        for need in cases.into_iter().flat_map(|case| self.needs(&self.workspace.cases.list[case])) {
            let found = match need {
                Need::Judge { model, prompt, default_prompt } => {
                    let judge = self.judge(model.as_deref(), prompt.as_deref(), default_prompt);
                    judge.ok().map(|judge| (judge.model, judge.entry))
                }
                Need::Embedder(model) => self.embedder(model.as_deref()).ok(),
                Need::Program(_) | Need::Others => None,
            };
            models.extend(found);
        }
        // What is said later in a conversation is asked of the model itself.
        for item in plan.items.iter().filter(|item| !self.workspace.cases.list[item.case].turns.is_empty()) {
            models.insert(item.model, &self.workspace.config.models[item.model]);
        }
        models
    }

    /// Reports the expectations that ask somebody who is not there.
    pub(super) fn check_needs(&self, problems: &mut Problems) {
        for (place, need) in self.expectations.values().flat_map(|expectation| expectation.needs()) {
            let plain = |why: String| Problem::error(place.clone(), why);
            let wrong = match &need {
                Need::Judge { model, prompt, default_prompt } => self
                    .judge(model.as_deref(), prompt.as_deref(), default_prompt)
                    .map_err(plain)
                    .and_then(|judge| check_variables(&judge, default_prompt, place)),
                Need::Embedder(model) => self.embedder(model.as_deref()).map_err(plain).and_then(|(index, entry)| {
                    let probe = embedding_request(entry, "probe");
                    let refused = |refused: Unsendable| plain(refused.why).help(refused.help);
                    self.checker.request(index, entry, &probe).map_err(refused)
                }),
                Need::Program(_) | Need::Others => Ok(()),
            };
            if let Err(problem) = wrong {
                problems.push(problem);
            }
        }
        for turn in self.workspace.cases.list.iter().flat_map(|case| case.turns.iter()) {
            for (place, need) in self.compiled(&turn.checks).flat_map(|expectation| expectation.needs()) {
                if need == Need::Others {
                    let why = "`select-best` compares first answers; it cannot stand in a later turn";
                    problems.push(Problem::error(place.clone(), why));
                }
            }
        }
    }
}

/// A judge's own prompt may only use what a judge is given.
fn check_variables(judge: &Judge<'_>, default_prompt: &str, place: &Place) -> Result<(), Problem> {
    let given = given(default_prompt);
    let declared = judge.prompt.front.variables.iter().flatten();
    let has_default = |name: &str| declared.clone().any(|one| one.name == name && one.default.is_some());
    let missing = judge.prompt.variables.iter().find(|name| !given.contains(&name.as_str()) && !has_default(name));
    let Some(name) = missing else { return Ok(()) };
    let hint = did_you_mean(name, given.iter().copied());
    let message = format!("the judge's prompt `{}` uses `{name}`, which it is not given{hint}", judge.prompt.name);
    let help = format!("it is given {}; the variables of the case stand in `vars`", given.join(", "));
    Err(Problem::error(place.clone(), message).help(help))
}

/// The prompt of a judge by its name, for whoever writes one.
#[must_use]
pub fn judge_prompt_name(name: &str) -> Option<PromptName> {
    PromptName::new(&format!("{JUDGES}/{name}")).ok()
}
