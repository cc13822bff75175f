//! Recordings that machines share through an object store; here that is a folder.

#[cfg(not(feature = "shared-recordings"))]
use crate::sandbox::Sandbox;

const CASES: &str = "cases:\n  - { name: a, vars: { q: one }, snapshot: none, expect: [{ contains: one }] }\n  - { name: b, vars: { q: two }, snapshot: none, expect: [{ contains: two }] }\n";

#[cfg(not(feature = "shared-recordings"))]
#[test]
fn a_build_without_says_how_to_have_them() {
    let sandbox = Sandbox::with_cases(CASES);
    let ended = sandbox.run(&["test", "--shared", "file:///nowhere"]);
    assert_eq!(ended.code, 2);
    insta::assert_snapshot!("shared_without", ended.stderr);
}

#[cfg(feature = "shared-recordings")]
mod with {
    use super::CASES;
    use crate::sandbox::Sandbox;

    /// A store with the answers of one machine, and a machine that has none.
    fn shared() -> (tempfile::TempDir, String, Sandbox) {
        let folder = tempfile::tempdir().expect("a folder");
        let url = format!("file://{}/answers", folder.path().display());
        let first = Sandbox::with_cases(CASES);
        let ended = first.run(&["test", "--shared", &url, "--shared-write"]);
        assert_eq!(ended.code, 0, "{}", ended.stderr);
        assert!(ended.stderr.contains("2 answers were put into"), "{}", ended.stderr);
        (folder, url, Sandbox::with_cases(CASES))
    }

    #[test]
    fn what_one_machine_asked_another_replays() {
        let (_folder, url, other) = shared();
        let ended = other.run_with(&["test", "--shared", &url], &[("CI", "true")]);
        assert_eq!(ended.code, 0, "{}{}", ended.stdout, ended.stderr);
        assert!(ended.stdout.contains("0 calls, 2 replayed"), "{}", ended.stdout);
        assert!(!other.exists("fixtures/p/recorded"), "nothing is written in CI");
        // A person gets them as recordings, with the variable as with the flag.
        let ended = other.run_with(&["test"], &[("PROMPTCTL_SHARED", &url)]);
        assert!(ended.stdout.contains("0 calls, 2 replayed"), "{}", ended.stdout);
        assert_eq!(other.read("fixtures/p/recorded/echo.jsonl").lines().count(), 2);
        assert_eq!(other.run(&["test", "--offline"]).code, 0);
    }

    #[test]
    fn nothing_is_written_unless_it_is_asked_for() {
        let (folder, url, other) = shared();
        let count =
            || walkdir::WalkDir::new(folder.path()).into_iter().flatten().filter(|e| e.path().is_file()).count();
        assert_eq!(count(), 2);
        other.edit("prompts/p.j2", "{{ q }}", "{{ q }}!");
        assert_eq!(other.run(&["test", "--shared", &url]).code, 0);
        assert_eq!(count(), 2);
        assert_eq!(other.run(&["test", "--refresh", "--shared", &url, "--shared-write"]).code, 0);
        assert_eq!(count(), 4);
        assert_eq!(other.run(&["test", "--shared-write"]).code, 2, "where to?");
    }

    #[test]
    fn an_answer_to_another_request_is_not_believed() {
        let (folder, url, other) = shared();
        let files: Vec<_> = walkdir::WalkDir::new(folder.path())
            .into_iter()
            .flatten()
            .filter(|entry| entry.path().is_file())
            .map(walkdir::DirEntry::into_path)
            .collect();
        // The answer of one under the key of the other; and one whose request somebody changed.
        std::fs::copy(&files[0], &files[1]).expect("copied");
        let text = std::fs::read_to_string(&files[0]).expect("there");
        std::fs::write(&files[0], text.replace("\"content\":\"", "\"content\":\"changed ")).expect("written");
        let ended = other.run_with(&["test", "--shared", &url], &[("CI", "true")]);
        assert_eq!(ended.code, 5, "{}", ended.stdout);
        assert!(
            ended.stdout.contains("2 answers are in file://") || ended.stdout.contains("not believed"),
            "{}",
            ended.stdout
        );
        assert!(ended.stdout.contains("2 unrecorded"), "{}", ended.stdout);
    }

    #[test]
    fn an_address_that_makes_no_sense_is_said() {
        let sandbox = Sandbox::with_cases(CASES);
        for (url, why) in [("nonsense", "no address"), ("ftp://x/y", "cannot be opened"), ("s3://", "cannot be opened")]
        {
            let ended = sandbox.run(&["test", "--shared", url]);
            assert_eq!(ended.code, 2, "{url}: {}", ended.stderr);
            assert!(ended.stderr.contains(why), "{url}: {}", ended.stderr);
        }
    }
}
