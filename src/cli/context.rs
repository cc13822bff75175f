//! Everything that a command takes from the outside: folder, environment, terminal and clock.

use std::io::{self, BufWriter, IsTerminal as _, Stderr, Stdout, Write};
use std::path::{Path, PathBuf};

use clap::ValueEnum;
use console::Term;
use jiff::Timestamp;

use super::failure::Failure;
use crate::core::escape;
use crate::core::time::Clock;
use crate::report::Style;

/// When to colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum ColorChoice {
    Auto,
    Always,
    Never,
}

/// The outside of a command.
pub(super) struct Context {
    folder: PathBuf,
    color: ColorChoice,
    verbose: bool,
    quiet: bool,
    out: BufWriter<Stdout>,
    clock: WallClock,
}

#[expect(clippy::unused_self, reason = "what is outside is reached through the context only")]
impl Context {
    pub(super) fn new(
        directory: Option<&Path>,
        color: ColorChoice,
        (verbose, quiet): (bool, bool),
    ) -> Result<Self, Failure> {
        let current = std::env::current_dir()
            .map_err(|error| Failure::usage(format!("the current folder cannot be read: {error}")))?;
        let folder = match directory {
            Some(directory) => current.join(directory),
            None => current,
        };
        if !folder.is_dir() {
            return Err(Failure::usage(format!("there is no folder `{}`", folder.display())));
        }
        let clock = WallClock { fixed: fixed_time()? };
        Ok(Self { folder, color, verbose, quiet, out: BufWriter::new(io::stdout()), clock })
    }

    /// The folder that the command was started in.
    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Whether everything is to be shown that is sent and that comes back.
    pub(super) fn is_verbose(&self) -> bool {
        self.verbose
    }

    /// Whether only what is not good is to be shown.
    pub(super) fn is_quiet(&self) -> bool {
        self.quiet
    }

    /// Standard output, buffered.
    pub(super) fn out(&mut self) -> &mut dyn Write {
        &mut self.out
    }

    /// Prints a document for programs.
    pub(super) fn print_json(&mut self, document: &serde_json::Value) -> io::Result<()> {
        writeln!(self.out, "{}", escape::json(&format!("{document:#}")))
    }

    /// Standard error.
    pub(super) fn err(&self) -> Stderr {
        io::stderr()
    }

    /// Writes what is buffered.
    pub(super) fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }

    /// An environment variable that is set to something.
    pub(super) fn variable(&self, name: &str) -> Option<String> {
        variable(name)
    }

    /// The environment variables whose names begin so.
    #[cfg(feature = "shared-recordings")]
    pub(super) fn variables_of(&self, beginnings: &[&str]) -> Vec<(String, String)> {
        // One that is no text is none that is meant.
        let named =
            std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
        named.filter(|(name, _)| beginnings.iter().any(|beginning| name.starts_with(beginning))).collect()
    }

    /// Whether this runs in continuous integration.
    pub(super) fn is_ci(&self) -> bool {
        self.variable("CI").is_some_and(|value| !matches!(value.as_str(), "0" | "false" | "no"))
    }

    /// Whether a person can answer questions.
    pub(super) fn is_interactive(&self) -> bool {
        io::stdin().is_terminal() && io::stdout().is_terminal()
    }

    /// Whether standard output is a terminal.
    pub(super) fn out_is_terminal(&self) -> bool {
        io::stdout().is_terminal()
    }

    /// Whether standard error is a terminal that can show a moving line.
    pub(super) fn err_is_terminal(&self) -> bool {
        io::stderr().is_terminal() && self.variable("TERM").is_none_or(|term| term != "dumb")
    }

    /// The style of standard output.
    pub(super) fn style(&self) -> Style {
        self.style_of(io::stdout().is_terminal(), &Term::stdout())
    }

    /// The style of standard error.
    pub(super) fn error_style(&self) -> Style {
        self.style_of(io::stderr().is_terminal(), &Term::stderr())
    }

    fn style_of(&self, is_terminal: bool, term: &Term) -> Style {
        let wanted = match self.color {
            ColorChoice::Always => true,
            ColorChoice::Never => false,
            ColorChoice::Auto => {
                is_terminal
                    && self.variable("NO_COLOR").is_none()
                    && self.variable("TERM").is_none_or(|term| term != "dumb")
            }
        };
        let width = term.size_checked().map_or(Style::plain().width, |(_, columns)| usize::from(columns));
        Style { colour: wanted, width: width.max(40) }
    }

    /// The clock.
    pub(super) fn take_clock(&self) -> WallClock {
        self.clock
    }
}

/// An environment variable that is set to something.
pub(super) fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// The system's clock, or a fixed time for output that must not change (`SOURCE_DATE_EPOCH`).
#[derive(Clone, Copy)]
pub(super) struct WallClock {
    fixed: Option<Timestamp>,
}

impl Clock for WallClock {
    fn now(&self) -> Timestamp {
        self.fixed.unwrap_or_else(Timestamp::now)
    }
}

fn fixed_time() -> Result<Option<Timestamp>, Failure> {
    let Ok(text) = std::env::var("SOURCE_DATE_EPOCH") else { return Ok(None) };
    let time = text.trim().parse().ok().and_then(|seconds| Timestamp::from_second(seconds).ok());
    match time {
        Some(time) => Ok(Some(time)),
        None => Err(Failure::usage(format!("SOURCE_DATE_EPOCH is `{text}`, which is no number of seconds"))),
    }
}
