//! A key stays where it is, and keys are spread evenly.

use std::collections::BTreeMap;

use evenkeel_crds::{
    api::{Algorithm, HashTable},
    table::EndpointState as RowState,
};

use super::{
    scene::{NOW, Proxy, by, hashed, rows},
    tests::table,
};

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

/// χ² of so many degrees of freedom is below twice their number plus 40, save once in a million.
fn is_even(counts: &BTreeMap<usize, usize>, among: usize) -> bool {
    let total: usize = counts.values().sum();
    let squares: usize =
        (0..among).map(|index| (counts.get(&index).copied().unwrap_or(0) * among).abs_diff(total).pow(2)).sum();
    squares / (total * among) < 2 * among + 40
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
