//! The CRD's schema and CEL rules, each bound from both sides: what is refused says how to fix it.

use evenkeel_crds::BalancerPool;
use evenkeel_tests::api::{Space, Stage};
use kube::{
    Api, Resource as _,
    api::{ApiResource, DynamicObject, Patch, PatchParams},
};
use serde_json::{Value, json};

/// What the API server is to say: nothing, or this.
pub(super) type Expected = Option<&'static str>;

/// A valid pool; each case changes one thing of it.
fn valid() -> Value {
    json!({
        "apiVersion": BalancerPool::api_version(&()),
        "kind": BalancerPool::kind(&()),
        "metadata": { "name": "web" },
        "spec": {
            "listener": { "port": 8080 },
            "proxy": {},
            "loadBalancing": {},
            "timeouts": {},
            "backends": [
                { "name": "a", "weight": 1, "service": { "name": "app", "port": 80 } },
                { "name": "b", "weight": 1, "endpoints": [{ "address": "192.0.2.1", "port": 80, "weight": 1 }] },
            ],
        },
    })
}

/// Creates the pool as a dry run, with every field known.
async fn try_pool(space: &Space, pool: &Value) -> Result<(), String> {
    let name = pool["metadata"]["name"].as_str().expect("a name");
    let resource = ApiResource::erase::<BalancerPool>(&());
    let api: Api<DynamicObject> = Api::namespaced_with(space.client.clone(), &space.namespace, &resource);
    let params = PatchParams::apply("tests").dry_run().validation_strict();
    let answer = api.patch(name, &params, &Patch::Apply(pool)).await;
    answer.map(drop).map_err(|error| match error {
        kube::Error::Api(status) => status.message.clone(),
        other => format!("no answer: {other}"),
    })
}

/// Tries each value at that place.
async fn try_values(space: &Space, pointer: &str, cases: Vec<(Value, Expected)>) -> Vec<String> {
    let mut wrong = Vec::new();
    for (value, expected) in cases {
        let mut pool = valid();
        let (parent, field) = pointer.rsplit_once('/').expect("a pointer");
        let parent = pool.pointer_mut(parent).expect(pointer);
        match field.parse::<usize>() {
            Ok(index) => parent[index] = value.clone(),
            Err(_) => parent[field] = value.clone(),
        }
        let answer = try_pool(space, &pool).await;
        let as_expected = match (&answer, expected) {
            (Ok(()), None) => true,
            (Err(message), Some(part)) => message.contains(part),
            _ => false,
        };
        if !as_expected {
            let value: String = value.to_string().chars().take(100).collect();
            wrong.push(format!("{pointer} = {value}: expected {expected:?}, got {answer:?}"));
        }
    }
    wrong
}

pub(super) fn numbers(least: i64, most: i64, below: &'static str, above: &'static str) -> Vec<(Value, Expected)> {
    vec![(json!(least), None), (json!(most), None), (json!(least - 1), Some(below)), (json!(most + 1), Some(above))]
}

fn label(length: usize) -> Value {
    json!("a".repeat(length))
}

fn endpoints(count: usize) -> Value {
    (0..count)
        .map(|number| json!({ "address": format!("10.0.{}.{}", number / 200, number % 200 + 1), "port": 80 }))
        .collect()
}

fn networks(count: usize) -> Value {
    (0..count).map(|number| json!(format!("10.{number}.0.0/16"))).collect()
}

fn changed_fields() -> Vec<(Value, Expected)> {
    let reserved = "choose another one";
    let many = |count: usize| -> Value {
        (0..count).map(|number| json!({ "name": format!("x-{number}"), "value": "1" })).collect()
    };
    let set = |name: &str, value: &str| json!({ "request": { "set": [{ "name": name, "value": value }] } });
    vec![
        (json!({ "request": { "set": many(16), "add": many(16) }, "response": { "add": many(16) } }), None),
        (json!({ "request": { "set": many(17) } }), Some("must have at most 16 items")),
        (json!({ "response": { "remove": ["x", "x"] } }), Some("uplicate")),
        (set(&"a".repeat(256), &"a".repeat(4096)), None),
        (set("x", &"a".repeat(4097)), Some("may not be more than 4096")),
        (set(&"a".repeat(257), "1"), Some("may not be more than 256")),
        (set("a b", "1"), Some("should match")),
        (set("x", "a\r\nb"), Some("should match")),
        (set("x", " a"), Some("should match")),
        (set("x", "a\tb c"), None),
        (set("Host", "a"), Some(reserved)),
        (json!({ "response": { "add": [{ "name": "Content-Length", "value": "1" }] } }), Some(reserved)),
        (json!({ "response": { "remove": ["Transfer-Encoding"] } }), Some(reserved)),
        (json!({ "request": { "remove": ["X-Forwarded-For"] } }), Some(reserved)),
        (json!({ "request": { "remove": ["X-Forwarded"] } }), None),
    ]
}

