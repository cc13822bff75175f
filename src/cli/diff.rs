//! `promptctl diff`: what changed in prompts between two trees.

use std::io::Write as _;
use std::sync::Arc;

use serde_json::{Value, json};

use super::context::Context;
use super::failure::Failure;
use super::load::Project;
use super::past;
use super::render::find_models;
use crate::case::{Selection, SelectionError};
use crate::compare::changes::{Changes, Layers, PairedPrompt, PromptKind, TreeSide, Wanted, changes, pair_prompts};
use crate::core::names::ModelAlias;
use crate::core::verdict::Exit;
use crate::plan::Overrides;
use crate::report::{write_changes, write_problems};
use crate::tree::{CommitError, CommitTree, RepositoryError};

/// Show what changed in prompts between two commits, or a commit and the working tree: files, what callers must give,
/// the messages of each case, the answers. Only recorded answers are used.
#[derive(Debug, clap::Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of the command line")]
pub(super) struct Args {
    /// A prompt: a name, a glob or a path. Left out: every prompt that differs.
    #[arg(value_name = "PROMPT")]
    prompt: Option<String>,
    /// The commits, or versions of the prompt: `BASE..HEAD`, or `BASE` to compare it with the working tree. Left out: the
    /// last commit. It may stand alone, where no prompt is called so.
    #[arg(value_name = "BASE[..HEAD]")]
    range: Option<String>,
    /// Show files, settings, and what callers must give.
    #[arg(long)]
    template: bool,
    /// Show the messages of each case.
    #[arg(long)]
    rendered: bool,
    /// Show the answers.
    #[arg(long)]
    answers: bool,
    /// Only cases whose name matches this glob. May be given several times.
    #[arg(long = "case", value_name = "GLOB")]
    cases: Vec<String>,
    /// Only cases with this tag. May be given several times.
    #[arg(long = "tag", value_name = "TAG")]
    tags: Vec<String>,
    /// Compare on this model instead of the prompts' own. May be given several times.
    #[arg(long = "model", value_name = "ALIAS")]
    models: Vec<String>,
    /// End with exit code 1 where something differs.
    #[arg(long)]
    exit_code: bool,
    /// Print JSON, with every text in full.
    #[arg(long)]
    json: bool,
}

impl Args {
    /// The layers that were asked for; all of them where none is named.
    fn layers(&self) -> Layers {
        let all = !(self.template || self.rendered || self.answers);
        Layers { template: all || self.template, rendered: all || self.rendered, answers: all || self.answers }
    }
}

/// Both sides, read.
struct Sides {
    base: TreeSide,
    head: TreeSide,
    pairs: Vec<PairedPrompt>,
    /// What the prompt was called at a version that a side names.
    called: Option<String>,
}

impl Sides {
    /// `prompt` is whose versions a side may name.
    fn open(context: &Context, prompt: Option<&str>, range: Option<&str>) -> Result<Self, Failure> {
        super::memory::watch();
        let (base, head) = range.map_or((Some("HEAD"), None), past::range);
        let (base, base_name) = open_side(context, prompt, base)?;
        let (head, head_name) = open_side(context, prompt, head)?;
        let pairs = pair_prompts(&base, &head);
        Ok(Self { base, head, pairs, called: head_name.or(base_name) })
    }

