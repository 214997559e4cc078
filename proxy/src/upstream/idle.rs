//! A thread's idle connections: last in, first out, each for a few seconds.

use std::{
    cell::RefCell,
    collections::HashMap,
    hash::{BuildHasherDefault, Hasher},
    net::SocketAddr,
    time::Duration,
};

use tokio::time::Instant;

use super::{Connection, turn};
use crate::balance::ConnectionPool;

/// Of a thread, over all endpoints, however many descriptors there are.
const MAX_IDLE: usize = 16 * 1024;
/// When there is no room, one in so many is closed, the oldest first: looking for each of them alone would cost more.
const CLOSED_SHARE: usize = 8;
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
    most: usize,
    kept: RefCell<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    by_key: HashMap<Key, Vec<Resting>, BuildHasherDefault<Mix>>,
    count: usize,
    /// How many were put here ever.
    ever: u64,
}

#[derive(Debug)]
struct Resting {
    until: Instant,
    /// The higher, the later it was put here.
    number: u64,
    /// The turn in which it was: the runtime has not heard of what came since.
    turn: u32,
    connection: Connection,
}

impl Idle {
    /// For one of so many threads, which may have so many together.
    pub(crate) fn new(threads: usize, most: usize) -> Self {
        let threads = threads.max(1);
        Self { threads, most: (most / threads).clamp(1, MAX_IDLE), kept: RefCell::default() }
    }

    /// The connection that was used last, unless it is closed, too old, or said something that nobody asked for. Rather one
    /// of which the runtime would have heard: of one that was put here in this turn the system must be asked.
    pub(crate) fn take(&self, pool: usize, address: SocketAddr, need: Need, now: Instant) -> Option<Connection> {
        let mut kept = self.kept.borrow_mut();
        let kept = &mut *kept;
        let mine = kept.by_key.get_mut(&(pool, address))?;
        let now_in = turn::now();
        while let Some(Resting { until, turn, connection, .. }) = newest(mine, now_in) {
            kept.count -= 1;
            let heard = need == Need::Likely && turn != now_in;
            let quiet = connection.seems_quiet() && (heard || connection.is_quiet());
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
        let most = (rules.max_idle_per_endpoint as usize / self.threads).max(1);
        if kept.by_key.get(&(pool, address)).is_some_and(|mine| mine.len() >= most) {
            return;
        }
        if kept.count >= self.most {
            kept.close_oldest();
        }
        kept.count += 1;
        kept.ever += 1;
        let resting = Resting { until: now + limit, number: kept.ever, turn: turn::now(), connection };
        kept.by_key.entry((pool, address)).or_default().push(resting);
    }

    /// Closes some of the oldest, for want of descriptors. Returns whether there were any.
    pub(crate) fn shed(&self) -> bool {
        let kept = &mut *self.kept.borrow_mut();
        let any = kept.count > 0;
        kept.close_oldest();
        any
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
        self.kept.borrow_mut().retain(wanted);
    }
}

impl Kept {
    fn retain(&mut self, wanted: impl Fn(Key, &Resting) -> bool) {
        self.by_key.retain(|key, connections| {
            connections.retain(|resting| wanted(*key, resting));
            !connections.is_empty()
        });
        self.count = self.by_key.values().map(Vec::len).sum();
    }

    fn close_oldest(&mut self) {
        let mut numbers: Vec<_> = self.by_key.values().flatten().map(|resting| resting.number).collect();
        let closed = numbers.len() / CLOSED_SHARE;
        if closed < numbers.len() {
            let (_, last, _) = numbers.select_nth_unstable(closed);
            let last = *last;
            self.retain(|_, resting| resting.number > last);
        }
    }
}

/// Takes the connection that was put here last in an earlier turn, else the last of all.
fn newest(connections: &mut Vec<Resting>, turn: u32) -> Option<Resting> {
    match connections.iter().rposition(|resting| resting.turn != turn) {
        Some(index) => Some(connections.remove(index)),
        None => connections.pop(),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    const RULES: ConnectionPool =
        ConnectionPool { max_idle_per_endpoint: 32, idle_timeout: Duration::from_secs(4), max_requests: 100 };

    /// A connection, its address, and the endpoint's end of it.
    async fn connected() -> (Connection, SocketAddr, std::net::TcpStream) {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let stream = tokio::net::TcpStream::connect(address).await.unwrap();
        (Connection::new(stream, Instant::now()), address, listener.accept().unwrap().0)
    }

    #[tokio::test]
    async fn what_came_since_this_turn_began_is_noticed_whatever_the_request() {
        for need in [Need::Likely, Need::Certain] {
            let (idle, now) = (Idle::new(1, 8), Instant::now());
            let (connection, address, mut endpoint) = connected().await;
            idle.put(0, address, connection, RULES, now);
            let connection = idle.take(0, address, need, now).expect("nothing came");
            idle.put(0, address, connection, RULES, now);
            endpoint.write_all(b"HTTP/1.1 200 OK\r\n\r\n").unwrap();
            assert!(idle.take(0, address, need, now).is_none(), "{need:?}: an answer that nobody asked for");
        }
    }

    #[tokio::test]
    async fn what_the_runtime_has_heard_of_is_rather_used_than_what_was_just_put_back() {
        let (idle, now) = (Idle::new(1, 8), Instant::now());
        let (old, address, _old_end) = connected().await;
        let (mut new, _, _new_end) = connected().await;
        new.requests = 7;
        idle.put(0, address, old, RULES, now);
        turn::begin();
        idle.put(0, address, new, RULES, now);
        let taken = [(); 2].map(|()| idle.take(0, address, Need::Likely, now).map(|connection| connection.requests));
        assert_eq!(taken, [Some(0), Some(7)]);
    }

    #[tokio::test]
    async fn the_oldest_make_room_whoever_they_belong_to() {
        let (idle, now) = (Idle::new(1, 3), Instant::now());
        let mut ends = Vec::new();
        for _ in 0..4 {
            let (connection, address, end) = connected().await;
            idle.put(0, address, connection, RULES, now);
            ends.push((address, end));
        }
        let kept = ends.iter().map(|(address, _)| idle.take(0, *address, Need::Likely, now).is_some());
        assert_eq!(kept.collect::<Vec<_>>(), [false, true, true, true]);
        assert!(!idle.shed(), "nothing is left to close");
    }
}
