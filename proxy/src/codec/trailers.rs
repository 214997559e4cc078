//! The fields after a chunked body: limited like a head, and never those that frame, route or authenticate.

use bytes::{Buf as _, Bytes};
use http::{HeaderMap, HeaderName, HeaderValue};

use super::{
    body::BodyError,
    head::{MAX_FIELDS, MAX_HEAD_BYTES},
};

/// Collects the trailer section until its empty line.
#[derive(Debug, Default)]
pub(super) struct Trailers(Vec<u8>);

impl Trailers {
    /// Reads on. None: the section is not all there yet.
    pub(super) fn read(&mut self, input: &mut Bytes) -> Result<Option<HeaderMap>, BodyError> {
        if self.0.is_empty() && input.starts_with(b"\r\n") {
            input.advance(2);
            return Ok(Some(HeaderMap::new()));
        }
        let mut taken = 0;
        for byte in input.iter() {
            taken += 1;
            if *byte == b'\n' && self.0.last() != Some(&b'\r') {
                return Err(BodyError::Trailers);
            }
            self.0.push(*byte);
            if self.0 == b"\r\n" || self.0.ends_with(b"\r\n\r\n") {
                input.advance(taken);
                return parse(&std::mem::take(&mut self.0)).map(Some);
            }
            if self.0.len() >= MAX_HEAD_BYTES {
                return Err(BodyError::Trailers);
            }
        }
        input.advance(taken);
        Ok(None)
    }
}

fn parse(section: &[u8]) -> Result<HeaderMap, BodyError> {
    let mut room = [httparse::EMPTY_HEADER; MAX_FIELDS];
    let Ok(httparse::Status::Complete((_, parsed))) = httparse::parse_headers(section, &mut room) else {
        return Err(BodyError::Trailers);
    };
    let mut fields = HeaderMap::with_capacity(parsed.len());
    for field in parsed {
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
