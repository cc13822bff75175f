//! The last limit on what a template can do: a process that grows without end is ended, with a word on why.
//!
//! The engine counts steps, not bytes: a template that doubles a text in a loop fills any memory in forty steps.

use std::io::Write as _;
use std::sync::Once;
use std::time::Duration;

use crate::core::verdict::Exit;

/// In MiB: more than ten times what a run of 100,000 cases takes.
const LIMIT: u64 = 4096;
/// The variable that sets another limit.
const VARIABLE: &str = "PROMPTCTL_MAX_MEMORY";
const EVERY: Duration = Duration::from_millis(20);

static WATCHED: Once = Once::new();

/// Watches this process while it lives, where the system tells how large it is.
pub(super) fn watch() {
    WATCHED.call_once(|| {
        if resident().is_none() {
            return;
        }
        let limit = super::context::variable(VARIABLE).and_then(|text| text.parse().ok()).unwrap_or(LIMIT);
        let watcher = move || {
            while resident().is_none_or(|held| held < limit) {
                std::thread::sleep(EVERY);
            }
            leave(limit);
        };
        // Without a thread there is one limit less.
        let _ = std::thread::Builder::new().name("memory".into()).spawn(watcher);
    });
}

/// The memory that this process holds, in MiB.
fn resident() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok().map(|kilobytes| kilobytes >> 10)
}

#[expect(
    clippy::exit,
    reason = "the thread that grows cannot be stopped in another way; what arrived is in the journal"
)]
fn leave(limit: u64) {
    let text = format!(
        "error: promptctl holds more than {limit} MiB of memory and stops: a template probably doubles a text in a loop\n  = help: `promptctl render PROMPT`, one prompt after the other, shows which; {VARIABLE} sets another limit, in MiB\n"
    );
    let _ = std::io::stderr().write_all(text.as_bytes());
    std::process::exit(i32::from(Exit::Usage.code()));
}
