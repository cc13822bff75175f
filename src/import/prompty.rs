//! `.prompty` files, of the first and of the second version: a front matter and a template with lines that open roles.

use std::ops::Range;
use std::sync::{Arc, LazyLock};

use regex::Regex;
use serde_json::{Map, Value, json};

use super::chat::our_role;
use super::draft::{CaseDraft, PromptDraft, variable};
use super::finding::{Findings, Keys, scalar, shown};
use super::intake::Intake;
use super::keys::{redacted, variable_of};
use super::prompty_form::{resolved, schema_type};
use super::template::own_name;
use super::{dotprompt, github_models, nunjucks, prompty_form, shape};
use crate::core::path::TreePath;
use crate::core::problem::{Place, Problem, Problems, Source};
use crate::core::yaml::{self, Data, Node};

/// A line that opens a message.
static ROLE: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(r"(?i)^[ \t]*#?[ \t]*(system|user|assistant|developer|tool|function)[ \t]*(\[[^\]\n]*\])?[ \t]*:[ \t]*$")
        .ok()
});

/// Reads a prompt into the draft.
pub(super) fn read(intake: &mut Intake<'_>, path: &TreePath) -> Result<(), Problems> {
    let source = intake.tree.source(path).map_err(|error| Problems::from(error.into_problem()))?;
    let Some((front, start)) = dotprompt::body_start(&source.text) else {
        let message = "this is no prompt of Prompty: it has no front matter between two lines `---`";
        return Err(Problem::error(Place::File(path.to_string()), message).into());
    };
    let node = yaml::parse_range(&source, front)?;
    let folder = path.parent();
    let stem = path.file_name().strip_suffix(".prompty").unwrap_or(path.file_name());
    let place = Place::span(&source, 0..0);
    let mut prompt = PromptDraft::new(stem, String::new(), place.clone());
    let mut is_mustache = false;
    if let Some(mut keys) = Keys::new(&source, &node, "the front matter", &mut intake.findings) {
        let title = keys.text("displayName", &mut intake.findings);
        let name = keys.text("name", &mut intake.findings);
        let description = keys.text("description", &mut intake.findings);
        prompt.name = super::draft::prompt_name(name.as_deref().unwrap_or(stem));
        prompt.description = description.or(title);
        if let Some(node) = keys.take("model") {
            model(intake, &source, node, &mut prompt, &place);
        }
        let sample = keys.take("sample").map(|node| (node.to_json(), keys.place(node)));
        let mut example = Map::new();
        for name in ["inputs", "inputSchema"] {
            if let Some(node) = keys.take(name) {
                inputs(intake, &source, &folder, node, &mut prompt, &mut example);
            }
        }
        if let Some((Value::Object(sample), place)) = sample {
            let value = |(name, value): (String, Value)| (own_name(&name), resolved(intake, &folder, value, &place));
            example.extend(sample.into_iter().map(value));
        } else if let Some((Value::String(file), place)) = sample {
            sample_file(intake, &folder, &file, &place, &mut example);
        }
        for name in ["outputs", "outputSchema"] {
            if let Some(node) = keys.take(name)
                && let Some(output) = prompty_form::output(intake, &source, node)
            {
                prompt.front.entry("output").or_insert(output);
            }
        }
        if let Some(node) = keys.take("tools")
            && let Some(tools) = prompty_form::tools(intake, &source, node)
        {
            prompt.front.insert("tools".to_owned(), tools);
        }
        if let Some(node) = keys.take("template") {
            is_mustache = node.to_json().to_string().contains("mustache");
        }
        keys.finish(
            &[
                ("authors", "git knows them"),
                ("tags", "give cases `tags:`"),
                ("version", "write a semantic version as `version:` of the front matter"),
            ],
            &mut intake.findings,
        );
        if !example.is_empty() {
            let mut case = CaseDraft { name: Some("the sample".to_owned()), ..CaseDraft::new(place.clone()) };
            case.variables = example.into_iter().filter(|(name, _)| name != "chat_history").collect();
            prompt.cases.push(case);
        }
    }
    prompt.body = body(intake, &source, start, &folder, is_mustache);
    intake.draft.add_prompt(prompt);
    Ok(())
}

