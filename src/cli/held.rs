//! `--cases-from tuned/split.json --side validation`: the cases of one side of a split.

use std::path::PathBuf;

use clap::ValueEnum;

use super::context::Context;
use super::failure::Failure;
use crate::case::Listed;
use crate::export::fine_tune::{Side, SplitRecord};

/// Which cases of a split a command is about.
#[derive(Clone, Debug, Default, clap::Args)]
pub(super) struct HeldArgs {
    /// Only cases of the split that `export fine-tune` wrote: a `split.json`.
    #[arg(long, value_name = "FILE")]
    pub(super) cases_from: Option<PathBuf>,
    /// The side of the split.
    #[arg(long, value_name = "SIDE", requires = "cases_from", default_value = "validation")]
    pub(super) side: SideArg,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(super) enum SideArg {
    /// What a model was tuned on.
    Train,
    /// What was held out.
    #[default]
    Validation,
}

impl HeldArgs {
    /// The cases that are named, where any are.
    pub(super) fn read(&self, context: &Context) -> Result<Option<Listed>, Failure> {
        let Some(path) = &self.cases_from else { return Ok(None) };
        let shown = path.display();
        let text = std::fs::read_to_string(context.folder().join(path))
            .map_err(|error| Failure::usage(format!("the split {shown} cannot be read: {error}")))?;
        let record = SplitRecord::parse(&text).map_err(|error| {
            Failure::usage(format!("{shown} is no split that is known: {error}"))
                .help("`promptctl export fine-tune` writes one")
        })?;
        let side = match self.side {
            SideArg::Train => Side::Train,
            SideArg::Validation => Side::Validation,
        };
        let names = record.cases_of(side).map(|(prompt, case)| (prompt.to_owned(), case.to_owned())).collect();
        Ok(Some(Listed { from: format!("{shown} ({})", side.name()), names }))
    }
}
