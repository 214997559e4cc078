//! A bug in a request's way ends that request, and nothing else; one of control or of a worker ends the process.

use std::sync::Arc;

use tokio::sync::Notify;

use crate::endpoint::Endpoint;
use crate::pool::Pool;
use crate::proxy::Proxy;
use crate::wire::{Conn, GET, OK, POST, SOON, status};

/// Where it stands, a request panics.
const WORD: &str = "evenkeel-test-mishap";

/// Answers as the target says; goes on with what it began when the client has seen that.
async fn endpoint(begun: &Arc<Notify>) -> Endpoint {
    let begun = Arc::clone(begun);
    Endpoint::start(move |mut accepted| {
        let begun = Arc::clone(&begun);
        async move {
            while let Some((head, _)) = accepted.request().await {
                let answer = match head.split(' ').nth(1).unwrap() {
                    "/head" => format!("HTTP/1.1 200 OK\r\nX-Mishap: {WORD}\r\nContent-Length: 2\r\n\r\nok"),
                    "/length" => format!("HTTP/1.1 200 OK\r\nContent-Length: 40000\r\n\r\n{}", "x".repeat(20_000)),
                    "/chunks" => "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n".into(),
                    "/slow" => {
                        accepted.conn.up_to("GO ON").await;
                        OK.into()
                    }
                    _ => OK.into(),
                };
                accepted.conn.send(&answer).await;
                let more = match head.split(' ').nth(1).unwrap() {
                    "/length" => WORD.to_owned(),
                    "/chunks" => format!("{:x}\r\n{WORD}\r\n", WORD.len()),
                    _ => continue,
                };
                begun.notified().await;
                accepted.conn.send(more).await;
            }
        }
    })
    .await
}

fn get(target: &str, version: &str) -> String {
    format!("GET {target} HTTP/{version}\r\nHost: a\r\n\r\n")
}

#[tokio::test]
async fn a_request_that_panics_ends_alone() {
    let begun = Arc::<Notify>::default();
    let endpoint = endpoint(&begun).await;
    let proxy = Proxy::with_mishaps(&Pool::of(&[endpoint.addr])).await;
    // Neighbours on the same thread: in the midst of a body, idle, and with half a head.
    let (mut uploading, mut idle, mut half) = (proxy.connect().await, proxy.connect().await, proxy.connect().await);
    uploading.send("POST /slow HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n").await;
    idle.send(GET).await;
    assert_eq!(status(&idle.answer().await.0), 200);
    half.send(&GET[..20]).await;
    proxy.reaches("evenkeel_requests_in_flight", &[], 1).await;

    let mut panics = 0;
    for (target, has_head) in [(&*format!("/{WORD}"), false), ("/head", false), ("/length", true), ("/chunks", true)] {
        for version in ["1.0", "1.1"] {
            let mut client = proxy.connect().await;
            client.send(get(target, version)).await;
            let head = client.try_head().await;
            assert_eq!(head.is_some(), has_head, "{target}: {head:?}");
            if has_head {
                begun.notify_one();
            }
            // Never a clean end of an answer, and never anybody else's answer.
            let rest = client.rest().await;
            assert!(rest.is_err() || !has_head && rest.is_ok_and(|rest| rest.is_empty()), "{target} by HTTP/{version}");
            panics += 1;
            proxy.reaches("evenkeel_panics_total", &[], panics).await;
            proxy.reaches("evenkeel_requests_in_flight", &[], 1).await;
            proxy.reaches("evenkeel_connections_active", &[], 3).await;
        }
    }
    assert_eq!(proxy.failures("IE").await, panics);
    assert_eq!(proxy.metric("evenkeel_failed_requests_total", &[r#"side="client""#]).await, 0, "nobody left");

    uploading.send("5\r\nGO ON\r\n0\r\n\r\n").await;
    half.send(&GET[20..]).await;
    idle.send(POST).await;
    for client in [&mut uploading, &mut half, &mut idle] {
        let (head, body) = client.answer().await;
        assert_eq!((status(&head), body.as_str()), (200, "ok"));
    }
    proxy.settles().await;
}

/// Half of a process would look healthy; Kubernetes starts a whole one.
#[tokio::test]
async fn a_panic_of_control_or_of_a_worker_ends_the_process_with_an_error() {
    let endpoint = Endpoint::answering(OK).await;
    for (backend, part) in [("evenkeel-test-control", "control"), ("evenkeel-test-worker", "a worker")] {
        let pool = Pool::of(&[endpoint.addr]);
        let proxy = Proxy::with_mishaps(&pool).await;
        assert_eq!(status(&proxy.ask(GET).await.0), 200);
        proxy.edit_text(pool.yaml().replace("name: b0", &format!("name: {backend}")));
        let finished = proxy.finish(SOON).await;
        assert_eq!(finished.status.code(), Some(1), "{part}");
        let last = finished.stderr.last().expect("a last word");
        assert_eq!(
            *last,
            format!("evenkeel-proxy: {part} panicked, so the process ends to be started anew: please report this")
        );
    }
}

#[tokio::test]
async fn without_the_tests_leave_nobody_can_make_a_request_panic() {
    let endpoint = Endpoint::answering(OK).await;
    let proxy = Proxy::start(&Pool::of(&[endpoint.addr])).await;
    let mut client = Conn::connect(proxy.addr).await;
    client.send(get(&format!("/{WORD}"), "1.1")).await;
    assert_eq!(status(&client.answer().await.0), 200);
}
