//! Listeners are changed by difference: what stays the same is not touched, and a port that goes from one pool to another is
//! never closed in between.

use std::{
    collections::BTreeMap,
    net::{IpAddr, SocketAddr},
};

use tokio::sync::{mpsc, watch};

use crate::worker::{self, Command};

/// The ports that this process has.
pub(crate) struct Listeners {
    address: IpAddr,
    workers: Vec<mpsc::Sender<Command>>,
    open: BTreeMap<u16, Open>,
    /// Sockets for ports that are about to be opened. Connections wait there until [`Listeners::assign`].
    bound: BTreeMap<u16, Vec<std::net::TcpListener>>,
}

struct Open {
    pool: usize,
    /// Who gets its connections; none: it closes.
    owner: watch::Sender<Option<usize>>,
}

impl Listeners {
    /// No listener yet; all will be on one address.
    pub(crate) fn new(address: IpAddr, workers: Vec<mpsc::Sender<Command>>) -> Self {
        Self { address, workers, open: BTreeMap::new(), bound: BTreeMap::new() }
    }

    /// A worker, to be told something.
    pub(super) fn worker(&self, index: usize) -> Option<mpsc::Sender<Command>> {
        self.workers.get(index).cloned()
    }

    /// Binds a port, if the process does not have it already.
    pub(super) fn obtain(&mut self, port: u16) -> Result<(), String> {
        if self.open.contains_key(&port) || self.bound.contains_key(&port) {
            return Ok(());
        }
        let address = SocketAddr::new(self.address, port);
        let sockets = worker::bind(address, self.workers.len()).map_err(|error| {
            format!(
                "cannot listen on {address}: {error}; free the port, or choose another spec.listener.port or --bind"
            )
        })?;
        self.bound.insert(port, sockets);
        Ok(())
    }

    /// The port on which a pool listens.
    pub(super) fn port_of(&self, pool: usize) -> Option<u16> {
        self.open.iter().find(|(_, open)| open.pool == pool).map(|(port, _)| *port)
    }

    /// Gives each port to its pool, and closes those that nobody has any more.
    pub(super) fn assign(&mut self, owners: &BTreeMap<u16, usize>) {
        for (&port, &pool) in owners {
            match (self.open.get_mut(&port), self.bound.remove(&port)) {
                (Some(open), _) if open.pool == pool => {}
                (Some(open), _) => {
                    open.pool = pool;
                    open.owner.send_replace(Some(pool));
                    tracing::info!(address = %self.address, port, "listening for another pool");
                }
                (None, Some(sockets)) => self.start(port, pool, sockets),
                (None, None) => tracing::error!(port, "a port was given away that was never bound"),
            }
        }
        self.bound.clear();
        self.open.retain(|port, open| {
            let owned = owners.contains_key(port);
            if !owned {
                open.owner.send_replace(None);
                tracing::info!(port, "listening no more");
            }
            owned
        });
    }

    fn start(&mut self, port: u16, pool: usize, sockets: Vec<std::net::TcpListener>) {
        let (owner, seen) = watch::channel(Some(pool));
        for (worker, listener) in self.workers.iter().zip(sockets) {
            let command = Command::Listen { pool, listener, owner: seen.clone() };
            if worker.try_send(command).is_err() {
                tracing::error!(port, "a worker takes no commands any more");
            }
        }
        tracing::info!(address = %self.address, port, "listening");
        self.open.insert(port, Open { pool, owner });
    }
}
