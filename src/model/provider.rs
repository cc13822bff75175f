//! The trait of a wire protocol, and the protocols that there are.

use std::time::Duration;

use serde_json::Value;

use super::credentials::{KeyOf, Variables};
use super::embedding::Embeds;
use super::fault::{Fault, FaultKind};
use super::params::Parameter;
use super::{
    anthropic, azure, bedrock, embedding, exec, gemini, http_api, mock, ollama, openai, responses, retrieving,
};
use crate::core::decode::Decoder;
use crate::core::problem::Problems;
use crate::core::record::{Request, RequestKind, Response};
use crate::core::suggest::did_you_mean;
use crate::project::{ModelEntry, common_model_keys};

/// What is to be done to have a request answered.
#[derive(Debug)]
pub(super) enum Exchange {
    /// A call over HTTP; the reply goes to [`Provider::parse`].
    Http(HttpCall),
    /// A program that is given the request; what it prints goes to [`Provider::parse`].
    Program { command: Vec<String>, input: Vec<u8> },
    /// An answer without any call, after a while.
    Local { delay: Duration, answer: Result<Box<Response>, Fault> },
}

/// A call over HTTP. The client adds the key.
#[derive(Debug)]
pub(super) struct HttpCall {
    pub(super) url: String,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Vec<u8>,
}

/// What a server replied.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) status: u16,
    pub(super) body: Vec<u8>,
}

/// How a protocol carries the key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum KeyHeader {
    /// `authorization: Bearer KEY`.
    Bearer,
    /// The key alone, in a header of this name.
    Named(String),
}

/// A form in which many requests are handed in as one file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BatchForm {
    /// OpenAI's: a line a request, for this path.
    OpenAi {
        /// The path of the endpoint.
        path: &'static str,
    },
    /// Anthropic's: one document with all requests.
    Anthropic,
}

/// One wire protocol: pure, a request out, a response in.
pub(super) trait Provider: Send + Sync {
    /// What to do for a request. `attempt` counts from 0.
    fn exchange(&self, request: &Request, sample: u32, attempt: u32) -> Exchange;

    /// The response in a reply, or the fault that it is.
    fn parse(&self, reply: &Reply) -> Result<Response, Fault>;

    /// The host that requests go to; `None` where nothing leaves this machine by itself.
    fn host(&self) -> Option<String> {
        None
    }

    /// How the key is carried.
    fn key_header(&self) -> KeyHeader {
        KeyHeader::Bearer
    }

    /// The region whose requests are signed, where they are.
    fn region(&self) -> Option<&str> {
        None
    }

    /// What of a request this protocol has no way to say, beyond its parameters.
    fn cannot(&self, _request: &Request) -> Option<String> {
        None
    }

    /// Its embeddings, where it has any.
    fn embeds(&self) -> Option<&dyn Embeds> {
        None
    }

    /// The form of its batches, where it has any, and the body of a request in one.
    fn batch(&self, _request: &Request) -> Option<(BatchForm, Value)> {
        None
    }
}

impl dyn Provider + '_ {
    /// What to do for a request, whichever kind it is of.
    pub(super) fn exchange_of(&self, request: &Request, sample: u32, attempt: u32) -> Exchange {
        match (request.kind, self.embeds()) {
            (RequestKind::Answer | RequestKind::Retrieval, _) => self.exchange(request, sample, attempt),
            (RequestKind::Embedding, Some(embeds)) => embeds.exchange(request, attempt),
            (RequestKind::Embedding, None) => Exchange::Local { delay: Duration::ZERO, answer: Err(no_embeddings()) },
        }
    }

    /// The response in a reply to a request, or the fault that it is.
    pub(super) fn parse_of(&self, request: &Request, reply: &Reply) -> Result<Response, Fault> {
        match (request.kind, self.embeds()) {
            (RequestKind::Answer | RequestKind::Retrieval, _) => self.parse(reply),
            (RequestKind::Embedding, Some(embeds)) => embeds.parse(request, reply),
            (RequestKind::Embedding, None) => Err(no_embeddings()),
        }
    }

    /// What of a request this protocol has no way to say, whichever kind it is of.
    pub(super) fn cannot_be_sent(&self, request: &Request) -> Option<String> {
        match (request.kind, self.embeds()) {
            (RequestKind::Answer | RequestKind::Retrieval, _) => self.cannot(request),
            (RequestKind::Embedding, Some(embeds)) => embedding::cannot(request).or_else(|| embeds.cannot(request)),
            (RequestKind::Embedding, None) => Some(NO_EMBEDDINGS.to_owned()),
        }
    }
}

/// What a protocol without embeddings cannot be sent.
const NO_EMBEDDINGS: &str = "a text to embed: its protocol has no embeddings";

fn no_embeddings() -> Fault {
    Fault::new(FaultKind::BadRequest, "the provider has no embeddings")
}

/// What building a provider is given.
pub(super) struct Building<'a, 'p> {
    pub(super) entry: &'a ModelEntry,
    /// The environment; `None` where an entry is only checked.
    pub(super) variables: Option<Variables<'a>>,
    pub(super) problems: &'p mut Problems,
}

