//! The commits of which one may have broken a prompt: those that change something that it needs. None of them is loaded
//! to find them.

use std::collections::HashMap;
use std::path::Path;

use super::lookup::Lookup;
use super::state::{Needs, template_path};
use super::walk::Walk;
use crate::core::names::PromptName;

/// A version that one commit made.
#[derive(Clone, Debug)]
pub struct Candidate {
    /// The commit that made it, by its place in the walk.
    pub place: usize,
    /// The newest commit that still had it.
    pub newest: usize,
    /// What the prompt was called there; `None` where there was none.
    pub name: Option<PromptName>,
    /// The versions that it came from.
    pub parents: Vec<usize>,
}

/// The versions of a prompt that the walk reaches, the newest first, and which of them each commit has.
#[derive(Clone, Debug, Default)]
pub struct Candidates {
    /// The versions.
    pub list: Vec<Candidate>,
    /// The version of each commit that was followed.
    pub of: HashMap<usize, usize>,
}

/// A stretch of commits with the same version, while it is followed.
struct Stretch {
    /// Another one that turned out to be the same.
    same_as: Option<usize>,
    newest: usize,
    place: usize,
    name: Option<PromptName>,
    parents: Vec<usize>,
}

fn root(stretches: &[Stretch], mut at: usize) -> usize {
    while let Some(other) = stretches[at].same_as {
        at = other;
    }
    at
}

impl Candidates {
    /// Finds them. `needs` says what the prompt needs, as far as is known: what was loaded once has said so.
    #[must_use]
    pub fn find(folder: &Path, walk: &Walk, name: &PromptName, needs: &Needs) -> Self {
        let mut lookup = Lookup::new(folder, walk);
        let begins = Stretch { same_as: None, newest: 0, place: 0, name: Some(name.clone()), parents: Vec::new() };
        let mut stretches = vec![begins];
        let mut pending = HashMap::from([(0, 0)]);
        let mut of = HashMap::new();
        for place in 0..walk.nodes.len() {
            let Some(stretch) = pending.remove(&place) else { continue };
            let stretch = root(&stretches, stretch);
            of.insert(place, stretch);
            stretches[stretch].place = place;
            let name_here = stretches[stretch].name.clone();
            let needs = match &name_here {
                Some(here) if here != name => needs.renamed(name, here),
                _ => needs.clone(),
            };
            let parents = walk.nodes[place].parents.clone();
            let is_same = |parent: &usize, lookup: &mut Lookup<'_>| match &name_here {
                Some(_) => lookup.is_same(*parent, place, &needs),
                None => lookup.at(*parent, &template_path(name)).is_none(),
            };
            if let Some(same) = parents.iter().find(|parent| is_same(parent, &mut lookup)) {
                match pending.get(same).map(|other| root(&stretches, *other)) {
                    Some(other) if other != stretch => stretches[other].same_as = Some(stretch),
                    Some(_) => {}
                    None => {
                        pending.insert(*same, stretch);
                    }
                }
                continue;
            }
            for parent in parents {
                let before = pending.get(&parent).copied().unwrap_or_else(|| {
                    let name = name_here.as_ref().unwrap_or(name);
                    let name = lookup.name_at(place, parent, name);
                    stretches.push(Stretch { same_as: None, newest: parent, place: parent, name, parents: Vec::new() });
                    pending.insert(parent, stretches.len() - 1);
                    stretches.len() - 1
                });
                stretches[stretch].parents.push(before);
            }
        }
        Self::number(&stretches, &of)
    }

    /// Only what is left of the stretches, numbered from the newest on.
    fn number(stretches: &[Stretch], of: &HashMap<usize, usize>) -> Self {
        let mut roots: Vec<usize> = (0..stretches.len()).filter(|at| stretches[*at].same_as.is_none()).collect();
        roots.sort_by_key(|at| stretches[*at].newest);
        let number: HashMap<usize, usize> = roots.iter().enumerate().map(|(number, at)| (*at, number)).collect();
        let numbered = |at: usize| number[&root(stretches, at)];
        let mut list: Vec<Candidate> = roots
            .iter()
            .map(|at| {
                let Stretch { newest, place, name, .. } = &stretches[*at];
                Candidate { place: *place, newest: *newest, name: name.clone(), parents: Vec::new() }
            })
            .collect();
        for (at, stretch) in stretches.iter().enumerate() {
            let own = numbered(at);
            for parent in stretch.parents.iter().map(|parent| numbered(*parent)) {
                if parent != own && !list[own].parents.contains(&parent) {
                    list[own].parents.push(parent);
                }
            }
        }
        Self { list, of: of.iter().map(|(place, at)| (*place, numbered(*at))).collect() }
    }
}
