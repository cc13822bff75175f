//! `promptctl audit`: what kind of gap a failing case has, by experiment.

mod reports;
mod used;

use std::collections::{BTreeSet, HashMap};
use std::io::Write as _;

use super::ask::{AskArgs, Asker, Keep, store};
use super::context::Context;
use super::failure::Failure;
use super::heard::Heard;
use super::labelled::labelled;
use super::load::{Project, SelectionArgs};
use super::render::find_models;
use super::reports::ReportArg;
use super::retrieve::{Allowance, Asks, documents};

use self::reports::Reports;
pub(super) use self::used::used;
use crate::audit::{
    Answered, Audited, Bench, Document, Evidence, Example, Experiment, Frame, Lack, Trial, VERSION, answered, gather,
    next,
};
use crate::core::escape::terminal_line;
use crate::core::verdict::{Exit, Outcome, SampleOutcome, Verdict};
use crate::core::words::counted;
use crate::plan::{Estimate, Item, Overrides, Plan};
use crate::recording::{Store, orphans};
use crate::report::write_problems;
use crate::retrieval::ideals;
use crate::run::{Forecast, Mode, Prepared, Settings, place_of};
use crate::snapshot::{Index, snapshot_path};

/// How many tokens an answer counts that is still to come and is shown as an example: its limit, where that is no higher
/// than this, else a guess.
const SHORT_LIMIT: u64 = 500;
const ANSWER_TOKENS: u64 = 100;

/// Find out by experiment why cases fail: is knowledge, behaviour, skill or reliability missing?
///
/// Asks each failing case again, with its facts, with examples of other cases and on a stronger model, as far as that says
/// more. What is answered is recorded beside the recordings of tests, and replayed by the next audit.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    selection: SelectionArgs,
    /// Audit this model instead of the prompts' own. May be given several times.
    #[arg(long = "model", value_name = "ALIAS")]
    models: Vec<String>,
    /// Read the project at this commit, tag or branch. What is asked for it is kept in local state.
    #[arg(long, value_name = "REV")]
    at: Option<String>,
    /// Take this many fresh answers for each experiment; left out: as `audit: { repeat }` says, else 5.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1000))]
    repeat: Option<u32>,
    /// Say how many calls it would take at the most and what they would cost, and stop there.
    #[arg(long, conflicts_with = "offline")]
    dry_run: bool,
    #[command(flatten)]
    ask: AskArgs,
    /// Report as human, json, markdown or html, to standard output or into a file. May be given several times.
    #[arg(long = "report", value_name = "FORMAT[=PATH]", value_parser = reports::report)]
    reports: Vec<ReportArg>,
    /// Print JSON: the same as --report json.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(context: &mut Context, args: &Args) -> Result<Exit, Failure> {
    let reports = Reports::open(context, &args.reports, args.json)?;
    let project = Project::find(context, args.at.as_deref())?;
    let keep = Keep::of(context, &project, args.at.is_some());
    let (mut prepared, warnings) = project.load()?;
    write_problems(&mut context.err(), &warnings, context.error_style())?;
    let selected = args.selection.selection(context)?;
    let selected = selected.select(&prepared.workspace.prompts, &prepared.workspace.cases)?;
    let allowance = Allowance::new(args.ask.max_calls, args.ask.max_cost);
    let asks = Asks {
        mode: if args.dry_run { Mode::Replay } else { args.ask.mode(context).0 },
        keep,
        jobs: args.ask.jobs,
        allow_exec: args.ask.allow_exec,
        allowance: &allowance,
    };
    for note in documents(context, &project, &mut prepared, &selected, asks)? {
        writeln!(context.err(), "note: {}", terminal_line(&note))?;
    }
    let workspace = &prepared.workspace;
    let models = find_models(&workspace.config.models, &args.models)?;
    let models = models.into_iter().map(|entry| entry.alias.clone()).collect();
    let overrides = Overrides { models, repeat: None };
    let values = prepared.check_values(&selected);
    if !values.is_empty() {
        return Err(values.into());
    }
    if prepared.plan(&selected, &overrides)?.items.is_empty() {
        let message = "nothing to audit: the project has no case yet".to_owned();
        return Err(Failure::Message { exit: Exit::Nothing, message, help: None });
    }
    let (mode, words) = match args.ask.mode(context) {
        (Mode::Replay, _) if args.dry_run => (Mode::Fill, "dry run: nothing is asked"),
        (mode, _) if args.dry_run => (mode, "dry run: nothing is asked"),
        mode => mode,
    };
    let mut audit = Audit {
        project: &project,
        prepared: &prepared,
        index: Index::load(&*project.tree)?,
        asker: Asker::new(&project, &args.ask)?,
        store: Some(if args.at.is_some() { store(&project) } else { project.store().with(orphans(&project.root)) }),
        mode,
        keep,
        samples: args.repeat.unwrap_or(workspace.config.audit.repeat),
    };
    audit.asker.came.calls += allowance.calls();
    audit.asker.came.cost += allowance.cost();
    let mut looked = audit.look(context, &selected, &overrides)?;
    let ideals = ideals(&prepared, &may_fail(&looked))?;
    let (prospects, are_guessed) = audit.prospects(&looked)?;
    let bench = Bench::new(&prepared, prospects, &ideals)?;
    let heading = format!("audit · {words}");
    let says_first = reports.is_human();
    let bound = audit.bound(&looked, &bench);
    let forecast = audit.forecast(&bound, &looked, are_guessed)?;
    if args.dry_run || (says_first && !context.is_quiet()) {
        let style = context.style();
        writeln!(context.out(), "{}", style.bold(&heading))?;
        for line in &forecast {
            writeln!(context.out(), "{}", terminal_line(line))?;
        }
        if args.dry_run {
            return Ok(Exit::Good);
        }
        // Whoever waits for the calls knows how many there are.
        writeln!(context.out())?;
        context.flush()?;
    } else if !context.is_quiet() {
        for line in &forecast {
            writeln!(context.err(), "{}", terminal_line(line))?;
        }
    }
    audit.agree(context, &bound)?;
    audit.fill(context, &mut looked)?;
    // What was answered now may be shown to others.
    let bench = Bench::new(&prepared, audit.examples(&looked)?, &ideals)?;
    let audited = audit.experiment(context, &looked, &bench)?;
    let document = audit.document(&looked, &audited)?;
    let came = audit.asker.came;
    let waits = if document.unanswered > 0 && mode == Mode::Replay { Exit::Waiting } else { Exit::Good };
    reports.write(context, &document)?;
    Ok(came.exit().worse(waits))
}

