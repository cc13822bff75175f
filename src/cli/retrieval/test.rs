//! `promptctl retrieval test`: golden queries of retrievers.

use std::collections::HashMap;
use std::sync::Arc;

use super::asking::AskArgs;
use super::finder::{Finder, Named};
use super::reports::{self, Reports};
use super::side::{Side, chunking, local, written};
use crate::cli::context::Context;
use crate::cli::failure::Failure;
use crate::cli::reports::ReportArg;
use crate::core::path::TreePath;
use crate::core::problem::Problems;
use crate::core::verdict::Exit;
use crate::core::words::counted;
use crate::project::{Chunking, Engine, Local, Retriever, RetrieverKind};
use crate::retrieval::metrics::MOST;
use crate::retrieval::{Fault, Golden, Kept, Row, Tested, Trial, against, depth, kept, no_golden, report_orphans};
use crate::tree::write::replace;

/// At which ranks is measured where nobody says, as far as so many documents are taken.
const RANKS: [usize; 4] = [1, 3, 5, 10];

/// Test retrievers with golden queries (fixtures/_retrieval/NAME.yaml): hit, recall, precision, MRR and nDCG of what they find, what
/// moved since it was accepted, and what is wrong with files and chunks.
///
/// Everything goes by ids, so that no model judges. Ends with 1 where a measure is below what is expected of it or a finding
/// fails, with 5 where what is found is not what was accepted.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Retrievers. Left out: all that have golden queries.
    #[arg(value_name = "NAME")]
    names: Vec<String>,
    /// At which ranks to measure. Left out: 1, 3, 5 and 10, as far as a prompt is given so many documents.
    #[arg(long, value_name = "K", value_delimiter = ',', value_parser = rank)]
    k: Vec<usize>,
    /// Try the same files cut otherwise: `paragraph`, `heading:800`, `sentences:5/2` (a window, and how far it moves),
    /// `fixed:1000/100` (a size, and how much is shared), `whole`.
    #[arg(long, value_name = "CHUNKING", value_delimiter = ',', value_parser = chunking)]
    chunkings: Vec<Chunking>,
    /// Ask this retriever the same queries, too. May be given several times.
    #[arg(long, value_name = "NAME")]
    also: Vec<String>,
    /// The project as it is at this commit, tag or branch.
    #[arg(long, value_name = "REV")]
    at: Option<String>,
    /// Against what was found at this commit, tag or branch; `A...B` is where both were one.
    #[arg(long, value_name = "REV")]
    base: Option<String>,
    /// Accept what is found now.
    #[arg(long, conflicts_with = "at")]
    update: bool,
    #[command(flatten)]
    ask: AskArgs,
    /// Report as human, json or markdown, to standard output or into a file. May be given several times.
    #[arg(long = "report", value_name = "FORMAT[=PATH]", value_parser = reports::report)]
    reports: Vec<ReportArg>,
    /// Print JSON: the same as --report json.
    #[arg(long)]
    json: bool,
}

fn rank(text: &str) -> Result<usize, String> {
    let rank = text.parse().ok().filter(|rank| (1..=MOST).contains(rank));
    rank.ok_or_else(|| format!("`{text}` is no rank from 1 to {MOST}"))
}

