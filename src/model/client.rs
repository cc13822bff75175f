//! Asking: connections, time limits, retries and pace, the same for every protocol.

use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::OnceLock;
use std::time::{Duration, SystemTime};

use reqwest::header::{AUTHORIZATION, HeaderName, HeaderValue};
use reqwest::{Url, redirect};
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout, timeout_at};

use super::breaker::Breaker;
use super::credentials::{Credentials, Variables};
use super::fault::{Fault, FaultKind, excerpt};
use super::hosts::AllowedHosts;
use super::http::{call_fault, retry_after, should_retry};
use super::pace::Pace;
use super::program;
use super::provider::{self, Exchange, HttpCall, KeyHeader, Provider, Reply};
use super::quota::Quota;
use super::retry::Policy;
use super::sign::Signer;
use crate::core::problem::{Place, Problem, Problems};
use crate::core::record::{Request, Response};
use crate::core::redact::Secrets;
use crate::core::redacted::redact_response;
use crate::project::ModelEntry;

/// The largest answer, in bytes.
const MAX_BODY: usize = 16 << 20;
const CONNECT: Duration = Duration::from_secs(10);
/// How often it is looked whether a run ends, while nothing else happens.
const LOOK: Duration = Duration::from_millis(100);
/// How much of a body is searched for keys before its beginning is shown.
const LOOKED_AT: usize = 1 << 16;
/// How many connections to one server are kept open for the next request.
const KEPT_OPEN: usize = 512;

/// What somebody outside the repository allows.
#[derive(Clone, Debug, Default)]
pub struct Permissions {
    /// Where requests and keys may go.
    pub hosts: AllowedHosts,
    /// Whether programs may be run.
    pub programs: bool,
    /// The folder that programs run in.
    pub folder: PathBuf,
    /// Whether every exchange is told, without keys.
    pub traces: bool,
    /// What must be seen nowhere, whoever says it.
    pub secrets: Secrets,
}

/// Something that happens on the way to an answer.
#[derive(Debug)]
pub enum Happened<'h> {
    /// The request is sent again.
    Retried {
        /// Why.
        reason: &'h str,
        /// Whether the vendor may have counted the attempt all the same.
        billable: bool,
    },
    /// Nothing more is asked of this model, because of this.
    GaveUp(&'h str),
    /// A line on what was sent or what came.
    Traced(String),
}

/// What asking needs to know.
#[derive(Clone, Copy)]
pub struct Question<'q> {
    /// What is asked.
    pub request: &'q Request,
    /// The number of the sample.
    pub sample: u32,
    /// About how many tokens it has, its answer included.
    pub tokens: u64,
    /// As many requests may be on their way, over all models.
    pub slots: &'q Semaphore,
    /// Whether nothing more is to be asked.
    pub ends: &'q (dyn Fn() -> bool + Send + Sync),
    /// Who hears what happens.
    pub tell: Told<'q>,
}

