//! Who may ask for what is nobody else's business: who sits at this machine, or came by `kubectl port-forward`.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use bytes::Bytes;
use http::{HeaderMap, Response, StatusCode, header};
use http_body_util::Full;

use super::admin;

const FORBIDDEN: &str = "tables and explanations are for peers at 127.0.0.1 and ::1: kubectl port-forward pod/NAME 9440, then \
                         http://127.0.0.1:9440/table\n";
const FOREIGN: &str = "tables and explanations are for who asks for an address or for localhost, not for a name that somebody \
                       may have led here (DNS rebinding): http://127.0.0.1:9440/table\n";

/// Why a peer that asks with these fields gets nothing, if it gets nothing.
pub(super) fn refusal(peer: IpAddr, fields: &HeaderMap) -> Option<Response<Full<Bytes>>> {
    if !sits_here(peer) {
        return Some(admin::text(StatusCode::FORBIDDEN, FORBIDDEN));
    }
    (!names_us(fields)).then(|| admin::text(StatusCode::FORBIDDEN, FOREIGN))
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

#[cfg(test)]
mod tests {
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
}
