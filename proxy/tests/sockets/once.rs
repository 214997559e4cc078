//! A POST is never sent twice, whatever becomes of connections; and what may be sent twice is never lost.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::time::Duration;

use evenkeel_tests::form::Form;
use evenkeel_tests::load::{LoadReport, Settings, Stop};
use evenkeel_tests::xserver::{Behaviour, XServer};
use tokio::time::{Instant, interval_at, timeout};

use crate::endpoint::{Accepted, Endpoint};
use crate::pool::{Pool, load, xserver};
use crate::proxy::Proxy;
use crate::wire::{OK, field, status};

/// A POST with a name of its own.
fn post(id: usize) -> String {
    format!("POST / HTTP/1.1\r\nHost: a\r\nX-Id: {id}\r\nContent-Length: 3\r\n\r\nabc")
}

/// How often endpoints saw each POST.
fn seen<'a>(endpoints: impl IntoIterator<Item = &'a Endpoint>) -> HashMap<usize, usize> {
    let mut seen = HashMap::new();
    for head in endpoints.into_iter().flat_map(Endpoint::heads) {
        *seen.entry(field(&head, "x-id").unwrap().parse().unwrap()).or_default() += 1;
    }
    seen
}

/// Closes a connection that is idle for so long, as Node does after 5 s.
async fn impatient(idle: Duration) -> Endpoint {
    Endpoint::start(move |mut accepted| async move {
        while let Ok(Some(_)) = timeout(idle, accepted.request()).await {
            accepted.conn.send(OK).await;
        }
    })
    .await
}

/// Sends POSTs, each so long after the last; gives their statuses.
async fn at_intervals(proxy: &Proxy, ids: std::ops::Range<usize>, pause: Duration) -> Vec<u16> {
    let mut client = proxy.connect().await;
    let mut ticks = interval_at(Instant::now(), pause);
    let mut statuses = Vec::new();
    for id in ids {
        ticks.tick().await;
        client.send(post(id)).await;
        statuses.push(status(&client.answer().await.0));
    }
    statuses
}

#[tokio::test]
async fn posts_at_the_very_moment_when_idle_connections_end_are_sent_once_and_answered() {
    const CLIENTS: usize = 20;
    let (idle, rounds, settings) = Form {
        short: (Duration::from_secs(1), 6, "  connectionPool: {idleTimeout: 600ms}\n"),
        long: (Duration::from_secs(5), 120, ""),
    }
    .chosen();
    let endpoint = impatient(idle).await;
    let proxy = Proxy::start(&Pool { extra: settings, ..Pool::of(&[endpoint.addr]) }).await;
    let clients = (0..CLIENTS).map(|client| at_intervals(&proxy, client * rounds..(client + 1) * rounds, idle));
    let statuses = futures::future::join_all(clients).await.concat();
    assert!(statuses.iter().all(|status| *status == 200), "{statuses:?}");
    let seen = seen([&endpoint]);
    assert_eq!((seen.len(), seen.values().max()), (CLIENTS * rounds, Some(&1)));
}

#[tokio::test]
async fn posts_that_race_with_the_end_of_their_connection_are_lost_rather_than_sent_twice() {
    const CLIENTS: usize = 20;
    const ROUNDS: usize = 15;
    let idle = Duration::from_millis(100);
    let endpoint = impatient(idle).await;
    let long = "  connectionPool: {idleTimeout: 1h}\n";
    let proxy = Proxy::start(&Pool { extra: long, ..Pool::of(&[endpoint.addr]) }).await;
    let clients = (0..CLIENTS).map(|client| at_intervals(&proxy, client * ROUNDS..(client + 1) * ROUNDS, idle));
    let statuses = futures::future::join_all(clients).await.concat();
    let answered = statuses.iter().filter(|status| **status == 200).count();
    assert!(statuses.iter().all(|status| [200, 502].contains(status)), "{statuses:?}");
    let seen = seen([&endpoint]);
    assert!(seen.values().all(|times| *times == 1), "{seen:?}");
    assert!(answered > CLIENTS * ROUNDS / 2 && seen.len() >= answered, "{answered} answered, {} seen", seen.len());
}

