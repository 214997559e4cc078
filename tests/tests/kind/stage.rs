//! The stage of all tests: the chart installed, the example applied, all of it as a user would; built once, reset for each.

use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::cluster::{Cluster, eventually, file};
use crate::evidence::Evidence;
use crate::side::SIDE;

/// Where the operator runs.
pub(crate) const SYSTEM: &str = "evenkeel-system";
/// The operator's pods there.
pub(crate) const OPERATOR: &str = "app.kubernetes.io/name=evenkeel-operator";
/// Where the example runs; not the `shop` of `make kind`.
pub(crate) const SHOP: &str = "shop-test";
/// The shares of the example.
pub(crate) const EXAMPLE: [u32; 3] = [70, 30, 0];
/// What the operator makes for the pool `web`.
pub(crate) const OWNED: [&str; 7] =
    ["configmap", "deployment", "service", "serviceaccount", "role", "rolebinding", "poddisruptionbudget"];
/// What a busy machine may take for anything that is not measured.
const PATIENCE: Duration = Duration::from_secs(120);

/// One cluster and two cores: tests take turns. None stands here before the first test, and after one that failed.
static STAGE: Mutex<Option<Stage>> = Mutex::new(None);
/// An operator that does not start is waited for once, not by every test.
static UNBUILDABLE: AtomicBool = AtomicBool::new(false);

/// A cluster with Evenkeel and the example.
#[derive(Debug)]
pub(crate) struct Stage {
    pub(crate) cluster: Cluster,
    /// The tag of our images.
    pub(crate) tag: String,
}

/// Plays a test on the stage; a failure is told with all that the cluster knows about it.
pub(crate) fn play(promise: &str, act: impl FnOnce(&Stage)) {
    let mut turn = STAGE.lock().unwrap_or_else(PoisonError::into_inner);
    let Some(cluster) = Cluster::named() else {
        eprintln!("skipped, needs a cluster: run it with `tests/run kind`");
        return;
    };
    let began = Instant::now();
    eprintln!("\n=== {promise}");
    let stage = turn.take();
    let fresh = stage.is_none();
    let stage = stage.unwrap_or_else(|| Stage::new(cluster));
    let evidence = Evidence::of(&stage);
    if fresh {
        assert!(!UNBUILDABLE.swap(true, Relaxed), "the stage could not be built: see the first failure");
        stage.build();
        UNBUILDABLE.store(false, Relaxed);
    }
    stage.apply_example();
    act(&stage);
    drop(evidence);
    eprintln!("=== {promise}: passed in {:.0} s", began.elapsed().as_secs_f64());
    *turn = Some(stage);
}

impl Stage {
    fn new(cluster: Cluster) -> Self {
        let tag = std::env::var("EVENKEEL_IMAGE_TAG").ok().filter(|tag| !tag.is_empty());
        Self { cluster, tag: tag.unwrap_or_else(|| "test".to_owned()) }
    }

    /// Removes what a killed run left, and installs.
    fn build(&self) {
        self.clear();
        self.cluster.run(&format!("kubectl create namespace {SYSTEM}"));
        self.cluster.run(&format!("kubectl label namespace {SYSTEM} pod-security.kubernetes.io/enforce=restricted"));
        self.cluster
            .apply("default", &file("tests/kind/namespace.yaml").replace("name: shop", &format!("name: {SHOP}")))
            .unwrap();
        self.install("");
    }

    fn clear(&self) {
        let cluster = &self.cluster;
        cluster.run(&format!("helm uninstall evenkeel -n {SYSTEM} --ignore-not-found --wait --timeout=60s"));
        cluster.run("kubectl delete crd balancerpools.evenkeel.dev --ignore-not-found --timeout=60s");
        // Nobody waits for them to drain.
        cluster.run(&format!("kubectl -n {SHOP} delete deployments --all --wait=false"));
        cluster.run(&format!("kubectl -n {SHOP} delete pods --all --force --grace-period=0"));
        cluster.run(&format!("kubectl delete namespace {SHOP} {SYSTEM} --ignore-not-found --timeout=150s"));
    }

    /// Installs or upgrades the release, with further arguments of helm, and waits for the operator.
    pub(crate) fn install(&self, more: &str) {
        self.install_chart("charts/evenkeel", more);
    }

    /// The same with another chart.
    pub(crate) fn install_chart(&self, chart: &str, more: &str) {
        let Self { cluster, tag } = self;
        let images = format!("--set operator.image.tag={tag} --set proxy.image.tag={tag}");
        cluster
            .run(&format!("helm upgrade --install evenkeel {chart} -n {SYSTEM} --wait --timeout=120s {images} {more}"));
    }

