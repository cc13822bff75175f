//! What `promptctl lint` knows of the past: how old a thing is, how often a prompt was patched, who answered.

use std::process::Command;

use super::sandbox::{Sandbox, says};

const CONFIG: &str =
    "models:\n  m: { provider: mock, replies: [{ say: \"the answer\" }] }\ndefaults: { models: [m] }\n";
const P: &str = "prompts/p.j2";
const T: &str = "prompts/_t.j2";
const C: &str = "fixtures/p/cases.yaml";
const CASES: &str = "cases:\n  - { name: one, vars: { q: hello }, expect: [{ contains: answer }] }\n";

fn project(files: &[(&str, &str)]) -> Sandbox {
    let sandbox = Sandbox::empty();
    sandbox.git(&["init", "-q"]);
    for (path, text) in [("promptctl.yaml", CONFIG), (".gitignore", ".promptctl/\n"), (C, CASES)].iter().chain(files) {
        sandbox.write(path, text);
    }
    sandbox
}

/// Commits everything on a day; the tests are on 2026-01-01.
fn commit(sandbox: &Sandbox, day: &str, message: &str) {
    sandbox.git(&["add", "-A"]);
    let done = Command::new("git")
        .args(["-c", "user.name=A", "-c", "user.email=a@example.org", "commit", "-q", "--allow-empty", "-m", message])
        .current_dir(sandbox.root())
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_AUTHOR_DATE", "2020-01-01T00:00:00Z")
        .env("GIT_COMMITTER_DATE", format!("{day}T12:00:00Z"))
        .status()
        .expect("git");
    assert!(done.success());
}

#[test]
fn what_is_to_do_has_an_age() {
    let sandbox = project(&[(P, "{# TODO: ask the lawyers #}\nHello. {{ q }}\n")]);
    commit(&sandbox, "2025-06-01", "a");
    let only = ["lint", "--rule", "W14"];
    says(&sandbox.run(&only), 0, &["a comment says `TODO`, since 2025-06-01 (214 days)"]);
    // What stands around it does not matter, nor where it stands, nor what its file is called.
    sandbox.write(P, "You are kind.\n\n    {# TODO: ask the lawyers #}\nHello. {{ q }}\n");
    commit(&sandbox, "2025-07-01", "b");
    std::fs::create_dir_all(sandbox.path("prompts/new")).expect("made");
    std::fs::rename(sandbox.path(P), sandbox.path("prompts/new/p.j2")).expect("renamed");
    std::fs::create_dir_all(sandbox.path("fixtures/new")).expect("made");
    std::fs::rename(sandbox.path("fixtures/p"), sandbox.path("fixtures/new/p")).expect("renamed");
    commit(&sandbox, "2025-08-01", "c");
    says(&sandbox.run(&only), 0, &["prompts/new/p.j2:3:8", "since 2025-06-01 (214 days)"]);
    // Through a merge; what is not committed has no day.
    let new = "prompts/new/p.j2";
    sandbox.git(&["checkout", "-qb", "side"]);
    sandbox.write(new, format!("{}{{# FIXME: the tone #}}\n", sandbox.read(new)));
    commit(&sandbox, "2025-09-01", "d");
    sandbox.git(&["checkout", "-q", "main"]);
    sandbox.write("README.md", "x\n");
    commit(&sandbox, "2025-10-01", "e");
    sandbox.git(&["merge", "-q", "--no-edit", "side"]);
    sandbox.write(new, format!("{}{{# HACK: the length #}}\n", sandbox.read(new)));
    let ended = sandbox.run(&only);
    says(&ended, 0, &["`TODO`, since 2025-06-01", "`FIXME`, since 2025-09-01 (122 days)", "says `HACK`\n"]);
    let ended = sandbox.run(&["lint", "--rule", "W14", "--report", "json"]);
    let report: serde_json::Value = serde_json::from_str(&ended.stdout).expect("JSON");
    let since: Vec<Option<&str>> =
        report["findings"].as_array().expect("a list").iter().map(|finding| finding["since"].as_str()).collect();
    assert_eq!(since, [Some("2025-06-01"), Some("2025-09-01"), None]);
    // It is the same as at the base, however old it is.
    says(&sandbox.run(&["lint", "--rule", "W14", "--base", "HEAD"]), 0, &["says `HACK`", "1 warning in"]);
    // Of a shallow clone the end is not known.
    sandbox.git(&["clone", "-q", "--depth", "1", &format!("file://{}", sandbox.root().display()), "shallow"]);
    let ended = sandbox.run(&["-C", "shallow", "lint", "--rule", "W14"]);
    says(&ended, 0, &["says `TODO`\n", "says `FIXME`\n"]);
}

