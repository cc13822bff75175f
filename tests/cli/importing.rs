//! The way in from other tools: configurations in their own style become projects that load and run.

use std::fs;
use std::path::Path;

use insta::assert_snapshot;

use crate::sandbox::{Sandbox, says};

/// A sandbox with one of the configurations of `tests/imports` below `source/`.
fn with_source(name: &str) -> Sandbox {
    let sandbox = Sandbox::empty();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/imports").join(name);
    for entry in walkdir::WalkDir::new(&root).into_iter().map(|entry| entry.expect("readable")) {
        if entry.file_type().is_file() {
            let below = entry.path().strip_prefix(&root).expect("below").to_string_lossy().into_owned();
            sandbox.write(&format!("source/{below}"), fs::read(entry.path()).expect("readable"));
        }
    }
    sandbox
}

/// Every written file, the long ones cut.
fn written(sandbox: &Sandbox) -> String {
    let mut shown = String::new();
    for (path, bytes) in sandbox.files() {
        let Some(path) = path.strip_prefix("project/").filter(|path| *path != ".gitignore") else { continue };
        let text = String::from_utf8_lossy(&bytes);
        let lines = text.lines().count();
        shown.push_str(&format!("── {path} ──\n"));
        text.lines().take(90).for_each(|line| shown.push_str(&format!("{line}\n")));
        if lines > 90 {
            shown.push_str(&format!("… {} more lines\n", lines - 90));
        }
    }
    shown
}

/// Gives every model of the project scripted answers, and runs it.
fn run_with_scripted_models(sandbox: &Sandbox) -> String {
    let text = sandbox.read("project/promptctl.yaml");
    let mut config: serde_yaml::Value = serde_yaml::from_str(&text).expect("YAML");
    let scripted: serde_yaml::Value =
        serde_yaml::from_str("{ provider: mock, replies: [{ say: \"{{ last_user_message }}\" }] }").expect("YAML");
    for (_, model) in config["models"].as_mapping_mut().expect("models") {
        *model = scripted.clone();
    }
    sandbox.write("project/promptctl.yaml", serde_yaml::to_string(&config).expect("YAML"));
    let ended = sandbox.run(&["-C", "project", "test", "--offline"]);
    // Nothing is recorded yet, and nothing is wrong with the project.
    says(&ended, 5, &["unrecorded"]);
    let ended = sandbox.run(&["-C", "project", "test"]);
    assert!([0, 1, 3].contains(&ended.code), "{}", ended.shown());
    let counts = ended.stdout.lines().filter(|line| line.contains(" passed") && line.contains(" failed"));
    counts.map(|line| format!("{}\n", line.split(" in ").next().unwrap_or(line))).collect()
}

fn imported(name: &str, format: &str, path: &str, more: &[&str]) -> Sandbox {
    let sandbox = with_source(name);
    let path = format!("source/{path}");
    let mut args = vec!["import", format, path.as_str(), "--into", "project"];
    args.extend(more);
    let dry: Vec<&str> = args.iter().copied().chain(["--dry-run"]).collect();
    let looked = sandbox.run(&dry);
    assert!(!sandbox.exists("project"), "a dry run writes nothing");
    let ended = sandbox.run(&args);
    assert_eq!(ended.code, 0, "{}", ended.shown());
    assert_eq!(looked.stderr, ended.stderr, "a dry run finds the same");
    assert_snapshot!(format!("import_{name}"), format!("{}\n{}", ended.shown(), written(&sandbox)));
    // The same again changes nothing.
    let before = sandbox.files();
    let again = sandbox.run(&args);
    assert_eq!(again.code, 0, "{}", again.shown());
    assert_eq!(before, sandbox.files());
    assert_snapshot!(format!("import_{name}_run"), run_with_scripted_models(&sandbox));
    sandbox
}

macro_rules! imports {
    ($($test:ident: $name:literal, $format:literal, $path:literal $(, $more:literal)*;)*) => {
        $(#[test]
        fn $test() {
            imported($name, $format, $path, &[$($more),*]);
        })*
    };
}