/// The model and its options.
fn model(intake: &mut Intake<'_>, source: &Arc<Source>, node: &Node, prompt: &mut PromptDraft, place: &Place) {
    if let Some(id) = scalar(node) {
        prompt.models = add_model(intake, "openai", &id, Map::new(), place).map(|alias| vec![alias]);
        return;
    }
    let Some(mut keys) = Keys::new(source, node, "model", &mut intake.findings) else { return };
    let id = keys.text("id", &mut intake.findings);
    let mut provider = keys.text("provider", &mut intake.findings);
    for name in ["apiType", "api"] {
        let api = keys.text(name, &mut intake.findings);
        if api.as_deref() == Some("responses") {
            provider = Some("responses".to_owned());
        } else if api.is_some_and(|api| !matches!(api.as_str(), "chat" | "completion")) {
            intake.findings.lost(keys.whole(), "only chat models are asked", "");
        }
    }
    let mut entry = Map::new();
    let mut deployment = None;
    for name in ["connection", "configuration"] {
        if let Some(node) = keys.take(name) {
            connection(intake, source, node, &mut entry, &mut provider, &mut deployment);
        }
    }
    let mut params = Map::new();
    for name in ["options", "parameters"] {
        if let Some(node) = keys.take(name) {
            options(intake, source, node, &mut params, prompt);
        }
    }
    if !params.is_empty() {
        prompt.front.insert("params".to_owned(), Value::Object(params));
    }
    keys.finish(&[("response", "the whole answer is read")], &mut intake.findings);
    match id.or(deployment) {
        Some(id) if variable_of(&id).is_none() => {
            let alias = add_model(intake, provider.as_deref().unwrap_or("openai"), &id, entry, place);
            prompt.models = alias.map(|alias| vec![alias]);
        }
        Some(id) => {
            let message = format!("the model `{}` is in a variable, and is not carried over", shown(&id));
            intake.findings.lost(place.clone(), message, "write its name into promptctl.yaml");
        }
        None => intake.findings.lost(place.clone(), "`model` names no model", "write its name into promptctl.yaml"),
    }
}

fn add_model(
    intake: &mut Intake<'_>,
    provider: &str,
    id: &str,
    mut entry: Map<String, Value>,
    place: &Place,
) -> Option<String> {
    let own = match provider {
        "azure" | "azure_openai" | "azure_openai_beta" => "azure-openai",
        "anthropic" => "anthropic",
        "responses" => "openai-responses",
        "openai" => "openai",
        other => {
            let message = format!("the provider `{}` is not carried over", shown(other));
            intake.findings.lost(place.clone(), message, "name a model in promptctl.yaml");
            return None;
        }
    };
    if own != "azure-openai" && entry.remove("api-version").is_some() {
        intake.findings.lost(place.clone(), "`api_version` is not carried over", "");
    }
    let mut whole = Map::from_iter([("provider".to_owned(), json!(own)), ("model".to_owned(), json!(id))]);
    whole.append(&mut entry);
    Some(intake.draft.add_model(id, whole, true, place.clone()))
}

fn connection(
    intake: &mut Intake<'_>,
    source: &Arc<Source>,
    node: &Node,
    entry: &mut Map<String, Value>,
    provider: &mut Option<String>,
    deployment: &mut Option<String>,
) {
    let Some(mut keys) = Keys::new(source, node, "the connection", &mut intake.findings) else { return };
    let _ = keys.take_entry("kind");
    if let Some(kind) = keys.text("type", &mut intake.findings) {
        provider.get_or_insert(kind);
    }
    for name in ["azure_deployment", "name"] {
        *deployment = keys.text(name, &mut intake.findings).or(deployment.take());
    }
    for name in ["apiKey", "api_key"] {
        let Some(node) = keys.take(name) else { continue };
        match scalar(node).as_deref().and_then(variable_of) {
            Some(variable) => {
                entry.insert("api-key-env".to_owned(), json!(variable));
            }
            None => redacted(&mut intake.findings, keys.place(node), name),
        }
    }
    for (name, own) in [
        ("endpoint", "base-url"),
        ("azure_endpoint", "base-url"),
        ("base_url", "base-url"),
        ("api_version", "api-version"),
    ] {
        let Some(node) = keys.take(name) else { continue };
        let place = keys.place(node);
        match scalar(node) {
            Some(text) if text.contains("${") => {
                let message = format!("`{name}` is in a variable, and is not carried over");
                intake.findings.lost(place, message, format!("write it as `{own}:` of the model entry"));
            }
            Some(text) => {
                entry.insert(own.to_owned(), json!(text.trim_end_matches('/')));
            }
            None => {}
        }
    }
    keys.finish(&[], &mut intake.findings);
}

