//! What is known of the pools that a pod names: from the caches, and by one look at the API server where they know none that
//! would do. A pool is often applied a moment before its pods.

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
    time::Duration,
};

use evenkeel_crds::BalancerPool;
use futures::{StreamExt as _, stream};
use kube::Api;
use tokio::time::timeout;

use crate::{
    cluster::{Pool, object_key},
    context::Context,
    inject::PoolState,
    key::Key,
};

/// The whole look: the API server itself waits for our answer, five seconds by the chart's configuration.
const DEADLINE: Duration = Duration::from_secs(1);
/// How many pools of a pod are looked at at once.
const AT_ONCE: usize = 4;

/// Finds pools.
#[derive(Clone, Debug)]
pub(super) struct Lookup {
    context: Arc<Context>,
    /// What the operator serves; empty: all.
    namespaces: Arc<BTreeSet<String>>,
}

impl Lookup {
    pub(super) fn new(context: Arc<Context>, namespaces: BTreeSet<String>) -> Self {
        Self { context, namespaces: Arc::new(namespaces) }
    }

    /// The state of each.
    pub(super) async fn states(&self, namespace: &str, pools: &[&str]) -> HashMap<String, PoolState> {
        let mut states: HashMap<_, _> =
            pools.iter().map(|pool| ((*pool).to_owned(), self.cached(namespace, pool))).collect();
        let doubtful = |state: &PoolState| !matches!(state, PoolState::Usable { .. } | PoolState::NotServed);
        let doubtful: Vec<_> =
            states.iter().filter(|(_, state)| doubtful(state)).map(|(pool, _)| pool.clone()).collect();
        let looks = doubtful.into_iter().map(|pool| async move {
            let state = self.fresh(namespace, &pool).await;
            (pool, state)
        });
        let mut looks = stream::iter(looks).buffer_unordered(AT_ONCE);
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

    async fn fresh(&self, namespace: &str, pool: &str) -> PoolState {
        let api: Api<BalancerPool> = Api::namespaced(self.context.client.clone(), namespace);
        let object = match timeout(DEADLINE, api.get_opt(pool)).await {
            Ok(Ok(Some(object))) => object,
            Ok(Ok(None)) => return PoolState::Missing,
            Ok(Err(kube::Error::Api(status))) if status.code == 403 => return PoolState::NotServed,
            Ok(Err(error)) => return PoolState::Unknown(error.to_string()),
            Err(_) => return PoolState::Unknown(format!("the API server said nothing within {DEADLINE:?}")),
        };
        let key = object_key(&Key::new(namespace, pool));
        let table = self.context.world().map(&key).cloned();
        PoolState::of(&Pool { object, unreadable: None }, table.as_deref())
    }
}
