//! Counters that threads write without meeting: each has its own cells, readers sum them.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// `N` counters for each thread.
#[derive(Debug)]
pub struct PerThread<const N: usize>(Box<[Cells<N>]>);

/// Aligned to two cache lines, which the hardware fetches in pairs: no two threads write the same.
#[derive(Debug)]
#[repr(align(128))]
struct Cells<const N: usize>([AtomicU64; N]);

impl<const N: usize> PerThread<N> {
    /// Counters for so many threads, all 0.
    #[must_use]
    pub fn new(threads: usize) -> Self {
        Self((0..threads).map(|_| Cells(std::array::from_fn(|_| AtomicU64::new(0)))).collect())
    }

    /// Adds 1. Only `thread` itself calls this for its number, so that a load and a store are enough.
    pub fn add(&self, thread: usize, counter: usize) {
        let cell = &self.0[thread].0[counter];
        cell.store(cell.load(Relaxed) + 1, Relaxed);
    }

    /// The sum over all threads.
    #[must_use]
    pub fn sum(&self, counter: usize) -> u64 {
        self.0.iter().map(|cells| cells.0[counter].load(Relaxed)).sum()
    }
}
