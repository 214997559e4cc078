//! Durations as Gateway API writes them (GEP-2257): `1h30m`, `250ms`; whole numbers, no days, no fractions.

use std::{borrow::Cow, fmt, time::Duration};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, de::Visitor};

/// A duration in the format of GEP-2257: one to four numbers of at most five digits, each with its unit `h`, `m`, `s` or
/// `ms`. Kept as written; [`GepDuration::parse`] reads it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct GepDuration(pub String);

/// The text is no duration of GEP-2257.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "not a duration; write one to four whole numbers, each with its unit h, m, s or ms, for example 1m30s or 250ms"
)]
pub struct DurationError;

/// GEP-2257's pattern; no group may stand more than four times, no number have more than five digits.
const PATTERN: &str = "^([0-9]{1,5}(h|m|s|ms)){1,4}$";
const MAX_GROUPS: usize = 4;
const MAX_DIGITS: usize = 5;

impl GepDuration {
    /// Reads the text.
    pub fn parse(&self) -> Result<Duration, DurationError> {
        let mut rest = self.0.as_str();
        let mut total = Duration::ZERO;
        for _ in 0..MAX_GROUPS {
            let (group, after) = take_group(rest)?;
            total += group;
            rest = after;
            if rest.is_empty() {
                return Ok(total);
            }
        }
        Err(DurationError)
    }
}

/// One number with its unit, and what follows.
fn take_group(text: &str) -> Result<(Duration, &str), DurationError> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    if digits == 0 || digits > MAX_DIGITS {
        return Err(DurationError);
    }
    let (number, rest) = text.split_at(digits);
    let number: u64 = number.parse().map_err(|_| DurationError)?;
    // "ms" before "m": a longer unit must not be read as a shorter one.
    let units = [("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000)];
    units
        .into_iter()
        .find_map(|(unit, ms)| Some((Duration::from_millis(number * ms), rest.strip_prefix(unit)?)))
        .ok_or(DurationError)
}

impl fmt::Display for GepDuration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Written by hand, since a number without a unit is a common slip.
impl<'de> Deserialize<'de> for GepDuration {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(DurationVisitor)
    }
}

struct DurationVisitor;

impl Visitor<'_> for DurationVisitor {
    type Value = GepDuration;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a duration with its unit, for example 2s or 250ms")
    }

    fn visit_str<E>(self, text: &str) -> Result<GepDuration, E> {
        Ok(GepDuration(text.into()))
    }
}

impl JsonSchema for GepDuration {
    fn schema_name() -> Cow<'static, str> {
        "GepDuration".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        // 4 groups of at most 5 digits and 2 letters.
        json_schema!({ "type": "string", "pattern": PATTERN, "maxLength": 28 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn parse(text: &str) -> Result<Duration, DurationError> {
        GepDuration(text.into()).parse()
    }

    #[test]
    fn units_add_up() {
        for (text, ms) in [("0s", 0), ("250ms", 250), ("2s", 2_000), ("1m30s", 90_000), ("1h1m1s1ms", 3_661_001)] {
            assert_eq!(parse(text), Ok(Duration::from_millis(ms)), "{text}");
        }
    }

    #[test]
    fn anything_else_is_refused() {
        for text in ["", "5", "s", "1.5s", "1d", "-1s", " 1s", "1s ", "123456s", "1s1s1s1s1s", "1S", "١s"] {
            assert_eq!(parse(text), Err(DurationError), "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn arbitrary_text_never_panics(text in ".{0,40}") {
            let _ = parse(&text);
        }

        #[test]
        fn whole_seconds_round_trip(seconds in 0u64..100_000) {
            prop_assert_eq!(parse(&format!("{seconds}s")), Ok(Duration::from_secs(seconds)));
        }
    }
}
