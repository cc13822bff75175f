//! `promptctl compare`: did head get worse than base, on the same cases, from recorded answers.

use super::context::Context;
use super::failure::Failure;
use super::load::Project;
use super::render::find_models;
use crate::case::Selection;
use crate::compare::{FailOn, Limits, Pairs, Side, compare, pair};
use crate::core::verdict::Exit;
use crate::plan::{Overrides, Plan};
use crate::recording::{Store, orphans};
use crate::report::write_comparison;
use crate::run::Prepared;

/// Compare two commits, or two models, on the same cases: what got worse, by how much, and beyond chance or not. Only
/// recorded answers are used.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The commits: `BASE..HEAD`, or `BASE` to compare it with the working tree. Left out: the last commit, or the
    /// working tree on both sides where two models are named.
    #[arg(value_name = "BASE[..HEAD]")]
    range: Option<String>,
    /// Only these prompts: a name or a glob. May be given several times.
    #[arg(long = "prompt", value_name = "PROMPT")]
    prompts: Vec<String>,
    /// Only cases whose name matches this glob. May be given several times.
    #[arg(long = "case", value_name = "GLOB")]
    cases: Vec<String>,
    /// Only cases with this tag. May be given several times.
    #[arg(long = "tag", value_name = "TAG")]
    tags: Vec<String>,
    /// The model of the base.
    #[arg(long, value_name = "ALIAS", requires = "head_model")]
    base_model: Option<String>,
    /// The model of the head.
    #[arg(long, value_name = "ALIAS", requires = "base_model")]
    head_model: Option<String>,
    /// Stop at the pair at which a bet on the verdict is won.
    #[arg(long)]
    sequential: bool,
    /// The chance of a false alarm, over all prompts.
    #[arg(long, value_name = "SHARE", default_value = "0.05", value_parser = share)]
    alpha: f64,
    /// The least drop of the pass rate that matters.
    #[arg(long, value_name = "SHARE", default_value = "0.1", value_parser = share)]
    delta: f64,
    /// When to fail (exit code 1).
    #[arg(long, value_name = "WHEN", default_value = "regressed")]
    fail_on: FailOnArg,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum FailOnArg {
    /// A prompt or a slice got worse.
    Regressed,
    /// Any case went another way.
    Changed,
    /// Something got worse, or it cannot be said.
    Undecided,
    /// Never.
    Never,
}

impl From<FailOnArg> for FailOn {
    fn from(arg: FailOnArg) -> Self {
        match arg {
            FailOnArg::Regressed => Self::Regressed,
            FailOnArg::Changed => Self::Changed,
            FailOnArg::Undecided => Self::Undecided,
            FailOnArg::Never => Self::Never,
        }
    }
}

/// A share between 0 and 1.
fn share(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(share) if share > 0.0 && share < 1.0 => Ok(share),
        _ => Err("write a share between 0 and 1, such as 0.05".into()),
    }
}

/// One side, loaded and planned.
struct Loaded {
    project: Project,
    prepared: Prepared,
    plan: Plan,
    store: Store,
}

impl Loaded {
    fn new(context: &Context, args: &Args, revision: Option<&str>, model: Option<&String>) -> Result<Self, Failure> {
        let project = Project::find(context, revision)?;
        let (prepared, _) = project.load()?;
        let selection = Selection { prompts: args.prompts.clone(), cases: args.cases.clone(), tags: args.tags.clone() };
        let selected = selection.select(&prepared.workspace.prompts, &prepared.workspace.cases)?;
        let models: Vec<String> = model.into_iter().cloned().collect();
        let models = find_models(&prepared.workspace.config.models, &models)?;
        let models = models.into_iter().map(|entry| entry.alias.clone()).collect();
        let plan = prepared.plan(&selected, &Overrides { models, repeat: None })?;
        let store = project.store().with(orphans(&project.root));
        Ok(Self { project, prepared, plan, store })
    }

    fn side(&self) -> Side<'_> {
        Side { prepared: &self.prepared, plan: &self.plan, store: &self.store }
    }
}

pub(super) fn run(context: &mut Context, args: &Args) -> Result<Exit, Failure> {
    let (base_revision, head_revision) = match args.range.as_deref().map(|range| range.split_once("..")) {
        None if args.base_model.is_some() => (None, None),
        None => (Some("HEAD"), None),
        Some(None) => (args.range.as_deref(), None),
        Some(Some((base, head))) => (some(base), some(head.trim_start_matches('.'))),
    };
    let base = Loaded::new(context, args, base_revision, args.base_model.as_ref())?;
    let head = Loaded::new(context, args, head_revision, args.head_model.as_ref())?;
    let find = |side: &Loaded, alias: &Option<String>| {
        let alias = alias.as_ref()?;
        let entry = side.prepared.workspace.config.models.iter().find(|entry| entry.alias.as_str() == alias)?;
        Some(entry.alias.clone())
    };
    let models = find(&base, &args.base_model).zip(find(&head, &args.head_model));
    let pairs = pair(&base.side(), &head.side(), models.as_ref().map(|(base, head)| (base, head)))?;
    if pairs.pairs.is_empty() {
        return Err(nothing(&pairs));
    }
    let limits = Limits { alpha: args.alpha, delta: args.delta, sequential: args.sequential };
    let comparison = compare(&pairs, &limits);
    let name = |side: &Loaded, model: &Option<String>| {
        let tree = side.project.tree.describe();
        model.as_ref().map_or_else(|| tree.clone(), |model| format!("{tree}, {model}"))
    };
    let sides = (name(&base, &args.base_model), name(&head, &args.head_model));
    if args.json {
        let document = serde_json::json!({
            "version": 1, "base": sides.0, "head": sides.1, "alpha": limits.alpha, "delta": limits.delta,
            "sequential": limits.sequential, "prompts": comparison.prompts, "slices": comparison.slices,
            "only_base": pairs.only_base, "only_head": pairs.only_head, "unanswered": pairs.unanswered,
        });
        writeln!(context.out(), "{document:#}")?;
    } else {
        let style = context.style();
        write_comparison(context.out(), &comparison, &pairs, (&sides.0, &sides.1), style)?;
    }
    Ok(if comparison.fails(args.fail_on.into()) { Exit::Failed } else { Exit::Good })
}

fn some(revision: &str) -> Option<&str> {
    Some(revision).filter(|revision| !revision.is_empty())
}

/// Why there is nothing to compare, and what to do.
fn nothing(pairs: &Pairs) -> Failure {
    let message = format!(
        "there is nothing to compare: {} cases have no recorded answer on one side, {} are only in head, {} only in base",
        pairs.unanswered, pairs.only_head, pairs.only_base
    );
    let help = Some(
        "`promptctl test` records what is missing; two models are named by --base-model and --head-model".to_owned(),
    );
    Failure::Message { exit: Exit::Nothing, message, help }
}
