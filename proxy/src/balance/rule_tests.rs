//! Each rule keeps its promise, and what it tells of a pick is how it picked.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use evenkeel_crds::{
    RoutingTable,
    api::{Algorithm, HashTable},
    table::{ConsistentHashPolicy, EndpointState as RowState, FleetProxy, HashKey, ZoneAwarePolicy},
};
use proptest::prelude::*;

use super::{tests::table, *};

/// 2026-11-22.
const NOW: i64 = 1_795_305_600;

/// One proxy: a registry and a thread.
struct Proxy {
    registry: Registry,
    thread: ThreadState,
    view: View,
    now: u64,
    zone: &'static str,
}

impl Proxy {
    fn new(table: &RoutingTable, seed: u64) -> Self {
        Self::in_zone(table, seed, "")
    }

    fn in_zone(table: &RoutingTable, seed: u64, zone: &'static str) -> Self {
        let mut registry = Registry::new(1);
        let plan = Plan::compile(table, &mut registry, 0);
        let view = View::of(Arc::new(plan), &Surroundings { unix_ms: NOW * 1000, zone });
        Self { registry, thread: ThreadState::new(seed), view, now: 0, zone }
    }

    /// Looks again at who is eligible, so many milliseconds after the beginning.
    fn load(&mut self, table: &RoutingTable, millis: i64) {
        let plan = Plan::compile(table, &mut self.registry, 0);
        self.view = View::of(Arc::new(plan), &Surroundings { unix_ms: NOW * 1000 + millis, zone: self.zone });
    }

    fn pick_by(&mut self, key: Option<&[u8]>, tried: &[Arc<EndpointState>]) -> Result<Picked, NoPick> {
        pick(&self.view, &mut self.thread, &Context { tried, key, now: self.now })
    }

    fn pick(&mut self) -> Picked {
        self.pick_by(None, &[]).expect("a pick")
    }

    fn index(picked: &Picked) -> usize {
        let std::net::IpAddr::V4(address) = picked.endpoint.address.ip() else { unreachable!("all are IPv4") };
        let [.., high, low] = address.octets();
        usize::from(u16::from_be_bytes([high, low]))
    }

    /// How often each endpoint is picked, nothing being under way.
    fn counts(&mut self, picks: usize) -> BTreeMap<usize, usize> {
        let mut counts = BTreeMap::new();
        for _ in 0..picks {
            *counts.entry(Self::index(&self.pick())).or_default() += 1;
        }
        counts
    }

    fn endpoint(&self, index: usize) -> Arc<EndpointState> {
        let all = self.view.plan.backends.iter().flat_map(|backend| &backend.endpoints);
        Arc::clone(&all.into_iter().nth(index).expect("an endpoint").state)
    }
}

fn by(algorithm: Algorithm, weights: &[u32]) -> RoutingTable {
    let mut table = table(&[(1, weights)]);
    table.policy.load_balancing.algorithm = algorithm;
    table
}

fn hashed(kind: HashTable, weights: &[u32], max_load_percent: Option<u32>) -> RoutingTable {
    let mut table = by(Algorithm::ConsistentHash, weights);
    table.policy.load_balancing.consistent_hash =
        Some(ConsistentHashPolicy { key: HashKey::Path, table: kind, max_load_percent });
    table
}

fn rows(table: &mut RoutingTable) -> &mut Vec<evenkeel_crds::table::EndpointRow> {
    table.endpoints.backends.values_mut().next().expect("a backend")
}

const ALL: [Algorithm; 6] = [
    Algorithm::RoundRobin,
    Algorithm::LeastRequest,
    Algorithm::Random,
    Algorithm::PeakEwma,
    Algorithm::Score,
    Algorithm::ConsistentHash,
];

#[test]
fn idle_endpoints_get_their_weights_share_by_every_rule() {
    for algorithm in ALL {
        let counts = Proxy::new(&by(algorithm, &[1, 2, 5, 0]), 7).counts(8_000);
        let exact = matches!(algorithm, Algorithm::RoundRobin | Algorithm::LeastRequest | Algorithm::ConsistentHash);
        let slack = if exact { 0 } else { 250 };
        if matches!(algorithm, Algorithm::PeakEwma | Algorithm::Score) {
            continue; // theirs are costs, not shares: the largest weight promises the least
        }
        for (index, expected) in [1_000, 2_000, 5_000, 0].into_iter().enumerate() {
            let count = counts.get(&index).copied().unwrap_or(0);
            assert!(count.abs_diff(expected) <= slack, "{algorithm:?} {index}: {count}");
        }
    }
}

