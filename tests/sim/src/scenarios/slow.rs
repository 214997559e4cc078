//! One, two of four endpoints take ten times as long, the whole time.

use super::{Chart, Row, Scenario, row};
use crate::{
    demand::Demand,
    engine::Record,
    measure::{latencies, measured, percentile},
    time::MILLISECOND,
    world::{Endpoint, World},
};

const ROWS: [&[Row]; 2] = [
    &[row("a  1 of 4 slow: p50 ms", 1, 0.2), row("a  1 of 4 slow: p99 ms", 1, 1.0)],
    &[row("b  2 of 4 slow: p50 ms", 1, 0.2), row("b  2 of 4 slow: p99 ms", 1, 1.0)],
];

fn world(slow: usize) -> World {
    let endpoint = |number| if number < slow { Endpoint::slow(10.0) } else { Endpoint::new() };
    World::new(2, (0..4).map(endpoint).collect(), Demand::LogNormal { mean: 10 * MILLISECOND, sigma: 0.6 }, 0.65)
}

fn measure(world: &World, records: &[Record]) -> Vec<f64> {
    let sorted = latencies(measured(world, records));
    vec![percentile(&sorted, 50.0), percentile(&sorted, 99.0)]
}

pub(super) fn one() -> Scenario {
    Scenario {
        name: "a",
        title: "One of four endpoints is 10 × slower",
        world: || world(1),
        rows: ROWS[0].to_vec(),
        measure,
        chart: Chart::Percentiles(|world, records| latencies(measured(world, records))),
        runs: 1,
    }
}

pub(super) fn two() -> Scenario {
    Scenario {
        name: "b",
        title: "Two of four endpoints are 10 × slower",
        world: || world(2),
        rows: ROWS[1].to_vec(),
        ..one()
    }
}
