//! What holds for every pod, whatever is in it.

use evenkeel_operator::inject::{Decision, Pod, PoolState, admit, not_injected};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::settings;

/// Pools `a` to `c` listen on 8080 to 8082; the others are in all other states.
fn state(pool: &str) -> PoolState {
    match pool {
        "a" | "twin" => PoolState::Usable { port: 8080 },
        "b" => PoolState::Usable { port: 8081 },
        "c" => PoolState::Usable { port: 8082 },
        "going" => PoolState::Going,
        "bad" => PoolState::Refused("spec.backends: no backend".into()),
        _ => PoolState::Missing,
    }
}

fn read(pod: &Value) -> Pod {
    serde_json::from_str(&pod.to_string()).expect("any JSON is a pod")
}

fn look(pod: &Value) -> Decision {
    admit(&read(pod), "shop", state, &settings())
}

/// Anything where an object or list is expected.
fn junk() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        Just(json!(7)),
        Just(json!("x")),
        Just(json!([])),
        Just(json!({})),
        Just(json!([null, 1]))
    ]
}

fn container() -> impl Strategy<Value = Value> {
    let mounts = prop_oneof![
        3 => Just(json!([{ "name": "token", "mountPath": "/var/run/secrets/kubernetes.io/serviceaccount" }])),
        1 => Just(json!([{ "name": "gone", "mountPath": "/var/run/secrets/kubernetes.io/serviceaccount" }])),
        1 => junk(),
    ];
    let ports = prop_oneof![
        4 => Just(json!([{ "containerPort": 3000 }, { "containerPort": 8080, "protocol": "UDP" }])),
        1 => Just(json!([{ "containerPort": 8080 }])),
        1 => Just(json!([{ "containerPort": 9440 }])),
        1 => junk(),
    ];
    ("[a-z]{1,8}", mounts, ports)
        .prop_map(|(name, mounts, ports)| json!({ "name": name, "volumeMounts": mounts, "ports": ports }))
}

fn containers() -> impl Strategy<Value = Value> {
    prop_oneof![4 => prop::collection::vec(container(), 0..4).prop_map(Value::Array), 1 => junk()]
}

fn volumes() -> impl Strategy<Value = Value> {
    let token =
        json!({ "name": "token", "projected": { "sources": [{ "serviceAccountToken": { "path": "token" } }] } });
    prop_oneof![
        2 => Just(json!([token])),
        1 => Just(json!([{ "name": "token", "emptyDir": {} }])),
        1 => Just(json!([{ "name": "evenkeel-last-good" }])),
        1 => junk(),
    ]
}

fn annotations() -> impl Strategy<Value = Value> {
    let pools = prop_oneof![
        6 => prop::sample::subsequence(vec!["a", "b", "c"], 1..=3).prop_map(|pools| pools.join(", ")),
        1 => prop::sample::select(vec!["a,twin", "going", "bad", "none", "a,,b", ""]).prop_map(str::to_owned),
        1 => ".{0,40}",
    ];
    let limit = prop_oneof![3 => Just("64Mi".to_owned()), 1 => ".{0,6}"];
    prop_oneof![
        6 => (pools, limit).prop_map(|(pools, limit)| {
            json!({ "evenkeel.dev/pools": pools, "evenkeel.dev/memory-limit": limit, "kept": "as it was" })
        }),
        1 => junk(),
    ]
}

prop_compose! {
    fn pods()(
        annotations in annotations(),
        init in prop::option::of(containers()),
        containers in containers(),
        volumes in prop::option::of(volumes()),
        host_network in prop::option::weighted(0.1, any::<bool>()),
    ) -> Value {
        let mut pod = json!({
            "metadata": { "generateName": "app-", "labels": { "evenkeel.dev/inject": "enabled" }, "annotations": annotations },
            "spec": { "containers": containers },
        });
        for (field, value) in [("initContainers", init), ("volumes", volumes), ("hostNetwork", host_network.map(Value::Bool))] {
            if let Some(value) = value {
                pod["spec"][field] = value;
            }
        }
        pod
    }
}

/// Takes out the first container of the start, and the volumes that were not there before.
fn without_sidecar(mut pod: Value, before: &Value) -> Value {
    if let Some(containers) = pod["spec"]["initContainers"].as_array_mut() {
        containers.remove(0);
    }
    let volumes = before["spec"].get("volumes").and_then(Value::as_array).map_or(0, Vec::len);
    if let Some(list) = pod["spec"]["volumes"].as_array_mut() {
        list.truncate(volumes);
    }
    pod
}

/// An absent list and an empty one mean the same, and a list cannot be anything else.
fn normal(mut pod: Value) -> Value {
    for field in ["initContainers", "volumes"] {
        if pod["spec"].get(field).and_then(Value::as_array).is_none_or(Vec::is_empty) {
            pod["spec"][field] = json!([]);
        }
    }
    pod
}

proptest! {
    #[test]
    fn a_pod_gets_a_sidecar_once_and_loses_nothing(pod in pods()) {
        if let Decision::Inject(patch) = look(&pod) {
            let mut injected = pod.clone();
            json_patch::patch(&mut injected, &patch).expect("the patch fits");
            prop_assert_eq!(&injected["spec"]["initContainers"][0]["name"], "evenkeel-proxy");
            prop_assert_eq!(look(&injected), Decision::Already);
            prop_assert_eq!(without_sidecar(injected, &pod), normal(pod));
        }
    }

    #[test]
    fn a_pod_without_the_label_is_never_touched(mut pod in pods(), label in "[a-z]{0,8}") {
        pod["metadata"]["labels"]["evenkeel.dev/inject"] = json!(label);
        prop_assert_eq!(look(&pod), Decision::NotAsked);
    }

    #[test]
    fn a_refused_pod_can_be_marked_with_the_reason(pod in pods()) {
        if let Decision::Refuse(reason) = look(&pod) {
            prop_assert!(!reason.is_empty() && reason.chars().count() <= 1501);
            let mut marked = pod.clone();
            json_patch::patch(&mut marked, &not_injected(&read(&pod), &reason)).expect("the patch fits");
            prop_assert_eq!(&marked["metadata"]["annotations"]["evenkeel.dev/not-injected"], &json!(reason));
            prop_assert_eq!(&marked["spec"], &pod["spec"]);
            prop_assert!(matches!(look(&marked), Decision::Refuse(_)));
        }
    }

    #[test]
    fn anything_is_survived(metadata in junk(), spec in junk(), whole in junk()) {
        for pod in [json!({ "metadata": metadata, "spec": spec }), whole] {
            prop_assert_eq!(look(&pod), Decision::NotAsked);
        }
        let pod = json!({ "metadata": { "labels": { "evenkeel.dev/inject": "enabled" }, "annotations": { "evenkeel.dev/pools": "a" } }, "spec": spec });
        let _ = look(&pod);
    }
}
