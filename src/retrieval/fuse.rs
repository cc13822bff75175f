//! Several rankings as one.

/// How much the first ranks stand out: the constant of the paper.
pub const RRF_K: f64 = 60.0;

/// Reciprocal rank fusion (Cormack, Clarke and Büttcher, SIGIR 2009): of each of `count` things the sum of 1 / (60 + rank) over the
/// rankings that have it; 0 of those that none has. A thing that comes again in a ranking counts at its first rank.
#[must_use]
pub fn fuse(count: usize, rankings: &[Vec<usize>]) -> Vec<f64> {
    let mut scores = vec![0.0; count];
    for ranking in rankings {
        let mut is_seen = vec![false; count];
        let mut rank = 0.0;
        for index in ranking {
            rank += 1.0;
            if *index < count && !is_seen[*index] {
                is_seen[*index] = true;
                scores[*index] += 1.0 / (RRF_K + rank);
            }
        }
    }
    scores
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_both_have_goes_before_what_one_has_first() {
        let scores = fuse(4, &[vec![0, 1], vec![2, 1, 2]]);
        assert!(scores[1] > scores[0], "{scores:?}");
        for (score, expected) in scores.iter().zip([1.0 / 61.0, 2.0 / 62.0, 1.0 / 61.0, 0.0]) {
            assert!((score - expected).abs() < 1e-15, "{scores:?}");
        }
        assert_eq!(fuse(1, &[vec![5]]), [0.0], "one that is not there is nobody");
    }
}
