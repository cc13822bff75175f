//! `promptctl audit`: projects in which each gap is known.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use insta::assert_snapshot;
use serde_json::Value;

use crate::sandbox::{Ended, Sandbox, says};

/// A planted gap: the model that has it, what that model says when it hears the token, what the case expects, and the truth.
struct Plant {
    model: &'static str,
    /// What is said without anything and with the facts; `N` stands for the number of the sample.
    says: &'static str,
    with_facts: Option<&'static str>,
    /// What the strong model says.
    strong: &'static str,
    expect: &'static str,
    facts: bool,
    /// The gap that must stand first, whether it must be sure, and what else must be read.
    truth: (&'static str, &'static str, &'static [&'static str]),
}

const CONTENT: &str = "[{ contains: blue }]";
const WRONG: &str = "I think it is red (N)";
const RIGHT: &str = "It is blue (N)";
const SHOWN: &str = "{% if messages|length > 2 %}It is blue (N){% else %}I think it is red (N){% endif %}";
const JSON: &str = "[is-json, { json-path: { path: $.colour, equals: blue } }]";
const WRAPPED: &str = "Sure! {\\\"colour\\\": \\\"blue\\\"} Anything else? (N)";

fn plant(
    model: &'static str,
    says: &'static str,
    truth: (&'static str, &'static str, &'static [&'static str]),
) -> Plant {
    Plant { model, says, with_facts: None, strong: WRONG, expect: CONTENT, facts: true, truth }
}

/// Twenty gaps on three models, told apart by what is said alone.
fn plants() -> Vec<Plant> {
    let sure = "confident";
    vec![
        Plant { with_facts: Some(RIGHT), ..plant("a", WRONG, ("knowledge", sure, &[])) },
        plant("b", SHOWN, ("behaviour", sure, &[])),
        Plant { expect: JSON, strong: RIGHT, ..plant("c", WRAPPED, ("behaviour", sure, &[])) },
        Plant { strong: RIGHT, ..plant("a", WRONG, ("skill", sure, &[])) },
        plant(
            "b",
            "{% if sample % 2 == 1 %}It is blue (N){% else %}It is red (N){% endif %}",
            ("reliability", sure, &[]),
        ),
        plant("c", WRONG, ("review", "suggested", &[])),
        // Always the same answer, of a model that is told to sample.
        Plant { with_facts: Some("blue"), ..plant("b", "red", ("knowledge", sure, &[])) },
        Plant {
            expect: "[{ contains: blue }, { word-count: { max: 3 } }]",
            ..plant("a", "oh well it is blue my friend", ("behaviour", sure, &[]))
        },
        // Of one that is not: one answer a side.
        Plant { strong: "blue", ..plant("c", "red", ("skill", "suggested", &[])) },
        // It fails once in five.
        plant(
            "c",
            "{% if sample % 5 == 0 %}It is red (N){% else %}It is blue (N){% endif %}",
            ("reliability", sure, &[]),
        ),
        // Both facts and examples help: what was never told was known all along.
        Plant { with_facts: Some(RIGHT), ..plant("a", SHOWN, ("behaviour", sure, &["knowledge"])) },
        // It passes sometimes, and always with its facts.
        Plant {
            with_facts: Some(RIGHT),
            ..plant(
                "c",
                "{% if sample % 3 == 1 %}It is blue (N){% else %}It is red (N){% endif %}",
                ("reliability", sure, &["knowledge"]),
            )
        },
        // What is said is wrong for want of facts, and put wrongly besides.
        Plant {
            expect: JSON,
            with_facts: Some(WRAPPED),
            ..plant("b", "Sure! {\\\"colour\\\": \\\"red\\\"} (N)", ("knowledge", sure, &["behaviour"]))
        },
        // A rubric of tone, said to be one.
        Plant {
            expect: "[{ contains: blue }, { not-contains: '!', about: form }]",
            ..plant("a", "Blue! It is blue! (N)", ("behaviour", sure, &[]))
        },
        // Nothing speaks of the content.
        Plant { expect: "[is-json]", facts: false, ..plant("b", "yes, blue (N)", ("behaviour", "suggested", &[])) },
        // Without facts nobody can tell skill from knowledge.
        Plant { facts: false, strong: RIGHT, ..plant("c", WRONG, ("skill", "suggested", &[])) },
        Plant { facts: false, ..plant("a", WRONG, ("unknown", "unknown", &[])) },
        // Facts help beyond chance, and a stronger model is not needed to see it.
        Plant {
            with_facts: Some(RIGHT),
            strong: RIGHT,
            ..plant("c", "It is red, or green (N)", ("knowledge", sure, &[]))
        },
        // One lucky answer in six says little.
        plant(
            "b",
            "{% if sample == 4 %}It is blue (N){% else %}It is red (N){% endif %}",
            ("reliability", "suggested", &[]),
        ),
        // An answer that takes too long is no gap of any of these kinds.
        Plant {
            expect: "[{ contains: blue }, { max-tokens: 1, about: form }]",
            ..plant("a", "It is blue (N)", ("behaviour", sure, &[]))
        },
    ]
}

