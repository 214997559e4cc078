//! Who answers: a Service, or servers outside the cluster.

use kube::KubeSchema;
use serde::{Deserialize, Serialize};

use super::PortRef;

/// A group of endpoints with a share of the pool's traffic.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[x_kube(validation = Rule::new("has(self.service) != has(self.endpoints)")
    .message("a backend is either a service or a list of endpoints; give exactly one of the two"))]
#[serde(rename_all = "camelCase")]
pub struct Backend {
    /// The backend's name in this pool, in metrics and in logs: a DNS label.
    #[schemars(length(min = 1, max = 63), regex(pattern = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"))]
    pub name: String,

    /// The Service, in the pool's namespace, whose endpoints answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<ServiceRef>,

    /// Servers outside the cluster.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(min = 1, max = 256),
        extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["address", "port"])
    )]
    pub endpoints: Option<Vec<Endpoint>>,

    /// This backend's share of the pool, against the sum of all weights and whatever the number of its endpoints. 0: none.
    #[serde(default = "one")]
    #[schemars(range(min = 0, max = 1_000_000))]
    pub weight: i32,

    /// Whether this backend serves only while no other one can; its weight is then its share among the backups. Default
    /// false.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backup: Option<bool>,
}

/// A Service and one of its ports.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ServiceRef {
    /// The Service's name.
    #[schemars(length(min = 1, max = 63), regex(pattern = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"))]
    pub name: String,

    /// The Service's port, by name or by number (`spec.ports[].port`, not the pods' port).
    pub port: PortRef,
}

/// A server outside the cluster.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Endpoint {
    /// An IPv4 or IPv6 address. Not loopback, link-local, multicast, unspecified or a metadata service.
    #[schemars(length(min = 2, max = 45))]
    #[x_kube(
        validation = Rule::new("isIP(self)")
            .message("an endpoint's address is an IPv4 or IPv6 address without brackets, zone or port, and no IPv4 address written as IPv6; give that"),
        validation = Rule::new("!isIP(self) || ip(self).isGlobalUnicast()")
            .message("loopback, link-local, multicast and unspecified addresses are never an endpoint; give the server's own address"),
        validation = Rule::new("!isIP(self) || !(ip(self) in [ip('fd00:ec2::254'), ip('100.100.100.200'), ip('168.63.129.16')])")
            .message("this is the address of a cloud's metadata service, which is never an endpoint; give the server's own address")
    )]
    pub address: String,

    /// The port, 1 to 65535.
    #[schemars(range(min = 1, max = 65535))]
    pub port: i32,

    /// This endpoint's share of its backend. 0: none.
    #[serde(default = "one")]
    #[schemars(range(min = 0, max = 1_000_000))]
    pub weight: i32,
}

/// The one default that the schema stores: users of every balancer expect it.
fn one() -> i32 {
    1
}
