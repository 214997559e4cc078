//! What a pool lists is tried again elsewhere, with its body, and the client gets the best answer there was.

use std::time::Duration;

use tokio::time::Instant;

use crate::endpoint::{Endpoint, nobody};
use crate::pool::Pool;
use crate::proxy::Proxy;
use crate::wire::{GET, OK, field, status};

const BUSY: &str = "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 4\r\n\r\nbusy";
const LIST: &str = "  retry: {attempts: 3, codes: [503, 504]}\n";

/// Reads a request to its end, or that much of it, and closes.
async fn closing_after(bytes: usize) -> Endpoint {
    Endpoint::start(move |mut accepted| async move {
        accepted.head().await;
        accepted.conn.try_exactly(bytes).await;
    })
    .await
}

/// Answers each request with its own body.
async fn echo() -> Endpoint {
    Endpoint::start(|mut accepted| async move {
        while let Some(head) = accepted.head().await {
            let body = match field(&head, "content-length") {
                Some(length) => accepted.conn.exactly(length.parse().unwrap()).await,
                None => accepted.conn.chunks_and_trailers().await.unwrap().0,
            };
            accepted.conn.send(format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len())).await;
        }
    })
    .await
}

async fn one_thread(pool: &Pool) -> Proxy {
    Proxy::with(&[pool], &["--threads", "1"]).await
}

#[tokio::test]
async fn a_small_body_goes_along_when_its_request_is_sent_again() {
    for read in [0, 3, 60_000] {
        let (bad, good) = (closing_after(read).await, echo().await);
        let proxy = one_thread(&Pool::of(&[bad.addr, good.addr])).await;
        let body = "0123456789".repeat(6_000);
        let chunks = format!("fa0\r\n{}\r\n", &body[..4_000]).repeat(15);
        let requests = [
            format!("PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n{body}", body.len()),
            format!("DELETE / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n{chunks}0\r\n\r\n"),
        ];
        for request in requests.iter().chain(&requests) {
            let (head, got) = proxy.ask(request).await;
            assert_eq!((status(&head), got == body), (200, true), "{head}");
        }
        assert!(!bad.heads().is_empty(), "both were tried");
    }
}

#[tokio::test]
async fn a_large_body_is_sent_once() {
    let (bad, good) = (closing_after(70_000).await, echo().await);
    let proxy = one_thread(&Pool::of(&[bad.addr, good.addr])).await;
    let body = "x".repeat(70_000);
    let request = format!("PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n{body}", body.len());
    let mut statuses = [proxy.ask(&request).await.0, proxy.ask(&request).await.0].map(|head| status(&head));
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 502]);
    assert_eq!((bad.heads().len(), good.heads().len()), (1, 1));
}

