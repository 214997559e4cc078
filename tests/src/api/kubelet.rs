//! What a kubelet would say of pods: here are no nodes, so a test says that they run, and at which address.

use std::sync::{Mutex, PoisonError};

use k8s_openapi::api::core::v1::Pod;
use kube::{
    Api,
    api::{Patch, PatchParams},
};
use serde_json::json;

use super::Space;

/// Makes pods ready.
#[derive(Debug)]
pub struct Kubelet {
    addresses: Mutex<Vec<String>>,
}

impl Kubelet {
    /// One that gives these addresses to pods, one after the other.
    #[must_use]
    pub fn new(addresses: &[&str]) -> Self {
        Self { addresses: Mutex::new(addresses.iter().rev().map(|address| (*address).to_owned()).collect()) }
    }

    /// Gives each pod without an address the next one and says that it is ready.
    ///
    /// # Panics
    /// If the API server refuses it.
    pub async fn run(&self, space: &Space) {
        let pods: Vec<Pod> = space.list().await;
        let fresh = pods.iter().filter(|pod| pod.status.as_ref().is_none_or(|status| status.pod_ip.is_none()));
        for pod in fresh {
            let Some(address) = self.next() else { break };
            set_ready(space, pod.metadata.name.as_deref().unwrap_or_default(), &address).await;
        }
    }

    fn next(&self) -> Option<String> {
        self.addresses.lock().unwrap_or_else(PoisonError::into_inner).pop()
    }
}

async fn set_ready(space: &Space, pod: &str, address: &str) {
    let time = "2026-01-01T00:00:00Z"; // long ago: available since then
    let ready = json!({ "type": "Ready", "status": "True", "lastTransitionTime": time });
    let status = json!({ "status": {
        "phase": "Running", "podIP": address, "podIPs": [{ "ip": address }], "conditions": [ready],
    } });
    let api: Api<Pod> = space.api();
    api.patch_status(pod, &PatchParams::default(), &Patch::Merge(&status)).await.expect("the pod's status is taken");
}
