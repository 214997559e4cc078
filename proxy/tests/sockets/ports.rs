//! Pools of one process that want one port: the older gets it, whatever came first, and nothing is closed that need not be.
//!
//! Files do not say when a pool was made, so that names decide here: `alpha` comes before `omega`.

use std::time::Duration;

use evenkeel_tests::load::{Settings, Stop};

use crate::endpoint::Endpoint;
use crate::pool::{PORT, Pool, load, xservers};
use crate::proxy::{Proxy, until};
use crate::wire::{Conn, GET, OK, status};

fn pool(name: &'static str, port: u16, endpoint: &Endpoint) -> Pool {
    Pool { name, port, ..Pool::of(&[endpoint.addr]) }
}

/// The refusal of a pool that has one.
async fn refusal(proxy: &Proxy, index: usize) -> String {
    let mut refusal = None;
    until("the pool is refused", async || {
        refusal = proxy.status().await.pools.remove(index).last_refusal;
        refusal.is_some()
    })
    .await;
    refusal.unwrap().message
}

async fn is_well(proxy: &Proxy, index: usize) -> bool {
    let pool = proxy.status().await.pools.remove(index);
    pool.last_refusal.is_none() && pool.generation.is_some()
}

#[tokio::test]
async fn a_younger_pool_waits_for_the_port_and_takes_it_when_it_is_free() {
    let endpoint = Endpoint::answering(OK).await;
    let (alpha, omega) = (pool("alpha", PORT, &endpoint), pool("omega", PORT + 1, &endpoint));
    let proxy = Proxy::with(&[&alpha, &omega], &["--sidecar"]).await;

    proxy.edit_one(1, &Pool { port: PORT, ..omega.clone() });
    let refusal = refusal(&proxy, 1).await;
    assert!(refusal.contains("port 18080 belongs to pool default/alpha"), "{refusal}");
    assert!(refusal.contains("choose another spec.listener.port"), "{refusal}");
    // Its last good table serves; neither that nor the other pool is disturbed, and the pod stays in service.
    for pool in [&alpha, &omega] {
        let mut client = Conn::connect(proxy.at(pool)).await;
        client.send(GET).await;
        assert_eq!(status(&client.answer().await.0), 200);
    }
    assert_eq!((proxy.probe("/readyz").await, proxy.probe("/startupz").await), (200, 200));
    assert_eq!(proxy.status().await.pools[1].generation, Some(0));

    proxy.edit_one(0, &Pool { port: PORT + 2, ..alpha });
    until("it takes the port", async || is_well(&proxy, 1).await).await;
    until("its former port is closed", async || Conn::try_connect(proxy.at(&omega)).await.is_none()).await;
}

#[tokio::test]
async fn an_older_pool_takes_the_port_and_the_younger_one_says_so_and_gets_it_back() {
    let (one, two) = (Endpoint::answering(OK).await, Endpoint::answering(OK).await);
    let (alpha, omega) = (pool("alpha", PORT, &one), pool("omega", PORT + 1, &two));
    let proxy = Proxy::with(&[&omega, &alpha], &["--sidecar"]).await;
    let mut before = Conn::connect(proxy.at(&omega)).await;
    before.send(GET).await;
    before.answer().await;
    assert_eq!(two.heads().len(), 1);

    proxy.edit_one(1, &Pool { port: PORT + 1, ..alpha.clone() });
    let refusal = refusal(&proxy, 0).await;
    assert!(refusal.contains("port 18081 belongs to pool default/alpha"), "{refusal}");
    assert_eq!(proxy.status().await.pools[0].generation, None, "it does not listen");
    assert_eq!(proxy.probe("/readyz").await, 200, "the other pool serves");
    let mut client = Conn::connect(proxy.at(&omega)).await;
    client.send(GET).await;
    client.answer().await;
    assert_eq!(one.heads().len(), 1);
    // Who was connected before stays with the pool that he asked for.
    before.send(GET).await;
    assert_eq!(status(&before.answer().await.0), 200);
    assert_eq!((one.heads().len(), two.heads().len()), (1, 2));

    proxy.edit_one(1, &alpha);
    until("it has its port again", async || is_well(&proxy, 0).await).await;
    let mut client = Conn::connect(proxy.at(&omega)).await;
    client.send(GET).await;
    client.answer().await;
    assert_eq!(two.heads().len(), 3);
}

