//! What of a request is its key, where keys choose endpoints.

use std::net::{IpAddr, SocketAddr};

use evenkeel_crds::{network::Network, table::HashKey};

use super::{
    Origin, Rules,
    name::{Meaning, meaning},
    target,
};
use crate::codec::RequestHead;

/// The key of a request that passed, if its pool asks for one and it has one.
pub(crate) fn key(head: &RequestHead<'_>, origin: &Origin, rules: &Rules) -> Option<Box<[u8]>> {
    let key = match rules.key.as_ref()? {
        HashKey::SourceIp => source(head, origin, &rules.trusted).into_bytes(),
        // What a stranger says of a request's origin does not go to the endpoint either.
        HashKey::Header(name) if meaning(name.as_bytes()) == Meaning::Forwarded && !origin.is_of(&rules.trusted) => {
            return None;
        }
        HashKey::Header(name) => head.value(name)?.to_vec(),
        HashKey::Cookie(name) => cookie(head, name.as_bytes())?.to_vec(),
        HashKey::QueryParameter(name) => parameter(head.target, name)?.as_bytes().to_vec(),
        HashKey::Path => path(head.target).as_bytes().to_vec(),
        HashKey::Host => host(head)?,
    };
    (!key.is_empty()).then(|| key.into())
}

/// The client's address: of those that passed the request on, the last one who is not trusted.
fn source(head: &RequestHead<'_>, origin: &Origin, trusted: &[Network]) -> String {
    if origin.is_of(trusted) {
        let said = head.fields.iter().rev().filter(|field| field.name.eq_ignore_ascii_case("x-forwarded-for"));
        let addresses = said.flat_map(|field| field.value.rsplit(|byte| *byte == b','));
        let mut farthest = None;
        for address in addresses.map(|text| address(std::str::from_utf8(text).ok()?.trim())) {
            let Some(address) = address.map(|address| address.to_canonical()) else { break }; // what stands before nobody vouches for
            farthest = Some(address);
            if !trusted.iter().any(|network| network.contains(address)) {
                break;
            }
        }
        if let Some(address) = farthest {
            return address.to_string();
        }
    }
    origin.address().to_owned()
}

/// An address, for which some proxies write one with a port, or in brackets.
fn address(text: &str) -> Option<IpAddr> {
    let with_port = || text.parse::<SocketAddr>().map(|address| address.ip());
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    bare.parse().or_else(|_| with_port()).ok()
}

/// The value of the first cookie of that name (RFC 6265 §5.4: a client sends them in one field, with `; ` between).
fn cookie<'a>(head: &RequestHead<'a>, name: &[u8]) -> Option<&'a [u8]> {
    let lines = head.fields.iter().filter(|field| field.name.eq_ignore_ascii_case("cookie"));
    let pairs = lines.flat_map(|field| field.value.split(|byte| *byte == b';').map(<[u8]>::trim_ascii));
    let mut values = pairs.filter_map(|pair| pair.strip_prefix(name)?.strip_prefix(b"="));
    values.next()
}

/// The value of the first parameter of that name, as it is written.
fn parameter<'a>(target: &'a str, name: &str) -> Option<&'a str> {
    let (_, query) = target.split_once('?')?;
    query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='))
}

fn path(target: &str) -> &str {
    let path = if target.starts_with('/') { target } else { target::split(target).map_or(target, |[.., path]| path) };
    match path.split_once('?').map_or(path, |(path, _)| path) {
        "" => "/",
        path => path,
    }
}

