//! Where requests and keys may go. Whoever can edit `promptctl.yaml` can name any server and any variable: a branch of
//! a stranger must not get at the keys of the person who tests it.

use crate::core::problem::{Place, Problem};
use crate::project::ModelEntry;

/// The variable, set outside the repository, that names the hosts which requests may go to.
pub const ALLOWED_HOSTS: &str = "PROMPTCTL_ALLOWED_HOSTS";

/// Variables that hold the key of a well-known service, and where that service is: a host, `*` standing for one label.
/// A service's whole domain would not do: at a cloud, anybody can have a host.
const VENDORS: [(&str, &str); 25] = [
    ("OPENAI_API_KEY", "api.openai.com"),
    ("OPENAI_API_KEY", "*.api.openai.com"),
    ("ANTHROPIC_API_KEY", "api.anthropic.com"),
    ("GEMINI_API_KEY", "generativelanguage.googleapis.com"),
    ("GOOGLE_API_KEY", "generativelanguage.googleapis.com"),
    ("MISTRAL_API_KEY", "api.mistral.ai"),
    ("GROQ_API_KEY", "api.groq.com"),
    ("XAI_API_KEY", "api.x.ai"),
    ("DEEPSEEK_API_KEY", "api.deepseek.com"),
    ("OPENROUTER_API_KEY", "openrouter.ai"),
    ("TOGETHER_API_KEY", "api.together.xyz"),
    ("AZURE_OPENAI_API_KEY", "*.openai.azure.com"),
    ("AZURE_OPENAI_API_KEY", "*.cognitiveservices.azure.com"),
    ("AZURE_OPENAI_API_KEY", "*.services.ai.azure.com"),
    ("AWS_SECRET_ACCESS_KEY", BEDROCK[0]),
    ("AWS_SECRET_ACCESS_KEY", BEDROCK[1]),
    ("AWS_SECRET_ACCESS_KEY", BEDROCK[2]),
    ("AWS_SESSION_TOKEN", BEDROCK[0]),
    ("AWS_SESSION_TOKEN", BEDROCK[1]),
    ("AWS_SESSION_TOKEN", BEDROCK[2]),
    ("AWS_BEARER_TOKEN_BEDROCK", BEDROCK[0]),
    ("AWS_BEARER_TOKEN_BEDROCK", BEDROCK[1]),
    ("AWS_BEARER_TOKEN_BEDROCK", BEDROCK[2]),
    ("GITHUB_TOKEN", "models.github.ai"),
    ("GH_TOKEN", "models.github.ai"),
];
const BEDROCK: [&str; 3] =
    ["bedrock-runtime.*.amazonaws.com", "bedrock-runtime-fips.*.amazonaws.com", "bedrock-runtime.*.amazonaws.com.cn"];

/// Every variable that holds the key of a well-known service.
pub fn vendor_variables() -> impl Iterator<Item = &'static str> {
    VENDORS.iter().map(|(name, _)| *name)
}

/// Whether an address is the own one of the service that a variable's key belongs to.
pub(super) fn is_home(variable: &str, url: &str) -> bool {
    let Ok(url) = reqwest::Url::parse(url) else { return false };
    let host = url.host_str().unwrap_or_default().to_lowercase();
    url.scheme() == "https" && VENDORS.iter().any(|(name, pattern)| *name == variable && is_at(&host, pattern))
}

/// Whether a host is the one of a pattern.
fn is_at(host: &str, pattern: &str) -> bool {
    let labels = |text: &str| text.split('.').count();
    labels(host) == labels(pattern)
        && host
            .split('.')
            .zip(pattern.split('.'))
            .all(|(label, wanted)| wanted == "*" && !label.is_empty() || label == wanted)
}

/// The hosts that requests may go to.
#[derive(Clone, Debug, Default)]
pub struct AllowedHosts(Option<Vec<String>>);

impl AllowedHosts {
    /// Reads the value of [`ALLOWED_HOSTS`]: hosts with commas between them. Not set: any host, but a well-known
    /// service's key goes to that service only.
    #[must_use]
    pub fn new(value: Option<&str>) -> Self {
        let hosts = |text: &str| {
            text.split([',', ' ']).map(str::trim).filter(|h| !h.is_empty()).map(str::to_lowercase).collect()
        };
        Self(value.map(hosts))
    }

    /// Whether a host is named: alone, or with the port that requests go to.
    fn names(&self, host: &str, url: Option<&str>) -> bool {
        let port = url.and_then(|url| reqwest::Url::parse(url).ok()).and_then(|url| url.port_or_known_default());
        let with_port = format!("{host}:{}", port.unwrap_or(443));
        self.0.as_ref().is_some_and(|hosts| {
            let bare = |known: &str| {
                let known = known.split_once("://").map_or(known, |(_, rest)| rest);
                known.split('/').next().unwrap_or_default().to_owned()
            };
            hosts.iter().any(|known| bare(known) == host || bare(known) == with_port)
        })
    }

    /// Whether a model's requests, and its key if it has one, may go to its host.
    pub(super) fn check(&self, entry: &ModelEntry, host: &str, variables: &[&str]) -> Result<(), Problem> {
        let host = host.trim_end_matches('.').to_lowercase();
        let place = || Place::span(&entry.source, entry.alias_span.clone());
        if self.names(&host, entry.base_url.as_deref()) {
            return Ok(());
        }
        if self.0.is_some() {
            let message = format!("the model `{}` is at `{host}`, which {ALLOWED_HOSTS} does not name", entry.alias);
            return Err(
                Problem::error(place(), message).help(format!("add `{host}` to {ALLOWED_HOSTS}, if you trust it"))
            );
        }
        // Some systems do not tell the names of variables apart by their capitals.
        let named = |name: &str| variables.iter().any(|variable| variable.eq_ignore_ascii_case(name));
        let homes = |name: &'static str| VENDORS.iter().filter(move |(known, _)| *known == name);
        let Some((name, home)) = VENDORS.iter().find(|(name, _)| named(name)) else { return Ok(()) };
        let stray = !homes(name).any(|(_, pattern)| is_at(&host, pattern));
        let plain = entry.base_url.as_ref().is_some_and(|url| url.starts_with("http://"));
        match (stray, plain) {
            (true, _) => {
                let message = format!(
                    "the model `{}` would send {name} to `{host}`, but that key belongs to `{home}`",
                    entry.alias
                );
                let help = format!(
                    "give the server a key of its own, or set {ALLOWED_HOSTS}={host} outside the repository if you trust it"
                );
                Err(Problem::error(place(), message).help(help))
            }
            (false, true) => {
                let message = format!("the model `{}` would send {name} to `{host}` in clear text", entry.alias);
                Err(Problem::error(place(), message).help("write https:// in base-url"))
            }
            (false, false) => Ok(()),
        }
    }
}
