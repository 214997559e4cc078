//! What a pool's settings change in the heads that pass.

use http::{HeaderMap, HeaderName, HeaderValue};

use super::Cidr;

/// What a pool says about requests.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rules {
    /// Whose word about a request's origin is believed.
    pub trusted: Box<[Cidr]>,
    /// For each request.
    pub request: FieldRules,
    /// For each answer, ours too.
    pub response: FieldRules,
    /// The largest body of a request.
    pub max_body: Option<u64>,
}

/// Fields to remove, to replace and to add, in this order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FieldRules {
    /// Every field of that name goes.
    pub remove: Box<[HeaderName]>,
    /// It is the only one of its name then.
    pub set: Box<[(HeaderName, HeaderValue)]>,
    /// It stands beside what there is of that name.
    pub add: Box<[(HeaderName, HeaderValue)]>,
}

impl FieldRules {
    /// Changes a head.
    pub fn apply(&self, fields: &mut HeaderMap) {
        for name in &self.remove {
            fields.remove(name);
        }
        for (name, value) in &self.set {
            fields.insert(name.clone(), value.clone());
        }
        for (name, value) in &self.add {
            fields.append(name.clone(), value.clone());
        }
    }
}
