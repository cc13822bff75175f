//! GitHub's API, as far as a comment needs it. The token goes to the host of `GITHUB_API_URL` and to no other, and is never
//! shown.

use std::time::{Duration, SystemTime};

use reqwest::header::{ACCEPT, AUTHORIZATION, HeaderMap, HeaderValue, LOCATION};
use reqwest::{Method, Url};
use serde_json::Value;

use super::failure::Failure;
use crate::core::redact::Secrets;
use crate::core::verdict::Exit;
use crate::model::{call_fault, connections, is_local, retry_after};

/// How long a request may take.
const LIMIT: Duration = Duration::from_secs(30);
/// The most bytes of an answer.
const MOST: usize = 16 << 20;
/// How often a request is sent again.
const AGAIN: u32 = 3;
/// The longest that is waited for GitHub to take requests again.
const PATIENCE: Duration = Duration::from_mins(1);
/// How many redirects are followed, within the host.
const REDIRECTS: u32 = 3;
/// The most characters of GitHub's own words.
const SAID: usize = 300;

/// A connection to the API.
pub(super) struct Github {
    base: Url,
    token: HeaderValue,
    secrets: Secrets,
    http: reqwest::Client,
    runtime: tokio::runtime::Runtime,
}

/// What came back.
struct Reply {
    status: u16,
    headers: HeaderMap,
    body: Value,
}

/// Why there is no answer to go on with.
pub(super) struct Refused {
    /// The status; none where there was no answer.
    pub(super) status: Option<u16>,
    /// What is said of it.
    pub(super) failure: Failure,
}

impl From<Refused> for Failure {
    fn from(refused: Refused) -> Self {
        refused.failure
    }
}

impl Github {
    pub(super) fn new(address: &str, token: &str) -> Result<Self, Failure> {
        let wrong = |why: &str| {
            Failure::usage(format!("GITHUB_API_URL is `{address}`, {why}"))
                .help("write an address such as https://api.github.com")
        };
        let base = Url::parse(address).map_err(|error| wrong(&format!("which is no address: {error}")))?;
        if !(base.scheme() == "https" || base.scheme() == "http" && is_local(&base)) {
            return Err(wrong("where the token could be read on its way: it must begin with https://"));
        }
        if base.host().is_none() || !base.username().is_empty() || base.password().is_some() || base.query().is_some() {
            return Err(wrong("which is no plain address"));
        }
        let mut secrets = Secrets::default();
        secrets.add("GITHUB_TOKEN", token);
        let mut header = HeaderValue::from_str(&format!("Bearer {token}")).map_err(|_| {
            Failure::usage("GITHUB_TOKEN holds what no header can: a line end, or another control character")
        })?;
        header.set_sensitive(true);
        let set_up = |why: String| Failure::usage(format!("connections cannot be set up: {why}"));
        let http = connections(&base).map_err(set_up)?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        Ok(Self { base, token: header, secrets, http, runtime })
    }

    /// Reads something: `["repos", …]`, with a query.
    pub(super) fn get(&self, path: &[&str], query: &[(&str, &str)]) -> Result<Value, Refused> {
        self.ask(&Method::GET, self.url(path, query), None)
    }

    /// Makes or changes something.
    pub(super) fn send(&self, method: &Method, path: &[&str], body: &Value) -> Result<Value, Refused> {
        self.ask(method, self.url(path, &[]), Some(body))
    }

    /// Asks by the other form of the API, which is on the same host.
    pub(super) fn graphql(&self, query: &str) -> Result<Value, Refused> {
        let mut url = self.base.clone();
        let path = self.base.path().trim_end_matches('/').trim_end_matches("/v3").to_owned();
        url.set_path(&format!("{path}/graphql"));
        self.ask(&Method::POST, url, Some(&serde_json::json!({"query": query})))
    }

