//! The end of the process, without losing a request.

use std::time::Duration;

use evenkeel_tests::process::Signal;
use tokio::time::{Instant, sleep, sleep_until};

use crate::pool::{Pool, xserver};
use crate::proxy::{Proxy, until};
use crate::wire::{Conn, GET, field, status};

fn slow(seconds: u32) -> String {
    format!("GET /?delay={seconds}s HTTP/1.1\r\nHost: a\r\n\r\n")
}

/// Asks on a connection until it is told that this one ends, then on the next, until none can be made any more. Returns
/// how often it asked, and when it was refused.
async fn client(addr: std::net::SocketAddr, keep_alive: bool) -> (u32, Instant) {
    let mut asked = 0;
    loop {
        let Some(mut conn) = Conn::try_connect(addr).await else { return (asked, Instant::now()) };
        loop {
            conn.send(GET).await;
            let (head, _) = conn.answer().await;
            assert_eq!(status(&head), 200, "{head}");
            asked += 1;
            if !keep_alive || field(&head, "connection") == Some("close") {
                break;
            }
            sleep(Duration::from_millis(2)).await;
        }
    }
}

#[tokio::test]
async fn a_terminated_proxy_serves_on_finishes_and_loses_nothing() {
    let server = xserver("s").await;
    let proxy = Proxy::start(&Pool { response_header: "20s", ..Pool::of(&[server.addr()]) }).await;
    let addr = proxy.addr;
    let clients: Vec<_> = (0..8).map(|number| tokio::spawn(client(addr, number % 2 == 0))).collect();
    let mut in_flight = proxy.connect().await;
    in_flight.send(slow(8)).await;
    let mut idle = proxy.connect().await;
    idle.send(GET).await;
    assert_eq!(field(&idle.answer().await.0, "connection"), None);
    let mut silent = proxy.connect().await;
    proxy.reaches("evenkeel_requests_in_flight", &[], 1).await;
    until("the clients are at work", async || server.answered() > 100).await;

    proxy.signal(Signal::TERM);
    let begin = Instant::now();
    until("not ready", async || status(&proxy.admin("/readyz").await.0) == 503).await;
    assert_eq!(status(&proxy.admin("/livez").await.0), 200);
    for client in clients {
        let (asked, refused) = client.await.unwrap();
        let after = refused - begin;
        assert!(asked > 10 && (4_500..7_000).contains(&after.as_millis()), "{asked} asked, refused after {after:?}");
    }
    // The listeners are closed. Who was connected before has one last request.
    sleep_until(begin + Duration::from_secs(7)).await;
    idle.send(GET).await;
    let (head, _) = idle.answer().await;
    assert_eq!((status(&head), field(&head, "connection")), (200, Some("close")));
    let (head, _) = in_flight.answer().await;
    assert_eq!((status(&head), field(&head, "connection")), (200, Some("close")), "begun before, told all the same");
    assert!(silent.is_closed().await);
    let finished = proxy.finish(Duration::from_secs(10)).await;
    assert_eq!(finished.status.code(), Some(0));
    let after = begin.elapsed();
    assert!((8_000..12_000).contains(&after.as_millis()), "ended after {after:?}");
}

#[tokio::test]
async fn it_goes_on_accepting_for_five_seconds_even_if_nobody_is_there() {
    let server = xserver("s").await;
    let proxy = Proxy::start(&Pool::of(&[server.addr()])).await;
    proxy.signal(Signal::TERM);
    let begin = Instant::now();
    sleep_until(begin + Duration::from_secs(4)).await;
    let (head, _) = proxy.ask(GET).await;
    assert_eq!((status(&head), field(&head, "connection")), (200, Some("close")));
    assert_eq!(proxy.finish(Duration::from_secs(5)).await.status.code(), Some(0));
    assert!((5_000..7_000).contains(&begin.elapsed().as_millis()), "{:?}", begin.elapsed());
}

#[tokio::test]
async fn a_second_signal_ends_at_once() {
    let server = xserver("s").await;
    let proxy = Proxy::start(&Pool::of(&[server.addr()])).await;
    let mut in_flight = proxy.connect().await;
    in_flight.send(slow(20)).await;
    proxy.reaches("evenkeel_requests_in_flight", &[], 1).await;
    proxy.signal(Signal::TERM);
    until("not ready", async || status(&proxy.admin("/readyz").await.0) == 503).await;
    proxy.signal(Signal::TERM);
    let begin = Instant::now();
    proxy.finish(Duration::from_secs(10)).await;
    assert!(begin.elapsed() < Duration::from_secs(3), "{:?}", begin.elapsed());
    assert!(in_flight.is_closed().await);
}

#[tokio::test]
async fn an_interrupted_proxy_finishes_what_is_under_way() {
    let server = xserver("s").await;
    let proxy = Proxy::start(&Pool::of(&[server.addr()])).await;
    let (mut in_flight, mut idle) = (proxy.connect().await, proxy.connect().await);
    idle.send(GET).await;
    idle.answer().await;
    in_flight.send(slow(1)).await;
    proxy.reaches("evenkeel_requests_in_flight", &[], 1).await;
    proxy.signal(Signal::INT);
    let begin = Instant::now();
    assert!(idle.is_closed().await);
    let (head, _) = in_flight.answer().await;
    assert_eq!((status(&head), field(&head, "connection")), (200, Some("close")));
    assert_eq!(proxy.finish(Duration::from_secs(5)).await.status.code(), Some(0));
    assert!(begin.elapsed() < Duration::from_secs(4), "{:?}", begin.elapsed());
}