/// A project with the planted gaps. Names and order say nothing of the truth: the plants are dealt by a fixed shuffle.
fn planted() -> (Sandbox, BTreeMap<String, Plant>) {
    let mut plants: Vec<Option<Plant>> = plants().into_iter().map(Some).collect();
    let count = plants.len();
    let sandbox = Sandbox::empty();
    let (mut truth, mut cases) = (BTreeMap::new(), String::from("cases:\n"));
    let mut rules: BTreeMap<&str, String> = BTreeMap::new();
    for place in 0..count {
        let plant = plants[(place * 7 + 3) % count].take().expect("each once");
        let token = format!("tok{place:02}");
        let rule = |when: &str, say: &str| {
            let say = say.replace("(N)", "({{ sample }})");
            format!("      - {{ when: \"{when}\", say: \"{say}\" }}\n")
        };
        let own = rules.entry(plant.model).or_default();
        if let Some(say) = plant.with_facts {
            own.push_str(&rule(&format!("(?s){token}.*<facts>"), say));
        }
        own.push_str(&rule(&token, plant.says));
        let strong =
            if plant.expect == JSON && plant.strong == RIGHT { "{\\\"colour\\\": \\\"blue\\\"}" } else { plant.strong };
        rules.entry("strong").or_default().push_str(&rule(&token, strong));
        let facts = if plant.facts { format!(", facts: [\"The colour of {token} is known.\"]") } else { String::new() };
        writeln!(
            cases,
            "  - {{ name: case {place:02}, vars: {{ q: What colour is {token}? }}, models: [{}], expect: {}, snapshot: none{facts} }}",
            plant.model, plant.expect
        )
        .expect("written");
        truth.insert(format!("case {place:02}"), plant);
    }
    for number in 1..=4 {
        writeln!(cases, "  - {{ name: good {number}, vars: {{ q: What of known{number}? }}, models: [a, b, c], expect: [{{ contains: green }}], snapshot: none }}").expect("written");
    }
    let mut config = String::from("models:\n");
    for (model, rules) in &rules {
        let params = if *model == "b" { "\n    params: { temperature: 1 }" } else { "" };
        writeln!(config, "  {model}:\n    provider: mock{params}\n    replies:\n{rules}      - {{ say: \"green\" }}")
            .expect("written");
    }
    config.push_str("defaults: { models: [a] }\naudit: { stronger: [strong] }\n");
    sandbox.write("promptctl.yaml", config);
    sandbox.write("prompts/p.j2", "{{ role('system') }}\nAnswer in a word or two.\n{{ role('user') }}\n{{ q }}\n");
    sandbox.write("fixtures/p/cases.yaml", cases);
    (sandbox, truth)
}

fn audit(sandbox: &Sandbox, args: &[&str]) -> (Ended, Value) {
    let args: Vec<&str> = ["audit", "--json"].into_iter().chain(args.iter().copied()).collect();
    let ended = sandbox.run(&args);
    let json = serde_json::from_str(&ended.stdout).unwrap_or_else(|error| panic!("{error}: {}", ended.shown()));
    (ended, json)
}

/// Every case of an audit by its name.
fn cases(json: &Value) -> BTreeMap<String, Value> {
    let prompts = json["prompts"].as_array().expect("prompts");
    let cases = prompts.iter().flat_map(|prompt| prompt["cases"].as_array().expect("cases"));
    cases.map(|case| (case["case"].as_str().expect("a name").to_owned(), case.clone())).collect()
}

