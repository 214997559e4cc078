//! Pods of applications: their sidecars are counted and waited for, and who lacks one is told.

use evenkeel_crds::{BalancerPool, conditions::PROGRAMMED};
use evenkeel_tests::api::{FakeProxy, Space, Stage, application, eventually, settles, with_sidecar};
use k8s_openapi::{
    api::{core::v1::Pod, events::v1::Event},
    apimachinery::pkg::apis::meta::v1::Time,
};
use kube::{
    Api,
    api::{Patch, PatchParams},
};
use serde_json::json;

use super::sidecars::{make_pool, make_pool_at};

/// A pod with a sidecar at that address, ready or not, which answers as the proxy that is returned is told to.
async fn start(space: &Space, name: &str, address: &str, ready: bool) -> FakeProxy {
    let proxy = FakeProxy::start(address, &space.namespace, "web").await;
    space.create_pod(with_sidecar(name, "web, other")).await;
    space.sidecar_is(name, address, ready).await;
    proxy
}

/// Waits until so many of so many ready sidecars run the table.
async fn counted(space: &Space, current: i32, total: i32) {
    eventually(&format!("{current} of {total} in {}", space.namespace), || async {
        let counts = space.get::<BalancerPool>("web").await?.status?.proxies?;
        ((counts.current, counts.total) == (current, total)).then_some(())
    })
    .await;
}

/// Status and reason of `Programmed`, and since when.
async fn programmed(space: &Space) -> Option<(String, String, Time)> {
    let conditions = space.get::<BalancerPool>("web").await?.status?.conditions;
    let found = conditions.into_iter().find(|condition| condition.type_ == PROGRAMMED)?;
    Some((found.status, found.reason, found.last_transition_time))
}

async fn change(space: &Space, address: &str) {
    let backends = json!([{ "name": "metal", "endpoints": [{ "address": address, "port": 80 }] }]);
    space.patch::<BalancerPool>("web", &json!({ "spec": { "backends": backends } })).await;
}

/// Reasons and notes of the operator's Events about the object of that kind.
async fn events(space: &Space, kind: &str, name: &str) -> Vec<(String, String)> {
    let about = |event: &Event| {
        let of_us = event.reporting_controller.as_deref() == Some("evenkeel.dev/operator");
        let regarding = event.regarding.clone().unwrap_or_default();
        of_us && regarding.kind.as_deref() == Some(kind) && regarding.name.as_deref() == Some(name)
    };
    let events: Vec<Event> = space.list().await;
    let told = events.into_iter().filter(about);
    told.map(|event| (event.reason.unwrap_or_default(), event.note.unwrap_or_default())).collect()
}

#[tokio::test]
async fn programmed_waits_for_the_sidecars_that_are_there_and_not_for_those_that_come() {
    let Some(stage) = Stage::shared() else { return };
    let space = stage.space("applications").await;
    make_pool(&space).await;
    space.condition("web", "Programmed", "True", "Published").await;
    counted(&space, 0, 0).await;
    let first = start(&space, "app-1", "10.201.0.11", true).await;
    counted(&space, 0, 1).await;
    let (status, _, since) = programmed(&space).await.expect("a condition");
    assert_eq!(status, "True", "it comes with the table that is published");
    first.runs(1);
    counted(&space, 1, 1).await;
    let second = start(&space, "app-2", "10.201.0.12", false).await;
    space.sidecar_is("app-2", "10.201.0.12", true).await;
    second.runs(1);
    counted(&space, 2, 2).await;
    space.delete::<Pod>("app-2").await;
    counted(&space, 1, 1).await;
    assert_eq!(
        programmed(&space).await.map(|(status, _, time)| (status, time)),
        Some(("True".into(), since)),
        "it flapped"
    );
    // Another generation: those that are ready are waited for.
    start(&space, "app-3", "10.201.0.13", true).await.runs(1);
    counted(&space, 2, 2).await;
    change(&space, "192.0.2.9").await;
    let message = space.condition("web", "Programmed", "False", "Pending").await;
    assert!(message.contains("0 of 2 ready sidecars run generation 2"), "{message}");
    first.runs(2);
    counted(&space, 1, 2).await;
    // Whoever ends is not waited for.
    let finished = Patch::Merge(json!({ "status": { "phase": "Succeeded" } }));
    let pods: Api<Pod> = space.api();
    pods.patch_status("app-3", &PatchParams::default(), &finished).await.expect("it is taken");
    space.condition("web", "Programmed", "True", "Programmed").await;
    counted(&space, 1, 1).await;
}

