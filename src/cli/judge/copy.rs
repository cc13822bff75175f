//! `promptctl judge copy`: prompts that are built in, as files of the project.

use crate::cli::context::Context;
use crate::cli::failure::Failure;
use crate::cli::load::Project;
use crate::core::suggest::did_you_mean;
use crate::core::verdict::Exit;
use crate::expect::SHIPPED;
use crate::run::shipped_path;
use crate::tree::{TreeError, write};

/// Write the prompts of judges that are built in to prompts/judges/, to be changed there.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Their names, such as llm-rubric.
    #[arg(value_name = "NAME", required_unless_present = "all")]
    names: Vec<String>,
    /// All of them.
    #[arg(long, conflicts_with = "names")]
    all: bool,
    /// Replace files that differ.
    #[arg(long)]
    force: bool,
}

pub(super) fn run(context: &mut Context, args: &Args) -> Result<Exit, Failure> {
    let known = || SHIPPED.iter().map(|(name, _)| *name);
    let mut chosen = Vec::new();
    for name in &args.names {
        let bare = name.strip_prefix("judges/").unwrap_or(name);
        let Some(found) = SHIPPED.iter().find(|(known, _)| *known == bare) else {
            let names: Vec<&str> = known().collect();
            let message = format!("no judge `{name}` is built in{}", did_you_mean(bare, known()));
            return Err(Failure::usage(message).help(format!("known: {}", names.join(", "))));
        };
        chosen.push(found);
    }
    if args.all {
        chosen = SHIPPED.iter().collect();
    }
    let project = Project::on_disk(context)?;
    let mut planned = Vec::new();
    let mut differ = Vec::new();
    for (name, text) in chosen {
        let Some(path) = shipped_path(name) else { continue };
        match project.tree.read(&path, u64::MAX) {
            Ok(bytes) if bytes == text.as_bytes() => {}
            Ok(_) if !args.force => differ.push(path.to_string()),
            Ok(_) | Err(TreeError::Missing(_)) => {
                planned.push((path, text));
                continue;
            }
            Err(error) => return Err(error.into_problem().into()),
        }
        writeln!(context.out(), "  kept  {path}")?;
    }
    // All of them or none.
    if !differ.is_empty() {
        let message = format!("{} differ from what is built in; nothing was written", differ.join(", "));
        return Err(Failure::usage(message).help("--force replaces them; what they say now is lost"));
    }
    for (path, text) in &planned {
        write::replace(&project.root, path, text.as_bytes())
            .map_err(|error| Failure::usage(format!("the prompt cannot be written: {error}")))?;
        writeln!(context.out(), "  made  {path}")?;
    }
    if !planned.is_empty() {
        writeln!(
            context.out(),
            "From now on the project's own are used. Once one is changed it is another judge: what it says is asked anew, and a\ncalibration of the former says nothing of it."
        )?;
    }
    Ok(Exit::Good)
}