#[test]
fn of_few_the_least_loaded_is_taken_and_of_equal_ones_each_in_turn() {
    let mut proxy = Proxy::new(&by(Algorithm::LeastRequest, &[1, 1, 1]), 0);
    let held = [0, 1].map(|index| Permit::take(proxy.endpoint(index)));
    assert_eq!(proxy.counts(10), [(2, 10)].into());
    let more = [2, 2].map(|index| Permit::take(proxy.endpoint(index)));
    assert_eq!(proxy.counts(10), [(0, 5), (1, 5)].into());
    drop((held, more));
    assert_eq!(proxy.counts(9), [(0, 3), (1, 3), (2, 3)].into());
}

#[test]
fn of_many_an_empty_newcomer_gets_two_shares_and_a_full_one_hardly_any() {
    let mut proxy = Proxy::new(&by(Algorithm::LeastRequest, &[1; 100]), 3);
    let mut held: Vec<_> = (1..100).map(|index| Permit::take(proxy.endpoint(index))).collect();
    let counts = proxy.counts(50_000);
    assert!((850..1_150).contains(&counts[&0]), "2/n: {}", counts[&0]);
    held.extend((0..9).map(|_| Permit::take(proxy.endpoint(5))));
    assert_eq!(proxy.counts(20_000).get(&5), None, "it loses against everybody else");
}

#[test]
fn where_nothing_is_under_way_draws_are_evened_out() {
    let mut proxy = Proxy::new(&by(Algorithm::LeastRequest, &[1; 16]), 3);
    let counts = proxy.counts(160);
    assert!(counts.values().all(|count| (6..=14).contains(count)), "{counts:?}");
}

#[test]
fn who_fails_at_once_gets_hardly_anything_by_rules_that_look() {
    for (algorithm, most) in [(Algorithm::LeastRequest, 20), (Algorithm::PeakEwma, 20), (Algorithm::Score, 20)] {
        for endpoints in [3, 20] {
            let mut proxy = Proxy::new(&by(algorithm, &vec![1; endpoints]), 5);
            let mut failed = 0;
            for turn in 0..2_000 {
                proxy.now = turn * 5;
                let picked = proxy.pick();
                let fails = Proxy::index(&picked) == 0;
                failed += usize::from(fails);
                let latency = Duration::from_millis(if fails { 1 } else { 20 });
                picked.endpoint.report(proxy.now, Seen { latency, failed: fails }, true);
            }
            assert!(failed <= most, "{algorithm:?} over {endpoints}: {failed} of 2000");
        }
    }
}

#[test]
fn the_slow_one_gets_less_by_its_latency() {
    let mut proxy = Proxy::new(&by(Algorithm::PeakEwma, &[1, 1, 1, 1]), 5);
    let mut slow = 0;
    for turn in 0..1_000 {
        proxy.now = turn * 10;
        let picked = proxy.pick();
        let is_slow = Proxy::index(&picked) == 0;
        slow += usize::from(is_slow);
        let latency = Duration::from_millis(if is_slow { 200 } else { 20 });
        picked.endpoint.report(proxy.now, Seen { latency, failed: false }, true);
    }
    assert!(slow < 30, "{slow}");
}

#[test]
fn a_key_stays_and_only_keys_of_who_is_away_move() {
    for kind in [HashTable::Ring, HashTable::Maglev] {
        let all = hashed(kind, &[1; 10], None);
        let mut proxy = Proxy::new(&all, 5);
        let keys: Vec<_> = (0..2_000).map(|number| format!("/user/{number}")).collect();
        let at = |proxy: &mut Proxy| -> Vec<usize> {
            keys.iter().map(|key| Proxy::index(&proxy.pick_by(Some(key.as_bytes()), &[]).expect("a pick"))).collect()
        };
        let before = at(&mut proxy);
        let mut away = all.clone();
        rows(&mut away)[3].state = RowState::Draining;
        proxy.load(&away, 1);
        let after = at(&mut proxy);
        assert!(before.iter().zip(&after).all(|(before, after)| before == after || *before == 3), "{kind:?}");
        assert!(after.iter().all(|index| *index != 3));
        proxy.load(&all, 2);
        assert_eq!(at(&mut proxy), before, "{kind:?}: and back");
    }
}

