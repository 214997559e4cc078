//! The metrics of pools, by what they tell of: requests, endpoints, tables.

use std::{collections::HashMap, sync::atomic::AtomicU64, time::Duration};

use prometheus_client::{
    metrics::{counter::Counter, family::Family, gauge::Gauge},
    registry::{Registry, Unit},
};

use super::{
    histogram::Histogram,
    labels::{OfBackend, OfCode, OfEndpoint, OfPool, OfReason, OfResult},
    signed,
};
use crate::{
    balance::{Affinity, BackendState, Candidates, PlannedBackend, PlannedEndpoint, Reason, Rule, View},
    control::PoolControl,
    report::CLASSES,
    shared::Pool,
};

/// Classes of status. None has a client that left, so that all of them add up to the requests.
const CODES: [&str; CLASSES] = ["none", "1xx", "2xx", "3xx", "4xx", "5xx"];
/// A pool with more endpoints has no metrics of each: they would be more than all others together.
const MAX_ENDPOINTS: usize = 50;

/// What became of requests.
#[derive(Default)]
pub(super) struct Requests {
    ended: Family<OfCode, Counter>,
    durations: Family<OfBackend, Histogram>,
    headers: Family<OfBackend, Histogram>,
    received: Family<OfBackend, Counter>,
    sent: Family<OfBackend, Counter>,
    failures: Family<OfReason, Counter>,
    retries: Family<OfReason, Counter>,
    dropped: Family<OfPool, Counter>,
    affinity: Family<OfResult, Counter>,
}

impl Requests {
    pub(super) fn add(&self, known: &PoolControl, pool: &Pool, view: Option<&View>) {
        let labels = OfPool::of(known);
        for reason in Reason::ALL {
            let labels = labels.reason(reason);
            self.failures.get_or_create(&labels).inc_by(pool.failures.sum(reason.index()));
            self.retries.get_or_create(&labels).inc_by(pool.retries.sum(reason.index()));
        }
        self.dropped.get_or_create(&labels).inc_by(pool.dropped_fields.sum(0));
        if view.is_some_and(|view| matches!(view.plan.rule, Rule::Key { .. })) {
            for affinity in Affinity::ALL {
                let count = pool.affinity.sum(affinity as usize);
                self.affinity.get_or_create(&labels.result(affinity.name())).inc_by(count);
            }
        }
        self.codes(&labels.backend(None), |class| pool.local.sum(class));
        for backend in view.iter().flat_map(|view| &view.plan.backends) {
            self.backend(&labels.backend(Some(&backend.state)), &backend.state);
        }
    }

    fn backend(&self, labels: &OfBackend, backend: &BackendState) {
        let traffic = &backend.traffic;
        self.codes(labels, |class| traffic.requests(class));
        self.durations.get_or_create(labels).set(traffic.durations());
        self.headers.get_or_create(labels).set(traffic.headers());
        self.received.get_or_create(labels).inc_by(traffic.received());
        self.sent.get_or_create(labels).inc_by(traffic.sent());
    }

    fn codes(&self, labels: &OfBackend, count: impl Fn(usize) -> u64) {
        for (class, code) in CODES.into_iter().enumerate() {
            self.ended.get_or_create(&labels.code(code)).inc_by(count(class));
        }
    }

    pub(super) fn register(self, to: &mut Registry) {
        to.register("requests", "Requests by class of status; none: the client left", self.ended);
        to.register_with_unit(
            "request_duration",
            "From a request's first byte to the end of its answer, if an endpoint was picked for it",
            Unit::Seconds,
            self.durations,
        );
        to.register_with_unit(
            "response_header",
            "From the beginning of an attempt to the head of its answer",
            Unit::Seconds,
            self.headers,
        );
        to.register_with_unit("request_body", "Bodies from clients", Unit::Bytes, self.received);
        to.register_with_unit("response_body", "Bodies to clients", Unit::Bytes, self.sent);
        to.register("failed_requests", "Requests without an endpoint's whole answer, by reason", self.failures);
        to.register("retries", "Attempts followed by another, by the reason of their failure", self.retries);
        to.register(
            "affinity",
            "Picks by key: kept, moved since the key's own endpoint had no room, no_key",
            self.affinity,
        );
        to.register("dropped_fields", "Fields of requests not passed on since _ is in their name", self.dropped);
    }
}

/// Who requests go to.
#[derive(Default)]
pub(super) struct Endpoints {
    known: Family<OfBackend, Gauge>,
    ready: Family<OfBackend, Gauge>,
    weight: Family<OfBackend, Gauge>,
    in_flight: Family<OfBackend, Gauge>,
    selected: Family<OfEndpoint, Counter>,
    endpoint_in_flight: Family<OfEndpoint, Gauge>,
    endpoint_healthy: Family<OfEndpoint, Gauge>,
    endpoint_weight: Family<OfEndpoint, Gauge<f64, AtomicU64>>,
    endpoint_latency: Family<OfEndpoint, Gauge<f64, AtomicU64>>,
    endpoint_failures: Family<OfEndpoint, Gauge<f64, AtomicU64>>,
}

