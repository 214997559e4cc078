//! What we write: always by our own hand, with CRLF, one space, and one framing field. Names keep their case: some readers
//! are used to one.

use http::{HeaderMap, StatusCode};

use super::{Framing, trailers};
use crate::digits::{DIGITS, Decimal};

/// A line end.
pub(crate) const CRLF: &[u8] = b"\r\n";
/// The end of a chunked body without trailers.
pub(crate) const LAST_CHUNK: &[u8] = b"0\r\n\r\n";

/// Appends the first line of a request. Nothing is refused: its parts were read as such.
pub(crate) fn request_line(out: &mut Vec<u8>, method: &str, target: &[&str]) {
    out.extend_from_slice(method.as_bytes());
    out.push(b' ');
    for part in target {
        out.extend_from_slice(part.as_bytes());
    }
    out.extend_from_slice(b" HTTP/1.1\r\n");
}

/// Appends the first line of a response, with the words of RFC 9110 §15.
pub(crate) fn status_line(out: &mut Vec<u8>, status: StatusCode) {
    out.extend_from_slice(b"HTTP/1.1 ");
    out.extend_from_slice(status.as_str().as_bytes());
    out.push(b' ');
    out.extend_from_slice(status.canonical_reason().unwrap_or_default().as_bytes());
    out.extend_from_slice(CRLF);
}

/// Appends a field. Its name is a token, its value without a line end.
pub(crate) fn field(out: &mut Vec<u8>, name: &[u8], value: &[u8]) {
    // One look for room instead of four.
    out.reserve(name.len() + value.len() + 4);
    out.extend_from_slice(name);
    out.extend_from_slice(b": ");
    out.extend_from_slice(value);
    out.extend_from_slice(CRLF);
}

/// Appends the field that frames a message, if it has one.
pub(crate) fn framing(out: &mut Vec<u8>, framing: Framing) {
    match framing {
        Framing::None | Framing::Close => {}
        Framing::Length(length) => {
            out.extend_from_slice(b"content-length: ");
            out.extend_from_slice(Decimal::new(length).digits());
            out.extend_from_slice(CRLF);
        }
        Framing::Chunked => out.extend_from_slice(b"transfer-encoding: chunked\r\n"),
    }
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
            line[start] = DIGITS[left & 15];
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
