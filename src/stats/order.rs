//! Order statistics of what was measured: the median and the percentiles.

/// The median; of an even number the mean of the two in the middle. `None` of nothing.
#[must_use]
pub fn median(values: &[f64]) -> Option<f64> {
    let sorted = sorted(values);
    let middle = sorted.len() / 2;
    let upper = *sorted.get(middle)?;
    let lower = if sorted.len().is_multiple_of(2) { sorted[middle - 1] } else { upper };
    Some(f64::midpoint(lower, upper))
}

/// The least of the values that a share of them does not exceed (nearest rank): it was measured, and never lies between two
/// that were. `None` of nothing.
#[must_use]
pub fn percentile(values: &[f64], share: f64) -> Option<f64> {
    let sorted = sorted(values);
    let wanted = share.clamp(0.0, 1.0) * super::discrete::as_f64(sorted.len() as u64);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "from 0 to the number of values")]
    let rank = (wanted - 1e-9).ceil().max(1.0) as usize;
    sorted.get(rank - 1).copied()
}

fn sorted(values: &[f64]) -> Vec<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_percentile_is_the_least_that_a_share_does_not_exceed(
            values in prop::collection::vec(-1000_i32..1000, 1..60),
            percent in 1_u32..=100,
        ) {
            let values: Vec<f64> = values.into_iter().map(f64::from).collect();
            let found = percentile(&values, f64::from(percent) / 100.0).expect("some");
            prop_assert!(values.contains(&found));
            let count = |fits: &dyn Fn(f64) -> bool| values.iter().filter(|value| fits(**value)).count();
            prop_assert!(count(&|value| value <= found) * 100 >= values.len() * percent as usize);
            prop_assert!(count(&|value| value < found) * 100 < values.len() * percent as usize);
        }

        #[test]
        fn a_median_has_as_many_below_as_above(values in prop::collection::vec(-1000_i32..1000, 1..60)) {
            let values: Vec<f64> = values.into_iter().map(f64::from).collect();
            let found = median(&values).expect("some");
            let below = values.iter().filter(|value| **value < found).count();
            let above = values.iter().filter(|value| **value > found).count();
            prop_assert!(below * 2 <= values.len() && above * 2 <= values.len());
        }
    }

    #[test]
    fn of_nothing_there_is_none() {
        assert_eq!((median(&[]), percentile(&[], 0.95)), (None, None));
        assert_eq!((median(&[1.0, 4.0]), percentile(&[1.0, 4.0], 0.5)), (Some(2.5), Some(1.0)));
    }
}
