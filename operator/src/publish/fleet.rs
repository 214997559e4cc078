//! A pool's ready proxies, as the EndpointSlices of its own Service show them.

use std::{collections::BTreeMap, net::IpAddr};

use evenkeel_crds::{
    address::{self, Scope},
    api::ProxyMode,
};
use k8s_openapi::api::discovery::v1::Endpoint;

use crate::{cluster::View, findings::ProxyEndpoint, ownership::Ownership};

/// The ready proxies in the order of their names, each once. A Service that is not ours leads to somebody else's pods.
#[must_use]
pub fn proxies_of(view: &View) -> Vec<ProxyEndpoint> {
    let service = view.proxy_service.as_ref().map(|service| Ownership::of(&service.metadata, view.pool.meta()));
    if view.pool.mode() != ProxyMode::Deployment || service != Some(Ownership::Ours) {
        return Vec::new();
    }
    let mut slices: Vec<_> = view.proxy_slices.iter().filter(|slice| slice.address_type != "FQDN").collect();
    slices.sort_by_key(|slice| (slice.address_type.clone(), slice.metadata.name.clone()));
    let mut proxies = BTreeMap::new();
    for proxy in slices.iter().flat_map(|slice| &slice.endpoints).filter_map(proxy) {
        proxies.entry(proxy.name.clone()).or_insert(proxy); // a dual-stack pod is in the slices of both families
    }
    proxies.into_values().collect()
}

/// A ready pod. The address is one that the operator connects to: whoever writes slices by hand must not choose it freely.
fn proxy(endpoint: &Endpoint) -> Option<ProxyEndpoint> {
    let conditions = endpoint.conditions.as_ref();
    let ready = conditions.and_then(|conditions| conditions.ready).unwrap_or(true);
    let terminating = conditions.and_then(|conditions| conditions.terminating).unwrap_or(false);
    let pod = endpoint.target_ref.as_ref().filter(|target| target.kind.as_deref() == Some("Pod"))?;
    let address: IpAddr = endpoint.addresses.first()?.parse().ok()?;
    let allowed = address::check(address, Scope::Cluster).is_ok();
    (ready && !terminating && allowed).then(|| ProxyEndpoint {
        name: pod.name.clone().unwrap_or_default(),
        address,
        zone: endpoint.zone.clone().unwrap_or_default(),
    })
}