    /// Applies the example as it stands in its files, and waits until traffic flows as it says.
    pub(crate) fn apply_example(&self) {
        let backends = file("examples/canary/backends.yaml").replace(":dev", &format!(":{}", self.tag));
        self.cluster.apply(SHOP, &backends).unwrap();
        self.cluster.run(&format!("kubectl -n {SHOP} wait --for=condition=Available deployment --all --timeout=60s"));
        self.apply_weights(EXAMPLE);
        self.await_endpoints("4/4");
        self.await_programmed();
        self.cluster.run(&format!("kubectl -n {SHOP} rollout status deployment/evenkeel-web --timeout=120s"));
        self.await_service();
    }

    /// Waits until every node knows the Service: kube-proxy takes a second or two over a new one, and refuses until then.
    fn await_service(&self) {
        let connect = format!("exec 3<>/dev/tcp/{}/80", self.service_address());
        for node in self.cluster.nodes() {
            eventually(&format!("{node} knows the Service"), PATIENCE, || {
                self.cluster.attempt_words(&["docker", "exec", &node, "timeout", "1", "bash", "-c", &connect]).ok()
            });
        }
    }

    /// The manifest of the pool with these weights in place of its own.
    pub(crate) fn pool(weights: [u32; 3]) -> String {
        weighted("examples/canary/pool.yaml", weights)
    }

    /// Changes the weights as a user does: by applying the whole manifests, of the pool with proxies and of the one for sidecars.
    pub(crate) fn apply_weights(&self, weights: [u32; 3]) {
        eprintln!("$ kubectl -n {SHOP} apply -f pool.yaml # {weights:?}");
        let pools = format!("{}---\n{}", Self::pool(weights), SIDE.manifest(weights));
        self.cluster.apply(SHOP, &pools).unwrap();
    }

    /// Waits until every proxy runs the pools as they are now.
    pub(crate) fn await_programmed(&self) {
        let wait = "wait --for=condition=Programmed --timeout=120s";
        self.cluster.run(&format!("kubectl -n {SHOP} {wait} balancerpool/web balancerpool/{}", SIDE.name));
    }

    /// Waits until the pool's status counts the endpoints so.
    pub(crate) fn await_endpoints(&self, summary: &str) {
        let line = format!("kubectl -n {SHOP} get balancerpool web -o jsonpath={{.status.endpoints.summary}}");
        eventually(&format!("{summary} endpoints"), PATIENCE, || {
            self.cluster.attempt(&line).is_ok_and(|seen| seen == summary).then_some(())
        });
    }

    /// The names of the pods with a label.
    pub(crate) fn pods(&self, namespace: &str, label: &str) -> Vec<String> {
        let line = format!("kubectl -n {namespace} get pods -l {label} -o jsonpath={{.items[*].metadata.name}}");
        self.cluster.attempt(&line).unwrap().split_whitespace().map(str::to_owned).collect()
    }

    /// Waits until these pods have come to their end.
    pub(crate) fn await_gone(&self, namespace: &str, pods: &[String]) {
        let pods: Vec<_> = pods.iter().map(|pod| format!("pod/{pod}")).collect();
        self.cluster.run(&format!("kubectl -n {namespace} wait --for=delete {} --timeout=150s", pods.join(" ")));
    }

    /// Restarts a Deployment, and waits until it is done and the last old pod has drained.
    pub(crate) fn roll_out(&self, deployment: &str, label: &str) {
        let old = self.pods(SHOP, label);
        self.cluster.run(&format!("kubectl -n {SHOP} rollout restart deployment/{deployment}"));
        self.cluster.run(&format!("kubectl -n {SHOP} rollout status deployment/{deployment} --timeout=150s"));
        self.await_gone(SHOP, &old);
    }

    /// The address of the pool's Service.
    pub(crate) fn service_address(&self) -> IpAddr {
        let line = format!("kubectl -n {SHOP} get service evenkeel-web -o jsonpath={{.spec.clusterIP}}");
        self.cluster.attempt(&line).unwrap().parse().unwrap()
    }
}

/// The manifest of an example with these weights in place of its own.
pub(crate) fn weighted(example: &str, weights: [u32; 3]) -> String {
    let mut weights = weights.into_iter();
    let weigh = |line: &str| match line.split_once("weight: ") {
        Some((indent, _)) => format!("{indent}weight: {}\n", weights.next().unwrap()),
        None => format!("{line}\n"),
    };
    file(example).lines().map(weigh).collect()
}
