//! Letting go of `spec.replicas`: a field that its only owner stops applying is reset, which would scale the proxies to one.
//!
//! So another manager takes it over first, with the value that it has; a HorizontalPodAutoscaler then changes it at will.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ManagedFieldsEntry, ObjectMeta};
use serde_json::{Value, json};

/// Who holds `replicas` after us.
pub(super) const MANAGER: &str = "evenkeel-operator-before-autoscaler";

/// Whether that manager has applied `spec.replicas` of the object.
#[must_use]
pub fn owns_replicas(meta: &ObjectMeta, manager: &str) -> bool {
    let entries = meta.managed_fields.as_deref().unwrap_or_default();
    entries.iter().filter(|entry| is_apply_of(entry, manager)).any(|entry| {
        let fields = entry.fields_v1.as_ref().map(|fields| &fields.0);
        fields.is_some_and(|fields| fields.pointer("/f:spec/f:replicas").is_some())
    })
}

fn is_apply_of(entry: &ManagedFieldsEntry, manager: &str) -> bool {
    entry.manager.as_deref() == Some(manager) && entry.operation.as_deref() == Some("Apply")
}

/// What the other manager applies.
#[must_use]
pub(super) fn claim(meta: &ObjectMeta, replicas: i32) -> Value {
    json!({
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": { "name": meta.name, "namespace": meta.namespace, "uid": meta.uid },
        "spec": { "replicas": replicas },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_our_own_apply_counts() {
        let entry = |manager: &str, operation: &str, fields: Value| json!({ "managedFields": [{ "manager": manager, "operation": operation, "fieldsV1": fields }] });
        let with = json!({ "f:spec": { "f:replicas": {} } });
        for (meta, owns) in [
            (entry("us", "Apply", with.clone()), true),
            (entry("us", "Update", with.clone()), false),
            (entry("kubectl", "Apply", with), false),
            (entry("us", "Apply", json!({ "f:spec": {} })), false),
            (json!({}), false),
        ] {
            let parsed: ObjectMeta = serde_json::from_value(meta.clone()).expect("metadata");
            assert_eq!(owns_replicas(&parsed, "us"), owns, "{meta}");
        }
    }
}
