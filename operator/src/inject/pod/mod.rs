//! What injection reads of a pod, and nothing else: a pod may come with megabytes, and waits in memory while its pools are
//! looked up.

mod json;
mod read;

use std::collections::BTreeSet;

use evenkeel_crds::names::{SIDECAR_CONTAINER, labels};

use json::Maybe;
use read::{Container, Known, MIRROR, Metadata, SYSTEM, Spec};

pub(super) use read::TOKEN_PATH;

/// A pod that is to be made. Whatever is sent in place of one is a pod that asks for nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pod {
    metadata: Metadata,
    spec: Spec,
}

impl Pod {
    /// Whether it asks for a sidecar.
    pub(super) fn asks(&self) -> bool {
        known(&self.metadata.labels, labels::INJECT) == Some(labels::INJECT_VALUE) && self.annotation(MIRROR).is_none()
    }

    /// Whether it has one, injected or written by hand.
    pub(super) fn has_sidecar(&self) -> bool {
        self.containers().any(|container| *container.name == *SIDECAR_CONTAINER)
    }

    /// One of the annotations that matter here.
    pub(super) fn annotation(&self, key: &str) -> Option<&str> {
        known(&self.metadata.annotations, key)
    }

    /// Whether it has any annotations.
    pub(super) fn has_annotations(&self) -> bool {
        self.metadata.annotations.0.is_some()
    }

    /// Whether there is a list of containers of the start.
    pub(super) fn has_init_containers(&self) -> bool {
        self.spec.init_containers.0.is_some()
    }

    /// Whether there is a list of volumes.
    pub(super) fn has_volumes(&self) -> bool {
        self.spec.volumes.0.is_some()
    }

    /// The TCP ports of containers, those of the start first: they run while the sidecar does.
    pub(super) fn ports(&self) -> impl Iterator<Item = (&str, u16)> {
        self.containers().flat_map(|container| container.ports.iter().map(|port| (&*container.name, *port)))
    }

    /// Whether a volume has that name, which begins as [`OWN_VOLUMES`].
    pub(super) fn has_volume(&self, name: &str) -> bool {
        self.spec.volumes.iter().any(|volume| *volume.name == *name)
    }

    /// Whether it has a budget of that resource for all its containers together.
    pub(super) fn has_budget(&self, resource: &str) -> bool {
        let budget = self.spec.resources.0.as_ref().map(|resources| &resources.0);
        budget.is_some_and(|budget| [&budget.requests, &budget.limits].iter().any(|all| known(all, resource).is_some()))
    }

    /// Whether its containers run as a user that it names, and not as root.
    pub(super) fn names_user(&self) -> bool {
        let security = self.spec.security_context.0.as_ref();
        security.and_then(|security| security.0.run_as_user.0).is_some_and(|user| user != 0)
    }

    /// Whether it shares the node's network.
    pub(super) fn is_on_host_network(&self) -> bool {
        self.spec.host_network.0.unwrap_or_default()
    }

    /// Whether it says that it runs on Windows.
    pub(super) fn is_for_windows(&self) -> bool {
        let os = self.spec.os.0.as_ref().and_then(|os| os.0.name.0.as_deref());
        [os, known(&self.spec.node_selector, SYSTEM)].contains(&Some("windows"))
    }

    /// The volume with the account's token that some container mounts at the usual place.
    pub(super) fn token_volume(&self) -> Option<&str> {
        let volumes: BTreeSet<_> =
            self.spec.volumes.iter().filter(|volume| volume.has_token).map(|volume| &volume.name).collect();
        let mut mounted = self.containers().flat_map(|container| &container.tokens);
        mounted.find(|name| volumes.contains(name)).map(AsRef::as_ref)
    }

    fn containers(&self) -> impl Iterator<Item = &Container> {
        self.spec.init_containers.iter().chain(self.spec.containers.iter())
    }
}

fn known<'a>(all: &'a Maybe<Known>, key: &str) -> Option<&'a str> {
    all.0.as_ref()?.0.get(key).map(String::as_str)
}
