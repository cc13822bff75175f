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

/// Flags that every command has: they stand in one page for all.
const OF_ALL: [&str; 6] = ["--help", "--version", "--directory", "--color", "--quiet", "--verbose"];

/// What a command prints with `--help`.
fn help(command: &[String]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_promptctl")).args(command).arg("--help").output().expect("started");
    String::from_utf8(output.stdout).expect("text")
}

/// Every command that does something, with its words.
fn commands(within: &[String]) -> Vec<Vec<String>> {
    let help = help(within);
    let Some((_, list)) = help.split_once("\nCommands:\n") else { return vec![within.to_vec()] };
    let list = list.split("\n\n").next().unwrap_or_default();
    // A name stands two columns in; what is said of it goes on further in.
    let names =
        list.lines().filter_map(|line| line.strip_prefix("  ")?.split(' ').next().filter(|name| !name.is_empty()));
    let names = names.filter(|name| *name != "help");
    names.flat_map(|name| commands(&[within, &[name.to_owned()]].concat())).collect()
}

/// The long flags of a command that its help shows.
fn flags(command: &[String]) -> Vec<String> {
    let flag = |line: &str| {
        let line = line.trim_start();
        let line = line
            .strip_prefix('-')
            .filter(|rest| !rest.starts_with('-'))
            .map_or(line, |rest| rest.get(3..).unwrap_or_default());
        let name = line.strip_prefix("--")?.split([' ', '[', '=', '.']).next()?;
        (!name.is_empty()).then(|| format!("--{name}"))
    };
    help(command).lines().filter_map(flag).collect()
}

/// Whether a text has a flag, and not only a longer one that begins so.
fn has(text: &str, flag: &str) -> bool {
    let goes_on = |c: char| c.is_ascii_alphanumeric() || c == '-';
    text.match_indices(flag).any(|(at, _)| !text[at + flag.len()..].starts_with(goes_on))
}

#[test]
fn every_flag_stands_in_a_page_that_names_its_command() {
    let pages: Vec<String> = pages().iter().map(|page| fs::read_to_string(page).expect("readable")).collect();
    let commands = commands(&[]);
    assert!(commands.len() > 40, "{commands:?}");
    let mut missing = Vec::new();
    for command in &commands {
        let (last, parents) = command.split_last().expect("a name");
        let whole = command.join(" ");
        // `promptctl export FORMAT` and a table of formats name its commands, too.
        let family = format!("promptctl {}", parents.join(" "));
        let names = |page: &&String| {
            page.contains(&format!("promptctl {whole}"))
                || page.contains(&format!("`{whole}"))
                || (!parents.is_empty() && page.contains(&family) && page.contains(&format!("`{last}`")))
        };
        let own: Vec<&String> = pages.iter().filter(names).collect();
        if own.is_empty() {
            missing.push(format!("{whole}: no page names it"));
        }
        let flags = flags(command);
        assert!(flags.iter().any(|flag| flag == "--help"), "{whole}: {flags:?}");
        for flag in flags {
            let known = if OF_ALL.contains(&flag.as_str()) {
                pages.iter().any(|page| has(page, &flag))
            } else {
                own.iter().any(|page| has(page, &flag))
            };
            if !known {
                missing.push(format!("{whole}: {flag}"));
            }
        }
    }
    assert!(missing.is_empty(), "{}", missing.join("\n"));
}