imports! {
    tickets_are_sorted: "promptfoo-classification", "promptfoo", "";
    answers_from_a_handbook: "promptfoo-rag", "promptfoo", "";
    tools_and_forms_of_answers: "promptfoo-tools", "promptfoo", "promptfooconfig.json";
    scenarios_are_multiplied: "promptfoo-scenarios", "promptfoo", "";
    a_table_of_tests: "promptfoo-csv", "promptfoo", "";
    a_large_table_is_a_data_set: "promptfoo-many", "promptfoo", "";
    lists_of_messages: "promptfoo-chat", "promptfoo", "";
    templates_of_nunjucks: "promptfoo-nunjucks", "promptfoo", "";
    every_assertion: "promptfoo-every-assertion", "promptfoo", "";
    every_provider: "promptfoo-providers", "promptfoo", "";
    defaults_and_what_goes_over_them: "promptfoo-defaults", "promptfoo", "";
    tests_and_prompts_in_files: "promptfoo-files", "promptfoo", "";
    a_conversation_of_github_models: "github-models-support", "github-models", "";
    a_prompt_of_github_models: "github-models", "github-models", "triage.prompt.yml";
    prompts_of_dotprompt: "dotprompt", "dotprompt", "";
    an_older_prompt_of_prompty: "prompty-v1", "prompty", "chat.prompty";
    a_prompt_of_prompty: "prompty-v2", "prompty", "triage.prompty";
    a_registry_of_openai_evals: "openai-evals", "openai-evals", "registry/evals/capitals.yaml";
    a_table_alone: "csv", "csv", "tests.csv", "--prompt", "help";
}

#[cfg(unix)]
#[test]
fn a_hostile_configuration_reads_and_writes_nothing_outside() {
    let sandbox = with_source("promptfoo-hostile");
    sandbox.write("secret.txt", "TOP SECRET");
    std::os::unix::fs::symlink(sandbox.path("secret.txt"), sandbox.path("source/link.txt")).expect("linked");
    let ended = sandbox.run(&["import", "promptfoo", "source", "--into", "project"]);
    assert_eq!(ended.code, 0, "{}", ended.shown());
    assert!(ended.stderr.chars().all(|c| c == '\n' || !c.is_control()), "{:?}", ended.stderr);
    assert!(!ended.stderr.lines().any(|line| line.starts_with("::")), "{}", ended.stderr);
    for (path, bytes) in sandbox.files().into_iter().filter(|(path, _)| path.starts_with("project/")) {
        let text = String::from_utf8_lossy(&bytes);
        assert!(!text.contains("TOP SECRET") && !text.contains("root:"), "{path}");
    }
    let outside: Vec<String> =
        sandbox.files().into_iter().map(|(path, _)| path).filter(|path| !path.starts_with("project/")).collect();
    assert_eq!(outside, ["secret.txt", "source/promptfooconfig.yaml"]);
    assert_snapshot!("import_hostile", ended.shown());
    // What could forge a message, or run for ever, is a value like any other.
    let json: serde_json::Value =
        serde_json::from_str(&sandbox.run(&["-C", "project", "render", "x", "--case", "a*", "--json"]).stdout)
            .expect("JSON");
    assert_eq!(json[0]["request"]["messages"].as_array().map(Vec::len), Some(1));
    assert!(
        json[0]["request"]["messages"][0]["content"].as_str().is_some_and(|text| text.contains("role(\"system\")"))
    );
}

#[test]
fn a_key_is_never_written_nor_shown() {
    for (name, format, path) in [("promptfoo-providers", "promptfoo", "source"), ("prompty-v1", "prompty", "source")] {
        let sandbox = with_source(name);
        let ended = sandbox.run(&["import", format, path, "--into", "project"]);
        assert_eq!(ended.code, 0, "{}", ended.shown());
        let mut all = ended.shown();
        for (path, bytes) in sandbox.files().into_iter().filter(|(path, _)| path.starts_with("project/")) {
            all.push_str(&format!("{path}\n{}", String::from_utf8_lossy(&bytes)));
        }
        for secret in ["sk-proj-abcdef", "AKIAIOSFODNN7", "Bearer"] {
            assert!(!all.contains(secret), "{secret}: {all}");
        }
    }
}

