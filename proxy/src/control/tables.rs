//! What `/table` says: the tables in force as they came, to who sits at this machine or came by `kubectl port-forward`.
//! A table tells all addresses of a pool, and the values of fields that it sets.

use std::{io, net::IpAddr};

use bytes::Bytes;
use evenkeel_crds::table::{Endpoints, Fleet, Policy};
use http::{HeaderMap, Response, StatusCode};
use http_body_util::Full;
use serde::Serialize;

use super::{Control, admin, local};

/// More than the largest table unpacked. Control does nothing else while it writes: several large ones are asked for one
/// by one.
const MAX_BYTES: usize = 16 * 1024 * 1024;

const TOO_LARGE: &str = "that is too much at once: name one pool, /table?pool=NAMESPACE/NAME\n";
const NO_TABLE: &str = "no such pool has a table in force here; /status names the pools\n";

#[derive(Serialize)]
struct Shown<'a> {
    policy: &'a Policy,
    endpoints: &'a Endpoints,
    fleet: &'a Fleet,
}

/// Answers a peer that asks with these fields and this query.
pub(super) fn render(
    control: &Control,
    peer: IpAddr,
    fields: &HeaderMap,
    query: Option<&str>,
) -> Response<Full<Bytes>> {
    if let Some(refusal) = local::refusal(peer, fields) {
        return refusal;
    }
    let named = query.and_then(|query| query.strip_prefix("pool="));
    let wanted =
        |policy: &Policy| named.is_none_or(|named| named.split_once('/') == Some((&policy.namespace, &policy.pool)));
    let mut text = Limited(Vec::from(b"["));
    for table in control.pools.iter().filter_map(|pool| pool.table()).filter(|table| wanted(&table.policy)) {
        if text.0.len() > 1 {
            text.0.extend_from_slice(b",\n");
        }
        let shown = Shown { policy: &table.policy, endpoints: &table.endpoints, fleet: &table.fleet };
        if serde_json::to_writer(&mut text, &shown).is_err() {
            return admin::text(StatusCode::BAD_REQUEST, TOO_LARGE);
        }
    }
    let Limited(mut text) = text;
    if text.len() == 1 {
        return admin::text(StatusCode::NOT_FOUND, NO_TABLE);
    }
    text.extend_from_slice(b"]\n");
    admin::of(StatusCode::OK, "application/json", Bytes::from(text))
}

/// Takes no more than there may be: what is too long is not written first.
struct Limited(Vec<u8>);

impl io::Write for Limited {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.0.len() + bytes.len() > MAX_BYTES {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    #[test]
    fn no_byte_beyond_the_limit_is_written() {
        let mut limited = Limited(vec![b'x'; MAX_BYTES - 2]);
        assert!(limited.write_all(b"ab").is_ok() && limited.write_all(b"c").is_err());
        assert_eq!(limited.0.len(), MAX_BYTES);
    }
}