#[tokio::test]
async fn a_better_answer_than_a_listed_one_is_looked_for_and_connections_stay() {
    let (busy, good) = (Endpoint::answering(BUSY).await, Endpoint::answering(OK).await);
    let proxy = one_thread(&Pool { extra: LIST, ..Pool::of(&[busy.addr, good.addr]) }).await;
    for _ in 0..20 {
        let (head, body) = proxy.ask(GET).await;
        assert_eq!((status(&head), body.as_str(), field(&head, "evenkeel-reason")), (200, "ok", None));
    }
    assert_eq!((busy.heads().len(), good.heads().len()), (10, 20));
    assert_eq!(
        (busy.connections(), good.connections()),
        (1, 1),
        "what was read of an answer leaves its connection clean"
    );
    assert_eq!(proxy.metric("evenkeel_retries_total", &[r#"reason="US""#]).await, 10);
    assert_eq!(proxy.metric("evenkeel_failed_requests_total", &[]).await, 0);
    proxy.settles().await;
}

#[tokio::test]
async fn the_last_answer_of_an_endpoint_counts_more_than_a_failure_after_it() {
    let busy = Endpoint::answering(BUSY).await;
    let proxy = one_thread(&Pool { extra: LIST, ..Pool::of(&[busy.addr, nobody().await]) }).await;
    let mut reasons = Vec::new();
    for _ in 0..2 {
        let (head, body) = proxy.ask(GET).await;
        assert_eq!((status(&head), body.as_str()), (503, "busy"));
        reasons.push(field(&head, "evenkeel-reason").map(str::to_owned));
    }
    reasons.sort();
    assert_eq!(reasons, [None, Some("URX".into())], "whoever came there first had another to try");
    proxy.settles().await;
}

#[tokio::test]
async fn retries_are_held_to_the_pools_budget() {
    let busy = [Endpoint::answering(BUSY).await, Endpoint::answering(BUSY).await];
    let list = "  retry: {codes: [503], backoff: 1ms, budget: {percent: 50, interval: 60s}}\n";
    let proxy = one_thread(&Pool { extra: list, ..Pool::of(&busy.each_ref().map(|endpoint| endpoint.addr)) }).await;
    let mut client = proxy.connect().await;
    for _ in 0..1_400 {
        client.send(GET).await;
        let (head, _) = client.answer().await;
        assert_eq!((status(&head), field(&head, "evenkeel-reason")), (503, Some("URX")));
    }
    // Ten a second of the interval, and half of what was sent.
    let retries = proxy.metric("evenkeel_retries_total", &[]).await;
    assert!((1_299..=1_300).contains(&retries), "{retries} retries");
}

#[tokio::test]
async fn no_attempt_begins_beyond_the_requests_time() {
    let silent = || {
        Endpoint::start(|mut accepted| async move {
            accepted.request().await;
            let _ = accepted.conn.rest().await;
        })
    };
    let endpoints = [silent().await, silent().await, silent().await, silent().await];
    let addresses = endpoints.each_ref().map(|endpoint| endpoint.addr);
    let extra = "  retry: {attempts: 10, codes: [504], backoff: 1ms}\n";
    let pool = Pool { extra, response_header: "300ms, request: 700ms", ..Pool::of(&addresses) };
    let proxy = one_thread(&pool).await;
    let since = Instant::now();
    let (head, _) = proxy.ask(GET).await;
    assert_eq!(status(&head), 504);
    assert!((690..2_500).contains(&since.elapsed().as_millis()), "{:?}", since.elapsed());
    let sent = endpoints.iter().map(|endpoint| endpoint.heads().len()).sum::<usize>();
    assert!((2..=3).contains(&sent), "{sent} attempts of 300 ms in 700 ms");
    proxy.settles().await;
}

#[tokio::test]
async fn an_attempt_that_takes_too_long_is_followed_by_another() {
    let slow = Endpoint::start(|mut accepted| async move {
        accepted.request().await;
        tokio::time::sleep(Duration::from_secs(15)).await;
    })
    .await;
    let good = Endpoint::answering(OK).await;
    let pool = Pool { extra: LIST, response_header: "5s, backendRequest: 300ms", ..Pool::of(&[slow.addr, good.addr]) };
    let proxy = one_thread(&pool).await;
    for _ in 0..4 {
        assert_eq!(status(&proxy.ask(GET).await.0), 200);
    }
    assert_eq!(slow.heads().len(), 2);
}

#[tokio::test]
async fn a_budget_that_forgets_sooner_than_requests_end_is_warned_of_once() {
    let endpoints = [nobody().await, nobody().await];
    let warnings = |proxy: &Proxy| {
        let log = proxy.log();
        log.iter().filter(|line| line.contains("WARN") && line.contains("retry.budget.interval")).count()
    };
    let long = Pool { response_header: "5s, request: 11s", ..Pool::of(&endpoints[..1]) };
    let proxy = Proxy::start(&long).await;
    let line = proxy.logs("retry.budget.interval").await;
    assert!(line.contains("(10s) is shorter than timeouts.request (11s)") && line.contains("choose"), "{line}");
    let more = Pool { backends: Pool::of(&endpoints).backends, ..long.clone() };
    proxy.edit(&more);
    proxy.reaches("evenkeel_endpoints", &[], 2).await;
    let weights = Pool { extra: "  limits: {requestBody: 1Mi}\n", response_header: "5s, request: 10s", ..more };
    proxy.edit(&weights);
    proxy.takes(&weights).await;
    assert_eq!(warnings(&proxy), 1, "{:?}", proxy.log());
}
