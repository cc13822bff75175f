//! Expectations through the binary: schemas that are spread over files, and the calls of tools.

use crate::sandbox::{Sandbox, says};

const ORDER: &str = r#"{ "type": "object", "required": ["id", "to"],
  "properties": { "id": { "type": "integer" }, "to": { "$ref": "parts/address.json#/$defs/address" } } }"#;
const ADDRESS: &str = r#"{ "$defs": { "address": { "type": "object", "required": ["country"],
  "properties": { "country": { "$ref": "../country.yaml" } } } } }"#;

fn with_schemas(cases: &str) -> Sandbox {
    let sandbox = Sandbox::with_cases(cases);
    sandbox.write("fixtures/p/order.json", ORDER);
    sandbox.write("fixtures/p/parts/address.json", ADDRESS);
    sandbox.write("fixtures/p/country.yaml", "enum: [DE, FR]\n");
    sandbox
}

#[test]
fn a_schema_refers_to_other_files_of_the_project() {
    let expect = [
        "json-schema: { file: order.json }",
        "is-json: { file: order.json }",
        "contains-json: { $ref: order.json }",
        "json-path: { path: $.to, schema: { $ref: 'parts/address.json#/$defs/address' } }",
    ];
    for expect in expect {
        let cases = format!(
            "cases:\n  - {{ name: good, vars: {{ q: '{{\"id\": 7, \"to\": {{\"country\": \"DE\"}}}}' }}, expect: [{{ {expect} }}] }}\n  - {{ name: bad, vars: {{ q: '{{\"id\": 7, \"to\": {{\"country\": \"XX\"}}}}' }}, expect: [{{ {expect} }}] }}\n"
        );
        let ended = with_schemas(&cases).run(&["test", "--report", "json"]);
        assert_eq!(ended.code, 1, "{expect}: {}{}", ended.stdout, ended.stderr);
        let report: serde_json::Value = serde_json::from_str(&ended.stdout).expect("JSON");
        let verdict = |name: &str| {
            let outcomes = report["results"].as_array().expect("outcomes");
            let of = outcomes.iter().find(|outcome| outcome["case"] == name).expect(name);
            (of["verdict"].as_str().unwrap_or_default().to_owned(), of["reason"].to_string())
        };
        assert_ne!(verdict("good").0, "failed", "{expect}: {:?}", verdict("good"));
        assert_eq!(verdict("bad").0, "failed", "{expect}");
        assert!(
            verdict("bad").1.contains("country") || verdict("bad").1.contains("XX"),
            "{expect}: {:?}",
            verdict("bad")
        );
    }
}

#[test]
fn a_schema_refers_to_nothing_else() {
    for (reference, part) in [
        ("https://example.org/a.json", "nothing is ever fetched"),
        ("file:///etc/hostname", "nothing is ever fetched"),
        ("/etc/hostname", "absolute"),
        ("../../../../../../etc/hostname", "leaves the project"),
        ("missing.json", "there is no file"),
        ("order.json#/nowhere", "there is nothing at"),
    ] {
        let schema = format!("{{ type: object, properties: {{ a: {{ $ref: '{reference}' }} }} }}");
        let sandbox =
            with_schemas(&format!("cases: [{{ name: one, vars: {{ q: hi }}, expect: [{{ is-json: {schema} }}] }}]\n"));
        let ended = sandbox.run(&["test"]);
        assert_eq!(ended.code, 2, "{reference}: {}{}", ended.stdout, ended.stderr);
        assert!(ended.stderr.contains(part) && ended.stderr.contains("cases.yaml:1:"), "{reference}: {}", ended.stderr);
        let sandbox = with_schemas("cases: [{ name: one, vars: { q: hi }, expect: [{ contains: hi }] }]\n");
        sandbox.write("prompts/order.json", ORDER);
        sandbox.write(
            "prompts/p.j2",
            format!("---\nvars: {{ q: string }}\noutput: {{ schema: {schema} }}\n---\n{{{{ q }}}}\n"),
        );
        let ended = sandbox.run(&["test"]);
        assert_eq!(ended.code, 2, "{reference}: {}{}", ended.stdout, ended.stderr);
        assert!(
            ended.stderr.contains(part) && ended.stderr.contains("prompts/p.j2:3:"),
            "{reference}: {}",
            ended.stderr
        );
    }
}

