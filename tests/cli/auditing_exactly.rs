//! `promptctl audit` where it was wrong once: calls that it had not told, budgets, refusals.

use super::sandbox::{Sandbox, says};

/// A project with two models that sample, a price each, and these replies of the smaller one.
fn project(replies: &str, audit: &str, cases: &str) -> Sandbox {
    let sandbox = Sandbox::empty();
    sandbox.write(
        "promptctl.yaml",
        format!(
            "models:\n  small: {{ provider: mock, model: s, params: {{ temperature: 1 }}, price: {{ input: 1, output: 2 }}, replies: [{replies}] }}\n  large: {{ provider: mock, model: l, params: {{ temperature: 1 }}, price: {{ input: 100, output: 200 }}, replies: [{{ say: 'bad {{{{ sample }}}}' }}] }}\ndefaults: {{ models: [small], snapshot: {{ compare: none }} }}\naudit: {{ stronger: [large]{audit} }}\n"
        ),
    );
    sandbox.write("prompts/p.j2", "{{ q }}");
    sandbox.write("fixtures/p/cases.yaml", format!("cases:\n{cases}"));
    sandbox
}

/// The number in front of a word of what is printed.
fn number(text: &str, word: &str) -> u64 {
    let before = text.split(word).next().unwrap_or_default();
    let digits: Vec<char> = before.chars().rev().take_while(char::is_ascii_digit).collect();
    digits.into_iter().rev().collect::<String>().parse().unwrap_or_else(|_| panic!("no number before `{word}`: {text}"))
}

/// How many calls are told, and how many are made then.
fn told_and_made(sandbox: &Sandbox) -> (u64, u64) {
    let told = sandbox.run(&["audit", "--dry-run"]);
    let made = sandbox.run(&["audit", "--json"]);
    assert_eq!((told.code, made.code), (0, 0), "{}{}", told.shown(), made.shown());
    let made: serde_json::Value = serde_json::from_str(&made.stdout).expect("JSON");
    (number(&told.stdout, " calls to make"), made["calls_made"].as_u64().expect("a count"))
}

#[test]
fn no_more_calls_are_made_than_were_told() {
    let cases = |count: usize, facts: &str| {
        (0..count).fold(String::new(), |text, n| {
            let q = if n == 0 { "seed" } else { "x" };
            format!("{text}  - {{ name: c{n}, vars: {{ q: {q}{n} }}{facts}, expect: [{{ contains: ok }}] }}\n")
        })
    };
    let replies = "{ when: seed, say: ok }, { say: 'bad {{ sample }}' }";
    // Nothing is recorded, so that no case has an answer to show yet: one case passes, and is shown before all others.
    let sandbox = project(replies, "", &cases(11, ", facts: [f]"));
    let (told, made) = told_and_made(&sandbox);
    // A call a case, five of each of four experiments with it; the case that passes needs none of the twenty.
    assert_eq!((told, made), (11 * 21, 11 + 10 * 20));
    assert_eq!(told_and_made(&sandbox), (0, 0), "what is recorded is not asked again");
    // The same where everything but one case is recorded: its answer may be shown, and change what is asked.
    sandbox.write("fixtures/p/cases.yaml", format!("cases:\n{}", cases(11, ", facts: [f]").replace("c0,", "c00,")));
    let (told, made) = told_and_made(&sandbox);
    assert!(made <= told, "{made} of {told}");
    // A case alone has nothing to show.
    let (told, made) = told_and_made(&project("{ say: 'bad {{ sample }}' }", "", &cases(1, "")));
    assert_eq!((told, made), (1 + 2 * 5, 1 + 2 * 5));
}

/// Three cases that pass, and four that are right and put wrongly, whatever they are shown.
fn wordy() -> String {
    let good = |n: u32| format!("  - {{ name: s{n}, vars: {{ q: seed{n} }}, expect: [{{ contains: ok }}] }}\n");
    let wordy = |n: u32| {
        format!(
            "  - {{ name: f{n}, vars: {{ q: f{n} }}, facts: [x], expect: [{{ contains: Lima }}, {{ word-count: {{ max: 1 }} }}] }}\n"
        )
    };
    (1..4).map(good).chain((0..4).map(wordy)).collect()
}

