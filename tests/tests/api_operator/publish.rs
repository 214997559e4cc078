//! Tables: they follow what is declared and observed, and nobody else's hand.

use evenkeel_crds::{BalancerPool, names::labels, table::Parts};
use evenkeel_tests::api::{Space, Stage, eventually, metal, pool, service, settles, slice};
use k8s_openapi::api::{
    core::v1::{ConfigMap, Service},
    discovery::v1::EndpointSlice,
};
use serde_json::{Value, json};

const MAP: &str = "evenkeel-web";

/// A pool `web` with a Service backend `app` and a metal one, published.
async fn published(space: &Space) -> ConfigMap {
    space.create::<Service>(service("app")).await;
    space.create::<EndpointSlice>(slice("app-1", "app", &["10.1.0.1".into()])).await;
    let app = json!({ "service": { "name": "app", "port": "http" } });
    space.create::<BalancerPool>(pool("web", &[("app", 3, app), ("metal", 1, metal("192.0.2.1"))])).await;
    space.table_where("web", "both backends", |table| rows(table, "app") == 1 && rows(table, "metal") == 1).await;
    space.get(MAP).await.expect("it is published")
}

fn rows(table: &Value, backend: &str) -> usize {
    table["endpoints"][backend].as_array().map_or(0, Vec::len)
}

async fn version(space: &Space) -> Option<String> {
    space.get::<ConfigMap>(MAP).await?.metadata.resource_version
}

/// Waits until the ConfigMap has these parts and our label and owner again.
async fn restored(space: &Space, parts: &Parts) {
    eventually("the table is as it was", || async {
        let map: ConfigMap = space.get(MAP).await?;
        let labelled = map.metadata.labels.as_ref().is_some_and(|all| all.contains_key(labels::MANAGED_BY));
        let owned = map.metadata.owner_references.as_ref().is_some_and(|owners| owners.len() == 1);
        (Parts::of(&map) == *parts && labelled && owned && map.immutable.is_none()).then_some(())
    })
    .await;
}

#[tokio::test]
async fn the_table_follows_weights_slices_and_services() {
    let Some(stage) = Stage::shared() else { return };
    let space = stage.space("follows").await;
    published(&space).await;
    let app = |weight: u32| json!({ "name": "app", "weight": weight, "service": { "name": "app", "port": "http" } });
    space.patch::<BalancerPool>("web", &json!({ "spec": { "backends": [app(7)] } })).await;
    let table = space.table_where("web", "weight 7", |table| table["policy"]["backends"][0]["weight"] == 7).await;
    assert_eq!(table["policy"]["generation"], 2);
    assert_eq!(table["policy"]["backends"].as_array().map(Vec::len), Some(1));
    space.create::<EndpointSlice>(slice("app-2", "app", &["10.1.0.2".into(), "10.1.0.3".into()])).await;
    space.table_where("web", "three endpoints", |table| rows(table, "app") == 3).await;
    space.delete::<EndpointSlice>("app-1").await;
    space.table_where("web", "two endpoints", |table| rows(table, "app") == 2).await;
    let renamed = json!({ "spec": { "ports": [{ "name": "web", "port": 80, "targetPort": 8000 }] } });
    space.patch::<Service>("app", &renamed).await;
    space.table_where("web", "no such port", |table| rows(table, "app") == 0).await;
    space.condition("web", "ResolvedRefs", "False", "PortNotFound").await;
}

