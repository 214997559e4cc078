//! Our own rules: the proxy's `pick` over a real plan and view, with a registry for each simulated proxy.
//!
//! The only file that knows the proxy's API.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use evenkeel_crds::{
    RoutingTable,
    api::{Algorithm, HashTable},
    table::{
        BackendPolicy, BackendSource, ConsistentHashPolicy, EndpointRow, EndpointState as RowState, Endpoints, Fleet,
        HashKey, Policy, ZoneAwarePolicy,
    },
};
use evenkeel_proxy::balance::{Context, Permit, Picked, Plan, Registry, Seen, Surroundings, ThreadState, View, pick};

use crate::{
    rule::{Answer, Ask, Rule},
    time::{MILLISECOND, Nanos, SECOND},
    world::World,
};

/// When the simulation begins, in Unix seconds.
const BEGIN: i64 = 1_800_000_000;
const PORT: u16 = 80;

/// How one of our pools is set up; the rest is as it is by default.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Setup {
    /// None: the default.
    pub(crate) algorithm: Option<Algorithm>,
    pub(crate) zone_aware: bool,
    /// With [`Algorithm::ConsistentHash`].
    pub(crate) hash_table: HashTable,
}

/// One proxy of ours, with one thread.
#[derive(Debug)]
pub(crate) struct Ours {
    setup: Setup,
    zone: String,
    seed: u64,
    registry: Registry,
    thread: ThreadState,
    view: Option<View>,
    permits: Vec<Vec<Permit>>,
    picked: Option<Permit>,
}

impl Ours {
    pub(crate) fn new(setup: Setup, zone: u8, seed: u64) -> Self {
        Self {
            setup,
            zone: zone_name(zone),
            seed,
            registry: Registry::new(1),
            thread: ThreadState::new(seed),
            view: None,
            permits: Vec::new(),
            picked: None,
        }
    }

    fn table(&self, world: &World, now: Nanos) -> RoutingTable {
        let mut policy = Policy::new("sim", "pool", 1, 8080);
        let balancing = &mut policy.load_balancing;
        balancing.algorithm = self.setup.algorithm.unwrap_or(balancing.algorithm);
        balancing.zone_aware = self.setup.zone_aware.then_some(ZoneAwarePolicy { spill_over_percent: 80 });
        if balancing.algorithm == Algorithm::ConsistentHash {
            let (key, table) = (HashKey::Path, self.setup.hash_table);
            balancing.consistent_hash = Some(ConsistentHashPolicy { key, table, max_load_percent: None });
        }
        let mut endpoints = Endpoints::default();
        for (index, weight) in world.backends.iter().enumerate() {
            let name = format!("b{index}");
            let mine = world.ready(now).filter(|number| world.endpoints[*number].backend == index);
            endpoints.backends.insert(name.clone(), mine.map(|number| row(world, number)).collect());
            policy.backends.push(BackendPolicy { name, weight: *weight, backup: false, source: BackendSource::Static });
        }
        RoutingTable { policy, endpoints, fleet: Fleet::default() }
    }

    /// Where a request goes that has this key, or none.
    pub(crate) fn find(&mut self, now: Nanos, key: Option<&[u8]>) -> Option<Picked> {
        let context = Context { now: millis(now), key, ..Context::default() };
        pick(self.view.as_ref()?, &mut self.thread, &context).ok()
    }

    /// The view as it is now: slow start and zones are part of it.
    fn look(&mut self, plan: Arc<Plan>, now: Nanos) {
        let unix_ms = BEGIN * 1000 + millis(now) as i64;
        self.view = Some(View::of(plan, &Surroundings { unix_ms, zone: &self.zone }));
    }
}

/// Milliseconds since the process began, as the proxy counts.
fn millis(now: Nanos) -> u64 {
    now / MILLISECOND
}

fn zone_name(zone: u8) -> String {
    format!("zone-{zone}")
}

fn row(world: &World, number: usize) -> EndpointRow {
    let endpoint = &world.endpoints[number];
    let [high, low] = (number as u16).to_be_bytes();
    EndpointRow {
        address: [10, 0, high, low].into(),
        port: PORT,
        weight: endpoint.weight,
        zone: zone_name(endpoint.zone),
        state: RowState::Ready,
        since: if endpoint.joins == 0 { 0 } else { BEGIN + (endpoint.joins / SECOND) as i64 },
        pod: String::new(),
    }
}

/// The number that is hidden in an endpoint's address.
pub(crate) fn number(picked: &Picked) -> usize {
    match picked.endpoint.address {
        SocketAddr::V4(address) => {
            let [_, _, high, low] = address.ip().octets();
            usize::from(u16::from_be_bytes([high, low]))
        }
        SocketAddr::V6(_) => 0,
    }
}

impl Rule for Ours {
    fn members(&mut self, world: &World, now: Nanos) {
        let table = self.table(world, now);
        let plan = Arc::new(Plan::compile(&table, &mut self.registry, self.seed));
        self.look(plan, now);
        self.permits.resize_with(world.endpoints.len(), Vec::new);
    }

    fn pick(&mut self, ask: &Ask) -> usize {
        let Some(picked) = self.find(ask.now, None) else { return 0 };
        self.picked = Some(picked.permit());
        number(&picked)
    }

    fn sent(&mut self, endpoint: usize) {
        self.permits[endpoint].extend(self.picked.take());
    }

    fn answered(&mut self, answer: &Answer) {
        let (Some(view), Some(permit)) = (&self.view, self.permits[answer.endpoint].pop()) else { return };
        let seen = Seen { latency: Duration::from_nanos(answer.latency), failed: answer.failed };
        permit.endpoint().report(millis(answer.now), seen, view.plan.rule.learns());
    }

    fn tick(&mut self, now: Nanos) {
        if let Some(view) = self.view.take_if(|view| view.is_ramping) {
            self.look(view.plan, now);
        }
    }
}
