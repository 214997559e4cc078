//! Pods of applications with a sidecar, and what a kubelet would say of it: here are no nodes.

use k8s_openapi::api::core::v1::{Pod, ServiceAccount};
use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};

use super::{Space, eventually};

/// A pod that asks for a sidecar for these pools, and does not have it.
#[must_use]
pub fn application(name: &str, pools: &str) -> Value {
    let labels = json!({ "evenkeel.dev/inject": "enabled" });
    json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": { "name": name, "labels": labels, "annotations": { "evenkeel.dev/pools": pools } },
        "spec": { "containers": [{ "name": "app", "image": "app:test" }] },
    })
}

/// The same with its sidecar.
#[must_use]
pub fn with_sidecar(name: &str, pools: &str) -> Value {
    let mut pod = application(name, pools);
    let sidecar = json!({ "name": "evenkeel-proxy", "image": "proxy:test", "restartPolicy": "Always" });
    pod["spec"]["initContainers"] = json!([sidecar]);
    pod
}

impl Space {
    /// Makes a pod, as soon as its namespace has the account that every pod needs.
    ///
    /// # Panics
    /// If the API server refuses it.
    pub async fn create_pod(&self, pod: Value) -> Pod {
        eventually("the default account", || self.get::<ServiceAccount>("default")).await;
        self.create(pod).await
    }

    /// Says that the pod runs at that address, and whether its sidecar is ready.
    ///
    /// # Panics
    /// If the API server refuses it.
    pub async fn sidecar_is(&self, pod: &str, address: &str, ready: bool) {
        let state = |name: &str, ready: bool| {
            let image = "proxy:test";
            json!({ "name": name, "ready": ready, "started": ready, "restartCount": 0, "image": image, "imageID": image })
        };
        let status = json!({ "status": {
            "phase": if ready { "Running" } else { "Pending" }, "podIP": address, "podIPs": [{ "ip": address }],
            "initContainerStatuses": [state("evenkeel-proxy", ready)], "containerStatuses": [state("app", ready)],
        } });
        self.api::<Pod>()
            .patch_status(pod, &PatchParams::default(), &Patch::Merge(&status))
            .await
            .expect("the pod's status is taken");
    }
}
