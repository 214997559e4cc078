//! What parsers say, in the words of somebody who writes YAML.

use serde_yaml::Error;

/// A message shows at most so much of a value.
const MAX_CHARS: usize = 200;

/// What is wrong with the text itself, on one line, without the place.
pub(super) fn of_syntax(error: &Error) -> String {
    if let Error::DuplicateMappingKey { key, .. } = error.without_snippet() {
        return format!("{} stands here twice; remove one of the two", key.as_deref().unwrap_or("a key"));
    }
    let text = error.without_snippet().to_string();
    // The place stands apart.
    let what = text.split(" at line ").next().and_then(|text| text.lines().next()).unwrap_or_default();
    let known = [
        ("budget breached", "this is larger or deeper than any BalancerPool; write less, with fewer aliases"),
        ("recursion limit", "this is deeper than any BalancerPool; check the brackets"),
        ("alias replay", "this is larger than any BalancerPool; write the values themselves instead of aliases"),
        ("alias references unknown anchor", "this alias has no anchor before it; write the value itself"),
        // Only keys must be strings when a document is read.
        ("cannot deserialize null into string", "a key is empty; write the name of a field"),
        ("expected string scalar", "a key is a list or a map; write the name of a field"),
    ];
    let known = known.into_iter().find(|(start, _)| what.starts_with(start)).map(|(_, words)| words.into());
    known.unwrap_or_else(|| format!("this is not YAML: {}; correct it", shortened(what)))
}

fn shortened(text: &str) -> String {
    if text.chars().count() <= MAX_CHARS { text.into() } else { text.chars().take(MAX_CHARS).chain(['…']).collect() }
}

/// What is wrong with a value, and the name of the field that is not there.
pub(super) fn of_value(message: &str) -> (String, Option<&str>) {
    if let Some(field) = message.strip_prefix("missing field `").and_then(|rest| rest.strip_suffix('`')) {
        return ("is missing; add it".into(), Some(field));
    }
    if let Some((found, expected)) =
        message.strip_prefix("unknown variant ").and_then(|rest| rest.split_once(", expected "))
    {
        return (format!("{} is no value of this field; write {expected}", shortened(found)), None);
    }
    if message.starts_with("invalid length") {
        return ("this is a list; write a map of fields".into(), None); // serde takes a list for a struct
    }
    let rest = message.strip_prefix("invalid type: ").or_else(|| message.strip_prefix("invalid value: "));
    match rest.and_then(|rest| rest.split_once(", expected ")) {
        Some((found, expected)) => {
            (format!("this is {}; write {}", found_words(found), expected_words(expected)), None)
        }
        None => (format!("{}; correct it", shortened(message)), None),
    }
}

fn found_words(found: &str) -> String {
    match found {
        "null" => "nothing".into(),
        "sequence" => "a list".into(),
        "map" => "a map of fields".into(),
        other => match other.split_once(' ') {
            Some(("string", text)) => format!("the text {}", shortened(text)),
            Some(("integer", number)) => format!("the number {number}"),
            Some(("boolean", value)) => format!("the boolean {value}"),
            _ => other.replace("floating point", "the fraction"),
        },
    }
}

fn expected_words(expected: &str) -> &str {
    match expected {
        "i32" | "i64" => "a whole number that fits here",
        "a string" | "string or map" => "a text, in quotes if it looks like something else",
        "a sequence" => "a list, each item after a hyphen",
        "a map" => "a map of fields",
        "ObjectMeta" => "a map of fields, name the first of them",
        expected if expected.starts_with("struct ") => "a map of fields",
        expected => expected,
    }
}
