//! Examples for fine-tuning: what counts as accepted, the split, what is refused, what is written, and when to tune again.

use std::collections::BTreeSet;

use insta::assert_snapshot;
use serde_json::Value;

use crate::sandbox::{Ended, Sandbox, says};

const CONFIG: &str = r#"models:
  base:
    provider: mock
    model: base-1
    replies:
      - { when: "(?i)refund", say: "billing" }
      - { when: "(?i)crash", say: "technical" }
      - { when: "(?i)parcel", say: "delivery" }
      - { say: "other" }
"#;
const PROMPT: &str = "---\nversion: 1.0.0\n---\n{{ role(\"system\") }}\nName the queue of a ticket in one word.\n{{ role(\"user\") }}\n{{ text }}\n";

/// Words that no other ticket of the same number has.
fn words(index: usize) -> String {
    const ALL: [&str; 24] = [
        "amber", "bottle", "candle", "drawer", "engine", "fabric", "garden", "hammer", "island", "jacket", "kettle",
        "ladder", "mirror", "needle", "orange", "pillow", "quartz", "ribbon", "saddle", "teapot", "umbrella", "velvet",
        "window", "yellow",
    ];
    format!("{} {} {}", ALL[index % 24], ALL[(index / 24 + index * 7 + 3) % 24], ALL[(index * 5 + index / 6 + 11) % 24])
}

/// A table of tickets, of which the mock answers all but the last ten as they are labelled.
fn tickets(count: usize) -> String {
    let mut table = "id,text,queue\n".to_owned();
    for index in 0..count {
        let (what, queue) =
            [("refund", "billing"), ("crash", "technical"), ("parcel", "delivery"), ("colour", "other")][index % 4];
        let queue = if index + 10 >= count { "nobody" } else { queue };
        table.push_str(&format!("t{index},the {} {what} number {index},{queue}\n", words(index)));
    }
    table
}

fn project(count: usize) -> Sandbox {
    let sandbox = Sandbox::empty();
    sandbox.write("promptctl.yaml", CONFIG);
    sandbox.write("prompts/triage.j2", PROMPT);
    sandbox.write("fixtures/triage/tickets.csv", tickets(count));
    sandbox.write(
        "fixtures/triage/cases.yaml",
        "datasets:\n  - { file: tickets.csv, name: \"{{ id }}\", expect: [{ equals: \"{{ queue }}\" }] }\n",
    );
    says(&sandbox.run(&["test"]), 1, &["10 failed"]);
    sandbox
}

