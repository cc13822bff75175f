//! `promptctl comment`: the one comment of a pull request that says what reports say.
//!
//! Reports may come from the workflow of a fork, so they are data, and the Markdown is made here. Which comment is ours is
//! told by a marker and by who wrote it: anybody can write the marker, and a stranger's comment must neither be changed
//! nor stand in the place of ours.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};

use reqwest::Method;
use serde::Deserialize;
use serde_json::{Value, json};

use super::context::Context;
use super::failure::Failure;
use super::github::{Github, Refused};
use crate::compare::Document;
use crate::core::verdict::Exit;
use crate::report::{COMMENT, MarkdownReport, Saved, comparison_markdown};

/// The most bytes of a report.
const MOST: u64 = 64 << 20;
/// The most reports of a comment.
const REPORTS: usize = 20;
/// The most pages of comments, or of pull requests, that are looked through, of a hundred each.
const PAGES: u32 = 50;
/// Who writes with the token of a workflow.
const WORKFLOW: &str = "github-actions[bot]";

/// Write what reports say into one comment of a pull request, or change the comment that is there. Reports are JSON, of
/// `test --report json` and `compare --report json`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The reports.
    #[arg(value_name = "REPORT", required = true)]
    reports: Vec<PathBuf>,
    /// The repository. Left out: GITHUB_REPOSITORY.
    #[arg(long, value_name = "OWNER/NAME")]
    repository: Option<String>,
    /// The pull request. Left out: that of the event that started the workflow.
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u64).range(1..))]
    pull: Option<u64>,
    /// Which comment: a pull request has one of each name.
    #[arg(long, value_name = "NAME", default_value = "report", value_parser = name)]
    name: String,
    /// Who writes with the token, where GitHub does not tell.
    #[arg(long, value_name = "LOGIN")]
    author: Option<String>,
    /// The most bytes of the comment.
    #[arg(long, value_name = "BYTES", default_value_t = COMMENT, value_parser = size)]
    max_bytes: usize,
    /// Print the comment and send nothing.
    #[arg(long)]
    dry_run: bool,
}

/// What may stand in a hidden marker.
fn name(text: &str) -> Result<String, String> {
    let is_ok = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if text.is_empty() || text.len() > 64 || !text.chars().all(is_ok) || text.contains("--") || text.ends_with('-') {
        return Err("write letters, digits, `_`, `.` and single `-`, at most 64".into());
    }
    Ok(text.to_owned())
}

fn size(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(size) if size >= 2000 => Ok(size),
        _ => Err("write a number of bytes, at least 2000".into()),
    }
}

pub(super) fn run(context: &mut Context, args: &Args) -> Result<Exit, Failure> {
    let read = |path: &PathBuf| read(context, path);
    if args.reports.len() > REPORTS {
        return Err(Failure::usage(format!("a comment has room for {REPORTS} reports at most")));
    }
    let reports = args.reports.iter().map(read).collect::<Result<Vec<Report>, Failure>>()?;
    let marker = format!("<!-- promptctl:{} -->", args.name);
    if args.dry_run {
        let body = body(&marker, &reports, None, args.max_bytes);
        write!(context.out(), "{body}")?;
        return Ok(Exit::Good);
    }
    let Some(token) = context.variable("GITHUB_TOKEN") else {
        let help = "in a workflow: `env: { GITHUB_TOKEN: ${{ github.token }} }`; --dry-run prints the comment";
        return Err(Failure::usage("GITHUB_TOKEN is not set").help(help));
    };
    let address = context.variable("GITHUB_API_URL").unwrap_or_else(|| "https://api.github.com".to_owned());
    let github = Github::new(&address, token.trim())?;
    let repository = Repository::of(context, args)?;
    let Some(Pull { number, commit }) = pull(context, args, &github, &repository)? else {
        writeln!(context.err(), "no open pull request is at the commit of this workflow run; nothing is written")?;
        return Ok(Exit::Good);
    };
    let body = body(&marker, &reports, commit.as_deref(), args.max_bytes);
    let there = ours(&github, args, &repository, number, &marker)?;
    let Repository { owner, name } = &repository;
    let done = match there {
        Some((_, old)) if old.replace("\r\n", "\n").trim_end() == body.trim_end() => "is as it should be",
        Some((id, _)) => {
            let path = ["repos", owner, name, "issues", "comments", &id.to_string()];
            github.send(&Method::PATCH, &path, &json!({ "body": body }))?;
            "was changed"
        }
        None => {
            let path = ["repos", owner, name, "issues", &number.to_string(), "comments"];
            github.send(&Method::POST, &path, &json!({ "body": body }))?;
            "was written"
        }
    };
    writeln!(context.out(), "the comment `{}` of {owner}/{name}#{number} {done}", args.name)?;
    Ok(Exit::Good)
}

/// A report that was read.
enum Report {
    Run(Box<MarkdownReport>, Exit),
    Comparison(Box<Document>),
}

impl Report {
    fn page(&self, limit: usize) -> String {
        match self {
            Self::Run(report, exit) => report.page(*exit, limit),
            Self::Comparison(document) => comparison_markdown(document, limit),
        }
    }
}

