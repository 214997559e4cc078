//! How long a request may take to the end of its answer, and how long nothing may happen: by the pool's settings.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::endpoint::Endpoint;
use crate::pool::Pool;
use crate::proxy::Proxy;
use crate::wire::{GET, OK, field, status};

const BEGINNING: &str = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n";

/// Begins an answer and says no more.
async fn pausing() -> Endpoint {
    Endpoint::start(|mut accepted| async move {
        accepted.request().await;
        accepted.conn.send(BEGINNING).await;
        let _ = accepted.conn.rest().await;
    })
    .await
}

/// A proxy whose pool has these timeouts beside its own.
async fn limited(endpoint: &Endpoint, timeouts: &'static str) -> Proxy {
    Proxy::start(&Pool { response_header: timeouts, ..Pool::of(&[endpoint.addr]) }).await
}

#[tokio::test]
async fn an_answer_that_does_not_end_in_time_is_broken_off_and_the_endpoint_blamed() {
    for (timeouts, least) in
        [("5s, request: 300ms", 300), ("5s, backendRequest: 1s", 1_000), ("5s, streamIdle: 1s", 1_000)]
    {
        let endpoint = pausing().await;
        let proxy = limited(&endpoint, timeouts).await;
        let mut client = proxy.connect().await;
        let since = Instant::now();
        client.send(GET).await;
        assert_eq!(status(&client.head().await.unwrap()), 200);
        let rest = client.rest().await.unwrap_or_default();
        assert!(!rest.ends_with("0\r\n\r\n"), "{timeouts}: a clean end");
        let after = since.elapsed().as_millis();
        assert!((least - 10..least + 4_000).contains(&after), "{timeouts}: after {after} ms");
        let booked = proxy.metric("evenkeel_failed_requests_total", &[r#"reason="UT""#, r#"side="upstream""#]).await;
        assert_eq!((booked, proxy.failures("DC").await), (1, 0), "{timeouts}");
        proxy.settles().await;
    }
}

#[tokio::test]
async fn who_goes_on_sending_is_not_idle() {
    let endpoint = Endpoint::start(|mut accepted| async move {
        accepted.request().await;
        accepted.conn.send(BEGINNING).await;
        for _ in 0..6 {
            sleep(Duration::from_millis(500)).await;
            accepted.conn.send("4\r\nmore\r\n").await;
        }
        accepted.conn.send("0\r\n\r\n").await;
    })
    .await;
    let proxy = limited(&endpoint, "5s, streamIdle: 2s").await;
    let mut client = proxy.connect().await;
    client.send(GET).await;
    client.head().await.unwrap();
    assert_eq!(client.chunks_and_trailers().await.unwrap().0, format!("half{}", "more".repeat(6)));
}

#[tokio::test]
async fn a_client_that_takes_its_time_with_the_body_is_to_blame_itself() {
    let endpoint = Endpoint::answering(OK).await;
    let proxy = limited(&endpoint, "5s, request: 500ms").await;
    let mut client = proxy.connect().await;
    client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nab").await;
    let (head, _) = client.answer().await;
    assert_eq!((status(&head), field(&head, "evenkeel-reason")), (408, Some("SI")));
    assert!(client.is_closed().await);
    assert_eq!(proxy.metric("evenkeel_failed_requests_total", &[r#"side="upstream""#]).await, 0);
    proxy.settles().await;
}

#[tokio::test]
async fn an_idle_client_stays_as_long_as_the_pool_says() {
    let endpoint = Endpoint::answering(OK).await;
    let proxy = limited(&endpoint, "5s, clientIdle: 1s").await;
    let mut silent = proxy.connect().await;
    let mut served = proxy.connect().await;
    let since = Instant::now();
    served.send(GET).await;
    assert_eq!(status(&served.answer().await.0), 200);
    assert!(silent.is_closed().await && served.is_closed().await);
    assert!((990..6_000).contains(&since.elapsed().as_millis()), "{:?}", since.elapsed());
}

#[tokio::test]
async fn an_answer_to_grpc_may_begin_late() {
    let endpoint = Endpoint::start(|mut accepted| async move {
        while accepted.request().await.is_some() {
            sleep(Duration::from_millis(600)).await;
            accepted.conn.send(OK).await;
        }
    })
    .await;
    let proxy = limited(&endpoint, "300ms").await;
    for (kind, expected) in [("application/grpc", 200), ("application/grpc+proto", 200), ("application/json", 504)] {
        let request = format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Type: {kind}\r\nContent-Length: 1\r\n\r\nx");
        assert_eq!(status(&proxy.ask(&request).await.0), expected, "{kind}");
    }
}

#[tokio::test]
async fn who_takes_an_answer_by_sips_is_ended_with_the_requests_time() {
    let block = "x".repeat(1 << 20);
    let endpoint = Endpoint::start(move |mut accepted| {
        let block = block.clone();
        async move {
            accepted.request().await;
            accepted.conn.send("HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n").await;
            while accepted.conn.try_send(block.as_bytes()).await.is_ok() {}
        }
    })
    .await;
    let proxy = limited(&endpoint, "5s, request: 2s").await;
    let mut client = proxy.connect().await;
    let since = Instant::now();
    client.send(GET).await;
    assert_eq!(status(&client.head().await.unwrap()), 200);
    let mut sips = tokio::time::interval(Duration::from_millis(100));
    while client.try_exactly(1).await.is_some() {
        sips.tick().await;
        if proxy.failures("SI").await == 1 {
            break;
        }
        assert!(since.elapsed() < Duration::from_secs(10), "it goes on for ever");
    }
    assert!(since.elapsed() >= Duration::from_millis(1_990), "{:?}", since.elapsed());
    proxy.reaches("evenkeel_failed_requests_total", &[r#"reason="SI""#, r#"side="client""#], 1).await;
    assert!(client.rest().await.is_err(), "never a clean end");
    proxy.settles().await;
}
