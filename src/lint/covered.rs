//! Which lines of a template the cases render, line by line.

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::Arc;

use super::look::{Evidence, Material};
use super::text::Template;
use crate::core::problem::Source;
use crate::plan::Workspace;
use crate::prompt::{Branch, PROMPTS, one_always_holds};
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
    /// The same of a line with nothing in it that is sent.
    Untaken,
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
            let (branches, is_rendered) = (branches(&material, template), coverage.is_rendered(&template.key));
            let mut marks = Vec::new();
            let mut at = 0;
            for line in template.source.text.split_inclusive('\n') {
                let span = at..at + line.trim_end_matches('\n').len();
                at += line.len();
                marks.push(mark(template, span, &branches, is_rendered));
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

/// The ways through a template that a case can take.
pub(super) fn branches(material: &Material<'_>, template: &Template) -> Vec<Branch> {
    let all = material.coverage().branches(&template.key).iter();
    all.filter(|branch| branch.is_seen || !is_impossible(material, template, branch)).cloned().collect()
}

/// Whether no case can take a way, because the declared values of variables are exhausted before: nothing is missing then.
fn is_impossible(material: &Material<'_>, template: &Template, branch: &Branch) -> bool {
    if branch.unless.is_empty() {
        return false;
    }
    let conditions: Vec<&str> = branch.unless.iter().map(|span| template.written(span.clone())).collect();
    // A name that the template gives to something of its own may be another one.
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    let words = |text: &str| text.split(|c| !is_word(c)).map(str::to_owned).collect::<BTreeSet<String>>();
    let naming = template.tags.iter().filter(|tag| ["set", "for", "with", "macro", "call"].contains(&&*tag.keyword));
    let named: BTreeSet<String> = naming.flat_map(|tag| words(template.written(tag.span.clone()))).collect();
    if conditions.iter().any(|condition| !words(condition).is_disjoint(&named)) {
        return false;
    }
    let prompts = material.workspace.prompts.list.iter();
    let mut using = prompts.filter(|prompt| template.is_part_of(prompt)).peekable();
    using.peek().is_some()
        && using.all(|prompt| {
            let declared = prompt.front.variables.as_deref();
            declared.is_some_and(|declared| one_always_holds(&conditions, declared))
        })
}

/// What cases render of one line: every character with something in it counts, and every condition that begins there.
fn mark(template: &Template, line: Range<usize>, branches: &[Branch], is_rendered: bool) -> LineMark {
    let text = template.masked.get(line.clone()).unwrap_or_default();
    let written = text.char_indices().filter(|(_, c)| !c.is_whitespace()).map(|(at, _)| line.start + at);
    let written: Vec<usize> = written.filter(|at| *at >= template.body).collect();
    let unseen = || branches.iter().filter(|branch| !branch.is_seen);
    let is_never = |at: &usize| unseen().any(|branch| branch.region.as_ref().is_some_and(|region| region.contains(at)));
    let never = if is_rendered { written.iter().filter(|at| is_never(at)).count() } else { written.len() };
    let is_half = unseen().any(|branch| line.start <= branch.span.start && branch.span.start < line.end);
    match (written.len(), never) {
        (0, _) if is_half && is_rendered && !is_never(&line.start) => LineMark::Untaken,
        (0, _) => LineMark::Nothing,
        (all, never) if all == never => LineMark::Never,
        (_, 0) if !is_half => LineMark::Rendered,
        _ => LineMark::Half,
    }
}
