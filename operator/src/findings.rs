//! What each lane found out about a pool, for the lane that reports it.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use evenkeel_crds::{api::EndpointCounts, api::ProxyMode, translate::Problem};

use crate::{key::Key, kind::Kind};

/// What became of a pool's table.
#[derive(Clone, Debug, PartialEq)]
pub struct Findings {
    /// Of the pool.
    pub uid: String,
    /// Of the spec that was looked at.
    pub generation: i64,
    /// Who runs the proxies.
    pub mode: ProxyMode,
    /// Whether that spec is in use, or as soon as it is written.
    pub accepted: bool,
    /// What is wrong with it, and with what it refers to.
    pub problems: Vec<Problem>,
    /// What is published now.
    pub in_force: Option<InForce>,
    /// Of all backends.
    pub endpoints: EndpointCounts,
    /// Why the table is not published as it should be.
    pub obstacle: Option<Obstacle>,
    /// The ready proxies.
    pub proxies: Vec<ProxyEndpoint>,
}

/// The published policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InForce {
    /// Of the spec that it was made from.
    pub generation: i64,
    /// Its hash.
    pub revision: String,
    /// How many backends it has.
    pub backends: usize,
}

/// Why a table is not published as it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Obstacle {
    /// An object of the table's name is not ours.
    Conflict,
    /// An earlier pool of this name left an object that is not yet collected.
    Leftover,
    /// It does not fit into a ConfigMap.
    TooLarge(String),
    /// The API server refused it.
    Refused(String),
}

/// A ready proxy.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ProxyEndpoint {
    /// Its pod's name.
    pub name: String,
    /// Where it listens.
    pub address: IpAddr,
    /// Its zone; empty if unknown.
    pub zone: String,
}

/// What became of the other objects of a pool.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OwnFindings {
    /// Objects of those names are not ours.
    pub conflicts: Vec<Kind>,
    /// What could not be written, and why.
    pub refused: Option<String>,
}

impl Findings {
    /// What the pool's other objects depend on.
    #[must_use]
    pub fn for_objects(&self) -> (&str, i64, bool, bool) {
        (&self.uid, self.generation, self.accepted, self.obstacle == Some(Obstacle::Conflict))
    }
}

/// The findings of all pools.
#[derive(Debug, Default)]
pub struct Board {
    pools: Mutex<HashMap<Key, Entry>>,
}

#[derive(Clone, Debug, Default)]
struct Entry {
    table: Option<Arc<Findings>>,
    objects: Arc<OwnFindings>,
}

impl Board {
    /// Notes what became of a table. Returns what was noted before.
    pub fn note_table(&self, key: &Key, findings: Findings) -> Option<Arc<Findings>> {
        self.pools().entry(key.clone()).or_default().table.replace(Arc::new(findings))
    }

    /// Notes what became of the other objects. Returns what was noted before.
    pub fn note_objects(&self, key: &Key, findings: OwnFindings) -> Arc<OwnFindings> {
        std::mem::replace(&mut self.pools().entry(key.clone()).or_default().objects, Arc::new(findings))
    }

    /// What is known of a pool's table; none before the first look.
    #[must_use]
    pub fn table(&self, key: &Key) -> Option<Arc<Findings>> {
        self.pools().get(key)?.table.clone()
    }

    /// What is known of a pool's other objects.
    #[must_use]
    pub fn objects(&self, key: &Key) -> Arc<OwnFindings> {
        self.pools().get(key).map(|entry| Arc::clone(&entry.objects)).unwrap_or_default()
    }

    /// The pool is gone.
    pub fn forget(&self, key: &Key) {
        self.pools().remove(key);
    }

    fn pools(&self) -> MutexGuard<'_, HashMap<Key, Entry>> {
        // Each change is one assignment: a panic leaves nothing half done.
        self.pools.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
