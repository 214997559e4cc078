//! A histogram that was counted elsewhere, in the text format of metrics.

use std::sync::{Mutex, PoisonError};

use prometheus_client::{
    encoding::{EncodeMetric, MetricEncoder, NoLabelSet},
    metrics::{MetricType, TypedMetric},
};

use crate::report::{BOUNDS_MS, Snapshot};

/// What the workers counted, as of this scrape, which alone has it.
#[derive(Debug, Default)]
pub(super) struct Histogram(Mutex<Snapshot>);

impl Histogram {
    pub(super) fn set(&self, snapshot: Snapshot) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = snapshot;
    }
}

impl TypedMetric for Histogram {
    const TYPE: MetricType = MetricType::Histogram;
}

impl EncodeMetric for Histogram {
    fn encode(&self, mut encoder: MetricEncoder) -> Result<(), std::fmt::Error> {
        let snapshot = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let bounds = BOUNDS_MS.iter().map(|ms| ms / 1000.0).chain([f64::INFINITY]);
        let buckets: Vec<_> = bounds.zip(snapshot.buckets).collect();
        encoder.encode_histogram::<NoLabelSet>(snapshot.sum, snapshot.count(), &buckets, None)
    }

    fn metric_type(&self) -> MetricType {
        Self::TYPE
    }
}
