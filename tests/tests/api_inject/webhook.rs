//! The webhook configuration: as the chart's, but with URLs in place of a Service, which nobody routes to here.

use evenkeel_tests::api::WEBHOOK_CONFIGURATION as NAME;
use k8s_openapi::api::admissionregistration::v1::MutatingWebhookConfiguration;
use kube::{
    Api, Client,
    api::{Patch, PatchParams, PostParams},
};
use serde_json::{Value, json};

/// Sends pods to these addresses, by policy.
pub(crate) async fn configure(client: &Client, fail: &str, ignore: &str) {
    let object = json!({
        "apiVersion": "admissionregistration.k8s.io/v1", "kind": "MutatingWebhookConfiguration",
        "metadata": { "name": NAME },
        "webhooks": [
            webhook("Fail", &format!("https://{fail}/inject/fail"), "NotIn", "Ignore"),
            webhook("Ignore", &format!("https://{ignore}/inject/ignore"), "In", "Ignore"),
        ],
    });
    let object: MutatingWebhookConfiguration = serde_json::from_value(object).expect("a configuration");
    Api::all(client.clone()).create(&PostParams::default(), &object).await.expect("it is taken");
}

fn webhook(policy: &str, url: &str, operator: &str, value: &str) -> Value {
    let without_sidecar = "!(object.spec.?containers.orValue([]) + object.spec.?initContainers.orValue([]))\
                           .exists(c, c.name == 'evenkeel-proxy')";
    json!({
        "name": format!("{}.inject.evenkeel.dev", policy.to_lowercase()),
        "clientConfig": { "url": url },
        "failurePolicy": policy,
        "rules": [{ "apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"], "scope": "Namespaced" }],
        "objectSelector": { "matchLabels": { "evenkeel.dev/inject": "enabled" } },
        "namespaceSelector": { "matchExpressions": [
            { "key": "evenkeel.dev/injection-failure-policy", "operator": operator, "values": [value] },
            { "key": "kubernetes.io/metadata.name", "operator": "NotIn", "values": ["kube-system", "kube-node-lease", "evenkeel-system"] },
        ] },
        "matchConditions": [{ "name": "without-sidecar", "expression": without_sidecar }],
        "admissionReviewVersions": ["v1"], "sideEffects": "None", "timeoutSeconds": 5, "reinvocationPolicy": "IfNeeded",
    })
}

/// The bundles of both webhooks, as PEM.
pub(crate) async fn bundles(client: &Client) -> Vec<String> {
    let api: Api<MutatingWebhookConfiguration> = Api::all(client.clone());
    let webhooks = api.get(NAME).await.expect("it is there").webhooks.unwrap_or_default();
    let pem = webhooks.into_iter().map(|webhook| webhook.client_config.ca_bundle.map(|pem| pem.0).unwrap_or_default());
    pem.map(|pem| String::from_utf8(pem).expect("PEM")).collect()
}

/// Takes the bundles away, as somebody may who applies the chart's file over it.
pub(crate) async fn reset_bundles(client: &Client) {
    let api: Api<MutatingWebhookConfiguration> = Api::all(client.clone());
    let patch =
        (0..2).map(|index| json!({ "op": "remove", "path": format!("/webhooks/{index}/clientConfig/caBundle") }));
    let patch = serde_json::from_value(patch.collect()).expect("a patch");
    api.patch(NAME, &PatchParams::default(), &Patch::Json::<()>(patch)).await.expect("it is taken");
}
