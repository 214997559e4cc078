//! The copy of the last good table, and whatever may be wrong with the disk that it is on.

use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::time::Duration;

use evenkeel_proxy::control::Source;
use evenkeel_tests::process::Signal;
use tokio::time::{Instant, sleep};

use crate::api::Api;
use crate::last_good::{comes_to, copied, copies, kill, start, with_copies};
use crate::namespace::{in_namespace, xserver};
use crate::pool::Pool;
use crate::proxy::until;
use crate::tables::{grown, parts};
use crate::wire::{GET, status};

in_namespace! {
    async fn a_damaged_copy_is_as_good_as_none() {
        let server = xserver("a").await;
        let mut api = Api::start();
        let (folder, [web, other]) = with_copies(&api, server.addr()).await;
        api.goes().await;
        let path = copies(&folder).join("shop.web.json");
        let good = std::fs::read_to_string(&path).unwrap();
        let changed = good.replace("10.201.0.1", "10.201.0.2");
        for damaged in [&good[..good.len() / 2], "", "{}", &changed, &good.replace(r#""version":1"#, r#""version":2"#)] {
            std::fs::write(&path, damaged).unwrap();
            let proxy = start(&api.kubeconfig(folder.path()), &copies(&folder), &[&web, &other]).await;
            comes_to(&proxy, 1, (Source::LastGood, 1)).await;
            let log = proxy.logs("the last good copy cannot be used and is ignored").await;
            assert!(log.contains("shop.web.json"), "{log}");
            assert_eq!((proxy.status().await.pools[0].generation, proxy.probe("/readyz").await), (None, 503));
            kill(proxy).await;
        }
        api.comes();
        let proxy = start(&api.kubeconfig(folder.path()), &copies(&folder), &[&web, &other]).await;
        comes_to(&proxy, 0, (Source::Watch, 1)).await;
        until("it is replaced", async || std::fs::read_to_string(&path).is_ok_and(|text| text == good)).await;
    }

    async fn a_disk_that_cannot_be_written_is_said_once_and_disturbs_nobody() {
        let server = xserver("a").await;
        let api = Api::start();
        let folder = tempfile::tempdir().unwrap();
        let web = Pool::of(&[server.addr()]);
        api.put("web", parts(&web, 1));
        // A full disk: whatever is written there fails for want of room.
        std::fs::create_dir(copies(&folder)).unwrap();
        let full = copies(&folder).join("shop.web.json.new");
        symlink("/dev/full", &full).unwrap();
        let proxy = start(&api.kubeconfig(folder.path()), &copies(&folder), &[&web]).await;
        let log = proxy.logs("the last good copy cannot be written; traffic goes on").await;
        assert!(log.contains("No space left"), "{log}");
        for generation in 2..5 {
            api.put("web", parts(&web, generation));
            comes_to(&proxy, 0, (Source::Watch, generation)).await;
            assert_eq!(status(&proxy.ask(GET).await.0), 200);
            sleep(Duration::from_millis(1_100)).await; // so that each is tried to be written
        }
        let count = |text: &str| proxy.log().iter().filter(|line| line.contains(text)).count();
        assert_eq!(count("the last good copy cannot be written"), 1);
        assert_eq!(copied(&copies(&folder), "web"), None);

        std::fs::remove_file(&full).unwrap();
        api.put("web", parts(&web, 5));
        until("there is room again", async || copied(&copies(&folder), "web") == Some(5)).await;
        proxy.logs("the last good copy can be written again").await;
        kill(proxy).await;

        // A disk that is read-only, or not there: no file can be made below this one.
        let nowhere = PathBuf::from("/proc/version/copies");
        let proxy = start(&api.kubeconfig(folder.path()), &nowhere, &[&web]).await;
        comes_to(&proxy, 0, (Source::Watch, 5)).await;
        proxy.logs("the last good copy cannot be written").await;
        assert_eq!(status(&proxy.ask(GET).await.0), 200);
    }

    async fn it_is_written_once_a_second_at_most_and_the_newest_is_what_stays() {
        let server = xserver("a").await;
        let api = Api::start();
        let folder = tempfile::tempdir().unwrap();
        let web = Pool::of(&[server.addr()]);
        api.put("web", parts(&web, 1));
        let proxy = start(&api.kubeconfig(folder.path()), &copies(&folder), &[&web]).await;
        let (begin, mut generation, mut seen) = (Instant::now(), 1, std::collections::BTreeSet::new());
        while begin.elapsed() < Duration::from_secs(3) {
            generation += 1;
            api.put("web", parts(&web, generation));
            sleep(Duration::from_millis(20)).await;
            seen.extend(copied(&copies(&folder), "web"));
        }
        assert!((3..=5).contains(&seen.len()), "{seen:?} of {generation}");
        until("the newest is there", async || copied(&copies(&folder), "web") == Some(generation)).await;
        drop(proxy);
    }

    async fn killed_in_the_midst_of_writing_it_leaves_a_copy_that_can_be_read() {
        let server = xserver("a").await;
        let mut api = Api::start();
        let (folder, [web, other]) = with_copies(&api, server.addr()).await;
        let mut midst = 0;
        for generation in 2..22 {
            // Large, so that writing takes a while.
            api.put("web", grown(&web, generation, 20_000));
            let proxy = start(&api.kubeconfig(folder.path()), &copies(&folder), &[&web, &other]).await;
            // Twenty moments, from before it is written until after.
            let new = copies(&folder).join("shop.web.json.new");
            let begin = Instant::now();
            while !new.exists() && copied(&copies(&folder), "web") != Some(generation) {
                assert!(begin.elapsed() < Duration::from_secs(10), "it is written");
                tokio::task::yield_now().await;
            }
            kill(proxy).await;
            midst += u32::from(new.exists());
            let copied = copied(&copies(&folder), "web").unwrap();
            assert!((1..=generation).contains(&copied));
        }
        eprintln!("killed in the midst of writing: {midst} of 20");
        api.goes().await;
        let proxy = start(&api.kubeconfig(folder.path()), &copies(&folder), &[&web, &other]).await;
        assert_eq!(proxy.probe("/startupz").await, 200);
        assert_eq!(proxy.status().await.pools[0].source, Source::LastGood);
        assert_eq!(status(&proxy.ask(GET).await.0), 200);
    }

    async fn a_disk_that_hangs_holds_up_neither_tables_nor_the_end() {
        let server = xserver("a").await;
        let api = Api::start();
        let folder = tempfile::tempdir().unwrap();
        let web = Pool::of(&[server.addr()]);
        api.put("web", parts(&web, 1));
        // Whoever opens a pipe to write waits for a reader, who never comes.
        std::fs::create_dir(copies(&folder)).unwrap();
        let pipe = copies(&folder).join("shop.web.json.new");
        assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        let proxy = start(&api.kubeconfig(folder.path()), &copies(&folder), &[&web]).await;
        for generation in 2..6 {
            api.put("web", parts(&web, generation));
            comes_to(&proxy, 0, (Source::Watch, generation)).await;
            assert_eq!(status(&proxy.ask(GET).await.0), 200);
        }
        proxy.signal(Signal::TERM);
        let begin = Instant::now();
        assert_eq!(proxy.finish(Duration::from_secs(5)).await.status.code(), Some(0));
        assert!(begin.elapsed() < Duration::from_millis(1_500), "{:?}", begin.elapsed());
    }
}
