//! `Host`: `uri-host [":" port]` (RFC 9110 §4.2, RFC 3986 §3.2.2), and nothing else.

use std::net::Ipv6Addr;

/// Whether a text is one host, with or without a port: no userinfo, no list, no path, not empty.
pub(crate) fn is_valid(text: &[u8]) -> bool {
    let (host, port) = match text.strip_prefix(b"[") {
        Some(rest) => match split(rest, b']') {
            Some((address, after)) => return is_ipv6(address) && is_port_after(after),
            None => return false,
        },
        None => split(text, b':').map_or((text, None), |(host, port)| (host, Some(port))),
    };
    is_name(host) && port.is_none_or(is_port)
}

fn split(text: &[u8], at: u8) -> Option<(&[u8], &[u8])> {
    let index = text.iter().position(|byte| *byte == at)?;
    Some((&text[..index], &text[index + 1..]))
}

fn is_port_after(text: &[u8]) -> bool {
    text.is_empty() || text.strip_prefix(b":").is_some_and(is_port)
}

fn is_port(text: &[u8]) -> bool {
    let digits = !text.is_empty() && text.len() <= 5 && text.iter().all(u8::is_ascii_digit);
    digits && text.iter().fold(0, |port: u32, digit| port * 10 + u32::from(digit - b'0')) <= 65_535
}

fn is_ipv6(text: &[u8]) -> bool {
    std::str::from_utf8(text).is_ok_and(|text| text.parse::<Ipv6Addr>().is_ok())
}

/// A registered name or an IPv4 address: what RFC 3986 allows, but commas, which would make a list of it.
fn is_name(text: &[u8]) -> bool {
    let mut rest = text;
    while let Some(at) = rest.iter().position(|byte| !PLAIN[usize::from(*byte)]) {
        rest = match &rest[at..] {
            [b'%', high, low, after @ ..] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => after,
            _ => return false,
        };
    }
    !text.is_empty()
}

/// What stands for itself in a name: a table, since every request has one.
static PLAIN: [bool; 256] = {
    let mut plain = [false; 256];
    let mut byte = 0;
    while byte < 128_u8 {
        let mark = matches!(byte, b'-' | b'.' | b'_' | b'~' | b'!' | b'$' | b'&'..=b'+' | b';' | b'=');
        plain[byte as usize] = mark || byte.is_ascii_alphanumeric();
        byte += 1;
    }
    plain
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_or_an_address_with_or_without_a_port_is_a_host() {
        for good in [
            "a",
            "shop.example",
            "Shop.Example:80",
            "x_y.example",
            "a:0",
            "a:65535",
            "192.0.2.1:8080",
            "[2001:db8::1]",
            "[::1]:443",
            "%41.example",
            "a.",
        ] {
            assert!(is_valid(good.as_bytes()), "{good}");
        }
    }

    #[test]
    fn anything_else_is_none() {
        for bad in [
            "",
            ":",
            ":80",
            "a:",
            "a:65536",
            "a:080808",
            "a:8o",
            "a:+1",
            "a:80:80",
            "u@a",
            "u:p@a",
            "a/",
            "a/b",
            "a?b",
            "a#b",
            "a,b",
            "a, b",
            "a b",
            "a\\b",
            "[::1",
            "::1",
            "[::1]x",
            "[::1]:",
            "[1.2.3.4]",
            "[fe80::1%25eth0]",
            "[v1.a]",
            "%4",
            "%zz",
            "\u{e4}",
            "a\t",
            "<a>",
        ] {
            assert!(!is_valid(bad.as_bytes()), "{bad}");
        }
    }
}
