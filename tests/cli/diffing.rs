//! `promptctl diff`: files, messages and answers of two trees.

use insta::assert_snapshot;
use serde_json::Value;

use crate::sandbox::{Ended, Sandbox};

const PROMPT: &str = "---\nversion: 1.0.0\nparams: { temperature: 0 }\nvars:\n  q: string\n  tone: { type: string, default: kind }\n---\n{{ role(\"system\") }}\nYou help customers.\n{% include \"_tone.j2\" %}\n{{ role(\"user\") }}\n{{ q }}\n";

/// A committed project: two prompts, a partial, answers in text and in JSON.
fn project() -> Sandbox {
    let sandbox = Sandbox::empty();
    sandbox.write(
        "promptctl.yaml",
        "models:\n  it:\n    provider: mock\n    params: { seed: 1 }\n    replies:\n      - { when: order, say: '{\"queue\": \"{{ \"shipping\" if \"kindly\" in system else \"billing\" }}\", \"urgent\": false}' }\n      - { say: 'We say {{ system }} to {{ last_user_message }}' }\n",
    );
    sandbox.write("prompts/help.j2", PROMPT);
    sandbox.write("prompts/other.j2", "Say {{ word }}.\n");
    sandbox.write("prompts/_tone.j2", "Answer kindly, in a {{ tone }} tone.\n");
    let case = |name: &str, q: &str| format!("  - {{ name: {name}, vars: {{ q: {q} }}, snapshot: text }}\n");
    let cases: String =
        [("refund", "May I return it?"), ("repair", "Is it repaired?"), ("parcel", "Where is my order?")]
            .iter()
            .map(|(name, q)| case(name, q))
            .collect();
    sandbox.write("fixtures/help/cases.yaml", format!("cases:\n{cases}"));
    sandbox.write("fixtures/other/cases.yaml", "cases:\n  - { name: one, vars: { word: yes }, snapshot: text }\n");
    sandbox.git(&["init"]);
    commit(&sandbox, "base");
    sandbox
}

/// Records, accepts and commits everything.
fn commit(sandbox: &Sandbox, message: &str) {
    let ended = sandbox.run(&["test", "--snapshots", "accept"]);
    assert_eq!(ended.code, 0, "{}{}", ended.stdout, ended.stderr);
    sandbox.git(&["add", "-A"]);
    sandbox.git(&["commit", "-m", message]);
}

fn masked(ended: &Ended) -> String {
    regex::Regex::new("[0-9a-f]{12}").expect("valid").replace_all(&ended.shown(), "[hash]").into_owned()
}

fn json(ended: &Ended) -> Value {
    serde_json::from_str(&ended.stdout).unwrap_or_else(|error| panic!("{error}: {}{}", ended.stdout, ended.stderr))
}

#[test]
fn a_partial_that_changed_is_seen_in_files_messages_and_answers() {
    let sandbox = project();
    let same = sandbox.run(&["diff", "--exit-code"]);
    assert!(same.code == 0 && same.stdout.contains("2 prompts are the same"), "{}{}", same.stdout, same.stderr);
    sandbox.edit("prompts/_tone.j2", "kindly", "firmly");
    assert!(sandbox.run(&["diff"]).stdout.contains("3 cases without an answer at head yet"));
    sandbox.run(&["test"]);
    let ended = sandbox.run(&["diff"]);
    assert_eq!(ended.code, 0);
    assert_snapshot!("partial", masked(&ended));
    assert_eq!(sandbox.run(&["diff", "--exit-code"]).code, 1);
    // Two commits say the same as a commit and the working tree; the other way round it is the reverse.
    commit(&sandbox, "head");
    let after = |text: &str| text.split_once('\n').expect("a title").1.to_owned();
    assert_eq!(after(&sandbox.run(&["diff", "HEAD~1..HEAD"]).stdout), after(&ended.stdout));
    assert_eq!(after(&sandbox.run(&["diff", "HEAD~1"]).stdout), after(&ended.stdout));
    assert!(sandbox.run(&["diff", "HEAD..HEAD~1"]).stdout.contains("{+kindly+}"));
    assert!(sandbox.run(&["diff", "..HEAD~1"]).stdout.contains("diff working tree → commit"));
}

