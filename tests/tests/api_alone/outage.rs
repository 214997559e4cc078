//! The API server is away: the operator stays, and catches up by itself.

use evenkeel_crds::BalancerPool;
use evenkeel_tests::api::{Stage, metal, pool};
use serde_json::json;

#[tokio::test]
async fn the_operator_outlives_the_api_server() {
    let Some(stage) = Stage::bare() else { return };
    let space = stage.space("outage").await;
    let operator = stage.start_operator(&[]);
    space.create::<BalancerPool>(pool("web", &[("metal", 1, metal("192.0.2.1"))])).await;
    space.condition("web", "Ready", "True", "Ready").await;
    for weight in [2, 3] {
        stage.server.stop();
        stage.server.start_again();
        let backend =
            json!({ "name": "metal", "weight": weight, "endpoints": [{ "address": "192.0.2.1", "port": 80 }] });
        space.patch::<BalancerPool>("web", &json!({ "spec": { "backends": [backend] } })).await;
        space.table_where("web", "the change", |table| table["policy"]["backends"][0]["weight"] == weight).await;
        space.condition("web", "Ready", "True", "Ready").await;
    }
    operator.stop();
}
