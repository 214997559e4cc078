//! What is known of how an endpoint answers: how long it took at its worst, how long it usually takes, and what share of its answers
//! are failures.
//!
//! Each is one number with the time of its last change, packed, so that a reader never sees half of one. Threads write without
//! waiting for each other: of two that write at once one is forgotten, which an average bears.

use std::{
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::Duration,
};

use super::usual::{Known, Usual};

/// After so many milliseconds an old estimate counts for a third (tower, linkerd2-proxy: 10 s).
const DECAY_MS: f64 = 10_000.0;
/// What a failure counts at least, in µs (linkerd2-proxy `load-biaser`): who fails at once is not fast.
const PENALTY: u64 = 5_000_000;
/// The whole of a share.
pub(super) const WHOLE: u64 = 1_000_000;
/// An answer moves the share of failures by one part in so many.
const MEMORY: u64 = 8;
/// An age above this is that of what a thread wrote whose clock is ahead of ours.
const AHEAD: u64 = (1 << 32) - 60_000;
/// Below this nothing is left of a share.
const NOTHING: u64 = WHOLE / 1_000;

/// What came of an attempt.
#[derive(Clone, Copy, Debug)]
pub struct Seen {
    /// From the pick to the head of the answer, or to the failure.
    pub latency: Duration,
    /// Whether it failed: no answer, or one that says that the endpoint cannot answer.
    pub failed: bool,
}

impl Seen {
    /// Not as `Duration` has it, which takes 128 bits.
    fn micros(&self) -> u64 {
        self.latency.as_secs().saturating_mul(1_000_000) + u64::from(self.latency.subsec_micros())
    }
}

/// What a rule asks of answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Learns {
    /// Nothing but whether they fail.
    Nothing,
    /// How long they usually take.
    Usual,
    /// How long they took at worst, lately.
    Peak,
}

/// How an endpoint answers.
#[derive(Debug, Default)]
pub(super) struct Estimate {
    /// µs; 0: nothing is known.
    peak: Cell,
    usual: Usual,
    /// Parts of [`WHOLE`].
    failures: Cell,
}

/// A number below 2^32, and when it was written, in milliseconds. These wrap after 49 days, after which a number that nobody
/// wrote for so long counts as new.
#[derive(Debug, Default)]
struct Cell(AtomicU64);

impl Cell {
    fn write(&self, value: u64, now: u64) {
        self.0.store(value.min(u32::MAX.into()) << 32 | now & u64::from(u32::MAX), Relaxed);
    }

    /// The number and its age in milliseconds.
    fn read(&self, now: u64) -> (u64, u64) {
        let packed = self.0.load(Relaxed);
        let age = now.wrapping_sub(packed) & u64::from(u32::MAX);
        (packed >> 32, if age > AHEAD { 0 } else { age })
    }

    /// What is left of the number.
    fn decayed(&self, now: u64) -> u64 {
        match self.read(now) {
            (value, 0) | (value @ 0, _) => value,
            (value, age) => scaled(value, left(age)),
        }
    }
}

/// What is left of something after so many milliseconds, of 1.
fn left(age: u64) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "below 2^32")]
    let age = age as f64;
    (-age / DECAY_MS).exp()
}

/// As much of one as `part` says, the rest of the other.
#[expect(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "below 2^32")]
fn mixed(one: u64, other: u64, part: f64) -> u64 {
    (one as f64 * part + other as f64 * (1.0 - part)).round() as u64
}

#[expect(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "below 2^32")]
fn scaled(value: u64, part: f64) -> u64 {
    (value as f64 * part) as u64
}

impl Estimate {
    /// Takes in what came of an attempt.
    pub(super) fn learn(&self, now: u64, seen: Seen, learns: Learns) {
        self.learn_failure(now, seen.failed);
        match learns {
            Learns::Peak => self.learn_peak(now, seen),
            Learns::Usual if !seen.failed => self.usual.learn(now, seen.micros()),
            Learns::Usual | Learns::Nothing => {}
        }
    }

