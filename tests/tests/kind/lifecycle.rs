//! A sidecar starts before its application and ends after it, and is no burden to either.

use std::time::Duration;

use evenkeel_tests::load::LoadReport;
use evenkeel_tests::process::ChildGuard;
use serde_json::Value;

use crate::application::{Application, CONTAINER, SIDECAR};
use crate::cluster::eventually;
use crate::load::{Load, STEADY, assert_lossless, now_ms};
use crate::node::Container;
use crate::side::SIDE;
use crate::stage::{SHOP, Stage, play};

/// For a pod to come up or to end on a busy machine.
const POD: Duration = Duration::from_secs(60);
/// An application that stops has something left to say: it sends on for longer than any endpoint or listener drains.
const FLUSHING: &str = "--rate 100 --keep-alive-percent 50 --timeout 5s --linger 7s";
/// The promise after the death of a sidecar.
const BACK: Duration = Duration::from_secs(2);
/// What a sidecar may add to the end of a Job.
const JOB: Duration = Duration::from_secs(8);

#[test]
fn the_rollout_of_an_application_loses_nothing() {
    play("an application rolls out, with its first and its last request", |stage| {
        let cluster = &stage.cluster;
        let arguments = format!("--url {} {FLUSHING}", SIDE.url());
        let application = Application::sending(stage, &arguments).with_sidecar(SIDE.name);
        cluster.apply(SHOP, &application.deployment("flusher", 2)).unwrap();
        cluster.run(&format!("kubectl -n {SHOP} rollout status deployment/flusher --timeout=90s"));
        let old = follow(stage, "app=flusher");
        assert_eq!(old.len(), 2);
        cluster.run(&format!("kubectl -n {SHOP} rollout restart deployment/flusher"));
        cluster.run(&format!("kubectl -n {SHOP} rollout status deployment/flusher --timeout=90s"));
        assert_all_lossless(old);
        let new = follow(stage, "app=flusher");
        cluster.run(&format!("kubectl -n {SHOP} delete deployment flusher --timeout=60s"));
        assert_eq!(new.len(), 2);
        assert_all_lossless(new);
    });
}

#[test]
fn a_job_with_a_sidecar_completes() {
    play("a Job with a sidecar", |stage| {
        let arguments = format!("--url {} --requests 100 --rate 200", SIDE.url());
        let application = Application::sending(stage, &arguments).with_sidecar(SIDE.name);
        stage.cluster.apply(SHOP, &application.job("job-beside")).unwrap();
        let with = completion(stage, "job-beside");
        let arguments = format!("--url http://{}/ --requests 100 --rate 200", stage.service_address());
        stage.cluster.apply(SHOP, &Application::sending(stage, &arguments).job("job-alone")).unwrap();
        let without = completion(stage, "job-alone");
        eprintln!("from the application's last word to the Job's end: {with:?} with a sidecar, {without:?} without");
        assert!(with < without + JOB);
        stage.cluster.run(&format!("kubectl -n {SHOP} delete jobs --all"));
    });
}

#[test]
fn a_killed_sidecar_is_back_within_two_seconds() {
    play("a sidecar is killed", |stage| {
        let load = Load::beside(stage, "load-killed", STEADY).running();
        let find = |name| Container::find(&stage.cluster, SHOP, load.pod(), name);
        let [sidecar, application] = [SIDECAR, CONTAINER].map(|name| find(name).unwrap());
        sidecar.kill(&stage.cluster);
        let restarted = eventually("the sidecar runs again", POD, || find(SIDECAR).filter(|new| new.id != sidecar.id));
        assert_eq!(restarted.restarts, 1);
        load.go_on(2);
        assert_eq!(find(CONTAINER), Some(application), "the application's container was left alone");
        let report = load.finish();
        let gap = Duration::from_secs_f64(report.longest_gap_ms / 1e3);
        eprintln!("a sidecar killed: {gap:?} without an answer, {:?}", report.counts.failures);
        assert!(gap < BACK && report.counts.failed > 0, "{gap:?}");
    });
}

/// The logs of all pods with a label that are not about to end, from their beginning to their end.
fn follow(stage: &Stage, label: &str) -> Vec<ChildGuard> {
    let pods = stage.cluster.attempt(&format!("kubectl -n {SHOP} get pods -l {label} -o json")).unwrap();
    let pods: Value = serde_json::from_str(&pods).unwrap();
    let staying = pods["items"].as_array().unwrap().iter().map(|pod| &pod["metadata"]);
    let names = staying.filter(|meta| meta["deletionTimestamp"].is_null()).filter_map(|meta| meta["name"].as_str());
    let follow = |pod| stage.cluster.follow(&format!("kubectl -n {SHOP} logs --follow --container={CONTAINER} {pod}"));
    names.map(follow).collect()
}

fn assert_all_lossless(logs: Vec<ChildGuard>) {
    for log in logs {
        assert_lossless(&log.stdout().wait_for(POD, LoadReport::find_in).unwrap());
    }
}

/// From the application's summary to the moment at which its Job is seen to be complete.
fn completion(stage: &Stage, job: &str) -> Duration {
    stage.cluster.run(&format!("kubectl -n {SHOP} wait --for=condition=Complete job/{job} --timeout=60s"));
    let completed = now_ms();
    let log = stage.cluster.run(&format!("kubectl -n {SHOP} logs --container={CONTAINER} job/{job}"));
    let report = LoadReport::find_in(&log).unwrap();
    assert_lossless(&report);
    Duration::from_millis(completed.saturating_sub(report.unix_ms))
}
