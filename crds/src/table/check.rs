//! A table is checked whole before it is used: what `translate` promises may have been edited since.

use std::collections::{BTreeSet, HashSet};

use super::{
    BackendPolicy, ConsistentHashPolicy, EndpointRow, FieldsPolicy, HashKey, KNOWN_REQUIREMENTS, LoadBalancingPolicy,
    Policy, RetryPolicy, RoutingTable, SCHEMA_VERSION, SlowStartPolicy, TableError,
};
use crate::{
    address::{self, Scope},
    api::{Algorithm, RetryCode},
    fields, names,
    network::Network,
    translate::{
        MAX_ATTEMPTS, MAX_BACKENDS, MAX_BACKOFF_MS, MAX_BUDGET_INTERVAL_MS, MAX_CODES, MAX_IDLE_PER_ENDPOINT,
        MAX_LOAD_PERCENT, MAX_REQUESTS_PER_CONNECTION, MAX_SAMPLE_PERCENT, MAX_WEIGHT, SLOW_START_MS,
        SLOW_START_PERCENT, SPILL_OVER_PERCENT,
    },
};

/// The longest wait that a table may ask for.
const MAX_TIMEOUT_MS: u64 = 3_600_000;

impl RoutingTable {
    /// Checks that this release can run the table, and that every value is in its range.
    pub fn check(&self, scope: Scope) -> Result<(), TableError> {
        understood(self.policy.schema_version.major, self.policy.requires.iter().map(String::as_str))?;
        self.policy.check()?;
        let known: BTreeSet<_> = self.policy.backends.iter().map(|backend| backend.name.as_str()).collect();
        for (name, rows) in &self.endpoints.backends {
            ensure(known.contains(name.as_str()), || format!("endpoints of {name:?}, which is not a backend"))?;
            rows.iter().try_for_each(|row| row.check(scope))?;
            let mut seen = HashSet::with_capacity(rows.len());
            let twice = rows.iter().find(|row| !seen.insert(row.identity()));
            ensure(twice.is_none(), || {
                format!("an endpoint of {name:?} twice: {:?}", twice.map(EndpointRow::identity))
            })?;
        }
        Ok(())
    }
}

/// Checks that this release understands a table of that major version with those requirements.
pub(super) fn understood<'a>(major: u32, mut requires: impl Iterator<Item = &'a str>) -> Result<(), TableError> {
    if major > SCHEMA_VERSION.major {
        return Err(TableError::TooNew { major, known: SCHEMA_VERSION.major });
    }
    match requires.find(|name| !KNOWN_REQUIREMENTS.contains(name)) {
        Some(name) => Err(TableError::Requires(name.into())),
        None => Ok(()),
    }
}

impl RetryPolicy {
    fn check(&self) -> Result<(), TableError> {
        let is_code = |code: &u16| RetryCode((*code).into()).status().is_some();
        ensure(self.attempts <= MAX_ATTEMPTS, || format!("{} attempts", self.attempts))?;
        ensure(self.codes.len() <= MAX_CODES && self.codes.iter().all(is_code), || format!("codes {:?}", self.codes))?;
        ensure((1..=MAX_BACKOFF_MS).contains(&self.backoff_ms), || format!("a backoff of {} ms", self.backoff_ms))?;
        let (percent, interval) = (self.budget_percent, self.budget_interval_ms);
        ensure(percent <= 100 && (1_000..=MAX_BUDGET_INTERVAL_MS).contains(&interval), || {
            format!("a budget of {percent} % in {interval} ms")
        })
    }
}

impl LoadBalancingPolicy {
    fn check(&self) -> Result<(), TableError> {
        let Self { algorithm, consistent_hash, score, slow_start, zone_aware } = self;
        let is_hash = *algorithm == Algorithm::ConsistentHash;
        ensure(consistent_hash.is_some() == is_hash, || format!("consistentHash with the algorithm {algorithm:?}"))?;
        consistent_hash.as_ref().map_or(Ok(()), ConsistentHashPolicy::check)?;
        let percents = [score.load, score.latency, score.errors, score.distance];
        ensure(percents.into_iter().map(u64::from).sum::<u64>() == 100, || format!("a score of {percents:?} %"))?;
        let SlowStartPolicy { window_ms, min_percent } = slow_start;
        let is_window = *window_ms == 0 || SLOW_START_MS.contains(window_ms);
        ensure(is_window && SLOW_START_PERCENT.contains(min_percent), || {
            format!("a slow start from {min_percent} % in {window_ms} ms")
        })?;
        let spill_over = zone_aware.map(|zones| zones.spill_over_percent);
        ensure(spill_over.is_none_or(|percent| !is_hash && SPILL_OVER_PERCENT.contains(&percent)), || {
            format!("a spill-over of {spill_over:?} % with the algorithm {algorithm:?}")
        })
    }
}

