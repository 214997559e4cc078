//! JSON patches that add to a pod and change nothing that is there.

use evenkeel_crds::names::annotations::NOT_INJECTED;
use json_patch::{AddOperation, Patch, PatchOperation, jsonptr::PointerBuf};
use serde_json::{Value, json};

use super::{
    admit::{MAX_REASON, shorten},
    pod::Pod,
};

/// Adds a sidecar: its container as the first of those of the start, since others of them may need it; its volumes as the last.
pub(super) fn inject(pod: &Pod, container: Value, volumes: Vec<Value>) -> Patch {
    let first = if pod.has_init_containers() {
        add(&["spec", "initContainers", "0"], container)
    } else {
        add(&["spec", "initContainers"], json!([container]))
    };
    let mut patch = vec![first];
    if pod.has_volumes() {
        patch.extend(volumes.into_iter().map(|volume| add(&["spec", "volumes", "-"], volume)));
    } else {
        patch.push(add(&["spec", "volumes"], Value::Array(volumes)));
    }
    Patch(patch)
}

/// Marks a pod that asked for a sidecar and is made without.
#[must_use]
pub fn not_injected(pod: &Pod, reason: &str) -> Patch {
    let reason = shorten(reason, MAX_REASON);
    let operation = if pod.has_annotations() {
        add(&["metadata", "annotations", NOT_INJECTED], json!(reason))
    } else {
        add(&["metadata", "annotations"], json!({ NOT_INJECTED: reason }))
    };
    Patch(vec![operation])
}

fn add(path: &[&str], value: Value) -> PatchOperation {
    PatchOperation::Add(AddOperation { path: PointerBuf::from_tokens(path.iter().copied()), value })
}
