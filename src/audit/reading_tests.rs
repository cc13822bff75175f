use super::super::course::{Lack, next};
use super::*;

/// Answers written as `+` (passes), `f` (form), `a` (form alone), `p` (the same, in part unchecked), `e` (form or content),
/// `c` (content), `m` (means), `l` (cut off), each another text.
fn answers(written: &str, constant: bool) -> Vec<Answered> {
    let one = |(i, c): (usize, char)| Answered {
        fails: match c {
            '+' => None,
            'f' => Some(Fails::Form),
            'a' => Some(Fails::FormAlone(Unsaid::Nothing)),
            'p' => Some(Fails::FormAlone(Unsaid::Part)),
            'e' => Some(Fails::FormAlone(Unsaid::Either)),
            'm' => Some(Fails::Means),
            'l' => Some(Fails::CutOff),
            _ => Some(Fails::Content),
        },
        text: if constant { written.chars().take(1).collect() } else { i.to_string() },
        why: String::new(),
        cost_usd: None,
        latency_ms: None,
    };
    written.chars().enumerate().map(one).collect()
}

fn trial(written: &str) -> Trial {
    match written {
        "-" => Trial::lacking(Lack::NoFacts),
        written => match written.strip_prefix('=') {
            Some(same) => Trial { answers: answers(same, true), ..Trial::default() },
            None => Trial { answers: answers(written, false), ..Trial::default() },
        },
    }
}

/// The own answer, then repeat, facts, examples, model; `-` cannot be made, an empty one is open.
fn evidence(own: &str, trials: [&str; 4]) -> Evidence {
    let trials = Experiment::ALL.into_iter().zip(trials).filter(|(_, written)| !written.is_empty());
    let own = trial(own).answers;
    let trials = trials.map(|(experiment, written)| (experiment, trial(written))).collect();
    Evidence { own, trials, ..Evidence::default() }
}

fn reads(own: &str, trials: [&str; 4]) -> String {
    let readings = read(&evidence(own, trials));
    let one = |reading: &Reading| format!("{} {}", reading.confidence.name(), reading.gap.name());
    readings.all.iter().map(one).collect::<Vec<_>>().join(", ")
}

#[test]
fn each_row_of_the_table_is_read() {
    for (own, trials, expected) in [
        ("c", ["++c+c", "", "", ""], "confident reliability"),
        ("c", ["ccccc", "+++++", "ccccc", ""], "confident knowledge"),
        ("f", ["fffff", "", "", ""], "confident behaviour"),
        ("c", ["ccccc", "ccccc", "+++++", ""], "confident behaviour"),
        ("c", ["ccccc", "ccccc", "ccccc", "+++++"], "confident skill"),
        ("c", ["ccccc", "ccccc", "ccccc", "ccccc"], "suggested review"),
    ] {
        assert_eq!(reads(own, trials), expected, "{trials:?}");
    }
}

#[test]
fn nothing_is_sure_whose_evidence_is_missing() {
    for (own, trials, expected) in [
        ("c", ["-", "", "", ""], "unknown unknown"),
        ("c", ["ccccc", "-", "-", "-"], "unknown unknown"),
        ("c", ["ccccc", "-", "ccccc", "+++++"], "suggested skill"),
        ("c", ["ccccc", "ccccc", "-", "+++++"], "suggested skill"),
        ("c", ["ccccc", "ccccc", "ccccc", "-"], "unknown unknown"),
        ("a", ["aaaaa", "-", "-", "-"], "suggested behaviour"),
        ("m", ["mmmmm", "", "", ""], "unknown unknown"),
        ("a", ["aaaaa", "aaaaa", "aaaaa", "aaaaa"], "suggested behaviour, suggested review"),
        ("a", ["aaaaa", "aaaaa", "aaaaa", "+++++"], "confident skill, suggested behaviour"),
        ("l", ["lllll", "", "", ""], "unknown unknown"),
        ("l", ["lllcc", "+++++", "ccccc", ""], "unknown unknown"),
        ("c", ["c", "+", "c", ""], "suggested knowledge"),
        ("c", ["ccccc", "+c+c+", "ccccc", ""], "suggested knowledge"),
        ("c", ["ccccc", "+cc+c", "ccccc", "ccccc"], "suggested review"),
    ] {
        assert_eq!(reads(own, trials), expected, "{trials:?}");
    }
}

#[test]
fn why_nobody_can_say_that_the_content_holds_is_told_apart() {
    for (written, expected) in [
        ("aaaaa", "6 of 6 failing answers fail in form, and nothing could check their content"),
        ("ppppp", "6 of 6 failing answers fail in form, and what checks their content could not say everything"),
        ("eeeee", "6 of 6 failing answers fail checks that may mean their form or their content"),
        ("eeeec", "5 of 6 failing answers fail checks that may mean their form or their content"),
        (
            "fapee",
            "6 of 6 failing answers may fail in form alone: the content of 1 holds, of 1 nothing could check the \
             content, of 1 not everything could check the content, 3 fail checks that may mean form or content",
        ),
    ] {
        let readings = read(&evidence(&written[4..].replace('c', "e"), [written, "-", "-", "-"]));
        assert_eq!(readings.first().why, expected, "{written}");
    }
}

