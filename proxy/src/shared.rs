//! What the control thread and the workers share: pools with their current view, counters, the stage of shutdown.

use std::sync::{
    Arc,
    atomic::{
        AtomicU32, AtomicUsize,
        Ordering::{Acquire, Relaxed, Release},
    },
};

use arc_swap::ArcSwapOption;
use tokio::{
    sync::{Notify, futures::Notified, watch},
    time::Instant,
};

use crate::{
    balance::{Affinity, Reason, RetryBudget, View},
    capacity::Capacity,
    counters::PerThread,
    report::{CLASSES, Counts},
    vital::Vital,
};

/// How many reasons there are.
const REASONS: usize = Reason::ALL.len();

/// A pool as the workers see it.
#[derive(Debug)]
pub(crate) struct Pool {
    /// Its place among the process's pools.
    pub(crate) index: usize,
    /// Who is eligible now; none before the first table. Written by control.
    pub(crate) view: ArcSwapOption<View>,
    /// What retries may cost.
    pub(crate) budget: RetryBudget,
    /// Requests that no endpoint was picked for, by the first digit of their status.
    pub(crate) local: PerThread<CLASSES>,
    /// Ends without an endpoint's whole answer, by reason.
    pub(crate) failures: PerThread<REASONS>,
    /// Attempts that were followed by another, by the reason of their failure.
    pub(crate) retries: PerThread<REASONS>,
    /// Fields of requests that were dropped for their names.
    pub(crate) dropped_fields: PerThread<1>,
    /// What became of requests' keys, where keys choose.
    pub(crate) affinity: PerThread<{ Affinity::ALL.len() }>,
}

/// Shared by all threads.
#[derive(Debug)]
pub(crate) struct Shared {
    /// The pools that this process serves.
    pub(crate) pools: Vec<Arc<Pool>>,
    /// When it began.
    pub(crate) start: Instant,
    /// How far the process is with ending.
    pub(crate) stage: watch::Receiver<Stage>,
    /// Client connections of all workers. Written when one is accepted or closed, so that there is never one too many.
    open: AtomicUsize,
    /// Those of each worker. Written when one is accepted, handed over or closed.
    connections: Box<[Count]>,
    /// Whether all parts live without which nothing goes.
    pub(crate) vital: Vital,
    /// What the process may have open.
    pub(crate) capacity: Capacity,
    /// Calls for descriptors among workers.
    pub(crate) room: Room,
    /// Connections that were closed because there were so many.
    refused: AtomicUsize,
    /// What became of lines of the access log.
    pub(crate) access_log: Arc<Counts>,
    /// Connections to endpoints, of each worker.
    pub(crate) upstream: PerThread<{ Upstream::ALL }>,
    /// Listeners that workers accept on. Written when one begins and when it is closed.
    listeners: AtomicUsize,
}

/// What is told of connections to endpoints.
pub(crate) struct Upstream;

impl Upstream {
    /// Made since the start.
    pub(crate) const MADE: usize = 0;
    /// Closed since the start.
    pub(crate) const CLOSED: usize = 1;
    /// Idle now, or a tick ago.
    pub(crate) const IDLE: usize = 2;
    const ALL: usize = 3;
}

#[derive(Debug, Default)]
#[repr(align(128))]
struct Count {
    open: AtomicUsize,
    /// All that there ever were: tells whether one came and went between two looks.
    ever: AtomicUsize,
}

/// A worker that lacks a descriptor asks the others to close idle connections.
#[derive(Debug, Default)]
pub(crate) struct Room {
    /// How often that was. Written by who asks.
    asked: AtomicU32,
    freed: Notify,
}

impl Room {
    /// Asks for a descriptor. Returns what ends when somebody has given one up since.
    pub(crate) fn ask(&self) -> Notified<'_> {
        let freed = self.freed.notified();
        self.asked.fetch_add(1, Relaxed);
        freed
    }

    /// How often somebody asked: another number than before says that it happened again.
    pub(crate) fn asked(&self) -> u32 {
        self.asked.load(Relaxed)
    }

    /// Tells who asked that there is room.
    pub(crate) fn tell(&self) {
        self.freed.notify_waiters();
    }
}

/// How far the process is with ending. Each stage includes those before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Stage {
    /// Business as usual.
    Serving,
    /// Not ready any more; still accepting, every response says `Connection: close`.
    Closing,
    /// Accepting what already waits, then closing the listeners.
    Refusing,
    /// Closing idle connections, finishing what is under way.
    Finishing,
    /// Nothing is under way any more, or has no more time: last words.
    Ended,
}

