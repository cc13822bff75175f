//! A model of `promptctl.yaml`: who is asked, where, with what, and within which limits.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use serde_json::{Map, Value};

use super::config::CONFIG_FILE;
use super::price::{PriceFrom, decode_price};
use super::prices::{KnownPrice, known_price};
use super::tuned::{FineTuned, decode_fine_tuned};
use crate::core::decode::{Decoder, Fields};
use crate::core::digest::{canonical_json, sha256_hex};
use crate::core::names::ModelAlias;
use crate::core::price::Price;
use crate::core::problem::Source;
use crate::core::redact::key_shape;
use crate::core::time::{parse_day, parse_duration_ms};
use crate::core::yaml::{Key, Node};

/// How long a request may take where the model entry does not say, in milliseconds.
const DEFAULT_TIMEOUT_MS: u64 = 60_000;
/// A server that has had enough is given this long to recover.
const SHORTEST_DEADLINE_MS: u64 = 90_000;
/// The options of an entry that change what a model is shown or told, whichever provider knows them.
const SHAPING: [&str; 4] = ["body", "structured-output", "max-tokens-name", "deployment"];

/// What a server may be asked for.
#[derive(Clone, Debug, PartialEq)]
pub struct Limits {
    /// The most requests in flight; left out: as the run says.
    pub concurrency: Option<usize>,
    /// The most requests begun in a minute.
    pub requests_per_minute: Option<u64>,
    /// The most tokens, read and written, in a minute.
    pub tokens_per_minute: Option<u64>,
    /// How long one attempt may take, in milliseconds.
    pub timeout_ms: u64,
    /// How long a request may take with all its attempts and waits; left out: see [`Limits::deadline_ms`].
    pub deadline_ms: Option<u64>,
    /// How often a request is sent again after a fault.
    pub retries: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            concurrency: None,
            requests_per_minute: None,
            tokens_per_minute: None,
            timeout_ms: DEFAULT_TIMEOUT_MS,
            deadline_ms: None,
            retries: 4,
        }
    }
}

impl ModelEntry {
    /// What it is, in a word.
    #[must_use]
    pub fn what(&self) -> &'static str {
        if self.retrieves { "retriever" } else { "model" }
    }
}

impl Limits {
    /// How long a request may take with all its attempts and waits: twice the timeout and at least 90 seconds, where
    /// the model entry does not say.
    #[must_use]
    pub fn deadline_ms(&self) -> u64 {
        self.deadline_ms.unwrap_or_else(|| SHORTEST_DEADLINE_MS.max(self.timeout_ms.saturating_mul(2)))
    }
}

/// Where the keys of a mapping stand in their file.
pub type Spans = BTreeMap<String, Range<usize>>;

/// A model of the project.
#[derive(Clone, Debug)]
pub struct ModelEntry {
    /// Its alias.
    pub alias: ModelAlias,
    /// The kind of provider (`openai`, `mock`, …).
    pub provider: String,
    /// The provider's own id of the model.
    pub model: String,
    /// Where the server is; left out: the vendor's own.
    pub base_url: Option<String>,
    /// The environment variable that holds the key.
    pub api_key_env: Option<String>,
    /// Parameters, by the provider's own names.
    pub params: Map<String, Value>,
    /// Where each parameter stands.
    pub param_spans: Spans,
    /// Parameters of prompts that this model is not sent.
    pub ignore: Vec<String>,
    /// Limits.
    pub limits: Limits,
    /// Price: the entry's own, or else the shipped one.
    pub price: Option<Price>,
    /// Where the price is from.
    pub price_from: PriceFrom,
    /// The most tokens of a request and its answer: the entry's own, or else the shipped figure.
    pub context_window: Option<u64>,
    /// The day on which the model is no longer served, `2026-12-31`: the entry's own, or else the shipped one.
    pub retires_on: Option<String>,
    /// What it was tuned from, where it was.
    pub fine_tuned: Option<FineTuned>,
    /// Keys that only this entry's provider knows; the provider reads and checks them.
    pub options: Vec<(Key, Node)>,
    /// SHA-256 of those options that change what the model is shown or told; `None` where there are none.
    pub extras: Option<String>,
    /// Whether it is asked for documents, and not for answers.
    pub retrieves: bool,
    /// The file that the entry stands in.
    pub source: Arc<Source>,
    /// Where its provider is named.
    pub provider_span: Range<usize>,
    /// Where the entry's alias stands.
    pub alias_span: Range<usize>,
}

