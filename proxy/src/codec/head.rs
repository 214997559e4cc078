//! The head of a response, parsed over `httparse` (strict by its defaults) into fields that share the read buffer.

use std::mem::{self, MaybeUninit};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};

use super::{
    Framing,
    fields::{self, Kind, Options},
    framing::{Declared, FramingError},
};

/// The largest head of a response. nginx takes 4–8 KiB by default; Envoy 60 KiB.
pub(crate) const MAX_HEAD_BYTES: usize = 64 * 1024;
/// The most fields of a response.
pub(super) const MAX_FIELDS: usize = 200;

/// What a response answers: one to HEAD has no body, whatever its fields say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Asked {
    /// A HEAD request.
    Head,
    /// Any other.
    Other,
}

/// A response's head. What belongs to the connection alone is not among its fields any more.
#[derive(Debug)]
pub(crate) struct ResponseHead {
    /// 100 to 599.
    pub(crate) status: StatusCode,
    /// What is passed on.
    pub(crate) fields: HeaderMap,
    /// Where the body ends.
    pub(crate) framing: Framing,
    /// Whether the connection can take a request after this message.
    pub(crate) persistent: bool,
    /// For how many seconds the endpoint keeps an idle connection, if it says so.
    pub(crate) idle_hint: Option<u64>,
}

/// Why bytes are not the head of a response.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum HeadError {
    #[error("malformed: {0}")]
    Syntax(#[from] httparse::Error),
    #[error("it does not begin with a status line")]
    Start,
    #[error("status {0} is not 100 to 599")]
    Status(u16),
    #[error("larger than {MAX_HEAD_BYTES} bytes")]
    TooLarge,
    #[error("a field that HTTP does not allow")]
    Field,
    #[error(transparent)]
    Framing(#[from] FramingError),
}

impl Asked {
    /// What a request of this method asks.
    pub(crate) fn by(method: &Method) -> Self {
        if *method == Method::HEAD { Self::Head } else { Self::Other }
    }
}

/// Whether the bytes from `scanned` on bring the empty line that ends a head. To parse only then keeps the work linear
/// when a head comes byte by byte.
pub(crate) fn may_be_whole(bytes: &[u8], scanned: usize) -> bool {
    let from = scanned.saturating_sub(2);
    let mut ends = bytes[from..].iter().enumerate().filter(|(_, byte)| **byte == b'\n').map(|(at, _)| from + at);
    ends.any(|at| matches!(bytes[..at], [.., b'\n'] | [.., b'\n', b'\r']))
}

/// Parses a head and tells where it ends. None: it is not all there yet. Its fields go into `room`, an empty map, which is
/// taken for them.
pub(crate) fn parse_response(
    bytes: &Bytes,
    asked: Asked,
    room: &mut HeaderMap,
) -> Result<Option<(ResponseHead, usize)>, HeadError> {
    if bytes.first().is_some_and(|first| *first != b'H') {
        return Err(HeadError::Start); // httparse would pass over empty lines: bytes that belong to no message
    }
    let mut parts = [const { MaybeUninit::uninit() }; MAX_FIELDS];
    let mut parsed = httparse::Response::new(&mut []);
    let config = httparse::ParserConfig::default();
    let end = match config.parse_response_with_uninit_headers(&mut parsed, bytes, &mut parts)? {
        httparse::Status::Complete(end) if end <= MAX_HEAD_BYTES => end,
        httparse::Status::Partial if bytes.len() < MAX_HEAD_BYTES => return Ok(None),
        _ => return Err(HeadError::TooLarge),
    };
    let code = parsed.code.unwrap_or_default();
    let status = StatusCode::from_u16(code).ok().filter(|status| status.as_u16() < 600);
    let status = status.ok_or(HeadError::Status(code))?;
    let version = if parsed.version == Some(1) { Version::Current } else { Version::Old };
    let head = Gathered::from(bytes, parsed.headers, mem::take(room))?.into_head(status, version, asked)?;
    Ok(Some((head, end)))
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Version {
    Old,
    Current,
}

/// What one pass over the fields brings.
struct Gathered {
    fields: HeaderMap,
    declared: Declared,
    options: Options,
    idle_hint: Option<u64>,
}

impl Gathered {
    fn from(bytes: &Bytes, parsed: &[httparse::Header<'_>], mut fields: HeaderMap) -> Result<Self, HeadError> {
        fields.reserve(parsed.len() + 2); // the server adds Date, and perhaps Connection
        let mut all = Self { fields, declared: Declared::default(), options: Options::default(), idle_hint: None };
        for field in parsed {
            all.add(bytes, field)?;
        }
        if all.options.names {
            for field in parsed.iter().filter(|field| fields::kind(field.name.as_bytes()) == Kind::Connection) {
                fields::remove_named(&mut all.fields, field.value);
            }
        }
        Ok(all)
    }

    fn add(&mut self, bytes: &Bytes, field: &httparse::Header<'_>) -> Result<(), HeadError> {
        match fields::kind(field.name.as_bytes()) {
            Kind::Passes => {
                let name = HeaderName::from_bytes(field.name.as_bytes()).map_err(|_| HeadError::Field)?;
                self.fields.append(name, value(bytes, field)?);
            }
            Kind::Length => {
                if self.declared.add_length(field.value)? {
                    self.fields.append(header::CONTENT_LENGTH, value(bytes, field)?);
                }
            }
            Kind::Coding => self.declared.add_coding(field.value)?,
            Kind::Connection => self.options.add(field.value),
            Kind::KeepAlive => self.idle_hint = fields::idle_hint(field.value),
            Kind::Dropped => {}
        }
        Ok(())
    }

    fn into_head(mut self, status: StatusCode, version: Version, asked: Asked) -> Result<ResponseHead, HeadError> {
        if self.declared.chunked && version == Version::Old {
            return Err(FramingError::CodingInOldVersion.into());
        }
        // RFC 9110 §8.6: neither of these has a length; RFC 9112 §6.3: beside chunks it does not count.
        if status.is_informational() || status == StatusCode::NO_CONTENT || self.declared.is_twofold() {
            self.fields.remove(header::CONTENT_LENGTH);
        }
        let bare = status.is_informational() || [StatusCode::NO_CONTENT, StatusCode::NOT_MODIFIED].contains(&status);
        let framing = match (self.declared.chunked, self.declared.length) {
            _ if bare || asked == Asked::Head => Framing::None,
            (true, _) => Framing::Chunked,
            (false, Some(length)) => Framing::Length(length),
            (false, None) => Framing::Close,
        };
        let asked_to_stay = !self.options.close && (version == Version::Current || self.options.keep_alive);
        let persistent = asked_to_stay && framing != Framing::Close && !self.declared.is_twofold();
        Ok(ResponseHead { status, fields: self.fields, framing, persistent, idle_hint: self.idle_hint })
    }
}

/// A value that shares the buffer. httparse has looked at the same bytes; the second look costs one step a byte and keeps
/// this free of unsafe code.
fn value(bytes: &Bytes, field: &httparse::Header<'_>) -> Result<HeaderValue, HeadError> {
    if field.value.is_empty() {
        return Ok(HeaderValue::from_static("")); // slices of nothing have no place in the buffer
    }
    HeaderValue::from_maybe_shared(bytes.slice_ref(field.value)).map_err(|_| HeadError::Field)
}
