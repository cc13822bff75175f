//! Who judges: the prompt and the model of a judge, and whether it has proved itself enough to decide.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use serde_json::{Map, Value, json};

use super::calibration::{Calibration, calibration_path};
use super::prepared::Prepared;
use crate::core::digest::{canonical_json, sha256_hex};
use crate::core::path::TreePath;
use crate::core::problem::{Place, Problem, Problems};
use crate::core::record::Request;
use crate::core::suggest::did_you_mean;
use crate::expect::{JudgeNeed, Need, PREFERS, SHIPPED, compares_answers, given, judged};
use crate::model::embedding_request;
use crate::plan::{Plan, Unsendable, request};
use crate::project::{CONFIG_FILE, ModelEntry};
use crate::prompt::{JUDGES, PROMPTS, Prompt, Prompts, SharedVariables, Variables};
use crate::tree::{Tree, TreeError};

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
    /// Whether its prompt is one of those that are built in.
    pub is_shipped: bool,
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

/// A tree with the prompts that are built in where it has none of its own.
struct WithShipped(Arc<dyn Tree>);

impl Tree for WithShipped {
    fn describe(&self) -> String {
        self.0.describe()
    }

    fn list(&self, folder: &TreePath) -> Result<Vec<TreePath>, TreeError> {
        let mut files = self.0.list(folder)?;
        files.extend(Shipped.list(folder)?);
        files.sort();
        files.dedup();
        Ok(files)
    }

    fn read(&self, path: &TreePath, limit: u64) -> Result<Vec<u8>, TreeError> {
        match self.0.read(path, limit) {
            Err(TreeError::Missing(_)) => Shipped.read(path, limit),
            read => read,
        }
    }
}

