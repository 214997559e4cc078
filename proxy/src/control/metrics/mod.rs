//! What `/metrics` says. Labels come from our own objects only: pools, backends, endpoints, reasons.
//!
//! The workers count in cells of their own; a scrape sums them into a registry that lives as long as the scrape.

mod families;
mod histogram;
mod labels;
mod process;

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use bytes::Bytes;
use http::{Response, StatusCode};
use http_body_util::Full;
use prometheus_client::{
    encoding::text::encode,
    metrics::{counter::Counter, gauge::Gauge, info::Info},
    registry::Registry,
};

use tokio::time::Instant;

use super::{Control, admin};
use crate::shared::{Shared, Upstream};
use families::{Endpoints, Requests, Tables};

const KIND: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

static PANICS: AtomicU64 = AtomicU64::new(0);

/// Counts a panic of any thread.
pub(crate) fn count_panic() {
    PANICS.fetch_add(1, Relaxed);
}

pub(super) fn render(control: &Control) -> Response<Full<Bytes>> {
    let mut text = String::new();
    match encode(&mut text, &scrape(control)) {
        Ok(()) => admin::of(StatusCode::OK, KIND, Bytes::from(text)),
        Err(error) => admin::of(StatusCode::INTERNAL_SERVER_ERROR, "text/plain", Bytes::from(error.to_string())),
    }
}

fn scrape(control: &Control) -> Registry {
    let (tables, requests, endpoints) = (Tables::default(), Requests::default(), Endpoints::default());
    for (known, pool) in control.pools.iter().zip(&control.shared.pools) {
        tables.add(known);
        let view = pool.view.load();
        requests.add(known, pool, view.as_deref());
        if let Some(view) = view.as_deref() {
            endpoints.add(known, view, control.shared.millis(Instant::now()));
        }
    }
    let mut registry = Registry::default();
    let ours = registry.sub_registry_with_prefix("evenkeel");
    requests.register(ours);
    endpoints.register(ours);
    tables.register(ours);
    of_all_pools(&control.shared, ours);
    process::register(registry.sub_registry_with_prefix("process"), control.since);
    registry
}

fn of_all_pools(shared: &Shared, registry: &mut Registry) {
    let [made, closed, idle] = [Upstream::MADE, Upstream::CLOSED, Upstream::IDLE].map(|of| shared.upstream.sum(of));
    for (name, help, count) in [
        ("connections", "Client connections accepted", shared.connections_ever() as u64),
        ("connections_refused", "Client connections closed at once: there were too many", shared.refused() as u64),
        ("upstream_connections", "Connections made to endpoints", made),
        ("access_log_lines", "Lines of the access log that were written", shared.access_log.written()),
        ("access_log_dropped", "Lines lost: nobody read them fast enough, or at all", shared.access_log.dropped()),
        ("panics", "Tasks that ended by a panic: each is a bug", PANICS.load(Relaxed)),
    ] {
        registry.register(name, help, counter(count));
    }
    for (name, help, count) in [
        ("connections_active", "Open client connections", shared.connections() as u64),
        ("connections_limit", "Client connections that there is room for", shared.capacity.connections as u64),
        ("upstream_connections_active", "Open connections to endpoints", made.saturating_sub(closed)),
        ("upstream_connections_idle", "Connections to endpoints that wait for a request", idle),
        ("threads", "Worker threads", shared.threads() as u64),
    ] {
        registry.register(name, help, gauge(count));
    }
    registry.register("build", "The release", Info::new([("version", env!("CARGO_PKG_VERSION"))]));
}

fn counter(value: u64) -> Counter {
    let counter = Counter::default();
    counter.inc_by(value);
    counter
}

fn gauge(value: u64) -> Gauge {
    let gauge = Gauge::default();
    gauge.set(signed(value));
    gauge
}

fn signed(count: impl TryInto<i64>) -> i64 {
    count.try_into().unwrap_or(i64::MAX)
}
