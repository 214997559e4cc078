//! Connections to endpoints are used again.

use std::time::Duration;

use evenkeel_tests::load::{Settings, Stop};
use http::Method;
use tokio::sync::mpsc::{Receiver, channel};

use crate::endpoint::Endpoint;
use crate::pool::{Pool, load};
use crate::proxy::Proxy;
use crate::wire::{GET, OK, POST, status};

async fn opened(answer: &'static str, settings: impl FnOnce(Settings) -> Settings) -> (usize, usize) {
    let endpoint = Endpoint::answering(answer).await;
    let proxy = Proxy::start(&Pool::of(&[endpoint.addr])).await;
    let settings =
        settings(Settings { stop: Stop::Requests(3_000), concurrency: 16, ..Settings::to(&proxy.addr.to_string()) });
    let report = load(settings).await;
    assert_eq!(report.counts.failed, 0, "{:?}", report.first_failures);
    (endpoint.connections(), endpoint.heads().len())
}

#[tokio::test]
async fn sixteen_clients_need_about_sixteen_connections_upstream() {
    let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n";
    let empty = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
    for answer in [OK, chunked, empty] {
        let (connections, requests) = opened(answer, |settings| settings).await;
        assert_eq!(requests, 3_000);
        assert!(connections <= 20, "{connections} connections for 16 clients: {answer:?}");
    }
}

#[tokio::test]
async fn clients_without_keep_alive_and_posts_share_connections_upstream() {
    let (connections, _) = opened(OK, |settings| Settings { keep_alive_percent: 0, ..settings }).await;
    assert!(connections <= 32, "{connections} connections for clients without keep-alive");
    let body = bytes::Bytes::from_static(&[b'x'; 100]);
    let (connections, _) = opened(OK, |settings| Settings { method: Method::POST, body, ..settings }).await;
    assert!(connections <= 20, "{connections} connections for POST");
}

#[tokio::test]
async fn surplus_bytes_are_never_the_next_clients_answer() {
    let poison =
        concat!("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison");
    let endpoint = Endpoint::answering(poison).await;
    let proxy = Proxy::with(&[&Pool::of(&[endpoint.addr])], &["--threads", "1"]).await;
    for _ in 0..20 {
        let (head, body) = proxy.ask(GET).await;
        assert_eq!((status(&head), body.as_str()), (200, "ok"));
    }
    assert_eq!(endpoint.connections(), 20);
}

#[tokio::test]
async fn a_connection_that_the_endpoint_closes_is_not_used_again() {
    let endpoint = Endpoint::start(|mut accepted| async move {
        accepted.request().await;
        accepted.conn.send("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nok").await;
    })
    .await;
    let proxy = Proxy::start(&Pool::of(&[endpoint.addr])).await;
    for request in [GET, POST].repeat(50) {
        let mut client = proxy.connect().await;
        client.send(request).await;
        let head = client.head().await.unwrap();
        assert_eq!(status(&head), 200, "{head}");
    }
    assert_eq!(endpoint.heads().len(), 100);
}

/// An endpoint that answers once, and then tells how long its connection stays.
async fn watching() -> (Endpoint, Receiver<Duration>) {
    let (closed, told) = channel(1);
    let endpoint = Endpoint::start(move |mut accepted| {
        let closed = closed.clone();
        async move {
            accepted.request().await;
            accepted.conn.send(OK).await;
            let since = tokio::time::Instant::now();
            assert!(accepted.conn.is_closed().await);
            closed.send(since.elapsed()).await.unwrap();
        }
    })
    .await;
    (endpoint, told)
}

/// Sends a request; after how long its connection to the endpoint is closed.
async fn idle_time(proxy: &Proxy, mut told: Receiver<Duration>) -> Duration {
    proxy.ask(GET).await;
    tokio::time::timeout(Duration::from_secs(10), told.recv()).await.unwrap().unwrap()
}

#[tokio::test]
async fn an_idle_connection_is_closed_after_four_seconds() {
    let (endpoint, told) = watching().await;
    let proxy = Proxy::start(&Pool::of(&[endpoint.addr])).await;
    let after = idle_time(&proxy, told).await;
    assert!((3..6).contains(&after.as_secs()), "{after:?}");
}

/// An endpoint's pool with these settings, and its proxy of one thread.
async fn kept_by(endpoint: &Endpoint, settings: &'static str) -> Proxy {
    let pool = Pool { extra: settings, ..Pool::of(&[endpoint.addr]) };
    Proxy::with(&[&pool], &["--threads", "1"]).await
}

#[tokio::test]
async fn a_connection_serves_as_many_requests_as_the_pool_says() {
    let endpoint = Endpoint::answering(OK).await;
    let proxy = kept_by(&endpoint, "  connectionPool: {maxRequestsPerConnection: 2}\n").await;
    for _ in 0..6 {
        assert_eq!(status(&proxy.ask(GET).await.0), 200);
    }
    assert_eq!(endpoint.connections(), 3);
}

#[tokio::test]
async fn as_many_connections_are_kept_as_the_pool_says() {
    let both = std::sync::Arc::new(tokio::sync::Barrier::new(2));
    let endpoint = Endpoint::start(move |mut accepted| {
        let both = std::sync::Arc::clone(&both);
        async move {
            while accepted.request().await.is_some() {
                both.wait().await;
                accepted.conn.send(OK).await;
            }
        }
    })
    .await;
    let proxy = kept_by(&endpoint, "  connectionPool: {maxIdlePerEndpoint: 1}\n").await;
    for connections in [2, 3, 4] {
        let (first, second) = tokio::join!(proxy.ask(GET), proxy.ask(GET));
        assert_eq!([status(&first.0), status(&second.0)], [200; 2]);
        assert_eq!(endpoint.connections(), connections, "one of two is kept");
        proxy.settles().await;
    }
}

#[tokio::test]
async fn an_idle_connection_is_closed_when_the_pool_says() {
    let (endpoint, told) = watching().await;
    let proxy = kept_by(&endpoint, "  connectionPool: {idleTimeout: 1s}\n").await;
    let after = idle_time(&proxy, told).await;
    assert!((800..3_500).contains(&after.as_millis()), "{after:?}");
}

#[tokio::test]
async fn connections_to_an_endpoint_that_left_are_closed_without_a_request() {
    let (endpoint, mut told) = watching().await;
    let proxy = kept_by(&endpoint, "  connectionPool: {idleTimeout: 1h}\n").await;
    proxy.ask(GET).await;
    proxy.edit(&Pool::of(&[Endpoint::answering(OK).await.addr]));
    let closed = tokio::time::timeout(Duration::from_secs(10), told.recv()).await;
    assert!(closed.is_ok(), "it is still open");
}
