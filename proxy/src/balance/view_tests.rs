//! Who is eligible, and with which weight: backups, newcomers, zones.

use evenkeel_crds::{
    RoutingTable,
    api::Algorithm,
    table::{EndpointState as RowState, FleetProxy, ZoneAwarePolicy},
};

use super::{
    scene::{NOW, Proxy, by, rows},
    tests::table,
    *,
};

#[test]
fn backups_serve_only_while_nobody_else_can() {
    let mut table = table(&[(90, &[1, 1]), (10, &[1]), (5, &[1])]);
    table.policy.backends[2].backup = true;
    let mut proxy = Proxy::new(&table, 0);
    let names = |proxy: &mut Proxy| -> String { (0..40).map(|_| proxy.pick().backend.name[1..].to_owned()).collect() };
    assert_eq!(names(&mut proxy).matches('2').count(), 0);

    // Who still serves while terminating comes before a backup.
    for rows in table.endpoints.backends.values_mut().take(2) {
        for row in rows {
            row.state = RowState::Draining;
        }
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
fn where_all_are_new_nobody_is_held_back_and_clocks_may_differ() {
    let mut table = by(Algorithm::RoundRobin, &[1; 4]);
    for row in rows(&mut table) {
        row.since = NOW;
    }
    let mut proxy = Proxy::new(&table, 0);
    assert!(proxy.view.is_ramping);
    assert_eq!(proxy.counts(8), (0..4).map(|index| (index, 2)).collect());

    // The table's clock is an hour ahead of ours: ten seconds by ours are enough.
    rows(&mut table)[0].since = NOW + 3_600;
    for row in &mut rows(&mut table)[1..] {
        row.since = 0;
    }
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

#[test]
fn a_newcomer_among_many_takes_nobodys_turn_away() {
    let mut table = by(Algorithm::RoundRobin, &[1; 300]);
    let mut proxy = Proxy::new(&table, 0);
    proxy.counts(150);
    for second in 0..12 {
        rows(&mut table)[299].since = NOW;
        proxy.load(&table, second * 1_000);
        let counts = proxy.counts(300);
        assert!((0..299).all(|index| counts.get(&index).is_some_and(|count| *count <= 3)), "second {second}");
    }
}

#[test]
fn what_leaves_a_zone_goes_where_there_is_room() {
    let mut table = zoned(4, 8);
    for row in &mut rows(&mut table)[8..] {
        row.zone = "eu-1c".into();
    }
    let proxy = |number: usize, zone: &str| FleetProxy { name: format!("p{number}"), zone: zone.into() };
    table.fleet.proxies = vec![proxy(0, "eu-1a"), proxy(1, "eu-1b")];
    let counts = Proxy::in_zone(&table, 5, "eu-1a").counts(9_000);
    // Three equal zones, two with a proxy: a third leaves each, all of it for the one without.
    let of = |from: usize, to: usize| -> usize { counts.range(from..to).map(|(_, count)| count).sum() };
    assert_eq!(of(4, 8), 0);
    assert!((2_800..3_200).contains(&of(8, 12)), "{}", of(8, 12));
}

#[test]
fn turns_by_stride_survive_fewer_endpoints_and_other_weights() {
    let many = by(Algorithm::RoundRobin, &[1; 300]);
    let mut proxy = Proxy::new(&many, 0);
    proxy.counts(300 * 50);
    let few = by(Algorithm::RoundRobin, &[1; 100]);
    proxy.load(&few, 1);
    proxy.counts(500);
    proxy.load(&many, 2);
    let counts = proxy.counts(300 * 2);
    assert!((0..300).all(|index| counts.get(&index).is_some_and(|count| *count <= 4)), "{:?}", counts.values().max());
    // One that has a thousand times the weight now does not wait for its old turn.
    let mut weights = [1; 300];
    weights[7] = 1_000;
    proxy.load(&by(Algorithm::RoundRobin, &weights), 3);
    let counts = proxy.counts(1_300);
    assert!(counts.get(&7).is_some_and(|count| (990..=1_010).contains(count)), "{:?}", counts.get(&7));
}
