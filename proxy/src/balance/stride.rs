//! Round robin over many candidates: a stride scheduler (Waldspurger 1995; gRPC proposal A58), in integers.
//!
//! Each candidate has a pass; the smallest is next, and moves on by its stride, which is the smaller the larger its
//! weight. A pick costs the logarithm of the number of candidates, where smooth round robin looks at each.

use std::{cmp::Reverse, collections::BinaryHeap};

use super::{smooth::Turn, thread_state::Turns};

/// From this many candidates on: a smooth pick over more costs over a microsecond.
pub(super) const MORE_THAN: usize = 128;

/// The stride of weight 1. The largest weight, 1,000,000, still has one of 4,294.
const ONE: u64 = 1 << 32;

/// The order in which a backend's candidates are next.
#[derive(Debug, Default)]
pub(super) struct Stride {
    /// (pass, index), the smallest on top: ties go by order.
    heap: BinaryHeap<Reverse<(u64, usize)>>,
    /// Passed over during a pick; kept for its capacity.
    aside: Vec<Reverse<(u64, usize)>>,
}

impl Stride {
    /// Makes room and takes over the passes that `turns` remember. A candidate that is new or was away joins at the
    /// smallest pass of the others, else it would get everything until it has caught up.
    pub(super) fn prepare<T: Turn>(candidates: &[T], turns: &mut [Turns]) -> Self {
        let passes = candidates.iter().map(|candidate| turns[candidate.slot()]);
        let least = passes.filter(|turns| !turns.joined).map(|turns| turns.pass).min().unwrap_or(0);
        let mut heap = Vec::with_capacity(candidates.len());
        for (index, candidate) in candidates.iter().enumerate() {
            let turns = &mut turns[candidate.slot()];
            // Relative to the least, so that passes never grow beyond what one table's life adds.
            turns.pass = if turns.joined { 0 } else { turns.pass - least };
            heap.push(Reverse((turns.pass, index)));
        }
        Self { heap: heap.into(), aside: Vec::with_capacity(8) }
    }

    /// Picks the index of an eligible candidate.
    pub(super) fn next<T: Turn>(
        &mut self,
        candidates: &[T],
        turns: &mut [Turns],
        eligible: impl Fn(&T) -> bool,
    ) -> Option<usize> {
        let mut picked = None;
        while let Some(Reverse((pass, index))) = self.heap.pop() {
            let candidate = &candidates[index];
            if eligible(candidate) {
                let next = pass + ONE / u64::from(candidate.weight().max(1));
                turns[candidate.slot()].pass = next;
                self.heap.push(Reverse((next, index)));
                picked = Some(index);
                break;
            }
            self.aside.push(Reverse((pass, index)));
        }
        self.heap.extend(self.aside.drain(..));
        picked
    }
}
