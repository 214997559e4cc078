//! Applications in pods, with a sidecar or without. The load client plays them all.

use serde_json::{Value, json};

use crate::cluster::file;
use crate::stage::Stage;

/// The label that asks for a sidecar.
const INJECT: &str = "evenkeel.dev/inject";
/// The annotation that names its pools.
const POOLS: &str = "evenkeel.dev/pools";
/// The sidecar's container.
pub(crate) const SIDECAR: &str = "evenkeel-proxy";
/// The application's container.
pub(crate) const CONTAINER: &str = "load";

/// An application that sends requests, as a pod that can be put into anything that makes pods.
#[derive(Clone, Debug)]
pub(crate) struct Application {
    pod: Value,
}

impl Application {
    /// Sends requests with these arguments of `load`.
    pub(crate) fn sending(stage: &Stage, arguments: &str) -> Self {
        let manifest = file("tests/kind/load.yaml").replace("TAG", &stage.tag);
        let mut pod: Value = serde_yaml::from_str(&manifest).unwrap();
        pod["spec"]["containers"][0]["args"] = arguments.split_whitespace().collect();
        Self { pod }
    }

    /// Asks for a sidecar with these pools, as a user does: by a label and an annotation.
    pub(crate) fn with_sidecar(mut self, pools: &str) -> Self {
        self.pod["metadata"]["labels"][INJECT] = "enabled".into();
        self.pod["metadata"]["annotations"] = json!({ POOLS: pools });
        // What Kubernetes does with a pod that does not say.
        self.pod["spec"].as_object_mut().unwrap().remove("automountServiceAccountToken");
        self
    }

    /// Refuses the token of its service account.
    pub(crate) fn without_token(mut self) -> Self {
        self.pod["spec"]["automountServiceAccountToken"] = false.into();
        self
    }

    /// The manifest of a single pod.
    pub(crate) fn pod(mut self, name: &str) -> String {
        self.pod["metadata"]["name"] = name.into();
        self.pod.to_string()
    }

    /// The manifest of a Deployment. It starts a new pod before it ends an old one.
    pub(crate) fn deployment(mut self, name: &str, replicas: u8) -> String {
        self.pod["spec"]["restartPolicy"] = "Always".into();
        let strategy = json!({"rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}});
        let selector = json!({"matchLabels": {"app": name}});
        let spec =
            json!({"replicas": replicas, "strategy": strategy, "selector": selector, "template": self.template(name)});
        object("apps/v1", "Deployment", name, &spec)
    }

    /// The manifest of a Job.
    pub(crate) fn job(self, name: &str) -> String {
        object("batch/v1", "Job", name, &json!({"backoffLimit": 0, "template": self.template(name)}))
    }

    fn template(mut self, app: &str) -> Value {
        self.pod["metadata"]["labels"]["app"] = app.into();
        self.pod["metadata"].as_object_mut().unwrap().remove("name");
        json!({"metadata": self.pod["metadata"], "spec": self.pod["spec"]})
    }
}

fn object(version: &str, kind: &str, name: &str, spec: &Value) -> String {
    json!({"apiVersion": version, "kind": kind, "metadata": {"name": name}, "spec": spec}).to_string()
}
