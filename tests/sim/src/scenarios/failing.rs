//! One of three endpoints begins to answer 500 at once, and nothing takes it out.

use super::{Chart, Scenario, row};
use crate::{
    demand::Demand,
    engine::Record,
    measure::{between, percent},
    time::{MILLISECOND, SECOND},
    world::{Endpoint, World},
};

fn world() -> World {
    let failing = Endpoint { fails_from: Some(5 * SECOND), ..Endpoint::new() };
    let endpoints = vec![failing, Endpoint::new(), Endpoint::new()];
    World::new(2, endpoints, Demand::LogNormal { mean: 10 * MILLISECOND, sigma: 0.6 }, 0.5)
}

fn measure(world: &World, records: &[Record]) -> Vec<f64> {
    let failures = |from: u64, until: u64| {
        percent(between(records, world.from + from * SECOND, world.from + until * SECOND), |record| record.failed)
    };
    vec![failures(0, 1), failures(1, 10), failures(10, 60)]
}

fn over_time(world: &World, records: &[Record]) -> Vec<(f64, f64)> {
    let second = |second: u64| {
        let records = between(records, world.from + second * SECOND, world.from + (second + 1) * SECOND);
        (second as f64, percent(records, |record| record.failed))
    };
    (0..60).map(second).collect()
}

pub(super) fn scenario() -> Scenario {
    Scenario {
        name: "c",
        title: "One of three endpoints fails at once with 500",
        world,
        rows: vec![
            row("c  1 of 3 fails: % in 0-1 s", 2, 0.3),
            row("c  1 of 3 fails: % in 1-10 s", 2, 0.1),
            row("c  1 of 3 fails: % in 10-60 s", 2, 0.1),
        ],
        measure,
        chart: Chart::OverTime { label: "failures, %", points: over_time },
        runs: 1,
    }
}
