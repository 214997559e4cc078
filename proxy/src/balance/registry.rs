//! What is known of endpoints and backends beyond any one table, by identity.
//!
//! A changed weight, another port or a new table never resets it. It is forgotten 5 minutes after the endpoint left.

use std::{
    collections::{HashMap, HashSet},
    net::SocketAddr,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use tokio::time::Instant;

use evenkeel_crds::api::HashTable;

use super::{
    estimate::{Estimate, Learns, Seen},
    hash::KeyTable,
};
use crate::report::Traffic;

/// For so long an endpoint may be away and still be itself: longer than a rollout's back and forth.
const KEPT: Duration = Duration::from_secs(300);

/// What makes an endpoint itself. Its weight does not: changing it resets nothing.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct EndpointId {
    /// `namespace/name` of the pool.
    pub pool: Arc<str>,
    /// The first digits of the pod's UID, empty without a pod: an address is used again by another pod.
    pub pod: String,
    /// Where it listens.
    pub address: SocketAddr,
}

/// What is known of an endpoint.
#[derive(Debug)]
pub struct EndpointState {
    /// A dense number: threads keep their own state of it in a vector.
    pub slot: usize,
    /// Never used again, unlike the slot.
    pub serial: u64,
    /// Where it listens.
    pub address: SocketAddr,
    /// The same as text, for metrics and logs.
    pub name: Box<str>,
    /// In the low bits requests between pick and end, above them all picks ever, of all threads: one write for both. Written by
    /// whoever holds a [`Permit`].
    picks: AtomicU64,
    /// How it answers.
    pub(super) estimate: Estimate,
    /// Since when it is ready, as the table says, and when this proxy heard of that, in Unix milliseconds. Control's.
    ready: Mutex<(i64, i64)>,
}

/// A million requests at once are far more than a process has clients.
const IN_FLIGHT_BITS: u32 = 20;
const PICK: u64 = (1 << IN_FLIGHT_BITS) + 1;

/// What is known of a backend.
#[derive(Debug)]
pub struct BackendState {
    /// A dense number.
    pub slot: usize,
    /// Never used again.
    pub serial: u64,
    /// The backend's name.
    pub name: Arc<str>,
    /// Requests that ended here.
    pub(crate) traffic: Traffic,
    /// Requests under way at all of its endpoints. Counted where their loads are bounded.
    in_flight: AtomicU64,
}

/// A request's place at an endpoint; dropping it gives the place back, whatever ended the request.
#[derive(Debug)]
pub struct Permit {
    endpoint: Arc<EndpointState>,
    /// Where it is counted too.
    backend: Option<Arc<BackendState>>,
}

impl Permit {
    /// Takes a place.
    #[must_use]
    pub fn take(endpoint: Arc<EndpointState>) -> Self {
        endpoint.picks.fetch_add(PICK, Relaxed);
        Self { endpoint, backend: None }
    }

    /// Takes a place again where an earlier pick of the same request led: that is counted already.
    #[must_use]
    pub fn take_again(endpoint: Arc<EndpointState>) -> Self {
        endpoint.picks.fetch_add(1, Relaxed);
        Self { endpoint, backend: None }
    }

    /// Counts it among all of its backend, where that bounds the loads of endpoints.
    #[must_use]
    pub fn counted_at(mut self, backend: Option<&Arc<BackendState>>) -> Self {
        self.backend = backend.cloned();
        if let Some(backend) = &self.backend {
            backend.in_flight.fetch_add(1, Relaxed);
        }
        self
    }

    /// Where the place is.
    #[must_use]
    pub fn endpoint(&self) -> &Arc<EndpointState> {
        &self.endpoint
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.endpoint.picks.fetch_sub(1, Relaxed);
        if let Some(backend) = &self.backend {
            backend.in_flight.fetch_sub(1, Relaxed);
        }
    }
}

impl BackendState {
    /// Requests under way at all of its endpoints, as far as they are counted.
    pub(super) fn in_flight(&self) -> u64 {
        self.in_flight.load(Relaxed)
    }
}

impl EndpointState {
    /// Requests under way there.
    #[must_use]
    pub fn in_flight(&self) -> u64 {
        self.picks.load(Relaxed) & ((1 << IN_FLIGHT_BITS) - 1)
    }

