//! Envoy: `RING_HASH` and `MAGLEV`, with a host taken out of the cluster and put back.
//!
//! Sources: `source/extensions/load_balancing_policies/ring_hash/ring_hash_lb.cc` (1,024 points or a few more, each the XXH64 of
//! `address_index`), `…/maglev/maglev_lb.cc` (65,537 slots; hosts in the order of their names claim one in turn).

use xxhash_rust::xxh64::xxh64;

use super::{Keyed, address};
use crate::{time::Nanos, world::World};

const MIN_RING: usize = 1024;
const SLOTS: u64 = 65_537;
const EMPTY: u16 = u16::MAX;

/// `RING_HASH`.
#[derive(Debug, Default)]
pub(super) struct Ring {
    points: Vec<(u64, usize)>,
}

impl Keyed for Ring {
    fn members(&mut self, world: &World, now: Nanos) {
        let hosts: Vec<_> = world.ready(now).collect();
        let each = MIN_RING.div_ceil(hosts.len());
        let point = |number: usize, index: usize| xxh64(format!("{}_{index}", address(number)).as_bytes(), 0);
        let points = |number: &usize| {
            let number = *number;
            (0..each).map(move |index| (point(number, index), number))
        };
        self.points = hosts.iter().flat_map(points).collect();
        self.points.sort_unstable();
    }

    fn find(&mut self, key: &str, _: Nanos) -> usize {
        let hash = xxh64(key.as_bytes(), 0);
        let place = self.points.partition_point(|(point, _)| *point < hash);
        self.points.get(place).or(self.points.first()).map_or(usize::MAX, |(_, number)| *number)
    }
}

/// `MAGLEV`.
#[derive(Debug, Default)]
pub(super) struct Maglev {
    slots: Vec<u16>,
}

impl Keyed for Maglev {
    fn members(&mut self, world: &World, now: Nanos) {
        let mut hosts: Vec<_> = world.ready(now).map(|number| (address(number), number)).collect();
        hosts.sort();
        let start = |(name, number): &(String, usize)| {
            let hash = |seed| xxh64(name.as_bytes(), seed);
            (hash(0) % SLOTS, hash(1) % (SLOTS - 1) + 1, *number as u16)
        };
        let mut claims: Vec<_> = hosts.iter().map(start).collect();
        self.slots = vec![EMPTY; SLOTS as usize];
        let mut left = self.slots.len();
        'filled: loop {
            for (slot, skip, number) in &mut claims {
                while self.slots[*slot as usize] != EMPTY {
                    *slot = (*slot + *skip) % SLOTS;
                }
                self.slots[*slot as usize] = *number;
                left -= 1;
                if left == 0 {
                    break 'filled;
                }
            }
        }
    }

    fn find(&mut self, key: &str, _: Nanos) -> usize {
        self.slots[(xxh64(key.as_bytes(), 0) % SLOTS) as usize].into()
    }
}