fn read(context: &Context, path: &Path) -> Result<Report, Failure> {
    /// What tells the two kinds apart.
    #[derive(Deserialize)]
    struct Kind {
        results: Option<serde::de::IgnoredAny>,
        prompts: Option<serde::de::IgnoredAny>,
    }
    let shown = path.display().to_string();
    let failed = |why: &dyn std::fmt::Display| Failure::usage(format!("the report {shown} cannot be read: {why}"));
    let file = File::open(context.folder().join(path)).map_err(|error| failed(&error))?;
    let mut text = String::new();
    file.take(MOST + 1).read_to_string(&mut text).map_err(|error| failed(&error))?;
    if text.len() as u64 > MOST {
        return Err(failed(&format!("it is larger than {} MiB", MOST >> 20)));
    }
    let no_report = |why: &dyn std::fmt::Display| {
        Failure::usage(format!("{shown} is no JSON report: {why}"))
            .help("make one with `promptctl test --report json=FILE` or `promptctl compare --report json=FILE`")
    };
    let kind: Kind = serde_json::from_str(&text).map_err(|error| no_report(&error))?;
    match kind {
        Kind { results: Some(_), .. } => {
            let saved = Saved::read(&shown, &text)?;
            let (mut report, exit) = (MarkdownReport::default(), saved.exit());
            saved.tell(&mut report)?;
            Ok(Report::Run(Box::new(report), exit))
        }
        Kind { prompts: Some(_), .. } => match Document::read(text.as_bytes()) {
            Ok(document) => Ok(Report::Comparison(Box::new(document))),
            Err(error) => Err(no_report(&error)),
        },
        _ => Err(no_report(&"it holds neither results nor a comparison")),
    }
}

/// The comment: each report gets its share of the room, and what a short one leaves goes to the others.
fn body(marker: &str, reports: &[Report], commit: Option<&str>, most: usize) -> String {
    let end = commit.map(|commit| format!("\n<sub>commit `{commit}`</sub>\n")).unwrap_or_default();
    let room = most.saturating_sub(marker.len() + end.len() + 2);
    let mut pages: Vec<(usize, String)> = reports.iter().map(|report| report.page(room)).enumerate().collect();
    pages.sort_by_key(|(_, page)| page.len());
    let (mut left, mut others) = (room, pages.len());
    for (place, page) in &mut pages {
        let share = (left / others.max(1)).saturating_sub(1);
        if page.len() > share {
            *page = reports[*place].page(share);
        }
        left = left.saturating_sub(page.len() + 1);
        others -= 1;
    }
    pages.sort_by_key(|(place, _)| *place);
    let pages: Vec<String> = pages.into_iter().map(|(_, page)| page).collect();
    format!("{marker}\n{}{end}", pages.join("\n"))
}

/// A repository.
struct Repository {
    owner: String,
    name: String,
}

impl Repository {
    fn of(context: &Context, args: &Args) -> Result<Self, Failure> {
        let Some(text) = args.repository.clone().or_else(|| context.variable("GITHUB_REPOSITORY")) else {
            return Err(Failure::usage("which repository is not known").help("say --repository OWNER/NAME"));
        };
        let is_part = |part: &str| {
            let is_ok = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
            !part.is_empty() && part.chars().all(is_ok) && part != "." && part != ".."
        };
        match text.split_once('/') {
            Some((owner, name)) if is_part(owner) && is_part(name) => {
                Ok(Self { owner: owner.to_owned(), name: name.to_owned() })
            }
            _ => Err(Failure::usage(format!("`{text}` is no repository")).help("write it as OWNER/NAME")),
        }
    }
}

/// A pull request, and its commit where that is known.
struct Pull {
    number: u64,
    commit: Option<String>,
}

/// A commit's name, if it is one: it goes into the comment.
fn commit(value: &Value) -> Option<String> {
    let hash = value.as_str()?;
    (hash.len() >= 7 && hash.len() <= 64 && hash.bytes().all(|b| b.is_ascii_hexdigit())).then(|| hash.to_owned())
}

