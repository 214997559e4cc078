//! `/etc/resolv.conf` and `/etc/hosts`: what of them matters for a lookup.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

const DNS_PORT: u16 = 53;

/// What `resolv.conf` says; see resolv.conf(5).
#[derive(Debug, PartialEq)]
pub(super) struct ResolvConf {
    pub(super) servers: Vec<SocketAddr>,
    search: Vec<String>,
    /// A name with fewer dots is tried with the search list first.
    ndots: usize,
}

impl ResolvConf {
    /// Reads the file's text; lines that it does not know are skipped, as libc does.
    pub(super) fn parse(text: &str) -> Self {
        let mut conf = Self { servers: Vec::new(), search: Vec::new(), ndots: 1 };
        for line in text.lines() {
            let mut words = line.split_whitespace();
            match words.next() {
                Some("nameserver") => conf.servers.extend(words.next().and_then(server)),
                Some("search" | "domain") => conf.search = words.map(str::to_owned).collect(),
                Some("options") => words.for_each(|word| conf.option(word)),
                _ => {}
            }
        }
        if conf.servers.is_empty() {
            conf.servers.push((Ipv4Addr::LOCALHOST, DNS_PORT).into());
        }
        conf
    }

    fn option(&mut self, word: &str) {
        if let Some(ndots) = word.strip_prefix("ndots:").and_then(|n| n.parse().ok()) {
            self.ndots = ndots;
        }
    }

    /// The full names to try, in order. A name that ends with a dot is full already.
    pub(super) fn candidates(&self, name: &str) -> Vec<String> {
        if let Some(full) = name.strip_suffix('.') {
            return vec![full.to_owned()];
        }
        let mut candidates: Vec<_> = self.search.iter().map(|domain| join(name, domain)).collect();
        let first = name.matches('.').count() >= self.ndots;
        candidates.insert(if first { 0 } else { candidates.len() }, name.to_owned());
        candidates
    }
}

fn join(name: &str, domain: &str) -> String {
    format!("{name}.{domain}").trim_end_matches('.').to_owned()
}

/// An address, or (not in libc, for tests) an address with a port.
fn server(word: &str) -> Option<SocketAddr> {
    let address = word.parse::<IpAddr>().map(|address| (address, DNS_PORT).into());
    address.or_else(|_| word.parse()).ok()
}

/// The addresses of a name in a `hosts` file.
pub(super) fn in_hosts(text: &str, name: &str) -> Vec<IpAddr> {
    let lines = text.lines().map(|line| line.split('#').next().unwrap_or_default());
    let address = |line: &str| {
        let mut words = line.split_whitespace();
        let address = words.next()?.parse().ok()?;
        words.any(|word| word.eq_ignore_ascii_case(name)).then_some(address)
    };
    let mut addresses: Vec<IpAddr> = lines.filter_map(address).collect();
    // As everywhere else here: IPv4 first.
    addresses.sort_by_key(IpAddr::is_ipv6);
    addresses
}

#[cfg(test)]
mod tests {
    use super::*;

    const POD: &str =
        "search shop.svc.cluster.local svc.cluster.local cluster.local\nnameserver 10.96.0.10\noptions ndots:5\n";

    #[test]
    fn a_pod_s_file_is_understood() {
        let conf = ResolvConf::parse(POD);
        assert_eq!(conf.servers, ["10.96.0.10:53".parse().unwrap()]);
        let tried = conf.candidates("web");
        assert_eq!(tried, ["web.shop.svc.cluster.local", "web.svc.cluster.local", "web.cluster.local", "web"]);
        assert_eq!(conf.candidates("web.shop.svc.cluster.local.")[0], "web.shop.svc.cluster.local");
        assert_eq!(conf.candidates("web.shop.svc.cluster.local")[3], "web.shop.svc.cluster.local");
    }

    #[test]
    fn without_options_a_dotted_name_is_tried_as_it_is() {
        let conf = ResolvConf::parse("nameserver ::1\nnameserver nonsense\nsearch example.org\n# a comment\n");
        assert_eq!(conf.servers, ["[::1]:53".parse().unwrap()]);
        assert_eq!(conf.candidates("a.b"), ["a.b", "a.b.example.org"]);
        assert_eq!(conf.candidates("a"), ["a.example.org", "a"]);
        assert_eq!(ResolvConf::parse("").servers, ["127.0.0.1:53".parse().unwrap()]);
    }

    #[test]
    fn hosts_are_found_by_any_of_their_names() {
        let hosts = "127.0.0.1 localhost # local\n::1 six localhost\n# 1.1.1.1 six\n10.0.0.1 a b\n";
        assert_eq!(in_hosts(hosts, "B"), ["10.0.0.1".parse::<IpAddr>().unwrap()]);
        assert_eq!(in_hosts(hosts, "localhost")[0], Ipv4Addr::LOCALHOST);
        assert_eq!(in_hosts(hosts, "six").len(), 1);
        assert!(in_hosts(hosts, "c").is_empty());
    }
}