    /// The pairs that a pattern names on either side.
    fn find(&self, pattern: &str) -> Result<Vec<PairedPrompt>, SelectionError> {
        let of_side = |name: fn(&PairedPrompt) -> Option<&str>| -> (Vec<usize>, Vec<&str>) {
            self.pairs.iter().enumerate().filter_map(|(i, pair)| Some((i, name(pair)?))).unzip()
        };
        let (base_pairs, base_names) = of_side(|pair| pair.base.as_ref().map(AsRef::as_ref));
        let (head_pairs, head_names) = of_side(|pair| pair.head.as_ref().map(AsRef::as_ref));
        let selection = Selection { prompts: vec![pattern.to_owned()], ..Selection::default() };
        let (in_base, in_head) = (selection.names(&base_names), selection.names(&head_names));
        let mut found: Vec<usize> = match (in_base, in_head) {
            (Err(_), Err(_)) => {
                // The hint is taken from the names of both sides.
                let names: Vec<&str> = base_names.into_iter().chain(head_names).collect();
                selection.names(&names)?
            }
            (in_base, in_head) => {
                let in_base = in_base.unwrap_or_default().into_iter().map(|i| base_pairs[i]);
                in_base.chain(in_head.unwrap_or_default().into_iter().map(|i| head_pairs[i])).collect()
            }
        };
        found.sort_unstable();
        found.dedup();
        Ok(found.into_iter().map(|i| self.pairs[i].clone()).collect())
    }
}

/// Opens a side: a revision, a version of the prompt, or the working tree where there is none. The one place where a side's
/// name gets its meaning.
fn open_side(
    context: &Context,
    prompt: Option<&str>,
    revision: Option<&str>,
) -> Result<(TreeSide, Option<String>), Failure> {
    let version = match (prompt, revision) {
        (Some(prompt), Some(revision)) => past::commit_of(context, prompt, revision)?,
        _ => None,
    };
    let (project, name) = match version {
        Some((name, commit)) => (Project::find(context, commit.as_deref())?, Some(name.to_string())),
        None => match revision {
            Some(revision) => (Project::find_or_nothing(context, revision)?, None),
            None => {
                let project = Project::around(context)?;
                project.needs_files("to read", "name two commits (`A..B`), or clone it")?;
                (project, None)
            }
        },
    };
    Ok((TreeSide::load(Arc::clone(&project.tree), project.store()), name))
}

pub(super) fn run(context: &mut Context, args: &Args) -> Result<Exit, Failure> {
    let (sides, prompts) = decide(context, args.prompt.as_deref(), args.range.as_deref())?;
    let cases = Selection { cases: args.cases.clone(), tags: args.tags.clone(), ..Selection::default() };
    let models = Overrides { models: models(&sides, &args.models)?, repeat: None };
    let layers = args.layers();
    let found =
        changes(&sides.base, &sides.head, &Wanted { prompts: &prompts, layers, cases: &cases, models: &models })?;
    if args.json {
        context.print_json(&document(&sides, &found, layers))?;
    } else {
        let style = context.style();
        let names = (sides.base.tree.describe(), sides.head.tree.describe());
        write_changes(context.out(), &found, (&names.0, &names.1), style)?;
    }
    let broken = found.prompts.iter().any(|change| !change.broken.is_empty());
    if broken || sides.pairs.is_empty() {
        context.flush()?;
        tell_problems(context, &sides)?;
    }
    Ok(if broken {
        Exit::Usage
    } else if args.exit_code && found.differ() {
        Exit::Failed
    } else {
        Exit::Good
    })
}

/// What is wrong with the sides, each under its name.
fn tell_problems(context: &Context, sides: &Sides) -> Result<(), Failure> {
    let style = context.error_style();
    for side in [&sides.base, &sides.head].into_iter().filter(|side| !side.problems.is_empty()) {
        writeln!(
            context.err(),
            "{}",
            style.bold(&format!("what is wrong in the project at {}:", side.tree.describe()))
        )?;
        write_problems(&mut context.err(), &side.problems, style)?;
    }
    Ok(())
}

/// What the arguments name: a prompt, commits, both or neither.
fn decide(context: &Context, prompt: Option<&str>, range: Option<&str>) -> Result<(Sides, Vec<PairedPrompt>), Failure> {
    match (prompt, range) {
        (Some(prompt), Some(range)) => {
            let order = "the prompt comes first, then the commits: `promptctl diff PROMPT BASE..HEAD`";
            let sides = Sides::open(context, Some(prompt), Some(range)).map_err(|failure| failure.help(order))?;
            let found = sides.find(sides.called.as_deref().unwrap_or(prompt))?;
            Ok((sides, found))
        }
        // `..` stands between commits; `../` begins a path.
        (Some(one), None) if !one.contains("..") || one.contains("../") => prompt_or_revision(context, one),
        (range, _) => {
            let sides = Sides::open(context, None, range)?;
            let all = sides.pairs.clone();
            Ok((sides, all))
        }
    }
}

