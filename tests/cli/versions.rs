//! `promptctl log`, `show` and `render PROMPT@VERSION`: versions of the past, read from commits.

use insta::assert_snapshot;
use serde_json::Value;

use crate::sandbox::{Sandbox, says};

/// Hashes of commits as a word, so that only what a test is about stands in a snapshot.
fn masked(text: &str) -> String {
    let commit = regex::Regex::new("(?m)^[0-9a-f]{12}  [0-9-]{10}").expect("valid");
    let commit = commit.replace_all(text, "[commit]      [date]").into_owned();
    regex::Regex::new("commit [0-9a-f]{12}  [0-9-]{10}")
        .expect("valid")
        .replace_all(&commit, "commit [hash]")
        .into_owned()
}

fn commit(sandbox: &Sandbox, message: &str) {
    sandbox.git(&["add", "-A"]);
    sandbox.git(&["commit", "-m", message]);
}

/// A prompt that is created, changed through its template, a partial, a parameter and its cases, broken, mended and
/// renamed, beside another one that never changes.
fn story() -> Sandbox {
    let sandbox = Sandbox::with_cases("cases:\n  - { name: one, vars: { q: hi }, expect: [{ contains: hi }] }\n");
    sandbox.write("prompts/p.j2", "---\nversion: 1.0.0\nvars: { q: string }\n---\n{% include '_tone.j2' %} {{ q }}\n");
    sandbox.write("prompts/_tone.j2", "Kindly.\n");
    sandbox.write("prompts/_other.j2", "Nobody's.\n");
    sandbox.write("prompts/still.j2", "{{ q }}\n");
    sandbox.git(&["init"]);
    assert_eq!(sandbox.run(&["test", "--snapshots", "accept"]).code, 0);
    commit(&sandbox, "create");
    sandbox.edit("prompts/p.j2", "{{ q }}", "Answer: {{ q }}");
    sandbox.edit("prompts/p.j2", "1.0.0", "1.1.0");
    commit(&sandbox, "template, unrecorded");
    assert_eq!(sandbox.run(&["test", "--snapshots", "accept"]).code, 0);
    commit(&sandbox, "record and accept");
    sandbox.write("prompts/_other.j2", "Nobody's still.\n");
    sandbox.edit("promptctl.yaml", "models:", "# a comment\nmodels:");
    commit(&sandbox, "nothing that matters");
    sandbox.write("prompts/_tone.j2", "Firmly.\n");
    commit(&sandbox, "partial");
    sandbox.edit("promptctl.yaml", "provider: mock", "provider: mock\n    params: { temperature: 1 }");
    commit(&sandbox, "parameter");
    sandbox.edit(
        "fixtures/p/cases.yaml",
        "cases:",
        "cases:\n  - { name: two, vars: { q: ho }, expect: [{ contains: hi }], snapshot: none }",
    );
    commit(&sandbox, "cases");
    sandbox.edit("prompts/p.j2", "{{ q }}", "{{ q ");
    commit(&sandbox, "break");
    sandbox.edit("prompts/p.j2", "{{ q ", "{{ q }}");
    commit(&sandbox, "mend");
    sandbox.git(&["mv", "prompts/p.j2", "prompts/new.j2"]);
    sandbox.git(&["mv", "fixtures/p", "fixtures/new"]);
    sandbox.git(&["mv", "snapshots/p", "snapshots/new"]);
    sandbox.edit("prompts/new.j2", "1.1.0", "2.0.0");
    commit(&sandbox, "rename");
    sandbox
}