#[test]
fn what_is_owed_is_a_list_with_ages_names_and_costs() {
    let with = "{# TODO: ask the lawyers #}\n{% include '_t.j2' %}\nHello. {{ q }}\n";
    let sandbox = project(&[(P, with), (T, "Answer the question.\n"), ("prompts/bare.j2", "Hi {{ q }}\n")]);
    sandbox.write("promptctl.yaml", CONFIG.replace("replies", "price: { input: 10, output: 20 }, replies"));
    commit(&sandbox, "2025-06-01", "a");
    sandbox.write(T, "Answer the question. {# FIXME: in which language? #}\n");
    commit(&sandbox, "2025-09-01", "b");
    sandbox.write("prompts/bare.j2", "{# HACK: x #}\nHi {{ q }}\n");
    insta::assert_snapshot!(sandbox.run(&["lint", "--rule", "W14", "--rule", "W04", "--debt"]).shown());
    let ended = sandbox.run(&["lint", "--rule", "W14", "--debt", "--report", "json"]);
    let report: serde_json::Value = serde_json::from_str(&ended.stdout).expect("JSON");
    let schema = serde_json::from_str(include_str!("../../docs/schema/lint.schema.json")).expect("JSON");
    assert!(jsonschema::is_valid(&schema, &report), "{report}");
    let owed = |name: &str| -> Vec<serde_json::Value> {
        report["findings"].as_array().expect("a list").iter().map(|finding| finding[name].clone()).collect()
    };
    assert_eq!(owed("since"), ["2025-09-01".into(), serde_json::Value::Null, "2025-06-01".into()]);
    assert_eq!(owed("by"), ["A".into(), serde_json::Value::Null, "A".into()]);
    let costs = owed("request_usd");
    assert!(costs[0].is_f64() && costs[0] == costs[2] && costs[1].is_null(), "{costs:?}");
    assert_eq!(owed("request_is_estimate")[0], true);
    // What was answered is counted.
    says(&sandbox.run(&["test", "p"]), 0, &[]);
    let ended = sandbox.run(&["lint", "--rule", "W14", "--debt"]);
    assert!(ended.stdout.contains(" A   $0.0"), "{}", ended.shown());
    says(&sandbox.run(&["lint", "--debt", "--base", "HEAD", "--rule", "W14"]), 0, &["HACK", "1 warning in"]);
    says(&sandbox.run(&["lint", "--debt", "--fix"]), 2, &["--fix"]);
}

#[test]
fn a_long_history_is_gone_through_in_time() {
    let sandbox = project(&[(P, "{# TODO: x #}\nHello 0. {{ q }}\n")]);
    commit(&sandbox, "2025-06-01", "a");
    let mut stream = String::from("reset refs/heads/main\nfrom refs/heads/main^0\n\n");
    for i in 1..1500 {
        let text = format!("{{# TODO: x #}}\nHello {i}. {{{{ q }}}}\n");
        let time = 1_750_000_000 + i * 60;
        stream.push_str(&format!(
            "commit refs/heads/main\ncommitter A <a@example.org> {time} +0000\ndata 1\na\nM 100644 inline {P}\ndata {}\n{text}\n",
            text.len()
        ));
    }
    let mut git = Command::new("git")
        .args(["fast-import", "--quiet", "--force"])
        .current_dir(sandbox.root())
        .stdin(std::process::Stdio::piped())
        .spawn()
        .expect("git");
    std::io::Write::write_all(&mut git.stdin.take().expect("a pipe"), stream.as_bytes()).expect("written");
    assert!(git.wait().expect("ended").success());
    sandbox.git(&["reset", "-q", "--hard"]);
    let begun = std::time::Instant::now();
    says(&sandbox.run(&["lint", "--rule", "W14"]), 0, &["since 2025-06-01"]);
    assert!(begun.elapsed().as_secs() < 20, "{:?}", begun.elapsed());
}