fn lines(sandbox: &Sandbox, path: &str) -> Vec<Value> {
    sandbox.read(path).lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

fn tune(sandbox: &Sandbox, more: &[&str]) -> Ended {
    sandbox.run(&[&["export", "fine-tune"], more].concat())
}

#[test]
fn accepted_answers_become_lines_on_two_sides() {
    let sandbox = project(170);
    let ended = tune(&sandbox, &[]);
    assert_snapshot!("fine_tune", ended.shown());
    let (train, held) = (lines(&sandbox, "tuned/train.jsonl"), lines(&sandbox, "tuned/validation.jsonl"));
    assert_eq!(train.len() + held.len(), 160);
    assert!((12..40).contains(&held.len()), "{}", held.len());
    for line in train.iter().chain(&held) {
        let roles: Vec<&str> = line["messages"]
            .as_array()
            .expect("a list")
            .iter()
            .filter_map(|message| message["role"].as_str())
            .collect();
        assert_eq!(roles, ["system", "user", "assistant"]);
    }
    let all: BTreeSet<String> = train.iter().chain(&held).map(ToString::to_string).collect();
    assert_eq!(all.len(), 160, "nothing is on both sides");
    assert_snapshot!("fine_tune_card", sandbox.read("tuned/card.md"));
    let schema: Value = serde_json::from_str(include_str!("../../docs/schema/split.schema.json")).expect("JSON");
    let split: Value = serde_json::from_str(&sandbox.read("tuned/split.json")).expect("JSON");
    let schema = jsonschema::validator_for(&schema).expect("a schema");
    let wrong: Vec<String> = schema.iter_errors(&split).map(|error| error.to_string()).collect();
    assert_eq!(wrong, Vec::<String>::new());
    // The same again changes nothing; another seed makes another split, and replaces only where it may.
    says(&tune(&sandbox, &[]), 0, &["unchanged  tuned"]);
    let before = sandbox.files();
    says(&tune(&sandbox, &["--seed", "1"]), 2, &["holds an earlier export that differs", "`--force` replaces it"]);
    assert_eq!(sandbox.files(), before);
    sandbox.edit("tuned/card.md", "under which licence:", "under which licence: CC0");
    says(&tune(&sandbox, &["--seed", "1", "--force"]), 0, &["wrote  tuned/split.json"]);
    assert!(sandbox.read("tuned/card.md").contains("under which licence: CC0"), "what people wrote stays");
    assert_ne!(lines(&sandbox, "tuned/validation.jsonl"), held);
    assert!(!sandbox.files().iter().any(|(path, _)| path.contains(".promptctl-")), "nothing is left beside it");
}

#[test]
fn held_out_cases_are_tested_and_compared_alone() {
    let sandbox = project(170);
    says(&tune(&sandbox, &[]), 0, &["--cases-from tuned/split.json"]);
    let held = lines(&sandbox, "tuned/validation.jsonl").len();
    let from = ["--cases-from", "tuned/split.json"];
    says(&sandbox.run(&[&["test", "--offline"], &from[..]].concat()), 0, &[&format!("{held} passed")]);
    let train = sandbox.run(&[&["test", "--offline", "--side", "train"], &from[..]].concat());
    says(&train, 0, &[&format!("{} passed", 160 - held)]);
    sandbox.write(
        "promptctl.yaml",
        format!("{CONFIG}  tuned:\n    provider: mock\n    model: ft-1\n    replies: [{{ say: \"billing\" }}]\ndefaults: {{ models: [base] }}\n"),
    );
    let compared = sandbox.run(&[&["compare", "--base-model", "base", "--head-model", "tuned"], &from[..]].concat());
    says(&compared, 1, &[&format!("{held} cases"), "REGRESSED"]);
    says(&sandbox.run(&["test", "--side", "train"]), 2, &["--cases-from"]);
    says(&sandbox.run(&["test", "--cases-from", "promptctl.yaml"]), 2, &["is no split that is known"]);
    says(&sandbox.run(&["test", "--cases-from", "nowhere.json"]), 2, &["cannot be read"]);
    says(&sandbox.run(&[&["test", "--case", "t169"], &from[..]].concat()), 4, &["none of those of tuned/split.json"]);
}

#[test]
fn too_few_contradictions_and_data_of_persons_are_refused_in_one_go() {
    let sandbox = project(40);
    sandbox.write(
        "fixtures/triage/cases.yaml",
        r#"cases:
  - { name: mail, vars: { text: "refund to jane.doe@example.org please, at once" }, expect: [contains: billing], snapshot: none }
  - { name: one, vars: { text: "the very same question about a lamp" }, expect: [contains: o], snapshot: none, group: lamp }
  - { name: two, vars: { text: "The very same  question about a LAMP" }, expect: [contains: i], snapshot: none, models: [second], group: lamp }
  - { name: "<script>|`x` @all", vars: { text: "does the lamp crash when it snows in mid may or june" }, expect: [contains: technical], snapshot: none, tags: ["<b>|"] }
  - { name: "<script>|`y` @all", vars: { text: "does the lamp crash when it snows in mid May or June?!" }, expect: [contains: technical], snapshot: none }
  - { name: lamp, vars: { text: "does the lamp crash when it rains" }, expect: [contains: technical], snapshot: none }
"#,
    );
    sandbox.write(
        "promptctl.yaml",
        format!(
            "{CONFIG}  second: {{ provider: mock, replies: [{{ say: \"light\" }}] }}\ndefaults: {{ models: [base] }}\n"
        ),
    );
    says(&sandbox.run(&["test"]), 0, &["6 passed"]);
    says(&tune(&sandbox, &[]), 2, &["2 models answer these prompts: base, second"]);
    sandbox.edit("fixtures/triage/cases.yaml", "models: [second]", "models: [base, second]");
    let ended = tune(&sandbox, &["--model", "base,second"]);
    assert_snapshot!("fine_tune_refused", ended.shown());
    assert!(!ended.shown().contains("jane.doe"), "what was found is not shown");
    assert!(!sandbox.exists("tuned"));
    says(&tune(&sandbox, &["--model", "base,second", "--force", "--holdout", "0"]), 0, &["refused personal-data"]);
    assert!(!sandbox.exists("tuned/validation.jsonl"));
    let card = sandbox.read("tuned/card.md");
    assert!(card.contains("script") && !card.contains("<script>") && !card.contains("| `<b>|"), "{card}");
}

#[test]
fn a_group_never_straddles_and_an_example_of_the_prompt_is_not_held_out() {
    let sandbox = project(170);
    sandbox.edit(
        "prompts/triage.j2",
        "in one word.",
        "in one word. An example: the bottle lamp parcel number 300 is delivery.",
    );
    let mut table = "id,text,queue,about\n".to_owned();
    for index in 0..160 {
        let text = if index == 7 {
            "The bottle lamp parcel, number 300".to_owned()
        } else {
            format!("the {} parcel number {index}", words(index))
        };
        table.push_str(&format!("t{index},\"{text}\",delivery,shop {}\n", index % 12));
    }
    sandbox.write("fixtures/triage/tickets.csv", table);
    sandbox.write(
        "fixtures/triage/cases.yaml",
        "datasets:\n  - { file: tickets.csv, name: \"{{ id }}\", group: \"{{ about }}\", expect: [{ equals: \"{{ queue }}\" }] }\n",
    );
    says(&sandbox.run(&["test"]), 0, &["160 passed"]);
    let ended = tune(&sandbox, &["--holdout", "0.4"]);
    says(
        &ended,
        0,
        &[
            "warned  example-leak     1 case is an example",
            "1 prompt has mostly one answer",
            "in 12 groups; the largest has 14",
        ],
    );
    let split: Value = serde_json::from_str(&sandbox.read("tuned/split.json")).expect("JSON");
    let mut sides: std::collections::BTreeMap<&str, BTreeSet<&str>> = std::collections::BTreeMap::new();
    for line in split["examples"].as_array().expect("a list") {
        sides
            .entry(line["group"].as_str().expect("a group"))
            .or_default()
            .insert(line["side"].as_str().expect("a side"));
        if line["case"] == "t7" {
            assert_eq!(line["side"], "train");
        }
    }
    assert_eq!(sides.len(), 12);
    assert!(sides.values().all(|sides| sides.len() == 1), "{sides:?}");
    // More cases move none of those that were there.
    let before: Vec<(String, String)> = sides_of(&split);
    let mut table = sandbox.read("fixtures/triage/tickets.csv");
    table.push_str("t900,\"where is the wooden horse parcel of last May\",delivery,shop 99\n");
    sandbox.write("fixtures/triage/tickets.csv", table);
    says(&sandbox.run(&["test"]), 0, &["161 passed"]);
    says(&tune(&sandbox, &["--holdout", "0.4", "--force"]), 0, &["wrote"]);
    let after: Value = serde_json::from_str(&sandbox.read("tuned/split.json")).expect("JSON");
    let after: Vec<(String, String)> = sides_of(&after).into_iter().filter(|(case, _)| case != "t900").collect();
    assert_eq!(before, after);
}

fn sides_of(split: &Value) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().expect("a text").to_owned();
    split["examples"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|line| (text(&line["case"]), text(&line["side"])))
        .collect()
}

