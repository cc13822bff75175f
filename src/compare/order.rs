//! The order in which cases are looked at one by one: the same every time, and no matter how they are written.

use std::collections::BTreeMap;

use crate::core::digest::sha256_hex;

/// The seed of all randomness: the same prompt and sides are given the same verdict.
pub(super) fn seed(prompt: &str, digests: (&str, &str)) -> u64 {
    let digest = sha256_hex(format!("{prompt}\n{}{}", digests.0, digests.1).as_bytes());
    u64::from_str_radix(&digest[..16], 16).unwrap_or(0)
}

/// The places of the cases (name and tags): shuffled from a seed of the prompt and both sides, one tag after the other. In
/// the order of a file a sorted data set would decide for the wrong reason.
#[must_use]
pub fn order(prompt: &str, digests: (&str, &str), cases: &[(&str, &[String])]) -> Vec<usize> {
    let mut random = fastrand::Rng::with_seed(seed(prompt, digests));
    let mut sorted: Vec<usize> = (0..cases.len()).collect();
    sorted.sort_by(|a, b| cases[*a].0.cmp(cases[*b].0));
    let mut groups: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    for index in sorted {
        groups.entry(cases[index].1.join("\n")).or_default().push(index);
    }
    let mut queues: Vec<Vec<usize>> = groups.into_values().collect();
    for queue in &mut queues {
        random.shuffle(queue);
    }
    let mut ordered = Vec::with_capacity(cases.len());
    while queues.iter().any(|queue| !queue.is_empty()) {
        ordered.extend(queues.iter_mut().filter_map(Vec::pop));
    }
    ordered
}
