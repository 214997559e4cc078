//! Consistent hashing by Maglev's table (Eisenbud et al., NSDI 2016, §3.4), with weights as Envoy gives them.
//!
//! Each server claims slots in turn, in an order of its own; the turns are as frequent as its weight. The table is built over all
//! servers of a backend, in the order of their names, so that every proxy has the same; who is away is walked over.

use xxhash_rust::xxh64::xxh64;

/// Slots of a table (Envoy, Cilium): a prime, so that every step visits all; 128 KiB.
pub(super) const SLOTS: u32 = 65_537;

/// A table of servers, by their numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Maglev {
    slots: Box<[u16]>,
}

/// A server while the table is filled.
struct Claimant {
    server: u16,
    offset: u64,
    step: u64,
    tried: u64,
    weight: u64,
    target: u64,
}

impl Maglev {
    /// A table of so many slots, a prime, for servers with their names and weights. None without a server that has a weight, or
    /// with more than 65,535.
    #[must_use]
    pub fn of(servers: &[(&str, u32)], slots: u32) -> Option<Self> {
        let mut claimants = claimants(servers, slots)?;
        let most = claimants.iter().map(|claimant| claimant.weight).max()?;
        let mut table: Vec<Option<u16>> = vec![None; slots as usize];
        let mut free = slots;
        for turn in 1_u64.. {
            for claimant in &mut claimants {
                if turn * claimant.weight < claimant.target {
                    continue;
                }
                claimant.target += most;
                claimant.claim(&mut table);
                free -= 1;
                if free == 0 {
                    return Some(Self { slots: table.into_iter().flatten().collect() });
                }
            }
        }
        None
    }

    /// The server of each slot.
    pub fn slots(&self) -> impl Iterator<Item = u32> {
        self.slots.iter().copied().map(u32::from)
    }

    /// The servers of a key, from its own on; a server comes many times.
    pub fn walk(&self, key: &[u8]) -> impl Iterator<Item = u32> {
        let start = usize::try_from(xxh64(key, 0) % self.slots.len() as u64).unwrap_or(0);
        let (before, after) = self.slots.split_at(start);
        after.iter().chain(before).map(|server| u32::from(*server))
    }
}

fn claimants(servers: &[(&str, u32)], slots: u32) -> Option<Vec<Claimant>> {
    let mut named: Vec<_> = servers.iter().enumerate().filter(|(_, (_, weight))| *weight > 0).collect();
    named.sort_by_key(|(_, (name, _))| *name);
    named
        .into_iter()
        .map(|(number, (name, weight))| {
            Some(Claimant {
                server: u16::try_from(number).ok()?,
                offset: xxh64(name.as_bytes(), 0) % u64::from(slots),
                step: xxh64(name.as_bytes(), 1) % u64::from(slots - 1) + 1,
                tried: 0,
                weight: u64::from(*weight),
                target: 0,
            })
        })
        .collect()
}

impl Claimant {
    /// Takes the first free slot in its own order.
    fn claim(&mut self, table: &mut [Option<u16>]) {
        let slots = table.len() as u64;
        loop {
            let slot = &mut table[usize::try_from((self.offset + self.tried * self.step) % slots).unwrap_or(0)];
            self.tried += 1;
            if slot.is_none() {
                *slot = Some(self.server);
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(table: &Maglev, server: u16) -> usize {
        table.slots.iter().filter(|slot| **slot == server).count()
    }

    #[test]
    fn the_table_does_not_depend_on_the_order_in_which_servers_are_named() {
        let servers = [("192.0.2.1:80", 1), ("192.0.2.2:80", 1), ("192.0.2.3:80", 1)];
        let table = Maglev::of(&servers, 11).expect("a table");
        assert_eq!(&*table.slots, [0, 1, 2, 1, 2, 1, 0, 0, 0, 1, 2]);
        let reversed = Maglev::of(&[servers[2], servers[1], servers[0]], 11).expect("a table");
        assert_eq!(reversed.slots.iter().map(|slot| 2 - slot).collect::<Vec<_>>(), &*table.slots);
    }

    #[test]
    fn shares_follow_weights() {
        let table = Maglev::of(&[("192.0.2.1:80", 2), ("192.0.2.2:80", 1), ("192.0.2.3:80", 1)], 13).expect("a table");
        assert_eq!([0, 1, 2].map(|server| count(&table, server)), [6, 4, 3]);
        assert!(Maglev::of(&[("a:1", 0)], 11).is_none() && Maglev::of(&[], 11).is_none());
    }

    #[test]
    fn equal_weights_have_equal_shares_and_one_that_leaves_moves_few_other_keys() {
        let names: Vec<_> = (1..=100).map(|number| format!("192.0.2.{number}:80")).collect();
        let servers: Vec<_> = names.iter().map(|name| (name.as_str(), 1)).collect();
        let all = Maglev::of(&servers, SLOTS).expect("a table");
        let counts: Vec<_> = (0..100).map(|server| count(&all, server)).collect();
        assert!(counts.iter().max().zip(counts.iter().min()).is_some_and(|(most, least)| most - least <= 1));
        let fewer = Maglev::of(&servers[..99], SLOTS).expect("a table");
        let moved =
            all.slots.iter().zip(&fewer.slots).filter(|(before, after)| **before != 99 && before != after).count();
        assert!(moved < SLOTS as usize / 100, "{moved}");
    }
}
