//! The schema of how endpoints are chosen: what goes together, what does not, bounds.

use serde_json::{Value, json};

use super::schema::{Expected, numbers};

fn by(algorithm: &str, more: &Value) -> Value {
    let mut balancing = json!({ "algorithm": algorithm });
    balancing.as_object_mut().expect("a map").extend(more.as_object().expect("a map").clone());
    balancing
}

fn key(hash: &Value) -> Value {
    by("ConsistentHash", &json!({ "consistentHash": hash }))
}

/// What belongs to one algorithm alone.
fn together() -> Vec<(Value, Expected)> {
    let path = json!({ "consistentHash": { "type": "Path" } });
    let score = json!({ "score": { "load": 40, "latency": 30, "errors": 20, "distance": 10 } });
    let zones = json!({ "zoneAware": { "mode": "PreferLocal" } });
    let (both, other) = ("give both, or remove the one that is there", "choose that algorithm or remove score");
    let mut cases = vec![
        (json!({}), None),
        (zones.clone(), None),
        (path.clone(), Some(both)),
        (score.clone(), Some(other)),
        (json!({ "slowStart": {} }), None),
        (by("Fastest", &json!({})), Some("supported values")),
        (by("ConsistentHash", &json!({})), Some(both)),
        (by("ConsistentHash", &path), None),
        (
            by(
                "ConsistentHash",
                &json!({ "consistentHash": { "type": "Path" }, "zoneAware": { "mode": "PreferLocal" } }),
            ),
            Some("the same from every zone"),
        ),
        (by("ConsistentHash", &json!({ "consistentHash": { "type": "Path" }, "slowStart": { "window": "5s" } })), None),
    ];
    for algorithm in ["RoundRobin", "LeastRequest", "Random", "PeakEWMA", "Score"] {
        cases.push((by(algorithm, &json!({})), None));
        cases.push((by(algorithm, &zones), None));
        cases.push((by(algorithm, &path), Some(both)));
        cases.push((by(algorithm, &score), (algorithm != "Score").then_some(other)));
    }
    cases
}

/// The key and what names it.
fn keys() -> Vec<(Value, Expected)> {
    let mut cases = vec![
        (key(&json!({})), Some("type: Required value")),
        (key(&json!({ "type": "Method" })), Some("supported values")),
        (key(&json!({ "type": "Path", "table": "Maglev" })), None),
        (key(&json!({ "type": "Path", "table": "Jump" })), Some("supported values")),
        (key(&json!({ "type": "Header", "header": {} })), Some("header.name: Required value")),
        (key(&json!({ "type": "Header", "header": { "name": "x_user" } })), Some("names have _; choose another")),
        (key(&json!({ "type": "Cookie", "cookie": { "name": "_ga" } })), None),
    ];
    cases.extend(["SourceIP", "Path", "Host"].map(|kind| (key(&json!({ "type": kind })), None)));
    for (kind, member, remove) in [
        ("Header", "header", "remove header"),
        ("Cookie", "cookie", "remove cookie"),
        ("QueryParameter", "queryParameter", "remove queryParameter"),
    ] {
        let named = |name: &str| key(&json!({ "type": kind, member: { "name": name } }));
        cases.extend([
            (named("user"), None),
            (named(&"a".repeat(256)), None),
            (named(&"a".repeat(257)), Some("may not be more than 256")),
            (named(""), Some("at least 1 chars")),
            (named("a=b"), Some("should match")),
            (named("a b"), Some("should match")),
            (key(&json!({ "type": kind })), Some(remove)),
            (key(&json!({ "type": "Path", member: { "name": "user" } })), Some(remove)),
        ]);
    }
    for (name, expected) in [("!\"$%'(;<>?~", None), ("a&b", Some("should match")), ("a#b", Some("should match"))] {
        cases.push((key(&json!({ "type": "QueryParameter", "queryParameter": { "name": name } })), expected));
    }
    cases
}

/// Numbers, durations, sums.
fn bounds() -> Vec<(Value, Expected)> {
    let score = |load: i64, latency: i64, errors: i64, distance: i64| {
        by("Score", &json!({ "score": { "load": load, "latency": latency, "errors": errors, "distance": distance } }))
    };
    let sum = Some("four numbers that are 100 together");
    let window = |text: &str| json!({ "slowStart": { "window": text } });
    let off = Some("0s, which is off, or 1s to 15m");
    let mut cases = vec![
        (score(100, 0, 0, 0), None),
        (score(25, 25, 25, 25), None),
        (score(40, 30, 20, 9), sum),
        (score(40, 30, 20, 11), sum),
        (score(101, -1, 0, 0), Some("less than or equal to 100")),
        (score(101, -1, 0, 0), Some("greater than or equal to 0")),
        (by("Score", &json!({ "score": { "load": 50, "latency": 50 } })), Some("errors: Required value")),
        (window("0s"), None),
        (window("1s"), None),
        (window("1500ms"), None),
        (window("15m"), None),
        (window("999ms"), off),
        (window("15m1ms"), off),
        (window("30"), Some("should match")),
        (json!({ "zoneAware": {} }), Some("mode: Required value")),
        (json!({ "zoneAware": { "mode": "PreferRemote" } }), Some("supported values")),
    ];
    let mut within = |least, most, below, above, place: &dyn Fn(Value) -> Value| {
        cases.extend(numbers(least, most, below, above).into_iter().map(|(value, expected)| (place(value), expected)));
    };
    within(101, 1000, "greater than or equal to 101", "less than or equal to 1000", &|percent| {
        key(&json!({ "type": "Path", "maxLoadPercent": percent }))
    });
    within(
        1,
        100,
        "greater than or equal to 1",
        "less than or equal to 100",
        &|percent| json!({ "slowStart": { "minPercent": percent } }),
    );
    within(
        50,
        100,
        "greater than or equal to 50",
        "less than or equal to 100",
        &|percent| json!({ "zoneAware": { "mode": "PreferLocal", "spillOverPercent": percent } }),
    );
    cases
}

fn backups() -> Vec<(Value, Expected)> {
    let two = |first: Value, second: Value| {
        let mut backends = [json!({ "name": "a" }), json!({ "name": "b" })];
        for (backend, more) in backends.iter_mut().zip([first, second]) {
            let fields = backend.as_object_mut().expect("a map");
            fields.insert("service".into(), json!({ "name": "app", "port": 80 }));
            fields.extend(more.as_object().expect("a map").clone());
        }
        json!(backends)
    };
    let none = Some("at least one that is no backup a weight above 0");
    vec![
        (two(json!({}), json!({ "backup": true })), None),
        (two(json!({ "backup": false }), json!({ "backup": true, "weight": 0 })), None),
        (two(json!({ "backup": true }), json!({ "backup": true })), none),
        (two(json!({ "backup": true }), json!({ "weight": 0 })), none),
        (two(json!({}), json!({ "backup": "yes" })), Some("expected boolean")),
    ]
}

pub(super) fn cases() -> Vec<(&'static str, Vec<(Value, Expected)>)> {
    let balancing = "/spec/loadBalancing";
    vec![(balancing, together()), (balancing, keys()), (balancing, bounds()), ("/spec/backends", backups())]
}
