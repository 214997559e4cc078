//! Shares are exact, over whatever connections, and a thread's turns are its own.

use std::collections::BTreeMap;

use evenkeel_tests::load::{Settings, Stop};

use crate::endpoint::Endpoint;
use crate::pool::{Pool, load, xservers};
use crate::proxy::Proxy;
use crate::wire::{Conn, GET};

/// Each worker may be within a cycle.
const OFF: f64 = 0.4;

async fn shares(keep_alive_percent: u8) {
    let servers = xservers::<3>().await;
    let [a, b, c] = [0, 1, 2].map(|index| [servers[index].addr()]);
    let proxy = Proxy::start(&Pool::shared(&[(70, &a), (30, &b), (0, &c)])).await;
    let report = load(Settings {
        stop: Stop::Requests(1_000),
        concurrency: 8,
        keep_alive_percent,
        ..Settings::to(&proxy.addr.to_string())
    })
    .await;
    assert_eq!((report.counts.ok, report.counts.failed), (1_000, 0), "{:?}", report.first_failures);
    assert!((report.share_percent("s0") - 70.0).abs() <= OFF, "{:?}", report.counts.by_server);
    assert!((report.share_percent("s1") - 30.0).abs() <= OFF, "{:?}", report.counts.by_server);
    assert_eq!(servers[2].answered(), 0);
    let counted = [r#"backend="b0""#, r#"backend="b1""#, r#"backend="b2""#];
    for (index, label) in counted.into_iter().enumerate() {
        let requests = proxy.metric("evenkeel_requests_total", &[label, r#"code="2xx""#]).await;
        assert_eq!(requests, servers[index].answered());
    }
    proxy.settles().await;
}

#[tokio::test]
async fn shares_are_exact_on_kept_connections() {
    shares(100).await;
}

#[tokio::test]
async fn shares_are_exact_with_a_connection_for_each_request() {
    shares(0).await;
}

#[tokio::test]
async fn two_pools_in_one_process_have_each_its_listener() {
    let [one, two] = xservers::<2>().await;
    let first = Pool::of(&[one.addr()]);
    let second = Pool { name: "api", port: first.port + 1, ..Pool::of(&[two.addr()]) };
    let proxy = Proxy::with(&[&first, &second], &["--threads", "2"]).await;
    let mut other = Conn::connect((proxy.addr.ip(), second.port).into()).await;
    other.send(GET).await;
    assert!(other.answer().await.0.contains("x-server: s1"));
    assert!(proxy.ask(GET).await.0.contains("x-server: s0"));
    assert_eq!(proxy.metric("evenkeel_requests_total", &[r#"pool="api""#]).await, 1);
    assert_eq!(proxy.status().await.pools.len(), 2);
}

#[tokio::test]
async fn long_connections_are_spread_over_the_workers() {
    // Asked one after the other, a worker's clients all go by its one connection upstream: its number tells the worker.
    let endpoint = Endpoint::start(|mut accepted| async move {
        while accepted.request().await.is_some() {
            let number = accepted.number;
            accepted.conn.send(format!("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n{number}")).await;
        }
    })
    .await;
    let proxy = Proxy::start(&Pool::of(&[endpoint.addr])).await;
    let mut clients = Vec::new();
    for _ in 0..8 {
        let mut client = proxy.connect().await;
        client.send(GET).await;
        client.answer().await;
        clients.push(client);
    }
    assert_eq!(proxy.metric("evenkeel_connections_active", &[]).await, 8);
    let mut workers = BTreeMap::<_, usize>::new();
    for client in &mut clients {
        client.send(GET).await;
        *workers.entry(client.answer().await.1).or_default() += 1;
    }
    assert!(workers.len() == 2 && workers.values().all(|clients| (3..=5).contains(clients)), "{workers:?}");
}