fn backends(count: usize) -> Value {
    let backend =
        |number| json!({ "name": format!("b{number}"), "weight": 1, "service": { "name": "app", "port": 80 } });
    (0..count).map(backend).collect()
}

const PORT: (&str, &str) = ("greater than or equal to 1", "less than or equal to 65535");
const WEIGHT: (&str, &str) = ("greater than or equal to 0", "less than or equal to 1000000");

fn plain_fields() -> Vec<(&'static str, Vec<(Value, Expected)>)> {
    let too_long = "may not be more than 63";
    let pattern = "should match";
    let names = vec![
        (label(63), None),
        (json!("0-a"), None),
        (label(64), Some(too_long)),
        (json!(""), Some("at least 1 chars")),
        (json!("A"), Some(pattern)),
        (json!("-a"), Some(pattern)),
        (json!("a."), Some(pattern)),
    ];
    let ports = vec![
        (json!("http"), None),
        (label(63), None),
        (label(64), Some(too_long)),
        (json!("HTTP"), Some(pattern)),
        (json!(""), Some("at least 1 chars")),
        (json!(true), Some("must be")),
    ];
    vec![
        ("/spec/protocol", vec![(json!("HTTP"), None), (json!("TCP"), Some("supported values: \"HTTP\""))]),
        ("/spec/listener/port", numbers(1, 65535, PORT.0, PORT.1)),
        ("/spec/proxy/replicas", numbers(0, 1000, "greater than or equal to 0", "less than or equal to 1000")),
        (
            "/spec/proxy/mode",
            vec![
                (json!("Deployment"), None),
                (json!("External"), None),
                (json!("Sidecar"), None),
                (json!("Node"), Some("supported values")),
            ],
        ),
        ("/spec/backends/0/name", names.clone()),
        ("/spec/backends/0/weight", numbers(0, 1_000_000, WEIGHT.0, WEIGHT.1)),
        ("/spec/backends/0/service/name", names),
        ("/spec/backends/0/service/port", [ports, numbers(1, 65535, PORT.0, PORT.1)].concat()),
        ("/spec/backends/1/endpoints/0/port", numbers(1, 65535, PORT.0, PORT.1)),
        ("/spec/backends/1/endpoints/0/weight", numbers(0, 1_000_000, WEIGHT.0, WEIGHT.1)),
        (
            "/spec/backends/1/endpoints",
            vec![
                (endpoints(1), None),
                (endpoints(256), None),
                (endpoints(257), Some("must have at most 256 items")),
                (json!([]), Some("should have at least 1 items")),
                (
                    json!([{ "address": "10.0.0.1", "port": 80 }, { "address": "10.0.0.1", "port": 80 }]),
                    Some("uplicate entries"),
                ),
            ],
        ),
        (
            "/spec/listener/trustedPeers",
            vec![
                (networks(64), None),
                (networks(65), Some("must have at most 64 items")),
                (json!(["10.0.0.0/8", "10.0.0.0/8"]), Some("uplicate")),
                (json!(["::/0"]), None),
                (json!(["10.0.0.1"]), Some("the length of its prefix")),
                (json!(["10.0.0.1/8"]), Some("only zeros behind its prefix")),
            ],
        ),
        (
            "/spec/limits",
            vec![
                (json!({ "requestBody": "1" }), None),
                (json!({ "requestBody": "1Ti" }), None),
                (json!({ "requestBody": "1025Gi" }), Some("at most 1Ti")),
                (json!({ "requestBody": "0" }), Some("should match")),
                (json!({ "requestBody": "1.5Mi" }), Some("should match")),
                (json!({ "requestBody": 1 }), Some("expected string")),
            ],
        ),
        ("/spec/unknown", vec![(json!(1), Some("field not declared in schema"))]),
    ]
}

