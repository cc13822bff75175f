//! The order in which cases are looked at one by one: the same every time, and no matter how they are written.

use std::collections::BTreeMap;

use crate::core::digest::sha256_hex;
use crate::core::names::PromptName;
use crate::plan::{Plan, Workspace};
use crate::run::Prepared;

/// The seed of all randomness: the same prompt and sides are given the same verdict.
pub(super) fn seed(prompt: &str, digests: (&str, &str)) -> u64 {
    let digest = sha256_hex(format!("{prompt}\n{}{}", digests.0, digests.1).as_bytes());
    u64::from_str_radix(&digest[..16], 16).unwrap_or(0)
}

/// The rank of each item of head's plan among those of its prompt: shuffled from a seed of the prompt and both sides, one tag
/// after the other. In the order of a file a sorted data set would decide for the wrong reason. What is not answered yet
/// keeps its rank, so that a row that grows is the same row.
#[must_use]
pub fn ranks(base: &Prepared, head: &Prepared, plan: &Plan) -> Vec<usize> {
    let workspace = &head.workspace;
    let mut of_prompts: BTreeMap<&PromptName, Vec<usize>> = BTreeMap::new();
    for (index, item) in plan.items.iter().enumerate() {
        let prompt = workspace.prompt_of(&workspace.cases.list[item.case]);
        of_prompts.entry(&prompt.name).or_default().push(index);
    }
    let mut ranks = vec![0; plan.items.len()];
    for (name, indexes) in of_prompts {
        let digest = |side: &Prepared| side.workspace.prompts.get(name).map(|prompt| prompt.digest.clone());
        let digests = (digest(base).unwrap_or_default(), digest(head).unwrap_or_default());
        let mut random = fastrand::Rng::with_seed(seed(name.as_str(), (&digests.0, &digests.1)));
        for (rank, index) in shuffled(workspace, plan, indexes, &mut random).into_iter().enumerate() {
            ranks[index] = rank;
        }
    }
    ranks
}

fn shuffled(workspace: &Workspace, plan: &Plan, mut indexes: Vec<usize>, random: &mut fastrand::Rng) -> Vec<usize> {
    let case = |index: usize| &workspace.cases.list[plan.items[index].case];
    let model = |index: usize| &workspace.config.models[plan.items[index].model].alias;
    indexes.sort_by(|a, b| (&case(*a).name, model(*a)).cmp(&(&case(*b).name, model(*b))));
    let mut groups: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    for index in indexes {
        groups.entry(case(index).tags.join("\n")).or_default().push(index);
    }
    let mut queues: Vec<Vec<usize>> = groups.into_values().collect();
    for queue in &mut queues {
        random.shuffle(queue);
    }
    let mut ordered = Vec::new();
    while queues.iter().any(|queue| !queue.is_empty()) {
        ordered.extend(queues.iter_mut().filter_map(Vec::pop));
    }
    ordered
}
