//! `promptctl drift`: has the model behind an alias moved?

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::ask::{AskArgs, Asker, DRIFT, Keep};
use super::compare::JudgeArgs;
use super::context::Context;
use super::failure::Failure;
use super::load::{Project, SelectionArgs};
use super::render::find_models;
use super::sides::STEP;
use super::test::settle_failure;
use crate::compare::{
    Comparison, FailOn, Limits, Pairs, Served, ShapeChange, Side, compare, pair, ranks, shape_changes,
};
use crate::core::names::{ModelAlias, PromptName};
use crate::core::record::Response;
use crate::core::time::{Clock as _, rfc3339};
use crate::core::verdict::Exit;
use crate::plan::{Item, Overrides, Plan};
use crate::recording::{Line, Store, orphans, settle};
use crate::report::{Compared, write_comparison};
use crate::run::{Mode, Prepared};
use crate::tree::{WorkingTree, state};

/// The file that says that a drift has begun.
const UNFINISHED: &str = "unfinished";

/// Ask again what is recorded, and compare the recorded answers with the new ones: has the model behind an alias moved?
/// Stops asking as soon as that is known. What is recorded stays as it is, unless --update.
#[derive(Debug, clap::Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of the command line")]
pub(super) struct Args {
    #[command(flatten)]
    selection: SelectionArgs,
    /// Ask this model. May be given several times. Left out: every model that has recordings.
    #[arg(long = "model", value_name = "ALIAS")]
    models: Vec<String>,
    /// Stop asking at the answer at which a bet on the verdict is won, which is usual.
    #[arg(long, conflicts_with = "all")]
    sequential: bool,
    /// Ask for everything that is recorded, also when the verdict is known.
    #[arg(long)]
    all: bool,
    /// Keep the new answers in the place of the recorded ones. Asks for everything, so that no recordings of two models are
    /// mixed.
    #[arg(long)]
    update: bool,
    #[command(flatten)]
    judge: JudgeArgs,
    #[command(flatten)]
    ask: AskArgs,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// One model, with what is recorded of it.
struct Recorded {
    alias: ModelAlias,
    /// Its items with recorded answers, by prompt, in the order in which they are asked.
    prompts: BTreeMap<PromptName, Vec<Item>>,
}

impl Recorded {
    fn all(&self) -> Plan {
        Plan { items: self.prompts.values().flatten().cloned().collect() }
    }
}

/// What was found of one model.
struct Found {
    pairs: Pairs,
    comparison: Comparison,
    shape: Vec<ShapeChange>,
    /// The models that answered, where others did before.
    moved: Option<Served>,
    /// Answers that were asked for again: where more is said, the first ones.
    asked: usize,
    recorded: usize,
    /// Whether all were, each conversation to its end, with what judges say of them.
    is_whole: bool,
}

pub(super) fn run(context: &mut Context, args: &Args) -> Result<Exit, Failure> {
    let (mode, _) = args.ask.mode(context);
    if mode == Mode::Replay {
        let failure = Failure::usage("drift asks the model again, and calls are not allowed");
        return Err(failure.help("leave --offline out; in continuous integration say --live"));
    }
    if args.update && !(args.selection.cases.is_empty() && args.selection.tags.is_empty()) {
        let failure = Failure::usage("--update with --case or --tag would leave recordings of two models in one file");
        return Err(failure.help("leave them out: --update replaces all that is recorded of a prompt on a model"));
    }
    let project = Project::on_disk(context)?;
    let (prepared, _) = project.load()?;
    let store = project.store().with(orphans(&project.root));
    let models = recorded(context, args, &prepared, &store)?;
    if models.is_empty() {
        let message = "nothing that is selected is recorded, so there is nothing to ask again".to_owned();
        let help = Some("`promptctl test` records answers".to_owned());
        return Err(Failure::Message { exit: Exit::Nothing, message, help });
    }
    let limits = args.judge.limits(!args.all);
    let asker = Asker::new(&project, &args.ask)?;
    let unfinished = Unfinished::begin(context, &project)?;
    let (args, project, prepared, store) = (args, &project, &prepared, &store);
    let mut drift = Drift { args, project, prepared, store, limits, asker, unfinished };
    let (mut exit, mut complete) = (Exit::Good, true);
    let mut documents = Vec::new();
    for model in &models {
        let (found, lines) = drift.ask(context, model)?;
        if args.update && found.is_whole {
            settle(&project.root, lines).map_err(|error| settle_failure(error, Exit::Errored))?;
        }
        complete &= found.is_whole;
        let moved = found.moved.is_some() || !found.shape.is_empty() || found.pairs.unjudged_changed > 0;
        if moved && FailOn::from(args.judge.fail_on) == FailOn::Changed {
            exit = exit.worse(Exit::Failed);
        }
        if found.comparison.fails(args.judge.fail_on.into()) {
            exit = exit.worse(Exit::Failed);
        }
        if args.json {
            documents.push(document(&model.alias, &found));
        } else {
            report(context, model, &found)?;
        }
    }
    let came = drift.asker.came;
    if came.exit() == Exit::Good {
        drift.unfinished.end();
    }
    if args.json {
        let document = json!({
            "version": 1, "alpha": limits.alpha, "delta": limits.delta, "sequential": limits.sequential,
            "updated": args.update && complete, "calls_made": came.calls, "cost_usd": came.cost, "models": documents,
        });
        context.print_json(&document)?;
    } else {
        let kept = match (args.update, complete) {
            (true, true) => "the new answers are recorded in the place of the old ones",
            (true, false) => {
                "not all could be asked, so that of such a model nothing is replaced: recordings of two models are never mixed"
            }
            (false, _) => "what is recorded stays as it is; `drift --update` asks again and keeps the answers",
        };
        let text = format!("{} · {kept}", came.spent());
        let style = context.style();
        writeln!(context.out(), "{}", style.dim(&text))?;
    }
    Ok(exit.worse(came.exit()))
}

/// The models with what is recorded of them, in the order in which it is asked again.
fn recorded(context: &Context, args: &Args, prepared: &Prepared, store: &Store) -> Result<Vec<Recorded>, Failure> {
    let workspace = &prepared.workspace;
    let selected = args.selection.selection(context)?.select(&workspace.prompts, &workspace.cases)?;
    let models = find_models(&workspace.config.models, &args.models)?;
    let models = models.into_iter().map(|entry| entry.alias.clone()).collect();
    let plan = prepared.plan(&selected, &Overrides { models, repeat: None })?;
    let answers = prepared.answers(&plan, store)?;
    let mut found: Vec<Recorded> = Vec::new();
    for (item, answers) in plan.items.iter().zip(answers) {
        let there = answers.iter().take_while(|answer| answer.is_some()).count();
        if there == 0 {
            continue;
        }
        let alias = &workspace.config.models[item.model].alias;
        let prompt = workspace.prompt_of(&workspace.cases.list[item.case]).name.clone();
        let item = Item { keys: item.keys[..there].to_vec(), ..item.clone() };
        let place = found.iter().position(|model| model.alias == *alias).unwrap_or_else(|| {
            found.push(Recorded { alias: alias.clone(), prompts: BTreeMap::new() });
            found.len() - 1
        });
        found[place].prompts.entry(prompt).or_default().push(item);
    }
    for model in &mut found {
        let plan = model.all();
        let mut ranked: Vec<(usize, Item)> = ranks(prepared, prepared, &plan).into_iter().zip(plan.items).collect();
        ranked.sort_by_key(|(rank, _)| *rank);
        model.prompts.values_mut().for_each(Vec::clear);
        for (_, item) in ranked {
            let prompt = &workspace.prompt_of(&workspace.cases.list[item.case]).name;
            model.prompts.entry(prompt.clone()).or_default().push(item);
        }
    }
    Ok(found)
}

/// What asking again needs, whichever model is asked.
struct Drift<'a> {
    args: &'a Args,
    project: &'a Project,
    prepared: &'a Prepared,
    /// What is recorded.
    store: &'a Store,
    limits: Limits,
    asker: Asker,
    /// What an earlier drift asked that did not come to its end.
    unfinished: Unfinished,
}

