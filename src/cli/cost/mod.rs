//! `promptctl cost`: what prompts cost by what was recorded, and whether they may.

mod instead;
mod limits;
mod renames;
mod reports;
mod side;
mod versions;

use std::num::NonZeroUsize;

use self::limits::{Limit, Volume};
use self::renames::Renames;
use self::side::Side;
use super::context::Context;
use super::failure::Failure;
use super::load::Project;
use super::reports::ReportArg;
use crate::core::names::{ModelAlias, PromptName};
use crate::core::time::{Clock as _, rfc3339};
use crate::core::verdict::Exit;
use crate::cost::{Change, Document, Requests, bill, change, judge, judge_uncounted};
use crate::project::CostSettings;

/// A price that is older is worth a word.
const OLD: i64 = 60;

/// Show what prompts cost a request and a month, by the tokens that were recorded and the prices of the models: fixed and
/// variable part, what a cache would save, version by version, against a base with a budget, and against alternatives.
///
/// Nothing is asked. Where no answer is recorded, tokens are estimated and called so; what has no price is never taken for free.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Prompts: a name, a glob or a path. Left out: all of them.
    #[arg(value_name = "PROMPT")]
    prompts: Vec<String>,
    /// These models instead of those of the prompts. May be given several times.
    #[arg(long = "model", value_name = "ALIAS")]
    models: Vec<String>,
    /// Requests a month: of every prompt, or of one. May be given several times.
    #[arg(long = "volume", value_name = "N|PROMPT=N", value_parser = limits::volume)]
    volumes: Vec<Volume>,
    /// The prompts as they are at this commit, tag or branch.
    #[arg(long, value_name = "REV")]
    at: Option<String>,
    /// Against the prompts as they were at this commit, tag or branch; `A...B` is where both were one.
    #[arg(long, value_name = "REV")]
    base: Option<String>,
    /// Fail (exit code 1) where a request gets dearer than base by a share (`+10%`), or costs more than an amount
    /// (`$0.004`), or a month does (`$500/month`); where it has more tokens (`tokens=2500`, `tokens=+10%`), or 95 in 100 take
    /// longer (`latency=4s`, `latency=+25%`). May be given several times; goes over `cost: { budget: … }`.
    #[arg(long = "budget", value_name = "LIMIT", value_parser = limits::limit)]
    budgets: Vec<Limit>,
    /// A row for each version of the prompts, across the commits.
    #[arg(long)]
    versions: bool,
    /// At most so many versions of each prompt, the newest.
    #[arg(short = 'n', long = "max-count", value_name = "N", requires = "versions")]
    most: Option<NonZeroUsize>,
    /// Hold alternatives against it: another model, a fine-tuned one, retrieval. Everything that is assumed is shown, and
    /// stands under `cost: { alternatives: … }`.
    #[arg(long)]
    alternatives: bool,
    /// Report as human, json or markdown, to standard output or into a file. May be given several times.
    #[arg(long = "report", value_name = "FORMAT[=PATH]", value_parser = reports::report)]
    reports: Vec<ReportArg>,
    /// Print JSON: the same as --report json.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(context: &mut Context, args: &Args) -> Result<Exit, Failure> {
    let reports = reports::Reports::open(context, &args.reports, args.json)?;
    let head = Side::load(context, args.at.as_deref(), &args.prompts, &args.models)?;
    if head.is_empty() {
        let message = "nothing to count: the project has no prompt yet".to_owned();
        return Err(Failure::Message { exit: Exit::Nothing, message, help: None });
    }
    let settings = settings(args, &head)?;
    head.check_budgets(&settings)?;
    let is_relative = args.budgets.iter().any(|limit| limit.is_relative());
    if is_relative && args.base.is_none() {
        return Err(Failure::usage("a budget on the increase needs something to compare with")
            .help("name it: `promptctl cost --base main --budget +10%`"));
    }
    let mut document = Document {
        version: 1,
        tree: head.project.tree.describe(),
        base: None,
        prompts: Vec::new(),
        versions: Vec::new(),
        changes: Vec::new(),
        new: Vec::new(),
        uncounted: head.uncounted().cloned().collect(),
        budgets: Vec::new(),
        alternatives: Vec::new(),
        notes: head.notes(&settings),
        exit_code: 0,
    };
    let all = head.requests()?;
    let mut base = None;
    let mut renames = Renames::default();
    if let Some(revision) = &args.base {
        let project = Project::find_or_nothing(context, revision)?;
        renames = Renames::find(&Project::find(context, args.at.as_deref())?, args.at.as_deref(), &project, revision);
        base = Side::load_base(project, &renames, &head, &args.models)?;
        document.base = Some(base.as_ref().map_or_else(|| revision.clone(), |base| base.project.tree.describe()));
        let of_base = base.as_ref().map(Side::requests).transpose()?.unwrap_or_default();
        (document.changes, document.new) = changes(of_base, &all, &settings, &renames);
    }
    document.notes.extend(lost(&document, &settings, &renames));
    for name in head.uncounted() {
        let of_base = base.as_ref().and_then(|base| base.digest(renames.before(name)));
        let of_base = args.base.as_ref().map(|_| of_base.map(|digest| head.digest(name) == Some(digest)));
        for model in head.models(name, &args.models)? {
            let budget = settings.budget_of(name.as_str());
            document.budgets.extend(judge_uncounted((name, &model), of_base, &budget));
        }
    }
    for requests in &all {
        let bill = bill(requests, settings.volume_of(requests.prompt.as_str()), &settings.cache);
        let is_own = |change: &&Change| change.prompt == bill.prompt && change.model == bill.model;
        let own = document.changes.iter().find(is_own);
        let budget = settings.budget_of(requests.prompt.as_str());
        document.budgets.extend(judge(&bill, own, args.base.is_some(), &budget));
        // Of a model once, however many prompts ask it.
        document.notes.extend(age(context, requests).filter(|note| !document.notes.contains(note)));
        document.prompts.push(bill);
    }
    document.notes.dedup();
    if args.versions {
        document.versions = versions::rows(&head, args.at.as_deref(), &all, args.most)?;
    }
    if args.alternatives {
        document.alternatives = instead::all(&head, &all, &document.prompts, &settings)?;
    }
    let exit = Document::exit(&document.budgets);
    document.exit_code = exit.code();
    reports.write(context, &document)?;
    Ok(exit)
}