/// Reads a request and breaks off somewhere, or answers.
async fn moody(mut accepted: Accepted) {
    while accepted.request().await.is_some() {
        match fastrand::u8(..6) {
            0 => return accepted.conn.reset(),
            1 => {
                accepted.conn.send("HTTP/1.1 2").await;
                return accepted.conn.reset();
            }
            2 => return,
            3 => {
                accepted.conn.send(OK).await;
                return accepted.conn.reset();
            }
            _ => accepted.conn.send(OK).await,
        }
    }
}

#[tokio::test]
async fn no_post_is_sent_twice_however_endpoints_break_off() {
    const CLIENTS: usize = 8;
    let rounds = Form { short: 100, long: 5_000 }.chosen();
    let endpoints = [Endpoint::start(moody).await, Endpoint::start(moody).await, Endpoint::start(moody).await];
    let listed = "  retry: {attempts: 10, codes: [500, 502, 503, 504]}\n";
    let addresses = endpoints.each_ref().map(|endpoint| endpoint.addr);
    let proxy = Proxy::start(&Pool { extra: listed, ..Pool::of(&addresses) }).await;
    let clients = (0..CLIENTS).map(async |client| {
        let mut answered = Vec::new();
        for id in client * rounds..(client + 1) * rounds {
            if status(&proxy.ask(&post(id)).await.0) == 200 {
                answered.push(id);
            }
        }
        answered
    });
    let answered = futures::future::join_all(clients).await.concat();
    let seen = seen(&endpoints);
    let twice: Vec<_> = seen.iter().filter(|(_, times)| **times > 1).collect();
    assert!(twice.is_empty(), "{twice:?}");
    assert!(answered.iter().all(|id| seen.contains_key(id)), "an answer to what no endpoint saw");
    assert!(answered.len() > CLIENTS * rounds / 3, "{} answered", answered.len());
    proxy.settles().await;
}

async fn steady(proxy: &Proxy, time: Duration) -> LoadReport {
    let settings = Settings {
        rate: Some(300.0),
        stop: Stop::After(time),
        concurrency: 32,
        ..Settings::to(&proxy.addr.to_string())
    };
    load(settings).await
}

#[tokio::test]
async fn no_small_request_fails_while_endpoints_close_idle_connections() {
    let behaviour = Behaviour { keep_alive: Duration::from_millis(20), ..Behaviour::default() };
    let server = XServer::start("127.0.0.1:0".parse().unwrap(), "hasty", behaviour).await.unwrap();
    let proxy = Proxy::start(&Pool::of(&[server.addr()])).await;
    let report = steady(&proxy, Duration::from_secs(4)).await;
    assert_eq!((report.counts.failed, report.counts.ok), (0, 1_200), "{:?}", report.first_failures);
}

/// A server on a thread of its own, which ends in one moment when the sender is dropped: its connections break.
fn mortal() -> (SocketAddr, tokio::sync::oneshot::Sender<()>) {
    let (end, ended) = tokio::sync::oneshot::channel::<()>();
    let (tell, told) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            tell.send(xserver("mortal").await.addr()).unwrap();
            let _ = ended.await;
        });
    });
    (told.recv().unwrap(), end)
}

#[tokio::test]
async fn no_small_request_fails_while_one_endpoint_of_three_dies() {
    let (first, second, (mortal, end)) = (xserver("first").await, xserver("second").await, mortal());
    let proxy = Proxy::start(&Pool::of(&[first.addr(), second.addr(), mortal])).await;
    let death = async {
        tokio::time::sleep(Duration::from_millis(1_500)).await;
        drop(end);
    };
    let (report, ()) = tokio::join!(steady(&proxy, Duration::from_secs(4)), death);
    assert_eq!((report.counts.failed, report.counts.ok), (0, 1_200), "{:?}", report.first_failures);
    assert!(report.counts.by_server["mortal"] > 50, "{:?}", report.counts.by_server);
}
