//! What is expected against what was found. Where no exact number is promised, `{"from": …, "to": …}` stands for it.

use serde_json::Value;

/// Where and how they differ, if they do. What an object does not name is not looked at.
pub(crate) fn difference(place: &str, expected: &Value, found: &Value) -> Option<String> {
    match (expected, found) {
        (Value::Object(fields), _) if range(expected).is_some() && fields.len() == 2 => {
            let (from, to) = range(expected)?;
            let is_within = found.as_f64().is_some_and(|found| (from..=to).contains(&found));
            (!is_within).then(|| format!("{place} is {found}, not {from} to {to}"))
        }
        (Value::Object(fields), _) if fields.is_empty() => Some(format!("{place}: nothing is expected")),
        (Value::Object(fields), Value::Object(others)) => fields.iter().find_map(|(name, field)| {
            let place = format!("{place}.{name}");
            match others.get(name) {
                Some(other) => difference(&place, field, other),
                None => Some(format!("{place} is expected, and nothing was found")),
            }
        }),
        (Value::Array(items), Value::Array(others)) if items.len() == others.len() => {
            let mut pairs = items.iter().zip(others).enumerate();
            pairs.find_map(|(index, (item, other))| difference(&format!("{place}[{index}]"), item, other))
        }
        _ if expected == found => None,
        _ => Some(format!("{place} is {expected}, found {found}")),
    }
}

fn range(expected: &Value) -> Option<(f64, f64)> {
    Some((expected.get("from")?.as_f64()?, expected.get("to")?.as_f64()?))
}
