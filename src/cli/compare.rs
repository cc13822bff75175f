//! `promptctl compare`: did head get worse than base, on the same cases.

use std::collections::HashMap;

use super::ask::{self, AskArgs, Asker, Keep};
use super::context::Context;
use super::failure::Failure;
use super::load::Project;
use super::past;
use super::render::find_models;
use crate::case::Selection;
use crate::compare::{Comparison, FailOn, Limits, Pairs, Side, compare, confirm, pair, ranks, screened};
use crate::core::names::ModelAlias;
use crate::core::verdict::Exit;
use crate::plan::{Item, Overrides, Plan};
use crate::recording::Store;
use crate::report::{Compared, write_comparison};
use crate::run::{Mode, Prepared};

/// How many cases of a prompt are asked for before a verdict is looked for.
pub(super) const STEP: usize = 16;

/// Compare two commits, or two models, on the same cases: what got worse, by how much, and beyond chance or not. Recorded
/// answers are used; what is not recorded is asked for, unless --offline.
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
    /// Look at one answer of each case, and where a prompt seems worse take N fresh ones of both sides: they decide.
    #[arg(long, value_name = "N", num_args = 0..=1, require_equals = true, default_missing_value = "5",
          value_parser = clap::value_parser!(u32).range(2..=100), conflicts_with = "sequential")]
    confirm: Option<u32>,
    #[command(flatten)]
    judge: JudgeArgs,
    #[command(flatten)]
    ask: AskArgs,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// When a difference counts, and when the command fails because of it.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct JudgeArgs {
    /// The chance of a false alarm, over all prompts.
    #[arg(long, value_name = "SHARE", default_value = "0.05", value_parser = share)]
    pub(super) alpha: f64,
    /// The least drop of the pass rate that matters.
    #[arg(long, value_name = "SHARE", default_value = "0.1", value_parser = share)]
    pub(super) delta: f64,
    /// When to fail (exit code 1).
    #[arg(long, value_name = "WHEN", default_value = "regressed")]
    pub(super) fail_on: FailOnArg,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
pub(super) enum FailOnArg {
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

impl JudgeArgs {
    /// The limits of a comparison.
    pub(super) fn limits(&self, sequential: bool) -> Limits {
        Limits { alpha: self.alpha, delta: self.delta, sequential }
    }
}

/// A share between 0 and 1.
pub(super) fn share(text: &str) -> Result<f64, String> {
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
    /// What is known of its answers; put back after something was asked.
    store: Option<Store>,
    keep: Keep,
}

impl Loaded {
    fn new(context: &Context, args: &Args, revision: Option<&str>, model: Option<&String>) -> Result<Self, Failure> {
        let project = Project::find(context, revision)?;
        let (prepared, _) = project.load().map_err(|failure| failure.at(&project.tree.describe()))?;
        let selection = Selection { prompts: args.prompts.clone(), cases: args.cases.clone(), tags: args.tags.clone() };
        let selected = selection.select(&prepared.workspace.prompts, &prepared.workspace.cases)?;
        let models: Vec<String> = model.into_iter().cloned().collect();
        let models = find_models(&prepared.workspace.config.models, &models)?;
        let models = models.into_iter().map(|entry| entry.alias.clone()).collect();
        let plan = prepared.plan(&selected, &Overrides { models, repeat: args.confirm.map(|samples| samples + 1) })?;
        let store = Some(ask::store(&project));
        let keep = match revision {
            _ if context.is_ci() || project.is_bare => Keep::Nowhere,
            Some(_) => Keep::Aside,
            None => Keep::Recorded,
        };
        Ok(Self { project, prepared, plan, store, keep })
    }

    /// Asks for what is missing of a part of the plan.
    fn fill(&mut self, context: &mut Context, asker: &mut Asker, mode: Mode, plan: &Plan) -> Result<(), Failure> {
        let Some(store) = self.store.take() else { return Ok(()) };
        let (store, _) = asker.fill(context, &self.project, &self.prepared, plan, (mode, self.keep), store)?;
        self.store = Some(store);
        Ok(())
    }

    fn side(&self) -> Option<Side<'_>> {
        Some(Side { prepared: &self.prepared, plan: &self.plan, store: self.store.as_ref()? })
    }

    fn model(&self, alias: Option<&String>) -> Option<ModelAlias> {
        let entries = &self.prepared.workspace.config.models;
        entries
            .iter()
            .map(|entry| &entry.alias)
            .find(|known| Some(known.as_str()) == alias.map(String::as_str))
            .cloned()
    }

    fn describe(&self, model: Option<&String>) -> String {
        let tree = self.project.tree.describe();
        model.map_or_else(|| tree.clone(), |model| format!("{tree}, {model}"))
    }

    fn prompt_of(&self, item: &Item) -> &str {
        let workspace = &self.prepared.workspace;
        workspace.prompt_of(&workspace.cases.list[item.case]).name.as_str()
    }
}

