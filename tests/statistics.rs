//! Statistics against reference values, where they are at hand, and properties that hold for whatever is given.

use proptest::prelude::*;
use serde_json::Value;

use promptctl::compare::{Limits, Pair, Pairs, Row, Sample, Verdict, compare};
use promptctl::core::names::{CaseName, ModelAlias, PromptName};
use promptctl::stats::{
    Caution, Confusion, Decision, Kappa, Sequential, Stratum, benjamini_hochberg, binomial_at_least, binomial_at_most,
    clustered_mean, holm, log_ratio, paired_mean, pass_at_k, pass_hat_k, quadratic_kappa, quantile_ranks, sign_flip,
    stratified_exact, wilson,
};

/// A section of the reference values; `None`, with a word on why, where there are none.
#[expect(clippy::print_stderr, reason = "a test that does nothing says so")]
fn section(name: &str) -> Option<Value> {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data/stats_vectors.json");
    match std::fs::read_to_string(&path) {
        Ok(text) => {
            let whole: Value = serde_json::from_str(&text).expect("JSON");
            Some(whole[name].clone())
        }
        Err(error) => {
            eprintln!("skipped: {}: {error}", path.display());
            None
        }
    }
}

fn near(value: f64, expected: &Value, what: &str) {
    let expected = expected.as_f64().unwrap_or_else(|| panic!("{what}: {expected}"));
    let close = (value - expected).abs() <= 1e-6_f64.max(1e-6 * expected.abs());
    // Tiny probabilities are compared by their size, not by their distance from 0.
    let tiny = expected.abs() < 1e-6 && expected != 0.0 && ((value - expected) / expected).abs() > 1e-6;
    assert!(close && !tiny, "{what}: {value} is not {expected}");
}

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().expect("a list").iter().map(|n| n.as_f64().expect("a number")).collect()
}

fn count(value: &Value) -> u64 {
    value.as_u64().expect("a count")
}

fn list(name: &str) -> Vec<Value> {
    section(name).and_then(|value| value.as_array().cloned()).unwrap_or_default()
}

#[test]
fn proportions_and_tails_are_the_reference() {
    for v in list("proportion_interval") {
        let (low, high) = wilson(count(&v["k"]), count(&v["n"]), v["conf"].as_f64().expect("a level"));
        near(low, &v["wilson"][0], "wilson");
        near(high, &v["wilson"][1], "wilson");
    }
    for v in list("binom_gate") {
        let (k, n, p) = (count(&v["k"]), count(&v["n"]), v["p0"].as_f64().expect("a share"));
        near(binomial_at_most(k, n, p), &v["p_le"], "p_le");
        near(binomial_at_least(k, n, p), &v["p_ge"], "p_ge");
    }
    for v in list("pass_k") {
        let (n, c, k) = (count(&v["n"]), count(&v["c"]), count(&v["k"]));
        near(pass_at_k(n, c, k), &v["pass_at_k"], "pass@k");
        near(pass_hat_k(n, c, k), &v["pass_hat_k"], "pass^k");
    }
    for v in list("quantile_ci_order_stats") {
        let ranks = quantile_ranks(count(&v["n"]), v["q"].as_f64().expect("q"), v["conf"].as_f64().expect("conf"));
        let expected = v["lo_rank"].as_u64().zip(v["hi_rank"].as_u64());
        assert_eq!(ranks, expected, "{v}");
    }
}

fn singles(losses: u64, wins: u64) -> Vec<Stratum> {
    let one = |base_passes, head_passes| Stratum { base_passes, base: 1, head_passes, head: 1 };
    let count = |n: u64| usize::try_from(n).expect("small");
    [vec![one(1, 0); count(losses)], vec![one(0, 1); count(wins)], vec![one(1, 1); 3]].concat()
}

