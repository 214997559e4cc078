//! The end of the process, without losing a request.
//!
//! Kubernetes sends SIGTERM and takes the pod from its Services *at the same time*: clients go on connecting for a while.
//! So the proxy goes on serving for 5 s and only says that connections end; closes its listeners; leaves idle connections
//! up to 5 s more for one last request each; and finishes what is under way.
//!
//! A sidecar has one client, whose end it cannot know of otherwise: it serves on until nobody was connected for a second. As
//! a native sidecar it gets SIGTERM when the application has ended; as an ordinary container at the same time as that.

use std::{io, sync::Arc, time::Duration};

use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    sync::watch,
    time::{Instant, sleep_until, timeout_at},
};

use crate::{
    cli::Drain,
    shared::{Shared, Stage},
};

/// For so long the removal of the endpoint travels to clients.
const CLOSING: Duration = Duration::from_secs(5);
/// For so long an idle connection may send one last request.
const IDLE: Duration = Duration::from_secs(5);
/// All of it: a pod's grace period is 75 s.
const LIMIT: Duration = Duration::from_secs(60);
/// An application without a connection for so long has ended, or will not ask any more.
const SILENT: Duration = Duration::from_secs(1);
/// An application that is busy is served for so long.
const SIDECAR_SERVING: Duration = Duration::from_secs(20);
/// Then its connections have so long for one last request each.
const SIDECAR_IDLE: Duration = Duration::from_secs(21);
/// All of it: a pod's grace period is 30 s by default, and the application may have used some of it.
const SIDECAR_LIMIT: Duration = Duration::from_secs(22);
/// At a terminal nobody waits for endpoints to be removed, and what is under way is short.
const INTERRUPTED_LIMIT: Duration = Duration::from_secs(5);
/// How often the number of connections is looked at.
const LOOK: Duration = Duration::from_millis(20);

/// How the process ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// SIGTERM: in full.
    Drained,
    /// SIGINT: what is under way is finished.
    Interrupted,
}

/// The signals that end the process.
pub(crate) struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    pub(crate) async fn next(&mut self) -> Ending {
        tokio::select! {
            _ = self.terminate.recv() => Ending::Drained,
            _ = self.interrupt.recv() => Ending::Interrupted,
        }
    }
}

/// Leads the workers through the stages. A further signal ends it at once.
pub(crate) async fn lead_out(
    ending: Ending,
    drain: Drain,
    stage: &watch::Sender<Stage>,
    shared: &Arc<Shared>,
    signals: &mut Signals,
) {
    let steps = async {
        let start = Instant::now();
        match (ending, drain) {
            (Ending::Drained, Drain::Clients) => drain_clients(start, stage, shared).await,
            (Ending::Drained, Drain::Application) => drain_application(start, stage, shared).await,
            (Ending::Interrupted, _) => interrupt(start, stage, shared).await,
        }
    };
    tokio::select! {
        () = steps => {}
        _ = signals.next() => tracing::warn!("a second signal: ending at once"),
    }
    let left = shared.connections();
    tracing::info!(left, "ended");
}

async fn drain_clients(start: Instant, stage: &watch::Sender<Stage>, shared: &Arc<Shared>) {
    tracing::info!("draining: not ready any more, still serving");
    stage.send_replace(Stage::Closing);
    sleep_until(start + CLOSING).await;
    stage.send_replace(Stage::Refusing);
    tracing::info!(connections = shared.connections(), "draining: listeners closed");
    all_closed(shared, start + CLOSING + IDLE).await;
    stage.send_replace(Stage::Finishing);
    all_closed(shared, start + LIMIT).await;
}

async fn drain_application(start: Instant, stage: &watch::Sender<Stage>, shared: &Arc<Shared>) {
    tracing::info!(connections = shared.connections(), "draining: serving until the application has ended");
    stage.send_replace(Stage::Closing);
    silent(shared, start + SIDECAR_SERVING).await;
    stage.send_replace(Stage::Refusing);
    tracing::info!(connections = shared.connections(), "draining: listeners closed");
    all_closed(shared, start + SIDECAR_IDLE).await;
    stage.send_replace(Stage::Finishing);
    all_closed(shared, start + SIDECAR_LIMIT).await;
}

async fn interrupt(start: Instant, stage: &watch::Sender<Stage>, shared: &Arc<Shared>) {
    stage.send_replace(Stage::Finishing);
    all_closed(shared, start + INTERRUPTED_LIMIT).await;
}

/// Waits until for a while no client connection was open, or until the deadline.
async fn silent(shared: &Arc<Shared>, deadline: Instant) {
    let (mut since, mut ever) = (Instant::now(), shared.connections_ever());
    let mut look = tokio::time::interval(LOOK);
    loop {
        let now = look.tick().await;
        let before = std::mem::replace(&mut ever, shared.connections_ever());
        if shared.connections() > 0 || ever != before {
            since = now;
        }
        if now >= deadline || now - since >= SILENT {
            return;
        }
    }
}

/// Waits until no listener and no client connection is open, or until the deadline.
async fn all_closed(shared: &Arc<Shared>, deadline: Instant) {
    let closed = async {
        let mut look = tokio::time::interval(LOOK);
        loop {
            look.tick().await;
            if shared.is_closed() {
                return;
            }
        }
    };
    let _ = timeout_at(deadline, closed).await; // the caller goes on either way
}
