//! The lines: an example as JSON, in the form of OpenAI's fine-tuning or of Hugging Face's trainers.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::super::messages::{calls, tools};
use super::{Division, Example, Format, Side};
use crate::core::escape;
use crate::core::record::{Message, Role, ToolCall};

/// The lines of both files.
#[derive(Debug)]
pub struct Lines {
    /// What a model is tuned on.
    pub train: Vec<u8>,
    /// What is held out.
    pub validation: Vec<u8>,
    /// The line of each example in its file, from 1.
    pub numbers: Vec<usize>,
}

impl Lines {
    /// Writes the examples, those of each side in the order of the split.
    #[must_use]
    pub fn new(examples: &[Example], division: &Division, format: Format) -> Self {
        let mut lines = Self { train: Vec::new(), validation: Vec::new(), numbers: vec![0; examples.len()] };
        for side in [Side::Train, Side::Validation] {
            for (number, index) in (1..).zip(division.of(side)) {
                lines.numbers[index] = number;
                let bytes = if side == Side::Train { &mut lines.train } else { &mut lines.validation };
                let text = line(&examples[index], format).to_string();
                // Many readers take more than a line feed for the end of a line.
                bytes.extend(escape::json(&text).bytes());
                bytes.push(b'\n');
            }
        }
        lines
    }
}

fn line(example: &Example, format: Format) -> Value {
    let mut names: BTreeMap<&str, &str> = BTreeMap::new();
    let mut messages = Vec::with_capacity(example.messages.len());
    for (at, message) in example.messages.iter().enumerate() {
        names.extend(message.tool_calls.iter().map(|call| (call.id.as_str(), call.name.as_str())));
        messages.push(Value::Object(match format {
            Format::OpenAi => openai(message, at < example.asked),
            Format::Hf => hf(message, &names),
        }));
    }
    let mut line = Map::from_iter([("messages".to_owned(), Value::Array(messages))]);
    if !example.tools.is_empty() {
        let tools = tools(&example.tools);
        // Columns of a table have one type; the schemas of two tools seldom do.
        line.insert("tools".to_owned(), if format == Format::Hf { json!(tools.to_string()) } else { tools });
    }
    Value::Object(line)
}

/// Trainers know instructions by one name alone.
fn role(message: &Message) -> &'static str {
    if message.role.instructs() { Role::System.name() } else { message.role.name() }
}

/// What a prompt shows as an answer is not learnt.
fn openai(message: &Message, of_prompt: bool) -> Map<String, Value> {
    let mut value = Map::from_iter([("role".to_owned(), json!(role(message)))]);
    if let Some(id) = &message.tool_call_id {
        value.insert("tool_call_id".to_owned(), json!(id));
    }
    let only_calls = message.content.is_empty() && !message.tool_calls.is_empty();
    value.insert("content".to_owned(), if only_calls { Value::Null } else { json!(message.content) });
    if !message.tool_calls.is_empty() {
        value.insert("tool_calls".to_owned(), calls(&message.tool_calls));
    }
    if of_prompt && message.role == Role::Assistant {
        value.insert("weight".to_owned(), json!(0));
    }
    value
}

fn hf(message: &Message, names: &BTreeMap<&str, &str>) -> Map<String, Value> {
    let mut value = Map::from_iter([("role".to_owned(), json!(role(message)))]);
    value.insert("content".to_owned(), json!(message.content));
    if !message.tool_calls.is_empty() {
        // Templates of chats write the arguments themselves, and want them as they are.
        let call = |call: &ToolCall| {
            json!({ "id": call.id, "type": "function",
                    "function": { "name": call.name, "arguments": call.arguments } })
        };
        value.insert("tool_calls".to_owned(), message.tool_calls.iter().map(call).collect());
    }
    if let Some(id) = &message.tool_call_id {
        value.insert("tool_call_id".to_owned(), json!(id));
        value.insert("name".to_owned(), json!(names.get(id.as_str()).copied().unwrap_or_default()));
    }
    value
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(id: &str) -> Message {
        let call = ToolCall { id: id.into(), name: "find".into(), arguments: json!({"order": 7}) };
        Message { tool_calls: vec![call], ..Message::new(Role::Assistant, "") }
    }

    #[test]
    fn calls_are_written_as_each_trainer_reads_them() {
        let call = call("c1");
        let shown = Value::Object(openai(&call, false)).to_string();
        assert_eq!(
            shown,
            r#"{"role":"assistant","content":null,"tool_calls":[{"id":"c1","type":"function","function":{"name":"find","arguments":"{\"order\":7}"}}]}"#
        );
        let result = Message { tool_call_id: Some("c1".into()), ..Message::new(Role::Tool, "found") };
        let names = BTreeMap::from([("c1", "find")]);
        let shown = Value::Object(hf(&result, &names)).to_string();
        assert_eq!(shown, r#"{"role":"tool","content":"found","tool_call_id":"c1","name":"find"}"#);
    }

    #[test]
    fn an_answer_that_the_prompt_shows_is_not_learnt() {
        let shown = Message::new(Role::Assistant, "no");
        assert_eq!(openai(&shown, true).get("weight"), Some(&json!(0)));
        assert_eq!(openai(&shown, false).get("weight"), None);
        assert_eq!(role(&Message::new(Role::Developer, "be brief")), "system");
    }

    proptest::proptest! {
        #[test]
        fn an_example_is_one_line_whatever_it_says(text in ".*", worst in "[\n\r\u{2028}\u{85}\"\\\\{}]{0,8}") {
            let message = Message::new(Role::User, format!("{worst}{text}"));
            let line = Value::Object(openai(&message, true)).to_string();
            let line = escape::json(&line);
            let ends = ['\n', '\r', '\u{b}', '\u{c}', '\u{1c}', '\u{85}', '\u{2028}', '\u{2029}'];
            proptest::prop_assert!(!line.contains(ends));
            let back: Value = serde_json::from_str(&line).expect("JSON");
            proptest::prop_assert_eq!(back["content"].as_str(), Some(message.content.as_str()));
        }
    }
}
