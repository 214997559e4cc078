//! The rules that are compared, by the names of the table's columns.

use evenkeel_crds::api::Algorithm;

use crate::{
    peers::{envoy, haproxy, linkerd, nginx},
    rule::{Fleet, Rule, fleet},
    rules::{
        ideal,
        ours::{Ours, Setup},
        variant::VARIANTS,
    },
    world::World,
};

/// A rule in the table.
#[derive(Clone, Copy)]
pub(crate) struct Column {
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    pub(crate) fleet: Fleet,
    /// The only scenario that it is for.
    pub(crate) only: Option<&'static str>,
}

/// Whose rule it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// As the proxy runs it.
    Ours,
    /// Ours, with another constant.
    Variant,
    /// Another proxy's.
    Peer,
    /// Not a rule: what none can beat.
    Bound,
}

const fn column(name: &'static str, kind: Kind, fleet: Fleet) -> Column {
    Column { name, kind, fleet, only: None }
}

fn ours(world: &World, seed: u64, algorithm: Option<Algorithm>) -> Vec<Box<dyn Rule>> {
    fleet(world, seed, |proxy, seed| {
        Ours::new(Setup { algorithm, ..Setup::default() }, world.proxies[proxy].zone, seed)
    })
}

/// All of them, in the table's order.
pub(crate) const COLUMNS: &[Column] = &[
    column("default", Kind::Ours, |world, seed| ours(world, seed, None)),
    column("PeakEWMA", Kind::Ours, |world, seed| ours(world, seed, Some(Algorithm::PeakEwma))),
    column("Score", Kind::Ours, |world, seed| ours(world, seed, Some(Algorithm::Score))),
    column("Random", Kind::Ours, |world, seed| ours(world, seed, Some(Algorithm::Random))),
    column("RoundRob", Kind::Ours, |world, seed| ours(world, seed, Some(Algorithm::RoundRobin))),
    column("nginx rr", Kind::Peer, |world, seed| fleet(world, seed, |_, _| nginx::RoundRobin::default())),
    column("nginx lc", Kind::Peer, |world, seed| fleet(world, seed, |_, _| nginx::LeastConn::default())),
    column("HA least", Kind::Peer, |world, seed| fleet(world, seed, |_, _| haproxy::LeastConn::default())),
    column("HA rnd2", Kind::Peer, |world, seed| fleet(world, seed, |_, seed| haproxy::Random::new(seed))),
    column("Envoy LR", Kind::Peer, |world, seed| fleet(world, seed, |_, seed| envoy::LeastRequest::new(seed))),
    column("Envoy EDF", Kind::Peer, |world, seed| fleet(world, seed, |_, _| envoy::Edf::default())),
    column("Linkerd", Kind::Peer, |world, seed| fleet(world, seed, |_, seed| linkerd::PeakEwma::new(seed))),
    Column {
        only: Some("j"),
        ..column("zoneAware", Kind::Ours, |world, seed| {
            let setup = Setup { zone_aware: true, ..Setup::default() };
            fleet(world, seed, |proxy, seed| Ours::new(setup, world.proxies[proxy].zone, seed))
        })
    },
    Column {
        only: Some("j"),
        ..column("Envoy zn", Kind::Peer, |world, seed| {
            fleet(world, seed, |proxy, seed| envoy::ZoneAware::new(world.proxies[proxy].zone, seed))
        })
    },
    column("ideal", Kind::Bound, ideal::fleet),
];

/// What the constants of the default are for: each column differs from the first in one of them.
pub(crate) fn variants() -> Vec<Column> {
    VARIANTS.iter().map(|(name, fleet)| column(name, Kind::Variant, *fleet)).collect()
}
