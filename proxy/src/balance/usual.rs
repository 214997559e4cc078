//! How long an endpoint usually takes: the geometric mean of its last good answers, and how many they were.
//!
//! The logarithm, since one answer of a hundred that takes a hundred times as long is no reason to avoid an endpoint, but one that
//! always takes twice as long is. All in whole numbers: every platform chooses the same.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Fractions of a logarithm: 2^-20.
pub(super) const LOG_BITS: u32 = 20;
/// Bits of a logarithm: those of 2^32 µs.
const LOG_SIZE: u32 = 25;
/// An answer, in the count of answers.
pub(super) const ANSWER: u64 = 32;
/// So many answers are remembered at most (simulated: fewer forget too fast where one of a hundred takes long, more are too slow
/// where an endpoint is ill for a while).
const MOST: u64 = 64 * ANSWER;
const COUNT_SIZE: u32 = 13;
/// Times are in units of 64 ms, so that they wrap after 49 days.
const TIME_BITS: u32 = 6;
const TIME_SIZE: u32 = 64 - LOG_SIZE - COUNT_SIZE;
/// An age above this is that of what a thread wrote whose clock is ahead of ours.
const AHEAD: u64 = (1 << TIME_SIZE) - 1_000;
/// After so many of them half of the answers are forgotten: 10 s to 1/e.
const HALF: u64 = 108;

/// What is usual, and how much is known of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Known {
    /// The logarithm to the base 2 of µs, in 2^-20.
    pub(super) log: u64,
    /// How many answers say so, in [`ANSWER`]s.
    pub(super) count: u64,
}

impl Known {
    /// As time, in µs; none if nothing is known.
    pub(super) fn micros(self) -> Option<u64> {
        // As a fraction between the powers of two below and above.
        (self.count > 0).then(|| {
            let (whole, part) = (self.log >> LOG_BITS, self.log & ((1 << LOG_BITS) - 1));
            (1 << whole) + ((part << whole) >> LOG_BITS)
        })
    }
}

/// What is usual of an endpoint, packed: the logarithm, the count, the time.
#[derive(Debug, Default)]
pub(super) struct Usual(AtomicU64);

impl Usual {
    /// What is known now. `now` in milliseconds.
    pub(super) fn read(&self, now: u64) -> Known {
        let packed = self.0.load(Relaxed);
        if packed == 0 {
            return Known::default();
        }
        let (log, count) = (packed >> (64 - LOG_SIZE), packed >> TIME_SIZE & ((1 << COUNT_SIZE) - 1));
        let age = (now >> TIME_BITS).wrapping_sub(packed) & ((1 << TIME_SIZE) - 1);
        let age = if age > AHEAD { 0 } else { age };
        Known { log, count: halved(count, age) }
    }

    /// Takes in how many µs a good answer took.
    pub(super) fn learn(&self, now: u64, micros: u64) {
        let Known { log, count } = self.read(now);
        let log = (log * count + log2(micros) * ANSWER) / (count + ANSWER);
        let count = (count + ANSWER).min(MOST);
        let time = now >> TIME_BITS & ((1 << TIME_SIZE) - 1);
        self.0.store(log << (64 - LOG_SIZE) | count << TIME_SIZE | time, Relaxed);
    }
}

/// What is left of a count, in straight lines between halves.
fn halved(count: u64, age: u64) -> u64 {
    if age == 0 {
        return count; // as in a pool that is busy
    }
    let (halves, rest) = (age / HALF, age % HALF);
    if halves > u64::from(COUNT_SIZE) {
        return 0;
    }
    let whole = count >> halves;
    whole - whole * rest / (2 * HALF)
}

/// The logarithm to the base 2 of a number from 1 to 2^32, within 0.01.
pub(super) fn log2(number: u64) -> u64 {
    let number = number.clamp(1, u32::MAX.into());
    let whole = number.ilog2();
    let part = (number << LOG_BITS >> whole) - (1 << LOG_BITS);
    // x + 0.343 x (1 - x) is close to log2(1 + x).
    (u64::from(whole) << LOG_BITS) + part + ((part * ((1 << LOG_BITS) - part)) >> LOG_BITS) * 343 / 1000
}

/// Two to a power that is in 2^-20, in 2^-8, and at most 2^12; in straight lines between whole powers.
pub(super) fn exp2(power: u64) -> u64 {
    let (whole, part) = (power >> LOG_BITS, power & ((1 << LOG_BITS) - 1));
    if whole >= 12 { 1 << 20 } else { (1 << 8 << whole) + (part << 8 << whole >> LOG_BITS) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logarithms_and_powers_are_close_to_what_they_stand_for() {
        // In thousandths.
        let thousandths = |log: u64| (log * 1_000) >> LOG_BITS;
        for (number, expected) in [
            (1, 0),
            (2, 1_000),
            (3, 1_585),
            (5, 2_322),
            (10, 3_322),
            (999, 9_964),
            (12_345, 13_592),
            (4_000_000_000, 31_897),
        ] {
            assert!(thousandths(log2(number)).abs_diff(expected) < 10, "{number}: {}", thousandths(log2(number)));
        }
        for (power, expected) in
            [(0, 256), (1_000, 512), (500, 384), (3_250, 2_560), (12_000, 1 << 20), (30_000, 1 << 20)]
        {
            assert!(exp2((power << LOG_BITS) / 1_000).abs_diff(expected) < 2, "{power}");
        }
    }

    #[test]
    fn the_mean_is_of_the_logarithms_and_old_answers_count_less() {
        let usual = Usual::default();
        assert_eq!(usual.read(5), Known::default());
        (0..60).for_each(|_| usual.learn(1_000, 1_000));
        let before = usual.read(1_000);
        assert_eq!((before.count, before.log.abs_diff(log2(1_000)) < 100), (60 * ANSWER, true));
        usual.learn(1_000, 100_000);
        let after = usual.read(1_000);
        // One of 61 that takes 100 times as long: 100^(1/61) = 1.078 times.
        assert!((after.log - before.log).abs_diff(log2(1_078_000) - log2(1_000_000)) < 1 << 13, "{before:?} {after:?}");
        assert_eq!(usual.read(1_000 + HALF * 64).count, 61 * ANSWER / 2);
        assert_eq!(usual.read(1_000_000).count, 0);
        (0..1_000).for_each(|_| usual.learn(2_000_000, 2_000));
        assert_eq!(
            (usual.read(2_000_000).count, usual.read(1_990_000).count),
            (MOST, MOST),
            "a clock behind is no age"
        );
        assert!(usual.read(2_000_000).log.abs_diff(log2(2_000)) < 100, "what was is forgotten");
    }
}