#[tokio::test]
async fn a_sidecar_that_refuses_its_table_is_told_though_it_is_not_ready() {
    let Some(stage) = Stage::shared() else { return };
    let space = stage.space("clash").await;
    make_pool(&space).await;
    start(&space, "app-1", "10.201.0.14", true).await.runs(1);
    space.condition("web", "Programmed", "True", "Programmed").await;
    let clash = start(&space, "app-2", "10.201.0.15", false).await;
    clash.refuses("port 8080 is taken by pool older", false);
    let message = space.condition("web", "Programmed", "False", "ProxyRefused").await;
    assert!(message.contains("app-2: port 8080 is taken by pool older"), "{message}");
    let told = || async { events(&space, "BalancerPool", "web").await };
    eventually("an Event", || async {
        told().await.iter().any(|(reason, note)| reason == "ProxyRefused" && note.contains("app-2")).then_some(())
    })
    .await;
    counted(&space, 1, 1).await;
    space.delete::<Pod>("app-2").await;
    space.condition("web", "Programmed", "True", "Programmed").await;
    assert_eq!(told().await.iter().filter(|(reason, _)| reason == "ProxyRefused").count(), 1);
}

#[tokio::test]
async fn a_pool_that_loses_its_port_to_another_one_is_told_though_it_did_not_change() {
    let Some(stage) = Stage::shared() else { return };
    let space = stage.space("port").await;
    make_pool(&space).await;
    make_pool_at(&space, "api", 8081).await;
    let proxy = FakeProxy::start("10.201.0.16", &space.namespace, "web").await;
    let runs = |pool: &str, generation: i64| json!({ "name": pool, "generation": generation, "lastRefusal": null });
    proxy.says(vec![runs("web", 1), runs("api", 1)]);
    space.create_pod(with_sidecar("app-1", "web,api")).await;
    space.sidecar_is("app-1", "10.201.0.16", true).await;
    for pool in ["web", "api"] {
        space.condition(pool, "Programmed", "True", "Programmed").await;
    }
    counted(&space, 1, 1).await;
    let lost = json!({ "message": "port 8081 belongs to pool web", "tooNew": false });
    proxy.says(vec![runs("web", 2), json!({ "name": "api", "generation": null, "lastRefusal": lost })]);
    space.patch::<BalancerPool>("web", &json!({ "spec": { "listener": { "port": 8081 } } })).await;
    space.condition("web", "Programmed", "True", "Programmed").await;
    let message = space.condition("api", "Programmed", "False", "ProxyRefused").await;
    assert!(message.contains("app-1: port 8081 belongs to pool web"), "{message}");
}

#[tokio::test]
async fn who_cannot_be_asked_is_named_with_what_to_do() {
    let Some(stage) = Stage::shared() else { return };
    let space = stage.space("silent").await;
    make_pool(&space).await;
    space.create_pod(with_sidecar("app-1", "web")).await;
    space.sidecar_is("app-1", "10.202.0.1", true).await; // there packets vanish
    counted(&space, 0, 1).await;
    change(&space, "192.0.2.9").await;
    eventually("why", || async {
        let conditions = space.get::<BalancerPool>("web").await?.status?.conditions;
        conditions.iter().any(|condition| condition.message.contains("1 did not answer at port 9440")).then_some(())
    })
    .await;
}

/// How many pods the operator says have no sidecar though they ask for one.
fn not_injected(stage: &Stage) -> Option<u64> {
    let metrics = stage.operator.as_ref()?.metrics();
    let line = metrics.lines().find_map(|line| line.strip_prefix("evenkeel_pods_not_injected "))?.to_owned();
    line.parse().ok()
}

#[tokio::test]
async fn a_pod_without_the_sidecar_that_it_asks_for_is_told_of_once() {
    let Some(stage) = Stage::shared() else { return };
    let space = stage.space("without").await;
    space.create_pod(application("unseen", "web")).await;
    let mut refused = application("refused", "web");
    refused["metadata"]["annotations"]["evenkeel.dev/not-injected"] = json!("there is no pool \"web\"; create it");
    space.create_pod(refused).await;
    space.create_pod(with_sidecar("served", "no-such-pool")).await;
    let told = |pod: &'static str| async { events(&space, "Pod", pod).await };
    let note = eventually("an Event", || async { told("unseen").await.pop() }).await;
    assert!(note.0 == "NotInjected" && note.1.contains("delete the pod"), "{note:?}");
    let note = eventually("an Event", || async { told("refused").await.pop() }).await;
    assert!(note.1.contains("there is no pool \"web\"; create it"), "{note:?}");
    eventually("the metric", || async { (not_injected(stage)? == 2).then_some(()) }).await;
    // Other changes of the pod, and another operator that looks as well, tell nothing new.
    space.patch::<Pod>("unseen", &json!({ "metadata": { "labels": { "more": "labels" } } })).await;
    let counts = || async { (told("unseen").await.len(), told("refused").await.len(), told("served").await.len()) };
    assert_eq!(settles("no more Events", counts).await, (1, 1, 0));
    space.delete::<Pod>("unseen").await;
    space.delete::<Pod>("refused").await;
    eventually("the metric again", || async { (not_injected(stage)? == 0).then_some(()) }).await;
}
