//! Which pools a Service concerns, which slices a Service has, and which pods have a sidecar that serves a pool.
//!
//! ```text
//! [ EndpointSlice ] -> [ Service ] <- [ BalancerPool ] <- [ Pod ]
//! ```
//!
//! A pool refers to Services by its spec and, while that is invalid, by the policy that stays in force.

use std::collections::{BTreeSet, HashMap};

use crate::key::Key;

/// Why a pool refers to a Service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reference {
    /// The spec names it.
    Spec,
    /// The published policy names it.
    Policy,
}

/// The references, both ways.
#[derive(Debug, Default)]
pub struct Index {
    services: HashMap<Key, BTreeSet<(Reference, Key)>>,
    pools: HashMap<Key, BTreeSet<(Key, Reference)>>,
    slices: HashMap<Key, BTreeSet<Key>>,
    sidecars: HashMap<Key, BTreeSet<Key>>,
}

impl Index {
    /// The pool now refers to these Services, for that reason.
    pub fn refer(&mut self, pool: &Key, reason: Reference, services: impl IntoIterator<Item = Key>) {
        let referred = self.services.entry(pool.clone()).or_default();
        let (before, mut kept): (BTreeSet<_>, BTreeSet<_>) =
            std::mem::take(referred).into_iter().partition(|(why, _)| *why == reason);
        let now: BTreeSet<_> = services.into_iter().map(|service| (reason, service)).collect();
        kept.extend(now.iter().cloned());
        if kept.is_empty() {
            self.services.remove(pool);
        } else {
            *referred = kept;
        }
        for (_, service) in before.difference(&now) {
            remove(&mut self.pools, service, &(pool.clone(), reason));
        }
        for (_, service) in now {
            self.pools.entry(service).or_default().insert((pool.clone(), reason));
        }
    }

    /// The Services that a pool refers to, each once.
    #[must_use]
    pub fn services_of(&self, pool: &Key) -> BTreeSet<&Key> {
        self.services.get(pool).into_iter().flatten().map(|(_, service)| service).collect()
    }

    /// The pools that refer to a Service, each once.
    #[must_use]
    pub fn pools_of(&self, service: &Key) -> BTreeSet<&Key> {
        self.pools.get(service).into_iter().flatten().map(|(pool, _)| pool).collect()
    }

    /// The slice belongs to that Service.
    pub fn add_slice(&mut self, service: Key, slice: Key) {
        self.slices.entry(service).or_default().insert(slice);
    }

    /// The slice belongs to that Service no more.
    pub fn remove_slice(&mut self, service: &Key, slice: &Key) {
        remove(&mut self.slices, service, slice);
    }

    /// The slices of a Service.
    pub fn slices_of(&self, service: &Key) -> impl Iterator<Item = &Key> {
        self.slices.get(service).into_iter().flatten()
    }

    /// The pod's sidecar serves that pool.
    pub fn add_sidecar(&mut self, pool: Key, pod: Key) {
        self.sidecars.entry(pool).or_default().insert(pod);
    }

    /// The pod's sidecar serves that pool no more.
    pub fn remove_sidecar(&mut self, pool: &Key, pod: &Key) {
        remove(&mut self.sidecars, pool, pod);
    }

    /// Whether the pod's sidecar serves that pool.
    #[must_use]
    pub fn has_sidecar(&self, pool: &Key, pod: &Key) -> bool {
        self.sidecars.get(pool).is_some_and(|pods| pods.contains(pod))
    }

    /// The pods whose sidecars serve a pool.
    pub fn sidecars_of(&self, pool: &Key) -> impl Iterator<Item = &Key> {
        self.sidecars.get(pool).into_iter().flatten()
    }
}

/// Removes from the set under the key, and the set with its last element.
fn remove<T: Ord>(sets: &mut HashMap<Key, BTreeSet<T>>, key: &Key, element: &T) {
    if let Some(set) = sets.get_mut(key) {
        set.remove(element);
        if set.is_empty() {
            sets.remove(key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(name: &str) -> Key {
        Key::new("shop", name)
    }

    #[test]
    fn a_service_leads_to_every_pool_that_refers_to_it() {
        let mut index = Index::default();
        index.refer(&key("web"), Reference::Spec, [key("v1"), key("v2")]);
        index.refer(&key("api"), Reference::Spec, [key("v2")]);
        assert_eq!(index.pools_of(&key("v2")), BTreeSet::from([&key("api"), &key("web")]));
        assert_eq!(index.pools_of(&key("v1")), BTreeSet::from([&key("web")]));
        assert_eq!(index.services_of(&key("web")), BTreeSet::from([&key("v1"), &key("v2")]));
    }

    #[test]
    fn the_policy_in_force_keeps_a_reference_that_the_spec_dropped() {
        let mut index = Index::default();
        index.refer(&key("web"), Reference::Spec, [key("v1")]);
        index.refer(&key("web"), Reference::Policy, [key("v1")]);
        index.refer(&key("web"), Reference::Spec, []);
        assert_eq!(index.pools_of(&key("v1")), BTreeSet::from([&key("web")]));
        index.refer(&key("web"), Reference::Policy, [key("v2")]);
        assert!(index.pools_of(&key("v1")).is_empty());
        assert_eq!(index.services_of(&key("web")), BTreeSet::from([&key("v2")]));
    }

    #[test]
    fn nothing_is_left_of_what_is_gone() {
        let mut index = Index::default();
        index.refer(&key("web"), Reference::Spec, [key("v1")]);
        index.refer(&key("web"), Reference::Spec, []);
        index.add_slice(key("v1"), key("v1-a"));
        index.remove_slice(&key("v1"), &key("v1-a"));
        assert!(index.services.is_empty() && index.pools.is_empty() && index.slices.is_empty());
    }

    #[test]
    fn slices_are_found_by_their_service() {
        let mut index = Index::default();
        index.add_slice(key("v1"), key("v1-a"));
        index.add_slice(key("v1"), key("v1-b"));
        index.remove_slice(&key("v1"), &key("v1-a"));
        assert_eq!(index.slices_of(&key("v1")).collect::<Vec<_>>(), [&key("v1-b")]);
        assert_eq!(index.slices_of(&key("v2")).count(), 0);
    }
}
