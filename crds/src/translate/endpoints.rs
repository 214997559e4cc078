//! From Services and EndpointSlices to the rows of a table.

use std::{
    collections::{BTreeMap, HashMap},
    net::IpAddr,
};

use k8s_openapi::api::{
    core::v1::Service,
    discovery::v1::{Endpoint, EndpointSlice},
};

use super::{
    Inputs, Origin, Problem, ProblemKind,
    ports::{find_port, no_port, port_in},
    spec::{port_of, weight_of},
};
use crate::{
    address,
    api::PortRef,
    names::labels,
    table::{BackendSource, EndpointRow, EndpointState, Endpoints, Policy},
};

/// The rows of every backend, how many endpoints there are, and what could not be resolved.
pub(super) struct Resolved {
    pub(super) backends: BTreeMap<String, Vec<EndpointRow>>,
    pub(super) total: usize,
    pub(super) problems: Vec<Problem>,
}

/// What one backend leads to.
#[derive(Default)]
struct Found {
    rows: Vec<EndpointRow>,
    not_serving: usize,
    problem: Option<(ProblemKind, String)>,
}

impl Endpoints {
    /// How many endpoints are ready.
    #[must_use]
    pub fn ready(&self) -> usize {
        self.backends.values().flatten().filter(|row| row.state == EndpointState::Ready).count()
    }
}

pub(super) fn resolve(inputs: &Inputs, policy: &Policy, origin: Origin) -> Resolved {
    let mut resolved = Resolved { backends: BTreeMap::new(), total: 0, problems: Vec::new() };
    for (index, backend) in policy.backends.iter().enumerate() {
        let mut found = match &backend.source {
            BackendSource::Service { name, port } => of_service(inputs, name, port),
            BackendSource::Static => Found { rows: listed(inputs, &backend.name, origin), ..Found::default() },
        };
        found.rows.sort_by(|a, b| a.identity().cmp(&b.identity()));
        remember_since(inputs, &backend.name, &mut found.rows);
        resolved.total += found.rows.len() + found.not_serving;
        resolved.backends.insert(backend.name.clone(), found.rows);
        if let Some((kind, message)) = found.problem {
            resolved.problems.push(Problem::new(kind, format!("spec.backends[{index}].service"), message));
        }
    }
    resolved
}

/// The endpoints that the policy in force lists: they stand in the spec, or were published with it.
fn listed(inputs: &Inputs, backend: &str, origin: Origin) -> Vec<EndpointRow> {
    if origin == Origin::Published {
        let published = inputs.published.and_then(|table| table.endpoints.backends.get(backend));
        return published.cloned().unwrap_or_default();
    }
    let declared = inputs.pool.spec.backends.iter().find(|declared| declared.name == backend);
    let endpoints = declared.and_then(|declared| declared.endpoints.as_deref()).unwrap_or_default();
    endpoints
        .iter()
        .filter_map(|endpoint| {
            Some(EndpointRow {
                address: endpoint.address.parse().ok()?,
                port: port_of(endpoint.port),
                weight: weight_of(endpoint.weight),
                zone: String::new(),
                state: EndpointState::Ready,
                since: 0,
                pod: String::new(),
            })
        })
        .collect()
}

fn of_service(inputs: &Inputs, name: &str, port: &PortRef) -> Found {
    let Some(service) = inputs.services.iter().find(|service| service.metadata.name.as_deref() == Some(name)) else {
        let message = format!("there is no Service {name:?} in this namespace; create it or name another one");
        return Found::none(ProblemKind::BackendNotFound, message);
    };
    if kind_of(service) == Some("ExternalName") {
        let message = format!(
            "Service {name:?} is of type ExternalName, whose names are not resolved; list endpoints by address"
        );
        return Found::none(ProblemKind::RefNotPermitted, message);
    }
    let Some(service_port) = find_port(service, port) else {
        return Found::none(ProblemKind::PortNotFound, no_port(service, name, port));
    };
    let slices: Vec<_> = inputs.slices.iter().copied().filter(|slice| service_of(slice) == Some(name)).collect();
    let family = family_of(service, &slices);
    collect(slices, service_port.name.as_deref().unwrap_or_default(), family, inputs)
}

impl Found {
    fn none(kind: ProblemKind, message: String) -> Self {
        Self { problem: Some((kind, message)), ..Self::default() }
    }

    /// Of several refusals one is told, the same whatever the order of slices and endpoints.
    fn refuse(&mut self, message: String) {
        match &mut self.problem {
            Some((_, told)) if *told <= message => {}
            problem => *problem = Some((ProblemKind::RefNotPermitted, message)),
        }
    }
}

fn kind_of(service: &Service) -> Option<&str> {
    service.spec.as_ref()?.type_.as_deref()
}