#[test]
fn what_cannot_be_read_is_refused_with_its_place() {
    let many = "x".repeat(10_000_000);
    let bomb = format!(
        "a0: &a0 [x]\n{}prompts: *a30\n",
        (1..=30).map(|i| format!("a{i}: &a{i} [*a{0}, *a{0}, *a{0}, *a{0}]\n", i - 1)).collect::<String>()
    );
    for (file, text, parts) in [
        ("promptfooconfig.yaml", "prompts: [a]\nprompts: [b]\n", vec!["promptfooconfig.yaml:2:1", "second time"]),
        ("promptfooconfig.yaml", "prompts: [a\n", vec!["promptfooconfig.yaml:", "not valid YAML"]),
        ("promptfooconfig.yaml", bomb.as_str(), vec!["promptfooconfig.yaml:"]),
        ("promptfooconfig.yaml", "- a\n", vec!["is a mapping"]),
        ("promptfooconfig.yaml", "models: {}\n", vec!["no configuration of promptfoo"]),
        (
            "promptfooconfig.yaml",
            "prompts: [file://gone.txt]\nproviders: [echo]\n",
            vec!["no prompt that could be carried over", "gone.txt"],
        ),
        ("promptfooconfig.js", "module.exports = {}", vec!["is a program", "as JSON"]),
        ("promptfooconfig.yaml", "\u{0}", vec!["promptfooconfig.yaml"]),
    ] {
        let sandbox = Sandbox::empty();
        sandbox.write(&format!("source/{file}"), text);
        let ended = sandbox.run(&["import", "promptfoo", &format!("source/{file}"), "--into", "project"]);
        says(&ended, 2, &parts);
        assert!(!sandbox.exists("project"), "{file}");
    }
    // Long lines, a mark of the byte order and line ends of Windows are no reason to refuse.
    let sandbox = Sandbox::empty();
    sandbox.write(
        "source/promptfooconfig.yaml",
        format!("\u{feff}prompts: ['{{{{q}}}}']\r\nproviders: [echo]\r\ntests:\r\n  - vars: {{ q: \"{many}\" }}\r\n"),
    );
    says(&sandbox.run(&["import", "promptfoo", "source", "--into", "project"]), 0, &["1 prompt, 1 case, 1 model"]);
    says(&sandbox.run(&["import", "promptfoo", "nowhere"]), 2, &["nowhere cannot be read"]);
    says(&sandbox.run(&["import", "dotprompt", "source"]), 2, &["holds no file that ends with .prompt"]);
    says(&sandbox.run(&["import"]), 2, &["required arguments were not provided"]);
}

#[test]
fn an_import_adds_to_a_project_and_changes_nothing_of_it() {
    let sandbox = Sandbox::initialised();
    sandbox.write("promptctl.yaml", format!("# mine\n{}", sandbox.read("promptctl.yaml")));
    sandbox.write("other/promptfooconfig.yaml", "prompts: [{ label: greeting, raw: 'Hello {{name}}' }]\nproviders: [openai:gpt-4.1, echo]\ntests: [{ vars: { name: Ada }, assert: [{ type: icontains, value: ada }, { type: llm-rubric, value: kind }] }]\n");
    let config = sandbox.read("promptctl.yaml");
    let ended = sandbox.run(&["import", "promptfoo", "other"]);
    assert_snapshot!("import_into_a_project", ended.shown());
    assert_eq!(sandbox.read("promptctl.yaml"), config);
    assert_eq!(sandbox.read("prompts/greeting-2.j2"), "---\nvars:\n  name: string\n---\nHello {{ name }}\n");
    says(&sandbox.run(&["test", "greeting-2"]), 1, &["1 planned"]);
    // A person's own change is kept, unless it is asked for.
    sandbox.write("prompts/greeting-2.j2", "---\nvars: { name: string }\n---\nGood day {{ name }}\n");
    says(&sandbox.run(&["import", "promptfoo", "other"]), 0, &["called `greeting-3`"]);
    assert!(sandbox.read("prompts/greeting-2.j2").contains("Good day"));
    says(&sandbox.run(&["import", "promptfoo", "other", "--force"]), 0, &["wrote  prompts/greeting.j2"]);
    assert!(sandbox.read("prompts/greeting.j2").ends_with("Hello {{ name }}\n"));
    // A project that does not load is not added to.
    sandbox.write("promptctl.yaml", "models: [\n");
    says(&sandbox.run(&["import", "promptfoo", "other"]), 2, &["promptctl.yaml"]);
}

