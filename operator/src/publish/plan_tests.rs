//! Tests: what is published, by what is known.

use std::sync::Arc;

use k8s_openapi::api::discovery::v1::EndpointSlice;
use serde_json::{Value, json};

use super::*;
use crate::{cluster::Pool, key::Key};

fn pool(spec: &Value) -> Pool {
    let object = json!({
        "apiVersion": "evenkeel.dev/v1alpha1",
        "kind": "BalancerPool",
        "metadata": { "name": "web", "namespace": "shop", "uid": "u", "generation": 2 },
        "spec": spec,
    });
    Pool { object: serde_json::from_value(object).expect("a pool"), unreadable: None }
}

/// A pool with one backend of that weight.
fn view(weight: i32) -> View {
    let backend = json!({ "name": "a", "weight": weight, "endpoints": [{ "address": "192.0.2.1", "port": 80 }] });
    View {
        key: Key::new("shop", "web"),
        pool: Arc::new(pool(&json!({ "listener": { "port": 80 }, "backends": [backend] }))),
        services: Vec::new(),
        slices: Vec::new(),
        map: None,
        proxy_service: None,
        proxy_slices: Vec::new(),
    }
}

fn publication(plan: Plan) -> Publication {
    match plan.verdict {
        Verdict::Write(publication) => *publication,
        other => panic!("nothing to write: {other:?}"),
    }
}

/// The view after its table was written, and that table.
fn published(weight: i32) -> (View, RoutingTable) {
    let mut view = view(weight);
    let Publication { map, table, .. } = publication(plan(&view, None, 0));
    view.map = Some(Arc::new(map));
    (view, table)
}

#[test]
fn a_new_pool_is_published() {
    let plan = plan(&view(1), None, 0);
    assert!(plan.findings.accepted && plan.findings.in_force.is_none());
    let publication = publication(plan);
    assert_eq!(publication.map.metadata.name.as_deref(), Some("evenkeel-web"));
    assert!(publication.bytes > 100);
}

#[test]
fn nothing_is_written_when_nothing_changed() {
    let (view, table) = published(1);
    let plan = plan(&view, Some(&table), 1_000);
    assert!(matches!(plan.verdict, Verdict::Leave), "{plan:?}");
    assert_eq!(plan.findings.in_force.map(|in_force| in_force.generation), Some(2));
}

#[test]
fn an_invalid_spec_leaves_the_last_good_policy() {
    let (mut view, table) = published(1);
    view.pool = Arc::new(pool(&json!({ "listener": { "port": 80 }, "backends": [] })));
    let plan = plan(&view, Some(&table), 1_000);
    assert!(matches!(plan.verdict, Verdict::Leave), "{plan:?}");
    assert!(!plan.findings.accepted && plan.findings.in_force.is_some());
}

#[test]
fn a_pool_that_cannot_be_read_leaves_the_last_good_policy_and_says_why() {
    let (mut view, table) = published(1);
    let metadata = view.pool.meta().clone();
    let invalid = kube::core::error_boundary::InvalidObject { error: "weight: not a number".into(), metadata };
    view.pool = Arc::new(Pool::unreadable(invalid));
    let plan = plan(&view, Some(&table), 1_000);
    assert!(matches!(plan.verdict, Verdict::Leave), "{plan:?}");
    let problems: Vec<_> = plan.findings.problems.iter().map(ToString::to_string).collect();
    assert_eq!(problems, ["spec: cannot be read: weight: not a number"]);
}

#[test]
fn an_invalid_spec_that_was_never_valid_publishes_nothing() {
    let mut view = view(1);
    view.pool = Arc::new(pool(&json!({ "listener": { "port": 80 }, "backends": [] })));
    let plan = plan(&view, None, 0);
    assert!(matches!(plan.verdict, Verdict::Leave), "{plan:?}");
    assert_eq!(plan.findings.in_force, None);
}

#[test]
fn an_object_of_others_is_left_alone() {
    let (mut view, _) = published(1);
    let mut map = view.map.as_deref().cloned().expect("a map");
    map.metadata.owner_references = None;
    view.map = Some(Arc::new(map));
    let plan = plan(&view, None, 0);
    assert!(matches!(plan.verdict, Verdict::Leave), "{plan:?}");
    assert_eq!(plan.findings.obstacle, Some(Obstacle::Conflict));
}

