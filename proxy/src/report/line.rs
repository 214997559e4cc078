//! A line of the access log: an object of JSON. It begins when a request does, with what its head says, and is finished at
//! its end; a head need not be kept for it.
//!
//! Never in it: cookies, authorization, bodies, and the query, in which clients put tokens.

use std::time::Duration;

use super::text::{milliseconds, number, string};
use crate::{
    balance::{EndpointState, Outcome},
    codec::{RequestHead, Version},
    digits::hexadecimal,
    guard::{is_authority, split_url},
};

/// Longer texts are cut.
const MAX_PATH_BYTES: usize = 2048;
const MAX_NAME_BYTES: usize = 256;

/// What a line says of a request's end.
#[derive(Debug)]
pub(crate) struct End<'a> {
    pub(crate) outcome: Outcome,
    pub(crate) received: u64,
    pub(crate) sent: u64,
    pub(crate) duration: Duration,
    /// Up to the head of the answer.
    pub(crate) ttfb: Option<Duration>,
    pub(crate) backend: Option<&'a str>,
    pub(crate) endpoint: Option<&'a EndpointState>,
    pub(crate) attempts: u32,
}

/// Begins a line: when and where it was, and who asked. `names` are those of the pool, as they stand in a line.
pub(super) fn begin(out: &mut Vec<u8>, names: &str, client: &str, write_time: impl FnOnce(&mut Vec<u8>)) {
    out.extend_from_slice(b"{\"ts\":\"");
    write_time(out);
    out.extend_from_slice(b"\",");
    out.extend_from_slice(names.as_bytes());
    out.extend_from_slice(b",\"client\":\"");
    out.extend_from_slice(client.as_bytes());
    out.push(b'"');
}

/// Appends what is known of a head. `id`: the name that it gets, if it has none.
pub(super) fn head(out: &mut Vec<u8>, head: &RequestHead<'_>, id: u128) {
    let (authority, path) = authority_and_path(head);
    out.extend_from_slice(b",\"method\":\"");
    string(out, head.method.as_bytes(), MAX_NAME_BYTES);
    out.extend_from_slice(b"\",\"authority\":\"");
    string(out, authority, MAX_NAME_BYTES);
    out.extend_from_slice(b"\",\"path\":\"");
    string(out, path.as_bytes(), MAX_PATH_BYTES);
    out.extend_from_slice(match head.version {
        Version::Old => b"\",\"protocol\":\"HTTP/1.0\",\"request_id\":\"",
        Version::Current => b"\",\"protocol\":\"HTTP/1.1\",\"request_id\":\"",
    });
    match head.value("x-request-id") {
        Some(given) => string(out, given, MAX_NAME_BYTES),
        None => out.extend_from_slice(&hexadecimal(id)),
    }
    if let Some(trace) = trace_id(head) {
        out.extend_from_slice(b"\",\"trace_id\":\"");
        out.extend_from_slice(trace);
    }
    out.push(b'"');
}

/// Whom it asks, and for what, without the query; nothing of a target that is neither a path nor a URL, nor of a URL or `Host`
/// that is refused: there may be a password in it.
fn authority_and_path<'a>(head: &RequestHead<'a>) -> (&'a [u8], &'a str) {
    let without_query = |path: &'a str| path.split(['?', '#']).next().unwrap_or_default();
    let target = without_query(head.target);
    if target.starts_with('/') || target == "*" {
        let host = head.value("host").filter(|host| is_authority(host));
        return (host.unwrap_or_default(), target);
    }
    match split_url(head.target) {
        Some([_, authority, rest]) if is_authority(authority.as_bytes()) => {
            let path = without_query(rest);
            (authority.as_bytes(), if path.is_empty() { "/" } else { path })
        }
        _ => (&[], ""),
    }
}

/// The second part of a `traceparent` (W3C Trace Context §3.2), if it is one.
fn trace_id<'a>(head: &RequestHead<'a>) -> Option<&'a [u8]> {
    let mut parts = head.value("traceparent")?.splitn(4, |byte| *byte == b'-');
    let (version, id) = (parts.next()?, parts.next()?);
    let is_hex = |part: &[u8]| part.iter().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    (version.len() == 2 && id.len() == 32 && is_hex(version) && is_hex(id)).then_some(id)
}

/// Appends how it ended, and the end of the line.
pub(super) fn end(out: &mut Vec<u8>, end: &End<'_>) {
    let micros = |duration: Duration| u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
    let End { outcome, received, sent, duration, ttfb, backend, endpoint, attempts } = end;
    out.extend_from_slice(b",\"status\":");
    number(out, outcome.status.into());
    out.extend_from_slice(b",\"bytes_in\":");
    number(out, *received);
    out.extend_from_slice(b",\"bytes_out\":");
    number(out, *sent);
    out.extend_from_slice(b",\"duration_ms\":");
    milliseconds(out, micros(*duration));
    if let Some(ttfb) = ttfb {
        out.extend_from_slice(b",\"ttfb_ms\":");
        milliseconds(out, micros(*ttfb));
    }
    if let Some(backend) = backend {
        out.extend_from_slice(b",\"backend\":\"");
        out.extend_from_slice(backend.as_bytes());
        out.push(b'"');
    }
    if let Some(endpoint) = endpoint {
        out.extend_from_slice(b",\"endpoint\":\"");
        out.extend_from_slice(endpoint.name.as_bytes());
        out.push(b'"');
    }
    out.extend_from_slice(b",\"attempts\":");
    number(out, (*attempts).into());
    if let Some(reason) = outcome.reason {
        out.extend_from_slice(b",\"reason\":\"");
        out.extend_from_slice(reason.code().as_bytes());
        out.extend_from_slice(b"\",\"side\":\"");
        out.extend_from_slice(outcome.side().name().as_bytes());
        out.push(b'"');
    }
    out.extend_from_slice(b"}\n");
}
