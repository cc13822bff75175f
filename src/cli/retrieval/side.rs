//! The retrievers of a project at a commit or in the working tree. Its prompts and cases are not looked at.

use std::collections::HashMap;
use std::sync::Arc;

use crate::cli::ask::Keep;
use crate::cli::context::Context;
use crate::cli::failure::Failure;
use crate::cli::load::Project;
use crate::core::path::TreePath;
use crate::core::problem::Problems;
use crate::core::suggest::did_you_mean;
use crate::core::time::{Clock as _, day};
use crate::core::verdict::Exit;
use crate::project::{CONFIG_FILE, Chunking, Config, Local, Retriever, RetrieverKind};
use crate::retrieval::{Index, written_day};
use crate::tree::touched;

/// A project with retrievers.
pub(super) struct Side {
    pub(super) project: Project,
    pub(super) config: Config,
    /// The revision, where it is one.
    revision: Option<String>,
    /// Whether what is asked for is only looked at, and does not belong to the project.
    pub(super) is_tried: bool,
}

impl Side {
    /// The project in the working tree, or at a revision.
    pub(super) fn load(context: &Context, revision: Option<&str>) -> Result<Self, Failure> {
        let project = Project::find(context, revision)?;
        let mut problems = Problems::default();
        let config = Config::load(&*project.tree, &mut problems);
        match config {
            Some(config) if !problems.has_errors() => {
                Ok(Self { project, config, revision: revision.map(str::to_owned), is_tried: false })
            }
            _ => Err(Failure::from(problems)),
        }
    }

    /// The project as it was; `None` where there was none.
    pub(super) fn load_base(context: &Context, revision: &str) -> Result<Option<Self>, Failure> {
        let project = Project::find_or_nothing(context, revision)?;
        let mut problems = Problems::default();
        if TreePath::new(CONFIG_FILE).is_ok_and(|path| project.tree.read(&path, u64::MAX).is_err()) {
            return Ok(None);
        }
        let config = Config::load(&*project.tree, &mut problems);
        match config {
            Some(config) if !problems.has_errors() => {
                Ok(Some(Self { project, config, revision: Some(revision.to_owned()), is_tried: false }))
            }
            _ => Err(Failure::from(problems).at(&revision_name(revision))),
        }
    }

    /// Where what is asked for goes.
    pub(super) fn keep(&self, context: &Context) -> Keep {
        Keep::of(context, &self.project, self.revision.is_some() || self.is_tried)
    }

    /// The retriever of this name.
    pub(super) fn retriever(&self, name: &str) -> Result<&Arc<Retriever>, Failure> {
        let all = &self.config.retrievers;
        if let Some(found) = all.iter().find(|retriever| retriever.name.as_str() == name) {
            return Ok(found);
        }
        let names = || all.iter().map(|retriever| retriever.name.as_str());
        let hint = did_you_mean(name, names());
        let help = if all.is_empty() {
            "write one under `retrievers:` in promptctl.yaml: `handbook: { type: local, files: \"handbook/**/*.md\" }`"
                .to_owned()
        } else {
            format!("there are {}", names().collect::<Vec<_>>().join(", "))
        };
        let message = format!("there is no retriever `{name}`{hint}");
        Err(Failure::Message { exit: Exit::Nothing, message, help: Some(help) })
    }

    /// The index of a local retriever, cut otherwise where that is asked.
    pub(super) fn index(&self, retriever: &Retriever, local: &Local) -> Result<Index, Failure> {
        let built = Index::build(&*self.project.tree, retriever, local);
        built.map_err(|problems| Failure::from(problems).at(&self.project.tree.describe()))
    }

    /// The files of an index that nobody touched for longer than the retriever allows, with the day when somebody did; and how many
    /// there are of which nobody knows when that was.
    pub(super) fn stale(
        &self,
        context: &Context,
        retriever: &Retriever,
        index: &Index,
    ) -> (HashMap<String, String>, u64) {
        let Some(days) = retriever.max_age_days else { return (HashMap::new(), 0) };
        let now = context.take_clock().now();
        let Ok(oldest) = now.checked_sub(jiff::SignedDuration::from_hours(24 * i64::from(days))) else {
            return (HashMap::new(), 0);
        };
        let oldest = day(oldest);
        let paths: Vec<TreePath> = index.files().iter().map(|(path, _)| path.clone()).collect();
        let revision = self.revision.as_deref().unwrap_or("HEAD");
        let touched = touched(&self.project.root, revision, &*self.project.tree, &paths, now.as_second());
        let (mut stale, mut unknown) = (HashMap::new(), 0);
        for (path, text) in index.files() {
            let committed = touched.get(path).and_then(|time| jiff::Timestamp::from_second(*time).ok()).map(day);
            // What a document says of itself goes before who moved its lines.
            match written_day(text).or(committed) {
                Some(last) if last < oldest => {
                    stale.insert(path.to_string(), last);
                }
                Some(_) => {}
                None => unknown += 1,
            }
        }
        (stale, unknown)
    }
}

