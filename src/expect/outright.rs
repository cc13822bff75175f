//! Verdicts that are said outright, with a score beside them: when the two cannot both be meant.

/// What a verdict and its score say that contradicts itself; `None` where they may stand beside each other. A *no* comes
/// with a score below the threshold (without one: below 1), a *yes* with one above 0.
pub(super) fn contradicts(pass: bool, score: f64, threshold: Option<f64>) -> Option<String> {
    let enough = threshold.unwrap_or(1.0);
    match pass {
        false if score + 1e-9 >= enough => {
            let of = threshold.map(|threshold| format!(", where {threshold} is enough")).unwrap_or_default();
            Some(format!("no with a score of {score}{of}"))
        }
        true if score <= 0.0 => Some("yes with a score of 0".to_owned()),
        _ => None,
    }
}
