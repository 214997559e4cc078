//! What 5,000 pods with sidecars cost the operator: memory, and time for a look at all of them. Alone in its process.

#![allow(clippy::print_stdout)] // the figures are for people

use std::time::Instant;

use evenkeel_crds::{BalancerPool, api::ProxyMode};
use evenkeel_operator::{
    cluster::{PodSource, PoolSource, SidecarPod, WatchedPod, World},
    findings::{InForce, ProxyEndpoint},
    key::Key,
    report::{Followed, Progress},
};
use evenkeel_tests::memory::rss_kb;
use serde_json::{Value, json};

const PODS: u64 = 5_000;
/// So much may be kept of a pod.
const MAX_BYTES: u64 = 2_048;

/// About as large as what a cluster has: 5 KB.
fn pod(number: u64) -> Value {
    let status = |name: &str| json!({ "name": name, "ready": true, "restartCount": 0, "image": "i", "imageID": "i", "containerID": "c".repeat(70) });
    let env: Vec<_> = (0..40).map(|n| json!({ "name": format!("SETTING_{n}"), "value": "v".repeat(60) })).collect();
    json!({
        "metadata": {
            "name": format!("application-6d5f7c9b4d-{number:05x}"), "namespace": "shop", "resourceVersion": (number + 1_000_000).to_string(),
            "uid": format!("{number:08x}-0000-4000-8000-000000000000"),
            "labels": { "evenkeel.dev/inject": "enabled", "app.kubernetes.io/name": "application" },
            "annotations": { "evenkeel.dev/pools": "web,api", "kubectl.kubernetes.io/restartedAt": "2026-01-01T00:00:00Z" },
        },
        "spec": {
            "initContainers": [{ "name": "evenkeel-proxy", "image": "i", "restartPolicy": "Always" }],
            "containers": [{ "name": "app", "image": "i", "env": env }],
        },
        "status": {
            "phase": "Running", "podIP": format!("10.{}.{}.{}", number >> 16, (number >> 8) & 255, number & 255),
            "initContainerStatuses": [status("evenkeel-proxy")], "containerStatuses": [status("app")],
        },
    })
}

fn pool() -> BalancerPool {
    let object = json!({
        "apiVersion": "evenkeel.dev/v1alpha1", "kind": "BalancerPool",
        "metadata": { "name": "web", "namespace": "shop", "uid": "u", "resourceVersion": "1" },
        "spec": { "listener": { "port": 8080 }, "proxy": { "mode": "Sidecar" }, "backends": [] },
    });
    serde_json::from_value(object).expect("a pool")
}

/// The process's resident memory.
fn resident_bytes() -> u64 {
    rss_kb(std::process::id()) * 1024
}

fn followed((pod, state): (&Key, &SidecarPod)) -> Option<Followed> {
    let proxy = ProxyEndpoint { name: pod.name.to_string(), address: state.address?, zone: String::new() };
    Some(Followed { proxy, ready: true })
}

#[test]
fn five_thousand_pods_cost_little_memory_and_time() {
    let mut world = World::default();
    world.absorb(&PoolSource, pool());
    let absorb = |world: &mut World, number: u64| {
        let pod: WatchedPod = serde_json::from_value(pod(number)).expect("a pod");
        world.absorb(&PodSource, pod)
    };
    absorb(&mut world, 0); // what reading one needs is there from then on
    let before = resident_bytes();
    for number in 1..PODS {
        assert_eq!(absorb(&mut world, number).len(), 1, "the pool hears of it");
    }
    let each = resident_bytes().saturating_sub(before) / PODS;
    let mut progress = Progress::new(None, tokio::time::Instant::now());
    let in_force = InForce { generation: 1, revision: "r".into(), backends: 1 };
    let mut looks: Vec<_> = (0..20)
        .map(|_| {
            let start = Instant::now();
            let proxies: Vec<_> = world.sidecars_of(&Key::new("shop", "web")).filter_map(followed).collect();
            progress.follow(ProxyMode::Sidecar, Some(&in_force), proxies, tokio::time::Instant::now());
            start.elapsed()
        })
        .collect();
    looks.sort_unstable();
    println!("{PODS} pods with sidecars: {each} bytes each, {:?} for a look at all of them", looks[10]);
    assert_eq!(u64::try_from(progress.sum().total), Ok(PODS));
    assert!(each <= MAX_BYTES, "{each} bytes are kept of a pod");
}
