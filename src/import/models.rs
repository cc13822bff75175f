//! The providers of promptfoo as models of the project.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::finding::{Findings, Keys, scalar, shown};
use super::intake::{Intake, Loaded};
use super::keys::{key_name, redacted};
use crate::core::path::TreePath;
use crate::core::problem::{Place, Source};
use crate::core::redact::key_shape;
use crate::core::yaml::{Data, Node};

/// Services that speak OpenAI's protocol: how promptfoo calls them, where they are, and the variable of their key.
const COMPATIBLE: [(&str, &str, &str); 16] = [
    ("openrouter", "https://openrouter.ai/api/v1", "OPENROUTER_API_KEY"),
    ("groq", "https://api.groq.com/openai/v1", "GROQ_API_KEY"),
    ("deepseek", "https://api.deepseek.com/v1", "DEEPSEEK_API_KEY"),
    ("mistral", "https://api.mistral.ai/v1", "MISTRAL_API_KEY"),
    ("togetherai", "https://api.together.xyz/v1", "TOGETHER_API_KEY"),
    ("fireworks", "https://api.fireworks.ai/inference/v1", "FIREWORKS_API_KEY"),
    ("xai", "https://api.x.ai/v1", "XAI_API_KEY"),
    ("cerebras", "https://api.cerebras.ai/v1", "CEREBRAS_API_KEY"),
    ("perplexity", "https://api.perplexity.ai", "PERPLEXITY_API_KEY"),
    ("github", "https://models.github.ai/inference", "GITHUB_TOKEN"),
    ("deepinfra", "https://api.deepinfra.com/v1/openai", "DEEPINFRA_API_KEY"),
    ("hyperbolic", "https://api.hyperbolic.xyz/v1", "HYPERBOLIC_API_KEY"),
    ("moonshot", "https://api.moonshot.ai/v1", "MOONSHOT_API_KEY"),
    ("localai", "http://localhost:8080/v1", ""),
    ("llamafile", "http://localhost:8080/v1", ""),
    ("llama", "http://localhost:8080/v1", ""),
];

/// Keys of `config:` that are parameters of a request, passed on as they are.
#[rustfmt::skip]
const PARAMS: [&str; 42] = [
    "temperature", "max_tokens", "max_completion_tokens", "max_output_tokens", "maxOutputTokens", "top_p", "topP",
    "top_k", "topK", "frequency_penalty", "presence_penalty", "frequencyPenalty", "presencePenalty", "seed", "stop",
    "stop_sequences", "stopSequences", "logit_bias", "logprobs", "top_logprobs", "user", "metadata", "service_tier",
    "store", "verbosity", "reasoning_effort", "reasoning", "thinking", "tool_choice", "parallel_tool_calls",
    "prediction", "safety_identifier", "prompt_cache_key", "num_predict", "num_ctx", "repeat_penalty", "min_p",
    "generationConfig", "inferenceConfig", "maxTokens", "truncation", "include",
];

/// Keys of `config:` that say what is not carried over, and why.
const REASONS: [(&str, &str); 12] = [
    ("functionToolCallbacks", "a tool is not called; its call is checked with `tool-call`"),
    ("headers", "add `headers:` to the model entry, without any key in them"),
    ("organization", "add the header `OpenAI-Organization` under `headers:` of the model entry"),
    ("cost", "write the price under `price:` of the model entry"),
    ("inputCost", "write the price under `price:` of the model entry"),
    ("outputCost", "write the price under `price:` of the model entry"),
    ("passthrough", "write what it adds under `body:` of the model entry"),
    ("functions", "write them as `tools:` of the prompt"),
    ("mcp", "tools of a server are not called"),
    ("showThinking", "reasoning is kept apart from the answer"),
    ("omitDefaults", "nothing is sent but what is written"),
    ("transformResponse", "write the path to the answer under `response:` of the model entry"),
];

/// What a provider adds to the prompts that are sent to it.
#[derive(Clone, Debug, Default)]
pub(super) struct Shaping {
    pub(super) tools: Option<(Value, Place)>,
    pub(super) output: Option<(Value, Place)>,
}

