//! Every metric of the operator. Labels are names of our own code, never of users' objects.

use std::{sync::atomic::AtomicU64, time::Duration};

use prometheus_client::{
    encoding::text::encode,
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram, info::Info},
    registry::{Registry, Unit},
};

use crate::{error::Error, kind::Kind, webhook::review::Admission};

type Labels<const N: usize> = [(&'static str, &'static str); N];
type Counts<const N: usize> = Family<Labels<N>, Counter<u64, AtomicU64>>;

/// From half a millisecond, what a look without a change takes, to the deadline of 30 s.
const DURATIONS: [f64; 13] = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 2.5, 10.0, 30.0];
/// From what a small pod takes to the five seconds that the API server waits.
const ADMISSIONS: [f64; 11] = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5, 1.0, 5.0];
/// From one backend to the 800 KiB that fit.
const TABLE_BYTES: [f64; 9] =
    [1_024.0, 2_048.0, 4_096.0, 16_384.0, 32_768.0, 65_536.0, 131_072.0, 409_600.0, 819_200.0];

/// How a write ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Write {
    /// Nothing differed: nothing was written.
    Noop,
    /// Written.
    Ok,
    /// Somebody else wrote first.
    Conflict,
    /// Put off, since the object was written too often or too much.
    Deferred,
    /// Failed or refused.
    Error,
}

impl Write {
    fn as_str(self) -> &'static str {
        match self {
            Self::Noop => "noop",
            Self::Ok => "ok",
            Self::Conflict => "conflict",
            Self::Deferred => "deferred",
            Self::Error => "error",
        }
    }
}

