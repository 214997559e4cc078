//! Where a request's body ends: one reading of it.

use super::refusal::{CODING, CODINGS, LENGTH, Refusal, TWO_FRAMINGS};
use crate::codec::{self, Declared, Framing, Version};

/// Takes a `Transfer-Encoding` line in: all lines together are one list, in which `chunked` stands once and nothing else.
pub(super) fn add_coding(declared: &mut Declared, value: &[u8]) -> Result<(), Refusal> {
    for coding in codec::members(value) {
        if !coding.eq_ignore_ascii_case(b"chunked") {
            return Err(CODING);
        }
        if std::mem::replace(&mut declared.chunked, true) {
            return Err(CODINGS);
        }
    }
    Ok(())
}

/// Takes a `Content-Length` line in: of several lengths all must be equal (RFC 9110 §8.6 allows that).
pub(super) fn add_length(declared: &mut Declared, value: &[u8]) -> Result<(), Refusal> {
    declared.add_length(value).map(drop).map_err(|_| LENGTH)
}

/// What they come to.
pub(super) fn settle(declared: Declared, version: Version) -> Result<Framing, Refusal> {
    match (declared.chunked, declared.length) {
        (true, Some(_)) => Err(TWO_FRAMINGS),
        (true, None) if version == Version::Old => Err(CODINGS),
        (true, None) => Ok(Framing::Chunked),
        (false, Some(length)) => Ok(Framing::Length(length)),
        (false, None) => Ok(Framing::None),
    }
}
