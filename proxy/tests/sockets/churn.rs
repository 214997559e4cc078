//! Listeners, settings and whole proxies come and go; who is connected elsewhere, or asks elsewhere in time, does not notice.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use evenkeel_tests::load::{Settings, Stop};
use evenkeel_tests::process::Signal;
use tokio::time::{Instant, interval, sleep_until};

use crate::api::Api;
use crate::endpoint::Endpoint;
use crate::namespace::{in_namespace, xserver};
use crate::pool::{PORT, Pool, load};
use crate::proxy::{Proxy, own_address, until};
use crate::tables::{NAMESPACE, parts};
use crate::wire::{Conn, GET, OK, POST, field, status};

/// Changes ten times a second, so many times.
async fn ten_times_a_second(times: usize, mut change: impl FnMut(usize)) {
    let mut tick = interval(Duration::from_millis(100));
    for number in 0..times {
        tick.tick().await;
        change(number);
    }
}

/// Asks on one connection for as long as it is told to; how often.
async fn keeps_asking(addr: SocketAddr, goes_on: Arc<AtomicBool>) -> usize {
    let mut client = Conn::connect(addr).await;
    let mut asked = 0;
    while goes_on.load(Relaxed) {
        client.send(if asked % 2 == 0 { GET } else { POST }).await;
        let (head, _) = client.answer().await;
        assert_eq!((status(&head), field(&head, "connection")), (200, None), "after {asked}");
        asked += 1;
        tokio::time::sleep(Duration::from_millis(1)).await; // so that no connection wears out by ten thousand requests
    }
    asked
}

/// Lets clients ask on a connection each while `change` runs.
async fn nobody_notices(addr: SocketAddr, change: impl Future<Output = ()>) {
    let goes_on = Arc::new(AtomicBool::new(true));
    let clients: Vec<_> = (0..4).map(|_| tokio::spawn(keeps_asking(addr, Arc::clone(&goes_on)))).collect();
    change.await;
    goes_on.store(false, Relaxed);
    for client in clients {
        let asked = client.await.unwrap();
        assert!(asked > 50, "{asked}");
    }
}

/// A proxy of these pools, which come from that API server.
async fn watching(api: &Api, pools: &[&Pool]) -> Proxy {
    let folder = tempfile::tempdir().unwrap();
    let kubeconfig = api.kubeconfig(folder.path()).display().to_string();
    let names: Vec<_> = pools.iter().map(|pool| format!("{NAMESPACE}/{}", pool.name)).collect();
    let mut arguments = vec!["--threads", "2", "--kubeconfig", &kubeconfig, "--watch"];
    arguments.extend(names.iter().map(String::as_str));
    for pool in pools {
        api.put(pool.name, parts(pool, 0));
    }
    let proxy = Proxy::run(own_address(), PORT, folder, arguments).await;
    until("it serves", async || proxy.probe("/readyz").await == 200).await;
    proxy
}

