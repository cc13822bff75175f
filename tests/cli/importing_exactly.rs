//! What an import must not change without a word: requests, tests and models.

use serde_json::Value;

use crate::sandbox::{Ended, Sandbox};

/// Imports a configuration of promptfoo.
fn imported(config: &str, files: &[(&str, &str)]) -> (Sandbox, Ended) {
    let sandbox = Sandbox::empty();
    sandbox.write("source/promptfooconfig.yaml", config);
    for (name, text) in files {
        sandbox.write(&format!("source/{name}"), text);
    }
    let ended = sandbox.run(&["import", "promptfoo", "source", "--into", "project"]);
    assert_eq!(ended.code, 0, "{}", ended.shown());
    (sandbox, ended)
}

/// The last message of each request.
fn asked(sandbox: &Sandbox) -> Vec<String> {
    let ended = sandbox.run(&["-C", "project", "render", "--json"]);
    assert_eq!(ended.code, 0, "{}", ended.shown());
    let json: Value = serde_json::from_str(&ended.stdout).expect("JSON");
    let text = |item: &Value| {
        let messages = item["request"]["messages"].as_array().expect("messages");
        messages.last().expect("one")["content"].as_str().expect("a text").to_owned()
    };
    json.as_array().expect("a list").iter().map(text).collect()
}

/// A prompt with one test, its variables as YAML.
fn one(template: &str, vars: &str) -> (Vec<String>, String) {
    let config = format!(
        "prompts: [{}]\nproviders: [echo]\ntests: [{{ vars: {{ {vars} }}, options: {{ disableVarExpansion: true }} }}]\n",
        serde_json::to_string(template).expect("JSON")
    );
    let (sandbox, ended) = imported(&config, &[]);
    (asked(&sandbox), ended.shown())
}

#[test]
fn what_nunjucks_prints_is_what_is_asked() {
    for (template, vars, there) in [
        ("{{ flag }} {{ other }}", "flag: true, other: false", "true false"),
        ("{{ l }}.", "l: [c, a, b]", "c,a,b."),
        ("[{{ nul }}]", "nul: null", "[]"),
        ("[{{ none }}]", "x: 1", "[]"),
        (
            "{% for x in l %}{{ x.done }}{{ loop.length }}{% endfor %}",
            "l: [{ done: true }, { done: false }]",
            "true2false2",
        ),
        ("{{ s.slice(-3) }}", "s: banana", "ana"),
        ("{{ s.replace('a', 'Q') }}", "s: banana", "bQnana"),
        ("{% if nul == none %}y{% else %}n{% endif %}", "nul: null", "y"),
        ("Be {{ tone | default(\"friendly\") }}.", "x: 1", "Be friendly."),
        ("a{{ o.gone }}b{{ o.x }}", "o: { x: 1 }", "ab1"),
        ("{% if a is defined %}A{% endif %}{{ b }}!", "x: 1", "!"),
    ] {
        let (asked, shown) = one(template, vars);
        assert_eq!(asked, [there], "{template}: {shown}");
        assert!(!shown.contains("may render differently"), "{template}: {shown}");
    }
}

#[test]
fn what_jinja_gives_otherwise_is_told_with_its_line() {
    for (template, vars, part) in [
        ("{{ n / 2 }}", "n: 4", "`{{ n / 2 }}` gives `2.0` here and `2` there"),
        ("{{ not flag }}", "flag: true", "gives `False` here and `false` there"),
        ("{{ 2.5|round }}", "x: 1", "gives `2.0` here and `3` there"),
        ("{{ -7 % 3 }}", "x: 1", "gives `2` here and `-1` there"),
        ("{% if el %}yes{% else %}no{% endif %}", "el: []", "gives `false` here and `true` there"),
        ("{% if n == \"4\" %}y{% endif %}", "n: 4", "may render differently here"),
        ("{{ s | wordcount }}", "s: it's", "may render differently here"),
    ] {
        let (_, shown) = one(template, vars);
        assert!(shown.contains(part) && shown.contains("promptfooconfig.yaml:1:"), "{template}: {shown}");
    }
}

