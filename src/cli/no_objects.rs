//! A build without shared recordings: whoever asks for them is told how to have them.

use super::context::Context;
use super::failure::Failure;
use crate::core::names::PromptName;
use crate::recording::Line;
use crate::run::Unrecorded;

/// A store that cannot be opened.
pub(super) enum Objects {}

impl Objects {
    pub(super) fn open(_context: &Context, _url: &str) -> Result<Self, Failure> {
        let failure = Failure::usage("this build of promptctl knows no shared recordings");
        Err(failure.help("build it with them: `cargo install promptctl --features shared-recordings`"))
    }

    pub(super) fn fetch(&self, _wanted: &[Unrecorded]) -> (Vec<(PromptName, Line)>, Vec<String>) {
        match *self {}
    }

    pub(super) fn put(&self, _lines: &[&Line]) -> Vec<String> {
        match *self {}
    }
}
