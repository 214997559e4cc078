//! Shares are exact, whatever the weights, and survive every change of table.

use std::{collections::BTreeMap, sync::Arc};

use evenkeel_crds::{
    RoutingTable,
    api::Algorithm,
    table::{BackendPolicy, BackendSource, EndpointRow, EndpointState as RowState, Endpoints, Fleet, Policy},
};
use proptest::prelude::*;

use super::*;

/// A table with backends of so many endpoints: (weight, endpoint weights).
pub(super) fn table(backends: &[(u32, &[u32])]) -> RoutingTable {
    let mut policy = Policy::new("shop", "web", 1, 8080);
    policy.load_balancing.algorithm = Algorithm::RoundRobin;
    let mut endpoints = Endpoints::default();
    for (index, (weight, rows)) in backends.iter().enumerate() {
        let name = format!("b{index}");
        policy.backends.push(BackendPolicy {
            name: name.clone(),
            weight: *weight,
            backup: false,
            source: BackendSource::Static,
        });
        let rows = rows.iter().enumerate().map(|(row, weight)| endpoint(index, row, *weight)).collect();
        endpoints.backends.insert(name, rows);
    }
    RoutingTable { policy, endpoints, fleet: Fleet::default() }
}

fn endpoint(backend: usize, index: usize, weight: u32) -> EndpointRow {
    let [high, low] = u16::try_from(index).expect("small").to_be_bytes();
    let address = [10, u8::try_from(backend).expect("small"), high, low].into();
    EndpointRow { address, port: 80, weight, zone: String::new(), state: RowState::Ready, since: 0, pod: String::new() }
}

/// One proxy: a registry and a thread, both with seed 0 unless said otherwise.
struct Proxy {
    registry: Registry,
    thread: ThreadState,
    view: View,
}

impl Proxy {
    fn new(table: &RoutingTable) -> Self {
        Self::with_seed(table, 0)
    }

    fn with_seed(table: &RoutingTable, seed: u64) -> Self {
        let mut registry = Registry::new(1);
        let view = View::of(Arc::new(Plan::compile(table, &mut registry, seed)), &Surroundings::default());
        Self { registry, thread: ThreadState::new(seed), view }
    }

    fn load(&mut self, table: &RoutingTable) {
        self.view = View::of(Arc::new(Plan::compile(table, &mut self.registry, 0)), &Surroundings::default());
    }

    fn pick(&mut self, tried: &[Arc<EndpointState>]) -> Result<Picked, NoPick> {
        pick(&self.view, &mut self.thread, &Context { tried, ..Context::default() })
    }

    fn names(&mut self, picks: usize) -> String {
        let picked = (0..picks).map(|_| self.pick(&[]).expect("a pick").backend.name.to_string());
        picked.collect::<Vec<_>>().join(" ").replace("b0", "a").replace("b1", "b").replace("b2", "c")
    }

    /// How often each endpoint is picked, by the last two bytes of its address.
    fn counts(&mut self, picks: usize) -> BTreeMap<String, usize> {
        let mut counts = BTreeMap::new();
        for _ in 0..picks {
            *counts.entry(self.pick(&[]).expect("a pick").endpoint.address.to_string()).or_default() += 1;
        }
        counts
    }
}

#[test]
fn published_sequences_hold_for_backends_and_endpoints() {
    // nginx commit 52327e062, and two computed by its rule.
    for (weights, expected) in
        [(vec![5, 1, 1], "a a b a c a a"), (vec![6, 3, 1], "a b a a b a c a b a"), (vec![3, 1], "a a b a")]
    {
        let backends: Vec<(u32, &[u32])> = weights.iter().map(|weight| (*weight, [1].as_slice())).collect();
        assert_eq!(Proxy::new(&table(&backends)).names(weights.iter().sum::<u32>() as usize), expected);

        let mut proxy = Proxy::new(&table(&[(1, &weights)]));
        let picked: Vec<_> = (0..weights.iter().sum::<u32>())
            .map(|_| match proxy.pick(&[]).expect("a pick").endpoint.address.to_string().as_str() {
                "10.0.0.0:80" => "a",
                "10.0.0.1:80" => "b",
                _ => "c",
            })
            .collect();
        assert_eq!(picked.join(" "), expected);
    }
}

