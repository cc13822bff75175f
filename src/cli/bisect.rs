//! `promptctl bisect`: the first commit at which a case fails.

use std::sync::Arc;

use globset::{Glob, GlobMatcher};
use serde_json::json;

use super::ask::{self, AskArgs, Asker, Keep};
use super::compare::share;
use super::context::Context;
use super::failure::Failure;
use super::load::Project;
use super::past;
use super::probe::{Judged, Probe};
use crate::core::escape::terminal_line;
use crate::core::names::PromptName;
use crate::core::problem::Problem;
use crate::core::verdict::Exit;
use crate::core::words::counted;
use crate::history::{
    About, Bisect, Candidates, Change, Mark, Needs, State, Step, Walk, changes, lines, template_path,
};
use crate::report::{Style, change_word};
use crate::tree::{CommitError, CommitTree, Tree, TreeError};

/// Find the first commit at which a case fails. Only commits that change what the prompt needs are looked at, in halves;
/// answers are those that are recorded, and what never was asked is asked for, unless --offline.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The prompt.
    #[arg(value_name = "PROMPT")]
    prompt: String,
    /// Only cases whose name matches this glob. May be given several times. Left out: any case that fails counts.
    #[arg(long = "case", value_name = "GLOB")]
    cases: Vec<String>,
    /// Only on this model. May be given several times.
    #[arg(long = "model", value_name = "ALIAS")]
    models: Vec<String>,
    /// A commit at which all was well. Left out: what came before the prompt, or the case, was there.
    #[arg(long, value_name = "REV")]
    good: Option<String>,
    /// A commit at which it fails.
    #[arg(long, value_name = "REV", default_value = "HEAD")]
    bad: String,
    /// Fail where fewer than this share of all answers pass, instead of by what each case asks for.
    #[arg(long, value_name = "SHARE", value_parser = share)]
    min_pass_rate: Option<f64>,
    /// Take at least this many answers of each case.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1000))]
    repeat: Option<u32>,
    #[command(flatten)]
    ask: AskArgs,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// A commit that was looked at.
struct Looked {
    about: About,
    judged: Judged,
    version: Option<String>,
}

/// The search as far as it is.
struct Search<'a> {
    project: &'a Project,
    walk: &'a Walk,
    name: PromptName,
    probe: Probe,
    /// What the prompt needs, as far as is known.
    needs: Needs,
    candidates: Candidates,
    /// What was looked at, by its place in the walk, in order.
    looked: Vec<(usize, Looked)>,
    calls: u64,
    /// The commit within a version at which its recorded answers became bad ones.
    replaced: Option<usize>,
}

pub(super) fn run(context: &mut Context, args: &Args) -> Result<Exit, Failure> {
    let project = Project::around(context)?;
    let found = past::prompts(&project, &args.bad, Some(&args.prompt))?;
    let [name] = &found[..] else {
        return Err(Failure::usage(format!("`{}` names several prompts; name one", args.prompt)));
    };
    let walk = Walk::new(&project.root, &args.bad, args.good.as_deref()).map_err(|error| past::failure(&error))?;
    let good = match &args.good {
        None => None,
        Some(good) => Some(walk.place(good).filter(|place| *place > 0).ok_or_else(|| {
            let failure = Failure::usage(format!("`{good}` did not lead to `{}`", args.bad));
            failure.help(format!("name a commit before it: `git merge-base {good} {}`", args.bad))
        })?),
    };
    let (mode, words) = args.ask.mode(context);
    let probe = Probe {
        cases: globs(&args.cases)?,
        models: args.models.clone(),
        min_pass_rate: args.min_pass_rate,
        repeat: args.repeat,
        mode,
        keep: if context.is_ci() || project.is_bare { Keep::Nowhere } else { Keep::Aside },
        asker: Asker::new(&project, &args.ask)?,
    };
    let mut search = Search {
        project: &project,
        walk: &walk,
        name: name.clone(),
        probe,
        needs: Needs::default(),
        candidates: Candidates::default(),
        looked: Vec::new(),
        calls: 0,
        replaced: None,
    };
    search.check_begin()?;
    let style = context.style();
    if !args.json {
        let title = format!("bisect {name} · {words}");
        writeln!(context.out(), "{}", style.bold(&terminal_line(&title)))?;
    }
    search.begin(context, args, style)?;
    let bisect = search.halve(context, args, good, style)?;
    search.look_into(context, args, good, &bisect, style)?;
    search.report(context, args, &bisect, style)
}

