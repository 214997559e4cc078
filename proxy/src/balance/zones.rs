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
    /// Of the pool's proxies whose zone is known: those in this zone, and all.
    proxies: (u64, u64),
}

impl<'a> Zones<'a> {
    pub(super) fn of(plan: &'a Plan, own: &'a str) -> Self {
        let known = || plan.fleet_zones.iter().filter(|zone| !zone.is_empty());
        let here = known().filter(|zone| ***zone == *own).count() as u64;
        let own = Some(own).filter(|own| plan.zone_aware.is_some() && !own.is_empty());
        Self { own, proxies: (here, known().count() as u64) }
    }

    /// Those that are near, those that are not, and how many of a thousand requests stay near.
    pub(super) fn split(
        &self,
        all: Vec<Candidate>,
        endpoints: &[&PlannedEndpoint],
    ) -> (Vec<Candidate>, Vec<Candidate>, u32) {
        let Some(own) = self.own else { return (all, Vec::new(), ALL) };
        let mut weights = BTreeMap::<&str, u64>::new();
        for (candidate, endpoint) in all.iter().zip(endpoints) {
            *weights.entry(&endpoint.zone).or_default() += u64::from(candidate.weight);
        }
        let (here, total) = (weights.get(own).copied().unwrap_or_default(), weights.values().sum::<u64>());
        let count = endpoints.iter().filter(|endpoint| &*endpoint.zone == own).count();
        // Less than half of a zone's even part is too little to lean on.
        if count < LEAST || here * 2 * (weights.len() as u64) < total || here == total {
            return (all, Vec::new(), ALL);
        }
        let (near, far): (Vec<_>, Vec<_>) =
            all.into_iter().zip(endpoints).partition(|(_, endpoint)| &*endpoint.zone == own);
        let only = |pairs: Vec<(Candidate, _)>| pairs.into_iter().map(|(candidate, _)| candidate).collect();
        (only(near), only(far), self.near_share(here, total))
    }

    /// Each proxy of the pool gets about the same. Where a zone has a greater part of the proxies than of the endpoints, the
    /// rest goes to others, so that all endpoints get the same (Envoy's zone-aware routing).
    fn near_share(&self, here: u64, total: u64) -> u32 {
        let (proxies_here, proxies) = self.proxies;
        if proxies_here == 0 {
            return ALL;
        }
        let share = u64::from(ALL) * here * proxies / (total * proxies_here);
        u32::try_from(share).unwrap_or(ALL).min(ALL)
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
