//! What the operator reports of a pool.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What the operator reports of a pool: counts and conditions, no lists.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(transform = super::schema::tidy)]
#[serde(rename_all = "camelCase")]
pub struct BalancerPoolStatus {
    /// The generation of the spec that this status speaks of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,

    /// Hash of the published policy: 16 hexadecimal digits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub revision: Option<String>,

    /// How many backends the published policy has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backends: Option<i32>,

    /// The endpoints of all backends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endpoints: Option<EndpointCounts>,

    /// The proxies that the operator knows of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proxies: Option<ProxyCounts>,

    /// `Accepted`, `ResolvedRefs`, `Programmed` and `Ready`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = 8),
        extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"])
    )]
    pub conditions: Vec<Condition>,
}

/// How many endpoints there are.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct EndpointCounts {
    /// All of them, ready or not.
    pub total: i32,
    /// Those that get new traffic.
    pub ready: i32,
    /// The two as `ready/total`, for `kubectl get`.
    #[schemars(length(max = 32))]
    pub summary: String,
}

/// How many proxies there are.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ProxyCounts {
    /// Those that are ready.
    pub total: i32,
    /// Those of them that run the published policy.
    pub current: i32,
}

impl EndpointCounts {
    /// Counts with their summary.
    #[must_use]
    pub fn new(ready: usize, total: usize) -> Self {
        let [ready, total] = [ready, total].map(|count| i32::try_from(count).unwrap_or(i32::MAX));
        Self { total, ready, summary: format!("{ready}/{total}") }
    }
}
