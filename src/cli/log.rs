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
use crate::history::{Entry, History, HistoryError, RanRow, Told, Versions, Walk, WalkError, template_path};
use crate::recording::lines_with;
use crate::report::{write_log, write_ran};
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
    /// Only the versions with this digest, or that ask a request of this key; the first digits will do: which prompt was it?
    #[arg(long, value_name = "HEX", value_parser = digits)]
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
    let ran = args.digest.as_ref().map_or(Ok(Vec::new()), |digits| ran(&project, digits, (args, &found)))?;
    if found.is_empty() && ran.is_empty() {
        if let Some(digits) = &args.digest {
            let message = format!(
                "no prompt had the digest {digits} at any commit of {}, none asked a request of that key, and neither did a \
                 run of the history",
                args.from
            );
            let help =
                "a prompt that is no more is looked through where it is named: `promptctl log PROMPT --digest HEX`";
            return Err(Failure::Message { exit: Exit::Nothing, message, help: Some(help.to_owned()) });
        }
        let message = match &args.prompt {
            Some(prompt) => format!("there is no prompt `{prompt}`, and there was none at any commit of {}", args.from),
            None => format!("there is no prompt at any commit of {}", args.from),
        };
        return Err(Failure::Message { exit: Exit::Nothing, message, help: None });
    }
    if args.json {
        let prompts: Vec<Value> = found.iter().map(|(name, versions)| document(name, versions)).collect();
        let mut document = json!({ "version": 1, "prompts": prompts });
        if args.digest.is_some() {
            document["runs"] = json!(ran);
        }
        context.print_json(&document)?;
    } else {
        let style = context.style();
        for (name, versions) in &found {
            write_log(context.out(), name, versions, style)?;
        }
        write_ran(context.out(), &ran, style)?;
    }
    Ok(Exit::Good)
}

/// The first digits of a SHA-256, in lower case.
fn digits(text: &str) -> Result<String, String> {
    let digits = text.to_lowercase();
    let is_digest = (1..=64).contains(&digits.len()) && digits.chars().all(|c| c.is_ascii_hexdigit());
    if is_digest { Ok(digits) } else { Err("it is no digest; write up to 64 hexadecimal digits".to_owned()) }
}

/// What the history of runs has of a request, or of a prompt that no commit has.
fn ran(
    project: &Project,
    digits: &str,
    (args, found): (&Args, &[(PromptName, Vec<Told>)]),
) -> Result<Vec<RanRow>, Failure> {
    let unreadable = |error: &HistoryError| super::history::unreadable(error);
    let Some(history) = History::open(&project.root).map_err(|error| unreadable(&error))? else {
        return Ok(Vec::new());
    };
    let mut ran = history.ran(digits).map_err(|error| unreadable(&error))?;
    if ran.is_empty() && found.is_empty() {
        ran = history.ran_of_digest(digits).map_err(|error| unreadable(&error))?;
    }
    if args.prompt.is_some() {
        let names = past::prompts(project, &args.from, args.prompt.as_deref())?;
        ran.retain(|row| names.iter().any(|name| name.as_str() == row.prompt));
    }
    Ok(ran)
}

fn versions(project: &Project, args: &Args, walk: &Walk, name: &PromptName) -> Result<Vec<Told>, Failure> {
    let working = project.files().filter(|_| args.from == "HEAD" && !is_left_out(&project.root, name));
    // What is recorded and not committed may answer any version.
    let here = project.files().zip(args.digest.as_deref());
    let here = here.map_or_else(Vec::new, |(tree, digits)| lines_with(&**tree, name, digits));
    let mut found = Vec::new();
    // The oldest version that has the answer to a request which no version renders.
    let mut holder: Option<Told> = None;
    let mut wrong = None;
    let mut is_newest = true;
    let mut take = |entry: Entry| {
        let mut asked = Vec::new();
        if let Some(digits) = &args.digest {
            let requests = entry.requests(digits, (&here, std::mem::take(&mut is_newest)));
            let is_meant = entry.state.digest.as_ref().is_some_and(|digest| digest.starts_with(digits));
            if requests.rendered.is_empty() && !is_meant {
                if !requests.recorded.is_empty() {
                    holder = Some(Told { asked: requests.recorded, ..entry.told(None) });
                }
                return ControlFlow::Continue(());
            }
            asked = requests.rendered;
        }
        let figures = if args.no_results { Ok(None) } else { entry.figures() };
        match figures {
            Ok(figures) => found.push(Told { asked, ..entry.told(figures) }),
            Err(problems) => wrong = Some(problems),
        }
        let enough = wrong.is_some() || args.most.is_some_and(|most| found.len() >= most.get());
        if enough { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    };
    let done: Result<(), WalkError> = Versions::new(&project.root, walk).find(name, working, &mut take);
    done.map_err(|error| past::failure(&error))?;
    if found.is_empty() {
        found.extend(holder);
    }
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
        let mut version = json!({
            "commit": about.map(|about| &about.commit), "date": about.map(|about| &about.date),
            "author": about.map(|about| &about.author), "summary": about.map(|about| &about.summary),
            "name": entry.name, "version": entry.version, "digest": entry.digest,
            "broken": entry.broken, "changes": entry.changes, "lines_added": entry.lines.0,
            "lines_removed": entry.lines.1, "history_cut": entry.cut, "results": entry.figures,
        });
        if !entry.asked.is_empty() {
            version["asked"] = json!(entry.asked);
        }
        version
    };
    json!({ "prompt": name, "versions": versions.iter().map(version).collect::<Vec<Value>>() })
}
