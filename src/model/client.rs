//! Asking: connections, time limits, retries and pace, the same for every protocol.

use std::sync::OnceLock;
use std::time::{Duration, Instant, SystemTime};

use reqwest::header::{AUTHORIZATION, HeaderValue};
use reqwest::{Url, redirect};

use super::fault::{Fault, FaultKind};
use super::hosts::AllowedHosts;
use super::http::{call_fault, retry_after};
use super::pace::Pace;
use super::provider::{self, Exchange, HttpCall, Provider, Reply};
use super::retry::Policy;
use crate::core::problem::Problems;
use crate::core::record::{Request, Response};
use crate::core::redact::Secrets;
use crate::project::ModelEntry;

/// The largest answer, in bytes.
const MAX_BODY: usize = 16 << 20;
const CONNECT: Duration = Duration::from_secs(10);
/// How many connections to one server are kept open for the next request.
const KEPT_OPEN: usize = 512;

/// The connections of a run. Nothing is set up before the first request.
#[derive(Debug, Default)]
pub struct Client {
    direct: OnceLock<Result<reqwest::Client, String>>,
    proxied: OnceLock<Result<reqwest::Client, String>>,
}

/// A model, ready to be asked.
pub struct Lane<'c> {
    client: &'c Client,
    provider: Box<dyn Provider>,
    authorization: Option<HeaderValue>,
    secrets: Secrets,
    timeout_ms: u64,
    policy: Policy,
    pace: Pace,
}

impl Client {
    /// The model of an entry. `key` is the value of the variable that [`super::key_variable`] names.
    pub fn lane(&self, entry: &ModelEntry, key: Option<&str>, hosts: &AllowedHosts) -> Result<Lane<'_>, Problems> {
        let mut problems = Problems::default();
        let Some(provider) = provider::build(entry, &mut problems).filter(|_| !problems.has_errors()) else {
            return Err(problems);
        };
        if let Some(host) = provider.host() {
            hosts.check(entry, &host, super::key_variable(entry).as_deref())?;
        }
        let mut secrets = Secrets::default();
        let mut authorization = None;
        if let Some(key) = key {
            secrets.add(super::key_variable(entry).as_deref().unwrap_or("API_KEY"), key);
            authorization = HeaderValue::from_str(&format!("Bearer {}", key.trim())).ok().map(|mut value| {
                value.set_sensitive(true);
                value
            });
        }
        Ok(Lane {
            client: self,
            provider,
            authorization,
            secrets,
            timeout_ms: entry.limits.timeout_ms,
            policy: Policy::new(entry.limits.retries),
            pace: Pace::new(entry.limits.requests_per_minute),
        })
    }

    /// The connections for an address: a proxy of the environment is used, but never for this machine itself.
    fn http(&self, url: &Url) -> Result<&reqwest::Client, Fault> {
        let local = matches!(url.host_str(), Some("localhost" | "127.0.0.1" | "[::1]"));
        let slot = if local { &self.direct } else { &self.proxied };
        let built = slot.get_or_init(|| build_http(local));
        built.as_ref().map_err(|why| Fault::new(FaultKind::Tls, format!("connections cannot be set up: {why}")))
    }
}

fn build_http(local: bool) -> Result<reqwest::Client, String> {
    // A second installation is refused, and the first one is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let builder = reqwest::Client::builder()
        .redirect(redirect::Policy::none())
        .connect_timeout(CONNECT)
        .pool_max_idle_per_host(KEPT_OPEN)
        .tcp_nodelay(true)
        .user_agent(concat!("promptctl/", env!("CARGO_PKG_VERSION")));
    let builder = if local { builder.no_proxy() } else { builder };
    builder.build().map_err(|error| error.to_string())
}

impl Lane<'_> {
    /// Asks, again where that may help. `on_retry` hears of every further attempt.
    pub async fn ask(
        &self,
        request: &Request,
        sample: u32,
        on_retry: &(dyn Fn(&str) + Send + Sync),
    ) -> Result<Response, Fault> {
        let mut attempt = 0;
        loop {
            self.pace.turn().await;
            let begun = Instant::now();
            let fault = match self.attempt(request, sample, attempt).await {
                Ok(response) => {
                    let mut response = self.without_secrets(response);
                    response.latency_ms = Some(u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX));
                    response.attempts = (attempt > 0).then_some(attempt + 1);
                    return Ok(response);
                }
                Err(fault) => fault.redacted(&self.secrets),
            };
            let (wait, fault) = self.policy.next(fault, attempt, fastrand::f64())?;
            if fault.kind == FaultKind::RateLimited {
                self.pace.hold(wait);
            }
            on_retry(&fault.message);
            tokio::time::sleep(wait).await;
            attempt += 1;
        }
    }

    /// A server that says the key back does not get it into anything that is shown or written.
    fn without_secrets(&self, response: Response) -> Response {
        let text = serde_json::to_string(&response).unwrap_or_default();
        if !self.secrets.found_in(&text) {
            return response;
        }
        // Replacing a text within JSON texts leaves JSON behind.
        serde_json::from_str(&self.secrets.redact(&text)).unwrap_or_default()
    }

    async fn attempt(&self, request: &Request, sample: u32, attempt: u32) -> Result<Response, Fault> {
        match self.provider.exchange(request, sample, attempt) {
            Exchange::Local { delay, answer } => {
                if !delay.is_zero() {
                    tokio::time::sleep(delay).await;
                }
                answer.map(|response| *response)
            }
            Exchange::Http(call) => {
                let limit = Duration::from_millis(self.timeout_ms);
                match tokio::time::timeout(limit, self.call(call)).await {
                    Ok(result) => {
                        let (reply, wait) = result?;
                        self.provider.parse(&reply).map_err(|mut fault| {
                            fault.wait = wait;
                            fault
                        })
                    }
                    Err(_) => {
                        let seconds = limit.as_secs_f64();
                        Err(Fault::new(FaultKind::Timeout, format!("no answer within {seconds} s")).again(true))
                    }
                }
            }
        }
    }

    async fn call(&self, call: HttpCall) -> Result<(Reply, Option<Duration>), Fault> {
        let url = Url::parse(&call.url).map_err(|error| Fault::new(FaultKind::BadRequest, error.to_string()))?;
        let mut builder = self.client.http(&url)?.post(url).body(call.body);
        for (name, value) in call.headers {
            builder = builder.header(name, value);
        }
        if let Some(authorization) = &self.authorization {
            builder = builder.header(AUTHORIZATION, authorization.clone());
        }
        let failed = |error: reqwest::Error| call_fault(&error, self.timeout_ms);
        let mut response = builder.send().await.map_err(failed)?;
        let status = response.status().as_u16();
        let wait = retry_after(response.headers(), SystemTime::now());
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(failed)? {
            if body.len() + chunk.len() > MAX_BODY {
                let message = format!("the answer is larger than {} MiB", MAX_BODY >> 20);
                return Err(Fault::new(FaultKind::Protocol, message));
            }
            body.extend_from_slice(&chunk);
        }
        Ok((Reply { status, body }, wait))
    }
}