#[test]
fn an_immutable_map_is_replaced() {
    let (mut view, table) = published(1);
    let mut map = view.map.as_deref().cloned().expect("a map");
    map.immutable = Some(true);
    view.map = Some(Arc::new(map));
    assert!(matches!(plan(&view, Some(&table), 0).verdict, Verdict::Replace));
}

#[test]
fn a_table_that_is_too_large_leaves_the_last_good_one() {
    let (mut view, table) = published(1);
    let backends = json!([{ "name": "a", "service": { "name": "app", "port": 80 } }]);
    view.pool = Arc::new(pool(&json!({ "listener": { "port": 80 }, "backends": backends })));
    let service = json!({ "metadata": { "name": "app", "namespace": "shop" }, "spec": { "ports": [{ "port": 80 }] } });
    view.services = vec![Arc::new(serde_json::from_value(service).expect("a Service"))];
    view.slices = (0..20).map(|number| Arc::new(random_slice(number))).collect();
    let plan = plan(&view, Some(&table), 0);
    assert!(matches!(plan.verdict, Verdict::Leave));
    assert!(matches!(plan.findings.obstacle, Some(Obstacle::TooLarge(_))), "{:?}", plan.findings.obstacle);
    assert!(plan.findings.in_force.is_some());
}

/// A thousand endpoints that compress badly.
fn random_slice(number: u64) -> EndpointSlice {
    let mut random = fastrand::Rng::with_seed(number);
    let endpoints: Vec<_> = (0..1000)
        .map(|_| {
            let [a, b, c] = [random.u8(..), random.u8(..), random.u8(..)];
            let zone: String = (0..60).map(|_| random.alphanumeric()).collect();
            json!({ "addresses": [format!("10.{a}.{b}.{c}")], "zone": zone })
        })
        .collect();
    let slice = json!({
        "metadata": { "name": number.to_string(), "labels": { "kubernetes.io/service-name": "app" } },
        "addressType": "IPv4", "ports": [{ "port": 8080 }], "endpoints": endpoints,
    });
    serde_json::from_value(slice).expect("a slice")
}

/// A view with the pool's own Service and these endpoints behind it.
fn with_proxies(mode: &str, owner: &str, endpoints: &Value) -> View {
    let mut view = view(1);
    let spec = json!({ "listener": { "port": 80 }, "proxy": { "mode": mode }, "backends": [] });
    view.pool = Arc::new(pool(&spec));
    let owner = json!({ "apiVersion": "evenkeel.dev/v1alpha1", "kind": "BalancerPool", "name": "web", "uid": owner,
        "controller": true });
    let service = json!({ "metadata": { "name": "evenkeel-web", "ownerReferences": [owner] } });
    view.proxy_service = Some(Arc::new(serde_json::from_value(service).expect("a Service")));
    let slice = json!({ "metadata": { "name": "s" }, "addressType": "IPv4", "ports": [], "endpoints": endpoints });
    view.proxy_slices = vec![Arc::new(serde_json::from_value(slice).expect("a slice"))];
    view
}

#[test]
fn ready_pods_behind_the_pools_own_service_are_its_proxies() {
    let pod = |name: &str, address: &str, ready: bool| {
        let target = json!({ "kind": "Pod", "name": name });
        json!({ "addresses": [address], "conditions": { "ready": ready }, "zone": "a", "targetRef": target })
    };
    let endpoints = json!([
        pod("p2", "10.0.0.2", true),
        pod("p1", "10.0.0.1", true),
        pod("p1", "10.0.0.1", true),
        pod("not-ready", "10.0.0.3", false),
        pod("metadata", "169.254.169.254", true),
        { "addresses": ["10.0.0.9"] },
    ]);
    let names = |mode: &str, owner: &str| -> Vec<_> {
        proxies_of(&with_proxies(mode, owner, &endpoints)).into_iter().map(|proxy| proxy.name).collect()
    };
    assert_eq!(names("Deployment", "u"), ["p1", "p2"]);
    assert_eq!(names("External", "u"), [""; 0]);
    assert_eq!(names("Deployment", "somebody"), [""; 0], "the Service of an earlier pool");
}
