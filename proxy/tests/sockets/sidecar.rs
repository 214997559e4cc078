//! A proxy beside one application: how it begins, and that it ends when the application has ended.

use std::time::Duration;

use evenkeel_tests::process::Signal;
use tokio::time::{Instant, sleep};

use crate::endpoint::Endpoint;
use crate::pool::{Pool, xserver};
use crate::proxy::{Proxy, until};
use crate::wire::{Conn, GET, OK, field, status};

async fn sidecar(pools: &[&Pool]) -> Proxy {
    Proxy::with(pools, &["--sidecar"]).await
}

/// The threads of a process by name.
fn threads(id: u32) -> Vec<String> {
    let tasks = std::fs::read_dir(format!("/proc/{id}/task")).unwrap();
    let name = |task: std::fs::DirEntry| std::fs::read_to_string(task.path().join("comm")).unwrap();
    tasks.map(|task| name(task.unwrap()).trim().to_owned()).collect()
}

#[tokio::test]
async fn two_pools_share_one_worker_and_have_each_its_listener_and_status() {
    let (a, b) = (xserver("a").await, xserver("b").await);
    let first = Pool::of(&[a.addr()]);
    let second = Pool { name: "other", port: first.port + 1, ..Pool::of(&[b.addr()]) };
    let proxy = sidecar(&[&first, &second]).await;
    assert_eq!(threads(proxy.id()).iter().filter(|name| name.starts_with("worker-")).count(), 1);
    for (pool, server) in [(&first, "a"), (&second, "b")] {
        let mut client = Conn::connect(proxy.at(pool)).await;
        client.send(GET).await;
        assert_eq!(field(&client.answer().await.0, "x-server"), Some(server));
    }
    let pools = proxy.status().await.pools;
    assert_eq!(pools.iter().map(|pool| &*pool.name).collect::<Vec<_>>(), ["web", "other"]);
    assert_eq!((proxy.probe("/startupz").await, proxy.probe("/readyz").await), (200, 200));
}

#[tokio::test]
async fn an_idle_sidecar_ends_within_a_second_and_a_half() {
    let server = xserver("s").await;
    let proxy = sidecar(&[&Pool::of(&[server.addr()])]).await;
    proxy.ask(GET).await;
    proxy.signal(Signal::TERM);
    let begin = Instant::now();
    assert_eq!(proxy.finish(Duration::from_secs(5)).await.status.code(), Some(0));
    let after = begin.elapsed().as_millis();
    assert!((900..1_500).contains(&after), "ended after {after} ms");
}

#[tokio::test]
async fn an_application_that_still_asks_now_and_then_is_served_until_it_stops() {
    let server = xserver("s").await;
    let proxy = sidecar(&[&Pool::of(&[server.addr()])]).await;
    let mut idle = proxy.connect().await;
    idle.send(GET).await;
    idle.answer().await;
    proxy.signal(Signal::TERM);
    until("not ready", async || proxy.probe("/readyz").await == 503).await;
    // An open connection may be used at any time, so that the proxy stays.
    sleep(Duration::from_secs(3)).await;
    idle.send(GET).await;
    let (head, _) = idle.answer().await;
    assert_eq!((status(&head), field(&head, "connection")), (200, Some("close")));
    // One short connection in 0.6 s, for six seconds: far longer than a Deployment's proxy accepts.
    for _ in 0..10 {
        let (head, _) = proxy.ask(GET).await;
        assert_eq!((status(&head), field(&head, "connection")), (200, Some("close")));
        sleep(Duration::from_millis(600)).await;
    }
    assert_eq!(proxy.probe("/livez").await, 200);
    let begin = Instant::now();
    assert_eq!(proxy.finish(Duration::from_secs(5)).await.status.code(), Some(0));
    assert!(begin.elapsed() < Duration::from_millis(1_500), "{:?}", begin.elapsed());
}

#[tokio::test]
async fn an_application_that_never_stops_is_served_for_twenty_seconds_and_what_is_under_way_is_finished() {
    let server = xserver("s").await;
    let proxy = sidecar(&[&Pool { response_header: "30s", ..Pool::of(&[server.addr()]) }]).await;
    let addr = proxy.addr;
    proxy.signal(Signal::TERM);
    let begin = Instant::now();
    let busy = tokio::spawn(async move {
        let mut asked = 0;
        // Until nobody listens any more: no answer is missing, whenever the end comes.
        while let Some(mut client) = Conn::try_connect(addr).await {
            client.send("GET /?delay=300ms HTTP/1.1\r\nHost: a\r\n\r\n").await;
            assert_eq!(status(&client.answer().await.0), 200);
            asked += 1;
        }
        (asked, Instant::now())
    });
    let mut endless = proxy.connect().await;
    endless.send("GET /?delay=25s HTTP/1.1\r\nHost: a\r\n\r\n").await;
    let (asked, refused) = busy.await.unwrap();
    let after = (refused - begin).as_millis();
    assert!(asked > 50 && (19_500..21_500).contains(&after), "{asked} asked, refused after {after} ms");
    assert_eq!(proxy.finish(Duration::from_secs(5)).await.status.code(), Some(0));
    let after = begin.elapsed().as_millis();
    assert!((21_500..22_500).contains(&after), "ended after {after} ms");
    assert!(endless.is_closed().await);
}

#[tokio::test]
async fn the_drain_of_a_service_can_be_asked_for() {
    let endpoint = Endpoint::answering(OK).await;
    let proxy = Proxy::with(&[&Pool::of(&[endpoint.addr])], &["--sidecar", "--drain", "clients"]).await;
    proxy.signal(Signal::TERM);
    let begin = Instant::now();
    sleep(Duration::from_secs(3)).await;
    assert_eq!(status(&proxy.ask(GET).await.0), 200);
    proxy.finish(Duration::from_secs(10)).await;
    assert!(begin.elapsed() >= Duration::from_secs(5), "{:?}", begin.elapsed());
}
