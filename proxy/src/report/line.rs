//! A line of the access log: an object of JSON. It begins when a request does, with what its head says, and is finished at
//! its end; a head need not be kept for it.
//!
//! Never in it: cookies, authorization, bodies, and the query, in which clients put tokens.

use std::time::Duration;

use http::{HeaderMap, Version, header, request::Parts};

use super::text::{hexadecimal, milliseconds, number, string};
use crate::balance::{EndpointState, Outcome};

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

/// Appends what is known of a head. `id`: the name that it gets, if it has none.
pub(super) fn head(out: &mut Vec<u8>, parts: &Parts, id: u128) {
    let Parts { method, uri, version, headers, .. } = parts;
    let authority = uri.authority().map(|authority| authority.as_str().as_bytes());
    let authority = authority.or_else(|| headers.get(header::HOST).map(header::HeaderValue::as_bytes));
    field(out, "method", |out| string(out, method.as_str().as_bytes(), MAX_NAME_BYTES));
    field(out, "authority", |out| string(out, authority.unwrap_or_default(), MAX_NAME_BYTES));
    field(out, "path", |out| string(out, uri.path().as_bytes(), MAX_PATH_BYTES));
    field(out, "protocol", |out| {
        out.extend_from_slice(if *version < Version::HTTP_11 { b"HTTP/1.0" } else { b"HTTP/1.1" });
    });
    field(out, "request_id", |out| match headers.get("x-request-id") {
        Some(given) => string(out, given.as_bytes(), MAX_NAME_BYTES),
        None => hexadecimal(out, id),
    });
    if let Some(trace) = trace_id(headers) {
        field(out, "trace_id", |out| out.extend_from_slice(trace));
    }
}

/// The second part of a `traceparent` (W3C Trace Context §3.2), if it is one.
fn trace_id(headers: &HeaderMap) -> Option<&[u8]> {
    let mut parts = headers.get("traceparent")?.as_bytes().splitn(4, |byte| *byte == b'-');
    let (version, id) = (parts.next()?, parts.next()?);
    let is_hex = |part: &[u8]| part.iter().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    (version.len() == 2 && id.len() == 32 && is_hex(version) && is_hex(id)).then_some(id)
}

/// Appends how it ended, and the end of the line.
pub(super) fn end(out: &mut Vec<u8>, end: &End<'_>) {
    let micros = |duration: Duration| u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
    let End { outcome, received, sent, duration, ttfb, backend, endpoint, attempts } = end;
    for (name, value) in [("status", u64::from(outcome.status)), ("bytes_in", *received), ("bytes_out", *sent)] {
        key(out, name);
        number(out, value);
    }
    key(out, "duration_ms");
    milliseconds(out, micros(*duration));
    if let Some(ttfb) = ttfb {
        key(out, "ttfb_ms");
        milliseconds(out, micros(*ttfb));
    }
    if let Some(backend) = backend {
        field(out, "backend", |out| out.extend_from_slice(backend.as_bytes()));
    }
    if let Some(endpoint) = endpoint {
        field(out, "endpoint", |out| out.extend_from_slice(endpoint.name.as_bytes()));
    }
    key(out, "attempts");
    number(out, (*attempts).into());
    if let Some(reason) = outcome.reason {
        field(out, "reason", |out| out.extend_from_slice(reason.code().as_bytes()));
        field(out, "side", |out| out.extend_from_slice(outcome.side().name().as_bytes()));
    }
    out.extend_from_slice(b"}\n");
}

fn key(out: &mut Vec<u8>, name: &str) {
    out.extend_from_slice(b",\"");
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b"\":");
}

fn field(out: &mut Vec<u8>, name: &str, value: impl FnOnce(&mut Vec<u8>)) {
    key(out, name);
    out.push(b'"');
    value(out);
    out.push(b'"');
}
