//! Many proxies that see few requests each, and begin at the same time.

use super::{Chart, Scenario, row};
use crate::{
    demand::Demand,
    engine::Record,
    measure::counts,
    time::{MILLISECOND, SECOND},
    world::{Endpoint, Proxy, World},
};

/// Each proxy sees some twenty requests in ten seconds.
fn world(proxies: usize) -> World {
    let demand = Demand::LogNormal { mean: 10 * MILLISECOND, sigma: 0.6 };
    let world = World::new(proxies, vec![Endpoint::new(); 8], demand, 0.5);
    World { proxies: vec![Proxy { zone: 0, rate: 2.0 }; proxies], from: 0, until: 10 * SECOND, ..world }
}

fn measure(world: &World, records: &[Record]) -> Vec<f64> {
    let counts = counts(world, records);
    let most = counts.iter().copied().fold(0.0, f64::max);
    vec![most * counts.len() as f64 / records.len() as f64]
}

pub(super) fn sixteen() -> Scenario {
    Scenario {
        name: "f16",
        title: "16 proxies, 20 requests each, 8 endpoints: the most loaded against the mean",
        world: || world(16),
        rows: vec![row("f  16 proxies: max / mean", 3, 0.02)],
        measure,
        chart: Chart::Bars,
        runs: 1,
    }
}

pub(super) fn hundred() -> Scenario {
    Scenario {
        name: "f100",
        title: "100 proxies, 20 requests each, 8 endpoints: the most loaded against the mean",
        world: || world(100),
        rows: vec![row("f  100 proxies: max / mean", 3, 0.02)],
        measure,
        chart: Chart::Bars,
        runs: 1,
    }
}
