//! How a node is asked to end from outside.

use std::io;
use std::process;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;

/// What a shell adds to a signal's number to make an exit status.
const BY_SIGNAL: i32 = 128;

/// Resolves when a first SIGTERM or Ctrl-C asks the node to end. A second one ends the process at
/// once, whatever it is doing.
pub(super) fn to_end() -> io::Result<impl Future<Output = ()>> {
    let mut signals = Signals {
        terminate: signal(SignalKind::terminate())?,
        interrupt: signal(SignalKind::interrupt())?,
    };
    let (ask, mut asked) = watch::channel(false);
    tokio::spawn(async move {
        signals.next().await;
        ask.send_replace(true);
        let second = signals.next().await;
        process::exit(BY_SIGNAL + second.as_raw_value());
    });
    Ok(async move {
        // The sender lives as long as the process.
        let _ = asked.wait_for(|asked| *asked).await;
    })
}

struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    async fn next(&mut self) -> SignalKind {
        tokio::select! {
            _ = self.terminate.recv() => SignalKind::terminate(),
            _ = self.interrupt.recv() => SignalKind::interrupt(),
        }
    }
}
