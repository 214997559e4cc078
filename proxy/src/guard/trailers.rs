//! Trailers: what must not come after a body, since whoever reads it there would have decided before.

use http::{HeaderMap, HeaderName};

use super::name::{Meaning, meaning};
use crate::codec;

/// Removes framing, routing, authentication and forwarding fields (RFC 9110 §6.5.1).
pub(crate) fn strip_trailers(trailers: &mut HeaderMap) {
    if trailers.keys().all(may_trail) {
        return;
    }
    let dropped: Vec<_> = trailers.keys().filter(|name| !may_trail(name)).cloned().collect();
    for name in dropped {
        trailers.remove(name);
    }
}

fn may_trail(name: &HeaderName) -> bool {
    codec::may_trail(name) && meaning(name.as_str().as_bytes()) == Meaning::Plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_decides_nothing_may_trail() {
        let mut trailers = HeaderMap::new();
        for name in [
            "content-length",
            "transfer-encoding",
            "host",
            "authorization",
            "cookie",
            "x-forwarded-for",
            "connection",
            "set-cookie",
            "content_length",
            "grpc-status",
            "x-checksum",
        ] {
            trailers.append(HeaderName::from_static(name), "1".parse().expect("a value"));
        }
        strip_trailers(&mut trailers);
        let mut left: Vec<_> = trailers.keys().map(HeaderName::as_str).collect();
        left.sort_unstable();
        assert_eq!(left, ["grpc-status", "x-checksum"]);
    }
}
