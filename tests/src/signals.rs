//! SIGTERM and SIGINT as one stream: the first asks a program to end well, the second to end at once.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};

/// The two signals that ask a program to end.
#[derive(Debug)]
pub struct EndSignals {
    terminate: Signal,
    interrupt: Signal,
}

impl EndSignals {
    /// Takes the signals over; from here on they no longer end the process by themselves (nor are they ignored by a pod's process 1).
    pub fn take() -> io::Result<Self> {
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    /// Waits for the next one and gives the exit code that a shell would show for it.
    pub async fn next(&mut self) -> i32 {
        tokio::select! {
            _ = self.terminate.recv() => 128 + SignalKind::terminate().as_raw_value(),
            _ = self.interrupt.recv() => 128 + SignalKind::interrupt().as_raw_value(),
        }
    }

    /// Ends the process as soon as one more arrives.
    pub fn exit_at_next(mut self) {
        tokio::spawn(async move {
            let code = self.next().await;
            std::process::exit(code)
        });
    }
}
