//! Fields that are not forwarded, and those that we add.

use http::{HeaderMap, HeaderName, HeaderValue, header};

static FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
static FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
static FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
static REAL_IP: HeaderName = HeaderName::from_static("x-real-ip");
static KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");
static PROXY_CONNECTION: HeaderName = HeaderName::from_static("proxy-connection");
static HTTP2_SETTINGS: HeaderName = HeaderName::from_static("http2-settings");

/// Removes what belongs to one connection only (RFC 9110 §7.6.1): `Connection`, every field that it names, and those that
/// old senders do not name.
pub(super) fn strip_hop_by_hop(headers: &mut HeaderMap) {
    if headers.contains_key(header::CONNECTION) {
        for name in named_by_connection(headers) {
            headers.remove(name);
        }
        headers.remove(header::CONNECTION);
    }
    for name in [&KEEP_ALIVE, &PROXY_CONNECTION, &HTTP2_SETTINGS, &header::TRANSFER_ENCODING, &header::UPGRADE] {
        headers.remove(name);
    }
    strip_te(headers);
}

/// The fields that `Connection` names, but those that frame or route the message: naming them has no effect.
fn named_by_connection(headers: &HeaderMap) -> Vec<HeaderName> {
    let values =
        headers.get_all(header::CONNECTION).iter().flat_map(|value| value.as_bytes().split(|byte| *byte == b','));
    let names = values.filter_map(|name| HeaderName::from_bytes(name.trim_ascii()).ok());
    names.filter(|name| ![header::HOST, header::CONTENT_LENGTH, header::TE].contains(name)).collect()
}

/// Of `TE` only `trailers` means anything beyond this connection.
fn strip_te(headers: &mut HeaderMap) {
    let Some(value) = headers.get(header::TE) else { return };
    let trailers =
        value.to_str().is_ok_and(|value| value.split(',').any(|coding| coding.trim().eq_ignore_ascii_case("trailers")));
    if trailers {
        headers.insert(header::TE, HeaderValue::from_static("trailers"));
    } else {
        headers.remove(header::TE);
    }
}

/// Says where the request came from. What an untrusted client says of that is replaced, and all clients are untrusted.
pub(super) fn set_forwarded(headers: &mut HeaderMap, client: &HeaderValue) {
    headers.remove(header::FORWARDED);
    headers.insert(FORWARDED_FOR.clone(), client.clone());
    headers.insert(REAL_IP.clone(), client.clone());
    headers.insert(FORWARDED_PROTO.clone(), HeaderValue::from_static("http"));
    if let Some(host) = headers.get(header::HOST).cloned() {
        headers.insert(FORWARDED_HOST.clone(), host);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(fields: &[(&str, &str)]) -> HeaderMap {
        let field = |(name, value): &(&str, &str)| {
            (name.parse::<HeaderName>().expect("name"), value.parse::<HeaderValue>().expect("value"))
        };
        let mut headers = HeaderMap::new();
        fields.iter().map(field).for_each(|(name, value)| {
            headers.append(name, value);
        });
        headers
    }

    #[test]
    fn what_belongs_to_the_connection_stays_there() {
        let mut fields = headers(&[
            ("connection", "keep-alive, X-Secret"),
            ("connection", "host, content-length"),
            ("x-secret", "1"),
            ("keep-alive", "timeout=5"),
            ("proxy-connection", "keep-alive"),
            ("upgrade", "h2c"),
            ("http2-settings", "AAMAAABk"),
            ("transfer-encoding", "chunked"),
            ("te", "gzip, Trailers"),
            ("host", "shop.example"),
            ("content-length", "3"),
            ("accept", "*/*"),
        ]);
        strip_hop_by_hop(&mut fields);
        let mut left: Vec<_> =
            fields.iter().map(|(name, value)| (name.as_str(), value.to_str().expect("text"))).collect();
        left.sort_unstable();
        assert_eq!(left, [("accept", "*/*"), ("content-length", "3"), ("host", "shop.example"), ("te", "trailers")]);
    }

    #[test]
    fn what_a_client_says_of_its_origin_is_replaced() {
        let mut fields = headers(&[
            ("host", "shop.example"),
            ("x-forwarded-for", "1.2.3.4"),
            ("x-forwarded-for", "5.6.7.8"),
            ("x-forwarded-proto", "https"),
            ("x-real-ip", "1.2.3.4"),
            ("forwarded", "for=1.2.3.4"),
        ]);
        set_forwarded(&mut fields, &HeaderValue::from_static("192.0.2.9"));
        let all = |name: &HeaderName| fields.get_all(name).iter().cloned().collect::<Vec<_>>();
        assert_eq!(all(&FORWARDED_FOR), ["192.0.2.9"]);
        assert_eq!(all(&REAL_IP), ["192.0.2.9"]);
        assert_eq!(all(&FORWARDED_PROTO), ["http"]);
        assert_eq!(all(&FORWARDED_HOST), ["shop.example"]);
        assert_eq!(all(&header::FORWARDED), Vec::<HeaderValue>::new());
    }
}
