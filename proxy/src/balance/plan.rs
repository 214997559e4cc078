//! A table compiled: what every thread needs of it, with endpoints by identity and weights divided by their divisor.

use std::{
    collections::{HashMap, HashSet},
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use evenkeel_crds::{
    RoutingTable,
    api::{AccessLogMode, Algorithm, HashTable},
    table::{EndpointRow, EndpointState as RowState, LoadBalancingPolicy, ScorePolicy},
};

use super::{
    BackendState, BudgetRules, EndpointId, EndpointState, Registry, Retry, estimate::Learns, hash::KeyTable,
    slow_start::SlowStart,
};
use crate::guard::Rules;

/// A table compiled.
#[derive(Debug)]
pub struct Plan {
    /// Tells this plan from every other.
    pub epoch: u64,
    /// Where connections may be kept: everything that is ready.
    pub kept: HashSet<SocketAddr>,
    /// `namespace/name` of the pool.
    pub pool: Arc<str>,
    /// Until a connection is made.
    pub connect_timeout: Duration,
    /// From the last byte of the request to the response's header.
    pub response_header_timeout: Duration,
    /// For one attempt, to the end of its response.
    pub backend_request_timeout: Option<Duration>,
    /// For a request, to the end of its response.
    pub request_timeout: Option<Duration>,
    /// How long clients may do nothing.
    pub client_limits: ClientLimits,
    /// What is tried again.
    pub retry: Retry,
    /// How many retries there may be.
    pub retry_budget: BudgetRules,
    /// What heads and bodies must be, and what is changed in them.
    pub rules: Rules,
    /// How connections to endpoints are kept.
    pub connection_pool: ConnectionPool,
    /// Which requests are logged.
    pub access_log: AccessLog,
    /// How an endpoint is chosen.
    pub rule: Rule,
    /// How newcomers begin.
    pub slow_start: SlowStart,
    /// Whether endpoints in the proxy's own zone are preferred, and how much of the load may be there, in percent.
    pub zone_aware: Option<u32>,
    /// The zones of the pool's proxies; empty ones are unknown.
    pub fleet_zones: Vec<String>,
    /// Its backends, in the order of the spec.
    pub backends: Vec<PlannedBackend>,
}

/// How long clients may do nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClientLimits {
    /// Between two requests.
    pub idle: Duration,
    /// While a response is on its way and nothing moves in either direction.
    pub stream: Duration,
}

/// How connections to endpoints are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConnectionPool {
    /// At most so many idle ones for an endpoint, over all threads.
    pub max_idle_per_endpoint: u32,
    /// How long one may be idle.
    pub idle_timeout: Duration,
    /// After so many requests it is closed.
    pub max_requests: u32,
}

/// Which requests are logged, and under which names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessLog {
    /// Which.
    pub mode: AccessLogMode,
    /// How many of a hundred, if only some.
    pub sample_percent: u32,
    /// The pool's names as they stand in a line; they need no escapes.
    pub names: Box<str>,
}

/// A backend of a plan.
#[derive(Debug)]
pub struct PlannedBackend {
    /// What outlives the table.
    pub state: Arc<BackendState>,
    /// Its share, divided by the greatest common divisor of all.
    pub weight: u32,
    /// Whether it serves only while no other backend can.
    pub is_backup: bool,
    /// Its endpoints, in this proxy's own order.
    pub endpoints: Vec<PlannedEndpoint>,
    /// Where keys belong, if they decide.
    pub table: Option<Arc<KeyTable>>,
}

/// An endpoint of a plan.
#[derive(Clone, Debug)]
pub struct PlannedEndpoint {
    /// What outlives the table.
    pub state: Arc<EndpointState>,
    /// Its share of the backend, divided by the greatest common divisor of all.
    pub weight: u32,
    /// Whether it may get new traffic.
    pub ready: bool,
    /// Since when, in Unix seconds; 0: since before anybody looked.
    pub since: i64,
    /// Its zone; empty if unknown.
    pub zone: Box<str>,
    /// Its number in the table of keys.
    pub number: u32,
}

/// How an endpoint is chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rule {
    /// In turn, by weight.
    RoundRobin,
    /// Where the fewest requests are under way.
    LeastRequest,
    /// At random, by weight.
    Random,
    /// Where the wait promises to be the shortest.
    PeakEwma,
    /// By a sum of load, latency, errors and distance.
    Score(ScorePolicy),
    /// By the request's key.
    Key {
        /// How keys are spread.
        table: HashTable,
        /// How much of its share an endpoint may hold, in percent.
        max_load: Option<u32>,
    },
}

impl Rule {
    fn of(policy: &LoadBalancingPolicy) -> Self {
        match (policy.algorithm, &policy.consistent_hash) {
            (Algorithm::RoundRobin, _) => Self::RoundRobin,
            (Algorithm::Random, _) => Self::Random,
            (Algorithm::PeakEwma, _) => Self::PeakEwma,
            (Algorithm::Score, _) => Self::Score(policy.score),
            (Algorithm::ConsistentHash, Some(hash)) => Self::Key { table: hash.table, max_load: hash.max_load_percent },
            (Algorithm::LeastRequest | Algorithm::ConsistentHash, _) => Self::LeastRequest,
        }
    }

    /// Its name, as users write it.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::RoundRobin => "RoundRobin",
            Self::LeastRequest => "LeastRequest",
            Self::Random => "Random",
            Self::PeakEwma => "PeakEWMA",
            Self::Score(_) => "Score",
            Self::Key { .. } => "ConsistentHash",
        }
    }

    /// What it asks of answers.
    #[must_use]
    pub fn learns(&self) -> Learns {
        match self {
            Self::RoundRobin | Self::Random => Learns::Nothing,
            // Without a key, or with one that finds nobody, it is the least loaded.
            Self::LeastRequest | Self::Key { .. } => Learns::Usual,
            Self::PeakEwma | Self::Score(_) => Learns::Peak,
        }
    }
}

