//! The commands on commits in repositories of every kind that git knows: what can be read is read, and of the rest it is
//! said what it is and what to do.

use serde_json::Value;

use crate::sandbox::{Sandbox, says};

/// Two cases; the model answers wrongly where the prompt says `Careless`.
const CASES: &str = "cases:\n  - { name: one, vars: { q: hi }, expect: [{ contains: right }], snapshot: none }\n";
const CONFIG: &str = "models:\n  it:\n    provider: mock\n    replies:\n      - { when: Careless, say: wrong }\n      - { say: 'right: {{ last_user_message }}' }\n";

/// Writes the project into a folder of the sandbox (`sub/`, or nothing for its root).
fn write_project(sandbox: &Sandbox, at: &str, manner: &str) {
    sandbox.write(&format!("{at}promptctl.yaml"), CONFIG);
    sandbox.write(&format!("{at}prompts/p.j2"), format!("---\nversion: 1.0.0\n---\n{manner}: {{{{ q }}}}\n"));
    sandbox.write(&format!("{at}fixtures/p/cases.yaml"), CASES);
}

fn commit(sandbox: &Sandbox, message: &str) {
    sandbox.git(&["add", "-A"]);
    sandbox.git(&["commit", "-q", "--allow-empty", "-m", message]);
}

/// Four commits at the root of a repository: nothing, careful, something else, careless. All answers are recorded.
fn project() -> Sandbox {
    let sandbox = Sandbox::empty();
    sandbox.git(&["init", "-q"]);
    grow(&sandbox, "");
    sandbox
}

fn grow(sandbox: &Sandbox, at: &str) {
    let folder = if at.is_empty() { "." } else { at };
    sandbox.write("README.md", "words\n");
    commit(sandbox, "nothing yet");
    write_project(sandbox, at, "Careful");
    sandbox.run(&["-C", folder, "test"]);
    commit(sandbox, "careful");
    sandbox.write("README.md", "more words\n");
    commit(sandbox, "beside");
    sandbox.edit(&format!("{at}prompts/p.j2"), "Careful", "Careless");
    sandbox.edit(&format!("{at}prompts/p.j2"), "1.0.0", "1.1.0");
    sandbox.run(&["-C", folder, "test"]);
    commit(sandbox, "careless");
}

/// Every command on commits, where four commits lead to HEAD.
#[track_caller]
fn everything_works(sandbox: &Sandbox, folder: &str) {
    let run = |args: &[&str]| sandbox.run(&[&["-C", folder], args].concat());
    says(&run(&["log", "p"]), 0, &["1.1.0", "template", "created"]);
    says(&run(&["show", "p@1.0.0"]), 0, &["Careful:", "careful"]);
    says(&run(&["render", "p", "--at", "HEAD~1"]), 0, &["Careful: hi"]);
    says(&run(&["diff", "HEAD~2..HEAD"]), 0, &["{+Careless+}", "1.0.0 → 1.1.0"]);
    says(&run(&["compare", "HEAD~1..HEAD", "--offline"]), 0, &["UNDECIDED", "1 loss"]);
    says(&run(&["bisect", "p", "--offline"]), 0, &["the first bad commit is", "careless"]);
}

#[test]
fn outside_a_repository_it_is_said_that_there_is_none() {
    let sandbox = Sandbox::empty();
    write_project(&sandbox, "", "Careful");
    for args in [
        &["log"][..],
        &["show", "p@1.0.0"],
        &["render", "p", "--at", "HEAD"],
        &["diff"],
        &["compare", "HEAD"],
        &["bisect", "p"],
        &["test", "--changed"],
    ] {
        says(&sandbox.run(args), 2, &["is not in a git repository"]);
    }
    says(&sandbox.run(&["test", "--changed", "--changed-fallback", "all"]), 0, &["everything is tested"]);
}

