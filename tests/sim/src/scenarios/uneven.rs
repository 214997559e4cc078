//! Endpoints of capacity 1:2:4, of which no weight tells, at 90 % of what they can do together.

use super::{Chart, Row, Scenario, row};
use crate::{
    demand::Demand,
    engine::Record,
    measure::{latencies, measured, percent, percentile},
    time::{MILLISECOND, Nanos},
    world::{Endpoint, World},
};

/// Later answers are of no use to anybody.
const IN_TIME: Nanos = 100 * MILLISECOND;

fn world() -> World {
    let endpoint = |servers| Endpoint { servers, ..Endpoint::new() };
    let demand = Demand::LogNormal { mean: 10 * MILLISECOND, sigma: 0.6 };
    World::new(2, [4, 8, 16].map(endpoint).to_vec(), demand, 0.9)
}

fn measure(world: &World, records: &[Record]) -> Vec<f64> {
    let records = measured(world, records);
    let goodput = percent(records, |record| !record.failed && record.latency <= IN_TIME);
    vec![goodput, percentile(&latencies(records), 99.0)]
}

const GOODPUT: Row = Row { more_is_better: true, ..row("i  1:2:4 at 90 %: goodput %", 2, 0.1) };

pub(super) fn scenario() -> Scenario {
    Scenario {
        name: "i",
        title: "Capacity 1:2:4, unknown to the weights, at 90 % of the total",
        world,
        rows: vec![GOODPUT, row("i  1:2:4 at 90 %: p99 ms", 1, 1.0)],
        measure,
        chart: Chart::Percentiles(|world, records| latencies(measured(world, records))),
        runs: 1,
    }
}
