//! Two operators, of which one leads, and a pool whose weight says which change is published.

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use evenkeel_crds::BalancerPool;
use evenkeel_tests::api::{Operator, Space, Stage, metal, pool};
use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use kube::Api;
use serde_json::{Value, json};
use tokio::{
    sync::{Mutex, MutexGuard},
    time::{Instant, sleep, timeout},
};

use crate::history::History;

/// Where the operator's own objects are.
const OWN: &str = "evenkeel-system";
/// Longer than any failover may take, so that a slow one is measured.
const LONGEST: Duration = Duration::from_secs(60);
const LOOK_AGAIN: Duration = Duration::from_millis(10);

/// One test after the other: each has an API server of its own, and what they measure is time.
static ALONE: Mutex<()> = Mutex::const_new(());

/// An API server, a namespace with the pool `web`, and operators.
pub(crate) struct Pair {
    pub(crate) stage: Stage,
    pub(crate) space: Space,
    pub(crate) leader: Operator,
    pub(crate) follower: Operator,
    pub(crate) history: History,
    weight: u64,
    _alone: MutexGuard<'static, ()>,
}

impl Pair {
    /// Sets the stage; none where these tests are not asked for.
    pub(crate) async fn set(name: &str) -> Option<Self> {
        let alone = ALONE.lock().await;
        let stage = Stage::bare()?;
        let space = stage.space(name).await;
        let leader = candidate(&stage);
        leader.wait_for(" Leading.");
        space.create::<BalancerPool>(pool("web", &[("metal", 1, metal("192.0.2.1"))])).await;
        space.condition("web", "Ready", "True", "Ready").await;
        let history = History::follow(&space, "web").await;
        let follower = candidate(&stage);
        follower.wait_for(" Following ");
        Some(Self { stage, space, leader, follower, history, weight: 1, _alone: alone })
    }

    /// Declares another weight, which the next publication has.
    pub(crate) async fn change(&mut self) -> u64 {
        self.weight += 1;
        set_weight(&self.space, "web", self.weight).await;
        self.weight
    }

    /// Waits until the newest weight is published. Returns the time since then.
    pub(crate) async fn published(&self, since: Instant) -> Duration {
        let seen = timeout(LONGEST, self.history.saw_weight(self.weight)).await;
        assert!(seen.is_ok(), "not published within {LONGEST:?}:\n{}", self.follower.log().join("\n"));
        seen.map_or(LONGEST, |seen| seen.saturating_duration_since(since))
    }

    /// The follower takes the leader's place, and another follows it. Returns who led.
    pub(crate) fn promote(&mut self) -> Operator {
        self.follower.wait_for(" Leading.");
        let next = candidate(&self.stage);
        next.wait_for(" Following ");
        let follower = std::mem::replace(&mut self.follower, next);
        std::mem::replace(&mut self.leader, follower)
    }

    /// What the Lease says.
    pub(crate) async fn lease(&self) -> LeaseSpec {
        let lease = leases(&self.space).get("evenkeel-operator").await.expect("a Lease");
        lease.spec.unwrap_or_default()
    }
}

/// Another operator; its name in the Lease is its own.
pub(crate) fn candidate(stage: &Stage) -> Operator {
    static NUMBER: AtomicUsize = AtomicUsize::new(0);
    let name = format!("operator-{}", NUMBER.fetch_add(1, Ordering::Relaxed));
    stage.start_candidate(&["--identity", &name])
}

pub(crate) fn leases(space: &Space) -> Api<Lease> {
    Api::namespaced(space.client.clone(), OWN)
}

/// Declares a weight.
pub(crate) async fn set_weight(space: &Space, pool: &str, weight: u64) {
    let endpoint = json!({ "address": "192.0.2.1", "port": 80 });
    let backend: Value = json!({ "name": "metal", "weight": weight, "endpoints": [endpoint] });
    space.patch::<BalancerPool>(pool, &json!({ "spec": { "backends": [backend] } })).await;
}

/// Waits until a look shows it.
pub(crate) async fn until<F: Future<Output = bool>>(what: &str, mut look: impl FnMut() -> F) -> Duration {
    let start = Instant::now();
    while !look().await {
        assert!(start.elapsed() < LONGEST, "not within {LONGEST:?}: {what}");
        sleep(LOOK_AGAIN).await;
    }
    start.elapsed()
}

/// Prints how long each took, and asserts that none took longer.
pub(crate) fn judge(what: &str, mut times: Vec<Duration>, longest: Duration) {
    let said: Vec<_> = times.iter().map(|time| format!("{:.2}", time.as_secs_f64())).collect();
    times.sort();
    let (p50, max) = (times[(times.len() - 1) / 2], times[times.len() - 1]);
    eprintln!("{what}: p50 {p50:.2?}, max {max:.2?} of {} (at most {longest:?}): {} s", times.len(), said.join(" "));
    assert!(max <= longest, "{what}");
}