#[test]
fn a_conversation_with_calls_of_tools_is_one_line() {
    let sandbox = Sandbox::empty();
    sandbox.write(
        "promptctl.yaml",
        r#"models:
  m:
    provider: mock
    replies:
      - { when: "sent", say: "It is on its way." }
      - { when: "order", say: "", tool-calls: [{ name: find, arguments: { order: 7 } }] }
      - { say: "Ask me about an order." }
"#,
    );
    sandbox.write(
        "prompts/p.j2",
        "---\ntools: [{ name: find, description: Finds an order, parameters: { type: object, properties: { order: { type: integer } } } }]\n---\n{{ role(\"system\") }}\nHelp.\n{{ role(\"user\") }}\nhi\n{{ role(\"assistant\") }}\nHello.\n{{ role(\"user\") }}\n{{ q }}\n",
    );
    sandbox.write(
        "fixtures/p/cases.yaml",
        r#"cases:
  - name: talk
    vars: { q: "where is my order 7" }
    expect: [{ tool-call: { name: find } }]
    messages: [{ tool: '{"state": "sent"}', expect: [contains: way] }]
  - { name: later, vars: { q: "anything else" }, expect: [contains: order], snapshot: none }
"#,
    );
    says(&sandbox.run(&["test", "--snapshots", "accept"]), 0, &[]);
    for (format, system) in [("openai", "keep"), ("hf", "drop")] {
        let into = format!("out-{format}");
        let args = ["--format", format, "--system", system, "--into", &into, "--force", "--holdout", "0"];
        says(&tune(&sandbox, &args), 0, &["2 answers accepted: 1 by a person, 1 by"]);
        let mut all = lines(&sandbox, &format!("{into}/train.jsonl"));
        all.sort_by_key(|line| line["messages"].as_array().map(Vec::len));
        let shown: Vec<String> = all.iter().map(|line| format!("{line:#}")).collect();
        assert_snapshot!(format!("fine_tune_{format}"), shown.join("\n"));
    }
    says(&tune(&sandbox, &["--source", "snapshots", "--force", "--holdout", "0"]), 0, &["1 recording"]);
    says(&tune(&sandbox, &["--source", "recordings", "--into", "b", "--force", "--holdout", "0"]), 0, &["1 snapshot"]);
    says(
        &tune(&sandbox, &["--max-tokens", "5", "--into", "c", "--force"]),
        1,
        &[
            "2 too-long",
            "2 answers accepted, 0 of them become lines",
            "2 answers are accepted, and no line can be made of any of them (2 too-long); nothing is written",
            "a line has at most 5 tokens; `--max-tokens` allows more",
        ],
    );
}