#[test]
fn layers_and_cases_are_chosen() {
    let sandbox = project();
    sandbox.edit("prompts/_tone.j2", "kindly", "firmly");
    sandbox.run(&["test"]);
    let has = |args: &[&str]| {
        let text = sandbox.run(&[&["diff", "help"], args].concat()).stdout;
        ["prompts/_tone.j2", "rendered", "answers"].map(|part| text.contains(part))
    };
    assert_eq!(has(&["--template"]), [true, false, false]);
    assert_eq!(has(&["--rendered"]), [false, true, false]);
    assert_eq!(has(&["--answers"]), [false, false, true]);
    assert_eq!(has(&["--answers", "--rendered"]), [false, true, true]);
    let ended = sandbox.run(&["diff", "--answers", "--case", "par*"]);
    assert!(ended.stdout.contains("$.queue  \"shipping\" → \"billing\""), "{}", ended.stdout);
    assert!(!ended.stdout.contains("refund"), "{}", ended.stdout);
    assert_eq!(sandbox.run(&["diff", "--case", "nothing"]).code, 4);
    assert_eq!(sandbox.run(&["diff", "--model", "ti"]).code, 4);
}

#[test]
fn what_callers_must_change_is_told_with_the_step_it_asks_for() {
    let sandbox = project();
    let told = |from: &str, to: &str| {
        sandbox.write("prompts/help.j2", PROMPT.replace(from, to));
        let ended = sandbox.run(&["diff", "help", "--template", "--json"]);
        let contract = json(&ended)["prompts"][0]["contract"].clone();
        let kinds: Vec<String> = contract["variables"]
            .as_array()
            .expect("a list")
            .iter()
            .map(|v| format!("{} {}", v["name"].as_str().unwrap_or_default(), v["kind"].as_str().unwrap_or_default()))
            .collect();
        let step = contract["asks_for"].as_str().unwrap_or_default().to_owned();
        (kinds.join(", "), step, contract["warning"].as_str().unwrap_or_default().to_owned())
    };
    let (kinds, step, warning) = told("q: string", "q: integer");
    assert_eq!((kinds.as_str(), step.as_str()), ("q retyped", "major"));
    assert!(warning.contains("still 1.0.0: `promptctl bump help major`"), "{warning}");
    let (kinds, step, _) = told("q: string\n", "q: string\n  lang: { type: string, default: en }\n");
    assert_eq!((kinds.as_str(), step.as_str()), ("lang added_with_default", "minor"));
    let (kinds, step, _) = told("q: string\n", "q: string\n  lang: string\n");
    assert_eq!((kinds.as_str(), step.as_str()), ("lang added", "major"));
    let (kinds, step, _) = told("tone: { type: string, default: kind }", "tone: string");
    assert_eq!((kinds.as_str(), step.as_str()), ("tone default_removed", "major"));
    let (kinds, step, warning) = told("version: 1.0.0", "version: 1.0.1");
    assert_eq!((kinds.as_str(), step.as_str(), warning.as_str()), ("", "none", ""));
    let (kinds, step, warning) = told("You help customers.", "You help people.");
    assert_eq!((kinds.as_str(), step.as_str()), ("", "patch"));
    assert!(warning.contains("bump help patch"), "{warning}");
    // Too small a step, and a prompt that declares nothing.
    sandbox.write(
        "prompts/help.j2",
        PROMPT.replace("q: string", "question: string").replace("{{ q }}", "{{ question }}").replace("1.0.0", "1.1.0"),
    );
    sandbox.write("prompts/other.j2", "Say {{ word }} and {{ more }}.\n");
    assert_snapshot!("contract", masked(&sandbox.run(&["diff", "--template"])));
}

