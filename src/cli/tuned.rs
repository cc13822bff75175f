//! When to tune again: the base moved or ends, or the answers that a model was tuned on are no longer those that are accepted.

use std::collections::BTreeMap;

use super::context::Context;
use super::failure::Failure;
use super::fine_tune::examples;
use super::load::Project;
use crate::case::{Selection, SelectionError};
use crate::core::time::{Clock as _, rfc3339};
use crate::core::words::counted;
use crate::export::fine_tune::{SPLIT, SplitRecord};
use crate::project::{FineTuned, ModelEntry, is_version_of, known_price};
use crate::run::Prepared;
use crate::tree::TreeError;

/// So many days before its end a base is worth a word.
const SOON: i64 = 60;
/// The longest `split.json` that is read.
const LONGEST: u64 = 256 << 20;

/// Where a tuned model is from, in a line.
pub(super) fn origin(tuned: &FineTuned) -> String {
    let on = tuned.on.as_ref().map(|day| format!(" on {day}")).unwrap_or_default();
    let data = tuned.data.as_ref().map(|data| format!(", on the data in {data}")).unwrap_or_default();
    format!("{}{on}{data}", tuned.from)
}

/// Why a tuned model should be tuned again, each reason in a sentence.
pub(super) fn reminders(
    context: &Context,
    project: &Project,
    prepared: &Prepared,
    entry: &ModelEntry,
    tuned: &FineTuned,
) -> Result<Vec<String>, Failure> {
    let mut found = Vec::new();
    let base = tuned.base.as_ref().and_then(|alias| prepared.workspace.config.model(alias));
    if let Some(base) = base {
        // A name without a day may be that of the same model.
        let is_same = is_version_of(&tuned.from, &base.model) || is_version_of(&base.model, &tuned.from);
        if !is_same {
            found.push(format!(
                "the base moved: `{}` is `{}` now, and this was tuned from `{}`",
                base.alias, base.model, tuned.from
            ));
        }
    }
    let soon = context.take_clock().now().checked_add(jiff::SignedDuration::from_hours(24 * SOON)).map(rfc3339);
    let soon = soon.unwrap_or_default();
    let own = base.filter(|base| base.model == tuned.from).and_then(|base| base.retires_on.clone());
    let known = known_price(&entry.provider, entry.base_url.as_deref(), &tuned.from);
    let end = own.or_else(|| known.and_then(|row| row.retires.clone()));
    if let Some(day) = end.filter(|day| **day < *soon) {
        found.push(format!("the vendor ends its base `{}` on {day}", tuned.from));
    }
    if let Some(data) = &tuned.data {
        found.extend(moved(context, project, prepared, data)?);
    }
    Ok(found)
}

/// What became of the answers since the data were written.
fn moved(context: &Context, project: &Project, prepared: &Prepared, data: &str) -> Result<Option<String>, Failure> {
    let file = format!("{data}/{SPLIT}");
    let Ok(path) = crate::core::path::TreePath::new(&file) else { return Ok(None) };
    let bytes = match project.tree.read(&path, LONGEST) {
        Ok(bytes) => bytes,
        Err(TreeError::Missing(_)) => {
            return Ok(Some(format!("{file} is not there: nobody can say what it was tuned on")));
        }
        Err(error) => return Err(error.into_problem().into()),
    };
    let record = match SplitRecord::parse(&String::from_utf8_lossy(&bytes)) {
        Ok(record) => record,
        Err(why) => return Ok(Some(format!("{file} cannot be read: {why}"))),
    };
    let workspace = &prepared.workspace;
    let asked = &record.asked;
    let selection = Selection {
        prompts: asked.prompts.clone(),
        cases: asked.cases.clone(),
        tags: asked.tags.clone(),
        listed: None,
    };
    let selected = match selection.select(&workspace.prompts, &workspace.cases) {
        Ok(selected) => selected,
        Err(SelectionError::BadGlob(..)) => return Ok(Some(format!("{file} names what is no glob"))),
        Err(_) => return Ok(Some("the cases that it was tuned on are no longer in the project".to_owned())),
    };
    if let Some(gone) =
        asked.models.iter().find(|alias| !workspace.config.models.iter().any(|known| known.alias.as_str() == **alias))
    {
        return Ok(Some(format!("the model `{gone}`, whose answers it was tuned on, is no longer in the project")));
    }
    let Ok(now) = examples(context, project, prepared, (&selected, &asked.models, &asked.options)) else {
        // What is damaged is no reason to say nothing of the models.
        let why = "nobody can say which answers are accepted now; `promptctl test --offline` says why";
        return Ok(Some(why.to_owned()));
    };
    let mut known: BTreeMap<(&str, &str, &str), &str> = record
        .examples
        .iter()
        .map(|line| ((line.prompt.as_str(), line.case.as_str(), line.model.as_str()), line.sha256.as_str()))
        .collect();
    let (mut new, mut changed) = (0, 0);
    for example in &now.found.examples {
        match known.remove(&(example.prompt.as_str(), example.case.as_str(), example.model.as_str())) {
            None => new += 1,
            Some(digest) if digest != example.sha256 => changed += 1,
            Some(_) => {}
        }
    }
    let parts: Vec<String> = [
        (new, "was accepted since", "were accepted since"),
        (changed, "is another now", "are others now"),
        (known.len() as u64, "is accepted no more", "are accepted no more"),
    ]
    .into_iter()
    .filter(|(count, ..)| *count > 0)
    .map(|(count, one, several)| counted(count, one, several))
    .collect();
    Ok((!parts.is_empty()).then(|| format!("of the answers it was tuned on or could be, {}", parts.join(", "))))
}