    /// Takes in how long an answer took: a slow one counts at once, a fast one little by little (Finagle's `PeakEwma`; tower
    /// `load/peak_ewma.rs`). A failure counts as a slow answer.
    fn learn_peak(&self, now: u64, seen: Seen) {
        let mut sample = seen.micros().clamp(1, u32::MAX.into());
        let (before, age) = self.peak.read(now);
        if seen.failed {
            sample = sample.max(PENALTY).max(before);
        }
        if sample < before {
            sample = mixed(before, sample, left(age)).max(1);
            if sample == before {
                return; // too little time has passed for a whole µs: it counts the next time
            }
        }
        self.peak.write(sample, now);
    }

    /// Takes in whether an answer was a failure.
    fn learn_failure(&self, now: u64, failed: bool) {
        if !failed && self.failures.read(now).0 == 0 {
            return; // as nearly always
        }
        let before = self.failures.decayed(now);
        let moved = if failed { before + (WHOLE - before) / MEMORY } else { before - before / MEMORY };
        self.failures.write(if moved < NOTHING { 0 } else { moved }, now);
    }

    /// How long an answer takes, in µs, by the slow ones: it decays, so that an endpoint that was slow is tried again. None if
    /// nothing is known.
    pub(super) fn peak(&self, now: u64) -> Option<u64> {
        (self.peak.read(now).0 != 0).then(|| self.peak.decayed(now).max(1))
    }

    /// How long an answer usually takes.
    pub(super) fn usual(&self, now: u64) -> Known {
        self.usual.read(now)
    }

    /// The share of failures among the last answers, in parts of [`WHOLE`].
    pub(super) fn failures(&self, now: u64) -> u64 {
        self.failures.decayed(now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(millis: u64, failed: bool) -> Seen {
        Seen { latency: Duration::from_millis(millis), failed }
    }

    #[test]
    fn slow_answers_count_at_once_and_fast_ones_little_by_little() {
        let estimate = Estimate::default();
        assert_eq!(estimate.peak(5), None);
        estimate.learn_peak(1_000, seen(50, false));
        assert_eq!(estimate.peak(1_000), Some(50_000));
        assert_eq!(estimate.peak(3_000), Some(40_936), "what is left after 2 s");
        estimate.learn_peak(6_000, seen(20, false));
        assert!(estimate.peak(6_000).is_some_and(|peak| peak.abs_diff(38_196) <= 1), "{:?}", estimate.peak(6_000));
        estimate.learn_peak(6_000, seen(80, false));
        assert_eq!(estimate.peak(6_000), Some(80_000));
    }

    #[test]
    fn who_fails_at_once_is_not_fast_and_is_tried_again_after_a_minute() {
        let estimate = Estimate::default();
        estimate.learn_peak(0, seen(1, true));
        assert_eq!(estimate.peak(0), Some(5_000_000));
        assert!(estimate.peak(51_000) > Some(30_000) && estimate.peak(51_500) < Some(30_000));
        estimate.learn_peak(10, seen(9_000, false));
        estimate.learn_peak(10, seen(1, true));
        assert_eq!(estimate.peak(10), Some(9_000_000), "no less than before");
    }

    #[test]
    fn the_share_of_failures_follows_the_last_answers_and_is_forgiven_in_time() {
        let estimate = Estimate::default();
        estimate.learn_failure(0, false);
        assert_eq!(estimate.failures(0), 0);
        (0..6).for_each(|_| estimate.learn_failure(0, true));
        let share = estimate.failures(0);
        assert!((WHOLE / 2..WHOLE * 6 / 10).contains(&share), "{share} after six in a row");
        assert!(estimate.failures(10_000).abs_diff(share * 368 / 1000) < WHOLE / 100);
        (0..100).for_each(|_| estimate.learn_failure(0, false));
        assert_eq!(estimate.failures(0), 0);
    }
}
