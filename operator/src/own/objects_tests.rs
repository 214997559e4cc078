//! Tests: what a pool owns, by its spec.

use evenkeel_crds::BalancerPool;
use serde_json::json;

use super::*;

const PODS: PodOptions = PodOptions { image: Some("proxy:1"), pull_policy: Some(PullPolicy::IfNotPresent) };

fn pool(port: i32, proxy: &Value) -> Pool {
    let object = json!({
        "apiVersion": "evenkeel.dev/v1alpha1",
        "kind": "BalancerPool",
        "metadata": { "name": "web", "namespace": "shop", "uid": "u", "generation": 1 },
        "spec": { "listener": { "port": port }, "proxy": proxy, "backends": [] },
    });
    let object: BalancerPool = serde_json::from_value(object).expect("a pool");
    Pool { object, unreadable: None }
}

fn objects(port: i32, proxy: &Value, live: Option<i32>) -> Vec<Desired> {
    let live = live.map(|replicas| DeploymentState { replicas, ..DeploymentState::default() });
    desired(&Key::new("shop", "web"), &pool(port, proxy), PODS, live.as_ref())
}

fn one(objects: &[Desired], kind: Kind) -> Option<&Value> {
    objects.iter().find(|object| object.kind == kind).map(|object| &object.json)
}

#[test]
fn every_object_has_name_labels_and_owner() {
    for object in objects(80, &json!({ "replicas": 2 }), None) {
        let meta = &object.json["metadata"];
        assert_eq!(meta["name"], "evenkeel-web");
        assert_eq!(meta["namespace"], "shop");
        assert_eq!(meta["labels"]["app.kubernetes.io/managed-by"], "evenkeel");
        assert_eq!(meta["labels"]["evenkeel.dev/pool"], "web");
        assert_eq!(meta["ownerReferences"][0]["uid"], "u");
        assert_eq!(meta["ownerReferences"][0]["controller"], true);
        assert!(meta["ownerReferences"][0].get("blockOwnerDeletion").is_none());
        assert_eq!(object.json["kind"], object.kind.as_str());
    }
}

#[test]
fn what_others_run_needs_no_objects() {
    assert_eq!(objects(80, &json!({ "mode": "External" }), None), []);
}

#[test]
fn sidecars_need_their_applications_to_read_the_table_and_nothing_else() {
    let all = objects(8080, &json!({ "mode": "Sidecar" }), None);
    assert_eq!(all.iter().map(|object| object.kind).collect::<Vec<_>>(), [Kind::Role, Kind::RoleBinding]);
    let binding = one(&all, Kind::RoleBinding).expect("a RoleBinding");
    let group = json!({
        "apiGroup": "rbac.authorization.k8s.io", "kind": "Group", "name": "system:serviceaccounts:shop",
    });
    assert_eq!(binding["subjects"], json!([group]));
    assert_eq!(binding["roleRef"]["name"], "evenkeel-web");
    let deployed = objects(8080, &json!({}), None);
    let rules = |objects: &[Desired]| one(objects, Kind::Role).expect("a Role")["rules"].clone();
    assert_eq!(rules(&all), rules(&deployed));
    let own = json!([{ "kind": "ServiceAccount", "name": "evenkeel-web", "namespace": "shop" }]);
    assert_eq!(one(&deployed, Kind::RoleBinding).expect("a RoleBinding")["subjects"], own);
}

#[test]
fn the_service_leads_from_the_listeners_port_to_the_port_that_proxies_bind() {
    let all = objects(80, &json!({}), None);
    let port = &one(&all, Kind::Service).expect("a Service")["spec"]["ports"][0];
    assert_eq!((&port["name"], &port["port"], &port["targetPort"]), (&json!("http"), &json!(80), &json!(10_080)));
}

#[test]
fn another_listener_leaves_the_pods_as_they_are() {
    let template = |port| {
        let all = objects(port, &json!({ "replicas": 2 }), None);
        one(&all, Kind::Deployment).expect("a Deployment")["spec"].clone()
    };
    assert_eq!(template(80), template(8080));
}

#[test]
fn replicas_are_written_only_when_the_pool_says_how_many() {
    let replicas = |proxy: Value| {
        let all = objects(80, &proxy, Some(3));
        one(&all, Kind::Deployment).expect("a Deployment")["spec"].get("replicas").cloned()
    };
    assert_eq!(replicas(json!({ "replicas": 2 })), Some(json!(2)));
    assert_eq!(replicas(json!({ "replicas": 0 })), Some(json!(0)));
    assert_eq!(replicas(json!({})), None);
}

#[test]
fn a_budget_exists_from_two_replicas_up() {
    for (proxy, live, exists) in [
        (json!({ "replicas": 1 }), None, false),
        (json!({ "replicas": 2 }), None, true),
        (json!({ "replicas": 1 }), Some(5), false),
        (json!({}), None, false),
        (json!({}), Some(1), false),
        (json!({}), Some(2), true),
    ] {
        let all = objects(80, &proxy, live);
        assert_eq!(one(&all, Kind::PodDisruptionBudget).is_some(), exists, "{proxy} {live:?}");
    }
}

#[test]
fn without_an_image_there_is_everything_but_the_deployment() {
    let pods = PodOptions { image: None, pull_policy: None };
    let kinds: Vec<_> = desired(&Key::new("shop", "web"), &pool(80, &json!({})), pods, None)
        .into_iter()
        .map(|object| object.kind)
        .collect();
    assert_eq!(kinds, [Kind::ServiceAccount, Kind::Role, Kind::RoleBinding, Kind::Service]);
}

#[test]
fn a_proxy_may_read_its_own_table_alone() {
    let all = objects(80, &json!({}), None);
    let rules = &one(&all, Kind::Role).expect("a Role")["rules"];
    let rule = json!({
        "apiGroups": [""], "resources": ["configmaps"], "resourceNames": ["evenkeel-web"], "verbs": ["get", "list", "watch"],
    });
    assert_eq!(rules, &json!([rule]));
}

#[test]
fn pods_are_restricted_and_open_no_listed_port() {
    let all = objects(80, &json!({}), None);
    let pod = &one(&all, Kind::Deployment).expect("a Deployment")["spec"]["template"]["spec"];
    assert_eq!(pod["securityContext"]["runAsNonRoot"], true);
    assert_eq!(pod["securityContext"]["seccompProfile"]["type"], "RuntimeDefault");
    assert_eq!(pod["terminationGracePeriodSeconds"], 75);
    let container = &pod["containers"][0];
    assert_eq!(container["args"], json!(["run", "--watch", "shop/web"]));
    assert_eq!(container["imagePullPolicy"], "IfNotPresent");
    assert_eq!(container["securityContext"]["allowPrivilegeEscalation"], false);
    assert_eq!(container["securityContext"]["capabilities"]["drop"], json!(["ALL"]));
    assert!(container.get("ports").is_none());
}
