//! Round robin over many candidates: a stride scheduler (Waldspurger 1995; gRPC proposal A58), in integers.
//!
//! Each candidate has a pass; the smallest is next, and moves on by its stride, which is the smaller the larger its
//! weight. A pick costs the logarithm of the number of candidates, where smooth round robin looks at each.

use std::{cmp::Reverse, collections::BinaryHeap};

use super::{smooth::Turn, thread_state::Turns};

/// From this many candidates on: a smooth pick over more costs over a microsecond.
pub(super) const MORE_THAN: usize = 128;

/// The stride of weight 1. The largest weight in force, 1,000,000 in hundredths, still has one of 4,294.
const ONE: u64 = 100 << 32;
/// Passes are counted anew from here, long before they would wrap.
const TOO_FAR: u64 = 1 << 62;

/// The order in which a backend's candidates are next.
#[derive(Clone, Debug, Default)]
pub(super) struct Stride {
    /// (pass, index), the smallest on top: ties go by order.
    heap: BinaryHeap<Reverse<(u64, usize)>>,
    /// Passed over during a pick; kept for its capacity.
    aside: Vec<Reverse<(u64, usize)>>,
}

/// A distance under one weight, as it is under another.
fn scaled(distance: u64, before: u32, now: u32) -> u64 {
    let scaled = u128::from(distance) * u128::from(before) / u128::from(now);
    u64::try_from(scaled).map_or(TOO_FAR, |scaled| scaled.min(TOO_FAR))
}

impl Stride {
    /// Makes room and takes over the passes that `turns` remember of this group, `of`. A candidate that is new or was away joins
    /// at the smallest pass of the others, else it would get everything until it has caught up. A distance from that is in units
    /// of the candidate's own stride: whose weight changes waits for the same part of its turn.
    pub(super) fn prepare<T: Turn>(of: (u64, usize), candidates: &[T], turns: &mut [Turns]) -> Self {
        let passes = candidates.iter().map(|candidate| turns[candidate.slot()]);
        let stays = |turns: &Turns| !turns.joined && turns.pass_of == of;
        let least = passes.filter(stays).map(|turns| turns.pass).min().unwrap_or(0);
        let mut heap = Vec::with_capacity(candidates.len());
        for (index, candidate) in candidates.iter().enumerate() {
            let turns = &mut turns[candidate.slot()];
            let weight = candidate.weight().max(1);
            // Relative to the least, so that passes never grow beyond what one table's life adds.
            turns.pass = if stays(turns) { scaled(turns.pass - least, turns.pass_by, weight) } else { 0 };
            (turns.pass_of, turns.pass_by) = (of, weight);
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
                picked = Some((index, next));
                break;
            }
            self.aside.push(Reverse((pass, index)));
        }
        self.heap.extend(self.aside.drain(..));
        let (index, pass) = picked?;
        if pass > TOO_FAR {
            self.rebase(candidates, turns);
        }
        Some(index)
    }

    /// Counts passes from the smallest.
    #[cold]
    fn rebase<T: Turn>(&mut self, candidates: &[T], turns: &mut [Turns]) {
        let least = self.heap.peek().map_or(0, |Reverse((pass, _))| *pass);
        let mut passes = std::mem::take(&mut self.heap).into_vec();
        for Reverse((pass, index)) in &mut passes {
            *pass -= least;
            turns[candidates[*index].slot()].pass = *pass;
        }
        self.heap = passes.into();
    }
}