#[test]
fn a_repository_without_a_commit_says_so() {
    let sandbox = Sandbox::empty();
    sandbox.git(&["init", "-q"]);
    write_project(&sandbox, "", "Careful");
    for args in [
        &["log"][..],
        &["show", "p@HEAD"],
        &["diff"],
        &["compare"],
        &["bisect", "p"],
        &["render", "p", "--at", "HEAD"],
        &["test", "--changed"],
    ] {
        says(&sandbox.run(args), 2, &["has no commit yet; `git commit` makes the first"]);
    }
    assert_eq!(sandbox.run(&["test"]).code, 0);
}

#[test]
fn a_detached_head_a_worktree_and_its_branch_are_read() {
    let sandbox = project();
    everything_works(&sandbox, ".");
    sandbox.git(&["worktree", "add", "-q", "-b", "side", "wt"]);
    everything_works(&sandbox, "wt");
    sandbox.git(&["checkout", "-q", "--detach"]);
    everything_works(&sandbox, ".");
    sandbox.git(&["branch", "-f", "main", "HEAD~1"]);
    says(&sandbox.run(&["test", "--changed"]), 1, &["changed since", "(where HEAD left main): p"]);
    says(&sandbox.run(&["-C", "wt", "test", "--changed"]), 1, &["(where HEAD left main): p"]);
}

#[test]
fn a_submodule_may_be_the_project_and_a_project_may_hold_one() {
    let inner = project();
    let outer = Sandbox::empty();
    outer.git(&["init", "-q"]);
    let from = inner.root().display().to_string();
    outer.git(&["-c", "protocol.file.allow=always", "submodule", "add", "-q", &from, "inner"]);
    grow(&outer, "");
    everything_works(&outer, "inner");
    everything_works(&outer, ".");
    // What lies in it is not to be had at a commit, and that is said.
    outer.git(&["-c", "protocol.file.allow=always", "submodule", "add", "-q", &from, "prompts/_shared"]);
    outer.edit("prompts/p.j2", "Careless", "{% include '_shared/prompts/p.j2' %} Careful");
    commit(&outer, "a partial of another repository");
    says(&outer.run(&["render", "p", "--at", "HEAD"]), 2, &["`prompts/_shared/prompts/p.j2` lies in a submodule"]);
}

#[test]
fn a_folder_that_was_not_there_yet_held_nothing() {
    let sandbox = Sandbox::empty();
    sandbox.git(&["init", "-q"]);
    grow(&sandbox, "sub/");
    everything_works(&sandbox, "sub");
    let run = |args: &[&str]| sandbox.run(&[&["-C", "sub"], args].concat());
    says(&run(&["diff", "HEAD~3..HEAD"]), 0, &["p  (added)"]);
    says(&run(&["diff", "HEAD..HEAD~3"]), 0, &["p  (removed)"]);
    says(&run(&["bisect", "p", "--offline", "--good", "HEAD~3"]), 0, &["careless"]);
    says(&run(&["bisect", "p", "--offline", "--bad", "HEAD~3"]), 4, &["there is no such prompt"]);
    for args in [&["compare", "HEAD~3", "--offline"][..], &["show", "p@HEAD~3"], &["render", "p", "--at", "HEAD~3"]] {
        says(&run(args), 2, &["there is no folder `sub` yet, and so no project"]);
    }
    sandbox.git(&["checkout", "-q", "-b", "branch"]);
    sandbox.git(&["branch", "-f", "main", "HEAD~3"]);
    says(&run(&["test", "--changed"]), 1, &["everything counts as changed", "1 failed"]);
}

