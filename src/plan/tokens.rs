//! How many tokens a request has, before anybody counted them: by the model's own vocabulary where that is public, else
//! by a rule of thumb.

use serde_json::{Map, Value, json};

use crate::core::price::Price;
use crate::core::record::{Request, RequestKind, Usage};
use crate::project::{ModelEntry, known_price};

/// Bytes of UTF-8 that a token has, where the vocabulary is not known: English text has about four characters a token,
/// other scripts fewer, of more bytes each.
const BYTES: u64 = 4;
/// Tokens that a message costs beyond its text.
pub const PER_MESSAGE: u64 = 4;
/// The same of a request beyond its messages.
pub const PER_REQUEST: u64 = 3;
/// What a picture is taken for. Vendors count by its size, each in another way.
const PER_IMAGE: u64 = 1000;

/// Names under which a limit on the tokens of an answer is sent.
const LIMITS: [&str; 6] =
    ["max_tokens", "max_completion_tokens", "max_output_tokens", "maxOutputTokens", "maxTokens", "num_predict"];
/// Parameters that may hold such a limit inside.
const NESTED: [&str; 3] = ["generationConfig", "inferenceConfig", "options"];

/// What a request will have read and written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Estimate {
    /// Tokens that the model reads.
    pub input: u64,
    /// The most tokens that it may write, where the request limits them.
    pub output: Option<u64>,
    /// The most tokens that it may write by all that is known: the request's limit, or the model's own.
    pub most: Option<u64>,
    /// Whether the model's own vocabulary was used.
    pub counted: bool,
}

impl Estimate {
    /// How far the input may be off: a tenth where it was counted, a half where it was not.
    #[must_use]
    pub fn margin(&self) -> f64 {
        if self.counted { 0.1 } else { 0.5 }
    }

    /// What an answer may cost at the most, in USD; `None` where nothing limits it.
    #[must_use]
    pub fn most_cost(&self, price: &Price) -> Option<f64> {
        Some(self.cost_with(price, self.most?))
    }

    /// What the request may cost at the most with so many tokens of an answer, in USD.
    #[must_use]
    pub fn cost_with(&self, price: &Price, output: u64) -> f64 {
        #[expect(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        let input = (self.input as f64 * (1.0 + self.margin())).ceil() as u64;
        // Whether it is written into a cache is for the vendor to say.
        let price = price.most(input);
        let dearest = Price {
            input: price.input.max(price.cache_write.unwrap_or(0.0)),
            output: price.output.max(price.reasoning.unwrap_or(0.0)),
            ..price
        };
        dearest.cost(&Usage { input: Some(input), output: Some(output), ..Usage::default() }).unwrap_or_default()
    }

    /// The estimate of a request to a model.
    #[must_use]
    pub fn of(entry: &ModelEntry, request: &Request) -> Self {
        let counter = Counter::of(request);
        let mut input = PER_REQUEST;
        for message in &request.messages {
            input += PER_MESSAGE + counter.count(&message.content) + PER_IMAGE * message.images.len() as u64;
            for call in &message.tool_calls {
                input += counter.count(&call.name) + counter.count(&call.arguments.to_string());
            }
        }
        if !request.tools.is_empty() {
            input += counter.count(&json!(request.tools).to_string());
        }
        if let Some(format) = &request.response_format {
            input += counter.count(&format.schema.to_string());
        }
        // Nobody knows what a picture is counted as before it was.
        let shows = request.messages.iter().any(|message| !message.images.is_empty());
        let body = entry.options.iter().find(|(key, _)| key.text == "body").map(|(_, node)| node.to_json());
        let output = limit(&request.params)
            .or_else(|| limit(body.as_ref()?.as_object()?))
            .or_else(|| default_limit(&request.provider));
        let known = known_price(&entry.provider, entry.base_url.as_deref(), &entry.model);
        let most = output.or_else(|| known?.max_output);
        if request.kind == RequestKind::Embedding {
            // A vector is no tokens.
            return Self { input, output: Some(0), most: Some(0), counted: counter.is_exact() };
        }
        Self { input, output, most, counted: counter.is_exact() && !shows }
    }
}

/// The limit that a provider sends where nobody names one, because its protocol wants one.
#[must_use]
pub fn default_limit(provider: &str) -> Option<u64> {
    (provider == "anthropic").then_some(4096)
}

fn limit(params: &Map<String, Value>) -> Option<u64> {
    let here = LIMITS.iter().find_map(|name| params.get(*name)?.as_u64());
    here.or_else(|| NESTED.iter().find_map(|name| limit(params.get(*name)?.as_object()?)))
}

/// Counts tokens as one model does.
pub struct Counter {
    vocabulary: Option<vocabulary::Vocabulary>,
}

impl Counter {
    /// Counts as the model of a request does, where its vocabulary is public.
    #[must_use]
    pub fn of(request: &Request) -> Self {
        Self::named(&request.provider, &request.model)
    }

    /// The same of a model entry.
    #[must_use]
    pub fn of_entry(entry: &ModelEntry) -> Self {
        Self::named(&entry.provider, &entry.model)
    }

    fn named(provider: &str, model: &str) -> Self {
        let openai = ["openai", "openai-responses", "azure-openai"].contains(&provider);
        // Routers put the vendor before the model: `openai/gpt-4o`.
        let model = model.rsplit('/').next().unwrap_or_default();
        Self { vocabulary: vocabulary::find(model).filter(|_| openai) }
    }

