//! A pod as it is watched: what is read of it and no more, since users write pods as large as the API server takes.

use std::{borrow::Cow, collections::BTreeMap};

use k8s_openapi::{
    NamespaceResourceScope,
    api::core::v1::Pod,
    apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time},
};
use kube::Resource;
use serde::{Deserialize, Deserializer};

/// What is read of a pod. All else is skipped while it is read: of a pod with 100,000 variables nothing is held but this.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct WatchedPod {
    /// Who it is, its version, and the annotations that are ours.
    #[serde(deserialize_with = "metadata")]
    pub metadata: ObjectMeta,
    /// Its containers.
    pub spec: PodContainers,
    /// What has become of it.
    pub status: PodState,
}

/// The containers of a pod.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct PodContainers {
    /// Those that start first, of which some stay.
    pub init_containers: Vec<NamedContainer>,
    /// The others.
    pub containers: Vec<NamedContainer>,
}

/// A container, or what has become of it.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct NamedContainer {
    /// Its name.
    pub name: String,
    /// Of a status: whether it is ready.
    pub ready: bool,
}

/// What has become of a pod.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct PodState {
    /// Its phase.
    pub phase: Option<String>,
    /// Its address.
    #[serde(rename = "podIP")]
    pub pod_ip: Option<String>,
    /// What has become of those that start first.
    pub init_container_statuses: Vec<NamedContainer>,
    /// What has become of the others.
    pub container_statuses: Vec<NamedContainer>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Metadata {
    name: Option<String>,
    namespace: Option<String>,
    uid: Option<String>,
    resource_version: Option<String>,
    deletion_timestamp: Option<Time>,
    annotations: Option<OurAnnotations>,
}

/// The names are those of `evenkeel_crds::names::annotations`, as a test holds them to.
#[derive(Deserialize)]
struct OurAnnotations {
    #[serde(rename = "evenkeel.dev/pools")]
    pools: Option<String>,
    #[serde(rename = "evenkeel.dev/not-injected")]
    not_injected: Option<String>,
}

fn metadata<'de, D: Deserializer<'de>>(deserializer: D) -> Result<ObjectMeta, D::Error> {
    use evenkeel_crds::names::annotations::{NOT_INJECTED, POOLS};
    let read = Metadata::deserialize(deserializer)?;
    let annotations = read.annotations.map(|ours| {
        let pairs = [(POOLS, ours.pools), (NOT_INJECTED, ours.not_injected)];
        pairs.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect::<BTreeMap<_, _>>()
    });
    Ok(ObjectMeta {
        name: read.name,
        namespace: read.namespace,
        uid: read.uid,
        resource_version: read.resource_version,
        deletion_timestamp: read.deletion_timestamp,
        annotations,
        ..ObjectMeta::default()
    })
}

impl Resource for WatchedPod {
    type DynamicType = ();
    type Scope = NamespaceResourceScope;

    fn kind((): &()) -> Cow<'_, str> {
        Pod::kind(&())
    }

    fn group((): &()) -> Cow<'_, str> {
        Pod::group(&())
    }

    fn version((): &()) -> Cow<'_, str> {
        Pod::version(&())
    }

    fn plural((): &()) -> Cow<'_, str> {
        Pod::plural(&())
    }

    fn meta(&self) -> &ObjectMeta {
        &self.metadata
    }

    fn meta_mut(&mut self) -> &mut ObjectMeta {
        &mut self.metadata
    }
}