fn options(
    intake: &mut Intake<'_>,
    source: &Arc<Source>,
    node: &Node,
    params: &mut Map<String, Value>,
    prompt: &mut PromptDraft,
) {
    let Some(mut keys) = Keys::new(source, node, "the options of the model", &mut intake.findings) else { return };
    for (name, own) in [
        ("temperature", "temperature"),
        ("maxOutputTokens", "max_tokens"),
        ("max_tokens", "max_tokens"),
        ("max_completion_tokens", "max_completion_tokens"),
        ("topP", "top_p"),
        ("top_p", "top_p"),
        ("topK", "top_k"),
        ("frequencyPenalty", "frequency_penalty"),
        ("frequency_penalty", "frequency_penalty"),
        ("presencePenalty", "presence_penalty"),
        ("presence_penalty", "presence_penalty"),
        ("seed", "seed"),
        ("stopSequences", "stop"),
        ("stop", "stop"),
        ("allowMultipleToolCalls", "parallel_tool_calls"),
        ("tool_choice", "tool_choice"),
    ] {
        if let Some(node) = keys.take(name) {
            params.insert(own.to_owned(), node.to_json());
        }
    }
    if let Some(Value::Object(more)) = keys.take("additionalProperties").map(Node::to_json) {
        params.extend(more);
    }
    if let Some(node) = keys.take("tools") {
        let place = keys.place(node);
        if let Some(tools) = shape::tools(&node.to_json(), &mut intake.findings, &place) {
            prompt.front.insert("tools".to_owned(), tools);
        }
    }
    if let Some(node) = keys.take("response_format") {
        let (place, value) = (keys.place(node), node.to_json());
        if value["type"] == "json_schema" {
            if let Some(output) = shape::output(&value, &mut intake.findings, &place) {
                prompt.front.insert("output".to_owned(), output);
            }
        } else if value["type"] != "text" {
            params.insert("response_format".to_owned(), value);
        }
    }
    keys.finish(&[], &mut intake.findings);
}

/// Declares the inputs, and takes their defaults and examples as the values of a case.
fn inputs(
    intake: &mut Intake<'_>,
    source: &Arc<Source>,
    folder: &TreePath,
    node: &Node,
    prompt: &mut PromptDraft,
    example: &mut Map<String, Value>,
) {
    match &node.data {
        Data::List(items) => {
            for item in items {
                let Some(name) = item.get("name").and_then(scalar) else {
                    intake.findings.lost(
                        Place::span(source, item.span.clone()),
                        "an input without a name is not carried over",
                        "",
                    );
                    continue;
                };
                input(intake, source, folder, (&name, item), prompt, example);
            }
        }
        Data::Map(entries) => {
            for (key, value) in entries {
                if matches!(value.data, Data::Map(_)) {
                    input(intake, source, folder, (&key.text, value), prompt, example);
                } else if let Some(value) =
                    variable(value, &Place::span(source, value.span.clone()), &mut intake.findings)
                {
                    let name = own_name(&key.text);
                    prompt.declared.insert(name.clone(), json!({}));
                    let place = Place::span(source, key.span.clone());
                    example.insert(name, resolved(intake, folder, value, &place));
                }
            }
        }
        _ => {}
    }
}

fn input(
    intake: &mut Intake<'_>,
    source: &Arc<Source>,
    folder: &TreePath,
    (name, node): (&str, &Node),
    prompt: &mut PromptDraft,
    example: &mut Map<String, Value>,
) {
    let Some(mut keys) = Keys::new(source, node, &format!("the input `{}`", shown(name)), &mut intake.findings) else {
        return;
    };
    let _ = keys.take_entry("name");
    let kind = keys.text("kind", &mut intake.findings).or(keys.text("type", &mut intake.findings));
    let own = own_name(name);
    let mut schema = Map::new();
    match kind.as_deref() {
        Some("thread") => {
            let message = format!("the input `{}` is a conversation, and is not carried over", shown(name));
            intake.findings.lost(keys.whole(), message, "write the turns before it into the prompt with role()");
            let _ = keys.rest();
            return;
        }
        Some(kind) if schema_type(kind).is_some() => {
            schema.insert("type".to_owned(), json!(schema_type(kind)));
        }
        Some("image" | "file" | "audio") => {
            let message = format!("the input `{}` is a file; its name is a text here", shown(name));
            intake.findings.note(keys.whole(), message, "a picture goes into a case as `{ image: FILE }`");
        }
        _ => {}
    }
    if let Some(text) = keys.text("description", &mut intake.findings) {
        schema.insert("description".to_owned(), json!(text));
    }
    if let Some(values) = keys.take("enumValues") {
        schema.insert("enum".to_owned(), values.to_json());
    }
    let required = keys.take("required").is_some_and(|node| matches!(node.data, Data::Bool(true)));
    let default = keys.take("default").map(|node| resolved(intake, folder, node.to_json(), &keys.place(node)));
    for name in ["example", "sample"] {
        if let Some(node) = keys.take(name) {
            let value = resolved(intake, folder, node.to_json(), &keys.place(node));
            example.insert(own.clone(), value);
        }
    }
    match default {
        // A default may be left out of a case; an input that must be given has none.
        Some(value) if !required => {
            schema.insert("default".to_owned(), value);
        }
        Some(value) => {
            example.entry(own.clone()).or_insert(value);
        }
        None => {}
    }
    keys.finish(&[], &mut intake.findings);
    prompt.declared.insert(own, Value::Object(schema));
}

