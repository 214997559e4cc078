//! A scenario under every rule, with several seeds.

use std::rc::Rc;

use serde::Serialize;

use crate::{
    columns::Column,
    engine::{self, Record},
    measure::{median, percentile},
    rule::seeded,
    scenarios::{Chart, Scenario},
    world::World,
};

/// What came of a scenario under a rule.
#[derive(Debug)]
pub(crate) struct Outcome {
    /// Of each row: the figures of each seed.
    pub(crate) figures: Vec<Vec<f64>>,
    /// What the picture shows: the first seed's.
    pub(crate) line: Vec<(f64, f64)>,
}

/// A figure over several seeds.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Figure {
    pub(crate) median: f64,
    pub(crate) least: f64,
    pub(crate) most: f64,
}

/// The percentiles that a picture shows.
const SHOWN: [f64; 13] = [1.0, 10.0, 25.0, 50.0, 75.0, 90.0, 95.0, 98.0, 99.0, 99.5, 99.8, 99.9, 99.95];

/// Runs it.
pub(crate) fn run(scenario: &Scenario, column: &Column, seeds: impl Iterator<Item = u64>) -> Outcome {
    if column.only.is_some_and(|only| only != scenario.name) {
        return Outcome { figures: vec![vec![f64::NAN]; scenario.rows.len()], line: Vec::new() };
    }
    let mut outcome = Outcome { figures: vec![Vec::new(); scenario.rows.len()], line: Vec::new() };
    for (index, seed) in seeds.enumerate() {
        let world = Rc::new((scenario.world)());
        let records = engine::run(&world, (column.fleet)(&world, seed), seed);
        for (figures, figure) in outcome.figures.iter_mut().zip((scenario.measure)(&world, &records)) {
            figures.push(figure);
        }
        if index == 0 {
            outcome.line = line(scenario, &world, &records);
        }
    }
    outcome
}

/// The seeds that follow from the first.
pub(crate) fn seeds(first: u64, count: u64) -> impl Iterator<Item = u64> {
    (0..count).map(move |number| seeded(first, number))
}

fn line(scenario: &Scenario, world: &World, records: &[Record]) -> Vec<(f64, f64)> {
    match scenario.chart {
        Chart::Percentiles(latencies) => {
            let sorted = latencies(world, records);
            SHOWN.map(|percent| (percent, percentile(&sorted, percent))).to_vec()
        }
        Chart::OverTime { points, .. } => points(world, records),
        Chart::Bars => Vec::new(),
    }
}

impl Figure {
    pub(crate) fn of(figures: &[f64]) -> Self {
        Self {
            median: median(figures.to_vec()),
            least: figures.iter().copied().fold(f64::INFINITY, f64::min),
            most: figures.iter().copied().fold(f64::NEG_INFINITY, f64::max),
        }
    }
}
