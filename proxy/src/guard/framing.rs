//! Where a request's body ends: one reading of it.

use super::refusal::{CODING, CODINGS, LENGTH, Refusal, TWO_FRAMINGS};
use crate::codec::{self, Framing, Version};

/// What the fields of a request say of its body, gathered line by line.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Declared {
    length: Option<u64>,
    is_chunked: bool,
}

impl Declared {
    /// Takes a `Transfer-Encoding` line in: all lines together are one list, in which `chunked` stands once and nothing else.
    pub(super) fn add_coding(&mut self, value: &[u8]) -> Result<(), Refusal> {
        for coding in codec::members(value) {
            if !coding.eq_ignore_ascii_case(b"chunked") {
                return Err(CODING);
            }
            if std::mem::replace(&mut self.is_chunked, true) {
                return Err(CODINGS);
            }
        }
        Ok(())
    }

    /// Takes a `Content-Length` line in: of several lengths all must be equal (RFC 9110 §8.6 allows that).
    pub(super) fn add_length(&mut self, value: &[u8]) -> Result<(), Refusal> {
        let length = codec::digits(value).ok_or(LENGTH)?;
        match self.length.replace(length) {
            Some(other) if other != length => Err(LENGTH),
            _ => Ok(()),
        }
    }

    /// What they come to.
    pub(super) fn framing(self, version: Version) -> Result<Framing, Refusal> {
        match (self.is_chunked, self.length) {
            (true, Some(_)) => Err(TWO_FRAMINGS),
            (true, None) if version == Version::Old => Err(CODINGS),
            (true, None) => Ok(Framing::Chunked),
            (false, Some(length)) => Ok(Framing::Length(length)),
            (false, None) => Ok(Framing::None),
        }
    }
}
