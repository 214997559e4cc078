//! One proxy for tests of picks: a table in, picks out.

use std::{collections::BTreeMap, sync::Arc};

use evenkeel_crds::{
    RoutingTable,
    api::{Algorithm, HashTable},
    table::{ConsistentHashPolicy, EndpointRow, HashKey},
};

use super::{tests::table, *};

/// 2026-11-22.
pub(super) const NOW: i64 = 1_795_305_600;

/// One proxy: a registry and a thread.
pub(super) struct Proxy {
    registry: Registry,
    pub(super) thread: ThreadState,
    pub(super) view: View,
    pub(super) now: u64,
    zone: &'static str,
}

impl Proxy {
    pub(super) fn new(table: &RoutingTable, seed: u64) -> Self {
        Self::in_zone(table, seed, "")
    }

    pub(super) fn in_zone(table: &RoutingTable, seed: u64, zone: &'static str) -> Self {
        let mut registry = Registry::new(1);
        let plan = Plan::compile(table, &mut registry, 0);
        let view = View::of(Arc::new(plan), &Surroundings { unix_ms: NOW * 1000, zone });
        Self { registry, thread: ThreadState::new(seed), view, now: 0, zone }
    }

    /// Looks again at who is eligible, so many milliseconds after the beginning.
    pub(super) fn load(&mut self, table: &RoutingTable, millis: i64) {
        let plan = Plan::compile(table, &mut self.registry, 0);
        self.view = View::of(Arc::new(plan), &Surroundings { unix_ms: NOW * 1000 + millis, zone: self.zone });
    }

    pub(super) fn pick_by(&mut self, key: Option<&[u8]>, tried: &[Arc<EndpointState>]) -> Result<Picked, NoPick> {
        pick(&self.view, &mut self.thread, &Context { tried, key, now: self.now })
    }

    pub(super) fn pick(&mut self) -> Picked {
        self.pick_by(None, &[]).expect("a pick")
    }

    pub(super) fn index(picked: &Picked) -> usize {
        let std::net::IpAddr::V4(address) = picked.endpoint.address.ip() else { unreachable!("all are IPv4") };
        let [.., high, low] = address.octets();
        usize::from(u16::from_be_bytes([high, low]))
    }

    /// How often each endpoint is picked, nothing being under way.
    pub(super) fn counts(&mut self, picks: usize) -> BTreeMap<usize, usize> {
        let mut counts = BTreeMap::new();
        for _ in 0..picks {
            *counts.entry(Self::index(&self.pick())).or_default() += 1;
        }
        counts
    }

    pub(super) fn endpoint(&self, index: usize) -> Arc<EndpointState> {
        let all = self.view.plan.backends.iter().flat_map(|backend| &backend.endpoints);
        Arc::clone(&all.into_iter().nth(index).expect("an endpoint").state)
    }
}

pub(super) fn by(algorithm: Algorithm, weights: &[u32]) -> RoutingTable {
    let mut table = table(&[(1, weights)]);
    table.policy.load_balancing.algorithm = algorithm;
    table
}

pub(super) fn hashed(kind: HashTable, weights: &[u32], max_load_percent: Option<u32>) -> RoutingTable {
    let mut table = by(Algorithm::ConsistentHash, weights);
    table.policy.load_balancing.consistent_hash =
        Some(ConsistentHashPolicy { key: HashKey::Path, table: kind, max_load_percent });
    table
}

pub(super) fn rows(table: &mut RoutingTable) -> &mut Vec<EndpointRow> {
    table.endpoints.backends.values_mut().next().expect("a backend")
}

pub(super) const ALL: [Algorithm; 6] = [
    Algorithm::RoundRobin,
    Algorithm::LeastRequest,
    Algorithm::Random,
    Algorithm::PeakEwma,
    Algorithm::Score,
    Algorithm::ConsistentHash,
];
