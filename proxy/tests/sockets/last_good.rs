//! The copy of the last good table: a start while the API server is away.

use std::path::{Path, PathBuf};
use std::time::Duration;

use evenkeel_proxy::control::Source;
use evenkeel_tests::load::{Settings, Stop};
use evenkeel_tests::process::Signal;
use tokio::time::{Instant, sleep};

use crate::api::{Api, Mute, kubeconfig};
use crate::namespace::{in_namespace, xserver};
use crate::pool::{PORT, Pool, load};
use crate::proxy::{Proxy, own_address, until};
use crate::tables::parts;
use crate::wire::{Conn, GET, field, status};

/// A sidecar of these pools; the copies are in that directory.
pub(crate) async fn start(kubeconfig: &Path, copies: &Path, pools: &[&Pool]) -> Proxy {
    let names: Vec<_> = pools.iter().map(|pool| format!("shop/{}", pool.name)).collect();
    let mut arguments = vec!["--sidecar", "--kubeconfig", kubeconfig.to_str().unwrap()];
    arguments.extend(["--last-good", copies.to_str().unwrap(), "--watch"]);
    arguments.extend(names.iter().map(String::as_str));
    Proxy::run(own_address(), PORT, tempfile::tempdir().unwrap(), arguments).await
}

/// Ends a proxy as the kernel does for want of memory.
pub(crate) async fn kill(proxy: Proxy) {
    proxy.signal(Signal::KILL);
    proxy.finish(Duration::from_secs(5)).await;
}

async fn source(proxy: &Proxy, index: usize) -> (Source, Option<i64>) {
    let pool = proxy.status().await.pools.remove(index);
    (pool.source, pool.generation)
}

pub(crate) async fn comes_to(proxy: &Proxy, index: usize, expected: (Source, i64)) {
    let (expected_source, generation) = expected;
    until(&format!("{expected:?}"), async || source(proxy, index).await == (expected_source, Some(generation))).await;
}

/// The generation in a pool's copy, if there is one; a panic if it is none.
pub(crate) fn copied(copies: &Path, pool: &str) -> Option<i64> {
    let text = std::fs::read(copies.join(format!("shop.{pool}.json"))).ok()?;
    let copy: serde_json::Value = serde_json::from_slice(&text).unwrap();
    let policy: serde_json::Value = serde_json::from_str(copy["table"]["data"]["policy.json"].as_str()?).unwrap();
    policy["generation"].as_i64()
}

/// A folder with a copy of two pools, of generation 1, and the pools.
pub(crate) async fn with_copies(api: &Api, server: std::net::SocketAddr) -> (tempfile::TempDir, [Pool; 2]) {
    let pools = [Pool::of(&[server]), Pool { name: "api", port: PORT + 1, ..Pool::of(&[server]) }];
    let folder = tempfile::tempdir().unwrap();
    for pool in &pools {
        api.put(pool.name, parts(pool, 1));
    }
    let proxy = start(&api.kubeconfig(folder.path()), &copies(&folder), &[&pools[0], &pools[1]]).await;
    for pool in &pools {
        until("it is copied", async || copied(&copies(&folder), pool.name) == Some(1)).await;
    }
    assert_eq!(source(&proxy, 0).await, (Source::Watch, Some(1)));
    kill(proxy).await;
    (folder, pools)
}

pub(crate) fn copies(folder: &tempfile::TempDir) -> PathBuf {
    folder.path().join("copies")
}

