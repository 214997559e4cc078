//! Names that users, charts and proxies rely on, each in one place.

/// The port on which every proxy answers its probes, metrics and status; no listener may have it.
pub const ADMIN_PORT: u16 = 9440;

/// The longest name of a pool: with the prefix and a ReplicaSet's suffixes the names of its objects stay valid.
pub const MAX_POOL_NAME: usize = 50;

/// No pool may be named so: `evenkeel-operator` is the operator's own name.
pub const RESERVED_POOL_NAME: &str = "operator";

/// The operator's own objects in its namespace: by [`RESERVED_POOL_NAME`], no pool's object has this name.
pub const OPERATOR: &str = "evenkeel-operator";

/// The manager of every field that the operator writes.
pub const FIELD_MANAGER: &str = OPERATOR;

/// The container of a pod that is its sidecar, injected or written by hand. A pod that has one gets no other.
pub const SIDECAR_CONTAINER: &str = "evenkeel-proxy";

/// The least port of a pool with sidecars: they bind the listener's own port, without privileges.
pub const LEAST_SIDECAR_PORT: i32 = 1024;

/// The labels of everything that the operator makes, and those that it reads.
pub mod labels {
    /// On a pod: it asks for a sidecar, if the value is [`INJECT_VALUE`].
    pub const INJECT: &str = "evenkeel.dev/inject";
    /// The value of [`INJECT`].
    pub const INJECT_VALUE: &str = "enabled";
    /// On a namespace: whether a pod that asks for a sidecar and cannot have one is refused ([`INJECTION_FAIL`]) or made
    /// without ([`INJECTION_IGNORE`]).
    pub const INJECTION_FAILURE_POLICY: &str = "evenkeel.dev/injection-failure-policy";
    /// A value of [`INJECTION_FAILURE_POLICY`].
    pub const INJECTION_FAIL: &str = "Fail";
    /// A value of [`INJECTION_FAILURE_POLICY`].
    pub const INJECTION_IGNORE: &str = "Ignore";
    /// Whose tool made it: [`MANAGED_BY_VALUE`].
    pub const MANAGED_BY: &str = "app.kubernetes.io/managed-by";
    /// The value of [`MANAGED_BY`].
    pub const MANAGED_BY_VALUE: &str = "evenkeel";
    /// What runs in a pod: [`NAME_VALUE`] for a proxy. Part of the selector, fixed for ever.
    pub const NAME: &str = "app.kubernetes.io/name";
    /// The value of [`NAME`] for a proxy.
    pub const NAME_VALUE: &str = "evenkeel-proxy";
    /// The pool that an object belongs to. Part of the selector, fixed for ever.
    pub const POOL: &str = "evenkeel.dev/pool";
    /// The Service that an EndpointSlice belongs to (Kubernetes' own label).
    pub const SERVICE_NAME: &str = "kubernetes.io/service-name";
}

/// The annotations of a pod that has, or asks for, a sidecar.
pub mod annotations {
    /// The pools that the sidecar serves: see [`pools_of`](crate::sidecar::pools_of).
    pub const POOLS: &str = "evenkeel.dev/pools";
    /// Written by the webhook: why a pod that asked has no sidecar.
    pub const NOT_INJECTED: &str = "evenkeel.dev/not-injected";
    /// What the sidecar requests of a CPU, in place of the default.
    pub const CPU_REQUEST: &str = "evenkeel.dev/cpu-request";
    /// How much of a CPU the sidecar may use, in place of the default.
    pub const CPU_LIMIT: &str = "evenkeel.dev/cpu-limit";
    /// What the sidecar requests of memory, in place of the default.
    pub const MEMORY_REQUEST: &str = "evenkeel.dev/memory-request";
    /// How much memory the sidecar may use, in place of the default.
    pub const MEMORY_LIMIT: &str = "evenkeel.dev/memory-limit";
}

/// The name of every object that belongs to the pool.
#[must_use]
pub fn object_name(pool: &str) -> String {
    format!("evenkeel-{pool}")
}

/// The port that a proxy binds for a listener's port: privileged ones are moved up by 10000.
#[must_use]
pub fn bind_port(port: u16) -> u16 {
    if port < 1024 { port + 10_000 } else { port }
}

/// Whether the text is a DNS label (RFC 1123): what names of backends and pools are.
#[must_use]
pub fn is_dns_label(text: &str) -> bool {
    let alphanumeric = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let bytes = text.as_bytes();
    matches!((bytes.first(), bytes.last()), (Some(&first), Some(&last)) if alphanumeric(first) && alphanumeric(last))
        && bytes.len() <= 63
        && bytes.iter().all(|&byte| alphanumeric(byte) || byte == b'-')
}

/// Whether a pool may be named so, but for the reserved name.
#[must_use]
pub fn is_pool_name(text: &str) -> bool {
    is_dns_label(text) && text.len() <= MAX_POOL_NAME
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn privileged_ports_are_moved() {
        assert_eq!([80, 443, 1023, 1024, 8080].map(bind_port), [10_080, 10_443, 11_023, 1024, 8080]);
    }

    #[test]
    fn dns_labels_are_told_from_other_names() {
        for (name, is) in [("web", true), ("0", true), ("a-b", true), ("", false), ("-a", false), ("a-", false)] {
            assert_eq!(is_dns_label(name), is, "{name}");
        }
        assert!(!is_dns_label("a.b") && !is_dns_label("A") && !is_dns_label(&"a".repeat(64)));
    }
}
