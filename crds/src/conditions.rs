//! The types and reasons of conditions. They are API: scripts wait for them.

/// The spec is in use. If not, the last good one is.
pub const ACCEPTED: &str = "Accepted";
/// Every backend's Service and port exist.
pub const RESOLVED_REFS: &str = "ResolvedRefs";
/// Every ready proxy that the operator knows of runs this generation.
pub const PROGRAMMED: &str = "Programmed";
/// All of the others; with the reason of the first that is not true.
pub const READY: &str = "Ready";

/// Why a condition is as it is.
pub mod reasons {
    /// `Accepted=True`
    pub const ACCEPTED: &str = "Accepted";
    /// `Accepted=False`: a value is not allowed.
    pub const INVALID: &str = "Invalid";
    /// `Accepted=False`: an object of that name exists and is not ours.
    pub const NAME_CONFLICT: &str = "NameConflict";

    /// `ResolvedRefs=True`
    pub const RESOLVED_REFS: &str = "ResolvedRefs";
    /// `ResolvedRefs=False`: no such Service.
    pub const BACKEND_NOT_FOUND: &str = "BackendNotFound";
    /// `ResolvedRefs=False`: the Service has no such port.
    pub const PORT_NOT_FOUND: &str = "PortNotFound";
    /// `ResolvedRefs=False`: what the Service leads to is never a backend.
    pub const REF_NOT_PERMITTED: &str = "RefNotPermitted";

    /// `Programmed=True`
    pub const PROGRAMMED: &str = "Programmed";
    /// `Programmed=True`: published, and nobody known to ask (`proxy.mode: External`).
    pub const PUBLISHED: &str = "Published";
    /// `Programmed=False`: some proxy does not run this generation yet.
    pub const PENDING: &str = "Pending";
    /// `Programmed=False`: the table does not fit into a ConfigMap.
    pub const TABLE_TOO_LARGE: &str = "TableTooLarge";
    /// `Programmed=False`: a proxy is too old to read the table.
    pub const PROXY_TOO_OLD: &str = "ProxyTooOld";
    /// `Programmed=False`: a proxy refused the table, for example since another of its pools has the same port.
    pub const PROXY_REFUSED: &str = "ProxyRefused";
    /// `Programmed=False`: the API server refused what we wrote.
    pub const APPLY_FAILED: &str = "ApplyFailed";

    /// `Ready=True`
    pub const READY: &str = "Ready";
}
