//! `.prompt.yml` of GitHub Models: messages, test data and evaluators in one file.

use serde_json::{Map, Value, json};

use super::chat::our_role;
use super::draft::{CaseDraft, PromptDraft, expectation, variable};
use super::expectations::{Named, build, checked};
use super::finding::{Keys, scalar, shown};
use super::intake::Intake;
use super::shape;
use super::template::{Piece, has_tags, jinja, own_name};
use crate::core::path::TreePath;
use crate::core::problem::{Place, Problem, Problems};
use crate::core::yaml::{self, Data, Node};

const SERVER: &str = "https://models.github.ai/inference";

/// Reads a prompt file into the draft.
pub(super) fn read(intake: &mut Intake<'_>, path: &TreePath) -> Result<(), Problems> {
    let source = intake.tree.source(path).map_err(|error| Problems::from(error.into_problem()))?;
    let node = yaml::parse(&source)?;
    let Some(mut keys) =
        Keys::new(&source, &node, "the prompt", &mut intake.findings).filter(|_| node.get("messages").is_some())
    else {
        let message = "this is no prompt of GitHub Models: it has no `messages`";
        return Err(Problem::error(Place::File(path.to_string()), message).into());
    };
    let place = keys.whole();
    let file = path.file_name();
    let stem =
        [".prompt.yml", ".prompt.yaml", ".yml", ".yaml"].iter().find_map(|end| file.strip_suffix(end)).unwrap_or(file);
    let title = keys.text("name", &mut intake.findings);
    let mut prompt = PromptDraft::new(stem, String::new(), place.clone());
    prompt.description = keys.text("description", &mut intake.findings).or(title);
    prompt.body = messages(intake, &mut keys);
    let mut params = Map::new();
    if let Some(node) = keys.take("modelParameters") {
        read_params(intake, &keys, node, &mut params);
    }
    response_format(intake, &mut keys, &mut prompt, &mut params);
    if !params.is_empty() {
        prompt.front.insert("params".to_owned(), Value::Object(params));
    }
    if let Some(model) = keys.text("model", &mut intake.findings) {
        prompt.models = Some(vec![add_model(intake, &model, true, &place)]);
    }
    if let Some(node) = keys.take("testData") {
        prompt.cases = cases(intake, &keys, node);
    }
    if let Some(node) = keys.take("evaluators") {
        for item in list(node) {
            prompt.default_expect.extend(evaluator(intake, &keys, item));
        }
    }
    keys.finish(&[], &mut intake.findings);
    intake.draft.add_prompt(prompt);
    Ok(())
}

fn list(node: &Node) -> &[Node] {
    match &node.data {
        Data::List(items) => items,
        _ => std::slice::from_ref(node),
    }
}

fn add_model(intake: &mut Intake<'_>, id: &str, answers: bool, place: &Place) -> String {
    let entry = json!({ "provider": "openai", "model": id, "base-url": SERVER, "api-key-env": "GITHUB_TOKEN" });
    let entry = entry.as_object().cloned().unwrap_or_default();
    let name = id.rsplit('/').next().unwrap_or(id).to_owned();
    intake.draft.add_model(&name, entry, answers, place.clone())
}

/// `{{name}}` is a variable there; everything else is text.
pub(super) fn translate(text: &str) -> String {
    let mut pieces = Vec::new();
    let mut rest = text;
    while let Some(start) = rest.find("{{") {
        let end = rest[start..].find("}}").map(|end| start + end);
        let name = end.map(|end| rest[start + 2..end].trim());
        let is_name = |name: &str| {
            !name.is_empty()
                && !name.starts_with(|c: char| c.is_ascii_digit())
                && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-'))
        };
        match (end, name) {
            (Some(end), Some(name)) if is_name(name) => {
                pieces.push(Piece::Literal(rest[..start].to_owned()));
                pieces.push(Piece::Tag(format!("{{{{ {} }}}}", variable_name(name))));
                rest = &rest[end + 2..];
            }
            _ => {
                pieces.push(Piece::Literal(rest[..=start].to_owned()));
                rest = &rest[start + 1..];
            }
        }
    }
    pieces.push(Piece::Literal(rest.to_owned()));
    // A brace that was cut off must not open a tag together with what follows.
    let mut joined: Vec<Piece> = Vec::new();
    for piece in pieces {
        match (joined.last_mut(), piece) {
            (Some(Piece::Literal(before)), Piece::Literal(more)) => before.push_str(&more),
            (_, piece) => joined.push(piece),
        }
    }
    jinja(&joined)
}

fn variable_name(name: &str) -> String {
    own_name(&name.replace('-', "_"))
}