#[test]
fn a_commit_is_looked_at_as_the_working_tree_was() {
    let sandbox = project(&[(P, "{# TODO: ask the lawyers #}\nHello. {{ q }}\n")]);
    commit(&sandbox, "2025-06-01", "a");
    sandbox.write(P, "Hello. {{ q }}\n");
    commit(&sandbox, "2025-07-01", "b");
    sandbox.git(&["checkout", "-qb", "side"]);
    sandbox.write(P, "{# FIXME: the tone #}\nHello. {{ q }}\n");
    commit(&sandbox, "2025-08-01", "c");
    sandbox.git(&["checkout", "-q", "main"]);
    sandbox.write(P, "{# HACK: the length #}\nHello. {{ q }}\n");
    let run = |args: &[&str]| sandbox.run(&[&["lint", "--rule", "W14"], args].concat());
    says(&run(&[]), 0, &["a comment says `HACK`\n"]);
    says(&run(&["--at", "HEAD"]), 0, &["nothing found in 1 prompt"]);
    says(&run(&["--at", "HEAD~1"]), 0, &["`TODO`, since 2025-06-01"]);
    says(&run(&["--at", "side"]), 0, &["`FIXME`, since 2025-08-01"]);
    says(&run(&["--at", "HEAD~1", "--base", "HEAD"]), 0, &["`TODO`"]);
    says(&run(&["--at", "HEAD", "--base", "HEAD~1"]), 0, &["nothing found", "1 found at HEAD~1 is gone"]);
    says(&run(&["--at", "HEAD", "--fix"]), 2, &["--fix"]);
    says(&run(&["--at", "nowhere"]), 2, &["nowhere"]);
    // What is held against something before it is held against where its branch began, or against its parent.
    let long = format!("Hello. {{{{ q }}}}\n{}", "Name what the policy says of the item in question.\n".repeat(150));
    sandbox.git(&["checkout", "-qf", "side"]);
    sandbox.write(P, &long);
    commit(&sandbox, "2025-09-01", "d");
    sandbox.write("README.md", "x\n");
    commit(&sandbox, "2025-10-01", "e");
    let grown = |args: &[&str]| sandbox.run(&[&["lint", "--rule", "W07"], args].concat());
    says(&grown(&["--at", "side"]), 0, &["(where side left main)"]);
    sandbox.git(&["checkout", "-q", "main"]);
    sandbox.git(&["merge", "-q", "--ff-only", "side"]);
    says(&grown(&["--at", "main"]), 0, &["nothing found"]);
    says(&grown(&["--at", "main~1"]), 0, &["(the commit before)"]);
    let elsewhere = Sandbox::empty();
    elsewhere.git(&["clone", "-q", "--bare", &sandbox.root().display().to_string(), "bare.git"]);
    let bare = |args: &[&str]| elsewhere.run(&[&["-C", "bare.git", "lint", "--rule", "W14"], args].concat());
    says(&bare(&["--at", "main~3"]), 0, &["nothing found in 1 prompt"]);
    says(&bare(&[]), 2, &["name a commit (`--at HEAD`)"]);
}

#[test]
fn a_prompt_that_goes_back_and_forth_is_told() {
    let only = ["lint", "--rule", "I14"];
    let prompt = |said: &str, version: usize| format!("---\nversion: 1.0.{version}\n---\n{said} {{{{ q }}}}\n");
    let sandbox = project(&[(P, &prompt("One.", 0))]);
    commit(&sandbox, "2025-12-01", "a");
    for (day, (said, version)) in [(2, ("Two.", 1)), (3, ("One.", 2))] {
        sandbox.write(P, prompt(said, version));
        commit(&sandbox, &format!("2025-12-0{day}"), "better");
    }
    says(&sandbox.run(&only), 0, &["nothing found"]);
    sandbox.write(P, prompt("Two.", 3));
    commit(&sandbox, "2025-12-04", "better still");
    says(&sandbox.run(&only), 0, &["2 commits in 90 days took another one back"]);
    // Only moving the version takes nothing back.
    let sandbox = project(&[(P, &prompt("One.", 0))]);
    for day in 1..6 {
        sandbox.write(P, prompt("One.", day));
        commit(&sandbox, &format!("2025-12-0{day}"), "release");
    }
    says(&sandbox.run(&only), 0, &["nothing found"]);
    // As git says it itself.
    let sandbox = project(&[(P, "One. {{ q }}\n")]);
    for (day, message) in [(1, "a"), (2, "Revert \"a\""), (3, "Reapply \"a\"")] {
        sandbox.write(P, format!("Words {day}. {{{{ q }}}}\n"));
        commit(&sandbox, &format!("2025-12-0{day}"), message);
    }
    says(&sandbox.run(&only), 0, &["2 commits in 90 days took another one back"]);
}

