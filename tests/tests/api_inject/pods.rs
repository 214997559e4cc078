//! Which pods the API server makes, and how.

use evenkeel_crds::BalancerPool;
use evenkeel_tests::api::{Space, eventually, metal, pool};
use k8s_openapi::api::{
    apps::v1::Deployment,
    core::v1::{Container, Pod},
};
use serde_json::{Value, json};

use super::scene::{DRY, IGNORE, REAL, Scene, app, has_sidecar, make, sidecar_pool};

fn sidecar(pod: &Pod) -> &Container {
    assert!(has_sidecar(pod), "{pod:?}");
    &pod.spec.as_ref().expect("a spec").init_containers.as_ref().expect("containers")[0]
}

fn volumes(pod: &Pod) -> Vec<&str> {
    pod.spec.iter().flat_map(|spec| &spec.volumes).flatten().map(|volume| volume.name.as_str()).collect()
}

/// Where the container mounts the account's token from.
fn token(container: &Container) -> Option<&str> {
    let mut mounts = container.volume_mounts.iter().flatten();
    let found = mounts.find(|mount| mount.mount_path == "/var/run/secrets/kubernetes.io/serviceaccount")?;
    Some(&found.name)
}

#[tokio::test]
async fn a_pod_that_asks_gets_a_sidecar_even_where_pods_are_restricted() {
    let Some(scene) = Scene::shared() else { return };
    for labels in [&[][..], &[("pod-security.kubernetes.io/enforce", "restricted")]] {
        let space = scene.space("asks", labels).await;
        space.create::<BalancerPool>(sidecar_pool("web", 8080)).await;
        space.create::<BalancerPool>(sidecar_pool("api", 8081)).await;
        let pod = make(&space, &app("web, api"), REAL).await.expect("it is made");
        let (sidecar, spec) = (sidecar(&pod), pod.spec.as_ref().expect("a spec"));
        assert_eq!(sidecar.restart_policy.as_deref(), Some("Always"));
        let pools = ["web", "api"].map(|pool| format!("{}/{pool}", space.namespace));
        let arguments = ["run", "--sidecar", "--watch", &pools[0], &pools[1], "--last-good", "/var/lib/evenkeel"];
        assert_eq!(sidecar.args.as_deref().expect("arguments"), arguments);
        assert_eq!(token(sidecar), token(&spec.containers[0]), "the same token, once");
        assert_eq!(volumes(&pod).len(), 2, "{:?}", volumes(&pod));
    }
}

#[tokio::test]
async fn a_pod_without_a_token_gets_its_tables_mounted() {
    let Some(scene) = Scene::shared() else { return };
    let space = scene.space("tokenless", &[("pod-security.kubernetes.io/enforce", "restricted")]).await;
    space.create::<BalancerPool>(sidecar_pool("web", 8080)).await;
    let mut pod = app("web");
    pod["spec"]["automountServiceAccountToken"] = json!(false);
    let pod = make(&space, &pod, REAL).await.expect("it is made");
    let sidecar = sidecar(&pod);
    assert_eq!(
        sidecar.args.as_deref().expect("arguments"),
        ["run", "--sidecar", "--tables", "/etc/evenkeel/tables/web"]
    );
    assert_eq!((token(sidecar), volumes(&pod)), (None, vec!["evenkeel-table-web"]));
}

#[tokio::test]
async fn a_sidecar_lives_within_the_budget_and_as_the_user_of_its_pod() {
    let Some(scene) = Scene::shared() else { return };
    let space = scene.space("within", &[("pod-security.kubernetes.io/enforce", "restricted")]).await;
    space.create::<BalancerPool>(sidecar_pool("web", 8080)).await;
    let mut pod = app("web");
    pod["spec"]["resources"] = json!({ "requests": { "cpu": "5m", "memory": "16Mi" }, "limits": { "memory": "1Gi" } });
    pod["spec"]["securityContext"] = json!({ "runAsUser": 1000 });
    let pod = make(&space, &pod, REAL).await.expect("it is made: what is added does not exceed the budget");
    let sidecar = sidecar(&pod);
    assert_eq!(sidecar.security_context.as_ref().expect("a context").run_as_user, None, "the pod's counts");
    let resources = sidecar.resources.as_ref();
    assert!(resources.is_none_or(|all| all.requests.is_none() && all.limits.is_none()), "{resources:?}");
}

#[tokio::test]
async fn a_pod_that_has_its_sidecar_is_left_alone() {
    let Some(scene) = Scene::shared() else { return };
    let space = scene.space("again", &[]).await;
    space.create::<BalancerPool>(sidecar_pool("web", 8080)).await;
    let first = make(&space, &app("web"), REAL).await.expect("it is made");
    let mut copy = serde_json::to_value(&first).expect("JSON");
    copy["metadata"] = app("web")["metadata"].clone();
    let second = make(&space, &copy, REAL).await.expect("it is made");
    assert_eq!(second.spec, first.spec);
}

