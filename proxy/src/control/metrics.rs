//! What `/metrics` says. Labels come from our own objects only: pools, backends, reasons.
//!
//! The workers count in cells of their own; a scrape sums them into a registry that lives as long as the scrape.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use bytes::Bytes;
use http::{Response, StatusCode};
use http_body_util::Full;
use prometheus_client::{
    encoding::{EncodeLabelSet, text::encode},
    metrics::{counter::Counter, family::Family, gauge::Gauge, info::Info},
    registry::Registry,
};

use super::{Control, PoolControl, admin};
use crate::{
    balance::{Reason, View},
    shared::Pool,
};

const KIND: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
/// Classes of status. None has a client that left, so that all of them add up to the requests that were picked for.
const CLASSES: [&str; 6] = ["none", "1xx", "2xx", "3xx", "4xx", "5xx"];

static PANICS: AtomicU64 = AtomicU64::new(0);

/// Counts a panic of any thread.
pub(crate) fn count_panic() {
    PANICS.fetch_add(1, Relaxed);
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct PoolLabels {
    namespace: String,
    pool: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    namespace: String,
    pool: String,
    backend: String,
    code: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ReasonLabels {
    namespace: String,
    pool: String,
    reason: &'static str,
    side: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct BackendLabels {
    namespace: String,
    pool: String,
    backend: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ResultLabels {
    namespace: String,
    pool: String,
    result: &'static str,
}

/// What is counted a pool.
#[derive(Default)]
struct Families {
    requests: Family<RequestLabels, Counter>,
    failures: Family<ReasonLabels, Counter>,
    retries: Family<ReasonLabels, Counter>,
    in_flight: Family<BackendLabels, Gauge>,
    endpoints: Family<BackendLabels, Gauge>,
    loads: Family<ResultLabels, Counter>,
    last_load: Family<PoolLabels, Gauge>,
    last_good: Family<PoolLabels, Gauge>,
    unknown: Family<PoolLabels, Counter>,
    dropped: Family<PoolLabels, Counter>,
}

pub(super) fn render(control: &Control) -> Response<Full<Bytes>> {
    let mut text = String::new();
    match encode(&mut text, &scrape(control)) {
        Ok(()) => admin::of(StatusCode::OK, KIND, Bytes::from(text)),
        Err(error) => admin::of(StatusCode::INTERNAL_SERVER_ERROR, "text/plain", Bytes::from(error.to_string())),
    }
}

fn scrape(control: &Control) -> Registry {
    let families = Families::default();
    for (known, pool) in control.pools.iter().zip(&control.shared.pools) {
        families.tables(known);
        families.ends(known, pool);
        if let Some(view) = pool.view.load().as_deref() {
            families.backends(known, view);
        }
    }
    let mut registry = Registry::with_prefix("evenkeel");
    families.register(&mut registry);
    let connections: Gauge = Gauge::default();
    connections.set(signed(control.shared.connections()));
    registry.register("connections_active", "Open client connections", connections);
    let refused = counter(u64::try_from(control.shared.refused()).unwrap_or(u64::MAX));
    registry.register("connections_refused", "Client connections closed at once: there were too many", refused);
    registry.register("panics", "Tasks that ended by a panic: each is a bug", counter(PANICS.load(Relaxed)));
    registry.register("build", "The release", Info::new([("version", env!("CARGO_PKG_VERSION"))]));
    registry
}

impl Families {
    fn tables(&self, known: &PoolControl) {
        let (namespace, pool) = (known.namespace().to_owned(), known.name().to_owned());
        for (result, count) in [("ok", known.loads), ("refused", known.refusals)] {
            let labels = ResultLabels { namespace: namespace.clone(), pool: pool.clone(), result };
            self.loads.get_or_create(&labels).inc_by(count);
        }
        let labels = PoolLabels { namespace, pool };
        self.last_load.get_or_create(&labels).set(i64::from(known.last_load_succeeded()));
        self.last_good.get_or_create(&labels).set(i64::from(known.is_from_copy()));
        self.unknown.get_or_create(&labels).inc_by(known.unknown_fields);
    }

    fn ends(&self, known: &PoolControl, pool: &Pool) {
        let labels = PoolLabels { namespace: known.namespace().into(), pool: known.name().into() };
        self.dropped.get_or_create(&labels).inc_by(pool.dropped_fields.sum(0));
        for reason in Reason::ALL {
            let labels = ReasonLabels {
                namespace: known.namespace().into(),
                pool: known.name().into(),
                reason: reason.code(),
                side: reason.side().name(),
            };
            self.failures.get_or_create(&labels).inc_by(pool.failures.sum(reason.index()));
            self.retries.get_or_create(&labels).inc_by(pool.retries.sum(reason.index()));
        }
    }

    fn backends(&self, known: &PoolControl, view: &View) {
        for backend in &view.plan.backends {
            let labels = BackendLabels {
                namespace: known.namespace().into(),
                pool: known.name().into(),
                backend: backend.state.name.to_string(),
            };
            for (index, code) in CLASSES.into_iter().enumerate() {
                let BackendLabels { namespace, pool, backend: name } = labels.clone();
                let labels = RequestLabels { namespace, pool, backend: name, code };
                self.requests.get_or_create(&labels).inc_by(backend.state.requests.sum(index));
            }
            let in_flight = backend.endpoints.iter().map(|endpoint| i64::from(endpoint.state.in_flight())).sum();
            self.in_flight.get_or_create(&labels).set(in_flight);
            let ready = backend.endpoints.iter().filter(|endpoint| endpoint.ready).count();
            self.endpoints.get_or_create(&labels).set(signed(ready));
        }
    }

    fn register(self, registry: &mut Registry) {
        registry.register("requests", "Requests that an endpoint was picked for, by class of status", self.requests);
        registry.register("failed_requests", "Requests without an endpoint's whole answer, by reason", self.failures);
        registry.register("retries", "Attempts followed by another, by the reason of their failure", self.retries);
        registry.register("dropped_fields", "Fields of requests not passed on since _ is in their name", self.dropped);
        registry.register("requests_in_flight", "Requests between pick and end", self.in_flight);
        registry.register("endpoints_ready", "Endpoints that get new traffic", self.endpoints);
        registry.register("table_loads", "Tables read, by result", self.loads);
        registry.register("table_last_load_successful", "1 if the newest table is in force, else 0", self.last_load);
        registry.register("table_last_good", "1 while a pool runs on the copy of an earlier process", self.last_good);
        registry.register("table_unknown_fields", "Fields of tables that this release does not know", self.unknown);
    }
}

fn counter(value: u64) -> Counter {
    let counter = Counter::default();
    counter.inc_by(value);
    counter
}

fn signed(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
