//! Tests: what is kept of a pod, and who hears of a change.

use evenkeel_crds::BalancerPool;
use serde_json::{Value, json};

use super::*;
use crate::cluster::PoolSource;

/// A pod with a ready native sidecar that serves `web`; `change` makes it another one.
fn pod(version: u32, change: impl FnOnce(&mut Value)) -> WatchedPod {
    let mut pod = json!({
        "metadata": {
            "name": "app-1", "namespace": "shop", "uid": "u1", "resourceVersion": version.to_string(),
            "labels": { "evenkeel.dev/inject": "enabled" }, "annotations": { "evenkeel.dev/pools": "web" },
        },
        "spec": { "initContainers": [{ "name": "evenkeel-proxy" }], "containers": [{ "name": "app" }] },
        "status": {
            "phase": "Running", "podIP": "10.1.2.3",
            "initContainerStatuses": [status("evenkeel-proxy", true)],
            "containerStatuses": [status("app", true)],
        },
    });
    change(&mut pod);
    serde_json::from_value(pod).expect("a pod")
}

fn status(container: &str, ready: bool) -> Value {
    json!({ "name": container, "ready": ready, "restartCount": 0, "image": "i", "imageID": "i" })
}

fn pool(name: &str, mode: &str) -> BalancerPool {
    let object = json!({
        "apiVersion": "evenkeel.dev/v1alpha1", "kind": "BalancerPool",
        "metadata": { "name": name, "namespace": "shop", "uid": name, "resourceVersion": "1" },
        "spec": { "listener": { "port": 8080 }, "proxy": { "mode": mode }, "backends": [] },
    });
    serde_json::from_value(object).expect("a pool")
}

/// The pools `web` and `api` have sidecars, `edge` has not.
fn world() -> World {
    let mut world = World::default();
    for (name, mode) in [("web", "Sidecar"), ("api", "Sidecar"), ("edge", "Deployment")] {
        world.absorb(&PoolSource, pool(name, mode));
    }
    world
}

fn key(name: &str) -> Key {
    Key::new("shop", name)
}

fn reports(pools: &[&str]) -> BTreeSet<Wake> {
    pools.iter().map(|pool| Wake::Report(key(pool))).collect()
}

fn sidecars(world: &World, pool: &str) -> usize {
    world.sidecars_of(&key(pool)).count()
}

/// What makes a pod another one.
type Change<'a> = &'a dyn Fn(&mut Value);

#[test]
fn a_sidecar_is_known_by_its_container_and_is_as_ready_as_that() {
    let ordinary = |pod: &mut Value| {
        pod["spec"] = json!({ "containers": [{ "name": "app" }, { "name": "evenkeel-proxy" }] });
        pod["status"]["initContainerStatuses"] = json!([]);
        pod["status"]["containerStatuses"] = json!([status("app", false), status("evenkeel-proxy", true)]);
    };
    let cases: [(&str, Change, Sidecar); 6] = [
        ("native", &|_| {}, Sidecar::Ready),
        ("ordinary", &ordinary, Sidecar::Ready),
        (
            "only the application is ready",
            &|pod| pod["status"]["initContainerStatuses"] = json!([status("evenkeel-proxy", false)]),
            Sidecar::Unready,
        ),
        ("no status yet", &|pod| pod["status"] = json!({}), Sidecar::Unready),
        ("no container", &|pod| pod["spec"]["initContainers"] = json!([]), Sidecar::Missing(None)),
        (
            "refused",
            &|pod| {
                pod["spec"]["initContainers"] = json!([]);
                pod["metadata"]["annotations"]["evenkeel.dev/not-injected"] = json!("no such pool");
            },
            Sidecar::Missing(Some("no such pool".into())),
        ),
    ];
    for (name, change, expected) in cases {
        assert_eq!(SidecarPod::from(pod(1, change)).sidecar, expected, "{name}");
    }
}

