//! The ids that were found for each query, as they were accepted: `snapshots/_retrieval/NAME.snap`. The order counts, scores do not.
//!
//! A file as other snapshots are: `---`, what it is, `---`, and the ids as YAML.

use serde::{Deserialize, Serialize};

use super::document::Asked;
use super::golden::{RETRIEVAL, golden_path};
use crate::core::names::ModelAlias;
use crate::core::path::TreePath;
use crate::core::problem::{Place, Problem};
use crate::snapshot::{ACCEPTED, SNAPSHOTS, Snapshot};
use crate::tree::{Tree, TreeError};

/// What was found for a query.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Found {
    /// The query's name.
    pub query: String,
    /// The ids, the best first.
    pub found: Vec<String>,
}

/// What moved for a query.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Moved {
    /// The query's name.
    pub query: String,
    /// What was accepted; nothing where the query is new.
    pub before: Option<Vec<String>>,
    /// What is found now; nothing where there is no such query any more.
    pub after: Option<Vec<String>>,
}

/// Where the ids of a retriever are kept.
#[must_use]
pub fn kept_path(name: &ModelAlias) -> TreePath {
    let path = format!("{SNAPSHOTS}/{RETRIEVAL}/{name}{ACCEPTED}");
    TreePath::new(&path).unwrap_or_else(|_| unreachable!("a checked name makes a relative path"))
}

/// What is found now, as it is kept. A query that could not be asked keeps what was accepted.
#[must_use]
pub fn found(asked: &[Asked], accepted: &[Found]) -> Vec<Found> {
    let of = |asked: &Asked| {
        let old = accepted.iter().find(|old| old.query == asked.name);
        match (&asked.error, old) {
            (Some(_), old) => old.cloned(),
            (None, _) => {
                let ids = asked.retrieved.iter().map(|document| document.id.clone()).collect();
                Some(Found { query: asked.name.clone(), found: ids })
            }
        }
    };
    asked.iter().filter_map(of).collect()
}

/// The text of the file.
pub fn to_text(name: &ModelAlias, found: &[Found]) -> Result<String, String> {
    let body = serde_yaml::to_string(found).map_err(|error| error.to_string())?;
    let source = golden_path(name);
    let text =
        format!("---\nsource: {source}\ndescription: what the retriever {name} finds, the best first\n---\n{body}");
    if from_text(&text)? != found {
        return Err("an id cannot be written so that it is read again".to_owned());
    }
    Ok(text)
}

fn from_text(text: &str) -> Result<Vec<Found>, String> {
    let snapshot = Snapshot::parse(text).map_err(|error| error.to_string())?;
    // The last line end is the file's there, and the last id's here.
    let body = format!("{}\n", snapshot.body());
    serde_yaml::from_str(&body).map_err(|error| format!("the ids cannot be read: {error}"))
}

/// What was accepted; `None` where nothing was yet.
pub fn read(tree: &dyn Tree, name: &ModelAlias) -> Result<Option<Vec<Found>>, Problem> {
    let path = kept_path(name);
    let text = match tree.text(&path) {
        Ok(text) => text,
        Err(TreeError::Missing(_)) => return Ok(None),
        Err(error) => return Err(error.into_problem()),
    };
    from_text(&text).map(Some).map_err(|why| {
        Problem::error(Place::File(path.to_string()), why)
            .help("restore the file from git, or remove it and run `promptctl retrieval test --update`")
    })
}

/// What moved, in the order of the queries, those that are gone behind them.
#[must_use]
pub fn moved(before: &[Found], after: &[Found]) -> Vec<Moved> {
    let changed = after.iter().filter_map(|new| {
        let old = before.iter().find(|old| old.query == new.query).map(|old| old.found.clone());
        (old.as_ref() != Some(&new.found)).then(|| Moved {
            query: new.query.clone(),
            before: old,
            after: Some(new.found.clone()),
        })
    });
    let gone = before.iter().filter(|old| !after.iter().any(|new| new.query == old.query));
    let gone = gone.map(|old| Moved { query: old.query.clone(), before: Some(old.found.clone()), after: None });
    changed.chain(gone).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn whatever_the_ids_are_they_are_read_again(
            found in prop::collection::vec(("(?s).{1,12}", prop::collection::vec("(?s).{0,12}|no|007|---|~|1e3", 0..4)), 0..5)
        ) {
            let found: Vec<Found> = found.into_iter().map(|(query, found)| Found { query, found }).collect();
            let name = ModelAlias::new("a").expect("a name");
            // What cannot be written so is refused, and never written otherwise.
            if let Ok(text) = to_text(&name, &found) {
                prop_assert_eq!(from_text(&text).expect("ids"), found);
            }
        }
    }

    #[test]
    fn only_what_moved_is_told() {
        let of = |query: &str, ids: &[&str]| Found {
            query: query.into(),
            found: ids.iter().map(|id| (*id).into()).collect(),
        };
        let before = [of("same", &["a"]), of("order", &["a", "b"]), of("gone", &["a"])];
        let after = [of("same", &["a"]), of("order", &["b", "a"]), of("new", &[])];
        let names: Vec<(String, bool, bool)> = moved(&before, &after)
            .into_iter()
            .map(|moved| (moved.query, moved.before.is_some(), moved.after.is_some()))
            .collect();
        let expected = [("order", true, true), ("new", false, true), ("gone", true, false)];
        assert_eq!(names, expected.map(|(name, before, after)| (name.to_owned(), before, after)));
    }
}