#[test]
fn another_proxy_finds_the_same_endpoint_and_a_tried_one_is_passed_over() {
    let table = hashed(HashTable::Ring, &[3, 1, 1], None);
    let [mut one, mut other] = [5, 6].map(|seed| Proxy::new(&table, seed));
    for number in 0..200 {
        let key = format!("{number}");
        let first = one.pick_by(Some(key.as_bytes()), &[]).expect("a pick");
        assert_eq!(Proxy::index(&first), Proxy::index(&other.pick_by(Some(key.as_bytes()), &[]).expect("a pick")));
        let next = one.pick_by(Some(key.as_bytes()), std::slice::from_ref(&first.endpoint)).expect("a pick");
        assert_ne!(Proxy::index(&first), Proxy::index(&next));
    }
}

#[test]
fn backends_share_keys_by_weight_and_a_key_stays_with_its_backend() {
    let mut table = table(&[(70, &[1, 1]), (30, &[1, 1]), (0, &[1])]);
    table.policy.load_balancing = hashed(HashTable::Ring, &[1], None).policy.load_balancing;
    let mut proxy = Proxy::new(&table, 5);
    let mut of =
        |key: usize| proxy.pick_by(Some(format!("{key}").as_bytes()), &[]).expect("a pick").backend.name.to_string();
    let first = (0..10_000).filter(|key| of(*key) == "b0").count();
    assert!((6_800..7_200).contains(&first), "{first}");
    assert!((0..1_000).all(|key| of(key) == of(key) && of(key) != "b2"));
}

proptest! {
    /// Whatever the keys, nobody holds more than its bound allows, nor is anybody turned away.
    #[test]
    fn bounded_load_is_never_exceeded(
        weights in prop::collection::vec(1u32..5, 2..8),
        keys in prop::collection::vec(0u8..4, 1..200),
        percent in 101u32..300,
    ) {
        let table = hashed(HashTable::Ring, &weights, Some(percent));
        let mut proxy = Proxy::new(&table, 5);
        let total: u64 = weights.iter().map(|weight| u64::from(*weight)).sum();
        let mut permits = Vec::new();
        for (served, key) in keys.iter().enumerate() {
            let picked = proxy.pick_by(Some(&[*key]), &[]).expect("a pick");
            permits.push(picked.permit());
            let weight = u64::from(weights[Proxy::index(&picked)]);
            let bound = ((served as u64 + 1) * u64::from(percent) * weight).div_ceil(100 * total).max(1);
            prop_assert!(picked.endpoint.in_flight() <= bound + 1, "{} of {bound}", picked.endpoint.in_flight());
        }
    }

    /// What a pick tells of itself is that pick, whatever the rule and the state.
    #[test]
    fn an_explained_pick_is_the_real_one(
        algorithm in 0usize..6,
        weights in prop::collection::vec(0u32..5, 1..20),
        picks in prop::collection::vec((any::<bool>(), 0u64..3_000, any::<bool>()), 1..60),
        key in prop::option::of("[a-z]{1,8}"),
        seed: u64,
    ) {
        let mut table = hashed(HashTable::Maglev, &weights, Some(150));
        table.policy.load_balancing.algorithm = ALL[algorithm];
        let mut proxy = Proxy::new(&table, seed);
        let mut permits = Vec::new();
        for (ends, millis, failed) in picks {
            proxy.now += millis;
            let context = Context { tried: &[], key: key.as_deref().map(str::as_bytes), now: proxy.now };
            let mut steps = Steps::default();
            let explained = pick_traced(&proxy.view, &mut proxy.thread.clone(), &context, &mut steps);
            let real = pick(&proxy.view, &mut proxy.thread, &context);
            let (Ok(explained), Ok(real)) = (explained, real) else {
                prop_assert!(weights.iter().all(|weight| *weight == 0));
                return Ok(());
            };
            prop_assert!(Arc::ptr_eq(&explained.endpoint, &real.endpoint));
            let last = steps.0.last().cloned();
            prop_assert_eq!(last, Some(Step::Picked { endpoint: real.endpoint.name.to_string() }));
            real.endpoint.report(proxy.now, Seen { latency: Duration::from_millis(millis), failed }, true);
            permits.push(real.permit());
            if ends {
                permits.swap_remove(0);
            }
        }
    }
}