/// The host that is asked for, in lower case and without the port.
fn host(head: &RequestHead<'_>) -> Option<Vec<u8>> {
    let authority = match target::split(head.target) {
        Some([_, authority, _]) if !head.target.starts_with('/') => authority.as_bytes(),
        _ => head.value("host")?,
    };
    let mut end = authority.iter().rposition(|byte| *byte == b':').unwrap_or(authority.len());
    if authority[end..].contains(&b']') {
        end = authority.len(); // a colon of an IPv6 address, which has no port
    }
    Some(authority[..end].to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::parse_request;

    fn of(rule: HashKey, head: &str) -> Option<String> {
        let origin = Origin::new([10, 0, 0, 9].into(), ([127, 0, 0, 1], 80).into());
        let trusted = ["10.0.0.0/8"].iter().filter_map(|network| network.parse().ok()).collect();
        let rules = Rules { trusted, key: Some(rule), ..Rules::default() };
        let head = format!("{head}\r\n\r\n");
        let (key, _) =
            parse_request(head.as_bytes(), |head| key(head, &origin, &rules)).expect("a head").expect("whole");
        key.map(|key| String::from_utf8_lossy(&key).into_owned())
    }

    #[test]
    fn each_part_of_a_request_can_be_its_key() {
        let get = "GET /a/b?user=7&user=8&u=9 HTTP/1.1\r\nHost: Shop.Example:8080";
        let absolute = "GET http://Other.example?x=1 HTTP/1.1\r\nHost: shop.example";
        for (rule, head, expected) in [
            (HashKey::Header("x-user".into()), format!("{get}\r\nX-User: eve\r\nx-user: bob"), Some("eve")),
            (HashKey::Header("x-user".into()), get.to_owned(), None),
            (HashKey::Header("x-user".into()), format!("{get}\r\nX-User: "), None),
            (HashKey::Cookie("id".into()), format!("{get}\r\nCookie: xid=1; id=two; id=3"), Some("two")),
            (HashKey::Cookie("id".into()), format!("{get}\r\nCookie: idx=1"), None),
            (HashKey::QueryParameter("user".into()), get.to_owned(), Some("7")),
            (HashKey::QueryParameter("u".into()), get.to_owned(), Some("9")),
            (HashKey::QueryParameter("x".into()), absolute.to_owned(), Some("1")),
            (HashKey::QueryParameter("y".into()), absolute.to_owned(), None),
            (HashKey::Path, get.to_owned(), Some("/a/b")),
            (HashKey::Path, absolute.to_owned(), Some("/")),
            (HashKey::Host, get.to_owned(), Some("shop.example")),
            (HashKey::Host, absolute.to_owned(), Some("other.example")),
            (HashKey::Host, "GET / HTTP/1.1\r\nHost: [2001:DB8::1]".to_owned(), Some("[2001:db8::1]")),
            (HashKey::Host, "GET / HTTP/1.1\r\nHost: [2001:db8::1]:80".to_owned(), Some("[2001:db8::1]")),
        ] {
            assert_eq!(of(rule.clone(), &head).as_deref(), expected, "{rule:?} of {head}");
        }
    }

    #[test]
    fn the_source_is_the_last_one_whom_nobody_trusts() {
        for (said, expected) in [
            ("", "10.0.0.9"),
            ("\r\nX-Forwarded-For: 192.0.2.1", "192.0.2.1"),
            ("\r\nX-Forwarded-For: 192.0.2.1:51234", "192.0.2.1"),
            ("\r\nX-Forwarded-For: [2001:db8::1]:443", "2001:db8::1"),
            ("\r\nX-Forwarded-For: [2001:db8::1]", "2001:db8::1"),
            ("\r\nX-Forwarded-For: 203.0.113.5, 192.0.2.1, 10.0.0.1", "192.0.2.1"),
            ("\r\nX-Forwarded-For: 203.0.113.5\r\nX-Forwarded-For: ::ffff:192.0.2.1", "192.0.2.1"),
            ("\r\nX-Forwarded-For: 192.0.2.1, who, 10.0.0.1", "10.0.0.1"),
            ("\r\nX-Forwarded-For: 10.0.0.2, 10.0.0.1", "10.0.0.2"),
        ] {
            let head = format!("GET / HTTP/1.1\r\nHost: a{said}");
            assert_eq!(of(HashKey::SourceIp, &head).as_deref(), Some(expected), "{said:?}");
        }
    }
}
