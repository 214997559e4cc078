//! How connections to endpoints are kept.

use kube::KubeSchema;
use serde::{Deserialize, Serialize};

use super::GepDuration;

/// How connections to endpoints are kept. Each is also closed after about five minutes, and a second before the endpoint
/// would close it, if that says when.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[x_kube(
    validation = Rule::new("!has(self.idleTimeout) || (duration(self.idleTimeout) >= duration('1ms') && duration(self.idleTimeout) <= duration('1h'))")
        .message("idleTimeout is 1ms to 1h, for example 4s; choose a value between them")
        .field_path(".idleTimeout")
)]
#[serde(rename_all = "camelCase")]
pub struct ConnectionPool {
    /// At most so many idle connections to an endpoint, of each proxy over all its threads; default 32. A thread keeps at
    /// least one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1000))]
    pub max_idle_per_endpoint: Option<i32>,

    /// How long a connection may be idle; default 4s. Choose it shorter than the endpoints' own keep-alive: who closes first
    /// races with the next request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idle_timeout: Option<GepDuration>,

    /// After so many requests a connection is closed; default 10000.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1_000_000))]
    pub max_requests_per_connection: Option<i32>,
}