#[test]
fn planted_gaps_are_found_and_none_is_sure_without_its_evidence() {
    let (sandbox, truth) = planted();
    let (ended, json) = audit(&sandbox, &[]);
    assert_eq!(ended.code, 0, "{}", ended.shown());
    let found = cases(&json);
    assert_eq!(found.len(), truth.len(), "every planted case fails, and no other");
    let (mut right, mut told) = (0, String::new());
    for (name, plant) in &truth {
        let case = &found[name];
        let (gap, confidence, also) = plant.truth;
        let others: Vec<&str> =
            case["also"].as_array().expect("a list").iter().filter_map(|r| r["gap"].as_str()).collect();
        let is_right =
            case["gap"] == gap && case["confidence"] == confidence && also.iter().all(|gap| others.contains(gap));
        right += usize::from(is_right);
        if !is_right {
            writeln!(told, "{name} on {}: {gap} {confidence} {also:?} was read as {case:#}", plant.model)
                .expect("written");
        }
        if confidence != "confident" {
            assert_ne!(case["confidence"], "confident", "sure without evidence: {case:#}");
        }
    }
    assert!(right >= 19, "{right} of {}\n{told}", truth.len());
    let schema = serde_json::from_str(include_str!("../../docs/schema/audit.schema.json")).expect("JSON");
    let validator = jsonschema::validator_for(&schema).expect("a schema");
    let errors: Vec<String> = validator.iter_errors(&json).map(|e| format!("{}: {e}", e.instance_path())).collect();
    assert!(errors.is_empty(), "{errors:?}");
}

#[test]
fn what_an_audit_asked_is_replayed_and_is_no_recording_of_a_case() {
    let (sandbox, _) = planted();
    let dry = sandbox.run(&["audit", "--dry-run"]);
    says(&dry, 0, &["dry run", "at most", "of 32 nobody knows yet"]);
    assert!(!sandbox.exists("fixtures/p/recorded/a.jsonl"), "nothing was asked");
    assert_eq!(sandbox.run(&["test"]).code, 1);
    let dry = sandbox.run(&["audit", "--dry-run"]);
    let most: u64 = dry
        .stdout
        .split("at most ")
        .nth(1)
        .and_then(|rest| rest.split(' ').next())
        .and_then(|n| n.parse().ok())
        .expect("a number");
    let recorded = sandbox.read("fixtures/p/recorded/a.jsonl");
    let (_, first) = audit(&sandbox, &[]);
    let made = first["calls_made"].as_u64().expect("a number");
    assert!(made > 0 && made <= most, "{made} of at most {most}");
    assert_eq!(sandbox.read("fixtures/p/recorded/a.jsonl"), recorded, "a test's recordings stay what they are");
    assert!(sandbox.read("fixtures/p/audited/a.jsonl").contains("\"experiment\":\"facts\""));
    let (again, second) = audit(&sandbox, &[]);
    assert_eq!((again.code, &second["calls_made"]), (0, &0.into()));
    assert_eq!(first["prompts"], second["prompts"], "the same is read again");
    let (offline, third) = audit(&sandbox, &["--offline"]);
    assert_eq!((offline.code, &third["prompts"]), (0, &first["prompts"]));
    // A test of more samples does not take what an experiment asked for its own.
    let more = sandbox.run(&["test", "--offline", "--repeat", "3", "--case", "case 03"]);
    says(&more, 5, &["unrecorded"]);
    says(&sandbox.run(&["prune"]), 0, &["nothing to prune"]);
    sandbox.edit("fixtures/p/cases.yaml", "The colour of tok00 is known.", "The colour of tok00 is well known.");
    let pruned = sandbox.run(&["prune", "--delete"]);
    says(&pruned, 0, &["audited/", "deleted"]);
    assert!(!pruned.stdout.contains("recorded/"), "{}", pruned.stdout);
    says(&sandbox.run(&["prune"]), 0, &["nothing to prune"]);
}