#[tokio::test]
async fn a_pool_may_be_applied_a_moment_before_its_pod() {
    let Some(scene) = Scene::shared() else { return };
    let space = scene.space("moment", &[]).await;
    for number in 0..20 {
        let name = format!("web-{number}");
        space.create::<BalancerPool>(sidecar_pool(&name, 8080)).await;
        let pod = make(&space, &app(&name), DRY).await.expect("it is made");
        assert!(has_sidecar(&pod));
    }
}

/// Two pools with one port, and one that has no sidecars.
async fn make_pools(space: &Space) {
    let plain = pool("plain", &[("metal", 1, metal("192.0.2.1"))]);
    for pool in [sidecar_pool("web", 8080), sidecar_pool("twin", 8080), plain] {
        space.create::<BalancerPool>(pool).await;
    }
}

/// What no pod can have, and a part of what its maker hears.
fn mistakes() -> Vec<(Value, &'static str)> {
    let with = |change: &dyn Fn(&mut Value)| {
        let mut pod = app("web");
        change(&mut pod);
        pod
    };
    let metadata = |pod: &mut Value| pod["metadata"]["annotations"] = json!({});
    vec![
        (app("nowhere"), "there is no BalancerPool \"nowhere\" in namespace"),
        (app("web;twin"), "which is no pool's name"),
        (app("web,web"), "names \"web\" twice"),
        (app("web,twin"), "BalancerPools \"web\" and \"twin\" both listen on port 8080"),
        (app("plain"), "its spec.proxy.mode is External"),
        (with(&metadata), "no annotation says for which pools"),
        (with(&|pod| pod["spec"]["hostNetwork"] = json!(true)), "remove hostNetwork"),
        (
            with(&|pod| pod["spec"]["containers"][0]["ports"] = json!([{ "containerPort": 8080 }])),
            "container \"app\" has port 8080",
        ),
        (
            with(&|pod| pod["metadata"]["annotations"]["evenkeel.dev/memory-limit"] = json!("lots")),
            "write for example 64Mi",
        ),
    ]
}

#[tokio::test]
async fn what_cannot_work_is_refused_with_what_to_do() {
    let Some(scene) = Scene::shared() else { return };
    let space = scene.space("refused", &[]).await;
    make_pools(&space).await;
    for (pod, part) in mistakes() {
        let refusal = make(&space, &pod, REAL).await.expect_err(part);
        assert!(refusal.contains("fail.inject.evenkeel.dev") && refusal.contains(part), "{refusal}");
    }
}

#[tokio::test]
async fn where_the_namespace_says_so_it_is_made_without_and_says_why() {
    let Some(scene) = Scene::shared() else { return };
    let space = scene.space("ignored", &[IGNORE]).await;
    make_pools(&space).await;
    for (pod, part) in mistakes() {
        let made = make(&space, &pod, REAL).await.expect(part);
        assert!(!has_sidecar(&made), "{part}");
        let reason = &made.metadata.annotations.expect("annotations")["evenkeel.dev/not-injected"];
        assert!(reason.contains(part), "{reason}");
    }
    let made = make(&space, &app("web"), REAL).await.expect("it is made");
    assert!(has_sidecar(&made), "one that can have a sidecar gets it here too");
}

#[tokio::test]
async fn a_deployment_says_why_it_has_no_pods_and_gets_them_when_the_pool_is_there() {
    let Some(scene) = Scene::shared() else { return };
    let space = scene.space("deployment", &[]).await;
    let mut template = app("web");
    template["metadata"]["labels"]["app"] = json!("app");
    let deployment = json!({
        "metadata": { "name": "app" },
        "spec": { "replicas": 2, "selector": { "matchLabels": { "app": "app" } }, "template": { "metadata": template["metadata"], "spec": template["spec"] } },
    });
    space.create::<Deployment>(deployment).await;
    eventually("its condition says why", || async {
        let conditions = space.get::<Deployment>("app").await?.status?.conditions?;
        let failure = conditions.into_iter().find(|condition| condition.type_ == "ReplicaFailure")?;
        failure.message?.contains("there is no BalancerPool \"web\"").then_some(())
    })
    .await;
    space.create::<BalancerPool>(sidecar_pool("web", 8080)).await;
    eventually("both pods with sidecars", || async {
        let pods: Vec<Pod> = space.list().await;
        (pods.len() == 2 && pods.iter().all(has_sidecar)).then_some(())
    })
    .await;
}

#[tokio::test]
async fn who_did_not_ask_never_waits_for_us() {
    let Some(scene) = Scene::shared() else { return };
    let space = scene.space("others", &[]).await;
    let asked = || -> f64 {
        scene.operators.iter().map(|one| one.metric("evenkeel_admission_duration_seconds_count", &[])).sum()
    };
    // Other tests ask for theirs meanwhile: one round in which nobody did is enough.
    eventually("pods about which nobody was asked", || async {
        let before = asked();
        for label in [json!({}), json!({ "evenkeel.dev/inject": "disabled" })] {
            let mut pod = app("nowhere");
            pod["metadata"]["labels"] = label;
            let made = make(&space, &pod, REAL).await.expect("it is made");
            assert!(
                !has_sidecar(&made)
                    && !made.metadata.annotations.expect("its own").contains_key("evenkeel.dev/not-injected")
            );
        }
        (asked() - before < 0.5).then_some(())
    })
    .await;
}
