//! What no rule may pay for the rest with: failures everywhere, many proxies, a short illness.

use super::{Chart, Row, Scenario, row};
use crate::{
    demand::Demand,
    engine::Record,
    measure::{between, latencies, measured, percent, percentile},
    time::{MILLISECOND, SECOND},
    world::{Endpoint, World},
};

const DEMAND: Demand = Demand::LogNormal { mean: 10 * MILLISECOND, sigma: 0.6 };

fn p99(world: &World, records: &[Record]) -> Vec<f64> {
    vec![percentile(&latencies(measured(world, records)), 99.0)]
}

/// Every endpoint fails two of a hundred requests.
pub(super) fn unlucky() -> Scenario {
    Scenario {
        name: "x-unlucky",
        title: "Every endpoint fails 2 % of its requests, 80 % load",
        world: || World::new(2, vec![Endpoint { fails_percent: 2.0, ..Endpoint::new() }; 4], DEMAND, 0.8),
        rows: vec![row("x  all fail 2 %: p99 ms", 1, 1.0)],
        measure: p99,
        chart: Chart::Percentiles(|world, records| latencies(measured(world, records))),
        runs: 1,
    }
}

/// Every endpoint fails one of two thousand requests: once in some seconds.
pub(super) fn rare() -> Scenario {
    Scenario {
        name: "x-rare",
        title: "Every endpoint fails 0.05 % of its requests, 85 % load",
        world: || World::new(2, vec![Endpoint { fails_percent: 0.05, ..Endpoint::new() }; 4], DEMAND, 0.85),
        rows: vec![row("x  all fail 0.05 %: p99 ms", 1, 1.0)],
        measure: p99,
        chart: Chart::Percentiles(|world, records| latencies(measured(world, records))),
        runs: 1,
    }
}

/// Many proxies, each of which sees little of what the others do.
pub(super) fn herd() -> Scenario {
    Scenario {
        name: "x-herd",
        title: "50 proxies, four equal endpoints, 85 % load",
        world: || World::new(50, vec![Endpoint::new(); 4], DEMAND, 0.85),
        rows: vec![row("x  50 proxies at 85 %: p99 ms", 1, 1.0)],
        measure: p99,
        chart: Chart::Percentiles(|world, records| latencies(measured(world, records))),
        runs: 1,
    }
}

/// Little to do: mostly every endpoint is idle.
pub(super) fn calm() -> Scenario {
    Scenario {
        name: "x-calm",
        title: "One of four endpoints is 10 × slower, 10 % load",
        world: || {
            let endpoint = |number| if number == 0 { Endpoint::slow(10.0) } else { Endpoint::new() };
            World::new(2, (0..4).map(endpoint).collect(), DEMAND, 0.1)
        },
        rows: vec![row("x  1 of 4 slow, 10 % load: p99 ms", 1, 1.0)],
        measure: p99,
        chart: Chart::Percentiles(|world, records| latencies(measured(world, records))),
        runs: 1,
    }
}

/// Too many endpoints to look at each.
pub(super) fn many() -> Scenario {
    Scenario {
        name: "x-many",
        title: "16 proxies, 8 of 32 endpoints are 10 × slower",
        world: || {
            let endpoint = |number| if number % 4 == 0 { Endpoint::slow(10.0) } else { Endpoint::new() };
            let world = World::new(16, (0..32).map(endpoint).collect(), DEMAND, 0.65);
            World { until: 25 * SECOND, ..world }
        },
        rows: vec![row("x  8 of 32 slow, 16 proxies: p99 ms", 1, 1.0)],
        measure: p99,
        chart: Chart::Percentiles(|world, records| latencies(measured(world, records))),
        runs: 1,
    }
}

const BACK: Row = row("x  ill for 10 s: its share after, off", 2, 1.0);

/// One of four endpoints is ten times as slow for ten seconds.
pub(super) fn ill() -> Scenario {
    const FROM: u64 = 20 * SECOND;
    const UNTIL: u64 = 30 * SECOND;
    Scenario {
        name: "x-ill",
        title: "One of four endpoints is 10 × slower for 10 s",
        world: || {
            let mut endpoints = vec![Endpoint::new(); 4];
            endpoints[0].slowness = vec![(FROM, 10.0), (UNTIL, 1.0)];
            World { from: FROM, ..World::new(2, endpoints, DEMAND, 0.6) }
        },
        rows: vec![row("x  ill for 10 s: p99 ms", 1, 1.0), BACK],
        measure: |_, records| {
            let ill = latencies(between(records, FROM, UNTIL));
            let after = between(records, UNTIL + 10 * SECOND, UNTIL + 30 * SECOND);
            vec![percentile(&ill, 99.0), (percent(after, |record| record.endpoint == 0) - 25.0).abs()]
        },
        chart: Chart::OverTime {
            label: "its share, %",
            points: |_, records| {
                let share = |second: u64| {
                    let records = between(records, second * SECOND, (second + 1) * SECOND);
                    (second as f64, percent(records, |record| record.endpoint == 0))
                };
                (10..60).map(share).collect()
            },
        },
        runs: 1,
    }
}
