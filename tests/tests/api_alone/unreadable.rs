//! An object that cannot be decoded: counted, told once, and nobody else's work stops.

use evenkeel_crds::BalancerPool;
use evenkeel_tests::api::{Space, Stage, eventually, install_crd, metal, pool, service, slice};
use k8s_openapi::api::{core::v1::Service, discovery::v1::EndpointSlice};
use kube::{
    Api,
    api::{ApiResource, DynamicObject, Patch, PatchParams},
};
use serde_json::{Value, json};

use super::invalid::lax;

/// Pools as plain JSON: our types could not read them.
fn pools(space: &Space) -> Api<DynamicObject> {
    Api::namespaced_with(space.client.clone(), &space.namespace, &ApiResource::erase::<BalancerPool>(&()))
}

async fn patch(space: &Space, patch: Value) {
    let params = PatchParams::default();
    pools(space).patch("web", &params, &Patch::Merge(patch)).await.expect("the lax schema takes it");
}

fn first(table: &Value) -> Option<&str> {
    table["endpoints"]["app"][0][0].as_str()
}

async fn move_to(space: &Space, address: &str) {
    let endpoint = json!({ "addresses": [address], "conditions": { "ready": true } });
    space.patch::<EndpointSlice>("app-1", &json!({ "endpoints": [endpoint] })).await;
    space.table_where("web", address, |table| first(table) == Some(address)).await;
}

/// The message of `Accepted=False`, read without our types.
async fn refusal(space: &Space) -> String {
    eventually("Accepted=False", || async {
        let pool = pools(space).get("web").await.ok()?;
        let conditions = pool.data["status"]["conditions"].as_array()?.clone();
        let accepted = conditions.into_iter().find(|condition| condition["type"] == "Accepted")?;
        (accepted["status"] == "False").then(|| accepted["message"].as_str().unwrap_or_default().to_owned())
    })
    .await
}

#[tokio::test]
async fn a_pool_that_cannot_be_read_stops_nobody_and_keeps_its_table() {
    let Some(stage) = Stage::bare() else { return };
    let space = stage.space("unreadable").await;
    install_crd(&space.client, &lax()).await;
    let operator = stage.start_operator(&[]);
    space.create::<Service>(service("app")).await;
    space.create::<EndpointSlice>(slice("app-1", "app", &["10.1.0.1".into()])).await;
    let app = json!({ "service": { "name": "app", "port": "http" } });
    space.create::<BalancerPool>(pool("web", &[("app", 3, app)])).await;
    space.table_where("web", "published", |table| first(table) == Some("10.1.0.1")).await;

    patch(&space, json!({ "spec": { "listener": { "port": "eighty" } } })).await;
    let message = refusal(&space).await;
    assert!(message.starts_with("spec: cannot be read: ") && message.contains("eighty"), "{message}");
    move_to(&space, "10.1.0.2").await;
    // Others go on, in the same watch.
    space.create::<BalancerPool>(pool("api", &[("metal", 1, metal("192.0.2.1"))])).await;
    space.condition("api", "Ready", "True", "Ready").await;
    let told = operator.log().iter().filter(|line| line.contains("cannot be read; what was known")).count();
    assert_eq!(told, 1, "{}", operator.log().join("\n"));

    operator.stop();
    let operator = stage.start_operator(&[]);
    move_to(&space, "10.1.0.3").await;
    space.delete::<BalancerPool>("api").await;
    patch(&space, json!({ "spec": { "listener": { "port": 81 } } })).await;
    space.table_where("web", "readable again", |table| table["policy"]["listener"]["port"] == 81).await;
    space.condition("web", "Ready", "True", "Ready").await;
    operator.stop();
}
