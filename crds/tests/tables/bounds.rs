//! Every value that a proxy checks, on both sides of its bound.

use evenkeel_crds::table::{ENDPOINTS_KEY, POLICY_KEY, Parts, TableError};
use serde_json::{Value, json};

use crate::{load, with};

#[test]
#[allow(clippy::too_many_lines, reason = "a list of values, each on its line")]
fn every_value_is_checked_on_both_sides_of_its_bound() {
    let policy =
        |at: &'static str, value: Value| with(POLICY_KEY, move |policy| *policy.pointer_mut(at).expect(at) = value);
    let backends = |count: usize| {
        let backend = |index| json!({ "name": format!("b{index}"), "weight": 1, "source": "static" });
        policy("/backends", (0..count).map(backend).collect())
    };
    let port = |port: u32, bind: u32| policy("/listener", json!({ "port": port, "bindPort": bind }));
    let row = |row: Value| with(ENDPOINTS_KEY, move |rows| rows["backends"]["main"] = json!([row]));
    let balancing = |settings: Value| {
        with(POLICY_KEY, move |policy| {
            let settings = settings.as_object().expect("a map").clone();
            policy["loadBalancing"].as_object_mut().expect("a map").extend(settings);
        })
    };
    let hash = |key: Value, more: Value| {
        let mut hash = json!({ "key": key, "table": "Ring" });
        hash.as_object_mut().expect("a map").extend(more.as_object().expect("a map").clone());
        balancing(json!({ "algorithm": "ConsistentHash", "consistentHash": hash }))
    };
    let score = |load, latency, errors, distance| {
        balancing(json!({ "score": { "load": load, "latency": latency, "errors": errors, "distance": distance } }))
    };
    let slow_start = |window_ms: u64, min_percent: u32| {
        balancing(json!({ "slowStart": { "windowMs": window_ms, "minPercent": min_percent } }))
    };
    let zones = |percent: u32| balancing(json!({ "zoneAware": { "spillOverPercent": percent } }));
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
        with(POLICY_KEY, |policy| policy["limits"] = json!({ "requestBodyBytes": 1 })),
        with(POLICY_KEY, |policy| policy["accessLog"] = json!({ "mode": "Sampled" })),
        with(POLICY_KEY, |policy| policy["accessLog"] = json!({ "mode": "Sampled", "samplePercent": 100 })),
        with(POLICY_KEY, |policy| policy["connectionPool"] = json!({})),
        with(POLICY_KEY, |policy| policy["connectionPool"] = json!({ "maxIdlePerEndpoint": 1000 })),
        with(POLICY_KEY, |policy| policy["connectionPool"] = json!({ "idleTimeoutMs": 3_600_000 })),
        with(POLICY_KEY, |policy| policy["connectionPool"] = json!({ "maxRequestsPerConnection": 1_000_000 })),
        with(POLICY_KEY, |policy| policy["timeouts"]["requestMs"] = json!(3_600_000)),
        with(POLICY_KEY, |policy| policy["timeouts"]["streamIdleMs"] = json!(1)),
        with(POLICY_KEY, |policy| policy["retry"] = json!({})),
        with(POLICY_KEY, |policy| policy["retry"] = json!({ "attempts": 10, "codes": [429, 500, 599] })),
        with(POLICY_KEY, |policy| policy["retry"] = json!({ "backoffMs": 250, "budgetPercent": 0 })),
        with(POLICY_KEY, |policy| policy["retry"] = json!({ "budgetPercent": 100, "budgetIntervalMs": 60_000 })),
        with(POLICY_KEY, |policy| policy["listener"]["trustedPeers"] = json!(["10.0.0.0/8", "::/0"])),
        with(POLICY_KEY, |policy| policy["headers"] = json!({ "request": { "remove": ["x"], "set": [["y", "1"]] } })),
        with(POLICY_KEY, |policy| policy["headers"] = json!({ "response": { "remove": ["evenkeel-reason"] } })),
        hash(json!({ "header": "a".repeat(256) }), json!({})),
        hash(json!({ "cookie": "A_b" }), json!({ "table": "Maglev" })),
        hash(json!({ "queryParameter": "a".repeat(256) }), json!({ "maxLoadPercent": 101 })),
        hash(json!("sourceIp"), json!({ "maxLoadPercent": 1000 })),
        hash(json!("path"), json!({})),
        hash(json!("host"), json!({})),
        score(100, 0, 0, 0),
        score(0, 0, 1, 99),
        slow_start(0, 1),
        slow_start(1_000, 100),
        slow_start(900_000, 10),
        zones(50),
        zones(100),
        with(POLICY_KEY, |policy| policy["backends"][0]["backup"] = json!(true)),
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
        with(POLICY_KEY, |policy| policy["limits"] = json!({ "requestBodyBytes": 0 })),
        with(POLICY_KEY, |policy| policy["accessLog"] = json!({ "samplePercent": 0 })),
        with(POLICY_KEY, |policy| policy["accessLog"] = json!({ "samplePercent": 101 })),
        with(POLICY_KEY, |policy| policy["connectionPool"] = json!({ "maxIdlePerEndpoint": 0 })),
        with(POLICY_KEY, |policy| policy["connectionPool"] = json!({ "maxIdlePerEndpoint": 1001 })),
        with(POLICY_KEY, |policy| policy["connectionPool"] = json!({ "idleTimeoutMs": 0 })),
        with(POLICY_KEY, |policy| policy["connectionPool"] = json!({ "idleTimeoutMs": 3_600_001 })),
        with(POLICY_KEY, |policy| policy["connectionPool"] = json!({ "maxRequestsPerConnection": 0 })),
        with(POLICY_KEY, |policy| policy["connectionPool"] = json!({ "maxRequestsPerConnection": 1_000_001 })),
        with(POLICY_KEY, |policy| policy["timeouts"]["backendRequestMs"] = json!(0)),
        with(POLICY_KEY, |policy| policy["timeouts"]["requestMs"] = json!(3_600_001)),
        with(POLICY_KEY, |policy| policy["timeouts"]["clientIdleMs"] = json!(0)),
        with(POLICY_KEY, |policy| policy["timeouts"]["streamIdleMs"] = json!(3_600_001)),
        with(POLICY_KEY, |policy| policy["retry"] = json!({ "attempts": 11 })),
        with(POLICY_KEY, |policy| policy["retry"] = json!({ "codes": [404] })),
        with(POLICY_KEY, |policy| policy["retry"] = json!({ "codes": [600] })),
        with(POLICY_KEY, |policy| policy["retry"] = json!({ "backoffMs": 0 })),
        with(POLICY_KEY, |policy| policy["retry"] = json!({ "backoffMs": 251 })),
        with(POLICY_KEY, |policy| policy["retry"] = json!({ "budgetPercent": 101 })),
        with(POLICY_KEY, |policy| policy["retry"] = json!({ "budgetIntervalMs": 999 })),
        with(POLICY_KEY, |policy| policy["retry"] = json!({ "budgetIntervalMs": 60_001 })),
        with(POLICY_KEY, |policy| policy["listener"]["trustedPeers"] = json!(["10.0.0.1/8"])),
        with(POLICY_KEY, |policy| policy["headers"] = json!({ "request": { "remove": ["host"] } })),
        with(POLICY_KEY, |policy| policy["headers"] = json!({ "response": { "set": [["evenkeel-reason", "1"]] } })),
        with(POLICY_KEY, |policy| policy["headers"] = json!({ "response": { "set": [["x y", "1"]] } })),
        with(POLICY_KEY, |policy| policy["headers"] = json!({ "response": { "add": [["x", "1\r\ny: 2"]] } })),
        balancing(json!({ "algorithm": "ConsistentHash" })),
        balancing(json!({ "consistentHash": { "key": "path", "table": "Ring" } })),
        hash(json!({ "header": "" }), json!({})),
        hash(json!({ "header": "X-User" }), json!({})),
        hash(json!({ "header": "a".repeat(257) }), json!({})),
        hash(json!({ "cookie": "a=b" }), json!({})),
        hash(json!({ "queryParameter": "a&b" }), json!({})),
        hash(json!({ "queryParameter": "" }), json!({})),
        hash(json!("path"), json!({ "maxLoadPercent": 100 })),
        hash(json!("path"), json!({ "maxLoadPercent": 1001 })),
        score(40, 30, 20, 9),
        score(40, 30, 20, 11),
        score(u32::MAX, 101, 0, 0),
        slow_start(999, 10),
        slow_start(900_001, 10),
        slow_start(10_000, 0),
        slow_start(10_000, 101),
        zones(49),
        zones(101),
        balancing(json!({
            "algorithm": "ConsistentHash", "consistentHash": { "key": "path", "table": "Ring" },
            "zoneAware": { "spillOverPercent": 80 },
        })),
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
