//! What the load generator tells at its end.

use std::fs;
use std::time::Duration;

use anyhow::Context as _;
use serde::{Deserialize, Serialize};

/// Counts, and latencies in microseconds.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct Report {
    pub(crate) done: u64,
    pub(crate) errors: u64,
    /// Connections that ended in the middle of a run: it must be 0.
    pub(crate) reconnects: u64,
    pub(crate) seconds: f64,
    pub(crate) p50_us: f64,
    pub(crate) p90_us: f64,
    pub(crate) p99_us: f64,
    /// CPU time of the load generator itself.
    pub(crate) load_us: f64,
}

impl Report {
    pub(super) fn new(
        latencies: &mut [Duration],
        took: Duration,
        errors: u64,
        reconnects: u64,
    ) -> anyhow::Result<Self> {
        latencies.sort_unstable();
        let quantile = |percent: usize| {
            let at = latencies.len() * percent / 100;
            latencies.get(at.min(latencies.len().saturating_sub(1))).map_or(0.0, |latency| micros(*latency))
        };
        Ok(Self {
            done: latencies.len() as u64,
            errors,
            reconnects,
            seconds: took.as_secs_f64(),
            p50_us: quantile(50),
            p90_us: quantile(90),
            p99_us: quantile(99),
            load_us: micros(own_cpu()?),
        })
    }
}

fn micros(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}

/// CPU time of this process, which has one thread.
fn own_cpu() -> anyhow::Result<Duration> {
    let text = fs::read_to_string("/proc/self/schedstat")?;
    let nanos = text.split(' ').next().and_then(|number| number.parse().ok()).context("/proc/self/schedstat")?;
    Ok(Duration::from_nanos(nanos))
}
