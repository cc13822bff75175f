//! Ctrl-C: the first ends the run in order, the second at once. What arrived is in the journal either way.

use std::io::Write as _;
use std::sync::Arc;

use crate::core::verdict::Exit;
use crate::run::Stop;

/// Watches for Ctrl-C while this process lives.
pub(super) fn watch(stop: &Arc<Stop>) {
    let stop = Arc::clone(stop);
    let watcher = move || {
        // Without a runtime Ctrl-C ends the process as it always does.
        let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else { return };
        runtime.block_on(async {
            if tokio::signal::ctrl_c().await.is_err() {
                return;
            }
            stop.interrupt();
            let text = "\ninterrupted: waiting for answers in flight; once more to leave now (nothing is lost)\n";
            let _ = std::io::stderr().write_all(text.as_bytes());
            if tokio::signal::ctrl_c().await.is_ok() {
                leave();
            }
        });
    };
    // Without a thread Ctrl-C ends the process as it always does.
    let _ = std::thread::Builder::new().name("interrupt".into()).spawn(watcher);
}

/// Leaves at once: every answer that arrived is in the journal, where the next run finds it.
#[expect(clippy::exit, reason = "a person pressed Ctrl-C twice")]
fn leave() {
    std::process::exit(i32::from(Exit::Interrupted.code()));
}