in_namespace! {
    async fn without_the_api_server_it_starts_from_the_copy_and_takes_the_newer_table_when_that_is_back() {
        let server = xserver("a").await;
        let mut api = Api::start();
        let (folder, [web, other]) = with_copies(&api, server.addr()).await;
        api.goes().await;

        let begin = Instant::now();
        let proxy = start(&api.kubeconfig(folder.path()), &copies(&folder), &[&web, &other]).await;
        assert_eq!(proxy.probe("/startupz").await, 200);
        assert!(begin.elapsed() < Duration::from_millis(900), "refused is refused: {:?}", begin.elapsed());
        for pool in [&web, &other] {
            let mut client = Conn::connect(proxy.at(pool)).await;
            client.send(GET).await;
            assert_eq!(field(&client.answer().await.0, "x-server"), Some("a"));
        }
        assert_eq!(source(&proxy, 1).await, (Source::LastGood, Some(1)));
        let why = proxy.status().await.pools[0].waiting_for.clone().unwrap();
        assert!(why.contains("ConfigMap shop/evenkeel-web cannot be watched") && why.contains("refused"), "{why}");
        assert_eq!(proxy.metric("evenkeel_table_last_good", &[r#"namespace="shop""#]).await, 2);
        let log = proxy.logs("starting from the last good copy").await;
        assert!(log.contains("pool shop/") && log.contains("cannot be watched"), "{log}");

        // It is back, with another table for one of the two.
        let asks = load(Settings {
            rate: Some(200.0),
            stop: Stop::After(Duration::from_secs(4)),
            keep_alive_percent: 50,
            concurrency: 8,
            ..Settings::to(&proxy.addr.to_string())
        });
        let back = async {
            api.put("web", parts(&Pool { connect: "1s", ..web.clone() }, 2));
            api.comes();
            comes_to(&proxy, 0, (Source::Watch, 2)).await;
            comes_to(&proxy, 1, (Source::Watch, 1)).await;
        };
        let (report, ()) = tokio::join!(asks, back);
        assert_eq!((report.counts.failed, report.counts.replays), (0, 0), "{:?}", report.first_failures);
        assert_eq!(proxy.metric("evenkeel_table_last_good", &[]).await, 0);
        assert_eq!(proxy.status().await.pools[0].waiting_for, None);
        until("the newer one is copied", async || copied(&copies(&folder), "web") == Some(2)).await;
    }

    async fn an_api_server_that_says_nothing_is_waited_for_a_second() {
        let server = xserver("a").await;
        let api = Api::start();
        let (folder, [web, other]) = with_copies(&api, server.addr()).await;
        let mute = Mute::start();
        let begin = Instant::now();
        let proxy = start(&kubeconfig(mute.addr, folder.path()), &copies(&folder), &[&web, &other]).await;
        assert_eq!(proxy.probe("/startupz").await, 200);
        let waited = begin.elapsed().as_millis();
        assert!((900..1_900).contains(&waited), "{waited} ms");
        assert_eq!(source(&proxy, 0).await, (Source::LastGood, Some(1)));
        let why = proxy.status().await.pools[0].waiting_for.clone().unwrap();
        assert_eq!(why, "the API server does not answer");
        assert_eq!(status(&proxy.ask(GET).await.0), 200);
        // A list that never ends is given up and asked for anew: whoever comes back on another connection is heard.
        proxy.logs("the watch failed and is tried again").await;
    }

    async fn a_copy_never_replaces_what_the_api_server_has() {
        let server = xserver("a").await;
        let api = Api::start();
        let (folder, [web, other]) = with_copies(&api, server.addr()).await;
        api.put("web", parts(&web, 2));
        let proxy = start(&api.kubeconfig(folder.path()), &copies(&folder), &[&web, &other]).await;
        assert_eq!(proxy.probe("/startupz").await, 200);
        assert_eq!(source(&proxy, 0).await, (Source::Watch, Some(2)));
        // Longer than a silent API server is waited for.
        sleep(Duration::from_millis(1_300)).await;
        assert_eq!(source(&proxy, 0).await, (Source::Watch, Some(2)));
        assert!(!proxy.log().iter().any(|line| line.contains("starting from the last good copy")));
    }

    async fn what_is_published_is_bad_or_gone_and_the_copy_serves() {
        let server = xserver("a").await;
        let api = Api::start();
        let (folder, [web, other]) = with_copies(&api, server.addr()).await;
        api.put("web", parts(&Pool::of(&["127.0.0.1:80".parse().unwrap()]), 2));
        api.delete("api");
        let proxy = start(&api.kubeconfig(folder.path()), &copies(&folder), &[&web, &other]).await;
        assert_eq!(proxy.probe("/startupz").await, 200);
        for index in [0, 1] {
            comes_to(&proxy, index, (Source::LastGood, 1)).await;
        }
        let pools = proxy.status().await.pools;
        assert!(pools[0].last_refusal.as_ref().unwrap().message.contains("loopback"), "{pools:?}");
        assert!(pools[1].waiting_for.as_ref().unwrap().contains("there is no ConfigMap shop/evenkeel-api"), "{pools:?}");
        assert_eq!(copied(&copies(&folder), "web"), Some(1), "what is bad is not copied");
        api.put("web", parts(&web, 3));
        comes_to(&proxy, 0, (Source::Watch, 3)).await;
    }

    async fn while_it_runs_the_api_server_may_come_and_go() {
        let server = xserver("a").await;
        let mut api = Api::start();
        let (folder, [web, other]) = with_copies(&api, server.addr()).await;
        let proxy = start(&api.kubeconfig(folder.path()), &copies(&folder), &[&web, &other]).await;
        comes_to(&proxy, 0, (Source::Watch, 1)).await;
        api.goes().await;
        proxy.logs("the watch failed and is tried again").await;
        assert_eq!(status(&proxy.ask(GET).await.0), 200);
        assert_eq!((source(&proxy, 0).await, proxy.probe("/readyz").await), ((Source::Watch, Some(1)), 200));
        api.put("web", parts(&web, 2));
        api.comes();
        comes_to(&proxy, 0, (Source::Watch, 2)).await;
        api.delete("web");
        until("it is said", async || proxy.status().await.pools[0].last_refusal.is_some()).await;
        assert_eq!(status(&proxy.ask(GET).await.0), 200, "what is in force stays");
        assert_eq!(source(&proxy, 0).await, (Source::Watch, Some(2)));
    }

    async fn without_a_copy_it_waits_and_says_for_what() {
        let server = xserver("a").await;
        let mut api = Api::start();
        let folder = tempfile::tempdir().unwrap();
        let web = Pool::of(&[server.addr()]);
        let proxy = start(&api.kubeconfig(folder.path()), &copies(&folder), &[&web]).await;
        let (head, body) = proxy.admin("/startupz").await;
        assert_eq!(status(&head), 503);
        let expected = "pool shop/web has no table yet: there is no ConfigMap shop/evenkeel-web: make the BalancerPool web";
        assert!(body.starts_with(expected), "{body}");
        api.goes().await;
        api.comes();
        api.put("web", parts(&web, 1));
        comes_to(&proxy, 0, (Source::Watch, 1)).await;
        assert_eq!(proxy.probe("/startupz").await, 200);
    }

    async fn beside_a_running_application_a_clash_of_ports_holds_up_no_restart() {
        let server = xserver("a").await;
        let api = Api::start();
        let (folder, [web, other]) = with_copies(&api, server.addr()).await;
        // Now both want one port: `api` has it, by its name.
        api.put("web", parts(&Pool { port: other.port, ..web.clone() }, 2));
        let proxy = start(&api.kubeconfig(folder.path()), &copies(&folder), &[&web, &other]).await;
        assert_eq!((proxy.probe("/startupz").await, proxy.probe("/readyz").await), (200, 200));
        let refusal = proxy.status().await.pools[0].last_refusal.clone().unwrap().message;
        assert!(refusal.contains("belongs to pool shop/api"), "{refusal}");
        kill(proxy).await;

        // A new pod does not begin so: its rollout stops while the former pods serve.
        let fresh = tempfile::tempdir().unwrap();
        let proxy = start(&api.kubeconfig(fresh.path()), &copies(&fresh), &[&web, &other]).await;
        let (head, body) = proxy.admin("/startupz").await;
        assert_eq!(status(&head), 503);
        let expected = "pool shop/web does not listen: port 18081 belongs to pool shop/api here, which is older; choose another";
        assert!(body.starts_with(expected), "{body}");
        api.put("web", parts(&web, 3));
        until("it starts", async || proxy.probe("/startupz").await == 200).await;
    }

    async fn to_name_a_pool_twice_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let mut command = crate::proxy::command();
        command.args(["--watch", "shop/web", "shop/web", "--kubeconfig"]).arg(kubeconfig(Mute::start().addr, folder.path()));
        let run = || evenkeel_tests::process::ChildGuard::spawn(command).unwrap().finish(crate::wire::SOON);
        let finished = tokio::task::spawn_blocking(run).await.unwrap().unwrap();
        assert_eq!(finished.status.code(), Some(1));
        assert!(finished.stderr.join("\n").contains("--watch names shop/web twice; name each pool once"), "{finished:?}");
    }
}
