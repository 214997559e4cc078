//! Skew: tables of older and of newer releases.

use std::{fs, path::Path};

use evenkeel_crds::table::{ENDPOINTS_KEY, FLEET_KEY, POLICY_KEY, Parts, TableError};
use k8s_openapi::api::core::v1::ConfigMap;
use serde_json::{Value, json};

use crate::{load, table, with, with_text};

#[test]
fn tables_of_every_release_load_for_ever() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/tables");
    let mut seen = Vec::new();
    for version in
        fs::read_dir(root).expect("versions").map(|entry| entry.expect("a version").path()).filter(|path| path.is_dir())
    {
        for file in fs::read_dir(&version).expect("tables").map(|entry| entry.expect("a table").path()) {
            let map: ConfigMap = serde_yaml::from_str(&fs::read_to_string(&file).expect("text")).expect("a ConfigMap");
            let (table, unknown) = load(&Parts::of(&map)).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
            assert_eq!(unknown, [""; 0], "{}", file.display());
            let counts = table.endpoints.backends.values().map(Vec::len).collect::<Vec<_>>();
            seen.push((table.policy.pool, counts, table.fleet.proxies.len()));
        }
    }
    seen.sort();
    assert_eq!(
        seen,
        [
            ("guarded".into(), vec![1], 0),
            ("hashed".into(), vec![2, 1], 0),
            ("large".into(), vec![800], 0),
            ("scored".into(), vec![1], 0),
            ("sidecar".into(), vec![2], 0),
            ("web".into(), vec![2, 1, 2], 2)
        ]
    );
}

#[test]
fn a_table_of_a_newer_minor_version_loads_and_what_is_unknown_is_told() {
    let mut parts = with(POLICY_KEY, |policy| {
        policy["schemaVersion"] = json!({ "major": 1, "minor": 9, "patch": 1 });
        policy["sessions"] = json!({ "type": "Cookie" });
        policy["backends"][0]["region"] = json!("eu");
    });
    parts
        .data
        .insert(FLEET_KEY.into(), json!({ "proxies": [{ "name": "a", "ip": "10.0.0.1" }], "size": 1 }).to_string());
    let rows =
        json!({ "backends": { "main": [["10.0.0.1", 80, 1, "", "r", 0, "", "node", [1, { "a": 2 }]]] }, "hints": {} });
    parts.data.insert(ENDPOINTS_KEY.into(), rows.to_string());
    parts.data.insert("more.json".into(), "not read".into());
    let (table, mut unknown) = load(&parts).expect("loads");
    unknown.sort();
    let expected = [
        "endpoints: backends.main.0.7",
        "endpoints: backends.main.0.8",
        "endpoints: hints",
        "fleet.json: proxies.0.ip",
        "fleet.json: size",
        "policy.json: backends.0.region",
        "policy.json: schemaVersion.patch",
        "policy.json: sessions",
    ];
    assert_eq!(unknown, expected);
    assert_eq!(table.policy.schema_version.minor, 9);
    assert_eq!(table.endpoints.backends["main"].len(), 1);
}

#[test]
fn a_table_of_a_newer_major_version_is_refused_whatever_else_it_holds() {
    for rest in [json!({}), json!({ "backends": 7 })] {
        let mut policy = json!({ "schemaVersion": { "major": 2, "minor": 0 } });
        policy.as_object_mut().unwrap().extend(rest.as_object().unwrap().clone());
        let error = load(&with_text(POLICY_KEY, &policy.to_string())).expect_err("refused");
        assert_eq!(error, TableError::TooNew { major: 2, known: 1 });
        assert!(error.is_too_new());
    }
    let huge =
        load(&with_text(POLICY_KEY, r#"{"schemaVersion":{"major":18446744073709551615}}"#)).expect_err("refused");
    assert!(huge.is_too_new());
}

#[test]
fn a_table_that_requires_something_unknown_is_too_new_also_if_it_cannot_be_read() {
    let plain = with(POLICY_KEY, |policy| policy["requires"] = json!(["Teleport"]));
    let unreadable = with(POLICY_KEY, |policy| {
        policy["requires"] = json!(["Teleport"]);
        policy["loadBalancing"]["algorithm"] = json!("Teleport");
    });
    for parts in [plain, unreadable] {
        let error = load(&parts).expect_err("refused");
        assert_eq!(error, TableError::Requires("Teleport".into()));
        assert!(error.is_too_new());
    }
}

#[test]
fn an_edited_policy_is_refused() {
    let good = Parts::encode(&table(2)).unwrap();
    for (old, new) in [(r#""weight":1"#, r#""weight":2"#), (r#""port":8080"#, r#""port":8081"#)] {
        let text = good.data[POLICY_KEY].replacen(old, new, 1);
        assert_ne!(text, good.data[POLICY_KEY]);
        let error = load(&with_text(POLICY_KEY, &text)).expect_err("refused");
        assert!(matches!(error, TableError::Revision { .. }) && !error.is_too_new(), "{error}");
    }
    let reformatted: Value = serde_json::from_str(&good.data[POLICY_KEY]).unwrap();
    load(&with_text(POLICY_KEY, &format!("{reformatted:#}"))).expect("other white space is no edit");
}