#[test]
fn the_versions_of_a_prompt_are_listed_with_what_changed() {
    let sandbox = story();
    assert_snapshot!("log", masked(&sandbox.run(&["log", "new"]).shown()));
    let ended = sandbox.run(&["log", "still", "--json"]);
    let json: Value = serde_json::from_str(&ended.stdout).expect("JSON");
    let changes: Vec<&Value> =
        json["prompts"][0]["versions"].as_array().expect("a list").iter().map(|v| &v["changes"][0]["kind"]).collect();
    assert_eq!(changes, ["created"], "a prompt without cases is not touched by what others do: {}", ended.stdout);
    // What is not committed comes first.
    sandbox.write("prompts/_tone.j2", "Politely.\n");
    let ended = sandbox.run(&["log", "new", "-n", "1"]);
    assert!(ended.stdout.contains("working tree  not committed  2.0.0"), "{}", ended.stdout);
    assert!(ended.stdout.contains("partial _tone.j2 (+1 −1 lines)"), "{}", ended.stdout);
    let ended = sandbox.run(&["log", "--digest", "49db782b"]);
    assert!(ended.stdout.contains("record and accept") && !ended.stdout.contains("rename"), "{}", ended.stdout);
    assert_eq!(sandbox.run(&["log", "--digest", "00000000"]).code, 4);
    assert_eq!(sandbox.run(&["log", "nobody"]).code, 4);
}

/// The key of the request of a case, as `render` says it.
fn key(sandbox: &Sandbox, prompt: &str) -> String {
    let ended = sandbox.run(&["render", prompt, "--json"]);
    let json: Value = serde_json::from_str(&ended.stdout).expect("JSON");
    json[0]["keys"][0].as_str().expect("a key").to_owned()
}

#[test]
fn a_request_is_traced_back_to_its_version() {
    let sandbox = story();
    let first = key(&sandbox, "new@1.0.0");
    assert_snapshot!("log_request", masked(&sandbox.run(&["log", "--digest", &first]).shown()));
    // The same in JSON, by the first digits, in capitals.
    let ended = sandbox.run(&["log", "--json", "--digest", &first[..10].to_uppercase()]);
    let json: Value = serde_json::from_str(&ended.stdout).expect("JSON");
    let version = &json["prompts"][0]["versions"][0];
    assert_eq!((&version["version"], &version["name"]), (&"1.0.0".into(), &"p".into()), "{}", ended.stdout);
    assert_eq!(version["asked"][0]["key"], first.as_str());
    let run = &json["runs"][0];
    assert_eq!((&run["prompt_version"], &run["case"], &run["model"]), (&"1.0.0".into(), &"one".into(), &"echo".into()));
    assert_eq!(run["prompt_digest"], version["digest"]);
    // A model and a sample that only the command line named: from the recordings, committed or not.
    sandbox.edit(
        "promptctl.yaml",
        "models:",
        "defaults: { models: [echo] }\nmodels:\n  second: { provider: mock, replies: [{ say: hi }] }",
    );
    sandbox.run(&["test", "new", "--model", "second", "--repeat", "3", "--snapshots", "accept"]);
    let lines = sandbox.read("fixtures/new/recorded/second.jsonl");
    let last: Value = serde_json::from_str(lines.lines().last().expect("a line")).expect("JSON");
    std::fs::remove_dir_all(sandbox.path(".promptctl")).expect("removed");
    let digest = last["key"].as_str().expect("a key");
    for committed in [false, true] {
        if committed {
            commit(&sandbox, "another model");
        }
        let ended = sandbox.run(&["log", "--no-results", "--digest", digest]);
        says(&ended, 0, &["2.0.0", "on second, sample 3"]);
        assert!(!ended.stdout.contains("runs") && !ended.stdout.contains("asks something else"), "{}", ended.stdout);
    }
    // A state of the prompt that was never committed is in the history alone, by its digest as by its request.
    sandbox.edit("prompts/new.j2", "Answer:", "Say:");
    says(&sandbox.run(&["test", "new"]), 1, &["2 planned"]);
    let uncommitted = key(&sandbox, "new");
    let json: Value = serde_json::from_str(&sandbox.run(&["render", "new", "--json"]).stdout).expect("JSON");
    sandbox.git(&["checkout", "."]);
    for digits in [uncommitted.as_str(), json[0]["digest"].as_str().expect("a digest")] {
        let ended = sandbox.run(&["log", "--digest", digits]);
        says(&ended, 0, &["runs\n  #", "new 2.0.0", "on echo"]);
        says(&sandbox.run(&["log", "still", "--digest", digits]), 4, &["none asked a request of that key"]);
    }
    says(&sandbox.run(&["log", "--digest", "xyz"]), 2, &["it is no digest"]);
}