/// What may be shown before other cases, by the index of the prompt and of the model.
type Examples = HashMap<(usize, usize), Vec<Example>>;

/// A case on a model that was looked at.
struct Looked {
    item: Item,
    outcome: Outcome,
    /// Whether it is to be audited, where it fails; the others lend their answers.
    is_selected: bool,
}

impl Looked {
    fn fails(&self) -> bool {
        self.is_selected && self.outcome.verdict == Verdict::Failed
    }

    /// Whether nobody knows whether it fails.
    fn is_open(&self) -> bool {
        let open = [Verdict::Stale, Verdict::Unrecorded, Verdict::Errored, Verdict::Skipped];
        self.is_selected && open.contains(&self.outcome.verdict)
    }
}

/// The cases that fail, or may.
fn may_fail(looked: &[Looked]) -> Vec<usize> {
    let cases: BTreeSet<usize> =
        looked.iter().filter(|one| one.fails() || one.is_open()).map(|one| one.item.case).collect();
    cases.into_iter().collect()
}

/// What an audit goes by.
struct Audit<'a> {
    project: &'a Project,
    prepared: &'a Prepared,
    index: Index,
    asker: Asker,
    /// What is known; put back after each run.
    store: Option<Store>,
    mode: Mode,
    keep: Keep,
    /// How many fresh answers an experiment takes.
    samples: u32,
}