#[test]
fn exact_tests_are_the_reference() {
    for v in list("mcnemar") {
        let test = stratified_exact(&singles(count(&v["loss"]), count(&v["win"])));
        near(test.p_two_sided(), &v["p_two"], "mcnemar, two-sided");
        near(test.p_regress(), &v["p_regress"], "mcnemar, one-sided");
        near(test.mid_p_regress(), &v["midp_regress"], "mcnemar, mid-p");
    }
    for v in list("fisher") {
        let cell = |row: usize, column: usize| count(&v["table"][row][column]);
        let stratum = Stratum {
            base_passes: cell(0, 0),
            base: cell(0, 0) + cell(0, 1),
            head_passes: cell(1, 0),
            head: cell(1, 0) + cell(1, 1),
        };
        let test = stratified_exact(&[stratum]);
        near(test.p_regress(), &v["p_regress"], "fisher");
        near(test.p_improve(), &v["p_improve"], "fisher");
    }
    for v in list("stratified_exact") {
        let stratum = |s: &Value| Stratum {
            base_passes: count(&s[0]),
            base: count(&s[1]),
            head_passes: count(&s[2]),
            head: count(&s[3]),
        };
        let strata: Vec<Stratum> = v["strata"].as_array().expect("strata").iter().map(stratum).collect();
        let test = stratified_exact(&strata);
        near(test.p_regress(), &v["p_regress"], "stratified");
        for (value, name) in [
            (test.p_improve(), "p_improve"),
            (test.p_two_sided(), "p_two_doubled"),
            (test.mid_p_regress(), "midp_regress"),
        ] {
            if !v[name].is_null() {
                near(value, &v[name], name);
            }
        }
    }
    for v in list("sign_flip_exact") {
        let test = sign_flip(&numbers(&v["d"]), 1);
        near(test.p_regress, &v["p_regress"], "sign flip");
        near(test.p_two_sided, &v["p_two"], "sign flip");
    }
}

#[test]
fn estimates_are_the_reference() {
    if let Some(v) = section("paired_t") {
        let (base, head) = (numbers(&v["base"]), numbers(&v["cand"]));
        let differences: Vec<f64> = base.iter().zip(&head).map(|(base, head)| head - base).collect();
        let estimate = paired_mean(&differences, 0.95).expect("enough");
        near(estimate.mean, &v["mean_diff"], "mean");
        near(estimate.error, &v["se"], "error");
        near(estimate.p_two_sided, &v["p_two"], "p");
        near(estimate.interval.0, &v["ci95"][0], "interval");
        near(estimate.interval.1, &v["ci95"][1], "interval");
    }
    if let Some(v) = section("clustered_se") {
        let groups = v["cluster"].as_array().expect("groups").iter().map(count);
        let pairs: Vec<(u64, f64)> = groups.zip(numbers(&v["d"])).collect();
        let estimate = clustered_mean(&pairs, 0.95).expect("enough");
        near(estimate.mean, &v["mean"], "mean");
        near(estimate.error, &v["se_cr1_G"], "error");
        near(estimate.p_two_sided, &v["p_two"], "p");
        near(estimate.interval.0, &v["ci95"][0], "interval");
    }
    if let Some(v) = section("repeats_cluster_by_case") {
        let estimate = paired_mean(&numbers(&v["case_diff"]), 0.95).expect("enough");
        near(estimate.mean, &v["mean"], "mean");
        near(estimate.error, &v["se"], "error");
        near(estimate.interval.1, &v["ci95"][1], "interval");
    }
    if let Some(v) = section("log_ratio") {
        let pairs: Vec<(f64, f64)> = numbers(&v["base"]).into_iter().zip(numbers(&v["cand"])).collect();
        let estimate = log_ratio(&pairs, 0.95).expect("enough");
        near(estimate.mean, &v["gmr"], "ratio");
        near(estimate.interval.0, &v["ci95"][0], "interval");
        near(estimate.interval.1, &v["ci95"][1], "interval");
        near(estimate.p_two_sided, &v["p_two"], "p");
    }
}

#[test]
fn many_tests_and_sequences_are_the_reference() {
    for v in list("multiplicity") {
        let p = numbers(&v["p"]);
        for (index, (q, h)) in benjamini_hochberg(&p).into_iter().zip(holm(&p)).enumerate() {
            near(q, &v["bh"][index], "bh");
            near(h, &v["holm"][index], "holm");
        }
    }
    for v in list("betting_eprocess") {
        let mut bets = Sequential::new(0.05, 0.05, v["delta"].as_f64().expect("delta"));
        let (mut first_regress, mut first_ok) = (None, None);
        for (t, d) in (1_u64..).zip(numbers(&v["d"])) {
            bets.take(d);
            first_regress = first_regress.or((bets.e_regress() >= 20.0).then_some(t));
            first_ok = first_ok.or((bets.e_ok() >= 20.0).then_some(t));
            let at = usize::try_from(t - 1).expect("small");
            if let Some(expected) = v["e_regress_path"].get(at) {
                near(bets.e_regress(), expected, "e_regress");
                near(bets.e_ok(), &v["e_ok_path"][at], "e_ok");
            }
        }
        near(bets.e_regress(), &v["e_regress"], "e_regress");
        near(bets.e_ok(), &v["e_ok"], "e_ok");
        assert_eq!((first_regress, first_ok), (v["first_regress_20"].as_u64(), v["first_ok_20"].as_u64()));
    }
}

