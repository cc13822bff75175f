//! Recordings by the first digits of their keys: what was it that this names?

use super::file::BYTE_ORDER_MARK;
use super::line::Line;
use super::store::MAX_RECORDED;
use super::{AUDITED, ENDING, JUDGED, RECORDED, RETRIEVED};
use crate::case::FIXTURES;
use crate::core::names::PromptName;
use crate::core::path::TreePath;
use crate::tree::Tree;

/// Everything that was recorded for a prompt under a key that begins with some digits. What is damaged is not there.
#[must_use]
pub fn lines_with(tree: &dyn Tree, prompt: &PromptName, digits: &str) -> Vec<Line> {
    let begin = format!("{{\"key\":\"{digits}");
    let mut found = Vec::new();
    for folder in [RECORDED, JUDGED, AUDITED, RETRIEVED] {
        let folder = TreePath::new(&format!("{FIXTURES}/{prompt}/{folder}"));
        let files = folder.ok().and_then(|folder| tree.list(&folder).ok()).unwrap_or_default();
        for file in files.iter().filter(|file| file.as_str().ends_with(ENDING)) {
            let Ok(text) = tree.text_up_to(file, MAX_RECORDED) else { continue };
            // As it is written, the key stands first.
            let lines = text.lines().map(|line| line.trim_start_matches(BYTE_ORDER_MARK));
            found.extend(lines.filter(|line| line.starts_with(&begin)).filter_map(|line| Line::parse(line).ok()));
        }
    }
    found
}
