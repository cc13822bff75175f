//! `promptctl retrieval query` and `chunks`: what a retriever finds, and what it could find.

use std::io::Write as _;

use serde_json::json;

use super::asking::AskArgs;
use super::finder::Finder;
use super::side::{Side, chunking, local};
use crate::cli::context::Context;
use crate::cli::failure::Failure;
use crate::cli::sink::Piped;
use crate::core::names::CaseName;
use crate::core::verdict::Exit;
use crate::project::{Chunking, Local, MOST_DOCUMENTS};
use crate::report::{write_chunks, write_documents};
use crate::retrieval::{Lack, Retrieves as _};

/// Ask a retriever, and show what it finds, with scores.
#[derive(Debug, clap::Args)]
pub(super) struct QueryArgs {
    /// The retriever.
    #[arg(value_name = "NAME")]
    name: String,
    /// What is asked.
    #[arg(value_name = "QUERY")]
    query: String,
    /// How many documents. Left out: as many as a prompt is given.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1000))]
    top: Option<u16>,
    /// The files as they are at this commit, tag or branch.
    #[arg(long, value_name = "REV")]
    at: Option<String>,
    /// Cut the files otherwise: `paragraph`, `heading:800`, `sentences:5/2`, `fixed:1000/100`, `whole`.
    #[arg(long, value_name = "CHUNKING", value_parser = chunking)]
    chunking: Option<Chunking>,
    /// Show whole texts, not their beginnings.
    #[arg(long)]
    full: bool,
    #[command(flatten)]
    ask: AskArgs,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// List the chunks of a local retriever, with the ids that golden queries name.
#[derive(Debug, clap::Args)]
pub(super) struct ChunksArgs {
    /// The retriever.
    #[arg(value_name = "NAME")]
    name: String,
    /// Only those of this file, or the chunk with this id.
    #[arg(value_name = "PATH|ID")]
    only: Option<String>,
    /// The files as they are at this commit, tag or branch.
    #[arg(long, value_name = "REV")]
    at: Option<String>,
    /// Cut the files otherwise: `paragraph`, `heading:800`, `sentences:5/2`, `fixed:1000/100`, `whole`.
    #[arg(long, value_name = "CHUNKING", value_parser = chunking)]
    chunking: Option<Chunking>,
    /// Show whole texts, not their beginnings.
    #[arg(long)]
    full: bool,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

pub(super) fn query(context: &mut Context, args: &QueryArgs) -> Result<Exit, Failure> {
    if args.query.trim().is_empty() {
        return Err(Failure::usage("the query is empty"));
    }
    let mut side = Side::load(context, args.at.as_deref())?;
    side.is_tried = true;
    let retriever = side.retriever(&args.name)?;
    let top = args.top.map_or(retriever.top, usize::from).min(MOST_DOCUMENTS);
    let cut: Option<Local> = match args.chunking {
        Some(chunking) => Some(local(retriever, "files can be cut otherwise only")?.cut(chunking)),
        None => None,
    };
    // What it is recorded under, where it is.
    let name = CaseName::new(args.query.trim()).or_else(|_| CaseName::new("query")).map_err(Failure::usage)?;
    let queries = [(args.query.clone(), name)];
    let finder = Finder::new(context, &side, retriever, cut.as_ref(), (&queries, top), &args.ask)?;
    let found = finder.retrieve(&args.query, top).map_err(|lack| {
        let exit = if lack == Lack::NotRecorded { Exit::Waiting } else { Exit::Errored };
        Failure::Message { exit, message: lack.to_string(), help: None }
    })?;
    if args.json {
        let document = json!({"version": 1, "retriever": args.name, "query": args.query, "documents": found});
        context.print_json(&document)?;
    } else {
        let style = context.style();
        write_documents(&mut Piped::new(context.out()), &found, args.full, style)?;
    }
    if found.is_empty() {
        writeln!(context.err(), "nothing was found")?;
        return Ok(Exit::Nothing);
    }
    Ok(Exit::Good)
}

pub(super) fn chunks(context: &mut Context, args: &ChunksArgs) -> Result<Exit, Failure> {
    let side = Side::load(context, args.at.as_deref())?;
    let retriever = side.retriever(&args.name)?;
    let mut own = local(retriever, "there are chunks only")?.clone();
    own.chunk = args.chunking.unwrap_or(own.chunk);
    let index = side.index(retriever, &own)?;
    let is_wanted = |place: &usize| {
        let chunk = &index.chunks()[*place];
        args.only.as_ref().is_none_or(|only| chunk.path.as_str() == only || chunk.id == *only)
    };
    let wanted: Vec<usize> = (0..index.chunks().len()).filter(is_wanted).collect();
    if let (Some(only), true) = (&args.only, wanted.is_empty()) {
        let ids = index.chunks().iter().flat_map(|chunk| [chunk.id.as_str(), chunk.path.as_str()]);
        let hint = crate::core::suggest::did_you_mean(only, ids);
        let message = format!("no file and no chunk of the retriever `{}` is called `{only}`{hint}", args.name);
        return Err(Failure::Message { exit: Exit::Nothing, message, help: None });
    }
    let style = context.style();
    if args.json {
        let one = |place: &usize| {
            let chunk = &index.chunks()[*place];
            json!({
                "id": chunk.id, "source": chunk.path.as_str(), "start": chunk.range.start, "end": chunk.range.end,
                "under": chunk.under, "text": index.text(*place),
            })
        };
        let chunks: Vec<_> = wanted.iter().map(one).collect();
        context.print_json(&json!({"version": 1, "retriever": args.name, "chunks": chunks}))?;
    } else {
        write_chunks(&mut Piped::new(context.out()), &index, &wanted, args.full, style)?;
    }
    Ok(Exit::Good)
}
