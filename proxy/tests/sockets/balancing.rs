//! How endpoints are chosen, as clients see it: each algorithm in each situation, slow start, backups.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::time::Duration;

use evenkeel_tests::xserver::{Behaviour, XServer};

use crate::endpoint::nobody;
use crate::pool::{Pool, xserver, xservers};
use crate::proxy::{Proxy, until};
use crate::wire::{Conn, GET, field, status};

/// Waits until the test ends, or nearly.
const HOLD: &str = "GET /?delay=60s HTTP/1.1\r\nHost: shop.example\r\n\r\n";

/// One worker, so that turns are exact.
pub(crate) async fn start(pool: &Pool) -> Proxy {
    Proxy::with(&[pool], &["--threads", "1"]).await
}

/// Who answers so many requests, one after the other.
pub(crate) async fn answers(proxy: &Proxy, requests: usize) -> BTreeMap<String, usize> {
    let mut client = proxy.connect().await;
    let mut counts = BTreeMap::new();
    for _ in 0..requests {
        client.send(GET).await;
        let (head, _) = client.answer().await;
        *counts.entry(field(&head, "x-server").expect("an endpoint's answer").to_owned()).or_default() += 1;
    }
    counts
}

/// Holds one request more at some endpoint.
pub(crate) async fn hold(proxy: &Proxy, request: &str, already: u64) -> Conn {
    let mut client = proxy.connect().await;
    client.send(request).await;
    proxy.reaches("evenkeel_endpoint_requests_in_flight", &[], already + 1).await;
    client
}

/// How many requests are held at an endpoint.
pub(crate) async fn held(proxy: &Proxy, server: &XServer) -> u64 {
    proxy.metric("evenkeel_endpoint_requests_in_flight", &[&format!("endpoint=\"{}\"", server.addr())]).await
}

async fn odd(behaviour: Behaviour) -> [XServer; 2] {
    let odd = XServer::start("127.0.0.1:0".parse().unwrap(), "odd", behaviour).await.unwrap();
    [odd, xserver("even").await]
}

/// How many of so many requests the one gets that has a request under way.
async fn to_the_busy(balancing: &'static str, requests: usize) -> usize {
    let servers = xservers::<2>().await;
    let pool = Pool { balancing, ..Pool::of(&[servers[0].addr(), servers[1].addr()]) };
    let proxy = start(&pool).await;
    let _held = hold(&proxy, HOLD, 0).await;
    let busy = &servers[usize::from(held(&proxy, &servers[1]).await == 1)];
    answers(&proxy, requests).await.get(busy.name()).copied().unwrap_or_default()
}

/// How many of so many requests the odd one gets.
async fn to_the_odd(balancing: &'static str, requests: usize, behaviour: Behaviour) -> usize {
    let servers = odd(behaviour).await;
    let pool = Pool { balancing, ..Pool::of(&[servers[0].addr(), servers[1].addr()]) };
    let proxy = start(&pool).await;
    answers(&proxy, requests).await.get("odd").copied().unwrap_or_default()
}

/// What one of two gets of forty requests when it is busy, slow, or fails.
struct Case {
    balancing: &'static str,
    busy: RangeInclusive<usize>,
    slow: RangeInclusive<usize>,
    failing: RangeInclusive<usize>,
}

const REQUESTS: usize = 40;

/// In turn.
const HALF: RangeInclusive<usize> = 19..=21;
/// A draw: five standard deviations.
const DRAWN: RangeInclusive<usize> = 4..=36;
const FEW: RangeInclusive<usize> = 0..=6;
const NONE: RangeInclusive<usize> = 0..=0;
const ANY: RangeInclusive<usize> = 0..=REQUESTS;

const CASES: [Case; 9] = [
    Case { balancing: "{algorithm: RoundRobin}", busy: HALF, slow: HALF, failing: HALF },
    Case { balancing: "{}", busy: NONE, slow: FEW, failing: FEW },
    Case { balancing: "{algorithm: LeastRequest}", busy: NONE, slow: FEW, failing: FEW },
    Case { balancing: "{algorithm: Random}", busy: DRAWN, slow: DRAWN, failing: DRAWN },
    Case { balancing: "{algorithm: PeakEWMA}", busy: NONE, slow: FEW, failing: FEW },
    Case { balancing: "{algorithm: Score}", busy: ANY, slow: FEW, failing: FEW },
    Case {
        balancing: "{algorithm: Score, score: {load: 100, latency: 0, errors: 0, distance: 0}}",
        busy: NONE,
        slow: HALF,
        failing: 0..=10, // six of its own turns, then the gate
    },
    Case {
        balancing: "{algorithm: Score, score: {load: 0, latency: 100, errors: 0, distance: 0}}",
        busy: ANY,
        slow: FEW,
        failing: FEW,
    },
    Case {
        balancing: "{algorithm: Score, score: {load: 0, latency: 0, errors: 100, distance: 0}}",
        busy: HALF,
        slow: HALF,
        failing: FEW,
    },
];

