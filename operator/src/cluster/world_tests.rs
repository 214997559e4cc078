//! Tests: who must look again after a change, and what a view has in it.

use evenkeel_crds::BalancerPool;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde_json::json;

use super::*;
use crate::cluster::{MapSource, OwnedSource, PoolSource, ServiceSource, SliceSource};

fn key(name: &str) -> Key {
    Key::new("shop", name)
}

fn meta(name: &str, version: u32) -> ObjectMeta {
    ObjectMeta {
        name: Some(name.into()),
        namespace: Some("shop".into()),
        uid: Some(name.into()),
        resource_version: Some(version.to_string()),
        generation: Some(1),
        ..ObjectMeta::default()
    }
}

fn pool(name: &str, version: u32, service: &str) -> BalancerPool {
    let backends = json!([{ "name": "a", "service": { "name": service, "port": 80 } }]);
    let spec = json!({ "listener": { "port": 80 }, "backends": backends });
    let mut pool = BalancerPool::new(name, serde_json::from_value(spec).expect("a spec"));
    pool.metadata = meta(name, version);
    pool
}

fn slice(name: &str, version: u32, service: &str) -> EndpointSlice {
    let mut metadata = meta(name, version);
    metadata.labels = Some([("kubernetes.io/service-name".into(), service.into())].into());
    EndpointSlice { metadata, address_type: "IPv4".into(), ..EndpointSlice::default() }
}

fn service(name: &str, version: u32) -> Service {
    Service { metadata: meta(name, version), ..Service::default() }
}

/// A world with the pool `web` on the Service `app`.
fn world() -> World {
    let mut world = World::default();
    let wakes = world.absorb(&PoolSource, pool("web", 1, "app"));
    assert_eq!(wakes, BTreeSet::from([Wake::Publish(key("web")), Wake::Report(key("web"))]));
    world
}

#[test]
fn a_slice_wakes_the_pools_of_its_service() {
    let mut world = world();
    assert_eq!(world.absorb(&SliceSource, slice("app-1", 1, "app")), BTreeSet::from([Wake::Publish(key("web"))]));
    assert_eq!(world.absorb(&SliceSource, slice("app-1", 1, "app")), BTreeSet::new(), "nothing is new");
    assert_eq!(world.absorb(&SliceSource, slice("other-1", 1, "other")), BTreeSet::new());
    let view = world.view(&key("web")).expect("a view");
    assert_eq!(view.slices.len(), 1);
}

#[test]
fn a_slice_that_moves_to_another_service_wakes_both() {
    let mut world = world();
    world.absorb(&PoolSource, pool("api", 1, "other"));
    world.absorb(&SliceSource, slice("s", 1, "app"));
    let wakes = world.absorb(&SliceSource, slice("s", 2, "other"));
    assert_eq!(wakes, BTreeSet::from([Wake::Publish(key("api")), Wake::Publish(key("web"))]));
    assert_eq!(world.view(&key("web")).map(|view| view.slices.len()), Some(0));
    assert_eq!(world.view(&key("api")).map(|view| view.slices.len()), Some(1));
}

#[test]
fn slices_that_came_before_the_pool_are_in_its_view() {
    let mut world = World::default();
    world.absorb(&SliceSource, slice("s", 1, "app"));
    world.absorb(&ServiceSource, service("app", 1));
    world.absorb(&PoolSource, pool("web", 1, "app"));
    let view = world.view(&key("web")).expect("a view");
    assert_eq!((view.services.len(), view.slices.len()), (1, 1));
}

#[test]
fn the_pools_own_objects_wake_it() {
    let mut world = world();
    let own = BTreeSet::from([Wake::Publish(key("web")), Wake::Own(key("web"))]);
    assert_eq!(world.absorb(&ServiceSource, service("evenkeel-web", 1)), own);
    let publish = BTreeSet::from([Wake::Publish(key("web"))]);
    assert_eq!(world.absorb(&SliceSource, slice("p", 1, "evenkeel-web")), publish, "its proxies");
    let map = ConfigMap { metadata: meta("evenkeel-web", 1), ..ConfigMap::default() };
    assert_eq!(world.absorb(&MapSource, map), publish);
    let role = k8s_openapi::api::apps::v1::Deployment { metadata: meta("evenkeel-web", 1), ..Default::default() };
    assert_eq!(world.absorb(&OwnedSource::new(Kind::Deployment), role), BTreeSet::from([Wake::Own(key("web"))]));
    assert_eq!(world.absorb(&ServiceSource, service("evenkeel-gone", 1)), BTreeSet::new(), "there is no such pool");
}

#[test]
fn a_status_wakes_only_the_report() {
    let mut world = world();
    assert_eq!(world.absorb(&PoolSource, pool("web", 2, "app")), BTreeSet::from([Wake::Report(key("web"))]));
    let mut changed = pool("web", 3, "app");
    changed.metadata.generation = Some(2);
    let both = BTreeSet::from([Wake::Publish(key("web")), Wake::Report(key("web"))]);
    assert_eq!(world.absorb(&PoolSource, changed), both);
}

#[test]
fn the_policy_in_force_keeps_its_services_in_view() {
    let mut world = world();
    world.absorb(&SliceSource, slice("s", 1, "app"));
    world.refer_by_policy(&key("web"), [key("app")]);
    let mut changed = pool("web", 2, "other");
    changed.metadata.generation = Some(2);
    world.absorb(&PoolSource, changed);
    assert_eq!(world.view(&key("web")).map(|view| view.slices.len()), Some(1));
    assert_eq!(world.absorb(&SliceSource, slice("s", 2, "app")), BTreeSet::from([Wake::Publish(key("web"))]));
}

#[test]
fn our_own_write_wakes_nobody() {
    let mut world = world();
    let map = ConfigMap { metadata: meta("evenkeel-web", 7), ..ConfigMap::default() };
    world.wrote_map(map.clone());
    assert_eq!(world.absorb(&MapSource, map), BTreeSet::new(), "the watch repeats it");
}

#[test]
fn a_new_leader_looks_at_every_pool() {
    let mut world = world();
    world.absorb(&PoolSource, pool("api", 2, "app"));
    let all = ["api", "web"].map(|name| [Wake::Publish(key(name)), Wake::Report(key(name))]);
    assert_eq!(world.everything(), all.into_iter().flatten().collect());
}
