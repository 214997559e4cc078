//! Who runs the proxies of a pool.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Who runs the proxies.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[x_kube(validation = Rule::new("!has(self.replicas) || !has(self.mode) || self.mode == 'Deployment'")
    .message("replicas counts the proxies of mode Deployment; remove it or choose that mode")
    .field_path(".replicas"))]
#[serde(rename_all = "camelCase")]
pub struct Proxy {
    /// Deployment (the default): the operator runs them behind a Service named evenkeel-POOL. Sidecar: one runs beside each
    /// application that uses the pool, at 127.0.0.1 and the listener's port; pods of the pool's namespace with the label
    /// `evenkeel.dev/inject: enabled` and the annotation `evenkeel.dev/pools: POOL` get it injected, or have it written by
    /// hand. External: somebody else runs `evenkeel-proxy run --watch NAMESPACE/POOL`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<ProxyMode>,

    /// How many proxies. Absent: never touched, so that a HorizontalPodAutoscaler may own it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 1000))]
    pub replicas: Option<i32>,
}

/// Who runs the proxies.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum ProxyMode {
    /// The operator, as a Deployment with a Service.
    #[default]
    Deployment,
    /// One in each pod of the applications that use the pool.
    Sidecar,
    /// Somebody else.
    External,
}
