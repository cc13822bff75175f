//! `promptctl bisect`: the first commit at which a case fails.

use globset::{Glob, GlobMatcher};
use serde_json::{Value, json};

use super::ask::{AskArgs, Asker, Keep};
use super::compare::share;
use super::context::Context;
use super::failure::Failure;
use super::load::Project;
use super::past;
use super::probe::Probe;
use super::search::Search;
use crate::core::escape::terminal_line;
use crate::core::verdict::Exit;
use crate::history::{Candidates, Found, Looked, Mark, Needs, Walk};
use crate::report::write_found;

/// Find the first commit at which a case fails. Only commits that change what the prompt needs are looked at, in halves;
/// answers are those that are recorded, and what never was asked is asked for, unless --offline.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The prompt.
    #[arg(value_name = "PROMPT")]
    prompt: String,
    /// Only cases whose name matches this glob. May be given several times. Left out: any case that fails counts.
    #[arg(long = "case", value_name = "GLOB")]
    cases: Vec<String>,
    /// Only on this model. May be given several times.
    #[arg(long = "model", value_name = "ALIAS")]
    models: Vec<String>,
    /// A commit at which all was well. Left out: what came before the prompt, or the case, was there.
    #[arg(long, value_name = "REV")]
    good: Option<String>,
    /// A commit at which it fails.
    #[arg(long, value_name = "REV", default_value = "HEAD")]
    bad: String,
    /// Fail where fewer than this share of all answers pass, instead of by what each case asks for.
    #[arg(long, value_name = "SHARE", value_parser = share)]
    min_pass_rate: Option<f64>,
    /// Take at least this many answers of each case.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1000))]
    repeat: Option<u32>,
    #[command(flatten)]
    ask: AskArgs,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(context: &mut Context, args: &Args) -> Result<Exit, Failure> {
    let project = Project::around(context)?;
    let found = past::prompts(&project, &args.bad, Some(&args.prompt))?;
    let [name] = &found[..] else {
        return Err(Failure::usage(format!("`{}` names several prompts; name one", args.prompt)));
    };
    let walk = Walk::new(&project.root, &args.bad, args.good.as_deref()).map_err(|error| past::failure(&error))?;
    let good = match &args.good {
        None => None,
        Some(good) => Some(walk.place(good).filter(|place| *place > 0).ok_or_else(|| {
            let failure = Failure::usage(format!("`{good}` did not lead to `{}`", args.bad));
            failure.help(format!("name a commit before it: `git merge-base {good} {}`", args.bad))
        })?),
    };
    let (mode, words) = args.ask.mode(context);
    let probe = Probe {
        cases: globs(&args.cases)?,
        models: args.models.clone(),
        min_pass_rate: args.min_pass_rate,
        repeat: args.repeat,
        mode,
        keep: Keep::of(context, &project, true),
        asker: Asker::new(&project, &args.ask)?,
        only: None,
    };
    let mut search = Search {
        project: &project,
        walk: &walk,
        name: name.clone(),
        probe,
        bad: args.bad.clone(),
        tells: !args.json,
        needs: Needs::default(),
        candidates: Candidates::default(),
        looked: Vec::new(),
        replaced: None,
        is_missing: false,
        failing: Vec::new(),
    };
    search.check_begin()?;
    let style = context.style();
    if !args.json {
        let title = format!("bisect {name} · {words}");
        writeln!(context.out(), "{}", style.bold(&terminal_line(&title)))?;
    }
    search.begin(context)?;
    let bisect = search.halve(context, good)?;
    search.look_into(context, good, &bisect)?;
    let found = search.found(&bisect)?;
    if args.json {
        context.print_json(&document(&search, &found))?;
    } else {
        write_found(context.out(), name.as_str(), &found, search.extent(), style)?;
    }
    Ok(if found.first_bad.is_some() { Exit::Good } else { search.exit_untold() })
}

fn document(search: &Search<'_>, found: &Found) -> Value {
    let looked = |(_, looked): &(usize, Looked)| {
        json!({
            "commit": looked.about.commit, "mark": looked.mark, "reason": looked.reason,
            "prompt_version": looked.version, "passed": looked.passed, "answers": looked.answers,
        })
    };
    let skipped = search.looked.iter().filter(|(_, looked)| looked.mark == Mark::Skip);
    let extent = search.extent();
    json!({
        "version": 1, "prompt": search.name, "commits": extent.commits, "candidates": extent.candidates,
        "loaded": extent.loaded, "calls_made": extent.calls_made,
        "first_bad": found.first_bad.as_ref().map(|first| json!({
            "commit": first.about.commit, "date": first.about.date, "author": first.about.author,
            "summary": first.about.summary, "changes": first.changes,
        })),
        "served": found.moved.as_ref().map(|(base, head)| json!({ "good": base, "bad": head })),
        "cases": search.probe.only,
        "among": found.among.iter().map(|about| &about.commit).collect::<Vec<_>>(),
        "steps": search.looked.iter().map(looked).collect::<Vec<_>>(),
        "skipped": skipped.map(|(_, looked)| &looked.about.commit).collect::<Vec<_>>(),
    })
}

fn globs(patterns: &[String]) -> Result<Vec<(String, GlobMatcher)>, Failure> {
    let glob = |pattern: &String| match Glob::new(pattern) {
        Ok(glob) => Ok((pattern.clone(), glob.compile_matcher())),
        Err(error) => Err(Failure::usage(format!("`{pattern}` is no valid glob: {}", error.kind()))),
    };
    patterns.iter().map(glob).collect()
}
