//! Tables from mounted ConfigMaps, for pods without access to the API server.

use std::time::Duration;

use evenkeel_proxy::control::Source;
use evenkeel_tests::load::{Settings, Stop};
use tokio::time::{Instant, interval};

use crate::namespace::{in_namespace, xserver};
use crate::pool::{PORT, Pool, load};
use crate::proxy::{Proxy, own_address, until};
use crate::tables::{Mount, grown, parts};
use crate::wire::{Conn, GET, field, status};

/// A sidecar on the mounts of that folder.
async fn start(folder: tempfile::TempDir, mounts: &[&Mount]) -> Proxy {
    let mut arguments = vec!["--sidecar", "--tables"];
    arguments.extend(mounts.iter().map(|mount| mount.path.to_str().unwrap()));
    let arguments: Vec<_> = arguments.into_iter().map(str::to_owned).collect();
    Proxy::run(own_address(), PORT, folder, arguments.iter().map(String::as_str)).await
}

fn mount(folder: &tempfile::TempDir, name: &str) -> Mount {
    Mount::empty(&folder.path().join(name))
}

async fn generation(proxy: &Proxy, index: usize) -> Option<i64> {
    proxy.status().await.pools[index].generation
}

in_namespace! {
    async fn tables_are_swapped_under_load_and_no_request_fails() {
        let (a, b) = (xserver("a").await, xserver("b").await);
        let pool = |weight| Pool::shared(&[(weight, &[a.addr()]), (100 - weight, &[b.addr()])]);
        let folder = tempfile::tempdir().unwrap();
        let mount = mount(&folder, "web");
        mount.put(&parts(&pool(50), 1));
        let proxy = start(folder, &[&mount]).await;
        assert_eq!(proxy.probe("/startupz").await, 200);
        let asks = load(Settings {
            rate: Some(300.0),
            stop: Stop::After(Duration::from_secs(4)),
            concurrency: 16,
            keep_alive_percent: 50,
            ..Settings::to(&proxy.addr.to_string())
        });
        let swaps = async {
            // Sooner than anybody looks, and later; with packed endpoints and without.
            let mut tick = interval(Duration::from_millis(70));
            for (generation, weight) in (2..).zip([1, 99, 30, 0, 80, 100].into_iter().cycle().take(50)) {
                tick.tick().await;
                mount.put(&grown(&pool(weight), generation, if generation % 3 == 0 { 5_000 } else { 0 }));
            }
        };
        let (report, ()) = tokio::join!(asks, swaps);
        assert_eq!((report.counts.failed, report.counts.replays), (0, 0), "{:?}", report.first_failures);
        until("the last table is in force", async || generation(&proxy, 0).await == Some(51)).await;
        let status = proxy.status().await.pools.remove(0);
        assert_eq!((status.source, status.last_refusal), (Source::Mount, None));
        let refused = proxy.metric("evenkeel_table_loads_total", &[r#"result="refused""#]).await;
        assert_eq!(refused, 0, "no parts of two tables were ever read as one");
    }

    async fn a_changed_mount_is_in_force_within_a_second() {
        let server = xserver("a").await;
        let pool = Pool::of(&[server.addr()]);
        let folder = tempfile::tempdir().unwrap();
        let mount = mount(&folder, "web");
        let proxy = start(folder, &[&mount]).await;
        mount.put(&parts(&pool, 1));
        let begin = Instant::now();
        // The probe waits for the table: it does not have to be asked again.
        assert_eq!(proxy.probe("/startupz").await, 200);
        assert!(begin.elapsed() < Duration::from_secs(1), "{:?}", begin.elapsed());
        assert_eq!(status(&proxy.ask(GET).await.0), 200);
    }

    async fn an_empty_or_missing_directory_is_said_and_waited_for() {
        let server = xserver("a").await;
        let (web, api) = (Pool::of(&[server.addr()]), Pool { name: "api", port: PORT + 1, ..Pool::of(&[server.addr()]) });
        let folder = tempfile::tempdir().unwrap();
        let first = mount(&folder, "web");
        let gone = folder.path().join("gone");
        let second = Mount::empty(&gone);
        std::fs::remove_dir_all(&gone).unwrap();
        let proxy = start(folder, &[&first, &second]).await;

        let begin = Instant::now();
        let (head, body) = proxy.admin("/startupz").await;
        let waited = begin.elapsed().as_millis();
        assert!(status(&head) == 503 && (1_900..2_900).contains(&waited), "{waited} ms: {head}");
        let said = |place: &std::path::Path| {
            let place = place.display();
            format!("{place} has no table yet: {place}: there is no table in it: mount the ConfigMap of a BalancerPool there\n")
        };
        assert_eq!(body, said(&first.path) + &said(&second.path));
        let pools = proxy.status().await.pools;
        assert_eq!(pools[0].name, first.path.display().to_string());
        assert!(pools[1].waiting_for.as_ref().unwrap().contains("mount the ConfigMap"));

        first.put(&parts(&web, 1));
        until("one is here", async || generation(&proxy, 0).await == Some(1)).await;
        assert_eq!(proxy.probe("/readyz").await, 503);
        Mount::empty(&gone).put(&parts(&api, 1));
        until("both are here", async || proxy.probe("/readyz").await == 200).await;
        for pool in [&web, &api] {
            let mut client = Conn::connect(proxy.at(pool)).await;
            client.send(GET).await;
            assert_eq!(field(&client.answer().await.0, "x-server"), Some("a"));
        }
    }

    async fn what_is_no_table_of_the_pool_is_refused_and_the_last_good_one_stays() {
        let server = xserver("a").await;
        let pool = Pool::of(&[server.addr()]);
        let folder = tempfile::tempdir().unwrap();
        let mount = mount(&folder, "web");
        mount.put(&parts(&pool, 1));
        let proxy = start(folder, &[&mount]).await;
        assert_eq!(proxy.probe("/startupz").await, 200);

        let other = parts(&Pool { name: "other", ..pool.clone() }, 2);
        let mut damaged = parts(&pool, 2);
        damaged.data.get_mut("policy.json").unwrap().push('}');
        let loopback = parts(&Pool::of(&["127.0.0.1:80".parse().unwrap()]), 2);
        let incomplete = { let mut parts = parts(&pool, 2); parts.data.remove("endpoints"); parts };
        for (bad, what) in [
            (other, "of pool shop/other, not of shop/web"),
            (damaged, "policy.json cannot be read"),
            (loopback, "a loopback address"),
            (incomplete, "endpoints is missing"),
            (evenkeel_crds::table::Parts::default(), "there is no table in it"),
        ] {
            mount.put(&bad);
            let mut refusal = String::new();
            until(what, async || {
                refusal = proxy.status().await.pools.remove(0).last_refusal.map_or(String::new(), |refusal| refusal.message);
                refusal.contains(what)
            }).await;
            assert_eq!(status(&proxy.ask(GET).await.0), 200, "{what}");
            assert_eq!((generation(&proxy, 0).await, proxy.probe("/readyz").await), (Some(1), 200));
        }
        mount.put(&parts(&pool, 3));
        until("the next good one is in force", async || generation(&proxy, 0).await == Some(3)).await;
        assert_eq!(proxy.status().await.pools[0].last_refusal, None);
    }

    async fn two_mounts_of_one_pool_are_one_too_many() {
        let server = xserver("a").await;
        let folder = tempfile::tempdir().unwrap();
        let (first, second) = (mount(&folder, "a"), mount(&folder, "b"));
        first.put(&parts(&Pool::of(&[server.addr()]), 1));
        let proxy = start(folder, &[&first, &second]).await;
        until("the first is in force", async || generation(&proxy, 0).await == Some(1)).await;
        second.put(&parts(&Pool { port: PORT + 1, ..Pool::of(&[server.addr()]) }, 1));
        let mut refusal = None;
        until("the second is refused", async || {
            refusal = proxy.status().await.pools.remove(1).last_refusal;
            refusal.is_some()
        }).await;
        assert_eq!(refusal.unwrap().message, "pool shop/web comes from elsewhere already: name it once");
        assert_eq!(status(&proxy.ask(GET).await.0), 200);
    }

    async fn a_directory_made_by_hand_is_followed_too() {
        let server = xserver("a").await;
        let pool = Pool::of(&[server.addr()]);
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("web");
        let write = |path: &std::path::Path, generation| {
            for (key, text) in parts(&pool, generation).data {
                std::fs::write(path.join(key), text).unwrap();
            }
        };
        std::fs::create_dir(&path).unwrap();
        write(&path, 1);
        let mount = Mount::of(&path);
        let proxy = start(folder, &[&mount]).await;
        until("the first is in force", async || generation(&proxy, 0).await == Some(1)).await;
        write(&path, 2);
        until("the second is in force", async || generation(&proxy, 0).await == Some(2)).await;
        assert_eq!(status(&proxy.ask(GET).await.0), 200);
    }
}