/// What the file says, with what the command line says over it.
fn settings(args: &Args, head: &Side) -> Result<CostSettings, Failure> {
    let mut settings = head.prepared.workspace.config.cost.clone();
    let names: Vec<&str> = head.prepared.workspace.prompts.list.iter().map(|prompt| prompt.name.as_str()).collect();
    for volume in &args.volumes {
        if let Volume::All(count) = volume {
            settings.volume = Some(*count);
            // What is said now goes over what was written for one prompt then.
            settings.volumes.clear();
        }
    }
    for volume in &args.volumes {
        let Volume::Of(prompt, count) = volume else { continue };
        if !names.contains(&prompt.as_str()) {
            let hint = crate::core::suggest::did_you_mean(prompt, names.iter().copied());
            let message =
                format!("--volume names the prompt `{prompt}`, which is not among those that are looked at{hint}");
            return Err(Failure::usage(message));
        }
        settings.volumes.insert(prompt.clone(), *count);
    }
    for limit in &args.budgets {
        let of = |budget: &mut crate::project::Budget| limit.set(budget);
        of(&mut settings.budget);
        settings.budgets.values_mut().for_each(of);
    }
    Ok(settings)
}

/// Head against base, and what only head has. A prompt that has one model left on each side changed its model.
fn changes(
    base: Vec<Requests>,
    head: &[Requests],
    settings: &CostSettings,
    renames: &Renames,
) -> (Vec<Change>, Vec<(PromptName, ModelAlias)>) {
    let (mut changes, mut new) = (Vec::new(), Vec::new());
    let as_now = |one: Requests| Requests { prompt: renames.now(&one.prompt).clone(), ..one };
    let base: Vec<Requests> = base.into_iter().map(as_now).collect();
    let base = base.as_slice();
    let same = |one: &Requests, other: &Requests| one.prompt == other.prompt && one.model == other.model;
    for after in head {
        let left = |side: &[Requests], others: &[Requests]| -> Vec<usize> {
            let is_left = |one: &Requests| one.prompt == after.prompt && !others.iter().any(|other| same(one, other));
            (0..side.len()).filter(|index| is_left(&side[*index])).collect()
        };
        let before = base.iter().find(|before| same(before, after)).or_else(|| {
            match (&left(base, head)[..], &left(head, base)[..]) {
                ([before], [_]) => Some(&base[*before]),
                _ => None,
            }
        });
        match before {
            Some(before) => {
                let found = change(before, after, settings.volume_of(after.prompt.as_str()));
                changes.push(Change { base_prompt: renames.before(&after.prompt).clone(), ..found });
            }
            None => new.push((after.prompt.clone(), after.model.clone())),
        }
    }
    (changes, new)
}

/// A word on prompts that base has not and that something else of base may have been, where that lets them out of a budget.
fn lost(document: &Document, settings: &CostSettings, renames: &Renames) -> Option<String> {
    let is_held = |name: &PromptName| settings.budget_of(name.as_str()).increase.is_some();
    let changed = |name: &PromptName| document.changes.iter().any(|change| change.prompt == *name);
    let new: Vec<String> =
        document.new.iter().map(|(name, _)| name).filter(|name| is_held(name) && !changed(name)).map(code).collect();
    if new.is_empty() || renames.gone.is_empty() {
        return None;
    }
    let gone: Vec<String> = renames.gone.iter().map(code).collect();
    Some(format!(
        "base has no {}, and head has no {}: if one was the other, nothing held it to its budget; rename it in one commit and change it in the next",
        new.join(", "),
        gone.join(", ")
    ))
}

fn code(name: &PromptName) -> String {
    format!("`{name}`")
}

/// A word on a price that may have changed since.
fn age(context: &Context, requests: &Requests) -> Option<String> {
    let from = &requests.price_from;
    let day = from.as_of.as_deref()?;
    let oldest = context.take_clock().now().checked_sub(jiff::SignedDuration::from_hours(24 * OLD)).ok()?;
    let is_old = rfc3339(oldest).get(..10).is_some_and(|oldest| day < oldest);
    is_old.then(|| {
        let model = &requests.model;
        let help = match &from.source {
            _ if from.shipped => "give the entry a `price` of its own if it changed".to_owned(),
            Some(source) => format!("look it up again ({source}), and set its `as-of`"),
            None => "look it up again, and set its `as-of`".to_owned(),
        };
        format!("the price of `{model}` is of {day}, more than {OLD} days ago; {help}")
    })
}