#[test]
fn tests_and_models_are_not_lost_without_a_word() {
    let config = "prompts: ['Hi {{ q }}']\nproviders:\n  - { id: echo, label: first }\n  - { id: echo, label: second }\ntests:\n\
        \x20 - { vars: { q: a }, prompts: [nomatch] }\n  - { vars: { q: b }, providers: [nosuch] }\n  - { vars: { q: c }, providers: [second] }\n";
    let (sandbox, ended) = imported(config, &[]);
    let shown = ended.shown();
    for part in [
        "promptfooconfig.yaml:6",
        "the prompt `nomatch`",
        "promptfooconfig.yaml:7",
        "the provider `nosuch`",
        "1 case, 2 models",
    ] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
    let cases = sandbox.read("project/fixtures/prompt/cases.yaml");
    assert!(cases.contains("- second") && !cases.contains("q: b"), "{cases}");
    let (_, ended) = imported("prompts: [hi]\nproviders: [echo, echo]\n", &[]);
    assert!(ended.shown().contains("a provider stands here twice"), "{}", ended.shown());
    let (_, ended) =
        imported("prompts: [hi]\nproviders: file://all.yaml\n", &[("all.yaml", "- echo\n- file://custom.py\n")]);
    assert!(ended.shown().contains("all.yaml:2:3"), "{}", ended.shown());
}

#[test]
fn transforms_of_a_test_stand_before_those_of_its_assertions() {
    let config = "prompts: ['Hi {{ q }}']\nproviders: [echo]\ndefaultTest:\n  options: { transform: output.toLowerCase() }\n  assert: [{ type: contains, value: d }]\n\
        tests:\n  - { vars: { q: a }, options: { transform: output.trim() }, assert: [{ type: contains, value: x, transform: JSON.parse(output).a }] }\n  - { vars: { q: b }, assert: [{ type: contains, value: y }] }\n";
    let (sandbox, _) = imported(config, &[]);
    let cases: Value = serde_yaml::from_str(&sandbox.read("project/fixtures/prompt/cases.yaml")).expect("YAML");
    let steps = |case: usize| -> Vec<Value> {
        let expect = cases["cases"][case]["expect"].as_array().expect("a list");
        expect.iter().map(|expect| expect["transform"].clone()).collect()
    };
    assert_eq!(steps(0), [serde_json::json!("trim"), serde_json::json!(["trim", { "json-path": "$.a" }])], "{cases}");
    assert_eq!(steps(1), [serde_json::json!("lower"), serde_json::json!("lower")], "{cases}");
}

#[test]
fn a_pair_of_escapes_is_one_character() {
    let sandbox = Sandbox::empty();
    sandbox.write(
        "source/promptfooconfig.json",
        r#"{"prompts": ["\ud83d\ude00 {{ q }}"], "providers": ["echo"], "tests": "file://t.jsonl"}"#,
    );
    sandbox.write("source/t.jsonl", "{\"vars\": {\"q\": \"\\ud83d\\udc4d\"}}\n");
    let ended = sandbox.run(&["import", "promptfoo", "source", "--into", "project"]);
    assert_eq!(ended.code, 0, "{}", ended.shown());
    assert_eq!(asked(&sandbox), ["😀 👍"]);
}

#[test]
fn a_threshold_that_is_no_number_and_a_provider_of_a_row_are_told() {
    let (_, ended) = imported(
        "prompts: ['Hi {{ q }}']\nproviders: [echo]\ntests: file://t.csv\n",
        &[("t.csv", "q,__threshold,__provider\na,abc,echo\n")],
    );
    let shown = ended.shown();
    for part in ["t.csv:2", "the threshold `abc` is no number", "the column `__provider` is not carried over"] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
}

#[test]
fn values_that_are_templates_changed_their_meaning() {
    for (value, there) in [
        ("{{ 'x' | upper }}", "X"),
        ("{{ unknown }}!", "!"),
        ("{% raw %}{{ x }}{% endraw %}", "{{ x }}"),
        ("{{ other }} and {{ other | upper }}", "b and B"),
        ("a {# hash", "a {# hash"),
    ] {
        let (asked, shown) =
            one("Say {{ q }}.", &format!("q: {}, other: b", serde_json::to_string(value).expect("JSON")));
        assert_eq!(asked, [format!("Say {there}.")], "{shown}");
        assert_eq!(value != there, shown.contains("it is written out"), "{shown}");
    }
    for circle in ["q: \"{{ q }}\"", "q: \"{{ p }}\", p: \"{{ q }}\""] {
        let (asked, shown) = one("Say {{ q }}.", circle);
        assert!(asked[0].starts_with("Say {{ "), "{asked:?}");
        assert!(shown.contains("`q` is a template; it is only text here"), "{shown}");
    }
    let (asked, shown) = one("Say {{ q }}.", "q: \"{{ env.HOME }}\"");
    assert_eq!(asked, ["Say {{ env.HOME }}."]);
    assert!(
        shown.contains("promptfooconfig.yaml:3") && shown.contains("`q` is a template; it is only text here"),
        "{shown}"
    );
    let (asked, shown) = one("[{\"role\": \"user\", \"content\": \"Say {{ q }}.\"}]", "q: \"{{ 'x' | upper }}\"");
    assert_eq!(asked, ["Say {{ 'x' | upper }}."]);
    assert!(shown.contains("`q` is a template; it is only text here"), "{shown}");
}

