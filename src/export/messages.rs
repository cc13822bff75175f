//! Messages in the form of OpenAI: a line of JSON for each case on each model, as fine-tuning and batches take them.

use serde_json::{Map, Value, json};

use super::{Answers, Exported};
use crate::core::record::{Message, Role, Tool, ToolCall};
use crate::plan::{Item, Workspace};

/// Calls of tools, their arguments as text.
pub(super) fn calls(calls: &[ToolCall]) -> Value {
    let call = |call: &ToolCall| {
        json!({ "id": call.id, "type": "function",
                "function": { "name": call.name, "arguments": call.arguments.to_string() } })
    };
    calls.iter().map(call).collect()
}

/// Tools on offer.
pub(super) fn tools(tools: &[Tool]) -> Value {
    let tool = |tool: &Tool| {
        let mut function = Map::from_iter([("name".to_owned(), json!(tool.name))]);
        if !tool.description.is_empty() {
            function.insert("description".to_owned(), json!(tool.description));
        }
        function.insert("parameters".to_owned(), tool.parameters.clone());
        json!({ "type": "function", "function": function })
    };
    tools.iter().map(tool).collect()
}

fn message(message: &Message) -> Value {
    let mut value = Map::from_iter([("role".to_owned(), json!(message.role.name()))]);
    value.insert("content".to_owned(), json!(message.content));
    if !message.tool_calls.is_empty() {
        value.insert("tool_calls".to_owned(), calls(&message.tool_calls));
    }
    if let Some(id) = &message.tool_call_id {
        value.insert("tool_call_id".to_owned(), json!(id));
    }
    Value::Object(value)
}

/// The file `messages.jsonl`. With `answers`, the answer of each item is its last message, and an item without one is
/// left out; with `bare`, a line has nothing but messages and tools.
#[must_use]
pub fn messages(workspace: &Workspace, items: &[Item], answers: Option<&Answers<'_>>, bare: bool) -> Exported {
    let mut exported = Exported::default();
    let mut text = String::new();
    for item in items {
        let case = &workspace.cases.list[item.case];
        let entry = &workspace.config.models[item.model];
        let request = match workspace.request(case, entry) {
            Ok(request) => request,
            Err(problem) => {
                exported.findings.push(problem);
                continue;
            }
        };
        let what = format!("`{}` › `{}` › `{}`", workspace.prompt_of(case).name, case.name, entry.alias);
        if request.messages.iter().any(|message| !message.images.is_empty()) {
            exported.lost(case.place.clone(), format!("{what} shows pictures, and is left out"), "");
            continue;
        }
        if !case.turns.is_empty() {
            exported.lost(
                case.place.clone(),
                format!("of the conversation {what} only the first messages are here"),
                "",
            );
        }
        let mut messages: Vec<Value> = request.messages.iter().map(message).collect();
        if let Some(answers) = answers {
            super::lost_of_samples(item, case, &what, &mut exported);
            let Some(answer) = answers(item) else {
                exported.lost(
                    case.place.clone(),
                    format!("{what} has no answer yet, and is left out"),
                    "run `promptctl test`",
                );
                continue;
            };
            let mut last = Message::new(Role::Assistant, answer.text);
            last.tool_calls = answer.tool_calls;
            messages.push(message(&last));
        }
        let mut line = Map::from_iter([("messages".to_owned(), Value::Array(messages))]);
        if !request.tools.is_empty() {
            line.insert("tools".to_owned(), tools(&request.tools));
        }
        if !bare {
            line.insert("prompt".to_owned(), json!(workspace.prompt_of(case).name));
            line.insert("case".to_owned(), json!(case.name));
            line.insert("model".to_owned(), json!(entry.alias));
        }
        text.push_str(&Value::Object(line).to_string());
        text.push('\n');
        exported.cases += 1;
    }
    exported.add("messages.jsonl", text);
    exported
}
