//! Pools with sidecars: who may read their tables, and what changes with the mode.

use evenkeel_crds::BalancerPool;
use evenkeel_tests::api::{Space, Stage, eventually, metal, pool};
use k8s_openapi::api::{
    apps::v1::Deployment,
    core::v1::{ConfigMap, Service, ServiceAccount},
    policy::v1::PodDisruptionBudget,
    rbac::v1::{Role, RoleBinding},
};
use kube::{
    Api, Client,
    api::{ListParams, Patch, PatchParams},
};
use serde_json::{Value, json};

const NAME: &str = "evenkeel-web";

/// Makes the pool `web` with sidecars and waits for its table.
pub(crate) async fn make_pool(space: &Space) {
    make_pool_at(space, "web", 8080).await;
}

/// Makes a pool with sidecars at that port and waits for its table.
pub(crate) async fn make_pool_at(space: &Space, name: &str, port: u16) {
    let mut pool = pool(name, &[("metal", 1, metal("192.0.2.1"))]);
    pool["spec"]["proxy"] = json!({ "mode": "Sidecar" });
    pool["spec"]["listener"]["port"] = json!(port);
    space.create::<BalancerPool>(pool).await;
    space.table_where(name, "its table", |_| true).await;
}

/// What the API server's answer is, as a code; 200: what was asked for, 0: it did not answer.
fn code<T>(answer: Result<T, kube::Error>) -> u16 {
    match answer {
        Ok(_) => 200,
        Err(kube::Error::Api(status)) => status.code,
        Err(_) => 0,
    }
}

/// A client of an account of that namespace that was made just now.
async fn application(stage: &Stage, space: &Space) -> Client {
    let account = json!({ "apiVersion": "v1", "kind": "ServiceAccount", "metadata": { "name": "app" } });
    space.create::<ServiceAccount>(account).await;
    stage.client_of(space, "app").await
}

async fn watch(client: &Client, namespace: &str, map: &str) -> u16 {
    let api: Api<ConfigMap> = Api::namespaced(client.clone(), namespace);
    let by_name = ListParams::default().fields(&format!("metadata.name={map}"));
    let list = code(api.list(&by_name).await);
    let params = kube::api::WatchParams::default().fields(&format!("metadata.name={map}"));
    let watch = code(api.watch(&params, "0").await);
    assert_eq!(list, watch);
    list
}

#[tokio::test]
async fn every_account_of_the_namespace_may_read_the_table_and_nobody_else() {
    let Some(stage) = Stage::shared() else { return };
    let (space, other) = (stage.space("readers").await, stage.space("strangers").await);
    make_pool(&space).await;
    let (reader, stranger) = (application(stage, &space).await, application(stage, &other).await);
    eventually("the right", || async { (watch(&reader, &space.namespace, NAME).await == 200).then_some(()) }).await;
    assert_eq!(watch(&stranger, &space.namespace, NAME).await, 403, "another namespace");
    space.create::<ConfigMap>(json!({ "metadata": { "name": "mine" }, "data": {} })).await;
    assert_eq!(watch(&reader, &space.namespace, "mine").await, 403, "another ConfigMap");
    let api: Api<ConfigMap> = Api::namespaced(reader, &space.namespace);
    assert_eq!(code(api.list(&ListParams::default()).await), 403, "all of them");
    let patch = Patch::Merge(json!({ "data": { "policy.json": "{}" } }));
    assert_eq!(code(api.patch(NAME, &PatchParams::default(), &patch).await), 403, "a change");
}

/// Which of the kinds that a pool may own are there.
async fn owned(space: &Space) -> Vec<&'static str> {
    let found = [
        ("ServiceAccount", space.get::<ServiceAccount>(NAME).await.is_some()),
        ("Role", space.get::<Role>(NAME).await.is_some()),
        ("RoleBinding", space.get::<RoleBinding>(NAME).await.is_some()),
        ("Service", space.get::<Service>(NAME).await.is_some()),
        ("Deployment", space.get::<Deployment>(NAME).await.is_some()),
        ("PodDisruptionBudget", space.get::<PodDisruptionBudget>(NAME).await.is_some()),
    ];
    found.into_iter().filter(|(_, there)| *there).map(|(kind, _)| kind).collect()
}

async fn bound_to(space: &Space) -> Option<Value> {
    let binding: RoleBinding = space.get(NAME).await?;
    serde_json::to_value(binding.subjects?.first()?).ok()
}

#[tokio::test]
async fn a_change_of_the_mode_makes_and_removes_what_it_must_and_keeps_the_table() {
    let Some(stage) = Stage::shared() else { return };
    let space = stage.space("modes").await;
    make_pool(&space).await;
    let table = space.get::<ConfigMap>(NAME).await.expect("a table").metadata.uid;
    let all = ["ServiceAccount", "Role", "RoleBinding", "Service", "Deployment", "PodDisruptionBudget"];
    let rights = ["Role", "RoleBinding"];
    let modes: [(&str, Value, &[&str]); 6] = [
        ("Sidecar", Value::Null, &rights),
        ("Deployment", json!(2), &all),
        ("Sidecar", Value::Null, &rights),
        ("External", Value::Null, &[]),
        ("Sidecar", Value::Null, &rights),
        ("Deployment", json!(1), &all[..5]),
    ];
    for (mode, replicas, expected) in modes {
        let proxy = json!({ "mode": mode, "replicas": replicas });
        space.patch::<BalancerPool>("web", &json!({ "spec": { "proxy": proxy } })).await;
        eventually(mode, || async { (owned(&space).await == expected).then_some(()) }).await;
        let subject = match mode {
            "Sidecar" => json!({ "kind": "Group", "apiGroup": "rbac.authorization.k8s.io",
                "name": format!("system:serviceaccounts:{}", space.namespace) }),
            "Deployment" => json!({ "kind": "ServiceAccount", "name": NAME, "namespace": space.namespace }),
            _ => continue,
        };
        eventually("who may read", || async { (bound_to(&space).await? == subject).then_some(()) }).await;
    }
    let kept = space.get::<ConfigMap>(NAME).await.expect("a table").metadata.uid;
    assert_eq!(kept, table, "the table was taken away meanwhile");
}

#[tokio::test]
async fn the_table_says_when_its_pool_was_made_and_has_no_fleet() {
    let Some(stage) = Stage::shared() else { return };
    let space = stage.space("created").await;
    make_pool(&space).await;
    let pool: BalancerPool = space.get("web").await.expect("the pool");
    let created = pool.metadata.creation_timestamp.expect("a time").0.as_second();
    let table = space.table("web").await.expect("a table");
    assert_eq!((&table["policy"]["created"], &table["fleet"]), (&json!(created), &json!([])));
}

#[tokio::test]
async fn a_port_without_privileges_is_asked_for_at_apply() {
    let Some(stage) = Stage::shared() else { return };
    let space = stage.space("port").await;
    make_pool(&space).await;
    let api: Api<BalancerPool> = space.api();
    let patch = Patch::Merge(json!({ "spec": { "listener": { "port": 80 } } }));
    let refused = api.patch("web", &PatchParams::default(), &patch).await.expect_err("refused").to_string();
    assert!(
        refused.contains("spec.listener.port") && refused.contains("choose a port from 1024 to 65535"),
        "{refused}"
    );
}