fn revision_name(revision: &str) -> String {
    format!("`{revision}`")
}

/// What is local about a retriever; the failure says what takes files.
pub(super) fn local<'r>(retriever: &'r Retriever, what: &str) -> Result<&'r Local, Failure> {
    match &retriever.kind {
        RetrieverKind::Local(local) => Ok(local),
        RetrieverKind::Asked(_) => {
            let message = format!(
                "the retriever `{}` is asked (`type: {}`), and {what} of a local one",
                retriever.name,
                retriever.kind_name()
            );
            Err(Failure::usage(message))
        }
    }
}

/// How files are cut, as the command line writes it: `paragraph`, `paragraph:800`, `sentences:5/2`, `fixed:1000/100`.
pub(super) fn chunking(text: &str) -> Result<Chunking, String> {
    let (name, sizes) = text.split_once(':').map_or((text, None), |(name, sizes)| (name, Some(sizes)));
    let names = Chunking::USUAL.map(Chunking::name);
    let usual = Chunking::USUAL.into_iter().find(|chunking| chunking.name() == name);
    let hint = || format!("{}; there are {}", did_you_mean(name, names), names.join(", "));
    let usual = usual.ok_or_else(|| format!("no files are cut by `{name}`{}", hint()))?;
    let Some(sizes) = sizes else { return Ok(usual) };
    let (first, second) = sizes.split_once('/').map_or((sizes, None), |(first, second)| (first, Some(second)));
    let number = |text: &str, least: usize| text.parse().ok().filter(|size| (least..=1_000_000).contains(size));
    let cut = number(first, 1).and_then(|first| match (usual, second) {
        (Chunking::Heading { .. }, None) => Some(Chunking::Heading { max: first }),
        (Chunking::Paragraph { .. }, None) => Some(Chunking::Paragraph { max: first }),
        (Chunking::Sentences { .. }, None) => Some(Chunking::Sentences { window: first, step: first }),
        (Chunking::Sentences { .. }, Some(step)) => {
            number(step, 1).filter(|step| *step <= first).map(|step| Chunking::Sentences { window: first, step })
        }
        (Chunking::Fixed { .. }, None) => Some(Chunking::Fixed { size: first, overlap: 0 }),
        (Chunking::Fixed { .. }, Some(overlap)) => number(overlap, 0)
            .filter(|overlap| *overlap < first)
            .map(|overlap| Chunking::Fixed { size: first, overlap }),
        _ => None,
    });
    cut.ok_or_else(|| {
        format!(
            "`{text}` says no sizes that fit; write `heading:MAX`, `paragraph:MAX`, `sentences:WINDOW/STEP`, \
             `fixed:SIZE/OVERLAP` or `whole`"
        )
    })
}

/// The same the other way round.
pub(super) fn written(chunking: Chunking) -> String {
    let name = chunking.name();
    match chunking {
        Chunking::Heading { max } | Chunking::Paragraph { max } => format!("{name}:{max}"),
        Chunking::Sentences { window, step } => format!("{name}:{window}/{step}"),
        Chunking::Fixed { size, overlap } => format!("{name}:{size}/{overlap}"),
        Chunking::Whole => name.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        for chunking in Chunking::USUAL {
            assert_eq!(super::chunking(&written(chunking)), Ok(chunking));
            assert_eq!(super::chunking(chunking.name()), Ok(chunking));
        }
        assert_eq!(chunking("sentences:5/2"), Ok(Chunking::Sentences { window: 5, step: 2 }));
        for bad in
            ["", "words", "heading:", "heading:0", "heading:5/1", "sentences:2/3", "fixed:5/5", "whole:1", "fixed:-1"]
        {
            assert!(chunking(bad).is_err(), "{bad}");
        }
    }
}