/// One failing case with everything that an audit may want.
fn small(case: &str, config: &str) -> Sandbox {
    let sandbox = Sandbox::empty();
    sandbox.write(
        "promptctl.yaml",
        format!("models:\n  fast:\n    provider: mock\n    replies:\n      - {{ when: '(?s)refund.*14 days', say: \"You have 14 days ({{{{ sample }}}}).\" }}\n      - {{ when: refund, say: \"You have 30 days ({{{{ sample }}}}).\" }}\n      - {{ when: down, error: {{ status: 400, message: no }} }}\n      - {{ say: \"hello\" }}\n  big:\n    provider: mock\n    replies: [{{ say: \"You have 30 days ({{{{ sample }}}}).\" }}]\ndefaults: {{ models: [fast] }}\n{config}"),
    );
    sandbox.write("prompts/p.j2", "{{ q }}\n");
    sandbox.write(
        "fixtures/p/cases.yaml",
        format!("cases:\n  - {{ name: fine, vars: {{ q: hi }}, expect: [contains: hello], snapshot: none }}\n{case}"),
    );
    sandbox
}

const REFUND: &str = "  - { name: refund, tags: [policy], vars: { q: How long for a refund? }, facts: [Refunds are given for 14 days.], expect: [contains: 14 days], snapshot: none }\n";
const WEIGHED: &str = "audit: { stronger: [big], facts-change: weekly, sources-must-be-named: true, labelled-examples: 80, latency-budget: 2s, money-budget: { per-month: 100 }, volume: 10000 }\n";

#[test]
fn an_audit_says_what_it_found_and_what_to_do() {
    let sandbox = small(REFUND, WEIGHED);
    assert_snapshot!("audited", sandbox.run(&["audit"]).shown());
    let markdown = sandbox.run(&["audit", "--report", "markdown", "--report", "html=target/audit.html"]);
    assert_snapshot!("audited-markdown", markdown.shown());
    let html = sandbox.read("target/audit.html");
    assert!(html.contains("knowledge (confident)") && html.contains("facts-change: weekly"), "{html}");
    assert!(!html.contains("https://") && !html.contains("src="), "nothing is fetched");
}

#[test]
fn what_checked_the_content_is_not_said_to_be_missing() {
    for (expect, says_so) in [
        ("[{ contains: blue }, { regex: '^Dear customer' }]", "fail checks that may mean their form or their content"),
        ("[{ contains: blue }, { starts-with: Hello }]", "fail checks that may mean their form or their content"),
        ("[{ word-count: { max: 2 } }]", "fail in form, and nothing could check their content"),
    ] {
        let sandbox = Sandbox::empty();
        sandbox.write(
            "promptctl.yaml",
            "models:\n  m: { provider: mock, params: { temperature: 1 }, replies: [{ say: \"It is blue {{ sample }}\" }] }\n",
        );
        sandbox.write("prompts/p.j2", "{{ q }}\n");
        let case = format!("cases:\n  - {{ name: one, vars: {{ q: hi }}, expect: {expect}, snapshot: none }}\n");
        sandbox.write("fixtures/p/cases.yaml", case);
        let (_, json) = audit(&sandbox, &[]);
        let case = &cases(&json)["one"];
        let why = case["why"].as_str().unwrap_or_default();
        assert!(why.ends_with(says_so) && why.starts_with("6 of 6"), "{expect}: {case:#}");
        assert_eq!((&case["gap"], &case["confidence"]), (&"behaviour".into(), &"suggested".into()), "{case:#}");
    }
}

#[test]
fn a_mock_with_a_price_costs_before_it_is_asked() {
    let priced = |price: &str| {
        let sandbox = small(REFUND, "");
        sandbox.edit("promptctl.yaml", "  fast:\n", &format!("  fast:\n    params: {{ max_tokens: 50 }}\n{price}"));
        sandbox
    };
    let sandbox = priced("    price: { input: 1, output: 2 }\n");
    for command in ["audit", "test"] {
        says(&sandbox.run(&[command, "--dry-run"]), 0, &["fast: ", "at most $0."]);
    }
    says(&sandbox.run(&["audit"]), 0, &["at most $0."]);
    let free = priced("").run(&["audit", "--dry-run"]);
    assert!(free.code == 0 && !free.stdout.contains('$'), "{}", free.shown());
}

