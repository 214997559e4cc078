//! What pools own beside their tables: made, mended, and removed when they are not wanted.

use evenkeel_crds::BalancerPool;
use evenkeel_tests::api::{Space, Stage, eventually, metal, pool};
use k8s_openapi::api::{
    apps::v1::Deployment,
    autoscaling::v1::Scale,
    core::v1::{ConfigMap, Service, ServiceAccount},
    policy::v1::PodDisruptionBudget,
    rbac::v1::{Role, RoleBinding},
};
use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};

const NAME: &str = "evenkeel-web";

/// A pool `web` whose proxies the operator runs, with these other settings of `proxy`.
async fn deployed(space: &Space, proxy: Value) {
    let mut pool = pool("web", &[("metal", 1, metal("192.0.2.1"))]);
    pool["spec"]["proxy"] = proxy;
    space.create::<BalancerPool>(pool).await;
    eventually("all is made", || async { (present(space).await.iter().take(5).all(|present| *present)).then_some(()) })
        .await;
}

/// Which of the objects are there; the budget comes last.
async fn present(space: &Space) -> [bool; 6] {
    [
        space.get::<ServiceAccount>(NAME).await.is_some(),
        space.get::<Role>(NAME).await.is_some(),
        space.get::<RoleBinding>(NAME).await.is_some(),
        space.get::<Service>(NAME).await.is_some(),
        space.get::<Deployment>(NAME).await.is_some(),
        space.get::<PodDisruptionBudget>(NAME).await.is_some(),
    ]
}

async fn replicas(space: &Space) -> Option<i32> {
    space.get::<Deployment>(NAME).await?.spec?.replicas
}

async fn generation(space: &Space) -> Option<i64> {
    space.get::<Deployment>(NAME).await?.metadata.generation
}

#[tokio::test]
async fn a_pool_gets_its_proxies_and_loses_them_when_others_run_them() {
    let Some(stage) = Stage::shared() else { return };
    let space = stage.space("proxies").await;
    deployed(&space, json!({ "replicas": 2 })).await;
    eventually("a budget", || async { present(&space).await[5].then_some(()) }).await;
    space.condition("web", "Programmed", "False", "Pending").await;
    let deployment: Deployment = space.get(NAME).await.expect("it is there");
    let owner = &deployment.metadata.owner_references.expect("an owner")[0];
    assert_eq!((owner.kind.as_str(), owner.controller), ("BalancerPool", Some(true)));
    space.patch::<BalancerPool>("web", &json!({ "spec": { "proxy": { "mode": "External", "replicas": null } } })).await;
    eventually("all is removed", || async { (present(&space).await == [false; 6]).then_some(()) }).await;
    space.condition("web", "Programmed", "True", "Published").await;
    assert!(space.get::<ConfigMap>(NAME).await.is_some(), "the table stays");
}

#[tokio::test]
async fn what_others_change_or_delete_is_mended() {
    let Some(stage) = Stage::shared() else { return };
    let space = stage.space("drift").await;
    deployed(&space, json!({ "replicas": 2 })).await;
    space.patch::<Deployment>(NAME, &json!({ "spec": { "replicas": 9 } })).await;
    eventually("two replicas again", || async { (replicas(&space).await == Some(2)).then_some(()) }).await;
    let ports = json!({ "spec": { "ports": [{ "name": "http", "port": 8080, "targetPort": 1 }] } });
    space.patch::<Service>(NAME, &ports).await;
    eventually("the target port again", || async {
        let service: Service = space.get(NAME).await?;
        let target = serde_json::to_value(service.spec?.ports?.first()?.target_port.clone()).ok()?;
        (target == json!(8080)).then_some(())
    })
    .await;
    space.patch::<Role>(NAME, &json!({ "rules": [] })).await;
    eventually("the rules again", || async {
        let role: Role = space.get(NAME).await?;
        role.rules.is_some_and(|rules| rules.len() == 1).then_some(())
    })
    .await;
    space
        .patch::<ServiceAccount>(NAME, &json!({ "metadata": { "labels": { "app.kubernetes.io/managed-by": null } } }))
        .await;
    eventually("the label again", || async {
        let account: ServiceAccount = space.get(NAME).await?;
        account.metadata.labels?.contains_key("app.kubernetes.io/managed-by").then_some(())
    })
    .await;
    for kind in ["RoleBinding", "PodDisruptionBudget", "Deployment"] {
        match kind {
            "RoleBinding" => space.delete::<RoleBinding>(NAME).await,
            "Deployment" => space.delete::<Deployment>(NAME).await,
            _ => space.delete::<PodDisruptionBudget>(NAME).await,
        }
        eventually(kind, || async { (present(&space).await == [true; 6]).then_some(()) }).await;
    }
}

#[tokio::test]
async fn another_port_changes_the_service_and_restarts_nothing() {
    let Some(stage) = Stage::shared() else { return };
    let space = stage.space("port").await;
    deployed(&space, json!({ "replicas": 1 })).await;
    let before = generation(&space).await;
    space.patch::<BalancerPool>("web", &json!({ "spec": { "listener": { "port": 80 } } })).await;
    let ports = eventually("port 80", || async {
        let service: Service = space.get(NAME).await?;
        let ports = serde_json::to_value(service.spec?.ports?).ok()?;
        (ports[0]["port"] == 80).then_some(ports)
    })
    .await;
    assert_eq!((&ports[0]["targetPort"], ports.as_array().map(Vec::len)), (&json!(10_080), Some(1)));
    assert_eq!(generation(&space).await, before, "the Deployment is as it was");
}

