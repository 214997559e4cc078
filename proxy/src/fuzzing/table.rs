//! A routing table: what passes its check compiles, and every pick is one of its endpoints.

use std::sync::Arc;

use evenkeel_crds::{
    RoutingTable,
    address::Scope,
    table::{ENDPOINTS_KEY, FLEET_KEY, MAX_UNPACKED_BYTES, POLICY_KEY, Parts, Policy},
};

use crate::balance::{Context, Plan, Registry, Surroundings, ThreadState, View, pick};

/// Between the three parts, each a line of its own.
const BETWEEN: &str = "\n--\n";
/// No endpoint takes fewer bytes of a table.
const SMALLEST_ROW: &str = r#"["::",1,0,"","r",0,""]"#;

/// Whoever wrote a table: it is refused, or it can be run, in memory that its size bounds.
pub(super) fn run(bytes: &[u8]) {
    let Some(parts) = parts(bytes) else { return };
    let Ok(table) = parts.decode(&mut |_| {}) else { return };
    if table.check(Scope::Machine).is_err() {
        return;
    }
    let rows = table.endpoints.backends.values().map(Vec::len).sum::<usize>();
    let unpacked = if parts.binary_data.is_empty() { bytes.len() } else { MAX_UNPACKED_BYTES };
    assert!(rows * SMALLEST_ROW.len() <= unpacked, "{rows} endpoints of {unpacked} bytes");
    survives_writing(&table);
    can_be_run(&table);
}

/// As the operator writes it: without what is at its default, and with the hash of that.
fn survives_writing(table: &RoutingTable) {
    let mut table = table.clone();
    table.policy.revision = Policy::digest(&serde_json::to_value(&table.policy).expect("JSON"));
    let Ok(written) = Parts::encode(&table) else { return }; // too large
    let again = written.decode(&mut |field| panic!("we write {field}, which we do not know")).expect("readable");
    assert_eq!(again, table, "what was written is what was read");
}

/// Two tables in a row, as a proxy has them: the second without the first one's ready endpoints.
fn can_be_run(table: &RoutingTable) {
    let mut registry = Registry::new(1);
    let mut thread = ThreadState::new(1);
    let mut drained = table.clone();
    drained.endpoints.backends.values_mut().for_each(|rows| rows.retain(|row| row.weight % 2 == 0));
    for table in [table, &drained, table] {
        let plan = Plan::compile(table, &mut registry, 3);
        assert_eq!(plan.backends.len(), table.policy.backends.len());
        let view = View::of(Arc::new(plan), &Surroundings { unix_ms: 1, zone: "a" });
        let mut tried = Vec::new();
        for _ in 0..20 {
            let Ok(picked) = pick(&view, &mut thread, &Context { tried: &tried, key: Some(b"key"), now: 1 }) else {
                break;
            };
            is_of(table, picked.endpoint.address, &picked.backend.name);
            assert!(!tried.iter().any(|before| Arc::ptr_eq(before, &picked.endpoint)), "tried twice");
            tried.push(picked.endpoint);
        }
        assert!(tried.len() == 20 || !view.has_untried(&tried), "an endpoint is left out");
    }
}

fn is_of(table: &RoutingTable, address: std::net::SocketAddr, backend: &str) {
    let policy = table.policy.backends.iter().find(|policy| policy.name == backend).expect("a backend of the table");
    let rows = &table.endpoints.backends[backend];
    let row = rows.iter().find(|row| (row.address, row.port) == (address.ip(), address.port()));
    assert!(row.is_some() && policy.weight > 0, "{address} of {backend} gets nothing");
}

/// Policy, endpoints and fleet, as far as they are there. The policy's hash is put right: nobody could guess it.
fn parts(bytes: &[u8]) -> Option<Parts> {
    let mut parts = Parts::default();
    let at = bytes.windows(BETWEEN.len()).position(|window| window == BETWEEN.as_bytes()).unwrap_or(bytes.len());
    let policy = std::str::from_utf8(&bytes[..at]).ok()?;
    parts.data.insert(POLICY_KEY.into(), with_revision(policy).unwrap_or_else(|| policy.to_owned()));
    let rest = bytes.get(at + BETWEEN.len()..).unwrap_or_default();
    if rest.starts_with(&[0x1f, 0x8b]) {
        parts.binary_data.insert(ENDPOINTS_KEY.into(), k8s_openapi::ByteString(rest.to_vec()));
        return Some(parts);
    }
    let rest = std::str::from_utf8(rest).ok()?;
    let (endpoints, fleet) = rest.split_once(BETWEEN).unwrap_or((rest, "{}"));
    parts.data.insert(ENDPOINTS_KEY.into(), endpoints.to_owned());
    parts.data.insert(FLEET_KEY.into(), fleet.to_owned());
    Some(parts)
}

fn with_revision(policy: &str) -> Option<String> {
    let mut json: serde_json::Value = serde_json::from_str(policy).ok()?;
    let digest = Policy::digest(&json);
    json.as_object_mut()?.insert("revision".to_owned(), digest.into());
    Some(json.to_string())
}
