//! Traffic needs no operator: only changes wait for it.

use std::time::Duration;

use crate::load::{Load, assert_lossless, assert_shares, now_ms};
use crate::stage::{EXAMPLE, OPERATOR, SYSTEM, Stage, play};

/// What is asked for while nobody listens.
const CHANGED: [u32; 3] = [0, 0, 100];

#[test]
fn the_operator_is_gone_for_a_minute() {
    play("the operator is gone for a minute", |stage| {
        let load = Load::steady(stage, "load-outage");
        scale_operator(stage, 0);
        stage.apply_weights(CHANGED);
        load.go_on(60);
        let meanwhile = load.second_after(now_ms(), 0);
        assert_shares(&meanwhile, EXAMPLE);
        scale_operator(stage, 1);
        load.await_second("the change takes effect", Duration::from_secs(30), |report| {
            report.second.as_ref().is_some_and(|second| second.by_server.keys().eq(["v3"]))
        });
        stage.await_programmed();
        assert_lossless(&load.finish());
    });
}

/// Waits for what was asked: no pod left, or a new one that is ready.
fn scale_operator(stage: &Stage, replicas: u8) {
    let pods = stage.pods(SYSTEM, OPERATOR);
    stage.cluster.run(&format!("kubectl -n {SYSTEM} scale deployment/evenkeel-operator --replicas={replicas}"));
    if replicas == 0 {
        stage.await_gone(SYSTEM, &pods);
    } else {
        stage.cluster.run(&format!("kubectl -n {SYSTEM} rollout status deployment/evenkeel-operator --timeout=60s"));
    }
}