#[test]
fn backups_serve_only_while_nobody_else_can() {
    let mut table = table(&[(90, &[1, 1]), (10, &[1]), (5, &[1])]);
    table.policy.backends[2].backup = true;
    let mut proxy = Proxy::new(&table, 0);
    let names = |proxy: &mut Proxy| -> String { (0..40).map(|_| proxy.pick().backend.name[1..].to_owned()).collect() };
    assert_eq!(names(&mut proxy).matches('2').count(), 0);

    // Who still serves while terminating comes before a backup.
    for rows in table.endpoints.backends.values_mut().take(2) {
        rows.iter_mut().for_each(|row| row.state = RowState::Draining);
    }
    proxy.load(&table, 1);
    assert_eq!(names(&mut proxy).matches('2').count(), 0);

    for rows in table.endpoints.backends.values_mut().take(2) {
        rows.clear();
    }
    proxy.load(&table, 2);
    assert_eq!(names(&mut proxy).matches('2').count(), 40);
}

#[test]
fn a_backup_is_tried_when_all_others_were() {
    let mut table = table(&[(1, &[1, 1]), (1, &[1])]);
    table.policy.backends[1].backup = true;
    let mut proxy = Proxy::new(&table, 0);
    let mut tried = Vec::new();
    for expected in ["b0", "b0", "b1"] {
        let picked = proxy.pick_by(None, &tried).expect("one is left");
        assert_eq!(&*picked.backend.name, expected);
        tried.push(picked.endpoint);
    }
    assert_eq!(proxy.pick_by(None, &tried).unwrap_err(), NoPick);
}

#[test]
fn a_newcomers_share_grows_over_its_window() {
    for algorithm in [Algorithm::RoundRobin, Algorithm::Random, Algorithm::LeastRequest, Algorithm::ConsistentHash] {
        let mut table = by(algorithm, &[1; 4]);
        rows(&mut table)[0].since = NOW;
        rows(&mut table)[1].since = NOW - 1_000;
        let mut proxy = Proxy::new(&table, 5);
        for (second, expected) in [(0, 32), (5, 143), (9, 231), (10, 250)] {
            proxy.load(&table, second * 1000);
            assert_eq!(proxy.view.is_ramping, second < 10);
            let share = proxy.counts(10_000).get(&0).copied().unwrap_or(0) / 10;
            assert!(share.abs_diff(expected) <= 12, "{algorithm:?} after {second} s: {share} of 1000");
        }
    }
}

#[test]
fn a_newcomer_takes_more_and_more_of_its_keys_and_gives_none_back() {
    let mut table = hashed(HashTable::Ring, &[1; 4], None);
    rows(&mut table)[0].since = NOW;
    let mut proxy = Proxy::new(&table, 5);
    let mut before: Vec<usize> = Vec::new();
    for second in 0..=10 {
        proxy.load(&table, second * 1000);
        let has =
            |key: &usize| Proxy::index(&proxy.pick_by(Some(format!("{key}").as_bytes()), &[]).expect("a pick")) == 0;
        let keys: Vec<_> = (0..2_000).filter(has).collect();
        assert!(before.iter().all(|key| keys.contains(key)), "after {second} s");
        before = keys;
    }
    assert!((400..600).contains(&before.len()), "{}", before.len());
}

#[test]
fn where_all_are_new_nobody_is_held_back_and_clocks_may_differ() {
    let mut table = by(Algorithm::RoundRobin, &[1; 4]);
    rows(&mut table).iter_mut().for_each(|row| row.since = NOW);
    let mut proxy = Proxy::new(&table, 0);
    assert!(proxy.view.is_ramping);
    assert_eq!(proxy.counts(8), (0..4).map(|index| (index, 2)).collect());

    // The table's clock is an hour ahead of ours: ten seconds by ours are enough.
    rows(&mut table)[0].since = NOW + 3_600;
    rows(&mut table)[1..].iter_mut().for_each(|row| row.since = 0);
    proxy.load(&table, 0);
    assert!(proxy.view.is_ramping);
    proxy.load(&table, 10_000);
    assert!(!proxy.view.is_ramping);

    // Off.
    table.policy.load_balancing.slow_start.window_ms = 0;
    rows(&mut table)[0].since = NOW + 7_200;
    proxy.load(&table, 10_000);
    assert!(!proxy.view.is_ramping);
}

