//! Where clients connect.

use kube::KubeSchema;
use serde::{Deserialize, Serialize};

use super::NetworkText;

/// Where clients connect.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Listener {
    /// The port that clients use, 1 to 65535 but 9440. Below 1024 the proxy, which has no privileges, binds this port
    /// plus 10000, and the pool's Service leads there; a sidecar has no Service, so that its port is 1024 or more.
    #[schemars(range(min = 1, max = 65535))]
    #[x_kube(validation = Rule::new("self != 9440")
        .message("port 9440 is where every proxy answers its probes and metrics; choose another one"))]
    pub port: i32,

    /// Networks whose word about a request's origin is believed, since a proxy stands there: their `X-Forwarded-*`,
    /// `X-Real-IP` and `Forwarded` are kept. From everybody else these are replaced. Default: nobody.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64), extend("x-kubernetes-list-type" = "set"))]
    pub trusted_peers: Option<Vec<NetworkText>>,
}
