//! Screening and confirming: one answer a case says where to look again, fresh answers say whether it is so.

use super::table::{Comparison, Limits, Row, Verdict};

/// A row is looked at again where its mid-p is at most this.
const SCREEN: f64 = 0.10;

/// The prompts that look worse, in whole or in a slice.
#[must_use]
pub fn screened(comparison: &Comparison) -> Vec<String> {
    let looks_worse = |row: &&Row| row.mid_p_regress <= SCREEN;
    let mut names: Vec<String> =
        comparison.prompts.iter().chain(&comparison.slices).filter(looks_worse).map(|row| row.prompt.clone()).collect();
    names.sort_unstable();
    names.dedup();
    names
}

/// Puts what fresh answers say in the place of what the first ones said. A row that was looked at again is regressed where
/// its p is at most alpha over the number of such rows; no other row is.
pub fn confirm(first: &mut Comparison, fresh: Comparison, samples: u64, limits: &Limits) {
    replace(&mut first.prompts, fresh.prompts, samples, limits);
    replace(&mut first.slices, fresh.slices, samples, limits);
}

fn replace(rows: &mut [Row], fresh: Vec<Row>, samples: u64, limits: &Limits) {
    let screened = |row: &Row| row.mid_p_regress <= SCREEN;
    let looked_at = rows.iter().filter(|row| screened(row)).count();
    #[expect(clippy::cast_precision_loss, reason = "a count of rows")]
    let alpha = limits.alpha / looked_at.max(1) as f64;
    for new in fresh {
        let Some(row) =
            rows.iter_mut().find(|row| (&row.prompt, &row.model, &row.tag) == (&new.prompt, &new.model, &new.tag))
        else {
            continue;
        };
        if !screened(row) {
            continue;
        }
        let verdict = match new.verdict {
            _ if new.p_regress <= alpha => Verdict::Regressed,
            Verdict::Regressed => Verdict::Undecided,
            other => other,
        };
        *row = Row { verdict, confirmed_by: Some(samples), ..new };
    }
    for row in rows.iter_mut().filter(|row| row.confirmed_by.is_none() && row.verdict == Verdict::Regressed) {
        row.verdict = Verdict::Undecided;
    }
}