impl Pool {
    /// A pool without a table, for so many threads.
    #[must_use]
    pub(crate) fn new(index: usize, threads: usize) -> Self {
        Self {
            index,
            view: ArcSwapOption::empty(),
            budget: RetryBudget::new(threads),
            local: PerThread::new(threads),
            failures: PerThread::new(threads),
            retries: PerThread::new(threads),
            dropped_fields: PerThread::new(threads),
            affinity: PerThread::new(threads),
        }
    }
}

impl Shared {
    /// For so many workers.
    #[must_use]
    pub(crate) fn new(
        pools: Vec<Arc<Pool>>,
        threads: usize,
        capacity: Capacity,
        stage: watch::Receiver<Stage>,
    ) -> Self {
        Self {
            pools,
            start: Instant::now(),
            stage,
            vital: Vital::default(),
            capacity,
            room: Room::default(),
            open: AtomicUsize::new(0),
            refused: AtomicUsize::new(0),
            access_log: Arc::default(),
            upstream: PerThread::new(threads),
            connections: (0..threads).map(|_| Count::default()).collect(),
            listeners: AtomicUsize::new(0),
        }
    }

    /// Milliseconds since the process began.
    #[must_use]
    pub(crate) fn millis(&self, now: Instant) -> u64 {
        u64::try_from(now.saturating_duration_since(self.start).as_millis()).unwrap_or(u64::MAX)
    }

    /// How many workers there are.
    #[must_use]
    pub(crate) fn threads(&self) -> usize {
        self.connections.len()
    }

    /// Open client connections of all workers.
    #[must_use]
    pub(crate) fn connections(&self) -> usize {
        self.open.load(Relaxed)
    }

    /// A place for a client whose connection that worker accepted, with the worker that is to serve it. None, which is
    /// counted: there are as many as there may be.
    pub(crate) fn admit(self: &Arc<Self>, acceptor: usize) -> Option<ConnectionGuard> {
        let most = self.capacity.connections;
        if self.open.fetch_update(Relaxed, Relaxed, |open| (open < most).then_some(open + 1)).is_err() {
            self.refused.fetch_add(1, Relaxed);
            return None;
        }
        let worker = self.assign(acceptor);
        self.connections[worker].open.fetch_add(1, Relaxed);
        self.connections[worker].ever.fetch_add(1, Relaxed);
        Some(ConnectionGuard { shared: Arc::clone(self), worker })
    }

    /// Client connections for which there was no room.
    #[must_use]
    pub(crate) fn refused(&self) -> usize {
        self.refused.load(Relaxed)
    }

    /// Client connections since the start, of all workers.
    #[must_use]
    pub(crate) fn connections_ever(&self) -> usize {
        self.connections.iter().map(|count| count.ever.load(Relaxed)).sum()
    }

    /// Whether nothing is open any more: no connection, and no listener that could still bring one.
    #[must_use]
    pub(crate) fn is_closed(&self) -> bool {
        // In this order: a listener's last connections are counted before it is closed.
        self.listeners.load(Acquire) == 0 && self.connections() == 0
    }

    /// Counts a listener until the guard is dropped.
    #[must_use]
    pub(crate) fn count_listener(self: &Arc<Self>) -> ListenerGuard {
        self.listeners.fetch_add(1, Relaxed);
        ListenerGuard(Arc::clone(self))
    }

    /// Which worker serves a connection that `acceptor` accepted: another one only if it has at least two fewer, since
    /// passing costs a wake-up of another core.
    #[must_use]
    fn assign(&self, acceptor: usize) -> usize {
        let own = self.connections[acceptor].open.load(Relaxed);
        let counts = self.connections.iter().map(|count| count.open.load(Relaxed)).enumerate();
        match counts.min_by_key(|(_, count)| *count) {
            Some((other, count)) if count + 2 <= own => other,
            _ => acceptor,
        }
    }

    /// Counts a connection of a worker to an endpoint, until the guard is dropped.
    #[must_use]
    pub(crate) fn count_upstream(self: &Arc<Self>, worker: usize) -> UpstreamGuard {
        self.upstream.of(worker).add(Upstream::MADE, 1);
        UpstreamGuard { shared: Arc::clone(self), thread: worker }
    }
}

/// A connection to an endpoint. Its thread drops it.
#[derive(Debug)]
pub(crate) struct UpstreamGuard {
    shared: Arc<Shared>,
    thread: usize,
}

impl Drop for UpstreamGuard {
    fn drop(&mut self) {
        self.shared.upstream.of(self.thread).add(Upstream::CLOSED, 1);
    }
}

/// An open client connection, counted until this is dropped.
#[derive(Debug)]
pub(crate) struct ConnectionGuard {
    shared: Arc<Shared>,
    worker: usize,
}

impl ConnectionGuard {
    /// Who is to serve it.
    pub(crate) fn worker(&self) -> usize {
        self.worker
    }