#[test]
fn a_backends_share_does_not_depend_on_its_endpoints() {
    let mut proxy = Proxy::new(&table(&[(90, &[1; 30]), (10, &[1])]));
    let canary = (0..1000).filter(|_| &*proxy.pick(&[]).expect("a pick").backend.name == "b1").count();
    assert_eq!(canary, 100);
}

#[test]
fn weights_of_a_million_are_as_smooth_as_weights_of_one() {
    let big = Proxy::new(&table(&[(1_000_000, &[1]), (500_000, &[1])])).names(30);
    assert_eq!(big, Proxy::new(&table(&[(2, &[1]), (1, &[1])])).names(30));
}

#[test]
fn weight_zero_gets_nothing() {
    let mut proxy = Proxy::new(&table(&[(70, &[1]), (30, &[1, 0]), (0, &[1])]));
    let counts = proxy.counts(500);
    assert_eq!(counts.into_iter().collect::<Vec<_>>(), [("10.0.0.0:80".into(), 350), ("10.1.0.0:80".into(), 150)]);
}

#[test]
fn a_backend_without_endpoints_gives_its_share_to_the_others() {
    let mut proxy = Proxy::new(&table(&[(50, &[]), (30, &[1]), (20, &[1])]));
    assert_eq!(proxy.names(5), "b c b c b");
}

#[test]
fn draining_endpoints_serve_only_when_nobody_is_ready() {
    let mut table = table(&[(1, &[1, 1]), (1, &[1])]);
    let rows = |table: &mut RoutingTable, backend: &str, state| {
        table.endpoints.backends.get_mut(backend).expect("backend").iter_mut().for_each(|row| row.state = state);
    };
    rows(&mut table, "b0", RowState::Draining);
    let mut proxy = Proxy::new(&table);
    assert_eq!(proxy.names(3), "b b b");
    rows(&mut table, "b1", RowState::Draining);
    proxy.load(&table);
    assert_eq!(proxy.names(4).matches('a').count(), 2);
    table.endpoints.backends.clear();
    proxy.load(&table);
    assert_eq!(proxy.pick(&[]).unwrap_err(), NoPick);
}

#[test]
fn what_was_tried_is_not_tried_again() {
    let mut proxy = Proxy::new(&table(&[(9, &[1, 1]), (1, &[1])]));
    let mut tried = Vec::new();
    for _ in 0..3 {
        let picked = proxy.pick(&tried).expect("one is left").endpoint;
        assert!(!tried.iter().any(|before| Arc::ptr_eq(before, &picked)));
        tried.push(picked);
    }
    assert_eq!(proxy.pick(&tried).unwrap_err(), NoPick);
}

#[test]
fn ten_weight_changes_a_second_reset_nothing() {
    let [first, second] = [table(&[(70, &[1, 1, 1]), (30, &[1])]), table(&[(700_000, &[1, 1, 1]), (300_001, &[1])])];
    let mut proxy = Proxy::new(&first);
    let mut counts = BTreeMap::new();
    for round in 0..500 {
        proxy.load(if round % 2 == 0 { &first } else { &second });
        for (address, count) in proxy.counts(2) {
            *counts.entry(address).or_insert(0) += count;
        }
    }
    assert_eq!(counts.len(), 4, "{counts:?}");
    for (address, count) in counts {
        let expected = if address.starts_with("10.1") { 300 } else { 233 };
        assert!(count.abs_diff(expected) <= 3, "{address}: {count}");
    }
}

#[test]
fn a_large_credit_does_not_outlive_large_weights() {
    let mut proxy = Proxy::new(&table(&[(1_000_000, &[1]), (999_999, &[1])]));
    proxy.names(999_999);
    proxy.load(&table(&[(1, &[1]), (1, &[1])]));
    let a = proxy.names(100).matches('a').count();
    assert!((49..=51).contains(&a), "{a}");
}