#[tokio::test]
async fn two_pools_swap_their_ports() {
    let (one, two) = (Endpoint::answering(OK).await, Endpoint::answering(OK).await);
    for first in [0, 1] {
        let pools = [pool("alpha", PORT, &one), pool("omega", PORT + 1, &two)];
        let proxy = Proxy::with(&[&pools[0], &pools[1]], &["--sidecar"]).await;
        let swapped = [Pool { port: PORT + 1, ..pools[0].clone() }, Pool { port: PORT, ..pools[1].clone() }];
        proxy.edit_one(first, &swapped[first]);
        refusal(&proxy, 1).await; // of the two it is the younger one that waits, in either order
        proxy.edit_one(1 - first, &swapped[1 - first]);
        until("both are well", async || is_well(&proxy, 0).await && is_well(&proxy, 1).await).await;
        for (pool, endpoint) in swapped.iter().zip([&one, &two]) {
            let before = endpoint.heads().len();
            let mut client = Conn::connect(proxy.at(pool)).await;
            client.send(GET).await;
            assert_eq!(status(&client.answer().await.0), 200);
            assert_eq!(endpoint.heads().len(), before + 1, "{} has its own endpoint", pool.name);
        }
    }
}

#[tokio::test]
async fn a_port_goes_from_pool_to_pool_under_load_and_no_request_fails() {
    let [a, b] = xservers::<2>().await;
    let alpha = |port| Pool { name: "alpha", port, ..Pool::of(&[a.addr()]) };
    let omega = Pool { name: "omega", port: PORT, ..Pool::of(&[b.addr()]) };
    let proxy = Proxy::with(&[&alpha(PORT + 1), &omega], &["--sidecar"]).await;
    let asks = load(Settings {
        rate: Some(300.0),
        stop: Stop::After(Duration::from_secs(4)),
        concurrency: 16,
        keep_alive_percent: 50,
        ..Settings::to(&proxy.at(&omega).to_string())
    });
    let edits = async {
        for _ in 0..3 {
            proxy.edit_one(0, &alpha(PORT));
            until("alpha has it", async || proxy.status().await.pools[1].generation.is_none()).await;
            proxy.edit_one(0, &alpha(PORT + 1));
            until("omega has it", async || is_well(&proxy, 1).await).await;
        }
    };
    let (report, ()) = tokio::join!(asks, edits);
    assert_eq!((report.counts.failed, report.counts.replays), (0, 0), "{:?}", report.first_failures);
    assert!(report.counts.by_server.len() == 2, "{:?}", report.counts.by_server);
}

#[tokio::test]
async fn a_port_of_somebody_else_is_the_matter_of_one_pool_alone() {
    let endpoint = Endpoint::answering(OK).await;
    let (alpha, omega) = (pool("alpha", PORT, &endpoint), pool("omega", PORT + 1, &endpoint));
    let proxy = Proxy::with(&[&alpha, &omega], &["--sidecar"]).await;
    let taken = std::net::TcpListener::bind((proxy.addr.ip(), PORT + 2)).unwrap();
    proxy.edit_one(0, &Pool { port: PORT + 2, ..alpha });
    let refusal = refusal(&proxy, 0).await;
    assert!(refusal.contains("cannot listen on") && refusal.contains("free the port"), "{refusal}");
    assert!(is_well(&proxy, 1).await);
    assert_eq!(status(&proxy.ask(GET).await.0), 200, "alpha stays where it was");
    drop(taken);
    until("it takes the port", async || is_well(&proxy, 0).await).await;
}

#[tokio::test]
async fn files_that_want_one_port_end_the_start() {
    let endpoint = Endpoint::answering(OK).await;
    let folder = tempfile::tempdir().unwrap();
    let mut command = crate::proxy::command();
    for name in ["omega", "alpha"] {
        let path = folder.path().join(name);
        std::fs::write(&path, pool(name, PORT, &endpoint).yaml()).unwrap();
        command.arg("--pool").arg(path);
    }
    let ip = crate::proxy::own_address().to_string();
    command.args(["--bind", &ip, "--admin", &format!("{ip}:19440")]);
    let ends = || evenkeel_tests::process::ChildGuard::spawn(command).unwrap().finish(crate::wire::SOON);
    let finished = tokio::task::spawn_blocking(ends).await.unwrap().unwrap();
    let error = finished.stderr.join("\n");
    assert_eq!(finished.status.code(), Some(1), "{error}");
    assert!(error.contains("belongs to pool default/alpha"), "{error}");
}
