//! Traffic needs no API server, not even where a proxy starts anew.

use std::time::Duration;

use evenkeel_tests::form::Form;
use serde_json::Value;

use crate::application::SIDECAR;
use crate::clients::Clients;
use crate::cluster::eventually;
use crate::load::Load;
use crate::node::Container;
use crate::side::SIDE;
use crate::stage::{SHOP, Stage, play};

/// The kubelet of the control plane runs what lies in the first folder.
const MANIFEST: &str = "/etc/kubernetes/manifests/kube-apiserver.yaml";
const ASIDE: &str = "/etc/kubernetes/kube-apiserver.yaml";
/// For the API server to end, to start, and for all that depends on it to notice.
const NOTICE: Duration = Duration::from_secs(120);
/// How long it is away: longer than the operators' patience, so that they too start anew.
const AWAY: Form<Duration> = Form { short: Duration::from_secs(20), long: Duration::from_secs(120) };

#[test]
fn the_api_server_is_gone() {
    play("the API server is gone", |stage| {
        let cluster = &stage.cluster;
        let mut load = Clients::steady(stage, "load-apiserver");
        let victim = Load::beside(stage, "load-last-good", "--rate 200 --keep-alive-percent 50").running();
        let sidecar = Container::find(cluster, SHOP, victim.pod(), SIDECAR).unwrap();
        let admin = format!("http://{}:9440", address(stage, victim.pod()));
        let status = format!("{admin}/status");
        assert_eq!(source(&sidecar.ask(cluster, &status).unwrap()), "watch");

        let away = Away::take(stage);
        sidecar.kill(cluster);
        eventually("the sidecar starts from its last good copy", NOTICE, || {
            sidecar.ask(cluster, &status).is_ok_and(|status| source(&status) == "lastGood").then_some(())
        });
        let metrics = sidecar.ask(cluster, &format!("{admin}/metrics")).unwrap();
        let metric = metrics.lines().find(|line| line.starts_with("evenkeel_table_last_good{"));
        assert!(metric.is_some_and(|line| line.ends_with(" 1")), "{metric:?}");
        std::thread::sleep(AWAY.chosen()); // nobody tells how long it is gone: it is what is tried
        away.end();
        load.service.listen_again();
        load.sidecar.listen_again();
        let changed = [0, 0, 100];
        stage.apply_weights(changed);
        load.await_seconds("the change takes effect", NOTICE, |second| second.by_server.keys().eq(["v3"]));
        eventually("the sidecar watches again", NOTICE, || {
            sidecar.ask(cluster, &status).is_ok_and(|status| source(&status) == "watch").then_some(())
        });
        stage.await_programmed();
        load.finish_lossless();
    });
}

/// The API server is away until this ends; dropped by a failing test, it is at least asked back.
struct Away<'a>(&'a Stage);

impl<'a> Away<'a> {
    fn take(stage: &'a Stage) -> Self {
        let away = Self(stage);
        away.move_manifest(MANIFEST, ASIDE).unwrap();
        eventually("the API server is gone", NOTICE, || away.ready().is_err().then_some(()));
        away
    }

    fn end(self) {
        self.move_manifest(ASIDE, MANIFEST).unwrap();
        eventually("the API server is back", NOTICE, || self.ready().ok());
    }

    fn ready(&self) -> Result<String, String> {
        self.0.cluster.attempt("kubectl --request-timeout=2s get --raw /readyz")
    }

    fn move_manifest(&self, from: &str, to: &str) -> Result<String, String> {
        let nodes = self.0.cluster.nodes();
        let node = nodes.iter().find(|node| node.ends_with("-control-plane")).ok_or("no control plane")?;
        let line = format!("docker exec {node} mv --no-clobber {from} {to}");
        eprintln!("$ {line}");
        self.0.cluster.attempt(&line)
    }
}

impl Drop for Away<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let _ = self.move_manifest(ASIDE, MANIFEST);
        }
    }
}

fn address(stage: &Stage, pod: &str) -> String {
    stage.cluster.attempt(&format!("kubectl -n {SHOP} get pod {pod} -o jsonpath={{.status.podIP}}")).unwrap()
}

/// Where the sidecar has its table from, as it says itself.
fn source(status: &str) -> String {
    let status: Value = serde_json::from_str(status).unwrap();
    let pools = status["pools"].as_array().unwrap_or_else(|| panic!("{status}"));
    let pool = pools.iter().find(|pool| pool["name"] == SIDE.name);
    pool.unwrap_or_else(|| panic!("{status}"))["source"].as_str().unwrap_or_default().to_owned()
}
