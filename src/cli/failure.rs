//! Why a command did not do its work: one conversion at the edge, from typed errors into text and an exit code.

use std::io::{self, Write as _};
use std::process::ExitCode;

use super::context::Context;
use crate::core::escape::terminal;
use crate::core::problem::{Problem, Problems, Severity};
use crate::core::verdict::Exit;
use crate::core::words::counted;
use crate::report::{Style, write_problems};

/// Why a command stopped.
#[derive(Debug)]
pub(super) enum Failure {
    /// The project has mistakes.
    Problems(Vec<Problem>),
    /// Something else is wrong; with what to do about it.
    Message { exit: Exit, message: String, help: Option<String> },
    /// Whoever read our output has gone away, which is no failure.
    BrokenPipe,
}

impl Failure {
    /// The project or the command line is wrong.
    pub(super) fn usage(message: impl Into<String>) -> Self {
        Self::Message { exit: Exit::Usage, message: message.into(), help: None }
    }

    /// The same with what to do.
    pub(super) fn help(self, text: impl Into<String>) -> Self {
        match self {
            Self::Message { exit, message, .. } => Self::Message { exit, message, help: Some(text.into()) },
            other => other,
        }
    }

    /// The same, of a project that is not the one that lies on the disk.
    pub(super) fn at(self, tree: &str) -> Self {
        match self {
            Self::Problems(mut problems) if tree != "working tree" => {
                let note = format!("at {tree} the project has these mistakes");
                problems.insert(0, Problem::error(crate::core::problem::Place::Nowhere, note));
                Self::Problems(problems)
            }
            other => other,
        }
    }

    /// Says what is wrong on standard error and gives the exit code.
    pub(super) fn print(self, context: &mut Context) -> ExitCode {
        // What was printed before it stands before it.
        let flushed = context.flush();
        let style = context.error_style();
        let (code, text) = self.render(style);
        if flushed.is_err_and(|e| e.kind() == io::ErrorKind::BrokenPipe) {
            return ExitCode::from(Exit::Good.code());
        }
        // Where standard error is closed there is nobody to tell.
        let _ = context.err().write_all(text.as_bytes());
        ExitCode::from(code)
    }

    /// As [`Failure::print`], before there is a context.
    pub(super) fn print_plainly(self) -> ExitCode {
        let (code, text) = self.render(Style::plain());
        let _ = io::stderr().write_all(text.as_bytes());
        ExitCode::from(code)
    }

    fn render(self, style: Style) -> (u8, String) {
        match self {
            Self::BrokenPipe => (Exit::Good.code(), String::new()),
            Self::Message { exit, message, help } => {
                let mut text = format!("{}{}\n", style.red("error: "), terminal(&message));
                if let Some(help) = help {
                    text.push_str(&format!("  = help: {}\n", terminal(&help)));
                }
                (exit.code(), text)
            }
            Self::Problems(problems) => {
                let mut text = Vec::new();
                // Writing into memory does not fail.
                let _ = write_problems(&mut text, &problems, style);
                let mut text = String::from_utf8_lossy(&text).into_owned();
                let warnings = problems.iter().filter(|problem| problem.severity == Severity::Warning).count() as u64;
                let count = counted(problems.len() as u64 - warnings, "problem", "problems");
                let beside = match warnings {
                    0 => String::new(),
                    warnings => format!(" and {}", counted(warnings, "warning", "warnings")),
                };
                text.push_str(&format!("{}{count}{beside} in the project; nothing was run\n", style.red("error: ")));
                (Exit::Usage.code(), text)
            }
        }
    }
}

impl From<Problems> for Failure {
    fn from(problems: Problems) -> Self {
        Self::Problems(problems.sorted())
    }
}

impl From<Problem> for Failure {
    fn from(problem: Problem) -> Self {
        Self::Problems(vec![problem])
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::BrokenPipe {
            return Self::BrokenPipe;
        }
        Self::usage(error.to_string())
    }
}

/// A command line that clap refused, or help that it was asked for.
pub(super) fn usage(error: &clap::Error) -> ExitCode {
    // Where the output is closed there is nobody to tell.
    let _ = error.print();
    ExitCode::from(if error.use_stderr() { Exit::Usage.code() } else { Exit::Good.code() })
}
