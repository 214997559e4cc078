//! Objects in a line: pools, Services and EndpointSlices as JSON.

use serde_json::{Value, json};

/// A pool whose proxies others run: with these backends, as `(name, weight, source)`; see [`service`] and [`metal`].
#[must_use]
pub fn pool(name: &str, backends: &[(&str, u32, Value)]) -> Value {
    let backends: Vec<_> = backends.iter().map(|(name, weight, source)| backend(name, *weight, source)).collect();
    json!({
        "apiVersion": "evenkeel.dev/v1alpha1",
        "kind": "BalancerPool",
        "metadata": { "name": name },
        "spec": { "listener": { "port": 8080 }, "proxy": { "mode": "External" }, "backends": backends },
    })
}

fn backend(name: &str, weight: u32, source: &Value) -> Value {
    let mut backend = source.clone();
    backend["name"] = json!(name);
    backend["weight"] = json!(weight);
    backend
}

/// A backend's servers outside the cluster.
#[must_use]
pub fn metal(address: &str) -> Value {
    json!({ "endpoints": [{ "address": address, "port": 80 }] })
}

/// A Service without a selector, whose slices the test writes, with the port `http` as 80.
#[must_use]
pub fn service(name: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Service", "metadata": { "name": name },
        "spec": { "ports": [{ "name": "http", "port": 80, "targetPort": 8000 }] },
    })
}

/// A slice of a Service with ready endpoints at port 8000.
#[must_use]
pub fn slice(name: &str, service: &str, addresses: &[String]) -> Value {
    let endpoints: Vec<_> = addresses.iter().map(|address| endpoint(address)).collect();
    json!({
        "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice",
        "metadata": { "name": name, "labels": { "kubernetes.io/service-name": service } },
        "addressType": "IPv4", "ports": [{ "name": "http", "port": 8000, "protocol": "TCP" }], "endpoints": endpoints,
    })
}

/// A ready endpoint with a pod of its own.
#[must_use]
pub fn endpoint(address: &str) -> Value {
    // As random as a UID, and the same for the same address.
    let hash = address.bytes().fold(2_166_136_261_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(16_777_619));
    let pod = json!({ "kind": "Pod", "name": format!("pod-{hash:08x}"), "uid": format!("{hash:08x}-0000-4000-8000-000000000000") });
    json!({ "addresses": [address], "conditions": { "ready": true }, "zone": "a", "targetRef": pod })
}
