//! A sidecar needs the API server for changes only: also to start again.

use evenkeel_crds::BalancerPool;
use evenkeel_tests::{
    api::{Proxy, Stage, eventually, pool},
    xserver::{Behaviour, XServer},
};
use k8s_openapi::api::core::v1::ServiceAccount;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::task::block_in_place;

const ADDRESS: &str = "10.201.0.26";
/// The pools, their ports, and where the server is that has each one's name.
const POOLS: [(&str, u16, &str); 2] = [("web", 8080, "10.201.0.27"), ("api", 8081, "10.201.0.28")];
/// A server that both know.
const OTHER: &str = "10.201.0.29";

async fn serve(address: &str, name: &str) {
    // It runs on when the value is dropped.
    let address = format!("{address}:8001").parse().expect("an address");
    XServer::start(address, name, Behaviour::default()).await.expect("it listens");
}

/// A pool that gives its own server, and the one that both know, these weights.
fn manifest((name, port, own): (&str, u16, &str), [own_weight, other_weight]: [u32; 2]) -> Value {
    let at = |address: &str| json!({ "endpoints": [{ "address": address, "port": 8001 }] });
    let mut pool = pool(name, &[("own", own_weight, at(own)), ("other", other_weight, at(OTHER))]);
    pool["spec"]["proxy"]["mode"] = json!("Sidecar");
    pool["spec"]["listener"]["port"] = json!(port);
    pool
}

/// Waits until every pool runs its first table, which comes from there, in `/status` and in the metric.
async fn runs_from(sidecar: &Proxy, source: &str) {
    eventually(source, || async {
        let status: Value = serde_json::from_str(&sidecar.ask("/status")).expect("JSON");
        let pools = status["pools"].as_array().expect("pools");
        (pools.len() == POOLS.len() && pools.iter().all(|pool| pool["source"] == source && pool["generation"] == 1))
            .then_some(())
    })
    .await;
    let metrics = sidecar.ask("/metrics");
    let copies =
        metrics.lines().filter(|line| line.starts_with("evenkeel_table_last_good{")).map(|line| line.ends_with(" 1"));
    assert_eq!(copies.collect::<Vec<_>>(), [source == "lastGood"; POOLS.len()], "{metrics}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sidecar_starts_from_its_last_good_tables_while_the_api_server_is_away() {
    let Some(stage) = Stage::bare() else { return };
    let operator = stage.start_operator(&[]);
    let space = stage.space("sidecar").await;
    serve(OTHER, "other").await;
    for pool in POOLS {
        serve(pool.2, pool.0).await;
        space.create::<BalancerPool>(manifest(pool, [1, 0])).await;
        space.condition(pool.0, "Ready", "True", "Ready").await;
    }
    // Any account of the namespace: that of the application.
    space.create::<ServiceAccount>(json!({ "metadata": { "name": "app" } })).await;
    let (folder, kept) = (TempDir::new().expect("a folder"), TempDir::new().expect("a folder"));
    let kubeconfig = folder.path().join("kubeconfig");
    Proxy::account(&stage, &space, "app", &kubeconfig).await;
    let start = || Proxy::sidecar(&kubeconfig, &space, &POOLS.map(|pool| pool.0), ADDRESS, kept.path());

    let sidecar = start();
    runs_from(&sidecar, "watch").await;
    let mut clients = POOLS.map(|(name, port, _)| (name, sidecar.client(port)));
    block_in_place(|| clients.iter_mut().for_each(|(name, client)| assert_eq!(client.who(), *name)));
    eventually("both tables are kept", || async {
        (kept.path().read_dir().expect("a folder").count() == POOLS.len()).then_some(())
    })
    .await;

    block_in_place(|| stage.server.stop());
    // Who runs, goes on.
    block_in_place(|| clients.iter_mut().for_each(|(name, client)| assert_eq!(client.who(), *name)));
    drop(sidecar); // by SIGKILL
    let sidecar = start();
    runs_from(&sidecar, "lastGood").await;
    assert_eq!(sidecar.ask("/startupz"), "ok\n", "the application may start");
    let mut clients = POOLS.map(|(name, port, _)| (name, sidecar.client(port)));
    block_in_place(|| clients.iter_mut().for_each(|(name, client)| assert_eq!(client.who(), *name)));

    block_in_place(|| stage.server.start_again());
    runs_from(&sidecar, "watch").await;
    drop(operator); // it may have lost its Lease meanwhile
    let _operator = stage.start_operator(&[]);
    for (pool, (_, client)) in POOLS.into_iter().zip(&mut clients) {
        space.patch::<BalancerPool>(pool.0, &manifest(pool, [0, 1])).await;
        eventually("the change", || {
            let changed = block_in_place(|| client.who() == "other");
            async move { changed.then_some(()) }
        })
        .await;
    }
}