pub(super) fn run(context: &mut Context, args: &Args) -> Result<Exit, Failure> {
    if args.update && context.is_ci() {
        return Err(Failure::usage("in continuous integration nothing is accepted")
            .help("run `promptctl retrieval test --update` on a machine of yours, and commit the snapshot"));
    }
    let reports = Reports::open(context, &args.reports, args.json)?;
    let head = Side::load(context, args.at.as_deref())?;
    let selected = select(&head, &args.names)?;
    let base = args.base.as_deref().map(|revision| Side::load_base(context, revision)).transpose()?;
    let mut tested = Tested {
        version: 1,
        tree: head.project.tree.describe(),
        base: base.as_ref().zip(args.base.as_ref()).map(|(base, revision)| {
            base.as_ref().map_or_else(|| revision.clone(), |base| base.project.tree.describe())
        }),
        k: Vec::new(),
        rows: Vec::new(),
        notes: Vec::new(),
        exit_code: 0,
    };
    for (retriever, golden) in &selected {
        let ks = ranks(&args.k, retriever.top);
        tested.k.extend(&ks);
        let asked = (golden, &ks[..]);
        let mut own = own(context, &head, retriever, asked, &args.ask, &mut tested.notes)?;
        let mut before = Vec::new();
        if let Some(base) = &base {
            before = at_base(context, base.as_ref(), retriever, asked, args, &mut tested.notes)?;
            own.0.against = before.first().and_then(|row| against(&own.0, row, row.at.as_deref().unwrap_or_default()));
        }
        own.0.snapshot = snapshot(&head, retriever, golden, &own.0, args.update)?;
        let others = others(context, &head, args, retriever, asked, &own)?;
        tested.rows.push(own.0);
        tested.rows.extend(others);
        tested.rows.extend(before);
    }
    tested.k.sort_unstable();
    tested.k.dedup();
    let exit = tested.exit(context.is_ci());
    tested.exit_code = exit.code();
    reports.write(context, &tested)?;
    Ok(exit)
}

/// The retrievers with their golden queries.
fn select<'s>(side: &'s Side, names: &[String]) -> Result<Vec<(&'s Arc<Retriever>, Golden)>, Failure> {
    let tree = &*side.project.tree;
    let mut problems = Problems::default();
    let all: Vec<&Arc<Retriever>> = if names.is_empty() {
        report_orphans(tree, &side.config.retrievers, &mut problems);
        side.config.retrievers.iter().collect()
    } else {
        let mut found: Vec<&Arc<Retriever>> = Vec::new();
        for name in names {
            let retriever = side.retriever(name)?;
            if !found.iter().any(|known| known.name == retriever.name) {
                found.push(retriever);
            }
        }
        found
    };
    let mut selected = Vec::new();
    for retriever in all {
        let before = problems.len();
        match Golden::load(tree, &retriever.name, &mut problems) {
            Some(golden) => selected.push((retriever, golden)),
            None if !names.is_empty() && problems.len() == before => problems.push(no_golden(retriever)),
            None => {}
        }
    }
    if !problems.is_empty() {
        return Err(Failure::from(problems).at(&tree.describe()));
    }
    if selected.is_empty() {
        let message = "there are no golden queries to test a retriever with".to_owned();
        let help = "write them into fixtures/_retrieval/NAME.yaml, NAME being a retriever of promptctl.yaml; \
                    docs/retrieval.md shows how";
        return Err(Failure::Message { exit: Exit::Nothing, message, help: Some(help.to_owned()) });
    }
    Ok(selected)
}

fn ranks(asked: &[usize], top: usize) -> Vec<usize> {
    let mut ranks: Vec<usize> = if asked.is_empty() {
        RANKS.into_iter().filter(|rank| *rank < top).chain([top]).collect()
    } else {
        asked.to_vec()
    };
    ranks.sort_unstable();
    ranks.dedup();
    ranks
}

/// What a retriever finds for its own queries, and what found it.
fn own(
    context: &Context,
    side: &Side,
    retriever: &Retriever,
    asked: Wanted<'_>,
    asks: &AskArgs,
    notes: &mut Vec<String>,
) -> Result<(Row, Finder), Failure> {
    let golden = asked.0;
    let finder = finder(context, side, retriever, None, (asked, retriever.top), asks)?;
    let (stale, unknown) = finder.index().map(|index| side.stale(context, retriever, index)).unwrap_or_default();
    if unknown > 0 {
        let what = format!(
            "of {} of the retriever `{}` nobody knows when they were touched last",
            counted(unknown, "file", "files"),
            retriever.name
        );
        if golden.fail_on.contains(&Fault::Stale) {
            return Err(Failure::usage(format!("{what}: whether one is stale cannot be told"))
                .help("this takes a git repository with its whole history (`git fetch --unshallow`; `fetch-depth: 0`), or a `date:` in the files"));
        }
        notes.push(format!("{what}: stale ones are told with the whole history of git alone, or by a `date:` in them"));
    }
    let row = tried(retriever, None, &finder, asked, &Part::Own(&stale));
    Ok((row, finder))
}

