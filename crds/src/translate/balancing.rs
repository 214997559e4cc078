//! How a pool chooses endpoints.

use std::ops::RangeInclusive;

use super::spec::{Checker, set_ms};
use crate::{
    api::{Algorithm, BalancerPoolSpec, ConsistentHash, HashType, LoadBalancing, Score, SlowStart},
    fields,
    table::{ConsistentHashPolicy, HashKey, LoadBalancingPolicy, ScorePolicy, SlowStartPolicy, ZoneAwarePolicy},
};

/// How much an endpoint may hold, in percent of its share: a bound of 100 would leave no room for the next request.
pub const MAX_LOAD_PERCENT: RangeInclusive<u32> = 101..=1000;
/// How long slow start lasts, if it is on: clocks that are a second off mean little to it, and nobody warms up for longer.
pub const SLOW_START_MS: RangeInclusive<u64> = 1_000..=900_000;
/// What slow start begins with, of a hundred.
pub const SLOW_START_PERCENT: RangeInclusive<u32> = 1..=100;
/// How much of their load local endpoints may have.
pub const SPILL_OVER_PERCENT: RangeInclusive<u32> = 50..=100;
/// Of a proxy that is told nothing else (Envoy's overprovisioning leaves about as much).
const SPILL_OVER: u32 = 80;

/// Writes checked settings to the policy.
pub(super) fn resolve(spec: &BalancerPoolSpec, policy: &mut LoadBalancingPolicy) {
    let Some(given) = &spec.load_balancing else { return };
    policy.algorithm = given.algorithm.unwrap_or_default();
    policy.consistent_hash = given.consistent_hash.as_ref().map(consistent_hash);
    if let Some(score) = &given.score {
        policy.score = ScorePolicy {
            load: unsigned(score.load),
            latency: unsigned(score.latency),
            errors: unsigned(score.errors),
            distance: unsigned(score.distance),
        };
    }
    if let Some(given) = &given.slow_start {
        let SlowStartPolicy { window_ms, min_percent } = &mut policy.slow_start;
        set_ms(window_ms, given.window.as_ref());
        *min_percent = given.min_percent.map_or(*min_percent, unsigned);
    }
    policy.zone_aware = given
        .zone_aware
        .as_ref()
        .map(|zones| ZoneAwarePolicy { spill_over_percent: zones.spill_over_percent.map_or(SPILL_OVER, unsigned) });
}

/// A header's name in lower case: a proxy compares it so.
fn consistent_hash(given: &ConsistentHash) -> ConsistentHashPolicy {
    let key = match given.type_ {
        HashType::SourceIp => HashKey::SourceIp,
        HashType::Header => {
            HashKey::Header(given.header.iter().map(|header| header.name.to_ascii_lowercase()).collect())
        }
        HashType::Cookie => HashKey::Cookie(given.cookie.iter().map(|cookie| cookie.name.as_str()).collect()),
        HashType::QueryParameter => {
            HashKey::QueryParameter(given.query_parameter.iter().map(|parameter| parameter.name.as_str()).collect())
        }
        HashType::Path => HashKey::Path,
        HashType::Host => HashKey::Host,
    };
    ConsistentHashPolicy {
        key,
        table: given.table.unwrap_or_default(),
        max_load_percent: given.max_load_percent.map(unsigned),
    }
}

/// A checked number.
fn unsigned(number: i32) -> u32 {
    u32::try_from(number).unwrap_or_default()
}

/// Whether a number that was given is in the range.
fn is_within(given: Option<i32>, range: &RangeInclusive<u32>) -> bool {
    given.is_none_or(|given| u32::try_from(given).is_ok_and(|given| range.contains(&given)))
}

