//! What we write: always by our own hand, with CRLF, one space, and one framing field.

use http::{HeaderMap, Method, header};

use super::{Framing, trailers};

/// A line end.
pub(crate) const CRLF: &[u8] = b"\r\n";
/// The end of a chunked body without trailers.
pub(crate) const LAST_CHUNK: &[u8] = b"0\r\n\r\n";

/// Appends the head of a request. Nothing is refused: none of the types can hold a line end. `more` appends whole lines of the
/// caller's own.
pub(crate) fn request_head(
    out: &mut Vec<u8>,
    method: &Method,
    target: &str,
    fields: &HeaderMap,
    more: impl FnOnce(&mut Vec<u8>),
    framing: Framing,
) {
    for part in [method.as_str(), " ", target, " HTTP/1.1\r\n"] {
        out.extend_from_slice(part.as_bytes());
    }
    for (name, value) in fields {
        if name != header::CONTENT_LENGTH && name != header::TRANSFER_ENCODING {
            field(out, name.as_str().as_bytes(), value.as_bytes());
        }
    }
    more(out);
    match framing {
        Framing::None | Framing::Close => {}
        Framing::Length(length) => field(out, b"content-length", Decimal::new(length).digits()),
        Framing::Chunked => field(out, b"transfer-encoding", b"chunked"),
    }
    out.extend_from_slice(CRLF);
}

#[inline]
fn field(out: &mut Vec<u8>, name: &[u8], value: &[u8]) {
    // One look for room instead of four.
    out.reserve(name.len() + value.len() + 4);
    out.extend_from_slice(name);
    out.extend_from_slice(b": ");
    out.extend_from_slice(value);
    out.extend_from_slice(CRLF);
}

/// The end of a chunked body, with those of the fields that may stand there.
pub(crate) fn last_chunk(fields: &HeaderMap) -> Vec<u8> {
    let mut out = b"0\r\n".to_vec();
    for (name, value) in fields.iter().filter(|(name, _)| trailers::may_trail(name)) {
        field(&mut out, name.as_str().as_bytes(), value.as_bytes());
    }
    out.extend_from_slice(CRLF);
    out
}

/// The line before a chunk's data.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ChunkSize {
    line: [u8; 18],
    start: usize,
}

impl ChunkSize {
    /// No line at all.
    pub(crate) const NONE: Self = Self { line: [0; 18], start: 18 };

    /// For a chunk of so many bytes.
    pub(crate) fn new(bytes: usize) -> Self {
        let mut line = *b"                \r\n";
        let (mut start, mut left) = (line.len() - CRLF.len(), bytes);
        loop {
            start -= 1;
            line[start] = b"0123456789abcdef"[left & 15];
            left >>= 4;
            if left == 0 {
                return Self { line, start };
            }
        }
    }

    /// Size and line end.
    pub(crate) fn line(&self) -> &[u8] {
        &self.line[self.start..]
    }
}

/// A number's digits, without an allocation.
struct Decimal {
    digits: [u8; 20],
    start: usize,
}

impl Decimal {
    fn new(number: u64) -> Self {
        let mut digits = [0; 20];
        let (mut start, mut left) = (digits.len(), number);
        loop {
            start -= 1;
            digits[start] = b'0' + u8::try_from(left % 10).unwrap_or_default();
            left /= 10;
            if left == 0 {
                return Self { digits, start };
            }
        }
    }

    fn digits(&self) -> &[u8] {
        &self.digits[self.start..]
    }
}
