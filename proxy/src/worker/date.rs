//! The field `Date` (RFC 9110 §6.6.1), written anew once a second.

use std::cell::{Cell, RefCell};

use k8s_openapi::jiff::{Timestamp, fmt::rfc2822::DateTimePrinter};

/// The line that says what time it is.
#[derive(Debug)]
pub(super) struct Date {
    second: Cell<i64>,
    line: RefCell<Vec<u8>>,
}

impl Date {
    /// As of now.
    pub(super) fn new() -> Self {
        let date = Self { second: Cell::new(i64::MIN), line: RefCell::default() };
        date.tick(Timestamp::now());
        date
    }

    /// Looks at the clock.
    pub(super) fn tick(&self, now: Timestamp) {
        if self.second.replace(now.as_second()) != now.as_second()
            && let Ok(text) = DateTimePrinter::new().timestamp_to_rfc9110_string(&now)
        {
            self.line.replace(format!("date: {text}\r\n").into_bytes());
        }
    }

    /// Appends the line.
    pub(super) fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.line.borrow());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_is_written_as_http_does_and_goes_on() {
        let date = Date::new();
        for (second, line) in [
            (784_111_777, "date: Sun, 06 Nov 1994 08:49:37 GMT\r\n"),
            (784_111_778, "date: Sun, 06 Nov 1994 08:49:38 GMT\r\n"),
        ] {
            date.tick(Timestamp::from_second(second).expect("a time"));
            let mut out = Vec::new();
            date.write(&mut out);
            assert_eq!(String::from_utf8(out).expect("text"), line);
        }
    }
}
