//! What `/table` says: the tables in force as they came, to who sits at this machine or came by `kubectl port-forward`.
//! A table tells all addresses of a pool, and the values of fields that it sets.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

use bytes::Bytes;
use evenkeel_crds::table::{Endpoints, Fleet, Policy};
use http::{HeaderMap, Response, StatusCode, header};
use http_body_util::Full;
use serde::Serialize;

use super::{Control, admin};

/// More than the largest table unpacked. Control does nothing else while it writes: several large ones are asked for one
/// by one.
const MAX_BYTES: usize = 16 * 1024 * 1024;

const FORBIDDEN: &str = "tables are for peers at 127.0.0.1 and ::1: kubectl port-forward pod/NAME 9440, then \
                         http://127.0.0.1:9440/table\n";
const FOREIGN: &str = "tables are for who asks for an address or for localhost, not for a name that somebody may have led \
                       here (DNS rebinding): http://127.0.0.1:9440/table\n";
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
    if !sits_here(peer) {
        return admin::text(StatusCode::FORBIDDEN, FORBIDDEN);
    }
    if !names_us(fields) {
        return admin::text(StatusCode::FORBIDDEN, FOREIGN);
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

/// Exactly the addresses of who sits here: in a service mesh strangers come from others of the loopback network, for
/// instance Istio's from 127.0.0.6.
fn sits_here(peer: IpAddr) -> bool {
    [IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)].contains(&peer.to_canonical())
}

/// Whether one `Host` is there, and is no name: a page of a stranger may lead its own name to 127.0.0.1, and its script in
/// a browser here would read the answer.
fn names_us(fields: &HeaderMap) -> bool {
    let mut hosts = fields.get_all(header::HOST).iter();
    let (Some(host), None) = (hosts.next().and_then(|host| host.to_str().ok()), hosts.next()) else { return false };
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    let v6 = name.strip_prefix('[').and_then(|name| name.strip_suffix(']'));
    name.eq_ignore_ascii_case("localhost")
        || name.parse::<Ipv4Addr>().is_ok()
        || v6.is_some_and(|address| address.parse::<Ipv6Addr>().is_ok())
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
    fn only_the_two_addresses_of_this_machine_sit_here() {
        for (peer, expected) in [
            ("127.0.0.1", true),
            ("::1", true),
            ("::ffff:127.0.0.1", true),
            ("127.0.0.6", false),
            ("::ffff:127.0.0.6", false),
            ("10.0.0.1", false),
            ("::", false),
        ] {
            assert_eq!(sits_here(peer.parse().expect("an address")), expected, "{peer}");
        }
    }

    #[test]
    fn an_address_or_localhost_is_us_and_a_name_is_not() {
        let one = |host: &str| names_us(&HeaderMap::from_iter([(header::HOST, host.parse().expect("a value"))]));
        for host in
            ["127.0.0.1", "127.0.0.1:9440", "localhost", "LocalHost:8080", "[::1]:9440", "[::1]", "10.1.2.3:9440"]
        {
            assert!(one(host), "{host}");
        }
        for host in
            ["evil.example", "evil.example:9440", "localhost.evil.example", "127.0.0.1.evil.example", "", ":9440"]
        {
            assert!(!one(host), "{host}");
        }
        assert!(!names_us(&HeaderMap::new()));
        let two = ["localhost", "evil.example"].map(|host| (header::HOST, host.parse().expect("a value")));
        let mut both = HeaderMap::new();
        for (name, host) in two {
            both.append(name, host);
        }
        assert!(!names_us(&both));
    }

    #[test]
    fn no_byte_beyond_the_limit_is_written() {
        let mut limited = Limited(vec![b'x'; MAX_BYTES - 2]);
        assert!(limited.write_all(b"ab").is_ok() && limited.write_all(b"c").is_err());
        assert_eq!(limited.0.len(), MAX_BYTES);
    }
}
