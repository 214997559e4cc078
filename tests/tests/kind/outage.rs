//! Traffic needs no operator: only changes wait for it, and pods that ask for a sidecar.

use std::time::Duration;

use crate::application::{Application, SIDECAR};
use crate::clients::Clients;
use crate::cluster::eventually;
use crate::load::now_ms;
use crate::side::SIDE;
use crate::stage::{EXAMPLE, OPERATOR, SHOP, SYSTEM, Stage, play};

/// What is asked for while nobody listens.
const CHANGED: [u32; 3] = [0, 0, 100];
/// As many as the chart has.
const OPERATORS: u8 = 2;
/// A namespace whose pods are made whatever happens.
const LENIENT: &str = "shop-lenient-test";

#[test]
fn the_operators_are_gone_for_a_minute() {
    play("the operators are gone for a minute", |stage| {
        make_lenient(stage);
        let load = Clients::steady(stage, "load-outage");
        scale_operator(stage, 0);
        stage.apply_weights(CHANGED);
        who_asks_is_treated_as_the_namespace_says(stage);
        load.go_on(60);
        load.assert_shares_after(now_ms(), 0, EXAMPLE);
        scale_operator(stage, OPERATORS);
        load.await_seconds("the change takes effect", Duration::from_secs(30), |second| {
            second.by_server.keys().eq(["v3"])
        });
        stage.await_programmed();
        load.finish_lossless();
        who_was_forgotten_is_told(stage);
        stage.cluster.run(&format!("kubectl delete namespace {LENIENT} --wait=false"));
    });
}

fn make_lenient(stage: &Stage) {
    let cluster = &stage.cluster;
    cluster.run(&format!("kubectl delete namespace {LENIENT} --ignore-not-found --timeout=60s"));
    cluster.run(&format!("kubectl create namespace {LENIENT}"));
    cluster.run(&format!("kubectl label namespace {LENIENT} evenkeel.dev/injection-failure-policy=Ignore"));
}

/// The webhook is dead: a pod that asked is refused, or made without a sidecar; one that did not ask never notices.
fn who_asks_is_treated_as_the_namespace_says(stage: &Stage) {
    let ask = |namespace: &str, name: &str| {
        let application = Application::sending(stage, &format!("--url {} --fail-ok", SIDE.url()));
        stage.cluster.apply(namespace, &application.with_sidecar(SIDE.name).pod(name))
    };
    let refusal = ask(SHOP, "load-refused").unwrap_err();
    assert!(refusal.contains("fail.inject.evenkeel.dev"), "{refusal}");
    ask(LENIENT, "forgotten").unwrap();
    assert_eq!(sidecars(stage, "forgotten"), "");
    let plain = Application::sending(stage, "--url http://127.0.0.1:1/ --fail-ok");
    stage.cluster.apply(SHOP, &plain.pod("load-plain")).unwrap();
    stage.cluster.run(&format!("kubectl -n {SHOP} delete pod load-plain --wait=false"));
}

/// Nothing says it in the pod itself; so an Event does, as soon as somebody can.
fn who_was_forgotten_is_told(stage: &Stage) {
    let line = format!(
        "kubectl -n {LENIENT} get events --field-selector reason=NotInjected -o jsonpath={{.items[*].involvedObject.name}}"
    );
    eventually("an Event on the pod without its sidecar", Duration::from_secs(60), || {
        stage.cluster.attempt(&line).is_ok_and(|pods| pods == "forgotten").then_some(())
    });
}

fn sidecars(stage: &Stage, pod: &str) -> String {
    let filter = format!("{{.spec.initContainers[?(@.name==\"{SIDECAR}\")].name}}");
    let path = format!("-o=jsonpath={filter}");
    stage.cluster.attempt_words(&["kubectl", "-n", LENIENT, "get", "pod", pod, &path]).unwrap()
}

/// Waits for what was asked: no pod left, or new ones that are ready.
fn scale_operator(stage: &Stage, replicas: u8) {
    let pods = stage.pods(SYSTEM, OPERATOR);
    stage.cluster.run(&format!("kubectl -n {SYSTEM} scale deployment/evenkeel-operator --replicas={replicas}"));
    if replicas == 0 {
        stage.await_gone(SYSTEM, &pods);
    } else {
        stage.cluster.run(&format!("kubectl -n {SYSTEM} rollout status deployment/evenkeel-operator --timeout=60s"));
    }
}
