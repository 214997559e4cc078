//! Shares by weight: how far any hundred requests in a row are from them.

use super::{Chart, Row, Scenario, row};
use crate::{
    demand::Demand,
    engine::Record,
    time::{MILLISECOND, SECOND},
    world::{Endpoint, World},
};

const WINDOW: usize = 100;

fn world(backends: &[(u32, usize)]) -> World {
    let of = |(backend, (_, count)): (usize, &(u32, usize))| vec![Endpoint { backend, ..Endpoint::new() }; *count];
    let endpoints: Vec<_> = backends.iter().enumerate().flat_map(of).collect();
    let world = World::new(1, endpoints, Demand::LogNormal { mean: 10 * MILLISECOND, sigma: 0.6 }, 0.05);
    World { backends: backends.iter().map(|(weight, _)| *weight).collect(), until: 35 * SECOND, ..world }
}

/// The worst deviation of a backend's share of any hundred requests in a row, in points.
fn measure(world: &World, records: &[Record]) -> Vec<f64> {
    let total: u32 = world.backends.iter().sum();
    let backend = |record: &Record| world.endpoints[record.endpoint].backend;
    let worst = |index: usize| {
        let expected = f64::from(world.backends[index]) / f64::from(total) * WINDOW as f64;
        let mut inside = 0.0;
        let mut worst: f64 = 0.0;
        for (position, record) in records.iter().enumerate() {
            inside += f64::from(u8::from(backend(record) == index));
            if position >= WINDOW {
                inside -= f64::from(u8::from(backend(&records[position - WINDOW]) == index));
            }
            if position + 1 >= WINDOW {
                worst = worst.max((inside - expected).abs());
            }
        }
        worst
    };
    vec![(0..world.backends.len()).map(worst).fold(0.0, f64::max)]
}

const THIRDS: Row = row("g  70/30/0: worst points of 100", 1, 1.0);
const CANARY: Row = row("g  90/10, 1:30: worst points of 100", 1, 1.0);

pub(super) fn thirds() -> Scenario {
    Scenario {
        name: "g3",
        title: "Weights 70/30/0, two endpoints each: the worst of any 100 requests",
        world: || world(&[(70, 2), (30, 2), (0, 2)]),
        rows: vec![THIRDS],
        measure,
        chart: Chart::Bars,
        runs: 1,
    }
}

pub(super) fn canary() -> Scenario {
    Scenario {
        name: "g2",
        title: "Weights 90/10, 1 against 30 endpoints: the worst of any 100 requests",
        world: || world(&[(90, 1), (10, 30)]),
        rows: vec![CANARY],
        measure,
        chart: Chart::Bars,
        runs: 1,
    }
}