#[test]
fn nothing_else_of_a_pod_is_held() {
    let large = |pod: &mut Value| {
        pod["spec"]["containers"][0]["env"] = json!([{ "name": "A", "value": "1" }]);
        pod["metadata"]["annotations"]["other"] = json!("x".repeat(200_000));
        pod["metadata"]["managedFields"] = json!([{ "fieldsV1": { "f:spec": {} } }]);
    };
    let pod = pod(1, large);
    let kept: Vec<_> = pod.metadata.annotations.iter().flatten().map(|(name, _)| name.as_str()).collect();
    assert_eq!(kept, [annotations::POOLS], "of the annotations those that are ours");
    assert_eq!((pod.metadata.managed_fields, pod.metadata.labels), (None, None));
}

#[test]
fn a_reason_that_somebody_wrote_is_cut_to_what_the_webhook_writes() {
    let refused = |pod: &mut Value| {
        pod["spec"]["initContainers"] = json!([]);
        pod["metadata"]["annotations"][annotations::NOT_INJECTED] = json!("é".repeat(MAX_REASON + 1));
    };
    let Sidecar::Missing(Some(reason)) = SidecarPod::from(pod(1, refused)).sidecar else { panic!("not missing") };
    assert_eq!(reason.chars().count(), MAX_REASON);
}

#[test]
fn only_addresses_that_may_be_asked_are_kept() {
    for (address, kept) in [("10.1.2.3", true), ("fd00::1", true), ("127.0.0.1", false), ("169.254.169.254", false)] {
        let found = SidecarPod::from(pod(1, |pod| pod["status"]["podIP"] = json!(address)));
        assert_eq!(found.address.is_some(), kept, "{address}");
    }
}

#[test]
fn a_pod_wakes_the_report_of_its_pools_and_never_a_publication() {
    let mut world = world();
    let both = |pod: &mut Value| pod["metadata"]["annotations"]["evenkeel.dev/pools"] = json!("web, api,edge,gone");
    assert_eq!(world.absorb(&PodSource, pod(1, both)), reports(&["web", "api"]));
    assert_eq!((sidecars(&world, "web"), sidecars(&world, "api")), (1, 1));
    assert_eq!(world.absorb(&PodSource, pod(2, both)), BTreeSet::new(), "nothing that counts has changed");
    let unready = |pod: &mut Value| {
        both(pod);
        pod["status"]["initContainerStatuses"] = json!([]);
    };
    assert_eq!(world.absorb(&PodSource, pod(3, unready)), reports(&["web", "api"]));
    assert_eq!(world.absorb(&PodSource, pod(4, |_| {})), reports(&["web", "api"]), "another annotation");
    assert_eq!((sidecars(&world, "web"), sidecars(&world, "api")), (1, 0));
}

#[test]
fn who_cannot_be_asked_serves_nobody() {
    let changes: [&dyn Fn(&mut Value); 5] = [
        &|pod| pod["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z"),
        &|pod| pod["status"]["phase"] = json!("Succeeded"),
        &|pod| pod["status"]["phase"] = json!("Failed"),
        &|pod| pod["status"]["podIP"] = Value::Null,
        &|pod| pod["metadata"]["annotations"]["evenkeel.dev/pools"] = json!("web,,api"),
    ];
    for change in changes {
        let mut world = world();
        world.absorb(&PodSource, pod(1, |_| {}));
        assert_eq!(world.absorb(&PodSource, pod(2, change)), reports(&["web"]));
        assert_eq!(sidecars(&world, "web"), 0);
    }
}

#[test]
fn pods_without_their_sidecar_are_noticed_until_they_end() {
    let mut world = world();
    let bare = |pod: &mut Value| pod["spec"]["initContainers"] = json!([]);
    let notice = BTreeSet::from([Wake::Notice(key(""))]);
    assert_eq!(world.absorb(&PodSource, pod(1, bare)), notice);
    let found: Vec<_> = world.pods_without("shop").map(|(pod, _)| pod.clone()).collect();
    assert_eq!((found, world.count_without()), (vec![key("app-1")], 1));
    assert!(world.everything().contains(&Wake::Notice(key(""))), "a new leader looks at it too");
    assert_eq!(world.pods_without("shopping").count() + world.pods_without("sho").count(), 0);
    let ended = |pod: &mut Value| {
        bare(pod);
        pod["status"]["phase"] = json!("Succeeded");
    };
    assert_eq!(world.absorb(&PodSource, pod(2, ended)), notice, "to forget it");
    assert_eq!(world.count_without(), 0);
}
