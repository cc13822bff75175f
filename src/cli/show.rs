//! `promptctl show`: a prompt as it is, or as it was.

use serde_json::json;

use super::context::Context;
use super::failure::Failure;
use super::past;
use crate::core::escape::{terminal, terminal_line};
use crate::core::path::TreePath;
use crate::core::verdict::Exit;
use crate::core::words::counted;
use crate::history::{State, about, template_path};
use crate::prompt::PROMPTS;

/// Show a prompt as it is, or as it was: at a version (`support/refund@1.2.0`), a tag or a commit.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The prompt, with `@` and a version, a tag, a branch or a commit behind it; without: the working tree.
    #[arg(value_name = "PROMPT[@VERSION]")]
    prompt: String,
    /// Print the template's file and nothing else, byte for byte.
    #[arg(long, conflicts_with = "json")]
    template: bool,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(context: &mut Context, args: &Args) -> Result<Exit, Failure> {
    let found = past::project_at(context, &args.prompt)?;
    let (tree, path) = (&found.project.tree, template_path(&found.name));
    if args.template {
        let bytes = tree.read(&path, u64::MAX).map_err(|error| missing(&found, &error.to_string()))?;
        context.out().write_all(&bytes)?;
        return Ok(Exit::Good);
    }
    let text = tree.text(&path).map_err(|error| missing(&found, &error.to_string()))?;
    let state = State::load(tree, &found.name);
    let about = found.commit.as_deref().and_then(|commit| about(&found.project.root, commit).ok());
    let prompt = state.loaded.as_ref().and_then(|loaded| loaded.prompt(&found.name));
    let partials: Vec<(String, String)> = prompt
        .iter()
        .flat_map(|prompt| &prompt.partials)
        .filter_map(|name| {
            let path = TreePath::new(&format!("{PROMPTS}/{name}")).ok()?;
            Some((path.to_string(), tree.text(&path).ok()?))
        })
        .collect();
    let cases = state.loaded.as_ref().map_or(0, |loaded| loaded.prepared.workspace.cases.list.len());
    if args.json {
        let partials: Vec<_> = partials.iter().map(|(path, text)| json!({ "path": path, "text": text })).collect();
        let document = json!({
            "version": 1, "prompt": found.name, "prompt_version": state.version, "digest": state.digest,
            "description": prompt.and_then(|prompt| prompt.front.description.as_ref()),
            "commit": about.as_ref().map(|about| &about.commit), "date": about.as_ref().map(|about| &about.date),
            "author": about.as_ref().map(|about| &about.author), "summary": about.as_ref().map(|about| &about.summary),
            "path": path, "text": text, "partials": partials, "cases": cases, "broken": state.broken,
        });
        context.print_json(&document)?;
        return Ok(Exit::Good);
    }
    let style = context.style();
    let on_terminal = context.out_is_terminal();
    let version = state.version.as_deref().unwrap_or("no version");
    let title = format!("{} {}", terminal_line(found.name.as_str()), terminal_line(version));
    writeln!(context.out(), "{}", style.bold(&title))?;
    match &about {
        Some(about) => writeln!(
            context.out(),
            "commit {}  {}  {}  {}",
            style.yellow(about.short()),
            about.day(),
            terminal_line(&about.author),
            terminal_line(&about.summary)
        )?,
        None => writeln!(context.out(), "working tree")?,
    }
    match (&state.digest, &state.broken) {
        (Some(digest), None) => writeln!(context.out(), "digest {digest}, {}", counted(cases as u64, "case", "cases"))?,
        // The cases may be what is broken.
        (Some(digest), Some(_)) => writeln!(context.out(), "digest {digest}")?,
        (None, _) => {}
    }
    if let Some(why) = &state.broken {
        writeln!(context.out(), "{}", style.red(&format!("cannot be loaded: {}", terminal_line(why))))?;
    }
    for (path, text) in [(path.to_string(), text)].into_iter().chain(partials) {
        writeln!(context.out(), "\n{}", style.dim(&format!("── {}", terminal_line(&path))))?;
        // A file or a pipe gets the bytes; a terminal gets nothing that could move its cursor.
        let shown = if on_terminal { terminal(&text) } else { text.as_str().into() };
        writeln!(context.out(), "{}", shown.trim_end_matches('\n'))?;
    }
    Ok(Exit::Good)
}

fn missing(found: &past::Found, why: &str) -> Failure {
    let message = format!("{} has no prompt `{}`: {why}", found.project.tree.describe(), found.name);
    let help = Some(format!("`promptctl log {}` lists where it was", found.name));
    Failure::Message { exit: crate::core::verdict::Exit::Nothing, message, help }
}