#[test]
fn what_a_check_asked_is_traced_back_to_its_case() {
    let sandbox = Sandbox::with_cases(
        "cases:\n  - { name: one, vars: { q: hi }, expect: [{ llm-rubric: It is kind. }], snapshot: none }\n",
    );
    sandbox.edit(
        "promptctl.yaml",
        "models:",
        "defaults: { models: [echo] }\njudge: { model: judge }\nmodels:\n  judge: { provider: mock, replies: [{ say: '{\"pass\": true, \"score\": 1, \"reason\": \"kind\"}' }] }",
    );
    sandbox.git(&["init"]);
    assert_eq!(sandbox.run(&["test"]).code, 0);
    commit(&sandbox, "with a judge");
    let judged = sandbox.read("fixtures/p/judged/judge.jsonl");
    let line: Value = serde_json::from_str(judged.lines().next().expect("a line")).expect("JSON");
    let ended = sandbox.run(&["log", "--digest", line["key"].as_str().expect("a key")]);
    says(&ended, 0, &["with a judge", "case `one` on judge, sample 1, asked by the check"]);
}

#[test]
fn a_prompt_that_was_removed_still_has_a_past() {
    let sandbox = story();
    sandbox.git(&["rm", "-r", "prompts/new.j2", "fixtures/new", "snapshots/new"]);
    commit(&sandbox, "remove");
    let ended = sandbox.run(&["log", "new", "--no-results"]);
    assert!(ended.code == 0 && ended.stdout.contains("removed"), "{}", ended.shown());
    assert!(ended.stdout.contains("renamed from p"), "{}", ended.stdout);
}

#[test]
fn a_version_of_the_past_is_shown_and_rendered() {
    let sandbox = story();
    assert_snapshot!("show", masked(&sandbox.run(&["show", "new@1.0.0"]).shown()));
    let ended = sandbox.run(&["render", "new@1.0.0", "--json"]);
    let json: Value = serde_json::from_str(&ended.stdout).expect("JSON");
    assert_eq!(json[0]["request"]["messages"][0]["content"], "Kindly. hi", "{}", ended.stderr);
    sandbox.git(&["tag", "release", "HEAD~8"]);
    assert!(sandbox.run(&["render", "p@release"]).stdout.contains("Kindly. Answer: hi"));
    let ended = sandbox.run(&["diff", "new", "1.0.0..1.1.0", "--template"]);
    assert!(ended.code == 0 && ended.stdout.contains("p  1.0.0 → 1.1.0"), "{}", ended.shown());
    assert_eq!(sandbox.run(&["diff", "new", "9.0.0"]).code, 4);
    assert_eq!(sandbox.run(&["show", "new", "--template"]).stdout, sandbox.read("prompts/new.j2"));
    let ended = sandbox.run(&["show", "new@3.0.0"]);
    assert!(ended.code == 4 && ended.stderr.contains("versions: 2.0.0, 1.1.0, 1.0.0"), "{}", ended.stderr);
    assert_eq!(sandbox.run(&["show", "new@no-such-thing"]).code, 2);
    assert_eq!(sandbox.run(&["render", "new@1.0.0", "still"]).code, 2);
    // Mistakes of another prompt do not matter.
    sandbox.write("prompts/still.j2", "{{ q\n");
    assert_eq!(sandbox.run(&["show", "new"]).code, 0);
    assert_eq!(sandbox.run(&["log", "new"]).code, 0);
}