/// The golden queries, and at which ranks is measured.
type Wanted<'a> = (&'a Golden, &'a [usize]);

fn finder(
    context: &Context,
    side: &Side,
    retriever: &Retriever,
    cut: Option<&Local>,
    ((golden, ks), top): (Wanted<'_>, usize),
    asks: &AskArgs,
) -> Result<Finder, Failure> {
    let queries: Vec<Named> = golden.queries.iter().map(|query| (query.query.clone(), query.name.clone())).collect();
    Finder::new(context, side, retriever, cut, (&queries, depth(golden, ks, top)), asks)
}

/// As what something is tried.
enum Part<'a> {
    /// What is tested, with the day since when its stale files have not been touched.
    Own(&'a HashMap<String, String>),
    /// The same, as it was.
    Before(&'a Retriever),
    /// Another way, beside the one whose queries these are.
    Beside(&'a Finder, &'a Retriever),
}

fn tried(
    retriever: &Retriever,
    cut: Option<&Local>,
    finder: &Finder,
    (golden, ks): Wanted<'_>,
    part: &Part<'_>,
) -> Row {
    let none = HashMap::new();
    let (whose, named, stale) = match part {
        Part::Own(stale) => (retriever, None, *stale),
        Part::Before(now) => (*now, None, &none),
        Part::Beside(own, whose) => (*whose, own.index(), &none),
    };
    let is_own = matches!(part, Part::Own(_));
    let trial = Trial { retriever: finder, top: whose.top, index: finder.index(), named, stale, is_own };
    let row = Row {
        retriever: retriever.name.to_string(),
        golden: whose.name.to_string(),
        kind: retriever.kind_name().to_owned(),
        files: finder.index().map(|index| index.files().len()),
        chunks: finder.index().map(|index| index.chunks().len()),
        ..trial.run(golden, ks)
    };
    let RetrieverKind::Local(own) = &retriever.kind else { return row };
    let local = cut.unwrap_or(own);
    let engine = match local.engine {
        Engine::Bm25 => "bm25",
        Engine::Tantivy => "tantivy",
    };
    Row {
        chunking: Some(written(local.chunk)),
        engine: Some(engine.to_owned()),
        embeddings: local.embeddings.as_ref().map(ToString::to_string),
        ..row
    }
}

/// The other ways to find that are tried on the same queries.
fn others(
    context: &Context,
    side: &Side,
    args: &Args,
    retriever: &Retriever,
    asked: Wanted<'_>,
    (row, finder): &(Row, Finder),
) -> Result<Vec<Row>, Failure> {
    let mut rows = Vec::new();
    for (other, cut) in ways(side, args, retriever)? {
        let mut tried = way(context, side, (&other, cut.as_ref()), (retriever, finder), asked, &args.ask)?;
        tried.against = against(&tried, row, &row.retriever);
        rows.push(tried);
    }
    Ok(rows)
}

/// The same files cut otherwise, and other retrievers.
fn ways(side: &Side, args: &Args, retriever: &Retriever) -> Result<Vec<(Retriever, Option<Local>)>, Failure> {
    let mut ways = Vec::new();
    if !args.chunkings.is_empty() {
        let own = local(retriever, "files can be cut otherwise only")?;
        let others = args.chunkings.iter().filter(|chunking| **chunking != own.chunk);
        ways.extend(others.map(|chunking| (retriever.clone(), Some(own.cut(*chunking)))));
    }
    for name in args.also.iter().filter(|name| **name != retriever.name.as_str()) {
        ways.push(((**side.retriever(name)?).clone(), None));
    }
    Ok(ways)
}

fn way(
    context: &Context,
    side: &Side,
    (other, cut): (&Retriever, Option<&Local>),
    (retriever, own): (&Retriever, &Finder),
    asked: Wanted<'_>,
    asks: &AskArgs,
) -> Result<Row, Failure> {
    let found = finder(context, side, other, cut, (asked, retriever.top), asks)?;
    Ok(tried(other, cut, &found, asked, &Part::Beside(own, retriever)))
}

/// What the same queries found at base: the retriever first, and the other ways that there were.
fn at_base(
    context: &Context,
    base: Option<&Side>,
    retriever: &Retriever,
    asked: Wanted<'_>,
    args: &Args,
    notes: &mut Vec<String>,
) -> Result<Vec<Row>, Failure> {
    let mut rows: Vec<Row> = Vec::new();
    // With as many documents as now, or the two would not be alike.
    let Some((side, before)) = there(base, retriever.name.as_str(), notes) else { return Ok(rows) };
    let before = Retriever { top: retriever.top, max_age_days: None, ..before.clone() };
    let found = finder(context, side, &before, None, (asked, retriever.top), &args.ask)?;
    rows.push(tried(&before, None, &found, asked, &Part::Before(retriever)));
    if let RetrieverKind::Local(own) = &before.kind {
        for chunking in args.chunkings.iter().filter(|chunking| **chunking != own.chunk) {
            let cut = own.cut(*chunking);
            rows.push(way(context, side, (&before, Some(&cut)), (&before, &found), asked, &args.ask)?);
        }
    }
    for name in args.also.iter().filter(|name| **name != retriever.name.as_str()) {
        let Some((side, other)) = there(base, name, notes) else { continue };
        rows.push(way(context, side, (other, None), (&before, &found), asked, &args.ask)?);
    }
    for row in &mut rows {
        row.at = Some(side.project.tree.describe());
    }
    Ok(rows)
}

/// The retriever of this name at base, where there is one that has files, if it takes files.
fn there<'s>(base: Option<&'s Side>, name: &str, notes: &mut Vec<String>) -> Option<(&'s Side, &'s Retriever)> {
    let found =
        base.and_then(|side| Some((side, side.config.retrievers.iter().find(|one| one.name.as_str() == name)?)));
    let Some((side, retriever)) = found else {
        notes.push(format!("base has no retriever `{name}`"));
        return None;
    };
    let is_there = |local: &Local| local.paths(&*side.project.tree).is_ok_and(|paths: Vec<TreePath>| !paths.is_empty());
    if matches!(&retriever.kind, RetrieverKind::Local(local) if !is_there(local)) {
        notes.push(format!("the retriever `{name}` has no files in base"));
        return None;
    }
    Some((side, retriever))
}

/// What became of the ids that are kept, and writes them where that is asked.
fn snapshot(
    side: &Side,
    retriever: &Retriever,
    golden: &Golden,
    row: &Row,
    update: bool,
) -> Result<Option<Kept>, Failure> {
    if !golden.snapshot {
        return Ok(None);
    }
    let path = kept::kept_path(&retriever.name);
    let accepted = kept::read(&*side.project.tree, &retriever.name)?;
    let found = kept::found(&row.queries, accepted.as_deref().unwrap_or_default());
    let changes = kept::moved(accepted.as_deref().unwrap_or_default(), &found);
    let state = match (&accepted, changes.is_empty(), update) {
        (Some(_), true, _) => "matches",
        (_, _, true) => {
            let text = kept::to_text(&retriever.name, &found).map_err(Failure::usage)?;
            replace(&side.project.root, &path, text.as_bytes())?;
            "written"
        }
        (Some(_), false, false) => "differs",
        (None, _, false) => "missing",
    };
    let changes = if accepted.is_some() { changes } else { Vec::new() };
    Ok(Some(Kept { state, path: path.to_string(), changes }))
}