    /// Takes in what came of an attempt, as far as the rule of the pool asks for it. `now`: milliseconds since the process began.
    pub fn report(&self, now: u64, seen: Seen, learns: Learns) {
        self.estimate.learn(now, seen, learns);
    }

    /// How long its answers take, as the rule of its pool has it; none if nothing is known.
    #[must_use]
    pub fn latency(&self, now: u64, learns: Learns) -> Option<Duration> {
        let micros = match learns {
            Learns::Nothing => None,
            Learns::Usual => self.estimate.usual(now).micros(),
            Learns::Peak => self.estimate.peak(now),
        };
        micros.map(Duration::from_micros)
    }

    /// The share of failures among its last answers, in parts of a million.
    #[must_use]
    pub fn failures(&self, now: u64) -> u64 {
        self.estimate.failures(now)
    }

    /// How long it has been ready since the second that the table tells; none if that was before anybody looked. By the
    /// clock of the table, or by ours if that says more: the two may differ.
    pub(super) fn age(&self, since: i64, unix_ms: i64) -> Option<Duration> {
        if since == 0 {
            return None;
        }
        let mut ready = self.ready.lock().unwrap_or_else(PoisonError::into_inner);
        if ready.0 != since {
            *ready = (since, unix_ms);
        }
        let age = unix_ms.saturating_sub(ready.1.min(since.saturating_mul(1000)));
        Some(Duration::from_millis(u64::try_from(age).unwrap_or_default()))
    }

    /// How often it was picked.
    #[must_use]
    pub fn selected(&self) -> u64 {
        self.picks.load(Relaxed) >> IN_FLIGHT_BITS
    }
}

/// A table of keys, and what it was made from.
#[derive(Debug)]
struct Made {
    kind: HashTable,
    of: Vec<(String, u32)>,
    table: Arc<KeyTable>,
}

/// Everything that outlives tables. The control thread alone has it; what it hands out is shared.
#[derive(Debug)]
pub struct Registry {
    threads: usize,
    endpoints: Kept<EndpointId, EndpointState>,
    backends: Kept<(Arc<str>, String), BackendState>,
    /// The tables of keys, by the serial of their backend: making one takes a while.
    tables: HashMap<u64, Made>,
}

impl Registry {
    /// An empty registry for a process with so many threads.
    #[must_use]
    pub fn new(threads: usize) -> Self {
        Self { threads, endpoints: Kept::default(), backends: Kept::default(), tables: HashMap::new() }
    }

    /// The table of keys of a backend, over these endpoints by name and weight.
    pub(super) fn table(&mut self, backend: u64, kind: HashTable, endpoints: Vec<(String, u32)>) -> Arc<KeyTable> {
        match self.tables.get(&backend) {
            Some(made) if made.kind == kind && made.of == endpoints => Arc::clone(&made.table),
            _ => {
                let table = Arc::new(KeyTable::of(kind, &endpoints));
                self.tables.insert(backend, Made { kind, of: endpoints, table: Arc::clone(&table) });
                table
            }
        }
    }

    /// The state of an endpoint, new or known.
    pub fn endpoint(&mut self, id: &EndpointId) -> Arc<EndpointState> {
        self.endpoints.get(id, |slot, serial| EndpointState {
            slot,
            serial,
            address: id.address,
            name: id.address.to_string().into(),
            picks: AtomicU64::new(0),
            estimate: Estimate::default(),
            ready: Mutex::default(),
        })
    }

    /// The state of a backend, new or known.
    pub fn backend(&mut self, pool: &Arc<str>, name: &str) -> Arc<BackendState> {
        let threads = self.threads;
        self.backends.get(&(Arc::clone(pool), name.to_owned()), |slot, serial| BackendState {
            slot,
            serial,
            name: name.into(),
            traffic: Traffic::new(threads),
            in_flight: AtomicU64::new(0),
        })
    }

    /// Forgets what nothing but this registry has held for 5 minutes.
    pub fn sweep(&mut self, now: Instant) {
        self.endpoints.sweep(now);
        self.backends.sweep(now);
        let known: HashSet<_> = self.backends.known.values().map(|entry| entry.state.serial).collect();
        self.tables.retain(|backend, _| known.contains(backend));
    }
}