#[test]
fn a_merge_is_no_version_and_its_branches_are_followed() {
    let sandbox = story();
    sandbox.git(&["checkout", "-b", "side", "HEAD~1"]);
    sandbox.edit("prompts/p.j2", "Answer:", "Answer well:");
    commit(&sandbox, "on the side");
    sandbox.git(&["checkout", "-b", "third", "HEAD~2"]);
    sandbox.write("README.md", "words\n");
    commit(&sandbox, "beside");
    sandbox.git(&["checkout", "main"]);
    sandbox.git(&["merge", "--no-edit", "side"]);
    sandbox.git(&["merge", "--no-edit", "third"]);
    let ended = sandbox.run(&["log", "new", "--json", "--no-results"]);
    let json: Value = serde_json::from_str(&ended.stdout).expect("JSON");
    let versions = json["prompts"][0]["versions"].as_array().expect("a list");
    let found: Vec<&str> = versions.iter().map(|v| v["summary"].as_str().unwrap_or_default()).collect();
    assert!(found.contains(&"on the side") && found.contains(&"rename"), "{found:?}");
    assert!(!found.contains(&"beside"), "{found:?}");
}

#[test]
fn where_there_is_no_past_it_is_said() {
    let sandbox = Sandbox::with_cases("cases: []\n");
    for command in [&["log"][..], &["log", "p"], &["show", "p@1.0.0"], &["render", "p@HEAD"]] {
        let ended = sandbox.run(command);
        assert!(ended.code == 2 && ended.stderr.contains("not in a git repository"), "{command:?}: {}", ended.stderr);
    }
    assert_eq!(sandbox.run(&["show", "p"]).code, 0, "the working tree needs no git");
    sandbox.git(&["init"]);
    let ended = sandbox.run(&["log"]);
    assert!(ended.code == 2 && ended.stderr.contains("no commit"), "{}", ended.stderr);
}

#[test]
fn a_shallow_clone_says_that_its_past_is_cut() {
    let sandbox = story();
    let clone = Sandbox::empty();
    let from = format!("file://{}", sandbox.root().display());
    clone.git(&["clone", "--depth", "3", &from, "clone"]);
    let ended = clone.run(&["-C", "clone", "log", "new"]);
    assert!(ended.code == 0 && ended.stdout.contains("this clone is shallow"), "{}", ended.shown());
    let ended = clone.run(&["-C", "clone", "show", "new@0.1.0"]);
    assert!(ended.code == 4 && ended.stderr.contains("git fetch --unshallow"), "{}", ended.shown());
}

#[test]
fn hostile_names_of_commits_do_not_reach_the_terminal() {
    let sandbox = story();
    sandbox.edit("prompts/new.j2", "2.0.0", "2.0.1");
    commit(&sandbox, "evil \u{1b}[31m\u{202e} message");
    let ended = sandbox.run(&["log", "new"]);
    assert!(!ended.stdout.contains('\u{1b}') && !ended.stdout.contains('\u{202e}'), "{:?}", ended.stdout);
}

/// The prompt `p` was 0.5.0, was removed, came back as 1.0.0, and was renamed to `new`.
fn returned() -> Sandbox {
    let sandbox =
        Sandbox::with_cases("cases:\n  - { name: one, vars: { q: hi }, expect: [{ contains: hi }], snapshot: none }\n");
    let prompt = |version: &str, text: &str| {
        sandbox
            .write("prompts/p.j2", format!("---\nversion: {version}\n---\n{text} {{{{ q }}}} and some more words\n"));
    };
    sandbox.git(&["init"]);
    prompt("0.5.0", "First");
    commit(&sandbox, "first");
    let cases = sandbox.read("fixtures/p/cases.yaml");
    sandbox.git(&["rm", "-rq", "prompts", "fixtures"]);
    commit(&sandbox, "removed");
    sandbox.write("README.md", "words");
    commit(&sandbox, "beside");
    prompt("1.0.0", "Second");
    sandbox.write("fixtures/p/cases.yaml", cases);
    commit(&sandbox, "back");
    sandbox.git(&["mv", "prompts/p.j2", "prompts/new.j2"]);
    sandbox.git(&["mv", "fixtures/p", "fixtures/new"]);
    commit(&sandbox, "renamed");
    sandbox
}

#[test]
fn the_past_of_a_prompt_ended_where_it_came_back() {
    let sandbox = returned();
    let log = sandbox.run(&["log", "new", "--json", "--no-results"]);
    let json: Value = serde_json::from_str(&log.stdout).expect("JSON");
    let versions = json["prompts"][0]["versions"].as_array().expect("a list");
    let found: Vec<&str> = versions.iter().map(|version| version["summary"].as_str().expect("text")).collect();
    assert_eq!(found, ["renamed", "back", "removed", "first"]);
    let ended = sandbox.run(&["show", "new@0.5.0"]);
    assert!(ended.code == 0 && ended.stdout.contains("First {{ q }}"), "{}", ended.shown());
}