#[test]
fn where_nothing_fails_an_audit_asks_nothing_more() {
    let sandbox = small("", "");
    says(&sandbox.run(&["audit"]), 0, &["nothing fails: 1 case looked at"]);
    let (ended, json) = audit(&sandbox, &[]);
    assert_eq!((ended.code, &json["calls_made"], &json["failing"]), (0, &0.into(), &0.into()));
    assert_eq!(sandbox.run(&["audit", "--quiet"]).stdout, "");
    says(&sandbox.run(&["audit", "--case", "nobody"]), 4, &["nobody"]);
    says(
        &sandbox.run(&["audit", "--report", "junit"]),
        2,
        &["an audit has no report format `junit`; there are human, json, markdown, html"],
    );
}

#[test]
fn what_is_missing_is_said_and_nothing_is_sure() {
    let bare =
        "  - { name: refund, vars: { q: How long for a refund? }, expect: [contains: 14 days], snapshot: none }\n";
    let sandbox = small(bare, "");
    let ended = sandbox.run(&["audit"]);
    says(
        &ended,
        0,
        &["refund: unknown", "the case says no facts", "no stronger model is known; name one in promptctl.yaml"],
    );
    sandbox.edit("fixtures/p/cases.yaml", "q: hi }", "q: down }");
    let (ended, json) = audit(&sandbox, &["--case", "refund"]);
    assert_eq!(ended.code, 0, "{}", ended.shown());
    let examples = &cases(&json)["refund"]["experiments"][2];
    assert_eq!(examples["missing"]["what"], "no other case has a passing or accepted answer");
}

#[test]
fn limits_leave_the_audit_incomplete_and_offline_it_reads_what_is_there() {
    let sandbox = small(REFUND, WEIGHED);
    let (ended, json) = audit(&sandbox, &["--offline"]);
    assert_eq!((ended.code, &json["unanswered"]), (5, &2.into()), "{}", ended.shown());
    let (ended, json) = audit(&sandbox, &["--max-calls", "4"]);
    assert_eq!((ended.code, &json["calls_made"]), (6, &4.into()), "{}", ended.shown());
    let case = &cases(&json)["refund"];
    assert_ne!(case["confidence"], "confident", "{case:#}");
    assert!(case["experiments"].to_string().contains("budget"), "{case:#}");
    let (ended, json) = audit(&sandbox, &["--offline"]);
    assert_eq!((ended.code, &json["calls_made"]), (0, &0.into()), "{}", ended.shown());
    assert!(cases(&json)["refund"].to_string().contains("calls are not allowed"));
    let ended = sandbox.run_with(&["audit"], &[("CI", "1")]);
    says(&ended, 0, &["recorded answers only (CI; --live allows calls)"]);
    let (ended, json) = audit(&sandbox, &[]);
    assert_eq!((ended.code, &cases(&json)["refund"]["gap"]), (0, &"knowledge".into()), "{}", ended.shown());
}

#[test]
fn an_error_leaves_an_experiment_without_evidence() {
    let sandbox = small(REFUND, WEIGHED);
    sandbox.edit(
        "promptctl.yaml",
        "when: '(?s)refund.*14 days', say: \"You have 14 days ({{ sample }}).\"",
        "when: '(?s)refund.*14 days', error: { status: 400, message: overloaded }",
    );
    let (ended, json) = audit(&sandbox, &[]);
    assert_eq!(ended.code, 3, "{}", ended.shown());
    let case = &cases(&json)["refund"];
    assert_eq!((&case["gap"], &case["confidence"]), (&"unknown".into(), &"unknown".into()), "{case:#}");
    assert!(case["experiments"][1]["missing"]["what"].to_string().contains("overloaded"), "{case:#}");
}

