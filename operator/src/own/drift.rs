//! Whether an object must be written again: when what is wanted differs, or when it is not as our last write left it.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::kind::Kind;

/// An object as it should be: only the fields that are ours.
#[derive(Clone, Debug, PartialEq)]
pub struct Desired {
    /// Its kind.
    pub kind: Kind,
    /// Its JSON.
    pub json: Value,
}

/// What a write of ours left.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Applied {
    digest: [u8; 32],
    uid: String,
    version: String,
}

impl Applied {
    /// The write of that object had this result.
    #[must_use]
    pub fn new(desired: &Desired, result: &ObjectMeta) -> Self {
        Self {
            digest: Sha256::digest(desired.json.to_string()).into(),
            uid: result.uid.clone().unwrap_or_default(),
            version: version(result),
        }
    }

    /// Whether the object is wanted as it was written, and is as it was left.
    #[must_use]
    pub fn holds(&self, desired: &Desired, observed: &ObjectMeta) -> bool {
        *self == Self::new(desired, observed)
    }
}

/// The generation, which a change of the status leaves alone; the resource version of what has no generation.
fn version(meta: &ObjectMeta) -> String {
    match meta.generation {
        Some(generation) if generation > 0 => format!("generation {generation}"),
        _ => meta.resource_version.clone().unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn meta(uid: &str, generation: Option<i64>, resource_version: &str) -> ObjectMeta {
        ObjectMeta {
            uid: Some(uid.into()),
            generation,
            resource_version: Some(resource_version.into()),
            ..ObjectMeta::default()
        }
    }

    fn desired(port: i32) -> Desired {
        Desired { kind: Kind::Service, json: json!({ "port": port }) }
    }

    #[test]
    fn an_object_is_written_again_when_anything_but_its_status_changed() {
        let applied = Applied::new(&desired(80), &meta("a", Some(1), "10"));
        assert!(applied.holds(&desired(80), &meta("a", Some(1), "11")), "the status changed");
        assert!(!applied.holds(&desired(80), &meta("a", Some(2), "11")), "somebody edited it");
        assert!(!applied.holds(&desired(80), &meta("b", Some(1), "11")), "another object");
        assert!(!applied.holds(&desired(81), &meta("a", Some(1), "10")), "another wish");
    }

    #[test]
    fn without_a_generation_every_change_counts() {
        let applied = Applied::new(&desired(80), &meta("a", None, "10"));
        assert!(applied.holds(&desired(80), &meta("a", None, "10")));
        assert!(!applied.holds(&desired(80), &meta("a", None, "11")));
    }
}
