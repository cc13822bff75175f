//! A page of limited length: what matters most comes first, and what does not fit is counted.

use super::escape::clip;

/// What is kept free for saying how much was left out.
const RESERVE: usize = 240;

/// After how many that do not fit no other of the same rank is tried.
const MISSES: u32 = 3;

/// A page that grows up to a limit, in bytes: hosts count characters, of which there are no more than bytes.
pub(super) struct Page {
    text: String,
    limit: usize,
}

/// Something that may be folded away or left out, made only when its turn has come.
pub(super) struct Folded<'a> {
    /// Lower comes first.
    pub(super) rank: u8,
    /// About how long it is: of one rank the shortest come first.
    pub(super) size: usize,
    pub(super) make: Box<dyn FnOnce() -> String + 'a>,
}

impl Page {
    pub(super) fn new(limit: usize) -> Self {
        Self { text: String::new(), limit: limit.saturating_sub(RESERVE) }
    }

    /// Adds a text that has its place on every page.
    pub(super) fn push(&mut self, text: &str) {
        self.text.push_str(text);
    }

    /// Adds lines as far as they go up to a share of the page, and says how many did not.
    pub(super) fn lines(&mut self, lines: impl IntoIterator<Item = String>, share: usize) -> usize {
        let end = self.text.len() + (self.limit / share).min(self.limit.saturating_sub(self.text.len()));
        let mut left_out = 0;
        for line in lines {
            if left_out > 0 || self.text.len() + line.len() > end {
                left_out += 1;
            } else {
                self.text.push_str(&line);
            }
        }
        left_out
    }

    /// Adds what fits, the first rank first, and says how many did not.
    pub(super) fn folded(&mut self, mut items: Vec<Folded<'_>>) -> usize {
        items.sort_by_key(|item| (item.rank, item.size));
        let (mut misses, mut left_out) = ((None, 0), 0);
        for item in items {
            // The next of the same rank is longer, or about as long.
            if misses == (Some(item.rank), MISSES) {
                left_out += 1;
                continue;
            }
            let text = (item.make)();
            if self.text.len() + text.len() > self.limit {
                misses = (Some(item.rank), if misses.0 == Some(item.rank) { misses.1 + 1 } else { 1 });
                left_out += 1;
            } else {
                self.text.push_str(&text);
            }
        }
        left_out
    }

    pub(super) fn finish(self) -> String {
        let (text, _) = clip(&self.text, self.limit + RESERVE - 1);
        format!("{}\n", text.trim_end())
    }
}

/// Something folded away behind a line of HTML.
pub(super) fn details(summary: &str, body: &str) -> String {
    format!("<details><summary>{summary}</summary>\n\n{body}\n</details>\n\n")
}