#[test]
fn facts_are_given_as_the_project_says() {
    let sandbox = small(REFUND, "audit: { facts-template: prompts/_audit/facts.j2 }\n");
    says(
        &sandbox.run(&["audit"]),
        2,
        &["promptctl.yaml:13:26: `facts-template`: there is no file `prompts/_audit/facts.j2`"],
    );
    sandbox.write("prompts/_audit/facts.j2", "Nothing is known.\n");
    says(&sandbox.run(&["audit"]), 2, &["the template of facts does not show `facts`"]);
    sandbox.write("prompts/_audit/facts.j2", "{% for fact in facts %}Known: {{ fact }}\n{% endfor %}");
    sandbox.write("fixtures/p/policy.md", "For 14 days.\n");
    sandbox.edit("fixtures/p/cases.yaml", "facts: [Refunds are given for 14 days.]", "facts: [{ file: policy.md }]");
    let (ended, json) = audit(&sandbox, &[]);
    assert_eq!((ended.code, &cases(&json)["refund"]["gap"]), (0, &"knowledge".into()), "{}", ended.shown());
    let audited = sandbox.read("fixtures/p/audited/fast.jsonl");
    assert!(audited.contains("How long for a refund?\\n\\nKnown: For 14 days."), "{audited}");
    sandbox.edit("fixtures/p/cases.yaml", "{ file: policy.md }", "{ file: ../../../etc/passwd }");
    says(&sandbox.run(&["audit"]), 2, &["fixtures/p/cases.yaml:3"]);
}

/// A project with these replies of a model that samples, a stronger one, and these cases, beside two that pass.
fn sampled(replies: &[(&str, &str)], strong: &str, cases: &str) -> Sandbox {
    let sandbox = Sandbox::empty();
    let rules: String =
        replies.iter().map(|(when, say)| format!("      - {{ when: '{when}', say: '{say}' }}\n")).collect();
    sandbox.write(
        "promptctl.yaml",
        format!(
            "models:\n  small:\n    provider: mock\n    params: {{ temperature: 1 }}\n    replies:\n{rules}      - {{ say: 'Hello ({{{{ sample }}}})' }}\n  large:\n    provider: mock\n    replies: [{{ say: '{strong}' }}]\ndefaults: {{ models: [small], snapshot: {{ compare: none }} }}\naudit: {{ stronger: [large] }}\n"
        ),
    );
    sandbox.write("prompts/p.j2", "Answer.\n{{ q }}\n");
    let good = |name: &str| format!("  - {{ name: {name}, vars: {{ q: {name} }}, expect: [{{ contains: Hello }}] }}\n");
    sandbox.write("fixtures/p/cases.yaml", format!("cases:\n{}{}{cases}", good("one"), good("two")));
    sandbox
}

fn read_as(sandbox: &Sandbox, case: &str) -> (String, Value) {
    let (ended, json) = audit(sandbox, &[]);
    assert_eq!(ended.code, 0, "{}", ended.shown());
    let case = cases(&json).remove(case).unwrap_or_else(|| panic!("{case} does not fail: {json:#}"));
    (format!("{} {}", case["confidence"], case["gap"]).replace('"', ""), case)
}

const DAYS: [(&str, &str); 2] =
    [("(?s)refund.*<facts>", "You have 14 days. ({{ sample }})"), ("refund", "You have 30 days. ({{ sample }})")];

#[test]
fn a_fact_that_is_missing_is_no_matter_of_form_because_nothing_unwanted_was_said() {
    for expect in [
        "[{ regex: '\\b14 days\\b' }, { not-contains: As an AI }]",
        "[{ contains: 14 days }, { not-contains: As an AI }, no-pii]",
        "[{ starts-with: You have 14 }, not-is-refusal]",
        "[{ regex: '14 days' }, { none: [{ contains: As an AI }] }]",
        "[{ any: [{ contains: 14 days }, { contains: two weeks }] }, { not-contains: As an AI }]",
    ] {
        let case = format!(
            "  - {{ name: refund, vars: {{ q: How long for a refund? }}, facts: [Within 14 days.], expect: {expect} }}\n"
        );
        let (read, found) = read_as(&sampled(&DAYS, "no", &case), "refund");
        assert_eq!(read, "confident knowledge", "{expect}: {found:#}");
    }
}