/// A provider of the source as a model.
#[derive(Clone, Debug)]
pub(super) struct Provider {
    pub(super) alias: String,
    /// As the source calls it: its id and its label.
    pub(super) names: Vec<String>,
    /// The labels of the prompts that it is meant for; left out: all.
    pub(super) prompts: Option<Vec<String>>,
    pub(super) shaping: Shaping,
}

impl Provider {
    /// Whether a test means it by a name: its id, its label, the beginning of one before a colon, or a pattern with `*`.
    pub(super) fn is_called(&self, wanted: &str) -> bool {
        self.names.iter().any(|name| match wanted.strip_suffix('*') {
            Some(start) => name.starts_with(start),
            None => name == wanted || name.strip_prefix(wanted).is_some_and(|rest| rest.starts_with(':')),
        })
    }
}

/// The models of a provider as it is written: a text, a mapping, or a file with one or more of them.
pub(super) fn providers(
    intake: &mut Intake<'_>,
    folder: &TreePath,
    source: &Arc<Source>,
    node: &Node,
    answers: bool,
) -> Vec<Provider> {
    let place = Place::span(source, node.span.clone());
    match &node.data {
        Data::Text(id) if id.starts_with("file://") && is_yaml(id) => {
            let Some(path) = intake.path(folder, id, &place) else { return Vec::new() };
            let Some(source) = intake.source(&path, &place) else { return Vec::new() };
            let Some(node) = intake.yaml(&source) else { return Vec::new() };
            let inner: Vec<Node> = match node.data {
                Data::List(items) => items,
                _ => vec![node],
            };
            let folder = path.parent();
            let mut all = Vec::new();
            for node in &inner {
                match &node.data {
                    Data::Text(text) if text.starts_with("file://") && is_yaml(text) => {
                        let message = format!("`{}` is not read: a file of providers names no other one", shown(text));
                        intake.findings.lost(Place::span(&source, node.span.clone()), message, "");
                    }
                    _ => all.extend(providers(intake, &folder, &source, node, answers)),
                }
            }
            all
        }
        Data::Text(id) => from_id(intake, id, &place, answers).into_iter().collect(),
        Data::Map(entries) => match (entries.as_slice(), node.get("id")) {
            ([(key, options)], None) => {
                from_options(intake, folder, source, options, Some(key.text.clone()), answers).into_iter().collect()
            }
            _ => from_options(intake, folder, source, node, None, answers).into_iter().collect(),
        },
        _ => {
            intake.findings.lost(place, format!("a provider is {} where a text is expected", node.kind()), "");
            Vec::new()
        }
    }
}

fn is_yaml(name: &str) -> bool {
    ["yaml", "yml", "json"].contains(&super::intake::ending(name).as_str())
}

/// Whether an id names a model that embeds texts instead of answering.
fn embeds(id: &str) -> bool {
    id.contains(":embedding") || id.contains("text-embedding")
}

fn from_id(intake: &mut Intake<'_>, id: &str, place: &Place, answers: bool) -> Option<Provider> {
    let answers = answers && !embeds(id);
    let entry = entry_of(&mut intake.findings, id, &mut Map::new(), place)?;
    let name = name_of(id, &entry).to_owned();
    let alias = intake.draft.add_model(&name, entry, answers, place.clone());
    Some(Provider { alias, names: vec![id.to_owned()], prompts: None, shaping: Shaping::default() })
}

/// The end of an id, by which people call the model.
fn name_of<'a>(id: &'a str, entry: &'a Map<String, Value>) -> &'a str {
    entry.get("model").and_then(Value::as_str).unwrap_or(id)
}

