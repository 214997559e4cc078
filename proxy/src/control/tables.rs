//! What `/table` says: the tables in force as they came, to who sits at this machine or came by `kubectl port-forward`.
//! A table tells all addresses of a pool, and the values of fields that it sets.

use std::net::IpAddr;

use bytes::Bytes;
use evenkeel_crds::table::{Endpoints, Fleet, Policy};
use http::{Response, StatusCode};
use http_body_util::Full;
use serde::Serialize;

use super::{Control, admin};

/// More than the largest table unpacked. Control does nothing else while it writes: several large ones are asked for one
/// by one.
const MAX_BYTES: usize = 16 * 1024 * 1024;

const FORBIDDEN: &str = "tables are for loopback peers: kubectl port-forward pod/NAME 9440, then \
                         http://127.0.0.1:9440/table\n";
const TOO_LARGE: &str = "that is too much at once: name one pool, /table?pool=NAMESPACE/NAME\n";
const NO_TABLE: &str = "no such pool has a table in force here; /status names the pools\n";

#[derive(Serialize)]
struct Shown<'a> {
    policy: &'a Policy,
    endpoints: &'a Endpoints,
    fleet: &'a Fleet,
}

/// Answers a peer that asks with this query.
pub(super) fn render(control: &Control, peer: IpAddr, query: Option<&str>) -> Response<Full<Bytes>> {
    if !peer.to_canonical().is_loopback() {
        return admin::text(StatusCode::FORBIDDEN, FORBIDDEN);
    }
    let named = query.and_then(|query| query.strip_prefix("pool="));
    let wanted =
        |policy: &Policy| named.is_none_or(|named| named.split_once('/') == Some((&policy.namespace, &policy.pool)));
    let mut text = Vec::from(b"[");
    for table in control.pools.iter().filter_map(|pool| pool.table()).filter(|table| wanted(&table.policy)) {
        if text.len() > 1 {
            text.extend_from_slice(b",\n");
        }
        let shown = Shown { policy: &table.policy, endpoints: &table.endpoints, fleet: &table.fleet };
        text.extend(serde_json::to_vec(&shown).unwrap_or_default());
        if text.len() > MAX_BYTES {
            return admin::text(StatusCode::BAD_REQUEST, TOO_LARGE);
        }
    }
    if text.len() == 1 {
        return admin::text(StatusCode::NOT_FOUND, NO_TABLE);
    }
    text.extend_from_slice(b"]\n");
    admin::of(StatusCode::OK, "application/json", Bytes::from(text))
}
