//! The documentation is true: every command of a `console` block is run, in order, in a copy of this repository's
//! project, and prints what the page says. `UPDATE_DOCS=1 cargo test --test docs` writes what it prints.
//! Every YAML example fits its JSON Schema.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The pages with commands.
fn pages() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut pages = vec![root.join("README.md"), root.join("CONTRIBUTING.md")];
    let docs = fs::read_dir(root.join("docs")).expect("docs").map(|entry| entry.expect("readable").path());
    pages.extend(docs.filter(|path| path.extension().is_some_and(|e| e == "md")));
    pages.sort();
    pages
}

/// Projects that are there to be shown.
const EXAMPLES: &str = "docs/examples";

/// A copy of the project in this repository, for a page.
fn project(page: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut parts = vec![".gitignore", "promptctl.yaml", "prompts", "fixtures", "snapshots"];
    // What stands in a project stands in its commits, too: only where a page goes by it.
    parts.extend(page.contains(EXAMPLES).then_some(EXAMPLES));
    for part in parts {
        for entry in walkdir::WalkDir::new(root.join(part)).into_iter().map(|entry| entry.expect("readable")) {
            let target = folder.path().join(entry.path().strip_prefix(root).expect("below"));
            let pending = entry.path().to_string_lossy().ends_with(".snap.new");
            if entry.file_type().is_dir() {
                fs::create_dir_all(target).expect("made");
            } else if entry.path().extension().is_none_or(|e| e != "gguf") && !pending {
                fs::create_dir_all(target.parent().expect("a folder")).expect("made");
                fs::copy(entry.path(), target).expect("copied");
            }
        }
    }
    folder
}

/// Runs a line in a shell that finds the built binary as `promptctl`.
fn run(folder: &Path, line: &str) -> String {
    let line = line.replace("cargo run --release --", "promptctl");
    let binary = Path::new(env!("CARGO_BIN_EXE_promptctl")).parent().expect("a folder");
    let path = format!("{}:{}", binary.display(), std::env::var("PATH").unwrap_or_default());
    let output = Command::new("bash")
        .args(["-c", &format!("{line} 2>&1")])
        .current_dir(folder)
        .env_clear()
        .env("PATH", path)
        .env("SOURCE_DATE_EPOCH", "1767225600")
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .envs(["GIT_AUTHOR_NAME", "GIT_COMMITTER_NAME"].map(|name| (name, "you")))
        .envs(["GIT_AUTHOR_EMAIL", "GIT_COMMITTER_EMAIL"].map(|name| (name, "you@example.com")))
        .envs(["GIT_AUTHOR_DATE", "GIT_COMMITTER_DATE"].map(|name| (name, "2026-01-01T00:00:00Z")))
        .stdin(Stdio::null())
        .output()
        .expect("bash");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// What differs from run to run.
fn stable(text: &str) -> String {
    let time = regex::Regex::new(r"\d+\.\d\d s\b").expect("valid");
    time.replace_all(text, "0.01 s").into_owned()
}

/// The page with the output of every command in it as it is now.
fn rewritten(page: &str) -> String {
    let folder = project(page);
    let mut text = String::new();
    let mut in_console = false;
    for line in page.lines() {
        if line == "```console" {
            in_console = true;
        } else if line == "```" {
            in_console = false;
        }
        match line.strip_prefix("$ ").filter(|_| in_console) {
            Some(command) => text.push_str(&format!("{line}\n{}", stable(&run(folder.path(), command)))),
            None if in_console && line != "```console" => {}
            None => text.push_str(&format!("{line}\n")),
        }
    }
    text
}

#[test]
fn every_command_prints_what_the_page_says() {
    for path in pages() {
        let page = fs::read_to_string(&path).expect("readable");
        let now = rewritten(&page);
        if std::env::var_os("UPDATE_DOCS").is_some() {
            fs::write(&path, &now).expect("written");
            continue;
        }
        if now != page {
            let difference = similar::TextDiff::from_lines(page.as_str(), now.as_str());
            panic!("{} is no longer true:\n{}", path.display(), difference.unified_diff());
        }
    }
}

#[test]
fn every_yaml_example_is_read_by_promptctl() {
    let mut checked = 0;
    for path in pages() {
        let page = fs::read_to_string(&path).expect("readable");
        for block in page.split("```yaml\n").skip(1) {
            let yaml = block.split("\n```").next().expect("closed");
            let schema = match yaml.lines().next().unwrap_or_default() {
                "# promptctl.yaml" => include_str!("../docs/schema/project.schema.json"),
                line if line.ends_with("cases.yaml") => include_str!("../docs/schema/cases.schema.json"),
                _ => continue,
            };
            let schema: serde_json::Value = serde_json::from_str(schema).expect("JSON");
            let value: serde_json::Value =
                serde_yaml::from_str(yaml).unwrap_or_else(|e| panic!("{}: {e}\n{yaml}", path.display()));
            let validator = jsonschema::validator_for(&schema).expect("a schema");
            let errors: Vec<String> =
                validator.iter_errors(&value).map(|e| format!("{}: {e}", e.instance_path())).collect();
            assert!(errors.is_empty(), "{}: {errors:?}\n{yaml}", path.display());
            checked += 1;
        }
    }
    assert!(checked >= 3, "{checked} examples");
}

#[test]
fn every_link_to_a_file_leads_somewhere() {
    let link = regex::Regex::new(r"\]\(([^)#:]+)\)").expect("valid");
    for path in pages() {
        let page = fs::read_to_string(&path).expect("readable");
        for target in link.captures_iter(&page).map(|found| found[1].to_owned()) {
            let full = path.parent().expect("a folder").join(&target);
            assert!(full.exists(), "{} links to {target}", path.display());
        }
    }
}
