//! Weighted rendezvous hashing (Thaler and Ravishankar 1998; the weights after Schindelhauer and Schomaker 2005): which backend a key
//! belongs to. Only keys of a backend that leaves or changes its weight move.

use std::cmp::Ordering;

use xxhash_rust::xxh64::Xxh64;

/// Another one than for endpoint tables: else all keys of a backend would fall into one part of its ring.
const SEED: u64 = 2;

/// The backend of a key: the number of the one with the highest score, of equal ones that with the smaller name. Weight 0 never wins.
pub fn find<'a>(key: &[u8], backends: impl Iterator<Item = (&'a str, u32)>) -> Option<usize> {
    let mut best: Option<(f64, &str, usize)> = None;
    for (number, (name, weight)) in backends.enumerate().filter(|(_, (_, weight))| *weight > 0) {
        let score = score(key, name, weight);
        let is_better = best.is_none_or(|(most, winner, _)| match score.total_cmp(&most) {
            Ordering::Greater => true,
            Ordering::Equal => name < winner,
            Ordering::Less => false,
        });
        if is_better {
            best = Some((score, name, number));
        }
    }
    best.map(|(.., number)| number)
}

fn score(key: &[u8], name: &str, weight: u32) -> f64 {
    let mut hasher = Xxh64::new(SEED);
    hasher.update(key);
    hasher.update(&[0]);
    hasher.update(name.as_bytes());
    #[expect(clippy::cast_precision_loss, reason = "53 bits are exact")]
    let of = |bits: u64| bits as f64;
    // 53 bits are exact in both: no two platforms differ but by their `ln`.
    let uniform = (of(hasher.digest() >> 11) + 0.5) / of(1 << 53);
    f64::from(weight) / -uniform.ln()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn backend(key: usize, backends: &[(&'static str, u32)]) -> &'static str {
        backends[find(format!("user-{key}").as_bytes(), backends.iter().copied()).expect("one")].0
    }

    #[test]
    fn shares_follow_weights_for_keys_and_names_that_differ_in_little() {
        let backends = [("web-1", 70), ("web-2", 30), ("web-3", 0)];
        let first = (0..100_000).filter(|key| backend(*key, &backends) == "web-1").count();
        assert!((69_400..70_600).contains(&first), "{first}");
        assert!((0..10_000).all(|key| backend(key, &backends) != "web-3"));
        assert_eq!(find(b"x", [("a", 0)].into_iter()), None);
    }

    #[test]
    fn only_keys_of_who_leaves_or_grows_move() {
        let (all, without) = ([("a", 1), ("b", 1), ("c", 1)], [("a", 1), ("c", 1)]);
        let grown = [("a", 1), ("b", 2), ("c", 1)];
        for key in 0..10_000 {
            let before = backend(key, &all);
            assert!(before == "b" || backend(key, &without) == before);
            let after = backend(key, &grown);
            assert!(after == before || after == "b");
        }
    }
}