/// A single argument is a prompt where there is one of that name, else a revision.
fn prompt_or_revision(context: &Context, one: &str) -> Result<(Sides, Vec<PairedPrompt>), Failure> {
    let sides = Sides::open(context, None, None)?;
    let no_prompt = match sides.find(one) {
        Ok(found) => {
            if Project::find(context, Some(one)).is_ok() {
                let text = format!(
                    "note: `{one}` is a prompt and a revision; the prompt is taken, and `{one}..` is the revision"
                );
                writeln!(context.err(), "{}", crate::core::escape::terminal_line(&text))?;
            }
            return Ok((sides, found));
        }
        Err(error) => error,
    };
    match Sides::open(context, None, Some(one)) {
        Ok(sides) => {
            let all = sides.pairs.clone();
            Ok((sides, all))
        }
        Err(Failure::Message { message, .. }) if !is_unknown(context, one) => Err(Failure::usage(message)),
        Err(Failure::Message { .. }) => {
            let help = "a prompt that neither the last commit nor the working tree has needs commits that do: \
                        `promptctl diff PROMPT BASE..HEAD`";
            Err(Failure::usage(format!("`{one}` is no commit, and {no_prompt}")).help(help))
        }
        Err(other) => Err(other),
    }
}

/// Whether a word is just the name of no branch, no tag and no hash: it may be meant as a prompt.
fn is_unknown(context: &Context, word: &str) -> bool {
    let found = Project::around(context).ok().and_then(|project| CommitTree::open(&project.root, word).err());
    matches!(found, Some(CommitError::Repository(RepositoryError::NoCommit { is_hash: false, .. })))
}

/// The models of these aliases, which one of the sides must know.
fn models(sides: &Sides, aliases: &[String]) -> Result<Vec<ModelAlias>, Failure> {
    let known: Vec<_> = [&sides.head, &sides.base].into_iter().filter_map(|side| side.workspace()).collect();
    let Some(first) = known.first().filter(|_| !aliases.is_empty()) else { return Ok(Vec::new()) };
    let find = |alias: &String| {
        let alias = std::slice::from_ref(alias);
        let found = known.iter().find_map(|workspace| find_models(&workspace.config.models, alias).ok());
        found.map_or_else(|| find_models(&first.config.models, alias), Ok)
    };
    let found: Vec<Vec<_>> = aliases.iter().map(find).collect::<Result<_, Failure>>()?;
    Ok(found.into_iter().flatten().map(|entry| entry.alias.clone()).collect())
}

fn document(sides: &Sides, found: &Changes, layers: Layers) -> Value {
    let side = |side: &TreeSide| {
        let problem = |problem: &crate::core::problem::Problem| {
            let (path, line, column) = problem.place.locate();
            json!({"path": path, "line": line, "column": column, "message": problem.message, "help": problem.help})
        };
        json!({"tree": side.tree.describe(), "problems": side.problems.iter().map(problem).collect::<Vec<Value>>()})
    };
    let layers: Vec<&str> = [("template", layers.template), ("rendered", layers.rendered), ("answers", layers.answers)]
        .into_iter()
        .filter_map(|(name, wanted)| wanted.then_some(name))
        .collect();
    let count = |kind: PromptKind| found.prompts.iter().filter(|change| change.kind == kind).count();
    json!({
        "version": 1, "base": side(&sides.base), "head": side(&sides.head), "layers": layers, "differs": found.differ(),
        "added": count(PromptKind::Added), "removed": count(PromptKind::Removed), "renamed": count(PromptKind::Renamed),
        "prompts": found.prompts, "same": found.same,
    })
}
