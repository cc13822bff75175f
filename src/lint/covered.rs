//! Which lines of a template the cases render, line by line.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::look::{Evidence, Material};
use crate::core::problem::Source;
use crate::plan::Workspace;
use crate::prompt::PROMPTS;
use crate::recording::Store;

/// What cases render of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LineMark {
    /// There is nothing in it that is sent.
    Nothing,
    /// A case renders it.
    Rendered,
    /// Of a condition in it no case takes one side.
    Half,
    /// No case renders it.
    Never,
}

/// What cases render of a template.
#[derive(Debug)]
pub struct CoveredFile {
    /// The file.
    pub source: Arc<Source>,
    /// A mark for each line of the file.
    pub marks: Vec<LineMark>,
    /// How many branches a case takes.
    pub seen: usize,
    /// How many branches there are.
    pub branches: usize,
}

impl CoveredFile {
    /// How many lines a case renders, and how many there are to render.
    #[must_use]
    pub fn lines(&self) -> (usize, usize) {
        let count = |wanted: &[LineMark]| self.marks.iter().filter(|mark| wanted.contains(mark)).count();
        let rendered = count(&[LineMark::Rendered, LineMark::Half]);
        (rendered, rendered + count(&[LineMark::Never]))
    }
}

/// The templates of the selected prompts, and what cases render of them.
#[must_use]
pub fn covered(workspace: &Workspace, selected: &[usize]) -> Vec<CoveredFile> {
    let (store, evidence) = (Store::empty(), Evidence::default());
    let material = Material::new(workspace, &store, &evidence);
    let mut keys: BTreeSet<&str> = BTreeSet::new();
    for prompt in selected.iter().map(|index| &workspace.prompts.list[*index]) {
        keys.extend(prompt.path.below(PROMPTS));
        keys.extend(prompt.partials.iter().filter(|_| !prompt.open).map(String::as_str));
    }
    let templates = material.templates.iter().filter(|template| keys.contains(template.key.as_str()));
    templates
        .map(|template| {
            let coverage = material.coverage();
            let (branches, is_rendered) = (coverage.branches(&template.key), coverage.is_rendered(&template.key));
            let mut marks = Vec::new();
            let mut at = 0;
            for line in template.source.text.split_inclusive('\n') {
                let span = at..at + line.trim_end_matches('\n').len();
                at += line.len();
                let text = template.masked.get(span.clone()).unwrap_or_default();
                let first = span.start + (text.len() - text.trim_start().len());
                let has_text = span.start >= template.body && !text.trim().is_empty();
                let is_half = branches.iter().any(|branch| {
                    branch.region.is_none()
                        && !branch.is_seen
                        && span.start <= branch.span.start
                        && branch.span.start < span.end
                });
                let is_never = branches.iter().any(|branch| {
                    !branch.is_seen
                        && branch.region.as_ref().is_some_and(|region| region.start <= first && first < region.end)
                });
                marks.push(match (has_text, is_rendered && !is_never) {
                    (_, true) if is_half => LineMark::Half,
                    (false, _) => LineMark::Nothing,
                    (true, false) => LineMark::Never,
                    (true, true) => LineMark::Rendered,
                });
            }
            CoveredFile {
                source: Arc::clone(&template.source),
                marks,
                seen: branches.iter().filter(|branch| branch.is_seen).count(),
                branches: branches.len(),
            }
        })
        .collect()
}
