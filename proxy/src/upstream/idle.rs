//! A thread's idle connections: last in, first out, each for a few seconds.

use std::{
    cell::RefCell,
    collections::HashMap,
    hash::{BuildHasherDefault, Hasher},
    net::SocketAddr,
    time::Duration,
};

use tokio::time::Instant;

use super::Connection;
use crate::balance::ConnectionPool;

/// Of a thread, over all endpoints: descriptors are a shared good.
const MAX_IDLE: usize = 1024;
/// We close so much before the endpoint would: who closes first races with our next request.
const HINT_MARGIN: Duration = Duration::from_secs(1);

/// A pool and an address in it: another pool may speak to the same address otherwise.
type Key = (usize, SocketAddr);

/// Keys come from tables, not from clients: nobody chooses them so that they collide, and two lookups a request by the
/// standard hasher cost a thousand instructions.
#[derive(Debug, Default)]
struct Mix(u64);

impl Hasher for Mix {
    fn finish(&self) -> u64 {
        self.0 ^ (self.0 >> 32)
    }

    fn write(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            self.write_u64(u64::from_le_bytes(word));
        }
    }

    fn write_u64(&mut self, word: u64) {
        self.0 = (self.0.rotate_left(23) ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }

    fn write_u32(&mut self, word: u32) {
        self.write_u64(word.into());
    }

    fn write_u16(&mut self, word: u16) {
        self.write_u64(word.into());
    }

    fn write_usize(&mut self, word: usize) {
        self.write_u64(word as u64);
    }

    fn write_isize(&mut self, word: isize) {
        self.write_u64(word.cast_unsigned() as u64);
    }
}

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
    threads: usize,
    kept: RefCell<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    by_key: HashMap<Key, Vec<Resting>, BuildHasherDefault<Mix>>,
    count: usize,
}

#[derive(Debug)]
struct Resting {
    until: Instant,
    connection: Connection,
}

impl Idle {
    /// For one of so many threads.
    pub(crate) fn new(threads: usize) -> Self {
        Self { threads, kept: RefCell::default() }
    }

    /// The connection that was used last, unless it is closed, too old, or said something that nobody asked for.
    pub(crate) fn take(&self, pool: usize, address: SocketAddr, need: Need, now: Instant) -> Option<Connection> {
        let mut kept = self.kept.borrow_mut();
        let kept = &mut *kept;
        let mine = kept.by_key.get_mut(&(pool, address))?;
        while let Some(Resting { until, connection }) = mine.pop() {
            kept.count -= 1;
            let quiet = connection.seems_quiet() && (need == Need::Likely || connection.is_quiet());
            if quiet && now < until {
                return Some(connection);
            }
        }
        None
    }

    /// Keeps a connection, if it may be used again and there is room.
    pub(crate) fn put(
        &self,
        pool: usize,
        address: SocketAddr,
        connection: Connection,
        rules: ConnectionPool,
        now: Instant,
    ) {
        let hinted = connection.idle_hint.map(|hint| hint.saturating_sub(HINT_MARGIN));
        let limit = hinted.map_or(rules.idle_timeout, |hinted| hinted.min(rules.idle_timeout));
        if limit.is_zero() || !connection.is_fresh(rules.max_requests, now) {
            return;
        }
        let kept = &mut *self.kept.borrow_mut();
        let mine = kept.by_key.entry((pool, address)).or_default();
        let most = (rules.max_idle_per_endpoint as usize / self.threads).max(1);
        if mine.len() < most && kept.count < MAX_IDLE {
            mine.push(Resting { until: now + limit, connection });
            kept.count += 1;
        }
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.kept.borrow().count
    }

    /// Closes what is too old, closed by the endpoint, or not quiet.
    pub(crate) fn sweep(&self, now: Instant) {
        self.retain(|_, resting| now < resting.until && resting.connection.seems_quiet());
    }

    /// Closes a pool's connections to endpoints that get no new traffic.
    pub(crate) fn keep_only(&self, pool: usize, wanted: impl Fn(SocketAddr) -> bool) {
        self.retain(|(of, address), _| of != pool || wanted(address));
    }

    /// Closes the connections to an endpoint that stopped to answer for its machine: they lead to the same one.
    pub(crate) fn forget(&self, pool: usize, address: SocketAddr) {
        self.retain(|key, _| key != (pool, address));
    }

    fn retain(&self, wanted: impl Fn(Key, &Resting) -> bool) {
        let kept = &mut *self.kept.borrow_mut();
        kept.by_key.retain(|key, connections| {
            connections.retain(|resting| wanted(*key, resting));
            !connections.is_empty()
        });
        kept.count = kept.by_key.values().map(Vec::len).sum();
    }
}
