//! Consistent hashing on a ring of points, nginx's (`hash … consistent`; `ngx_http_upstream_init_chash`), so that a fleet may be
//! moved from nginx without moving a key.
//!
//! Each server has 160 points for each unit of weight, chained CRC-32 over its name. A key goes to the first point at or after its
//! own hash. The ring is built over all servers of a backend, whether they can serve or not: a flap rebuilds nothing, and moves only
//! the keys of the one that is away.

/// Points of a server for each unit of its weight (nginx).
const POINTS: u64 = 160;
/// Above so many in all, shares are scaled down: 2^20 points are 8 MiB.
pub(super) const MAX_POINTS: u64 = 1 << 20;

/// A ring of servers, by their numbers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ring {
    /// Hash and server, sorted by hash; of equal hashes the first server's alone.
    points: Vec<(u32, u32)>,
    /// Whether there are fewer points than nginx would have.
    is_scaled: bool,
}

impl Ring {
    /// A ring of servers with their names (`HOST:PORT`) and weights as they are written.
    #[must_use]
    pub fn of<'a>(servers: impl ExactSizeIterator<Item = (&'a str, u32)> + Clone) -> Self {
        let wanted: u64 = servers.clone().map(|(_, weight)| POINTS * u64::from(weight)).sum();
        let is_scaled = wanted > MAX_POINTS;
        let mut points = Vec::with_capacity(usize::try_from(wanted.min(MAX_POINTS)).unwrap_or(0));
        for (number, (name, weight)) in (0..).zip(servers) {
            let mut count = POINTS * u64::from(weight);
            if is_scaled && count > 0 {
                count = (count * MAX_POINTS / wanted).max(1);
            }
            points.extend(hashes(name).take(usize::try_from(count).unwrap_or(usize::MAX)).map(|hash| (hash, number)));
        }
        points.sort_unstable();
        points.dedup_by_key(|(hash, _)| *hash);
        Self { points, is_scaled }
    }

    /// Whether servers have fewer points than nginx would give them.
    #[must_use]
    pub fn is_scaled(&self) -> bool {
        self.is_scaled
    }

    /// All points, by their hashes, each with its server.
    pub fn points(&self) -> impl Iterator<Item = (u32, u32)> {
        self.points.iter().copied()
    }

    /// The servers of a key, from its own on, in the order of the ring; a server may come more than once.
    pub fn walk(&self, key: &[u8]) -> impl Iterator<Item = u32> {
        let hash = crc32fast::hash(key);
        let start = self.points.partition_point(|(point, _)| *point < hash);
        let (before, after) = self.points.split_at(start);
        after.iter().chain(before).map(|(_, server)| *server)
    }
}

/// The points of a server: CRC-32 of host, a zero byte, port and the point before, in little endian.
fn hashes(name: &str) -> impl Iterator<Item = u32> {
    let (host, port) = split(name);
    let mut base = crc32fast::Hasher::new();
    base.update(host.as_bytes());
    base.update(&[0]);
    base.update(port.as_bytes());
    let next = move |previous: u32| {
        let mut hasher = base.clone();
        hasher.update(&previous.to_le_bytes());
        hasher.finalize()
    };
    let first = next(0);
    std::iter::successors(Some(first), move |previous| Some(next(*previous)))
}

/// At the last colon, if only digits follow; an IPv6 address keeps its brackets.
fn split(name: &str) -> (&str, &str) {
    match name.rsplit_once(':') {
        Some((host, port)) if !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit()) => (host, port),
        _ => (name, ""),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_and_keys_are_nginxs() {
        assert_eq!(hashes("192.0.2.1:80").take(3).collect::<Vec<_>>(), [3_970_374_017, 3_796_882_525, 1_722_123_148]);
        assert_eq!(hashes("[2001:db8::1]:80").take(2).collect::<Vec<_>>(), [4_121_568_839, 1_452_682_849]);
        assert_eq!(crc32fast::hash(b"user-1"), 2_116_437_524);
        let ring = Ring::of(["192.0.2.1:80", "192.0.2.2:80", "192.0.2.3:80"].map(|name| (name, 1)).into_iter());
        let server = |key: &str| ring.walk(key.as_bytes()).next();
        assert_eq!(["user-1", "user-2", "user-4"].map(server), [Some(1), Some(0), Some(2)]);
    }

    #[test]
    fn a_server_that_is_away_moves_its_own_keys_alone() {
        let names: Vec<_> = (1..=10).map(|number| format!("192.0.2.{number}:80")).collect();
        let ring = Ring::of(names.iter().map(|name| (name.as_str(), 1)));
        let keys: Vec<_> = (0..10_000).map(|number| format!("user-{number}")).collect();
        for away in 0..10 {
            for key in &keys {
                let walk = || ring.walk(key.as_bytes());
                let (all, without) = (walk().next(), walk().find(|one| *one != away));
                assert!(all == without || all == Some(away), "{key}");
            }
        }
    }

    #[test]
    fn shares_follow_weights_and_the_largest_ring_is_bounded() {
        let ring = Ring::of([("a:1", 1_000_000), ("b:1", 1), ("c:1", 0)].into_iter());
        assert!(ring.is_scaled() && ring.points.len() as u64 <= MAX_POINTS + 2);
        assert!(ring.points.iter().any(|(_, server)| *server == 1), "nobody with a weight is left out");
        assert!(ring.points.iter().all(|(_, server)| *server != 2), "nobody without one is in");
        assert_eq!(Ring::default().walk(b"x").next(), None);
    }
}