#[test]
fn what_a_branch_broke_is_found_behind_a_merge_and_an_octopus() {
    let sandbox = project();
    sandbox.git(&["checkout", "-q", "-b", "a", "HEAD~1"]);
    commit(&sandbox, "on a");
    sandbox.git(&["checkout", "-q", "-b", "b", "HEAD~1"]);
    sandbox.write("b.txt", "b");
    commit(&sandbox, "on b");
    sandbox.git(&["checkout", "-q", "a"]);
    sandbox.git(&["merge", "-q", "--no-edit", "main", "b"]);
    let ended = sandbox.run(&["log", "p", "--json"]);
    let json: Value = serde_json::from_str(&ended.stdout).expect("JSON");
    let versions = json["prompts"][0]["versions"].as_array().expect("a list");
    let found: Vec<&Value> = versions.iter().map(|version| &version["summary"]).collect();
    assert_eq!(found, ["careless", "careful"], "{}", ended.stdout);
    says(&sandbox.run(&["bisect", "p", "--offline"]), 0, &["the first bad commit is", "careless"]);
    says(&sandbox.run(&["diff", "HEAD^1..HEAD"]), 0, &["{+Careless+}"]);
    says(&sandbox.run(&["compare", "HEAD^2..HEAD", "--offline"]), 0, &["UNCHANGED"]);
}

#[test]
fn a_base_that_was_force_pushed_away_is_named_or_said_to_be_gone() {
    let sandbox = project();
    sandbox.git(&["clone", "-q", ".", "clone"]);
    let old = hash(&sandbox, "HEAD");
    // The server's branch is rewritten, and the clone hears of it.
    sandbox.git(&["reset", "-q", "--hard", "HEAD~1"]);
    sandbox.edit("prompts/p.j2", "Careful", "Careful again");
    commit(&sandbox, "rewritten");
    sandbox.git(&["-C", "clone", "checkout", "-q", "-b", "mine"]);
    sandbox.git(&["-C", "clone", "fetch", "-q"]);
    let run = |args: &[&str]| sandbox.run(&[&["-C", "clone"], args].concat());
    says(&run(&["test", "--changed=origin/main", "--offline"]), 1, &["(where HEAD left origin/main): p"]);
    // A commit that no branch reaches is still there until git cleans up.
    sandbox.git(&["-C", "clone", "reset", "-q", "--hard", "origin/main"]);
    says(&run(&["diff", &format!("{old}..HEAD")]), 0, &["Careful again"]);
    says(&run(&["compare", &format!("{old}..HEAD"), "--offline"]), 4, &["no recorded answer"]);
    says(&run(&["bisect", "p", "--offline", "--good", &old]), 2, &["did not lead to"]);
    let gone = "1234567890123456789012345678901234567890";
    for args in [
        &["test", &format!("--changed={gone}")][..],
        &["diff", gone],
        &["compare", gone],
        &["show", &format!("p@{gone}")],
    ] {
        says(&run(args), 2, &["force-pushed away may still be had: `git fetch origin HASH`"]);
    }
}

fn hash(sandbox: &Sandbox, revision: &str) -> String {
    let output = std::process::Command::new("git").args(["rev-parse", revision]).current_dir(sandbox.root()).output();
    String::from_utf8(output.expect("git").stdout).expect("text").trim().to_owned()
}

#[test]
fn a_rename_with_edits_is_followed_and_a_broken_commit_passed_over() {
    let sandbox = project();
    sandbox.edit("promptctl.yaml", "models:", "modelz:");
    commit(&sandbox, "broken");
    sandbox.edit("promptctl.yaml", "modelz:", "models:");
    sandbox.git(&["mv", "prompts/p.j2", "prompts/new.j2"]);
    sandbox.git(&["mv", "fixtures/p", "fixtures/new"]);
    sandbox.edit("prompts/new.j2", "Careless", "Quite Careless");
    assert_eq!(sandbox.run(&["test"]).code, 1);
    commit(&sandbox, "renamed and mended");
    says(&sandbox.run(&["log", "new"]), 0, &["renamed from p", "broken", "unknown key", "created"]);
    says(&sandbox.run(&["bisect", "new", "--offline"]), 0, &["the first bad commit is", "careless"]);
    says(&sandbox.run(&["diff", "HEAD~2..HEAD", "--template"]), 0, &["renamed from p", "{+Quite +}Careless"]);
    says(&sandbox.run(&["compare", "HEAD~1", "--offline"]), 2, &["has these mistakes", "unknown key"]);
    says(&sandbox.run(&["show", "p@HEAD~1"]), 0, &["cannot be loaded"]);
}

