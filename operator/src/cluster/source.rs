//! Where each kind is kept, and who must look again when one of its objects changes.

use std::{collections::BTreeSet, fmt::Debug};

use evenkeel_crds::{
    BalancerPool,
    names::{self, labels},
};
use k8s_openapi::{
    api::{
        apps::v1::Deployment,
        core::v1::{ConfigMap, Service},
        discovery::v1::EndpointSlice,
    },
    apimachinery::pkg::apis::meta::v1::ObjectMeta,
};
use kube::{Resource, core::PartialObjectMeta, core::error_boundary::InvalidObject};

use super::{Cache, Change, Observed, Pool, Reference, Wake, World, world::pool_of_object};
use crate::{key::Key, kind::Kind};

/// One kind of object that is watched.
pub trait Source: Send + Sync + 'static {
    /// What the watch yields.
    type Object: Resource + Clone + Debug + Send + 'static;
    /// What is kept of it.
    type Held: Send + Sync + 'static;

    /// Which kind it is.
    fn kind(&self) -> Kind;
    /// What is kept of an object.
    fn hold(&self, object: Self::Object) -> Self::Held;
    /// What is kept of an object that cannot be read; none: what is known stays.
    fn hold_unreadable(&self, _: Box<InvalidObject>) -> Option<Self::Held> {
        None
    }
    /// Where it is kept.
    fn cache<'w>(&self, world: &'w mut World) -> &'w mut Cache<Self::Held>;
    /// Follows up a change: updates the index, and says who must look again.
    fn react(&self, world: &mut World, key: &Key, change: &Change<Self::Held>) -> BTreeSet<Wake>;
}

/// Pools.
#[derive(Clone, Copy, Debug)]
pub struct PoolSource;

impl Source for PoolSource {
    type Object = BalancerPool;
    type Held = Pool;

    fn kind(&self) -> Kind {
        Kind::BalancerPool
    }

    fn hold(&self, object: BalancerPool) -> Pool {
        Pool { object, unreadable: None }
    }

    fn hold_unreadable(&self, invalid: Box<InvalidObject>) -> Option<Pool> {
        Some(Pool::unreadable(*invalid))
    }

    fn cache<'w>(&self, world: &'w mut World) -> &'w mut Cache<Pool> {
        &mut world.pools
    }

    fn react(&self, world: &mut World, key: &Key, change: &Change<Pool>) -> BTreeSet<Wake> {
        let services = change.after.iter().flat_map(|pool| &pool.object.spec.backends);
        let services = services.filter_map(|backend| Some(key.sibling(&backend.service.as_ref()?.name)));
        world.index.refer(key, Reference::Spec, services);
        let Some(after) = &change.after else {
            world.index.refer(key, Reference::Policy, []);
            return [Wake::Publish(key.clone()), Wake::Own(key.clone()), Wake::Report(key.clone())].into();
        };
        // A change of the status alone is our own, or is undone by the next report.
        let identity = |pool: &Pool| (pool.uid().to_owned(), pool.generation(), pool.is_going());
        match &change.before {
            Some(before) if identity(before) == identity(after) && before.unreadable == after.unreadable => {
                [Wake::Report(key.clone())].into()
            }
            _ => [Wake::Publish(key.clone()), Wake::Report(key.clone())].into(),
        }
    }
}

/// Services: of backends, and of proxies.
#[derive(Clone, Copy, Debug)]
pub struct ServiceSource;

impl Source for ServiceSource {
    type Object = Service;
    type Held = Service;

    fn kind(&self) -> Kind {
        Kind::Service
    }

    fn hold(&self, object: Service) -> Service {
        object
    }

    fn cache<'w>(&self, world: &'w mut World) -> &'w mut Cache<Service> {
        &mut world.services
    }

    fn react(&self, world: &mut World, key: &Key, _: &Change<Service>) -> BTreeSet<Wake> {
        let mut wakes: BTreeSet<_> = world.pools_of_service(key).into_iter().map(Wake::Publish).collect();
        wakes.extend(own(world, key));
        wakes
    }
}

