//! Colours and emphasis, or none: decided once, by the command line.

use console::Style as Ansi;

/// How text is emphasised. Everything stays readable without colour.
#[derive(Clone, Copy, Debug)]
pub struct Style {
    /// Whether escape sequences may be written.
    pub colour: bool,
    /// The width of the screen, in columns.
    pub width: usize,
}

impl Style {
    /// No colour, and lines of a hundred columns: files and pipes.
    #[must_use]
    pub fn plain() -> Self {
        Self { colour: false, width: 100 }
    }

    fn paint(self, text: &str, ansi: Ansi) -> String {
        if self.colour { ansi.force_styling(true).apply_to(text).to_string() } else { text.to_owned() }
    }

    /// What is good, or was added.
    #[must_use]
    pub fn green(self, text: &str) -> String {
        self.paint(text, Ansi::new().green())
    }

    /// What is bad, or was removed.
    #[must_use]
    pub fn red(self, text: &str) -> String {
        self.paint(text, Ansi::new().red())
    }

    /// What waits for somebody.
    #[must_use]
    pub fn yellow(self, text: &str) -> String {
        self.paint(text, Ansi::new().yellow())
    }

    /// What matters.
    #[must_use]
    pub fn bold(self, text: &str) -> String {
        self.paint(text, Ansi::new().bold())
    }

    /// What can be passed over.
    #[must_use]
    pub fn dim(self, text: &str) -> String {
        self.paint(text, Ansi::new().dim())
    }

    /// A changed word within an added line.
    #[must_use]
    pub fn added(self, text: &str) -> String {
        if self.colour { self.paint(text, Ansi::new().green().bold().underlined()) } else { format!("{{+{text}+}}") }
    }

    /// A changed word within a removed line.
    #[must_use]
    pub fn removed(self, text: &str) -> String {
        if self.colour { self.paint(text, Ansi::new().red().bold().underlined()) } else { format!("[-{text}-]") }
    }
}
