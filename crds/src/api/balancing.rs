//! How an endpoint is chosen.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{ConsistentHash, GepDuration};

/// How an endpoint is chosen: a backend first, by its exact share of the pool, then one of its endpoints by this rule.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[x_kube(
    validation = Rule::new("has(self.consistentHash) == (has(self.algorithm) && self.algorithm == 'ConsistentHash')")
        .message("the algorithm ConsistentHash and the field consistentHash, which says what the key is, go together; give both, or remove the one that is there")
        .field_path(".consistentHash"),
    validation = Rule::new("!has(self.score) || (has(self.algorithm) && self.algorithm == 'Score')")
        .message("score is for the algorithm Score; choose that algorithm or remove score")
        .field_path(".score"),
    validation = Rule::new("!has(self.zoneAware) || !has(self.algorithm) || self.algorithm != 'ConsistentHash'")
        .message("a key's endpoint is the same from every zone; remove zoneAware or choose another algorithm")
        .field_path(".zoneAware")
)]
#[serde(rename_all = "camelCase")]
pub struct LoadBalancing {
    /// The rule; default LeastRequest: where the fewest requests are under way for its weight, more of them where answers take
    /// longer or fail, of up to 8 endpoints, else of four that are drawn. RoundRobin: in turn, by weight. Random: by weight.
    /// PeakEWMA: where requests under way and the time that answers took at worst promise the shortest wait. Score: by a sum of
    /// load, latency, errors and distance. ConsistentHash: always the same endpoint for the same key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub algorithm: Option<Algorithm>,

    /// What the key is and how keys are spread, with the algorithm ConsistentHash.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub consistent_hash: Option<ConsistentHash>,

    /// How much each part counts, with the algorithm Score.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub score: Option<Score>,

    /// How endpoints begin that have just become ready; without it over 10s, from a tenth.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slow_start: Option<SlowStart>,

    /// Prefers endpoints in the proxy's own zone; without it zones mean nothing. Not with the algorithm ConsistentHash.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zone_aware: Option<ZoneAware>,
}

/// The rule by which an endpoint of a backend is chosen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Algorithm {
    /// In turn, by weight, smoothly (nginx's rule).
    RoundRobin,
    /// Where the fewest requests are under way for its weight, more of them where answers take longer or fail: of up to 8
    /// endpoints, else of four that are drawn.
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

/// How much each part of a score counts, in percent: all four, 100 together. Without it 40, 30, 20 and 10.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[x_kube(
    validation = Rule::new("self.load + self.latency + self.errors + self.distance == 100")
        .message("load, latency, errors and distance are percents of one sum; choose four numbers that are 100 together")
)]
#[serde(rename_all = "camelCase")]
pub struct Score {
    /// Requests under way, for the endpoint's weight; 0 to 100 percent.
    #[schemars(range(min = 0, max = 100))]
    pub load: i32,

    /// The time that answers take; 0 to 100 percent.
    #[schemars(range(min = 0, max = 100))]
    pub latency: i32,

    /// The share of its latest answers that failed; 0 to 100 percent. Whoever fails half of them is out, unless all do.
    #[schemars(range(min = 0, max = 100))]
    pub errors: i32,

    /// Whether the endpoint is in another zone or region than the proxy; 0 to 100 percent.
    #[schemars(range(min = 0, max = 100))]
    pub distance: i32,
}

/// How endpoints begin that have just become ready: their share grows evenly. If all of a backend's are new, none waits.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[x_kube(
    validation = Rule::new("!has(self.window) || duration(self.window) == duration('0s') || (duration(self.window) >= duration('1s') && duration(self.window) <= duration('15m'))")
        .message("window is 0s, which is off, or 1s to 15m, for example 30s; choose one of them")
        .field_path(".window")
)]
#[serde(rename_all = "camelCase")]
pub struct SlowStart {
    /// How long until an endpoint has its full share, 1s to 15m; default 10s. 0s: it has it at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window: Option<GepDuration>,

    /// The percentage of its share that an endpoint begins with, 1 to 100; default 10.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 100))]
    pub min_percent: Option<i32>,
}

/// Which endpoints are preferred for the zone that they are in.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ZoneAware {
    /// PreferLocal: those in the proxy's own zone, as long as there are two of them and they can bear what the proxies there
    /// get. A proxy whose zone nobody knows has no preference.
    pub mode: ZoneMode,

    /// Of the load of a local and a remote endpoint together, how much the local one may have before a request goes to the
    /// remote one, in percent: 50 to 100; default 80, which is four times the remote one's. 100: never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 50, max = 100))]
    pub spill_over_percent: Option<i32>,
}

/// Which endpoints are preferred for their zone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum ZoneMode {
    /// Those in the proxy's own.
    PreferLocal,
}
