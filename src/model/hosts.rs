//! Where requests and keys may go. Whoever can edit `promptctl.yaml` can name any server and any variable: a branch of
//! a stranger must not get at the keys of the person who tests it.

use crate::core::problem::{Place, Problem};
use crate::project::ModelEntry;

/// The variable, set outside the repository, that names the hosts which requests may go to.
pub const ALLOWED_HOSTS: &str = "PROMPTCTL_ALLOWED_HOSTS";

/// Variables that hold the key of a well-known service, and the host (or the domain) of that service.
const VENDORS: [(&str, &str); 18] = [
    ("OPENAI_API_KEY", "api.openai.com"),
    ("ANTHROPIC_API_KEY", "api.anthropic.com"),
    ("GEMINI_API_KEY", "googleapis.com"),
    ("GOOGLE_API_KEY", "googleapis.com"),
    ("MISTRAL_API_KEY", "api.mistral.ai"),
    ("GROQ_API_KEY", "api.groq.com"),
    ("XAI_API_KEY", "api.x.ai"),
    ("DEEPSEEK_API_KEY", "api.deepseek.com"),
    ("OPENROUTER_API_KEY", "openrouter.ai"),
    ("TOGETHER_API_KEY", "api.together.xyz"),
    ("AZURE_OPENAI_API_KEY", "azure.com"),
    ("AWS_SECRET_ACCESS_KEY", "amazonaws.com"),
    ("AWS_SECRET_ACCESS_KEY", "amazonaws.com.cn"),
    ("AWS_SESSION_TOKEN", "amazonaws.com"),
    ("AWS_BEARER_TOKEN_BEDROCK", "amazonaws.com"),
    ("AWS_BEARER_TOKEN_BEDROCK", "amazonaws.com.cn"),
    ("GITHUB_TOKEN", "models.github.ai"),
    ("GH_TOKEN", "models.github.ai"),
];

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

    fn names(&self, host: &str) -> bool {
        self.0.as_ref().is_some_and(|hosts| hosts.iter().any(|known| known == host))
    }

    /// Whether a model's requests, and its key if it has one, may go to its host.
    pub(super) fn check(&self, entry: &ModelEntry, host: &str, variables: &[&str]) -> Result<(), Problem> {
        let host = host.to_lowercase();
        let place = || Place::span(&entry.source, entry.alias_span.clone());
        if self.names(&host) {
            return Ok(());
        }
        if self.0.is_some() {
            let message = format!("the model `{}` is at `{host}`, which {ALLOWED_HOSTS} does not name", entry.alias);
            return Err(
                Problem::error(place(), message).help(format!("add `{host}` to {ALLOWED_HOSTS}, if you trust it"))
            );
        }
        let at = |domain: &str| host == domain || host.ends_with(&format!(".{domain}"));
        let homes = |name: &'static str| VENDORS.iter().filter(move |(known, _)| *known == name);
        let stray =
            VENDORS.iter().find(|(name, _)| variables.contains(name) && !homes(name).any(|(_, domain)| at(domain)));
        match stray {
            Some((name, domain)) => {
                let message = format!(
                    "the model `{}` would send {name} to `{host}`, but that key belongs to `{domain}`",
                    entry.alias
                );
                let help = format!(
                    "give the server a key of its own, or set {ALLOWED_HOSTS}={host} outside the repository if you trust it"
                );
                Err(Problem::error(place(), message).help(help))
            }
            None => Ok(()),
        }
    }
}
