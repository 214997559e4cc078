//! From the API write to the first changed answer, as a client in the cluster sees it.

use std::time::{Duration, SystemTime};

use evenkeel_crds::BalancerPool;
use evenkeel_tests::clock::unix_us;
use kube::api::{Patch, PatchParams};
use kube::{Api, Client};
use serde_json::json;

use crate::load::{Load, assert_lossless};
use crate::stage::{SHOP, Stage, play};

const FLIPS: usize = 50;
/// What we promise to every user; the goal on a quiet machine is in the next line.
const PROMISE: Duration = Duration::from_secs(2);
const GOAL: Duration = Duration::from_millis(250);
/// Between two changes, longer than the pause that the operator makes under a storm of changes.
const PACE: Duration = Duration::from_millis(300);

#[test]
fn a_change_takes_effect_at_once() {
    play("apply → effect, 50 times", |stage| {
        let mut flips = Flips::start(stage, "load-effect");
        let mut times: Vec<_> = (0..FLIPS).map(|_| flips.next(PROMISE)).collect();
        flips.finish();
        times.sort_unstable();
        let [p50, p99] = [50, 99].map(|percent| times[(FLIPS * percent).div_ceil(100) - 1]);
        eprintln!("apply → effect: p50 {p50:?}, p99 {p99:?} of {FLIPS}; the goal is p99 below {GOAL:?}");
    });
}

/// All traffic from v1 to v3 and back, while a client watches. A change is made when the one before has taken effect.
pub(crate) struct Flips<'a> {
    load: Load<'a>,
    runtime: tokio::runtime::Runtime,
    pools: Api<BalancerPool>,
    turn: usize,
}

impl<'a> Flips<'a> {
    /// Starts the client of that name, and makes a first change: the way into the alternation.
    pub(crate) fn start(stage: &'a Stage, pod: &str) -> Self {
        let load = Load::start(stage, pod, "--watch-change");
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let pools = Api::namespaced(client(stage, &runtime), SHOP);
        let mut flips = Self { load, runtime, pools, turn: 0 };
        flips.next(PROMISE);
        flips
    }

    /// The time of one change, from before the write is sent to the head of the first answer that shows it.
    pub(crate) fn next(&mut self, within: Duration) -> Duration {
        std::thread::sleep(PACE); // the pace of a measurement, not a wait for something
        let (server, patch) = if self.turn.is_multiple_of(2) { ("v3", weights(0, 1)) } else { ("v1", weights(1, 0)) };
        self.turn += 1;
        let began = unix_us(SystemTime::now());
        let patch = Patch::Merge(patch);
        self.runtime.block_on(self.pools.patch("web", &PatchParams::default(), &patch)).unwrap();
        Duration::from_micros(self.load.change_to(server, began, within).unix_us - began)
    }

    /// Ends the client; it has lost nothing.
    pub(crate) fn finish(self) {
        assert_lossless(&self.load.finish());
    }
}

/// A merge patch replaces lists, so it has the whole one.
fn weights(first: u32, third: u32) -> serde_json::Value {
    let backend = |name: &str, weight| json!({"name": name, "service": {"name": format!("web-{name}"), "port": "http"}, "weight": weight});
    json!({"spec": {"backends": [backend("v1", first), backend("v2", 0), backend("v3", third)]}})
}

/// A client that keeps its connection: what kubectl takes to start is not ours.
pub(crate) fn client(stage: &Stage, runtime: &tokio::runtime::Runtime) -> Client {
    let path = stage.cluster.variable("KUBECONFIG").unwrap();
    let config = kube::config::Kubeconfig::read_from(path).unwrap();
    runtime.block_on(async {
        let config =
            kube::Config::from_custom_kubeconfig(config, &kube::config::KubeConfigOptions::default()).await.unwrap();
        let client = Client::try_from(config).unwrap();
        client.apiserver_version().await.unwrap();
        client
    })
}
