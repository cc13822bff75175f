//! What `promptctl lint` says of what it did not look at, of what is gone since a base, and of a project that it cannot load.

use serde_json::Value;

use super::sandbox::{Ended, Sandbox, says};

const CONFIG: &str =
    "models:\n  m: { provider: mock, replies: [{ say: \"the answer\" }] }\ndefaults: { models: [m] }\n";
const P: &str = "prompts/p.j2";
const C: &str = "fixtures/p/cases.yaml";
const CASES: &str = "cases:\n  - { name: one, vars: { q: hello }, expect: [{ contains: answer }] }\n";

fn project(files: &[(&str, &str)]) -> Sandbox {
    let sandbox = Sandbox::empty();
    for (path, text) in [("promptctl.yaml", CONFIG), (".gitignore", ".promptctl/\n")].iter().chain(files) {
        sandbox.write(path, text);
    }
    sandbox
}

fn commit(sandbox: &Sandbox) {
    sandbox.git(&["init", "-q"]);
    sandbox.git(&["add", "-A"]);
    sandbox.git(&["commit", "-qm", "a"]);
}

/// A report, which is as its schema says.
fn report(ended: &Ended) -> Value {
    let document: Value = serde_json::from_str(&ended.stdout).expect("JSON");
    let schema: Value = serde_json::from_str(include_str!("../../docs/schema/lint.schema.json")).expect("JSON");
    let validator = jsonschema::validator_for(&schema).expect("a schema");
    let errors: Vec<String> = validator.iter_errors(&document).map(|error| error.to_string()).collect();
    assert!(errors.is_empty(), "{errors:?}");
    document
}

fn codes(document: &Value) -> Vec<&str> {
    let findings = document["findings"].as_array().expect("a list").iter();
    findings.filter_map(|finding| finding["code"].as_str()).collect()
}

#[test]
fn a_prompt_that_says_nothing_is_skipped_and_never_passes() {
    let silent = ["", " \n\n", "---\nversion: 1.0.0\n---\n", "{# nothing #}", "{{ role(\"system\") }}\n"];
    let cases = "cases:\n  - { name: one, expect: [{ contains: answer }] }\n";
    for text in silent {
        let sandbox = project(&[(P, text), (C, cases)]);
        let ended = sandbox.run(&["lint", "--rule", "W04"]);
        says(&ended, 4, &["prompts/p.j2: skipped", "nothing looked at in 0 prompts (1 skipped)"]);
        says(&sandbox.run(&["lint", "--quiet"]), 4, &["skipped"]);
        let ended = sandbox.run(&["lint", "--report", "json"]);
        assert_eq!(ended.code, 4, "{text:?}");
        let document = report(&ended);
        assert_eq!(document["skipped"], serde_json::json!([P]));
        assert_eq!(document["summary"]["prompts"], 0);
        let sarif: Value = serde_json::from_str(&sandbox.run(&["lint", "--report", "sarif"]).stdout).expect("JSON");
        let notes = &sarif["runs"][0]["invocations"][0]["toolExecutionNotifications"];
        assert_eq!(notes[0]["locations"][0]["physicalLocation"]["artifactLocation"]["uri"], P);
        says(&sandbox.run(&["lint", "--report", "github"]), 4, &["::notice file=prompts/p.j2,line=1,title=skipped::"]);
    }
    // Beside another one it is named, and the other one counts; what stands in its comments is looked at.
    let sandbox = project(&[(P, "{# TODO: write it #}"), (C, cases), ("prompts/r.j2", "Be kind.\n")]);
    let ended = sandbox.run(&["lint"]);
    says(&ended, 0, &["W14 todo", "prompts/p.j2: skipped", "in 1 prompt (1 skipped)"]);
    says(&sandbox.run(&["lint", "p", "--fail-on", "warning"]), 1, &["W14 todo"]);
    // What it includes, prints or may include is something.
    let something = [
        "{% include \"_t.j2\" %}",
        "{{ 1 }}",
        "{% if false %}Be kind.{% endif %}",
        "{% set t = \"_t.j2\" %}{% include t %}",
        "{% macro m() %}{{ caller() }}{% endmacro %}{% call m() %}{% endcall %}",
    ];
    for text in something {
        let sandbox = project(&[(P, text), (C, cases), ("prompts/_t.j2", "Be kind.\n")]);
        says(&sandbox.run(&["lint", "--rule", "W04"]), 0, &["nothing found in 1 prompt"]);
    }
    let sandbox = project(&[(P, "{% include \"_t.j2\" %}"), (C, cases), ("prompts/_t.j2", " \n")]);
    says(&sandbox.run(&["lint", "--rule", "W04"]), 4, &["skipped"]);
}

