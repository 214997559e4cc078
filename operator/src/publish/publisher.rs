//! Writes tables: by PUT over exactly what was read, at once for the first change, then as often and as much as etcd bears.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use evenkeel_crds::{
    BalancerPool, RoutingTable,
    address::Scope,
    names,
    table::{BackendSource, Parts, Policy},
};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::{
    Api,
    api::{DeleteParams, PostParams, Preconditions},
};
use tokio::time::Instant;
use tracing::{debug, info, warn};

use super::{Budget, Plan, Verdict, plan, plan::Publication};
use crate::{
    clock::unix_now,
    cluster::{Version, View},
    context::Context,
    error::Error,
    findings::{Findings, InForce, Obstacle},
    key::Key,
    lane::{Rest, Step},
    metrics::Write,
    ownership::Ownership,
};

/// At most ten writes a second and pool.
const BETWEEN_WRITES: Duration = Duration::from_millis(100);
/// After a look that wrote nothing: many slices of one Service change together.
const BETWEEN_LOOKS: Duration = Duration::from_millis(10);
/// After a table that was too large: only less endpoints help, and looking costs most there.
const AFTER_TOO_LARGE: Duration = Duration::from_secs(1);
/// An object without our label is not watched, so somebody must look whether it is still in the way.
const WHILE_OBSTRUCTED: Duration = Duration::from_secs(30);
/// How long garbage collection usually takes.
const WHILE_LEFTOVER: Duration = Duration::from_secs(1);
/// How long a watch is usually late, at most.
const WHILE_BEHIND: Duration = Duration::from_secs(1);
/// How often an object may change between reading and writing it.
const TRIES: usize = 4;

/// Publishes tables.
#[derive(Debug)]
pub struct Publisher {
    context: Arc<Context>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    budget: Budget,
    pools: HashMap<Key, Memory>,
}

/// What is remembered of a pool.
#[derive(Debug, Default)]
struct Memory {
    uid: String,
    /// The last good table. From our first write on it counts more than what the ConfigMap says, which others may have edited.
    table: Option<Arc<RoutingTable>>,
    /// The state of the ConfigMap that was read last.
    read: Option<Version>,
    written: Option<Instant>,
}

/// How an attempt ended.
enum Attempt {
    Over(Rest),
    /// The ConfigMap is not as it was thought to be, but so.
    Again(Option<Arc<ConfigMap>>),
}

impl Step for Publisher {
    async fn run(&self, key: &Key) -> Result<Rest, Error> {
        let mut live: Option<Option<Arc<ConfigMap>>> = None;
        for _ in 0..TRIES {
            let Some(mut view) = self.context.world().view(key) else {
                self.forget(key);
                return Ok(Rest::Gone);
            };
            if view.pool.is_going() {
                return Ok(Rest::NOTHING);
            }
            if let Some(map) = &live {
                view.map.clone_from(map);
            }
            if self.learn(&view) {
                continue; // the policy in force may name Services that the view does not have
            }
            match self.attempt(&view).await? {
                Attempt::Over(rest) => return Ok(rest),
                Attempt::Again(map) => live = Some(map),
            }
        }
        Err(Error::Contended(map_name(key)))
    }
}

impl Publisher {
    /// A publisher that has published nothing.
    #[must_use]
    pub fn new(context: Arc<Context>) -> Self {
        let state = State { budget: Budget::new(Instant::now()), pools: HashMap::new() };
        Self { context, state: Mutex::new(state) }
    }

    /// Reads back what is published, until we write ourselves: the last writes of the leader before us may reach us late. True if
    /// that is news.
    fn learn(&self, view: &View) -> bool {
        let mut state = self.state();
        let memory = state.pools.entry(view.key.clone()).or_default();
        if memory.uid != view.pool.uid() {
            *memory = Memory { uid: view.pool.uid().to_owned(), ..Memory::default() };
        }
        let ours = |map: &&Arc<ConfigMap>| Ownership::of(&map.metadata, view.pool.meta()) == Ownership::Ours;
        let Some(map) = view.map.as_ref().filter(ours).filter(|_| memory.written.is_none()) else { return false };
        let version = Version::of(&map.metadata);
        if memory.read.replace(version.clone()) == Some(version) {
            return false;
        }
        let decoded = Parts::of(map).decode(&mut |_| {});
        match decoded.and_then(|table| table.check(Scope::Cluster).map(|()| table)) {
            Ok(table) if memory.table.as_ref().is_some_and(|known| !is_later(&table, known)) => false,
            Ok(table) => {
                self.refer(&view.key, &table);
                memory.table = Some(Arc::new(table));
                true
            }
            Err(error) => {
                warn!(pool = %view.key, %error, "The published table cannot be read; it is made anew.");
                false
            }
        }
    }

