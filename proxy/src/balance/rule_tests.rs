//! Each rule keeps its promise, and what it tells of a pick is how it picked.

use std::{sync::Arc, time::Duration};

use evenkeel_crds::api::{Algorithm, HashTable};
use proptest::prelude::*;

use super::{
    scene::{ALL, Proxy, by, hashed},
    *,
};

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
fn of_many_an_empty_newcomer_gets_four_shares_and_a_full_one_hardly_any() {
    let mut proxy = Proxy::new(&by(Algorithm::LeastRequest, &[1; 100]), 3);
    let mut held: Vec<_> = (1..100).map(|index| Permit::take(proxy.endpoint(index))).collect();
    let counts = proxy.counts(50_000);
    assert!((1_850..2_150).contains(&counts[&0]), "4/n: {}", counts[&0]);
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
            let learns = proxy.view.plan.rule.learns();
            let mut failed = 0;
            for turn in 0..2_000 {
                proxy.now = turn * 5;
                let picked = proxy.pick();
                let fails = Proxy::index(&picked) == 0;
                failed += usize::from(fails);
                let latency = Duration::from_millis(if fails { 1 } else { 20 });
                picked.endpoint.report(proxy.now, Seen { latency, failed: fails }, learns);
            }
            assert!(failed <= most, "{algorithm:?} over {endpoints}: {failed} of 2000");
        }
    }
}

#[test]
fn the_slow_one_gets_less_by_its_latency() {
    for algorithm in [Algorithm::LeastRequest, Algorithm::PeakEwma] {
        let mut proxy = Proxy::new(&by(algorithm, &[1, 1, 1, 1]), 5);
        let learns = proxy.view.plan.rule.learns();
        let mut slow = 0;
        for turn in 0..1_000 {
            proxy.now = turn * 10;
            let picked = proxy.pick();
            let is_slow = Proxy::index(&picked) == 0;
            slow += usize::from(is_slow);
            let latency = Duration::from_millis(if is_slow { 200 } else { 20 });
            picked.endpoint.report(proxy.now, Seen { latency, failed: false }, learns);
        }
        assert!((1..30).contains(&slow), "{algorithm:?}: {slow}");
    }
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
        let learns = proxy.view.plan.rule.learns();
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
            real.endpoint.report(proxy.now, Seen { latency: Duration::from_millis(millis), failed }, learns);
            permits.push(real.permit());
            if ends {
                permits.swap_remove(0);
            }
        }
    }
}

#[test]
fn in_a_calm_pool_one_failure_sends_nobody_away_for_long() {
    let mut proxy = Proxy::new(&by(Algorithm::LeastRequest, &[1; 4]), 5);
    let learns = proxy.view.plan.rule.learns();
    proxy.endpoint(0).report(0, Seen { latency: Duration::from_millis(1), failed: true }, learns);
    assert_eq!(proxy.counts(30).get(&0), None);
    proxy.now = 6_000;
    assert_eq!(proxy.counts(40).get(&0), Some(&10));
}
