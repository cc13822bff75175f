//! `promptctl bump`: raise the version of a prompt.

use semver::{BuildMetadata, Prerelease, Version};

use super::context::Context;
use super::failure::Failure;
use super::load::Project;
use crate::case::Selection;
use crate::core::verdict::Exit;
use crate::tree::write;

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
    let project = Project::find(context, None)?;
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
    // Only the version is written: the file keeps its comments, its line ends and everything else.
    let text = project.working.text(&prompt.path).map_err(crate::tree::TreeError::into_problem)?;
    let written = &prompt.source.text[span.clone()];
    let line = prompt.source.text[..span.start].matches('\n').count();
    let mut lines: Vec<String> = text.split_inclusive('\n').map(str::to_owned).collect();
    let Some(place) = lines.get_mut(line) else {
        return Err(Failure::usage(format!("{} changed meanwhile", prompt.path)));
    };
    *place = place.replacen(written, &written.replace(&version.to_string(), &next.to_string()), 1);
    write::replace(&project.root, &prompt.path, lines.concat().as_bytes())?;
    writeln!(context.out(), "{} {version} → {next}", prompt.name)?;
    Ok(Exit::Good)
}