    /// Whether the model's own vocabulary is used.
    #[must_use]
    pub fn is_exact(&self) -> bool {
        self.vocabulary.is_some()
    }

    /// The tokens of a text.
    #[must_use]
    pub fn count(&self, text: &str) -> u64 {
        match self.vocabulary {
            Some(vocabulary) => vocabulary::count(vocabulary, text),
            None => (text.len() as u64).div_ceil(BYTES),
        }
    }
}

#[cfg(feature = "tokenizers")]
mod vocabulary {
    use std::borrow::Cow;

    pub(super) type Vocabulary = &'static tiktoken::CoreBpe;

    pub(super) fn find(model: &str) -> Option<Vocabulary> {
        tiktoken::encoding_for_model(model)
    }

    pub(super) fn count(vocabulary: Vocabulary, text: &str) -> u64 {
        vocabulary.count(&bounded(text)) as u64
    }

    /// One word without an end takes a tokenizer very long: such a text is cut into pieces that it can count.
    fn bounded(text: &str) -> Cow<'_, str> {
        const LONGEST: usize = 2000;
        if text.split(char::is_whitespace).all(|word| word.len() <= LONGEST) {
            return Cow::Borrowed(text);
        }
        let mut cut = String::with_capacity(text.len() + text.len() / LONGEST);
        let mut run = 0;
        for c in text.chars() {
            run = if c.is_whitespace() { 0 } else { run + 1 };
            cut.push(c);
            if run >= LONGEST {
                cut.push('\n');
                run = 0;
            }
        }
        Cow::Owned(cut)
    }
}

#[cfg(not(feature = "tokenizers"))]
mod vocabulary {
    #[derive(Clone, Copy)]
    pub(super) enum Vocabulary {}

    pub(super) fn find(_: &str) -> Option<Vocabulary> {
        None
    }

    pub(super) fn count(vocabulary: Vocabulary, _: &str) -> u64 {
        match vocabulary {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::path::TreePath;
    use crate::core::problem::Problems;
    use crate::core::record::{Message, Role};
    use crate::project::Config;
    use crate::tree::{Tree, TreeError};

    /// A tree with just a configuration.
    struct OneFile(String);

    impl Tree for OneFile {
        fn describe(&self) -> String {
            "a test".into()
        }

        fn list(&self, _: &TreePath) -> Result<Vec<TreePath>, TreeError> {
            Ok(Vec::new())
        }

        fn read(&self, _: &TreePath, _: u64) -> Result<Vec<u8>, TreeError> {
            Ok(self.0.clone().into_bytes())
        }
    }

    fn entry(keys: &str) -> ModelEntry {
        let tree = OneFile(format!("models:\n  m: {{ {keys} }}\n"));
        Config::load(&tree, &mut Problems::default()).expect("a project").models.remove(0)
    }

    fn request(model: &str, text: &str, params: &Value) -> Request {
        Request {
            provider: "openai".into(),
            model: model.into(),
            kind: RequestKind::Answer,
            messages: vec![Message::new(Role::User, text)],
            tools: Vec::new(),
            response_format: None,
            params: params.as_object().cloned().unwrap_or_default(),
            extras: None,
            retrieved: None,
        }
    }

    #[cfg(feature = "tokenizers")]
    #[test]
    fn a_public_vocabulary_counts() {
        // "hello world" is two tokens of o200k_base.
        let model = entry("provider: openai, model: gpt-4.1-mini");
        let estimate = Estimate::of(&model, &request("gpt-4.1-mini", "hello world", &json!({"max_tokens": 60})));
        let input = 2 + PER_MESSAGE + PER_REQUEST;
        assert_eq!(estimate, Estimate { input, output: Some(60), most: Some(60), counted: true });
        let long = Estimate::of(&model, &request("gpt-4.1-mini", &"x".repeat(1 << 20), &json!({})));
        assert!(long.input > 10_000, "{long:?}");
        // Without a limit of the request there is the one of the model.
        assert_eq!((long.output, long.most), (None, Some(32_768)));
    }

    #[test]
    fn other_models_are_guessed() {
        let model = entry("provider: openai, model: local");
        let estimate = Estimate::of(&model, &request("local", "hello world!", &json!({"options": {"num_predict": 9}})));
        let input = 3 + PER_MESSAGE + PER_REQUEST;
        assert_eq!(estimate, Estimate { input, output: Some(9), most: Some(9), counted: false });
        let body = entry("provider: openai, model: local, body: { max_tokens: 7 }");
        assert_eq!(Estimate::of(&body, &request("local", "x", &json!({}))).output, Some(7));
        assert_eq!(Estimate::of(&model, &request("local", "x", &json!({}))).most, None);
    }

    #[test]
    fn the_most_that_a_request_may_cost_counts_the_margin() {
        let estimate = Estimate { input: 1000, output: Some(100), most: Some(100), counted: false };
        let price = Price {
            input: 1.0,
            cached_input: Some(0.1),
            cache_write: Some(2.0),
            output: 10.0,
            reasoning: None,
            tiers: Vec::new(),
        };
        assert_eq!(estimate.most_cost(&price).map(|cost| (cost * 1e6).round()), Some(1500.0 * 2.0 + 1000.0));
    }
}