#[test]
fn a_budget_that_is_exceeded_already_is_no_reason_to_train() {
    let replies = "{ when: ^seed, say: ok }, { say: 'Lima of course it is {{ sample }}' }";
    let trains = "2. fine-tuning: fine-tune for behaviour: examples do not do it within the budgets";
    let enough = ", labelled-examples: 60";
    says(&project(replies, enough, &wordy()).run(&["audit"]), 0, &[&format!("{trains} (4 cases, confident)")]);
    let budget = |usd: &str| format!("{enough}, volume: 100000, money-budget: {{ per-month: {usd} }}");
    // What it costs is not known, and a budget is given.
    let ended = project(replies, &budget("10000"), &wordy()).run(&["audit"]);
    says(
        &ended,
        0,
        &[&format!("{trains}; what it costs is not known here: `promptctl cost --alternatives` reckons it")],
    );
    let ended = project(replies, &budget("0.0001"), &wordy()).run(&["audit"]);
    let dear = "too dear as it is already, before any step; and with examples";
    says(&ended, 0, &[dear, "do not fine-tune: nothing says that a tuned model would be within the budget"]);
    assert!(!ended.stdout.contains("too dear: repeat") && !ended.stdout.contains("fine-tuning:"), "{}", ended.shown());
}

#[test]
fn a_model_that_declines_is_said_to_decline() {
    let cases = "  - { name: no, vars: { q: dose }, facts: [x], expect: [{ contains: Lima }] }\n  - { name: seed, vars: { q: seed }, expect: [{ contains: ok }] }\n";
    let replies = "{ when: ^seed, say: ok }, { say: 'I cannot help ({{ sample }})', finish-reason: refusal }";
    let ended = project(replies, "", cases).run(&["audit"]);
    says(
        &ended,
        0,
        &[
            "the model declined in 6 of 6 failing answers",
            "next: say in the prompt why it may be answered, or ask in other words: the model declines",
            "1. prompt: say in the prompt why it may be answered, or ask in other words: the model declines (1 case, confident)",
        ],
    );
    assert!(!ended.stdout.contains("read the case") && !ended.stdout.contains("2. "), "{}", ended.shown());
}

#[test]
fn a_commit_is_audited_as_it_was_and_its_answers_are_kept_aside() {
    let cases = "  - { name: c, vars: { q: x }, facts: [f], expect: [{ contains: ok }] }\n";
    let sandbox = project("{ when: '<facts>', say: ok }, { say: 'bad {{ sample }}' }", "", cases);
    sandbox.write(".gitignore", ".promptctl/\n");
    sandbox.git(&["init", "-q"]);
    sandbox.git(&["add", "-A"]);
    sandbox.git(&["commit", "-qm", "one"]);
    sandbox.write("prompts/p.j2", "Now it says something else: {{ q }}");
    let before = sandbox.read("prompts/p.j2");
    says(&sandbox.run(&["audit", "--at", "HEAD"]), 0, &["c: knowledge"]);
    let files = sandbox.files().into_iter().map(|(path, _)| path);
    let fixtures: Vec<String> = files.filter(|path| path.starts_with("fixtures/")).collect();
    assert_eq!(fixtures, ["fixtures/p/cases.yaml"]);
    assert_eq!(sandbox.read("prompts/p.j2"), before);
    // What was asked is known now.
    says(&sandbox.run(&["audit", "--at", "HEAD", "--offline"]), 0, &["c: knowledge"]);
    says(&sandbox.run(&["audit", "--offline"]), 5, &["nobody knows"]);
    let elsewhere = Sandbox::empty();
    elsewhere.git(&["clone", "-q", "--bare", &sandbox.root().display().to_string(), "bare.git"]);
    says(&elsewhere.run(&["-C", "bare.git", "audit", "--at", "HEAD"]), 0, &["c: knowledge"]);
    says(&elsewhere.run(&["-C", "bare.git", "audit"]), 2, &["name a commit (`--at HEAD`)"]);
}