    async fn attempt(&self, view: &View) -> Result<Attempt, Error> {
        let known = self.state().pools.get(&view.key).and_then(|memory| memory.table.clone());
        let Plan { verdict, findings } = plan(view, known.as_deref(), unix_now());
        if !matches!(verdict, Verdict::Leave) && self.is_behind(view, known.as_deref()).await? {
            debug!(pool = %view.key, "A later table is published than the pool that is known here: its watch will show it.");
            return Ok(Attempt::Over(Rest::again(WHILE_BEHIND)));
        }
        match verdict {
            Verdict::Leave => Ok(Attempt::Over(self.leave(view, findings))),
            Verdict::Replace => self.delete(view).await,
            Verdict::Write(publication) => match self.may_write(&view.key, publication.bytes) {
                Err(wait) => {
                    self.context.metrics.table(Write::Deferred, 0);
                    self.note(&view.key, findings);
                    Ok(Attempt::Over(Rest::not_before(wait)))
                }
                Ok(()) => self.write(view, *publication, findings).await,
            },
        }
    }

    /// Whether our cache shows an older pool than the one that the published table was made from: a new leader's watch may be late,
    /// and tables must not go back. A table that only claims to be later was edited by somebody.
    async fn is_behind(&self, view: &View, known: Option<&RoutingTable>) -> Result<bool, Error> {
        let (key, pool) = (&view.key, &view.pool);
        if known.is_none_or(|known| known.policy.generation <= pool.generation()) {
            return Ok(false);
        }
        let api: Api<BalancerPool> = Api::namespaced(self.context.client.clone(), &key.namespace);
        let live = api.get_metadata_opt(&key.name).await.map_err(Error::api(format!("read BalancerPool {key}")))?;
        Ok(live.is_none_or(|live| {
            let generation = live.metadata.generation.unwrap_or_default();
            live.metadata.uid.as_deref() != Some(pool.uid()) || generation > pool.generation()
        }))
    }

    fn leave(&self, view: &View, findings: Findings) -> Rest {
        self.state().budget.release(&view.key, Instant::now());
        self.context.metrics.table(Write::Noop, 0);
        let rest = match &findings.obstacle {
            None => Rest::Until { spacing: BETWEEN_LOOKS, again: None },
            Some(Obstacle::Conflict) => Rest::again(WHILE_OBSTRUCTED),
            Some(Obstacle::Leftover) => Rest::again(WHILE_LEFTOVER),
            Some(_) => Rest::Until { spacing: AFTER_TOO_LARGE, again: None },
        };
        self.note(&view.key, findings);
        rest
    }

    fn may_write(&self, key: &Key, bytes: usize) -> Result<(), Duration> {
        let (now, mut state) = (Instant::now(), self.state());
        let written = state.pools.get(key).and_then(|memory| memory.written);
        match written.map(|written| written + BETWEEN_WRITES).filter(|next| *next > now) {
            Some(next) => Err(next - now),
            None => state.budget.take(key, bytes, now),
        }
    }