fn from_options(
    intake: &mut Intake<'_>,
    folder: &TreePath,
    source: &Arc<Source>,
    node: &Node,
    id: Option<String>,
    answers: bool,
) -> Option<Provider> {
    let mut keys = Keys::new(source, node, "a provider", &mut intake.findings)?;
    let own_id = keys.text("id", &mut intake.findings);
    let id = id.or(own_id.clone());
    let label = keys.text("label", &mut intake.findings);
    let Some(id) = id else {
        intake.findings.lost(keys.whole(), "a provider without an `id` is not carried over", "");
        let _ = keys.rest();
        return None;
    };
    let prompts = keys.take("prompts").map(texts);
    let mut config = Map::new();
    let mut shaping = Shaping::default();
    let mut params = Map::new();
    if let Some(node) = keys.take("config") {
        let mut inner = Keys::new(source, node, &format!("the config of `{}`", shown(&id)), &mut intake.findings)?;
        read_config(intake, folder, &mut inner, &mut config, &mut params, &mut shaping);
        if id == "http" || id == "https" || id.starts_with("http://") || id.starts_with("https://") {
            http_entry(intake, &mut inner, &mut config);
        }
        inner.finish(&REASONS, &mut intake.findings);
    }
    let place = keys.whole();
    keys.finish(
        &[
            ("transform", "say it with `transform:` beside the expectations"),
            ("delay", "write `limits: { requests-per-minute: … }` in the model entry"),
            ("env", "set the variables where promptctl runs"),
        ],
        &mut intake.findings,
    );
    let mut entry = entry_of(&mut intake.findings, &id, &mut config, &place)?;
    if !params.is_empty() {
        entry.insert("params".to_owned(), Value::Object(params));
    }
    if key_shape(&Value::Object(entry.clone()).to_string()).is_some() {
        redacted(&mut intake.findings, place, "a provider");
        return None;
    }
    let name = label.clone().unwrap_or_else(|| name_of(&id, &entry).to_owned());
    let answers = answers && !embeds(&id);
    let alias = match &label {
        // Two labels are two models, also where everything else is the same.
        Some(label) => intake.draft.add_labelled_model(label, entry, answers, place),
        None => intake.draft.add_model(&name, entry, answers, place),
    };
    let names = [Some(id), own_id, label].into_iter().flatten().collect();
    Some(Provider { alias, names, prompts, shaping })
}

/// A text or a list of texts.
pub(super) fn texts(node: &Node) -> Vec<String> {
    match &node.data {
        Data::List(items) => items.iter().filter_map(scalar).collect(),
        _ => scalar(node).into_iter().collect(),
    }
}

/// Reads `config:`: parameters, what shapes the prompt, and what belongs to the entry.
fn read_config(
    intake: &mut Intake<'_>,
    folder: &TreePath,
    keys: &mut Keys<'_>,
    entry: &mut Map<String, Value>,
    params: &mut Map<String, Value>,
    shaping: &mut Shaping,
) {
    for name in PARAMS {
        if let Some(node) = keys.take(name) {
            if matches!(name, "generationConfig" | "inferenceConfig")
                && let Value::Object(inner) = node.to_json()
                && !inner.values().any(holds_template)
            {
                params.extend(inner);
                continue;
            }
            if holds_template(&node.to_json()) {
                let message = format!("`{name}` is a template, and is not carried over: a parameter is a value here");
                intake.findings.lost(keys.place(node), message, "write the value");
                continue;
            }
            params.insert(name.to_owned(), node.to_json());
        }
    }
    read_keys(intake, keys, entry);
    for (name, own) in [
        ("apiBaseUrl", "base-url"),
        ("apiHost", "base-url"),
        ("baseUrl", "base-url"),
        ("apiVersion", "api-version"),
        ("region", "region"),
    ] {
        if let Some(text) = keys.text(name, &mut intake.findings) {
            let text = if name == "apiHost" && !text.contains("://") { format!("https://{text}") } else { text };
            entry.insert(own.to_owned(), json!(text.trim_end_matches('/')));
        }
    }
    if let Some(node) = keys.take("tools") {
        let place = keys.place(node);
        shaping.tools = value_or_file(intake, folder, node, &place).map(|value| (value, place));
    }
    if let Some(node) = keys.take("response_format") {
        let place = keys.place(node);
        let Some(value) = value_or_file(intake, folder, node, &place) else { return };
        match value.get("type").and_then(Value::as_str) {
            Some("json_schema") => shaping.output = Some((value, place)),
            Some("text") => {}
            _ => {
                params.insert("response_format".to_owned(), value);
            }
        }
    }
}

/// Whether a text in a value is a template, which is filled in there and sent as it stands here.
pub(super) fn holds_template(value: &Value) -> bool {
    match value {
        Value::String(text) => text.contains("{{") || text.contains("{%"),
        Value::Array(items) => items.iter().any(holds_template),
        Value::Object(map) => map.values().any(holds_template),
        _ => false,
    }
}