impl Drift<'_> {
    /// Asks one model again, a few cases of each prompt at a time, until each verdict is known. The first answers of all
    /// cases are asked for before the second ones.
    fn ask(&mut self, context: &mut Context, model: &Recorded) -> Result<(Found, Vec<(PromptName, Line)>), Failure> {
        let keep = if context.is_ci() { Keep::Nowhere } else { Keep::Drift };
        let whole = model.all();
        let rounds = whole.items.iter().map(|item| item.keys.len()).max().unwrap_or(0);
        let longest = model.prompts.values().map(Vec::len).max().unwrap_or(0);
        let steps = (0..rounds).flat_map(|round| (0..longest).step_by(STEP).map(move |from| (round, from)));
        let known = self.unfinished.lines(&whole, self.prepared)?;
        let mut lines = known.clone();
        // What judges said of an answer holds as long as the answer is the same.
        let mut fresh = self.project.store().judged_alone().with(lines.clone());
        self.asker.agree_to(context, &[(self.prepared, &whole, &fresh)], Mode::Fill)?;
        let mut decided: Vec<&PromptName> = Vec::new();
        for (round, from) in steps {
            let mut items = Vec::new();
            for (_, all) in model.prompts.iter().filter(|(prompt, _)| self.args.update || !decided.contains(prompt)) {
                let next = all.iter().skip(from).take(STEP).filter(|item| item.keys.len() > round);
                items.extend(next.map(|item| Item { keys: item.keys[..=round].to_vec(), ..item.clone() }));
            }
            if items.is_empty() {
                continue;
            }
            let calls = self.asker.came.calls;
            // Answers of this drift count; recorded ones do not.
            let mode = (Mode::Fill, keep);
            let (known, new) = self.asker.fill(context, self.project, self.prepared, &Plan { items }, mode, fresh)?;
            fresh = known;
            // A server that answers nothing is not asked on and on.
            let is_dead = self.asker.came.calls > calls && new.is_empty();
            lines.extend(new);
            let (_, comparison) = self.compare(&fresh, &whole)?;
            for row in comparison.prompts.iter().filter(|row| self.limits.sequential && row.stopped_after.is_some()) {
                decided.extend(model.prompts.keys().find(|name| name.as_str() == row.prompt));
            }
            if is_dead || self.asker.came.interrupted || self.asker.came.skipped > 0 {
                break;
            }
        }
        let by = |lines: &[(PromptName, Line)]| -> BTreeSet<String> {
            lines.iter().filter_map(|(_, line)| line.response.model.clone()).collect()
        };
        let later = by(&lines[known.len()..]);
        if self.unfinished.known.is_none() && !later.is_empty() && !by(&known).is_subset(&later) {
            // The model moved between the two: what was asked first is no fresh answer any more.
            self.unfinished = Unfinished { known: Some(lines.split_off(known.len())), ..self.unfinished.clone() };
            let again = self.ask(context, model);
            self.unfinished.known = None;
            return again;
        }
        let (pairs, comparison) = self.compare(&fresh, &whole)?;
        let (old, new) = self.answers(&fresh, &whole)?;
        let served = Served { base: served(&old), head: served(&new) };
        let shape = shape_changes(&old, &new);
        let moved = served.moved().then_some(served);
        let (asked, recorded) = (new.len(), whole.samples());
        let is_whole = asked == recorded && self.prepared.is_whole(&whole, &fresh)?;
        Ok((Found { pairs, comparison, shape, moved, asked, recorded, is_whole }, lines))
    }

    fn compare(&self, fresh: &Store, plan: &Plan) -> Result<(Pairs, Comparison), Failure> {
        let base = Side { prepared: self.prepared, plan, store: self.store };
        let head = Side { prepared: self.prepared, plan, store: fresh };
        let pairs = pair(&base, &head, None, &|_| true)?;
        let comparison = compare(&pairs, &self.limits);
        Ok((pairs, comparison))
    }

    /// The recorded answers that were asked for again, and the new ones.
    fn answers(&self, fresh: &Store, plan: &Plan) -> Result<(Vec<Response>, Vec<Response>), Failure> {
        let flat = |answers: Vec<Vec<Option<Response>>>| answers.into_iter().flatten().flatten().collect::<Vec<_>>();
        let new = self.prepared.answers(plan, fresh)?;
        let mut old = self.prepared.answers(plan, self.store)?;
        for (old, new) in old.iter_mut().zip(&new) {
            old.truncate(new.iter().flatten().count());
        }
        Ok((flat(old), flat(new)))
    }
}

