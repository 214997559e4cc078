//! Which fields belong to one connection only (RFC 9110 §7.6.1), told by length first: most names cost one comparison.

use super::request::Version;

/// What becomes of a field of a response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// It is passed on.
    Passes,
    /// `Content-Length`.
    Length,
    /// `Transfer-Encoding`.
    Coding,
    /// `Connection`.
    Connection,
    /// `Keep-Alive`.
    KeepAlive,
    /// `Date`, which passes.
    Date,
    /// It ends here.
    Dropped,
}

/// Tells a field by its name. `evenkeel-reason` is ours to say, never an endpoint's.
pub(super) fn kind(name: &[u8]) -> Kind {
    let is = |known: &[u8]| name.eq_ignore_ascii_case(known);
    match name.len() {
        2 if is(b"te") => Kind::Dropped,
        4 if is(b"date") => Kind::Date,
        7 if is(b"upgrade") => Kind::Dropped,
        10 if is(b"connection") => Kind::Connection,
        10 if is(b"keep-alive") => Kind::KeepAlive,
        14 if is(b"content-length") => Kind::Length,
        14 if is(b"http2-settings") => Kind::Dropped,
        15 if is(b"evenkeel-reason") => Kind::Dropped,
        16 if is(b"proxy-connection") => Kind::Dropped,
        17 if is(b"transfer-encoding") => Kind::Coding,
        _ => Kind::Passes,
    }
}

/// What `Connection` says, over all its lines.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Options {
    pub(crate) close: bool,
    pub(crate) keep_alive: bool,
    /// Whether it names fields, which then end here too.
    pub(crate) names: bool,
}

impl Options {
    /// Whether the connection may take another message: in HTTP/1.1 unless it says otherwise, in HTTP/1.0 if it says so
    /// (RFC 9112 §9.3).
    pub(crate) fn allow_more(self, version: Version) -> bool {
        !self.close && (version == Version::Current || self.keep_alive)
    }

    /// Takes a line in.
    pub(crate) fn add(&mut self, value: &[u8]) {
        for option in members(value) {
            if option.eq_ignore_ascii_case(b"close") {
                self.close = true;
            } else if option.eq_ignore_ascii_case(b"keep-alive") {
                self.keep_alive = true;
            } else if !option.is_empty() {
                self.names = true;
            }
        }
    }
}

/// The names of fields that lines of `Connection` have beside its own options; none if there are more than `most`, which is
/// more than there can be.
pub(crate) fn named<'a>(lines: impl Iterator<Item = &'a [u8]>, most: usize) -> Option<Vec<&'a [u8]>> {
    let mut named = Vec::new();
    for name in lines.flat_map(members) {
        let is_option = name.eq_ignore_ascii_case(b"close") || name.eq_ignore_ascii_case(b"keep-alive");
        if name.is_empty() || is_option {
            continue;
        }
        if named.len() == most {
            return None;
        }
        named.push(name);
    }
    Some(named)
}

/// The seconds of `Keep-Alive: timeout=5, max=100`.
pub(super) fn idle_hint(value: &[u8]) -> Option<u64> {
    let seconds = members(value).find_map(|parameter| {
        let (name, value) = parameter.split_at_checked(8)?;
        name.eq_ignore_ascii_case(b"timeout=").then_some(value)
    })?;
    std::str::from_utf8(seconds).ok()?.parse().ok()
}

/// The members of a comma-separated list (RFC 9110 §5.6.1), without the white space around them.
pub(crate) fn members(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value.split(|byte| *byte == b',').map(<[u8]>::trim_ascii)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connection_options_are_read_over_all_lines_in_any_case() {
        for (lines, (close, keep_alive, names)) in [
            (&["close"][..], (true, false, false)),
            (&["Keep-Alive"], (false, true, false)),
            (&["keep-alive, CLOSE"], (true, true, false)),
            (&["keep-alive", " x-internal ,close"], (true, true, true)),
            (&["", ","], (false, false, false)),
            (&["closed"], (false, false, true)),
        ] {
            let mut options = Options::default();
            for line in lines {
                options.add(line.as_bytes());
            }
            assert_eq!(options, Options { close, keep_alive, names }, "{lines:?}");
        }
    }

    #[test]
    fn the_hint_of_how_long_a_connection_stays_is_read() {
        for (value, seconds) in [
            ("timeout=5", Some(5)),
            ("max=100, Timeout=15", Some(15)),
            ("timeout=", None),
            ("timeout=-1", None),
            ("timeout", None),
            ("300", None),
        ] {
            assert_eq!(idle_hint(value.as_bytes()), seconds, "{value:?}");
        }
    }
}
