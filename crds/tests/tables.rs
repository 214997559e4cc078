//! Tables of other releases, damaged tables, and what a proxy does with each.

#![allow(clippy::panic, clippy::unwrap_used)] // clippy knows a test by its attribute, not the functions it calls

use std::{collections::BTreeMap, fmt::Write as _, fs, io::Write as _, path::Path, time::Instant};

use evenkeel_crds::{
    RoutingTable,
    address::Scope,
    table::{
        BackendPolicy, BackendSource, ENDPOINTS_KEY, EndpointRow, EndpointState, Endpoints, FLEET_KEY, Fleet,
        POLICY_KEY, Parts, Policy, TableError,
    },
};
use flate2::{Compression, write::GzEncoder};
use k8s_openapi::{ByteString, api::core::v1::ConfigMap};
use serde_json::{Value, json};

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
    policy.backends.push(BackendPolicy { name: "main".into(), weight: 1, source });
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

#[test]
fn tables_of_every_release_load_for_ever() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/tables");
    let mut seen = Vec::new();
    for version in fs::read_dir(root).expect("versions").map(|entry| entry.expect("a version").path()) {
        for file in fs::read_dir(&version).expect("tables").map(|entry| entry.expect("a table").path()) {
            let map: ConfigMap = serde_yaml::from_str(&fs::read_to_string(&file).expect("text")).expect("a ConfigMap");
            let (table, unknown) = load(&Parts::of(&map)).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
            assert_eq!(unknown, [""; 0], "{}", file.display());
            let counts = table.endpoints.backends.values().map(Vec::len).collect::<Vec<_>>();
            seen.push((table.policy.pool, counts, table.fleet.proxies.len()));
        }
    }
    seen.sort();
    assert_eq!(seen, [("large".into(), vec![800], 0), ("web".into(), vec![2, 1, 2], 2)]);
}

