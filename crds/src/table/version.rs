//! Skew between operator and proxy: which tables a proxy can read.

use serde::{Deserialize, Serialize};

/// The version of the table's schema. A proxy ignores (and counts) fields of a higher minor version and refuses a higher
/// major one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SchemaVersion {
    /// Raised when an old proxy would do the wrong thing.
    pub major: u32,
    /// Raised when a field is added that an old proxy may ignore.
    pub minor: u32,
}

/// What this release writes. 1.1 added the policy's `created`, 1.2 `listener.trustedPeers`, `limits` and
/// `headers`, 1.3 all of `loadBalancing` but `algorithm`, and `backends[].backup`.
pub const SCHEMA_VERSION: SchemaVersion = SchemaVersion { major: 1, minor: 3 };

/// The names in a table's `requires` that this release knows. A table that requires another one is refused: a feature
/// that must not be ignored is named there, without a new major version.
pub const KNOWN_REQUIREMENTS: &[&str] = &[REQUIRES_BACKUP];

/// A backend is a backup: who does not know that would send it traffic.
pub(super) const REQUIRES_BACKUP: &str = "backup";
