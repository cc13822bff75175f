//! `promptctl.yaml`: the models, and what holds where nothing nearer says otherwise.

use std::sync::Arc;

use super::audit::{AuditSettings, decode_audit};
use super::cost::{CostSettings, decode_cost};
use super::judge::{JudgeSettings, decode_judge};
use super::lint::{LintSettings, decode_lint};
use super::model::{ModelEntry, decode_model};
use super::recordings::{Recordings, decode_recordings};
use super::retriever::{Retriever, decode_retrievers};
use super::settings::{SnapshotSettings, decode_review, decode_snapshot};
use super::tuned::check_bases;
use crate::core::decode::Decoder;
use crate::core::names::ModelAlias;
use crate::core::path::TreePath;
use crate::core::problem::{Place, Problem, Problems, Source};
use crate::core::redact::key_shape;
use crate::core::yaml::{self, Data, Node};
use crate::tree::Tree;

/// The file that makes a folder a project.
pub const CONFIG_FILE: &str = "promptctl.yaml";

/// What holds where nothing nearer says otherwise.
#[derive(Clone, Debug)]
pub struct Defaults {
    /// The models of a prompt that names none, in the order of the file.
    pub models: Vec<ModelAlias>,
    /// How many samples a case takes.
    pub repeat: u32,
    /// The share of samples that must pass.
    pub min_pass_rate: f64,
    /// How answers are kept and compared.
    pub snapshot: SnapshotSettings,
}

/// A whole `promptctl.yaml`.
#[derive(Clone, Debug)]
pub struct Config {
    /// The models, in the order of the file.
    pub models: Vec<ModelEntry>,
    /// What finds documents for prompts, in the order of the file.
    pub retrievers: Vec<Arc<Retriever>>,
    /// Defaults.
    pub defaults: Defaults,
    /// How recordings are kept.
    pub recordings: Recordings,
    /// Whether cases that check nothing are allowed.
    pub unasserted: bool,
    /// Whether a prompt that changed under the same version is an error.
    pub strict_versions: bool,
    /// Whether accepting an answer needs a reason.
    pub require_reason: bool,
    /// Who judges.
    pub judge: JudgeSettings,
    /// Volumes, budgets and assumptions of `promptctl cost`.
    pub cost: CostSettings,
    /// What is looked for in the prompts.
    pub lint: LintSettings,
    /// How gaps are audited.
    pub audit: AuditSettings,
}

impl Config {
    /// Reads the `promptctl.yaml` of a tree. What is wrong goes to `problems`; what can be read is returned.
    pub fn load(tree: &dyn Tree, problems: &mut Problems) -> Option<Self> {
        let path = TreePath::new(CONFIG_FILE).ok()?;
        let source = match tree.source(&path) {
            Ok(source) => source,
            Err(error) => {
                problems.push(error.into_problem());
                return None;
            }
        };
        if let Some((shape, range)) = key_shape(&source.text) {
            let message =
                format!("this looks like {shape}, and everybody with the repository can read it in {CONFIG_FILE}");
            let help = "revoke it, and name the variable that holds the new one with `api-key-env`";
            problems.push(Problem::error(Place::span(&source, range), message).help(help));
        }
        match yaml::parse(&source) {
            Ok(node) => decode(&source, &node, problems),
            Err(found) => {
                problems.extend(found);
                None
            }
        }
    }

    /// The model of that alias.
    #[must_use]
    pub fn model(&self, alias: &ModelAlias) -> Option<&ModelEntry> {
        self.models.iter().find(|entry| entry.alias == *alias)
    }
}