/// The pull request that is meant: never one that a report names. None where a newer commit has taken its place.
fn pull(context: &Context, args: &Args, github: &Github, repository: &Repository) -> Result<Option<Pull>, Failure> {
    let unknown =
        |why: &str| Failure::usage(format!("which pull request is not known: {why}")).help("say --pull NUMBER");
    let event = match context.variable("GITHUB_EVENT_PATH") {
        Some(path) => {
            let failed = |error: &dyn std::fmt::Display| unknown(&format!("GITHUB_EVENT_PATH is {path}: {error}"));
            let text = std::fs::read_to_string(&path).map_err(|error| failed(&error));
            let event = text.and_then(|text| serde_json::from_str(&text).map_err(|error| failed(&error)));
            // Where the number is given the event says the commit, or nothing.
            if args.pull.is_some() { event.unwrap_or_default() } else { event? }
        }
        None => Value::Null,
    };
    let of_pull = &event["pull_request"];
    let number = of_pull["number"].as_u64().filter(|number| *number > 0);
    if let Some(given) = args.pull {
        let own = number == Some(given);
        return Ok(Some(Pull { number: given, commit: commit(&of_pull["head"]["sha"]).filter(|_| own) }));
    }
    if let Some(number) = number {
        return Ok(Some(Pull { number, commit: commit(&of_pull["head"]["sha"]) }));
    }
    if event["issue"]["pull_request"].is_object()
        && let Some(number) = event["issue"]["number"].as_u64()
    {
        return Ok(Some(Pull { number, commit: None }));
    }
    let run = &event["workflow_run"];
    if !run.is_object() {
        return Err(unknown(match context.variable("GITHUB_EVENT_PATH") {
            Some(_) => "GITHUB_EVENT_PATH names an event of no pull request",
            None => "GITHUB_EVENT_PATH is not set",
        }));
    }
    let (branch, head) = (run["head_branch"].as_str(), commit(&run["head_sha"]));
    let (Some(branch), Some(head)) = (branch, head) else { return Err(unknown("the workflow run has no branch")) };
    // Where a fork is gone there is nothing that could be asked for.
    let Some(owner) = run["head_repository"]["owner"]["login"].as_str() else { return Ok(None) };
    let wanted = format!("{owner}:{branch}");
    let query = [("head", wanted.as_str()), ("state", "open")];
    let path = ["repos", &repository.owner, &repository.name, "pulls"];
    let found = all(github, &path, &query, |pull| {
        (pull["head"]["sha"].as_str() == Some(&head)).then(|| pull["number"].as_u64()).flatten()
    })?;
    match found.as_slice() {
        [] => Ok(None),
        [number] => Ok(Some(Pull { number: *number, commit: Some(head) })),
        several => {
            let names: Vec<String> = several.iter().map(|number| format!("#{number}")).collect();
            Err(unknown(&format!("{} are at this commit", names.join(" and "))))
        }
    }
}

/// Looks through a list, page after page.
fn all<T>(
    github: &Github,
    path: &[&str],
    query: &[(&str, &str)],
    wanted: impl Fn(&Value) -> Option<T>,
) -> Result<Vec<T>, Failure> {
    let mut found = Vec::new();
    for page in 1..=PAGES {
        let page = page.to_string();
        let query = [query, &[("per_page", "100"), ("page", page.as_str())]].concat();
        let list = github.get(path, &query)?;
        let Some(items) = list.as_array() else {
            let message = "GitHub's list is no list".to_owned();
            let help = Some("is GITHUB_API_URL the address of GitHub's API?".to_owned());
            return Err(Failure::Message { exit: Exit::Errored, message, help });
        };
        found.extend(items.iter().filter_map(&wanted));
        if items.len() < 100 {
            break;
        }
    }
    Ok(found)
}

/// Our comment, if there is one: its id and its text.
fn ours(
    github: &Github,
    args: &Args,
    repository: &Repository,
    number: u64,
    marker: &str,
) -> Result<Option<(u64, String)>, Failure> {
    let path = ["repos", &repository.owner, &repository.name, "issues", &number.to_string(), "comments"];
    let written = all(github, &path, &[], |comment| {
        let body = comment["body"].as_str()?;
        // It is the first line of ours; elsewhere somebody quotes it.
        let is_marked = body.lines().next()?.trim_end() == marker;
        is_marked.then(|| Some((comment["id"].as_u64()?, author(comment)?, body.to_owned()))).flatten()
    })?;
    if written.is_empty() {
        return Ok(None);
    }
    let own = match &args.author {
        Some(author) => author.clone(),
        None => identity(github)?,
    };
    Ok(written.into_iter().find(|(_, author, _)| author.eq_ignore_ascii_case(&own)).map(|(id, _, body)| (id, body)))
}

/// Who wrote a comment: a bot's login has `[bot]` behind it, which no person's can have.
fn author(comment: &Value) -> Option<String> {
    let login = comment["user"]["login"].as_str()?;
    let is_bot = comment["user"]["type"].as_str() == Some("Bot");
    (is_bot == login.ends_with("[bot]")).then(|| login.to_owned())
}

/// Who writes with our token.
fn identity(github: &Github) -> Result<String, Failure> {
    match github.get(&["user"], &[]) {
        Ok(user) => {
            let login = user["login"].as_str().map(str::to_owned);
            login.ok_or_else(|| {
                Failure::usage("GitHub does not say who writes with the token").help("say --author LOGIN")
            })
        }
        // The token of an app, as that of a workflow is, has no user of its own; the other form of the API knows its bot.
        Err(Refused { status: Some(403 | 404), .. }) => {
            let answer = github.graphql("query { viewer { login } }").ok();
            let login = answer.and_then(|answer| answer["data"]["viewer"]["login"].as_str().map(str::to_owned));
            let login = login.unwrap_or_else(|| WORKFLOW.to_owned());
            Ok(if login.ends_with("[bot]") { login } else { format!("{login}[bot]") })
        }
        Err(refused) => Err(refused.into()),
    }
}
