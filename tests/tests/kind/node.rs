//! What only a node can tell or do: processes of containers, and requests to pods past the API server.

use serde_json::Value;

use crate::cluster::Cluster;

/// A container of a pod, as Kubernetes sees it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Container {
    node: String,
    /// Another one after each restart.
    pub(crate) id: String,
    pub(crate) restarts: u64,
}

impl Container {
    /// Looks for a running container, be it a sidecar or an ordinary one.
    pub(crate) fn find(cluster: &Cluster, namespace: &str, pod: &str, name: &str) -> Option<Self> {
        let found = cluster.attempt(&format!("kubectl -n {namespace} get pod {pod} -o json")).ok()?;
        let pod: Value = serde_json::from_str(&found).ok()?;
        let statuses = ["initContainerStatuses", "containerStatuses"].map(|kind| pod["status"][kind].as_array());
        let status = statuses.into_iter().flatten().flatten().find(|status| status["name"] == name)?;
        status["state"]["running"].as_object()?;
        Some(Self {
            node: pod["spec"]["nodeName"].as_str()?.to_owned(),
            id: status["containerID"].as_str()?.strip_prefix("containerd://")?.to_owned(),
            restarts: status["restartCount"].as_u64()?,
        })
    }

    /// Kills its process as a bug or the kernel would: without a word.
    pub(crate) fn kill(&self, cluster: &Cluster) {
        let process = self.process(cluster);
        cluster.run(&format!("docker exec {} kill -KILL {process}", self.node));
    }

    /// The id of its process on the node.
    pub(crate) fn process(&self, cluster: &Cluster) -> u32 {
        let tasks = cluster.attempt(&format!("docker exec {} ctr --namespace=k8s.io tasks ls", self.node)).unwrap();
        let line = tasks.lines().find_map(|line| line.strip_prefix(&self.id));
        let process = line.and_then(|rest| rest.split_whitespace().next());
        process.and_then(|id| id.parse().ok()).unwrap_or_else(|| panic!("{} is not in: {tasks}", self.id))
    }

    /// Asks an address of a pod from the node, which needs no API server.
    pub(crate) fn ask(&self, cluster: &Cluster, url: &str) -> Result<String, String> {
        cluster.attempt(&format!("docker exec {} curl --silent --fail --max-time 2 {url}", self.node))
    }
}
