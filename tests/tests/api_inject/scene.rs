//! Where these tests play: an API server that asks the operator about pods, and ways to make them.

use std::sync::OnceLock;

use evenkeel_crds::BalancerPool;
use evenkeel_tests::api::{Operator, Space, Stage, WEBHOOK_CONFIGURATION, eventually, metal, pool};
use k8s_openapi::api::core::v1::{Namespace, Pod, ServiceAccount};
use kube::api::PostParams;
use serde_json::{Value, json};

use super::webhook;

/// An API server and the operators that it asks.
pub(crate) struct Scene {
    pub(crate) stage: Stage,
    pub(crate) operators: Vec<Operator>,
}

impl Scene {
    /// The one of the tests that leave it as it is; none where these tests are not asked for.
    pub(crate) fn shared() -> Option<&'static Self> {
        static SHARED: OnceLock<Option<Scene>> = OnceLock::new();
        SHARED
            .get_or_init(|| {
                let stage = Stage::bare()?;
                let operator = stage.start_operator(&FLAGS);
                let scene = Self { stage, operators: vec![operator] };
                std::thread::scope(|scope| scope.spawn(|| scene.configure_now()).join().expect("it is configured"));
                Some(scene)
            })
            .as_ref()
    }

    /// A test may be inside a runtime, where another cannot be entered: so on a thread of its own.
    fn configure_now(&self) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(self.configure());
    }

    /// Has the first operator asked about pods that fail without a sidecar, the last about the others.
    pub(crate) async fn configure(&self) {
        let client = self.stage.server.client().await;
        let [first, last] =
            [self.operators.first(), self.operators.last()].map(|operator| address(operator.expect("one")));
        webhook::configure(&client, &first, &last).await;
        eventually("the API server knows whom to trust", || async {
            webhook::bundles(&client).await.iter().all(|pem| !pem.is_empty()).then_some(())
        })
        .await;
        // It takes a bundle up a moment after it shows it.
        let space = self.space("trusted", &[]).await;
        space.create::<BalancerPool>(sidecar_pool("web", 8080)).await;
        eventually("the API server trusts", || async { make(&space, &app("web"), DRY).await.ok() }).await;
    }

    /// A namespace with these labels, where pods can be made.
    pub(crate) async fn space(&self, name: &str, labels: &[(&str, &str)]) -> Space {
        let space = self.stage.space(name).await;
        let labels: serde_json::Map<_, _> =
            labels.iter().map(|(key, value)| ((*key).to_owned(), json!(value))).collect();
        let api = kube::Api::<Namespace>::all(space.client.clone());
        let patch = kube::api::Patch::Merge(json!({ "metadata": { "labels": labels } }));
        api.patch(&space.namespace, &kube::api::PatchParams::default(), &patch).await.expect("labels");
        eventually("the namespace has an account", || space.get::<ServiceAccount>("default")).await;
        space
    }
}

/// How these operators are started: each at a port of its own.
pub(crate) const FLAGS: [&str; 6] = [
    "--webhook-configuration",
    WEBHOOK_CONFIGURATION,
    "--webhook-address",
    "127.0.0.1:0",
    "--webhook-host",
    "127.0.0.1",
];
/// The label of a namespace whose pods are made without a sidecar if they cannot have one.
pub(crate) const IGNORE: (&str, &str) = ("evenkeel.dev/injection-failure-policy", "Ignore");
/// Nothing is stored.
pub(crate) const DRY: bool = true;
/// It is stored.
pub(crate) const REAL: bool = false;

/// Where an operator answers about pods, as its log says.
fn address(operator: &Operator) -> String {
    let address = |line: &String| Some(line.split_once(" webhook=")?.1.to_owned());
    operator.log().iter().find_map(address).expect("it says where it listens")
}

/// A pool whose proxies are sidecars.
pub(crate) fn sidecar_pool(name: &str, port: u16) -> Value {
    let mut pool = pool(name, &[("metal", 1, metal("192.0.2.1"))]);
    pool["spec"]["listener"]["port"] = json!(port);
    pool["spec"]["proxy"] = json!({ "mode": "Sidecar" });
    pool
}

/// A pod that asks for a sidecar for these pools, and that every namespace takes.
pub(crate) fn app(pools: &str) -> Value {
    let restricted = json!({
        "runAsNonRoot": true, "runAsUser": 1000, "allowPrivilegeEscalation": false,
        "capabilities": { "drop": ["ALL"] }, "seccompProfile": { "type": "RuntimeDefault" },
    });
    json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {
            "generateName": "app-", "labels": { "evenkeel.dev/inject": "enabled" }, "annotations": { "evenkeel.dev/pools": pools },
        },
        "spec": { "containers": [{ "name": "app", "image": "app:1", "securityContext": restricted }] },
    })
}

/// Has the API server make a pod; what it made, or why it did not.
pub(crate) async fn make(space: &Space, pod: &Value, dry_run: bool) -> Result<Pod, String> {
    let pod: Pod = serde_json::from_value(pod.clone()).expect("a pod");
    let params = PostParams { dry_run, ..PostParams::default() };
    space.api().create(&params, &pod).await.map_err(|error| match error {
        kube::Error::Api(status) => status.message.clone(),
        other => other.to_string(),
    })
}

/// Whether the sidecar is the first container of a pod.
pub(crate) fn has_sidecar(pod: &Pod) -> bool {
    let containers = pod.spec.as_ref().and_then(|spec| spec.init_containers.as_ref());
    containers.and_then(|containers| containers.first()).is_some_and(|first| first.name == "evenkeel-proxy")
}
