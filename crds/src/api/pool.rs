//! `BalancerPool`: one listener whose traffic is shared among backends.

use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    AccessLog, Backend, BalancerPoolStatus, ConnectionPool, Headers, Limits, Listener, LoadBalancing, Proxy, Retry,
    Timeouts,
};

/// How the traffic of one listener is shared among backends.
#[derive(CustomResource, KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[kube(
    group = "evenkeel.dev",
    version = "v1alpha1",
    kind = "BalancerPool",
    namespaced,
    derive = "PartialEq",
    shortname = "bp",
    category = "evenkeel",
    status = "BalancerPoolStatus",
    doc = "A listener whose traffic is shared among backends by weight.",
    printcolumn(
        name = "Endpoints",
        type_ = "string",
        json_path = ".status.endpoints.summary",
        description = "Ready endpoints of all backends / all of them."
    ),
    printcolumn(
        name = "Programmed",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Programmed\")].status",
        description = "Whether every ready proxy runs this generation."
    ),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    printcolumn(
        name = "Accepted",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Accepted\")].status",
        description = "Whether the spec is in use; if not, the last good one is.",
        priority = 1
    ),
    printcolumn(
        name = "Revision",
        type_ = "string",
        json_path = ".status.revision",
        description = "Hash of the published policy.",
        priority = 1
    ),
    validation = Rule::new("self.metadata.name.size() <= 50 && !self.metadata.name.contains('.')")
        .message("a pool's name has at most 50 characters and no dot, since a Service is named after it; choose a shorter one"),
    validation = Rule::new("self.metadata.name != 'operator'")
        .message("no pool may be named operator, since evenkeel-operator is the operator's own name; choose another one"),
    validation = Rule::new("self.spec.backends.all(b, !has(b.service) || !b.service.name.startsWith('evenkeel-') || b.service.name.substring(9) != self.metadata.name)")
        .message("a backend is the pool's own Service, so that its proxies would call themselves; name the Service of your application"),
    validation = Rule::new("!has(self.spec.proxy) || !has(self.spec.proxy.mode) || self.spec.proxy.mode != 'Sidecar' || self.spec.listener.port >= 1024")
        .message("a sidecar has no privileges and binds the listener's own port; choose a port from 1024 to 65535, or another mode")
        .field_path(".spec.listener.port")
)]
#[schemars(transform = super::schema::tidy)]
#[serde(rename_all = "camelCase")]
pub struct BalancerPoolSpec {
    /// What the listener speaks. HTTP is HTTP/1.1, and the default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub protocol: Option<Protocol>,

    /// Where clients connect.
    pub listener: Listener,

    /// Who runs the proxies.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proxy: Option<Proxy>,

    /// Who answers, and which share of the traffic each gets.
    #[schemars(
        length(min = 1, max = 64),
        extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"])
    )]
    #[x_kube(validation = Rule::new("self.exists(b, b.weight > 0 && !(has(b.backup) && b.backup))")
        .message("no backend gets any traffic; give at least one that is no backup a weight above 0"))]
    pub backends: Vec<Backend>,

    /// How an endpoint is chosen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub load_balancing: Option<LoadBalancing>,

    /// How long to wait, for what.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeouts: Option<Timeouts>,

    /// What is tried again, and how often.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry: Option<Retry>,

    /// How connections to endpoints are kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connection_pool: Option<ConnectionPool>,

    /// How much is too much.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limits: Option<Limits>,

    /// Which fields of requests and answers are changed on their way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub headers: Option<Headers>,

    /// Which requests are logged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub access_log: Option<AccessLog>,
}

/// What a listener speaks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Protocol {
    /// HTTP/1.1.
    #[default]
    #[serde(rename = "HTTP")]
    Http,
}
