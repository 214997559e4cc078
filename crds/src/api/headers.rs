//! Fields of requests and answers that are changed on their way, named as in Gateway API's `HTTPHeaderFilter`.

use std::borrow::Cow;

use kube::KubeSchema;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use crate::fields::{MAX_NAME, RESERVED, RESERVED_PREFIX};

/// Which fields are changed on their way.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Headers {
    /// In requests, before an endpoint sees them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<HeaderFilter>,

    /// In answers, the proxy's own too, before the client sees them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub response: Option<HeaderFilter>,
}

/// First fields are removed, then set, then added.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct HeaderFilter {
    /// Fields that replace what there is of their name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(max = 16),
        extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"])
    )]
    pub set: Option<Vec<HeaderField>>,

    /// Fields that stand beside what there is of their name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(max = 16),
        extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"])
    )]
    pub add: Option<Vec<HeaderField>>,

    /// Names of fields that do not pass.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 16), extend("x-kubernetes-list-type" = "set"))]
    pub remove: Option<Vec<HeaderName>>,
}

/// A field: its name and its value.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[x_kube(
    validation = Rule::new("self.name.lowerAscii() != 'evenkeel-reason'")
        .message("the proxy alone says evenkeel-reason; choose another name. It can be removed")
        .field_path(".name")
)]
#[serde(rename_all = "camelCase")]
pub struct HeaderField {
    /// The name, whatever its case. Not one that frames or routes messages or that the proxy sets itself.
    pub name: HeaderName,

    /// The value: visible ASCII characters, with blanks only between them.
    #[schemars(length(min = 1, max = 4096), regex(pattern = "^[!-~]([\t -~]*[!-~])?$"))]
    pub value: String,
}

/// A field's name, kept as written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct HeaderName(pub String);

impl JsonSchema for HeaderName {
    fn schema_name() -> Cow<'static, str> {
        "HeaderName".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let reserved = RESERVED.map(|name| format!("'{name}'")).join(", ");
        let rule =
            format!("!(self.lowerAscii() in [{reserved}]) && !self.lowerAscii().startsWith('{RESERVED_PREFIX}')");
        json_schema!({
            "type": "string",
            "description": "The name of a field, whatever its case.",
            "minLength": 1,
            "maxLength": MAX_NAME,
            "pattern": "^[A-Za-z0-9!#$%&'*+.^_`|~-]+$",
            "x-kubernetes-validations": [{
                "rule": rule,
                "message": "this field frames or routes messages, or the proxy sets it itself; choose another one",
            }],
        })
    }
}
