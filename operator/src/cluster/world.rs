//! All that is known of the cluster, and what a pool's work needs of it.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use evenkeel_crds::names;
use k8s_openapi::api::{
    core::v1::{ConfigMap, Service},
    discovery::v1::EndpointSlice,
};
use kube::Resource as _;

use super::{Cache, Index, Observed, Pool, Reference, Scope, SidecarPod, Source, Version, View};
use crate::{key::Key, kind::Kind};

/// Which work a change makes necessary, for which pool.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Wake {
    /// Its table.
    Publish(Key),
    /// What it owns.
    Own(Key),
    /// Its status.
    Report(Key),
    /// The pods of a namespace (a key without a name) that ask for a sidecar and have none.
    Notice(Key),
}

/// All that is known of the cluster.
#[derive(Debug, Default)]
pub struct World {
    pub(super) pools: Cache<Pool>,
    pub(super) services: Cache<Service>,
    pub(super) slices: Cache<EndpointSlice>,
    pub(super) maps: Cache<ConfigMap>,
    pub(super) owned: BTreeMap<Kind, Cache<Observed>>,
    pub(super) pods: Cache<SidecarPod>,
    pub(super) index: Index,
    without: BTreeSet<Key>,
    unreadable: HashMap<Kind, HashSet<Key>>,
}

impl World {
    /// The pool.
    #[must_use]
    pub fn pool(&self, key: &Key) -> Option<&Arc<Pool>> {
        self.pools.get(key)
    }

    /// What is published under that name, or what else has it.
    #[must_use]
    pub fn map(&self, object: &Key) -> Option<&Arc<ConfigMap>> {
        self.maps.get(object)
    }

    /// Who must look at it all for the first time.
    #[must_use]
    pub fn everything(&self) -> BTreeSet<Wake> {
        let pools = self.pools.iter().flat_map(|(key, _)| [Wake::Publish(key.clone()), Wake::Report(key.clone())]);
        let namespaces = self.without.iter().map(|pod| Wake::Notice(pod.sibling("")));
        pools.chain(namespaces).collect()
    }

    /// A pool and all around it; none if it is gone.
    #[must_use]
    pub fn view(&self, key: &Key) -> Option<View> {
        let pool = Arc::clone(self.pools.get(key)?);
        let own = key.sibling(&names::object_name(&key.name));
        let referred = self.index.services_of(key);
        Some(View {
            key: key.clone(),
            pool,
            services: referred.iter().filter_map(|service| self.services.get(service).cloned()).collect(),
            slices: referred.iter().flat_map(|service| self.slices_of(service)).collect(),
            map: self.maps.get(&own).cloned(),
            proxy_service: self.services.get(&own).cloned(),
            proxy_slices: self.slices_of(&own).collect(),
        })
    }

    /// What is known of an object that a pool owns, or that has such an object's name.
    #[must_use]
    pub fn observed(&self, kind: Kind, object: &Key) -> Option<Observed> {
        match kind {
            Kind::Service => {
                let service = self.services.get(object)?;
                Some(Observed { meta: service.metadata.clone(), deployment: None })
            }
            _ => self.owned.get(&kind)?.get(object).map(|observed| (**observed).clone()),
        }
    }

    /// All Deployments of proxies, by their pool.
    pub fn deployments(&self) -> impl Iterator<Item = (Key, &Arc<Observed>)> {
        let all = self.owned.get(&Kind::Deployment).into_iter().flat_map(Cache::iter);
        all.filter_map(|(key, observed)| Some((pool_of_object(key)?, observed)))
    }

    /// The pods whose sidecars serve the pool and can be asked.
    pub fn sidecars_of(&self, pool: &Key) -> impl Iterator<Item = (&Key, &SidecarPod)> {
        self.index.sidecars_of(pool).filter_map(|pod| Some((pod, &**self.pods.get(pod)?)))
    }

    /// Whether the pod's sidecar serves the pool and can be asked.
    #[must_use]
    pub fn is_sidecar_of(&self, pool: &Key, pod: &str) -> bool {
        self.index.has_sidecar(pool, &pool.sibling(pod))
    }

