//! What a pool's settings change in the heads that pass.

use http::{HeaderMap, HeaderName, HeaderValue};

use evenkeel_crds::{
    network::Network,
    table::{FieldsPolicy, Policy},
};

/// What a pool says about requests.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rules {
    /// Whose word about a request's origin is believed.
    pub trusted: Box<[Network]>,
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

impl Rules {
    /// Of a table that passed its check, so that nothing of it is left out.
    #[must_use]
    pub fn of(policy: &Policy) -> Self {
        Self {
            trusted: policy.listener.trusted_peers.iter().filter_map(|network| network.parse().ok()).collect(),
            request: FieldRules::of(&policy.headers.request),
            response: FieldRules::of(&policy.headers.response),
            max_body: policy.limits.request_body_bytes,
        }
    }
}

impl FieldRules {
    fn of(policy: &FieldsPolicy) -> Self {
        let pairs = |fields: &[(String, String)]| {
            let pair = |(name, value): &(String, String)| Some((name.parse().ok()?, value.parse().ok()?));
            fields.iter().filter_map(pair).collect()
        };
        Self {
            remove: policy.remove.iter().filter_map(|name| name.parse().ok()).collect(),
            set: pairs(&policy.set),
            add: pairs(&policy.add),
        }
    }

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