type Told<'t> = &'t (dyn Fn(Happened<'_>) + Send + Sync);

/// The connections of a run. Nothing is set up before the first request.
#[derive(Debug, Default)]
pub struct Client {
    plain: OnceLock<Result<reqwest::Client, String>>,
    direct: OnceLock<Result<reqwest::Client, String>>,
    proxied: OnceLock<Result<reqwest::Client, String>>,
    permissions: Permissions,
}

/// A model, ready to be asked.
pub struct Lane<'c> {
    client: &'c Client,
    provider: Box<dyn Provider>,
    credentials: Credentials,
    secrets: Secrets,
    timeout: Duration,
    deadline: Duration,
    policy: Policy,
    pace: Pace,
    breaker: Breaker,
}

impl Client {
    /// A client that may do what is permitted.
    #[must_use]
    pub fn new(permissions: Permissions) -> Self {
        Self { permissions, ..Self::default() }
    }

    /// The model of an entry.
    pub fn lane(&self, entry: &ModelEntry, variables: Variables<'_>) -> Result<Lane<'_>, Problems> {
        let mut problems = Problems::default();
        let provider = provider::build(entry, Some(variables), &mut problems);
        let Some(provider) = provider.filter(|_| !problems.has_errors()) else {
            return Err(problems);
        };
        let place = || Place::span(&entry.source, entry.alias_span.clone());
        if entry.provider == "exec" && !self.permissions.programs {
            let message = format!("the {} `{}` runs a program, which was not allowed", entry.what(), entry.alias);
            let help = "say `--allow-exec` (or set PROMPTCTL_ALLOW_EXEC=1) if you trust the project";
            return Err(Problem::error(place(), message).help(help).into());
        }
        let credentials = Credentials::of(entry, variables)
            .map_err(|missing| Problem::error(place(), format!("no credentials: {missing} is not set")))?;
        if let Some(host) = provider.host() {
            self.permissions.hosts.check(entry, &host, &credentials.variables())?;
        }
        Ok(Lane {
            client: self,
            provider,
            secrets: credentials.secrets().and(&self.permissions.secrets),
            credentials,
            timeout: Duration::from_millis(entry.limits.timeout_ms),
            deadline: Duration::from_millis(entry.limits.deadline_ms()),
            policy: Policy::new(entry.limits.retries),
            pace: Pace::new(entry.limits.requests_per_minute, entry.limits.tokens_per_minute),
            breaker: Breaker::default(),
        })
    }

    /// The connections for an address: a proxy of the environment is used, but never for this machine itself.
    fn http(&self, url: &Url) -> Result<&reqwest::Client, Fault> {
        let way = Way::to(url);
        let slot = match way {
            Way::Plain => &self.plain,
            Way::Direct => &self.direct,
            Way::Proxied => &self.proxied,
        };
        let built = slot.get_or_init(|| build_http(way));
        built.as_ref().map_err(|why| Fault::new(FaultKind::Tls, format!("connections cannot be set up: {why}")))
    }
}

/// Connections for another service than a model, at an address: the same certificates, proxies and time limits, and no
/// redirect is followed. `Err` says why they cannot be set up.
pub fn connections(url: &Url) -> Result<reqwest::Client, String> {
    build_http(Way::to(url))
}

/// Whether an address is this machine itself.
#[must_use]
pub fn is_local(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default().trim_end_matches('.').trim_matches(['[', ']']);
    let address = host.parse::<IpAddr>().ok();
    host == "localhost"
        || host.ends_with(".localhost")
        || address.is_some_and(|address| address.is_loopback() || address.is_unspecified())
}

/// How an address is reached.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    /// This machine itself, without TLS: no certificate is ever looked at, and reading those of the system takes
    /// longer than most local models need to answer.
    Plain,
    /// This machine itself, with TLS.
    Direct,
    /// Through the proxy of the environment, where there is one.
    Proxied,
}

impl Way {
    fn to(url: &Url) -> Self {
        match (is_local(url), url.scheme()) {
            (true, "http") => Self::Plain,
            (true, _) => Self::Direct,
            (false, _) => Self::Proxied,
        }
    }
}

/// Says which cryptography TLS uses, before the first connection is set up.
pub fn use_ring() {
    // A second installation is refused, and the first one is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
}

fn build_http(way: Way) -> Result<reqwest::Client, String> {
    use_ring();
    let builder = reqwest::Client::builder()
        .redirect(redirect::Policy::none())
        .connect_timeout(CONNECT)
        .pool_max_idle_per_host(KEPT_OPEN)
        .tcp_nodelay(true)
        .user_agent(concat!("promptctl/", env!("CARGO_PKG_VERSION")));
    let builder = match way {
        Way::Plain => builder.no_proxy().tls_certs_only([]),
        Way::Direct => builder.no_proxy(),
        Way::Proxied => builder,
    };
    builder.build().map_err(|error| error.to_string())
}

/// A reply with what its headers say of the next attempt.
struct Arrived {
    reply: Reply,
    wait: Option<Duration>,
    again: Option<bool>,
}

impl Lane<'_> {
    /// Asks, again where that may help.
    pub async fn ask(&self, question: &Question<'_>) -> Result<Response, Fault> {
        let Question { request, sample, tokens, slots, ends, tell } = *question;
        let (mut attempts, mut failures) = (0, 0);
        let mut last: Option<(Fault, Instant)> = None;
        loop {
            let over = self.over(ends, attempts == 0);
            let turn = async {
                match &last {
                    None => Some(self.pace.turn(tokens, slots).await),
                    Some((_, deadline)) => timeout_at(*deadline, self.pace.turn(tokens, slots)).await.ok(),
                }
            };
            // A turn that is there at once needs no look at the clock.
            let turn = tokio::select! {
                biased;
                turn = turn => turn,
                why = over => return Err(last.map_or_else(|| Fault::unasked(why), |(fault, _)| fault)),
            };
            let Some((turn, slot)) = turn else {
                let fault = last.map_or_else(|| Fault::unasked("its time is over"), |(fault, _)| fault);
                return Err(self.give_up(self.late(fault), tell));
            };
            if let Some(why) = self.is_over(ends, attempts == 0) {
                return Err(last.map_or_else(|| Fault::unasked(why), |(fault, _)| fault));
            }
            let begun = Instant::now();
            let deadline = last.as_ref().map_or(begun + self.deadline, |(_, deadline)| *deadline);
            let limit = self.timeout.min(deadline.saturating_duration_since(begun));
            let mut fault = match self.attempt(request, sample, attempts, limit, tell).await {
                Ok(mut response) => {
                    // A server that says the key back does not get it into anything that is shown or written.
                    redact_response(&mut response, &self.secrets);
                    response.latency_ms.get_or_insert_with(|| milliseconds(begun.elapsed()));
                    response.attempts = (attempts > 0).then_some(attempts + 1);
                    let used = response
                        .usage
                        .input
                        .zip(response.usage.output)
                        .map(|(input, output)| input.saturating_add(output));
                    turn.answered(used);
                    self.breaker.answered();
                    return Ok(response);
                }
                Err(fault) => fault.redacted(&self.secrets),
            };
            attempts += 1;
            fault.attempts = attempts;
            let limited = fault.kind == FaultKind::RateLimited;
            let chance = fastrand::f64();
            let (mut wait, fault) = match self.policy.next(fault, failures, chance) {
                Ok(again) => again,
                Err(fault) => return Err(self.give_up(fault, tell)),
            };
            if limited {
                wait = self.pace.refused(fault.wait, chance);
            }
            drop((turn, slot));
            if Instant::now() + wait >= deadline {
                return Err(self.give_up(self.late(fault), tell));
            }
            tell(Happened::Retried { reason: &fault.message, billable: fault.billable });
            if !limited {
                // A refusal holds everybody back, this request with them; any other fault is its own.
                failures += 1;
                tokio::select! {
                    () = tokio::time::sleep(wait) => {}
                    _ = self.over(ends, false) => return Err(fault),
                }
            }
            last = Some((fault, deadline));
        }
    }

    /// Why nothing more is to be asked: the run ends, or, for a request that was not sent yet, the model was given up.
    fn is_over(&self, ends: &(dyn Fn() -> bool + Send + Sync), fresh: bool) -> Option<String> {
        if ends() {
            return Some("the run ends".to_owned());
        }
        let why = self.breaker.open().filter(|_| fresh)?;
        Some(format!("not asked, because nothing more is asked of this model: {why}"))
    }

    /// Waits until nothing more is to be asked.
    async fn over(&self, ends: &(dyn Fn() -> bool + Send + Sync), fresh: bool) -> String {
        loop {
            if let Some(why) = self.is_over(ends, fresh) {
                return why;
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// The fault of a request whose time is over.
    fn late(&self, mut fault: Fault) -> Fault {
        fault.message = format!("{}; gave up after {} s (`deadline`)", fault.message, self.deadline.as_secs_f64());
        fault
    }

    fn give_up(&self, fault: Fault, tell: Told<'_>) -> Fault {
        if let Some(why) = self.breaker.failed(&fault) {
            tell(Happened::GaveUp(why));
        }
        fault
    }

    /// Reads a reply. A fault shows the beginning of a body, and a key that is cut there would not be found any more: so
    /// it is made from a body without keys.
    fn read(&self, request: &Request, reply: &Reply) -> Result<Response, Fault> {
        self.provider.parse_of(request, reply).map_err(|fault| {
            let text = String::from_utf8_lossy(&reply.body);
            if !self.secrets.found_in(&text) {
                return fault;
            }
            let clean = Reply { status: reply.status, body: self.secrets.redact(&text).into_owned().into_bytes() };
            self.provider.parse_of(request, &clean).err().unwrap_or(fault)
        })
    }

    /// The beginning of what was sent or what came, without keys.
    fn excerpt(&self, body: &[u8]) -> String {
        let text = String::from_utf8_lossy(&body[..body.len().min(LOOKED_AT)]);
        excerpt(self.secrets.clean(&text).as_bytes())
    }

    async fn attempt(
        &self,
        request: &Request,
        sample: u32,
        attempt: u32,
        limit: Duration,
        tell: Told<'_>,
    ) -> Result<Response, Fault> {
        let late = |_| {
            let message = format!("no answer within {:.1} s", limit.as_secs_f64()).replace(".0 s", " s");
            Fault::new(FaultKind::Timeout, message).again(true).billable()
        };
        match self.provider.exchange_of(request, sample, attempt) {
            Exchange::Local { delay, answer } => {
                if !delay.is_zero() {
                    timeout(limit, tokio::time::sleep(delay)).await.map_err(late)?;
                }
                // What a script takes is what it says: the same script records the same answer.
                answer.map(|response| Response { latency_ms: Some(milliseconds(delay)), ..*response })
            }
            Exchange::Program { command, input } => {
                self.trace(tell, || format!("→ {}: {}", command.join(" "), self.excerpt(&input)));
                let key = match &self.credentials {
                    Credentials::Key { variable, value } => Some((variable.as_str(), value.as_str())),
                    Credentials::None | Credentials::Aws { .. } => None,
                };
                let run = program::run(&command, &self.client.permissions.folder, key, input, &self.secrets);
                let reply = timeout(limit, run).await.map_err(late)??;
                self.trace(tell, || format!("← {}", self.excerpt(&reply.body)));
                self.read(request, &reply)
            }
            Exchange::Http(call) => {
                let Arrived { reply, wait, again } =
                    timeout(limit, self.call(call, limit, tell)).await.map_err(late)??;
                self.read(request, &reply).map_err(|mut fault| {
                    fault.wait = wait.or(fault.wait);
                    fault.again = again.unwrap_or(fault.again);
                    // Whoever says when to come back is busy, not broken.
                    if reply.status == 529 || reply.status == 503 && fault.wait.is_some() {
                        fault.kind = FaultKind::RateLimited;
                    }
                    fault
                })
            }
        }
    }

    async fn call(&self, mut call: HttpCall, limit: Duration, tell: Told<'_>) -> Result<Arrived, Fault> {
        let bad = |why: String| Fault::new(FaultKind::BadRequest, why);
        let url = Url::parse(&call.url).map_err(|error| bad(error.to_string()))?;
        let proof = self.proof(&call).map_err(bad)?;
        self.trace(tell, || {
            let headers: Vec<&str> = call.headers.iter().map(|(name, _)| name.as_str()).collect();
            let proof: Vec<&str> = proof.iter().map(|(name, _)| name.as_str()).collect();
            let headers = [headers, proof].concat().join(", ");
            format!("→ POST {url} ({headers}) {} bytes: {}", call.body.len(), self.excerpt(&call.body))
        });
        let body = std::mem::take(&mut call.body);
        let mut builder = self.client.http(&url)?.post(url).body(body);
        for (name, value) in call.headers {
            builder = builder.header(name, value);
        }
        for (name, value) in proof {
            builder = builder.header(name, value);
        }
        let begun = Instant::now();
        let failed = |error: reqwest::Error| call_fault(&error, limit);
        let mut response = builder.send().await.map_err(failed)?;
        let status = response.status().as_u16();
        let now = SystemTime::now();
        let (wait, again) = (retry_after(response.headers(), now), should_retry(response.headers()));
        if let Some(quota) = Quota::read(response.headers(), now) {
            self.pace.learn(&quota);
        }
        let version = response.version();
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(failed)? {
            if body.len() + chunk.len() > MAX_BODY {
                let message = format!("the answer is larger than {} MiB", MAX_BODY >> 20);
                return Err(Fault::new(FaultKind::Protocol, message).billable());
            }
            body.extend_from_slice(&chunk);
        }
        self.trace(tell, || {
            let ms = begun.elapsed().as_millis();
            format!("← {status} ({version:?}, {ms} ms) {} bytes: {}", body.len(), self.excerpt(&body))
        });
        Ok(Arrived { reply: Reply { status, body }, wait, again })
    }

    /// The headers that prove who asks.
    fn proof(&self, call: &HttpCall) -> Result<Vec<(HeaderName, HeaderValue)>, String> {
        let header = |name: HeaderName, value: &str| {
            let mut value = HeaderValue::from_str(value).map_err(|_| {
                let variables = self.credentials.variables().join(", ");
                format!("the key in {variables} holds what no header can: a line end, or another control character")
            })?;
            value.set_sensitive(true);
            Ok((name, value))
        };
        let named = |name: &str| HeaderName::from_bytes(name.as_bytes()).map_err(|error| error.to_string());
        match &self.credentials {
            Credentials::None => Ok(Vec::new()),
            Credentials::Key { value, .. } => match self.provider.key_header() {
                KeyHeader::Bearer => Ok(vec![header(AUTHORIZATION, &format!("Bearer {value}"))?]),
                KeyHeader::Named(name) => Ok(vec![header(named(&name)?, value)?]),
            },
            Credentials::Aws { access_key, secret_key, session } => {
                let region = self.provider.region().unwrap_or_default();
                let signer = Signer { access_key, secret_key, session: session.as_deref(), region };
                let headers = signer.headers(call, SystemTime::now())?;
                headers.iter().map(|(name, value)| header(named(name)?, value)).collect()
            }
        }
    }

    fn trace(&self, tell: Told<'_>, line: impl FnOnce() -> String) {
        if self.client.permissions.traces {
            tell(Happened::Traced(self.secrets.clean(&line())));
        }
    }
}

fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
