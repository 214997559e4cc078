//! How an endpoint is chosen.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How an endpoint is chosen.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct LoadBalancing {
    /// The rule; default LeastRequest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub algorithm: Option<Algorithm>,
}

/// The rule by which an endpoint of a backend is chosen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Algorithm {
    /// In turn, by weight, smoothly (nginx's rule).
    RoundRobin,
    /// Where the fewest requests are under way for its weight: of up to 8 endpoints, else of two that are drawn.
    #[default]
    LeastRequest,
    /// At random, by weight.
    Random,
    /// Where requests under way and the time that answers take promise the shortest wait.
    #[serde(rename = "PeakEWMA")]
    PeakEwma,
    /// By a sum of load, latency, errors and distance.
    Score,
    /// Always the same endpoint for the same key.
    ConsistentHash,
}

/// How keys are spread over endpoints.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum HashTable {
    /// nginx's ring (`hash … consistent`): the fewest keys move when endpoints change.
    #[default]
    Ring,
    /// Google's table: the most even shares.
    Maglev,
}
