//! Two zones of equal capacity: 120 % of its own comes to one, 40 % to the other.

use super::{Chart, Scenario, row};
use crate::{
    demand::Demand,
    engine::Record,
    measure::{latencies, measured, percent, percentile},
    time::MILLISECOND,
    world::{Endpoint, Proxy, World},
};

fn world() -> World {
    let endpoint = |number: u8| Endpoint { zone: number / 3, ..Endpoint::new() };
    let demand = Demand::LogNormal { mean: 10 * MILLISECOND, sigma: 0.6 };
    let mut world = World::new(4, (0..6u8).map(endpoint).collect(), demand, 0.8);
    let rate = world.proxies[0].rate;
    // 80 % of all: 120 % of one zone's own and 40 % of the other's.
    world.proxies =
        [(0, 1.5), (0, 1.5), (1, 0.5), (1, 0.5)].map(|(zone, part)| Proxy { zone, rate: rate * part }).to_vec();
    world
}

fn measure(world: &World, records: &[Record]) -> Vec<f64> {
    let records = measured(world, records);
    let sorted = latencies(records);
    let crossing = percent(records, |record| world.crosses(record.proxy, record.endpoint));
    vec![percentile(&sorted, 50.0), percentile(&sorted, 99.0), crossing]
}

pub(super) fn scenario() -> Scenario {
    Scenario {
        name: "j",
        title: "Two zones, one overloaded",
        world,
        rows: vec![
            row("j  zones: p50 ms", 1, 0.2),
            row("j  zones: p99 ms", 1, 1.0),
            row("j  zones: bytes across, %", 1, 1.0),
        ],
        measure,
        chart: Chart::Percentiles(|world, records| latencies(measured(world, records))),
        runs: 1,
    }
}