static EPOCH: AtomicU64 = AtomicU64::new(1);

impl Plan {
    /// Compiles a table. The order of endpoints is shuffled by `seed`, so that many proxies do not all begin with the same
    /// one; 0 leaves it as listed.
    #[must_use]
    pub fn compile(table: &RoutingTable, registry: &mut Registry, seed: u64) -> Self {
        let policy = &table.policy;
        let pool: Arc<str> = format!("{}/{}", policy.namespace, policy.pool).into();
        let rule = Rule::of(&policy.load_balancing);
        let divisor = policy.backends.iter().fold(0, |divisor, backend| gcd(divisor, backend.weight));
        let backends = policy.backends.iter().map(|backend| {
            let rows = table.endpoints.backends.get(&backend.name).map(Vec::as_slice).unwrap_or_default();
            let state = registry.backend(&pool, &backend.name);
            let mut endpoints = endpoints(rows, &pool, registry);
            let table = match rule {
                Rule::Key { table, .. } => Some(numbered(&mut endpoints, rows, registry, state.serial, table)),
                _ => None,
            };
            if seed != 0 {
                // By a hash of the serial, not by a shuffle of positions: an endpoint that comes or goes moves no other.
                endpoints.sort_by_key(|endpoint| mix(seed ^ endpoint.state.serial));
            }
            let weight = backend.weight / divisor.max(1);
            PlannedBackend { state, weight, is_backup: backend.backup, endpoints, table }
        });
        let backends: Vec<_> = backends.collect();
        let all = backends.iter().flat_map(|backend| &backend.endpoints);
        Self {
            epoch: EPOCH.fetch_add(1, Relaxed),
            kept: all.filter(|endpoint| endpoint.ready).map(|endpoint| endpoint.state.address).collect(),
            connect_timeout: policy.timeouts.connect(),
            response_header_timeout: policy.timeouts.response_header(),
            backend_request_timeout: policy.timeouts.backend_request(),
            request_timeout: policy.timeouts.request(),
            client_limits: ClientLimits { idle: policy.timeouts.client_idle(), stream: policy.timeouts.stream_idle() },
            retry: Retry::of(&policy.retry),
            retry_budget: BudgetRules {
                percent: policy.retry.budget_percent.into(),
                seconds: policy.retry.budget_seconds(),
                fleet: u32::try_from(table.fleet.proxies.len()).unwrap_or(u32::MAX).max(1),
            },
            rules: Rules::of(policy),
            connection_pool: ConnectionPool {
                max_idle_per_endpoint: policy.connection_pool.max_idle_per_endpoint,
                idle_timeout: policy.connection_pool.idle_timeout(),
                max_requests: policy.connection_pool.max_requests_per_connection,
            },
            access_log: AccessLog {
                mode: policy.access_log.mode,
                sample_percent: policy.access_log.sample_percent,
                names: format!("\"namespace\":\"{}\",\"pool\":\"{}\"", policy.namespace, policy.pool).into(),
            },
            rule,
            slow_start: SlowStart {
                window: policy.load_balancing.slow_start.window(),
                min_percent: policy.load_balancing.slow_start.min_percent,
            },
            zone_aware: policy.load_balancing.zone_aware.map(|zones| zones.spill_over_percent),
            fleet_zones: table.fleet.proxies.iter().map(|proxy| proxy.zone.clone()).collect(),
            backends,
            pool,
        }
    }
}

fn endpoints(rows: &[EndpointRow], pool: &Arc<str>, registry: &mut Registry) -> Vec<PlannedEndpoint> {
    let divisor = rows.iter().fold(0, |divisor, row| gcd(divisor, row.weight)).max(1);
    let of = |row: &EndpointRow| {
        let address = SocketAddr::new(row.address, row.port);
        let id = EndpointId { pool: Arc::clone(pool), pod: row.pod.clone(), address };
        PlannedEndpoint {
            state: registry.endpoint(&id),
            weight: row.weight / divisor,
            ready: row.state == RowState::Ready,
            since: row.since,
            zone: row.zone.as_str().into(),
            number: 0,
        }
    };
    rows.iter().map(of).collect()
}

/// Numbers endpoints as they stand in the table of keys, which is made if there is none for them. One address may have two
/// endpoints, while a pod takes over from another: they have one number, since a key knows nothing of pods.
fn numbered(
    endpoints: &mut [PlannedEndpoint],
    rows: &[EndpointRow],
    registry: &mut Registry,
    backend: u64,
    kind: HashTable,
) -> Arc<KeyTable> {
    let mut names: Vec<(String, u32)> = Vec::with_capacity(rows.len());
    let mut numbers = HashMap::with_capacity(rows.len());
    for (endpoint, row) in endpoints.iter_mut().zip(rows) {
        endpoint.number = *numbers.entry(endpoint.state.address).or_insert_with(|| {
            names.push((endpoint.state.name.to_string(), row.weight));
            u32::try_from(names.len() - 1).unwrap_or(u32::MAX)
        });
    }
    registry.table(backend, kind, names)
}

/// Greatest common divisor; of 0 and n it is n.
fn gcd(a: u32, b: u32) -> u32 {
    if b == 0 { a } else { gcd(b, a % b) }
}

/// The finaliser of `SplitMix64` (Steele, Lea, Flood 2014): every bit of the input changes half of the output's.
fn mix(value: u64) -> u64 {
    let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}
