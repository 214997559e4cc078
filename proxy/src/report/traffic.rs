//! What is counted of a backend's requests, by each thread for itself.

use std::time::Duration;

use crate::counters::PerThread;

/// Classes of status; 0 has none.
pub(crate) const CLASSES: usize = 6;
/// The upper bounds of a histogram's buckets but the last, in milliseconds: from an answer of memory to a hanging database.
pub(crate) const BOUNDS_MS: [f64; 13] =
    [1.0, 2.5, 5.0, 10.0, 25.0, 50.0, 100.0, 250.0, 500.0, 1_000.0, 2_500.0, 5_000.0, 10_000.0];
const BOUNDS_NS: [u64; 13] = [
    1_000_000,
    2_500_000,
    5_000_000,
    10_000_000,
    25_000_000,
    50_000_000,
    100_000_000,
    250_000_000,
    500_000_000,
    1_000_000_000,
    2_500_000_000,
    5_000_000_000,
    10_000_000_000,
];
/// With the one that has no bound.
pub(crate) const BUCKETS: usize = BOUNDS_NS.len() + 1;

const RECEIVED: usize = CLASSES;
const SENT: usize = RECEIVED + 1;
const DURATION: usize = SENT + 1;
const HEADER: usize = DURATION + BUCKETS + 1;
const CELLS: usize = HEADER + BUCKETS + 1;

/// A backend's counters.
#[derive(Debug)]
pub(crate) struct Traffic(PerThread<CELLS>);

/// A request that ended.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ended {
    /// The first digit of its status; 0 of one that nobody got.
    pub(crate) class: usize,
    /// From its first byte to the end of its answer.
    pub(crate) duration: Duration,
    /// From the last attempt's beginning to the head of its answer.
    pub(crate) header: Option<Duration>,
    /// Bytes of its body.
    pub(crate) received: u64,
    /// Bytes of its answer's body.
    pub(crate) sent: u64,
}

/// A histogram as it is at the moment.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Snapshot {
    /// How many are in each bucket and in none before.
    pub(crate) buckets: [u64; BUCKETS],
    /// Of all, in seconds.
    pub(crate) sum: f64,
}

impl Traffic {
    /// For so many threads.
    #[must_use]
    pub(crate) fn new(threads: usize) -> Self {
        Self(PerThread::new(threads))
    }

    /// Counts a request.
    pub(crate) fn count(&self, thread: usize, ended: &Ended) {
        let own = self.0.of(thread);
        own.add(ended.class.min(CLASSES - 1), 1);
        own.add(RECEIVED, ended.received);
        own.add(SENT, ended.sent);
        for (first, taken) in [(DURATION, Some(ended.duration)), (HEADER, ended.header)] {
            if let Some(taken) = taken {
                let taken = u64::try_from(taken.as_nanos()).unwrap_or(u64::MAX);
                own.add(first + bucket(taken), 1);
                own.add(first + BUCKETS, taken);
            }
        }
    }

    /// Requests with a status of this class.
    #[must_use]
    pub(crate) fn requests(&self, class: usize) -> u64 {
        self.0.sum(class)
    }

    /// Bytes of bodies from clients.
    #[must_use]
    pub(crate) fn received(&self) -> u64 {
        self.0.sum(RECEIVED)
    }

    /// Bytes of bodies to clients.
    #[must_use]
    pub(crate) fn sent(&self) -> u64 {
        self.0.sum(SENT)
    }

    /// How long requests took.
    #[must_use]
    pub(crate) fn durations(&self) -> Snapshot {
        self.snapshot(DURATION)
    }

    /// How long the heads of answers took.
    #[must_use]
    pub(crate) fn headers(&self) -> Snapshot {
        self.snapshot(HEADER)
    }

    fn snapshot(&self, first: usize) -> Snapshot {
        let nanos = Duration::from_nanos(self.0.sum(first + BUCKETS));
        Snapshot { buckets: std::array::from_fn(|index| self.0.sum(first + index)), sum: nanos.as_secs_f64() }
    }
}

impl Snapshot {
    /// How many in all.
    #[must_use]
    pub(crate) fn count(&self) -> u64 {
        self.buckets.iter().sum()
    }
}

/// Nearly all requests are in the first few: no search is faster.
fn bucket(nanos: u64) -> usize {
    BOUNDS_NS.iter().position(|bound| nanos <= *bound).unwrap_or(BUCKETS - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_in_the_first_bucket_that_has_room_for_it() {
        for (bound_ms, (index, bound)) in BOUNDS_MS.iter().zip(BOUNDS_NS.iter().enumerate()) {
            assert_eq!(Duration::from_nanos(*bound), Duration::from_secs_f64(bound_ms / 1000.0));
            assert_eq!((bucket(*bound), bucket(bound + 1)), (index, index + 1), "{bound}");
        }
        assert_eq!((bucket(0), bucket(u64::MAX)), (0, BUCKETS - 1));
    }

    #[test]
    fn what_threads_counted_is_summed() {
        let traffic = Traffic::new(2);
        let ended = |class, ms, header: Option<u64>| Ended {
            class,
            duration: Duration::from_millis(ms),
            header: header.map(Duration::from_millis),
            received: 3,
            sent: 5,
        };
        traffic.count(0, &ended(2, 7, Some(2)));
        traffic.count(1, &ended(2, 1, Some(1)));
        traffic.count(1, &ended(0, 20_000, None));
        assert_eq!((traffic.requests(2), traffic.requests(0), traffic.requests(5)), (2, 1, 0));
        assert_eq!((traffic.received(), traffic.sent()), (9, 15));
        let (durations, headers) = (traffic.durations(), traffic.headers());
        assert_eq!((durations.count(), headers.count()), (3, 2));
        assert!((durations.sum - 20.008).abs() < 1e-9 && (headers.sum - 0.003).abs() < 1e-9);
        assert_eq!((durations.buckets[0], durations.buckets[3], durations.buckets[BUCKETS - 1]), (1, 1, 1));
    }
}
