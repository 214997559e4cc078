//! What `/status` says. The operator reads it; so do people.

use evenkeel_crds::table::TableError;
use serde::{Deserialize, Serialize};

pub use crate::source::Source;

/// The state of a proxy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Status {
    /// The release.
    pub version: String,
    /// Whether every pool has served and the proxy is not about to end.
    pub ready: bool,
    /// Since when it runs, in Unix seconds.
    pub since: u64,
    /// Its worker threads.
    pub threads: usize,
    /// Its open client connections.
    pub connections: usize,
    /// Its pools.
    pub pools: Vec<PoolStatus>,
}

/// The state of a pool in a proxy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PoolStatus {
    /// Its namespace.
    pub namespace: String,
    /// Its name; of a mount where no table was seen yet the directory.
    pub name: String,
    /// Where the table in force is from; without one, where it is to come from.
    pub source: Source,
    /// Why nothing was ever seen there, if so.
    pub waiting_for: Option<String>,
    /// The generation in force; none while the pool does not listen.
    pub generation: Option<i64>,
    /// The revision in force.
    pub revision: Option<String>,
    /// Since when this policy is in force, in Unix seconds.
    pub since: Option<u64>,
    /// How many endpoints are ready.
    pub endpoints: Option<usize>,
    /// Why the newest table is not in force, if it is not.
    pub last_refusal: Option<Refusal>,
}

/// Why a table is not put in force.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "camelCase")]
#[error("{message}")]
pub struct Refusal {
    /// What is wrong with it.
    pub message: String,
    /// Whether a newer proxy could read it.
    pub too_new: bool,
}

impl Refusal {
    /// A refusal that a newer proxy would share.
    #[must_use]
    pub fn new(message: String) -> Self {
        Self { message, too_new: false }
    }
}

impl From<TableError> for Refusal {
    fn from(error: TableError) -> Self {
        Self { too_new: error.is_too_new(), message: error.to_string() }
    }
}
