//! The kinds of objects that the operator watches, and those that it makes.

use std::fmt;

/// A kind that is watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// What users declare.
    BalancerPool,
    /// Of backends, and of proxies.
    Service,
    /// Of backends, and of proxies.
    EndpointSlice,
    /// Published tables.
    ConfigMap,
    /// Those that have a sidecar or ask for one.
    Pod,
    /// What proxies run as.
    ServiceAccount,
    /// What proxies may read.
    Role,
    /// Who may read it.
    RoleBinding,
    /// The proxies.
    Deployment,
    /// How many proxies may be away at once.
    PodDisruptionBudget,
}

impl Kind {
    /// What a pool owns beside its table, in the order in which it is made: a proxy starts when all it needs is there.
    pub const OWNED: [Self; 6] = [
        Self::ServiceAccount,
        Self::Role,
        Self::RoleBinding,
        Self::Service,
        Self::Deployment,
        Self::PodDisruptionBudget,
    ];

    /// The name of the kind as in its YAML.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::BalancerPool => "BalancerPool",
            Self::Service => "Service",
            Self::EndpointSlice => "EndpointSlice",
            Self::ConfigMap => "ConfigMap",
            Self::Pod => "Pod",
            Self::ServiceAccount => "ServiceAccount",
            Self::Role => "Role",
            Self::RoleBinding => "RoleBinding",
            Self::Deployment => "Deployment",
            Self::PodDisruptionBudget => "PodDisruptionBudget",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
