//! The servers behind the pool: one for each loopback endpoint, named after its backend.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use anyhow::anyhow;
use evenkeel_tests::load::Counts;
use evenkeel_tests::xserver::{Behaviour, XServer};

use super::options::{Options, Port};
use super::pool::{Backend, Pool};

/// Running servers, by the address that they have in the file as it was.
#[derive(Debug)]
pub(crate) struct Servers {
    running: BTreeMap<SocketAddr, XServer>,
}

impl Servers {
    /// Starts a server for each endpoint on this machine; others exist already, or do not.
    pub(crate) async fn start(pool: &Pool, options: &Options) -> anyhow::Result<Self> {
        let mut running = BTreeMap::new();
        for backend in &pool.backends {
            for (number, endpoint) in (1..).zip(backend.endpoints.iter().filter(|endpoint| endpoint.ip().is_loopback()))
            {
                let name = if number == 1 { backend.name.clone() } else { format!("{}-{number}", backend.name) };
                if !running.contains_key(endpoint) {
                    running.insert(*endpoint, start(&name, *endpoint, options).await?);
                }
            }
        }
        Ok(Self { running })
    }

    /// The ports of the file, and those that the servers really have.
    pub(crate) fn ports(&self) -> BTreeMap<u16, u16> {
        self.running.iter().map(|(in_file, server)| (in_file.port(), server.addr().port())).collect()
    }

    /// How many answers a backend's servers gave.
    pub(crate) fn answers(&self, backend: &Backend, counts: &Counts) -> u64 {
        let is_of_backend = |server: &&XServer| backend.endpoints.contains(&server.addr());
        let counted =
            self.running.values().filter(is_of_backend).filter_map(|server| counts.by_server.get(server.name()));
        counted.sum()
    }

    /// Ends all of them.
    pub(crate) async fn stop(self) {
        let stopping: Vec<_> =
            self.running.into_values().map(|server| tokio::spawn(async move { server.stop().await })).collect();
        for stopped in stopping {
            let _ = stopped.await; // false: somebody else's request is still under way; it ends with this process
        }
    }
}

async fn start(name: &str, endpoint: SocketAddr, options: &Options) -> anyhow::Result<XServer> {
    let port = match options.endpoint(endpoint.port()) {
        Port::Fixed(port) => port,
        Port::Free => 0,
    };
    let started = XServer::start(SocketAddr::new(endpoint.ip(), port), name, Behaviour::default()).await;
    started.map_err(|error| match options.file {
        Some(_) => anyhow!("no server for {name} can listen on {endpoint}: {error}; give it another port in the file"),
        None => anyhow!(
            "no server for {name} can listen on {endpoint}: {error}; end what listens there, \
             or let the system choose all ports: make demo ARGS=--free-ports"
        ),
    })
}
