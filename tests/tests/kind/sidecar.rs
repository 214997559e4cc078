//! A pool of another Service at an application's own loopback, by one label.

use std::time::{Duration, Instant};

use evenkeel_tests::load::{Counts, LoadReport};

use crate::application::{Application, CONTAINER, SIDECAR};
use crate::cluster::{Cluster, file};
use crate::load::{Load, STEADY, assert_lossless, assert_shares, now_ms};
use crate::side::{SIDE, SidePool};
use crate::stage::{EXAMPLE, SHOP, play};

/// The second pool of an application that has two.
const OTHER: SidePool = SidePool { name: "other", port: 8081 };
/// What a busy machine may take to start a pod and its first requests.
const POD: Duration = Duration::from_secs(60);
/// What the kubelet may take to renew a mounted ConfigMap.
const MOUNT: Duration = Duration::from_secs(120);

#[test]
fn an_application_reaches_a_pool_at_its_own_loopback() {
    play("a label and an annotation, and the pool is at 127.0.0.1", |stage| {
        let load = Load::beside(stage, "load-beside", "--requests 500 --rate 200 --keep-alive-percent 50");
        let pod = load.pod().to_owned();
        let [listening, first] = ["containers[0]", "initContainers[0]"].map(|which| {
            stage
                .cluster
                .attempt(&format!("kubectl -n {SHOP} get pod {pod} -o jsonpath={{.spec.{which}.name}}"))
                .unwrap()
        });
        assert_eq!((&*listening, &*first), (CONTAINER, SIDECAR));
        let report = load.last_word();
        assert_lossless(&report);
        assert_counts(&report.counts, [350, 150, 0]);
    });
}

#[test]
fn a_sidecar_serves_two_pools() {
    play("two pools in one sidecar", |stage| {
        stage.cluster.apply(SHOP, &OTHER.manifest([0, 0, 1])).unwrap();
        let arguments = format!("--url {} {STEADY}", SIDE.url());
        let application = Application::sending(stage, &arguments);
        let load = Load::play(stage, "load-two", application.with_sidecar("web-local, other")).running();
        assert_shares(&send_from(&stage.cluster, load.pod(), OTHER).counts, [0, 0, 1]);
        assert_shares(&send_from(&stage.cluster, load.pod(), SIDE).counts, EXAMPLE);
        // What happens to the one is nothing to the other.
        stage.cluster.run(&format!("kubectl -n {SHOP} delete balancerpool {}", OTHER.name));
        load.go_on(2);
        assert_lossless(&load.finish());
    });
}

#[test]
fn a_pod_without_a_token_has_its_tables_mounted() {
    play("automountServiceAccountToken: false", |stage| {
        let arguments = format!("--url {} {STEADY}", SIDE.url());
        let application = Application::sending(stage, &arguments).with_sidecar(SIDE.name).without_token();
        let load = Load::play(stage, "load-mount", application).running();
        let changed = [0, 100, 0];
        stage.apply_weights(changed);
        let applied = Instant::now();
        load.await_second("the kubelet renews the mount", MOUNT, |report| {
            report.second.as_ref().is_some_and(|second| second.by_server.keys().eq(["v2"]))
        });
        eprintln!("mounted table → effect: {:.0} s", applied.elapsed().as_secs_f64());
        assert_shares(&load.second_after(now_ms(), 0), changed);
        assert_lossless(&load.finish());
    });
}

#[test]
fn the_examples_work_as_they_stand() {
    play("examples/sidecar: by label, and by hand", |stage| {
        let cluster = &stage.cluster;
        for (name, path) in [("shopper", "app.yaml"), ("shopper-by-hand", "by-hand.yaml")] {
            let manifest = file(&format!("examples/sidecar/{path}")).replace(":dev", &format!(":{}", stage.tag));
            cluster.apply(SHOP, &manifest).unwrap_or_else(|error| panic!("{path}: {error}"));
            cluster.run(&format!("kubectl -n {SHOP} rollout status deployment/{name} --timeout=90s"));
            let log = cluster.follow(&format!("kubectl -n {SHOP} logs --follow --container=shopper deployment/{name}"));
            let second =
                |line: &str| serde_json::from_str::<LoadReport>(line).ok().filter(|line| line.counts.total >= 100);
            let report = log.stdout().wait_for(POD, second).unwrap();
            assert_lossless(&report);
            assert_shares(&report.counts, EXAMPLE);
            cluster.run(&format!("kubectl -n {SHOP} delete deployment {name} --wait=false"));
        }
    });
}

#[test]
fn what_cannot_be_injected_is_refused_with_what_to_do() {
    play("bad annotations are refused", |stage| {
        for (pools, why) in [("nobody", "nobody"), ("web-local,,", "evenkeel.dev/pools"), ("web", "mode")] {
            let application = Application::sending(stage, "--url http://127.0.0.1:8080/ --fail-ok");
            let pod = application.with_sidecar(pools).pod("load-refused");
            let refusal = stage.cluster.apply(SHOP, &pod).expect_err(why);
            eprintln!("{pools:?}: {refusal}");
            assert!(
                refusal.contains("fail.inject.evenkeel.dev") && refusal.contains(why),
                "{why:?} is not in: {refusal}"
            );
        }
    });
}

/// Sends 100 requests from inside the application's container.
fn send_from(cluster: &Cluster, pod: &str, pool: SidePool) -> LoadReport {
    let line =
        format!("kubectl -n {SHOP} exec --container={CONTAINER} {pod} -- /load --url {} --requests 100", pool.url());
    LoadReport::find_in(&cluster.run(&line)).unwrap()
}

/// Exactly so many answers each: a sidecar has one thread, which takes its turns without a choice.
fn assert_counts(counts: &Counts, wanted: [u64; 3]) {
    let answers = ["v1", "v2", "v3"].map(|name| counts.by_server.get(name).copied().unwrap_or(0));
    assert_eq!(answers, wanted, "{counts:?}");
}