/// EndpointSlices.
#[derive(Clone, Copy, Debug)]
pub struct SliceSource;

impl Source for SliceSource {
    type Object = EndpointSlice;
    type Held = EndpointSlice;

    fn kind(&self) -> Kind {
        Kind::EndpointSlice
    }

    fn hold(&self, object: EndpointSlice) -> EndpointSlice {
        object
    }

    fn cache<'w>(&self, world: &'w mut World) -> &'w mut Cache<EndpointSlice> {
        &mut world.slices
    }

    fn react(&self, world: &mut World, key: &Key, change: &Change<EndpointSlice>) -> BTreeSet<Wake> {
        let service = |slice: &EndpointSlice| service_of(&slice.metadata).map(|name| key.sibling(&name));
        let before = change.before.as_deref().and_then(service);
        let after = change.after.as_deref().and_then(service);
        if let Some(service) = before.as_ref().filter(|_| before != after) {
            world.index.remove_slice(service, key);
        }
        if let Some(service) = &after {
            world.index.add_slice(service.clone(), key.clone());
        }
        let services: BTreeSet<_> = before.into_iter().chain(after).collect();
        services.iter().flat_map(|service| world.pools_of_service(service)).map(Wake::Publish).collect()
    }
}

/// Published tables.
#[derive(Clone, Copy, Debug)]
pub struct MapSource;

impl Source for MapSource {
    type Object = ConfigMap;
    type Held = ConfigMap;

    fn kind(&self) -> Kind {
        Kind::ConfigMap
    }

    fn hold(&self, object: ConfigMap) -> ConfigMap {
        object
    }

    fn cache<'w>(&self, world: &'w mut World) -> &'w mut Cache<ConfigMap> {
        &mut world.maps
    }

    fn react(&self, world: &mut World, key: &Key, _: &Change<ConfigMap>) -> BTreeSet<Wake> {
        let pool = pool_of_object(key).filter(|pool| world.pools.get(pool).is_some());
        pool.map(Wake::Publish).into_iter().collect()
    }
}

/// What pools own, one kind of it: of a Deployment all of it is read, of the rest the metadata.
#[derive(Debug)]
pub struct OwnedSource<K> {
    kind: Kind,
    object: std::marker::PhantomData<fn() -> K>,
}

impl<K> OwnedSource<K> {
    /// The source of that kind.
    #[must_use]
    pub fn new(kind: Kind) -> Self {
        Self { kind, object: std::marker::PhantomData }
    }
}

/// An object of which an [`Observed`] is kept.
pub trait Observable: Resource + Clone + Debug + Into<Observed> + Send + 'static {}
impl Observable for Deployment {}
impl<K: Resource<DynamicType = ()> + Clone + Debug + Send + 'static> Observable for PartialObjectMeta<K> {}

impl<K: Observable> Source for OwnedSource<K> {
    type Object = K;
    type Held = Observed;

    fn kind(&self) -> Kind {
        self.kind
    }

    fn hold(&self, object: K) -> Observed {
        object.into()
    }

    fn cache<'w>(&self, world: &'w mut World) -> &'w mut Cache<Observed> {
        world.owned.entry(self.kind).or_default()
    }

    fn react(&self, world: &mut World, key: &Key, _: &Change<Observed>) -> BTreeSet<Wake> {
        own(world, key).into_iter().collect()
    }
}

/// The pool whose object changed must look at what it owns.
fn own(world: &World, object: &Key) -> Option<Wake> {
    pool_of_object(object).filter(|pool| world.pools.get(pool).is_some()).map(Wake::Own)
}

fn service_of(meta: &ObjectMeta) -> Option<String> {
    meta.labels.as_ref()?.get(labels::SERVICE_NAME).cloned()
}

/// The selector of what pools own.
#[must_use]
pub fn owned_selector() -> String {
    format!("{}={}", labels::MANAGED_BY, labels::MANAGED_BY_VALUE)
}

/// The name of a pool's objects.
#[must_use]
pub fn object_key(pool: &Key) -> Key {
    pool.sibling(&names::object_name(&pool.name))
}
