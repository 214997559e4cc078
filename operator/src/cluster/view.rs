//! What a pool's table depends on, taken from the caches at one moment.

use std::sync::Arc;

use evenkeel_crds::{
    BalancerPool, BalancerPoolSpec,
    api::{Listener, ProxyMode},
};
use k8s_openapi::{
    api::{
        core::v1::{ConfigMap, Service},
        discovery::v1::EndpointSlice,
    },
    apimachinery::pkg::apis::meta::v1::ObjectMeta,
};
use kube::core::error_boundary::InvalidObject;

use crate::key::Key;

/// A pool, as far as it can be read.
#[derive(Clone, Debug)]
pub struct Pool {
    /// The pool; if it cannot be read, with an empty spec, which is invalid and so leaves the last good policy in force.
    pub object: BalancerPool,
    /// Why it cannot be read.
    pub unreadable: Option<String>,
}

/// A pool and all around it.
#[derive(Clone, Debug)]
pub struct View {
    /// Its name.
    pub key: Key,
    /// The pool.
    pub pool: Arc<Pool>,
    /// The Services that it refers to.
    pub services: Vec<Arc<Service>>,
    /// Their slices.
    pub slices: Vec<Arc<EndpointSlice>>,
    /// What is published, or what else has the name of the table.
    pub map: Option<Arc<ConfigMap>>,
    /// The Service of its proxies, or what else has that name.
    pub proxy_service: Option<Arc<Service>>,
    /// The slices of that Service.
    pub proxy_slices: Vec<Arc<EndpointSlice>>,
}

impl Pool {
    /// A pool that cannot be read.
    #[must_use]
    pub fn unreadable(invalid: InvalidObject) -> Self {
        let spec = BalancerPoolSpec {
            protocol: None,
            listener: Listener { port: 0, trusted_peers: None },
            proxy: None,
            backends: Vec::new(),
            load_balancing: None,
            timeouts: None,
            limits: None,
            retry: None,
            connection_pool: None,
            headers: None,
            access_log: None,
        };
        let object = BalancerPool { metadata: invalid.metadata, spec, status: None };
        Self { object, unreadable: Some(invalid.error) }
    }

    /// The pool's metadata.
    #[must_use]
    pub fn meta(&self) -> &ObjectMeta {
        &self.object.metadata
    }

    /// The generation of its spec.
    #[must_use]
    pub fn generation(&self) -> i64 {
        self.meta().generation.unwrap_or_default()
    }

    /// Its UID.
    #[must_use]
    pub fn uid(&self) -> &str {
        self.meta().uid.as_deref().unwrap_or_default()
    }

    /// Whether it is being deleted: then garbage collection takes what it owns, and nobody must make it again.
    #[must_use]
    pub fn is_going(&self) -> bool {
        self.meta().deletion_timestamp.is_some()
    }

    /// Who runs its proxies.
    #[must_use]
    pub fn mode(&self) -> ProxyMode {
        self.object.spec.proxy.as_ref().and_then(|proxy| proxy.mode).unwrap_or_default()
    }
}