fn messages(intake: &mut Intake<'_>, keys: &mut Keys<'_>) -> String {
    let mut body = String::new();
    let Some(node) = keys.take("messages") else { return body };
    for item in list(node) {
        let Some(mut message) = Keys::new(&keys.source, item, "a message", &mut intake.findings) else { continue };
        let place = message.whole();
        let role = message.text("role", &mut intake.findings).unwrap_or_else(|| "user".to_owned());
        let role = our_role(&role, &mut intake.findings, &place);
        let content = message.text("content", &mut intake.findings).unwrap_or_default();
        message.finish(&[], &mut intake.findings);
        body.push_str(&format!("{{{{ role(\"{}\") }}}}\n{}\n", role.name(), translate(content.trim_end_matches('\n'))));
    }
    body
}

fn read_params(intake: &mut Intake<'_>, keys: &Keys<'_>, node: &Node, params: &mut Map<String, Value>) {
    let Some(mut given) = Keys::new(&keys.source, node, "modelParameters", &mut intake.findings) else { return };
    for (name, own) in [
        ("temperature", "temperature"),
        ("maxTokens", "max_tokens"),
        ("maxCompletionTokens", "max_completion_tokens"),
        ("topP", "top_p"),
    ] {
        if let Some(node) = given.take(name) {
            params.insert(own.to_owned(), node.to_json());
        }
    }
    given.finish(&[], &mut intake.findings);
}

fn response_format(
    intake: &mut Intake<'_>,
    keys: &mut Keys<'_>,
    prompt: &mut PromptDraft,
    params: &mut Map<String, Value>,
) {
    let format = keys.text("responseFormat", &mut intake.findings);
    let schema = keys.take("jsonSchema").map(|node| (node, keys.place(node)));
    match (format.as_deref(), schema) {
        (Some("json_schema"), Some((node, place))) => {
            let value = scalar(node).map_or_else(|| Ok(node.to_json()), |text| serde_json::from_str::<Value>(&text));
            match value {
                Ok(value) => {
                    if let Some(output) = shape::output(&value, &mut intake.findings, &place) {
                        prompt.front.insert("output".to_owned(), output);
                    }
                }
                Err(error) => intake.findings.lost(place, format!("`jsonSchema` is no JSON: {error}"), ""),
            }
        }
        (Some("json_schema"), None) => {
            intake.findings.lost(keys.whole(), "`responseFormat: json_schema` comes without a `jsonSchema`", "");
        }
        (other, schema) => {
            if other == Some("json_object") {
                params.insert("response_format".to_owned(), json!({ "type": "json_object" }));
            }
            if let Some((_, place)) = schema {
                intake.findings.lost(place, "`jsonSchema` has no effect without `responseFormat: json_schema`", "");
            }
        }
    }
}

fn cases(intake: &mut Intake<'_>, keys: &Keys<'_>, node: &Node) -> Vec<CaseDraft> {
    let mut cases = Vec::new();
    for item in list(node) {
        let place = Place::span(&keys.source, item.span.clone());
        let Data::Map(entries) = &item.data else {
            intake.findings.lost(place, format!("an entry of `testData` is {}", item.kind()), "");
            continue;
        };
        let mut case = CaseDraft::new(place);
        for (key, value) in entries {
            let place = Place::span(&keys.source, value.span.clone());
            // What stands there is put in as text, whatever it is.
            let value = match scalar(value) {
                Some(text) => Some(Value::String(text)),
                None => variable(value, &place, &mut intake.findings),
            };
            if let Some(value) = value {
                case.variables.insert(variable_name(&key.text), value);
            }
        }
        cases.push(case);
    }
    cases
}

fn evaluator(intake: &mut Intake<'_>, keys: &Keys<'_>, item: &Node) -> Vec<Value> {
    let Some(mut given) = Keys::new(&keys.source, item, "an evaluator", &mut intake.findings) else {
        return Vec::new();
    };
    let place = given.whole();
    let name = given.text("name", &mut intake.findings);
    let beside = Map::from_iter(name.map(|name| ("metric".to_owned(), json!(name))));
    let mut found = Vec::new();
    if let Some(node) = given.take("string") {
        found.extend(string_evaluator(intake, keys, node, &beside));
    }
    if let Some(node) = given.take("llm") {
        found.extend(model_evaluator(intake, keys, node, &beside));
    }
    if let Some(uses) = given.text("uses", &mut intake.findings) {
        found.extend(built_in(intake, &uses, &beside, &place));
    }
    given.finish(&[], &mut intake.findings);
    found
}

