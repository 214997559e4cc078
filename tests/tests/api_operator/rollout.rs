//! A new image of the proxy reaches five pools at a time.

use evenkeel_crds::BalancerPool;
use evenkeel_tests::api::{Kubelet, Space, Stage, eventually, metal, pool, settles};
use k8s_openapi::api::apps::v1::Deployment;
use serde_json::json;

const POOLS: usize = 7;

/// How many Deployments have that image.
async fn with_image(space: &Space, image: &str) -> usize {
    let all: Vec<Deployment> = space.list().await;
    let has =
        |deployment: &Deployment| deployment.spec.as_ref()?.template.spec.as_ref()?.containers.first()?.image.clone();
    all.iter().filter(|deployment| has(deployment).as_deref() == Some(image)).count()
}

async fn available(space: &Space) -> usize {
    let all: Vec<Deployment> = space.list().await;
    all.iter().filter(|one| one.status.as_ref().is_some_and(|status| status.available_replicas == Some(1))).count()
}

#[tokio::test]
async fn a_new_image_rolls_five_pools_at_a_time() {
    let Some(stage) = Stage::bare() else { return };
    let space = stage.space("rollout").await;
    let operator = stage.start_operator(&["--proxy-image", "proxy:old"]);
    for number in 0..POOLS {
        let mut pool = pool(&format!("p{number}"), &[("metal", 1, metal("192.0.2.1"))]);
        pool["spec"]["proxy"] = json!({ "replicas": 1 });
        space.create::<BalancerPool>(pool).await;
    }
    let addresses: Vec<_> = (1..=60).map(|last| format!("10.9.0.{last}")).collect();
    let kubelet = Kubelet::new(&addresses.iter().map(String::as_str).collect::<Vec<_>>());
    eventually("all are available", || async {
        kubelet.run(&space).await;
        (available(&space).await == POOLS).then_some(())
    })
    .await;
    operator.stop();
    let operator = stage.start_operator(&["--proxy-image", "proxy:next"]);
    eventually("five roll", || async { (with_image(&space, "proxy:next").await == 5).then_some(()) }).await;
    assert_eq!(settles("five roll", || with_image(&space, "proxy:next")).await, 5);
    operator.stop();
    let _operator = stage.start_operator(&["--proxy-image", "proxy:next"]);
    assert_eq!(settles("five still after a restart", || with_image(&space, "proxy:next")).await, 5);
    eventually("then the others", || async {
        kubelet.run(&space).await;
        (with_image(&space, "proxy:next").await == POOLS).then_some(())
    })
    .await;
}
