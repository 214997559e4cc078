//! Asks the proxies of a pool, round by round, which generation they run.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use evenkeel_crds::{api::ProxyMode, names};
use futures::{StreamExt as _, stream::FuturesUnordered};
use tokio::time::{Instant, timeout_at};
use tracing::debug;

use super::{Answer, Asker, Doubts, Followed, Progress};
use crate::{
    cluster::{Sidecar, SidecarPod},
    context::Context,
    findings::{Findings, ProxyEndpoint},
    key::Key,
};

/// The longest round: each proxy answers in milliseconds, or it holds up the round.
const ROUND: Duration = Duration::from_secs(3);

/// Asks the proxies of all pools.
#[derive(Debug)]
pub(super) struct Questions {
    context: Arc<Context>,
    asker: Asker,
    doubts: Doubts,
}

impl Questions {
    /// Nobody was asked yet.
    #[must_use]
    pub(super) fn new(context: Arc<Context>) -> Self {
        Self { context, asker: Asker::default(), doubts: Doubts::default() }
    }

    /// The pool is gone.
    pub(super) fn forget(&self, key: &Key) {
        self.doubts.take(key);
    }

    /// The proxies that are known. Sidecars are none of a table's business, so that they are looked up here.
    pub(super) fn whom(&self, key: &Key, findings: &Findings) -> Vec<Followed> {
        let ready = |proxy: &ProxyEndpoint| Followed { proxy: proxy.clone(), ready: true };
        match findings.mode {
            ProxyMode::Deployment => findings.proxies.iter().map(ready).collect(),
            ProxyMode::Sidecar => self.context.world().sidecars_of(key).filter_map(sidecar).collect(),
            ProxyMode::External => Vec::new(),
        }
    }

    /// One round: who was not asked when it ends is asked in the next.
    pub(super) async fn ask(&self, key: &Key, progress: &mut Progress) {
        for pod in self.doubts.take(key) {
            progress.doubt(&pod, Instant::now());
        }
        let ask = async |proxy: ProxyEndpoint| {
            let address = SocketAddr::new(proxy.address, names::ADMIN_PORT);
            let answer = self.asker.ask(address, key).await.inspect_err(
                |error| debug!(pool = %key, proxy = proxy.name, %error, "A proxy did not say what it runs."),
            );
            (proxy, answer.ok())
        };
        let end = Instant::now() + ROUND;
        let mut asks: FuturesUnordered<_> = progress.to_ask(Instant::now()).into_iter().map(ask).collect();
        let mut answers = Vec::with_capacity(asks.len());
        while let Ok(Some(answer)) = timeout_at(end, asks.next()).await {
            self.pass_on(&answer);
            answers.push(answer);
        }
        drop(asks);
        progress.heard(answers, Instant::now());
    }

    /// A pool that took a port from another one in the same proxy: the other is to ask that proxy too.
    fn pass_on(&self, (proxy, answer): &(ProxyEndpoint, Option<Answer>)) {
        for loser in answer.iter().flat_map(|answer| &answer.losers) {
            if self.context.world().is_sidecar_of(loser, &proxy.name) && self.doubts.put(loser, &proxy.name) {
                self.context.report.wake(loser);
            }
        }
    }
}

/// A sidecar has no zone: nobody says where its pod runs.
fn sidecar((pod, state): (&Key, &SidecarPod)) -> Option<Followed> {
    let proxy = ProxyEndpoint { name: pod.name.to_string(), address: state.address?, zone: String::new() };
    Some(Followed { proxy, ready: state.sidecar == Sidecar::Ready })
}
