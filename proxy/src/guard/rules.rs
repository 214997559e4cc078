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
    pub request: LineRules,
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

/// The same for a head that is about to be written: what is set and added are lines, which nobody looks for before.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LineRules {
    /// Every field of that name goes.
    remove: Box<[HeaderName]>,
    /// What is set and added, as it is written.
    lines: Box<[u8]>,
}

/// A set of lengths of names; all from 63 on are one. Most heads have no field as long as a name that is looked for, and need
/// not be searched.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct NameLengths(u64);

impl NameLengths {
    /// Takes a name's length in.
    pub(super) fn add(&mut self, name: &HeaderName) {
        self.0 |= 1 << name.as_str().len().min(63);
    }

    fn has(self, name: &HeaderName) -> bool {
        self.0 & (1 << name.as_str().len().min(63)) != 0
    }
}

impl LineRules {
    /// What these rules come to.
    #[must_use]
    pub fn of(rules: &FieldRules) -> Self {
        let remove: Box<[_]> = rules.remove.iter().chain(rules.set.iter().map(|(name, _)| name)).cloned().collect();
        let mut lines = Vec::new();
        for (name, value) in rules.set.iter().chain(&rules.add) {
            lines.extend([name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"].concat());
        }
        Self { remove, lines: lines.into() }
    }

    /// Removes what goes, and what the lines replace, from fields whose names are so long.
    pub(super) fn strip(&self, fields: &mut HeaderMap, lengths: NameLengths) {
        for name in self.remove.iter().filter(|name| lengths.has(name)) {
            fields.remove(name);
        }
    }

    /// Whole lines to be written beside the fields.
    pub(crate) fn lines(&self) -> &[u8] {
        &self.lines
    }
}

impl Rules {
    /// Of a table that passed its check, so that nothing of it is left out.
    #[must_use]
    pub fn of(policy: &Policy) -> Self {
        Self {
            trusted: policy.listener.trusted_peers.iter().filter_map(|network| network.parse().ok()).collect(),
            request: LineRules::of(&FieldRules::of(&policy.headers.request)),
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
