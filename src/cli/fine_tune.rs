//! `promptctl export fine-tune`: accepted answers as examples that a model is tuned on.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use clap::ValueEnum;

use super::context::Context;
use super::failure::Failure;
use super::folder::{self, Files};
use super::load::{Project, SelectionArgs};
use super::render::find_models;
use super::replay::replay;
use super::test::planned;
use crate::core::escape::terminal_line;
use crate::core::verdict::Exit;
use crate::core::words::counted;
use crate::export::fine_tune::{
    Asked, CARD, Card, Check, Division, Format, Gathered, Lines, MADE_BY, MAX_TOKENS, Maker, SPLIT, Side, Source,
    SplitRecord, Standing, Wanted, accepted, check, divide,
};
use crate::plan::{Overrides, Plan};
use crate::recording::orphans;
use crate::report::{KEPT, Style, data_card};
use crate::run::Prepared;
use crate::tree::provenance;

const TRAIN: &str = "train.jsonl";
const VALIDATION: &str = "validation.jsonl";
/// What stands in such a folder.
const FILES: [&str; 4] = [TRAIN, VALIDATION, CARD, SPLIT];

/// Examples to tune a model on: a line of JSON for each accepted answer, split without leaks into what is learnt and what is held
/// out, with a card that says what the data are.
///
/// Accepted is an answer that its snapshot matches, and where none is kept, a recorded one of which every expectation holds. Nothing is
/// asked.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    selection: SelectionArgs,
    /// The model whose answers are learnt. May be given several times; left out: the prompts' own, where that is one.
    #[arg(long = "model", value_name = "ALIAS")]
    models: Vec<String>,
    /// Read the project at this commit, tag or branch.
    #[arg(long, value_name = "REV")]
    at: Option<String>,
    /// The folder that is written as a whole.
    #[arg(long, value_name = "DIR", default_value = "tuned", alias = "out")]
    into: PathBuf,
    /// What the lines are written for.
    #[arg(long, value_name = "FORMAT", default_value = "openai")]
    format: FormatArg,
    /// The share that is held out.
    #[arg(long, value_name = "SHARE", default_value = "0.2", value_parser = holdout)]
    holdout: f64,
    /// Which split of all that are possible: the same seed gives the same.
    #[arg(long, value_name = "N", default_value = "0")]
    seed: u64,
    /// Which answers count as accepted.
    #[arg(long, value_name = "SOURCE", default_value = "both")]
    source: SourceArg,
    /// What becomes of the instructions of system and developer: a tuned model often needs them no more.
    #[arg(long, value_name = "WHAT", default_value = "keep")]
    system: SystemArg,
    /// The most tokens of a line; a longer one is left out.
    #[arg(long, value_name = "N", default_value_t = MAX_TOKENS, value_parser = clap::value_parser!(u64).range(1..))]
    max_tokens: u64,
    /// Write lines that hold what looks like data of persons.
    #[arg(long)]
    allow_personal_data: bool,
    /// Write what the checks refuse, and replace the folder that an earlier export wrote.
    #[arg(long)]
    force: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum FormatArg {
    /// Chat lines as OpenAI's fine-tuning takes them.
    #[value(name = "openai")]
    OpenAi,
    /// The same for Hugging Face's datasets and trainers.
    Hf,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum SourceArg {
    /// Those that a person accepted.
    Snapshots,
    /// Those without a snapshot of which every expectation holds.
    Recordings,
    /// Both.
    Both,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum SystemArg {
    /// They stay.
    Keep,
    /// They are left out.
    Drop,
}

fn holdout(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(share) if (0.0..1.0).contains(&share) => Ok(share),
        _ => Err("write a share from 0 to below 1, such as 0.2".into()),
    }
}

impl Args {
    fn wanted(&self) -> Wanted {
        Wanted {
            format: match self.format {
                FormatArg::OpenAi => Format::OpenAi,
                FormatArg::Hf => Format::Hf,
            },
            keeps_system: self.system == SystemArg::Keep,
            source: match self.source {
                SourceArg::Snapshots => Source::Snapshots,
                SourceArg::Recordings => Source::Recordings,
                SourceArg::Both => Source::Both,
            },
            holdout: self.holdout,
            seed: self.seed,
            max_tokens: self.max_tokens,
        }
    }

    /// The command line that makes the same again.
    fn command(&self, models: &[String]) -> String {
        let wanted = self.wanted();
        let mut words: Vec<String> = vec!["promptctl export fine-tune".to_owned()];
        words.extend(self.selection.prompts.iter().map(|prompt| quoted(prompt)));
        let named = [("--case", &self.selection.cases), ("--tag", &self.selection.tags)];
        for (flag, values) in named {
            words.extend(values.iter().map(|value| format!("{flag} {}", quoted(value))));
        }
        words.extend(models.iter().map(|model| format!("--model {model}")));
        words.extend(self.at.iter().map(|at| format!("--at {}", quoted(at))));
        let system = if wanted.keeps_system { "keep" } else { "drop" };
        words.push(format!("--format {} --holdout {} --seed {}", wanted.format.name(), wanted.holdout, wanted.seed));
        words.push(format!("--source {} --system {system}", wanted.source.name()));
        if wanted.max_tokens != MAX_TOKENS {
            words.push(format!("--max-tokens {}", wanted.max_tokens));
        }
        for (flag, is_given) in [("--allow-personal-data", self.allow_personal_data), ("--force", self.force)] {
            words.extend(is_given.then(|| flag.to_owned()));
        }
        words.push(format!("--into {}", quoted(&self.into.display().to_string())));
        words.join(" ")
    }
}

/// A word as a shell takes it.
fn quoted(word: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./@:+=,".contains(c);
    if !word.is_empty() && word.chars().all(is_plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', "'\\''"))
}

/// What an export finds in a project.
pub(super) struct Examples {
    pub(super) found: Gathered,
    pub(super) models: Vec<String>,
}

/// The accepted answers of what was asked for, as the project is now.
pub(super) fn examples(
    context: &Context,
    project: &Project,
    prepared: &Prepared,
    (selected, models, wanted): (&[usize], &[String], &Wanted),
) -> Result<Examples, Failure> {
    let entries = find_models(&prepared.workspace.config.models, models)?;
    let overrides = Overrides { models: entries.into_iter().map(|entry| entry.alias.clone()).collect(), repeat: None };
    let plan = planned(prepared, selected, &overrides)?;
    let models = models_of(prepared, &plan);
    let store = project.store().with(orphans(&project.root));
    let outcomes = replay(context, project, prepared, &plan, &store)?;
    let found = accepted(prepared, &plan, &outcomes, &store, wanted)?;
    Ok(Examples { found, models })
}

fn models_of(prepared: &Prepared, plan: &Plan) -> Vec<String> {
    let mut models: Vec<usize> = plan.items.iter().map(|item| item.model).collect();
    models.sort_unstable();
    models.dedup();
    models.into_iter().map(|model| prepared.workspace.config.models[model].alias.to_string()).collect()
}

pub(super) fn run(context: &mut Context, args: &Args) -> Result<Exit, Failure> {
    let target = context.folder().join(&args.into);
    let there = folder::read(&target, &FILES)?;
    let former = there.as_ref().map(|files| former(files, &args.into)).transpose()?;
    let project = Project::find(context, args.at.as_deref())?;
    let (maker, _) = provenance(&project.root, args.at.as_deref());
    let (prepared, _) = project.load()?;
    let workspace = &prepared.workspace;
    let selection = args.selection.selection(context)?;
    let selected = selection.select(&workspace.prompts, &workspace.cases)?;
    let wanted = args.wanted();
    let Examples { found, models } = examples(context, &project, &prepared, (&selected, &args.models, &wanted))?;
    if args.models.is_empty() && models.len() > 1 {
        let message = format!("{} models answer these prompts: {}", models.len(), models.join(", "));
        return Err(Failure::usage(message).help("name the one whose answers are learnt with `--model`"));
    }
    if found.examples.is_empty() && found.left_out.is_empty() {
        let message = "nothing to learn from: the project has no case yet".to_owned();
        return Err(Failure::Message { exit: Exit::Nothing, message, help: None });
    }
    let division = divide(&found.examples, &wanted);
    let checks = check(&found, &division, &wanted, args.allow_personal_data);
    let style = context.style();
    print_checks(context, &found, &checks, style)?;
    let refused = checks.iter().filter(|check| check.standing == Standing::Refused).count();
    if found.examples.is_empty() || refused > 0 && !args.force {
        let message = match refused {
            _ if found.examples.is_empty() => nothing_left(&found),
            1 => "1 check refuses these data, and nothing is written".to_owned(),
            count => format!("{count} checks refuse these data, and nothing is written"),
        };
        let too_long = found.unusable().contains_key("too-long");
        let help = match found.examples.is_empty() {
            true if too_long => {
                Some(format!("a line has at most {} tokens; `--max-tokens` allows more", wanted.max_tokens))
            }
            true => None,
            false => Some("`--force` writes them all the same".to_owned()),
        };
        return Err(Failure::Message { exit: Exit::Failed, message, help });
    }
    let lines = Lines::new(&found.examples, &division, wanted.format);
    let asked = Asked {
        prompts: selection.prompts.clone(),
        cases: selection.cases.clone(),
        tags: selection.tags.clone(),
        models: models.clone(),
        options: wanted,
    };
    let maker = Maker { made_by: MADE_BY.to_owned(), commit: maker.commit, edited: maker.dirty };
    let record = SplitRecord::new(maker, asked, &found.examples, &division, &lines);
    let command = args.command(&models);
    let card =
        data_card(&Card { record: &record, found: &found, division: &division, checks: &checks, command: &command });
    let own = former.as_ref().and_then(|(_, own)| own.as_deref());
    let card = own.map_or_else(|| card.clone(), |own| with_own(&card, own));
    let mut files =
        Files::from([(TRAIN, lines.train), (CARD, card.into_bytes()), (SPLIT, record.to_text().into_bytes())]);
    if !lines.validation.is_empty() {
        files.insert(VALIDATION, lines.validation);
    }
    let shown = args.into.display().to_string();
    let is_unchanged = |there: &Files, known: &SplitRecord| is_same(known, &record) && is_alike(there, &files);
    if there.as_ref().zip(former.as_ref()).is_some_and(|(there, (known, _))| is_unchanged(there, known)) {
        writeln!(context.out(), "  unchanged  {}", terminal_line(&shown))?;
    } else {
        if former.is_some() && !args.force {
            let message = format!("{shown} holds an earlier export that differs; nothing was written");
            return Err(Failure::usage(message).help(
                "`--force` replaces it and keeps what people wrote into its card; `--into DIR` writes somewhere else",
            ));
        }
        folder::replace(&target, &files)?;
        for (name, bytes) in &files {
            let lines = bytes.iter().filter(|byte| **byte == b'\n').count() as u64;
            let lines = if [TRAIN, VALIDATION].contains(name) {
                format!("  {}", counted(lines, "line", "lines"))
            } else {
                String::new()
            };
            writeln!(context.out(), "  wrote  {}/{name}{lines}", terminal_line(&shown))?;
        }
    }
    if !context.is_quiet() {
        say_what_next(context, &division, &args.into, &models)?;
    }
    Ok(Exit::Good)
}

/// Why no example is left.
fn nothing_left(found: &Gathered) -> String {
    let unusable = found.unusable();
    let count: u64 = unusable.values().sum();
    if count == 0 {
        return "nothing was accepted, and nothing is written".to_owned();
    }
    let reasons: Vec<String> = unusable.iter().map(|(code, count)| format!("{count} {code}")).collect();
    let accepted = counted(count, "answer is accepted", "answers are accepted");
    format!("{accepted}, and no line can be made of any of them ({}); nothing is written", reasons.join(", "))
}

/// What a person does with it.
fn say_what_next(context: &mut Context, division: &Division, into: &Path, models: &[String]) -> Result<(), Failure> {
    let (train, held) = (division.count(Side::Train), division.count(Side::Validation));
    writeln!(
        context.out(),
        "{} to learn from, {held} held out; fill in the last part of {}/{CARD}",
        counted(train as u64, "example", "examples"),
        terminal_line(&into.display().to_string())
    )?;
    if held > 0 {
        let split = quoted(&into.join(SPLIT).display().to_string());
        let base = models.first().map_or("BASE", String::as_str);
        writeln!(context.out(), "once the tuned model is an entry of promptctl.yaml:")?;
        writeln!(
            context.out(),
            "  promptctl compare --base-model {base} --head-model TUNED --cases-from {}",
            terminal_line(&split)
        )?;
    }
    Ok(())
}

fn print_checks(context: &mut Context, found: &Gathered, checks: &[Check], style: Style) -> Result<(), Failure> {
    let mut reasons: BTreeMap<&str, u64> = BTreeMap::new();
    for one in &found.left_out {
        *reasons.entry(one.code).or_default() += 1;
    }
    let by_person = found.examples.iter().filter(|example| example.by_person).count();
    let is_quiet = context.is_quiet();
    if is_quiet && checks.iter().all(|check| check.standing == Standing::Good) {
        return Ok(());
    }
    let usable = found.examples.len();
    let all = usable as u64 + found.unusable().values().sum::<u64>();
    let answers = counted(all, "answer", "answers");
    let of = if usable as u64 == all { String::new() } else { format!(", {usable} of them become lines") };
    let by = format!("{by_person} by a person, {} by what is expected of them", usable - by_person);
    writeln!(context.out(), "{answers} accepted{of}: {by}")?;
    if !reasons.is_empty() {
        let listed: Vec<String> = reasons.iter().map(|(code, count)| format!("{count} {code}")).collect();
        writeln!(context.out(), "left out: {}", listed.join(", "))?;
    }
    writeln!(context.out())?;
    for check in checks.iter().filter(|check| !is_quiet || check.standing != Standing::Good) {
        let word = match check.standing {
            Standing::Refused => style.red("refused"),
            Standing::Warned => style.yellow("warned "),
            Standing::Good => style.green("good   "),
        };
        writeln!(context.out(), "{word} {:16} {}", check.code, terminal_line(&check.sentence))?;
        for case in &check.cases {
            writeln!(context.out(), "{:26}{}", "", style.dim(&terminal_line(case)))?;
        }
        if !check.help.is_empty() {
            writeln!(context.out(), "{:26}{}", "", style.dim(&format!("= help: {}", check.help)))?;
        }
    }
    writeln!(context.out())?;
    context.flush()?;
    Ok(())
}

/// What an earlier export left in a folder: its record, and what people wrote into its card. What is no earlier export, or was
/// edited since, is not replaced.
fn former(files: &Files, shown: &Path) -> Result<(SplitRecord, Option<String>), Failure> {
    let shown = shown.display();
    let help = "name another folder with `--into`, or move it away";
    let foreign = |why: String| Failure::usage(format!("{shown} is no folder of an earlier export: {why}")).help(help);
    let text = |name: &str| files.get(name).map(|bytes| String::from_utf8_lossy(bytes).into_owned());
    let record = text(SPLIT).ok_or_else(|| foreign(format!("it has no {SPLIT}")))?;
    let record = SplitRecord::parse(&record).map_err(|error| foreign(format!("{SPLIT}: {error}")))?;
    for name in [TRAIN, VALIDATION] {
        let there = files.get(name).map(|bytes| crate::export::fine_tune::FileRecord::of(bytes));
        if there.as_ref().is_some_and(|there| Some(there) != record.files.get(name)) {
            let message = format!("{shown}/{name} was edited since it was written; nothing was written");
            return Err(Failure::usage(message).help(help));
        }
    }
    let own = text(CARD).and_then(|card| card.split_once(KEPT).map(|(_, own)| own.to_owned()));
    Ok((record, own))
}

/// Whether nothing is new but the commit.
fn is_same(known: &SplitRecord, new: &SplitRecord) -> bool {
    SplitRecord { maker: Maker::default(), ..known.clone() } == SplitRecord { maker: Maker::default(), ..new.clone() }
}

/// Whether the files are the same but for the commit, which a card names, too.
fn is_alike(there: &Files, new: &Files) -> bool {
    let card = |files: &Files| {
        let text = files.get(CARD).map(|bytes| String::from_utf8_lossy(bytes).into_owned()).unwrap_or_default();
        text.lines().filter(|line| !line.starts_with("| commit |")).collect::<Vec<_>>().join("\n")
    };
    let lines = |files: &Files| [TRAIN, VALIDATION].map(|name| files.get(name).cloned());
    card(there) == card(new) && lines(there) == lines(new)
}

fn with_own(card: &str, own: &str) -> String {
    card.split_once(KEPT).map_or_else(|| card.to_owned(), |(before, _)| format!("{before}{KEPT}{own}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_is_one_word_to_a_shell() {
        assert_eq!(quoted("support/refund"), "support/refund");
        assert_eq!(quoted("it's $(rm -rf /) *"), r"'it'\''s $(rm -rf /) *'");
        assert_eq!(quoted(""), "''");
    }

    #[test]
    fn what_people_wrote_stays() {
        let card = format!("figures\n{KEPT}\n- licence:\n");
        assert_eq!(with_own(&card, "\n- licence: CC0\n"), format!("figures\n{KEPT}\n- licence: CC0\n"));
    }
}
