//! Which addresses are never an endpoint.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Whose addresses may be endpoints.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// A table from a cluster, where one tenant must not reach what belongs to another or to the machine.
    Cluster,
    /// A file on the machine, whose owner is the machine's owner: loopback is allowed.
    Machine,
}

/// Why an address is never an endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Forbidden {
    /// `127.0.0.0/8`, `::1`
    #[error("a loopback address")]
    Loopback,
    /// `169.254.0.0/16` (metadata services of most clouds), `fe80::/10`
    #[error("a link-local address")]
    LinkLocal,
    /// `224.0.0.0/4`, `ff00::/8`, `255.255.255.255`
    #[error("a multicast or broadcast address")]
    Multicast,
    /// `0.0.0.0/8` ("this network", RFC 1122 §3.2.1.3), `::`
    #[error("an unspecified address")]
    Unspecified,
    /// `100.100.100.200` (Alibaba), `168.63.129.16` (Azure), `fd00:ec2::254` (AWS)
    #[error("the address of a cloud's metadata service")]
    Metadata,
}

const METADATA_V4: [Ipv4Addr; 2] = [Ipv4Addr::new(100, 100, 100, 200), Ipv4Addr::new(168, 63, 129, 16)];
const METADATA_V6: Ipv6Addr = Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254);

/// Refuses an address that is never an endpoint, also when it is written as an IPv4-mapped or -compatible IPv6 address.
pub fn check(address: IpAddr, scope: Scope) -> Result<(), Forbidden> {
    match forbidden(address) {
        Some(Forbidden::Loopback) if scope == Scope::Machine => Ok(()),
        Some(reason) => Err(reason),
        None => Ok(()),
    }
}

fn forbidden(address: IpAddr) -> Option<Forbidden> {
    match address {
        IpAddr::V4(address) => forbidden_v4(address),
        IpAddr::V6(address) => forbidden_v6(address),
    }
}

fn forbidden_v4(address: Ipv4Addr) -> Option<Forbidden> {
    if address.is_loopback() {
        Some(Forbidden::Loopback)
    } else if address.is_link_local() {
        Some(Forbidden::LinkLocal)
    } else if address.is_multicast() || address.is_broadcast() {
        Some(Forbidden::Multicast)
    } else if address.octets()[0] == 0 {
        Some(Forbidden::Unspecified)
    } else {
        METADATA_V4.contains(&address).then_some(Forbidden::Metadata)
    }
}

fn forbidden_v6(address: Ipv6Addr) -> Option<Forbidden> {
    if address.is_loopback() {
        Some(Forbidden::Loopback)
    } else if address.is_unspecified() {
        Some(Forbidden::Unspecified)
    } else if address.is_unicast_link_local() {
        Some(Forbidden::LinkLocal)
    } else if address.is_multicast() {
        Some(Forbidden::Multicast)
    } else if address == METADATA_V6 {
        Some(Forbidden::Metadata)
    } else {
        // ::ffff:a.b.c.d and the deprecated ::a.b.c.d (RFC 4291 §2.5.5) reach the IPv4 address.
        address.to_ipv4().and_then(forbidden_v4)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str, scope: Scope) -> Result<(), Forbidden> {
        check(text.parse().expect(text), scope)
    }

    #[test]
    fn addresses_of_machine_and_cloud_are_refused_in_every_form() {
        use Forbidden::{LinkLocal, Loopback, Metadata, Multicast, Unspecified};
        for (text, reason) in [
            ("127.0.0.1", Loopback),
            ("127.255.0.9", Loopback),
            ("::1", Loopback),
            ("::ffff:127.0.0.1", Loopback),
            ("169.254.169.254", LinkLocal),
            ("::ffff:169.254.169.254", LinkLocal),
            ("fe80::1", LinkLocal),
            ("febf::1", LinkLocal),
            ("224.0.0.1", Multicast),
            ("255.255.255.255", Multicast),
            ("ff02::1", Multicast),
            ("0.0.0.0", Unspecified),
            ("0.1.2.3", Unspecified),
            ("::", Unspecified),
            ("100.100.100.200", Metadata),
            ("168.63.129.16", Metadata),
            ("::ffff:168.63.129.16", Metadata),
            ("fd00:ec2::254", Metadata),
        ] {
            assert_eq!(of(text, Scope::Cluster), Err(reason), "{text}");
        }
    }

    #[test]
    fn other_addresses_are_allowed() {
        for text in ["10.0.0.1", "192.0.2.7", "100.100.100.201", "172.16.0.1", "2001:db8::1", "fd00::1", "fec0::1"] {
            assert_eq!(of(text, Scope::Cluster), Ok(()), "{text}");
        }
    }

    #[test]
    fn a_file_may_name_loopback_and_nothing_else() {
        assert_eq!(of("127.0.0.1", Scope::Machine), Ok(()));
        assert_eq!(of("::1", Scope::Machine), Ok(()));
        assert_eq!(of("169.254.169.254", Scope::Machine), Err(Forbidden::LinkLocal));
    }
}
