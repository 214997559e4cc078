//! How many bytes may be written: etcd keeps every revision until its compaction, so that a large table that changes ten times
//! a second would fill its quota in minutes.

use std::{collections::HashMap, time::Duration};

use tokio::time::Instant;

use crate::key::Key;

const KIB: f64 = 1024.0;
/// A pool's burst: more than the largest table.
const BURST: f64 = 1024.0 * KIB;
/// What a pool may write each second in the long run.
const POOL_RATE: f64 = 256.0 * KIB;
/// What all pools may write each second in the long run: 300 MiB between two compactions, of a quota of 2 GiB.
const OPERATOR_RATE: f64 = 1024.0 * KIB;

/// The bytes that may be written, of each pool and of all. Who must wait has a promise, and promises are kept in their order: a
/// large table is not starved by small ones that take every byte as it comes.
#[derive(Debug)]
pub struct Budget {
    all: Bucket,
    pools: HashMap<Key, Pool>,
}

#[derive(Debug)]
struct Pool {
    bucket: Bucket,
    promise: Option<Promise>,
}

/// Bytes that are taken from the buckets already, to be written from that moment on.
#[derive(Clone, Copy, Debug)]
struct Promise {
    bytes: f64,
    at: Instant,
}

/// Fills with time up to the burst; less than nothing is in it while promises are open.
#[derive(Clone, Copy, Debug)]
struct Bucket {
    bytes_per_second: f64,
    bytes: f64,
    at: Instant,
}

impl Budget {
    /// A full budget.
    #[must_use]
    pub fn new(now: Instant) -> Self {
        Self { all: Bucket::full(OPERATOR_RATE, now), pools: HashMap::new() }
    }

    /// Takes that many bytes, or says how long to wait. The size may differ when the pool asks again.
    pub fn take(&mut self, key: &Key, bytes: usize, now: Instant) -> Result<(), Duration> {
        let bytes = f64::from(u32::try_from(bytes).unwrap_or(u32::MAX)).min(BURST);
        let full = || Pool { bucket: Bucket::full(POOL_RATE, now), promise: None };
        let pool = self.pools.entry(key.clone()).or_insert_with(full);
        if let Some(promise) = pool.promise.filter(|promise| promise.at > now) {
            return Err(promise.at - now);
        }
        let promised = pool.promise.take().map(|promise| promise.bytes);
        let missing = bytes - promised.unwrap_or_default();
        let wait = pool.bucket.take(missing, now).max(self.all.take(missing, now));
        if promised.is_some() || wait.is_zero() {
            return Ok(());
        }
        pool.promise = Some(Promise { bytes, at: now + wait });
        Err(wait)
    }

    /// The pool has nothing to write any more: what it was promised goes back.
    pub fn release(&mut self, key: &Key, now: Instant) {
        let Some(pool) = self.pools.get_mut(key) else { return };
        if let Some(promise) = pool.promise.take() {
            pool.bucket.take(-promise.bytes, now);
            self.all.take(-promise.bytes, now);
        }
    }

    /// The pool is gone.
    pub fn forget(&mut self, key: &Key, now: Instant) {
        self.release(key, now);
        self.pools.remove(key);
    }
}

impl Bucket {
    fn full(bytes_per_second: f64, at: Instant) -> Self {
        Self { bytes_per_second, bytes: BURST, at }
    }

    /// Takes the bytes and says when they will have been there.
    fn take(&mut self, bytes: f64, now: Instant) -> Duration {
        let seconds = now.saturating_duration_since(self.at).as_secs_f64();
        self.bytes = (self.bytes + seconds * self.bytes_per_second).min(BURST) - bytes;
        self.at = now;
        Duration::from_secs_f64((-self.bytes).max(0.0) / self.bytes_per_second)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KIB: usize = 1024;
    const MS: Duration = Duration::from_millis(1);

    fn web() -> Key {
        Key::new("shop", "web")
    }

    #[test]
    fn a_pool_writes_a_megabyte_at_once_and_then_256_kib_a_second() {
        let start = Instant::now();
        let mut budget = Budget::new(start);
        for _ in 0..16 {
            assert_eq!(budget.take(&web(), 64 * KIB, start), Ok(()));
        }
        assert_eq!(budget.take(&web(), 64 * KIB, start), Err(MS * 250));
        assert_eq!(budget.take(&web(), 64 * KIB, start + MS * 249), Err(MS), "asking again costs nothing");
        assert_eq!(budget.take(&web(), 64 * KIB, start + MS * 250), Ok(()));
        assert_eq!(budget.take(&web(), 64 * KIB, start + MS * 250), Err(MS * 250));
    }

    #[test]
    fn small_tables_are_never_put_off() {
        let start = Instant::now();
        let mut budget = Budget::new(start);
        for tenth in 0..6000 {
            assert_eq!(budget.take(&web(), 3 * KIB, start + MS * 100 * tenth), Ok(()), "ten a second for ten minutes");
        }
    }

    #[test]
    fn a_pool_never_exceeds_burst_and_rate() {
        let start = Instant::now();
        let (mut budget, mut written, mut now) = (Budget::new(start), 0, start);
        while now < start + Duration::from_secs(20) {
            match budget.take(&web(), 500 * KIB, now) {
                Ok(()) => written += 500 * KIB,
                Err(wait) => now += wait,
            }
        }
        assert!(written <= 1024 * KIB + 20 * 256 * KIB, "{written}");
        assert!(written >= 1024 * KIB + 17 * 256 * KIB, "{written}: the rate is used");
    }

    #[test]
    fn all_pools_together_stay_near_a_megabyte_a_second_and_none_starves() {
        let start = Instant::now();
        let mut budget = Budget::new(start);
        let (mut small, mut large) = (0, 0);
        for ms in 0..20_000 {
            let now = start + MS * ms;
            for pool in 0..40 {
                small += usize::from(budget.take(&Key::new("shop", &pool.to_string()), 60 * KIB, now).is_ok());
            }
            large += usize::from(budget.take(&web(), 800 * KIB, now).is_ok());
        }
        let written = (small * 60 + large * 800) * KIB;
        assert!(written <= (1 + 20) * 1024 * KIB, "{written}");
        assert!(large >= 4, "{large}");
    }

    #[test]
    fn a_promise_that_is_not_needed_goes_back() {
        let start = Instant::now();
        let mut budget = Budget::new(start);
        assert_eq!(budget.take(&web(), 1024 * KIB, start), Ok(()));
        assert_eq!(budget.take(&web(), 256 * KIB, start), Err(MS * 1000));
        budget.release(&web(), start);
        assert_eq!(budget.take(&web(), 64 * KIB, start), Err(MS * 250));
    }

    #[test]
    fn a_table_that_grew_while_it_waited_pays_the_rest() {
        let start = Instant::now();
        let mut budget = Budget::new(start);
        assert_eq!(budget.take(&web(), 1024 * KIB, start), Ok(()));
        assert_eq!(budget.take(&web(), 64 * KIB, start), Err(MS * 250));
        assert_eq!(budget.take(&web(), 128 * KIB, start + MS * 250), Ok(()));
        assert_eq!(budget.take(&web(), 64 * KIB, start + MS * 250), Err(MS * 500));
    }

    #[test]
    fn a_pool_that_is_gone_is_forgotten() {
        let start = Instant::now();
        let mut budget = Budget::new(start);
        assert_eq!(budget.take(&web(), 1024 * KIB, start), Ok(()));
        budget.forget(&web(), start);
        assert!(budget.pools.is_empty());
    }
}