#[test]
fn what_is_not_accepted_is_counted_under_its_reason() {
    let sandbox = Sandbox::with_cases(
        "cases:\n  - { name: passed, vars: { q: aa }, expect: [contains: a] }\n  - { name: changed, vars: { q: bb }, expect: [contains: b] }\n  - { name: failed, vars: { q: cc }, expect: [contains: x] }\n  - { name: unchecked, vars: { q: dd }, unasserted: allow, snapshot: none }\n",
    );
    sandbox.run(&["test", "--snapshots", "accept"]);
    let path = "snapshots/p/changed@echo.snap";
    sandbox.edit(path, "bb\n", "something else\n");
    sandbox.edit(
        "fixtures/p/cases.yaml",
        "cases:\n",
        "cases:\n  - { name: later, vars: { q: ee }, expect: [contains: e] }\n",
    );
    says(
        &tune(&sandbox, &[]),
        1,
        &["1 answer accepted", "left out: 1 changed, 1 failed, 1 unchecked, 1 unrecorded", "1 example, fewer than 100"],
    );
}

#[test]
fn a_folder_that_is_not_ours_is_never_touched() {
    let sandbox = project(170);
    sandbox.write("mine/notes.txt", "mine");
    sandbox.write("other/split.json", "{\"version\": 1}");
    sandbox.write("file", "mine");
    let before = sandbox.files();
    says(&tune(&sandbox, &["--into", "mine", "--force"]), 2, &["mine holds `notes.txt`"]);
    says(&tune(&sandbox, &["--into", "other", "--force"]), 2, &["is no folder of an earlier export"]);
    says(&tune(&sandbox, &["--into", "file", "--force"]), 2, &["is no folder"]);
    assert_eq!(sandbox.files(), before);
    says(&tune(&sandbox, &[]), 0, &[]);
    let first = sandbox.read("tuned/train.jsonl");
    sandbox.write("tuned/train.jsonl", format!("{first}{{}}\n"));
    says(&tune(&sandbox, &["--force"]), 2, &["tuned/train.jsonl was edited since"]);
    says(&tune(&sandbox, &["--holdout", "1"]), 2, &["write a share from 0 to below 1"]);
    #[cfg(unix)]
    {
        std::os::unix::fs::symlink(sandbox.path("mine"), sandbox.path("link")).expect("linked");
        says(&tune(&sandbox, &["--into", "link", "--force"]), 2, &["is no folder"]);
    }
}

