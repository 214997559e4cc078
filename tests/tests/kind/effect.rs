//! From the API write to the first changed answer, as a client in the cluster sees it.

use std::time::{Duration, SystemTime};

use evenkeel_crds::BalancerPool;
use evenkeel_tests::clock::unix_us;
use kube::api::{Patch, PatchParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Api, Client, Config};
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
        let load = Load::start(stage, "load-effect", "--watch-change");
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let mut times = runtime.block_on(flip(stage, &load));
        assert_lossless(&load.finish());
        times.sort_unstable();
        let [p50, p99] = [50, 99].map(|percent| times[(FLIPS * percent).div_ceil(100) - 1]);
        eprintln!("apply → effect: p50 {p50:?}, p99 {p99:?} of {FLIPS}; the goal is p99 below {GOAL:?}");
        assert!(p99 < PROMISE, "{times:?}");
    });
}

/// Flips the weights between v1 and v2; the time of each from before the write is sent.
async fn flip(stage: &Stage, load: &Load<'_>) -> Vec<Duration> {
    let pools = pools(stage).await;
    let mut pace = tokio::time::interval(PACE);
    pace.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut times = Vec::new();
    // The first one is the way into the alternation, and opens the connection to the API server.
    for turn in 0..=FLIPS {
        pace.tick().await;
        let (server, patch) = if turn % 2 == 0 { ("v3", weights(0, 1)) } else { ("v1", weights(1, 0)) };
        let began = unix_us(SystemTime::now());
        pools.patch("web", &PatchParams::default(), &Patch::Merge(patch)).await.unwrap();
        let change = load.change_to(server, began, PROMISE);
        if turn > 0 {
            times.push(Duration::from_micros(change.unix_us - began));
        }
    }
    times
}

/// A merge patch replaces lists, so it has the whole one.
fn weights(first: u32, third: u32) -> serde_json::Value {
    let backend = |name: &str, weight| json!({"name": name, "service": {"name": format!("web-{name}"), "port": "http"}, "weight": weight});
    json!({"spec": {"backends": [backend("v1", first), backend("v2", 0), backend("v3", third)]}})
}

/// A client that keeps its connection: what kubectl takes to start is not ours.
async fn pools(stage: &Stage) -> Api<BalancerPool> {
    let path = stage.cluster.variable("KUBECONFIG").unwrap();
    let config = Kubeconfig::read_from(path).unwrap();
    let config = Config::from_custom_kubeconfig(config, &KubeConfigOptions::default()).await.unwrap();
    let pools = Api::namespaced(Client::try_from(config).unwrap(), SHOP);
    let _: BalancerPool = pools.get("web").await.unwrap();
    pools
}
