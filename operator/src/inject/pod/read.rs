//! From JSON to what is read of a pod.

use std::{borrow::Cow, collections::BTreeMap};

use evenkeel_crds::names::{SIDECAR_CONTAINER, annotations, labels};
use serde::{
    Deserialize, Deserializer,
    de::{IgnoredAny, MapAccess},
};

use super::{
    Pod,
    json::{Element, Kind, List, Maybe, Object},
};

/// Where the account's token is mounted, with the API server's certificate.
pub(in crate::inject) const TOKEN_PATH: &str = "/var/run/secrets/kubernetes.io/serviceaccount";

/// The volumes of a sidecar are named so.
const OWN_VOLUMES: &str = "evenkeel-";

/// The mark of a pod that a kubelet runs from a file: what the API server has is its mirror, and cannot be changed.
pub(super) const MIRROR: &str = "kubernetes.io/config.mirror";
/// A label of nodes.
pub(super) const SYSTEM: &str = "kubernetes.io/os";

/// The labels, annotations and resources that matter here.
const KEYS: [&str; 10] = [
    labels::INJECT,
    annotations::POOLS,
    annotations::CPU_REQUEST,
    annotations::CPU_LIMIT,
    annotations::MEMORY_REQUEST,
    annotations::MEMORY_LIMIT,
    MIRROR,
    SYSTEM,
    "cpu",
    "memory",
];

#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
struct Fields {
    metadata: Maybe<Object<Metadata>>,
    spec: Maybe<Object<Spec>>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub(super) struct Metadata {
    pub(super) labels: Maybe<Known>,
    pub(super) annotations: Maybe<Known>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Spec {
    pub(super) init_containers: Maybe<List<Container>>,
    pub(super) containers: Maybe<List<Container>>,
    pub(super) volumes: Maybe<List<Volume>>,
    pub(super) host_network: Maybe<bool>,
    pub(super) os: Maybe<Object<Named>>,
    pub(super) node_selector: Maybe<Known>,
    pub(super) resources: Maybe<Object<PodResources>>,
    pub(super) security_context: Maybe<Object<Security>>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub(super) struct PodResources {
    pub(super) requests: Maybe<Known>,
    pub(super) limits: Maybe<Known>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Security {
    pub(super) run_as_user: Maybe<u64>,
}

/// Those of [`KEYS`] that are there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Known(pub(super) BTreeMap<&'static str, String>);

#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub(super) struct Named {
    pub(super) name: Maybe<String>,
}

/// A container that is a sidecar, has ports or mounts a token; of others nothing is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Container {
    pub(super) name: Box<str>,
    /// Those of TCP.
    pub(super) ports: Vec<u16>,
    /// The volumes that it mounts at [`TOKEN_PATH`].
    pub(super) tokens: Vec<Box<str>>,
}

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct ContainerFields {
    name: Maybe<String>,
    ports: Maybe<List<Port>>,
    volume_mounts: Maybe<List<TokenMount>>,
}

struct Port(u16);

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "camelCase")]
struct PortFields {
    container_port: Maybe<u64>,
    protocol: Maybe<String>,
}

/// The volume of a mount at [`TOKEN_PATH`].
struct TokenMount(Box<str>);

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "camelCase")]
struct MountFields {
    name: Maybe<String>,
    mount_path: Maybe<String>,
}

/// A volume that has the account's token, or a name that ours may have; of others nothing is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Volume {
    pub(super) name: Box<str>,
    pub(super) has_token: bool,
}

#[derive(Deserialize, Default)]
#[serde(default)]
pub(super) struct VolumeFields {
    name: Maybe<String>,
    projected: Maybe<Object<Projected>>,
    secret: Maybe<()>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Projected {
    sources: Maybe<List<TokenSource>>,
}

/// A source of a projected volume that is the account's token.
struct TokenSource;

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "camelCase")]
struct SourceFields {
    service_account_token: Maybe<()>,
}

impl<'de> Deserialize<'de> for Pod {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let fields = Maybe::<Object<Fields>>::deserialize(deserializer)?.0.unwrap_or_default().0;
        Ok(Self { metadata: fields.metadata.0.unwrap_or_default().0, spec: fields.spec.0.unwrap_or_default().0 })
    }
}

impl<'de> Kind<'de> for Known {
    fn object<A: MapAccess<'de>>(mut object: A) -> Result<Option<Self>, A::Error> {
        let mut known = BTreeMap::new();
        while let Some(key) = object.next_key::<Cow<str>>()? {
            match KEYS.iter().find(|known| **known == key) {
                Some(key) => known.extend(object.next_value::<Maybe<String>>()?.0.map(|value| (*key, value))),
                None => drop(object.next_value::<IgnoredAny>()?),
            }
        }
        Ok(Some(Self(known)))
    }
}

impl Element for Container {
    type Read = ContainerFields;

    fn keep(read: ContainerFields) -> Option<Self> {
        let ports: Vec<_> = read.ports.iter().map(|port| port.0).collect();
        let tokens: Vec<_> = read.volume_mounts.0.into_iter().flat_map(|list| list.0).map(|mount| mount.0).collect();
        let name = read.name.0.unwrap_or_default().into_boxed_str();
        let matters = !ports.is_empty() || !tokens.is_empty() || *name == *SIDECAR_CONTAINER;
        matters.then_some(Self { name, ports, tokens })
    }
}

impl Element for Port {
    type Read = PortFields;

    fn keep(read: PortFields) -> Option<Self> {
        let is_tcp = read.protocol.0.is_none_or(|protocol| protocol == "TCP");
        read.container_port.0.and_then(|port| u16::try_from(port).ok()).filter(|_| is_tcp).map(Self)
    }
}

impl Element for TokenMount {
    type Read = MountFields;

    fn keep(read: MountFields) -> Option<Self> {
        let is_here = read.mount_path.0.is_some_and(|path| path == TOKEN_PATH);
        read.name.0.filter(|_| is_here).map(|name| Self(name.into_boxed_str()))
    }
}

impl Element for Volume {
    type Read = VolumeFields;

    /// An `emptyDir` at the token's place is how a container hides it.
    fn keep(read: VolumeFields) -> Option<Self> {
        let projected = read.projected.0.unwrap_or_default().0;
        let has_token = read.secret.0.is_some() || projected.sources.iter().next().is_some();
        let name = read.name.0.filter(|name| has_token || name.starts_with(OWN_VOLUMES))?;
        Some(Self { name: name.into_boxed_str(), has_token })
    }
}

impl Element for TokenSource {
    type Read = SourceFields;

    fn keep(read: SourceFields) -> Option<Self> {
        read.service_account_token.0.map(|()| Self)
    }
}
