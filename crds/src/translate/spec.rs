//! From the spec as written to a policy with every default filled in, or all that is wrong with it.
//!
//! The CRD's schema and CEL rules refuse the same at `kubectl apply`. This is the second look: for files, for objects that
//! were stored under an older schema, and for the list of all problems at once.

use std::{collections::BTreeSet, net::IpAddr, time::Duration};

use super::{Problem, ProblemKind};
use crate::{
    BalancerPool,
    address::{self, Scope},
    api::{Backend, BalancerPoolSpec, Endpoint, GepDuration, PortRef, Proxy, ProxyMode, ServiceRef},
    names,
    table::{BackendPolicy, BackendSource, Policy},
};

/// The most backends of a pool.
pub const MAX_BACKENDS: usize = 64;
/// The most `endpoints` of a backend.
pub const MAX_ENDPOINTS: usize = 256;
/// The largest weight of a backend or endpoint.
pub const MAX_WEIGHT: u32 = 1_000_000;

const MAX_REPLICAS: i32 = 1000;
const TIMEOUT_RANGE: std::ops::RangeInclusive<Duration> = Duration::from_millis(1)..=Duration::from_secs(3600);

/// The policy that a pool declares, or every problem with its spec.
pub(super) fn resolve(pool: &BalancerPool, scope: Scope) -> Result<Policy, Vec<Problem>> {
    let name = pool.metadata.name.as_deref().unwrap_or_default();
    let namespace = pool.metadata.namespace.as_deref().unwrap_or("default");
    let mut checker = Checker { pool: name, scope, problems: Vec::new() };
    checker.metadata(namespace);
    checker.spec(&pool.spec);
    if !checker.problems.is_empty() {
        return Err(checker.problems);
    }
    let spec = &pool.spec;
    let generation = pool.metadata.generation.unwrap_or_default();
    let mut policy = Policy::new(namespace, name, generation, port_of(spec.listener.port));
    policy.created = pool.metadata.creation_timestamp.as_ref().map(|time| time.0.as_second());
    policy.protocol = spec.protocol.unwrap_or_default();
    super::balancing::resolve(spec, &mut policy.load_balancing);
    if let Some(timeouts) = &spec.timeouts {
        set_ms(&mut policy.timeouts.connect_ms, timeouts.connect.as_ref());
        set_ms(&mut policy.timeouts.response_header_ms, timeouts.response_header.as_ref());
        policy.timeouts.backend_request_ms = ms_of(timeouts.backend_request.as_ref());
        policy.timeouts.request_ms = ms_of(timeouts.request.as_ref());
        set_ms(&mut policy.timeouts.client_idle_ms, timeouts.client_idle.as_ref());
        set_ms(&mut policy.timeouts.stream_idle_ms, timeouts.stream_idle.as_ref());
    }
    super::retry::resolve(spec, &mut policy.retry);
    super::connections::resolve(spec, &mut policy.connection_pool);
    super::traffic::resolve(spec, &mut policy);
    super::access_log::resolve(spec, &mut policy.access_log);
    policy.backends = spec.backends.iter().map(backend).collect();
    Ok(policy.written_anew())
}

fn backend(backend: &Backend) -> BackendPolicy {
    BackendPolicy {
        name: backend.name.clone(),
        weight: weight_of(backend.weight),
        backup: backend.backup.unwrap_or_default(),
        source: match &backend.service {
            Some(service) => BackendSource::Service { name: service.name.clone(), port: service.port.clone() },
            None => BackendSource::Static,
        },
    }
}

/// A checked port.
pub(super) fn port_of(port: i32) -> u16 {
    u16::try_from(port).unwrap_or_default()
}

/// A checked weight.
pub(super) fn weight_of(weight: i32) -> u32 {
    u32::try_from(weight).unwrap_or_default()
}

pub(super) fn set_ms(ms: &mut u64, duration: Option<&GepDuration>) {
    if let Some(given) = ms_of(duration) {
        *ms = given;
    }
}

fn ms_of(duration: Option<&GepDuration>) -> Option<u64> {
    let duration = duration?.parse().ok()?;
    Some(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX))
}

