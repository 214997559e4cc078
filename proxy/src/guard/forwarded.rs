//! Where a request came from: what we say of it, and whose word we take.

use std::net::{IpAddr, SocketAddr};

use evenkeel_crds::network::Network;

use crate::{
    codec::{self, Field},
    digits::hexadecimal,
};

/// The two ends of a client's connection.
#[derive(Clone, Debug)]
pub(crate) struct Origin {
    /// The client's address, canonical.
    peer: IpAddr,
    /// What is said of requests from there, as it is written: all that can be known before they come.
    lines: String,
    /// How long the address is, behind the first name.
    length: usize,
    /// Where it connected to, for those who send no `Host`.
    local: SocketAddr,
}

const FORWARDED_FOR: &str = "x-forwarded-for";
/// The first of the lines.
const FIRST: &str = "x-forwarded-for: ";

impl Origin {
    /// A client by its address and the one that it connected to.
    pub(crate) fn new(peer: IpAddr, local: SocketAddr) -> Self {
        let peer = peer.to_canonical();
        let mut lines = String::with_capacity(160);
        lines.push_str(FIRST);
        push_address(&mut lines, peer);
        let length = lines.len() - FIRST.len();
        lines.push_str("\r\nx-real-ip: ");
        push_address(&mut lines, peer);
        lines.push_str("\r\nx-forwarded-proto: http\r\n");
        Self { peer, lines, length, local }
    }

    /// The client's address as text.
    pub(crate) fn address(&self) -> &str {
        &self.lines[FIRST.len()..FIRST.len() + self.length]
    }

    /// Where it connected to.
    pub(super) fn authority(&self) -> String {
        SocketAddr::new(self.local.ip().to_canonical(), self.local.port()).to_string()
    }

    /// Whether the peer is one of these.
    pub(super) fn is_of(&self, networks: &[Network]) -> bool {
        networks.iter().any(|network| network.contains(self.peer))
    }
}

/// As `Display` writes it, for most addresses at a tenth of the price: every connection has one.
fn push_address(out: &mut String, address: IpAddr) {
    let IpAddr::V4(address) = address else { return out.push_str(&address.to_string()) };
    let digit = |number: u8| char::from(b'0' + number % 10);
    for (index, part) in address.octets().into_iter().enumerate() {
        if index > 0 {
            out.push('.');
        }
        if part > 99 {
            out.push(digit(part / 100));
        }
        if part > 9 {
            out.push(digit(part / 10));
        }
        out.push(digit(part));
    }
}

/// Writes where a request came from, beside fields that say nothing of it.
pub(super) fn tell(out: &mut Vec<u8>, origin: &Origin, host: &[u8]) {
    out.extend_from_slice(origin.lines.as_bytes());
    codec::field(out, b"x-forwarded-host", host);
}

/// Writes the name of a request that came without one.
pub(super) fn name(out: &mut Vec<u8>, id: u128) {
    codec::field(out, b"x-request-id", &hexadecimal(id));
}

/// Writes what a trusted peer said of a request's origin, with the peer itself as the last of `X-Forwarded-For`, and what it
/// did not say.
pub(super) fn complete<'a>(
    out: &mut Vec<u8>,
    said: &(impl Iterator<Item = &'a Field<'a>> + Clone),
    origin: &Origin,
    host: &[u8],
) {
    let is = |field: &Field<'_>, name: &str| field.name.eq_ignore_ascii_case(name);
    for Field { name, value } in said.clone().filter(|field| !is(field, FORWARDED_FOR)) {
        codec::field(out, name.as_bytes(), value);
    }
    out.extend_from_slice(FIRST.as_bytes());
    for Field { value, .. } in said.clone().filter(|field| is(field, FORWARDED_FOR)) {
        out.extend_from_slice(value);
        out.extend_from_slice(b", ");
    }
    out.extend_from_slice(origin.address().as_bytes());
    out.extend_from_slice(codec::CRLF);
    for (name, value) in
        [("x-real-ip", origin.address().as_bytes()), ("x-forwarded-proto", b"http"), ("x-forwarded-host", host)]
    {
        if !said.clone().any(|field| is(field, name)) {
            codec::field(out, name.as_bytes(), value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    proptest::proptest! {
        #[test]
        fn addresses_are_written_as_everybody_writes_them(address: IpAddr) {
            let mut text = String::new();
            push_address(&mut text, address);
            proptest::prop_assert_eq!(text, address.to_string());
        }
    }
}
