//! The messages of a request: who speaks, what is said, what is shown.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::digest::sha256_hex;
use super::record::ToolCall;

/// Who speaks in a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Instructions.
    System,
    /// The person, or what stands for one.
    User,
    /// The model itself, earlier in the conversation.
    Assistant,
    /// Instructions, as newer models of OpenAI name them.
    Developer,
    /// A tool's result.
    Tool,
}

impl Role {
    /// Every role and its name.
    pub const ALL: [(&'static str, Self); 5] = [
        ("system", Self::System),
        ("user", Self::User),
        ("assistant", Self::Assistant),
        ("developer", Self::Developer),
        ("tool", Self::Tool),
    ];

    /// The role's name.
    #[must_use]
    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(_, role)| *role == self).map_or("", |(name, _)| name)
    }

    /// The role of that name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|(known, _)| *known == name).map(|(_, role)| *role)
    }

    /// Whether instructions are given.
    #[must_use]
    pub fn instructs(self) -> bool {
        matches!(self, Self::System | Self::Developer)
    }
}

/// A picture that stands in a message. A recording keeps which one it was, not its bytes.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Image {
    /// Where it stands: after this many bytes of the message's text.
    pub at: usize,
    /// The file in the tree.
    pub file: String,
    /// What it is (`image/png`).
    pub media_type: String,
    /// SHA-256 of its bytes.
    pub sha256: String,
    #[serde(skip)]
    bytes: Arc<[u8]>,
}

impl Image {
    /// A picture with these bytes, at the start of a message.
    #[must_use]
    pub fn new(file: &str, media_type: &str, bytes: Arc<[u8]>) -> Self {
        Self { at: 0, file: file.into(), media_type: media_type.into(), sha256: sha256_hex(&bytes), bytes }
    }

    /// The same at another place of the text.
    #[must_use]
    pub fn at(mut self, at: usize) -> Self {
        self.at = at;
        self
    }

    /// Its bytes; empty where it was read from a recording.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

/// The same picture at the same place, whatever its file is called.
impl PartialEq for Image {
    fn eq(&self, other: &Self) -> bool {
        (self.at, &self.media_type, &self.sha256) == (other.at, &other.media_type, &other.sha256)
    }
}

/// One message of a request.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Message {
    /// Who speaks.
    pub role: Role,
    /// What is said.
    pub content: String,
    /// The pictures in it, in the order of their places.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub images: Vec<Image>,
    /// The calls of tools that the model asked for, where it speaks.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tool_calls: Vec<ToolCall>,
    /// The call that a tool's result answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tool_call_id: Option<String>,
}

/// A stretch of a message.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Part<'m> {
    /// Text, never empty.
    Text(&'m str),
    /// A picture.
    Image(&'m Image),
}

impl Message {
    /// A message of text alone.
    #[must_use]
    pub fn new(role: Role, content: impl Into<String>) -> Self {
        Self { role, content: content.into(), images: Vec::new(), tool_calls: Vec::new(), tool_call_id: None }
    }

    /// Text and pictures in their order.
    #[must_use]
    pub fn parts(&self) -> Vec<Part<'_>> {
        let mut parts = Vec::with_capacity(2 * self.images.len() + 1);
        let mut from = 0;
        for image in &self.images {
            let text = self.content.get(from..image.at).unwrap_or_default();
            // A stretch of white space beside a picture says nothing, and some servers refuse it.
            if !text.trim().is_empty() {
                parts.push(Part::Text(text));
            }
            from = from.max(image.at);
            parts.push(Part::Image(image));
        }
        let text = self.content.get(from..).unwrap_or_default();
        let says = if self.images.is_empty() { !text.is_empty() } else { !text.trim().is_empty() };
        if says {
            parts.push(Part::Text(text));
        }
        parts
    }

    /// The message as a person reads it: pictures are named where they stand, calls of tools after the text.
    #[must_use]
    pub fn shown(&self) -> String {
        let part = |part: &Part<'_>| match part {
            Part::Text(text) => (*text).to_owned(),
            Part::Image(image) => {
                // A recording may say anything.
                let digest: String = image.sha256.chars().take(8).collect();
                format!("[image {} {} {digest}]", image.file, image.media_type)
            }
        };
        // Without a picture there is nothing to put together, not even of white space.
        let mut text =
            if self.images.is_empty() { self.content.clone() } else { self.parts().iter().map(part).collect() };
        for call in &self.tool_calls {
            if !text.is_empty() {
                text.push('\n');
            }
            text.push_str(&format!("[call {} {} {}]", call.id, call.name, call.arguments));
        }
        text
    }

    /// What of the message the key of its request covers.
    #[must_use]
    pub fn canonical(&self) -> Value {
        let mut value = json!({"content": self.content, "role": self.role.name()});
        if !self.images.is_empty() {
            let image = |i: &Image| json!({"at": i.at, "media_type": i.media_type, "sha256": i.sha256});
            value["images"] = self.images.iter().map(image).collect();
        }
        if !self.tool_calls.is_empty() {
            value["tool_calls"] = json!(self.tool_calls);
        }
        if let Some(id) = &self.tool_call_id {
            value["tool_call_id"] = json!(id);
        }
        value
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_follow_the_text() {
        let image = |at| Image::new("a.png", "image/png", b"x".as_slice().into()).at(at);
        let mut message = Message::new(Role::User, "before after");
        message.images = vec![image(0), image(7), image(7), image(12)];
        let shown: Vec<&str> = message
            .parts()
            .into_iter()
            .map(|part| match part {
                Part::Text(text) => text,
                Part::Image(_) => "*",
            })
            .collect();
        assert_eq!(shown, ["*", "before ", "*", "*", "after", "*"]);
    }
}