/// All metrics.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    reconciles: Counts<2>,
    reconcile_errors: Counts<2>,
    reconcile_seconds: Family<Labels<1>, Histogram>,
    watch_restarts: Counts<1>,
    undecodable: Family<Labels<1>, Gauge>,
    pods_not_injected: Gauge,
    table_bytes: Histogram,
    table_writes: Counts<1>,
    object_writes: Counts<2>,
    status_updates: Counts<1>,
    admissions: Counts<1>,
    admission_seconds: Histogram,
    leader: Gauge,
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl Metrics {
    /// All metrics, at zero.
    #[must_use]
    pub fn new() -> Self {
        let mut metrics = Self {
            registry: Registry::with_prefix("evenkeel"),
            reconciles: Family::default(),
            reconcile_errors: Family::default(),
            reconcile_seconds: Family::new_with_constructor(|| Histogram::new(DURATIONS)),
            watch_restarts: Family::default(),
            undecodable: Family::default(),
            pods_not_injected: Gauge::default(),
            table_bytes: Histogram::new(TABLE_BYTES),
            table_writes: Family::default(),
            object_writes: Family::default(),
            status_updates: Family::default(),
            admissions: Family::default(),
            admission_seconds: Histogram::new(ADMISSIONS),
            leader: Gauge::default(),
        };
        metrics.register_work();
        metrics.register_writes();
        metrics.register_webhook();
        metrics
    }

    fn register_work(&mut self) {
        let registry = &mut self.registry;
        let info = Info::new(vec![("version", env!("CARGO_PKG_VERSION"))]);
        registry.register("build", "The release that runs", info);
        let help = "Whether this replica leads (1) or follows (0): only the leader writes";
        registry.register("leader", help, self.leader.clone());
        let help = "Pieces of work on a pool, by lane (publish: its table, own: its objects, report: its status)";
        registry.register("reconcile", help, self.reconciles.clone());
        let help = "Pieces of work on a pool that failed, by lane and reason";
        registry.register("reconcile_errors", help, self.reconcile_errors.clone());
        let (help, seconds) = ("How long a piece of work on a pool took, by lane", self.reconcile_seconds.clone());
        registry.register_with_unit("reconcile_duration", help, Unit::Seconds, seconds);
        let help = "Watches that broke and were started again, by kind";
        registry.register("watch_restarts", help, self.watch_restarts.clone());
        let help = "Objects that cannot be read now, by kind; what was known of them before stays in use";
        registry.register("undecodable_objects", help, self.undecodable.clone());
        let help = "Pods that ask for a sidecar and have none now; every replica counts all of them";
        registry.register("pods_not_injected", help, self.pods_not_injected.clone());
    }

    fn register_writes(&mut self) {
        let registry = &mut self.registry;
        let help = "Sizes of the tables that were written";
        registry.register_with_unit("table", help, Unit::Bytes, self.table_bytes.clone());
        let help =
            "Tables that were to be written, by result (noop: nothing had changed, deferred: put off to limit bytes)";
        registry.register("table_writes", help, self.table_writes.clone());
        let help = "Other objects of pools that were written or deleted, by kind and result";
        registry.register("object_writes", help, self.object_writes.clone());
        let help = "Status updates, by result (noop: nothing had changed)";
        registry.register("status_updates", help, self.status_updates.clone());
    }

    fn register_webhook(&mut self) {
        let registry = &mut self.registry;
        let help = "Pods that asked for a sidecar, by result (already: it had one, ignored: it was made without one)";
        registry.register("admissions", help, self.admissions.clone());
        let (help, seconds) = ("How long the answer about a pod took", self.admission_seconds.clone());
        registry.register_with_unit("admission_duration", help, Unit::Seconds, seconds);
    }

    /// A pod that asked for a sidecar was decided about.
    pub fn admitted(&self, admission: Admission) {
        self.admissions.get_or_create_owned(&[("result", admission.as_str())]).inc();
    }

    /// The API server has its answer.
    pub fn admission_took(&self, took: Duration) {
        self.admission_seconds.observe(took.as_secs_f64());
    }

    /// This replica leads, or does not.
    pub fn leads(&self, leads: bool) {
        self.leader.set(leads.into());
    }

    /// Work on a pool has ended.
    pub fn reconciled(&self, lane: &'static str, took: Duration, error: Option<&Error>) {
        let result = if error.is_some() { "error" } else { "ok" };
        self.reconciles.get_or_create_owned(&[("lane", lane), ("result", result)]).inc();
        self.reconcile_seconds.get_or_create_owned(&[("lane", lane)]).observe(took.as_secs_f64());
        if let Some(error) = error {
            self.reconcile_errors.get_or_create_owned(&[("lane", lane), ("reason", error.reason())]).inc();
        }
    }

    /// A watch broke.
    pub fn watch_restarted(&self, kind: Kind) {
        self.watch_restarts.get_or_create_owned(&[("kind", kind.as_str())]).inc();
    }

    /// So many objects of the kind cannot be read.
    pub fn undecodable(&self, kind: Kind, count: usize) {
        let count = i64::try_from(count).unwrap_or(i64::MAX);
        self.undecodable.get_or_create_owned(&[("kind", kind.as_str())]).set(count);
    }

    /// So many pods ask for a sidecar and have none.
    pub fn pods_not_injected(&self, count: usize) {
        self.pods_not_injected.set(i64::try_from(count).unwrap_or(i64::MAX));
    }

    /// A table was to be written.
    pub fn table(&self, write: Write, bytes: usize) {
        self.table_writes.get_or_create_owned(&[("result", write.as_str())]).inc();
        if write == Write::Ok {
            // Beyond 2^32 bytes the API server would have refused it.
            self.table_bytes.observe(f64::from(u32::try_from(bytes).unwrap_or(u32::MAX)));
        }
    }

    /// An object of a pool was written or deleted.
    pub fn object(&self, kind: Kind, write: Write) {
        self.object_writes.get_or_create_owned(&[("kind", kind.as_str()), ("result", write.as_str())]).inc();
    }

    /// A status was to be written.
    pub fn status(&self, write: Write) {
        self.status_updates.get_or_create_owned(&[("result", write.as_str())]).inc();
    }

    /// All of it in the text format that Prometheus reads.
    #[must_use]
    pub fn render(&self) -> String {
        let mut text = String::new();
        let _ = encode(&mut text, &self.registry); // writing to a String cannot fail
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metrics_have_a_prefix_a_unit_and_help() {
        let metrics = Metrics::new();
        metrics.reconciled("publish", Duration::from_millis(3), None);
        metrics.reconciled("publish", Duration::from_millis(3), Some(&Error::Contended("it".into())));
        metrics.table(Write::Ok, 2_000);
        metrics.undecodable(Kind::BalancerPool, 2);
        metrics.admitted(Admission::Injected);
        metrics.admission_took(Duration::from_millis(3));
        metrics.leads(true);
        let text = metrics.render();
        for line in [
            r#"evenkeel_admissions_total{result="injected"} 1"#,
            r#"evenkeel_admission_duration_seconds_bucket{le="0.005"} 1"#,
            r#"evenkeel_reconcile_total{lane="publish",result="error"} 1"#,
            r#"evenkeel_reconcile_errors_total{lane="publish",reason="contended"} 1"#,
            r#"evenkeel_reconcile_duration_seconds_count{lane="publish"} 2"#,
            r#"evenkeel_table_bytes_bucket{le="2048.0"} 1"#,
            r#"evenkeel_table_writes_total{result="ok"} 1"#,
            r#"evenkeel_undecodable_objects{kind="BalancerPool"} 2"#,
            "evenkeel_leader 1",
            r"# HELP evenkeel_table_bytes Sizes of the tables that were written.",
            concat!("evenkeel_build_info{version=\"", env!("CARGO_PKG_VERSION"), "\"} 1"),
        ] {
            assert!(text.lines().any(|found| found == line), "{line}\n{text}");
        }
    }
}