#[test]
fn a_bare_repository_is_read_at_commits_and_never_written() {
    let (from, sandbox) = (project(), Sandbox::empty());
    sandbox.git(&["clone", "-q", "--bare", &from.root().display().to_string(), "bare.git"]);
    let before = sandbox.files();
    everything_works(&sandbox, "bare.git");
    let run = |args: &[&str]| sandbox.run(&[&["-C", "bare.git"], args].concat());
    says(&run(&["log", "p", "-n", "1"]), 0, &["1.1.0"]);
    assert!(!run(&["log", "p"]).stdout.contains("working tree"));
    says(&run(&["test", "--at", "HEAD~1"]), 0, &["1 passed"]);
    says(&run(&["bisect", "p"]), 0, &["the first bad commit is"]);
    for args in [
        &["test"][..],
        &["show", "p"],
        &["diff"],
        &["compare", "HEAD~1"],
        &["review"],
        &["test", "--at", "HEAD", "--write"],
    ] {
        says(&run(args), 2, &["bare.git is a bare repository", "no files"]);
    }
    assert_eq!(sandbox.files(), before, "nothing is written");
    let elsewhere = Sandbox::empty();
    elsewhere.git(&["init", "-q"]);
    grow(&elsewhere, "sub/");
    elsewhere.git(&["clone", "-q", "--bare", ".", "bare.git"]);
    says(&elsewhere.run(&["-C", "bare.git", "log"]), 2, &["has no promptctl.yaml at its root"]);
}

#[test]
fn a_kind_of_repository_that_cannot_be_read_is_named_with_what_to_do() {
    for (option, kind, todo) in [
        ("--object-format=sha256", "names its objects by SHA-256", "git fast-export"),
        ("--ref-format=reftable", "keeps its branches as reftable", "git refs migrate"),
    ] {
        let sandbox = Sandbox::empty();
        write_project(&sandbox, "sub/", "Careful");
        if !sandbox.try_git(&["init", "-q", option]) {
            // This git is too old to know it.
            continue;
        }
        commit(&sandbox, "one");
        let run = |args: &[&str]| sandbox.run(&[&["-C", "sub"], args].concat());
        for args in
            [&["log"][..], &["diff"], &["compare"], &["bisect", "p"], &["list", "--at", "HEAD"], &["test", "--changed"]]
        {
            says(&run(args), 2, &["the repository at [root] ", kind, todo]);
        }
        says(&run(&["test"]), 0, &["warning: the repository at [root] ", kind, "1 passed"]);
    }
}

#[test]
fn a_partial_clone_says_what_it_left_out() {
    let sandbox = project();
    sandbox.git(&["config", "uploadpack.allowFilter", "true"]);
    let url = format!("file://{}", sandbox.root().display());
    sandbox.git(&["clone", "-q", "--filter=blob:none", &url, "clone"]);
    let run = |args: &[&str]| sandbox.run(&[&["-C", "clone"], args].concat());
    says(&run(&["show", "p@HEAD"]), 0, &["Careless"]);
    for args in [&["log", "p"][..], &["show", "p@HEAD~2"], &["compare", "HEAD~1", "--offline"]] {
        let ended = run(args);
        assert!(ended.code == 2 || ended.code == 4, "{}", ended.shown());
        assert!(ended.stderr.contains("is not in this partial clone; `git fetch --refetch"), "{}", ended.shown());
    }
    assert_ne!(run(&["bisect", "p", "--offline"]).code, 0);
    if sandbox.try_git(&["-C", "clone", "fetch", "-q", "--refetch", "--no-filter"]) {
        everything_works(&sandbox, "clone");
    }
}

