//! The way in and out again, where it lost something without a word.

use serde_json::Value;

use crate::sandbox::{Ended, Sandbox, says};

/// Imports files of another tool that lie in `source/`.
fn imported(format: &str, path: &str, files: &[(&str, &str)]) -> (Sandbox, Ended) {
    let sandbox = Sandbox::empty();
    for (name, text) in files {
        sandbox.write(&format!("source/{name}"), text);
    }
    let ended = sandbox.run(&["import", format, path, "--into", "project"]);
    (sandbox, ended)
}

fn yaml_of(sandbox: &Sandbox, path: &str) -> Value {
    let text = sandbox.read(path);
    let front =
        text.strip_prefix("---\n").and_then(|rest| rest.split_once("\n---\n")).map_or(text.as_str(), |(f, _)| f);
    serde_yaml::from_str(front).expect("YAML")
}

#[test]
fn an_export_lost_what_decides_without_a_word() {
    let sandbox = Sandbox::with_cases(
        "cases:\n  - { name: a, vars: { q: hello }, must-pass: true, group: g, expect: [{ contains: hello }], snapshot: { compare: json } }\n  - { name: b, vars: { q: hello } }\n  - { name: c, vars: { q: hello }, expect: [{ contains: hello }] }\n",
    );
    sandbox.write(
        "promptctl.yaml",
        "models:\n  echo:\n    provider: mock\n    replies: [{ say: \"{{ last_user_message }}\" }]\n    price: { input: 1, output: 2 }\n    limits: { concurrency: 1 }\ndefaults: { models: [echo] }\n",
    );
    for format in ["promptfoo", "github-models"] {
        let shown = sandbox.run(&["export", format, "--into", format]).shown();
        for part in [
            "`must-pass` of `a` is left out",
            "the group `g` of `a` is left out",
            "the `snapshot` of `a` is left out",
            "`b` checks nothing there",
        ] {
            assert!(shown.contains(part), "{format}: {part}: {shown}");
        }
        assert!(!shown.contains("of `c`") && !shown.contains("`c` checks"), "{format}: {shown}");
    }
    let shown = sandbox.run(&["export", "promptfoo", "--into", "again"]).shown();
    for part in ["`price` of the model `echo` is left out", "`limits` of the model `echo` is left out"] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
}

#[test]
fn a_table_had_one_of_two_samples_and_said_everything() {
    let sandbox = Sandbox::with_cases(
        "cases:\n  - { name: twice, vars: { q: hello }, repeat: 2, expect: [{ contains: hello }] }\n  - { name: once, vars: { q: hello }, expect: [{ contains: hello }] }\n",
    );
    sandbox.run(&["test"]);
    for args in
        [["export", "csv", "--into", "a"].as_slice(), &["export", "openai-messages", "--answers", "--into", "b"]]
    {
        let shown = sandbox.run(args).shown();
        assert!(shown.contains("of the 2 samples of `p` › `twice` › `echo` only the first answer is here"), "{shown}");
        assert!(!shown.contains("everything was said") && !shown.contains("› `once`"), "{shown}");
    }
}

#[test]
fn ideal_answers_in_a_list_of_objects_were_no_ideal_answer() {
    let samples = "{\"input\": [{\"role\": \"system\", \"name\": \"example_user\", \"content\": \"x\"}, {\"role\": \"user\", \"content\": \"one\"}], \"ideal\": [{\"a\": 1}, {\"a\": 2}]}\n{\"input\": [{\"role\": \"system\", \"name\": \"example_user\", \"content\": \"x\"}, {\"role\": \"user\", \"content\": \"two\"}], \"ideal\": [{\"a\": 3}]}\n";
    let registry = "t:\n  id: t.v0\nt.v0:\n  class: evals.elsuite.basic.json_match:JsonMatch\n  args: { samples_jsonl: t.jsonl }\n";
    let (sandbox, ended) = imported("openai-evals", "source/t.yaml", &[("t.yaml", registry), ("t.jsonl", samples)]);
    says(&ended, 0, &["t.jsonl:1", "the name `example_user` of 2 messages is not carried over", "2 cases"]);
    assert!(!ended.shown().contains("no ideal answer"), "{}", ended.shown());
    sandbox.write(
        "project/promptctl.yaml",
        "models:\n  m:\n    provider: mock\n    replies: [{ when: one, say: '{\"a\": 2}' }, { say: '{\"a\": 4}' }]\ndefaults: { models: [m] }\n",
    );
    says(&sandbox.run(&["-C", "project", "test"]), 1, &["1 passed", "1 failed"]);
}

