//! How much is too much.

use std::{borrow::Cow, fmt};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, de::Visitor};

/// How much is too much.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Limits {
    /// The largest body of a request, from 1 byte to 1Ti, for example 1Mi; without it there is no limit. What is larger is
    /// answered with 413.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_body: Option<ByteSize>,
}

/// A number of bytes as Kubernetes writes quantities: `512`, `64Ki`, `1Mi`, `10M`. Kept as written; [`ByteSize::bytes`]
/// reads it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct ByteSize(pub String);

/// Ten digits and a unit.
const PATTERN: &str = "^[1-9][0-9]{0,9}(k|Ki|M|Mi|G|Gi|T|Ti)?$";
const MAX_DIGITS: usize = 10;
const MAX_LENGTH: usize = 12;
/// More than any body.
const MAX_BYTES: u64 = 1 << 40;

impl ByteSize {
    /// Reads the text; none if it is no number of bytes from 1 to 1Ti.
    #[must_use]
    pub fn bytes(&self) -> Option<u64> {
        let digits = self.0.bytes().take_while(u8::is_ascii_digit).count();
        let (number, unit) = self.0.split_at(digits);
        if digits > MAX_DIGITS || number.starts_with('0') {
            return None;
        }
        let unit = match unit {
            "" => 1,
            "k" => 1_000,
            "Ki" => 1 << 10,
            "M" => 1_000_000,
            "Mi" => 1 << 20,
            "G" => 1_000_000_000,
            "Gi" => 1 << 30,
            "T" => 1_000_000_000_000,
            "Ti" => 1 << 40,
            _ => return None,
        };
        number.parse::<u64>().ok()?.checked_mul(unit).filter(|bytes| *bytes <= MAX_BYTES)
    }
}

/// Written by hand, since a number without quotes is a common slip.
impl<'de> Deserialize<'de> for ByteSize {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(SizeVisitor)
    }
}

struct SizeVisitor;

impl Visitor<'_> for SizeVisitor {
    type Value = ByteSize;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a number of bytes as text, for example 1Mi or \"512\"")
    }

    fn visit_str<E>(self, text: &str) -> Result<ByteSize, E> {
        Ok(ByteSize(text.into()))
    }
}

impl JsonSchema for ByteSize {
    fn schema_name() -> Cow<'static, str> {
        "ByteSize".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "pattern": PATTERN,
            "maxLength": MAX_LENGTH,
            "x-kubernetes-validations": [{
                "rule": "!isQuantity(self) || quantity(self).compareTo(quantity('1Ti')) <= 0",
                "message": "a body is at most 1Ti; choose a smaller limit, or remove it",
            }],
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_with_their_units() {
        for (text, bytes) in [
            ("1", 1),
            ("512", 512),
            ("64Ki", 65_536),
            ("10k", 10_000),
            ("1Mi", 1_048_576),
            ("3M", 3_000_000),
            ("2Gi", 2_147_483_648),
            ("1G", 1_000_000_000),
            ("1T", 1_000_000_000_000),
            ("1Ti", 1_099_511_627_776),
            ("1024Gi", 1_099_511_627_776),
            ("9999999999", 9_999_999_999),
        ] {
            assert_eq!(ByteSize(text.into()).bytes(), Some(bytes), "{text}");
        }
        for text in [
            "",
            "0",
            "01",
            "-1",
            "+1",
            "1.5Mi",
            "1 Mi",
            "1mi",
            "1K",
            "1kB",
            "Mi",
            "2Ti",
            "1025Gi",
            "12345678901",
            "9999999999Ti",
        ] {
            assert_eq!(ByteSize(text.into()).bytes(), None, "{text}");
        }
    }
}
