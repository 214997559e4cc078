//! Slow start: a newcomer's share grows from little to all of it, so that cold caches and compilers meet no full load.

use std::time::Duration;

/// What a share that is all there is, in thousandths.
pub(super) const ALL: u32 = 1000;

/// How newcomers begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SlowStart {
    /// Over which their share grows; zero: they have all of it at once.
    pub window: Duration,
    /// What they begin with, of a hundred.
    pub min_percent: u32,
}

impl SlowStart {
    /// Thousandths of its weight that an endpoint has `age` after it came: linear over the window, at least `min_percent`, and
    /// never less than what its first second would give.
    #[must_use]
    pub fn factor(&self, age: Duration) -> u32 {
        if age >= self.window {
            return ALL;
        }
        let age = age.max(Duration::from_secs(1)).as_millis();
        let grown = age * u128::from(ALL) / self.window.as_millis().max(1);
        u32::try_from(grown).unwrap_or(ALL).max(self.min_percent * 10).min(ALL)
    }

    /// How often factors are worth another look.
    #[must_use]
    pub fn step(&self) -> Duration {
        (self.window / 100).max(Duration::from_millis(100))
    }
}

/// A weight in hundredths, as far as it is in force; at least 1.
pub(super) fn weight(weight: u32, factor: u32) -> u32 {
    let hundredths = u64::from(weight) * u64::from(factor) / 10;
    u32::try_from(hundredths).unwrap_or(u32::MAX).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_share_grows_with_the_time_and_never_begins_with_nothing() {
        let of = |age: u64, window: u64, min_percent: u32| {
            SlowStart { window: Duration::from_secs(window), min_percent }.factor(Duration::from_secs(age))
        };
        assert_eq!([0, 3, 6, 15, 24, 30, 1000].map(|age| of(age, 30, 10)), [100, 100, 200, 500, 800, 1000, 1000]);
        assert_eq!(of(0, 10, 0), 100, "as after a second");
        assert_eq!(of(0, 0, 10), 1000, "off");
        assert_eq!((weight(1_000_000, 999), weight(1, 105), weight(1, 1)), (99_900_000, 10, 1));
    }
}
