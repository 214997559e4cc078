//! Where a request's body ends: one reading of it.

use http::{HeaderMap, Version, header};

use super::refusal::{CODING, CODINGS, LENGTH, Refusal, TWO_FRAMINGS};
use crate::codec;

/// Where a body ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Framing {
    /// There is none, and no field says so.
    None,
    /// After so many bytes; 0 is said aloud too.
    Length(u64),
    /// After the last chunk.
    Chunked,
}

impl From<Framing> for codec::Framing {
    fn from(framing: Framing) -> Self {
        match framing {
            Framing::None => Self::None,
            Framing::Length(length) => Self::Length(length),
            Framing::Chunked => Self::Chunked,
        }
    }
}

/// Reads the framing of a request that has fields about it, and removes them: whoever writes the head writes its own.
pub(super) fn take(fields: &mut HeaderMap, version: Version) -> Result<Framing, Refusal> {
    let coding = coding(fields, version)?;
    let length = length(fields)?;
    fields.remove(header::TRANSFER_ENCODING);
    fields.remove(header::CONTENT_LENGTH);
    match (coding, length) {
        (Some(_), Some(_)) => Err(TWO_FRAMINGS),
        (Some(framing), None) => Ok(framing),
        (None, Some(length)) => Ok(Framing::Length(length)),
        (None, None) => Ok(Framing::None),
    }
}

/// All field lines together are one list, in which `chunked` stands once and nothing else.
fn coding(fields: &HeaderMap, version: Version) -> Result<Option<Framing>, Refusal> {
    let mut found = None;
    for value in fields.get_all(header::TRANSFER_ENCODING) {
        for coding in codec::members(value.as_bytes()) {
            if !coding.eq_ignore_ascii_case(b"chunked") {
                return Err(CODING);
            }
            if found.replace(Framing::Chunked).is_some() {
                return Err(CODINGS);
            }
        }
    }
    if found.is_some() && version != Version::HTTP_11 {
        return Err(CODINGS);
    }
    Ok(found)
}

/// Of several lengths all must be equal (RFC 9110 §8.6 allows that).
fn length(fields: &HeaderMap) -> Result<Option<u64>, Refusal> {
    let mut found = None;
    for value in fields.get_all(header::CONTENT_LENGTH) {
        let length = codec::digits(value.as_bytes()).ok_or(LENGTH)?;
        if found.replace(length).is_some_and(|other| other != length) {
            return Err(LENGTH);
        }
    }
    Ok(found)
}
