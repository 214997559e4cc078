//! `HAProxy`: `hash-type map-based`, its default, and `hash-type consistent`.
//!
//! Sources: `src/lb_map.c` (the hash modulo the usable servers), `src/lb_chash.c` (16 points for each unit of weight, 32 bits;
//! the nearest point before or after the key). Its 32-bit hash is replaced by one that spreads as well.

use xxhash_rust::xxh64::xxh64;

use super::Keyed;
use crate::{time::Nanos, world::World};

/// `hash-type map-based`.
#[derive(Debug, Default)]
pub(super) struct Map {
    servers: Vec<usize>,
}

impl Keyed for Map {
    fn members(&mut self, world: &World, now: Nanos) {
        self.servers = world.ready(now).collect();
    }

    fn find(&mut self, key: &str, _: Nanos) -> usize {
        self.servers[hash(key.as_bytes(), 0) as usize % self.servers.len()]
    }
}

/// `hash-type consistent`.
#[derive(Debug, Default)]
pub(super) struct Consistent {
    points: Vec<(u32, usize)>,
}

impl Keyed for Consistent {
    fn members(&mut self, world: &World, now: Nanos) {
        let points = |number: usize| (0..16).map(move |index| (hash(&number.to_le_bytes(), 1 + index), number));
        self.points = world.ready(now).flat_map(points).collect();
        self.points.sort_unstable();
    }

    fn find(&mut self, key: &str, _: Nanos) -> usize {
        let hash = hash(key.as_bytes(), 0);
        let count = self.points.len();
        let next = self.points.partition_point(|(point, _)| *point < hash) % count;
        let (next, before) = (self.points[next], self.points[(next + count - 1) % count]);
        if hash.wrapping_sub(before.0) <= next.0.wrapping_sub(hash) { before.1 } else { next.1 }
    }
}

fn hash(bytes: &[u8], seed: u64) -> u32 {
    xxh64(bytes, seed) as u32
}
