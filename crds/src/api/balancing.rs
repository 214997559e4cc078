//! How an endpoint is chosen.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How an endpoint is chosen.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct LoadBalancing {
    /// RoundRobin, the default: in turn, by weight, smoothly (nginx's rule).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub algorithm: Option<Algorithm>,
}

/// The rule by which an endpoint of a backend is chosen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Algorithm {
    /// Smooth weighted round robin.
    #[default]
    RoundRobin,
}