fn rules() -> Vec<(&'static str, Vec<(Value, Expected)>)> {
    let timeout = "from 1ms to 1h";
    let timeouts = vec![
        (json!("1ms"), None),
        (json!("1h"), None),
        (json!("1m30s"), None),
        (json!("0s"), Some(timeout)),
        (json!("1h1ms"), Some(timeout)),
        (json!("5"), Some("should match")),
        (json!("1.5s"), Some("should match")),
        (json!("1d"), Some("should match")),
        (json!("123456s"), Some("should match")),
    ];
    let name = |text: &str| json!({ "name": text });
    let both = json!({ "name": "a", "weight": 1, "service": { "name": "app", "port": 80 },
        "endpoints": [{ "address": "192.0.2.1", "port": 80 }] });
    let interval = |text: &str| json!({ "budget": { "interval": text } });
    let exactly_one = "give exactly one of the two";
    let idle = json!([{ "name": "a", "weight": 0, "service": { "name": "app", "port": 80 } }]);
    let twice = json!([{ "name": "a", "service": { "name": "app", "port": 80 } }, { "name": "a", "service": { "name": "b", "port": 80 } }]);
    vec![
        (
            "/metadata",
            vec![
                (json!({ "name": "a".repeat(50) }), None),
                (json!({ "name": "a".repeat(51) }), Some("at most 50 characters and no dot")),
                (name("a.b"), Some("at most 50 characters and no dot")),
                (name("operator"), Some("no pool may be named operator")),
            ],
        ),
        (
            "/spec/listener/port",
            vec![(json!(9440), Some("choose another one")), (json!(9439), None), (json!(9441), None)],
        ),
        (
            "/spec/backends/0",
            vec![
                (both, Some(exactly_one)),
                (json!({ "name": "a", "weight": 1 }), Some(exactly_one)),
                (
                    json!({ "name": "a", "service": { "name": "evenkeel-web", "port": 80 } }),
                    Some("would call themselves"),
                ),
            ],
        ),
        (
            "/spec/backends",
            vec![
                (backends(1), None),
                (backends(64), None),
                (backends(65), Some("must have at most 64 items")),
                (json!([]), Some("should have at least 1 items")),
                (idle, Some("a weight above 0")),
                (twice, Some("uplicate")),
            ],
        ),
        (
            "/spec/proxy",
            vec![
                (json!({ "replicas": 2 }), None),
                (json!({ "mode": "Deployment", "replicas": 2 }), None),
                (json!({ "mode": "External" }), None),
                (json!({ "mode": "External", "replicas": 2 }), Some("remove it or choose that mode")),
                (json!({ "mode": "Sidecar", "replicas": 2 }), Some("remove it or choose that mode")),
            ],
        ),
        (
            "/spec/retry",
            vec![
                (interval("1s"), None),
                (interval("1m"), None),
                (interval("2000ms"), None),
                (interval("1500ms"), Some("in whole seconds")),
                (interval("10s1ms"), Some("in whole seconds")),
                (interval("999ms"), Some("in whole seconds")),
                (interval("61s"), Some("in whole seconds")),
            ],
        ),
        ("/spec/timeouts/connect", timeouts.clone()),
        ("/spec/timeouts/responseHeader", timeouts),
    ]
}

fn addresses() -> Vec<(Value, Expected)> {
    let (form, never, metadata) = ("without brackets, zone or port", "never an endpoint", "metadata service");
    let accepted = ["10.0.0.1", "192.0.2.7", "100.100.100.201", "2001:db8::1", "fd00::1", "fd00:ec2::253"];
    let refused = [
        ("127.0.0.1", never),
        ("169.254.169.254", never),
        ("224.0.0.1", never),
        ("0.0.0.0", never),
        ("255.255.255.255", never),
        ("::1", never),
        ("::", never),
        ("fe80::1", never),
        ("ff02::1", never),
        ("fd00:ec2::254", metadata),
        ("100.100.100.200", metadata),
        ("168.63.129.16", metadata),
        ("::ffff:10.0.0.1", form),
        ("fe80::1%eth0", form),
        ("10.0.0.1:80", form),
        ("[2001:db8::1]", form),
        ("010.0.0.1", form),
        ("web.example", form),
        ("1", "at least 2 chars"),
    ];
    let accepted = accepted.into_iter().map(|address| (json!(address), None));
    accepted.chain(refused.into_iter().map(|(address, part)| (json!(address), Some(part)))).collect()
}

#[tokio::test]
async fn every_rule_and_every_bound_holds_on_both_sides() {
    let Some(stage) = Stage::shared() else { return };
    let space = stage.space("schema").await;
    let mut wrong = Vec::new();
    for (pointer, cases) in plain_fields().into_iter().chain(rules()).chain(super::balancing::cases()) {
        wrong.extend(try_values(&space, pointer, cases).await);
    }
    wrong.extend(try_values(&space, "/spec/backends/1/endpoints/0/address", addresses()).await);
    wrong.extend(try_values(&space, "/spec/headers", changed_fields()).await);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test]
async fn refusals_name_the_field() {
    let Some(stage) = Stage::shared() else { return };
    let space = stage.space("fields").await;
    for (pointer, value, field) in [
        ("/spec/proxy", json!({ "mode": "External", "replicas": 2 }), "spec.proxy.replicas"),
        ("/spec/timeouts", json!({ "responseHeader": "2h" }), "spec.timeouts.responseHeader"),
        ("/spec/loadBalancing", json!({ "algorithm": "ConsistentHash" }), "spec.loadBalancing.consistentHash"),
        ("/spec/loadBalancing", json!({ "slowStart": { "window": "1h" } }), "spec.loadBalancing.slowStart.window"),
        ("/spec/listener/port", json!(9440), "spec.listener.port"),
        ("/spec/backends/1/endpoints/0/address", json!("127.0.0.1"), "spec.backends[1].endpoints[0].address"),
    ] {
        let mut pool = valid();
        *pool.pointer_mut(pointer).expect("a place") = value;
        let message = try_pool(&space, &pool).await.expect_err(field);
        assert!(message.contains(field), "{field}: {message}");
    }
}
