//! What a pool demands of messages and changes in them: limits, trusted peers, fields.

use std::collections::BTreeSet;

use super::spec::Checker;
use crate::{
    api::{BalancerPoolSpec, HeaderField, HeaderFilter, NetworkText},
    fields,
    network::{Network, NetworkError},
    table::{FieldsPolicy, Policy},
};

const MAX_TRUSTED_PEERS: usize = 64;

/// Writes checked settings to the policy.
pub(super) fn resolve(spec: &BalancerPoolSpec, policy: &mut Policy) {
    let peers = spec.listener.trusted_peers.iter().flatten();
    policy.listener.trusted_peers = peers.map(|network| network.0.clone()).collect();
    let body = spec.limits.as_ref().and_then(|limits| limits.request_body.as_ref());
    policy.limits.request_body_bytes = body.and_then(crate::api::ByteSize::bytes);
    if let Some(headers) = &spec.headers {
        policy.headers.request = changes(headers.request.as_ref());
        policy.headers.response = changes(headers.response.as_ref());
    }
}

/// Names in lower case: they mean the same, and a proxy compares them so.
fn changes(filter: Option<&HeaderFilter>) -> FieldsPolicy {
    let Some(filter) = filter else { return FieldsPolicy::default() };
    let pairs = |fields: &Option<Vec<HeaderField>>| {
        let pair = |field: &HeaderField| (field.name.0.to_ascii_lowercase(), field.value.clone());
        fields.iter().flatten().map(pair).collect()
    };
    let remove = filter.remove.iter().flatten().map(|name| name.0.to_ascii_lowercase()).collect();
    FieldsPolicy { remove, set: pairs(&filter.set), add: pairs(&filter.add) }
}

impl Checker<'_> {
    pub(super) fn traffic(&mut self, spec: &BalancerPoolSpec) {
        self.trusted_peers(spec.listener.trusted_peers.as_deref().unwrap_or_default());
        if let Some(size) = spec.limits.as_ref().and_then(|limits| limits.request_body.as_ref()) {
            self.require(
                size.bytes().is_some(),
                "spec.limits.requestBody",
                "a body is a number of bytes from 1 to 1Ti, for example 1Mi; choose one of them, or remove the limit",
            );
        }
        if let Some(headers) = &spec.headers {
            self.filter(headers.request.as_ref(), "spec.headers.request");
            self.filter(headers.response.as_ref(), "spec.headers.response");
        }
    }

    fn trusted_peers(&mut self, networks: &[NetworkText]) {
        let field = "spec.listener.trustedPeers";
        self.require(
            networks.len() <= MAX_TRUSTED_PEERS,
            field,
            "at most 64 networks are trusted; give fewer, larger ones",
        );
        let mut seen = BTreeSet::new();
        for (index, network) in networks.iter().enumerate() {
            let field = format!("{field}[{index}]");
            self.require(network.0.parse::<Network>().is_ok(), &field, &NetworkError.to_string());
            self.require(seen.insert(&network.0), &field, "this network stands here twice; remove one of the two");
        }
    }

    fn filter(&mut self, filter: Option<&HeaderFilter>, field: &str) {
        let Some(filter) = filter else { return };
        for (list, fields) in [("set", &filter.set), ("add", &filter.add)] {
            let fields = fields.as_deref().unwrap_or_default();
            self.names(
                fields.iter().map(|field| field.name.0.as_str()),
                &format!("{field}.{list}"),
                ".name",
                fields::is_ours,
            );
            for (index, pair) in fields.iter().enumerate() {
                self.require(
                    fields::is_value(&pair.value),
                    &format!("{field}.{list}[{index}].value"),
                    "a value has 1 to 4096 visible ASCII characters, with blanks only between them; write such a one",
                );
            }
        }
        let names = filter.remove.iter().flatten().map(|name| name.0.as_str());
        self.names(names, &format!("{field}.remove"), "", fields::is_reserved);
    }

    fn names<'a>(
        &mut self,
        names: impl Iterator<Item = &'a str>,
        list: &str,
        below: &str,
        is_refused: fn(&str) -> bool,
    ) {
        let mut seen = BTreeSet::new();
        for (index, name) in names.enumerate() {
            let field = format!("{list}[{index}]{below}");
            if !fields::is_name(name) {
                self.require(false, &field, "this is no name of a field; give 1 to 256 letters, digits and hyphens");
                continue;
            }
            self.require(
                !is_refused(name),
                &field,
                "this field frames or routes messages, or the proxy sets it itself; choose another one",
            );
            let fresh = seen.insert(name.to_ascii_lowercase());
            self.require(fresh, &field, "another field of this list has this name; remove one of them");
        }
        self.require(seen.len() <= fields::MAX_FIELDS, list, "a list has at most 16 fields; remove some of them");
    }
}