/// A tree with the prompts that are built in where it has none of its own.
pub(super) fn with_shipped(tree: Arc<dyn Tree>) -> Arc<dyn Tree> {
    Arc::new(WithShipped(tree))
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
    /// Why each may only advise, looked up once.
    advice: Mutex<HashMap<JudgeNeed, Option<String>>>,
    /// Whether they are held against people right now: then what they say is shown as it is.
    pub(super) on_trial: bool,
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
    pub fn judge(&self, need: &JudgeNeed) -> Result<Judge<'_>, String> {
        let (prompt, default_prompt) = (need.prompt.as_deref(), need.default_prompt);
        let config = &self.workspace.config;
        let own = &self.workspace.prompts;
        let find = |prompts: &'_ Prompts, name: &str| prompts.list.iter().position(|p| p.name.as_str() == name);
        let default = format!("{JUDGES}/{default_prompt}");
        let (prompts, index, is_shipped) = match prompt {
            Some(name) => match find(own, name) {
                Some(index) => (own, index, false),
                None => {
                    let hint = did_you_mean(name, own.list.iter().map(|prompt| prompt.name.as_str()));
                    return Err(format!("there is no prompt `{name}` for the judge{hint}"));
                }
            },
            None => match find(own, &default) {
                Some(index) => (own, index, false),
                None => match find(self.shipped(), &default) {
                    Some(index) => (self.shipped(), index, true),
                    None => return Err(format!("no judge `{default_prompt}` is built in")),
                },
            },
        };
        let wanted = "a judge needs a model: name one with `model:`, or for all with `judge: { model: … }`";
        let (model, entry) =
            self.named_model(need.model.as_deref(), config.judge.model.as_ref().map(ToString::to_string), wanted)?;
        Ok(Judge { prompts, prompt: &prompts.list[index], model, entry, is_shipped })
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

    /// SHA-256 of everything that makes a judge what it is, whatever it is called: its prompt, its model, and whoever else has a
    /// say in what it says.
    pub fn judge_identity(&self, need: &JudgeNeed) -> Result<String, String> {
        let judge = self.judge(need)?;
        let beside = need.beside.iter().map(|need| match need {
            Need::Judge(need) => self.judge_identity(need).map(Value::from),
            Need::Embedder(model) => Ok(identity_of(self.embedder(model.as_deref())?.1)),
            Need::Program(_) | Need::Others => Ok(Value::Null),
        });
        let beside = beside.collect::<Result<Vec<Value>, String>>()?;
        let whole = json!({"digest": judge.prompt.digest, "model": identity_of(judge.entry), "beside": beside});
        Ok(sha256_hex(canonical_json(&whole).as_bytes()))
    }

    /// What is known of how far a judge agrees with people; `None` where nobody has looked yet.
    pub fn calibration(&self, judge: &Judge<'_>) -> Result<Option<Calibration>, String> {
        let path = calibration_path(judge);
        match self.workspace.tree.text(&path) {
            Ok(text) => Calibration::read(&text).map(Some).map_err(|why| format!("this calibration is damaged: {why}")),
            Err(TreeError::Missing(_)) => Ok(None),
            Err(error) => Err(error.to_string()),
        }
    }

    /// Every calibration that judges of the project need, and that nobody can read: whether such a judge decides is not known.
    #[must_use]
    pub fn check_calibrations(&self) -> Problems {
        let (mut problems, mut told) = (Problems::default(), HashSet::new());
        for (_, need) in self.expectations.values().flat_map(|expectation| expectation.needs()) {
            let Need::Judge(need) = &need else { continue };
            let Ok(judge) = self.judge(need) else { continue };
            let path = calibration_path(&judge);
            if let Err(why) = self.calibration(&judge)
                && told.insert(path.clone())
            {
                let help = format!("remove it, or write it anew: {}", how_to_calibrate(need));
                problems.push(Problem::error(Place::File(path.to_string()), why).help(help));
            }
        }
        problems
    }

    /// Why a judge may only advise; `None` where it has proved itself.
    pub fn advises(&self, need: &JudgeNeed) -> Option<String> {
        if self.judges.on_trial {
            return None;
        }
        let mut known = self.judges.advice.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(advice) = known.get(need) {
            return advice.clone();
        }
        let advice = self.falls_short(need);
        known.insert(need.clone(), advice.clone());
        advice
    }

    fn falls_short(&self, need: &JudgeNeed) -> Option<String> {
        let judge = match self.judge(need) {
            Ok(judge) => judge,
            Err(why) => return Some(why),
        };
        if compares_answers(need.kind) {
            return Some(format!("`{}` compares answers, and always only advises", need.kind));
        }
        let how = how_to_calibrate(need);
        let calibration = match self.calibration(&judge) {
            Ok(Some(calibration)) => calibration,
            Ok(None) => return Some(format!("the judge `{}` was never held against people; {how}", judge.entry.alias)),
            Err(why) => return Some(format!("{}: {why}; {how}", calibration_path(&judge))),
        };
        let path = calibration_path(&judge);
        if self.judge_identity(need).is_ok_and(|identity| identity != calibration.judge) {
            return Some(format!("{path} is of another judge: its prompt or its model changed; {how}"));
        }
        calibration.of_another_rule(need).map(|why| format!("{path} {why}; {how}")).or_else(|| {
            let gate = &self.workspace.config.judge.gate;
            calibration.falls_short(gate).map(|why| format!("{why} ({path})"))
        })
    }

    /// The models that are asked beyond first answers for the cases of a plan, by their indexes.
    pub(super) fn judging_models(&self, plan: &Plan) -> BTreeMap<usize, &ModelEntry> {
        let mut models = BTreeMap::new();
        let cases: BTreeSet<usize> = plan.items.iter().map(|item| item.case).collect();
        for need in cases.into_iter().flat_map(|case| self.needs(&self.workspace.cases.list[case])) {
            let found = match need {
                Need::Judge(need) => self.judge(&need).ok().map(|judge| (judge.model, judge.entry)),
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
                Need::Judge(need) => self
                    .judge(need)
                    .map_err(plain)
                    .and_then(|judge| check_variables(&judge, need.default_prompt, place)),
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
        self.check_preferences(problems);
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

impl Prepared {
    /// Of a conversation the whole is accepted: no answer in it can be held against an accepted one.
    fn check_preferences(&self, problems: &mut Problems) {
        let mut told = HashSet::new();
        for case in self.workspace.cases.list.iter().filter(|case| !case.turns.is_empty()) {
            let expectations = self.all_expectations(case).filter(|one| told.insert(Arc::as_ptr(one)));
            for (place, need) in expectations.flat_map(|expectation| expectation.needs()) {
                if matches!(&need, Need::Judge(need) if need.kind == PREFERS) {
                    let message = format!(
                        "`prefers` cannot stand in the conversation `{}`: of a conversation the whole is accepted, and no single answer",
                        case.name
                    );
                    let help =
                        "say with `llm-rubric` what is wanted, or make a case without `messages` of its first answer";
                    problems.push(Problem::error(place.clone(), message).help(help));
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
    let wanted = judged(default_prompt).iter().find(|name| !judge.prompt.variables.iter().any(|known| known == *name));
    if let Some(name) = wanted {
        let message = format!("the judge's prompt `{}` never uses `{name}`: it would judge nothing", judge.prompt.name);
        return Err(Problem::error(place.clone(), message).help(format!("write `{{{{ {name} | tojson }}}}` into it")));
    }
    let missing = judge.prompt.variables.iter().find(|name| !given.contains(&name.as_str()) && !has_default(name));
    let Some(name) = missing else { return Ok(()) };
    let hint = did_you_mean(name, given.iter().copied());
    let message = format!("the judge's prompt `{}` uses `{name}`, which it is not given{hint}", judge.prompt.name);
    let help = format!("it is given {}; the variables of the case stand in `vars`", given.join(", "));
    Err(Problem::error(place.clone(), message).help(help))
}

/// What makes a model what it is, whatever it is called and wherever it runs.
fn identity_of(entry: &ModelEntry) -> Value {
    json!({"provider": entry.provider, "model": entry.model, "params": entry.params, "extras": entry.extras})
}

/// The command that holds a judge against people.
fn how_to_calibrate(need: &JudgeNeed) -> String {
    let prompt = need.prompt.as_ref().map(|name| format!(" --prompt {name}")).unwrap_or_default();
    let model = need.model.as_ref().map(|name| format!(" --model {name}")).unwrap_or_default();
    let rule = if need.rule.is_empty() { String::new() } else { format!(" --{}", need.rule) };
    format!("`promptctl judge calibrate LABELS --check {}{prompt}{model}{rule}`", need.kind)
}