fn service_of(slice: &EndpointSlice) -> Option<&str> {
    slice.metadata.labels.as_ref()?.get(labels::SERVICE_NAME).map(String::as_str)
}

/// One family a Service, else a dual-stack pod counts twice: the first of the Service's own that has slices. A headless
/// Service without a selector has both families, whether or not somebody writes slices of both.
fn family_of<'a>(service: &'a Service, slices: &[&EndpointSlice]) -> &'a str {
    let own = service.spec.as_ref().and_then(|spec| spec.ip_families.as_deref()).unwrap_or_default();
    let mut families = own.iter().map(String::as_str).chain(["IPv4", "IPv6"].into_iter().filter(|_| own.is_empty()));
    families.find(|family| slices.iter().any(|slice| slice.address_type == *family)).unwrap_or_default()
}

fn collect(slices: Vec<&EndpointSlice>, port_name: &str, family: &str, inputs: &Inputs) -> Found {
    let mut found = Found::default();
    let mut seen: HashMap<(IpAddr, u16, String), Option<EndpointRow>> = HashMap::new();
    for slice in slices {
        let name = slice.metadata.name.as_deref().unwrap_or_default();
        if slice.address_type == "FQDN" {
            found.refuse(format!(
                "EndpointSlice {name:?} is of type FQDN, whose names are not resolved; use IPv4 or IPv6"
            ));
        }
        let Some(port) = port_in(slice, port_name).filter(|_| slice.address_type == family) else { continue };
        for endpoint in &slice.endpoints {
            match row(endpoint, port, inputs) {
                Ok((identity, row)) => better(seen.entry(identity).or_default(), row),
                Err(what) => found.refuse(format!("EndpointSlice {name:?} holds {what}; take it out of there")),
            }
        }
    }
    let all = seen.len();
    found.rows = seen.into_values().flatten().collect();
    found.not_serving = all - found.rows.len();
    found
}

type Identity = (IpAddr, u16, String);

/// An endpoint's identity and, if it serves, its row; or what is wrong with it.
fn row(endpoint: &Endpoint, port: u16, inputs: &Inputs) -> Result<(Identity, Option<EndpointRow>), String> {
    // A slice's addresses are interchangeable ("consumers should use the first"): EndpointSlice API.
    let text = endpoint.addresses.first().map(String::as_str).unwrap_or_default();
    let address: IpAddr = text.parse().map_err(|_| format!("{text:?}, which is no address"))?;
    address::check(address, inputs.scope)
        .map_err(|reason| format!("{address}, {reason}, which is never an endpoint"))?;
    let uid = endpoint.target_ref.as_ref().and_then(|target| target.uid.as_deref()).unwrap_or_default();
    let pod: String = uid.chars().filter(char::is_ascii_hexdigit).take(8).collect();
    let row = state(endpoint).map(|state| EndpointRow {
        address,
        port,
        weight: 1,
        zone: endpoint.zone.clone().unwrap_or_default(),
        state,
        since: 0,
        pod: pod.clone(),
    });
    Ok(((address, port, pod), row))
}

/// Absent conditions mean, by the API and to kube-proxy: ready and serving are true, terminating is false.
fn state(endpoint: &Endpoint) -> Option<EndpointState> {
    let conditions = endpoint.conditions.as_ref();
    let ready = conditions.and_then(|conditions| conditions.ready).unwrap_or(true);
    let serving = conditions.and_then(|conditions| conditions.serving).unwrap_or(true);
    let terminating = conditions.and_then(|conditions| conditions.terminating).unwrap_or(false);
    match (ready, serving, terminating) {
        (true, _, _) => Some(EndpointState::Ready),
        (false, true, true) => Some(EndpointState::Draining),
        _ => None,
    }
}

/// One endpoint can stand in two slices while the controller moves it: the better state counts. Equal states keep the
/// smaller zone, so that the order of slices does not matter.
fn better(kept: &mut Option<EndpointRow>, row: Option<EndpointRow>) {
    let rank = |row: &EndpointRow| (row.state, row.zone.clone());
    if row.as_ref().is_some_and(|row| kept.as_ref().is_none_or(|kept| rank(row) < rank(kept))) {
        *kept = row;
    }
}

/// An endpoint that was ready in the published table keeps its time; one that was not is ready since now. Before the
/// first table nobody looked.
fn remember_since(inputs: &Inputs, backend: &str, rows: &mut [EndpointRow]) {
    let Some(published) = inputs.published else { return };
    let before = published.endpoints.backends.get(backend).map(Vec::as_slice).unwrap_or_default();
    let since: HashMap<_, _> =
        before.iter().filter(|row| row.state == EndpointState::Ready).map(|row| (row.identity(), row.since)).collect();
    for row in rows.iter_mut().filter(|row| row.state == EndpointState::Ready) {
        row.since = since.get(&row.identity()).copied().unwrap_or(inputs.now);
    }
}
