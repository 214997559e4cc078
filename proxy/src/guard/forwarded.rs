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
static REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const DIGITS: &[u8; 16] = b"0123456789abcdef";

static HTTP: HeaderValue = HeaderValue::from_static("http");

/// The two ends of a client's connection.
#[derive(Clone, Debug)]
pub(crate) struct Origin {
    /// The client's address, canonical.
    peer: IpAddr,
    /// The same as a field value.
    address: HeaderValue,
    /// Where it connected to, for those who send no `Host`.
    pub(super) local: HeaderValue,
}

impl Origin {
    /// A client by its address and the one that it connected to.
    pub(crate) fn new(peer: IpAddr, local: SocketAddr) -> Self {
        let value = |text: String| HeaderValue::try_from(text).unwrap_or(HeaderValue::from_static("unknown"));
        let peer = peer.to_canonical();
        let local = SocketAddr::new(local.ip().to_canonical(), local.port());
        Self { peer, address: value(peer.to_string()), local: value(local.to_string()) }
    }
}

/// Says where the request came from. What an untrusted peer says of that is replaced; what a trusted one says is kept, and
/// the peer itself is always the last of `X-Forwarded-For`.
pub(super) fn tell(fields: &mut HeaderMap, found: Found, origin: &Origin, rules: &Rules) {
    let told = found.has(Meaning::Forwarded);
    if told && rules.trusted.iter().any(|network| network.contains(origin.peer)) {
        return complete(fields, origin);
    }
    if told {
        remove_all(fields, Meaning::Forwarded);
    }
    fields.insert(FORWARDED_FOR.clone(), origin.address.clone());
    fields.insert(REAL_IP.clone(), origin.address.clone());
    fields.insert(FORWARDED_PROTO.clone(), HTTP.clone());
    if let Some(host) = fields.get(header::HOST).cloned() {
        fields.insert(FORWARDED_HOST.clone(), host);
    }
}

/// Adds the peer to what it said, and what it did not say.
fn complete(fields: &mut HeaderMap, origin: &Origin) {
    let mut path = Vec::new();
    for value in fields.get_all(&FORWARDED_FOR) {
        path.extend_from_slice(value.as_bytes());
        path.extend_from_slice(b", ");
    }
    path.extend_from_slice(origin.address.as_bytes());
    let path = HeaderValue::from_maybe_shared(Bytes::from(path)).unwrap_or_else(|_| origin.address.clone());
    fields.insert(FORWARDED_FOR.clone(), path);
    fields.entry(&REAL_IP).or_insert_with(|| origin.address.clone());
    fields.entry(&FORWARDED_PROTO).or_insert_with(|| HTTP.clone());
    if let Some(host) = fields.get(header::HOST).cloned() {
        fields.entry(&FORWARDED_HOST).or_insert(host);
    }
}

/// Gives the request a name, unless it has one.
pub(super) fn name(fields: &mut HeaderMap, found: Found, id: u128) {
    if found.has(Meaning::RequestId) {
        return;
    }
    let mut text = [0; 32];
    for (byte, digits) in id.to_be_bytes().into_iter().zip(text.chunks_exact_mut(2)) {
        digits[0] = DIGITS[usize::from(byte >> 4)];
        digits[1] = DIGITS[usize::from(byte & 15)];
    }
    if let Ok(value) = HeaderValue::from_bytes(&text) {
        fields.insert(REQUEST_ID.clone(), value);
    }
}