#[cfg(unix)]
#[test]
fn a_repository_of_another_user_is_named_with_the_command_that_allows_it() {
    let sandbox = Sandbox::empty();
    sandbox.git(&["init", "-q"]);
    grow(&sandbox, "sub/");
    let chown = std::process::Command::new("chown").args(["-R", "12345"]).arg(sandbox.root()).status();
    if !chown.is_ok_and(|status| status.success()) {
        // Only root can give a folder away.
        return;
    }
    let run = |args: &[&str]| sandbox.run(&[&["-C", "sub"], args].concat());
    let allow = "git config --global --add safe.directory [root]\n";
    for args in
        [&["log"][..], &["diff"], &["compare"], &["bisect", "p"], &["list", "--at", "HEAD"], &["test", "--changed"]]
    {
        says(&run(args), 2, &["belongs to another user", allow]);
    }
    says(&run(&["test", "--offline"]), 1, &["belongs to another user", allow, "1 failed"]);
    // The very command helps.
    let config = format!("[safe]\n\tdirectory = {}\n", sandbox.root().canonicalize().expect("there").display());
    sandbox.write("home/.gitconfig", config);
    let home = sandbox.path("home").display().to_string();
    says(&sandbox.run_with(&["-C", "sub", "log", "p"], &[("HOME", &home)]), 0, &["created"]);
}

#[test]
fn a_shallow_clone_says_how_much_is_missing() {
    let sandbox = project();
    let url = format!("file://{}", sandbox.root().display());
    sandbox.git(&["clone", "-q", "--depth", "1", &url, "clone"]);
    let run = |args: &[&str]| sandbox.run(&[&["-C", "clone"], args].concat());
    says(&run(&["log", "p"]), 0, &["this clone is shallow"]);
    let ended = run(&["bisect", "p", "--offline"]);
    says(&ended, 3, &["before which this shallow clone holds nothing", "git fetch --deepen=100", "fetch-depth: 0"]);
    for args in [&["compare", "HEAD~1"][..], &["diff", "HEAD~1"], &["show", "p@HEAD~1"]] {
        says(&run(args), 2, &["reaches 1 back from HEAD where 2 are needed", "`git fetch --deepen=1`", "--unshallow"]);
    }
    says(&run(&["compare", "v1"]), 2, &["there is no commit `v1` in this shallow clone", "fetch-depth: 0"]);
    // What it says is enough.
    sandbox.git(&["-C", "clone", "fetch", "-q", "--deepen=1"]);
    says(&run(&["compare", "HEAD~1", "--offline"]), 0, &["1 loss"]);
    says(&run(&["bisect", "p", "--offline"]), 0, &["the first bad commit is"]);
    sandbox.git(&["-C", "clone", "fetch", "-q", "--unshallow"]);
    everything_works(&sandbox, "clone");
}

#[cfg(unix)]
#[test]
fn a_change_behind_a_link_to_a_folder_is_a_version() {
    for (real, link, target) in [("lib", "prompts/_lib", "../lib"), ("real", "prompts/_lib", "../real")] {
        let sandbox = Sandbox::with_cases(
            "cases:\n  - { name: one, vars: { q: hi }, expect: [{ contains: fine }], snapshot: none }\n",
        );
        sandbox.write("prompts/p.j2", "{% include '_lib/t.j2' %} {{ q }}\n");
        sandbox.write(&format!("{real}/t.j2"), "fine\n");
        std::os::unix::fs::symlink(target, sandbox.path(link)).expect("linked");
        sandbox.git(&["init"]);
        for (text, message) in [("fine\n", "root"), ("broken\n", "culprit"), ("broken, still\n", "innocent")] {
            sandbox.write(&format!("{real}/t.j2"), text);
            sandbox.run(&["test"]);
            sandbox.git(&["add", "."]);
            sandbox.git(&["commit", "-m", message]);
        }
        let ended = sandbox.run(&["bisect", "p"]);
        assert!(ended.code == 0 && ended.stdout.contains("culprit"), "{}", ended.shown());
        assert_eq!(sandbox.run(&["log", "p"]).stdout.matches("_lib/t.j2").count(), 2);
    }
}

