//! `cost:` of `promptctl.yaml`: how often prompts are asked for, what they may cost, and what is assumed where
//! alternatives are held against them.

use std::collections::BTreeMap;

use super::config::decode_aliases;
use super::model::{ModelEntry, decode_duration};
use crate::core::decode::{Decoder, Fields};
use crate::core::names::ModelAlias;
use crate::core::yaml::{Data, Node};

/// The most that anything may be: beyond it a figure is a slip of the finger.
const MOST: f64 = 1e12;
/// The same of what is counted.
pub const MOST_COUNTED: u64 = 1_000_000_000_000;

/// What a prompt on a model may take.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Budget {
    /// The most by which a request may get dearer than it was in base, as a share.
    pub increase: Option<f64>,
    /// The most that a request may cost on the mean, in USD.
    pub per_request: Option<f64>,
    /// The most that a month may cost, in USD.
    pub per_month: Option<f64>,
    /// The most tokens that a request may read and write on the mean.
    pub tokens: Option<f64>,
    /// The most by which these may be more than in base, as a share.
    pub tokens_increase: Option<f64>,
    /// How long 95 in 100 requests may take at the most, in milliseconds.
    pub latency_p95_ms: Option<f64>,
    /// The most by which that may be longer than in base, as a share.
    pub latency_increase: Option<f64>,
}

impl Budget {
    /// This budget where it says something, and `wider` where it does not.
    #[must_use]
    pub fn or(self, wider: Self) -> Self {
        Self {
            increase: self.increase.or(wider.increase),
            per_request: self.per_request.or(wider.per_request),
            per_month: self.per_month.or(wider.per_month),
            tokens: self.tokens.or(wider.tokens),
            tokens_increase: self.tokens_increase.or(wider.tokens_increase),
            latency_p95_ms: self.latency_p95_ms.or(wider.latency_p95_ms),
            latency_increase: self.latency_increase.or(wider.latency_increase),
        }
    }

    /// Whether it limits nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// What is assumed of caches.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct CacheSettings {
    /// The least tokens that a cached beginning has; left out: the vendor's own, where that is known.
    pub minimum: Option<u64>,
    /// The share of requests that find their beginning in the cache.
    pub hit_rate: Option<f64>,
}

/// What is assumed of a fine-tuned model.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TunedSettings {
    /// A model of the project that is it, or stands for it.
    pub model: Option<ModelAlias>,
    /// USD for a million tokens that it is trained on.
    pub training: Option<f64>,
    /// USD for a million tokens that it reads.
    pub input: Option<f64>,
    /// USD for a million tokens that it writes.
    pub output: Option<f64>,
    /// USD a month for having it.
    pub hosting: Option<f64>,
    /// How often each example is trained on.
    pub epochs: Option<f64>,
    /// How many examples it is trained on.
    pub examples: Option<u64>,
    /// The share of the fixed text that it needs no more.
    pub fixed_share: Option<f64>,
}

/// What is assumed of retrieval.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RetrievalSettings {
    /// The variable that holds the context.
    pub context: Option<String>,
    /// How many pieces are sent instead of the whole.
    pub chunks: Option<u64>,
    /// Tokens of a piece.
    pub chunk_tokens: Option<u64>,
    /// USD for a million tokens that are embedded.
    pub embedding: Option<f64>,
    /// Tokens of what is searched.
    pub corpus_tokens: Option<u64>,
    /// Tokens of a question that is embedded.
    pub query_tokens: Option<u64>,
    /// USD a month for the index.
    pub index: Option<f64>,
    /// What a search adds to a request, in milliseconds.
    pub latency_ms: Option<u64>,
}

/// What `promptctl cost` works with.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CostSettings {
    /// Requests a month of each prompt that has none of its own.
    pub volume: Option<u64>,
    /// Requests a month, by prompt.
    pub volumes: BTreeMap<String, u64>,
    /// What each prompt may cost that has no budget of its own.
    pub budget: Budget,
    /// What prompts may cost, by prompt.
    pub budgets: BTreeMap<String, Budget>,
    /// Caches.
    pub cache: CacheSettings,
    /// The models that may be asked instead; left out: every other one of the project.
    pub smaller: Option<Vec<ModelAlias>>,
    /// The least drop of the pass rate that matters.
    pub delta: Option<f64>,
    /// A fine-tuned model.
    pub tuned: TunedSettings,
    /// Retrieval.
    pub retrieval: RetrievalSettings,
}

