//! Golden files: `golden/<case>/pool.yaml` and what else there is → `table.json`.
//!
//! A case holds the pool, `slices.yaml` (Services and EndpointSlices), `proxies.yaml` (the fleet) and `published.json`
//! (what was published before, written like a `table.json`); all but the pool are optional. `UPDATE_GOLDEN=1` writes the
//! results anew: review the difference like code. Fixtures are decoded strictly, so that a typo in one fails.

#![allow(clippy::panic, clippy::print_stdout)] // clippy knows a test by its attribute, not the functions it calls

use std::{fs, path::Path};

use evenkeel_crds::{
    BalancerPool, RoutingTable,
    address::Scope,
    table::{FleetProxy, Parts, TableError},
    translate::{Inputs, Translation, translate},
};
use k8s_openapi::api::{core::v1::Service, discovery::v1::EndpointSlice};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

/// 2023-11-14T22:13:20Z
const NOW: i64 = 1_700_000_000;

struct Case {
    pool: BalancerPool,
    services: Vec<Service>,
    slices: Vec<EndpointSlice>,
    proxies: Vec<FleetProxy>,
    published: Option<RoutingTable>,
}

#[test]
fn every_case_gives_its_table() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let mut cases: Vec<_> = fs::read_dir(&root).expect("cases").map(|entry| entry.expect("a case").path()).collect();
    cases.sort();
    let wrong: Vec<_> = cases.iter().filter(|case| !matches(case)).map(|case| case.display().to_string()).collect();
    assert!(wrong.is_empty(), "these differ; UPDATE_GOLDEN=1 writes them anew: {wrong:#?}");
    assert!(cases.len() >= 25, "only {} cases were found", cases.len());
}

fn matches(case: &Path) -> bool {
    let found = table_of(&read(case)).unwrap_or_else(|error| panic!("{}: {error}", case.display()));
    let file = case.join("table.json");
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        fs::write(&file, &found).expect("written");
    }
    let expected = fs::read_to_string(&file).unwrap_or_default();
    if found != expected {
        println!("--- {}\n{expected}\n+++ found\n{found}", file.display());
    }
    found == expected
}

fn read(case: &Path) -> Case {
    let (mut services, mut slices) = (Vec::new(), Vec::new());
    for document in documents(&case.join("slices.yaml")) {
        match document["kind"].as_str() {
            Some("Service") => services.push(strict(document, case)),
            Some("EndpointSlice") => slices.push(strict(document, case)),
            kind => panic!("{}: kind {kind:?}", case.display()),
        }
    }
    let mut pools = documents(&case.join("pool.yaml"));
    assert_eq!(pools.len(), 1, "{}: one pool", case.display());
    Case {
        pool: strict(pools.remove(0), case),
        services,
        slices,
        proxies: documents(&case.join("proxies.yaml")).into_iter().map(|proxy| strict(proxy, case)).collect(),
        published: fs::read_to_string(case.join("published.json")).ok().map(|text| published(&text)),
    }
}

/// Not strict: a newer release may have published fields that this one does not know.
fn published(text: &str) -> RoutingTable {
    let table: Value = serde_json::from_str(text).expect("JSON");
    RoutingTable {
        policy: serde_json::from_value(table["policy"].clone()).expect("a policy"),
        endpoints: serde_json::from_value(table["endpoints"].clone()).expect("endpoints"),
        fleet: serde_json::from_value(table["fleet"].clone()).expect("a fleet"),
    }
}

fn documents(file: &Path) -> Vec<Value> {
    let Ok(text) = fs::read_to_string(file) else { return Vec::new() };
    serde_yaml::from_multiple(&text).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
}

fn strict<T: DeserializeOwned>(document: Value, case: &Path) -> T {
    let mut unknown = Vec::new();
    let parsed = serde_ignored::deserialize(document, |path| unknown.push(path.to_string()));
    // kube's type skips the two that name the object's kind.
    unknown.retain(|field| !matches!(field.as_str(), "apiVersion" | "kind"));
    assert_eq!(unknown, [""; 0], "{}: unknown fields", case.display());
    parsed.unwrap_or_else(|error| panic!("{}: {error}", case.display()))
}

/// The result as it stands in the golden file. Each table must also be good for a proxy, and survive its way there.
fn table_of(case: &Case) -> Result<String, TableError> {
    let services: Vec<_> = case.services.iter().collect();
    let slices: Vec<_> = case.slices.iter().collect();
    let Translation { table, endpoints, problems } = translate(&Inputs {
        pool: &case.pool,
        services: &services,
        slices: &slices,
        proxies: &case.proxies,
        published: case.published.as_ref(),
        now: NOW,
        scope: Scope::Cluster,
    });
    if let Some(table) = &table {
        table.check(Scope::Cluster)?;
        assert_eq!(&Parts::encode(table)?.decode(&mut |field| panic!("unknown {field}"))?, table);
    }
    let table = table.as_ref();
    let result = json!({
        "policy": table.map(|table| &table.policy),
        "endpoints": table.map(|table| &table.endpoints),
        "fleet": table.map(|table| &table.fleet),
        "counts": endpoints,
        "problems": problems.iter().map(|problem| json!({
            "kind": format!("{:?}", problem.kind), "field": problem.field, "message": problem.message,
        })).collect::<Vec<_>>(),
    });
    let mut text = String::new();
    pretty(&result, 0, &mut text);
    Ok(text + "\n")
}

/// JSON with a line for each member, but what holds only plain values (endpoint rows) on one line.
fn pretty(value: &Value, depth: usize, text: &mut String) {
    let plain = |value: &Value| !value.is_array() && !value.is_object();
    let (open, close, members): (_, _, Vec<_>) = match value {
        Value::Object(fields) if !fields.values().all(plain) => {
            ('{', '}', fields.iter().map(|(key, value)| (format!("{key:?}: "), value)).collect())
        }
        Value::Array(items) if !items.iter().all(plain) => {
            ('[', ']', items.iter().map(|value| (String::new(), value)).collect())
        }
        _ => return text.push_str(&value.to_string()),
    };
    text.push(open);
    for (index, (key, value)) in members.into_iter().enumerate() {
        text.push_str(if index == 0 { "\n" } else { ",\n" });
        text.push_str(&"  ".repeat(depth + 1));
        text.push_str(&key);
        pretty(value, depth + 1, text);
    }
    text.push('\n');
    text.push_str(&"  ".repeat(depth));
    text.push(close);
}