#[test]
fn a_table_of_a_newer_minor_version_loads_and_what_is_unknown_is_told() {
    let mut parts = with(POLICY_KEY, |policy| {
        policy["schemaVersion"] = json!({ "major": 1, "minor": 9, "patch": 1 });
        policy["sessions"] = json!({ "type": "Cookie" });
        policy["backends"][0]["backup"] = json!(false);
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
        "policy.json: backends.0.backup",
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

#[test]
fn missing_keys_are_named() {
    for key in [POLICY_KEY, ENDPOINTS_KEY] {
        let mut parts = Parts::encode(&table(2)).unwrap();
        parts.data.remove(key);
        assert_eq!(load(&parts).expect_err("refused"), TableError::Missing(key));
    }
    let mut parts = Parts::encode(&table(2)).unwrap();
    parts.data.remove(FLEET_KEY);
    assert!(load(&parts).expect("no fleet is an empty one").0.fleet.proxies.is_empty());
    assert_eq!(load(&Parts::of(&ConfigMap::default())).expect_err("refused"), TableError::Missing(POLICY_KEY));
}

#[test]
fn what_is_no_table_is_an_error_of_one_line() {
    let deep = "[".repeat(100_000);
    for key in [POLICY_KEY, ENDPOINTS_KEY, FLEET_KEY] {
        for text in ["", " ", "null", "[]", "7", "\"x\"", "{", "{}x", "\u{feff}{}", &deep, "{\"proxies\":1e999}"] {
            if (key, text) != (FLEET_KEY, "[]") {
                is_malformed(&with_text(key, text), key);
            }
        }
        let good = Parts::encode(&table(2)).unwrap().data[key].clone();
        for garbage in ["x", "{}", "\0", "]"] {
            is_malformed(&with_text(key, &format!("{good}{garbage}")), key);
        }
        load(&with_text(key, &format!(" {good}\n"))).expect("white space around it is none");
        for cut in 0..good.len() {
            is_malformed(&with_text(key, &good[..cut]), key);
        }
    }
}

#[test]
fn rows_of_wrong_types_are_refused() {
    for row in [
        json!(null),
        json!({}),
        json!([]),
        json!(["10.0.0.1"]),
        json!(["10.0.0.1", 80, 1, "", "r", 0]),
        json!(["example.com", 80, 1, "", "r", 0, ""]),
        json!([7, 80, 1, "", "r", 0, ""]),
        json!(["10.0.0.1", 65_536, 1, "", "r", 0, ""]),
        json!(["10.0.0.1", -1, 1, "", "r", 0, ""]),
        json!(["10.0.0.1", 80, -1, "", "r", 0, ""]),
        json!(["10.0.0.1", 80, 1.5, "", "r", 0, ""]),
        json!(["10.0.0.1", 80, 1, null, "r", 0, ""]),
        json!(["10.0.0.1", 80, 1, "", "x", 0, ""]),
        json!(["10.0.0.1", 80, 1, "", "R", 0, ""]),
        json!(["10.0.0.1", 80, 1, "", "r", "0", ""]),
        json!(["10.0.0.1", 80, 1, "", "r", 0, 1]),
        json!(["fe80::1%1", 80, 1, "", "r", 0, ""]),
    ] {
        is_malformed(&with(ENDPOINTS_KEY, |rows| rows["backends"]["main"] = json!([row])), ENDPOINTS_KEY);
    }
}

#[test]
fn damaged_gzip_is_refused() {
    let json = serde_json::to_vec(&table(2).endpoints).unwrap();
    let good = gzip(&json);
    load(&with_gzip(good.clone())).expect("packed");
    for cut in 0..good.len() {
        is_malformed(&with_gzip(good[..cut].to_vec()), ENDPOINTS_KEY);
    }
    let mut flipped = good.clone();
    let crc = flipped.len() - 6;
    flipped[crc] ^= 1;
    is_malformed(&with_gzip(flipped), ENDPOINTS_KEY);
    is_malformed(&with_gzip(json), ENDPOINTS_KEY);
    for garbage in [&b"x"[..], &good] {
        is_malformed(&with_gzip([&good, garbage].concat()), ENDPOINTS_KEY);
    }
}

#[test]
fn a_gzip_bomb_is_refused_before_it_unpacks() {
    let spaces = vec![b' '; 65 << 20];
    let bomb = gzip(&spaces);
    assert!(bomb.len() < 100_000, "fits into a ConfigMap: {}", bomb.len());
    let begin = Instant::now();
    is_malformed(&with_gzip(bomb), ENDPOINTS_KEY);
    assert!(begin.elapsed().as_secs() < 10, "{:?}", begin.elapsed());
}

#[test]
fn every_value_is_checked_on_both_sides_of_its_bound() {
    let policy =
        |at: &'static str, value: Value| with(POLICY_KEY, move |policy| *policy.pointer_mut(at).expect(at) = value);
    let backends = |count: usize| {
        let backend = |index| json!({ "name": format!("b{index}"), "weight": 1, "source": "static" });
        policy("/backends", (0..count).map(backend).collect())
    };
    let port = |port: u32, bind: u32| policy("/listener", json!({ "port": port, "bindPort": bind }));
    let row = |row: Value| with(ENDPOINTS_KEY, move |rows| rows["backends"]["main"] = json!([row]));
    let no_rows = |mut parts: Parts| {
        parts.data.insert(ENDPOINTS_KEY.into(), r#"{"backends":{}}"#.into());
        parts
    };
    for good in [
        port(1, 10_001),
        port(1023, 11_023),
        port(1024, 1024),
        port(9439, 9439),
        port(9441, 9441),
        port(65_535, 65_535),
        policy("/timeouts/connectMs", json!(1)),
        policy("/timeouts/connectMs", json!(3_600_000)),
        policy("/timeouts/responseHeaderMs", json!(1)),
        policy("/timeouts/responseHeaderMs", json!(3_600_000)),
        policy("/backends/0/weight", json!(0)),
        policy("/backends/0/weight", json!(1_000_000)),
        no_rows(policy("/backends/0/name", json!("a".repeat(63)))),
        no_rows(backends(1)),
        no_rows(backends(64)),
        policy("/pool", json!("a".repeat(50))),
        row(json!(["10.0.0.1", 1, 0, "", "r", 0, ""])),
        row(json!(["10.0.0.1", 65_535, 1_000_000, "", "d", i64::MIN, ""])),
        row(json!(["2001:db8::1", 1, 1, "", "r", i64::MAX, ""])),
        with(ENDPOINTS_KEY, |rows| rows["backends"]["main"][1][0] = rows["backends"]["main"][0][0].clone()),
    ] {
        load(&good).unwrap_or_else(|error| panic!("{error}: {good:?}"));
    }
    for bad in [
        port(0, 10_000),
        port(1023, 1023),
        port(1024, 11_024),
        port(9440, 9440),
        port(8080, 8081),
        policy("/timeouts/connectMs", json!(0)),
        policy("/timeouts/connectMs", json!(3_600_001)),
        policy("/timeouts/responseHeaderMs", json!(0)),
        policy("/timeouts/responseHeaderMs", json!(3_600_001)),
        policy("/backends/0/weight", json!(1_000_001)),
        policy("/backends/0/name", json!("")),
        no_rows(policy("/backends/0/name", json!("a".repeat(64)))),
        no_rows(backends(0)),
        no_rows(backends(65)),
        no_rows(with(POLICY_KEY, |policy| policy["backends"] = json!([policy["backends"][0], policy["backends"][0]]))),
        policy("/pool", json!("")),
        policy("/pool", json!("a".repeat(51))),
        policy("/pool", json!("a\nb")),
        policy("/namespace", json!("")),
        policy("/namespace", json!("a/b")),
        row(json!(["10.0.0.1", 0, 1, "", "r", 0, ""])),
        row(json!(["10.0.0.1", 1, 1_000_001, "", "r", 0, ""])),
        row(json!(["127.0.0.1", 1, 1, "", "r", 0, ""])),
        row(json!(["::ffff:169.254.169.254", 1, 1, "", "r", 0, ""])),
        with(ENDPOINTS_KEY, |rows| rows["backends"]["other"] = json!([])),
        with(ENDPOINTS_KEY, |rows| rows["backends"]["main"][1] = rows["backends"]["main"][0].clone()),
    ] {
        let error = load(&bad).expect_err(&format!("{bad:?}"));
        assert!(matches!(error, TableError::Value(_)), "{error}");
    }
}

#[test]
fn an_encoded_table_is_as_small_as_designed() {
    let mut told = String::new();
    for (endpoints, at_most_kib) in [(400, 32), (5_000, 80), (40_000, 620)] {
        let table = table(endpoints);
        let begin = Instant::now();
        let parts = Parts::encode(&table).expect("fits");
        let (bytes, took) = (parts.bytes(), begin.elapsed());
        let _ = write!(told, "{endpoints} endpoints: {bytes} bytes, encoded in {took:.1?}; ");
        assert!(bytes <= at_most_kib << 10, "{told}");
        assert_eq!(parts.binary_data.is_empty(), endpoints < 500, "{told}");
        assert_eq!(load(&parts).expect("loads").0, table);
    }
    println!("{told}");
}

#[test]
fn a_table_that_does_not_fit_is_an_error_with_its_size() {
    let error = Parts::encode(&table(100_000)).expect_err("too large");
    assert!(matches!(error, TableError::TooLarge { bytes } if bytes > 800 << 10), "{error}");
    assert!(!error.is_too_new());
}
