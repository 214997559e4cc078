//! JSON patches that add to a pod and change nothing that is there.

use evenkeel_crds::names::annotations::NOT_INJECTED;
use json_patch::{AddOperation, Patch, PatchOperation, jsonptr::PointerBuf};
use serde_json::{Value, json};

use super::admit::{MAX_REASON, shorten};

/// Adds a sidecar: its container as the first of those of the start, since others of them may need it; its volumes as the last.
pub(super) fn inject(pod: &Value, container: Value, volumes: Vec<Value>) -> Patch {
    let first = if is_list(pod, "initContainers") {
        add(&["spec", "initContainers", "0"], container)
    } else {
        add(&["spec", "initContainers"], json!([container]))
    };
    let mut patch = vec![first];
    if is_list(pod, "volumes") {
        patch.extend(volumes.into_iter().map(|volume| add(&["spec", "volumes", "-"], volume)));
    } else {
        patch.push(add(&["spec", "volumes"], Value::Array(volumes)));
    }
    Patch(patch)
}

/// Marks a pod that asked for a sidecar and is made without.
#[must_use]
pub fn not_injected(pod: &Value, reason: &str) -> Patch {
    let reason = shorten(reason, MAX_REASON);
    let has_annotations = pod.pointer("/metadata/annotations").is_some_and(Value::is_object);
    let operation = if has_annotations {
        add(&["metadata", "annotations", NOT_INJECTED], json!(reason))
    } else {
        add(&["metadata", "annotations"], json!({ NOT_INJECTED: reason }))
    };
    Patch(vec![operation])
}

fn is_list(pod: &Value, field: &str) -> bool {
    pod.get("spec").and_then(|spec| spec.get(field)).is_some_and(Value::is_array)
}

fn add(path: &[&str], value: Value) -> PatchOperation {
    PatchOperation::Add(AddOperation { path: PointerBuf::from_tokens(path.iter().copied()), value })
}
