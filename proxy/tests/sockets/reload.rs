//! A changed file changes what is next, and disturbs nothing that is under way.

use std::time::Duration;

use evenkeel_tests::load::{LoadReport, Settings, Stop};
use tokio::time::{Instant, interval};

use crate::endpoint::Endpoint;
use crate::pool::{Pool, load, xservers};
use crate::proxy::{Proxy, until};
use crate::wire::{Conn, GET, OK, status};

/// Steady load, half of it on kept connections.
fn under_load(proxy: &Proxy, time: Duration) -> impl Future<Output = LoadReport> + use<> {
    load(Settings {
        rate: Some(300.0),
        stop: Stop::After(time),
        concurrency: 16,
        keep_alive_percent: 50,
        ..Settings::to(&proxy.addr.to_string())
    })
}

#[tokio::test]
async fn weights_change_ten_times_a_second_and_no_request_fails() {
    let [a, b] = xservers::<2>().await;
    let pool = |weight| Pool::shared(&[(weight, &[a.addr()]), (100 - weight, &[b.addr()])]);
    let proxy = Proxy::start(&pool(50)).await;
    let edits = async {
        let mut tick = interval(Duration::from_millis(100));
        for weight in [1, 99, 30, 0, 80, 100].into_iter().cycle().take(30) {
            tick.tick().await;
            proxy.edit(&pool(weight));
        }
    };
    let (report, ()) = tokio::join!(under_load(&proxy, Duration::from_secs(3)), edits);
    assert_eq!(report.counts.failed, 0, "{:?}", report.first_failures);
    assert_eq!((report.counts.ok, report.counts.replays), (900, 0));

    proxy.edit(&pool(20));
    proxy.takes(&pool(20)).await;
    let before = (a.answered(), b.answered());
    load(Settings { stop: Stop::Requests(200), ..Settings::to(&proxy.addr.to_string()) }).await;
    let shares = (a.answered() - before.0, b.answered() - before.1);
    assert!(shares.0.abs_diff(40) <= 2, "{shares:?}");
}

#[tokio::test]
async fn endpoints_are_replaced_under_load_and_no_request_fails() {
    let servers = xservers::<4>().await;
    let at = |indices: &[usize]| Pool::of(&indices.iter().map(|index| servers[*index].addr()).collect::<Vec<_>>());
    let proxy = Proxy::start(&at(&[0, 1])).await;
    let edits = async {
        let mut tick = interval(Duration::from_millis(300));
        for round in 0..10 {
            tick.tick().await;
            proxy.edit(&at(&[round % 4, (round + 1) % 4]));
        }
    };
    let (report, ()) = tokio::join!(under_load(&proxy, Duration::from_secs(3)), edits);
    assert_eq!((report.counts.failed, report.counts.replays), (0, 0), "{:?}", report.first_failures);
    assert!(servers.iter().all(|server| server.answered() > 0));
    proxy.settles().await;
}

#[tokio::test]
async fn another_port_opens_the_old_one_closes_and_its_connections_live_on() {
    let endpoint = Endpoint::answering(OK).await;
    let pool = Pool::of(&[endpoint.addr]);
    let proxy = Proxy::start(&pool).await;
    let mut old = proxy.connect().await;
    old.send(GET).await;
    assert_eq!(status(&old.answer().await.0), 200);

    let moved = Pool { port: pool.port + 1, ..pool };
    proxy.edit(&moved);
    let new = (proxy.addr.ip(), moved.port);
    until("the new port is open", async || tokio::net::TcpStream::connect(new).await.is_ok()).await;
    until("the old port is closed", async || tokio::net::TcpStream::connect(proxy.addr).await.is_err()).await;
    old.send(GET).await;
    assert_eq!(status(&old.answer().await.0), 200);
    let mut client = Conn::connect(new.into()).await;
    client.send(GET).await;
    assert_eq!(status(&client.answer().await.0), 200);
    assert!(proxy.status().await.ready);
}

#[tokio::test]
async fn a_port_that_somebody_has_is_waited_for_and_the_old_one_stays() {
    let endpoint = Endpoint::answering(OK).await;
    let pool = Pool::of(&[endpoint.addr]);
    let proxy = Proxy::start(&pool).await;
    let taken = std::net::TcpListener::bind((proxy.addr.ip(), pool.port + 1)).unwrap();
    let moved = Pool { port: pool.port + 1, ..pool.clone() };
    proxy.edit(&moved);
    let refusal = refusal(&proxy).await;
    assert!(refusal.contains("cannot listen on") && refusal.contains("free the port"), "{refusal}");
    assert_eq!(status(&proxy.ask(GET).await.0), 200);
    drop(taken);
    proxy.takes(&moved).await;
    assert!(proxy.status().await.pools[0].last_refusal.is_none());
    until("the new port is open", async || Conn::try_connect((proxy.addr.ip(), moved.port).into()).await.is_some())
        .await;
}

