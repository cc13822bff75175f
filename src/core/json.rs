//! When two JSON values say the same.

use std::cell::Cell;
use std::cmp::Ordering;

use serde_json::{Number, Value};

/// What kind of value it is, as JSON Schema names it.
#[must_use]
pub fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

/// Equal as JSON: the order of keys does not count, nor whether a whole number is written as a float.
#[must_use]
pub fn same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len() && a.iter().all(|(key, value)| b.get(key).is_some_and(|other| same(value, other)))
        }
        (Value::Array(a), Value::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b)),
        (Value::Number(x), Value::Number(y)) => order(x, y) == Some(Ordering::Equal),
        _ => a == b,
    }
}

/// Which of two numbers is the larger. No digit of an integer is lost: as floats, `9007199254740993` were `9007199254740992`.
#[must_use]
pub fn order(x: &Number, y: &Number) -> Option<Ordering> {
    match (x.as_i128(), y.as_i128()) {
        (Some(x), Some(y)) => Some(x.cmp(&y)),
        (Some(x), None) => beside(x, y.as_f64()?),
        (None, Some(y)) => beside(y, x.as_f64()?).map(Ordering::reverse),
        (None, None) => x.as_f64()?.partial_cmp(&y.as_f64()?),
    }
}

/// Where an integer stands beside a float. One without decimals is the integer that it is written as.
fn beside(whole: i128, float: f64) -> Option<Ordering> {
    // Written without an exponent, a float has all its digits: no integer is rounded.
    match format!("{:.0}", float.trunc()).parse::<i128>() {
        Ok(other) => whole.cmp(&other).then(0.0.partial_cmp(&float.fract())?).into(),
        Err(_) => 0.0.partial_cmp(&float),
    }
}

/// Whether two numbers are as near as this. The distance of integers is exact.
#[must_use]
pub fn near(x: &Number, y: &Number, tolerance: f64) -> bool {
    if let (Some(x), Some(y)) = (x.as_i128(), y.as_i128()) {
        let distance: f64 = (x - y).unsigned_abs().to_string().parse().unwrap_or(f64::INFINITY);
        return distance <= tolerance;
    }
    let (Some(x), Some(y)) = (x.as_f64(), y.as_f64()) else { return false };
    // 0.4 is within 0.1 of 0.3, though its distance is 0.10000000000000003.
    (x - y).abs() <= tolerance + 4.0 * f64::EPSILON * x.abs().max(y.abs())
}

/// What may differ between two values that say the same.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Leeway {
    /// Whether the order of lists counts nowhere.
    pub unordered: bool,
    /// By how much numbers may differ.
    pub tolerance: f64,
}

/// The longest lists whose items are paired whatever their order; in longer ones the order counts.
const MOST: usize = 2_000;
/// How many values are compared before two lists are taken for different: an answer may be made to take for ever.
const FUEL: u32 = 2_000_000;

/// Equal as JSON but for what may differ.
#[must_use]
pub fn alike(a: &Value, b: &Value, leeway: Leeway) -> bool {
    Comparing { leeway, fuel: Cell::new(FUEL) }.alike(a, b)
}

struct Comparing {
    leeway: Leeway,
    fuel: Cell<u32>,
}

impl Comparing {
    fn alike(&self, a: &Value, b: &Value) -> bool {
        let Some(fuel) = self.fuel.get().checked_sub(1) else { return false };
        self.fuel.set(fuel);
        match (a, b) {
            (Value::Object(a), Value::Object(b)) => {
                a.len() == b.len() && a.iter().all(|(key, value)| b.get(key).is_some_and(|o| self.alike(value, o)))
            }
            (Value::Array(a), Value::Array(b)) if self.leeway.unordered && a.len() <= MOST => {
                a.len() == b.len() && self.pairs(a, b)
            }
            (Value::Array(a), Value::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| self.alike(a, b)),
            (Value::Number(x), Value::Number(y)) if self.leeway.tolerance > 0.0 => {
                same(a, b) || near(x, y, self.leeway.tolerance)
            }
            _ => same(a, b),
        }
    }