const MODEL_KEYS: [&str; 11] = [
    "provider",
    "model",
    "base-url",
    "api-key-env",
    "params",
    "ignore",
    "limits",
    "price",
    "context-window",
    "retires-on",
    "fine-tuned",
];

pub(super) fn decode_model(decoder: &mut Decoder<'_>, key: &Key, node: &Node) -> Option<ModelEntry> {
    let alias = match ModelAlias::new(&key.text) {
        Ok(alias) => alias,
        Err(why) => {
            decoder.error(key.span.clone(), why);
            return None;
        }
    };
    let fields = decoder.map(node, &format!("the model `{alias}`"))?;
    let Some(provider_node) = fields.get("provider") else {
        decoder.error(key.span.clone(), format!("the model `{alias}` names no `provider`"));
        return None;
    };
    let provider = decoder.text(provider_node, "provider")?;
    decode_entry(decoder, (key, alias), &fields, (provider, provider_node.span.clone()), None)
}

/// What an entry says of whom is asked: a model, or a retriever, whose keys of its own are not the provider's.
pub(super) fn decode_entry(
    decoder: &mut Decoder<'_>,
    (key, alias): (&Key, ModelAlias),
    fields: &Fields<'_>,
    (provider, provider_span): (String, Range<usize>),
    retriever: Option<&[&str]>,
) -> Option<ModelEntry> {
    for name in ["api-key", "api_key", "apikey", "key", "token"] {
        if let Some((key, _)) = fields.entry(name) {
            let message =
                format!("a key does not belong into {CONFIG_FILE}, where everybody with the repository can read it");
            let help = "name the environment variable that holds it: `api-key-env: OPENAI_API_KEY`";
            decoder.error_help(key.span.clone(), message, help);
            return None;
        }
    }
    let model = fields.get("model").and_then(|node| decoder.text(node, "model"));
    let base_url = fields.get("base-url").and_then(|node| decode_url(decoder, node));
    let api_key_env = fields.get("api-key-env").and_then(|node| decode_key_name(decoder, node));
    let (params, param_spans) = fields.get("params").and_then(|node| decode_params(decoder, node)).unwrap_or_default();
    let ignore = fields.get("ignore").and_then(|node| decoder.texts(node, "ignore")).unwrap_or_default();
    for name in ignore.iter().filter(|name| params.contains_key(*name)) {
        let span = param_spans.get(name).cloned().unwrap_or_else(|| key.span.clone());
        decoder.error(span, format!("the model `{alias}` both gives and ignores the parameter `{name}`"));
    }
    let limits = fields.get("limits").map(|node| decode_limits(decoder, node)).unwrap_or_default();
    let (own_price, own_from) = fields.get("price").and_then(|node| decode_price(decoder, node)).unzip();
    let model = model.unwrap_or_else(|| alias.to_string());
    let row = known_price(&provider, base_url.as_deref(), &model);
    let known = row.filter(|_| fields.get("price").is_none());
    let price_from = own_from.or_else(|| known.map(PriceFrom::of_table)).unwrap_or_default();
    let own_window = fields.get("context-window").and_then(|node| decoder.count(node, "context-window", 1));
    let own_day = fields.get("retires-on").and_then(|node| decode_day(decoder, node, "retires-on"));
    let fine_tuned = fields.get("fine-tuned").and_then(|node| decode_fine_tuned(decoder, node));
    let common = |key: &Key| MODEL_KEYS.iter().chain(retriever.unwrap_or_default()).any(|known| *known == key.text);
    let options: Vec<_> = fields.iter().filter(|(key, _)| !common(key)).cloned().collect();
    Some(ModelEntry {
        model,
        alias,
        provider,
        base_url,
        api_key_env,
        params,
        param_spans,
        ignore,
        limits,
        price: own_price.or_else(|| known.map(KnownPrice::price)),
        price_from,
        context_window: own_window.or_else(|| row?.context),
        retires_on: own_day.or_else(|| row?.retires.clone()),
        fine_tuned,
        extras: digest_of_extras(&options),
        options,
        source: Arc::clone(decoder.source),
        provider_span,
        retrieves: retriever.is_some(),
        alias_span: key.span.clone(),
    })
}

/// Keys that every provider's entry may have, for the nearest-name hint of a provider that finds an unknown one.
#[must_use]
pub fn common_model_keys() -> &'static [&'static str] {
    &MODEL_KEYS
}