#[test]
fn what_the_base_had_and_is_gone_is_counted() {
    let sandbox = project(&[
        (P, "You are ChatGPT. You are Gemini Pro. NEVER lie. ALWAYS smile. {{ q }} \n"),
        (C, CASES),
        ("prompts/o.j2", "You are Claude Opus.\n"),
    ]);
    commit(&sandbox);
    let against = ["lint", "--base", "HEAD"];
    says(&sandbox.run(&against), 0, &["nothing found in 2 prompts (5 that HEAD has already left out)"]);
    // One is mended, one moves, one grows, one is waived.
    sandbox.write(P, "Good day.\n\nYou are ChatGPT.\nNEVER lie. ALWAYS smile. It is VERY IMPORTANT. {{ q }}\n");
    sandbox.write("prompts/o.j2", "{#- promptctl: allow I07 reason=\"a role\" -#}\nYou are Claude Opus.\n");
    let ended = sandbox.run(&["lint", "--base", "HEAD", "--rule", "I07", "--rule", "W16", "--rule", "W05"]);
    says(&ended, 0, &["(1 waived, 1 that HEAD has already left out, 2 found at HEAD are gone)"]);
    let ended = sandbox.run(&["lint", "--base", "HEAD", "--rule", "I07", "--rule", "W16", "--report", "json"]);
    let document = report(&ended);
    assert_eq!(document["summary"]["gone"], 2);
    let gone: Vec<(&str, &str)> = document["gone"]
        .as_array()
        .expect("a list")
        .iter()
        .filter_map(|gone| Some((gone["code"].as_str()?, gone["message"].as_str()?)))
        .collect();
    assert_eq!(gone, [("I07", "`Gemini Pro` names a model in the text"), ("W16", "the prompt ends with a blank")]);
    // Of another prompt nothing is said, and what was removed as a whole is gone.
    let only = ["lint", "o", "--base", "HEAD", "--rule", "I07", "--rule", "W16"];
    assert!(!sandbox.run(&only).stdout.contains("gone"), "{}", sandbox.run(&only).shown());
    std::fs::remove_file(sandbox.path("prompts/o.j2")).expect("removed");
    says(&sandbox.run(&["lint", "--base", "HEAD", "--rule", "I07"]), 0, &["2 found at HEAD are gone"]);
    says(&sandbox.run(&["lint", "--rule", "I07"]), 0, &["1 info in 1 prompt\n"]);
}

#[test]
fn mistakes_of_a_project_are_in_every_report() {
    let wrong: [(&str, &[(&str, &str)]); 8] = [
        ("E01", &[(P, "---\nvars: { q: string }\n---\nHi {{ qq }} {{ q }}\n"), (C, CASES)]),
        ("E01", &[(P, "---\nvars: { q: string, z: string }\n---\nHi {{ q }} {{ z }}\n"), (C, CASES)]),
        ("E01", &[(P, "Hi {{ q }} {{ r }}\n"), (C, CASES)]),
        ("E03", &[(P, "Hi {{ q }}\n<<<<<<< HEAD\nx\n=======\ny\n>>>>>>> b\n"), (C, CASES)]),
        ("E05", &[(P, "Hi {{ q }} {% include \"_no.j2\" %}\n"), (C, CASES)]),
        ("E05", &[(P, "{{ q }}{% include \"_t.j2\" %}\n"), ("prompts/_t.j2", "{% include \"_t.j2\" %}"), (C, CASES)]),
        ("E06", &[(P, "---\nverison: 1.0.0\n---\nHi {{ q }}\n"), (C, CASES)]),
        ("E00", &[(P, "Hi {{ q }\n"), (C, CASES)]),
    ];
    for (code, files) in wrong {
        let sandbox = project(files);
        let ended = sandbox.run(&["lint", "--report", "json"]);
        assert_eq!(ended.code, 2, "{}", ended.shown());
        assert!(ended.stderr.contains("nothing was run"), "{}", ended.shown());
        let document = report(&ended);
        assert!(codes(&document).contains(&code), "{code}: {}", ended.shown());
        assert_eq!(document["exit_code"], 2);
        let sarif: Value = serde_json::from_str(&sandbox.run(&["lint", "--report", "sarif"]).stdout).expect("JSON");
        let run = &sarif["runs"][0];
        let results = run["results"].as_array().expect("a list");
        assert!(results.iter().any(|result| result["ruleId"] == code), "{run:#}");
        for result in results {
            let rule = usize::try_from(result["ruleIndex"].as_u64().expect("an index")).expect("small");
            assert_eq!(run["tool"]["driver"]["rules"][rule]["id"], result["ruleId"]);
        }
        let title = format!("title={code} ");
        says(&sandbox.run(&["lint", "--report", "github"]), 2, &["::error file=", &title]);
    }
    let double = CASES.replace("hello }", "hello }, vars: { q: b }");
    let sandbox = project(&[(P, "Hi {{ q }}\n"), (C, &double)]);
    assert_eq!(codes(&report(&sandbox.run(&["lint", "--report", "json"]))), ["E06"]);
    // Into a file, too; without a report everything is as it was.
    let path = "--report=json=out/lint.json";
    std::fs::create_dir(sandbox.path("out")).expect("made");
    assert_eq!(sandbox.run(&["lint", path]).code, 2);
    assert!(sandbox.read("out/lint.json").contains("\"E06\""));
    let ended = sandbox.run(&["lint"]);
    assert!(ended.code == 2 && ended.stdout.is_empty(), "{}", ended.shown());
    // A damaged recording is no mistake of the project's own files, and stops `lint` all the same.
    let sandbox = project(&[(P, "Hi {{ q }}\n"), (C, CASES)]);
    says(&sandbox.run(&["test", "--snapshots", "accept"]), 0, &[]);
    let recorded = "fixtures/p/recorded/m.jsonl";
    let whole = sandbox.read(recorded);
    sandbox.write(recorded, format!("<<<<<<< HEAD\n{whole}=======\n{whole}>>>>>>> b\n"));
    let ended = sandbox.run(&["lint", "--report", "json"]);
    assert!(codes(&report(&ended)).contains(&"E03"), "{}", ended.shown());
}