    async fn write(&self, view: &View, publication: Publication, mut findings: Findings) -> Result<Attempt, Error> {
        let Publication { map, table, bytes } = publication;
        let (api, name) = (self.api(&view.key), names::object_name(&view.key.name));
        let params = PostParams { field_manager: Some(names::FIELD_MANAGER.into()), ..PostParams::default() };
        let written = match view.map {
            Some(_) => api.replace(&name, &params, &map).await,
            None => api.create(&params, &map).await,
        };
        match written {
            Ok(map) => {
                findings.in_force = Some(InForce::from(&table));
                self.wrote(view, map, table, bytes);
                self.note(&view.key, findings);
                Ok(Attempt::Over(Rest::Until { spacing: BETWEEN_WRITES, again: None }))
            }
            Err(kube::Error::Api(status)) if matches!(status.code, 404 | 409) => {
                self.context.metrics.table(Write::Conflict, bytes);
                Ok(Attempt::Again(self.look(&view.key).await?))
            }
            Err(error) => {
                let error = Error::api(format!("write ConfigMap {}", map_name(&view.key)))(error);
                if matches!(error, Error::NotLeading(_)) {
                    return Err(error);
                }
                self.context.metrics.table(Write::Error, bytes);
                if error.is_refusal() {
                    findings.obstacle = Some(Obstacle::Refused(error.to_string()));
                }
                self.note(&view.key, findings);
                Err(error)
            }
        }
    }

    fn wrote(&self, view: &View, mut map: ConfigMap, table: RoutingTable, bytes: usize) {
        let key = &view.key;
        self.context.metrics.table(Write::Ok, bytes);
        map.metadata.managed_fields = None;
        self.context.world().wrote_map(map);
        self.refer(key, &table);
        let mut state = self.state();
        let Some(memory) = state.pools.get_mut(key) else { return };
        let Policy { generation, revision, .. } = &table.policy;
        if memory.table.as_ref().is_some_and(|before| before.policy == table.policy) {
            debug!(pool = %key, bytes, "Published other endpoints or proxies.");
        } else {
            info!(pool = %key, generation, revision, bytes, "Published.");
        }
        memory.table = Some(Arc::new(table));
        memory.written = Some(Instant::now());
    }

    async fn look(&self, key: &Key) -> Result<Option<Arc<ConfigMap>>, Error> {
        let found = self.api(key).get_opt(&names::object_name(&key.name)).await;
        Ok(found.map_err(Error::api(format!("read ConfigMap {}", map_name(key))))?.map(Arc::new))
    }

    async fn delete(&self, view: &View) -> Result<Attempt, Error> {
        let meta = view.map.as_ref().map(|map| map.metadata.clone()).unwrap_or_default();
        let precise = Preconditions { uid: meta.uid, resource_version: meta.resource_version };
        let params = DeleteParams::background().preconditions(precise);
        match self.api(&view.key).delete(&names::object_name(&view.key.name), &params).await {
            Ok(_) => {
                warn!(pool = %view.key, "The table had been made immutable; it is made anew.");
                Ok(Attempt::Again(None))
            }
            Err(kube::Error::Api(status)) if matches!(status.code, 404 | 409) => {
                Ok(Attempt::Again(self.look(&view.key).await?))
            }
            Err(error) => Err(Error::api(format!("delete ConfigMap {}", map_name(&view.key)))(error)),
        }
    }

    /// Tells the other lanes what is new for them.
    fn note(&self, key: &Key, findings: Findings) {
        let now = findings.clone();
        let before = self.context.board.note_table(key, findings);
        if before.as_deref() != Some(&now) {
            self.context.report.wake(key);
        }
        if before.as_deref().map(Findings::for_objects) != Some(now.for_objects()) {
            self.context.own.wake(key);
        }
    }

    fn refer(&self, key: &Key, table: &RoutingTable) {
        let services = table.policy.backends.iter().filter_map(|backend| match &backend.source {
            BackendSource::Service { name, .. } => Some(key.sibling(name)),
            BackendSource::Static => None,
        });
        self.context.world().refer_by_policy(key, services);
    }

    fn forget(&self, key: &Key) {
        let mut state = self.state();
        state.pools.remove(key);
        state.budget.forget(key, Instant::now());
        self.context.board.forget(key);
    }

    fn api(&self, key: &Key) -> Api<ConfigMap> {
        Api::namespaced(self.context.client.clone(), &key.namespace)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Every change is complete before anything that could panic.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn is_later(table: &RoutingTable, known: &RoutingTable) -> bool {
    table.policy.generation > known.policy.generation
}

fn map_name(key: &Key) -> String {
    key.sibling(&names::object_name(&key.name)).to_string()
}

#[cfg(test)]
#[path = "publisher_tests.rs"]
mod tests;