    /// The pods of a namespace that ask for a sidecar and have none.
    pub fn pods_without(&self, namespace: &str) -> impl Iterator<Item = (&Key, &SidecarPod)> {
        let first = Key::new(namespace, "");
        let own = self.without.range(first..).take_while(move |pod| *pod.namespace == *namespace);
        own.filter_map(|pod| Some((pod, &**self.pods.get(pod)?)))
    }

    /// How many pods ask for a sidecar and have none.
    #[must_use]
    pub fn count_without(&self) -> usize {
        self.without.len()
    }

    /// The pod is now so. Returns who must hear of it, if it asks, or asked, for a sidecar and has none.
    pub(super) fn note_without(&mut self, key: &Key, pod: Option<&SidecarPod>) -> Option<Wake> {
        let concerns = match pod {
            Some(pod) if pod.is_without() => {
                self.without.insert(key.clone());
                true
            }
            _ => self.without.remove(key),
        };
        concerns.then(|| Wake::Notice(key.sibling("")))
    }

    /// The policy in force names these Services.
    pub fn refer_by_policy(&mut self, pool: &Key, services: impl IntoIterator<Item = Key>) {
        if self.pools.get(pool).is_some() {
            self.index.refer(pool, Reference::Policy, services);
        }
    }

    /// An object is now so: a watch says it, or the answer to a write of ours, which the watch will repeat.
    pub fn absorb<S: Source>(&mut self, source: &S, object: S::Object) -> BTreeSet<Wake> {
        let (key, version) = (Key::of(object.meta()), Version::of(object.meta()));
        let held = source.hold(object);
        let change = source.cache(self).insert(&key, version, held);
        change.map(|change| source.react(self, &key, &change)).unwrap_or_default()
    }

    /// A table of ours was written. Nobody is woken: it was written over what was known, so nothing else changed.
    pub fn wrote_map(&mut self, map: ConfigMap) {
        self.maps.insert(&Key::of(&map.metadata), Version::of(&map.metadata), map);
    }

    /// An object of ours was written. Nobody is woken: who wrote it looks at nothing but this.
    pub fn wrote_owned(&mut self, kind: Kind, observed: Observed) {
        let cache = self.owned.entry(kind).or_default();
        cache.insert(&Key::of(&observed.meta), Version::of(&observed.meta), observed);
    }

    /// An object can be read, or not, or is gone. True if that is news.
    pub fn note_readable(&mut self, kind: Kind, key: &Key, readable: bool) -> bool {
        let unreadable = self.unreadable.entry(kind).or_default();
        if readable { unreadable.remove(key) } else { unreadable.insert(key.clone()) }
    }

    /// All objects of the kind in that scope will be listed anew.
    pub fn forget_unreadable(&mut self, kind: Kind, scope: &Scope) {
        let in_scope = |key: &Key| scope.as_ref().is_none_or(|namespace| key.namespace == *namespace);
        self.unreadable.entry(kind).or_default().retain(|key| !in_scope(key));
    }

    /// How many objects of the kind cannot be read.
    #[must_use]
    pub fn unreadable(&self, kind: Kind) -> usize {
        self.unreadable.get(&kind).map_or(0, HashSet::len)
    }

    /// The pools that a Service concerns: those that refer to it, and the one whose proxies it leads to.
    pub(super) fn pools_of_service(&self, service: &Key) -> BTreeSet<Key> {
        let own = pool_of_object(service).filter(|pool| self.pools.get(pool).is_some());
        self.index.pools_of(service).into_iter().cloned().chain(own).collect()
    }

    fn slices_of(&self, service: &Key) -> impl Iterator<Item = Arc<EndpointSlice>> {
        self.index.slices_of(service).filter_map(|slice| self.slices.get(slice).cloned())
    }
}

/// The pool whose object has this name.
pub(super) fn pool_of_object(object: &Key) -> Option<Key> {
    let prefix = names::object_name("");
    Some(object.sibling(object.name.strip_prefix(&prefix)?))
}

#[cfg(test)]
#[path = "world_tests.rs"]
mod tests;
