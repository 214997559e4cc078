//! A table that cannot be used changes nothing: it is refused where people and the operator look, and traffic goes on.

use std::{collections::BTreeMap, net::SocketAddr};

use evenkeel_crds::{
    RoutingTable,
    table::{BackendPolicy, BackendSource, EndpointRow, EndpointState, Endpoints, Fleet, Parts, Policy},
};
use evenkeel_tests::{
    api::{Proxy, Space, Stage, eventually},
    xserver::{Behaviour, XServer},
};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::PostParams;
use serde_json::{Value, json};

const MAP: &str = "evenkeel-web";

/// What somebody did to a policy.
type Edit = fn(&mut Value);

/// A table with one endpoint, as the operator would write it; edited by `edit`, with a revision that fits.
fn parts(space: &Space, generation: i64, address: SocketAddr, edit: impl FnOnce(&mut Value)) -> Parts {
    let mut policy = Policy::new(&space.namespace, "web", generation, 8080);
    policy.backends.push(BackendPolicy {
        name: "only".into(),
        weight: 1,
        backup: false,
        source: BackendSource::Static,
    });
    let row = EndpointRow {
        address: address.ip(),
        port: address.port(),
        weight: 1,
        zone: String::new(),
        state: EndpointState::Ready,
        since: 0,
        pod: String::new(),
    };
    let endpoints = Endpoints { backends: BTreeMap::from([("only".into(), vec![row])]) };
    let mut parts = Parts::encode(&RoutingTable { policy, endpoints, fleet: Fleet::default() }).expect("it fits");
    let policy = parts.data.get_mut("policy.json").expect("a policy");
    let mut json: Value = serde_json::from_str(policy).expect("JSON");
    edit(&mut json);
    json["revision"] = json!(Policy::digest(&json));
    *policy = json.to_string();
    parts
}

async fn write(space: &Space, parts: Parts) {
    let map = json!({ "metadata": { "name": MAP }, "data": parts.data });
    let map: ConfigMap = serde_json::from_value(map).expect("a ConfigMap");
    let written = match space.get::<ConfigMap>(MAP).await {
        None => space.api().create(&PostParams::default(), &map).await,
        Some(_) => space.api().replace(MAP, &PostParams::default(), &map).await,
    };
    written.expect("it is taken");
}

async fn server(address: &str) -> SocketAddr {
    let address = address.parse().expect("an address");
    // It runs on when the value is dropped.
    XServer::start(address, "only", Behaviour::default()).await.expect("it listens");
    address
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_that_cannot_be_used_leaves_the_last_good_one_in_force() {
    let Some(stage) = Stage::bare() else { return };
    let space = stage.space("refusal").await;
    let address = server("10.201.0.21:8001").await;
    let proxy = Proxy::start(&stage, &space, "web", "10.201.0.22").await;
    assert_eq!(proxy.status()["generation"], Value::Null, "there is no table yet");
    write(&space, parts(&space, 1, address, |_| {})).await;
    eventually("the first table", || async { (proxy.status()["generation"] == 1).then_some(()) }).await;
    let mut client = proxy.client(8080);

    let cases: [(&str, bool, Edit); 5] = [
        ("schema version 9 is newer", true, |policy| policy["schemaVersion"]["major"] = json!(9)),
        ("requires \"TimeTravel\"", true, |policy| policy["requires"] = json!(["TimeTravel"])),
        ("not of", false, |policy| policy["pool"] = json!("other")),
        ("listener port 9440", false, |policy| policy["listener"] = json!({ "port": 9440, "bindPort": 9440 })),
        ("backend", false, |policy| policy["backends"] = json!([])),
    ];
    for (refusal, too_new, edit) in cases {
        write(&space, parts(&space, 2, address, edit)).await;
        let status = refused(&proxy, refusal).await;
        assert_eq!((&status["generation"], &status["lastRefusal"]["tooNew"]), (&json!(1), &json!(too_new)), "{status}");
        assert_eq!(tokio::task::block_in_place(|| client.who()), "only");
    }

    write(&space, parts(&space, 2, "169.254.169.254:80".parse().expect("an address"), |_| {})).await;
    refused(&proxy, "link-local").await;
    space.delete::<ConfigMap>(MAP).await;
    refused(&proxy, "deleted").await;
    assert_eq!(tokio::task::block_in_place(|| client.who()), "only");

    // A newer minor version: what this release does not know is ignored.
    write(
        &space,
        parts(&space, 3, address, |policy| {
            policy["schemaVersion"]["minor"] = json!(7);
            policy["hedging"] = json!({ "after": "10ms" });
        }),
    )
    .await;
    eventually("the good table", || async { (proxy.status()["generation"] == 3).then_some(()) }).await;
    assert_eq!(proxy.status()["lastRefusal"], Value::Null);
    assert_eq!(tokio::task::block_in_place(|| client.who()), "only");
}

async fn refused(proxy: &Proxy, why: &str) -> Value {
    eventually(why, || async {
        let status = proxy.status();
        let message = status["lastRefusal"]["message"].as_str().unwrap_or_default();
        message.contains(why).then_some(status)
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn traffic_goes_on_while_the_api_server_is_away_and_follows_when_it_is_back() {
    let Some(stage) = Stage::bare() else { return };
    let space = stage.space("away").await;
    let [first, second] = [server("10.201.0.23:8001").await, server("10.201.0.24:8001").await];
    let proxy = Proxy::start(&stage, &space, "web", "10.201.0.25").await;
    write(&space, parts(&space, 1, first, |_| {})).await;
    eventually("the first table", || async { (proxy.status()["generation"] == 1).then_some(()) }).await;
    let mut client = proxy.client(8080);
    tokio::task::block_in_place(|| {
        stage.server.stop();
        (0..100).for_each(|_| assert_eq!(client.who(), "only"));
        stage.server.start_again();
    });
    write(&space, parts(&space, 2, second, |_| {})).await;
    eventually("the change", || async { (proxy.status()["generation"] == 2).then_some(()) }).await;
    assert_eq!(tokio::task::block_in_place(|| client.who()), "only");
}