/// How many tables of a pool came into force.
async fn loads(proxy: &Proxy, pool: &str) -> u64 {
    let pool = format!("pool=\"{pool}\"");
    proxy.metric("evenkeel_table_loads_total", &[&pool, r#"result="ok""#]).await
}

in_namespace! {
    async fn another_listener_comes_and_goes_and_nobody_on_the_first_notices() {
        let server = xserver("a").await;
        let first = Pool { name: "first", ..Pool::of(&[server.addr()]) };
        let at = |port| Pool { name: "second", port, ..Pool::of(&[server.addr()]) };
        let api = Api::start();
        let proxy = watching(&api, &[&first, &at(PORT + 1)]).await;
        let edits = ten_times_a_second(30, |number| {
            let generation = i64::try_from(number).unwrap() + 1;
            api.put("second", parts(&at(PORT + 1 + u16::from(number % 2 == 0)), generation));
        });
        let newcomers = load(Settings {
            rate: Some(300.0),
            stop: Stop::After(Duration::from_secs(3)),
            keep_alive_percent: 0,
            ..Settings::to(&proxy.addr.to_string())
        });
        let changes = async {
            let ((), report) = tokio::join!(edits, newcomers);
            assert_eq!(report.counts.failed, 0, "{:?}", report.first_failures);
        };
        nobody_notices(proxy.addr, changes).await;
        // It did come and go, and is where it was told to be last.
        assert!(loads(&proxy, "second").await > 25);
        let closed = proxy.log().iter().filter(|line| line.contains("listening no more")).count();
        assert!(closed > 25, "{closed} times");
        until("it listens", async || Conn::try_connect(proxy.at(&at(PORT + 1))).await.is_some()).await;
        until("it is gone", async || Conn::try_connect(proxy.at(&at(PORT + 2))).await.is_none()).await;
    }

    async fn settings_change_ten_times_a_second_and_no_connection_is_closed() {
        const SETTINGS: [&str; 4] = [
            "",
            "  headers: {response: {set: [{name: X-Round, value: odd}]}}\n",
            "  limits: {requestBody: 1Mi}\n  connectionPool: {idleTimeout: 1s}\n",
            "  headers: {request: {remove: [X-A]}}\n  connectionPool: {maxIdlePerEndpoint: 1}\n",
        ];
        let server = xserver("a").await;
        let with = |number: usize| Pool {
            extra: SETTINGS[number % SETTINGS.len()],
            response_header: if number.is_multiple_of(2) { "5s" } else { "7s" },
            ..Pool::of(&[server.addr()])
        };
        let api = Api::start();
        let proxy = watching(&api, &[&with(0)]).await;
        let mut silent = proxy.connect().await;
        let put = |number: usize| api.put("web", parts(&with(number), i64::try_from(number).unwrap()));
        nobody_notices(proxy.addr, ten_times_a_second(29, |number| put(number + 1))).await;
        until("the last is in force", async || proxy.status().await.pools[0].generation == Some(29)).await;
        assert!(loads(&proxy, "web").await > 25);
        silent.send(GET).await;
        let (head, _) = silent.answer().await;
        assert_eq!((status(&head), field(&head, "x-round")), (200, Some("odd")), "what is new holds on what is old");
    }
}

/// Asks one proxy until it says that the connection ends or takes none any more, then the other. Every request has its
/// answer.
async fn prefers_but_can_change(
    one: SocketAddr,
    other: SocketAddr,
    goes_on: Arc<AtomicBool>,
    refused: Arc<AtomicUsize>,
) -> usize {
    let mut asked = 0;
    while goes_on.load(Relaxed) {
        let mut client = if let Some(client) = Conn::try_connect(one).await {
            client
        } else {
            refused.fetch_add(1, Relaxed);
            Conn::connect(other).await
        };
        for number in 0..20 {
            client.send(if number % 3 == 0 { POST } else { GET }).await;
            let (head, body) = client.answer().await;
            assert_eq!((status(&head), body.as_str()), (200, "ok"), "after {asked}");
            asked += 1;
            if field(&head, "connection") == Some("close") {
                break;
            }
            tokio::time::sleep(Duration::from_millis(1)).await; // a client's own work
        }
    }
    asked
}

#[tokio::test]
async fn a_proxy_that_ends_loses_no_request_of_clients_that_know_another() {
    let endpoint = Endpoint::answering(OK).await;
    let pool = Pool::of(&[endpoint.addr]);
    let (first, second) = (Proxy::start(&pool).await, Proxy::start(&pool).await);
    let (goes_on, refused) = (Arc::new(AtomicBool::new(true)), Arc::<AtomicUsize>::default());
    let client = || prefers_but_can_change(first.addr, second.addr, Arc::clone(&goes_on), Arc::clone(&refused));
    let clients: Vec<_> = (0..8).map(|_| tokio::spawn(client())).collect();
    until("the clients are at work", async || endpoint.heads().len() > 200).await;
    first.signal(Signal::TERM);
    let begin = Instant::now();
    assert_eq!(first.finish(Duration::from_secs(20)).await.status.code(), Some(0));
    assert!((5_000..9_000).contains(&begin.elapsed().as_millis()), "{:?}", begin.elapsed());
    sleep_until(Instant::now() + Duration::from_millis(300)).await;
    goes_on.store(false, Relaxed);
    let mut asked = 0;
    for client in clients {
        asked += client.await.unwrap();
    }
    assert!(asked > 1_000 && refused.load(Relaxed) > 0, "{asked} asked, refused {refused:?}");
    assert_eq!(endpoint.heads().len(), asked, "each came once");
}
