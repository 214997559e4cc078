//! Counters that threads write without meeting: each has its own cells, readers sum them.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// `N` counters for each thread.
#[derive(Debug)]
pub(crate) struct PerThread<const N: usize>(Box<[Cells<N>]>);

/// Aligned to two cache lines, which the hardware fetches in pairs: no two threads write the same.
#[derive(Debug)]
#[repr(align(128))]
struct Cells<const N: usize>([AtomicU64; N]);

impl<const N: usize> PerThread<N> {
    /// Counters for so many threads, all 0.
    #[must_use]
    pub(crate) fn new(threads: usize) -> Self {
        Self((0..threads).map(|_| Cells(std::array::from_fn(|_| AtomicU64::new(0)))).collect())
    }

    /// Adds 1. Only `thread` itself calls this for its number, so that a load and a store are enough.
    pub(crate) fn add(&self, thread: usize, counter: usize) {
        self.of(thread).add(counter, 1);
    }

    /// The counters of one thread, for itself alone.
    #[must_use]
    pub(crate) fn of(&self, thread: usize) -> Own<'_, N> {
        Own(&self.0[thread].0)
    }

    /// The sum over all threads; after 2⁶⁴ it begins anew, as each counter does.
    #[must_use]
    pub(crate) fn sum(&self, counter: usize) -> u64 {
        self.0.iter().fold(0, |sum, cells| sum.wrapping_add(cells.0[counter].load(Relaxed)))
    }
}

/// The counters of one thread.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Own<'a, const N: usize>(&'a [AtomicU64; N]);

impl<const N: usize> Own<'_, N> {
    /// Adds to a counter.
    pub(crate) fn add(self, counter: usize, count: u64) {
        let cell = &self.0[counter];
        cell.store(cell.load(Relaxed).wrapping_add(count), Relaxed);
    }

    /// Sets what is not a sum but a present number.
    pub(crate) fn set(self, counter: usize, number: u64) {
        self.0[counter].store(number, Relaxed);
    }
}
