//! Durations on command lines and in queries: a number and a unit, also in a row (`250ms`, `10s`, `1m30s`).

use std::time::Duration;

/// Why a text is no duration.
#[derive(Debug, PartialEq, thiserror::Error)]
#[error("{0:?} is not a duration: write a number and a unit (us, ms, s, m, h), such as 250ms or 1m30s")]
pub struct NotADuration(String);

/// Reads a duration. A number without unit is refused: nobody could tell seconds from milliseconds.
pub fn parse(text: &str) -> Result<Duration, NotADuration> {
    let refuse = || NotADuration(text.to_owned());
    let (mut sum, mut rest) = first_part(text).ok_or_else(refuse)?;
    while !rest.is_empty() {
        let (part, after) = first_part(rest).ok_or_else(refuse)?;
        sum = sum.checked_add(part).ok_or_else(refuse)?;
        rest = after;
    }
    Ok(sum)
}

/// The first number with its unit, and what follows.
fn first_part(text: &str) -> Option<(Duration, &str)> {
    let digits = text.find(|c: char| !c.is_ascii_digit())?;
    let number: u64 = text[..digits].parse().ok()?;
    let rest = &text[digits..];
    let unit = rest.find(|c: char| c.is_ascii_digit()).unwrap_or(rest.len());
    let microseconds: u64 = match &rest[..unit] {
        "us" => 1,
        "ms" => 1_000,
        "s" => 1_000_000,
        "m" => 60_000_000,
        "h" => 3_600_000_000,
        _ => return None,
    };
    Some((Duration::from_micros(number.checked_mul(microseconds)?), &rest[unit..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_numbers_with_units() {
        for (text, ms) in [("0s", 0), ("10ms", 10), ("2s", 2_000), ("1m30s", 90_000), ("1h", 3_600_000)] {
            assert_eq!(parse(text), Ok(Duration::from_millis(ms)), "{text}");
        }
        assert_eq!(parse("250us"), Ok(Duration::from_micros(250)));
    }

    #[test]
    fn refuses_what_is_ambiguous() {
        for text in ["", "10", "ms", "1.5s", "-1s", "1s ", "1d", "99999999999999999999s", "9999999999999999h"] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
