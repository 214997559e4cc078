//! Where a message's body ends (RFC 9112 §6).

/// How a body is delimited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Framing {
    /// There is none.
    None,
    /// So many bytes.
    Length(u64),
    /// In chunks.
    Chunked,
    /// Whatever comes until the connection ends: responses only.
    Close,
}

impl Framing {
    /// Whether there is a body that is not empty, or may be.
    pub(crate) fn has_body(self) -> bool {
        !matches!(self, Self::None | Self::Length(0))
    }
}

/// Why it is unclear where a body ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum FramingError {
    #[error("Content-Length is not a number below 2^63")]
    Length,
    #[error("two Content-Length fields differ")]
    TwoLengths,
    #[error("Transfer-Encoding is other than chunked, once")]
    Coding,
    #[error("Transfer-Encoding in HTTP/1.0")]
    CodingInOldVersion,
}

/// What the fields of a head say of its body, gathered line by line.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Declared {
    /// What `Content-Length` says.
    pub(crate) length: Option<u64>,
    /// Whether `Transfer-Encoding: chunked` is there.
    pub(crate) chunked: bool,
}

impl Declared {
    /// Takes a `Content-Length` line in. Returns whether it is the first: of several that agree, one is kept.
    pub(crate) fn add_length(&mut self, value: &[u8]) -> Result<bool, FramingError> {
        let length = digits(value).ok_or(FramingError::Length)?;
        match self.length.replace(length) {
            Some(before) if before != length => Err(FramingError::TwoLengths),
            before => Ok(before.is_none()),
        }
    }

    /// Takes a `Transfer-Encoding` line in: over all lines together it is one `chunked`, in any case.
    pub(super) fn add_coding(&mut self, value: &[u8]) -> Result<(), FramingError> {
        if self.chunked || !value.eq_ignore_ascii_case(b"chunked") {
            return Err(FramingError::Coding);
        }
        self.chunked = true;
        Ok(())
    }

    /// Whether both are there: chunks win, and the connection is not used again (RFC 9112 §6.3).
    pub(super) fn is_twofold(&self) -> bool {
        self.chunked && self.length.is_some()
    }
}

/// 1*DIGIT and nothing else, below 2^63: a general parser would take a sign.
pub(crate) fn digits(value: &[u8]) -> Option<u64> {
    if value.is_empty() {
        return None;
    }
    let mut length = 0_u64;
    for byte in value {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        length = length.checked_mul(10)?.checked_add(u64::from(digit))?;
    }
    i64::try_from(length).is_ok().then_some(length)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_length_is_digits_alone_and_fits_63_bits() {
        for (text, expected) in [
            ("0", Some(0)),
            ("0012", Some(12)),
            ("9223372036854775807", Some(i64::MAX as u64)),
            ("9223372036854775808", None),
            ("99999999999999999999", None),
            ("", None),
            ("+1", None),
            ("-1", None),
            ("1 ", None),
            ("1,1", None),
            ("0x1", None),
            ("١", None),
        ] {
            assert_eq!(digits(text.as_bytes()), expected, "{text:?}");
        }
    }

    #[test]
    fn lengths_that_agree_are_one() {
        let mut declared = Declared::default();
        assert_eq!(declared.add_length(b"5"), Ok(true));
        assert_eq!(declared.add_length(b"5"), Ok(false));
        assert_eq!(declared.add_length(b"6"), Err(FramingError::TwoLengths));
    }

    #[test]
    fn chunked_is_the_only_coding_and_stands_once() {
        for (lines, expected) in [
            (&["chunked"][..], Ok(())),
            (&["Chunked"], Ok(())),
            (&["chunked", "chunked"], Err(FramingError::Coding)),
            (&["gzip, chunked"], Err(FramingError::Coding)),
            (&["identity"], Err(FramingError::Coding)),
            (&["xchunked"], Err(FramingError::Coding)),
            (&["chunked;q=1"], Err(FramingError::Coding)),
            (&[""], Err(FramingError::Coding)),
        ] {
            let mut declared = Declared::default();
            let got = lines.iter().try_for_each(|line| declared.add_coding(line.as_bytes()));
            assert_eq!(got, expected, "{lines:?}");
        }
    }
}
