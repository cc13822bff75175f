//! Asking retrievers that are APIs or programs, and embeddings models, side by side and politely.

use std::collections::BTreeMap;
use std::collections::HashMap;

use futures_util::stream::{self, StreamExt as _};
use tokio::sync::Semaphore;

use crate::core::names::RequestKey;
use crate::core::problem::Problems;
use crate::core::record::{Request, Response};
use crate::model::{Client, Happened, Lane, Question, Variables};
use crate::plan::Estimate;
use crate::project::ModelEntry;

/// How many are asked at once where nobody says.
const JOBS: usize = 16;

/// What asking needs to know.
pub struct Asking<'a> {
    /// The connections, and what somebody outside the repository allows.
    pub client: &'a Client,
    /// The variables that hold keys.
    pub variables: Variables<'a>,
    /// Whether nothing more is to be asked.
    pub ends: &'a (dyn Fn() -> bool + Send + Sync),
    /// The most requests in flight, where the command line says.
    pub jobs: Option<usize>,
}

/// The way to each entry, and how many may be on it, by where the entry stands: two files may call something the same.
type Lanes<'c, 'e> = BTreeMap<(&'e str, usize), (Lane<'c>, Semaphore)>;

fn address(entry: &ModelEntry) -> (&str, usize) {
    (&entry.source.path, entry.alias_span.start)
}

/// What came of a request: the response, or why there is none.
pub type Came = Result<Response, String>;

impl Asking<'_> {
    /// Asks each request of its entry, the same one only once, and gives what came in the order of the requests. `arrived` hears
    /// of a response at once, so that it can be written down; what it says is wrong is the reason why there is none.
    ///
    /// # Errors
    ///
    /// What is wrong with an entry, before anything is asked: no key, a program or a host that is not allowed.
    pub fn ask(
        &self,
        requests: &[(&ModelEntry, Request)],
        arrived: &mut dyn FnMut(usize, &Response) -> std::io::Result<Option<String>>,
    ) -> Result<std::io::Result<Vec<Came>>, Problems> {
        let lanes = self.lanes(requests)?;
        let keys: Vec<RequestKey> = requests.iter().map(|(_, request)| request.key(0)).collect();
        let mut first: HashMap<&RequestKey, usize> = HashMap::new();
        for (index, key) in keys.iter().enumerate() {
            first.entry(key).or_insert(index);
        }
        let mut wanted: Vec<usize> = first.values().copied().collect();
        wanted.sort_unstable();
        let mut came: HashMap<&RequestKey, Came> = HashMap::new();
        let done = self.ask_each(&lanes, requests, &wanted, &mut |index, result| {
            let result = match result {
                Ok(response) => match arrived(index, &response)? {
                    Some(refused) => Err(refused),
                    None => Ok(response),
                },
                Err(why) => Err(why),
            };
            came.insert(&keys[index], result);
            Ok(())
        });
        let unasked = || Err("the run ended before it was asked".to_owned());
        Ok(done.map(|()| keys.iter().map(|key| came.get(key).cloned().unwrap_or_else(unasked)).collect()))
    }

    fn lanes<'e>(&self, requests: &[(&'e ModelEntry, Request)]) -> Result<Lanes<'_, 'e>, Problems> {
        let (mut lanes, mut problems) = (BTreeMap::new(), Problems::default());
        for (entry, _) in requests {
            if lanes.contains_key(&address(entry)) || problems.has_errors() {
                continue;
            }
            match self.client.lane(entry, self.variables) {
                Ok(lane) => {
                    let slots = Semaphore::new(entry.limits.concurrency.unwrap_or(Semaphore::MAX_PERMITS));
                    lanes.insert(address(entry), (lane, slots));
                }
                Err(found) => problems.extend(found),
            }
        }
        if problems.is_empty() { Ok(lanes) } else { Err(problems) }
    }

    fn ask_each(
        &self,
        lanes: &Lanes<'_, '_>,
        requests: &[(&ModelEntry, Request)],
        wanted: &[usize],
        tell: &mut dyn FnMut(usize, Came) -> std::io::Result<()>,
    ) -> std::io::Result<()> {
        let jobs = self.jobs.unwrap_or(JOBS).max(1);
        let slots = Semaphore::new(jobs);
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
        let one = |index: usize| {
            let (slots, ends) = (&slots, self.ends);
            async move {
                let (entry, request) = &requests[index];
                let Some((lane, own)) = lanes.get(&address(entry)) else {
                    return (index, Err("it has no lane".to_owned()));
                };
                let Ok(_slot) = own.acquire().await else { return (index, Err("it was not asked".to_owned())) };
                let estimate = Estimate::of(entry, request);
                let question =
                    Question { request, sample: 0, tokens: estimate.input, slots, ends, tell: &|_: Happened<'_>| {} };
                (index, lane.ask(&question).await.map_err(|fault| fault.to_string()))
            }
        };
        runtime.block_on(async {
            // Who waits for a slow server keeps no other from being asked.
            let mut answers = stream::iter(wanted.iter().copied().map(one)).buffer_unordered(wanted.len().max(1));
            while let Some((index, came)) = answers.next().await {
                let came = came.map(|mut response| {
                    let most = requests[index].1.params.get("top").and_then(serde_json::Value::as_u64);
                    if let (Some(documents), Some(most)) = (&mut response.documents, most) {
                        documents.truncate(usize::try_from(most).unwrap_or(usize::MAX));
                    }
                    response
                });
                tell(index, came)?;
            }
            Ok(())
        })
    }
}
