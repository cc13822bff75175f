//! `promptctl trend`: how a prompt did over time.

use clap::ValueEnum;
use serde_json::json;

use super::context::Context;
use super::failure::Failure;
use super::history::{nothing, open, unreadable};
use crate::case::by_name;
use crate::core::suggest::did_you_mean;
use crate::core::verdict::Exit;
use crate::history::{self, TrendRow, trends};
use crate::report::write_trends;

/// Show how a prompt did from run to run on each model: pass rate, tokens, cost and latency.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The prompt's name or path.
    prompt: String,
    /// Only cases whose name matches this glob. May be given several times.
    #[arg(long = "case", value_name = "GLOB")]
    cases: Vec<String>,
    /// Only this model. May be given several times.
    #[arg(long = "model", value_name = "ALIAS")]
    models: Vec<String>,
    /// What makes a point.
    #[arg(long, value_name = "WHAT", default_value = "run")]
    by: By,
    /// At most so many points, the newest.
    #[arg(short = 'n', long = "limit", value_name = "N", default_value = "20", value_parser = clap::value_parser!(u32).range(1..))]
    limit: u32,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum By {
    /// Each run.
    Run,
    /// Each state of the prompt, with the newest result of each case.
    Digest,
}

impl From<By> for history::By {
    fn from(by: By) -> Self {
        match by {
            By::Run => Self::Run,
            By::Digest => Self::Digest,
        }
    }
}

pub(super) fn run(context: &mut Context, args: &Args) -> Result<Exit, Failure> {
    let history = open(context)?;
    let known = history.prompts().map_err(|error| unreadable(&error))?;
    let prompt = find(&args.prompt, &known)?;
    let mut rows = history.results(prompt).map_err(|error| unreadable(&error))?;
    let models = names(&rows, |row| &row.model);
    let is_case = by_name(&args.cases)?;
    rows.retain(|row| is_case(&row.case) && (args.models.is_empty() || args.models.contains(&row.model)));
    if rows.is_empty() {
        let message = format!("the history of `{prompt}` holds no result of such a case on such a model");
        return Err(nothing(message).help(format!("it was tested on {models}")));
    }
    let by = args.by.into();
    let trends = trends(&rows, by, args.limit as usize);
    if args.json {
        let document = json!({"version": 1, "prompt": prompt, "by": by, "trends": trends});
        context.print_json(&document)?;
    } else {
        let style = context.style();
        write_trends(context.out(), prompt, &trends, style)?;
    }
    Ok(Exit::Good)
}

/// The prompt that is meant: a name, the last part of one, or a path. It need not exist any more.
fn find<'a>(text: &str, known: &'a [String]) -> Result<&'a String, Failure> {
    let plain = text.trim_start_matches("./");
    let plain = plain.strip_prefix("prompts/").unwrap_or(plain);
    let plain = plain.strip_suffix(".j2").unwrap_or(plain);
    let by_end = || {
        let mut found = known.iter().filter(|name| name.ends_with(&format!("/{plain}")));
        found.next().filter(|_| found.next().is_none())
    };
    known.iter().find(|name| *name == plain).or_else(by_end).ok_or_else(|| {
        let hint = did_you_mean(plain, known.iter().map(String::as_str));
        nothing(format!("the history holds no run of the prompt `{text}`{hint}"))
            .help("`promptctl test` writes each of its runs into the history; `promptctl history` lists them")
    })
}

/// The different values of a column, to be read.
fn names(rows: &[TrendRow], of: impl Fn(&TrendRow) -> &String) -> String {
    let names: std::collections::BTreeSet<&String> = rows.iter().map(of).collect();
    names.into_iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}
