//! Where a request came from: what we say of it, and whose word we take.

use std::net::{IpAddr, SocketAddr};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, header};

use super::{
    Rules,
    fields::{Found, remove_all},
    name::Meaning,
};

static FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
static FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
static FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
static REAL_IP: HeaderName = HeaderName::from_static("x-real-ip");
const DIGITS: &[u8; 16] = b"0123456789abcdef";

static HTTP: HeaderValue = HeaderValue::from_static("http");

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
    pub(super) fn authority(&self) -> HeaderValue {
        value(&SocketAddr::new(self.local.ip().to_canonical(), self.local.port()).to_string())
    }
}

fn value(text: &str) -> HeaderValue {
    HeaderValue::from_str(text).unwrap_or(HeaderValue::from_static("unknown"))
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

/// What is said besides the fields: written as it goes out, since nobody looks for it before.
#[derive(Debug)]
pub(super) struct More<'a> {
    /// Where the request came from, unless the fields say it.
    origin: Option<&'a Origin>,
    /// The request's name, unless it came with one.
    id: Option<u128>,
}

/// Says where the request came from, and gives it a name if it has none. What an untrusted peer says of that is replaced;
/// what a trusted one says is kept, and the peer itself is always the last of `X-Forwarded-For`.
pub(super) fn tell<'a>(fields: &mut HeaderMap, found: Found, origin: &'a Origin, rules: &Rules, id: u128) -> More<'a> {
    let id = (!found.has(Meaning::RequestId)).then_some(id);
    if !found.has(Meaning::Forwarded) {
        return More { origin: Some(origin), id };
    }
    if rules.trusted.iter().any(|network| network.contains(origin.peer)) {
        complete(fields, origin);
        return More { origin: None, id };
    }
    remove_all(fields, Meaning::Forwarded);
    More { origin: Some(origin), id }
}

impl More<'_> {
    /// Appends the lines, beside fields among which is the one `Host`.
    pub(super) fn write(&self, fields: &HeaderMap, out: &mut Vec<u8>) {
        if let Some(origin) = self.origin {
            out.extend_from_slice(origin.lines.as_bytes());
            if let Some(host) = fields.get(header::HOST) {
                out.extend_from_slice(b"x-forwarded-host: ");
                out.extend_from_slice(host.as_bytes());
                out.extend_from_slice(b"\r\n");
            }
        }
        if let Some(id) = self.id {
            out.extend_from_slice(b"x-request-id: ");
            out.extend_from_slice(&hexadecimal(id));
            out.extend_from_slice(b"\r\n");
        }
    }
}

/// Adds the peer to what it said, and what it did not say.
fn complete(fields: &mut HeaderMap, origin: &Origin) {
    let mut path = Vec::new();
    for value in fields.get_all(&FORWARDED_FOR) {
        path.extend_from_slice(value.as_bytes());
        path.extend_from_slice(b", ");
    }
    path.extend_from_slice(origin.address().as_bytes());
    let path = HeaderValue::from_maybe_shared(Bytes::from(path)).unwrap_or_else(|_| value(origin.address()));
    fields.insert(FORWARDED_FOR.clone(), path);
    fields.entry(&REAL_IP).or_insert_with(|| value(origin.address()));
    fields.entry(&FORWARDED_PROTO).or_insert_with(|| HTTP.clone());
    if let Some(host) = fields.get(header::HOST).cloned() {
        fields.entry(&FORWARDED_HOST).or_insert(host);
    }
}

fn hexadecimal(number: u128) -> [u8; 32] {
    let mut text = [0; 32];
    for (byte, digits) in number.to_be_bytes().into_iter().zip(text.as_chunks_mut().0) {
        *digits = PAIRS[usize::from(byte)];
    }
    text
}

/// The two digits of every byte: a request's name has sixteen of them.
static PAIRS: [[u8; 2]; 256] = {
    let mut pairs = [[0; 2]; 256];
    let mut byte = 0;
    while byte < pairs.len() {
        pairs[byte] = [DIGITS[byte >> 4], DIGITS[byte & 15]];
        byte += 1;
    }
    pairs
};

#[cfg(test)]
mod tests {
    use super::*;

    proptest::proptest! {
        #[test]
        fn numbers_and_addresses_are_written_as_everybody_writes_them(number: u128, address: IpAddr) {
            proptest::prop_assert_eq!(hexadecimal(number).to_vec(), format!("{number:032x}").into_bytes());
            let mut text = String::new();
            push_address(&mut text, address);
            proptest::prop_assert_eq!(text, address.to_string());
        }
    }
}
