//! Which endpoints are near: those in the proxy's own zone, as far as they can bear what its proxies get.

use std::collections::BTreeMap;

use super::{Candidate, Plan, PlannedEndpoint};

/// As many of a thousand.
const ALL: u32 = 1000;
/// A zone with fewer endpoints is no better than none: one that fails takes all of it away.
const LEAST: usize = 2;

/// What is known of zones.
#[derive(Debug)]
pub(super) struct Zones<'a> {
    /// The proxy's own, if it is known and preferred.
    own: Option<&'a str>,
    /// The pool's proxies in each zone, as far as that is known.
    proxies: BTreeMap<&'a str, u64>,
}

/// A backend's candidates by where they are.
pub(super) struct Split {
    /// Those that are preferred.
    pub(super) near: Vec<Candidate>,
    /// All others.
    pub(super) far: Vec<Candidate>,
    /// Those of the others that have room for what must leave.
    pub(super) away: Vec<Candidate>,
    /// How many of a thousand requests stay near.
    pub(super) near_share: u32,
}

impl<'a> Zones<'a> {
    pub(super) fn of(plan: &'a Plan, own: &'a str) -> Self {
        let mut proxies = BTreeMap::new();
        for zone in plan.fleet_zones.iter().filter(|zone| !zone.is_empty()) {
            *proxies.entry(zone.as_str()).or_default() += 1;
        }
        Self { own: Some(own).filter(|own| plan.zone_aware.is_some() && !own.is_empty()), proxies }
    }

    pub(super) fn split(&self, all: Vec<Candidate>, endpoints: &[&PlannedEndpoint]) -> Split {
        let whole = |near| Split { near, far: Vec::new(), away: Vec::new(), near_share: ALL };
        let Some(own) = self.own else { return whole(all) };
        let mut weights = BTreeMap::<&str, u64>::new();
        for (candidate, endpoint) in all.iter().zip(endpoints) {
            *weights.entry(&endpoint.zone).or_default() += u64::from(candidate.weight);
        }
        let (here, total) = (weights.get(own).copied().unwrap_or_default(), weights.values().sum::<u64>());
        let count = endpoints.iter().filter(|endpoint| &*endpoint.zone == own).count();
        // Less than half of a zone's even part is too little to lean on.
        if count < LEAST || here * 2 * (weights.len() as u64) < total || here == total {
            return whole(all);
        }
        let (mut near, mut far, mut away) = (Vec::new(), Vec::new(), Vec::new());
        for (candidate, endpoint) in all.into_iter().zip(endpoints) {
            let zone = &*endpoint.zone;
            if zone == own {
                near.push(candidate);
                continue;
            }
            // Each proxy of the pool gets about the same: where endpoints have a greater part than proxies there is room.
            if self.share(zone, weights.get(zone).copied().unwrap_or_default(), total).is_none_or(|share| share > ALL) {
                away.push(candidate.clone());
            }
            far.push(candidate);
        }
        Split { near, far, away, near_share: self.share(own, here, total).unwrap_or(ALL).min(ALL) }
    }

    /// What part of the traffic of a zone's proxies its endpoints are there for, in thousandths, so that all endpoints get the same
    /// (Envoy's zone-aware routing); none without a proxy.
    fn share(&self, zone: &str, weight: u64, total: u64) -> Option<u32> {
        let all: u64 = self.proxies.values().sum();
        let share = (u64::from(ALL) * weight * all).checked_div(total * self.proxies.get(zone)?)?;
        Some(u32::try_from(share).unwrap_or(u32::MAX))
    }
}

/// How far an endpoint is, in parts of a million: in the same zone, in the same region, elsewhere. Nobody is near or far whose
/// zone is unknown.
pub(super) fn distance(own: &str, other: &str) -> u32 {
    match () {
        () if own.is_empty() || other.is_empty() || own == other => 0,
        () if region(own) == region(other) => 500_000,
        () => 1_000_000,
    }
}

/// The region in a zone's name, as large clouds write it: `eu-west-1a`, `europe-west1-b`, `westeurope-1`.
fn region(zone: &str) -> &str {
    if let Some((region, last)) = zone.rsplit_once('-')
        && last.len() == 1
    {
        return region;
    }
    match zone.strip_suffix(|last: char| last.is_ascii_lowercase()) {
        Some(region) if region.ends_with(|last: char| last.is_ascii_digit()) => region,
        _ => zone,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn regions_are_read_from_the_names_of_zones() {
        for (own, other, expected) in [
            ("eu-west-1a", "eu-west-1a", 0),
            ("eu-west-1a", "eu-west-1b", 500_000),
            ("eu-west-1a", "eu-west-2a", 1_000_000),
            ("europe-west1-b", "europe-west1-c", 500_000),
            ("europe-west1-b", "europe-west4-b", 1_000_000),
            ("westeurope-1", "westeurope-2", 500_000),
            ("rack", "shelf", 1_000_000),
            ("", "eu-west-1a", 0),
            ("eu-west-1a", "", 0),
        ] {
            assert_eq!(distance(own, other), expected, "{own} {other}");
        }
    }
}
