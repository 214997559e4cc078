//! What a pool's settings change in the heads that pass.

use http::{HeaderName, HeaderValue};

use evenkeel_crds::{
    network::Network,
    table::{FieldsPolicy, HashKey, Policy},
};

use crate::codec;

/// What a pool says about requests.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rules {
    /// Whose word about a request's origin is believed.
    pub trusted: Box<[Network]>,
    /// For each request.
    pub request: LineRules,
    /// For each answer, ours too.
    pub response: LineRules,
    /// The largest body of a request.
    pub max_body: Option<u64>,
    /// What of a request is its key, where keys choose endpoints.
    pub key: Option<HashKey>,
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

/// The same for a head that is about to be written: what goes is left out, and what is set and added are lines.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LineRules {
    /// Every field of that name goes.
    remove: Box<[HeaderName]>,
    /// A bit for each length of their names; all from 63 on are one. Most fields have another and need not be compared.
    lengths: u64,
    /// What is set and added, as it is written.
    lines: Box<[u8]>,
    /// Whether there is a `Date` among it.
    has_date: bool,
}

fn length_bit(name: &[u8]) -> u64 {
    1 << name.len().min(63)
}

impl LineRules {
    /// What these rules come to.
    #[must_use]
    pub fn of(rules: &FieldRules) -> Self {
        let remove: Box<[_]> = rules.remove.iter().chain(rules.set.iter().map(|(name, _)| name)).cloned().collect();
        let lengths = remove.iter().fold(0, |lengths, name| lengths | length_bit(name.as_str().as_bytes()));
        let (mut lines, mut has_date) = (Vec::new(), false);
        for (name, value) in rules.set.iter().chain(&rules.add) {
            codec::field(&mut lines, name.as_str().as_bytes(), value.as_bytes());
            has_date |= name == http::header::DATE;
        }
        Self { remove, lengths, lines: lines.into(), has_date }
    }

    /// Whether fields of this name, in any case, do not pass: they are removed, or replaced by the lines.
    pub(crate) fn strips(&self, name: &[u8]) -> bool {
        self.lengths & length_bit(name) != 0
            && self.remove.iter().any(|stripped| stripped.as_str().as_bytes().eq_ignore_ascii_case(name))
    }

    /// Whether the lines say when an answer was made.
    pub(crate) fn has_date(&self) -> bool {
        self.has_date
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
            response: LineRules::of(&FieldRules::of(&policy.headers.response)),
            max_body: policy.limits.request_body_bytes,
            key: policy.load_balancing.consistent_hash.as_ref().map(|hash| hash.key.clone()),
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
}
