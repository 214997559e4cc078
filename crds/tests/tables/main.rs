//! Tables of other releases, damaged tables, and what a proxy does with each. `<version>/` holds tables of each release.

#![allow(clippy::panic, clippy::unwrap_used)] // clippy knows a test by its attribute, not the functions it calls

mod bounds;
mod damage;
mod size;
mod skew;

use std::{collections::BTreeMap, io::Write as _};

use evenkeel_crds::{
    RoutingTable,
    address::Scope,
    table::{
        BackendPolicy, BackendSource, ENDPOINTS_KEY, EndpointRow, EndpointState, Endpoints, Fleet, POLICY_KEY, Parts,
        Policy, TableError,
    },
};
use flate2::{Compression, write::GzEncoder};
use k8s_openapi::ByteString;
use serde_json::Value;

fn row(index: u32) -> EndpointRow {
    EndpointRow {
        address: std::net::Ipv4Addr::from(0x0a00_0001 + index).into(),
        port: 8080,
        weight: 1,
        zone: format!("eu-1{}", ["a", "b", "c"][index as usize % 3]),
        state: if index % 50 == 49 { EndpointState::Draining } else { EndpointState::Ready },
        since: 1_700_000_000 + i64::from(index / 20),
        // Digits without a pattern, as UIDs have them (Knuth's multiplicative hash).
        pod: format!("{:08x}", index.wrapping_mul(2_654_435_761) ^ 0x9e37_79b9),
    }
}

fn table(endpoints: u32) -> RoutingTable {
    let mut policy = Policy::new("shop", "web", 7, 8080);
    let source = BackendSource::Service { name: "web".into(), port: evenkeel_crds::api::PortRef::Name("http".into()) };
    policy.backends.push(BackendPolicy { name: "main".into(), weight: 1, backup: false, source });
    policy.revision = Policy::digest(&serde_json::to_value(&policy).unwrap());
    let mut table = RoutingTable { policy, endpoints: Endpoints::default(), fleet: Fleet::default() };
    table.endpoints.backends = BTreeMap::from([("main".into(), (0..endpoints).map(row).collect())]);
    table
}

/// Reads the parts as a proxy does. The table, and the unknown fields.
fn load(parts: &Parts) -> Result<(RoutingTable, Vec<String>), TableError> {
    let mut unknown = Vec::new();
    let table = parts.decode(&mut |field| unknown.push(field))?;
    table.check(Scope::Cluster)?;
    Ok((table, unknown))
}

/// The parts of a good table, one of them changed as JSON. A changed policy gets a revision that fits.
fn with(key: &str, change: impl FnOnce(&mut Value)) -> Parts {
    let mut parts = Parts::encode(&table(2)).unwrap();
    let text = parts.data.get_mut(key).unwrap();
    let mut json: Value = serde_json::from_str(text).unwrap();
    change(&mut json);
    if key == POLICY_KEY {
        json["revision"] = Policy::digest(&json).into();
    }
    *text = json.to_string();
    parts
}

fn with_text(key: &str, text: &str) -> Parts {
    let mut parts = Parts::encode(&table(2)).unwrap();
    parts.data.insert(key.into(), text.into());
    parts
}

fn with_gzip(packed: Vec<u8>) -> Parts {
    let mut parts = Parts::encode(&table(2)).unwrap();
    parts.data.remove(ENDPOINTS_KEY);
    parts.binary_data.insert(ENDPOINTS_KEY.into(), ByteString(packed));
    parts
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

#[track_caller]
fn is_malformed(parts: &Parts, key: &str) {
    match load(parts) {
        Err(TableError::Malformed { part, message }) => {
            assert_eq!(part, key);
            assert!(!message.is_empty() && !message.contains('\n') && message.len() < 300, "{message}");
        }
        other => panic!("{other:?}"),
    }
}
