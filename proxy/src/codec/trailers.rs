//! The fields after a chunked body: limited like a head, and never those that frame, route or authenticate.

use bytes::{Buf as _, Bytes};
use http::{HeaderMap, HeaderName, HeaderValue};

use super::{
    body::BodyError,
    head::{MAX_FIELDS, MAX_HEAD_BYTES},
    request::{LINE_EXTRA, MAX_LINE_BYTES, MAX_REQUEST_FIELDS, MAX_REQUEST_HEAD_BYTES},
};

/// Collects the trailer section until its empty line.
#[derive(Debug, Default)]
pub(super) struct Trailers {
    read: Vec<u8>,
    limits: Limits,
}

/// How large it may be: as large as the head before it.
#[derive(Clone, Copy, Debug)]
struct Limits {
    bytes: usize,
    fields: usize,
    line: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { bytes: MAX_HEAD_BYTES, fields: MAX_FIELDS, line: MAX_HEAD_BYTES }
    }
}

impl Trailers {
    /// Of a request.
    pub(super) fn of_request() -> Self {
        let limits = Limits { bytes: MAX_REQUEST_HEAD_BYTES, fields: MAX_REQUEST_FIELDS, line: MAX_LINE_BYTES };
        Self { read: Vec::new(), limits }
    }

    /// Reads on. None: the section is not all there yet.
    pub(super) fn read(&mut self, input: &mut Bytes) -> Result<Option<HeaderMap>, BodyError> {
        if self.read.is_empty() && input.starts_with(b"\r\n") {
            input.advance(2);
            return Ok(Some(HeaderMap::new()));
        }
        let mut taken = 0;
        for byte in input.iter() {
            taken += 1;
            if *byte == b'\n' && self.read.last() != Some(&b'\r') {
                return Err(BodyError::Trailers);
            }
            self.read.push(*byte);
            if self.read == b"\r\n" || self.read.ends_with(b"\r\n\r\n") {
                input.advance(taken);
                return parse(&std::mem::take(&mut self.read), self.limits).map(Some);
            }
            if self.read.len() >= self.limits.bytes {
                return Err(BodyError::Trailers);
            }
        }
        input.advance(taken);
        Ok(None)
    }
}

fn parse(section: &[u8], limits: Limits) -> Result<HeaderMap, BodyError> {
    let mut room = [httparse::EMPTY_HEADER; MAX_FIELDS];
    let Ok(httparse::Status::Complete((_, parsed))) = httparse::parse_headers(section, &mut room) else {
        return Err(BodyError::Trailers);
    };
    if parsed.len() > limits.fields {
        return Err(BodyError::Trailers);
    }
    let mut fields = HeaderMap::with_capacity(parsed.len());
    for field in parsed {
        if field.name.len() + field.value.len() + LINE_EXTRA > limits.line {
            return Err(BodyError::Trailers);
        }
        let name = HeaderName::from_bytes(field.name.as_bytes()).map_err(|_| BodyError::Trailers)?;
        if may_trail(&name) {
            fields.append(name, HeaderValue::from_bytes(field.value).map_err(|_| BodyError::Trailers)?);
        }
    }
    Ok(fields)
}

/// Whether a field may come after the body (RFC 9110 §6.5.1): whoever merges trailers into the head must not be misled by
/// them about where the message ends, where it goes, who sent it or what it is.
pub(crate) fn may_trail(name: &HeaderName) -> bool {
    let name = name.as_str();
    !FORBIDDEN.contains(&name) && !name.starts_with("x-forwarded-")
}

const FORBIDDEN: &[&str] = &[
    "age",
    "authorization",
    "cache-control",
    "connection",
    "content-encoding",
    "content-length",
    "content-range",
    "content-type",
    "cookie",
    "date",
    "evenkeel-reason",
    "expect",
    "expires",
    "forwarded",
    "host",
    "http2-settings",
    "keep-alive",
    "location",
    "max-forwards",
    "pragma",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "range",
    "retry-after",
    "set-cookie",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "vary",
    "www-authenticate",
    "x-real-ip",
];
