//! Tables from the API server: one watch a pool, on its ConfigMap by name.

use std::{cell::Cell, time::Duration};

use evenkeel_crds::{names, table::Parts};
use futures::StreamExt;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::{
    Api, Client,
    runtime::watcher::{self, Event, watcher},
};
use tokio::{
    sync::mpsc,
    time::{sleep, timeout},
};

use super::{Seen, Update, backoff::Backoff};
use crate::cli::PoolName;

/// A watch is renewed after so many seconds: a connection that died without a word is found out then at the latest.
const WATCH_S: u32 = 60;
/// An answer that takes longer is none for the moment: whoever has a copy of the table need not wait for it.
const PROMPT: Duration = Duration::from_secs(1);
/// Nor does the list of one object take longer. Then it is asked for anew, on another connection.
const LIST: Duration = Duration::from_secs(10);

/// The watch of a pool.
struct Watch {
    pool: usize,
    name: PoolName,
    object: String,
    updates: mpsc::Sender<Update>,
    /// Whether the API server answered at all.
    answered: Cell<bool>,
}

/// Control is gone.
struct Gone;

/// Tells of every state of a pool's ConfigMap, until control is gone. Failures are tried again, with growing pauses.
pub(super) async fn watch(client: Client, pool: usize, name: PoolName, updates: mpsc::Sender<Update>) {
    let object = names::object_name(&name.name);
    let maps: Api<ConfigMap> = Api::namespaced(client, &name.namespace);
    let watch = Watch { pool, name, object, updates, answered: Cell::new(false) };
    let silence = async {
        sleep(PROMPT).await;
        if !watch.answered.get() {
            let _ = watch.tell(Seen::Nothing("the API server does not answer".into())).await;
        }
        std::future::pending::<()>().await;
    };
    tokio::select! {
        Err(Gone) = watch.follow(&maps) => {}
        () = silence => {}
    }
}

impl Watch {
    async fn follow(&self, maps: &Api<ConfigMap>) -> Result<(), Gone> {
        let config = watcher::Config::default().fields(&format!("metadata.name={}", self.object)).timeout(WATCH_S);
        let mut backoff = Backoff::default();
        // Whether a table was ever seen; and in the list that is under way.
        let (mut ever, mut listing) = (false, Some(false));
        let mut events = watcher(maps.clone(), config.clone()).boxed();
        loop {
            let limit = if listing.is_some() { LIST } else { Duration::MAX };
            let Ok(Some(event)) = timeout(limit, events.next()).await else {
                self.failed(&format!("no answer within {LIST:?}"), &mut backoff).await?;
                events = watcher(maps.clone(), config.clone()).boxed();
                continue;
            };
            match event {
                Ok(Event::Init) => listing = Some(false),
                Ok(Event::Apply(map) | Event::InitApply(map)) => {
                    (ever, listing) = (true, listing.map(|_| true));
                    self.answered(&mut backoff);
                    self.tell(Seen::Parts(Parts::of(&map))).await?;
                }
                Ok(Event::InitDone) => {
                    self.answered(&mut backoff);
                    if listing.take() == Some(false) {
                        self.tell(self.missing(ever)).await?;
                    }
                }
                Ok(Event::Delete(_)) => self.tell(self.missing(true)).await?,
                Err(error) => self.failed(&in_full(&error), &mut backoff).await?,
            }
        }
    }

    fn answered(&self, backoff: &mut Backoff) {
        self.answered.set(true);
        backoff.reset();
    }

    /// What to say where there is no ConfigMap; one that was there was deleted.
    fn missing(&self, ever: bool) -> Seen {
        let (PoolName { namespace, name }, object) = (&self.name, &self.object);
        if ever {
            return Seen::Unusable(format!("ConfigMap {namespace}/{object} was deleted"));
        }
        Seen::Nothing(format!(
            "there is no ConfigMap {namespace}/{object}: make the BalancerPool {name}, or see what its status says"
        ))
    }

    /// The table in force stays; that the API server is away is no refusal of a table.
    async fn failed(&self, error: &str, backoff: &mut Backoff) -> Result<(), Gone> {
        let (namespace, object) = (&self.name.namespace, &self.object);
        tracing::warn!(%namespace, %object, %error, "the watch failed and is tried again");
        self.answered.set(true);
        self.tell(Seen::Nothing(format!("ConfigMap {namespace}/{object} cannot be watched: {error}"))).await?;
        sleep(backoff.next(fastrand::f64())).await;
        Ok(())
    }

    async fn tell(&self, seen: Seen) -> Result<(), Gone> {
        self.updates.send(Update { pool: self.pool, seen }).await.map_err(|_| Gone)
    }
}

/// An error with what is at its bottom: "connection refused" says more than "the request failed".
fn in_full(error: &dyn std::error::Error) -> String {
    let (mut text, mut bottom) = (error.to_string(), error);
    while let Some(source) = bottom.source() {
        bottom = source;
    }
    let bottom = bottom.to_string();
    if !text.contains(&bottom) {
        text = format!("{text}: {bottom}");
    }
    text
}
