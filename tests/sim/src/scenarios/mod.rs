//! What is uneven, and what is measured of it.

mod beyond;
mod cold;
mod failing;
mod few;
mod slow;
mod tail;
mod uneven;
mod weights;
mod zones;

use crate::{engine::Record, report::Row, world::World};

/// Figures of a run: one for each row, or all latencies.
pub(crate) type Measure = fn(&World, &[Record]) -> Vec<f64>;
/// A run over time.
pub(crate) type Points = fn(&World, &[Record]) -> Vec<(f64, f64)>;

/// A scenario: a world, and what is measured in it.
pub(crate) struct Scenario {
    pub(crate) name: &'static str,
    pub(crate) title: &'static str,
    pub(crate) world: fn() -> World,
    pub(crate) rows: Vec<Row>,
    /// A figure for each row.
    pub(crate) measure: Measure,
    pub(crate) chart: Chart,
    /// How many times as many seeds it needs as others, so that a difference of 10 % means something.
    pub(crate) runs: u64,
}

/// A scenario's picture.
#[derive(Clone, Copy)]
pub(crate) enum Chart {
    /// Latency at each percentile.
    Percentiles(Measure),
    /// A figure over time, in seconds.
    OverTime { label: &'static str, points: Points },
    /// The first row's figures side by side.
    Bars,
}

const fn row(label: &'static str, decimals: usize, slack: f64) -> Row {
    Row::new(label, decimals, slack)
}

/// All of them, in the table's order.
pub(crate) fn all() -> Vec<Scenario> {
    vec![
        slow::one(),
        slow::two(),
        failing::scenario(),
        tail::scenario(),
        cold::scenario(),
        few::sixteen(),
        few::hundred(),
        weights::thirds(),
        weights::canary(),
        uneven::scenario(),
        zones::scenario(),
        beyond::unlucky(),
        beyond::rare(),
        beyond::herd(),
        beyond::calm(),
        beyond::many(),
        beyond::ill(),
    ]
}