fn globs(patterns: &[String]) -> Result<Vec<(String, GlobMatcher)>, Failure> {
    let glob = |pattern: &String| match Glob::new(pattern) {
        Ok(glob) => Ok((pattern.clone(), glob.compile_matcher())),
        Err(error) => Err(Failure::usage(format!("`{pattern}` is no valid glob: {}", error.kind()))),
    };
    patterns.iter().map(glob).collect()
}

/// The first of what is wrong, with its place.
fn problem_words(problems: &[Problem]) -> String {
    let Some(first) = problems.first() else { return "it cannot be read".to_owned() };
    match first.place.locate() {
        (Some(path), Some(line), _) => format!("{path}:{line}: {}", first.message),
        _ => first.message.clone(),
    }
}

impl Search<'_> {
    /// Says that there is no such prompt before anything is looked at.
    fn check_begin(&self) -> Result<(), Failure> {
        let hash = self.walk.hash(0);
        let is_missing = match CommitTree::open(&self.project.root, &hash) {
            Ok(tree) => matches!(tree.read(&template_path(&self.name), u64::MAX), Err(TreeError::Missing(_))),
            Err(CommitError::NoFolder { .. }) => true,
            Err(error) => return Err(error.into()),
        };
        if is_missing {
            let short = hash.get(..12).unwrap_or(&hash);
            let message = format!("at {short} there is no such prompt: `{}`", self.name);
            let help = Some(format!("`promptctl log {}` lists where it was; --bad names a commit", self.name));
            return Err(Failure::Message { exit: Exit::Nothing, message, help });
        }
        Ok(())
    }

    /// The exit code where the first bad commit cannot be told.
    fn exit_untold(&self) -> Exit {
        if self.probe.asker.came.skipped > 0 { Exit::Incomplete } else { Exit::Errored }
    }

    /// What was found to be bad at its newest commit may have been good at the commit that made it, under other recorded
    /// answers to the same requests: then the commit that replaced them is looked for.
    fn look_into(
        &mut self,
        context: &mut Context,
        args: &Args,
        good: Option<usize>,
        bisect: &Bisect,
        style: Style,
    ) -> Result<(), Failure> {
        let step = bisect.step();
        let (version, oldest) = match (&step, good) {
            (Step::Found(version), _) => (*version, self.candidates.list[*version].place),
            // The good commit has the very version that is bad.
            (Step::NothingBad, Some(place)) => (self.candidates.of.get(&0).copied().unwrap_or(0), place),
            _ => return Ok(()),
        };
        if self.candidates.of.get(&0) != Some(&version) || oldest == 0 {
            return Ok(());
        }
        let Some(name) = self.candidates.list[version].name.clone() else { return Ok(()) };
        // The commits at which the recordings became what they are, the newest first.
        let mut points: Vec<(usize, Option<String>)> = Vec::new();
        for place in (0..=oldest).filter(|place| self.candidates.of.get(place) == Some(&version)) {
            let recorded = self.walk.recordings(place, &name);
            match points.last_mut().filter(|(_, known)| *known == recorded) {
                Some((last, _)) => *last = place,
                None => points.push((place, recorded)),
            }
        }
        let count = points.len();
        let line = (0..count).map(|point| (point + 1 < count).then_some(point + 1).into_iter().collect()).collect();
        let mut within = Bisect::new(line);
        within.mark(0, Mark::Bad);
        if count < 2 {
            return Ok(());
        }
        let last = match good.filter(|_| matches!(step, Step::NothingBad)) {
            Some(_) => Mark::Good,
            None => self.look(context, points[count - 1].0, points[count - 1].0, Some(&name), args, style)?,
        };
        within.mark(count - 1, last);
        if last == Mark::Bad {
            return Ok(());
        }
        while let Step::Probe(point) = within.step() {
            let mark = self.look(context, points[point].0, points[point].0, Some(&name), args, style)?;
            within.mark(point, mark);
        }
        if let Step::Found(point) = within.step() {
            self.replaced = Some(points[point].0);
        }
        Ok(())
    }

    /// Looks at the bad end, which must be bad, and finds the candidates.
    fn begin(&mut self, context: &mut Context, args: &Args, style: Style) -> Result<(), Failure> {
        let name = self.name.clone();
        let mark = self.look(context, 0, 0, Some(&name), args, style)?;
        let Some((_, looked)) = self.looked.last() else { return Ok(()) };
        let message = match (mark, &looked.judged) {
            (Mark::Bad, _) => return Ok(()),
            (Mark::Good, Judged { missing: true, reason, .. }) => format!("at {}, {reason}", args.bad),
            (Mark::Good, _) => format!("nothing fails at {}: there is nothing to look for", args.bad),
            (Mark::Skip, judged) => format!("whether it fails at {} cannot be told: {}", args.bad, judged.reason),
        };
        let help = "name a commit at which it fails with --bad, and the cases with --case".to_owned();
        let exit = if mark == Mark::Skip { self.exit_untold() } else { Exit::Nothing };
        Err(Failure::Message { exit, message, help: Some(help) })
    }

    /// Looks at one commit after the other, until the first bad one is known.
    fn halve(
        &mut self,
        context: &mut Context,
        args: &Args,
        good: Option<usize>,
        style: Style,
    ) -> Result<Bisect, Failure> {
        let mut is_known = false;
        loop {
            if !is_known {
                self.candidates = Candidates::find(&self.project.root, self.walk, &self.name, &self.needs);
            }
            let bisect = self.marked(good);
            if !is_known && !args.json {
                let count = bisect.suspects().len();
                let steps = count.next_power_of_two().ilog2();
                let text = format!(
                    "{} among {} commits, about {}",
                    counted(count as u64, "candidate", "candidates"),
                    self.walk.nodes.len(),
                    counted(u64::from(steps), "step", "steps")
                );
                writeln!(context.out(), "{}", style.dim(&text))?;
            }

            let Step::Probe(version) = bisect.step() else { return Ok(bisect) };
            let candidate = self.candidates.list[version].clone();
            let known = self.needs.clone();
            self.look(context, candidate.place, candidate.newest, candidate.name.as_ref(), args, style)?;
            if self.probe.asker.came.interrupted {
                let message = "interrupted; the same command goes on from what was asked".to_owned();
                return Err(Failure::Message { exit: Exit::Interrupted, message, help: None });
            }
            // A version in the middle may need what neither end needs: then there may be more candidates.
            is_known = known.cover(&self.needs);
        }
    }

    /// What is known of the candidates as they are now.
    fn marked(&self, good: Option<usize>) -> Bisect {
        let parents = self.candidates.list.iter().map(|candidate| candidate.parents.clone()).collect();
        let mut bisect = Bisect::new(parents);
        for (place, looked) in &self.looked {
            if let Some(version) = self.candidates.of.get(place) {
                bisect.mark(*version, looked.judged.mark);
            }
        }
        if let Some(version) = good.and_then(|place| self.candidates.of.get(&place)) {
            bisect.mark(*version, Mark::Good);
        }
        bisect
    }

    /// Loads a version and judges it.
    fn look(
        &mut self,
        context: &mut Context,
        place: usize,
        newest: usize,
        name: Option<&PromptName>,
        args: &Args,
        style: Style,
    ) -> Result<Mark, Failure> {
        let about = self.walk.about(place).map_err(|error| past::failure(&error))?;
        let (judged, version) = match name {
            None => (Judged::missing("there was no such prompt".to_owned()), None),
            Some(name) => self.judge(context, place, newest, name)?,
        };
        let mark = judged.mark;
        if !args.json {
            let word = match mark {
                Mark::Good => style.green("good"),
                Mark::Bad => style.red("bad "),
                Mark::Skip => style.yellow("skip"),
            };
            let line = format!(
                "{}  {}  {}",
                about.date.get(..10).unwrap_or_default(),
                version.as_deref().unwrap_or("no version"),
                judged.reason
            );
            let hash = style.yellow(about.commit.get(..12).unwrap_or(&about.commit));
            writeln!(context.out(), "{:3} {word} {hash}  {}", self.looked.len() + 1, terminal_line(&line))?;
            context.flush()?;
        }
        self.looked.push((place, Looked { about, judged, version }));
        Ok(mark)
    }

    fn judge(
        &mut self,
        context: &mut Context,
        place: usize,
        newest: usize,
        name: &PromptName,
    ) -> Result<(Judged, Option<String>), Failure> {
        let at = |place: usize| CommitTree::open(&self.project.root, &self.walk.hash(place));
        let tree: Arc<dyn Tree> = match at(place) {
            Ok(tree) => Arc::new(tree),
            Err(CommitError::NoFolder { .. }) => {
                return Ok((Judged::missing("there was no such prompt".to_owned()), None));
            }
            Err(error) => return Err(error.into()),
        };
        match tree.read(&template_path(name), u64::MAX) {
            Err(TreeError::Missing(_)) => return Ok((Judged::missing("there is no such prompt".to_owned()), None)),
            Err(error) => return Ok((Judged::skip(error.to_string()), None)),
            Ok(_) => {}
        }
        let state = State::load(&tree, name);
        // What the bad end needs is called there as it is here.
        self.needs.add(&state.needs.renamed(name, &self.name));
        let Some(loaded) = state.loaded else {
            let why = state.broken.unwrap_or_default();
            return Ok((Judged::skip(format!("cannot be loaded: {why}")), None));
        };
        // Answers may have been recorded at a later commit that has the same version.
        let mut store = ask::store(self.project);
        if place != newest
            && let Ok(tree) = at(newest)
        {
            store = store.before(Arc::new(tree));
        }
        let store = store.before(Arc::clone(&tree));
        let (root, working, is_bare) =
            (self.project.root.clone(), Arc::clone(&self.project.working), self.project.is_bare);
        let project = Project { root, tree, working, is_bare };
        let judged = match self.probe.judge(context, &project, &loaded, store) {
            Ok(judged) => judged,
            // Damage at one commit says nothing of the others.
            Err(Failure::Problems(problems)) => Judged::skip(problem_words(&problems)),
            Err(failure) => return Err(failure),
        };
        self.calls = self.probe.asker.came.calls;
        Ok((judged, state.version))
    }

    fn report(self, context: &mut Context, args: &Args, bisect: &Bisect, style: Style) -> Result<Exit, Failure> {
        let step = bisect.step();
        let describe = |version: usize| {
            self.walk.about(self.candidates.list[version].place).map_err(|error| past::failure(&error))
        };
        let first = match (&step, self.replaced) {
            (_, Some(place)) => Some((place, vec![Change::Recordings], (0, 0))),
            (Step::Found(version), None) => {
                let (changes, lines) = self.changed(*version);
                Some((self.candidates.list[*version].place, changes, lines))
            }
            _ => None,
        };
        let first = match first {
            Some((place, changes, lines)) => {
                let about = self.walk.about(place).map_err(|error| past::failure(&error))?;
                Some((place, about, changes, lines))
            }
            None => None,
        };
        let among = match &step {
            Step::Among(versions) => versions.iter().map(|version| describe(*version)).collect(),
            _ => Ok(Vec::new()),
        };
        let among: Vec<About> = among.map_err(|failure: Failure| failure)?;
        if let (Step::Found(version), Some((_, about, ..)), None) = (&step, &first, self.replaced) {
            self.check_end(*version, &about.commit)?;
        }
        let exit = self.exit_untold();
        if args.json {
            let looked = |(_, looked): &(usize, Looked)| {
                json!({
                    "commit": looked.about.commit, "mark": looked.judged.mark, "reason": looked.judged.reason,
                    "prompt_version": looked.version, "passed": looked.judged.passed, "answers": looked.judged.answers,
                })
            };
            let skipped = self.looked.iter().filter(|(_, looked)| looked.judged.mark == Mark::Skip);
            let document = json!({
                "version": 1, "prompt": self.name, "commits": self.walk.nodes.len(),
                "candidates": self.candidates.list.len(), "loaded": self.looked.len(), "calls_made": self.calls,
                "first_bad": first.as_ref().map(|(_, about, changes, _)| json!({
                    "commit": about.commit, "date": about.date, "author": about.author, "summary": about.summary,
                    "changes": changes,
                })),
                "among": among.iter().map(|about| &about.commit).collect::<Vec<_>>(),
                "steps": self.looked.iter().map(looked).collect::<Vec<_>>(),
                "skipped": skipped.map(|(_, looked)| &looked.about.commit).collect::<Vec<_>>(),
            });
            writeln!(context.out(), "{document:#}")?;
        } else if let Some((place, about, changes, (added, removed))) = &first {
            let title = format!("the first bad commit is {}", about.commit);
            writeln!(context.out(), "\n{}", style.bold(&title))?;
            let line = format!("{}  {}  {}", about.date.get(..10).unwrap_or_default(), about.author, about.summary);
            writeln!(context.out(), "  {}", terminal_line(&line))?;
            let words: Vec<String> = changes.iter().map(change_word).collect();
            writeln!(context.out(), "  {} (+{added} −{removed} lines)", terminal_line(&words.join(", ")))?;
            let (short, name) = (about.commit.get(..12).unwrap_or(&about.commit), terminal_line(self.name.as_str()));
            if self.walk.parents(*place).is_empty() {
                writeln!(context.out(), "  promptctl show {name}@{short}")?;
            } else {
                writeln!(context.out(), "  promptctl diff {name} {short}~1..{short}")?;
            }
        } else if among.is_empty() {
            let text = "it is good and bad in the same version with the same answers: name other commits";
            writeln!(context.out(), "\n{}", style.bold(text))?;
        } else {
            writeln!(
                context.out(),
                "\n{}",
                style.bold("the first bad commit is one of these, which cannot be told apart:")
            )?;
            for about in &among {
                writeln!(context.out(), "  {}  {}", about.commit, terminal_line(&about.summary))?;
            }
        }
        if !args.json {
            let text = format!(
                "{} loaded, {}",
                counted(self.looked.len() as u64, "commit", "commits"),
                counted(self.calls, "call", "calls")
            );
            writeln!(context.out(), "{}", style.dim(&text))?;
        }
        Ok(if first.is_some() { Exit::Good } else { exit })
    }

    /// A version that a shallow clone does not hold the beginning of may be older than what is known of it.
    fn check_end(&self, version: usize, commit: &str) -> Result<(), Failure> {
        let reaches_back = |place: &usize| self.candidates.of.get(place) == Some(&version);
        if !self.walk.ends().iter().any(reaches_back) {
            return Ok(());
        }
        let short = commit.get(..12).unwrap_or(commit);
        let message = format!("it fails already at {short}, before which this shallow clone holds nothing");
        let help = "fetch more of the past, `git fetch --deepen=100` or all of it, `git fetch --unshallow` (with \
                    actions/checkout `fetch-depth: 0`); the same command then goes on from what was asked";
        Err(Failure::Message { exit: Exit::Errored, message, help: Some(help.to_owned()) })
    }

    /// What a version changed of the one before it.
    fn changed(&self, version: usize) -> (Vec<Change>, (usize, usize)) {
        let state = |commit: &str, name: &PromptName| {
            let tree = CommitTree::open(&self.project.root, commit).ok()?;
            tree.read(&template_path(name), u64::MAX).ok()?;
            Some(State::load(&(Arc::new(tree) as Arc<dyn Tree>), name))
        };
        let candidate = &self.candidates.list[version];
        let Some(name) = &candidate.name else { return (Vec::new(), (0, 0)) };
        let Some(new) = state(&self.walk.hash(candidate.place), name) else { return (Vec::new(), (0, 0)) };
        let before = candidate.parents.first().map(|parent| &self.candidates.list[*parent]);
        let old = match before {
            Some(before) => before.name.as_ref().and_then(|name| state(&self.walk.hash(before.place), name)),
            // What the walk leaves out is there all the same.
            None => self.walk.parents(candidate.place).first().and_then(|parent| state(parent, name)),
        };
        (changes(old.as_ref(), &new), lines(old.as_ref(), &new))
    }
}
