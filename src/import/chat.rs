//! Prompts that are a list of messages: cut apart before anything is rendered, so that no value can open a message.

use serde_json::{Map, Value, json};

use super::finding::Findings;
use super::intake::Intake;
use super::template::literal;
use crate::core::problem::{Place, Source};
use crate::core::record::Role;
use crate::core::yaml;

/// A message as it is written, before its template is translated.
#[derive(Clone, Debug)]
pub(super) struct Turn {
    pub(super) role: String,
    pub(super) content: Value,
    pub(super) calls: Vec<Value>,
    /// Who speaks, beside the role.
    pub(super) name: Option<String>,
}

/// What marks an expression that stood outside the quotes of a JSON text.
const UNQUOTED: char = '\u{E0F0}';

/// The messages of a text, if that is what it is.
pub(super) fn turns(text: &str) -> Option<Vec<Turn>> {
    turns_of(&value_of(text)?)
}

/// What a text in which messages may stand says as JSON or YAML.
pub(super) fn value_of(text: &str) -> Option<Value> {
    let text = text.trim();
    if text.starts_with('[') || text.starts_with('{') {
        return serde_json::from_str(text).or_else(|_| serde_json::from_str(&quoted_expressions(text))).ok();
    }
    if text.starts_with("- role:") || text.starts_with("- \"role\"") || text.starts_with("- content:") {
        let source = Source::new("prompt", text);
        return Some(yaml::parse(&source).ok()?.to_json());
    }
    None
}

/// The messages of a value, if that is what it is.
pub(super) fn turns_of(value: &Value) -> Option<Vec<Turn>> {
    let items = match value {
        Value::Array(items) => items,
        Value::Object(map) => map.get("messages")?.as_array()?,
        _ => return None,
    };
    let turn = |item: &Value| {
        let role = item.get("role")?.as_str()?.to_owned();
        let calls = item.get("tool_calls").and_then(Value::as_array).cloned().unwrap_or_default();
        let name = item.get("name").and_then(Value::as_str).map(str::to_owned);
        Some(Turn { role, content: item.get("content").cloned().unwrap_or(Value::Null), calls, name })
    };
    let turns: Option<Vec<Turn>> = items.iter().map(turn).collect();
    turns.filter(|turns| !turns.is_empty())
}

/// A JSON text in which every expression outside of quotes stands in quotes; `| dump` is what put them there.
fn quoted_expressions(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    let mut quoted = false;
    while let Some(c) = rest.chars().next() {
        if !quoted && rest.starts_with("{{") {
            let Some(end) = rest.find("}}") else { break };
            let inner = rest[2..end].trim().trim_matches('-').trim();
            let inner =
                ["| dump", "|dump", "| tojson", "|tojson"].iter().find_map(|f| inner.strip_suffix(f)).unwrap_or(inner);
            let expression = format!("{UNQUOTED}{{{{ {} }}}}", inner.trim());
            out.push_str(&Value::String(expression).to_string());
            rest = &rest[end + 2..];
            continue;
        }
        if quoted && rest.starts_with("{{") {
            // The quotes within an expression do not end the text around it.
            let Some(end) = rest.find("}}") else { break };
            let inner = &rest[..end + 2];
            let escaped = if inner.contains("\\\"") { inner.to_owned() } else { inner.replace('"', "\\\"") };
            out.push_str(&escaped);
            rest = &rest[end + 2..];
            continue;
        }
        if quoted && c == '\\' {
            let taken: String = rest.chars().take(2).collect();
            out.push_str(&taken);
            rest = &rest[taken.len()..];
            continue;
        }
        quoted ^= c == '"';
        out.push(c);
        rest = &rest[c.len_utf8()..];
    }
    out.push_str(rest);
    out
}