#[test]
fn rules_of_loading_explain_themselves_and_are_not_set() {
    let sandbox = project(&[(P, "Hi {{ q }}\n"), (C, CASES)]);
    for name in ["E00", "E01", "undefined-variable", "E05", "e06"] {
        says(&sandbox.run(&["lint", "--explain", name]), 0, &["why: ", "always on"]);
    }
    says(&sandbox.run(&["lint", "--rule", "E01"]), 2, &["is held when the project is loaded"]);
    sandbox.write("promptctl.yaml", format!("{CONFIG}lint: {{ rules: {{ E05: off }} }}\n"));
    says(&sandbox.run(&["lint"]), 2, &["`missing-partial` is held when the project is loaded"]);
}

#[test]
fn what_no_one_can_see_in_a_mistake_stays_unseen() {
    let key = format!("AKIA{}", "ABCDEFGHIJKLMNOP");
    let sandbox = project(&[(P, "Hi {{ q }}\n"), (C, CASES)]);
    sandbox.write(C, format!("{CASES}    ::error:: {key}: \u{1b}[2J\u{202e}\n"));
    for format in ["json", "sarif", "github"] {
        let ended = sandbox.run(&["lint", "--report", format]);
        assert_eq!(ended.code, 2, "{}", ended.shown());
        assert!(!ended.stdout.contains(['\u{1b}', '\u{202e}']), "{}", ended.shown());
        assert!(!ended.stdout.contains(&key), "{}", ended.shown());
    }
}

#[test]
fn a_bare_repository_is_said_what_helps() {
    let sandbox = project(&[(P, "Hi {{ q }}\n"), (C, CASES)]);
    commit(&sandbox);
    let elsewhere = Sandbox::empty();
    elsewhere.git(&["clone", "-q", "--bare", &sandbox.root().display().to_string(), "bare.git"]);
    let run = |args: &[&str]| elsewhere.run(&[&["-C", "bare.git"], args].concat());
    for args in [&["review"][..], &["prune"]] {
        let ended = run(args);
        says(&ended, 2, &["is a bare repository", "`git clone` the repository"]);
        assert!(!ended.stderr.contains("--at"), "{}", ended.shown());
    }
    for args in [&["test"][..], &["lint"], &["audit"], &["export", "fine-tune", "p"]] {
        says(&run(args), 2, &["name a commit (`--at HEAD`)"]);
    }
    says(&run(&["show", "p"]), 2, &["name a commit (`PROMPT@HEAD`)"]);
    says(&run(&["diff"]), 2, &["name two commits (`A..B`)"]);
    for args in [
        &["test", "--at", "HEAD"][..],
        &["lint", "--at", "HEAD"],
        &["audit", "--at", "HEAD"],
        &["show", "p@HEAD"],
        &["diff", "HEAD..HEAD"],
    ] {
        assert_ne!(run(args).code, 2, "{}", run(args).shown());
    }
}
