//! A pod that has a sidecar or asks for one: the little that is kept of it, and who must look again when that changes.

use std::{collections::BTreeSet, net::IpAddr};

use super::{Cache, Change, NamedContainer, Source, Wake, WatchedPod, World};
use crate::{key::Key, kind::Kind};
use evenkeel_crds::{
    address::{self, Scope},
    api::ProxyMode,
    names::{SIDECAR_CONTAINER, annotations, labels},
    sidecar::pools_of,
};

/// What is kept of such a pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SidecarPod {
    /// The pod's UID.
    pub uid: Box<str>,
    /// The pools of its annotation; none if that cannot be read.
    pub pools: Box<[Box<str>]>,
    /// Where it is, if that is known and may be asked.
    pub address: Option<IpAddr>,
    /// Whether it has its sidecar.
    pub sidecar: Sidecar,
    /// It is finished or being deleted.
    pub ended: bool,
}

/// Whether a pod has its sidecar.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sidecar {
    /// It has none, for the reason that the webhook gave, if it was asked: the first 1,500 characters of it.
    Missing(Option<Box<str>>),
    /// It starts, or does not get on.
    Unready,
    /// It is ready.
    Ready,
}

/// The webhook gives no longer ones, and anybody may write that annotation.
const MAX_REASON: usize = 1_500;

impl From<WatchedPod> for SidecarPod {
    fn from(pod: WatchedPod) -> Self {
        let annotation = |name| pod.metadata.annotations.as_ref().and_then(|all| all.get(name)).map(String::as_str);
        let pools = annotation(annotations::POOLS).and_then(|value| pools_of(value).ok()).unwrap_or_default();
        let address = pod.status.pod_ip.as_deref().and_then(|address| address.parse().ok());
        let sidecar = match () {
            () if !has_container(&pod) => Sidecar::Missing(annotation(annotations::NOT_INJECTED).map(shortened)),
            () if is_ready(&pod) => Sidecar::Ready,
            () => Sidecar::Unready,
        };
        let finished = matches!(pod.status.phase.as_deref(), Some("Succeeded" | "Failed"));
        Self {
            pools: pools.into_iter().map(Box::from).collect(),
            // One that the operator connects to: whoever writes the status of pods must not choose it freely.
            address: address.filter(|address| address::check(*address, Scope::Cluster).is_ok()),
            sidecar,
            ended: finished || pod.metadata.deletion_timestamp.is_some(),
            uid: pod.metadata.uid.unwrap_or_default().into(),
        }
    }
}

fn shortened(reason: &str) -> Box<str> {
    reason.char_indices().nth(MAX_REASON).map_or(reason, |(end, _)| &reason[..end]).into()
}

/// A native sidecar is an init container; one that is written by hand may be an ordinary one.
fn has_container(pod: &WatchedPod) -> bool {
    let all = [&pod.spec.init_containers, &pod.spec.containers];
    all.into_iter().flatten().any(is_sidecar)
}

fn is_ready(pod: &WatchedPod) -> bool {
    let all = [&pod.status.init_container_statuses, &pod.status.container_statuses];
    all.into_iter().flatten().any(|status| is_sidecar(status) && status.ready)
}

fn is_sidecar(container: &NamedContainer) -> bool {
    container.name == SIDECAR_CONTAINER
}

impl SidecarPod {
    /// Whether it asked for a sidecar that it does not have.
    #[must_use]
    pub fn is_without(&self) -> bool {
        !self.ended && matches!(self.sidecar, Sidecar::Missing(_))
    }

    /// The pools that its sidecar serves, as far as that can be asked.
    fn served(&self) -> &[Box<str>] {
        let can_be_asked = !self.ended && self.address.is_some() && !matches!(self.sidecar, Sidecar::Missing(_));
        if can_be_asked { &self.pools } else { &[] }
    }
}

/// The selector of pods that have a sidecar or ask for one.
#[must_use]
pub fn sidecar_selector() -> String {
    format!("{}={}", labels::INJECT, labels::INJECT_VALUE)
}

/// Pods that have a sidecar or ask for one.
#[derive(Clone, Copy, Debug)]
pub struct PodSource;

impl Source for PodSource {
    type Object = WatchedPod;
    type Held = SidecarPod;

    fn kind(&self) -> Kind {
        Kind::Pod
    }

    fn hold(&self, object: WatchedPod) -> SidecarPod {
        object.into()
    }

    fn cache<'w>(&self, world: &'w mut World) -> &'w mut Cache<SidecarPod> {
        &mut world.pods
    }

    /// A table does not depend on sidecars: pods wake nobody to publish.
    fn react(&self, world: &mut World, key: &Key, change: &Change<SidecarPod>) -> BTreeSet<Wake> {
        if change.before == change.after {
            return BTreeSet::new();
        }
        let served = |pod: Option<&SidecarPod>| -> BTreeSet<Key> {
            pod.into_iter().flat_map(SidecarPod::served).map(|pool| key.sibling(pool)).collect()
        };
        let [before, after] = [&change.before, &change.after].map(|pod| served(pod.as_deref()));
        for pool in before.difference(&after) {
            world.index.remove_sidecar(pool, key);
        }
        for pool in &after {
            world.index.add_sidecar(pool.clone(), key.clone());
        }
        let counts = |pool: &&Key| world.pools.get(pool).is_some_and(|pool| pool.mode() == ProxyMode::Sidecar);
        let mut wakes: BTreeSet<_> = before.union(&after).filter(counts).cloned().map(Wake::Report).collect();
        wakes.extend(world.note_without(key, change.after.as_deref()));
        wakes
    }
}

#[cfg(test)]
#[path = "sidecar_tests.rs"]
mod tests;