impl CostSettings {
    /// Requests a month of a prompt.
    #[must_use]
    pub fn volume_of(&self, prompt: &str) -> Option<u64> {
        self.volumes.get(prompt).copied().or(self.volume)
    }

    /// What a prompt may cost.
    #[must_use]
    pub fn budget_of(&self, prompt: &str) -> Budget {
        self.budgets.get(prompt).copied().unwrap_or_default().or(self.budget)
    }
}

/// Reads `cost: { volume: …, budget: …, cache: …, alternatives: … }`.
pub(super) fn decode_cost(decoder: &mut Decoder<'_>, node: &Node, models: &[ModelEntry]) -> CostSettings {
    let mut settings = CostSettings::default();
    let Some(fields) = decoder.fields(node, "cost", &["volume", "budget", "cache", "alternatives"]) else {
        return settings;
    };
    match fields.get("volume") {
        Some(node) if matches!(node.data, Data::Map(_)) => {
            for (key, node) in decoder.map(node, "volume").iter().flat_map(Fields::iter) {
                if let Some(count) = bounded(decoder, node, "volume", 1) {
                    settings.volumes.insert(key.text.clone(), count);
                }
            }
        }
        Some(node) => settings.volume = bounded(decoder, node, "volume", 1),
        None => {}
    }
    if let Some(fields) =
        fields.get("budget").and_then(|node| decoder.fields(node, "budget", &[&LIMITS[..], &["prompts"]].concat()))
    {
        settings.budget = decode_budget(decoder, &fields);
        if let Some(prompts) = fields.get("prompts").and_then(|node| decoder.map(node, "prompts")) {
            for (key, node) in prompts.iter() {
                if let Some(own) = decoder.fields(node, "budget", &LIMITS) {
                    settings.budgets.insert(key.text.clone(), decode_budget(decoder, &own));
                }
            }
        }
    }
    if let Some(fields) = fields.get("cache").and_then(|node| decoder.fields(node, "cache", &["minimum", "hit-rate"])) {
        settings.cache.minimum = count(decoder, &fields, "minimum", 0);
        settings.cache.hit_rate = share(decoder, &fields, "hit-rate");
    }
    if let Some(node) = fields.get("alternatives") {
        decode_alternatives(decoder, node, models, &mut settings);
    }
    settings
}

const LIMITS: [&str; 7] =
    ["increase", "per-request", "per-month", "tokens", "tokens-increase", "latency-p95", "latency-increase"];

fn decode_budget(decoder: &mut Decoder<'_>, fields: &Fields<'_>) -> Budget {
    #[expect(clippy::cast_precision_loss, reason = "milliseconds of a request are far below 2^53")]
    let latency = |ms: u64| ms as f64;
    let latency_p95 = fields.get("latency-p95").and_then(|node| decode_duration(decoder, node, "latency-p95"));
    Budget {
        increase: increase(decoder, fields, "increase"),
        per_request: amount(decoder, fields, "per-request"),
        per_month: amount(decoder, fields, "per-month"),
        tokens: amount(decoder, fields, "tokens"),
        tokens_increase: increase(decoder, fields, "tokens-increase"),
        latency_p95_ms: latency_p95.map(latency),
        latency_increase: increase(decoder, fields, "latency-increase"),
    }
}

fn increase(decoder: &mut Decoder<'_>, fields: &Fields<'_>, name: &str) -> Option<f64> {
    let node = fields.get(name)?;
    let text = decoder.text(node, name)?;
    let share = parse_increase(&text);
    if share.is_none() {
        decoder.error(node.span.clone(), format!("{name} is `{text}`; write a percentage such as 10%"));
    }
    share
}