#[test]
fn what_only_looks_like_a_matter_of_form_is_held_against_facts_and_a_stronger_model() {
    let case = |facts| {
        format!(
            "  - {{ name: count, vars: {{ q: count them }}, expect: [is-json, {{ json-path: {{ path: $.n, equals: 7 }} }}, {{ not-contains: As an AI }}]{facts} }}\n"
        )
    };
    let replies = [("count", "I do not know ({{ sample }})")];
    let (read, found) = read_as(&sampled(&replies, "{\"n\": 7}", &case(", facts: [There are some.]")), "count");
    assert_eq!(read, "confident skill", "{found:#}");
    // Without facts a stronger model may know more: all that is left is suggested.
    let (read, found) = read_as(&sampled(&replies, "{\"n\": 7}", &case("")), "count");
    assert!(read.starts_with("suggested"), "{found:#}");
    let (read, found) = read_as(&sampled(&replies, "no", &case(", facts: [There are some.]")), "count");
    assert_eq!((read.as_str(), &found["also"][0]["gap"]), ("suggested behaviour", &"review".into()), "{found:#}");
    assert!(found["next"].to_string().contains("expect something of what the answer says"), "{found:#}");
}

#[test]
fn an_example_that_says_the_fact_proves_no_knowledge() {
    let shown = "{% if \"14 days\" in messages|map(attribute=\"content\")|join %}You have 14 days ({{ sample }}){% else %}You have 30 days ({{ sample }}){% endif %}";
    let replies = [("return of", "You have 14 days ({{ sample }})"), ("refund", shown)];
    let leak = "  - { name: lamp, vars: { q: return of a lamp }, expect: [{ contains: 14 days }] }\n";
    let refund = |facts| {
        format!("{leak}  - {{ name: refund, vars: {{ q: refund }}, expect: [{{ contains: 14 days }}]{facts} }}\n")
    };
    let sandbox = sampled(&replies, "no", &refund(", facts: [Within 14 days.]"));
    let (read, found) = read_as(&sandbox, "refund");
    assert_eq!(read, "confident knowledge", "{found:#}");
    assert_eq!(found["also"][0]["confidence"], "suggested", "{found:#}");
    let sandbox = sampled(&replies, "no", &refund(""));
    let (read, found) = read_as(&sandbox, "refund");
    assert_eq!(read, "suggested behaviour", "{found:#}");
    says(
        &sandbox.run(&["audit"]),
        0,
        &["one of which says what was asked for", "write what would answer it under `facts:`"],
    );
}

#[test]
fn steps_are_of_the_cases_that_they_are_for() {
    let wrapped = "Sure! {\"colour\": \"blue\"} ({{ sample }})";
    let shown =
        "{% if messages|length > 2 %}It never expires ({{ sample }}){% else %}Let me see ({{ sample }}){% endif %}";
    let replies = [("sort", wrapped), ("gift", shown), ("list", "yes, blue ({{ sample }})")];
    let colour = "expect: [is-json, { json-path: { path: $.colour, equals: blue } }]";
    let cases = format!(
        "  - {{ name: sort, vars: {{ q: sort }}, {colour} }}\n  - {{ name: list, vars: {{ q: list }}, expect: [is-json] }}\n  - {{ name: gift, vars: {{ q: gift }}, expect: [{{ contains: never expires }}] }}\n"
    );
    let sandbox = sampled(&replies, "no", &cases);
    let ended = sandbox.run(&["audit"]);
    says(
        &ended,
        0,
        &[
            "1. prompt: say in the prompt how the answer is to be put; ask for structured output (`output:`) where it is JSON (1 case, confident; 1 more suggested)",
            "2. prompt: show examples of good answers in the prompt: they close it (1 case, confident)",
        ],
    );
    // Where no form fails, none is to be mended.
    let ended = sandbox.run(&["audit", "--case", "gift"]);
    says(&ended, 0, &["1. prompt: show examples of good answers in the prompt: they close it (1 case, confident)"]);
    assert!(!ended.stdout.contains("say in the prompt how"), "{}", ended.shown());
}

#[test]
fn a_small_budget_is_not_rounded_to_nothing() {
    let sandbox = small(REFUND, "audit: { money-budget: { per-month: 0.001 }, volume: 1 }\n");
    says(&sandbox.run(&["audit"]), 0, &["[$0.00100 a month for 1 requests; a month with: nothing]"]);
}

