//! What a run does, resolved: defaults are in, the URL is taken apart, nothing is contradictory.

use std::net::IpAddr;
use std::time::Duration;

use bytes::Bytes;
use http::header::HOST;
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderValue, Method, Uri};

/// A run of the load client.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where the requests go.
    pub target: Target,
    /// Their method.
    pub method: Method,
    /// Their fields, `Host` among them.
    pub headers: HeaderMap,
    /// Their body.
    pub body: Bytes,
    /// Requests a second on a schedule (open loop); none: each connection sends as soon as it has its answer (closed loop).
    pub rate: Option<f64>,
    /// When the run ends.
    pub stop: Stop,
    /// How many requests may be under way.
    pub concurrency: usize,
    /// How many of a hundred requests use a kept-alive connection; each other one has a connection of its own.
    pub keep_alive_percent: u8,
    /// How long a request may take, with name and connection.
    pub timeout: Duration,
    /// Tell each change of the answering server.
    pub watch_change: bool,
}

/// When a run ends; it always ends early on request.
#[derive(Clone, Debug, PartialEq)]
pub enum Stop {
    /// After so many requests.
    Requests(u64),
    /// After so much time.
    After(Duration),
    /// Only on request.
    Signal,
}

/// The server's address and the path.
#[derive(Clone, Debug)]
pub struct Target {
    /// Name or address.
    pub host: Host,
    /// Port.
    pub port: u16,
    /// Path and query.
    pub path: PathAndQuery,
}

/// A name, to be looked up, or an address, which needs no name server.
#[derive(Clone, Debug, PartialEq)]
pub enum Host {
    /// A DNS name.
    Name(String),
    /// An IP address.
    Addr(IpAddr),
}

impl Settings {
    /// A closed loop of one connection to `authority`, for tests to change.
    ///
    /// # Panics
    /// If `authority` is not `host:port`.
    #[must_use]
    pub fn to(authority: &str) -> Self {
        let url = format!("http://{authority}/");
        let (target, host) = Target::parse(&url).expect("invariant: tests give host:port");
        Self {
            target,
            method: Method::GET,
            headers: HeaderMap::from_iter([(HOST, host)]),
            body: Bytes::new(),
            rate: None,
            stop: Stop::Requests(1),
            concurrency: 1,
            keep_alive_percent: 100,
            timeout: Duration::from_secs(10),
            watch_change: false,
        }
    }

    /// Whether this request goes on a kept-alive connection: the given share of any long row, evenly mixed.
    #[must_use]
    pub fn keeps_alive(&self, number: u64) -> bool {
        let percent = u64::from(self.keep_alive_percent);
        (number % 100 + 1) * percent / 100 > number % 100 * percent / 100
    }
}

impl Target {
    /// Takes an `http://` URL apart, and gives the value of the `Host` field.
    pub fn parse(url: &str) -> Result<(Self, HeaderValue), String> {
        let uri: Uri = url.parse().map_err(|error| format!("{url:?} is not a URL: {error}"))?;
        if uri.scheme_str() != Some("http") {
            return Err(format!("{url:?}: write http://HOST:PORT/PATH, other schemes are not supported"));
        }
        let authority = uri.authority().ok_or_else(|| format!("{url:?} names no host"))?;
        if authority.as_str().contains('@') {
            return Err(format!("{url:?}: leave the user out; give an Authorization field with --header"));
        }
        let name = authority.host();
        let address = name.trim_start_matches('[').trim_end_matches(']').parse();
        let host = address.map_or_else(|_| Host::Name(name.to_owned()), Host::Addr);
        let field = HeaderValue::from_str(authority.as_str()).map_err(|_| format!("{url:?} has no usable host"))?;
        let path = uri.path_and_query().cloned().unwrap_or_else(|| PathAndQuery::from_static("/"));
        Ok((Self { host, port: authority.port_u16().unwrap_or(80), path }, field))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_taken_apart() {
        let parse = |url| Target::parse(url).map(|(target, field)| (target.host, target.port, field));
        let name = Host::Name("web.shop.svc".into());
        assert_eq!(parse("http://web.shop.svc:8080/x?y=1"), Ok((name, 8080, "web.shop.svc:8080".parse().unwrap())));
        let six = Host::Addr("fd00::1".parse().unwrap());
        assert_eq!(parse("http://[fd00::1]/"), Ok((six, 80, "[fd00::1]".parse().unwrap())));
        assert_eq!(Target::parse("http://1.2.3.4:5").unwrap().0.path, "/");
        for url in ["https://a/", "a", "/x", "http:///x", "http://u@a/"] {
            assert!(Target::parse(url).is_err(), "{url}");
        }
    }

    #[test]
    fn keep_alive_has_its_share_of_any_hundred_requests() {
        for percent in [0, 1, 33, 50, 99, 100] {
            let settings = Settings { keep_alive_percent: percent, ..Settings::to("127.0.0.1:1") };
            let kept = (700..800).filter(|number| settings.keeps_alive(*number)).count();
            assert_eq!(kept, usize::from(percent));
        }
        let half = Settings { keep_alive_percent: 50, ..Settings::to("127.0.0.1:1") };
        assert_eq!([0, 1, 2, 3].map(|number| half.keeps_alive(number)), [false, true, false, true]);
    }
}