/// Both sides, and what may be asked for.
struct Both<'a> {
    base: Loaded,
    head: Loaded,
    models: Option<(ModelAlias, ModelAlias)>,
    asker: Asker,
    mode: Mode,
    args: &'a Args,
    /// What a person should know before all else.
    notes: Vec<String>,
}

impl Both<'_> {
    /// Asks for what both sides lack: the items that are wanted, and of each the samples that are wanted.
    fn fill(
        &mut self,
        context: &mut Context,
        wants: &dyn Fn(&str, &str) -> bool,
        samples: usize,
    ) -> Result<(), Failure> {
        if self.mode == Mode::Replay {
            return Ok(());
        }
        // What stands on one side only is not compared, and not asked for.
        let named = |side: &Loaded| -> std::collections::HashSet<(String, String)> {
            let name = |item: &Item| {
                let case = &side.prepared.workspace.cases.list[item.case];
                (side.prompt_of(item).to_owned(), case.name.to_string())
            };
            side.plan.items.iter().map(name).collect()
        };
        let (of_base, of_head) = (named(&self.base), named(&self.head));
        for (side, other) in [(&mut self.base, &of_head), (&mut self.head, &of_base)] {
            let is_wanted = |item: &&Item| {
                let case = &side.prepared.workspace.cases.list[item.case];
                let prompt = side.prompt_of(item);
                wants(prompt, case.name.as_str()) && other.contains(&(prompt.to_owned(), case.name.to_string()))
            };
            let first = |item: &Item| Item { keys: item.keys.iter().take(samples).cloned().collect(), ..item.clone() };
            let items = side.plan.items.iter().filter(is_wanted).map(first).collect();
            side.fill(context, &mut self.asker, self.mode, &Plan { items })?;
        }
        Ok(())
    }

    /// Asks for what both sides lack in the order in which it is looked at, a few cases of each prompt at a time, and for
    /// no more of a prompt once its verdict is known.
    fn fill_until_decided(&mut self, context: &mut Context, limits: &Limits) -> Result<(), Failure> {
        if self.mode == Mode::Replay {
            return Ok(());
        }
        let plan = &self.head.plan;
        let ranks = ranks(&self.base.prepared, &self.head.prepared, plan);
        let workspace = &self.head.prepared.workspace;
        let place = |(item, rank): (&Item, &usize)| {
            let case = workspace.cases.list[item.case].name.to_string();
            ((self.head.prompt_of(item).to_owned(), case), *rank)
        };
        let places: HashMap<(String, String), usize> = plan.items.iter().zip(&ranks).map(place).collect();
        let longest = ranks.iter().max().map_or(0, |rank| rank + 1);
        let samples = plan.items.iter().map(|item| item.keys.len()).max().unwrap_or(0);
        let mut decided: Vec<String> = Vec::new();
        for (round, from) in (1..=samples).flat_map(|round| (0..longest).step_by(STEP).map(move |from| (round, from))) {
            let calls = self.asker.came.calls;
            let is_next = |prompt: &str, case: &str| {
                let rank = places.get(&(prompt.to_owned(), case.to_owned()));
                rank.is_some_and(|rank| (from..from + STEP).contains(rank))
                    && !decided.iter().any(|name| name == prompt)
            };
            self.fill(context, &is_next, round)?;
            if self.asker.came.interrupted || self.asker.came.skipped > 0 {
                return Ok(());
            }
            if self.asker.came.calls > calls {
                let comparison = compare(&self.pairs(&|_| true)?, limits);
                let known = comparison.prompts.iter().filter(|row| row.stopped_after.is_some());
                decided = known.map(|row| row.prompt.clone()).collect();
            }
        }
        Ok(())
    }

    fn pairs(&self, samples: &dyn Fn(usize) -> bool) -> Result<Pairs, Failure> {
        let (Some(base), Some(head)) = (self.base.side(), self.head.side()) else { return Ok(Pairs::default()) };
        Ok(pair(&base, &head, self.models.as_ref().map(|(base, head)| (base, head)), samples)?)
    }

    /// One answer a case, and fresh ones of both sides where it looks worse.
    fn confirm(
        &mut self,
        context: &mut Context,
        samples: u32,
        limits: &Limits,
    ) -> Result<(Pairs, Comparison), Failure> {
        self.fill(context, &|_, _| true, 1)?;
        let mut pairs = self.pairs(&|sample| sample == 0)?;
        let mut comparison = compare(&pairs, limits);
        let again = screened(&comparison);
        if !again.is_empty() {
            let is_again = |prompt: &str| again.iter().any(|name| name == prompt);
            self.fill(context, &|prompt, _| is_again(prompt), usize::MAX)?;
            let mut fresh = self.pairs(&|sample| sample > 0)?;
            fresh.pairs.retain(|pair| is_again(pair.prompt.as_str()));
            for name in again.iter().filter(|name| !fresh.pairs.iter().any(|pair| pair.prompt.as_str() == **name)) {
                self.notes.push(format!("{name} looks worse, and there are no fresh answers that would confirm it"));
            }
            confirm(&mut comparison, compare(&fresh, limits), u64::from(samples), limits);
            pairs.pairs.retain(|pair| !fresh.pairs.iter().any(|new| new.prompt == pair.prompt));
            pairs.pairs.extend(fresh.pairs);
        }
        Ok((pairs, comparison))
    }
}

