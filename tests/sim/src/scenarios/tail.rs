//! One request of a hundred takes a hundred times as long.
//!
//! Its own length alone puts the 99th percentile of all requests there, whatever the rule. So the other ninety-nine are
//! measured: how long they wait behind it.

use super::{Chart, Scenario, row};
use crate::{
    demand::Demand,
    engine::Record,
    measure::{latencies, measured, percentile},
    time::{MILLISECOND, SECOND},
    world::{Endpoint, World},
};

const ORDINARY: u64 = 5 * MILLISECOND;
/// No ordinary request is so long: it would be one of 20 million.
const LONG: u64 = 17 * ORDINARY;

fn world() -> World {
    let demand = Demand::HeavyTail { ordinary: ORDINARY, percent: 1.0, factor: 100.0 };
    // Long, since bursts of long requests are rare and the percentile is made by them.
    World { until: 305 * SECOND, ..World::new(2, vec![Endpoint::new(); 4], demand, 0.7) }
}

fn ordinary(world: &World, records: &[Record]) -> Vec<f64> {
    latencies(measured(world, records).iter().filter(|record| record.work < LONG))
}

pub(super) fn scenario() -> Scenario {
    Scenario {
        name: "d",
        title: "1 of 100 requests takes 100 × as long, 70 % load",
        world,
        rows: vec![row("d  heavy tail: p50 ms", 1, 0.2), row("d  heavy tail: p99 ms", 1, 1.0)],
        measure: |world, records| {
            let sorted = ordinary(world, records);
            vec![percentile(&sorted, 50.0), percentile(&sorted, 99.0)]
        },
        chart: Chart::Percentiles(ordinary),
        runs: 4,
    }
}
