//! The Deployment of a pool's proxies.

use evenkeel_crds::names::{ADMIN_PORT, labels};
use serde_json::{Value, json};

use crate::{key::Key, options::PullPolicy};

/// 60 s to finish what is in flight, and time to say so.
const GRACE_SECONDS: i64 = 75;

/// The spec of the Deployment, without `replicas`. Nothing in it depends on the pool's listener, backends or settings: those
/// change without a restart.
#[must_use]
pub fn deployment(pool: &Key, image: &str, pull_policy: Option<PullPolicy>) -> Value {
    let selector = selector(&pool.name);
    let mut pod_labels = selector.clone();
    pod_labels[labels::MANAGED_BY] = json!(labels::MANAGED_BY_VALUE);
    json!({
        "selector": { "matchLabels": selector },
        "strategy": { "type": "RollingUpdate", "rollingUpdate": { "maxUnavailable": 0, "maxSurge": 1 } },
        "template": {
            "metadata": { "labels": pod_labels },
            "spec": {
                "serviceAccountName": evenkeel_crds::names::object_name(&pool.name),
                "enableServiceLinks": false,
                "terminationGracePeriodSeconds": GRACE_SECONDS,
                "securityContext": {
                    "runAsNonRoot": true,
                    "runAsUser": 65532,
                    "runAsGroup": 65532,
                    "seccompProfile": { "type": "RuntimeDefault" },
                },
                "topologySpreadConstraints": [
                    spread("kubernetes.io/hostname", &selector),
                    spread("topology.kubernetes.io/zone", &selector),
                ],
                "containers": [container(pool, image, pull_policy)],
            },
        },
    })
}

/// The labels by which the Deployment, the Service and the budget know the pods. Fixed for ever: a selector cannot change.
#[must_use]
pub(super) fn selector(pool: &str) -> Value {
    json!({ labels::NAME: labels::NAME_VALUE, labels::POOL: pool })
}

fn container(pool: &Key, image: &str, pull_policy: Option<PullPolicy>) -> Value {
    let mut container = json!({
        "name": "proxy",
        "image": image,
        "args": ["run", "--watch", pool.to_string()],
        "env": [
            field("POD_NAME", "metadata.name"),
            field("POD_NAMESPACE", "metadata.namespace"),
            field("NODE_NAME", "spec.nodeName"),
            // Not limits.cpu: where no limit is set it is the whole node.
            resource("EVENKEEL_CPU_REQUEST", "requests.cpu"),
        ],
        "resources": { "requests": { "cpu": "50m", "memory": "32Mi" } },
        "startupProbe": probe("/livez", 1, 60),
        "livenessProbe": probe("/livez", 10, 3),
        "readinessProbe": probe("/readyz", 1, 2),
        "securityContext": {
            "allowPrivilegeEscalation": false,
            "readOnlyRootFilesystem": true,
            "capabilities": { "drop": ["ALL"] },
        },
    });
    if let Some(policy) = pull_policy {
        container["imagePullPolicy"] = json!(policy.as_str());
    }
    container
}

fn field(name: &str, path: &str) -> Value {
    json!({ "name": name, "valueFrom": { "fieldRef": { "fieldPath": path } } })
}

fn resource(name: &str, resource: &str) -> Value {
    let source = json!({ "containerName": "proxy", "resource": resource, "divisor": "1m" });
    json!({ "name": name, "valueFrom": { "resourceFieldRef": source } })
}

fn probe(path: &str, period_seconds: i32, failures: i32) -> Value {
    json!({
        "httpGet": { "path": path, "port": ADMIN_PORT },
        "periodSeconds": period_seconds,
        "timeoutSeconds": if period_seconds == 1 { 1 } else { 5 },
        "failureThreshold": failures,
    })
}

/// As even as nodes allow; within a rollout, the new pods alone count.
fn spread(key: &str, selector: &Value) -> Value {
    json!({
        "maxSkew": 1,
        "topologyKey": key,
        "whenUnsatisfiable": "ScheduleAnyway",
        "labelSelector": { "matchLabels": selector },
        "matchLabelKeys": ["pod-template-hash"],
    })
}
