//! A thread's idle connections: last in, first out, each for at most 4 s.

use std::{cell::RefCell, collections::HashMap, net::SocketAddr, time::Duration};

use tokio::time::Instant;

use super::Connection;

/// Shorter than the keep-alive of common servers (Node: 5 s): who closes first races with our next request.
const IDLE_LIMIT: Duration = Duration::from_secs(4);
/// Of the whole process and endpoint; each thread has its part.
const MAX_IDLE_PER_ENDPOINT: usize = 32;
/// Of a thread, over all endpoints: descriptors are a shared good.
const MAX_IDLE: usize = 1024;

/// A pool and an address in it: another pool may speak to the same address otherwise.
type Key = (usize, SocketAddr);

/// How sure a request must be of the connection that it goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Need {
    /// It cannot be sent twice: the system is asked whether the connection is still there.
    Certain,
    /// If the connection turns out dead, it is sent on another.
    Likely,
}

/// Idle connections of one thread.
#[derive(Debug)]
pub(crate) struct Idle {
    per_endpoint: usize,
    kept: RefCell<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    by_key: HashMap<Key, Vec<(Instant, Connection)>>,
    count: usize,
}

impl Idle {
    /// For one of so many threads.
    pub(crate) fn new(threads: usize) -> Self {
        Self { per_endpoint: (MAX_IDLE_PER_ENDPOINT / threads).max(1), kept: RefCell::default() }
    }

    /// The connection that was used last, unless it is closed or too old.
    pub(crate) fn take(&self, pool: usize, address: SocketAddr, need: Need, now: Instant) -> Option<Connection> {
        let mut kept = self.kept.borrow_mut();
        loop {
            let (since, connection) = kept.by_key.get_mut(&(pool, address))?.pop()?;
            kept.count -= 1;
            let alive = connection.sender.is_ready() && (need == Need::Likely || connection.probe.is_quiet());
            if alive && now.duration_since(since) < IDLE_LIMIT {
                return Some(connection);
            }
        }
    }

    /// Keeps a connection, if it is alive and there is room.
    pub(crate) fn put(&self, pool: usize, address: SocketAddr, connection: Connection, now: Instant) {
        if connection.sender.is_closed() {
            return;
        }
        let kept = &mut *self.kept.borrow_mut();
        let mine = kept.by_key.entry((pool, address)).or_default();
        if mine.len() < self.per_endpoint && kept.count < MAX_IDLE {
            mine.push((now, connection));
            kept.count += 1;
        }
    }

    /// Closes what is too old.
    pub(crate) fn sweep(&self, now: Instant) {
        self.retain(|_, since| now.duration_since(since) < IDLE_LIMIT);
    }

    /// Closes a pool's connections to endpoints that get no new traffic.
    pub(crate) fn keep_only(&self, pool: usize, wanted: impl Fn(SocketAddr) -> bool) {
        self.retain(|(of, address), _| of != pool || wanted(address));
    }

    fn retain(&self, wanted: impl Fn(Key, Instant) -> bool) {
        let kept = &mut *self.kept.borrow_mut();
        kept.by_key.retain(|key, connections| {
            connections.retain(|(since, _)| wanted(*key, *since));
            !connections.is_empty()
        });
        kept.count = kept.by_key.values().map(Vec::len).sum();
    }
}