#[tokio::test]
async fn a_missing_service_holds_up_no_other_backend() {
    let Some(stage) = Stage::shared() else { return };
    let space = stage.space("missing").await;
    let gone = json!({ "service": { "name": "gone", "port": 80 } });
    space.create::<BalancerPool>(pool("web", &[("gone", 1, gone), ("metal", 1, metal("192.0.2.1"))])).await;
    let message = space.condition("web", "ResolvedRefs", "False", "BackendNotFound").await;
    assert!(message.starts_with(r#"spec.backends[0].service: there is no Service "gone""#), "{message}");
    space.condition("web", "Accepted", "True", "Accepted").await;
    space.condition("web", "Programmed", "True", "Published").await;
    space.condition("web", "Ready", "False", "BackendNotFound").await;
    let table = space.table("web").await.expect("a table");
    assert_eq!((rows(&table, "gone"), rows(&table, "metal")), (0, 1));
    space.create::<Service>(service("gone")).await;
    space.condition("web", "ResolvedRefs", "True", "ResolvedRefs").await;
}

#[tokio::test]
async fn nothing_is_written_when_nothing_changed() {
    let Some(stage) = Stage::shared() else { return };
    let space = stage.space("quiet").await;
    published(&space).await;
    space.condition("web", "Ready", "True", "Ready").await;
    let versions = || async {
        let pool: BalancerPool = space.get("web").await.expect("the pool");
        (version(&space).await, pool.metadata.resource_version)
    };
    let before = settles("the first writes", versions).await;
    // Changes of what is watched that change nothing for the table or the status.
    space.patch::<Service>("app", &json!({ "metadata": { "annotations": { "note": "x" } } })).await;
    space.patch::<EndpointSlice>("app-1", &json!({ "metadata": { "annotations": { "note": "x" } } })).await;
    space.create::<EndpointSlice>(slice("other-1", "other", &["10.1.0.9".into()])).await;
    space.create::<EndpointSlice>(slice("app-2", "app", &["10.1.0.1".into()])).await; // the same endpoint twice
    assert_eq!(settles("nothing", versions).await, before);
}

#[tokio::test]
async fn what_others_do_to_the_table_is_undone() {
    let Some(stage) = Stage::shared() else { return };
    let space = stage.space("edits").await;
    let map = published(&space).await;
    let parts = Parts::of(&map);
    for (what, edit) in [
        ("a part is changed", json!({ "data": { "endpoints": "{}" } })),
        ("a part is no JSON", json!({ "data": { "policy.json": "nonsense" } })),
        ("a part is removed", json!({ "data": { "fleet.json": null } })),
        ("a key is added", json!({ "data": { "more": "x" } })),
        ("a binary key is added", json!({ "binaryData": { "more": "AAAA" } })),
        ("the label is removed", json!({ "metadata": { "labels": { labels::MANAGED_BY: null } } })),
        ("it is made immutable", json!({ "immutable": true })),
    ] {
        eprintln!("{what}");
        let edited: ConfigMap = space.patch(MAP, &edit).await;
        restored(&space, &parts).await;
        let uid = space.get::<ConfigMap>(MAP).await.and_then(|map| map.metadata.uid);
        assert_eq!(uid == edited.metadata.uid, what != "it is made immutable", "{what}");
    }
    space.delete::<ConfigMap>(MAP).await;
    restored(&space, &parts).await;
}

#[tokio::test]
async fn an_owner_that_was_added_is_removed() {
    let Some(stage) = Stage::shared() else { return };
    let space = stage.space("owners").await;
    let map = published(&space).await;
    let second =
        json!({ "apiVersion": "v1", "kind": "Service", "name": "app", "uid": "11111111-1111-4111-8111-111111111111" });
    let mut owners = serde_json::to_value(&map.metadata.owner_references).expect("JSON");
    owners.as_array_mut().expect("a list").push(second);
    space.patch::<ConfigMap>(MAP, &json!({ "metadata": { "ownerReferences": owners } })).await;
    restored(&space, &Parts::of(&map)).await;
}

#[tokio::test]
async fn an_object_of_others_is_left_alone_until_it_is_gone() {
    let Some(stage) = Stage::shared() else { return };
    let space = stage.space("conflict").await;
    let foreign = json!({ "metadata": { "name": MAP, "labels": { labels::MANAGED_BY: labels::MANAGED_BY_VALUE } },
        "data": { "mine": "x" } });
    let foreign: ConfigMap = space.create(foreign).await;
    space.create::<BalancerPool>(pool("web", &[("metal", 1, metal("192.0.2.1"))])).await;
    let message = space.condition("web", "Accepted", "False", "NameConflict").await;
    assert!(message.starts_with("ConfigMap evenkeel-web exists"), "{message}");
    space.condition("web", "Programmed", "False", "Pending").await;
    let now: ConfigMap = space.get(MAP).await.expect("it is there");
    assert_eq!(now.metadata.resource_version, foreign.metadata.resource_version);
    space.delete::<ConfigMap>(MAP).await;
    space.condition("web", "Accepted", "True", "Accepted").await;
    space.table_where("web", "published", |table| rows(table, "metal") == 1).await;
}

#[tokio::test]
async fn an_object_of_others_without_our_label_is_left_alone_as_well() {
    let Some(stage) = Stage::shared() else { return };
    let space = stage.space("unlabelled").await;
    let foreign: ConfigMap = space.create(json!({ "metadata": { "name": MAP }, "data": { "mine": "x" } })).await;
    space.create::<BalancerPool>(pool("web", &[("metal", 1, metal("192.0.2.1"))])).await;
    space.condition("web", "Accepted", "False", "NameConflict").await;
    let now: ConfigMap = space.get(MAP).await.expect("it is there");
    assert_eq!(now.metadata.resource_version, foreign.metadata.resource_version);
}

#[tokio::test]
async fn deleting_the_pool_deletes_its_table_and_a_new_one_gets_its_own() {
    let Some(stage) = Stage::shared() else { return };
    let space = stage.space("deleted").await;
    let before = published(&space).await;
    space.delete::<BalancerPool>("web").await;
    // Made anew at once: the old table is still there, and belongs to a pool that is gone.
    space.create::<BalancerPool>(pool("web", &[("metal", 1, metal("192.0.2.2"))])).await;
    let table = space.table_where("web", "the new pool's", |table| table["endpoints"].get("app").is_none()).await;
    assert_eq!(table["policy"]["generation"], 1);
    let after: ConfigMap = space.get(MAP).await.expect("it is published");
    assert_ne!(after.metadata.uid, before.metadata.uid);
    space.delete::<BalancerPool>("web").await;
    eventually("the table is gone", || async { space.get::<ConfigMap>(MAP).await.is_none().then_some(()) }).await;
}
