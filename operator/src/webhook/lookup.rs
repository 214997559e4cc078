//! What is known of the pools that a pod names: from the caches, and by one look at the API server where they know none that
//! would do. A pool is often applied a moment before its pods.

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
    time::Duration,
};

use evenkeel_crds::BalancerPool;
use futures::{StreamExt as _, stream::FuturesUnordered};
use kube::Api;
use tokio::{
    sync::Semaphore,
    time::{Instant, timeout_at},
};

use super::recent::Recent;
use crate::{
    cluster::{Pool, object_key},
    context::Context,
    inject::PoolState,
    key::Key,
};

/// All looks for one pod: the API server itself waits for our answer, five seconds by the chart's configuration.
const DEADLINE: Duration = Duration::from_secs(1);
/// How many looks are under way at once, whoever asks: as many as one pod may need.
const AT_ONCE: usize = 16;

/// Finds pools.
#[derive(Clone, Debug)]
pub(super) struct Lookup {
    context: Arc<Context>,
    /// What the operator serves; empty: all.
    namespaces: Arc<BTreeSet<String>>,
    places: Arc<Semaphore>,
    recent: Arc<Recent>,
}

impl Lookup {
    pub(super) fn new(context: Arc<Context>, namespaces: BTreeSet<String>) -> Self {
        let places = Arc::new(Semaphore::new(AT_ONCE));
        Self { context, namespaces: Arc::new(namespaces), places, recent: Arc::default() }
    }

    /// The state of each.
    pub(super) async fn states(&self, namespace: &str, pools: &[&str]) -> HashMap<String, PoolState> {
        let deadline = Instant::now() + DEADLINE;
        let mut states: HashMap<_, _> =
            pools.iter().map(|pool| ((*pool).to_owned(), self.cached(namespace, pool))).collect();
        let doubtful = |state: &PoolState| !matches!(state, PoolState::Usable { .. } | PoolState::NotServed);
        let doubtful: Vec<_> =
            states.iter().filter(|(_, state)| doubtful(state)).map(|(pool, _)| pool.clone()).collect();
        let looks = doubtful.into_iter().map(|pool| async move {
            let state = timeout_at(deadline, self.look(namespace, &pool)).await;
            let silence = || PoolState::Unknown(format!("the API server said nothing within {DEADLINE:?}"));
            (pool, state.unwrap_or_else(|_| silence()))
        });
        let mut looks: FuturesUnordered<_> = looks.collect();
        while let Some((pool, state)) = looks.next().await {
            // What a cache knows is better than nothing, but for one that knows nothing.
            let cached = states.entry(pool).or_insert(PoolState::Missing);
            if !matches!(state, PoolState::Unknown(_)) || *cached == PoolState::Missing {
                *cached = state;
            }
        }
        states
    }

    fn cached(&self, namespace: &str, pool: &str) -> PoolState {
        if !self.namespaces.is_empty() && !self.namespaces.contains(namespace) {
            return PoolState::NotServed;
        }
        let key = Key::new(namespace, pool);
        let (pool, table) = {
            let world = self.context.world();
            (world.pool(&key).cloned(), world.map(&object_key(&key)).cloned())
        };
        pool.map_or(PoolState::Missing, |pool| PoolState::of(&pool, table.as_deref()))
    }

    /// At the API server, unless somebody has just looked there.
    async fn look(&self, namespace: &str, pool: &str) -> PoolState {
        let key = Key::new(namespace, pool);
        if let Some(state) = self.recent.get(&key, Instant::now()) {
            return state;
        }
        let _place = self.places.acquire().await; // it is never closed
        if let Some(state) = self.recent.get(&key, Instant::now()) {
            return state;
        }
        let state = self.fresh(&key).await;
        self.recent.put(key, &state, Instant::now());
        state
    }

    async fn fresh(&self, key: &Key) -> PoolState {
        let api: Api<BalancerPool> = Api::namespaced(self.context.client.clone(), &key.namespace);
        let object = match api.get_opt(&key.name).await {
            Ok(Some(object)) => object,
            Ok(None) => return PoolState::Missing,
            Err(kube::Error::Api(status)) if status.code == 403 => return PoolState::NotServed,
            Err(error) => return PoolState::Unknown(error.to_string()),
        };
        let table = self.context.world().map(&object_key(key)).cloned();
        PoolState::of(&Pool { object, unreadable: None }, table.as_deref())
    }
}

#[cfg(test)]
#[path = "lookup_tests.rs"]
mod tests;