#[test]
fn models_say_when_to_tune_again() {
    let sandbox = project(170);
    says(&tune(&sandbox, &[]), 0, &[]);
    let tuned = "  tuned: { provider: mock, model: ft-1, fine-tuned: { from: base-1, base: base, data: tuned, on: 2026-01-01 } }\ndefaults: { models: [base] }\n";
    sandbox.write("promptctl.yaml", format!("{CONFIG}{tuned}"));
    let ended = sandbox.run(&["models"]);
    says(&ended, 0, &["tuned from base-1 on 2026-01-01, on the data in tuned"]);
    assert!(!ended.stdout.contains("tune it again"), "{}", ended.stdout);
    // Another answer, one more case, and one less; then another model under the base's name.
    let table = sandbox.read("fixtures/triage/tickets.csv");
    let first = table.lines().nth(1).expect("a row").to_owned();
    let table = table.replace(&format!("{first}\n"), "").replace("number 1,", "number 1001,");
    sandbox.write("fixtures/triage/tickets.csv", format!("{table}t500,where did my crash report go,technical\n"));
    sandbox.run(&["test"]);
    says(&sandbox.run(&["models"]), 0, &["1 was accepted since, 1 is another now, 1 is accepted no more"]);
    sandbox.edit("promptctl.yaml", "model: base-1", "model: base-2");
    says(
        &sandbox.run(&["models"]),
        0,
        &["the base moved: `base` is `base-2` now, and this was tuned from `base-1`", "are accepted no more"],
    );
    let json: Value = serde_json::from_str(&sandbox.run(&["models", "--json"]).stdout).expect("JSON");
    assert_eq!(json["models"][1]["fine_tuned"]["retrain"].as_array().map(Vec::len), Some(2));
    sandbox.edit("promptctl.yaml", "data: tuned,", "data: nowhere,");
    says(&sandbox.run(&["models"]), 0, &["nowhere/split.json is not there"]);
    sandbox.edit("promptctl.yaml", "base: base,", "base: bace,");
    says(&sandbox.run(&["models"]), 2, &["promptctl.yaml has no model `bace`; did you mean \"base\"?"]);
}

#[test]
fn what_is_held_out_is_none_of_the_examples_to_learn_from() {
    let sandbox = project(120);
    let refused = tune(&sandbox, &[]);
    says(
        &refused,
        1,
        &["110 answers accepted", "examples to learn from, of 110, fewer than 100", "hold out a smaller share"],
    );
    assert!(!sandbox.exists("tuned/train.jsonl"), "nothing is written");
    says(&tune(&sandbox, &["--holdout", "0"]), 0, &["warned  few-examples     110 examples, fewer than 500"]);
}

#[test]
fn examples_are_made_of_a_commit() {
    let sandbox = project(150);
    sandbox.git(&["init", "-q"]);
    sandbox.git(&["add", "-A"]);
    sandbox.git(&["commit", "-qm", "one"]);
    sandbox.edit("prompts/triage.j2", "Name the queue", "Say the queue");
    let ended = sandbox.run(&["export", "fine-tune", "--into", "now"]);
    says(&ended, 1, &["nothing was accepted"]);
    says(&sandbox.run(&["export", "fine-tune", "--at", "HEAD", "--into", "then"]), 0, &["wrote  then/train.jsonl"]);
    let first = lines(&sandbox, "then/train.jsonl");
    assert_eq!(first[0]["messages"][0]["content"], "Name the queue of a ticket in one word.");
    let split: Value = serde_json::from_str(&sandbox.read("then/split.json")).expect("JSON");
    assert_eq!(
        (&split["maker"]["edited"], split["maker"]["commit"].is_string()),
        (&Value::Bool(false), true),
        "{split}"
    );
    assert!(sandbox.read("then/card.md").contains("--at HEAD"));
}
