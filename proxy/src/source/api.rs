//! Tables from the API server: one watch a pool, on its ConfigMap by name.

use evenkeel_crds::{names, table::Parts};
use futures::{StreamExt, pin_mut};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::{
    Api, Client,
    runtime::{WatchStreamExt, watcher},
};
use tokio::sync::mpsc;

use super::{Seen, Update};

/// A watch is renewed after so many seconds: a connection that died without a word is found out then at the latest.
const WATCH_S: u32 = 60;

/// Tells of every state of a pool's ConfigMap, until control is gone. Failures are tried again, with growing pauses.
pub(crate) async fn watch(client: Client, pool: usize, namespace: String, name: String, updates: mpsc::Sender<Update>) {
    let object = names::object_name(&name);
    let maps: Api<ConfigMap> = Api::namespaced(client, &namespace);
    let config = watcher::Config::default().fields(&format!("metadata.name={object}")).timeout(WATCH_S);
    let events = watcher(maps, config).default_backoff();
    pin_mut!(events);
    while let Some(event) = events.next().await {
        let seen = match event {
            Ok(watcher::Event::Apply(map) | watcher::Event::InitApply(map)) => Ok(Seen::Parts(Parts::of(&map))),
            Ok(watcher::Event::Delete(_)) => Err(format!("ConfigMap {namespace}/{object} was deleted")),
            Ok(watcher::Event::Init | watcher::Event::InitDone) => continue,
            Err(error) => {
                // The table in force stays; that the API server is away is no refusal of a table.
                tracing::warn!(%namespace, %object, %error, "the watch failed and is tried again");
                continue;
            }
        };
        if updates.send(Update { pool, seen }).await.is_err() {
            return;
        }
    }
}