/// A map whose values have dense slots, and stay for a while when nobody holds them any more.
#[derive(Debug)]
struct Kept<K, V> {
    known: HashMap<K, Entry<V>>,
    free: Vec<usize>,
    slots: usize,
    serial: u64,
}

#[derive(Debug)]
struct Entry<V> {
    state: Arc<V>,
    slot: usize,
    unused_since: Option<Instant>,
}

impl<K, V> Default for Kept<K, V> {
    fn default() -> Self {
        Self { known: HashMap::new(), free: Vec::new(), slots: 0, serial: 0 }
    }
}

impl<K: Clone + Eq + std::hash::Hash, V> Kept<K, V> {
    fn get(&mut self, key: &K, make: impl FnOnce(usize, u64) -> V) -> Arc<V> {
        if let Some(entry) = self.known.get_mut(key) {
            entry.unused_since = None;
            return Arc::clone(&entry.state);
        }
        let slot = self.free.pop().unwrap_or_else(|| {
            self.slots += 1;
            self.slots - 1
        });
        self.serial += 1;
        let state = Arc::new(make(slot, self.serial));
        self.known.insert(key.clone(), Entry { state: Arc::clone(&state), slot, unused_since: None });
        state
    }

    fn sweep(&mut self, now: Instant) {
        let free = &mut self.free;
        self.known.retain(|_, entry| {
            if Arc::strong_count(&entry.state) > 1 {
                entry.unused_since = None;
                return true;
            }
            let kept = now.duration_since(*entry.unused_since.get_or_insert(now)) < KEPT;
            if !kept {
                free.push(entry.slot);
            }
            kept
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(port: u16) -> EndpointId {
        EndpointId { pool: "shop/web".into(), pod: String::new(), address: ([10, 0, 0, 1], port).into() }
    }

    #[test]
    fn an_endpoint_is_remembered_for_five_minutes_and_its_slot_used_again() {
        let start = Instant::now();
        let mut registry = Registry::new(1);
        let first = registry.endpoint(&id(1));
        let (slot, serial) = (first.slot, first.serial);
        drop(first);
        registry.sweep(start);
        registry.sweep(start + KEPT / 2);
        let again = registry.endpoint(&id(1));
        assert_eq!((again.slot, again.serial), (slot, serial));

        drop(again);
        registry.sweep(start + KEPT);
        registry.sweep(start + KEPT * 2);
        let other = registry.endpoint(&id(2));
        assert_eq!(other.slot, slot);
        assert_ne!(other.serial, serial);
    }

    #[test]
    fn endless_churn_needs_no_more_slots_than_five_minutes_of_it() {
        let start = Instant::now();
        let mut registry = Registry::new(1);
        let mut most = 0;
        for second in 0..3_000u32 {
            // Ten endpoints come each second, and leave with the next.
            let ports = (0..10u16).map(|port| port + 10 * u16::try_from(second % 6_000).expect("small"));
            let states: Vec<_> = ports.map(|port| registry.endpoint(&id(port + 1))).collect();
            most = states.iter().map(|state| state.slot).max().max(Some(most)).unwrap_or(0);
            drop(states);
            registry.sweep(start + Duration::from_secs(u64::from(second)));
        }
        assert!(most < 10 * 303, "{most} slots");
        assert!(registry.endpoints.known.len() <= 10 * 302, "{} endpoints", registry.endpoints.known.len());
    }

    #[test]
    fn an_endpoint_in_use_is_never_forgotten() {
        let start = Instant::now();
        let mut registry = Registry::new(1);
        let permit = Permit::take(registry.endpoint(&id(1)));
        (0..3).for_each(|round| registry.sweep(start + KEPT * round));
        let state = registry.endpoint(&id(1));
        assert_eq!(state.in_flight(), 1);
        let second = Permit::take(Arc::clone(&state));
        drop(permit);
        assert_eq!((state.in_flight(), state.selected()), (1, 2));
        drop(second);
        assert_eq!((state.in_flight(), state.selected()), (0, 2));
    }
}