pub(super) fn decode_day(decoder: &mut Decoder<'_>, node: &Node, what: &str) -> Option<String> {
    let text = decoder.text(node, what)?;
    let day = parse_day(&text);
    if day.is_none() {
        decoder.error(node.span.clone(), format!("{what} is `{text}`; write a day such as 2026-12-31"));
    }
    day
}

fn decode_url(decoder: &mut Decoder<'_>, node: &Node) -> Option<String> {
    let text = decoder.text(node, "base-url")?;
    match reqwest::Url::parse(&text) {
        Ok(url) if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() => {
            decoder
                .error(node.span.clone(), format!("base-url `{text}` must begin with http:// or https:// and a host"));
        }
        Ok(url) if !url.username().is_empty() || url.password().is_some() => {
            let message = "base-url must hold no user or password; use `api-key-env`";
            decoder.error(node.span.clone(), message);
        }
        Ok(_) => return Some(text.trim_end_matches('/').to_owned()),
        Err(error) => decoder.error(node.span.clone(), format!("base-url `{text}` is no address: {error}")),
    }
    None
}

fn decode_key_name(decoder: &mut Decoder<'_>, node: &Node) -> Option<String> {
    let name = decoder.text(node, "api-key-env")?;
    let fits = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if key_shape(&name).is_some() || name.is_empty() || !name.chars().all(fits) {
        let help = "write the name (`api-key-env: OPENAI_API_KEY`) and set the variable where promptctl runs";
        decoder.error_help(
            node.span.clone(),
            "api-key-env must be the name of an environment variable, not the key",
            help,
        );
        return None;
    }
    Some(name)
}

/// Two entries whose options tell a model different things must not share recordings.
fn digest_of_extras(options: &[(Key, Node)]) -> Option<String> {
    let shaping =
        |(key, node): &(Key, Node)| SHAPING.contains(&key.text.as_str()).then(|| (key.text.clone(), node.to_json()));
    let extras: Map<String, Value> = options.iter().filter_map(shaping).collect();
    (!extras.is_empty()).then(|| sha256_hex(canonical_json(&Value::Object(extras)).as_bytes()))
}

/// Reads a mapping of parameters as JSON, and where each of them stands.
pub(crate) fn decode_params(decoder: &mut Decoder<'_>, node: &Node) -> Option<(Map<String, Value>, Spans)> {
    let spans = decoder.map(node, "params")?.iter().map(|(key, _)| (key.text.clone(), key.span.clone())).collect();
    match node.to_json() {
        Value::Object(map) => Some((map, spans)),
        _ => None,
    }
}

fn decode_limits(decoder: &mut Decoder<'_>, node: &Node) -> Limits {
    let mut limits = Limits::default();
    let known = ["concurrency", "requests-per-minute", "tokens-per-minute", "timeout", "deadline", "retries"];
    let Some(fields) = decoder.fields(node, "limits", &known) else { return limits };
    if let Some(node) = fields.get("concurrency") {
        limits.concurrency = decoder.count(node, "concurrency", 1).and_then(|n| usize::try_from(n).ok());
    }
    if let Some(node) = fields.get("requests-per-minute") {
        limits.requests_per_minute = decoder.count(node, "requests-per-minute", 1);
    }
    if let Some(node) = fields.get("tokens-per-minute") {
        limits.tokens_per_minute = decoder.count(node, "tokens-per-minute", 1);
    }
    let mut duration = |name: &str| {
        let node = fields.get(name)?;
        let ms = decode_duration(decoder, node, name)?;
        if ms == 0 {
            decoder.error(node.span.clone(), format!("{name} must be more than 0"));
            return None;
        }
        Some(ms)
    };
    limits.timeout_ms = duration("timeout").unwrap_or(limits.timeout_ms);
    limits.deadline_ms = duration("deadline");
    if let Some(node) = fields.get("retries") {
        limits.retries = decoder.count(node, "retries", 0).and_then(|n| u32::try_from(n).ok()).unwrap_or(4);
    }
    limits
}

/// Reads a duration (`250ms`, `60s`, `2m`), in milliseconds.
pub fn decode_duration(decoder: &mut Decoder<'_>, node: &Node, what: &str) -> Option<u64> {
    let text = decoder.text(node, what)?;
    let duration = parse_duration_ms(&text);
    if duration.is_none() {
        decoder.error(node.span.clone(), format!("{what} is `{text}`; write a duration such as 250ms, 60s or 2m"));
    }
    duration
}
