//! What injection reads of a pod: as JSON, so that fields and values of newer releases of Kubernetes are no obstacle.

use evenkeel_crds::names::{SIDECAR_CONTAINER, labels};
use serde_json::Value;

/// Where the account's token is mounted, with the API server's certificate.
pub(super) const TOKEN_PATH: &str = "/var/run/secrets/kubernetes.io/serviceaccount";

/// The mark of a pod that a kubelet runs from a file: what the API server has is its mirror, and cannot be changed.
const MIRROR: &str = "kubernetes.io/config.mirror";

/// A pod.
#[derive(Clone, Copy, Debug)]
pub(super) struct PodView<'a>(pub(super) &'a Value);

impl<'a> PodView<'a> {
    /// Whether it asks for a sidecar.
    pub(super) fn asks(self) -> bool {
        self.label(labels::INJECT) == Some(labels::INJECT_VALUE) && self.annotation(MIRROR).is_none()
    }

    /// Whether it has one, injected or written by hand.
    pub(super) fn has_sidecar(self) -> bool {
        self.containers().any(|container| container["name"] == SIDECAR_CONTAINER)
    }

    /// An annotation.
    pub(super) fn annotation(self, key: &str) -> Option<&'a str> {
        self.0.get("metadata")?.get("annotations")?.get(key)?.as_str()
    }

    fn label(self, key: &str) -> Option<&'a str> {
        self.0.get("metadata")?.get("labels")?.get(key)?.as_str()
    }

    /// All containers, those of the start first.
    pub(super) fn containers(self) -> impl Iterator<Item = &'a Value> {
        self.list("initContainers").chain(self.list("containers"))
    }

    /// The volumes.
    pub(super) fn volumes(self) -> impl Iterator<Item = &'a Value> {
        self.list("volumes")
    }

    /// Whether it shares the node's network.
    pub(super) fn is_on_host_network(self) -> bool {
        self.spec("hostNetwork").and_then(Value::as_bool).unwrap_or_default()
    }

    /// Whether it says that it runs on Windows.
    pub(super) fn is_for_windows(self) -> bool {
        let os = self.spec("os").and_then(|os| os.get("name"));
        let selected = self.spec("nodeSelector").and_then(|labels| labels.get("kubernetes.io/os"));
        [os, selected].into_iter().flatten().any(|os| os == "windows")
    }

    /// The volume with the account's token that some container mounts at the usual place.
    pub(super) fn token_volume(self) -> Option<&'a str> {
        let mounts = self.containers().flat_map(|container| list(container, "volumeMounts"));
        let mut names =
            mounts.filter(|mount| mount["mountPath"] == TOKEN_PATH).filter_map(|mount| mount["name"].as_str());
        names.find(|name| self.volumes().any(|volume| volume["name"] == **name && has_token(volume)))
    }

    fn spec(self, field: &str) -> Option<&'a Value> {
        self.0.get("spec")?.get(field)
    }

    fn list(self, field: &str) -> impl Iterator<Item = &'a Value> {
        self.spec(field).and_then(Value::as_array).into_iter().flatten()
    }
}

/// The list of that name in an object, or nothing.
pub(super) fn list<'a>(object: &'a Value, field: &str) -> impl Iterator<Item = &'a Value> {
    object.get(field).and_then(Value::as_array).into_iter().flatten()
}

/// An `emptyDir` at the token's place is how a container hides it.
fn has_token(volume: &Value) -> bool {
    let projected = volume.get("projected").into_iter().flat_map(|projected| list(projected, "sources"));
    volume.get("secret").is_some() || projected.into_iter().any(|source| source.get("serviceAccountToken").is_some())
}