#[tokio::test]
async fn each_algorithm_looks_at_what_it_says_that_it_looks_at() {
    for Case { balancing, busy, slow, failing } in CASES {
        let count = to_the_busy(balancing, REQUESTS).await;
        assert!(busy.contains(&count), "{balancing}: {count} to the busy one");
        let count =
            to_the_odd(balancing, REQUESTS, Behaviour { delay: Duration::from_millis(40), ..Behaviour::default() })
                .await;
        assert!(slow.contains(&count), "{balancing}: {count} to the slow one");
        let count = to_the_odd(balancing, REQUESTS, Behaviour { fail_percent: 100, ..Behaviour::default() }).await;
        assert!(failing.contains(&count), "{balancing}: {count} to the failing one");
    }
}

/// How many of so many requests a third endpoint gets that joins two others.
async fn to_the_newcomer(balancing: &'static str, requests: usize) -> (Proxy, usize) {
    let [a, b, c] = xservers::<3>().await;
    let pool = Pool { balancing, ..Pool::of(&[a.addr(), b.addr()]) };
    let proxy = start(&pool).await;
    answers(&proxy, 2).await;
    proxy.edit(&Pool { balancing, ..Pool::of(&[a.addr(), b.addr(), c.addr()]) });
    proxy.reaches("evenkeel_endpoints", &[], 3).await;
    let count = answers(&proxy, requests).await.get("s2").copied().unwrap_or_default();
    (proxy, count)
}

#[tokio::test]
async fn a_newcomer_begins_with_a_part_of_its_share() {
    // Of 210: a tenth of a share beside two, a half, all of it.
    for (balancing, expected) in [
        ("{algorithm: RoundRobin, slowStart: {window: 15m}}", 8..=12),
        ("{algorithm: RoundRobin, slowStart: {window: 15m, minPercent: 10}}", 8..=12),
        ("{algorithm: RoundRobin, slowStart: {window: 15m, minPercent: 50}}", 40..=44),
        ("{algorithm: RoundRobin, slowStart: {window: 15m, minPercent: 100}}", 68..=72),
        ("{algorithm: RoundRobin, slowStart: {window: 0s}}", 68..=72),
    ] {
        let (_, count) = to_the_newcomer(balancing, 210).await;
        assert!(expected.contains(&count), "{balancing}: {count}");
    }
    // Ten seconds without a word of it: at first a tenth, then more.
    let (_, count) = to_the_newcomer("{algorithm: RoundRobin}", 60).await;
    assert!(count < 18, "by default: {count}");
}

#[tokio::test]
async fn a_newcomer_has_all_of_its_share_after_the_window() {
    let (proxy, _) = to_the_newcomer("{algorithm: RoundRobin, slowStart: {window: 2s}}", 2).await;
    until("its share is whole", async || answers(&proxy, 60).await["s2"] == 20).await;
}

#[tokio::test]
async fn a_backup_serves_while_nobody_else_can() {
    let [first, standby] = xservers::<2>().await;
    let dead = nobody().await;
    let (first, standby) = ([first.addr()], [standby.addr()]);
    let pool = |main: &[std::net::SocketAddr], backups| Pool { backups, ..Pool::shared(&[(1, main), (5, &standby)]) };
    let proxy = start(&pool(&first, 1)).await;
    assert_eq!(answers(&proxy, 30).await, [("s0".to_owned(), 30)].into());
    proxy.settles().await;

    // Nobody answers there: the same request goes to the backup.
    let alone = start(&pool(&[dead], 1)).await;
    for _ in 0..10 {
        let (head, _) = alone.ask(GET).await;
        assert_eq!((status(&head), field(&head, "x-server")), (200, Some("s1")), "{head}");
    }

    // It is a backup no more.
    let plain = pool(&first, 0);
    proxy.edit(&plain);
    proxy.takes(&plain).await;
    assert_eq!(answers(&proxy, 30).await, [("s0".to_owned(), 5), ("s1".to_owned(), 25)].into());
}
