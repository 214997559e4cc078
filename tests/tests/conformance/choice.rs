//! Mechanisms that choose: a pool's algorithm over servers in a given state, and backends by weight.

use std::{collections::BTreeMap, sync::Arc};

use evenkeel_crds::{
    RoutingTable,
    api::Algorithm,
    table::{
        BackendPolicy, BackendSource, EndpointRow, EndpointState as RowState, Endpoints, Fleet, Policy, ScorePolicy,
    },
};
use evenkeel_proxy::balance::{
    Context, EndpointState, Permit, Plan, Registry, Steps, Surroundings, ThreadState, View, pick, pick_traced,
};
use serde::{Deserialize, Serialize};

use crate::numbers::Answer;

/// 2026-11-22; any other would do.
const NOW: i64 = 1_795_305_600;

/// A server and what is known of it. `count`: so many of the kind.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub(crate) struct Server {
    count: usize,
    weight: u32,
    in_flight: usize,
    zone: String,
    /// How long it is ready; none: for ever.
    ready_for_s: Option<i64>,
    answers: Vec<Answer>,
}

impl Default for Server {
    fn default() -> Self {
        Self { count: 1, weight: 1, in_flight: 0, zone: String::new(), ready_for_s: None, answers: Vec::new() }
    }
}

/// A proxy with one thread in front of servers that hold what they hold.
pub(crate) struct Proxy {
    view: View,
    thread: ThreadState,
    pub(crate) now: u64,
    /// Places that are taken, until the end.
    held: Vec<Permit>,
}

fn row(backend: u8, number: usize, server: &Server) -> EndpointRow {
    let [high, low] = u16::try_from(number).expect("a small number").to_be_bytes();
    EndpointRow {
        address: [10, backend, high, low].into(),
        port: 80,
        weight: server.weight,
        zone: server.zone.clone(),
        state: RowState::Ready,
        since: server.ready_for_s.map_or(0, |seconds| NOW - seconds),
        pod: String::new(),
    }
}

fn backend(name: &str, weight: u32, backup: bool) -> BackendPolicy {
    BackendPolicy { name: name.into(), weight, backup, source: BackendSource::Static }
}

fn view(table: &RoutingTable, zone: &str) -> View {
    let plan = Plan::compile(table, &mut Registry::new(1), 0);
    View::of(Arc::new(plan), &Surroundings { unix_ms: NOW * 1000, zone })
}

impl Proxy {
    pub(crate) fn of(algorithm: Algorithm, servers: &[Server], seed: u64) -> Self {
        let mut table = RoutingTable {
            policy: Policy::new("shop", "web", 1, 8080),
            endpoints: Endpoints::default(),
            fleet: Fleet::default(),
        };
        table.policy.load_balancing.algorithm = algorithm;
        Self::with(table, servers, "", seed)
    }

    pub(crate) fn scored(score: ScorePolicy, servers: &[Server], zone: &str, seed: u64) -> Self {
        let mut policy = Policy::new("shop", "web", 1, 8080);
        policy.load_balancing.algorithm = Algorithm::Score;
        policy.load_balancing.score = score;
        let table = RoutingTable { policy, endpoints: Endpoints::default(), fleet: Fleet::default() };
        Self::with(table, servers, zone, seed)
    }

    fn with(mut table: RoutingTable, servers: &[Server], zone: &str, seed: u64) -> Self {
        let servers: Vec<_> = servers.iter().flat_map(|server| std::iter::repeat_n(server, server.count)).collect();
        table.policy.backends.push(backend("main", 1, false));
        let rows = servers.iter().enumerate().map(|(number, server)| row(0, number, server)).collect();
        table.endpoints.backends.insert("main".into(), rows);
        let mut proxy = Self { view: view(&table, zone), thread: ThreadState::new(seed), now: 0, held: Vec::new() };
        let learns = proxy.view.plan.rule.learns();
        for (number, server) in servers.into_iter().enumerate() {
            let endpoint = proxy.endpoint(number);
            for answer in &server.answers {
                answer.tell(&endpoint, learns);
                proxy.now = proxy.now.max(answer.at_ms);
            }
            proxy.held.extend((0..server.in_flight).map(|_| Permit::take(Arc::clone(&endpoint))));
        }
        proxy
    }

