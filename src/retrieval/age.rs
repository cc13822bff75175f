//! How old a document says it is.

use super::markdown::front_matter;
use crate::core::time::parse_day;
use crate::core::yaml::Data;

/// What a front matter calls the day on which somebody last looked at a document.
const KEYS: [&str; 6] = ["date", "updated", "lastmod", "last-modified", "reviewed", "last-reviewed"];

/// The latest day that a document's front matter names, as `2026-12-31`.
#[must_use]
pub fn written_day(text: &str) -> Option<String> {
    let node = front_matter(text)?.0?;
    let day = |key: &str| match &node.get(key)?.data {
        // A time may stand behind it.
        Data::Text(text) => parse_day(text.get(..10)?),
        _ => None,
    };
    KEYS.into_iter().filter_map(day).max()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_latest_day_counts() {
        let text = "---\ntitle: x\ndate: 2025-03-01\nupdated: 2026-01-02T10:00:00Z\n---\n# T\n";
        assert_eq!(written_day(text).as_deref(), Some("2026-01-02"));
        for none in ["", "# T\n", "---\ndate: tomorrow\n---\n", "---\ndate: [\n---\n", "---\ndate: 2026-13-01\n---\n"] {
            assert_eq!(written_day(none), None, "{none}");
        }
    }
}