fn value_or_file(intake: &mut Intake<'_>, folder: &TreePath, node: &Node, place: &Place) -> Option<Value> {
    match &node.data {
        Data::Text(name) if name.starts_with("file://") => match intake.load(folder, name, place)? {
            Loaded::Value(value) => Some(value),
            Loaded::Text(text) => serde_json::from_str(&text).ok(),
        },
        _ => Some(node.to_json()),
    }
}

/// A key is never written: the name of the variable that holds it is.
fn read_keys(intake: &mut Intake<'_>, keys: &mut Keys<'_>, entry: &mut Map<String, Value>) {
    if let Some(name) = keys.text("apiKeyEnvar", &mut intake.findings) {
        match key_name(&name) {
            Some(name) => {
                entry.insert("api-key-env".to_owned(), json!(name));
            }
            None => redacted(&mut intake.findings, keys.whole(), "apiKeyEnvar"),
        }
    }
    for secret in ["apiKey", "api_key", "token", "accessKeyId", "secretAccessKey", "sessionToken", "authorization"] {
        let Some(node) = keys.take(secret) else { continue };
        let place = keys.place(node);
        match scalar(node).as_deref().and_then(super::keys::variable_of) {
            Some(name) if matches!(secret, "apiKey" | "api_key" | "token") => {
                entry.insert("api-key-env".to_owned(), json!(name));
            }
            _ => redacted(&mut intake.findings, place, secret),
        }
    }
}

const HTTP_HELP: &str = "write a model entry with `provider: http`, its `base-url:`, `body:` and `response:`";
const EXEC_HELP: &str = "write a program that reads `{\"request\": …}` and prints `{\"text\": …}`, and name it in a model entry \
                         with `provider: exec` and `command: […]`";
const OTHER_HELP: &str = "name a model that speaks one of the protocols of `promptctl schema project`";

/// The protocol and the model of an id, and what else its vendor's entry has; `Err` says what to do instead.
fn vendor(id: &str, has_body: bool) -> Result<Map<String, Value>, &'static str> {
    let (kind, rest) = id.split_once(':').unwrap_or((id, ""));
    let model = |modes: &[&str]| match rest.split_once(':') {
        Some((mode, model)) if modes.contains(&mode) => model.to_owned(),
        _ => rest.to_owned(),
    };
    let (provider, model) = match kind {
        "openai" => match rest.split_once(':') {
            Some(("responses", name)) => ("openai-responses", name.to_owned()),
            Some(("embedding" | "embeddings", name)) => ("openai", name.to_owned()),
            Some(("completion" | "image" | "moderation" | "assistant" | "realtime" | "transcription" | "tts", _)) => {
                return Err("only chat models are asked");
            }
            _ => ("openai", model(&["chat"])),
        },
        "anthropic" => ("anthropic", model(&["messages", "completion"])),
        "azure" | "azureopenai" => ("azure-openai", model(&["chat"])),
        "google" | "palm" => ("gemini", model(&["chat"])),
        "ollama" => ("ollama", model(&["chat", "completion"])),
        "bedrock" => ("bedrock", model(&["converse", "completion"])),
        "echo" => {
            let replies = json!([{ "say": "{{ last_user_message }}" }]);
            return Ok(Map::from_iter([("provider".to_owned(), json!("mock")), ("replies".to_owned(), replies)]));
        }
        "http" | "https" if has_body => {
            let mut entry = Map::from_iter([("provider".to_owned(), json!("http"))]);
            if !rest.is_empty() {
                entry.insert("base-url".to_owned(), json!(id));
            }
            return Ok(entry);
        }
        "http" | "https" => return Err(HTTP_HELP),
        "exec" | "file" | "python" | "ruby" | "golang" => return Err(EXEC_HELP),
        "vertex" => return Err("Gemini is asked through its own API: `provider: gemini`"),
        _ => {
            let Some((_, base, variable)) = COMPATIBLE.iter().find(|(name, ..)| *name == kind) else {
                return Err(OTHER_HELP);
            };
            let mut entry = Map::from_iter([
                ("provider".to_owned(), json!("openai")),
                ("model".to_owned(), json!(model(&["chat"]))),
                ("base-url".to_owned(), json!(base)),
            ]);
            if !variable.is_empty() {
                entry.insert("api-key-env".to_owned(), json!(variable));
            }
            return Ok(entry);
        }
    };
    Ok(Map::from_iter([("provider".to_owned(), json!(provider)), ("model".to_owned(), json!(model))]))
}