    pub(crate) fn endpoint(&self, number: usize) -> Arc<EndpointState> {
        Arc::clone(&self.view.plan.backends[0].endpoints[number].state)
    }

    /// The number of a server, by its address.
    pub(crate) fn number(address: &str) -> usize {
        let address: std::net::SocketAddr = address.parse().expect("an address");
        let std::net::IpAddr::V4(ip) = address.ip() else { unreachable!("all are IPv4") };
        let [.., high, low] = ip.octets();
        u16::from_be_bytes([high, low]).into()
    }

    /// The server that is picked, if any can be.
    fn pick(&mut self, without: &[usize]) -> Option<usize> {
        let tried: Vec<_> = without.iter().map(|number| self.endpoint(*number)).collect();
        let picked = pick(&self.view, &mut self.thread, &Context { tried: &tried, key: None, now: self.now });
        picked.ok().map(|picked| Self::number(&picked.endpoint.address.to_string()))
    }

    pub(crate) fn explain(&mut self) -> (Option<usize>, Steps) {
        let mut steps = Steps::default();
        let context = Context { tried: &[], key: None, now: self.now };
        let picked = pick_traced(&self.view, &mut self.thread, &context, &mut steps);
        (picked.ok().map(|picked| Self::number(&picked.endpoint.address.to_string())), steps)
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct ChoiceInputs {
    algorithm: Algorithm,
    servers: Vec<Server>,
    picks: usize,
    /// When; without it at the last answer.
    at_ms: Option<u64>,
    /// By the number of a pick, from 0: servers that cannot be picked then.
    #[serde(default)]
    without: BTreeMap<usize, Vec<usize>>,
}

#[derive(Serialize)]
pub(crate) struct ChoiceFound {
    /// The server of each pick.
    order: Vec<Option<usize>>,
    /// How often each server was picked.
    counts: Vec<usize>,
}

/// No pick is held: what is under way is what the servers say.
pub(crate) fn choice(inputs: &ChoiceInputs, seed: u64) -> ChoiceFound {
    let mut proxy = Proxy::of(inputs.algorithm, &inputs.servers, seed);
    proxy.now = inputs.at_ms.unwrap_or(proxy.now);
    let none = Vec::new();
    let order: Vec<_> =
        (0..inputs.picks).map(|number| proxy.pick(inputs.without.get(&number).unwrap_or(&none))).collect();
    let mut counts = vec![0; inputs.servers.iter().map(|server| server.count).sum()];
    for number in order.iter().flatten() {
        counts[*number] += 1;
    }
    ChoiceFound { order, counts }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Backend {
    name: String,
    weight: u32,
    endpoints: usize,
    #[serde(default)]
    backup: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct BackendsInputs {
    backends: Vec<Backend>,
    picks: usize,
}

#[derive(Serialize)]
pub(crate) struct BackendsFound {
    order: Vec<String>,
    counts: BTreeMap<String, usize>,
}

/// Which backend each of some requests without a key goes to.
pub(crate) fn backends(inputs: &BackendsInputs, seed: u64) -> BackendsFound {
    let policy = Policy::new("shop", "web", 1, 8080);
    let mut table = RoutingTable { policy, endpoints: Endpoints::default(), fleet: Fleet::default() };
    for (index, given) in (0..).zip(&inputs.backends) {
        table.policy.backends.push(backend(&given.name, given.weight, given.backup));
        let rows = (0..given.endpoints).map(|number| row(index, number, &Server::default())).collect();
        table.endpoints.backends.insert(given.name.clone(), rows);
    }
    let (view, mut thread) = (view(&table, ""), ThreadState::new(seed));
    let mut of = |_| pick(&view, &mut thread, &Context::default()).ok().map(|picked| picked.backend.name.to_string());
    let order: Vec<_> = (0..inputs.picks).filter_map(&mut of).collect();
    let mut counts: BTreeMap<_, _> = inputs.backends.iter().map(|backend| (backend.name.clone(), 0)).collect();
    for name in &order {
        *counts.entry(name.clone()).or_default() += 1;
    }
    BackendsFound { order, counts }
}