#[test]
fn what_is_said_comes_before_how_it_is_put() {
    let replies = [
        ("(?s)price.*<facts>", "It is: {\"p\": 9} yes ({{ sample }})"),
        ("price", "It is: {\"p\": 7} yes ({{ sample }})"),
    ];
    let case = "  - { name: price, vars: { q: price }, facts: [The price is 9.], expect: [is-json, { json-path: { path: $.p, equals: 9 } }] }\n";
    let sandbox = sampled(&replies, "no", case);
    let (read, found) = read_as(&sandbox, "price");
    assert_eq!((read.as_str(), &found["also"][0]["gap"]), ("confident knowledge", &"behaviour".into()), "{found:#}");
    says(
        &sandbox.run(&["audit"]),
        0,
        &[
            "with facts     0 of 5 pass, 5 of 5 say what is right, p 0.0040",
            "next: put the facts into the prompt, or give them by retrieval; then say there how the answer is to be put",
            "0 of 5 say what is right without, 5 of 5 with",
        ],
    );
}

#[test]
fn an_answer_that_is_cut_off_wants_more_tokens() {
    let sandbox = sampled(&[], "no", "  - { name: long, vars: { q: long story }, expect: [{ contains: the end }] }\n");
    sandbox.edit(
        "promptctl.yaml",
        "    replies:\n",
        "    replies:\n      - { when: long, say: 'Once upon ({{ sample }})', finish-reason: length }\n",
    );
    let ended = sandbox.run(&["audit"]);
    says(
        &ended,
        0,
        &[
            "6 of 6 failing answers are cut off at the limit on tokens",
            "next: raise `max_tokens`, or ask for shorter answers",
            "1. prompt: raise `max_tokens`, or ask for shorter answers: they are cut off (1 case, confident)",
        ],
    );
    assert!(!ended.stdout.contains("facts:`") && !ended.stdout.contains("2. "), "{}", ended.shown());
}

#[test]
fn labelled_examples_are_those_that_an_export_would_write() {
    let rows: String = (1..=60).map(|n| format!("hello {n}\n")).collect();
    let sandbox = sampled(
        &[("sort", "Sure! {\"colour\": \"blue\"} ({{ sample }})")],
        "no",
        "  - { name: sort, vars: { q: sort }, expect: [is-json] }\ndatasets: [{ file: rows.csv, expect: [{ contains: Hello }] }]\n",
    );
    sandbox.write("fixtures/p/rows.csv", format!("q\n{rows}"));
    says(
        &sandbox.run(&["audit"]),
        0,
        &["yes     Are there labelled examples enough? [62 (accepted answers), 50 are needed]"],
    );
    says(&sandbox.run(&["export", "fine-tune", "--model", "small"]), 1, &["62 answers accepted"]);
}

#[test]
fn a_wrong_value_was_called_a_matter_of_form() {
    let sandbox = Sandbox::empty();
    sandbox.write(
        "promptctl.yaml",
        "models:\n  m:\n    provider: mock\n    replies:\n      - { when: '(?s)queue.*<facts>', say: '{\"queue\": \"billing\"}' }\n      - { when: queue, say: '{\"queue\": \"weather\"}' }\n      - { when: '(?s)refund.*<facts>', say: 'You have 14 days.' }\n      - { say: 'You have 30 days.' }\n",
    );
    sandbox.write("prompts/p.j2", "{{ q }}\n");
    sandbox.write(
        "fixtures/p/cases.yaml",
        "defaults: { snapshot: none, facts: [A fact.] }\ncases:\n  - { name: regex, vars: { q: refund }, expect: [{ contains: days }, { regex: '\\b14 days\\b' }] }\n  - { name: schema, vars: { q: queue }, expect: [{ contains: queue }, { json-schema: { type: object, properties: { queue: { enum: [billing, tech] } }, required: [queue] } }] }\n  - { name: said, vars: { q: queue }, expect: [{ contains: queue }, { json-schema: { properties: { queue: { enum: [billing, tech] } } }, about: form }] }\n",
    );
    let (_, json) = audit(&sandbox, &[]);
    let found = cases(&json);
    for name in ["regex", "schema"] {
        assert_eq!(
            (&found[name]["gap"], &found[name]["confidence"]),
            (&"knowledge".into(), &"suggested".into()),
            "{name}: {:#}",
            found[name]
        );
        let also = found[name]["also"].to_string();
        assert!(!also.contains("nothing could check"), "{also}");
    }
    // Who says what it is about is believed.
    assert_eq!(found["said"]["gap"], "behaviour", "{:#}", found["said"]);
}