#[test]
fn a_version_was_that_of_the_edited_working_tree() {
    let sandbox = returned();
    sandbox.edit("prompts/new.j2", "Second", "Edited");
    for command in ["show", "render"] {
        let ended = sandbox.run(&[command, "new@1.0.0"]);
        assert!(ended.code == 0 && ended.stdout.contains("Second"), "{}", ended.shown());
    }
    sandbox.edit("prompts/new.j2", "1.0.0", "1.1.0");
    assert!(sandbox.run(&["show", "new@1.1.0"]).stdout.contains("Edited"), "where no commit has it");
}

#[test]
fn a_prompt_at_a_commit_was_looked_for_under_its_present_name() {
    let sandbox = returned();
    for (revision, text) in [("HEAD~1", "Second"), ("HEAD~4", "First")] {
        let ended = sandbox.run(&["show", &format!("new@{revision}")]);
        assert!(ended.code == 0 && ended.stdout.contains(text), "{}", ended.shown());
    }
    let ended = sandbox.run(&["show", "new@HEAD~2"]);
    assert!(ended.code == 4 && ended.stderr.contains("has no prompt"), "{}", ended.shown());
}

#[test]
fn a_version_whose_cases_are_broken_was_none() {
    let sandbox = returned();
    sandbox.edit("prompts/new.j2", "1.0.0", "1.2.0");
    sandbox.edit("fixtures/new/cases.yaml", "contains", "containz");
    commit(&sandbox, "broken cases");
    let ended = sandbox.run(&["log", "new", "-n", "1"]);
    assert!(ended.stdout.contains("  1.2.0  ") && !ended.stdout.contains("no digest"), "{}", ended.stdout);
    assert!(ended.stdout.contains("cannot be loaded"), "{}", ended.stdout);
    let ended = sandbox.run(&["show", "new@1.2.0"]);
    assert!(ended.code == 0, "{}", ended.shown());
    assert!(ended.stdout.contains("digest ") && ended.stdout.contains("cannot be loaded: "), "{}", ended.stdout);
    assert_eq!(sandbox.run(&["log", "new", "-n", "0"]).code, 2, "none at all is no number of versions");
}

#[test]
fn bump_wrote_into_the_description_and_lost_the_byte_order_mark() {
    let sandbox = returned();
    let path = "prompts/new.j2";
    for (text, bumped) in [
        (
            "---\n{ description: \"1.2.3 é\", version: 1.2.3 }\n---\n{{ q }}\n",
            "---\n{ description: \"1.2.3 é\", version: 1.2.4 }\n---\n{{ q }}\n",
        ),
        (
            "\u{feff}---\r\nversion: '1.2.3'\r\n---\r\n{{ q }}\r\n",
            "\u{feff}---\r\nversion: '1.2.4'\r\n---\r\n{{ q }}\r\n",
        ),
    ] {
        sandbox.write(path, text);
        let ended = sandbox.run(&["bump", "new"]);
        assert_eq!((ended.code, sandbox.read(path).as_str()), (0, bumped), "{}", ended.shown());
    }
}

#[cfg(unix)]
#[test]
fn bump_made_a_file_of_a_link() {
    let sandbox = returned();
    std::fs::rename(sandbox.path("prompts/new.j2"), sandbox.path("shared.txt")).expect("moved");
    std::os::unix::fs::symlink("../shared.txt", sandbox.path("prompts/new.j2")).expect("linked");
    let ended = sandbox.run(&["bump", "new"]);
    assert!(
        ended.code == 2 && ended.stderr.contains("prompts/new.j2 is a symbolic link to `../shared.txt`"),
        "{}",
        ended.stderr
    );
    assert!(sandbox.path("prompts/new.j2").is_symlink() && sandbox.read("shared.txt").contains("1.0.0"));
}