#[test]
fn links_in_the_past_are_followed_as_in_the_working_tree() {
    use std::os::unix::fs::symlink;
    let sandbox = project();
    sandbox.write("prompts/_texts/tone.j2", "Kindly.");
    symlink("nowhere.j2", sandbox.path("prompts/broken.j2")).expect("linked");
    symlink("_texts", sandbox.path("prompts/_linked")).expect("linked");
    symlink("_texts/tone.j2", sandbox.path("prompts/_tone.j2")).expect("linked");
    symlink("..", sandbox.path("prompts/_texts/up")).expect("linked");
    sandbox.edit("prompts/p.j2", "Careless", "{% include '_linked/tone.j2' %} {% include '_tone.j2' %}");
    commit(&sandbox, "links");
    let now = sandbox.run(&["render", "p"]);
    says(&now, 0, &["Kindly. Kindly.: hi"]);
    assert_eq!(sandbox.run(&["render", "p", "--at", "HEAD"]).stdout, now.stdout);
    says(&sandbox.run(&["log", "broken"]), 4, &["there is no prompt `broken`"]);
    // A file behind a link counts as what it is.
    sandbox.write("prompts/_texts/tone.j2", "Firmly.");
    commit(&sandbox, "behind the links");
    says(&sandbox.run(&["log", "p", "-n", "1"]), 0, &["behind the links"]);
    symlink("/etc/hostname", sandbox.path("prompts/outside.j2")).expect("linked");
    commit(&sandbox, "a link that leaves");
    says(&sandbox.run(&["list", "--at", "HEAD"]), 2, &["a symbolic link that leaves the project"]);
}

#[test]
fn what_a_sparse_checkout_leaves_out_is_no_edit() {
    let sandbox = project();
    sandbox.write("prompts/deep/q.j2", "{{ q }}\n");
    sandbox.write("fixtures/deep/q/cases.yaml", CASES);
    assert_eq!(sandbox.run(&["test", "deep/q"]).code, 0);
    commit(&sandbox, "another");
    for options in
        [&["set", "prompts/deep", "fixtures/deep"][..], &["set", "--sparse-index", "prompts/deep", "fixtures/deep"]]
    {
        sandbox.git(&[&["sparse-checkout"], options].concat());
        assert!(!sandbox.exists("fixtures/p/cases.yaml"), "{options:?}");
        let ended = sandbox.run(&["log", "p"]);
        says(&ended, 0, &["1.1.0"]);
        assert!(!ended.stdout.contains("working tree"), "{}", ended.stdout);
        let ended = sandbox.run(&["test", "deep/q", "--report", "json"]);
        let json: Value = serde_json::from_str(&ended.stdout).expect("JSON");
        assert_ne!(json["dirty"], true, "{}", ended.stdout);
        says(&sandbox.run(&["bisect", "p", "--offline"]), 0, &["the first bad commit is"]);
    }
}

#[test]
fn a_damaged_commit_was_not_named() {
    let sandbox = project();
    let damaged = hash(&sandbox, "HEAD~2");
    let path = format!(".git/objects/{}/{}", &damaged[..2], &damaged[2..]);
    std::fs::remove_file(sandbox.path(&path)).expect("removed");
    for garbage in [None, Some("garbage")] {
        if let Some(garbage) = garbage {
            sandbox.write(&path, garbage);
        }
        for args in [&["log", "p"][..], &["show", "p@1.0.0"], &["bisect", "p"], &["diff", "HEAD~2..HEAD"]] {
            says(&sandbox.run(args), 2, &[&damaged, "git fsck"]);
        }
    }
}
