//! Listeners are changed by difference: what stays the same is not touched.

use std::net::{IpAddr, SocketAddr};

use tokio::sync::{mpsc, watch};

use super::Refusal;
use crate::worker::{self, Command};

/// The listener of each pool.
pub(crate) struct Listeners {
    address: IpAddr,
    workers: Vec<mpsc::Sender<Command>>,
    open: Vec<Option<Open>>,
}

/// Sockets for a pool's new port.
pub(crate) struct Bound {
    pool: usize,
    port: u16,
    sockets: Vec<std::net::TcpListener>,
}

struct Open {
    port: u16,
    stop: watch::Sender<bool>,
}

impl Listeners {
    /// No listener yet, for so many pools, all on one address.
    pub(crate) fn new(address: IpAddr, workers: Vec<mpsc::Sender<Command>>, pools: usize) -> Self {
        Self { address, workers, open: (0..pools).map(|_| None).collect() }
    }

    /// Binds a pool's port, if it does not listen there already. Connections wait until [`Listeners::open`].
    pub(crate) fn bind(&self, pool: usize, port: u16) -> Result<Option<Bound>, Refusal> {
        if self.open[pool].as_ref().is_some_and(|open| open.port == port) {
            return Ok(None);
        }
        let address = SocketAddr::new(self.address, port);
        match worker::bind(address, self.workers.len()) {
            Ok(sockets) => Ok(Some(Bound { pool, port, sockets })),
            Err(error) => Err(Refusal::new(format!(
                "cannot listen on {address}: {error}; free the port, or choose another spec.listener.port or --bind"
            ))),
        }
    }

    /// Begins to accept, and ends that on the pool's former port.
    pub(crate) fn open(&mut self, bound: Bound) {
        let Bound { pool, port, sockets } = bound;
        let (stop, stopped) = watch::channel(false);
        for (worker, listener) in self.workers.iter().zip(sockets) {
            let command = Command::Listen { pool, listener, stop: stopped.clone() };
            if worker.try_send(command).is_err() {
                tracing::error!(port, "a worker takes no commands any more");
            }
        }
        tracing::info!(address = %self.address, port, "listening");
        if let Some(before) = self.open[pool].replace(Open { port, stop }) {
            before.stop.send_replace(true);
        }
    }

    /// Whether every pool listens.
    pub(crate) fn all_open(&self) -> bool {
        self.open.iter().all(Option::is_some)
    }
}
