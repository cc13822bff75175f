//! What each command prints.

use insta::assert_snapshot;

use crate::sandbox::Sandbox;

#[test]
fn a_new_project_works_from_the_first_command() {
    let sandbox = Sandbox::empty();
    assert_snapshot!("init", sandbox.run(&["init"]).shown());
    assert_snapshot!("init_twice", sandbox.run(&["init"]).shown());
    assert_snapshot!("init_then_test", sandbox.run(&["test"]).shown());
    assert_snapshot!("init_then_pending", sandbox.run(&["pending"]).shown());
    assert_snapshot!("init_then_accept", sandbox.run(&["accept", "--all"]).shown());
    assert_snapshot!("init_then_offline", sandbox.run(&["test", "--offline"]).shown());
    assert_eq!(sandbox.read(".promptctl/.gitignore"), "*\n");
}

#[test]
fn init_keeps_what_exists() {
    let sandbox = Sandbox::empty();
    sandbox.write("prompts/greeting.j2", "mine\n");
    sandbox.write(".gitignore", "node_modules\n");
    let ended = sandbox.run(&["init", "."]);
    assert!(ended.stdout.contains("kept  prompts/greeting.j2"), "{}", ended.stdout);
    assert_eq!(sandbox.read("prompts/greeting.j2"), "mine\n");
    assert_eq!(sandbox.read(".gitignore"), "node_modules\n.promptctl/\n*.snap.new\n.env\n");
}

#[test]
fn prompts_and_cases_are_listed() {
    let sandbox = Sandbox::initialised();
    assert_snapshot!("list", sandbox.run(&["list", "--cases"]).shown());
    let json: serde_json::Value = serde_json::from_str(&sandbox.run(&["list", "--json"]).stdout).expect("JSON");
    assert_eq!(json["prompts"][0]["cases"][1]["tags"][0], "smoke");
}

#[test]
fn messages_are_rendered_without_asking() {
    let sandbox = Sandbox::initialised();
    assert_snapshot!("render", sandbox.run(&["render", "--case", "a refund"]).shown());
    let json: serde_json::Value =
        serde_json::from_str(&sandbox.run(&["render", "greeting", "--json"]).stdout).expect("JSON");
    assert_eq!(json[0]["request"]["messages"][0]["role"], "system");
    assert_eq!(json[0]["keys"][0].as_str().map(str::len), Some(64));
    assert!(!sandbox.exists("fixtures/greeting/recorded"));
}

#[test]
fn a_filter_that_matches_nothing_is_an_error() {
    let sandbox = Sandbox::initialised();
    for args in [
        vec!["test", "greting"],
        vec!["test", "--case", "a refnd"],
        vec!["test", "--tag", "smok"],
        vec!["test", "--model", "scriptd"],
        vec!["accept", "nothing"],
        vec!["list", "nope/*"],
    ] {
        let ended = sandbox.run(&args);
        assert_eq!(ended.code, 4, "{args:?}: {}", ended.stderr);
        assert!(
            ended.stderr.contains("did you mean")
                || ended.stderr.contains("there")
                || ended.stderr.contains("nothing waits"),
            "{}",
            ended.stderr
        );
    }
    assert_snapshot!("no_match", sandbox.run(&["test", "greting"]).shown());
}

#[test]
fn a_project_without_cases_is_not_green() {
    let sandbox = Sandbox::with_cases("cases: []\n");
    let ended = sandbox.run(&["test"]);
    assert_eq!(ended.code, 4);
    assert!(ended.stderr.contains("has no case yet"), "{}", ended.stderr);
}

#[test]
fn a_prompt_is_named_by_name_glob_or_path() {
    let sandbox = Sandbox::initialised();
    for name in [
        "greeting",
        "gree*",
        "prompts/greeting.j2",
        "./prompts/greeting.j2",
        "fixtures/greeting/cases.yaml",
        "prompts/",
    ] {
        let ended = sandbox.run(&["list", name]);
        assert!(ended.code == 0 && ended.stdout.contains("2 cases"), "{name}: {}{}", ended.stdout, ended.stderr);
    }
}

#[test]
fn the_command_line_is_explained() {
    let sandbox = Sandbox::empty();
    assert_snapshot!("help", sandbox.run(&["--help"]).shown());
    assert_eq!(sandbox.run(&["tset"]).code, 2);
    assert_eq!(sandbox.run(&["test", "--report", "jsn"]).code, 2);
    assert_snapshot!("no_project", sandbox.run(&["test"]).shown());
    assert_eq!(sandbox.run(&["-C", "missing", "list"]).code, 2);
    for shell in ["bash", "zsh", "fish"] {
        assert!(sandbox.run(&["completions", shell]).stdout.contains("promptctl"));
    }
    assert!(sandbox.run(&["man"]).stdout.contains(".TH promptctl"));
    assert!(sandbox.run(&["man", "test"]).stdout.contains("offline"));
}

#[test]
fn schemas_are_printed_as_they_stand_in_the_documentation() {
    let sandbox = Sandbox::empty();
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/schema");
    let mut count = 0;
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("readable").path();
        let name = path.file_name().and_then(|name| name.to_str()).expect("a name");
        let of = name.strip_suffix(".schema.json").expect("a schema");
        let text = sandbox.run(&["schema", of]).stdout;
        assert_eq!(text, std::fs::read_to_string(&path).expect("readable"), "{of}");
        let schema: serde_json::Value = serde_json::from_str(&text).expect("JSON");
        jsonschema::meta::validate(&schema).expect("a JSON Schema");
        count += 1;
    }
    assert!(count > 10, "{count}");
}

#[test]
fn another_folder_can_be_named() {
    let sandbox = Sandbox::empty();
    assert_eq!(sandbox.run(&["init", "inner"]).code, 0);
    assert_eq!(sandbox.run(&["-C", "inner", "list"]).code, 0);
    assert_eq!(sandbox.run(&["-C", "inner/prompts/_shared", "list"]).code, 0, "found from below");
}

#[test]
fn a_closed_pipe_is_no_failure() {
    use std::process::Stdio;
    let sandbox = Sandbox::initialised();
    let mut child =
        sandbox.command(&["render", "--json"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("started");
    drop(child.stdout.take());
    let output = child.wait_with_output().expect("ended");
    assert_eq!((output.status.code(), output.stderr.len()), (Some(0), 0));
}
