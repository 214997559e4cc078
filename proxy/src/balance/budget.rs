//! The retry budget: retries may be a part of what is sent, so that they never become the load that keeps a pool down.
//!
//! Allowed while the retries of the last seconds are fewer than a share of the requests sent in them, plus 10 a second for
//! the whole fleet (Gateway API GEP-3388; tower's `TpsBudget` has the same figures). Counted when sent, not when answered.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};

/// Seconds, each with its bucket: the longest interval that a pool may choose.
const BUCKETS: usize = 60;
/// A second, shared by all proxies of the pool.
const FLEET_FLOOR: u64 = 10;

/// How large a budget is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BudgetRules {
    /// Retries, of a hundred requests.
    pub percent: u64,
    /// Over so many seconds, 1 to 60.
    pub seconds: u64,
    /// The number of proxies of the pool.
    pub fleet: u32,
}

/// The budget of a pool in this process. Each thread writes its own buckets, plain load and store; readers sum them.
#[derive(Debug)]
pub struct RetryBudget {
    threads: Box<[Buckets]>,
}

/// One thread's last minute; aligned so that no two threads write the same cache line.
#[derive(Debug)]
#[repr(align(128))]
struct Buckets([Bucket; BUCKETS]);

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
        Self { threads: (0..threads).map(|_| Buckets(std::array::from_fn(|_| Bucket::default()))).collect() }
    }

    /// Counts a request that is sent for the first time.
    pub fn count_request(&self, thread: usize, second: u64) {
        let bucket = self.threads[thread].at(second);
        bucket.requests.store(bucket.requests.load(Relaxed).saturating_add(1), Relaxed);
    }

    /// Counts a retry, if the budget has room for it.
    #[must_use]
    pub fn take_retry(&self, thread: usize, second: u64, rules: BudgetRules) -> bool {
        let BudgetRules { percent, seconds, fleet } = rules;
        let buckets = self.threads.iter().flat_map(|thread| &thread.0);
        let recent = buckets.filter(|bucket| bucket.second.load(Relaxed) + seconds > second);
        let (requests, retries) = recent.fold((0, 0), |(requests, retries), bucket| {
            (requests + u64::from(bucket.requests.load(Relaxed)), retries + u64::from(bucket.retries.load(Relaxed)))
        });
        let floor = (FLEET_FLOOR * seconds / u64::from(fleet.max(1))).max(1);
        let allowed = retries * 100 < requests * percent + floor * 100;
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
        let bucket = &self.0[usize::try_from(second % BUCKETS as u64).unwrap_or(0)];
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

    const USUAL: BudgetRules = BudgetRules { percent: 20, seconds: 10, fleet: 1 };

    fn taken(budget: &RetryBudget, second: u64, rules: BudgetRules) -> usize {
        (0..10_000).take_while(|_| budget.take_retry(0, second, rules)).count()
    }

    #[test]
    fn the_floor_is_ten_a_second_for_the_whole_fleet() {
        for (fleet, seconds, floor) in [(1, 10, 100), (50, 10, 2), (1_000, 10, 1), (1, 1, 10), (1, 60, 600)] {
            assert_eq!(taken(&RetryBudget::new(1), 100, BudgetRules { seconds, fleet, ..USUAL }), floor);
        }
    }

    #[test]
    fn a_share_of_all_threads_requests_comes_on_top() {
        for (percent, share) in [(0, 0), (20, 400), (100, 2_000)] {
            let budget = RetryBudget::new(2);
            (0..1_000).for_each(|_| budget.count_request(0, 100));
            (0..1_000).for_each(|_| budget.count_request(1, 105));
            assert_eq!(taken(&budget, 105, BudgetRules { percent, ..USUAL }), 100 + share);
        }
    }

    #[test]
    fn what_is_older_than_the_interval_counts_no_more() {
        for seconds in [1, 10, 60] {
            let rules = BudgetRules { seconds, ..USUAL };
            let (budget, floor) = (RetryBudget::new(1), usize::try_from(10 * seconds).expect("small"));
            assert_eq!(taken(&budget, 100, rules), floor);
            assert_eq!(taken(&budget, 99 + seconds, rules), 0);
            assert_eq!(taken(&budget, 100 + seconds, rules), floor);
        }
    }
}