/// The models that answered, as the server reported, each once.
fn served(answers: &[Response]) -> Vec<String> {
    let names: BTreeSet<String> = answers.iter().filter_map(Response::served).collect();
    names.into_iter().collect()
}

/// How long a drift that did not come to its end may be gone on with, in minutes: what was asked before is no fresh answer.
const MINUTES: i64 = 60;

/// A drift that was interrupted, or that a server failed: the same command goes on from there.
#[derive(Clone)]
struct Unfinished {
    folder: PathBuf,
    /// Only these of what was asked count, where the model moved meanwhile.
    known: Option<Vec<(PromptName, Line)>>,
    /// Since when answers count.
    since: Option<Timestamp>,
}

impl Unfinished {
    fn begin(context: &Context, project: &Project) -> Result<Self, Failure> {
        let folder = project.root.join(DRIFT);
        if context.is_ci() {
            return Ok(Self { folder, known: None, since: None });
        }
        let now = context.take_clock().now();
        let mark = folder.join(UNFINISHED);
        let since = std::fs::read_to_string(&mark).ok().and_then(|text| text.trim().parse::<Timestamp>().ok());
        let since = since.filter(|since| now.duration_since(*since).as_mins() < MINUTES);
        if since.is_none() {
            let mark = state::prepare(&project.root, &format!("drift/{UNFINISHED}"))?;
            std::fs::write(mark, rfc3339(now))?;
        }
        Ok(Self { folder, known: None, since })
    }

