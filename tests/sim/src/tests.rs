//! What can be trusted: the model agrees with theory, the same seed gives the same result, the table's promises hold in small.

use std::rc::Rc;

use evenkeel_crds::api::Algorithm;

use crate::{
    columns::{self, COLUMNS, Column, Kind},
    demand::Demand,
    engine::{self, Record},
    keys,
    measure::{latencies, median, percent, percentile},
    report::table::{Rank, Table},
    rule::{Fleet, fleet},
    rules::{
        ideal,
        ours::{Ours, Setup},
    },
    scenarios::{self, Scenario},
    time::{MILLISECOND, SECOND, milliseconds},
    world::{Endpoint, World},
};

fn records(world: World, fleet: Fleet, seed: u64) -> (Rc<World>, Vec<Record>) {
    let world = Rc::new(world);
    let rules = fleet(&world, seed);
    let records = engine::run(&world, rules, seed);
    (world, records)
}

fn column(name: &str) -> &'static Column {
    COLUMNS.iter().find(|column| column.name == name).expect("a column")
}

fn scenario(name: &str) -> Scenario {
    scenarios::all().into_iter().find(|scenario| scenario.name == name).expect("a scenario")
}

/// A scenario's figures, of a world cut short.
fn figures(name: &str, rule: &str, seconds: u64) -> Vec<f64> {
    let scenario = scenario(name);
    let world = World { until: seconds * SECOND, ..(scenario.world)() };
    let (world, records) = records(world, column(rule).fleet, 7);
    (scenario.measure)(&world, &records)
}

#[test]
fn the_same_seed_gives_the_same_records_and_another_gives_others() {
    for column in COLUMNS {
        let world = || World { until: 2 * SECOND, ..(scenario("e").world)() };
        let of = |seed| records(world(), column.fleet, seed).1;
        assert_eq!(of(3), of(3), "{}", column.name);
        assert_ne!(of(3), of(4), "{}", column.name);
    }
}

#[test]
fn every_request_ends_once_and_every_rule_sees_the_same_requests() {
    for scenario in scenarios::all() {
        let mut seen = None;
        for column in COLUMNS {
            let mut world = (scenario.world)();
            world.until = world.until.min(2 * SECOND);
            let (_, records) = records(world, column.fleet, 5);
            assert!(records.len() > 30 && records.iter().all(|record| record.ends == 1), "{}", column.name);
            let requests: Vec<_> = records.iter().map(|record| (record.at, record.proxy, record.work)).collect();
            assert_eq!(seen.get_or_insert_with(|| requests.clone()), &requests, "{} in {}", column.name, scenario.name);
        }
    }
}

/// The mean wait of one endpoint with so many servers at a load.
fn mean_wait(servers: usize, load: f64, demand: Demand) -> f64 {
    let endpoint = Endpoint { servers, queue: usize::MAX, ..Endpoint::new() };
    let mut world = World::new(1, vec![endpoint], demand, load);
    world.until = 1_000 * SECOND;
    world.near = 0;
    let (world, records) = records(world, ideal::fleet, 11);
    assert!(records.iter().all(|record| !record.failed));
    let waits = records.iter().filter(|record| record.at > world.from).map(|record| record.latency - record.work);
    let (count, sum) = waits.fold((0.0, 0.0), |(count, sum), wait| (count + 1.0, sum + milliseconds(wait)));
    sum / count
}

#[test]
fn waits_are_those_of_theory() {
    let exponential = Demand::Exponential(10 * MILLISECOND);
    // M/M/1: ρ / (1 − ρ) service times.
    let wait = mean_wait(1, 0.7, exponential);
    assert!((wait / (0.7 / 0.3 * 10.0) - 1.0).abs() < 0.08, "{wait} ms");
    // M/D/1: half of that.
    let wait = mean_wait(1, 0.7, Demand::Constant(10 * MILLISECOND));
    assert!((wait / (0.7 / 0.3 * 5.0) - 1.0).abs() < 0.08, "{wait} ms");
    // M/M/4: Erlang's C over c (1 − ρ).
    let (servers, load) = (4, 0.8);
    let offered: f64 = load * 4.0;
    let term = |k: i32| offered.powi(k) / (1..=k).map(f64::from).product::<f64>();
    let all = term(servers) / (1.0 - load);
    let waits = all / ((0..servers).map(term).sum::<f64>() + all);
    let expected = waits / (4.0 * (1.0 - load)) * 10.0;
    let wait = mean_wait(4, load, exponential);
    assert!((wait / expected - 1.0).abs() < 0.08, "{wait} ms, not {expected} ms");
}

#[test]
fn demands_have_the_mean_that_they_say() {
    let mean = 10 * MILLISECOND;
    let tail = Demand::HeavyTail { ordinary: mean, percent: 1.0, factor: 100.0 };
    for demand in [Demand::Exponential(mean), Demand::LogNormal { mean, sigma: 0.6 }, tail] {
        let mut random = fastrand::Rng::with_seed(1);
        let drawn = (0..400_000).map(|_| demand.draw(&mut random) as f64).sum::<f64>() / 400_000.0;
        assert!((drawn / demand.mean() - 1.0).abs() < 0.04, "{demand:?}: {drawn}");
    }
}

