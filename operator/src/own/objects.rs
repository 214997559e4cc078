//! Every object that a pool owns beside its table, as it should be: pure.

use evenkeel_crds::{
    api::ProxyMode,
    names::{self, labels},
};
use serde_json::{Value, json};

use super::{Desired, deployment, deployment::selector};
use crate::{
    cluster::{DeploymentState, Pool},
    key::Key,
    kind::Kind,
    options::PullPolicy,
    ownership::controlled_by,
};

/// How the pods of proxies are made.
#[derive(Clone, Copy, Debug)]
pub struct PodOptions<'a> {
    /// The image; none: no Deployment.
    pub image: Option<&'a str>,
    /// When nodes pull it.
    pub pull_policy: Option<PullPolicy>,
}

/// What a pool is to own, in the order in which it is made. `live` is its Deployment as it is.
#[must_use]
pub fn desired(key: &Key, pool: &Pool, pods: PodOptions, live: Option<&DeploymentState>) -> Vec<Desired> {
    let bodies = match pool.mode() {
        ProxyMode::Deployment => of_deployment(key, pool, pods, live),
        ProxyMode::Sidecar => rights(key, &applications(key)).into(),
        ProxyMode::External => Vec::new(),
    };
    bodies.into_iter().map(|(kind, version, body)| complete(key, pool, kind, version, body)).collect()
}

/// A kind, its version, and what is particular to the object.
type Body = (Kind, &'static str, Value);

fn of_deployment(key: &Key, pool: &Pool, pods: PodOptions, live: Option<&DeploymentState>) -> Vec<Body> {
    let replicas = pool.object.spec.proxy.as_ref().and_then(|proxy| proxy.replicas);
    let mut objects = vec![(Kind::ServiceAccount, "v1", json!({}))];
    objects.extend(rights(key, &own_account(key)));
    objects.push((Kind::Service, "v1", json!({ "spec": service(key, pool) })));
    if let Some(image) = pods.image {
        let mut spec = deployment(key, image, pods.pull_policy);
        if let Some(replicas) = replicas {
            spec["replicas"] = json!(replicas);
        }
        objects.push((Kind::Deployment, "apps/v1", json!({ "spec": spec })));
    }
    // With one pod a budget would only block the draining of its node.
    if replicas.or(live.map(|live| live.replicas)).is_some_and(|replicas| replicas >= 2) {
        objects.push((Kind::PodDisruptionBudget, "policy/v1", json!({ "spec": budget(key) })));
    }
    objects
}

/// Who may read the table, and nothing else.
fn rights(key: &Key, subject: &Value) -> [Body; 2] {
    let name = names::object_name(&key.name);
    let version = "rbac.authorization.k8s.io/v1";
    [(Kind::Role, version, role(&name)), (Kind::RoleBinding, version, role_binding(&name, subject))]
}

fn complete(key: &Key, pool: &Pool, kind: Kind, api_version: &str, mut json: Value) -> Desired {
    json["apiVersion"] = json!(api_version);
    json["kind"] = json!(kind.as_str());
    json["metadata"] = json!({
        "name": names::object_name(&key.name),
        "namespace": &*key.namespace,
        "labels": {
            labels::MANAGED_BY: labels::MANAGED_BY_VALUE,
            labels::NAME: labels::NAME_VALUE,
            labels::POOL: &*key.name,
        },
        "ownerReferences": [controlled_by(pool.meta())],
    });
    Desired { kind, json }
}

/// `list` and `watch` too are held to the name, as long as the request selects it.
fn role(name: &str) -> Value {
    let rule = json!({ "apiGroups": [""], "resources": ["configmaps"], "resourceNames": [name], "verbs": ["get", "list", "watch"] });
    json!({ "rules": [rule] })
}

fn role_binding(name: &str, subject: &Value) -> Value {
    json!({
        "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": name },
        "subjects": [subject],
    })
}

fn own_account(key: &Key) -> Value {
    json!({ "kind": "ServiceAccount", "name": names::object_name(&key.name), "namespace": &*key.namespace })
}

/// A sidecar runs under its application's account, which may be any of the namespace.
fn applications(key: &Key) -> Value {
    let group = format!("system:serviceaccounts:{}", key.namespace);
    json!({ "apiGroup": "rbac.authorization.k8s.io", "kind": "Group", "name": group })
}

fn service(key: &Key, pool: &Pool) -> Value {
    let port = pool.object.spec.listener.port;
    let bind = u16::try_from(port).map(names::bind_port).unwrap_or_default(); // the spec was accepted: it is a port
    json!({
        "type": "ClusterIP",
        "selector": selector(&key.name),
        "ports": [{ "name": "http", "protocol": "TCP", "port": port, "targetPort": bind }],
    })
}

fn budget(key: &Key) -> Value {
    json!({ "maxUnavailable": 1, "selector": { "matchLabels": selector(&key.name) } })
}

#[cfg(test)]
#[path = "objects_tests.rs"]
mod tests;