/// The first of the four decides there, and blanks around the answer do not count.
fn string_evaluator(
    intake: &mut Intake<'_>,
    keys: &Keys<'_>,
    node: &Node,
    beside: &Map<String, Value>,
) -> Option<Value> {
    let mut given = Keys::new(&keys.source, node, "a string evaluator", &mut intake.findings)?;
    let place = given.whole();
    let mut made = None;
    for (name, own, folds) in [
        ("equals", "equals", false),
        ("contains", "icontains", false),
        ("startsWith", "starts-with", true),
        ("endsWith", "ends-with", true),
    ] {
        let Some(text) = given.text(name, &mut intake.findings).filter(|text| !text.is_empty()) else { continue };
        if made.is_some() {
            let message = format!("`{name}` has no effect beside another test of the same evaluator");
            intake.findings.lost(place.clone(), message, "write a second evaluator");
            continue;
        }
        let value = translate(&text);
        let (value, steps) = match (own, folds) {
            ("icontains", _) => (value, None),
            (_, true) if !has_tags(&value) => (value.to_lowercase(), Some(json!(["trim", "lower"]))),
            (_, true) => (format!("{{% filter lower %}}{value}{{% endfilter %}}"), Some(json!(["trim", "lower"]))),
            _ => (value, Some(json!("trim"))),
        };
        let mut options = beside.clone();
        if let Some(steps) = steps {
            options.insert("transform".to_owned(), steps);
        }
        made = checked(intake, &place, name, expectation(own, Some(json!(value)), options));
    }
    given.finish(&[], &mut intake.findings);
    made
}

/// A judge with choices becomes a rubric: what it is asked is kept, what its choices score is not.
fn model_evaluator(
    intake: &mut Intake<'_>,
    keys: &Keys<'_>,
    node: &Node,
    beside: &Map<String, Value>,
) -> Option<Value> {
    let mut given = Keys::new(&keys.source, node, "a model's evaluator", &mut intake.findings)?;
    let place = given.whole();
    let model = given.text("modelId", &mut intake.findings).map(|id| add_model(intake, &id, false, &place));
    let parts = [given.text("systemPrompt", &mut intake.findings), given.text("prompt", &mut intake.findings)];
    let text = parts.into_iter().flatten().collect::<Vec<_>>().join("\n\n");
    let choices = given.take("choices").map(Node::to_json).unwrap_or_default();
    let good: Vec<String> = choices
        .as_array()
        .into_iter()
        .flatten()
        .filter(|choice| choice["score"].as_f64().is_some_and(|score| score > 0.0))
        .filter_map(|choice| choice["choice"].as_str().map(str::to_owned))
        .collect();
    given.finish(&[], &mut intake.findings);
    let text = text.replace("{{completion}}", "(the answer)").replace("{{ completion }}", "(the answer)");
    let passing = if good.is_empty() {
        String::new()
    } else {
        format!("\n\nThe answer passes where this is said of it: {}.", good.join(", "))
    };
    let message = "a judge with choices becomes `llm-rubric`, which says in JSON whether the answer passes; the scores of the choices are gone";
    intake.findings.note(place.clone(), message, "read the rubric once");
    let value = json!(format!("{}{}", translate(text.trim()), super::template::literal(&passing)));
    build(intake, &place, &Named { kind: "llm-rubric", judge: model }, Some(value), None, beside.clone())
}

fn built_in(intake: &mut Intake<'_>, uses: &str, beside: &Map<String, Value>, place: &Place) -> Option<Value> {
    let (kind, value) = match uses {
        "github/similarity" => ("factuality", Some("{{ expected }}")),
        "github/relevance" => ("llm-rubric", Some("The answer is about what was asked, and answers it.")),
        "github/groundedness" => ("context-faithfulness", None),
        "github/coherence" => {
            ("llm-rubric", Some("The answer is coherent: its parts belong together and follow from one another."))
        }
        "github/fluency" => ("llm-rubric", Some("The answer is fluent: grammatical, natural and easy to read.")),
        other => {
            let message = format!("the evaluator `{}` is not carried over", shown(other));
            intake.findings.lost(place.clone(), message, "write what it judges as `llm-rubric`");
            return None;
        }
    };
    intake.findings.note(place.clone(), format!("`{uses}` becomes `{kind}`, which judges by another prompt"), "");
    build(intake, place, &Named { kind, judge: None }, value.map(Value::from), None, beside.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_in_braces_is_a_variable_and_the_rest_is_text() {
        assert_eq!(translate("a {{ticket}} {{ b-c }}"), "a {{ ticket }} {{ b_c }}");
        for text in ["{{ a | b }}", "{% if x %}", "{{{x}", "{{", "{{1}}", "{# x #}"] {
            let inline = crate::prompt::Inline::new(&translate(text)).expect("well-formed");
            assert_eq!(inline.render(&minijinja::context! {}).expect("text"), text);
        }
        assert_eq!(translate("{{{x}}}"), "{{ \"{\" }}{{ x }}}");
    }
}