#[test]
fn a_real_drift_has_a_probability_that_no_float_holds() {
    let test = stratified_exact(&singles(1200, 3));
    assert!(test.p_regress() < 1e-300 || test.p_regress() == 0.0);
    assert!(test.ln_regress.is_finite() && test.ln_regress < -700.0);
    // 477 losses and 139 wins, as two versions of a model had on a thousand questions.
    assert!((stratified_exact(&singles(477, 139)).p_two_sided() / 2.81e-44 - 1.0).abs() < 0.01);
}

/// 2,000 suites in which nothing changed, and as many with a real drop.
#[test]
fn stopping_early_keeps_its_promises() {
    let mut random = fastrand::Rng::with_seed(7);
    let mut alarms = 0;
    let mut found = 0;
    for _ in 0..2000 {
        let (mut null, mut drop) = (Sequential::new(0.05, 0.05, 0.1), Sequential::new(0.05, 0.05, 0.1));
        for _ in 0..100 {
            let pass = |random: &mut fastrand::Rng, p: f64| f64::from(u8::from(random.f64() < p));
            null.take(pass(&mut random, 0.8) - pass(&mut random, 0.8));
            // A drop of 20 points on cases that mostly agree: a fifth of those that passed fail now.
            let base = pass(&mut random, 0.9);
            let lost = pass(&mut random, 0.2 / 0.9);
            drop.take(if base > 0.0 && lost > 0.0 { -1.0 } else { 0.0 });
        }
        alarms += u32::from(null.decision() == Some(Decision::Regressed));
        found += u32::from(drop.decision() == Some(Decision::Regressed));
    }
    assert!(alarms <= 100, "{alarms} false alarms in 2,000");
    assert!(found >= 1900, "found {found} of 2,000");
}

/// A pair of single answers.
fn pair(prompt: usize, case: usize, base: bool, head: bool) -> Pair {
    let sample = |pass| Sample { pass, ..Sample::default() };
    let name = PromptName::new(&format!("p{prompt}")).expect("a name");
    let of = CaseName::new(&format!("c{case}")).expect("a name");
    let model = ModelAlias::new("m").expect("an alias");
    Pair {
        rank: case,
        tags: vec![if case.is_multiple_of(2) { "even".into() } else { "odd".into() }],
        digests: ("a".into(), "b".into()),
        ..Pair::new(name, of, model, vec![sample(base)], vec![sample(head)])
    }
}

/// Suites of ten prompts in which nothing changed: whichever way is taken, few of them raise an alarm at all.
#[test]
fn alpha_holds_for_all_prompts_and_for_all_slices_of_a_run() {
    let mut random = fastrand::Rng::with_seed(11);
    for sequential in [false, true] {
        let limits = Limits { alpha: 0.05, delta: 0.1, sequential };
        let (mut by_prompt, mut by_slice) = (0, 0);
        for _ in 0..200 {
            let mut pairs = Pairs::default();
            for prompt in 0..10 {
                pairs.pairs.extend((0..40).map(|case| pair(prompt, case, random.bool(), random.bool())));
            }
            let comparison = compare(&pairs, &limits);
            let alarm = |rows: &[Row]| rows.iter().any(|row| row.verdict == Verdict::Regressed);
            by_prompt += u32::from(alarm(&comparison.prompts));
            by_slice += u32::from(alarm(&comparison.slices));
        }
        assert!(by_prompt <= 10 && by_slice <= 10, "sequential {sequential}: {by_prompt}, {by_slice} of 200");
    }
}

/// The reference values of agreement, which `scripts/agreement` writes.
fn agreement(name: &str) -> Vec<Value> {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors/agreement.json");
    let whole: Value = serde_json::from_str(&std::fs::read_to_string(path).expect("there")).expect("JSON");
    whole[name].as_array().cloned().expect("a list")
}

fn near_kappa(kappa: Option<Kappa>, expected: &Value) {
    let kappa = kappa.expect("defined");
    near(kappa.value, &expected["value"], "kappa");
    near(kappa.error, &expected["error"], "its error");
    match kappa.interval {
        Some((low, high)) => {
            // Ours is cut to what kappa can be.
            near(low, &expected["low"].as_f64().map_or(Value::Null, |low| low.max(-1.0).into()), "low");
            near(high, &expected["high"].as_f64().map_or(Value::Null, |high| high.min(1.0).into()), "high");
        }
        None => assert!(expected["low"].is_null(), "{expected}"),
    }
}