#[test]
fn what_is_sure_stands_first_and_then_the_order_decides() {
    assert_eq!(reads("c", ["++c+c", "+++++", "ccccc", ""]), "confident reliability, suggested knowledge");
    assert_eq!(reads("c", ["+cccc", "+++++", "ccccc", ""]), "confident knowledge, suggested reliability");
    assert_eq!(
        reads("c", ["+ccccccccc", "++++++++++", "cccccccccc", ""]),
        "confident knowledge, suggested reliability"
    );
    assert_eq!(reads("c", ["ccccc", "+++++", "+++++", ""]), "confident behaviour, confident knowledge");
    // Facts mend what is said, and how it is put is still wrong: two gaps, one behind the other.
    assert_eq!(reads("c", ["ccccc", "fffff", "ccccc", ""]), "confident knowledge, confident behaviour");
    assert_eq!(reads("c", ["ccccc", "fcccc", "ccccc", "ccccc"]), "suggested review");
    assert_eq!(reads("a", ["aaaaa", "+++++", "aaaaa", ""]), "confident knowledge, suggested behaviour");
}

#[test]
fn the_same_answer_again_and_again_is_one_answer() {
    assert_eq!(reads("=c", ["=ccccc", "=+++++", "=ccccc", ""]), "suggested knowledge");
    assert_eq!(reads("=f", ["=fff", "", "=fff", ""]), "confident behaviour", "that is what it says");
    let mut sampled = evidence("=c", ["=ccccc", "=+++++", "=ccccc", ""]);
    sampled.is_sampled = true;
    assert_eq!(read(&sampled).first().confidence, Confidence::Confident, "each was drawn anew");
    assert_eq!(reads("=c", ["=cc", "=++", "=cc", ""]), "suggested knowledge");
    assert_eq!(reads("c", ["ccc", "+++", "ccc", ""]), "suggested knowledge");
    // One answer that is another shows that the model is not bound to one.
    assert_eq!(reads("+", ["=ccccc", "=+++++", "=ccccc", ""]), "confident knowledge");
}

#[test]
fn what_an_example_tells_was_not_known() {
    let told = |trials| {
        let mut told = evidence("c", trials);
        told.is_told = true;
        let readings = read(&told);
        let one = |reading: &Reading| format!("{} {}", reading.confidence.name(), reading.gap.name());
        readings.all.iter().map(one).collect::<Vec<_>>().join(", ")
    };
    assert_eq!(told(["ccccc", "+++++", "+++++", ""]), "confident knowledge, suggested behaviour");
    assert_eq!(told(["ccccc", "-", "+++++", ""]), "suggested behaviour");
    assert_eq!(told(["ccccc", "+++++", "ccccc", ""]), "confident knowledge");
}

#[test]
fn no_experiment_is_made_that_changes_nothing() {
    use Experiment::{Examples, Facts, Model, Repeat};
    for (own, trials, expected) in [
        ("c", ["", "", "", ""], vec![Repeat]),
        ("c", ["-", "", "", ""], vec![]),
        ("c", ["+++++", "", "", ""], vec![]),
        ("c", ["ccccc", "", "", ""], vec![Facts, Examples]),
        ("c", ["ccccc", "-", "", ""], vec![Examples]),
        ("c", ["++c+c", "ccccc", "ccccc", ""], vec![]),
        ("c", ["+cccc", "ccccc", "ccccc", ""], vec![Model]),
        ("f", ["fffff", "", "", ""], vec![Examples]),
        ("f", ["fffff", "", "fffff", ""], vec![]),
        ("c", ["ccccc", "+++++", "ccccc", ""], vec![]),
        ("c", ["ccccc", "ccccc", "ccccc", ""], vec![Model]),
        ("c", ["ccccc", "-", "-", ""], vec![Model]),
        ("c", ["ccccc", "ccccc", "ccccc", "ccccc"], vec![]),
        ("m", ["mmmmm", "", "", ""], vec![]),
        ("l", ["lllll", "", "", ""], vec![]),
        ("a", ["aaaaa", "", "", ""], vec![Facts, Examples]),
        ("a", ["aaaaa", "aaaaa", "aaaaa", ""], vec![Model]),
        ("a", ["aaaaa", "-", "-", ""], vec![Model]),
        ("a", ["aaaaa", "aaaaa", "+++++", ""], vec![]),
    ] {
        assert_eq!(next(&evidence(own, trials)), expected, "{trials:?}");
    }
}

#[test]
fn many_experiments_are_held_to_more() {
    let readings = read(&evidence("c", ["ccccc", "+++++", "c+ccc", ""]));
    let facts = readings.contrast(Experiment::Facts).expect("made");
    assert!((facts.p.expect("tested") - 1.0 / 252.0).abs() < 1e-12);
    assert!((facts.adjusted.expect("tested") - 2.0 / 252.0).abs() < 1e-12);
}