impl Checker<'_> {
    pub(super) fn balancing(&mut self, spec: &BalancerPoolSpec) {
        let Some(given) = &spec.load_balancing else { return };
        self.algorithm(given);
        if let Some(hash) = &given.consistent_hash {
            self.consistent_hash(hash);
        }
        if let Some(score) = &given.score {
            self.score(score);
        }
        if let Some(slow_start) = &given.slow_start {
            self.slow_start(slow_start);
        }
        self.require(
            is_within(given.zone_aware.as_ref().and_then(|zones| zones.spill_over_percent), &SPILL_OVER_PERCENT),
            "spec.loadBalancing.zoneAware.spillOverPercent",
            "spillOverPercent is 50 to 100; choose a number between them",
        );
    }

    /// What belongs to one algorithm alone.
    fn algorithm(&mut self, given: &LoadBalancing) {
        let algorithm = given.algorithm.unwrap_or_default();
        let is_hash = algorithm == Algorithm::ConsistentHash;
        self.require(
            given.consistent_hash.is_some() == is_hash,
            "spec.loadBalancing.consistentHash",
            "the algorithm ConsistentHash and the field consistentHash, which says what the key is, go together; give both, or remove the one that is there",
        );
        self.require(
            given.score.is_none() || algorithm == Algorithm::Score,
            "spec.loadBalancing.score",
            "score is for the algorithm Score; choose that algorithm or remove score",
        );
        self.require(
            given.zone_aware.is_none() || !is_hash,
            "spec.loadBalancing.zoneAware",
            "a key's endpoint is the same from every zone; remove zoneAware or choose another algorithm",
        );
    }

    fn consistent_hash(&mut self, hash: &ConsistentHash) {
        let header = hash.header.as_ref().map(|header| header.name.as_str());
        let cookie = hash.cookie.as_ref().map(|cookie| cookie.name.as_str());
        let parameter = hash.query_parameter.as_ref().map(|parameter| parameter.name.as_str());
        for (name, type_, (field, word)) in [
            (header, HashType::Header, ("header", "Header")),
            (cookie, HashType::Cookie, ("cookie", "Cookie")),
            (parameter, HashType::QueryParameter, ("queryParameter", "QueryParameter")),
        ] {
            self.require(
                name.is_some() == (hash.type_ == type_),
                &format!("spec.loadBalancing.consistentHash.{field}"),
                &format!(
                    "the type {word} and the field {field}, which names it, go together; give both, or remove {field}"
                ),
            );
        }
        self.header_of_key(header);
        self.require(
            cookie.is_none_or(fields::is_name),
            "spec.loadBalancing.consistentHash.cookie.name",
            "this is no name of a cookie; give 1 to 256 letters, digits, hyphens and underscores",
        );
        self.require(
            parameter.is_none_or(fields::is_parameter),
            "spec.loadBalancing.consistentHash.queryParameter.name",
            "this is no name of a parameter; give 1 to 256 visible ASCII characters without &, = and #",
        );
        self.require(
            is_within(hash.max_load_percent, &MAX_LOAD_PERCENT),
            "spec.loadBalancing.consistentHash.maxLoadPercent",
            "maxLoadPercent is 101 to 1000; choose a number between them, or remove it for no limit",
        );
    }

    fn header_of_key(&mut self, name: Option<&str>) {
        let field = "spec.loadBalancing.consistentHash.header.name";
        let is_name = name.is_none_or(fields::is_name);
        self.require(is_name, field, "this is no name of a field; give 1 to 256 letters, digits and hyphens");
        self.require(
            !is_name || name.is_none_or(|name| !name.contains('_')),
            field,
            "the proxy drops fields whose names have _; choose another field",
        );
    }

    fn score(&mut self, score: &Score) {
        let percents =
            [("load", score.load), ("latency", score.latency), ("errors", score.errors), ("distance", score.distance)];
        let is_percent = |percent: i32| (0..=100).contains(&percent);
        for (name, percent) in percents {
            self.require(
                is_percent(percent),
                &format!("spec.loadBalancing.score.{name}"),
                &format!("{name} is 0 to 100; choose a number between them"),
            );
        }
        let sum: i64 = percents.iter().map(|(_, percent)| i64::from(*percent)).sum();
        self.require(
            percents.iter().any(|(_, percent)| !is_percent(*percent)) || sum == 100,
            "spec.loadBalancing.score",
            "load, latency, errors and distance are percents of one sum; choose four numbers that are 100 together",
        );
    }

    fn slow_start(&mut self, slow_start: &SlowStart) {
        self.within(
            slow_start.window.as_ref(),
            |ms| ms == 0 || u64::try_from(ms).is_ok_and(|ms| SLOW_START_MS.contains(&ms)),
            "spec.loadBalancing.slowStart.window",
            "window is 0s, which is off, or 1s to 15m, for example 30s; choose one of them",
        );
        self.require(
            is_within(slow_start.min_percent, &SLOW_START_PERCENT),
            "spec.loadBalancing.slowStart.minPercent",
            "minPercent is 1 to 100; choose a number between them",
        );
    }
}
