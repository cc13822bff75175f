//! `--shared URL`: recordings that machines share. Read before a run, written after it where that is asked for.
//!
//! The address comes from the command line or the environment and never from the project: a pull request must not choose
//! where answers come from, nor which store is sent credentials.

use super::context::Context;
use super::failure::Failure;
use super::load::Project;
use super::objects::Objects;
use crate::core::names::PromptName;
use crate::plan::Plan;
use crate::recording::Line;
use crate::run::{Mode, Prepared};

/// Where shared recordings are, and whether answers are put there.
#[derive(Clone, Debug, Default, clap::Args)]
pub(super) struct SharedArgs {
    /// Look for what is not recorded among the recordings that machines share: a folder (`file:///…`), `s3://BUCKET/PREFIX`,
    /// `gs://…` or `az://…`. Left out: PROMPTCTL_SHARED.
    #[arg(long = "shared", value_name = "URL")]
    url: Option<String>,
    /// Put the answers of this run there, too. Without it (or PROMPTCTL_SHARED_WRITE=1) nothing is written.
    #[arg(long)]
    shared_write: bool,
}

impl SharedArgs {
    /// The address, where one is given.
    fn url(&self, context: &Context) -> Option<String> {
        self.url.clone().or_else(|| context.variable("PROMPTCTL_SHARED"))
    }

    fn writes(&self, context: &Context) -> bool {
        self.shared_write || context.variable("PROMPTCTL_SHARED_WRITE").is_some_and(|value| value == "1")
    }

    /// Takes what the plan needs and the project lacks. Gives what a person should know of it.
    pub(super) fn fetch(
        &self,
        context: &Context,
        project: &mut Project,
        prepared: &Prepared,
        plan: &Plan,
        mode: Mode,
    ) -> Result<Vec<String>, Failure> {
        let Some(url) = self.url(context) else {
            if self.writes(context) {
                return Err(Failure::usage("there is no store to write to").help("name it: --shared URL"));
            }
            return Ok(Vec::new());
        };
        let objects = Objects::open(context, &url)?;
        if mode == Mode::Refresh {
            return Ok(Vec::new());
        }
        let (found, notes) = objects.fetch(&prepared.unrecorded(plan, &project.store())?);
        project.shared = found;
        Ok(notes)
    }

    /// Puts the answers of a run there. What came from there is left alone.
    pub(super) fn put(
        &self,
        context: &Context,
        project: &Project,
        lines: &[(PromptName, Line)],
    ) -> Result<Vec<String>, Failure> {
        let Some(url) = self.url(context).filter(|_| self.writes(context)) else { return Ok(Vec::new()) };
        let is_known = |line: &Line| project.shared.iter().any(|(_, known)| known.key == line.key);
        let new: Vec<&Line> = lines.iter().map(|(_, line)| line).filter(|line| !is_known(line)).collect();
        Ok(Objects::open(context, &url)?.put(&new))
    }
}