/// Collects what is wrong.
pub(super) struct Checker<'a> {
    pool: &'a str,
    scope: Scope,
    problems: Vec<Problem>,
}

impl Checker<'_> {
    pub(super) fn require(&mut self, holds: bool, field: &str, message: &str) {
        if !holds {
            self.problems.push(Problem::new(ProblemKind::Invalid, field, message));
        }
    }

    fn metadata(&mut self, namespace: &str) {
        self.require(
            names::is_dns_label(namespace),
            "metadata.namespace",
            "a namespace must be a DNS label; give at most 63 lower-case letters, digits and hyphens, a letter or digit at both ends",
        );
        let name = self.pool;
        let field = "metadata.name";
        self.require(
            names::is_pool_name(name),
            field,
            "a pool's name must be a DNS label; give at most 50 lower-case letters, digits and hyphens, a letter or digit at both ends",
        );
        self.require(
            name != names::RESERVED_POOL_NAME,
            field,
            "no pool may be named operator, since evenkeel-operator is the operator's own name; choose another one",
        );
    }

    fn spec(&mut self, spec: &BalancerPoolSpec) {
        self.port(spec.listener.port, "spec.listener.port");
        self.require(
            spec.listener.port != i32::from(names::ADMIN_PORT),
            "spec.listener.port",
            "port 9440 is where every proxy answers its probes and metrics; choose another one",
        );
        if let Some(proxy) = &spec.proxy {
            self.sidecar(proxy, spec.listener.port);
            self.proxy(proxy);
        }
        self.backends(&spec.backends);
        self.balancing(spec);
        if let Some(timeouts) = &spec.timeouts {
            self.timeout(timeouts.connect.as_ref(), "spec.timeouts.connect");
            self.timeout(timeouts.response_header.as_ref(), "spec.timeouts.responseHeader");
            self.timeout(timeouts.backend_request.as_ref(), "spec.timeouts.backendRequest");
            self.timeout(timeouts.request.as_ref(), "spec.timeouts.request");
            self.timeout(timeouts.client_idle.as_ref(), "spec.timeouts.clientIdle");
            self.timeout(timeouts.stream_idle.as_ref(), "spec.timeouts.streamIdle");
        }
        self.retry(spec);
        self.connections(spec);
        self.traffic(spec);
        self.access_log(spec);
    }

    /// A port out of every range has its own message.
    fn sidecar(&mut self, proxy: &Proxy, port: i32) {
        self.require(
            proxy.mode != Some(ProxyMode::Sidecar) || !(1..names::LEAST_SIDECAR_PORT).contains(&port),
            "spec.listener.port",
            "a sidecar has no privileges and binds the listener's own port; choose a port from 1024 to 65535, or another mode",
        );
    }

    fn proxy(&mut self, proxy: &Proxy) {
        let Some(replicas) = proxy.replicas else { return };
        let field = "spec.proxy.replicas";
        self.require(
            (0..=MAX_REPLICAS).contains(&replicas),
            field,
            "replicas is 0 to 1000; choose a number between them",
        );
        self.require(
            proxy.mode.unwrap_or_default() == ProxyMode::Deployment,
            field,
            "replicas counts the proxies of mode Deployment; remove it or choose that mode",
        );
    }

    fn backends(&mut self, backends: &[Backend]) {
        let field = "spec.backends";
        self.require(
            (1..=MAX_BACKENDS).contains(&backends.len()),
            field,
            "a pool has 1 to 64 backends; give at least one, or split the pool",
        );
        self.require(
            backends.is_empty() || backends.iter().any(|backend| backend.weight > 0 && backend.backup != Some(true)),
            field,
            "no backend gets any traffic; give at least one that is no backup a weight above 0",
        );
        let mut seen = BTreeSet::new();
        for (index, backend) in backends.iter().enumerate() {
            let field = format!("spec.backends[{index}]");
            let fresh = seen.insert(backend.name.as_str());
            self.require(fresh, &format!("{field}.name"), "another backend has this name; choose a different one");
            self.backend(backend, &field);
        }
    }

    fn backend(&mut self, backend: &Backend, field: &str) {
        self.require(
            names::is_dns_label(&backend.name),
            &format!("{field}.name"),
            "a backend's name must be a DNS label; give at most 63 lower-case letters, digits and hyphens, a letter or digit at both ends",
        );
        self.weight(backend.weight, &format!("{field}.weight"));
        match (&backend.service, &backend.endpoints) {
            (Some(service), None) => self.service(service, &format!("{field}.service")),
            (None, Some(endpoints)) => self.endpoints(endpoints, &format!("{field}.endpoints")),
            _ => self.require(
                false,
                field,
                "a backend is either a service or a list of endpoints; give exactly one of the two",
            ),
        }
    }

    fn service(&mut self, service: &ServiceRef, field: &str) {
        self.require(
            self.scope == Scope::Cluster,
            field,
            "there is no cluster to look up a Service in; list the backend's endpoints by address and port",
        );
        self.require(
            names::is_dns_label(&service.name),
            &format!("{field}.name"),
            "a Service's name must be a DNS label; give at most 63 lower-case letters, digits and hyphens, a letter or digit at both ends",
        );
        self.require(
            service.name != names::object_name(self.pool),
            &format!("{field}.name"),
            "this is the pool's own Service, so that its proxies would call themselves; name the Service of your application",
        );
        match &service.port {
            PortRef::Number(port) => self.port(*port, &format!("{field}.port")),
            PortRef::Name(name) => self.require(
                names::is_dns_label(name),
                &format!("{field}.port"),
                "no Service's port has this name; give one of its names, or a number from 1 to 65535",
            ),
        }
    }

    fn endpoints(&mut self, endpoints: &[Endpoint], field: &str) {
        self.require(
            (1..=MAX_ENDPOINTS).contains(&endpoints.len()),
            field,
            "a backend lists 1 to 256 endpoints; give at least one, or split the backend",
        );
        let mut seen = BTreeSet::new();
        for (index, endpoint) in endpoints.iter().enumerate() {
            let field = format!("{field}[{index}]");
            self.port(endpoint.port, &format!("{field}.port"));
            self.weight(endpoint.weight, &format!("{field}.weight"));
            // By value: one address has many spellings in IPv6.
            let address = self.address(&endpoint.address, &format!("{field}.address"));
            let fresh = address.is_none_or(|address| seen.insert((address, endpoint.port)));
            self.require(fresh, &field, "another endpoint has this address and port; remove one of them");
        }
    }

    fn address(&mut self, text: &str, field: &str) -> Option<IpAddr> {
        let Some(address) = text.parse().ok().filter(|address: &IpAddr| address.to_canonical() == *address) else {
            let message = "an endpoint's address is an IPv4 or IPv6 address without brackets, zone or port, and no IPv4 \
                           address written as IPv6; give that";
            self.require(false, field, message);
            return None;
        };
        if let Err(reason) = address::check(address, self.scope) {
            let message = format!("{address} is {reason}, which is never an endpoint; give the server's own address");
            self.require(false, field, &message);
        }
        Some(address)
    }

    fn port(&mut self, port: i32, field: &str) {
        self.require((1..=65_535).contains(&port), field, "a port is a number from 1 to 65535; choose one of them");
    }

    fn weight(&mut self, weight: i32, field: &str) {
        let max = i32::try_from(MAX_WEIGHT).unwrap_or(i32::MAX);
        self.require(
            (0..=max).contains(&weight),
            field,
            "a weight is a whole number from 0 to 1000000; choose one of them",
        );
    }

    pub(super) fn timeout(&mut self, duration: Option<&GepDuration>, field: &str) {
        match duration.map(GepDuration::parse) {
            None => {}
            Some(Ok(duration)) => self.require(
                TIMEOUT_RANGE.contains(&duration),
                field,
                "a timeout is 1ms to 1h, for example 2s; choose a value between them",
            ),
            Some(Err(error)) => self.require(false, field, &error.to_string()),
        }
    }
}