    /// What was asked already.
    fn lines(&self, plan: &Plan, prepared: &Prepared) -> Result<Vec<(PromptName, Line)>, Failure> {
        if let Some(known) = &self.known {
            return Ok(known.clone());
        }
        let (Some(since), Ok(tree)) = (self.since, WorkingTree::open(&self.folder)) else { return Ok(Vec::new()) };
        let store = Store::open(Arc::new(tree)).glancing().with(orphans(&self.folder));
        let workspace = &prepared.workspace;
        let mut found = Vec::new();
        for item in &plan.items {
            let prompt = &workspace.prompt_of(&workspace.cases.list[item.case]).name;
            for key in &item.keys {
                let line = store.find(prompt, &workspace.config.models[item.model].alias, key)?;
                let fresh = line.filter(|line| line.recorded_at.parse::<Timestamp>().is_ok_and(|time| time >= since));
                found.extend(fresh.map(|line| (prompt.clone(), line)));
            }
        }
        Ok(found)
    }

    fn end(&self) {
        // Where it stays, the next drift goes on from answers that are old: at most an hour.
        let _ = std::fs::remove_file(self.folder.join(UNFINISHED));
    }
}

fn report(context: &mut Context, recorded: &Recorded, found: &Found) -> Result<(), Failure> {
    let style = context.style();
    let heading =
        format!("drift of {}: {} of {} recorded answers asked again", recorded.alias, found.asked, found.recorded);
    if found.asked == 0 {
        writeln!(context.out(), "{}", style.bold(&heading))?;
        writeln!(context.out(), "{}", style.yellow("no answer could be had, so nothing can be said"))?;
        return Ok(());
    }
    let names = |names: &[String]| if names.is_empty() { "not told".to_owned() } else { names.join(", ") };
    let mut notes = Vec::new();
    if let Some(served) = &found.moved {
        notes.push(format!("another model answers: {} → {}", names(&served.base), names(&served.head)));
    }
    let types = |types: &[&str]| if types.is_empty() { "nothing".to_owned() } else { types.join(" or ") };
    let shape = found.shape.iter();
    notes.extend(
        shape.map(|c| format!("the shape of answers: {} was {}, is {}", c.field, types(&c.base), types(&c.head))),
    );
    let (comparison, pairs) = (&found.comparison, &found.pairs);
    let compared = Compared { comparison, pairs, heading: &heading, notes: &notes, apart: &[] };
    write_comparison(context.out(), &compared, style)?;
    writeln!(context.out())?;
    Ok(())
}

fn document(alias: &ModelAlias, found: &Found) -> Value {
    json!({
        "model": alias, "asked": found.asked, "recorded": found.recorded, "moved": found.moved, "shape": found.shape,
        "prompts": found.comparison.prompts, "slices": found.comparison.slices, "left_out": found.pairs.left_out,
    })
}
