//! nginx: `hash … consistent`, with a server taken out of the upstream and put back.
//!
//! Source: `src/http/modules/ngx_http_upstream_hash_module.c`: 160 points for each unit of weight, each the CRC-32 of host,
//! a zero byte, port and the point before; the first point from the key's CRC-32 on.

use super::{Keyed, address};
use crate::{time::Nanos, world::World};

/// The ring that is known as ketama.
#[derive(Debug, Default)]
pub(super) struct Ketama {
    points: Vec<(u32, usize)>,
}

impl Keyed for Ketama {
    fn members(&mut self, world: &World, now: Nanos) {
        self.points = world.ready(now).flat_map(|number| points(number).map(move |point| (point, number))).collect();
        self.points.sort_unstable();
    }

    fn find(&mut self, key: &str, _: Nanos) -> usize {
        let hash = crc32fast::hash(key.as_bytes());
        let place = self.points.partition_point(|(point, _)| *point < hash);
        self.points.get(place).or(self.points.first()).map_or(usize::MAX, |(_, number)| *number)
    }
}

fn points(number: usize) -> impl Iterator<Item = u32> {
    let mut base = crc32fast::Hasher::new();
    base.update(address(number).replace(':', "\0").as_bytes());
    let mut before = 0_u32;
    (0..160).map(move |_| {
        let mut point = base.clone();
        point.update(&before.to_le_bytes());
        before = point.finalize();
        before
    })
}