#[test]
fn a_model_is_sent_a_schema_that_needs_no_other() {
    let sandbox = Sandbox::with_cases("cases: [{ name: one, vars: { q: hi }, expect: [{ contains: hi }] }]\n");
    sandbox.write("prompts/schemas/order.json", ORDER.replace("parts/", "../parts/"));
    sandbox.write("prompts/parts/address.json", ADDRESS);
    sandbox.write("prompts/country.yaml", "enum: [DE, FR]\n");
    sandbox.write("prompts/tools/ship.yaml", "name: ship\nparameters: { $ref: ../schemas/order.json }\n");
    let prompt =
        "---\nvars: { q: string }\noutput: { schema: schemas/order.json }\ntools: [tools/ship.yaml]\n---\n{{ q }}\n";
    sandbox.write("prompts/p.j2", prompt);
    let ended = sandbox.run(&["render", "p", "--json"]);
    assert_eq!(ended.code, 0, "{}{}", ended.stdout, ended.stderr);
    insta::assert_snapshot!(ended.shown());
}

#[test]
fn calls_of_tools_are_checked_against_the_tools_of_the_prompt() {
    let sandbox = Sandbox::empty();
    sandbox.write(
        "promptctl.yaml",
        "models:\n  m:\n    provider: mock\n    replies:\n      - { when: good, tool-calls: [{ name: lookup, arguments: { id: 7, note: x } }, { name: refund, arguments: { id: 7 } }] }\n      - { when: unknown, tool-calls: [{ name: destroy, arguments: {} }] }\n      - { when: bad, tool-calls: [{ name: lookup, arguments: { id: seven } }] }\n      - { say: none }\n",
    );
    sandbox.write(
        "prompts/p.j2",
        "---\nvars: { q: string }\ntools:\n  - { name: lookup, parameters: { type: object, required: [id], properties: { id: { type: integer } } } }\n  - { name: refund }\n---\n{{ q }}\n",
    );
    let expect = "expect: [valid-tool-arguments, { tool-call: { name: lookup, arguments: { id: 7 } } }, { tool-call: [lookup, refund] }, { not-tool-call: destroy }, { tool-call: { count: 2 } }]";
    let case = |name: &str| format!("  - {{ name: {name}, vars: {{ q: {name} }}, {expect}, snapshot: none }}\n");
    let cases: String = ["good", "unknown", "bad", "none"].map(case).concat();
    sandbox.write("fixtures/p/cases.yaml", format!("cases:\n{cases}"));
    let ended = sandbox.run(&["test"]);
    assert_eq!(ended.code, 1, "{}", ended.stderr);
    insta::assert_snapshot!(ended.shown());
}

#[test]
fn checks_that_check_nothing_were_taken() {
    let case = |what: &str| format!("cases:\n  - {{ name: a, vars: {{ q: hello }}, {what} }}\n");
    for (wrong, why) in [
        ("snapshot: none, threshold: 0, expect: [{ contains: qq }]", "threshold must be above 0"),
        ("threshold: 0, expect: [{ contains: qq }]", "threshold must be above 0"),
        ("snapshot: none, expect: [{ contains: qq, weight: 0 }]", "every expectation has the weight 0"),
        ("snapshot: none, messages: [{ user: x, expect: [{ contains: qq, weight: 0 }] }]", "has the weight 0"),
        ("expect: [{ all: [{ contains: qq, weight: 0 }] }]", "`all` checks nothing"),
    ] {
        says(&Sandbox::with_cases(&case(wrong)).run(&["test"]), 2, &["fixtures/p/cases.yaml:", why, "help: "]);
    }
    for right in [
        "snapshot: none, expect: [{ contains: qq, weight: 0, metric: m }, { contains: hello }]",
        "expect: [{ contains: qq, weight: 0, metric: m }]",
        "snapshot: none, unasserted: allow, expect: [{ contains: qq, weight: 0, metric: m }]",
        "snapshot: none, expect: [{ all: [{ contains: qq, weight: 0 }, { contains: hello }] }]",
        "snapshot: none, expect: [{ any: [{ contains: hello, weight: 0 }] }]",
    ] {
        assert_eq!(Sandbox::with_cases(&case(right)).run(&["test"]).code, 0, "{right}");
    }
}

#[test]
fn a_typo_in_a_transform_was_the_failure_of_the_model() {
    let case = |template: &str| {
        format!(
            "cases:\n  - name: a\n    vars: {{ q: hello }}\n    snapshot: none\n    expect: [{{ contains: hello, transform: [{{ template: \"{template}\" }}] }}]\n"
        )
    };
    for (template, hint) in
        [("{{ outptu }}", "did you mean \"output\"?"), ("{{ output ~ undefinedvar }}", "output, json, q")]
    {
        let ended = Sandbox::with_cases(&case(template)).run(&["test"]);
        says(&ended, 2, &["fixtures/p/cases.yaml:5", "case `a`: `contains`: `transform` uses `", hint]);
    }
    for template in [
        "{{ output }}",
        "{{ q }}",
        "{{ output }}{{ nope | default('') }}",
        "{% if x is defined %}{{ x }}{% endif %}{{ output }}",
    ] {
        assert_eq!(Sandbox::with_cases(&case(template)).run(&["test"]).code, 0, "{template}");
    }
}
