//! Who leaves in the midst of it, the client or the endpoint, and who only pauses.

use std::time::Duration;

use tokio::time::sleep;

use crate::endpoint::Endpoint;
use crate::pool::{Pool, xserver};
use crate::proxy::{Proxy, until};
use crate::wire::{Conn, OK, status};

#[tokio::test]
async fn a_client_that_leaves_gives_its_place_back_and_blames_nobody() {
    let server = xserver("slow").await;
    let proxy = Proxy::start(&Pool::of(&[server.addr()])).await;
    for path in ["/?delay=20s", "/?bytes=100000000"] {
        let mut clients = Vec::new();
        for _ in 0..5 {
            let mut client = proxy.connect().await;
            client.send(format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n")).await;
            clients.push(client);
        }
        proxy.reaches("evenkeel_requests_in_flight", &[], 5).await;
        let last = clients.pop().map(Conn::reset);
        assert!(last.is_some());
        drop(clients);
        proxy.settles().await;
    }
    assert_eq!((proxy.failures("DC").await, proxy.failures("UC").await), (10, 0));
    let requests = async |code| proxy.metric("evenkeel_requests_total", &[code]).await;
    assert_eq!((requests("").await, requests(r#"code="none""#).await), (10, 10));
    assert_eq!(proxy.metric("evenkeel_failed_requests_total", &[r#"side="upstream""#]).await, 0);
    until("nobody is connected", async || proxy.metric("evenkeel_connections_active", &[]).await == 0).await;
}

#[tokio::test]
async fn an_endpoint_may_pause_in_the_midst_of_an_upload() {
    const BYTES: usize = 32 << 20;
    let endpoint = Endpoint::start(|mut accepted| async move {
        accepted.head().await;
        sleep(Duration::from_secs(12)).await; // longer than a dead peer is waited for
        accepted.conn.count_to(BYTES as u64).await;
        accepted.conn.send(OK).await;
    })
    .await;
    let proxy = Proxy::start(&Pool::of(&[endpoint.addr])).await;
    let mut client = proxy.connect().await;
    client.send(format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {BYTES}\r\n\r\n")).await;
    client.send(vec![b'x'; BYTES]).await;
    assert_eq!(status(&client.answer().await.0), 200);
}

#[tokio::test]
async fn an_upload_that_the_endpoint_cuts_off_is_the_endpoints_fault() {
    let endpoint = Endpoint::start(|mut accepted| async move {
        accepted.head().await;
        accepted.conn.exactly(1000).await;
        accepted.conn.reset();
    })
    .await;
    let proxy = Proxy::start(&Pool::of(&[endpoint.addr])).await;
    let mut client = proxy.connect().await;
    client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100000000\r\n\r\n").await;
    let block = vec![b'x'; 1 << 16];
    while client.try_send(&block).await.is_ok() {
        if proxy.failures("UC").await > 0 {
            break;
        }
    }
    proxy.reaches("evenkeel_failed_requests_total", &[r#"reason="UC""#], 1).await;
    assert_eq!(proxy.failures("DPE").await + proxy.failures("DC").await, 0);
    proxy.settles().await;
}