#[test]
fn roles_settings_and_cases_that_come_and_go() {
    let sandbox = project();
    let example = "{{ role(\"user\") }}\nHi.\n{{ role(\"assistant\") }}\nHello.\n{{ role(\"user\") }}\n{{ q }}";
    let prompt = PROMPT
        .replace("{{ role(\"user\") }}\n{{ q }}", example)
        .replace("temperature: 0", "temperature: 1, top_p: 0.5");
    let output =
        "output: { schema: help.schema.json }\ntools: [{ name: find_order, parameters: { type: object } }]\nvars:";
    sandbox.write("prompts/help.j2", prompt.replace("vars:", output));
    sandbox.write("prompts/help.schema.json", "{\"type\": \"object\"}\n");
    sandbox.edit("promptctl.yaml", "seed: 1", "seed: 2");
    sandbox.edit("fixtures/help/cases.yaml", "name: repair", "name: mend");
    assert_snapshot!("roles", masked(&sandbox.run(&["diff", "help"])));
}

#[test]
fn prompts_come_go_and_are_renamed() {
    let sandbox = project();
    sandbox.git(&["mv", "prompts/help.j2", "prompts/support.j2"]);
    sandbox.git(&["mv", "fixtures/help", "fixtures/support"]);
    sandbox.git(&["mv", "snapshots/help", "snapshots/support"]);
    sandbox.edit("prompts/support.j2", "customers", "people");
    sandbox.git(&["rm", "-rq", "prompts/other.j2", "fixtures/other", "snapshots/other"]);
    sandbox.write("prompts/new.j2", "Translate {{ text }} into Latin, as Cicero would.\n");
    sandbox.write("fixtures/new/cases.yaml", "cases:\n  - { name: one, vars: { text: a }, snapshot: text }\n");
    sandbox.run(&["test"]);
    let ended = sandbox.run(&["diff"]);
    assert_snapshot!("renamed", masked(&ended));
    assert_eq!(sandbox.run(&["diff", "help"]).stdout, sandbox.run(&["diff", "support"]).stdout, "by either name");
    let document = json(&sandbox.run(&["diff", "--json"]));
    assert_eq!((&document["version"], &document["renamed"], &document["added"]), (&1.into(), &1.into(), &1.into()));
    let renamed = document["prompts"].as_array().expect("a list").iter().find(|p| p["kind"] == "renamed").expect("one");
    assert_eq!((&renamed["prompt"], &renamed["renamed_from"]), (&"support".into(), &"help".into()));
    assert_eq!(renamed["answers"]["compared"], 3);
    assert_eq!(renamed["rendered"]["changed"][0]["messages"][0]["old_role"], "system");
}

#[test]
fn nothing_hostile_reaches_the_terminal() {
    let sandbox = project();
    sandbox.edit("prompts/_tone.j2", "kindly", "kindly \u{1b}[31mred\u{1b}[0m \u{202e}::error::x");
    sandbox.edit("fixtures/help/cases.yaml", "May I return it?", "\"May \\e]0;title\\a I?\"");
    sandbox.run(&["test"]);
    for args in [&["diff"][..], &["diff", "--color", "never", "--rendered", "--answers"], &["diff", "a\u{1b}[2J"]] {
        let ended = sandbox.run(args);
        let text = format!("{}{}", ended.stdout, ended.stderr);
        assert!(text.contains("\\e") && !text.contains(['\u{1b}', '\u{7}', '\u{202e}']), "{text:?}");
    }
}

#[test]
fn a_side_with_mistakes_is_compared_as_far_as_it_goes() {
    let sandbox = project();
    sandbox.write("prompts/help.j2", PROMPT.replace("{{ q }}", "{{ q }"));
    commit_as_it_is(&sandbox);
    sandbox.write("prompts/help.j2", PROMPT.replace("customers", "people"));
    let ended = sandbox.run(&["diff"]);
    assert_eq!(ended.code, 2);
    assert_snapshot!("broken_base", masked(&ended));
    // Another prompt is not concerned.
    assert_eq!(sandbox.run(&["diff", "other"]).code, 0);
    // Nothing at all can be loaded there.
    sandbox.write("promptctl.yaml", "models: [\n");
    let ended = sandbox.run(&["diff", "HEAD~1"]);
    assert!(ended.code == 2 && ended.stdout.contains("[-customers-]"), "{}{}", ended.stdout, ended.stderr);
    assert!(ended.stderr.contains("what is wrong in the project at working tree"), "{}", ended.stderr);
}

fn commit_as_it_is(sandbox: &Sandbox) {
    sandbox.git(&["add", "-A"]);
    sandbox.git(&["commit", "-m", "as it is"]);
}

