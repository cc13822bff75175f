//! A mistake in a project's files: what is wrong, where, and what to do. Problems are collected, so that all of
//! them are shown in one go.

use std::ops::Range;
use std::sync::Arc;

/// A text file that problems can point into.
#[derive(Debug)]
pub struct Source {
    /// The file as a person finds it, from the project's root.
    pub path: String,
    /// Its whole text.
    pub text: String,
}

impl Source {
    /// A source to be shared by everything that was read from it.
    #[must_use]
    pub fn new(path: impl Into<String>, text: impl Into<String>) -> Arc<Self> {
        Arc::new(Self { path: path.into(), text: text.into() })
    }

    /// The line and column (both from 1, the column in characters) of a byte offset.
    #[must_use]
    pub fn line_column(&self, offset: usize) -> (usize, usize) {
        let offset = offset.min(self.text.len());
        let before = &self.text.as_bytes()[..offset];
        let line = before.iter().filter(|b| **b == b'\n').count() + 1;
        let start = before.iter().rposition(|b| *b == b'\n').map_or(0, |i| i + 1);
        let column = String::from_utf8_lossy(&before[start..]).chars().count() + 1;
        (line, column)
    }

    /// The byte range of a line (from 1), without its line feed.
    #[must_use]
    pub fn line_range(&self, line: usize) -> Range<usize> {
        let mut start = 0;
        for (i, text) in self.text.split('\n').enumerate() {
            if i + 1 == line {
                return start..start + text.len();
            }
            start += text.len() + 1;
        }
        self.text.len()..self.text.len()
    }
}

/// How bad a problem is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Nothing can be run.
    Error,
    /// Worth a look; the run goes on.
    Warning,
}

/// Where a problem is.
#[derive(Clone, Debug)]
pub enum Place {
    /// No file: the command line, the environment.
    Nowhere,
    /// A file as a whole, or one that could not be read as text.
    File(String),
    /// A line of a file too large, or not kept, to show it.
    Line(String, usize),
    /// A stretch of a text, in bytes.
    Span(Arc<Source>, Range<usize>),
}

/// Mistakes that whoever reads a report may want to tell from others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mistake {
    /// A variable that nobody declares or gives.
    UndefinedVariable,
    /// A merge that nobody ended.
    ConflictMarker,
    /// A partial that there is not, or that reaches itself.
    Partial,
    /// A key that there is not, or a name that stands twice.
    UnknownOrDouble,
}

/// A mistake, its place, and what to do about it.
#[derive(Clone, Debug)]
pub struct Problem {
    /// How bad it is.
    pub severity: Severity,
    /// Where it is.
    pub place: Place,
    /// What is wrong, as a lower-case fragment; a short hint may stand behind a semicolon.
    pub message: String,
    /// What to do, where the message does not say it already.
    pub help: Option<String>,
    /// Which mistake it is, where it is one of those.
    pub mistake: Option<Mistake>,
}

impl Problem {
    /// An error at a place.
    #[must_use]
    pub fn error(place: Place, message: impl Into<String>) -> Self {
        Self { severity: Severity::Error, place, message: message.into(), help: None, mistake: None }
    }

    /// A warning at a place.
    #[must_use]
    pub fn warning(place: Place, message: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, ..Self::error(place, message) }
    }

    /// The problem in a line: where as far as that is known, and what.
    #[must_use]
    pub fn in_a_line(&self) -> String {
        match self.place.locate() {
            (Some(path), Some(line), _) => format!("{path}:{line}: {}", self.message),
            (Some(path), None, _) => format!("{path}: {}", self.message),
            _ => self.message.clone(),
        }
    }

    /// The same, said to be one of those mistakes.
    #[must_use]
    pub fn of(mut self, mistake: Mistake) -> Self {
        self.mistake = Some(mistake);
        self
    }

    /// The same with a line on what to do.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}

impl Place {
    /// A stretch of a source.
    #[must_use]
    pub fn span(source: &Arc<Source>, range: Range<usize>) -> Self {
        Self::Span(Arc::clone(source), range)
    }

    /// The path, line and column, as far as they are known.
    #[must_use]
    pub fn locate(&self) -> (Option<&str>, Option<usize>, Option<usize>) {
        match self {
            Self::Nowhere => (None, None, None),
            Self::File(path) => (Some(path), None, None),
            Self::Line(path, line) => (Some(path), Some(*line), None),
            Self::Span(source, range) => {
                let (line, column) = source.line_column(range.start);
                (Some(&source.path), Some(line), Some(column))
            }
        }
    }
}

/// All the mistakes that were found so far.
#[derive(Clone, Debug, Default)]
pub struct Problems(Vec<Problem>);

impl Problems {
    /// Adds one.
    pub fn push(&mut self, problem: Problem) {
        self.0.push(problem);
    }

    /// Adds an error.
    pub fn error(&mut self, place: Place, message: impl Into<String>) {
        self.push(Problem::error(place, message));
    }

    /// Adds all of another collection.
    pub fn extend(&mut self, other: Self) {
        self.0.extend(other.0);
    }

    /// Whether one of them forbids to go on.
    #[must_use]
    pub fn has_errors(&self) -> bool {
        self.0.iter().any(|p| p.severity == Severity::Error)
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// All of them, by file, line and column, each once.
    #[must_use]
    pub fn sorted(mut self) -> Vec<Problem> {
        self.0.sort_by_cached_key(|p| {
            let (path, line, column) = p.place.locate();
            (path.map(str::to_owned), line, column, p.severity, p.message.clone())
        });
        self.0.dedup_by(|a, b| a.message == b.message && a.place.locate() == b.place.locate());
        self.0
    }
}

impl From<Problem> for Problems {
    fn from(problem: Problem) -> Self {
        Self(vec![problem])
    }
}