/// The entry of an id. What is in `config` already goes over it.
fn entry_of(
    findings: &mut Findings,
    id: &str,
    config: &mut Map<String, Value>,
    place: &Place,
) -> Option<Map<String, Value>> {
    let has_body = config.contains_key("body") || config.contains_key("response");
    let found = vendor(id, has_body).and_then(|entry| match entry.get("model").and_then(Value::as_str) {
        Some("") => Err("it names no model"),
        // Names that hold templates of the environment cannot be asked.
        Some(name) if super::template::has_tags(name) => Err("write the model's name out"),
        _ => Ok(entry),
    });
    let mut entry = match found {
        Ok(entry) => entry,
        Err(help) => {
            let id = if key_shape(id).is_some() { "…".to_owned() } else { shown(id) };
            findings.lost(place.clone(), format!("the provider `{id}` is not carried over"), help);
            return None;
        }
    };
    let is = |provider: &str| entry.get("provider") == Some(&json!(provider));
    let (region, version) = (is("bedrock"), is("azure-openai"));
    for (name, value) in std::mem::take(config) {
        if name == "region" && !region || name == "api-version" && !version {
            findings.lost(place.clone(), format!("`{name}` of `{}` is not carried over", shown(id)), "");
            continue;
        }
        entry.insert(name, value);
    }
    Some(entry)
}

/// The body and the path to the answer of a provider over HTTP.
fn http_entry(intake: &mut Intake<'_>, keys: &mut Keys<'_>, entry: &mut Map<String, Value>) {
    if let Some(url) = keys.text("url", &mut intake.findings) {
        entry.insert("base-url".to_owned(), json!(url));
    }
    let method = keys.text("method", &mut intake.findings);
    if method.is_some_and(|method| !method.eq_ignore_ascii_case("post")) {
        intake.findings.lost(keys.whole(), "a provider over HTTP is asked with POST", "");
    }
    if let Some(node) = keys.take("body") {
        let place = keys.place(node);
        let value = match (&node.data, node.to_json()) {
            (Data::Text(text), _) => serde_json::from_str(text).unwrap_or_else(|_| json!(text)),
            (_, value) => value,
        };
        let value = with_our_name(body_value(intake, value, &place));
        entry.insert("body".to_owned(), value);
    }
    let path =
        keys.text("transformResponse", &mut intake.findings).or(keys.text("responseParser", &mut intake.findings));
    if let Some(path) = path {
        match path.trim().strip_prefix("json.") {
            Some(member) if member.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '.' | '[' | ']')) => {
                entry.insert("response".to_owned(), json!({ "text": format!("$.{member}") }));
            }
            _ => {
                let message = format!("`{}` is a program, and is not carried over", shown(&path));
                intake.findings.lost(
                    keys.whole(),
                    message,
                    "write the path to the answer: `response: { text: $.output }`",
                );
            }
        }
    }
    if !entry.contains_key("response") {
        entry.insert("response".to_owned(), json!({ "text": "$.output" }));
        let message = "the path to the answer is a guess: `$.output`";
        intake.findings.note(keys.whole(), message, "write the right one under `response:` of the model entry");
    }
}

fn body_value(intake: &mut Intake<'_>, value: Value, place: &Place) -> Value {
    match value {
        Value::Object(map) => map.into_iter().map(|(name, value)| (name, body_value(intake, value, place))).collect(),
        Value::Array(items) => items.into_iter().map(|item| body_value(intake, item, place)).collect(),
        other => intake.jinja_value(other, place),
    }
}

/// Promptfoo calls the rendered prompt `prompt`.
fn with_our_name(value: Value) -> Value {
    match value {
        Value::String(text) => {
            let text = ["{{ prompt }}", "{{prompt}}", "{{ prompt | tojson }}", "{{ prompt | safe }}"]
                .iter()
                .fold(text, |text, name| text.replace(name, "{{ last_user_message }}"));
            Value::String(text)
        }
        Value::Array(items) => items.into_iter().map(with_our_name).collect(),
        Value::Object(map) => map.into_iter().map(|(name, value)| (name, with_our_name(value))).collect(),
        other => other,
    }
}