fn zoned(near: usize, far: usize) -> RoutingTable {
    let mut table = by(Algorithm::LeastRequest, &vec![1; near + far]);
    for (index, row) in rows(&mut table).iter_mut().enumerate() {
        row.zone = if index < near { "eu-1a" } else { "eu-1b" }.into();
    }
    table.policy.load_balancing.zone_aware = Some(ZoneAwarePolicy { spill_over_percent: 80 });
    table
}

#[test]
fn the_own_zone_is_preferred_as_long_as_it_can_bear_it() {
    let far =
        |proxy: &mut Proxy, from: usize| -> usize { proxy.counts(1_000).range(from..).map(|(_, count)| count).sum() };
    let mut proxy = Proxy::in_zone(&zoned(2, 2), 5, "eu-1a");
    assert_eq!(far(&mut proxy, 2), 0);
    // More than four times what is far: the rest goes there.
    let held: Vec<_> = (0..8).map(|index| Permit::take(proxy.endpoint(index % 2))).collect();
    assert_eq!(far(&mut proxy, 2), 1_000);
    drop(held);

    for (table, zone, why) in [
        (zoned(2, 2), "", "an unknown zone is near to nobody"),
        (zoned(2, 2), "eu-1c", "nobody is there"),
        (zoned(1, 3), "eu-1a", "one is none"),
        (zoned(2, 10), "eu-1a", "too few for a zone"),
    ] {
        let mut proxy = Proxy::in_zone(&table, 5, zone);
        assert!(proxy.view.backends[0].far.is_none(), "{why}");
        assert!(far(&mut proxy, 2) > 400, "{why}");
    }
}

#[test]
fn a_zone_with_more_proxies_than_endpoints_leans_on_others() {
    let mut table = zoned(2, 4);
    let proxy = |number: usize, zone: &str| FleetProxy { name: format!("p{number}"), zone: zone.into() };
    table.fleet.proxies = vec![proxy(0, "eu-1a"), proxy(1, "eu-1b")];
    let mut one = Proxy::in_zone(&table, 5, "eu-1a");
    // Half of the traffic comes here, where a third of the endpoints are: a third of it goes on.
    let far: usize = one.counts(10_000).range(2..).map(|(_, count)| count).sum();
    assert!((3_100..3_560).contains(&far), "{far}");
    let mut other = Proxy::in_zone(&table, 5, "eu-1b");
    let far: usize = other.counts(10_000).range(..2).map(|(_, count)| count).sum();
    assert_eq!(far, 0);
}

#[test]
fn distance_decides_a_score_where_all_else_is_equal() {
    let mut table = by(Algorithm::Score, &[1, 1, 1]);
    for (row, zone) in rows(&mut table).iter_mut().zip(["us-1a", "eu-1b", "eu-1a"]) {
        row.zone = zone.into();
    }
    assert_eq!(Proxy::in_zone(&table, 5, "eu-1a").counts(10), [(2, 10)].into());
    assert_eq!(Proxy::in_zone(&table, 5, "").counts(9), [(0, 3), (1, 3), (2, 3)].into());
}

/// The largest χ² over so many degrees of freedom is far below twice their number plus 40, save once in a million.
fn is_even(counts: &BTreeMap<usize, usize>, among: usize) -> bool {
    let total: usize = counts.values().sum();
    let expected = total as f64 / among as f64;
    let chi: f64 =
        (0..among).map(|index| (counts.get(&index).copied().unwrap_or(0) as f64 - expected).powi(2) / expected).sum();
    chi < 2.0 * among as f64 + 40.0
}

#[test]
fn sequential_keys_and_names_are_spread_evenly() {
    for seed in 1..4 {
        let mut proxy = Proxy::new(&by(Algorithm::Random, &[1; 50]), seed);
        assert!(is_even(&proxy.counts(50_000), 50));
    }
    let mut proxy = Proxy::new(&hashed(HashTable::Maglev, &[1; 20], None), 5);
    let mut counts = BTreeMap::new();
    for key in 0..20_000 {
        let picked = proxy.pick_by(Some(format!("user-{key}").as_bytes()), &[]).expect("a pick");
        *counts.entry(Proxy::index(&picked)).or_default() += 1;
    }
    assert!(is_even(&counts, 20), "{counts:?}");
}
