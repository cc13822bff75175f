//! From checked expectations to a case's score.

use crate::core::verdict::Checked;

/// What the expectations of a case come to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Total {
    /// Whether the answer is good.
    pub pass: bool,
    /// The weighted mean of the scores, from 0 to 1; 1 without any expectation.
    pub score: f64,
}

/// Adds up: score = Σ score·weight / Σ weight, 0 where all weights are 0. With a threshold the score decides;
/// without one every expectation of a weight above 0 must hold. What is advice alone, or was not asked for, counts nowhere.
#[must_use]
pub fn total(results: &[&Checked], threshold: Option<f64>) -> Total {
    let results: Vec<&Checked> = results.iter().copied().filter(|checked| checked.decides()).collect();
    if results.is_empty() {
        return Total { pass: true, score: 1.0 };
    }
    let weight: f64 = results.iter().map(|checked| checked.weight).sum();
    let sum: f64 = results.iter().map(|checked| checked.weight * checked.score).sum();
    let score = if weight > 0.0 { (sum / weight).clamp(0.0, 1.0) } else { 0.0 };
    let pass = match threshold {
        // A mean of thirds must reach two thirds.
        Some(threshold) => score + 1e-9 >= threshold,
        None => results.iter().all(|checked| checked.pass || checked.weight == 0.0),
    };
    Total { pass, score }
}
