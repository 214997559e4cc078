//! Status: what proxies run, and what the world hears of it.

use std::time::Duration;

use evenkeel_crds::BalancerPool;
use evenkeel_tests::api::{FakeProxy, Space, Stage, eventually, metal, pool, slice};
use k8s_openapi::api::{discovery::v1::EndpointSlice, events::v1::Event};
use serde_json::{Value, json};

/// A pool `web` with so many proxies at these addresses, all ready.
async fn running(space: &Space, addresses: &[&str]) -> Vec<FakeProxy> {
    let mut proxies = Vec::new();
    for address in addresses {
        proxies.push(FakeProxy::start(address, &space.namespace, "web").await);
    }
    let mut pool = pool("web", &[("metal", 1, metal("192.0.2.1"))]);
    pool["spec"]["proxy"] = json!({ "replicas": addresses.len() });
    space.create::<BalancerPool>(pool).await;
    // Here are no nodes, so the endpoints of the pods are written by hand.
    let addresses: Vec<_> = addresses.iter().map(|address| (*address).to_owned()).collect();
    space.create::<EndpointSlice>(slice("proxies", "evenkeel-web", &addresses)).await;
    space.table_where("web", "its fleet", |table| fleet(table) == addresses.len()).await;
    proxies
}

fn fleet(table: &Value) -> usize {
    table["fleet"].as_array().map_or(0, Vec::len)
}

async fn events(space: &Space) -> Vec<String> {
    let events: Vec<Event> = space.list().await;
    let ours =
        events.into_iter().filter(|event| event.reporting_controller.as_deref() == Some("evenkeel.dev/operator"));
    ours.map(|event| format!("{} {}", event.type_.unwrap_or_default(), event.reason.unwrap_or_default())).collect()
}

async fn proxies(space: &Space) -> Option<(i32, i32)> {
    let counts = space.get::<BalancerPool>("web").await?.status?.proxies?;
    Some((counts.current, counts.total))
}

#[tokio::test]
async fn it_is_programmed_when_every_ready_proxy_runs_it() {
    let Some(stage) = Stage::shared() else { return };
    let space = stage.space("programmed").await;
    let fleet = running(&space, &["10.201.0.1", "10.201.0.2"]).await;
    space.condition("web", "Programmed", "False", "Pending").await;
    fleet[0].runs(1);
    eventually("one of two", || async { (proxies(&space).await == Some((1, 2))).then_some(()) }).await;
    space.condition("web", "Programmed", "False", "Pending").await;
    fleet[1].runs(1);
    space.condition("web", "Programmed", "True", "Programmed").await;
    space.condition("web", "Ready", "True", "Ready").await;
    eventually("an Event", || async { events(&space).await.contains(&"Normal Programmed".into()).then_some(()) }).await;
    // Another generation is not programmed until all have it; other endpoints do not matter.
    let backends = json!([{ "name": "metal", "endpoints": [{ "address": "192.0.2.9", "port": 80 }] }]);
    space.patch::<BalancerPool>("web", &json!({ "spec": { "backends": backends } })).await;
    let message = space.condition("web", "Programmed", "False", "Pending").await;
    assert!(message.contains("0 of 2 ready proxies run generation 2"), "{message}");
    for proxy in &fleet {
        proxy.runs(2);
    }
    space.condition("web", "Programmed", "True", "Programmed").await;
    assert_eq!(events(&space).await.len(), 1, "waiting is no news, and the same news is told once");
}

#[tokio::test]
async fn a_proxy_that_is_too_old_is_named() {
    let Some(stage) = Stage::shared() else { return };
    let space = stage.space("old").await;
    let fleet = running(&space, &["10.201.0.3"]).await;
    fleet[0].refuses("schema version 2 is newer than 1", true);
    let message = space.condition("web", "Programmed", "False", "ProxyTooOld").await;
    assert!(message.contains("schema version 2"), "{message}");
    eventually("an Event", || async { events(&space).await.contains(&"Warning ProxyTooOld".into()).then_some(()) })
        .await;
    fleet[0].runs(1);
    space.condition("web", "Programmed", "True", "Programmed").await;
}

#[tokio::test]
async fn counts_are_reported_at_most_once_a_second() {
    let Some(stage) = Stage::shared() else { return };
    let space = stage.space("counts").await;
    space.create::<BalancerPool>(pool("web", &[("metal", 1, metal("192.0.2.1"))])).await;
    space.condition("web", "Programmed", "True", "Published").await;
    let pool: BalancerPool = space.get("web").await.expect("the pool");
    let status = pool.status.expect("a status");
    assert_eq!(status.endpoints.map(|counts| counts.summary), Some("1/1".into()));
    assert_eq!((status.backends, status.proxies, status.observed_generation), (Some(1), None, Some(1)));
    let (start, mut versions) = (tokio::time::Instant::now(), std::collections::BTreeSet::new());
    let mut number = 0;
    while start.elapsed() < Duration::from_secs(4) {
        number += 1;
        let endpoints: Vec<_> =
            (1..=number).map(|n| json!({ "address": format!("192.0.2.{}", n % 200 + 1), "port": n })).collect();
        let backends = json!([{ "name": "metal", "endpoints": endpoints }]);
        space.patch::<BalancerPool>("web", &json!({ "spec": { "backends": backends } })).await;
        let seen: BalancerPool = space.get("web").await.expect("the pool");
        versions.insert(seen.status.and_then(|status| status.endpoints).map(|counts| counts.total));
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let allowed = usize::try_from(start.elapsed().as_secs()).expect("a few") + 2;
    assert!(versions.len() <= allowed, "{versions:?} in {:?}", start.elapsed());
    eventually("the last count", || async {
        let counts = space.get::<BalancerPool>("web").await?.status?.endpoints?;
        (counts.total == number).then_some(())
    })
    .await;
}
