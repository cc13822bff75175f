//! Which requests a digest names: those that a version renders, those that its recordings answer, and those of runs.

use rusqlite::params;
use serde::Serialize;

use super::database::{History, HistoryError};
use super::query::count;
use super::versions::Entry;
use crate::core::event::Provenance;
use crate::core::names::{CaseName, ModelAlias, RequestKey};
use crate::recording::{Line, lines_with};

/// A request of a case to a model.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Asked {
    /// The key.
    pub key: RequestKey,
    /// The case.
    pub case: CaseName,
    /// The model, or the retriever.
    pub model: ModelAlias,
    /// The number of the sample, from 0.
    pub sample: u32,
    /// What for.
    pub purpose: Purpose,
    /// Whether the version renders it; else it is only recorded with it.
    pub rendered: bool,
}

/// What a request was for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "kind", content = "of")]
pub enum Purpose {
    /// The answer to the case.
    Answer,
    /// The answer in a later turn of a conversation.
    Turn(u32),
    /// What a check wants to know of an answer.
    Check(String),
    /// An experiment of an audit.
    Experiment(String),
    /// What a retriever finds.
    Documents,
}

impl Asked {
    fn of_line(line: &Line) -> Self {
        let purpose = match line {
            Line { check: Some(check), .. } => Purpose::Check(check.clone()),
            Line { experiment: Some(experiment), .. } => Purpose::Experiment(experiment.clone()),
            Line { turn: Some(turn), .. } => Purpose::Turn(*turn),
            line if line.response.documents.is_some() => Purpose::Documents,
            _ => Purpose::Answer,
        };
        let (key, case, model) = (line.key.clone(), line.case.clone(), line.model.clone());
        Self { key, case, model, sample: line.sample, purpose, rendered: false }
    }
}

/// The requests of a version whose keys begin with some digits.
#[derive(Clone, Debug, Default)]
pub struct Requests {
    /// Those that it renders.
    pub rendered: Vec<Asked>,
    /// Those that its recordings answer and that nobody can render from it alone: later turns, what checks asked, experiments,
    /// and what another state of the prompt rendered that was never committed.
    pub recorded: Vec<Asked>,
}

impl Entry {
    /// The requests whose keys begin so. `known` are recordings of the prompt from elsewhere, and whether they are this version's
    /// as well.
    #[must_use]
    pub fn requests(&self, digits: &str, (known, are_own): (&[Line], bool)) -> Requests {
        let mut found = Requests::default();
        let Some(recordings) = &self.recordings else { return found };
        let begins = |key: &RequestKey| key.as_str().starts_with(digits);
        if let Some(loaded) = &self.state.loaded {
            let workspace = &loaded.prepared.workspace;
            for item in &loaded.plan.items {
                let (case, model) = (&workspace.cases.list[item.case], &workspace.config.models[item.model]);
                let asked = |(sample, key): (u32, &RequestKey)| Asked {
                    key: key.clone(),
                    case: case.name.clone(),
                    model: model.alias.clone(),
                    sample,
                    purpose: Purpose::Answer,
                    rendered: true,
                };
                found.rendered.extend((0..).zip(&item.keys).filter(|(_, key)| begins(key)).map(asked));
            }
        }
        let own =
            [&self.state.tree, recordings].into_iter().flat_map(|tree| lines_with(&**tree, &self.state.name, digits));
        let own = own.map(|line| (line, true)).chain(known.iter().cloned().map(|line| (line, are_own)));
        for (line, is_own) in own {
            let mut asked = Asked::of_line(&line);
            if found.rendered.iter().chain(&found.recorded).any(|other| other.key == asked.key) {
                continue;
            }
            // A model or a sample that only the command line named.
            asked.rendered = asked.purpose == Purpose::Answer && self.renders(&line);
            if asked.rendered {
                found.rendered.push(asked);
            } else if is_own {
                found.recorded.push(asked);
            }
        }
        found
    }

    /// Whether a recorded answer is one to what this version asks.
    fn renders(&self, line: &Line) -> bool {
        let Some(loaded) = &self.state.loaded else { return false };
        let workspace = &loaded.prepared.workspace;
        let is_own =
            |case: &&crate::case::Case| case.name == line.case && workspace.prompt_of(case).name == self.state.name;
        let case = workspace.cases.list.iter().find(is_own);
        let Some(case) = case else { return false };
        match (workspace.config.model(&line.model), &line.request) {
            (Some(entry), _) => {
                workspace.request(case, entry).is_ok_and(|request| request.key(line.sample) == line.key)
            }
            // A model that this version does not know, or not by that name.
            (None, Some(request)) => workspace.messages(case).is_ok_and(|messages| messages == request.messages),
            (None, None) => false,
        }
    }
}

/// A case on a model in runs that asked the same.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RanRow {
    /// The newest of these runs.
    pub run: i64,
    /// When it began.
    pub started: String,
    /// The commit, and whether the project's folder was edited since.
    #[serde(flatten)]
    pub provenance: Provenance,
    /// The prompt.
    pub prompt: String,
    /// What its author called it.
    pub prompt_version: Option<String>,
    /// What it was.
    pub prompt_digest: String,
    /// The case.
    pub case: String,
    /// The model.
    pub model: String,
    /// The first digits of the key of the request.
    pub request: Option<String>,
    /// How many runs there are.
    pub runs: u64,
}

/// What was run under a request whose kept digits begin as these do, or these as they do, or of a prompt whose digest begins so.
const RAN: &str = "
SELECT max(run), started, commit_hash, dirty, name, version, digest, case_name, model, request, count(*)
FROM results JOIN prompts ON prompts.id = results.prompt JOIN runs ON runs.id = results.run
WHERE iif(?2, substr(digest, 1, length(?1)) = ?1, substr(?1, 1, length(request)) = substr(request, 1, length(?1)))
GROUP BY name, version, digest, case_name, model, request ORDER BY max(run) DESC, name, case_name, model";

impl History {
    /// The runs that asked what these digits begin the key of, newest first.
    pub fn ran(&self, digits: &str) -> Result<Vec<RanRow>, HistoryError> {
        self.ran_by(digits, false)
    }

    /// The runs of a prompt whose digest begins with these digits, newest first.
    pub fn ran_of_digest(&self, digits: &str) -> Result<Vec<RanRow>, HistoryError> {
        self.ran_by(digits, true)
    }

    fn ran_by(&self, digits: &str, of_prompt: bool) -> Result<Vec<RanRow>, HistoryError> {
        let mut statement = self.connection.prepare(RAN)?;
        let rows = statement.query_map(params![digits, of_prompt], |row| {
            Ok(RanRow {
                run: row.get(0)?,
                started: row.get(1)?,
                provenance: Provenance { commit: row.get(2)?, dirty: row.get(3)? },
                prompt: row.get(4)?,
                prompt_version: row.get(5)?,
                prompt_digest: row.get(6)?,
                case: row.get(7)?,
                model: row.get(8)?,
                request: row.get(9)?,
                runs: count(row, 10)?,
            })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }
}
