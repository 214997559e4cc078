//! The sidecar as it stands in a pod's spec: its container and its volumes.

use evenkeel_crds::names::{ADMIN_PORT, SIDECAR_CONTAINER, object_name};
use serde_json::{Value, json};

use super::{Resources, Settings, pod::TOKEN_PATH};

/// The volume of the tables' copies.
const COPIES_VOLUME: &str = "evenkeel-last-good";
/// Where it is mounted.
const COPIES_PATH: &str = "/var/lib/evenkeel";
/// As many pools as a sidecar serves, at a table's largest, twice: the new copy is written beside the old one.
const COPIES_SIZE: &str = "32Mi";
/// Where tables are mounted.
const TABLES_PATH: &str = "/etc/evenkeel/tables";
/// The longest name of a volume.
const MAX_VOLUME_NAME: usize = 63;

/// Who runs the program in its image.
const USER: u32 = 65532;

/// How a sidecar gets its tables.
#[derive(Clone, Copy, Debug)]
pub(super) enum Tables<'a> {
    /// From the API server, with the token in this volume of the pod.
    Watched {
        /// The volume's name.
        token: &'a str,
    },
    /// As mounted ConfigMaps.
    Mounted,
}

/// What a sidecar is for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sidecar<'a> {
    pub(super) namespace: &'a str,
    pub(super) pools: &'a [&'a str],
    pub(super) tables: Tables<'a>,
    /// Whether the pod says as which user its containers run.
    pub(super) user_is_named: bool,
}

impl Sidecar<'_> {
    /// Its container, which starts before all others, and ends after them.
    pub(super) fn container(&self, settings: &Settings, resources: &Resources) -> Value {
        let mut container = json!({
            "name": SIDECAR_CONTAINER,
            "image": settings.image,
            "restartPolicy": "Always",
            "args": self.arguments(),
            "env": [
                field("POD_NAME", "metadata.name"),
                field("POD_NAMESPACE", "metadata.namespace"),
                field("NODE_NAME", "spec.nodeName"),
            ],
            "resources": resources,
            // The next container waits for this one: it finds every pool with its table.
            "startupProbe": probe("/startupz", 1, 3, 60),
            "livenessProbe": probe("/livez", 10, 5, 3),
            // It tells nothing that the two others do not, and failing takes the application out of service: so a busy node
            // that answers late for some seconds must not be enough.
            "readinessProbe": probe("/readyz", 5, 5, 3),
            "securityContext": self.security(),
            "volumeMounts": self.mounts(),
        });
        if let Some(policy) = settings.pull_policy {
            container["imagePullPolicy"] = json!(policy.as_str());
        }
        container
    }

    /// As the user that the pod names: where all containers have one user, the kubelet makes the token's file his alone, and one
    /// container with another user would open it to all.
    fn security(&self) -> Value {
        let mut context = json!({
            "runAsNonRoot": true,
            "allowPrivilegeEscalation": false,
            "readOnlyRootFilesystem": true,
            "capabilities": { "drop": ["ALL"] },
            "seccompProfile": { "type": "RuntimeDefault" },
        });
        if !self.user_is_named {
            (context["runAsUser"], context["runAsGroup"]) = (json!(USER), json!(USER));
        }
        context
    }

    /// The volumes that it brings along.
    pub(super) fn volumes(&self) -> Vec<Value> {
        match self.tables {
            Tables::Watched { .. } => vec![json!({ "name": COPIES_VOLUME, "emptyDir": { "sizeLimit": COPIES_SIZE } })],
            // Optional: the pool may be applied a moment before the pod, and its table come a moment after it.
            Tables::Mounted => self.pools.iter().map(|pool| {
                json!({ "name": table_volume(pool), "configMap": { "name": object_name(pool), "optional": true } })
            }).collect(),
        }
    }

    fn arguments(&self) -> Vec<String> {
        let mut arguments = vec!["run".to_owned(), "--sidecar".to_owned()];
        match self.tables {
            Tables::Watched { .. } => {
                arguments.push("--watch".into());
                arguments.extend(self.pools.iter().map(|pool| format!("{}/{pool}", self.namespace)));
                arguments.extend(["--last-good".to_owned(), COPIES_PATH.to_owned()]);
            }
            Tables::Mounted => {
                arguments.push("--tables".into());
                arguments.extend(self.pools.iter().map(|pool| table_path(pool)));
            }
        }
        arguments
    }

    fn mounts(&self) -> Vec<Value> {
        match self.tables {
            Tables::Watched { token } => vec![
                json!({ "name": COPIES_VOLUME, "mountPath": COPIES_PATH }),
                json!({ "name": token, "mountPath": TOKEN_PATH, "readOnly": true }),
            ],
            Tables::Mounted => self
                .pools
                .iter()
                .map(|pool| json!({ "name": table_volume(pool), "mountPath": table_path(pool), "readOnly": true }))
                .collect(),
        }
    }
}

fn table_path(pool: &str) -> String {
    format!("{TABLES_PATH}/{pool}")
}

/// The longest names of pools leave less room; no pool's name makes one form into the other.
fn table_volume(pool: &str) -> String {
    let name = format!("evenkeel-table-{pool}");
    if name.len() > MAX_VOLUME_NAME { format!("evenkeel-t-{pool}") } else { name }
}

fn field(name: &str, path: &str) -> Value {
    json!({ "name": name, "valueFrom": { "fieldRef": { "fieldPath": path } } })
}

fn probe(path: &str, period_seconds: i32, timeout_seconds: i32, failures: i32) -> Value {
    json!({
        "httpGet": { "path": path, "port": ADMIN_PORT },
        "periodSeconds": period_seconds,
        "timeoutSeconds": timeout_seconds,
        "failureThreshold": failures,
    })
}