pub(super) fn run(context: &mut Context, args: &Args) -> Result<Exit, Failure> {
    let (base_revision, head_revision) = sides(args);
    let base = Loaded::new(context, args, base_revision, args.base_model.as_ref())?;
    let head = Loaded::new(context, args, head_revision, args.head_model.as_ref())?;
    let models = base.model(args.base_model.as_ref()).zip(head.model(args.head_model.as_ref()));
    let (mode, words) = args.ask.mode(context);
    let asker = Asker::new(&head.project, &args.ask)?;
    let mut both = Both { base, head, models, asker, mode, args, notes: Vec::new() };
    let limits = args.judge.limits(args.sequential);
    let (pairs, comparison) = match args.confirm {
        Some(samples) => both.confirm(context, samples, &limits)?,
        None => {
            if args.sequential {
                both.fill_until_decided(context, &limits)?;
            } else {
                both.fill(context, &|_, _| true, usize::MAX)?;
            }
            let pairs = both.pairs(&|_| true)?;
            let comparison = compare(&pairs, &limits);
            (pairs, comparison)
        }
    };
    let came = both.asker.came;
    if pairs.pairs.is_empty() {
        return Err(nothing(&pairs, came.exit()));
    }
    let names = (both.base.describe(args.base_model.as_ref()), both.head.describe(args.head_model.as_ref()));
    let apart = both.apart();
    if args.json {
        let document = serde_json::json!({
            "version": 1, "base": names.0, "head": names.1, "alpha": limits.alpha, "delta": limits.delta,
            "sequential": limits.sequential, "prompts": comparison.prompts, "slices": comparison.slices,
            "only_base": pairs.only_base, "only_head": pairs.only_head, "unanswered": pairs.unanswered,
            "left_out": pairs.left_out, "notes": both.notes, "calls_made": came.calls, "cost_usd": came.cost, "tell_apart": apart,
        });
        writeln!(context.out(), "{document:#}")?;
    } else {
        let style = context.style();
        let heading = format!("compare {} → {} · {words}", names.0, names.1);
        let compared =
            Compared { comparison: &comparison, pairs: &pairs, heading: &heading, notes: &both.notes, apart: &apart };
        write_comparison(context.out(), &compared, style)?;
        if came.calls > 0 {
            writeln!(context.out(), "{}", style.dim(&came.spent()))?;
        }
    }
    let verdict = if comparison.fails(args.judge.fail_on.into()) { Exit::Failed } else { Exit::Good };
    Ok(verdict.worse(came.exit()))
}

/// The revisions of both sides.
fn sides(args: &Args) -> (Option<&str>, Option<&str>) {
    match args.range.as_deref() {
        None if args.base_model.is_some() => (None, None),
        None => (Some("HEAD"), None),
        Some(range) => past::range(range),
    }
}

impl Both<'_> {
    /// The runs that tell apart what the prompt and what the model did.
    fn apart(&self) -> Vec<String> {
        let range = self.args.range.as_deref().unwrap_or("HEAD");
        if let Some((base, head)) = &self.models {
            let side = if range.contains("..") { range.rsplit("..").next().unwrap_or(range) } else { "" };
            return vec![
                format!("promptctl compare {range} --base-model {base} --head-model {base}"),
                format!("promptctl compare {side}..{side} --base-model {base} --head-model {head}"),
            ];
        }
        let mut models: Vec<&ModelAlias> = Vec::new();
        for item in &self.head.plan.items {
            let alias = &self.head.prepared.workspace.config.models[item.model].alias;
            if !models.contains(&alias) {
                models.push(alias);
            }
        }
        models.iter().map(|alias| format!("promptctl drift --model {alias}")).collect()
    }
}

/// Why there is nothing to compare, and what to do.
fn nothing(pairs: &Pairs, exit: Exit) -> Failure {
    let message = format!(
        "there is nothing to compare: {} cases have no recorded answer on one side, {} are only in head, {} only in base",
        pairs.unanswered, pairs.only_head, pairs.only_base
    );
    let help = Some(
        "without --offline, missing answers are asked for; two models are named by --base-model and --head-model"
            .to_owned(),
    );
    Failure::Message { exit: Exit::Nothing.worse(exit), message, help }
}