fn near_option(value: Option<f64>, expected: &Value, what: &str) {
    match value {
        Some(value) => near(value, expected, what),
        None => assert!(expected.is_null(), "{what}: {expected}"),
    }
}

#[test]
fn agreement_is_the_reference() {
    let tables = agreement("nominal");
    assert!(tables.len() >= 12);
    for v in tables {
        let pairs = v["pairs"].as_array().expect("pairs").iter().map(|pair| (count(&pair[0]), count(&pair[1])));
        let table = Confusion::of(pairs);
        assert_eq!(table.labels(), v["labels"].as_array().expect("labels").iter().map(count).collect::<Vec<_>>());
        for (row, person) in table.labels().iter().enumerate() {
            for (column, judge) in table.labels().iter().enumerate() {
                assert_eq!(table.count(person, judge), count(&v["table"][row][column]));
            }
        }
        near_option(table.accuracy().value(), &v["accuracy"]["value"], "accuracy");
        let (low, high) = table.accuracy().interval(0.95);
        near(low, &v["accuracy"]["interval"][0], "accuracy, low");
        near(high, &v["accuracy"]["interval"][1], "accuracy, high");
        near_kappa(table.kappa(0.95), &v["kappa"]);
        for expected in v["detection"].as_array().expect("a list") {
            let found = table.detection(&count(&expected["label"]));
            near_option(found.precision.value(), &expected["precision"], "precision");
            near_option(found.recall.value(), &expected["recall"], "recall");
            near_option(found.specificity.value(), &expected["specificity"], "specificity");
            near_option(found.f1(), &expected["f1"], "f1");
        }
    }
}

#[test]
fn agreement_of_scores_is_the_reference() {
    let all = agreement("scores");
    assert!(all.len() >= 5);
    for v in all {
        let pairs: Vec<(f64, f64)> =
            v["pairs"].as_array().expect("pairs").iter().map(|pair| (numbers(pair)[0], numbers(pair)[1])).collect();
        near_kappa(quadratic_kappa(&pairs, 0.95), &v["kappa"]);
        // Where the scale begins and how wide it is does not matter.
        let moved: Vec<(f64, f64)> = pairs.iter().map(|(a, b)| (100.0 * a - 7.0, 100.0 * b - 7.0)).collect();
        near_kappa(quadratic_kappa(&moved, 0.95), &v["kappa"]);
    }
}

#[test]
fn what_says_nothing_of_agreement_has_no_kappa() {
    let none: Confusion<bool> = Confusion::of([]);
    assert_eq!((none.kappa(0.95), none.accuracy().value(), none.cautions().len()), (None, None, 2));
    assert_eq!(none.accuracy().interval(0.95), (0.0, 1.0));
    let alike = Confusion::of([("pass", "pass"); 40]);
    assert_eq!((alike.kappa(0.95), alike.accuracy().value()), (None, Some(1.0)));
    assert_eq!(alike.cautions(), [Caution::OneLabel]);
    let fail = alike.detection(&"fail");
    assert_eq!((fail.recall.value(), fail.precision.value(), fail.f1()), (None, None, None));
    assert_eq!(fail.specificity.value(), Some(1.0));
    // The judge alone says the same to all: chance does as well.
    let blind = Confusion::of([("pass", "pass"), ("fail", "pass"), ("pass", "pass")]);
    assert_eq!(blind.kappa(0.95).map(|kappa| (kappa.value, kappa.interval)), Some((0.0, None)));
    let perfect = Confusion::of([("pass", "pass"), ("fail", "fail")]);
    assert_eq!(perfect.kappa(0.95), Some(Kappa { value: 1.0, error: 0.0, interval: None }));
    assert_eq!(perfect.cautions(), [Caution::Few]);
    let rare = Confusion::of([[("pass", "pass"); 57].as_slice(), &[("fail", "fail"); 3]].concat());
    assert_eq!(rare.cautions(), [Caution::Lopsided]);
    assert_eq!(quadratic_kappa(&[], 0.95), None);
    assert_eq!(quadratic_kappa(&[(3.0, 3.0), (3.0, 3.0)], 0.95), None);
    assert_eq!(quadratic_kappa(&[(1.0, f64::NAN), (2.0, 2.0)], 0.95), None);
    assert_eq!(quadratic_kappa(&[(f64::MIN, f64::MAX), (0.0, 1.0)], 0.95), None);
}