fn decode(source: &Arc<Source>, node: &Node, problems: &mut Problems) -> Option<Config> {
    let mut decoder = Decoder { source, problems };
    if matches!(node.data, Data::Null) {
        let help = "begin with `models:`; `promptctl schema project` describes every key";
        decoder.problems.push(Problem::error(Place::File(source.path.clone()), "the file is empty").help(help));
        return None;
    }
    let fields = decoder.fields(
        node,
        "promptctl.yaml",
        &[
            "models",
            "retrievers",
            "defaults",
            "judge",
            "lint",
            "recordings",
            "review",
            "unasserted",
            "version-policy",
            "cost",
            "audit",
        ],
    )?;
    let mut models = Vec::new();
    if let Some(node) = fields.get("models") {
        for (key, entry) in decoder.map(node, "models")?.iter() {
            models.extend(decode_model(&mut decoder, key, entry));
        }
    }
    check_bases(&mut decoder, &models);
    // What a retriever finds is tested without a model.
    if models.is_empty() && fields.get("retrievers").is_none() && !decoder.problems.has_errors() {
        decoder.error(fields.span.clone(), "the project has no model; name one under `models:`");
    }
    let retrievers = fields.get("retrievers").map(|node| decode_retrievers(&mut decoder, node, &models));
    let retrievers = retrievers.unwrap_or_default();
    let defaults = decode_defaults(&mut decoder, fields.get("defaults"), &models);
    let recordings = decode_recordings(&mut decoder, fields.get("recordings"));
    let unasserted = fields.get("unasserted").is_some_and(|node| decode_unasserted(&mut decoder, node));
    let policies = [("warn", false), ("strict", true)];
    let policy = fields.get("version-policy").and_then(|node| decoder.choice(node, "version-policy", &policies));
    let require_reason = fields.get("review").is_some_and(|node| decode_review(&mut decoder, node));
    let strict_versions = policy.unwrap_or(false);
    let judge = fields.get("judge").map(|node| decode_judge(&mut decoder, node, &models)).unwrap_or_default();
    let cost = fields.get("cost").map(|node| decode_cost(&mut decoder, node, &models)).unwrap_or_default();
    let lint = fields.get("lint").map(|node| decode_lint(&mut decoder, node)).unwrap_or_default();
    let audit = fields.get("audit").map(|node| decode_audit(&mut decoder, node, &models)).unwrap_or_default();
    Some(Config {
        models,
        retrievers,
        defaults,
        recordings,
        unasserted,
        strict_versions,
        require_reason,
        judge,
        cost,
        lint,
        audit,
    })
}

/// Reads `unasserted: allow` or `unasserted: error`.
pub(crate) fn decode_unasserted(decoder: &mut Decoder<'_>, node: &Node) -> bool {
    decoder.choice(node, "unasserted", &[("allow", true), ("error", false)]).unwrap_or(false)
}

fn decode_defaults(decoder: &mut Decoder<'_>, node: Option<&Node>, models: &[ModelEntry]) -> Defaults {
    let mut defaults =
        Defaults { models: Vec::new(), repeat: 1, min_pass_rate: 1.0, snapshot: SnapshotSettings::default() };
    let known = ["models", "repeat", "min-pass-rate", "snapshot"];
    if let Some(fields) = node.and_then(|node| decoder.fields(node, "defaults", &known)) {
        if let Some(node) = fields.get("models") {
            defaults.models = decode_aliases(decoder, node, models);
        }
        if let Some(node) = fields.get("repeat") {
            defaults.repeat = decode_repeat(decoder, node).unwrap_or(1);
        }
        if let Some(node) = fields.get("min-pass-rate") {
            defaults.min_pass_rate = decode_rate(decoder, node).unwrap_or(1.0);
        }
        if let Some(node) = fields.get("snapshot") {
            defaults.snapshot = decode_snapshot(decoder, node);
        }
    }
    if let (true, [only]) = (defaults.models.is_empty(), models) {
        defaults.models.push(only.alias.clone());
    }
    defaults
}

/// Reads a list of aliases, each of which must be a model of the project.
pub(crate) fn decode_aliases(decoder: &mut Decoder<'_>, node: &Node, models: &[ModelEntry]) -> Vec<ModelAlias> {
    let nodes = match &node.data {
        Data::Text(_) => std::slice::from_ref(node),
        _ => decoder.list(node, "models").unwrap_or_default(),
    };
    let mut aliases = Vec::new();
    for node in nodes {
        let Some(text) = decoder.text(node, "a model alias") else { continue };
        match models.iter().find(|entry| entry.alias.as_str() == text) {
            Some(entry) if aliases.contains(&entry.alias) => {
                decoder.error_key(node.span.clone(), format!("the model `{text}` stands here a second time"));
            }
            Some(entry) => aliases.push(entry.alias.clone()),
            None => {
                let known = models.iter().map(|entry| entry.alias.as_str());
                let hint = crate::core::suggest::did_you_mean(&text, known);
                decoder.error(node.span.clone(), format!("{CONFIG_FILE} has no model `{text}`{hint}"));
            }
        }
    }
    aliases
}

/// Reads `repeat:`, from 1 to 1,000.
pub(crate) fn decode_repeat(decoder: &mut Decoder<'_>, node: &Node) -> Option<u32> {
    let repeat = decoder.count(node, "repeat", 1)?;
    if repeat > 1000 {
        decoder.error(node.span.clone(), "repeat must be at most 1000");
        return None;
    }
    u32::try_from(repeat).ok()
}

/// Reads a share, from above 0 to 1.
pub(crate) fn decode_rate(decoder: &mut Decoder<'_>, node: &Node) -> Option<f64> {
    let rate = decoder.number(node, "min-pass-rate")?;
    if rate > 0.0 && rate <= 1.0 {
        return Some(rate);
    }
    decoder.error(node.span.clone(), "min-pass-rate must be above 0 and at most 1");
    None
}
