//! `promptctl lint --fix`: mending what needs nobody to decide anything.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::sync::Arc;

use super::{Pass, rendered};
use crate::cli::context::Context;
use crate::cli::failure::Failure;
use crate::cli::load::Project;
use crate::core::escape::terminal_line;
use crate::core::path::TreePath;
use crate::core::words::counted;
use crate::lint::{Edit, Finding, Linted, Rule, apply};
use crate::tree::write::rewrite;
use crate::tree::{Overlay, Tree, TreeError};

/// How often files are looked at again after something in them was mended.
const PASSES: usize = 10;
/// How often a file is mended with one finding more, where mending it at once breaks something.
const TRIES: usize = 200;

impl Pass<'_> {
    /// Mends until nothing is left that can be mended. Gives the new files, and what was done to each.
    pub(super) fn mend(&self, known: Option<&Linted>) -> Result<BTreeMap<TreePath, Mended>, Failure> {
        let mut files: BTreeMap<TreePath, Mended> = BTreeMap::new();
        for _ in 0..PASSES {
            let (_, (linted, _)) = self.pass(overlay(&self.project.tree, &files), known)?;
            let mut by_path: BTreeMap<String, Vec<(&'static Rule, usize, &Edit)>> = BTreeMap::new();
            for finding in &linted.findings {
                let line = finding.start().0;
                let edits = finding.edits.iter().map(|edit| (finding.rule, line, edit));
                by_path.entry(finding.source.path.clone()).or_default().extend(edits);
            }
            let before = files.clone();
            let mut changed = false;
            for (path, edits) in by_path.into_iter().filter(|(_, edits)| !edits.is_empty()) {
                let path = TreePath::new(&path).map_err(Failure::usage)?;
                let tree = overlay(&self.project.tree, &files);
                let Some(bytes) = mend_file(&*tree, &path, &edits)? else { continue };
                let file = files.entry(path).or_default();
                file.done.extend(edits.iter().map(|(rule, line, _)| (rule.code, rule.name, *line)));
                file.bytes = bytes;
                changed = true;
            }
            if !changed {
                break;
            }
            if self.breaks(&files) {
                let edits = linted.findings.iter().filter(|finding| !finding.edits.is_empty());
                files = self.one_by_one(before, edits)?;
                break;
            }
        }
        Ok(files)
    }

    /// Whether the project could not be loaded, or a case of it not be rendered, with these files.
    fn breaks(&self, files: &BTreeMap<TreePath, Mended>) -> bool {
        let Ok(workspace) = self.load(overlay(&self.project.tree, files)) else { return true };
        let all: Vec<usize> = (0..workspace.prompts.list.len()).collect();
        rendered(&workspace, &all).is_err()
    }

    /// Mends what can be mended without breaking something, a finding at a time: what breaks is for somebody to decide.
    fn one_by_one<'f>(
        &self,
        mut files: BTreeMap<TreePath, Mended>,
        findings: impl Iterator<Item = &'f Finding>,
    ) -> Result<BTreeMap<TreePath, Mended>, Failure> {
        let mut by_path: BTreeMap<&str, Vec<&Finding>> = BTreeMap::new();
        for finding in findings {
            by_path.entry(&finding.source.path).or_default().push(finding);
        }
        for (path, findings) in by_path {
            let path = TreePath::new(path).map_err(Failure::usage)?;
            // The places of all are those of the file before any of them was mended.
            let tree = overlay(&self.project.tree, &files);
            let (mut kept, mut tries) = (Vec::new(), 0);
            for finding in findings {
                let line = finding.start().0;
                let own = finding.edits.iter().map(|edit| (finding.rule, line, edit));
                let edits: Vec<_> = kept.iter().copied().chain(own).collect();
                let Some(bytes) = mend_file(&*tree, &path, &edits)?.filter(|_| tries < TRIES) else { continue };
                tries += 1;
                let mut next = files.clone();
                let file = next.entry(path.clone()).or_default();
                file.done.extend(edits[kept.len()..].iter().map(|(rule, line, _)| (rule.code, rule.name, *line)));
                file.bytes = bytes;
                if !self.breaks(&next) {
                    (files, kept) = (next, edits);
                }
            }
        }
        Ok(files)
    }
}

/// A file that was mended.
#[derive(Clone, Default)]
pub(super) struct Mended {
    bytes: Vec<u8>,
    /// The rules, and the lines that they had something against.
    done: Vec<(&'static str, &'static str, usize)>,
}

fn overlay(tree: &Arc<dyn Tree>, files: &BTreeMap<TreePath, Mended>) -> Arc<dyn Tree> {
    let files = files.iter().map(|(path, file)| (path.clone(), file.bytes.clone())).collect();
    Arc::new(Overlay::new(Arc::clone(tree), files))
}

/// The bytes of a file with changes, its line ends and its mark as they were; `None` where its line ends are mixed, or
/// nothing changes.
fn mend_file(tree: &dyn Tree, path: &TreePath, edits: &[(&Rule, usize, &Edit)]) -> Result<Option<Vec<u8>>, Failure> {
    let failed = |error: TreeError| Failure::from(error.into_problem());
    let raw = tree.read(path, u64::MAX).map_err(failed)?;
    let has_mark = raw.starts_with("\u{feff}".as_bytes());
    let text = tree.text(path).map_err(failed)?;
    let feeds = text.matches('\n').count();
    let both = text.matches("\r\n").count();
    if both > 0 && both < feeds {
        return Ok(None);
    }
    let plain = text.replace("\r\n", "\n");
    let edits: Vec<&Edit> = edits.iter().map(|(_, _, edit)| *edit).collect();
    let (mended, count) = apply(&plain, &edits);
    if count == 0 || mended == plain {
        return Ok(None);
    }
    let mended = if both > 0 { mended.replace('\n', "\r\n") } else { mended };
    let mark = if has_mark { "\u{feff}" } else { "" };
    Ok(Some(format!("{mark}{mended}").into_bytes()))
}

/// Writes mended files, or says what would be. Gives the tree as it is then, where that is another one.
pub(super) fn tell(
    context: &mut Context,
    project: &Project,
    mended: &BTreeMap<TreePath, Mended>,
    dry_run: bool,
) -> Result<Option<Arc<dyn Tree>>, Failure> {
    if mended.is_empty() {
        return Ok(None);
    }
    let tree = overlay(&project.tree, mended);
    for (path, file) in mended {
        if !dry_run {
            rewrite(&project.root, path, &file.bytes)?;
        }
        for (code, name, line) in &file.done {
            let word = if dry_run { "would mend" } else { "mended" };
            writeln!(context.err(), "{word} {}:{line}: {code} {name}", terminal_line(path.as_str()))?;
        }
    }
    let count: usize = mended.values().map(|file| file.done.len()).sum();
    let word = if dry_run { "would be mended" } else { "mended" };
    let files = counted(mended.len() as u64, "file", "files");
    writeln!(context.err(), "{} in {files} {word}", counted(count as u64, "finding", "findings"))?;
    Ok((!dry_run).then_some(tree))
}
