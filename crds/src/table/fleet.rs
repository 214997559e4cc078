//! The pool's ready proxies, so that each knows its zone and its part of a budget that all share.

use serde::{Deserialize, Serialize};

/// The pool's ready proxies.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fleet {
    /// In the order of their names.
    #[serde(default)]
    pub proxies: Vec<FleetProxy>,
}

/// One ready proxy.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct FleetProxy {
    /// Its pod's name.
    pub name: String,
    /// Its zone; empty if unknown.
    #[serde(default)]
    pub zone: String,
}
