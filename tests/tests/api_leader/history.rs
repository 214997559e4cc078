//! Every version of a pool's table, as a watch shows them.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use evenkeel_crds::{
    names::object_name,
    table::{Parts, Policy},
};
use evenkeel_tests::api::Space;
use futures::StreamExt as _;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::{
    Api,
    api::{WatchEvent, WatchParams},
};
use tokio::{
    sync::Notify,
    task::JoinHandle,
    time::{Instant, sleep},
};

/// From a watch that was refused to the next.
const AGAIN: Duration = Duration::from_millis(50);

/// A version of the table.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) at: Instant,
    pub(crate) generation: i64,
    pub(crate) weight: u64,
}

/// All versions that were seen so far.
#[derive(Clone, Default)]
struct Versions {
    all: Arc<Mutex<Vec<Seen>>>,
    news: Arc<Notify>,
}

/// Follows a table. It ends with this value.
pub(crate) struct History {
    versions: Versions,
    task: JoinHandle<()>,
}

impl History {
    /// Begins with the present version.
    pub(crate) async fn follow(space: &Space, pool: &str) -> Self {
        let (api, name): (Api<ConfigMap>, _) = (space.api(), object_name(pool));
        let map = api.get(&name).await.expect("it is published");
        let (versions, mut version) = (Versions::default(), String::new());
        versions.add(&map, &mut version);
        let task = tokio::spawn(versions.clone().watch(api, name, version));
        Self { versions, task }
    }

    /// All versions so far.
    pub(crate) fn so_far(&self) -> Vec<Seen> {
        self.versions.so_far()
    }

    /// Waits until a version has that weight. Returns when it was seen.
    pub(crate) async fn saw_weight(&self, weight: u64) -> Instant {
        loop {
            let news = self.versions.news.notified();
            if let Some(seen) = self.so_far().iter().find(|seen| seen.weight == weight) {
                return seen.at;
            }
            news.await;
        }
    }

    /// No version was older than the one before it.
    pub(crate) fn never_went_back(&self) {
        let all = self.so_far();
        for pair in all.windows(2) {
            assert!(pair[0].generation <= pair[1].generation, "the table went back: {pair:?}\n{all:?}");
        }
    }
}

impl Drop for History {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Versions {
    /// Until the table is gone, or the test has ended. A watch that was refused, as by an API server that has just come back, or
    /// that began too long ago, begins again with the present version.
    async fn watch(self, api: Api<ConfigMap>, name: String, mut version: String) {
        let params = WatchParams::default().fields(&format!("metadata.name={name}")).timeout(200);
        loop {
            if let Ok(events) = api.watch(&params, &version).await {
                let mut events = events.boxed();
                while let Some(Ok(event)) = events.next().await {
                    match event {
                        WatchEvent::Added(map) | WatchEvent::Modified(map) => self.add(&map, &mut version),
                        WatchEvent::Bookmark(mark) => version.clone_from(&mark.metadata.resource_version),
                        WatchEvent::Deleted(_) => return,
                        WatchEvent::Error(_) => break,
                    }
                }
            }
            sleep(AGAIN).await;
            if let Ok(map) = api.get(&name).await {
                self.add(&map, &mut version);
            }
        }
    }

    fn add(&self, map: &ConfigMap, version: &mut String) {
        let seen = map.metadata.resource_version.clone().expect("a version");
        if seen == *version {
            return;
        }
        *version = seen;
        let Policy { generation, backends, .. } = Parts::of(map).decode(&mut |_| {}).expect("a table").policy;
        let weight = backends.first().map_or(0, |backend| backend.weight.into());
        self.all.lock().unwrap_or_else(PoisonError::into_inner).push(Seen { at: Instant::now(), generation, weight });
        self.news.notify_waiters();
    }

    fn so_far(&self) -> Vec<Seen> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