impl Audit<'_> {
    /// What is recorded of every case of the prompts.
    fn look(
        &mut self,
        context: &mut Context,
        selected: &[usize],
        overrides: &Overrides,
    ) -> Result<Vec<Looked>, Failure> {
        let cases = &self.prepared.workspace.cases.list;
        let prompts: BTreeSet<usize> = selected.iter().map(|case| cases[*case].prompt).collect();
        let all: Vec<usize> = (0..cases.len()).filter(|case| prompts.contains(&cases[*case].prompt)).collect();
        let plan = self.prepared.plan(&all, overrides)?;
        let chosen: BTreeSet<usize> = selected.iter().copied().collect();
        let outcomes = self.run(context, &plan, Mode::Replay)?;
        let looked = plan.items.into_iter().zip(outcomes);
        let looked = looked.map(|(item, outcome)| Looked { is_selected: chosen.contains(&item.case), item, outcome });
        Ok(looked.collect())
    }

    /// Makes a run of a plan. Gives an outcome an item.
    fn run(&mut self, context: &mut Context, plan: &Plan, mode: Mode) -> Result<Vec<Outcome>, Failure> {
        let mut heard = Heard::default();
        let settings = Settings { mode, ..self.asker.settings(mode) };
        let before = self.asker.came;
        let store = self.store.take().unwrap_or_else(Store::empty);
        let how = (&settings, self.keep);
        let (store, _) = self.asker.run_through(context, self.project, self.prepared, plan, how, store, &mut heard)?;
        self.store = Some(store);
        if mode == Mode::Replay && self.mode != Mode::Replay {
            // What replaying lacks is still to be asked for.
            self.asker.came = before;
        }
        Ok(heard.0)
    }

    /// Answers that may be shown before other cases, by prompt and model: those that pass, else those that were accepted.
    fn examples(&self, looked: &[Looked]) -> Result<Examples, Failure> {
        let workspace = &self.prepared.workspace;
        let models: BTreeSet<(usize, usize)> = looked
            .iter()
            .filter(|one| one.is_selected)
            .map(|one| (workspace.cases.list[one.item.case].prompt, one.item.model))
            .collect();
        let mut examples: Examples = HashMap::new();
        let passing: HashMap<(usize, usize), &Outcome> =
            looked.iter().map(|one| ((one.item.case, one.item.model), &one.outcome)).collect();
        for (index, case) in workspace.cases.list.iter().enumerate() {
            // Of a conversation no answer stands alone.
            if !case.turns.is_empty() {
                continue;
            }
            for (prompt, model) in models.iter().filter(|(prompt, _)| *prompt == case.prompt) {
                let passes = passing.get(&(index, *model)).and_then(|outcome| self.passing(index, outcome));
                let answer = match passes {
                    Some(answer) => Some(answer),
                    None => self.accepted(index, *model)?,
                };
                let answer = answer.filter(|answer| !answer.trim().is_empty());
                let example = answer.map(|answer| Example { case: index, answer });
                examples.entry((*prompt, *model)).or_default().extend(example);
            }
        }
        Ok(examples)
    }

    /// What may be shown before other cases once all that is open was asked, and whether the length of any of it is a
    /// guess. An answer that is still to come may pass; until then something as long stands for it, which no recorded
    /// request has.
    fn prospects(&self, looked: &[Looked]) -> Result<(Examples, bool), Failure> {
        let workspace = &self.prepared.workspace;
        let (mut prospects, mut are_guessed) = (self.examples(looked)?, false);
        if self.mode == Mode::Replay {
            return Ok((prospects, are_guessed));
        }
        for one in looked.iter().filter(|one| one.is_open()) {
            let (case, entry) = (&workspace.cases.list[one.item.case], &workspace.config.models[one.item.model]);
            if !case.turns.is_empty() || !self.prepared.judges(one.item.case) {
                continue;
            }
            let request = workspace.request_of_item(&one.item).ok();
            let limit = request.and_then(|request| Estimate::of(entry, &request).output);
            let limit = limit.filter(|limit| *limit <= SHORT_LIMIT);
            are_guessed |= limit.is_none();
            let words = usize::try_from(limit.unwrap_or(ANSWER_TOKENS)).unwrap_or(1);
            let answer = format!("(to come){}", " word".repeat(words));
            let known = prospects.entry((case.prompt, one.item.model)).or_default();
            known.retain(|example| example.case != one.item.case);
            known.push(Example { case: one.item.case, answer });
        }
        Ok((prospects, are_guessed))
    }

    /// The first answer of a case, where it passes expectations that it has.
    fn passing(&self, case: usize, outcome: &Outcome) -> Option<String> {
        let first = outcome.samples.first().filter(|sample| sample.verdict == Verdict::Passed)?;
        let is_plain = first.tool_calls.is_empty() && self.prepared.judges(case);
        first.output.clone().filter(|_| is_plain)
    }

    /// The accepted answer of a case on a model, else on another one.
    fn accepted(&self, case: usize, model: usize) -> Result<Option<String>, Failure> {
        let workspace = &self.prepared.workspace;
        let (case, models) = (&workspace.cases.list[case], &workspace.config.models);
        let prompt = &workspace.prompt_of(case).name;
        // What was redacted is no answer that anybody gave.
        if !case.snapshot.redact.is_empty() {
            return Ok(None);
        }
        let others = (0..models.len()).filter(|other| *other != model);
        for entry in std::iter::once(model).chain(others).map(|index| &models[index]) {
            let path = snapshot_path(prompt, &case.name, &entry.alias);
            let snapshot = self.index.get(&*self.project.tree, &path)?;
            let good = snapshot.filter(|accepted| accepted.header().is_ok_and(|header| !header.info.failing));
            if let Some(accepted) = good {
                return Ok(Some(accepted.body().to_owned()));
            }
        }
        Ok(None)
    }

    /// Everything that could be asked: what is not known of the cases, and every experiment with those that fail or may fail.
    fn bound(&self, looked: &[Looked], bench: &Bench<'_>) -> Plan {
        let mut items = Vec::new();
        for one in looked.iter().filter(|one| one.fails() || one.is_open()) {
            for experiment in Experiment::ALL {
                match bench.item(one.item.case, one.item.model, experiment, self.answers(one, experiment)) {
                    Ok(item) => items.push(item),
                    // Asking again begins with the answers that the case itself lacks.
                    Err(_) if experiment == Experiment::Repeat && one.is_open() => items.push(one.item.clone()),
                    Err(_) => {}
                }
            }
        }
        Plan { items }
    }

    /// How many answers an experiment takes: fresh ones, where the case has answers to the same request already.
    fn answers(&self, one: &Looked, experiment: Experiment) -> u32 {
        let own = u32::try_from(one.item.keys.len()).unwrap_or(u32::MAX);
        if experiment == Experiment::Repeat { self.samples.saturating_add(own) } else { self.samples }
    }

    /// How many calls there are at the most, and what they cost, in sentences.
    fn forecast(&self, bound: &Plan, looked: &[Looked], are_guessed: bool) -> Result<Vec<String>, Failure> {
        let selected = looked.iter().filter(|one| one.is_selected).count() as u64;
        let failing = looked.iter().filter(|one| one.fails()).count() as u64;
        let open = looked.iter().filter(|one| one.is_open()).count() as u64;
        let unknown = if open > 0 { format!(", of {open} nobody knows yet") } else { String::new() };
        let fail = if failing == 1 { "fails" } else { "fail" };
        let mut lines =
            vec![format!("{}: {failing} {fail}{unknown}", counted(selected, "case looked at", "cases looked at"))];
        if self.mode == Mode::Replay {
            return Ok(lines);
        }
        let store = self.store.as_ref().ok_or_else(|| Failure::usage("the recordings are in use"))?;
        let settings = self.asker.settings(self.mode);
        let missing = self.asker.forecast(self.prepared, bound, &settings, store)?;
        let calls = missing.calls() + missing.judge_calls();
        lines.push(format!("at most {} to make; what is recorded is not asked again", counted(calls, "call", "calls")));
        lines.extend(missing.notes.iter().map(|note| format!("note: {note}")));
        lines.extend(missing.unseen());
        let forecast = missing.forecast(self.prepared, bound);
        if are_guessed && !forecast.is_empty() {
            let tokens =
                format!("answers that are still to come and are shown as examples count {ANSWER_TOKENS} tokens");
            lines.push(format!("note: {tokens} each; longer ones cost more"));
        }
        lines.extend(forecast.iter().map(Forecast::sentence));
        Ok(lines)
    }

    fn agree(&mut self, context: &mut Context, bound: &Plan) -> Result<(), Failure> {
        if self.mode == Mode::Replay {
            return Ok(());
        }
        let store = self.store.take().unwrap_or_else(Store::empty);
        self.asker.agree_to(context, &[(self.prepared, bound, &store)], self.mode)?;
        self.store = Some(store);
        Ok(())
    }

    /// Asks for the answers of cases of which nobody knows whether they fail, as a test would.
    fn fill(&mut self, context: &mut Context, looked: &mut [Looked]) -> Result<(), Failure> {
        let mut open: Vec<&mut Looked> = looked.iter_mut().filter(|one| one.is_open()).collect();
        if open.is_empty() || self.mode == Mode::Replay {
            return Ok(());
        }
        let plan = Plan { items: open.iter().map(|one| one.item.clone()).collect() };
        for (one, outcome) in open.iter_mut().zip(self.run(context, &plan, self.mode)?) {
            one.outcome = outcome;
        }
        Ok(())
    }

    /// Makes experiments with every failing case, until none says more.
    fn experiment(
        &mut self,
        context: &mut Context,
        looked: &[Looked],
        bench: &Bench<'_>,
    ) -> Result<Vec<Audited>, Failure> {
        let failing: Vec<&Looked> = looked.iter().filter(|one| one.fails()).collect();
        let mut audited: Vec<Audited> = failing.iter().map(|one| self.begin(one)).collect();
        // Each experiment is made once.
        for _ in Experiment::ALL {
            let wanted: Vec<Vec<Experiment>> = audited.iter().map(|one| next(&one.evidence)).collect();
            for experiment in Experiment::ALL {
                let mut items = Vec::new();
                for (index, one) in failing.iter().enumerate().filter(|(i, _)| wanted[*i].contains(&experiment)) {
                    match bench.item(one.item.case, one.item.model, experiment, self.answers(one, experiment)) {
                        Ok(item) => {
                            if experiment == Experiment::Facts {
                                audited[index].evidence.is_retrieved = bench.gives_documents(one.item.case);
                            }
                            if experiment == Experiment::Examples {
                                let own = &one.outcome.samples;
                                audited[index].evidence.is_told = bench.tells(one.item.case, one.item.model, own)?;
                            }
                            items.push((index, item));
                        }
                        Err(lack) => {
                            audited[index].evidence.trials.insert(experiment, Trial::lacking(lack));
                        }
                    }
                }
                if items.is_empty() {
                    continue;
                }
                let plan = Plan { items: items.iter().map(|(_, item)| item.clone()).collect() };
                let outcomes = self.run(context, &plan, self.mode)?;
                for ((index, item), outcome) in items.iter().zip(outcomes) {
                    let own = if experiment == Experiment::Repeat { failing[*index].item.keys.len() } else { 0 };
                    let mut trial = trial(outcome.samples.get(own..).unwrap_or_default());
                    let entry = &self.prepared.workspace.config.models[item.model];
                    trial.model = Some(entry.alias.clone()).filter(|_| experiment == Experiment::Model);
                    audited[*index].evidence.trials.insert(experiment, trial);
                }
            }
        }
        Ok(audited)
    }

    fn begin(&self, one: &Looked) -> Audited {
        let case = &self.prepared.workspace.cases.list[one.item.case];
        Audited {
            prompt: one.outcome.prompt.clone(),
            model: one.outcome.model.clone(),
            case: one.outcome.case.clone(),
            place: place_of(case),
            tags: one.outcome.tags.clone(),
            evidence: Evidence {
                own: one.outcome.samples.iter().filter_map(answered).collect(),
                is_sampled: self.is_sampled(&one.item),
                ..Evidence::default()
            },
        }
    }

    /// Whether the model is told to sample: then answers that are the same were drawn one by one all the same.
    fn is_sampled(&self, item: &Item) -> bool {
        let request = self.prepared.workspace.request_of_item(item);
        let temperature = request.ok().and_then(|request| request.params.get("temperature")?.as_f64());
        temperature.is_some_and(|temperature| temperature > 0.0)
    }

    fn document(&self, looked: &[Looked], audited: &[Audited]) -> Result<Document, Failure> {
        let came = self.asker.came;
        let mut notes = Vec::new();
        if audited.iter().any(|one| one.evidence.trials.values().any(|trial| trial.lack == Some(Lack::Unrecorded))) {
            notes.push("calls were not allowed: only what is recorded was read".to_owned());
        }
        Ok(Document {
            version: VERSION,
            looked_at: looked.iter().filter(|one| one.is_selected).count() as u64,
            failing: audited.len() as u64,
            unanswered: looked.iter().filter(|one| one.is_open()).count() as u64,
            calls_made: came.calls,
            cost_usd: came.cost,
            unpriced: came.unpriced,
            notes,
            prompts: gather(audited, &self.frame(looked)?),
        })
    }

    fn frame(&self, looked: &[Looked]) -> Result<Frame, Failure> {
        let workspace = &self.prepared.workspace;
        let (items, outcomes): (Vec<Item>, Vec<Outcome>) =
            looked.iter().map(|one| (one.item.clone(), one.outcome.clone())).unzip();
        let store = self.store.as_ref().ok_or_else(|| Failure::usage("the recordings are in use"))?;
        let accepted = labelled(self.project, self.prepared, &Plan { items }, &outcomes, (store, &self.index))?;
        let structured = workspace.prompts.list.iter().filter(|prompt| prompt.front.output.is_some());
        let structured = structured.map(|prompt| prompt.name.clone()).collect();
        Ok(Frame { settings: workspace.config.audit.clone(), accepted, structured })
    }
}

/// The answers of an experiment, and why some are missing.
fn trial(samples: &[SampleOutcome]) -> Trial {
    let answers: Vec<Answered> = samples.iter().filter_map(answered).collect();
    let without = samples.iter().find(|sample| answered(sample).is_none());
    let lack = without.map(|sample| {
        let reason = sample.reason.clone().unwrap_or_default();
        match sample.verdict {
            Verdict::Skipped => Lack::Skipped(reason),
            Verdict::Stale | Verdict::Unrecorded => Lack::Unrecorded,
            _ => Lack::Errored(reason),
        }
    });
    Trial { answers, lack, model: None }
}