#[test]
fn templates_that_nest_without_end_are_text() {
    let many = 20_000;
    for (format, file, text) in [
        ("dotprompt", "deep.prompt", format!("{}x{}", "{{#if a}}".repeat(many), "{{/if}}".repeat(many))),
        ("dotprompt", "deep.prompt", format!("{{{{x {}{}}}}}", "(a ".repeat(many), ")".repeat(many))),
        (
            "prompty",
            "deep.prompty",
            format!("---\nname: deep\n---\n{}{}", "{% if a %}".repeat(many), "{% endif %}".repeat(many)),
        ),
        (
            "prompty",
            "deep.prompty",
            format!("---\nname: deep\n---\n{{{{ a{}{} }}}}", "|join(b".repeat(many), ")".repeat(many)),
        ),
        (
            "prompty",
            "deep.prompty",
            format!("---\nname: deep\n---\n{{{{ {}a{} }}}}", "(".repeat(many), ")".repeat(many)),
        ),
        ("prompty", "deep.prompty", format!("---\nname: deep\n---\n{{{{ {}a }}}}", "not ".repeat(many))),
        ("prompty", "deep.prompty", format!("---\nname: deep\n---\n{{{{ {}a }}}}", "!".repeat(many))),
        ("prompty", "deep.prompty", format!("---\nname: deep\n---\n{{{{ {}a }}}}", "- ".repeat(many))),
    ] {
        let sandbox = Sandbox::empty();
        sandbox.write(file, text);
        let ended = sandbox.run(&["import", format, file, "--into", "project"]);
        assert_eq!(ended.code, 0, "{}", ended.stderr.chars().take(2000).collect::<String>());
        says(&ended, 0, &["nests too deep, and is carried over as plain text"]);
        assert!([0, 1].contains(&sandbox.run(&["-C", "project", "test"]).code), "{file}");
    }
}

#[test]
fn a_table_is_added_to_a_prompt_that_is_there() {
    let sandbox = Sandbox::with_cases("");
    fs::remove_dir_all(sandbox.path("fixtures")).expect("removed");
    sandbox.write("tests.csv", "q,__expected\nhi,icontains: hi\n");
    says(&sandbox.run(&["import", "csv", "tests.csv", "--prompt", "p"]), 0, &["1 prompt, 1 case"]);
    assert_eq!(sandbox.read("prompts/p.j2"), "{{ q }}\n");
    says(&sandbox.run(&["test"]), 0, &["1 new"]);
    sandbox.write("tests.csv", "q,__expected\nother,icontains: other\n");
    says(&sandbox.run(&["import", "csv", "tests.csv", "--prompt", "p"]), 2, &["fixtures/p/cases.yaml", "--force"]);
    says(&sandbox.run(&["import", "csv", "tests.csv", "--prompt", "../p"]), 2, &["has the part `..`"]);
}

#[cfg(unix)]
#[test]
fn a_folder_of_the_target_that_leads_outside_is_refused_before_anything_is_written() {
    for (folder, to) in
        [("prompts", "../outside"), ("fixtures", "../outside"), ("prompts", "nowhere"), ("fixtures", "nowhere")]
    {
        let sandbox = Sandbox::empty();
        sandbox.write(
            "source/promptfooconfig.yaml",
            "prompts: ['Hi {{ q }}']\nproviders: [echo]\ntests: [{ vars: { q: a } }]\n",
        );
        fs::create_dir_all(sandbox.path("outside")).expect("made");
        fs::create_dir_all(sandbox.path("project")).expect("made");
        std::os::unix::fs::symlink(to, sandbox.path(&format!("project/{folder}"))).expect("linked");
        for more in [&["--dry-run"][..], &[]] {
            let args: Vec<&str> =
                ["import", "promptfoo", "source", "--into", "project"].iter().chain(more).copied().collect();
            says(&sandbox.run(&args), 2, &[folder]);
        }
        assert!(!sandbox.exists("project/promptctl.yaml"), "{folder} -> {to}");
        assert_eq!(fs::read_dir(sandbox.path("outside")).expect("readable").count(), 0);
    }
}
