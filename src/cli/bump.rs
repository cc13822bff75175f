//! `promptctl bump`: raise the version of a prompt.

use semver::{BuildMetadata, Prerelease, Version};

use super::context::Context;
use super::failure::Failure;
use super::load::Project;
use crate::case::Selection;
use crate::core::path::TreePath;
use crate::core::verdict::Exit;
use crate::tree::{MAX_FILE, TreeError, write};

/// Raise the version of a prompt in its front matter.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The prompt: a name or a path.
    #[arg(value_name = "PROMPT")]
    prompt: String,
    /// major: callers must change something; minor: they may; patch: they need not know.
    #[arg(value_name = "STEP", default_value = "patch")]
    step: Step,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Step {
    Major,
    Minor,
    Patch,
}

impl Step {
    fn after(self, version: &Version) -> Version {
        let mut next = version.clone();
        next.build = BuildMetadata::EMPTY;
        let finishes = !version.pre.is_empty();
        next.pre = Prerelease::EMPTY;
        match self {
            // A pre-release becomes the version that it came before.
            Self::Patch if finishes => {}
            Self::Patch => next.patch += 1,
            Self::Minor if finishes && version.patch == 0 => {}
            Self::Minor => (next.minor, next.patch) = (version.minor + 1, 0),
            Self::Major if finishes && version.minor == 0 && version.patch == 0 => {}
            Self::Major => (next.major, next.minor, next.patch) = (version.major + 1, 0, 0),
        }
        next
    }
}

pub(super) fn run(context: &mut Context, args: &Args) -> Result<Exit, Failure> {
    let project = Project::on_disk(context)?;
    let (prepared, _) = project.load()?;
    let prompts = &prepared.workspace.prompts;
    let selection = Selection { prompts: vec![args.prompt.clone()], ..Selection::default() };
    let [index] = selection.prompts(prompts)?[..] else {
        return Err(Failure::usage(format!("`{}` names several prompts; name one", args.prompt)));
    };
    let prompt = &prompts.list[index];
    let (Some(version), Some(span)) = (&prompt.front.version, &prompt.front.version_span) else {
        let failure = Failure::usage(format!("the prompt `{}` has no version yet", prompt.name));
        return Err(failure.help("write `version: 1.0.0` into its front matter"));
    };
    let next = args.step.after(version);
    refuse_link(&project, &prompt.path)?;
    // Only the version is written: the file keeps its comments, its line ends and everything else.
    let bytes = project.working.read(&prompt.path, MAX_FILE).map_err(TreeError::into_problem)?;
    let text = String::from_utf8_lossy(&bytes);
    let source = &prompt.source.text;
    let written = &source[span.clone()];
    let place = place_of(&text, source, span.start).filter(|at| text[*at..].starts_with(written));
    let Some(at) = place else { return Err(Failure::usage(format!("{} changed meanwhile", prompt.path))) };
    let raised = written.replace(&version.to_string(), &next.to_string());
    let changed = format!("{}{raised}{}", &text[..at], &text[at + written.len()..]);
    write::replace(&project.root, &prompt.path, changed.as_bytes())?;
    writeln!(context.out(), "{} {version} → {next}", prompt.name)?;
    Ok(Exit::Good)
}

/// Where a place of a source is in the file, which may have a byte order mark and other line ends.
fn place_of(file: &str, source: &str, at: usize) -> Option<usize> {
    let mark = file.len() - file.strip_prefix('\u{feff}').unwrap_or(file).len();
    let before = source.get(..at)?;
    let (number, column) = (before.matches('\n').count(), at - before.rfind('\n').map_or(0, |end| end + 1));
    let lines = file[mark..].split_inclusive('\n');
    let place = mark + lines.take(number).map(str::len).sum::<usize>() + column;
    file.is_char_boundary(place).then_some(place)
}

/// What a link leads to may belong to others too, and the link itself would become a file of its own.
fn refuse_link(project: &Project, path: &TreePath) -> Result<(), Failure> {
    let Ok(target) = project.root.join(path.as_str()).read_link() else { return Ok(()) };
    let failure = Failure::usage(format!("{path} is a symbolic link to `{}`, and is left alone", target.display()));
    Err(failure.help("raise the version in the file that it leads to"))
}