fn sample_file(
    intake: &mut Intake<'_>,
    folder: &TreePath,
    name: &str,
    place: &Place,
    example: &mut Map<String, Value>,
) {
    let inner = name.trim().strip_prefix("${file:").and_then(|rest| rest.strip_suffix('}')).unwrap_or(name);
    if let Some(super::intake::Loaded::Value(Value::Object(map))) = intake.load(folder, inner, place) {
        example.extend(map.into_iter().map(|(name, value)| (own_name(&name), value)));
    }
}

/// The messages: cut at the lines that open a role before anything is rendered.
fn body(intake: &mut Intake<'_>, source: &Arc<Source>, start: usize, folder: &TreePath, is_mustache: bool) -> String {
    let mut parts: Vec<(Option<String>, Range<usize>)> = vec![(None, start..start)];
    let mut offset = start;
    for line in source.text[start..].split_inclusive('\n') {
        let end = offset + line.len();
        let role = ROLE.as_ref().and_then(|role| role.captures(line.trim_end_matches(['\n', '\r'])));
        match role {
            Some(found) => {
                if found.get(2).is_some() {
                    let place = Place::span(source, offset..end);
                    intake.findings.lost(place, "the attributes of a role are not carried over", "");
                }
                parts.push((Some(found[1].to_ascii_lowercase()), end..end));
            }
            None => {
                if let Some((_, range)) = parts.last_mut() {
                    range.end = end;
                }
            }
        }
        offset = end;
    }
    let mut body = String::new();
    for (role, range) in parts {
        let text = source.text[range.clone()].trim_matches('\n');
        if role.is_none() && text.trim().is_empty() {
            continue;
        }
        let from = range.start + (source.text[range.clone()].len() - source.text[range].trim_start_matches('\n').len());
        let at = |inner: Range<usize>| Place::span(source, from + inner.start..from + inner.end);
        let role = our_role(role.as_deref().unwrap_or("system"), &mut intake.findings, &at(0..0));
        let text = without_references(intake, text, folder, &at);
        let translated = if is_mustache {
            mustache(&text, &at, &mut intake.findings)
        } else {
            nunjucks::translate(&text, &at, &mut intake.findings)
        };
        body.push_str(&format!("{{{{ role(\"{}\") }}}}\n{translated}\n", role.name()));
    }
    body
}

/// `${file:…}` is put in, `${env:…}` is reported.
fn without_references(
    intake: &mut Intake<'_>,
    text: &str,
    folder: &TreePath,
    at: &dyn Fn(Range<usize>) -> Place,
) -> String {
    let mut out = String::new();
    let mut from = 0;
    while let Some(start) = text[from..].find("${").map(|i| from + i) {
        let Some(end) = text[start..].find('}').map(|i| start + i + 1) else { break };
        out.push_str(&text[from..start]);
        let inner = &text[start + 2..end - 1];
        from = end;
        if let Some(name) = inner.strip_prefix("file:") {
            match intake.load(folder, name, &at(start..end)) {
                Some(super::intake::Loaded::Text(text)) => out.push_str(&text),
                Some(super::intake::Loaded::Value(value)) => out.push_str(&value.to_string()),
                None => {}
            }
        } else {
            if inner.starts_with("env:") {
                intake.findings.lost(
                    at(start..end),
                    "the environment is out of reach of a prompt",
                    "give the value as a variable of the case",
                );
            }
            out.push_str(&text[start..end]);
        }
    }
    out.push_str(&text[from..]);
    out
}

/// Mustache without sections is a name in braces; a section is reported.
fn mustache(text: &str, at: &dyn Fn(Range<usize>) -> Place, findings: &mut Findings) -> String {
    for (start, _) in text.match_indices("{{") {
        if text[start + 2..].starts_with(['#', '^', '/', '>']) {
            let end = text[start..].find("}}").map_or(text.len(), |end| start + end + 2);
            let message = "a section of Mustache is not carried over; it stands in the prompt as text";
            findings.lost(at(start..end), message, "write it as `{% if %}` or `{% for %}`");
        }
    }
    github_models::translate(&text.replace("{{{", "{{").replace("}}}", "}}").replace("{{&", "{{"))
}
