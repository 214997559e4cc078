//! Ports of a Service and of its slices: by number or name, and TCP alone.

use k8s_openapi::api::{
    core::v1::{Service, ServicePort},
    discovery::v1::EndpointSlice,
};

use crate::api::PortRef;

fn ports(service: &Service) -> impl Iterator<Item = &ServicePort> {
    let ports = service.spec.iter().flat_map(|spec| spec.ports.iter().flatten());
    ports.filter(|port| is_tcp(port.protocol.as_deref()))
}

/// TCP is the API's default.
fn is_tcp(protocol: Option<&str>) -> bool {
    matches!(protocol, None | Some("TCP"))
}

pub(super) fn find_port<'a>(service: &'a Service, wanted: &PortRef) -> Option<&'a ServicePort> {
    ports(service).find(|port| match wanted {
        PortRef::Number(number) => port.port == *number,
        PortRef::Name(name) => port.name.as_deref() == Some(name),
    })
}

/// Why there is no such port. A number in quotes is a name, and a common slip.
pub(super) fn no_port(service: &Service, name: &str, port: &PortRef) -> String {
    let (kind, fix) = match port {
        PortRef::Name(text)
            if text.parse().is_ok_and(|number| find_port(service, &PortRef::Number(number)).is_some()) =>
        {
            (" named", "write the number without quotes".into())
        }
        PortRef::Name(_) => (" named", format!("it has {}", ports_of(service))),
        PortRef::Number(_) => ("", format!("it has {}", ports_of(service))),
    };
    format!("Service {name:?} has no TCP port{kind} {port}; {fix}")
}

fn ports_of(service: &Service) -> String {
    let mut ports: Vec<_> = ports(service).collect();
    ports.sort_by_key(|port| port.port);
    let ports: Vec<_> = ports
        .into_iter()
        .map(|port| match &port.name {
            Some(name) => format!("{} ({name})", port.port),
            None => port.port.to_string(),
        })
        .collect();
    if ports.is_empty() { "none".into() } else { ports.join(", ") }
}

/// The slice's TCP port of that name. A slice without it contributes nothing: named target ports can differ by pod.
pub(super) fn port_in(slice: &EndpointSlice, name: &str) -> Option<u16> {
    let mut ports = slice.ports.iter().flatten().filter(|port| is_tcp(port.protocol.as_deref()));
    let port = ports.find(|port| port.name.as_deref().unwrap_or_default() == name)?;
    u16::try_from(port.port?).ok().filter(|&port| port != 0)
}
