//! The time of day, from the clock that requests are measured by: nobody asks two clocks for one request.

use std::{
    cell::{Cell, RefCell},
    time::SystemTime,
};

use tokio::time::Instant;

use super::text::padded;

const SECOND: u64 = 1_000_000_000;

/// A thread's idea of the time of day.
#[derive(Debug)]
pub(super) struct Wall {
    /// One moment by both clocks; the second in nanoseconds since 1970.
    both: Cell<(Instant, u64)>,
    /// The second that was written last, as text.
    last: RefCell<(u64, Vec<u8>)>,
}

impl Wall {
    pub(super) fn new() -> Self {
        Self { both: Cell::new((Instant::now(), unix_now())), last: RefCell::default() }
    }

    /// Takes over what somebody set the time of day to.
    pub(super) fn adjust(&self, now: Instant) {
        self.both.set((now, unix_now()));
    }

    /// Appends a moment as RFC 3339 has it, to the millisecond.
    pub(super) fn write(&self, out: &mut Vec<u8>, moment: Instant) {
        let (instant, unix) = self.both.get();
        let nanos = |duration: std::time::Duration| u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        let after = nanos(moment.duration_since(instant)); // which is 0 for what was before
        let unix = if after > 0 { unix + after } else { unix.saturating_sub(nanos(instant.duration_since(moment))) };
        let last = &mut *self.last.borrow_mut();
        if last.0 != unix / SECOND || last.1.is_empty() {
            last.1.clear();
            date_and_time(&mut last.1, unix / SECOND);
            last.0 = unix / SECOND;
        }
        out.extend_from_slice(&last.1);
        padded::<3>(out, unix % SECOND / 1_000_000);
        out.push(b'Z');
    }
}

fn unix_now() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or_default()
}

/// `2026-11-21T19:40:00.`, of seconds since 1970.
fn date_and_time(out: &mut Vec<u8>, seconds: u64) {
    let (year, month, day) = date(seconds / 86_400);
    let of_day = seconds % 86_400;
    padded::<4>(out, year);
    for (between, number) in
        [(b'-', month), (b'-', day), (b'T', of_day / 3600), (b':', of_day / 60 % 60), (b':', of_day % 60)]
    {
        out.push(between);
        padded::<2>(out, number);
    }
    out.push(b'.');
}

/// The Gregorian date of a day since 1970 (Howard Hinnant's `civil_from_days`: years that begin with March, in eras of 400).
fn date(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468;
    let (era, of_era) = (days / 146_097, days % 146_097);
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    (era * 400 + year + u64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn dates_are_those_of_the_calendar() {
        for (days, expected) in [
            (0, (1970, 1, 1)),
            (59, (1970, 3, 1)),
            (11_016, (2000, 2, 29)),
            (11_017, (2000, 3, 1)),
            (20_778, (2026, 11, 21)),
            (47_540, (2100, 2, 28)),
            (47_541, (2100, 3, 1)),
        ] {
            assert_eq!(date(days), expected, "{days}");
        }
    }

    #[test]
    fn moments_before_and_after_the_last_look_are_told_alike() {
        let wall = Wall::new();
        let (now, _) = wall.both.get();
        wall.both.set((now, 951_868_799_999_000_000)); // 2000-02-29T23:59:59.999
        let written = |moment| {
            let mut out = Vec::new();
            wall.write(&mut out, moment);
            String::from_utf8(out).expect("ASCII")
        };
        assert_eq!(written(now), "2000-02-29T23:59:59.999Z");
        assert_eq!(written(now + Duration::from_millis(2)), "2000-03-01T00:00:00.001Z");
        if let Some(before) = now.checked_sub(Duration::from_millis(1_500)) {
            assert_eq!(written(before), "2000-02-29T23:59:58.499Z");
        }
    }
}
