//! Figures from records.

use crate::{
    engine::Record,
    time::{Nanos, milliseconds},
    world::World,
};

/// Requests that came within a time.
pub(crate) fn between(records: &[Record], from: Nanos, until: Nanos) -> &[Record] {
    let position = |time| records.partition_point(|record| record.at < time);
    &records[position(from)..position(until)]
}

/// Requests that came while it was measured.
pub(crate) fn measured<'a>(world: &World, records: &'a [Record]) -> &'a [Record] {
    between(records, world.from, world.until)
}

/// The latencies of answers that are no failures, in milliseconds, sorted.
pub(crate) fn latencies<'a>(records: impl IntoIterator<Item = &'a Record>) -> Vec<f64> {
    let good = records.into_iter().filter(|record| !record.failed);
    let mut latencies: Vec<_> = good.map(|record| milliseconds(record.latency)).collect();
    latencies.sort_by(f64::total_cmp);
    latencies
}

/// A percentile of sorted values.
pub(crate) fn percentile(sorted: &[f64], percent: f64) -> f64 {
    let rank = (percent / 100.0 * sorted.len() as f64).ceil() as usize;
    sorted.get(rank.saturating_sub(1).min(sorted.len().saturating_sub(1))).copied().unwrap_or(f64::NAN)
}

/// The middle of several.
pub(crate) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    percentile(&values, 50.0)
}

/// Of a hundred, how many are so.
pub(crate) fn percent(records: &[Record], so: impl Fn(&Record) -> bool) -> f64 {
    100.0 * records.iter().filter(|record| so(record)).count() as f64 / records.len().max(1) as f64
}

/// How many requests each endpoint got.
pub(crate) fn counts(world: &World, records: &[Record]) -> Vec<f64> {
    let mut counts = vec![0.0; world.endpoints.len()];
    for record in records {
        counts[record.endpoint] += 1.0;
    }
    counts
}