impl ConsistentHashPolicy {
    fn check(&self) -> Result<(), TableError> {
        let is_good = match &self.key {
            HashKey::Header(name) => fields::is_name(name) && !name.bytes().any(|byte| byte.is_ascii_uppercase()),
            HashKey::Cookie(name) => fields::is_name(name),
            HashKey::QueryParameter(name) => fields::is_parameter(name),
            HashKey::SourceIp | HashKey::Path | HashKey::Host => true,
        };
        ensure(is_good, || format!("a key {:?}", self.key))?;
        let percent = self.max_load_percent;
        ensure(percent.is_none_or(|percent| MAX_LOAD_PERCENT.contains(&percent)), || {
            format!("a bound of {percent:?} % of a share")
        })
    }
}

impl Policy {
    fn check(&self) -> Result<(), TableError> {
        ensure(names::is_dns_label(&self.namespace), || format!("namespace {:?}", self.namespace))?;
        ensure(names::is_pool_name(&self.pool), || format!("pool name {:?}", self.pool))?;
        let port = self.listener.port;
        ensure(port != 0 && port != names::ADMIN_PORT, || format!("listener port {port} is not allowed"))?;
        ensure(self.listener.bind_port == names::bind_port(port), || format!("bind port {}", self.listener.bind_port))?;
        for ms in self.timeouts.all() {
            ensure((1..=MAX_TIMEOUT_MS).contains(&ms), || format!("a timeout of {ms} ms"))?;
        }
        self.load_balancing.check()?;
        self.retry.check()?;
        let pool = &self.connection_pool;
        let range = |value: u64, most: u64| {
            ensure((1..=most).contains(&value), || format!("{value} in connectionPool, which is 1 to {most}"))
        };
        range(pool.max_idle_per_endpoint.into(), MAX_IDLE_PER_ENDPOINT.into())?;
        range(pool.idle_timeout_ms, MAX_TIMEOUT_MS)?;
        range(pool.max_requests_per_connection.into(), MAX_REQUESTS_PER_CONNECTION.into())?;
        let percent = self.access_log.sample_percent;
        ensure((1..=MAX_SAMPLE_PERCENT).contains(&percent), || format!("samplePercent {percent} in accessLog"))?;
        for network in &self.listener.trusted_peers {
            ensure(network.parse::<Network>().is_ok(), || format!("trusted peers {network:?}"))?;
        }
        ensure(self.limits.request_body_bytes != Some(0), || "a limit of 0 bytes".into())?;
        self.headers.request.check()?;
        self.headers.response.check()?;
        ensure((1..=MAX_BACKENDS).contains(&self.backends.len()), || format!("{} backends", self.backends.len()))?;
        let mut seen = BTreeSet::new();
        for backend in &self.backends {
            backend.check()?;
            ensure(seen.insert(&backend.name), || format!("backend {:?} twice", backend.name))?;
        }
        Ok(())
    }
}

impl FieldsPolicy {
    fn check(&self) -> Result<(), TableError> {
        let fields = || self.set.iter().chain(&self.add);
        let written = fields().map(|(name, _)| (name, fields::is_ours(name)));
        let removed = self.remove.iter().map(|name| (name, fields::is_reserved(name)));
        for (name, is_refused) in written.chain(removed) {
            ensure(fields::is_name(name) && !is_refused, || format!("a rule for the field {name:?}"))?;
        }
        let bad = fields().find(|(_, value)| !fields::is_value(value));
        ensure(bad.is_none(), || format!("a field's value: {bad:?}"))
    }
}

impl BackendPolicy {
    fn check(&self) -> Result<(), TableError> {
        ensure(names::is_dns_label(&self.name), || format!("backend name {:?}", self.name))?;
        ensure(self.weight <= MAX_WEIGHT, || format!("backend {:?} has weight {}", self.name, self.weight))
    }
}

impl EndpointRow {
    fn check(&self, scope: Scope) -> Result<(), TableError> {
        let Self { address, port, weight, .. } = self;
        ensure(*port != 0, || format!("endpoint {address} has port 0"))?;
        ensure(*weight <= MAX_WEIGHT, || format!("endpoint {address} has weight {weight}"))?;
        address::check(*address, scope).map_err(|reason| TableError::Value(format!("endpoint {address} is {reason}")))
    }
}

fn ensure(holds: bool, message: impl FnOnce() -> String) -> Result<(), TableError> {
    if holds { Ok(()) } else { Err(TableError::Value(message())) }
}