#[test]
fn the_same_change_on_two_branches_takes_nothing_back() {
    let sandbox = project(&[(P, "One. {{ q }}\n")]);
    commit(&sandbox, "2025-12-01", "a");
    sandbox.git(&["checkout", "-qb", "side"]);
    for (branch, days) in [("side", [2, 3]), ("main", [4, 5])] {
        sandbox.git(&["checkout", "-q", branch]);
        for (day, text) in days.into_iter().zip(["Two. {{ q }}\n", "Three. {{ q }}\n"]) {
            sandbox.write(P, text);
            commit(&sandbox, &format!("2025-12-0{day}"), "change");
        }
    }
    sandbox.git(&["merge", "-q", "--no-edit", "side"]);
    says(&sandbox.run(&["lint", "--rule", "I14"]), 0, &["nothing found"]);
}

#[test]
fn patches_to_partials_are_patches() {
    let only = ["lint", "p", "--rule", "I14"];
    let sandbox = project(&[(P, "{% include \"_t.j2\" %} {{ q }}\n"), (T, "Be kind.\n")]);
    commit(&sandbox, "2025-12-01", "a");
    for day in 2..8 {
        let path = if day % 2 == 0 { P } else { T };
        let text = sandbox.read(path);
        sandbox.write(path, format!("Rule {day}. {text}"));
        commit(&sandbox, &format!("2025-12-0{day}"), "rule");
    }
    // Of one prompt it is a part.
    says(
        &sandbox.run(&only),
        0,
        &["prompts/p.j2:1:1", "6 commits in 30 days and 6 in 90, half of them of at most 6 lines"],
    );
    // Of several each is told by itself, once.
    sandbox.write("prompts/r.j2", "Sort. {% include \"_t.j2\" %}\n");
    commit(&sandbox, "2025-12-08", "b");
    says(&sandbox.run(&["lint", "--rule", "I14"]), 0, &["nothing found"]);
    for day in 10..13 {
        sandbox.write(T, format!("Rule {day}. {}", sandbox.read(T)));
        commit(&sandbox, &format!("2025-12-{day}"), "rule");
    }
    let ended = sandbox.run(&["lint", "--rule", "I14"]);
    says(&ended, 0, &["prompts/_t.j2:1:1", "6 commits in 30 days", "1 info in 2 prompts"]);
    says(&sandbox.run(&only), 0, &["prompts/_t.j2:1:1"]);
}

#[test]
fn three_months_of_patches_are_told_like_one() {
    let sandbox = project(&[(P, "One. {{ q }}\n")]);
    commit(&sandbox, "2025-10-01", "a");
    let days = (5..=9).flat_map(|i| (10..=12).map(move |month| (month, i)));
    let mut days: Vec<(i32, i32)> = days.chain([(10, 20), (11, 20)]).collect();
    days.sort_unstable();
    for (month, day) in &days {
        sandbox.write(P, format!("Rule {month} {day}. {{{{ q }}}}\n"));
        commit(&sandbox, &format!("2025-{month}-{day:02}"), "rule");
    }
    let only = ["lint", "--rule", "I14"];
    says(&sandbox.run(&only), 0, &["nothing found"]);
    sandbox.write(P, "Rule. {{ q }}\n");
    commit(&sandbox, "2025-11-21", "rule");
    says(&sandbox.run(&only), 0, &["in 30 days and 18 in 90"]);
}

#[test]
fn recordings_of_different_models_are_told() {
    let cases = "cases:\n  - { name: one, vars: { q: hello }, expect: [{ contains: answer }] }\n  - { name: two, vars: { q: bye }, expect: [{ contains: answer }] }\n";
    let sandbox = project(&[(P, "Hello. {{ q }}\n"), (C, cases)]);
    says(&sandbox.run(&["test", "--snapshots", "accept"]), 0, &[]);
    let recorded = "fixtures/p/recorded/m.jsonl";
    let answered = |models: [&str; 2]| {
        let lines = sandbox.read(recorded);
        let lines = lines.lines().zip(models).map(|(line, model)| {
            let mut line: serde_json::Value = serde_json::from_str(line).expect("JSON");
            line["response"]["model"] = model.into();
            format!("{line}\n")
        });
        let lines: String = lines.collect();
        sandbox.write(recorded, lines);
    };
    let only = ["lint", "--rule", "W13"];
    answered(["m-2026-01-01", "m-2026-01-01"]);
    says(&sandbox.run(&only), 0, &["nothing found"]);
    answered(["m-2026-01-01", "m-2026-09-09"]);
    let told =
        "what is recorded on `m` was answered by different models: `m-2026-01-01` (1 case), `m-2026-09-09` (1 case)";
    says(&sandbox.run(&only), 0, &[told, "`promptctl test --refresh p`"]);
    // What answers another request will be asked again anyway.
    sandbox.write(C, cases.replace("bye", "goodbye"));
    let ended = sandbox.run(&only);
    says(&ended, 0, &["answers an earlier request", "1 warning in"]);
}
