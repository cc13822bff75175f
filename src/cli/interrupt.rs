//! Ctrl-C, or being asked to end: the first time ends the run in order, the second at once. What arrived is in the journal either way.

use std::io::Write as _;
use std::sync::Arc;

use crate::core::verdict::Exit;
use crate::model::end_programs;
use crate::run::Stop;

/// Watches for Ctrl-C while this process lives.
pub(super) fn watch(stop: &Arc<Stop>) {
    let stop = Arc::clone(stop);
    let watcher = move || {
        // Without a runtime Ctrl-C ends the process as it always does.
        let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else { return };
        runtime.block_on(async {
            if !asked_to_end().await {
                return;
            }
            stop.interrupt();
            let text = "\ninterrupted: waiting for answers in flight; once more to leave now (nothing is lost)\n";
            let _ = std::io::stderr().write_all(text.as_bytes());
            if asked_to_end().await {
                leave();
            }
        });
    };
    // Without a thread Ctrl-C ends the process as it always does.
    let _ = std::thread::Builder::new().name("interrupt".into()).spawn(watcher);
}

/// Waits until a person, or who runs this process, wants it to end; `false` where that cannot be heard.
pub(super) async fn asked_to_end() -> bool {
    #[cfg(unix)]
    {
        let kind = tokio::signal::unix::SignalKind::terminate();
        let Ok(mut terminated) = tokio::signal::unix::signal(kind) else { return false };
        tokio::select! {
            heard = tokio::signal::ctrl_c() => heard.is_ok(),
            heard = terminated.recv() => heard.is_some(),
        }
    }
    #[cfg(not(unix))]
    {
        tokio::signal::ctrl_c().await.is_ok()
    }
}

/// Leaves at once: every answer that arrived is in the journal, where the next run finds it.
#[expect(clippy::exit, reason = "a person pressed Ctrl-C twice")]
fn leave() {
    end_programs();
    std::process::exit(i32::from(Exit::Interrupted.code()));
}
