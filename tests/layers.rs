//! The order of the modules: each imports only from those to its left. A crate of this size stays free of circles only
//! where something fails when one is made.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// The layers, from left to right. Modules of one layer do not know each other.
const LAYERS: [&[&str]; 13] = [
    &["core"],
    &["tree"],
    &["project"],
    &["prompt"],
    &["case"],
    &["plan"],
    &["model", "recording", "expect", "stats", "snapshot"],
    &["run"],
    &["compare", "history", "lint", "retrieval"],
    &["audit", "cost", "export", "import"],
    &["report"],
    &["review"],
    &["cli"],
];

/// What only the command line may do.
const OUTSIDE: [&str; 8] =
    ["println!", "eprintln!", "print!(", "eprint!(", "std::env::", "process::exit", "io::stdout()", "io::stdin()"];

fn sources() -> Vec<(PathBuf, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    walkdir::WalkDir::new(root)
        .into_iter()
        .map(|entry| entry.expect("readable").into_path())
        .filter(|path| path.extension().is_some_and(|e| e == "rs"))
        .map(|path| {
            let text = fs::read_to_string(&path).expect("readable");
            (path, text)
        })
        .collect()
}

fn layer(module: &str) -> Option<usize> {
    LAYERS.iter().position(|layer| layer.contains(&module))
}

/// The module that a file belongs to; `None` for `lib.rs` and `main.rs`.
fn module_of(path: &Path) -> Option<String> {
    let below = path.strip_prefix(Path::new(env!("CARGO_MANIFEST_DIR")).join("src")).ok()?;
    let mut parts = below.components();
    let first = parts.next()?.as_os_str().to_str()?.to_owned();
    parts.next().map(|_| first)
}

/// The modules that a line of code names behind `crate::`.
fn named(line: &str) -> Vec<String> {
    let code = line.split("//").next().unwrap_or_default();
    code.split("crate::")
        .skip(1)
        .map(|rest| rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect())
        .collect()
}

#[test]
fn every_import_points_to_the_left() {
    let mut wrong = Vec::new();
    for (path, text) in sources() {
        let Some(module) = module_of(&path) else { continue };
        let Some(own) = layer(&module) else {
            wrong.push(format!("{}: the module `{module}` is in no layer", path.display()));
            continue;
        };
        for (i, line) in text.lines().enumerate() {
            for target in named(line) {
                match layer(&target) {
                    Some(other) if other < own || target == module => {}
                    _ => wrong.push(format!("{}:{}: `{module}` must not know `{target}`", path.display(), i + 1)),
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_module_is_declared_in_the_order_of_the_layers() {
    let lib = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("src/lib.rs")).expect("readable");
    let declared: Vec<&str> = lib.lines().filter_map(|line| line.strip_prefix("pub mod ")?.strip_suffix(';')).collect();
    let layers: Vec<usize> = declared.iter().filter_map(|module| layer(module)).collect();
    assert!(layers.is_sorted() && layers.len() == declared.len(), "{declared:?}");
    let folders: BTreeSet<String> = sources().iter().filter_map(|(path, _)| module_of(path)).collect();
    let declared: BTreeSet<String> = declared.into_iter().map(str::to_owned).collect();
    assert_eq!(folders, declared);
}

#[test]
fn only_the_command_line_reaches_outside() {
    let mut wrong = Vec::new();
    for (path, text) in sources() {
        if module_of(&path).is_none_or(|module| module == "cli") {
            continue;
        }
        for (i, line) in text.lines().enumerate() {
            let code = line.split("//").next().unwrap_or_default();
            for call in OUTSIDE.iter().filter(|call| code.contains(**call)) {
                wrong.push(format!("{}:{}: `{call}`", path.display(), i + 1));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_file_is_one_room() {
    let long: Vec<String> = sources()
        .into_iter()
        .map(|(path, text)| (path, text.lines().count()))
        .filter(|(_, lines)| *lines > 560)
        .map(|(path, lines)| format!("{}: {lines} lines", path.display()))
        .collect();
    assert!(long.is_empty(), "{}", long.join("\n"));
}

#[test]
fn no_test_file_is_forgotten() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cli");
    let main = fs::read_to_string(folder.join("main.rs")).expect("readable");
    for entry in fs::read_dir(&folder).expect("readable") {
        let name = entry.expect("readable").file_name().to_string_lossy().into_owned();
        if let Some(module) = name.strip_suffix(".rs").filter(|module| *module != "main") {
            assert!(main.contains(&format!("mod {module};")), "tests/cli/{name} is part of no test");
        }
    }
}