fn strata() -> impl Strategy<Value = Vec<Stratum>> {
    let stratum = (1_u64..6, 1_u64..6).prop_flat_map(|(base, head)| {
        (0..=base, 0..=head).prop_map(move |(base_passes, head_passes)| Stratum {
            base_passes,
            base,
            head_passes,
            head,
        })
    });
    proptest::collection::vec(stratum, 0..30)
}

proptest! {
    #[test]
    fn exact_tests_are_probabilities_and_do_not_know_the_order(strata in strata()) {
        let test = stratified_exact(&strata);
        for p in [test.p_regress(), test.p_improve(), test.p_two_sided(), test.mid_p_regress()] {
            prop_assert!((0.0..=1.0).contains(&p), "{p}");
        }
        let mut turned = strata.clone();
        turned.reverse();
        prop_assert!((stratified_exact(&turned).ln_regress - test.ln_regress).abs() < 1e-9);
        // Exchanging the sides exchanges the questions.
        let mirrored: Vec<Stratum> = strata
            .iter()
            .map(|s| Stratum { base_passes: s.head_passes, base: s.head, head_passes: s.base_passes, head: s.base })
            .collect();
        let mirror = stratified_exact(&mirrored);
        prop_assert!((mirror.p_improve() - test.p_regress()).abs() < 1e-9);
        prop_assert!((mirror.p_regress() - test.p_improve()).abs() < 1e-9);
    }

    #[test]
    fn adjusted_values_are_probabilities_in_the_same_order(p in proptest::collection::vec(0.0_f64..=1.0, 0..40)) {
        for adjusted in [benjamini_hochberg(&p), holm(&p)] {
            for (i, a) in adjusted.iter().enumerate() {
                prop_assert!((0.0..=1.0).contains(a) && *a + 1e-12 >= p[i]);
                for (j, b) in adjusted.iter().enumerate() {
                    prop_assert!(p[i] >= p[j] || a <= b);
                }
            }
        }
    }

    #[test]
    fn agreement_does_not_know_who_is_who(pairs in proptest::collection::vec((0_u8..4, 0_u8..4), 0..60)) {
        let table = Confusion::of(pairs.iter().copied());
        let turned = Confusion::of(pairs.iter().map(|(person, judge)| (*judge, *person)));
        let near = |a: Option<Kappa>, b: Option<Kappa>| match (a, b) {
            (Some(a), Some(b)) => (a.value - b.value).abs() < 1e-9 && (a.error - b.error).abs() < 1e-6,
            (a, b) => a.is_none() && b.is_none(),
        };
        let kappa = table.kappa(0.95);
        prop_assert!(near(kappa, turned.kappa(0.95)));
        // Names are names: backwards they say the same.
        prop_assert!(near(kappa, Confusion::of(pairs.iter().map(|(a, b)| (9 - a, 9 - b))).kappa(0.95)));
        if let Some(kappa) = kappa {
            prop_assert!((-1.0..=1.0).contains(&kappa.value) && kappa.error.is_finite());
            prop_assert!(kappa.interval.is_none_or(|(low, high)| -1.0 <= low && low <= kappa.value && kappa.value <= high && high <= 1.0));
            prop_assert_eq!((kappa.value - 1.0).abs() < 1e-9, table.accuracy().count == table.n());
        }
        for label in table.labels() {
            let (found, other) = (table.detection(label), turned.detection(label));
            prop_assert_eq!(found.precision, other.recall);
            prop_assert!(found.specificity.count <= found.specificity.of);
        }
        // Of two labels no miss is nearer than another.
        let two: Vec<(u8, u8)> = pairs.iter().map(|(a, b)| (a % 2, b % 2)).collect();
        let scores: Vec<(f64, f64)> = two.iter().map(|(a, b)| (f64::from(*a), f64::from(*b))).collect();
        prop_assert!(near(Confusion::of(two).kappa(0.95), quadratic_kappa(&scores, 0.95)));
    }

    #[test]
    fn intervals_hold_what_was_seen(n in 1_u64..500, share in 0.0_f64..=1.0) {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss)]
        let k = (share * n as f64) as u64;
        let (low, high) = wilson(k, n, 0.95);
        #[expect(clippy::cast_precision_loss)]
        let seen = k as f64 / n as f64;
        prop_assert!(0.0 <= low && low <= seen && seen <= high && high <= 1.0);
    }
}