async fn refusal(proxy: &Proxy) -> String {
    let mut refusal = None;
    until("the file is refused", async || {
        refusal = proxy.status().await.pools.remove(0).last_refusal;
        refusal.is_some()
    })
    .await;
    refusal.unwrap().message
}

#[tokio::test]
async fn a_broken_file_is_refused_by_line_and_field_and_the_last_good_one_stays() {
    let endpoint = Endpoint::answering(OK).await;
    let pool = Pool::of(&[endpoint.addr]);
    let proxy = Proxy::start(&pool).await;
    proxy.edit_text(pool.yaml().replace("weight: 1", "wieght: 1"));
    let message = refusal(&proxy).await;
    let place = format!("{}:10: spec.backends[0].wieght: ", proxy.path().display());
    assert!(message.starts_with(&place), "{message} does not begin with {place}");
    let last_load = proxy.metric("evenkeel_table_last_load_successful", &[]).await;
    let refused = proxy.metric("evenkeel_table_loads_total", &[r#"result="refused""#]).await;
    assert_eq!((last_load, refused), (0, 1));
    assert!(proxy.status().await.ready, "the last good table serves");
    assert_eq!(status(&proxy.ask(GET).await.0), 200);
    let log = proxy.log().join("\n");
    assert!(log.contains("table refused; the last good one stays") && log.contains("wieght"), "{log}");

    proxy.edit(&pool);
    proxy.reaches("evenkeel_table_last_load_successful", &[], 1).await;
    assert_eq!(proxy.status().await.pools[0].last_refusal, None);
}

#[tokio::test]
async fn whatever_becomes_of_the_file_the_last_good_one_stays() {
    let endpoint = Endpoint::answering(OK).await;
    let pool = Pool::of(&[endpoint.addr]);
    let proxy = Proxy::start(&pool).await;
    let path = proxy.path();
    let back = async || {
        proxy.edit(&pool);
        proxy.reaches("evenkeel_table_last_load_successful", &[], 1).await;
    };
    let refused = async |what: &str| {
        let message = refusal(&proxy).await;
        assert!(message.contains(what) && message.contains("pool-0.yaml"), "{what}: {message}");
        assert_eq!(status(&proxy.ask(GET).await.0), 200, "{what}");
    };

    std::fs::remove_file(&path).unwrap();
    refused("No such file").await;
    back().await;
    proxy.edit_text("");
    refused("pool-0.yaml").await;
    back().await;
    proxy.edit_text([0xff, 0xfe, 0, 1]);
    refused("UTF-8").await;
    back().await;
    proxy.edit_text(vec![b'#'; 2 << 20]);
    refused("at most").await;
    back().await;
    std::fs::remove_file(&path).unwrap();
    std::fs::create_dir(&path).unwrap();
    refused("no regular file").await;
    std::fs::remove_dir(&path).unwrap();
    back().await;
    // A pipe would hold up whoever opens it.
    std::fs::remove_file(&path).unwrap();
    assert!(std::process::Command::new("mkfifo").arg(&path).status().unwrap().success());
    refused("no regular file").await;
}

#[tokio::test]
async fn a_file_that_is_being_written_is_read_when_it_is_whole() {
    let [a, b] = xservers::<2>().await;
    let pool = Pool::shared(&[(50, &[a.addr()]), (50, &[b.addr()])]);
    let proxy = Proxy::start(&pool).await;
    let whole = Pool::shared(&[(60, &[a.addr()]), (40, &[b.addr()])]).yaml();
    let half = whole.split("    - name: b1").next().unwrap().to_owned();
    // An editor that writes a piece every few milliseconds, for half a second: half a pool is one, but never in force.
    let path = proxy.path();
    let (begin, mut tick) = (Instant::now(), interval(Duration::from_millis(10)));
    let mut padding = String::new();
    while begin.elapsed() < Duration::from_millis(500) {
        tick.tick().await;
        padding.push('#');
        std::fs::write(&path, format!("{half}{padding}\n")).unwrap();
    }
    std::fs::write(&path, &whole).unwrap();
    proxy.reaches("evenkeel_table_loads_total", &[r#"result="ok""#], 2).await;
    assert_eq!(proxy.metric("evenkeel_endpoints_ready", &[]).await, 2);
}
