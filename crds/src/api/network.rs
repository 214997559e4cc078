//! A network of addresses as users write it.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

/// A network in CIDR notation, kept as written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct NetworkText(pub String);

impl JsonSchema for NetworkText {
    fn schema_name() -> Cow<'static, str> {
        "Network".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "description": "A network in CIDR notation, for example 10.0.0.0/8.",
            "minLength": 4,
            "maxLength": 43,
            "x-kubernetes-validations": [
                {
                    "rule": "isCIDR(self)",
                    "message": "a network is an address and the length of its prefix; write it so, for example 10.0.0.0/8, or 192.0.2.7/32 for one address",
                },
                {
                    "rule": "!isCIDR(self) || cidr(self) == cidr(self).masked()",
                    "message": "the address of a network has only zeros behind its prefix; write the first address of the network",
                },
            ],
        })
    }
}
