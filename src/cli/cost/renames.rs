//! What the prompts of head were called in base: a prompt does not get out of its budget by another name.

use std::collections::{BTreeMap, BTreeSet};

use crate::case::cases_path;
use crate::cli::load::Project;
use crate::cli::past;
use crate::core::names::PromptName;
use crate::core::path::TreePath;
use crate::history::{Versions, Walk, template_path};
use crate::snapshot::similarity;
use crate::tree::Tree;

/// How alike the templates, or the cases, of two prompts must be to be one that was renamed.
const ALIKE: f32 = 0.5;
/// The most pairs whose texts are compared.
const MOST: usize = 2500;

/// Names that changed between base and head.
#[derive(Default)]
pub(super) struct Renames {
    /// What a prompt of head was called in base, where that is another name.
    pub(super) old: BTreeMap<PromptName, PromptName>,
    /// Prompts of base that are none of head's, under any name.
    pub(super) gone: Vec<PromptName>,
}

impl Renames {
    /// Finds them: where git saw the file move, by git; else by templates that are alike, or cases that are. A prompt that
    /// grew to many times its length is still asked for the same.
    pub(super) fn find(head: &Project, at: Option<&str>, base: &Project, revision: &str) -> Self {
        let (of_base, of_head) = (past::names(&*base.tree), past::names(&*head.tree));
        let mut gone: BTreeSet<PromptName> = of_base.difference(&of_head).cloned().collect();
        let mut added: BTreeSet<PromptName> = of_head.difference(&of_base).cloned().collect();
        let mut old = BTreeMap::new();
        if gone.is_empty() || added.is_empty() {
            return Self { old, gone: gone.into_iter().collect() };
        }
        if let Ok(walk) = Walk::new(&head.root, at.unwrap_or("HEAD"), None) {
            for name in &added {
                let before = Versions::new(&head.root, &walk).name_at(name, revision);
                if let Some(before) = before.filter(|before| gone.remove(before)) {
                    old.insert(name.clone(), before);
                }
            }
        }
        added.retain(|name| !old.contains_key(name));
        let few = gone.len() * added.len() <= MOST;
        let mut likely: Vec<(f32, &PromptName, &PromptName)> = Vec::new();
        for before in &gone {
            for now in &added {
                let of = |path: &dyn Fn(&PromptName) -> TreePath| {
                    let (before, now) = (body(&*base.tree, &path(before)), body(&*head.tree, &path(now)));
                    before.zip(now).map_or(0.0, |(before, now)| match before == now {
                        true => 1.0,
                        false if few => similarity(&before, &now),
                        false => 0.0,
                    })
                };
                let ratio = of(&template_path).max(of(&cases_path));
                if ratio >= ALIKE {
                    likely.push((ratio, before, now));
                }
            }
        }
        likely.sort_by(|a, b| b.0.total_cmp(&a.0));
        let mut taken: BTreeSet<&PromptName> = BTreeSet::new();
        for (_, before, now) in likely {
            if !taken.contains(before) && !old.contains_key(now) {
                taken.insert(before);
                old.insert(now.clone(), before.clone());
            }
        }
        let gone = gone.iter().filter(|name| !taken.contains(name)).cloned().collect();
        Self { old, gone }
    }

    /// What a prompt of head was called in base, as far as it was there.
    pub(super) fn before<'a>(&'a self, name: &'a PromptName) -> &'a PromptName {
        self.old.get(name).unwrap_or(name)
    }

    /// What a prompt of base is called in head.
    pub(super) fn now<'a>(&'a self, name: &'a PromptName) -> &'a PromptName {
        self.old.iter().find(|(_, old)| *old == name).map_or(name, |(now, _)| now)
    }
}

/// A text without its front matter, which all prompts of a project may have in common.
fn body(tree: &dyn Tree, path: &TreePath) -> Option<String> {
    let text = tree.text(path).ok()?.replace("\r\n", "\n");
    let front = text.strip_prefix("---\n").and_then(|rest| Some(rest.split_once("\n---\n")?.1.to_owned()));
    Some(front.unwrap_or(text))
}