#[test]
fn templates_in_lines_of_javascript_and_in_parameters_were_taken_as_text() {
    let config = "prompts: ['Hi {{ q }}', file://chat.json]\nproviders:\n  - { id: 'openai:gpt-4.1-mini', config: { temperature: '{{ env.T }}', top_p: 1 } }\ntests:\n\
        \x20 - { vars: { q: a }, assert: [{ type: javascript, value: \"output === '{{q}}'\" }, { type: javascript, value: JSON.parse(output).b.c.length === 2 }] }\n";
    let chat = r#"{"messages": [{"role": "user", "content": "{{ q }}", "name": "ann"}], "temperature": 0}"#;
    let (sandbox, ended) = imported(config, &[("chat.json", chat)]);
    let shown = ended.shown();
    for part in [
        "promptfooconfig.yaml:3",
        "`temperature` is a template, and is not carried over",
        "chat.json",
        "`temperature` beside the messages of a prompt is not carried over",
        "`name` of a message is not carried over",
    ] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
    let project = sandbox.read("project/promptctl.yaml");
    assert!(project.contains("top_p: 1") && !project.contains("temperature"), "{project}");
    let cases: Value = serde_yaml::from_str(&sandbox.read("project/fixtures/prompt/cases.yaml")).expect("YAML");
    let length = serde_json::json!({ "json-path": { "path": "$.b.c", "type": ["array", "string"], "length": 2 } });
    assert_eq!(cases["cases"][0]["expect"], serde_json::json!([{ "equals": "{{ q }}" }, length]));
}

#[test]
fn a_variable_that_is_printed_and_has_a_default_dropped_its_cases() {
    for (template, there) in [
        ("{{ tone }}Be {{ tone | default(\"kind\") }} {{ q }}.", "Be kind a."),
        ("{% if tone %}x{% endif %}{% if not tone %}y{% endif %}{{ tone | default('z') }}{{ q }}{{ more }}", "yza"),
        ("{% if tone is defined %}x{% endif %}{{ tone }}{{ q }}", "a"),
    ] {
        let (asked, shown) = one(template, "q: a");
        assert_eq!(asked, [there], "{template}: {shown}");
    }
    let (asked, shown) = one("{{ q }} {{ q | urlencode }}", "q: a b");
    assert_eq!(asked, ["a b {{ q | urlencode }}"]);
    assert!(shown.contains("the filter `urlencode` is not carried over"), "{shown}");
}

#[test]
fn a_label_of_a_provider_of_an_assertion_was_another_model() {
    let config = "prompts: ['Hi {{ q }}']\nproviders:\n  - { id: 'openai:gpt-4.1-mini', label: first }\n  - { id: 'openai:gpt-4.1-mini', label: second }\n\
        defaultTest: { options: { provider: second } }\ntests:\n  - { vars: { q: a }, assert: [{ type: llm-rubric, value: polite, provider: second }, { type: llm-rubric, value: kind }, { type: llm-rubric, value: short, provider: { id: 'openai:gpt-4.1-mini', label: first } }] }\n";
    let (sandbox, ended) = imported(config, &[]);
    assert!(ended.shown().contains("1 case, 2 models; everything was carried over"), "{}", ended.shown());
    let project: Value = serde_yaml::from_str(&sandbox.read("project/promptctl.yaml")).expect("YAML");
    assert_eq!(project["judge"]["model"], "second", "{project}");
    let cases: Value = serde_yaml::from_str(&sandbox.read("project/fixtures/prompt/cases.yaml")).expect("YAML");
    let judges: Vec<&Value> =
        cases["cases"][0]["expect"].as_array().expect("a list").iter().map(|expect| &expect["model"]).collect();
    let is_second = |judge: &Value| judge == "second" || judge.is_null();
    assert!(is_second(judges[0]) && is_second(judges[1]) && judges[2] == "first", "{cases}");
}
