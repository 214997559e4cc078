//! Our own tables of keys, through the proxy's `pick`.

use evenkeel_crds::api::{Algorithm, HashTable};

use super::Keyed;
use crate::{
    rule::Rule as _,
    rules::ours::{Ours, Setup, number},
    time::Nanos,
    world::World,
};

/// One of our tables.
pub(super) fn table(hash_table: HashTable) -> Ours {
    Ours::new(Setup { algorithm: Some(Algorithm::ConsistentHash), hash_table, ..Setup::default() }, 0, 1)
}

impl Keyed for Ours {
    fn members(&mut self, world: &World, now: Nanos) {
        crate::rule::Rule::members(self, world, now);
    }

    fn find(&mut self, key: &str, now: Nanos) -> usize {
        self.tick(now);
        Ours::find(self, now, Some(key.as_bytes())).map_or(usize::MAX, |picked| number(&picked))
    }
}
