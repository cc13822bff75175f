//! Running a program: what it reads, what it prints, how long it may take. It is ended with all its children.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Stdio;
use std::sync::Mutex;
use std::time::Duration;

use process_wrap::tokio::{ChildWrapper, CommandWrap};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};

use super::client::Permissions;
use super::fault::{Fault, FaultKind, start_of};
use super::provider::Reply;
use crate::core::redact::Secrets;

/// The most that a program may print, in bytes.
const MAX_OUTPUT: u64 = 16 << 20;

/// The programs that run, each the leader of a group of processes.
static RUNNING: Mutex<BTreeSet<u32>> = Mutex::new(BTreeSet::new());

/// A program that does not outlive this value, and neither do its children.
struct Running(Box<dyn ChildWrapper>, Option<u32>);

impl Running {
    fn new(child: Box<dyn ChildWrapper>) -> Self {
        let id = child.id();
        if let (Some(id), Ok(mut running)) = (id, RUNNING.lock()) {
            running.insert(id);
        }
        Self(child, id)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may be gone already.
        let _ = self.0.start_kill();
        if let (Some(id), Ok(mut running)) = (self.1, RUNNING.lock()) {
            running.remove(&id);
        }
    }
}

/// Ends every program that runs, for a process that is about to leave without cleaning up.
pub fn end_programs() {
    #[cfg(unix)]
    for id in RUNNING.lock().map(|running| running.clone()).unwrap_or_default() {
        if let Some(group) = i32::try_from(id).ok().and_then(rustix::process::Pid::from_raw) {
            // It may be gone already.
            let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
        }
    }
}

/// How long a program may take that checks something.
const TIME: Duration = Duration::from_mins(1);

/// Runs a program that is given something to check, and gives what it printed.
pub async fn execute(permissions: &Permissions, command: &[String], input: Vec<u8>) -> Result<String, Fault> {
    let name = command.first().map_or("", String::as_str);
    if !permissions.programs {
        let message = format!("the program `{name}` was not allowed to run");
        return Err(Fault::new(FaultKind::Program, message).help("say `--allow-exec`"));
    }
    let running = run(command, &permissions.folder, None, input, &permissions.secrets);
    let late = |_| Fault::new(FaultKind::Timeout, format!("the program `{name}` took more than {} s", TIME.as_secs()));
    let reply = tokio::time::timeout(TIME, running).await.map_err(late)??;
    // What it says back of what it saw must not be shown.
    let text = String::from_utf8_lossy(&reply.body);
    Ok(permissions.secrets.redact(&text).into_owned())
}

/// Runs a program in a folder. Whoever drops the future ends the program.
///
/// `key` is the variable that the model's entry names, which may stand in a `.env` file.
pub(super) async fn run(
    command: &[String],
    folder: &Path,
    key: Option<(&str, &str)>,
    input: Vec<u8>,
    secrets: &Secrets,
) -> Result<Reply, Fault> {
    let (name, arguments) = command.split_first().map_or(("", &[][..]), |(name, rest)| (name.as_str(), rest));
    let failed = |what: &str, error: &std::io::Error| {
        Fault::new(FaultKind::Program, format!("the program `{name}` {what}: {error}"))
    };
    let mut wrap = CommandWrap::with_new(name, |command| {
        command.args(arguments).current_dir(folder).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command.envs(key);
    });
    #[cfg(unix)]
    wrap.wrap(process_wrap::tokio::ProcessGroup::leader());
    #[cfg(windows)]
    wrap.wrap(process_wrap::tokio::JobObject);
    let child = wrap.spawn().map_err(|error| failed("cannot be started", &error).fatal())?;
    let mut running = Running::new(child);
    let (stdin, stdout, stderr) = (running.0.stdin().take(), running.0.stdout().take(), running.0.stderr().take());
    let write = async {
        if let Some(mut stdin) = stdin {
            // A program need not read what it is given.
            let _ = stdin.write_all(&input).await;
        }
    };
    let ((), output, errors) = tokio::join!(write, read(stdout), read(stderr));
    let (output, errors) = (output.map_err(|e| failed("cannot be read", &e))?, errors.unwrap_or_default());
    let status = running.0.wait().await.map_err(|error| failed("cannot be waited for", &error))?;
    if output.len() as u64 > MAX_OUTPUT {
        let message = format!("the program `{name}` printed more than {} MiB", MAX_OUTPUT >> 20);
        return Err(Fault::new(FaultKind::Protocol, message));
    }
    if !status.success() {
        let said = if errors.is_empty() { &output } else { &errors };
        let message = format!("the program `{name}` ended with {status}: {}", end_of(said, secrets));
        return Err(Fault::new(FaultKind::Program, message));
    }
    Ok(Reply { status: 200, body: output })
}

async fn read(from: Option<impl AsyncRead + Unpin>) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    if let Some(from) = from {
        from.take(MAX_OUTPUT + 1).read_to_end(&mut bytes).await?;
    }
    Ok(bytes)
}

/// The last line of what a program said, where its reason stands.
fn end_of(said: &[u8], secrets: &Secrets) -> String {
    let text = secrets.clean(&String::from_utf8_lossy(&said[said.len().saturating_sub(1 << 16)..]));
    start_of(text.trim().lines().last().unwrap_or_default().as_bytes())
}
