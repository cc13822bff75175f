//! Many tests at once: what is left of each p-value.

use super::discrete::as_f64;

/// Benjamini and Hochberg's q-values, in the order of the p-values: the share of false alarms among those at most so small.
#[must_use]
pub fn benjamini_hochberg(p: &[f64]) -> Vec<f64> {
    let order = ascending(p);
    let n = as_f64(p.len() as u64);
    let mut adjusted = vec![1.0; p.len()];
    let mut least: f64 = 1.0;
    for (rank, index) in order.into_iter().enumerate().rev() {
        least = least.min(p[index] * n / as_f64(rank as u64 + 1));
        adjusted[index] = least;
    }
    adjusted
}

/// Holm's adjusted p-values, in the order of the p-values: the chance of even one false alarm.
#[must_use]
pub fn holm(p: &[f64]) -> Vec<f64> {
    let mut adjusted = vec![1.0; p.len()];
    let mut most: f64 = 0.0;
    for (rank, index) in ascending(p).into_iter().enumerate() {
        most = most.max(p[index] * as_f64((p.len() - rank) as u64)).min(1.0);
        adjusted[index] = most;
    }
    adjusted
}

fn ascending(p: &[f64]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..p.len()).collect();
    order.sort_by(|a, b| p[*a].total_cmp(&p[*b]));
    order
}
