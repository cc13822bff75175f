//! An object store with recordings.

use std::time::Duration;

use futures_util::{StreamExt as _, stream};
use object_store::path::Path;
use object_store::{Error, ObjectStore, ObjectStoreExt as _, PutMode, PutOptions, PutPayload, parse_url_opts};
use tokio::runtime::Runtime;

use super::context::Context;
use super::failure::Failure;
use crate::core::names::PromptName;
use crate::core::words::counted;
use crate::recording::{Line, MAX_SHARED, shared_line, shared_path, shared_text};
use crate::run::Unrecorded;

/// Requests in flight.
const AT_ONCE: usize = 32;
/// How long all of them together may take: beyond that a run goes on without.
const PATIENCE: Duration = Duration::from_mins(2);
/// Whose variables say how to reach a store.
const VARIABLES: [&str; 4] = ["AWS_", "AZURE_", "GOOGLE_", "OBJECT_STORE_"];

/// An open store.
pub(super) struct Objects {
    store: Box<dyn ObjectStore>,
    prefix: Path,
    runtime: Runtime,
    shown: String,
}

/// What became of one object.
enum Came {
    Line(PromptName, Box<Line>),
    Absent,
    Refused(String),
    Failed(String),
}

impl Objects {
    pub(super) fn open(context: &Context, url: &str) -> Result<Self, Failure> {
        crate::model::use_ring();
        let parsed = reqwest::Url::parse(url).map_err(|error| {
            Failure::usage(format!("`{url}` is no address of shared recordings: {error}")).help(HELP)
        })?;
        // A password in the address is never shown.
        let shown = format!("{}://{}{}", parsed.scheme(), parsed.host_str().unwrap_or_default(), parsed.path());
        if parsed.scheme() == "file" {
            let folder = parsed.to_file_path().unwrap_or_default();
            std::fs::create_dir_all(&folder)
                .map_err(|error| Failure::usage(format!("the folder {} cannot be made: {error}", folder.display())))?;
        }
        let usual = [("timeout", "20s"), ("connect_timeout", "5s")].map(|(name, value)| (name.into(), value.into()));
        let options = usual.into_iter().chain(
            context.variables_of(&VARIABLES).into_iter().map(|(name, value)| (name.to_ascii_lowercase(), value)),
        );
        let (store, prefix) = parse_url_opts(&parsed, options)
            .map_err(|error| Failure::usage(format!("{shown} cannot be opened: {error}")).help(HELP))?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        Ok(Self { store, prefix, runtime, shown })
    }

    fn path(&self, below: &str) -> Path {
        below.split('/').fold(self.prefix.clone(), Path::join)
    }

    /// Takes what is there of what is wanted. What cannot be read is said, and is as if it were not there.
    pub(super) fn fetch(&self, wanted: &[Unrecorded]) -> (Vec<(PromptName, Line)>, Vec<String>) {
        let (mut found, mut absent, mut refused, mut failed) = (Vec::new(), 0_u64, Vec::new(), Vec::new());
        let all = async {
            let mut coming = stream::iter(wanted).map(|wanted| self.get(wanted)).buffered(AT_ONCE);
            while let Some(came) = coming.next().await {
                match came {
                    Came::Line(prompt, line) => found.push((prompt, *line)),
                    Came::Absent => absent += 1,
                    Came::Refused(why) => refused.push(why),
                    Came::Failed(why) => failed.push(why),
                }
                // A store that does not answer is not asked for everything.
                if failed.len() > 3 {
                    return true;
                }
            }
            true
        };
        let in_time = self.runtime.block_on(async { tokio::time::timeout(PATIENCE, all).await.unwrap_or(false) });
        let mut notes = Vec::new();
        if !wanted.is_empty() {
            let of =
                counted(wanted.len() as u64, "answer that is not recorded here", "answers that are not recorded here");
            notes.push(format!("{} of {of} came from {}", found.len(), self.shown));
        }
        if let Some(first) = refused.first() {
            notes.push(format!(
                "{} in {} not believed: {first}",
                counted(refused.len() as u64, "answer is", "answers are"),
                self.shown
            ));
        }
        if let Some(first) = failed.first() {
            notes.push(format!("{} cannot be read, and is gone on without: {first}", self.shown));
        } else if !in_time {
            notes.push(format!("{} takes too long, and is gone on without", self.shown));
        }
        (found, notes)
    }

    async fn get(&self, wanted: &Unrecorded) -> Came {
        let path = self.path(&shared_path(&wanted.key));
        let failed = |error: Error| match error {
            Error::NotFound { .. } => Came::Absent,
            error => Came::Failed(error.to_string()),
        };
        let object = match self.store.get(&path).await {
            Ok(object) if object.meta.size > MAX_SHARED => {
                return Came::Refused(format!("{path} has {} bytes", object.meta.size));
            }
            Ok(object) => object,
            Err(error) => return failed(error),
        };
        match object.bytes().await {
            Err(error) => failed(error),
            Ok(bytes) => match shared_line(&wanted.key, &bytes, &wanted.case, &wanted.model) {
                Ok(line) => Came::Line(wanted.prompt.clone(), Box::new(line)),
                Err(why) => Came::Refused(format!("{path}: {why}")),
            },
        }
    }

    /// Puts lines there. One that is there already stays: the first answer to a request is the one that machines share.
    pub(super) fn put(&self, lines: &[&Line]) -> Vec<String> {
        let texts: Vec<(&Line, String)> = lines.iter().filter_map(|line| Some((*line, shared_text(line)?))).collect();
        let all = async {
            let puts = stream::iter(texts).map(|(line, text)| async move {
                let options = PutOptions { mode: PutMode::Create, ..PutOptions::default() };
                let path = self.path(&shared_path(&line.key));
                self.store.put_opts(&path, PutPayload::from(text.into_bytes()), options).await
            });
            puts.buffered(AT_ONCE).collect::<Vec<_>>().await
        };
        let done = self.runtime.block_on(async { tokio::time::timeout(PATIENCE, all).await });
        let Ok(done) = done else {
            return vec![format!("{} takes too long: not all answers are there", self.shown)];
        };
        let put = done.iter().filter(|put| put.is_ok()).count() as u64;
        let there = done.iter().filter(|put| matches!(put, Err(Error::AlreadyExists { .. }))).count() as u64;
        let mut notes =
            vec![format!("{} put into {}, {there} were there", counted(put, "answer was", "answers were"), self.shown)];
        let error =
            done.iter().find_map(|put| put.as_ref().err().filter(|e| !matches!(e, Error::AlreadyExists { .. })));
        notes.extend(error.map(|error| format!("some could not be put there: {error}")));
        notes
    }
}

const HELP: &str = "such as file:///mnt/recordings, s3://bucket/prefix, gs://bucket/prefix or az://container/prefix; credentials come from \
                    the environment (AWS_…, GOOGLE_…, AZURE_…)";