impl Endpoints {
    /// `now`: milliseconds since the process began.
    pub(super) fn add(&self, known: &PoolControl, view: &View, now: u64) {
        let labels = OfPool::of(known);
        let ramps: HashMap<_, _> =
            view.backends.iter().flat_map(Candidates::all).map(|one| (one.state.serial, one.ramp)).collect();
        let learns = view.plan.rule.learns();
        let backends = &view.plan.backends;
        let count: usize = backends.iter().map(|backend| backend.endpoints.len()).sum();
        for backend in backends {
            let labels = labels.backend(Some(&backend.state));
            self.backend(&labels, backend);
            for endpoint in backend.endpoints.iter().filter(|_| count <= MAX_ENDPOINTS) {
                let ramp = ramps.get(&endpoint.state.serial).copied().unwrap_or_default();
                self.endpoint(&labels, endpoint, ramp, endpoint.state.latency(now, learns), now);
            }
        }
    }

    fn backend(&self, labels: &OfBackend, backend: &PlannedBackend) {
        let endpoints = &backend.endpoints;
        self.known.get_or_create(labels).set(signed(endpoints.len()));
        self.ready.get_or_create(labels).set(signed(endpoints.iter().filter(|endpoint| endpoint.ready).count()));
        self.weight.get_or_create(labels).set(backend.weight.into());
        let in_flight: u64 = endpoints.iter().map(|endpoint| endpoint.state.in_flight()).sum();
        self.in_flight.get_or_create(labels).set(signed(in_flight));
    }

    /// Two pods of one address, an old one and a new one, are added up.
    fn endpoint(&self, labels: &OfBackend, endpoint: &PlannedEndpoint, ramp: u32, latency: Option<Duration>, now: u64) {
        let labels = labels.endpoint(&endpoint.state);
        self.selected.get_or_create(&labels).inc_by(endpoint.state.selected());
        self.endpoint_in_flight.get_or_create(&labels).inc_by(signed(endpoint.state.in_flight()));
        let healthy = self.endpoint_healthy.get_or_create(&labels);
        healthy.set(healthy.get().max(i64::from(endpoint.ready)));
        drop(healthy);
        self.endpoint_weight.get_or_create(&labels).inc_by(f64::from(endpoint.weight) * f64::from(ramp) / 1000.0);
        if let Some(latency) = latency {
            let known = self.endpoint_latency.get_or_create(&labels);
            known.set(known.get().max(latency.as_secs_f64()));
        }
        let failures = self.endpoint_failures.get_or_create(&labels);
        failures.set(failures.get().max(parts(endpoint.state.failures(now))));
    }

    pub(super) fn register(self, to: &mut Registry) {
        to.register("requests_in_flight", "Requests between pick and end", self.in_flight);
        to.register("endpoints", "Endpoints in the table", self.known);
        to.register("endpoints_ready", "Endpoints that get new traffic", self.ready);
        to.register("backend_weight", "Share of the pool, as the smallest whole number", self.weight);
        to.register("endpoint_selected", "Times that an endpoint was picked", self.selected);
        to.register("endpoint_requests_in_flight", "Requests between pick and end", self.endpoint_in_flight);
        to.register("endpoint_healthy", "1 if the endpoint gets new traffic, else 0", self.endpoint_healthy);
        to.register(
            "endpoint_weight",
            "Share of the backend in force, as the smallest whole number; less in a slow start, 0 without new traffic",
            self.endpoint_weight,
        );
        to.register_with_unit(
            "endpoint_latency",
            "From pick to the head of an answer, as the pool's algorithm has it",
            Unit::Seconds,
            self.endpoint_latency,
        );
        to.register("endpoint_failure_ratio", "Share of failures among the last answers", self.endpoint_failures);
    }
}

/// Of a million, of one.
fn parts(millionths: u64) -> f64 {
    f64::from(u32::try_from(millionths).unwrap_or(u32::MAX)) / 1_000_000.0
}

/// What came of tables.
#[derive(Default)]
pub(super) struct Tables {
    loads: Family<OfResult, Counter>,
    last_load: Family<OfPool, Gauge>,
    last_good: Family<OfPool, Gauge>,
    age: Family<OfPool, Gauge>,
    unknown: Family<OfPool, Counter>,
}

impl Tables {
    pub(super) fn add(&self, known: &PoolControl) {
        let labels = OfPool::of(known);
        for (result, count) in [("ok", known.loads), ("refused", known.refusals)] {
            self.loads.get_or_create(&labels.result(result)).inc_by(count);
        }
        self.last_load.get_or_create(&labels).set(i64::from(known.last_load_succeeded()));
        self.last_good.get_or_create(&labels).set(i64::from(known.is_from_copy()));
        self.unknown.get_or_create(&labels).inc_by(known.unknown_fields);
        if let Some(age) = known.table_age() {
            self.age.get_or_create(&labels).set(signed(age.as_secs()));
        }
    }

    pub(super) fn register(self, to: &mut Registry) {
        to.register("table_loads", "Tables read, by result", self.loads);
        to.register("table_last_load_successful", "1 if the newest table is in force, else 0", self.last_load);
        to.register("table_last_good", "1 while a pool runs on the copy of an earlier process", self.last_good);
        to.register_with_unit("table_age", "Since the table in force came into force", Unit::Seconds, self.age);
        to.register("table_unknown_fields", "Fields of tables that this release does not know", self.unknown);
    }
}
