//! A newcomer is ten times as slow for its first twenty seconds.

use super::{Chart, Row, Scenario, row};
use crate::{
    demand::Demand,
    engine::Record,
    measure::{between, latencies, percent, percentile},
    time::{MILLISECOND, Nanos, SECOND},
    world::{Endpoint, World},
};

const JOINS: Nanos = 10 * SECOND;
const COLD: Nanos = 20 * SECOND;
const NEWCOMER: usize = 4;

fn world() -> World {
    let newcomer = Endpoint { joins: JOINS, slowness: vec![(JOINS, 10.0), (JOINS + COLD, 1.0)], ..Endpoint::new() };
    let mut endpoints = vec![Endpoint::new(); NEWCOMER];
    endpoints.push(newcomer);
    let demand = Demand::LogNormal { mean: 10 * MILLISECOND, sigma: 0.6 };
    World { from: JOINS, ..World::new(2, endpoints, demand, 0.7) }
}

fn share(records: &[Record], from: Nanos, until: Nanos) -> f64 {
    percent(between(records, JOINS + from, JOINS + until), |record| record.endpoint == NEWCOMER)
}

fn measure(_: &World, records: &[Record]) -> Vec<f64> {
    let cold = latencies(between(records, JOINS, JOINS + COLD));
    // Ten seconds after it is warm it should have its fifth.
    let warm = share(records, COLD + 10 * SECOND, COLD + 35 * SECOND);
    vec![percentile(&cold, 99.0), share(records, 0, SECOND), (warm - 20.0).abs()]
}

fn over_time(_: &World, records: &[Record]) -> Vec<(f64, f64)> {
    (0..55).map(|second| (second as f64, share(records, second * SECOND, (second + 1) * SECOND))).collect()
}

const LATER: Row = row("e  its share, warm: points off 20 %", 2, 1.0);

pub(super) fn scenario() -> Scenario {
    Scenario {
        name: "e",
        title: "A newcomer is 10 × slower for 20 s",
        world,
        rows: vec![row("e  cold newcomer: p99 ms of 20 s", 1, 1.0), row("e  its share in second 1, %", 2, 0.5), LATER],
        measure,
        chart: Chart::OverTime { label: "the newcomer's share, %", points: over_time },
        runs: 1,
    }
}