/// `10%` or `+10%` as a share.
#[must_use]
pub fn parse_increase(text: &str) -> Option<f64> {
    let number = text.trim().strip_suffix('%')?.trim_end();
    let share = number.strip_prefix('+').unwrap_or(number).parse::<f64>().ok()? / 100.0;
    (share.is_finite() && share >= 0.0).then_some(share)
}

fn decode_alternatives(decoder: &mut Decoder<'_>, node: &Node, models: &[ModelEntry], settings: &mut CostSettings) {
    let known = ["smaller-model", "fine-tuned", "retrieval"];
    let Some(fields) = decoder.fields(node, "alternatives", &known) else { return };
    if let Some(fields) =
        fields.get("smaller-model").and_then(|node| decoder.fields(node, "smaller-model", &["models", "delta"]))
    {
        settings.smaller = fields.get("models").map(|node| decode_aliases(decoder, node, models));
        settings.delta = fields.get("delta").and_then(|node| {
            let delta = decoder.number(node, "delta")?;
            if delta > 0.0 && delta < 1.0 {
                return Some(delta);
            }
            decoder.error(node.span.clone(), "delta must be above 0 and below 1");
            None
        });
    }
    let keys = ["model", "training", "input", "output", "hosting", "epochs", "examples", "fixed-share"];
    if let Some(fields) = fields.get("fine-tuned").and_then(|node| decoder.fields(node, "fine-tuned", &keys)) {
        settings.tuned = TunedSettings {
            model: fields.get("model").and_then(|node| {
                let text = decoder.text(node, "model")?;
                let named = Node { span: node.span.clone(), data: Data::Text(text) };
                decode_aliases(decoder, &named, models).pop()
            }),
            training: amount(decoder, &fields, "training"),
            input: amount(decoder, &fields, "input"),
            output: amount(decoder, &fields, "output"),
            hosting: amount(decoder, &fields, "hosting"),
            epochs: amount(decoder, &fields, "epochs"),
            examples: count(decoder, &fields, "examples", 1),
            fixed_share: share(decoder, &fields, "fixed-share"),
        };
    }
    let keys = ["context", "chunks", "chunk-tokens", "embedding", "corpus-tokens", "query-tokens", "index", "latency"];
    if let Some(fields) = fields.get("retrieval").and_then(|node| decoder.fields(node, "retrieval", &keys)) {
        settings.retrieval = RetrievalSettings {
            context: fields.get("context").and_then(|node| decoder.text(node, "context")),
            chunks: count(decoder, &fields, "chunks", 1),
            chunk_tokens: count(decoder, &fields, "chunk-tokens", 1),
            embedding: amount(decoder, &fields, "embedding"),
            corpus_tokens: count(decoder, &fields, "corpus-tokens", 1),
            query_tokens: count(decoder, &fields, "query-tokens", 1),
            index: amount(decoder, &fields, "index"),
            latency_ms: fields.get("latency").and_then(|node| decode_duration(decoder, node, "latency")),
        };
    }
}

fn amount(decoder: &mut Decoder<'_>, fields: &Fields<'_>, name: &str) -> Option<f64> {
    let node = fields.get(name)?;
    let value = decoder.number(node, name)?;
    if (0.0..=MOST).contains(&value) {
        return Some(value);
    }
    decoder.error(node.span.clone(), format!("{name} must be from 0 to a million million"));
    None
}

fn count(decoder: &mut Decoder<'_>, fields: &Fields<'_>, name: &str, least: u64) -> Option<u64> {
    bounded(decoder, fields.get(name)?, name, least)
}

fn bounded(decoder: &mut Decoder<'_>, node: &Node, name: &str, least: u64) -> Option<u64> {
    let count = decoder.count(node, name, least)?;
    if count <= MOST_COUNTED {
        return Some(count);
    }
    decoder.error(node.span.clone(), format!("{name} must be at most a million million"));
    None
}

fn share(decoder: &mut Decoder<'_>, fields: &Fields<'_>, name: &str) -> Option<f64> {
    let node = fields.get(name)?;
    let value = decoder.number(node, name)?;
    if (0.0..=1.0).contains(&value) {
        return Some(value);
    }
    decoder.error(node.span.clone(), format!("{name} must be from 0 to 1"));
    None
}
