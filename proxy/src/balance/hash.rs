//! Consistent hashing: which endpoint a key belongs to, whoever asks.

use std::sync::Arc;

use evenkeel_crds::api::HashTable as Kind;
use xxhash_rust::xxh64::xxh64;

use super::{
    maglev::{Maglev, SLOTS},
    ring::Ring,
    slow_start::ALL,
};

/// Another one than for tables and backends: who ramps takes keys of all parts.
const RAMP_SEED: u64 = 3;
/// So many places are looked at for a candidate: enough for one of hundreds, and still no wait.
const MOST_STEPS: usize = 1 << 14;
/// No candidate.
const NONE: u32 = u32::MAX;

/// Where keys belong, over all endpoints of a backend, whether they can serve or not: a flap rebuilds nothing.
#[derive(Debug, PartialEq, Eq)]
pub enum KeyTable {
    /// nginx's ring.
    Ring(Ring),
    /// Maglev's table.
    Maglev(Maglev),
}

impl KeyTable {
    /// A table of endpoints by their names and weights as they are written. Without a weight nobody has a key.
    #[must_use]
    pub fn of(kind: Kind, endpoints: &[(String, u32)]) -> Self {
        let named = || endpoints.iter().map(|(name, weight)| (name.as_str(), *weight));
        let maglev = match kind {
            Kind::Maglev => Maglev::of(&named().collect::<Vec<_>>(), SLOTS),
            Kind::Ring => None,
        };
        maglev.map_or_else(|| Self::Ring(Ring::of(named())), Self::Maglev)
    }
}

/// Where keys find a candidate.
#[derive(Debug)]
pub struct Lookup {
    table: Arc<KeyTable>,
    /// The candidate of each number in the table.
    candidates: Box<[u32]>,
    /// The weights of candidates before each, and of all.
    sums: Box<[u64]>,
}

impl Lookup {
    /// For candidates with these numbers in the table and weights, in their order.
    pub(super) fn of(table: &Arc<KeyTable>, endpoints: impl Iterator<Item = (u32, u32)>) -> Self {
        let (mut candidates, mut sums) = (Vec::new(), vec![0]);
        for (candidate, (number, weight)) in (0..).zip(endpoints) {
            sums.push(sums.last().copied().unwrap_or_default() + u64::from(weight));
            let number = usize::try_from(number).unwrap_or(usize::MAX);
            if number >= candidates.len() {
                candidates.resize(number + 1, NONE);
            }
            candidates[number] = candidate;
        }
        Self { table: Arc::clone(table), candidates: candidates.into(), sums: sums.into() }
    }

    /// The weights of all candidates before one, and of all.
    pub(super) fn sums(&self, candidate: usize) -> (u64, u64) {
        (self.sums[candidate], self.sums.last().copied().unwrap_or_default())
    }

    /// The first candidate of a key, from its own on, that `accepts`.
    pub(super) fn find(&self, key: &[u8], mut accepts: impl FnMut(usize) -> bool) -> Option<usize> {
        let mut last = NONE;
        let mut of = |number: u32| {
            if std::mem::replace(&mut last, number) == number {
                return None; // it was asked just now
            }
            let candidate = *self.candidates.get(usize::try_from(number).ok()?)?;
            usize::try_from(candidate).ok().filter(|_| candidate != NONE).filter(|candidate| accepts(*candidate))
        };
        match &*self.table {
            KeyTable::Ring(ring) => ring.walk(key).take(MOST_STEPS).find_map(&mut of),
            KeyTable::Maglev(maglev) => maglev.walk(key).take(MOST_STEPS).find_map(&mut of),
        }
    }

    /// The name of the kind of table.
    pub(super) fn name(&self) -> &'static str {
        match &*self.table {
            KeyTable::Ring(_) => "Ring",
            KeyTable::Maglev(_) => "Maglev",
        }
    }
}

/// How many thousandths of its slow start an endpoint must have behind it before it takes a key, less one: always the same ones,
/// and more as it goes on.
pub(super) fn ramp(key: &[u8]) -> u32 {
    u32::try_from(xxh64(key, RAMP_SEED) % u64::from(ALL)).unwrap_or(ALL)
}