    /// Another worker serves it.
    pub(crate) fn move_to(&mut self, worker: usize) {
        self.shared.connections[worker].open.fetch_add(1, Relaxed);
        let before = std::mem::replace(&mut self.worker, worker);
        self.shared.connections[before].open.fetch_sub(1, Relaxed);
    }
}

impl Drop for ConnectionGuard {
    fn drop(&mut self) {
        self.shared.open.fetch_sub(1, Relaxed);
        self.shared.connections[self.worker].open.fetch_sub(1, Relaxed);
    }
}

/// A listener that is accepted on.
#[derive(Debug)]
pub(crate) struct ListenerGuard(Arc<Shared>);

impl Drop for ListenerGuard {
    fn drop(&mut self) {
        self.0.listeners.fetch_sub(1, Release);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CAPACITY: Capacity = Capacity { descriptors: None, connections: 1_000, idle: 10 };

    #[test]
    fn nothing_is_closed_while_a_listener_may_bring_a_connection() {
        let shared = Arc::new(Shared::new(Vec::new(), 2, CAPACITY, watch::channel(Stage::Serving).1));
        let listener = shared.count_listener();
        assert!(!shared.is_closed());
        let connection = shared.admit(1).expect("room");
        drop(listener);
        assert!(!shared.is_closed());
        drop(connection);
        assert!(shared.is_closed());
    }

    proptest::proptest! {
        /// The kernel may give all connections to one listener: the counts stay within two of each other, and passing never
        /// makes them more uneven.
        #[test]
        fn whoever_accepts_the_workers_have_about_the_same(
            threads in 1usize..9,
            acceptors in proptest::collection::vec(0usize..9, 1..200),
        ) {
            let shared = Arc::new(Shared::new(Vec::new(), threads, CAPACITY, watch::channel(Stage::Serving).1));
            let mut open = Vec::new();
            for acceptor in acceptors.iter().map(|acceptor| acceptor % threads) {
                let count = |worker: usize| shared.connections[worker].open.load(Relaxed);
                let before: Vec<_> = (0..threads).map(count).collect();
                let guard = shared.admit(acceptor).expect("room");
                let to = guard.worker();
                proptest::prop_assert!(to == acceptor || before[to] + 2 <= before[acceptor]);
                open.push(guard);
            }
            let first = acceptors[0] % threads;
            if acceptors.iter().all(|acceptor| acceptor % threads == first) {
                let counts: Vec<_> = shared.connections.iter().map(|count| count.open.load(Relaxed)).collect();
                let spread = counts.iter().max().zip(counts.iter().min()).map(|(most, least)| most - least);
                proptest::prop_assert!(spread <= Some(2), "{counts:?}");
            }
        }
    }

    #[test]
    fn a_connection_goes_to_another_worker_only_if_it_has_two_fewer() {
        let shared = Arc::new(Shared::new(Vec::new(), 2, CAPACITY, watch::channel(Stage::Serving).1));
        let _first = shared.admit(0);
        assert_eq!(shared.assign(0), 0);
        let second = shared.admit(0);
        assert_eq!(shared.assign(0), 1);
        drop(second);
        assert_eq!(shared.assign(0), 0);
        assert_eq!(shared.connections(), 1);
    }

    #[test]
    fn a_connection_that_comes_back_to_its_acceptor_is_one_connection() {
        let shared = Arc::new(Shared::new(Vec::new(), 2, CAPACITY, watch::channel(Stage::Serving).1));
        let _both = [shared.admit(0), shared.admit(0)];
        let mut third = shared.admit(0).expect("room");
        assert_eq!(third.worker(), 1);
        third.move_to(0);
        let count = |worker: usize| shared.connections[worker].open.load(Relaxed);
        assert_eq!((count(0), count(1), shared.connections(), shared.connections_ever()), (3, 0, 3, 3));
        drop(third);
        assert_eq!((count(0), shared.connections()), (2, 2));
    }

    #[test]
    fn however_many_come_at_once_there_is_never_one_too_many() {
        const THREADS: usize = 8;
        let capacity = Capacity { connections: 100, ..CAPACITY };
        let shared = Arc::new(Shared::new(Vec::new(), THREADS, capacity, watch::channel(Stage::Serving).1));
        let start = std::sync::Barrier::new(THREADS);
        let admitted: Vec<_> = std::thread::scope(|scope| {
            let accept = |thread| {
                let (shared, start) = (&shared, &start);
                scope.spawn(move || {
                    start.wait();
                    (0..10_000).filter_map(|_| shared.admit(thread)).collect::<Vec<_>>()
                })
            };
            let threads: Vec<_> = (0..THREADS).map(accept).collect();
            threads.into_iter().flat_map(|thread| thread.join().expect("no panic")).collect()
        });
        assert_eq!((admitted.len(), shared.connections(), shared.refused()), (100, 100, THREADS * 10_000 - 100));
    }
}
