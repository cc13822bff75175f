//! A project in a temporary folder, and the binary run in it with nothing of the outside but what a test gives.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// A folder for one test.
pub struct Sandbox {
    folder: tempfile::TempDir,
}

/// A run that ended.
pub struct Ended {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Sandbox {
    /// An empty folder.
    pub fn empty() -> Self {
        Self { folder: tempfile::tempdir().expect("a temporary folder") }
    }

    /// The project that `promptctl init` makes.
    pub fn initialised() -> Self {
        let sandbox = Self::empty();
        assert_eq!(sandbox.run(&["init"]).code, 0);
        sandbox
    }

    /// A project with one prompt `p` on a scripted model that repeats the question, and these cases.
    pub fn with_cases(cases: &str) -> Self {
        let sandbox = Self::empty();
        sandbox.write(
            "promptctl.yaml",
            "models:\n  echo:\n    provider: mock\n    replies: [{ say: \"{{ last_user_message }}\" }]\n",
        );
        sandbox.write("prompts/p.j2", "{{ q }}\n");
        sandbox.write("fixtures/p/cases.yaml", cases);
        sandbox
    }

    pub fn root(&self) -> &Path {
        self.folder.path()
    }

    pub fn path(&self, path: &str) -> PathBuf {
        self.folder.path().join(path)
    }

    pub fn write(&self, path: &str, text: impl AsRef<[u8]>) {
        let full = self.path(path);
        fs::create_dir_all(full.parent().expect("a folder")).expect("made");
        fs::write(full, text).expect("written");
    }

    pub fn read(&self, path: &str) -> String {
        fs::read_to_string(self.path(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
    }

    pub fn exists(&self, path: &str) -> bool {
        self.path(path).exists()
    }

    /// Replaces a text in a file; it must be there.
    pub fn edit(&self, path: &str, from: &str, to: &str) {
        let text = self.read(path);
        assert!(text.contains(from), "{path} holds no {from:?}");
        self.write(path, text.replace(from, to));
    }

    /// Every file below the folder, sorted, with its bytes.
    pub fn files(&self) -> Vec<(String, Vec<u8>)> {
        let mut files: Vec<(String, Vec<u8>)> = walkdir::WalkDir::new(self.root())
            .into_iter()
            .filter_map(Result::ok)
            .filter(|entry| entry.file_type().is_file())
            .map(|entry| {
                let below = entry.path().strip_prefix(self.root()).expect("below").to_string_lossy().into_owned();
                (below, fs::read(entry.path()).expect("readable"))
            })
            .filter(|(path, _)| !path.starts_with(".git/"))
            .collect();
        files.sort();
        files
    }

    /// The binary, ready to be started in the folder.
    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_promptctl"));
        command.args(args).current_dir(self.root()).env_clear().env("SOURCE_DATE_EPOCH", "1767225600");
        command.stdin(Stdio::null());
        command
    }

    pub fn run(&self, args: &[&str]) -> Ended {
        self.ended(&self.command(args).output().expect("started"))
    }

    pub fn run_with(&self, args: &[&str], variables: &[(&str, &str)]) -> Ended {
        let output = self.command(args).envs(variables.iter().copied()).output().expect("started");
        self.ended(&output)
    }

    /// Runs git in the folder, with a fixed author and date.
    pub fn git(&self, args: &[&str]) {
        assert!(self.try_git(args), "git {args:?}");
    }

    /// The same, of a git that may be too old for it.
    pub fn try_git(&self, args: &[&str]) -> bool {
        let status = Command::new("git")
            .args(["-c", "user.name=A", "-c", "user.email=a@example.org", "-c", "init.defaultBranch=main"])
            .args(args)
            .current_dir(self.root())
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("GIT_AUTHOR_DATE", "2026-01-01T00:00:00Z")
            .env("GIT_COMMITTER_DATE", "2026-01-01T00:00:00Z")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .expect("git");
        status.success()
    }

    fn ended(&self, output: &Output) -> Ended {
        let text = |bytes: &[u8]| {
            let root = self.root().canonicalize().expect("there");
            String::from_utf8_lossy(bytes)
                .replace(&root.display().to_string(), "[root]")
                .replace(&self.root().display().to_string(), "[root]")
        };
        Ended { code: output.status.code().unwrap_or(-1), stdout: text(&output.stdout), stderr: text(&output.stderr) }
    }
}

impl Ended {
    /// Everything that a person would see, with what differs from run to run replaced.
    pub fn shown(&self) -> String {
        let time = regex::Regex::new(r"\d+\.\d\d s\b").expect("valid");
        let version = concat!("promptctl ", env!("CARGO_PKG_VERSION"));
        let clean = |text: &str| time.replace_all(text, "[time]").replace(version, "promptctl [version]");
        format!(
            "exit status: {}\n── stdout ──\n{}── stderr ──\n{}",
            self.code,
            clean(&self.stdout),
            clean(&self.stderr)
        )
    }
}

/// Holds a run to its exit code and to what it must show.
#[track_caller]
pub fn says(ended: &Ended, code: i32, parts: &[&str]) {
    let shown = ended.shown();
    assert_eq!(ended.code, code, "{shown}");
    for part in parts {
        assert!(shown.contains(part), "no {part:?} in {shown}");
    }
}
