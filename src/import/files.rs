//! Files that a pattern of the source names.

use globset::GlobBuilder;

use super::finding::shown;
use super::intake::Intake;
use crate::core::path::TreePath;
use crate::core::problem::Place;

/// The most files that one pattern may name.
const MOST_FILES: usize = 5_000;

/// The files of a folder that a pattern matches, sorted.
pub(super) fn matching(intake: &mut Intake<'_>, folder: &TreePath, pattern: &str, place: &Place) -> Vec<TreePath> {
    // The part before the first star is a path like any other: it must not leave the folder.
    let fixed = pattern.split('*').next().unwrap_or_default();
    let fixed = fixed.rsplit_once('/').map_or("", |(fixed, _)| fixed);
    let start = if fixed.is_empty() { Some(folder.clone()) } else { intake.path(folder, fixed, place) };
    let Some(start) = start else { return Vec::new() };
    let rest = pattern.get(fixed.len()..).unwrap_or_default().trim_start_matches('/');
    let glob = match GlobBuilder::new(rest).literal_separator(true).build() {
        Ok(glob) => glob.compile_matcher(),
        Err(error) => {
            intake.findings.lost(place.clone(), format!("`{}` is no pattern: {}", shown(pattern), error.kind()), "");
            return Vec::new();
        }
    };
    let files = match intake.tree.list(&start) {
        Ok(files) => files,
        Err(error) => {
            intake.findings.lost(place.clone(), error.to_string(), "");
            return Vec::new();
        }
    };
    let below = |path: &TreePath| {
        let below = if start.as_str().is_empty() { Some(path.as_str()) } else { path.below(start.as_str()) };
        below.is_some_and(|below| glob.is_match(below))
    };
    let mut found: Vec<TreePath> = files.into_iter().filter(below).collect();
    if found.len() > MOST_FILES {
        let message = format!("`{}` matches {} files; {MOST_FILES} are the most", shown(pattern), found.len());
        intake.findings.lost(place.clone(), message, "");
        found.truncate(MOST_FILES);
    }
    found
}