#[test]
fn a_case_that_cannot_be_rendered_says_why() {
    let sandbox = project();
    sandbox.edit("prompts/other.j2", "{{ word }}", "{{ wort }}");
    let ended = sandbox.run(&["diff", "other"]);
    assert!(ended.stdout.contains("! 1 case not rendered at head: prompts/other.j2:1: "), "{}", ended.stdout);
}

#[test]
fn an_argument_is_a_prompt_or_a_revision() {
    let sandbox = project();
    sandbox.edit("prompts/_tone.j2", "kindly", "firmly");
    for one in ["help", "prompts/help.j2", "he*", "HEAD", "main", "main.."] {
        let ended = sandbox.run(&["diff", "--template", one]);
        assert!(ended.code == 0 && ended.stdout.contains("firmly"), "{one}: {}{}", ended.stdout, ended.stderr);
    }
    let ended = sandbox.run(&["diff", "hepl"]);
    assert_eq!(ended.code, 2);
    assert_snapshot!("neither", ended.shown());
    assert_eq!(sandbox.run(&["diff", "hepl", "HEAD"]).code, 4);
    assert_eq!(sandbox.run(&["diff", "help", "nowhere..HEAD"]).code, 2);
    // Both: the prompt is taken, and that is said.
    sandbox.git(&["branch", "help"]);
    assert!(sandbox.run(&["diff", "help"]).stderr.contains("is a prompt and a revision"));
    let outside = Sandbox::with_cases("cases: []\n");
    assert_eq!(outside.run(&["diff"]).code, 2, "not a git repository");
    outside.git(&["init"]);
    let ended = outside.run(&["diff"]);
    assert!(ended.code == 2 && ended.stderr.contains("has no commit yet"), "{}", ended.stderr);
}

#[test]
fn without_recordings_the_accepted_answers_tell() {
    let sandbox = project();
    let forget = || {
        sandbox.git(&["rm", "-rq", "--cached", "fixtures/help/recorded"]);
        std::fs::remove_dir_all(sandbox.path("fixtures/help/recorded")).expect("removed");
        commit_as_it_is(&sandbox);
    };
    forget();
    sandbox.edit("prompts/_tone.j2", "kindly", "firmly");
    let ended = sandbox.run(&["diff", "--answers"]);
    assert!(ended.stdout.contains("3 cases without an answer at head yet"), "nobody tested it: {}", ended.stdout);
    commit(&sandbox, "accepted");
    forget();
    let ended = sandbox.run(&["diff", "--answers", "HEAD~2..HEAD"]);
    assert!(ended.stdout.contains("answers: 3 of 3 differ"), "{}", ended.stdout);
    assert!(ended.stdout.contains("parcel (it)  values changed · the accepted answers"), "{}", ended.stdout);
}

#[test]
fn where_there_was_no_project_everything_is_added() {
    let sandbox = Sandbox::with_cases("cases:\n  - { name: one, vars: { q: hi }, snapshot: text }\n");
    sandbox.git(&["init"]);
    sandbox.git(&["commit", "--allow-empty", "-m", "nothing yet"]);
    let ended = sandbox.run(&["diff"]);
    assert_eq!((ended.code, ended.stderr.as_str()), (0, ""));
    assert!(ended.stdout.contains("p  (added)") && ended.stdout.contains("+ {{ q }}"), "{}", ended.stdout);
    assert_eq!(sandbox.run(&["diff", "p"]).code, 0);
}

#[test]
fn several_samples_are_counted_and_a_model_that_changed_its_mind_is_seen() {
    let sandbox = project();
    sandbox.edit("fixtures/other/cases.yaml", "snapshot: text", "snapshot: text, repeat: 3");
    commit(&sandbox, "three samples");
    sandbox.edit("promptctl.yaml", "say: 'We say", "say: 'They say");
    sandbox.run(&["test", "other", "--refresh"]);
    let ended = sandbox.run(&["diff", "other"]);
    assert!(ended.stdout.contains("answers: 1 of 1 differ"), "{}", ended.stdout);
    assert!(
        ended.stdout.contains("some words changed · the first of 3 and 3 answers · the request is the same"),
        "{}",
        ended.stdout
    );
}