#[test]
fn a_quote_that_nothing_closes_swallowed_the_rest_of_a_table() {
    let table = "q,__expected\n\"fine \"\"one\"\"\",x\nb,\"unterminated\nc,y\n";
    let (sandbox, ended) = imported("csv", "source/t.csv", &[("t.csv", table)]);
    assert_eq!(ended.code, 2, "{}", ended.shown());
    let ended = sandbox.run(&["import", "csv", "source/t.csv", "--prompt", "p", "--into", "project"]);
    says(&ended, 2, &["t.csv:3", "a quote is opened in this row and not closed"]);
    let config = "prompts: ['Hi {{ q }}']\nproviders: [echo]\ntests: file://t.csv\n";
    let (_, ended) = imported("promptfoo", "source", &[("t.csv", table), ("promptfooconfig.yaml", config)]);
    says(&ended, 0, &["t.csv:3", "a quote is opened in this row and not closed", "1 case"]);
    let closed = table.replace("\"unterminated", "\"two\nlines\"");
    let (_, ended) = imported("promptfoo", "source", &[("t.csv", &closed), ("promptfooconfig.yaml", config)]);
    says(&ended, 0, &["3 cases"]);
}

#[test]
fn an_object_that_is_expected_is_not_rendered_as_it_was_not_there() {
    let config = "prompts: ['Hi {{ q }}']\nproviders: [echo]\ntests:\n  - { vars: { q: a }, assert: [{ type: equals, value: { a: \"{{ q }}\" } }] }\n";
    let (sandbox, ended) = imported("promptfoo", "source", &[("promptfooconfig.yaml", config)]);
    assert_eq!(ended.code, 0, "{}", ended.shown());
    let cases = yaml_of(&sandbox, "project/fixtures/prompt/cases.yaml");
    assert_eq!(cases["cases"][0]["expect"][0]["equals"]["a"], "{{ \"{\" }}{ q }}");
}

#[test]
fn tools_and_outputs_of_prompty_were_lost_or_stopped_the_import() {
    let prompt = r#"---
name: weather
model: gpt-4.1-mini
inputs:
  city: { kind: string, default: "${env:CITY:Berlin}" }
  policy: { kind: string, default: "${file:sub/policy.txt}" }
  secret: { kind: string, default: "${env:SECRET}" }
outputs:
  - { name: label, kind: string, enumValues: [a, b] }
  - { name: tags, kind: array, items: { kind: string } }
tools:
  - name: look
    kind: function
    description: Looks it up
    parameters:
      - { name: city, kind: string, description: Where, required: true }
      - { name: user, kind: string, required: true }
      - { name: unit, kind: string, enumValues: [c, f] }
    bindings: { user: { input: city } }
  - { name: remote, kind: mcp, serverName: x }
---
user:
Weather in {{ city }}: {{ policy }} {{ secret }}
"#;
    let (sandbox, ended) = imported("prompty", "source", &[("a.prompty", prompt), ("sub/policy.txt", "Be kind.\n")]);
    says(
        &ended,
        0,
        &[
            "a.prompty:20",
            "the tool `remote` is of the kind `mcp`, and is not carried over",
            "a.prompty:19",
            "user of the tool `look` is bound to an input",
            "`CITY` of the environment is out of reach",
            "a.prompty:7",
            "`SECRET` of the environment is out of reach",
        ],
    );
    let front = yaml_of(&sandbox, "project/prompts/weather.j2");
    let tool = serde_json::json!({ "name": "look", "description": "Looks it up", "parameters": {
        "type": "object", "properties": { "city": { "type": "string", "description": "Where" }, "unit": { "type": "string", "enum": ["c", "f"] } }, "required": ["city"] } });
    assert_eq!(front["tools"], serde_json::json!([tool]), "{front:#}");
    assert_eq!(front["vars"]["city"]["default"], "Berlin", "{front:#}");
    assert_eq!(front["vars"]["policy"]["default"], "Be kind.", "{front:#}");
    let properties = &front["output"]["schema"]["properties"];
    assert_eq!(properties["label"], serde_json::json!({ "type": "string", "enum": ["a", "b"] }), "{front:#}");
    assert_eq!(properties["tags"], serde_json::json!({ "type": "array", "items": { "type": "string" } }), "{front:#}");
    says(&sandbox.run(&["-C", "project", "list"]), 0, &["weather"]);
}
