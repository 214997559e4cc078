//! What one pool's work learnt of another's: proxies that may run the other's policy no more.

use std::{
    collections::{BTreeSet, HashMap},
    sync::{Mutex, MutexGuard, PoisonError},
};

use crate::key::Key;

/// The pods whose proxies are to be asked again, by pool. There are at most as many as the pool has sidecars.
#[derive(Debug, Default)]
pub(super) struct Doubts {
    pods: Mutex<HashMap<Key, BTreeSet<String>>>,
}

impl Doubts {
    /// The proxy of that pod is to be asked about the pool. True if that is news.
    pub(super) fn put(&self, pool: &Key, pod: &str) -> bool {
        self.pods().entry(pool.clone()).or_default().insert(pod.to_owned())
    }

    /// The pods to ask, once.
    pub(super) fn take(&self, pool: &Key) -> BTreeSet<String> {
        self.pods().remove(pool).unwrap_or_default()
    }

    fn pods(&self) -> MutexGuard<'_, HashMap<Key, BTreeSet<String>>> {
        // Each change is one call: a panic leaves nothing half done.
        self.pods.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
