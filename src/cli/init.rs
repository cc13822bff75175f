//! `promptctl init`: a small working project.

use std::path::{Path, PathBuf};

use super::context::Context;
use super::failure::Failure;
use crate::core::path::TreePath;
use crate::core::verdict::Exit;
use crate::project::CONFIG_FILE;
use crate::tree::write;

/// Make a small working project in a folder. Nothing that exists is overwritten.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The folder; left out: the current one.
    folder: Option<PathBuf>,
}

/// Every file of a new project.
const FILES: [(&str, &str); 5] = [
    (CONFIG_FILE, include_str!("init/promptctl.yaml")),
    ("prompts/greeting.j2", include_str!("init/greeting.j2")),
    ("prompts/_shared/tone.j2", include_str!("init/tone.j2")),
    ("fixtures/greeting/cases.yaml", include_str!("init/cases.yaml")),
    (".gitattributes", include_str!("init/gitattributes")),
];

/// What git must not keep.
const IGNORED: [&str; 3] = [".promptctl/", "*.snap.new", ".env"];

pub(super) fn run(context: &mut Context, args: &Args) -> Result<Exit, Failure> {
    let folder = args.folder.as_deref().unwrap_or(Path::new("."));
    let root = context.folder().join(folder);
    std::fs::create_dir_all(&root)
        .map_err(|error| Failure::usage(format!("the folder {} cannot be made: {error}", root.display())))?;
    if root.join(CONFIG_FILE).exists() {
        let message = format!("{} holds a project already; nothing was changed", root.display());
        return Err(Failure::usage(message).help("`promptctl list` shows what is in it"));
    }
    let mut made = 0;
    for (path, text) in FILES {
        let outcome = TreePath::new(path)
            .map_err(std::io::Error::other)
            .and_then(|path| write::create_new(&root, &path, text.as_bytes()));
        let line = match outcome {
            Ok(()) => {
                made += 1;
                format!("  made  {path}")
            }
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => format!("  kept  {path} (it exists)"),
            Err(error) => return Err(Failure::usage(format!("{path} cannot be written: {error}"))),
        };
        writeln!(context.out(), "{line}")?;
    }
    let ignored = ignore(&root).map_err(|error| Failure::usage(format!(".gitignore cannot be written: {error}")))?;
    if ignored {
        writeln!(context.out(), "  made  .gitignore entries for {}", IGNORED.join(", "))?;
    }
    writeln!(context.out(), "\n{made} files made. Next:\n")?;
    let cd = if args.folder.is_some() { format!("    cd {}\n", folder.display()) } else { String::new() };
    writeln!(
        context.out(),
        "{cd}    promptctl test      # ask (here: a scripted model), record, check\n    promptctl review    # look at the new answers and accept them\n    promptctl test      # replayed from the recordings: no call, all passed"
    )?;
    Ok(Exit::Good)
}

/// Adds what is missing to `.gitignore`; true where something was.
pub(super) fn ignore(root: &Path) -> std::io::Result<bool> {
    let file = root.join(".gitignore");
    let mut text = match std::fs::read_to_string(&file) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
        Err(error) => return Err(error),
    };
    let missing: Vec<&str> = IGNORED.into_iter().filter(|line| !text.lines().any(|l| l.trim() == *line)).collect();
    if missing.is_empty() {
        return Ok(false);
    }
    if !text.is_empty() && !text.ends_with('\n') {
        text.push('\n');
    }
    for line in missing {
        text.push_str(line);
        text.push('\n');
    }
    let path = TreePath::new(".gitignore").map_err(std::io::Error::other)?;
    write::replace(root, &path, text.as_bytes())?;
    Ok(true)
}