#[test]
fn threads_do_not_march_in_step() {
    let table = table(&[(1, &[1; 50])]);
    let first: std::collections::BTreeSet<_> =
        (1..=50).map(|seed| Proxy::with_seed(&table, seed).pick(&[]).expect("a pick").endpoint.address).collect();
    assert!(first.len() > 20, "{} of 50 endpoints are first somewhere", first.len());
}

#[test]
fn a_newcomer_among_many_gets_no_burst() {
    let mut proxy = Proxy::new(&table(&[(1, &[1; 200])]));
    proxy.counts(200 * 50);
    proxy.load(&table(&[(1, &[1; 201])]));
    let counts = proxy.counts(201 * 2);
    assert!(counts.values().all(|count| (1..=3).contains(count)), "{:?}", counts.values().max());
}

#[test]
fn a_backend_that_was_away_gets_its_share_at_once() {
    let mut proxy = Proxy::new(&table(&[(1, &[1]), (99, &[1])]));
    proxy.names(60);
    proxy.load(&table(&[(0, &[1]), (1, &[1])]));
    proxy.names(3);
    proxy.load(&table(&[(1, &[1]), (4, &[1])]));
    let picks = proxy.names(10);
    assert_eq!(picks.matches('a').count(), 2, "{picks}");
}

proptest! {
    #[test]
    fn after_any_row_of_tables_the_next_cycle_is_exact(
        rows in prop::collection::vec((prop::collection::vec(0u32..=100, 3), 0usize..70), 1..20),
    ) {
        let of = |weights: &[u32]| {
            let backends: Vec<(u32, &[u32])> = weights.iter().map(|weight| (*weight, [1].as_slice())).collect();
            table(&backends)
        };
        let mut proxy = Proxy::new(&of(&[1, 1, 1]));
        for (weights, picks) in rows.iter().filter(|(weights, _)| weights.iter().any(|weight| *weight > 0)) {
            proxy.load(&of(weights));
            proxy.names(*picks);
        }
        let last = [60, 30, 10];
        proxy.load(&of(&last));
        let picked = proxy.names(100);
        for (name, weight) in ['a', 'b', 'c'].into_iter().zip(last) {
            let count = picked.matches(name).count();
            prop_assert!(count.abs_diff(weight as usize) <= 2, "{name}: {count} of {weight}");
        }
    }

    #[test]
    fn over_a_cycle_counts_equal_weights(
        weights in prop::collection::vec(0u32..20, 1..40),
        many in any::<bool>(),
        skip in 0usize..50,
    ) {
        prop_assume!(weights.iter().any(|weight| *weight > 0));
        // A divisor of one, so that the cycle is the sum as written; over 128 candidates take the stride scheduler.
        let mut rows = weights;
        rows.push(1);
        if many {
            rows.extend([1; 129]);
        }
        let total = rows.iter().sum::<u32>() as usize;
        let mut proxy = Proxy::new(&table(&[(1, &rows)]));
        if !many {
            // Smooth round robin is exact over any window of a cycle's length.
            proxy.counts(skip);
        }
        let counts = proxy.counts(total);
        for (index, weight) in rows.iter().enumerate() {
            let address = format!("10.0.{}.{}:80", index / 256, index % 256);
            let count = counts.get(&address).copied().unwrap_or(0);
            let off = count.abs_diff(*weight as usize);
            prop_assert!(if many { off <= 1 } else { off == 0 }, "{address}: {count} of {weight}");
        }
    }

    #[test]
    fn the_same_inputs_give_the_same_picks(seed in any::<u64>(), weights in prop::collection::vec(1u32..9, 1..300)) {
        let table = table(&[(3, &weights), (1, &[1])]);
        let [mut one, mut two] = [Proxy::with_seed(&table, seed), Proxy::with_seed(&table, seed)];
        prop_assert_eq!(one.names(50), two.names(50));
    }
}
