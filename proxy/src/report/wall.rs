//! The time of day, from the clock that requests are measured by: nobody asks two clocks for one request.

use std::{
    cell::{Cell, RefCell},
    time::SystemTime,
};

use k8s_openapi::jiff::Timestamp;
use tokio::time::Instant;

use super::text::padded;

const SECOND: u64 = 1_000_000_000;

/// A thread's idea of the time of day.
#[derive(Debug)]
pub(super) struct Wall {
    /// One moment by both clocks; the second in nanoseconds since 1970.
    both: Cell<(Instant, u64)>,
    /// The second that was written last, as text.
    last: RefCell<(u64, String)>,
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
            *last = (unix / SECOND, date_and_time(unix / SECOND));
        }
        out.extend_from_slice(last.1.as_bytes());
        padded::<3>(out, unix % SECOND / 1_000_000);
        out.push(b'Z');
    }
}

fn unix_now() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or_default()
}

/// `2026-11-21T19:40:00.`, of seconds since 1970; nothing beyond the calendar.
fn date_and_time(seconds: u64) -> String {
    let moment = i64::try_from(seconds).ok().and_then(|seconds| Timestamp::from_second(seconds).ok());
    moment.map_or_else(String::new, |moment| moment.to_string().replace('Z', "."))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn dates_are_those_of_the_calendar() {
        for (days, expected) in [
            (0, "1970-01-01T00:00:00."),
            (59, "1970-03-01T00:00:00."),
            (11_016, "2000-02-29T00:00:00."),
            (11_017, "2000-03-01T00:00:00."),
            (20_778, "2026-11-21T00:00:00."),
            (47_540, "2100-02-28T00:00:00."),
            (47_541, "2100-03-01T00:00:00."),
        ] {
            assert_eq!(date_and_time(days * 86_400), expected, "{days}");
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
