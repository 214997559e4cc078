//! The retry budget: retries may be a fifth of what is sent, so that they never become the load that keeps a pool down.
//!
//! Allowed while the retries of the last 10 s are fewer than 20 % of the requests sent in it, plus 10 a second for the
//! whole fleet (Gateway API GEP-3388; tower's `TpsBudget` has the same figures). Counted when sent, not when answered.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};

/// Seconds, each with its bucket.
const WINDOW: usize = 10;
const WINDOW_S: u64 = WINDOW as u64;
const PERCENT: u64 = 20;
/// A second, shared by all proxies of the pool.
const FLEET_FLOOR: u64 = 10;

/// The budget of a pool in this process. Each thread writes its own buckets, plain load and store; readers sum them.
#[derive(Debug)]
pub struct RetryBudget {
    threads: Box<[Buckets]>,
}

/// One thread's last ten seconds; aligned so that no two threads write the same cache line.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Buckets([Bucket; WINDOW]);

#[derive(Debug, Default)]
struct Bucket {
    second: AtomicU64,
    requests: AtomicU32,
    retries: AtomicU32,
}

impl RetryBudget {
    /// A budget for so many threads.
    #[must_use]
    pub fn new(threads: usize) -> Self {
        Self { threads: (0..threads).map(|_| Buckets::default()).collect() }
    }

    /// Counts a request that is sent for the first time.
    pub fn count_request(&self, thread: usize, second: u64) {
        let bucket = self.threads[thread].at(second);
        bucket.requests.store(bucket.requests.load(Relaxed).saturating_add(1), Relaxed);
    }

    /// Counts a retry, if the budget has room for it. `fleet` is the number of proxies of the pool.
    #[must_use]
    pub fn take_retry(&self, thread: usize, second: u64, fleet: u32) -> bool {
        let buckets = self.threads.iter().flat_map(|thread| &thread.0);
        let recent = buckets.filter(|bucket| bucket.second.load(Relaxed) + WINDOW_S > second);
        let (requests, retries) = recent.fold((0, 0), |(requests, retries), bucket| {
            (requests + u64::from(bucket.requests.load(Relaxed)), retries + u64::from(bucket.retries.load(Relaxed)))
        });
        let floor = (FLEET_FLOOR * WINDOW_S / u64::from(fleet.max(1))).max(1);
        let allowed = retries * 100 < requests * PERCENT + floor * 100;
        if allowed {
            let bucket = self.threads[thread].at(second);
            bucket.retries.store(bucket.retries.load(Relaxed).saturating_add(1), Relaxed);
        }
        allowed
    }
}

impl Buckets {
    /// The bucket of a second, emptied if it held an older one.
    fn at(&self, second: u64) -> &Bucket {
        let bucket = &self.0[usize::try_from(second % WINDOW_S).unwrap_or(0)];
        if bucket.second.load(Relaxed) != second {
            bucket.second.store(second, Relaxed);
            bucket.requests.store(0, Relaxed);
            bucket.retries.store(0, Relaxed);
        }
        bucket
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(budget: &RetryBudget, second: u64, fleet: u32) -> usize {
        (0..10_000).take_while(|_| budget.take_retry(0, second, fleet)).count()
    }

    #[test]
    fn the_floor_is_ten_a_second_for_the_whole_fleet() {
        assert_eq!(taken(&RetryBudget::new(1), 100, 1), 100);
        assert_eq!(taken(&RetryBudget::new(1), 100, 50), 2);
        assert_eq!(taken(&RetryBudget::new(1), 100, 1_000), 1);
    }

    #[test]
    fn a_fifth_of_all_threads_requests_comes_on_top() {
        let budget = RetryBudget::new(2);
        (0..1_000).for_each(|_| budget.count_request(0, 100));
        (0..1_000).for_each(|_| budget.count_request(1, 105));
        assert_eq!(taken(&budget, 105, 1), 100 + 400);
    }

    #[test]
    fn what_is_ten_seconds_old_counts_no_more() {
        let budget = RetryBudget::new(1);
        assert_eq!(taken(&budget, 100, 1), 100);
        assert_eq!(taken(&budget, 109, 1), 0);
        assert_eq!(taken(&budget, 110, 1), 100);
    }
}