/// The body of a prompt with these messages: each opened by `role()`. `translate` makes Jinja of a text.
pub(super) fn body(
    turns: &[Turn],
    intake: &mut Intake<'_>,
    place: &Place,
    translate: &dyn Fn(&mut Intake<'_>, &str) -> String,
) -> String {
    let mut body = String::new();
    for turn in turns {
        let role = our_role(&turn.role, &mut intake.findings, place);
        body.push_str(&format!("{{{{ role(\"{}\") }}}}\n", role.name()));
        let text = content(&turn.content, intake, place, translate);
        body.push_str(&text);
        if !text.is_empty() && !text.ends_with('\n') {
            body.push('\n');
        }
        for call in &turn.calls {
            match tool_call(call) {
                Some(call) if role == Role::Assistant => body.push_str(&format!("{call}\n")),
                _ => intake.findings.lost(
                    place.clone(),
                    "a call of a tool is not carried over",
                    "write it with `tool_call()`",
                ),
            }
        }
    }
    body
}

/// The role of a message as this program calls it.
pub(super) fn our_role(name: &str, findings: &mut Findings, place: &Place) -> Role {
    let known = match name.trim().to_ascii_lowercase().as_str() {
        "model" | "ai" | "bot" => Some(Role::Assistant),
        "human" => Some(Role::User),
        "function" => Some(Role::Tool),
        other => Role::parse(other),
    };
    known.unwrap_or_else(|| {
        let message =
            format!("there is no role `{}`; its message becomes one of the user", super::finding::shown(name));
        findings.lost(place.clone(), message, "");
        Role::User
    })
}

fn content(
    content: &Value,
    intake: &mut Intake<'_>,
    place: &Place,
    translate: &dyn Fn(&mut Intake<'_>, &str) -> String,
) -> String {
    match content {
        Value::Null => String::new(),
        Value::String(text) => translate(intake, text.trim_start_matches(UNQUOTED)),
        Value::Array(parts) => {
            let mut texts = Vec::new();
            for part in parts {
                match part.get("text").and_then(Value::as_str).or(part.as_str()) {
                    Some(text) => texts.push(translate(intake, text)),
                    None => {
                        let kind = part.get("type").and_then(Value::as_str).unwrap_or("part");
                        let message = format!("the `{}` of a message is not carried over", super::finding::shown(kind));
                        let help = "a picture goes into a case as `{ image: FILE }` and into the template as `{{ image(NAME) }}`";
                        intake.findings.lost(place.clone(), message, help);
                    }
                }
            }
            texts.join("\n")
        }
        other => literal(&other.to_string()),
    }
}

/// A call of a tool in the form of OpenAI, as the template says it.
fn tool_call(call: &Value) -> Option<String> {
    let function = call.get("function").unwrap_or(call);
    let name = function.get("name")?.as_str()?;
    let arguments = match function.get("arguments") {
        Some(Value::String(text)) => serde_json::from_str(text).ok()?,
        Some(value) => value.clone(),
        None => json!({}),
    };
    let arguments: Map<String, Value> = arguments.as_object()?.clone();
    // JSON is an expression of Jinja.
    let id = call.get("id").and_then(Value::as_str).map(|id| format!(", id={}", json!(id))).unwrap_or_default();
    Some(format!("{{{{ tool_call({}, {}{id}) }}}}", json!(name), Value::Object(arguments)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn roles(text: &str) -> Option<Vec<String>> {
        Some(
            turns(text)?
                .into_iter()
                .map(|turn| format!("{}:{}", turn.role, turn.content.as_str().unwrap_or("-")))
                .collect(),
        )
    }

    #[test]
    fn messages_are_found_in_json_and_yaml() {
        let one = Some(vec!["system:a {{ x }}".to_owned()]);
        assert_eq!(roles(r#"[{"role": "system", "content": "a {{ x }}"}]"#), one);
        assert_eq!(roles("- role: system\n  content: 'a {{ x }}'\n"), one);
        assert_eq!(roles(r#"{"messages": [{"role": "system", "content": "a {{ x }}"}]}"#), one);
        assert_eq!(
            roles(r#"[{"role": "user", "content": {{ x | dump }} }]"#),
            Some(vec![format!("user:{UNQUOTED}{{{{ x }}}}")])
        );
        for other in
            ["[1]", "{\"a\": 1}", "plain", "[{\"role\": 1}]", "- a\n- b", "", "[]", "[{% for x in xs %}{}{% endfor %}]"]
        {
            assert_eq!(roles(other), None, "{other}");
        }
    }
}