impl<'a> Building<'a, '_> {
    pub(super) fn decoder(&mut self) -> Decoder<'_> {
        Decoder { source: &self.entry.source, problems: self.problems }
    }

    /// The value of a variable of the environment.
    pub(super) fn variable(&self, name: &str) -> Option<String> {
        self.variables.and_then(|variables| variables(name)).filter(|value| !value.is_empty())
    }

    /// An option of the entry.
    pub(super) fn option(&self, name: &str) -> Option<&'a crate::core::yaml::Node> {
        self.entry.options.iter().find(|(key, _)| key.text == name).map(|(_, node)| node)
    }

    /// Reports something that is wrong with the entry as a whole.
    pub(super) fn wrong(&mut self, message: String, help: &str) {
        let span = self.entry.alias_span.clone();
        self.decoder().error_help(span, message, help);
    }
}

type Built = Option<Box<dyn Provider>>;

/// A protocol as it is registered.
struct Registered {
    name: &'static str,
    /// The keys of a model entry that only it knows.
    options: &'static [&'static str],
    build: fn(&mut Building<'_, '_>) -> Built,
    /// Where its key is, when the entry does not say.
    key: KeyOf,
    /// Parameters that it names otherwise, or has no way to pass on.
    parameters: &'static [Parameter],
}

const PROVIDERS: [Registered; 10] = [
    Registered {
        name: "openai",
        options: &openai::OPTIONS,
        build: openai::build,
        key: KeyOf::Vendor("OPENAI_API_KEY"),
        parameters: &openai::PARAMETERS,
    },
    Registered {
        name: "openai-responses",
        options: &responses::OPTIONS,
        build: responses::build,
        key: KeyOf::Vendor("OPENAI_API_KEY"),
        parameters: &responses::PARAMETERS,
    },
    Registered {
        name: "anthropic",
        options: &anthropic::OPTIONS,
        build: anthropic::build,
        key: KeyOf::Vendor("ANTHROPIC_API_KEY"),
        parameters: &anthropic::PARAMETERS,
    },
    Registered {
        name: "gemini",
        options: &gemini::OPTIONS,
        build: gemini::build,
        key: KeyOf::Vendor("GEMINI_API_KEY"),
        parameters: &gemini::PARAMETERS,
    },
    Registered {
        name: "ollama",
        options: &ollama::OPTIONS,
        build: ollama::build,
        key: KeyOf::None,
        parameters: &ollama::PARAMETERS,
    },
    Registered {
        name: "azure-openai",
        options: &azure::OPTIONS,
        build: azure::build,
        key: KeyOf::Always("AZURE_OPENAI_API_KEY"),
        parameters: &openai::PARAMETERS,
    },
    Registered {
        name: "bedrock",
        options: &bedrock::OPTIONS,
        build: bedrock::build,
        key: KeyOf::Aws,
        parameters: &bedrock::PARAMETERS,
    },
    Registered { name: "http", options: &http_api::OPTIONS, build: http_api::build, key: KeyOf::None, parameters: &[] },
    Registered { name: "exec", options: &exec::OPTIONS, build: exec::build, key: KeyOf::None, parameters: &[] },
    Registered { name: "mock", options: &mock::OPTIONS, build: mock::build, key: KeyOf::None, parameters: &[] },
];

fn find(name: &str) -> Option<&'static Registered> {
    PROVIDERS.iter().find(|registered| registered.name == name)
}

/// The provider of a model entry, or the problems that it has.
pub(super) fn build(entry: &ModelEntry, variables: Option<Variables<'_>>, problems: &mut Problems) -> Built {
    let mut decoder = Decoder { source: &entry.source, problems };
    let Some(registered) = find(&entry.provider) else {
        let names: Vec<&str> = PROVIDERS.iter().map(|registered| registered.name).collect();
        let hint = did_you_mean(&entry.provider, names.iter().copied());
        let message = format!("there is no provider `{}`{hint}", entry.provider);
        decoder.error_help(entry.provider_span.clone(), message, format!("providers: {}", names.join(", ")));
        return None;
    };
    if entry.retrieves {
        return retrieving::build(&mut Building { entry, variables, problems });
    }
    let known = || common_model_keys().iter().chain(registered.options).copied();
    for (key, _) in entry.options.iter().filter(|(key, _)| !registered.options.contains(&key.text.as_str())) {
        let hint = did_you_mean(&key.text, known());
        let message =
            format!("unknown key `{}` in the model `{}` (provider {}){hint}", key.text, entry.alias, registered.name);
        let keys: Vec<&str> = known().collect();
        decoder.error_help(key.span.clone(), message, format!("known keys: {}", keys.join(", ")));
    }
    (registered.build)(&mut Building { entry, variables, problems })
}

/// Where the key of a model is, when its entry does not say.
pub(super) fn key_of(entry: &ModelEntry) -> KeyOf {
    find(&entry.provider).map_or(KeyOf::None, |registered| registered.key)
}

/// What a model's protocol names otherwise, or has no way to pass on.
pub(super) fn parameters(entry: &ModelEntry) -> &'static [Parameter] {
    find(&entry.provider).map_or(&[], |registered| registered.parameters)
}

/// Reports what is wrong with the entry of a retriever.
pub fn check_retriever(entry: &ModelEntry, problems: &mut Problems) {
    build(entry, None, problems);
}

/// The host that a model's requests go to; `None` where nothing leaves this machine, or where it is not known yet.
#[must_use]
pub fn host(entry: &ModelEntry, variables: Variables<'_>) -> Option<String> {
    build(entry, Some(variables), &mut Problems::default())?.host()
}