    /// Whether each item of one list has a partner of its own in the other: with a tolerance an item may have several, so
    /// pairs that were made are made anew where that helps (augmenting paths, as Kuhn described).
    fn pairs(&self, a: &[Value], b: &[Value]) -> bool {
        let mut partner: Vec<Option<usize>> = vec![None; b.len()];
        (0..a.len()).all(|index| {
            // Lists are as a rule in the same order.
            if partner[index].is_none() && self.alike(&a[index], &b[index]) {
                partner[index] = Some(index);
                return true;
            }
            self.finds_partner(index, (a, b), &mut vec![false; b.len()], &mut partner)
        })
    }

    fn finds_partner(
        &self,
        index: usize,
        (a, b): (&[Value], &[Value]),
        seen: &mut [bool],
        partner: &mut [Option<usize>],
    ) -> bool {
        for other in 0..b.len() {
            if seen[other] || !self.alike(&a[index], &b[other]) {
                continue;
            }
            seen[other] = true;
            let is_free = partner[other].is_none_or(|taken| self.finds_partner(taken, (a, b), seen, partner));
            if is_free {
                partner[other] = Some(index);
                return true;
            }
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_is_written_otherwise_is_still_the_same() {
        assert!(same(&json!({"a": 1, "b": [2.0]}), &json!({"b": [2], "a": 1.0})));
        assert!(!same(&json!([1, 2]), &json!([2, 1])));
        assert!(
            !same(&json!(9_007_199_254_740_993_u64), &json!(9_007_199_254_740_992_u64)),
            "large integers are exact"
        );
        assert!(!same(&json!(9_007_199_254_740_993_u64), &json!(9_007_199_254_740_992.0)), "beside floats, too");
        let (low, high) = (json!([0.5]), json!([1, -1, u64::MAX, 1e300]));
        let order = |index: usize| {
            order(high[index].as_number().expect("one"), low[0].as_number().expect("one")).expect("an order")
        };
        assert_eq!([0, 1, 2, 3].map(order), [1, -1, 1, 1].map(|n: i32| n.cmp(&0)));
        assert!(!same(&json!({"a": null}), &json!({})));
    }

    #[test]
    fn leeway_is_given_where_it_was_asked_for() {
        let unordered = Leeway { unordered: true, tolerance: 0.0 };
        let near = Leeway { unordered: false, tolerance: 0.1 };
        let (a, b) = (json!({"x": [1, {"y": [2, 3]}]}), json!({"x": [{"y": [3, 2]}, 1.0]}));
        assert!(alike(&a, &b, unordered) && !alike(&a, &b, near) && !alike(&a, &b, Leeway::default()));
        assert!(!alike(&json!([1, 1, 2]), &json!([1, 2, 2]), unordered));
        assert!(alike(&json!([1.0, "a"]), &json!([1.05, "a"]), near));
        assert!(!alike(&json!([1.0]), &json!([1.2]), near) && !alike(&json!("1.0"), &json!("1.05"), near));
        // 1.0 has two partners, 0.9 one.
        let both = Leeway { unordered: true, tolerance: 0.1 };
        assert!(alike(&json!([1.0, 0.9]), &json!([1.0, 1.1]), both));
        assert!(!alike(&json!(9_007_199_254_740_993_u64), &json!(9_007_199_254_740_992_u64), near));
        assert!(!alike(&json!([1.0, 0.8]), &json!([1.0, 1.1]), both));
        let long: Vec<Value> = (0..3000).map(|n| json!({"n": n})).collect();
        let back: Vec<Value> = long.iter().rev().cloned().collect();
        assert!(alike(&Value::from(long.clone()), &Value::from(long.clone()), both));
        assert!(!alike(&Value::from(back), &Value::from(long), both), "too long to be paired in any order");
    }
}