#[tokio::test]
async fn letting_go_of_replicas_scales_nothing() {
    let Some(stage) = Stage::shared() else { return };
    let space = stage.space("autoscaler").await;
    deployed(&space, json!({ "replicas": 3 })).await;
    space.patch::<BalancerPool>("web", &json!({ "spec": { "proxy": { "replicas": null } } })).await;
    eventually("nobody of us owns replicas", || async {
        let deployment: Deployment = space.get(NAME).await?;
        let ours = deployment
            .metadata
            .managed_fields?
            .into_iter()
            .find(|e| e.manager.as_deref() == Some("evenkeel-operator"))?;
        ours.fields_v1?.0.pointer("/f:spec/f:replicas").is_none().then_some(())
    })
    .await;
    assert_eq!(replicas(&space).await, Some(3));
    let scale = Patch::Merge(json!({ "spec": { "replicas": 5 } }));
    let scaled: Scale =
        space.api::<Deployment>().patch_scale(NAME, &PatchParams::default(), &scale).await.expect("scaled");
    assert_eq!(scaled.spec.and_then(|spec| spec.replicas), Some(5));
    // The next write of the operator leaves it so.
    let listener = json!({ "spec": { "listener": { "port": 81 } } });
    space.patch::<BalancerPool>("web", &listener).await;
    eventually("the next write", || async {
        let service: Service = space.get(NAME).await?;
        (service.spec?.ports?.first()?.port == 81).then_some(())
    })
    .await;
    assert_eq!(replicas(&space).await, Some(5));
    assert!(space.get::<PodDisruptionBudget>(NAME).await.is_some(), "five replicas have a budget");
}

#[tokio::test]
async fn a_budget_exists_from_two_replicas_up() {
    let Some(stage) = Stage::shared() else { return };
    let space = stage.space("budget").await;
    deployed(&space, json!({})).await;
    assert_eq!(replicas(&space).await, Some(1), "the API server's default");
    assert!(!present(&space).await[5]);
    for (replicas, exists) in [(2, true), (1, false)] {
        space.patch::<Deployment>(NAME, &json!({ "spec": { "replicas": replicas } })).await;
        eventually("the budget", || async { (present(&space).await[5] == exists).then_some(()) }).await;
    }
}

#[tokio::test]
async fn a_service_of_others_is_left_alone_and_the_rest_is_made() {
    let Some(stage) = Stage::shared() else { return };
    let space = stage.space("foreign").await;
    let foreign = json!({ "metadata": { "name": NAME }, "spec": { "ports": [{ "port": 1 }] } });
    let foreign: Service = space.create(foreign).await;
    deployed(&space, json!({ "replicas": 1 })).await;
    let message = space.condition("web", "Accepted", "False", "NameConflict").await;
    assert!(message.starts_with("Service evenkeel-web exists"), "{message}");
    let now: Service = space.get(NAME).await.expect("it is there");
    assert_eq!(now.metadata.resource_version, foreign.metadata.resource_version);
    assert!(space.table("web").await.is_some(), "the table is published");
}

#[tokio::test]
async fn a_role_of_others_is_bound_to_nobody() {
    let Some(stage) = Stage::shared() else { return };
    let space = stage.space("foreign-role").await;
    let mut pool = pool("web", &[("metal", 1, metal("192.0.2.1"))]);
    pool["spec"]["proxy"] = json!({ "mode": "Sidecar" });
    pool["spec"]["listener"] = json!({ "port": 8080 });
    space.create::<BalancerPool>(pool).await;
    eventually("it is bound", || async { space.get::<RoleBinding>(NAME).await }).await;
    let rule = json!({ "apiGroups": [""], "resources": ["secrets"], "verbs": ["get"] });
    let taken = json!({ "metadata": { "ownerReferences": null }, "rules": [rule] });
    space.patch::<Role>(NAME, &taken).await;
    eventually("nobody has those rights", || async { space.get::<RoleBinding>(NAME).await.is_none().then_some(()) })
        .await;
    let message = space.condition("web", "Accepted", "False", "NameConflict").await;
    assert!(message.contains("Role evenkeel-web exists"), "{message}");
}

#[tokio::test]
async fn deleting_the_pool_deletes_all_that_it_owns() {
    let Some(stage) = Stage::shared() else { return };
    let space = stage.space("garbage").await;
    deployed(&space, json!({ "replicas": 2 })).await;
    space.delete::<BalancerPool>("web").await;
    eventually("all is gone", || async {
        (present(&space).await == [false; 6] && space.get::<ConfigMap>(NAME).await.is_none()).then_some(())
    })
    .await;
}

#[tokio::test]
async fn every_object_passes_strict_validation() {
    let Some(stage) = Stage::shared() else { return };
    let space = stage.space("strict").await;
    deployed(&space, json!({ "replicas": 2 })).await;
    let written = |log: &[String]| log.iter().filter(|line| line.contains("unknown field")).count();
    assert_eq!(written(&stage.operator.as_ref().expect("at work").log()), 0);
    let deployment: Deployment = space.get(NAME).await.expect("it is there");
    let spec = deployment.spec.and_then(|spec| spec.template.spec).expect("a pod");
    assert_eq!(spec.topology_spread_constraints.map(|all| all.len()), Some(2));
    assert_eq!(spec.containers[0].env.as_ref().map(Vec::len), Some(4));
}