#[test]
fn a_full_queue_answers_at_once_and_a_failing_endpoint_too() {
    let endpoint = Endpoint { servers: 1, queue: 2, ..Endpoint::new() };
    let (_, full) = records(
        World { until: SECOND, ..World::new(1, vec![endpoint], Demand::Constant(10 * MILLISECOND), 3.0) },
        ideal::fleet,
        1,
    );
    assert!((60.0..72.0).contains(&percent(&full, |record| record.failed)), "two of three have no room");
    let most = full.iter().map(|record| record.latency).max().expect("some");
    assert!(most <= 31 * MILLISECOND, "nobody waits behind more than two: {most}");
}

#[test]
fn no_rule_beats_the_ideal_where_endpoints_are_slow() {
    for name in ["a", "b"] {
        let ideal = figures(name, "ideal", 15)[1];
        for column in COLUMNS.iter().filter(|column| column.kind != Kind::Bound) {
            let p99 = figures(name, column.name, 15)[1];
            assert!(p99 >= ideal * 0.98, "{} in {name}: {p99} ms against {ideal} ms", column.name);
        }
    }
}

#[test]
fn our_default_leaves_an_endpoint_that_fails_at_once() {
    let failures = figures("c", "default", 20);
    assert!(failures[1] < 1.0 && failures[2] < 1.0, "{failures:?} %");
    let peer = figures("c", "HA least", 20);
    assert!(peer[1] > 40.0, "without a health check least connections sends most there: {peer:?} %");
}

#[test]
fn the_variants_are_of_the_rule_that_the_proxy_has() {
    let chosen = columns::variants().into_iter().find(|column| column.name == "chosen").expect("a column");
    for name in ["a", "b", "x-calm"] {
        let scenario = scenario(name);
        let world = World { until: 15 * SECOND, ..(scenario.world)() };
        let (world, records) = records(world, chosen.fleet, 7);
        let row = scenario.rows.len() - 1;
        let (expected, found) = ((scenario.measure)(&world, &records)[row], figures(name, "default", 15)[row]);
        assert!((found / expected - 1.0).abs() < 0.12, "{name}: {found} ms, not {expected} ms");
    }
}

#[test]
fn our_default_spreads_the_requests_of_many_proxies_evenly() {
    for name in ["f16", "f100"] {
        let uneven = figures(name, "default", 10)[0];
        assert!(uneven < 1.12, "{name}: {uneven}");
    }
}

#[test]
fn our_shares_by_weight_are_exact_to_one_pick() {
    for name in ["g3", "g2"] {
        let worst = figures(name, "default", 10)[0];
        assert!(worst <= 1.0, "{name}: {worst} points");
    }
}

#[test]
fn a_newcomer_ramps_up_and_gets_its_share() {
    let of = |world: World| {
        let (_, records) = records(
            world,
            |world, seed| {
                let setup = Setup { algorithm: Some(Algorithm::RoundRobin), ..Setup::default() };
                fleet(world, seed, |_, seed| Ours::new(setup, 0, seed))
            },
            1,
        );
        let share = |from: u64, until: u64| {
            percent(crate::measure::between(&records, from * SECOND, until * SECOND), |record| record.endpoint == 4)
        };
        [share(10, 11), share(15, 16), share(21, 30)]
    };
    let mut world = (scenario("e").world)();
    world.until = 30 * SECOND;
    let shares = of(world);
    assert!(shares[0] < 4.0 && (9.0..14.0).contains(&shares[1]) && (19.9..20.1).contains(&shares[2]), "{shares:?}");
}

#[test]
fn the_table_marks_the_best_and_who_is_within_a_tenth() {
    let names = ["one", "two", "three", "ideal"];
    let table = Table::new(names.into_iter().map(|name| (name, name != "ideal")));
    let row = scenario("a").rows[1];
    let ranks = table.ranks(&row, &[100.0, 110.0, 111.0, 1.0]);
    assert_eq!(ranks, [Rank::Best, Rank::Close, Rank::Behind, Rank::Apart]);
    let more = scenario("i").rows[0];
    assert_eq!(table.ranks(&more, &[90.0, 100.0, 89.0, 100.0])[..3], [Rank::Close, Rank::Best, Rank::Behind]);
}

#[test]
fn percentiles_are_of_the_nearest_rank() {
    let sorted: Vec<f64> = (1..=100).map(f64::from).collect();
    for (percent, expected) in [(50.0, 50.0), (99.0, 99.0), (99.5, 100.0), (100.0, 100.0)] {
        let found = percentile(&sorted, percent);
        assert!((found - expected).abs() < 1e-9, "{percent}: {found}");
    }
    assert!((median(vec![3.0, 1.0, 2.0]) - 2.0).abs() < 1e-9);
    assert!(latencies(&[]).is_empty());
}

#[test]
fn keys_of_others_stay_on_our_ring_and_nearly_all_on_our_maglev() {
    let moved = |name: &str| {
        let column = keys::COLUMNS.iter().find(|column| column.name == name).expect("a column");
        keys::run(column, [1].into_iter()).figures.into_iter().map(|of| of[0]).collect::<Vec<_>>()
    };
    let ring = moved("Ring");
    assert!(ring[0] < 15.0 && ring[1] < 0.01 && ring[2] < 0.01 && ring[3] < 0.01, "{ring:?}");
    assert!(moved("Maglev")[1] < 1.0, "{:?}", moved("Maglev"));
    assert!(moved("HA map")[0] > 80.0, "a map remaps nearly all: {:?}", moved("HA map"));
}
