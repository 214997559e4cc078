//! The schema as users meet it in `kubectl explain`: descriptions in one piece, and no null.
//!
//! Without `nullable` the API server drops a null before it looks at the rules: as in every field of Kubernetes' own, null
//! means absent. With it, null is stored, and an enum refuses it.

use schemars::{Schema, transform::transform_subschemas};
use serde_json::{Map, Value};

/// Tidies a type's schema and all below it.
pub(super) fn tidy(schema: &mut Schema) {
    if let Some(fields) = schema.as_object_mut() {
        drop_null(fields);
        list_values(fields);
        if let Some(Value::String(description)) = fields.get_mut("description") {
            *description =
                description.split("\n\n").map(|text| text.replace('\n', " ")).collect::<Vec<_>>().join("\n\n");
        }
    }
    transform_subschemas(&mut tidy, schema);
}

/// `Option<T>` as the `T` that it is when it is there, under the field's own description.
fn drop_null(fields: &mut Map<String, Value>) {
    let is_null = |value: &Value| value == "null" || value["type"] == "null" || value.is_null();
    for key in ["type", "enum", "anyOf"] {
        if let Some(Value::Array(items)) = fields.get_mut(key) {
            items.retain(|item| !is_null(item));
        }
    }
    if let Some([Value::String(only)]) = fields.get("type").and_then(Value::as_array).map(Vec::as_slice) {
        let only = only.clone();
        fields.insert("type".into(), only.into());
    }
    if let Some([Value::Object(only)]) = fields.get("anyOf").and_then(Value::as_array).map(Vec::as_slice) {
        let only = only.clone();
        fields.remove("anyOf");
        merge(fields, only);
    }
}

/// An enum whose values have descriptions, as the list of its values: the field's own description tells them all.
fn list_values(fields: &mut Map<String, Value>) {
    let Some(Value::Array(values)) = fields.get("oneOf") else { return };
    let Some(values) = values.iter().map(|value| value.get("const").cloned()).collect::<Option<Vec<_>>>() else {
        return;
    };
    fields.remove("oneOf");
    fields.insert("type".into(), "string".into());
    fields.insert("enum".into(), values.into());
}

fn merge(fields: &mut Map<String, Value>, other: Map<String, Value>) {
    for (key, value) in other {
        fields.entry(key).or_insert(value);
    }
}
