//! Pools as text, and load through them.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::time::Duration;

use evenkeel_tests::load::{LoadReport, Settings, run};
use evenkeel_tests::xserver::{Behaviour, XServer};
use tokio_util::sync::CancellationToken;

/// Below the range of ports that the kernel gives to clients.
pub(crate) const PORT: u16 = 18_080;

/// A `BalancerPool`.
#[derive(Clone)]
pub(crate) struct Pool {
    pub(crate) name: &'static str,
    pub(crate) port: u16,
    pub(crate) backends: Vec<(u32, Vec<SocketAddr>)>,
    pub(crate) connect: &'static str,
    pub(crate) response_header: &'static str,
    /// How many of the last backends are backups.
    pub(crate) backups: usize,
    /// In turn, unless something else is to be seen: tests tell who is asked next.
    pub(crate) balancing: &'static str,
    /// What else its listener has: `, field: value`.
    pub(crate) listener: &'static str,
    /// What else its spec has: whole lines.
    pub(crate) extra: &'static str,
}

impl Pool {
    /// One backend with these endpoints.
    pub(crate) fn of(endpoints: &[SocketAddr]) -> Self {
        Self::shared(&[(1, endpoints)])
    }

    /// Backends `b0`, `b1` … by weight.
    pub(crate) fn shared(backends: &[(u32, &[SocketAddr])]) -> Self {
        let backends = backends.iter().map(|(weight, endpoints)| (*weight, endpoints.to_vec())).collect();
        Self {
            name: "web",
            port: PORT,
            backends,
            connect: "2s",
            response_header: "5s",
            backups: 0,
            balancing: "{algorithm: RoundRobin}",
            listener: "",
            extra: "",
        }
    }

    /// As a file.
    pub(crate) fn yaml(&self) -> String {
        let Self { name, port, backends, connect, response_header, backups, balancing, listener, extra } = self;
        let mut yaml = format!(
            "apiVersion: evenkeel.dev/v1alpha1\nkind: BalancerPool\nmetadata: {{name: {name}}}\nspec:\n  \
             listener: {{port: {port}{listener}}}\n  timeouts: {{connect: {connect}, responseHeader: {response_header}}}\n  \
             loadBalancing: {balancing}\n{extra}  backends:\n"
        );
        for (index, (weight, endpoints)) in backends.iter().enumerate() {
            write!(yaml, "    - name: b{index}\n      weight: {weight}\n").unwrap();
            if index + backups >= backends.len() {
                yaml += "      backup: true\n";
            }
            yaml += "      endpoints:\n";
            for endpoint in endpoints {
                writeln!(yaml, "        - {{address: \"{}\", port: {}}}", endpoint.ip(), endpoint.port()).unwrap();
            }
        }
        yaml
    }
}

/// A well-behaved endpoint.
pub(crate) async fn xserver(name: &str) -> XServer {
    XServer::start("127.0.0.1:0".parse().unwrap(), name, Behaviour::default()).await.unwrap()
}

/// So many of them, named `s0`, `s1` ….
pub(crate) async fn xservers<const N: usize>() -> [XServer; N] {
    let mut servers = Vec::new();
    for number in 0..N {
        servers.push(xserver(&format!("s{number}")).await);
    }
    servers.try_into().unwrap()
}

/// Runs load to its end.
pub(crate) async fn load(settings: Settings) -> LoadReport {
    tokio::time::timeout(Duration::from_secs(60), run(settings, &CancellationToken::new(), |_| {})).await.unwrap()
}
