//! What the chart installs, as far as the operator needs it here: the CRD, its account and exactly its rights.

use std::{fs, path::Path};

use evenkeel_crds::BalancerPool;
use k8s_openapi::{
    api::{
        authentication::v1::TokenRequest,
        core::v1::{Namespace, ServiceAccount},
        rbac::v1::{ClusterRole, ClusterRoleBinding, PolicyRule, Role, RoleBinding},
    },
    apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition,
};
use kube::{
    Api, Client, CustomResourceExt as _,
    api::{Patch, PatchParams, PostParams},
};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::json;

use super::{ApiServer, eventually};

/// Where the operator's own objects are.
pub(super) const NAMESPACE: &str = "evenkeel-system";
const NAME: &str = "evenkeel-operator";
/// The configuration of its webhook, as the chart names it.
pub const WEBHOOK_CONFIGURATION: &str = "evenkeel-operator.evenkeel-system";

/// Installs the definition of BalancerPool, or this one instead, and waits until it is served.
///
/// # Panics
/// If the API server does not take it.
pub async fn install_crd(client: &Client, definition: &CustomResourceDefinition) {
    let api: Api<CustomResourceDefinition> = Api::all(client.clone());
    let name = BalancerPool::crd_name();
    let params = PatchParams::apply("tests").force().validation_strict();
    let written = api.patch(name, &params, &Patch::Apply(definition)).await.expect("a valid definition");
    eventually("the definition is served", || async {
        let seen = api.get(name).await.ok()?;
        let conditions = seen.status?.conditions?;
        let served = conditions.iter().any(|condition| condition.type_ == "Established" && condition.status == "True");
        (served && seen.metadata.generation >= written.metadata.generation).then_some(())
    })
    .await;
}

/// The operator's rules as they stand in the chart: those for every namespace that it serves.
///
/// # Panics
/// If they are not found there.
#[must_use]
pub fn operator_rules() -> Vec<PolicyRule> {
    chart_rules("evenkeel.rules")
}

fn chart_rules(name: &str) -> Vec<PolicyRule> {
    let helpers = concat!(env!("CARGO_MANIFEST_DIR"), "/../charts/evenkeel/templates/_helpers.tpl");
    let text = fs::read_to_string(helpers).expect(helpers);
    let (_, rest) = text.split_once(&format!("define {name:?} -}}}}")).expect("the rules in the chart");
    let (rules, _) = rest.split_once("{{- end }}\n\n").unwrap_or((rest.trim_end().trim_end_matches("{{- end }}"), ""));
    // What stands inside a condition is for a part that these tests do without, or may have as well.
    let rules: Vec<_> = rules.lines().filter(|line| !line.starts_with("{{")).collect();
    serde_yaml::from_str(&rules.join("\n")).expect("rules as YAML")
}

/// Makes the operator's account and writes a kubeconfig with its token.
pub(super) async fn operator_kubeconfig(server: &ApiServer, client: &Client, file: &Path) {
    let namespace = json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": NAMESPACE } });
    apply::<Namespace>(&Api::all(client.clone()), NAMESPACE, &namespace).await;
    let accounts: Api<ServiceAccount> = Api::namespaced(client.clone(), NAMESPACE);
    apply(&accounts, NAME, &json!({ "apiVersion": "v1", "kind": "ServiceAccount", "metadata": { "name": NAME } }))
        .await;
    let group = "rbac.authorization.k8s.io";
    let role = json!({ "apiVersion": format!("{group}/v1"), "kind": "ClusterRole", "metadata": { "name": NAME },
        "rules": operator_rules() });
    apply::<ClusterRole>(&Api::all(client.clone()), NAME, &role).await;
    let binding = json!({ "apiVersion": format!("{group}/v1"), "kind": "ClusterRoleBinding", "metadata": { "name": NAME },
        "roleRef": { "apiGroup": group, "kind": "ClusterRole", "name": NAME },
        "subjects": [{ "kind": "ServiceAccount", "name": NAME, "namespace": NAMESPACE }] });
    apply::<ClusterRoleBinding>(&Api::all(client.clone()), NAME, &binding).await;
    own_rights(client).await;
    webhook_rights(client).await;
    account_kubeconfig(server, &accounts, NAME, file).await;
}

/// What the operator may do in its own namespace.
async fn own_rights(client: &Client) {
    let group = "rbac.authorization.k8s.io";
    let rules = [chart_rules("evenkeel.ownRules"), chart_rules("evenkeel.certificateRules")].concat();
    let role =
        json!({ "apiVersion": format!("{group}/v1"), "kind": "Role", "metadata": { "name": NAME }, "rules": rules });
    apply::<Role>(&Api::namespaced(client.clone(), NAMESPACE), NAME, &role).await;
    let binding = json!({ "apiVersion": format!("{group}/v1"), "kind": "RoleBinding", "metadata": { "name": NAME },
        "roleRef": { "apiGroup": group, "kind": "Role", "name": NAME },
        "subjects": [{ "kind": "ServiceAccount", "name": NAME, "namespace": NAMESPACE }] });
    apply::<RoleBinding>(&Api::namespaced(client.clone(), NAMESPACE), NAME, &binding).await;
}

/// What it may do to the configuration of its webhook, which has the name that the chart gives it.
async fn webhook_rights(client: &Client) {
    let (group, name) = ("rbac.authorization.k8s.io", WEBHOOK_CONFIGURATION);
    let mut rules = chart_rules("evenkeel.webhookRules");
    for rule in &mut rules {
        rule.resource_names = Some(vec![name.into()]); // a template in the chart
    }
    let role = json!({ "apiVersion": format!("{group}/v1"), "kind": "ClusterRole", "metadata": { "name": name }, "rules": rules });
    apply::<ClusterRole>(&Api::all(client.clone()), name, &role).await;
    let binding = json!({ "apiVersion": format!("{group}/v1"), "kind": "ClusterRoleBinding", "metadata": { "name": name },
        "roleRef": { "apiGroup": group, "kind": "ClusterRole", "name": name },
        "subjects": [{ "kind": "ServiceAccount", "name": NAME, "namespace": NAMESPACE }] });
    apply::<ClusterRoleBinding>(&Api::all(client.clone()), name, &binding).await;
}

/// Writes a kubeconfig with a token of an account.
pub(super) async fn account_kubeconfig(server: &ApiServer, accounts: &Api<ServiceAccount>, name: &str, file: &Path) {
    let token = token(accounts, name).await;
    let config = json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "test",
        "contexts": [{ "name": "test", "context": { "cluster": "test", "user": name } }],
        "users": [{ "name": name, "user": { "token": token } }],
        "clusters": [{ "name": "test", "cluster": { "server": server.url(), "certificate-authority": server.ca() } }],
    });
    fs::write(file, config.to_string()).expect("a temporary file");
}

async fn token(accounts: &Api<ServiceAccount>, name: &str) -> String {
    let request =
        json!({ "apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": { "audiences": [] } });
    let params = PostParams::default();
    let answer: TokenRequest = accounts.create_subresource("token", name, &params, &request).await.expect("a token");
    answer.status.expect("an answer").token
}

async fn apply<K>(api: &Api<K>, name: &str, object: &impl Serialize)
where
    K: Clone + std::fmt::Debug + DeserializeOwned,
{
    let object = serde_json::to_value(object).expect("JSON");
    let params = PatchParams::apply("tests").force().validation_strict();
    api.patch(name, &params, &Patch::Apply(&object)).await.expect(name);
}
