//! The trait of a wire protocol, and the protocols that there are.

use std::time::Duration;

use super::fault::Fault;
use super::{mock, openai};
use crate::core::decode::Decoder;
use crate::core::problem::Problems;
use crate::core::record::{Request, Response};
use crate::core::suggest::did_you_mean;
use crate::project::{ModelEntry, common_model_keys};

/// What is to be done to have a request answered.
#[derive(Debug)]
pub(super) enum Exchange {
    /// A call over HTTP; the reply goes to [`Provider::parse`].
    Http(HttpCall),
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

/// One wire protocol: pure, a request out, a response in.
pub(super) trait Provider: Send + Sync {
    /// What to do for a request. `attempt` counts from 0.
    fn exchange(&self, request: &Request, sample: u32, attempt: u32) -> Exchange;

    /// The host that requests go to; `None` where nothing leaves this process.
    fn host(&self) -> Option<String> {
        None
    }

    /// The response in a reply, or the fault that it is.
    fn parse(&self, reply: &Reply) -> Result<Response, Fault>;
}

/// A protocol as it is registered: its name, the keys of a model entry that only it knows, how it is built, and the
/// variable with its key where an entry names neither a variable nor a server.
struct Registered {
    name: &'static str,
    options: &'static [&'static str],
    build: fn(&ModelEntry, &mut Problems) -> Option<Box<dyn Provider>>,
    key: Option<&'static str>,
}

const PROVIDERS: [Registered; 2] = [
    Registered { name: "openai", options: &openai::OPTIONS, build: openai::build, key: Some("OPENAI_API_KEY") },
    Registered { name: "mock", options: &mock::OPTIONS, build: mock::build, key: None },
];

fn find(name: &str) -> Option<&'static Registered> {
    PROVIDERS.iter().find(|registered| registered.name == name)
}

/// Reports what is wrong with a model entry.
pub fn check(entry: &ModelEntry, problems: &mut Problems) {
    build(entry, problems);
}

/// The provider of a model entry, or the problems that it has.
pub(super) fn build(entry: &ModelEntry, problems: &mut Problems) -> Option<Box<dyn Provider>> {
    let mut decoder = Decoder { source: &entry.source, problems };
    let Some(registered) = find(&entry.provider) else {
        let names: Vec<&str> = PROVIDERS.iter().map(|registered| registered.name).collect();
        let hint = did_you_mean(&entry.provider, names.iter().copied());
        let message = format!("there is no provider `{}`{hint}", entry.provider);
        decoder.error_help(entry.provider_span.clone(), message, format!("providers: {}", names.join(", ")));
        return None;
    };
    let known = || common_model_keys().iter().chain(registered.options).copied();
    for (key, _) in entry.options.iter().filter(|(key, _)| !registered.options.contains(&key.text.as_str())) {
        let hint = did_you_mean(&key.text, known());
        let message =
            format!("unknown key `{}` in the model `{}` (provider {}){hint}", key.text, entry.alias, registered.name);
        let keys: Vec<&str> = known().collect();
        decoder.error_help(key.span.clone(), message, format!("known keys: {}", keys.join(", ")));
    }
    (registered.build)(entry, decoder.problems)
}

/// The environment variable that must be set before this model can be asked; `None` where no key is needed.
#[must_use]
pub fn key_variable(entry: &ModelEntry) -> Option<String> {
    let registered = find(&entry.provider)?;
    match (&entry.api_key_env, &entry.base_url) {
        (Some(name), _) => Some(name.clone()),
        // Another server than the vendor's own is never sent the vendor's key unasked.
        (None, Some(_)) => None,
        (None, None) => registered.key.map(str::to_owned),
    }
}
