//! `promptctl log`: the versions of prompts across the commits.

use std::num::NonZeroUsize;
use std::ops::ControlFlow;
use std::path::Path;

use rayon::prelude::*;
use serde_json::{Value, json};

use super::context::Context;
use super::failure::Failure;
use super::load::Project;
use super::past;
use crate::core::names::PromptName;
use crate::core::problem::Problems;
use crate::core::verdict::Exit;
use crate::history::{Entry, Told, Versions, Walk, WalkError, template_path};
use crate::report::write_log;
use crate::tree::left_out;

/// List the versions of a prompt, newest first: each commit at which it became another one, by what, and what the
/// recordings say of it.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The prompt: a name, a glob or a path, also of one that was removed. Left out: all of them.
    #[arg(value_name = "PROMPT")]
    prompt: Option<String>,
    /// Begin at this commit, tag or branch.
    #[arg(long, value_name = "REV", default_value = "HEAD")]
    from: String,
    /// Show at most this many versions of each prompt.
    #[arg(short = 'n', long = "max-count", value_name = "N")]
    most: Option<NonZeroUsize>,
    /// Only the versions with this digest, or one that begins so: which prompt was it?
    #[arg(long, value_name = "HEX")]
    digest: Option<String>,
    /// Leave the recordings alone: no pass rates.
    #[arg(long)]
    no_results: bool,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(context: &mut Context, args: &Args) -> Result<Exit, Failure> {
    let project = Project::around(context)?;
    let walk = Walk::new(&project.root, &args.from, None).map_err(|error| past::failure(&error))?;
    let prompts = past::prompts(&project, &args.from, args.prompt.as_deref())?;
    let jobs = prompts.into_iter().map(|name| Ok((name, walk.again().map_err(|error| past::failure(&error))?)));
    let jobs: Vec<(PromptName, Walk)> = jobs.collect::<Result<_, Failure>>()?;
    let found: Vec<(PromptName, Vec<Told>)> = jobs
        .into_par_iter()
        .map(|(name, walk)| Ok((name.clone(), versions(&project, args, &walk, &name)?)))
        .collect::<Result<_, Failure>>()?;
    let found: Vec<_> = found.into_iter().filter(|(_, versions)| !versions.is_empty()).collect();
    if found.is_empty() {
        let message = match &args.prompt {
            _ if args.digest.is_some() => format!("no prompt had that digest at any commit of {}", args.from),
            Some(prompt) => format!("there is no prompt `{prompt}`, and there was none at any commit of {}", args.from),
            None => format!("there is no prompt at any commit of {}", args.from),
        };
        return Err(Failure::Message { exit: Exit::Nothing, message, help: None });
    }
    if args.json {
        let prompts: Vec<Value> = found.iter().map(|(name, versions)| document(name, versions)).collect();
        context.print_json(&json!({ "version": 1, "prompts": prompts }))?;
    } else {
        let style = context.style();
        for (name, versions) in &found {
            write_log(context.out(), name, versions, style)?;
        }
    }
    Ok(Exit::Good)
}

fn versions(project: &Project, args: &Args, walk: &Walk, name: &PromptName) -> Result<Vec<Told>, Failure> {
    let working = project.files().filter(|_| args.from == "HEAD" && !is_left_out(&project.root, name));
    let mut found = Vec::new();
    let mut wrong = None;
    let mut take = |entry: Entry| {
        let digest = entry.state.digest.as_deref().unwrap_or_default();
        if args.digest.as_ref().is_some_and(|wanted| !digest.starts_with(wanted.as_str())) {
            return ControlFlow::Continue(());
        }
        let figures = if args.no_results { Ok(None) } else { entry.figures() };
        match figures {
            Ok(figures) => found.push(entry.told(figures)),
            Err(problems) => wrong = Some(problems),
        }
        let enough = wrong.is_some() || args.most.is_some_and(|most| found.len() >= most.get());
        if enough { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    };
    let done: Result<(), WalkError> = Versions::new(&project.root, walk).find(name, working, &mut take);
    done.map_err(|error| past::failure(&error))?;
    wrong.map_or(Ok(found), |problems: Problems| Err(problems.into()))
}

/// Whether a sparse checkout leaves out something of a prompt: then its files say nothing of what was edited.
pub(super) fn is_left_out(root: &Path, name: &PromptName) -> bool {
    let (template, folders) = (template_path(name), [format!("fixtures/{name}/"), format!("snapshots/{name}/")]);
    let is_own = |path: &String| *path == template.as_str() || folders.iter().any(|folder| path.starts_with(folder));
    left_out(root).iter().any(is_own)
}

fn document(name: &PromptName, versions: &[Told]) -> Value {
    let version = |entry: &Told| {
        let about = entry.about.as_ref();
        json!({
            "commit": about.map(|about| &about.commit), "date": about.map(|about| &about.date),
            "author": about.map(|about| &about.author), "summary": about.map(|about| &about.summary),
            "name": entry.name, "version": entry.version, "digest": entry.digest,
            "broken": entry.broken, "changes": entry.changes, "lines_added": entry.lines.0,
            "lines_removed": entry.lines.1, "history_cut": entry.cut, "results": entry.figures,
        })
    };
    json!({ "prompt": name, "versions": versions.iter().map(version).collect::<Vec<Value>>() })
}
