//! Clients at rest: they keep their connection, their deadlines and their place, whatever the proxy gives up meanwhile.

use std::time::Duration;

use evenkeel_tests::process::Signal;
use tokio::time::{Instant, interval_at};

use crate::endpoint::Endpoint;
use crate::pool::Pool;
use crate::proxy::{Proxy, until};
use crate::wire::{Conn, GET, OK, POST, field, status};

/// A connection is at rest when nothing was under way for so long.
const REST: Duration = Duration::from_secs(1);

async fn answering() -> (Endpoint, Proxy) {
    let endpoint = Endpoint::answering(OK).await;
    let proxy = Proxy::start(&Pool::of(&[endpoint.addr])).await;
    (endpoint, proxy)
}

/// Asks, and is silent for the period, so many times, on one connection.
async fn asks_now_and_then(addr: std::net::SocketAddr, period: Duration, times: usize) {
    let mut client = Conn::connect(addr).await;
    let mut ticks = interval_at(Instant::now(), period);
    for number in 0..times {
        ticks.tick().await;
        client.send(if number % 2 == 0 { GET } else { POST }).await;
        let (head, body) = client.answer().await;
        assert_eq!((status(&head), body.as_str()), (200, "ok"), "request {number} every {period:?}");
    }
}

#[tokio::test]
async fn a_request_in_the_moment_of_coming_to_rest_is_not_lost() {
    let (endpoint, proxy) = answering().await;
    // The moment is at a tick of half a second: these periods meet it early, late, and every few milliseconds in between.
    let clients = (0..400).map(|number| {
        let period = Duration::from_micros(480_000 + number * 1_400);
        tokio::spawn(asks_now_and_then(proxy.addr, period, 8))
    });
    for client in clients.collect::<Vec<_>>() {
        client.await.unwrap();
    }
    assert_eq!(endpoint.heads().len(), 400 * 8, "each was sent once");
    proxy.settles().await;
}

/// Lets connections come to rest: there is nothing to be seen of that.
async fn rest() {
    tokio::time::sleep(REST + REST / 5).await;
}

#[tokio::test]
async fn half_a_head_behind_a_request_survives_the_rest() {
    let (_endpoint, proxy) = answering().await;
    for first in [GET, POST] {
        let mut client = proxy.connect().await;
        let (half, other_half) = GET.split_at(20);
        client.send(format!("{first}{half}")).await;
        assert_eq!(status(&client.answer().await.0), 200);
        rest().await;
        client.send(format!("{other_half}{GET}")).await;
        for _ in 0..2 {
            assert_eq!(status(&client.answer().await.0), 200);
        }
    }
}

#[tokio::test]
async fn half_a_head_behind_a_request_has_ten_seconds_too() {
    let (_endpoint, proxy) = answering().await;
    let mut client = proxy.connect().await;
    client.send(format!("{GET}GET /second HTTP/1.1\r\n")).await;
    assert_eq!(status(&client.answer().await.0), 200);
    let since = Instant::now();
    let head = client.head().await.unwrap();
    assert_eq!((status(&head), field(&head, "evenkeel-reason")), (408, Some("SI")));
    assert!((9..15).contains(&since.elapsed().as_secs()), "{:?}", since.elapsed());
}

#[tokio::test]
async fn a_large_request_wakes_a_connection_as_well_as_a_small_one() {
    let (endpoint, proxy) = answering().await;
    let mut client = proxy.connect().await;
    let body = "x".repeat(100_000);
    for _ in 0..2 {
        let fields = format!("X-Long: {}\r\n", "y".repeat(12_000));
        client
            .send(format!("POST / HTTP/1.1\r\nHost: a\r\n{fields}Content-Length: {}\r\n\r\n{body}", body.len()))
            .await;
        assert_eq!(status(&client.answer().await.0), 200);
        rest().await;
    }
    assert_eq!(endpoint.heads().len(), 2);
}

#[tokio::test]
async fn who_leaves_while_at_rest_gives_its_place_back() {
    let (_endpoint, proxy) = answering().await;
    let mut clients = Vec::new();
    for _ in 0..20 {
        let mut client = proxy.connect().await;
        client.send(GET).await;
        client.answer().await;
        clients.push(client);
    }
    proxy.reaches("evenkeel_connections_active", &[], 20).await;
    rest().await;
    clients.truncate(10);
    clients.pop().unwrap().reset();
    proxy.reaches("evenkeel_connections_active", &[], 9).await;
    assert_eq!(proxy.metric("evenkeel_failed_requests_total", &[]).await, 0);
}

/// Clients that have had an answer and are at rest, one that never asked, and one whose next head is half here.
async fn at_rest(proxy: &Proxy) -> (Conn, Conn, Conn) {
    let (mut asked, silent, mut half) = (proxy.connect().await, proxy.connect().await, proxy.connect().await);
    for client in [&mut asked, &mut half] {
        client.send(GET).await;
        client.answer().await;
    }
    rest().await;
    half.send(&GET[..20]).await;
    (asked, silent, half)
}

#[tokio::test]
async fn the_end_of_the_process_closes_what_rests_but_not_half_a_head() {
    let (_endpoint, proxy) = answering().await;
    let (mut asked, mut silent, half) = at_rest(&proxy).await;
    let mut fresh = proxy.connect().await;
    fresh.send(&GET[..20]).await;
    proxy.reaches("evenkeel_connections_active", &[], 4).await;
    until("the halves are here", async || proxy.ask(GET).await.0.starts_with("HTTP/1.1 200")).await;
    proxy.signal(Signal::INT);
    assert!(asked.is_closed().await && silent.is_closed().await);
    for mut client in [half, fresh] {
        client.send(&GET[20..]).await;
        let (head, _) = client.answer().await;
        assert_eq!((status(&head), field(&head, "connection")), (200, Some("close")));
        assert!(client.is_closed().await);
    }
    let begin = Instant::now();
    assert_eq!(proxy.finish(Duration::from_secs(5)).await.status.code(), Some(0));
    assert!(begin.elapsed() < Duration::from_secs(3), "{:?}", begin.elapsed());
}

#[tokio::test]
async fn a_draining_proxy_answers_who_was_at_rest_once_more() {
    let (_endpoint, proxy) = answering().await;
    let (mut asked, mut silent, mut half) = at_rest(&proxy).await;
    proxy.signal(Signal::TERM);
    until("not ready", async || proxy.probe("/readyz").await == 503).await;
    half.send(&GET[20..]).await;
    for client in [&mut asked, &mut silent] {
        client.send(GET).await;
    }
    for mut client in [asked, silent, half] {
        let (head, _) = client.answer().await;
        assert_eq!((status(&head), field(&head, "connection")), (200, Some("close")));
        assert!(client.is_closed().await);
    }
}
