//! Texts embedded by a model of a project, through the client that a run asks with.

use std::sync::Mutex;

use promptctl::core::problem::Problems;
use promptctl::core::record::Response;
use promptctl::model::{AllowedHosts, Client, Fault, Happened, Permissions, Question, embedding_request};
use promptctl::project::Config;
use tokio::sync::Semaphore;

use crate::common::MemoryTree;

/// What came of a text, and all that was told on the way.
pub struct Embedded {
    pub result: Result<Response, Fault>,
    pub told: String,
}

/// Embeds a text with the entry `m` of a project. `key` is the value of every variable.
pub fn embed(entry: &str, key: &str, text: &str) -> Embedded {
    let tree = MemoryTree::of([("promptctl.yaml", format!("models: {{ m: {{ {entry} }} }}\n").as_bytes())]);
    let mut problems = Problems::default();
    let config = Config::load(&tree, &mut problems).expect("a project");
    assert!(!problems.has_errors(), "{entry}");
    let variables = |name: &str| Some(if name.ends_with("_ENDPOINT") { String::new() } else { key.to_owned() });
    let hosts = AllowedHosts::new(Some("127.0.0.1"));
    let client = Client::new(Permissions { hosts, traces: true, ..Permissions::default() });
    let model = &config.models[0];
    let lane = client.lane(model, &variables).map_err(Problems::sorted).expect(entry);
    let told = Mutex::new(String::new());
    let tell = |happened: Happened<'_>| told.lock().expect("whole").push_str(&format!("{happened:?}\n"));
    let slots = Semaphore::new(1);
    let request = embedding_request(model, text);
    let question = Question { request: &request, sample: 0, tokens: 1, slots: &slots, ends: &|| false, tell: &tell };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let result = runtime.block_on(lane.ask(&question));
    Embedded { result, told: told.into_inner().expect("whole") }
}