    fn url(&self, path: &[&str], query: &[(&str, &str)]) -> Url {
        let mut url = self.base.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(path);
        }
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        url
    }

    fn ask(&self, method: &Method, url: Url, body: Option<&Value>) -> Result<Value, Refused> {
        let mut url = url;
        let (mut sent, mut redirects) = (0, 0);
        loop {
            sent += 1;
            let reply = match self.runtime.block_on(self.once(method, &url, body)) {
                Ok(reply) => reply,
                // What makes something may have done so before the connection broke.
                Err((failure, true)) if sent <= AGAIN && *method != Method::POST => {
                    drop(failure);
                    self.wait(Duration::from_secs(1 << (sent - 1)));
                    continue;
                }
                Err((failure, _)) => return Err(Refused { status: None, failure }),
            };
            match reply.status {
                200..=299 => return Ok(reply.body),
                300..=399 => {
                    let target = reply.headers.get(LOCATION).and_then(|location| location.to_str().ok());
                    let target = target.and_then(|location| url.join(location).ok());
                    redirects += 1;
                    match target.filter(|target| target.origin() == self.base.origin() && redirects <= REDIRECTS) {
                        Some(target) => url = target,
                        None => return Err(self.refused(&reply)),
                    }
                }
                status => {
                    let wait = self.pause(&reply).or((status >= 500).then(|| Duration::from_secs(1 << (sent - 1))));
                    let refused = status != 403 && status != 429 && *method == Method::POST;
                    match wait.filter(|wait| sent <= AGAIN && *wait <= PATIENCE && !refused) {
                        Some(wait) => self.wait(wait),
                        None => return Err(self.refused(&reply)),
                    }
                }
            }
        }
    }

    /// Sends a request once; where that fails, whether sending it again may help.
    async fn once(&self, method: &Method, url: &Url, body: Option<&Value>) -> Result<Reply, (Failure, bool)> {
        let failed = |error: reqwest::Error| {
            let fault = call_fault(&error, LIMIT);
            let again = error.is_timeout() || error.is_connect() || error.is_request() || error.is_body();
            let message = format!("GitHub cannot be asked at {}: {}", host(url), fault.message);
            (Failure::Message { exit: Exit::Errored, message, help: fault.help }, again)
        };
        let mut request = self
            .http
            .request(method.clone(), url.clone())
            .timeout(LIMIT)
            .header(ACCEPT, "application/vnd.github+json")
            .header("X-GitHub-Api-Version", "2022-11-28")
            .header(AUTHORIZATION, self.token.clone());
        if let Some(body) = body {
            request = request.header("Content-Type", "application/json").body(body.to_string());
        }
        let mut response = request.send().await.map_err(failed)?;
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let mut bytes = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(failed)? {
            if bytes.len() + chunk.len() > MOST {
                let message = format!("GitHub's answer is larger than {} MiB", MOST >> 20);
                return Err((Failure::Message { exit: Exit::Errored, message, help: None }, false));
            }
            bytes.extend_from_slice(&chunk);
        }
        let body = serde_json::from_slice(&bytes);
        if (200..=299).contains(&status) && body.is_err() {
            let message = format!("{} answered {status} with something that is no JSON", host(url));
            let help = Some("is GITHUB_API_URL the address of GitHub's API?".to_owned());
            return Err((Failure::Message { exit: Exit::Errored, message, help }, false));
        }
        Ok(Reply { status, headers, body: body.unwrap_or(Value::Null) })
    }

    fn wait(&self, time: Duration) {
        self.runtime.block_on(async { tokio::time::sleep(time).await });
    }

    /// How long GitHub asks to be left alone, where it refuses because of too many requests.
    fn pause(&self, reply: &Reply) -> Option<Duration> {
        let text = |name: &str| reply.headers.get(name).and_then(|value| value.to_str().ok());
        let is_limit = reply.status == 429
            || reply.status == 403
                && (text("retry-after").is_some()
                    || text("x-ratelimit-remaining") == Some("0")
                    || self.said(reply).to_lowercase().contains("rate limit"));
        if !is_limit {
            return None;
        }
        let now = SystemTime::now();
        let reset = || {
            let at = text("x-ratelimit-reset")?.parse::<u64>().ok()?;
            let at = SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(at))?;
            text("x-ratelimit-remaining").filter(|left| *left == "0")?;
            Some(at.duration_since(now).unwrap_or_default())
        };
        Some(retry_after(&reply.headers, now).or_else(reset).unwrap_or(PATIENCE))
    }

    /// What GitHub says itself.
    fn said(&self, reply: &Reply) -> String {
        let message = reply.body.get("message").and_then(Value::as_str).unwrap_or_default();
        let errors = reply.body.get("errors").map(|errors| format!(" {errors}")).unwrap_or_default();
        self.secrets.clean(&format!("{message}{errors}")).chars().take(SAID).collect()
    }

    fn refused(&self, reply: &Reply) -> Refused {
        let said = self.said(reply);
        let (exit, what, help) = match reply.status {
            _ if self.pause(reply).is_some() => {
                let wait = self.pause(reply).unwrap_or_default().as_secs();
                let help = format!("it takes requests again in {wait} s");
                (Exit::Errored, "GitHub takes no more requests for now", Some(help))
            }
            401 => (
                Exit::Usage,
                "GitHub does not know the token",
                Some("set GITHUB_TOKEN; in a workflow: `env: { GITHUB_TOKEN: ${{ github.token }} }`".to_owned()),
            ),
            403 => (
                Exit::Usage,
                "the token may not do this",
                Some("it needs `permissions: { pull-requests: write }`, which a workflow that a fork's pull request starts never has: post from one that starts `on: workflow_run`".to_owned()),
            ),
            404 => (
                Exit::Usage,
                "GitHub finds no such repository or pull request, or the token may not see it",
                Some("check --repository and --pull, and the token's `permissions: { pull-requests: write }`".to_owned()),
            ),
            422 => (Exit::Usage, "GitHub refuses what was sent", None),
            300..=399 => (
                Exit::Usage,
                "GitHub sends us to another host, where the token does not go",
                Some("set GITHUB_API_URL to where it is".to_owned()),
            ),
            500.. => (Exit::Errored, "GitHub failed", None),
            _ => (Exit::Errored, "GitHub refused", None),
        };
        let said = if said.is_empty() { String::new() } else { format!(": {said}") };
        let message = format!("{what} ({}{said})", reply.status);
        Refused { status: Some(reply.status), failure: Failure::Message { exit, message, help } }
    }
}

fn host(url: &Url) -> String {
    url.host_str().unwrap_or_default().to_owned()
}
