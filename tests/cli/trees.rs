//! A project at any commit, with no checkout.

use crate::sandbox::Sandbox;

fn committed() -> Sandbox {
    let sandbox = Sandbox::empty();
    sandbox.run(&["init", "sub/project"]);
    sandbox.run(&["-C", "sub/project", "test", "--snapshots", "accept"]);
    sandbox.git(&["init", "-q"]);
    sandbox.git(&["add", "-A"]);
    sandbox.git(&["commit", "-q", "-m", "one"]);
    sandbox.git(&["tag", "v1"]);
    sandbox.edit("sub/project/prompts/greeting.j2", "version: 1.0.0", "version: 2.0.0");
    sandbox.edit("sub/project/prompts/_shared/tone.j2", "friendly", "stern");
    sandbox.git(&["commit", "-q", "-am", "two"]);
    sandbox
}

#[test]
fn every_reading_command_works_at_a_commit() {
    let sandbox = committed();
    let inner = |args: &[&str]| sandbox.run(&[&["-C", "sub/project"], args].concat());
    let before = sandbox.files();
    assert!(inner(&["list", "--at", "v1"]).stdout.contains("1.0.0"));
    assert!(inner(&["list"]).stdout.contains("2.0.0"));
    assert!(inner(&["render", "--at", "HEAD~1"]).stdout.contains("Be friendly"));
    let test = inner(&["test", "--at", "v1"]);
    assert_eq!(test.code, 0, "{}{}", test.stdout, test.stderr);
    assert!(test.stdout.contains("commit ") && test.stdout.contains("2 passed"), "{}", test.stdout);
    assert_eq!(inner(&["test", "--at", "HEAD"]).code, 5, "stale at the second commit");
    assert_eq!(sandbox.files(), before, "the working tree is untouched");
}

#[test]
fn a_revision_that_names_nothing_is_an_error() {
    let sandbox = committed();
    let ended = sandbox.run(&["-C", "sub/project", "list", "--at", "nope"]);
    assert_eq!(ended.code, 2);
    assert!(ended.stderr.contains("there is no commit `nope`"), "{}", ended.stderr);
    let outside = Sandbox::initialised();
    let ended = outside.run(&["list", "--at", "HEAD"]);
    assert!(ended.code == 2 && ended.stderr.contains("not in a git repository"), "{}", ended.stderr);
}

#[test]
fn a_bare_clone_a_worktree_and_a_shallow_clone_are_read() {
    let sandbox = committed();
    sandbox.git(&["worktree", "add", "-q", "wt", "v1"]);
    assert!(sandbox.run(&["-C", "wt/sub/project", "list", "--at", "main"]).stdout.contains("2.0.0"));
    let url = format!("file://{}", sandbox.root().display());
    sandbox.git(&["clone", "-q", "--depth", "1", &url, "shallow"]);
    assert_eq!(sandbox.run(&["-C", "shallow/sub/project", "list", "--at", "HEAD"]).code, 0);
    let ended = sandbox.run(&["-C", "shallow/sub/project", "list", "--at", "HEAD~1"]);
    assert_eq!(ended.code, 2, "{}", ended.stderr);
}
