//! A spec that a laxer schema let through: the last good policy stays, and its endpoints go on being updated.

use evenkeel_crds::BalancerPool;
use evenkeel_tests::api::{Space, Stage, install_crd, metal, pool, service, slice};
use k8s_openapi::{
    api::{core::v1::Service, discovery::v1::EndpointSlice},
    apiextensions_apiserver::pkg::apis::apiextensions::v1::{CustomResourceDefinition, JSONSchemaProps},
};
use kube::CustomResourceExt as _;
use serde_json::{Value, json};

/// Our definition with a schema that lets everything through, as no release of ours ever had it.
pub(crate) fn lax() -> CustomResourceDefinition {
    let mut definition = BalancerPool::crd();
    let anything = json!({ "type": "object", "x-kubernetes-preserve-unknown-fields": true });
    let schema: JSONSchemaProps = serde_json::from_value(json!({
        "type": "object", "properties": { "spec": anything, "status": anything },
    }))
    .expect("a schema");
    for version in &mut definition.spec.versions {
        version.schema.as_mut().expect("a schema").open_api_v3_schema = Some(schema.clone());
    }
    definition
}

fn addresses(table: &Value) -> Vec<&str> {
    let rows = table["endpoints"]["app"].as_array().into_iter().flatten();
    rows.filter_map(|row| row[0].as_str()).collect()
}

async fn endpoints_are(space: &Space, address: &str) {
    let table = space.table_where("web", address, |table| addresses(table) == [address]).await;
    let policy = &table["policy"];
    assert_eq!(
        (&policy["generation"], &policy["backends"][0]["weight"]),
        (&json!(1), &json!(3)),
        "the last good policy"
    );
    assert_eq!(table["endpoints"]["metal"].as_array().map(Vec::len), Some(1));
}

async fn move_to(space: &Space, address: &str) {
    let endpoint = json!({ "addresses": [address], "conditions": { "ready": true } });
    space.patch::<EndpointSlice>("app-1", &json!({ "endpoints": [endpoint] })).await;
}

#[tokio::test]
async fn an_invalid_spec_keeps_the_last_good_policy_and_its_endpoints_move() {
    let Some(stage) = Stage::bare() else { return };
    let space = stage.space("invalid").await;
    install_crd(&space.client, &lax()).await;
    let operator = stage.start_operator(&[]);
    space.create::<Service>(service("app")).await;
    space.create::<EndpointSlice>(slice("app-1", "app", &["10.1.0.1".into()])).await;
    let app = json!({ "service": { "name": "app", "port": "http" } });
    space.create::<BalancerPool>(pool("web", &[("app", 3, app), ("metal", 1, metal("192.0.2.1"))])).await;
    endpoints_are(&space, "10.1.0.1").await;
    space.condition("web", "Ready", "True", "Ready").await;

    let loopback =
        json!({ "spec": { "backends": [{ "name": "metal", "endpoints": [{ "address": "127.0.0.1", "port": 80 }] }] } });
    space.patch::<BalancerPool>("web", &loopback).await;
    let message = space.condition("web", "Accepted", "False", "Invalid").await;
    assert!(message.contains("spec.backends[0].endpoints[0].address: 127.0.0.1 is a loopback address"), "{message}");
    let message = space.condition("web", "Programmed", "False", "Pending").await;
    assert_eq!(message, "generation 1 stays in force, since 2 is invalid");
    endpoints_are(&space, "10.1.0.1").await;
    move_to(&space, "10.1.0.2").await;
    endpoints_are(&space, "10.1.0.2").await;

    operator.stop();
    move_to(&space, "10.1.0.3").await;
    let operator = stage.start_operator(&[]);
    endpoints_are(&space, "10.1.0.3").await;
    move_to(&space, "10.1.0.4").await;
    endpoints_are(&space, "10.1.0.4").await;
    space.condition("web", "Accepted", "False", "Invalid").await;

    let mended = json!({ "spec": { "backends": [{ "name": "metal", "weight": 1, "endpoints": [{ "address": "192.0.2.9", "port": 80 }] }] } });
    space.patch::<BalancerPool>("web", &mended).await;
    space.table_where("web", "the new policy", |table| table["policy"]["generation"] == 3).await;
    space.condition("web", "Ready", "True", "Ready").await;
    operator.stop();
}
