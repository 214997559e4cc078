//! What the operator remembers of an object that it made: its metadata, and of a Deployment how far its rollout is.

use k8s_openapi::{api::apps::v1::Deployment, apimachinery::pkg::apis::meta::v1::ObjectMeta};
use kube::core::PartialObjectMeta;

/// An object that belongs, or seems to belong, to a pool.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Observed {
    /// Its metadata.
    pub meta: ObjectMeta,
    /// Of a Deployment alone.
    pub deployment: Option<DeploymentState>,
}

/// How far a Deployment is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeploymentState {
    /// How many pods it is to have.
    pub replicas: i32,
    /// The image of its first container.
    pub image: String,
    /// Whether all of its pods are of the newest template and available.
    pub available: bool,
    /// Whether it has had more than one template.
    pub is_rollout: bool,
}

/// Kubernetes counts the templates of a Deployment here; the first is 1.
const REVISION: &str = "deployment.kubernetes.io/revision";

impl<K> From<PartialObjectMeta<K>> for Observed {
    fn from(object: PartialObjectMeta<K>) -> Self {
        Self { meta: object.metadata, deployment: None }
    }
}

impl From<Deployment> for Observed {
    fn from(object: Deployment) -> Self {
        let deployment = Some(DeploymentState::of(&object));
        Self { meta: object.metadata, deployment }
    }
}

impl DeploymentState {
    /// How far the Deployment is.
    #[must_use]
    pub fn of(object: &Deployment) -> Self {
        let spec = object.spec.as_ref();
        let replicas = spec.and_then(|spec| spec.replicas).unwrap_or(1); // the API server's default
        let pod = spec.and_then(|spec| spec.template.spec.as_ref());
        let revision = object.metadata.annotations.as_ref().and_then(|all| all.get(REVISION));
        Self {
            replicas,
            image: pod.and_then(|pod| pod.containers.first()?.image.clone()).unwrap_or_default(),
            available: is_available(object, replicas),
            is_rollout: revision.is_some_and(|revision| revision != "1"),
        }
    }
}

/// `kubectl rollout status` asks the same.
fn is_available(object: &Deployment, replicas: i32) -> bool {
    let Some(status) = &object.status else { return false };
    let [updated, available, total] =
        [status.updated_replicas, status.available_replicas, status.replicas].map(Option::unwrap_or_default);
    status.observed_generation >= object.metadata.generation
        && updated >= replicas
        && total <= updated
        && available >= updated
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn deployment(status: &serde_json::Value) -> DeploymentState {
        let object = json!({
            "metadata": { "generation": 2, "annotations": { REVISION: "2" } },
            "spec": {
                "replicas": 2, "selector": {},
                "template": { "spec": { "containers": [{ "name": "proxy", "image": "proxy:1" }] } },
            },
            "status": status,
        });
        DeploymentState::of(&serde_json::from_value(object).expect("a Deployment"))
    }

    #[test]
    fn a_rollout_is_over_when_all_pods_are_new_and_available() {
        let seen = json!({ "observedGeneration": 2, "replicas": 2, "updatedReplicas": 2, "availableReplicas": 2 });
        let over = deployment(&seen);
        assert_eq!((over.replicas, over.image.as_str(), over.available, over.is_rollout), (2, "proxy:1", true, true));
        for (field, value) in
            [("observedGeneration", 1), ("replicas", 3), ("updatedReplicas", 1), ("availableReplicas", 1)]
        {
            let mut status = seen.clone();
            status[field] = json!(value);
            assert!(!deployment(&status).available, "{field}");
        }
        assert!(!deployment(&json!(null)).available);
    }
}
