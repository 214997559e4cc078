//! How endpoints are chosen, where real pods and nodes decide: slow start of a new pod, zones of nodes.

use std::collections::BTreeMap;

use evenkeel_tests::metrics::sum;
use serde_json::Value;

use crate::load::{Load, assert_lossless};
use crate::stage::{SHOP, Stage, play};

/// A pod, where it is, and its endpoint in metrics.
struct Pod {
    name: String,
    zone: String,
    label: String,
}

/// The pods with a label.
fn pods(stage: &Stage, label: &str) -> Vec<Pod> {
    let items = |line: &str| -> Vec<Value> {
        let mut found: Value = serde_json::from_str(&stage.cluster.attempt(line).unwrap()).unwrap();
        serde_json::from_value(found["items"].take()).unwrap()
    };
    let zone = |node: &Value| {
        let zone = node["metadata"]["labels"]["topology.kubernetes.io/zone"].as_str().unwrap_or_default();
        (node["metadata"]["name"].as_str().unwrap().to_owned(), zone.to_owned())
    };
    let zones: BTreeMap<_, _> = items("kubectl get nodes -o json").iter().map(zone).collect();
    let pod = |pod: &Value| Pod {
        name: pod["metadata"]["name"].as_str().unwrap().to_owned(),
        zone: zones[pod["spec"]["nodeName"].as_str().unwrap()].clone(),
        label: format!("endpoint=\"{}:8000\"", pod["status"]["podIP"].as_str().unwrap()),
    };
    items(&format!("kubectl -n {SHOP} get pods -l {label} -o json")).iter().map(pod).collect()
}

/// How often a proxy picked each of the pods.
fn picks(stage: &Stage, proxy: &Pod, pods: &[Pod]) -> Vec<u64> {
    let metrics = stage.cluster.ask(SHOP, &proxy.name, "9440/metrics").unwrap();
    pods.iter().map(|pod| sum(&metrics, "evenkeel_endpoint_selected_total", &[r#"pool="web""#, &pod.label])).collect()
}

/// How often each proxy picks each of the pods in so many seconds.
fn picks_of_seconds(stage: &Stage, load: &Load, proxies: &[Pod], pods: &[Pod], seconds: u64) -> Vec<Vec<u64>> {
    let look = || proxies.iter().map(|proxy| picks(stage, proxy, pods)).collect::<Vec<_>>();
    let before = look();
    load.go_on(seconds);
    let of = |(after, before): (Vec<u64>, Vec<u64>)| after.iter().zip(&before).map(|(a, b)| a - b).collect();
    look().into_iter().zip(before).map(of).collect()
}

/// All of the example's traffic to v1, chosen so.
fn apply(stage: &Stage, balancing: &str) {
    let pool = format!("{}  loadBalancing: {balancing}\n", Stage::pool([1, 0, 0]));
    stage.cluster.apply(SHOP, &pool).unwrap();
    stage.await_programmed();
}

#[expect(clippy::cast_precision_loss, reason = "counts of a test")]
fn part(some: u64, all: u64) -> f64 {
    some as f64 / all.max(1) as f64
}

#[test]
fn a_new_pod_begins_with_a_part_of_its_share() {
    play("a new pod starts slowly", |stage| {
        apply(stage, "{algorithm: RoundRobin, slowStart: {window: 3m, minPercent: 10}}");
        let load = Load::steady(stage, "load-newcomer");
        let old: Vec<_> = pods(stage, "version=v1").into_iter().map(|pod| pod.name).collect();
        stage.cluster.run(&format!("kubectl -n {SHOP} scale deployment/web-v1 --replicas=3"));
        stage.await_endpoints("5/5");
        load.go_on(1);
        let (proxies, pods) = (pods(stage, "evenkeel.dev/pool=web"), pods(stage, "version=v1"));
        let picked = picks_of_seconds(stage, &load, &proxies, &pods, 5);
        let newcomer = pods.iter().position(|pod| !old.contains(&pod.name)).expect("a new pod");
        let all: u64 = picked.iter().flatten().sum();
        let share = part(picked.iter().map(|of| of[newcomer]).sum(), all);
        eprintln!("{:.1} % of {all} requests went to the newcomer, of three", share * 100.0);
        assert!((0.02..0.2).contains(&share), "{share}");
        assert_lossless(&load.finish());
    });
}

#[test]
fn proxies_prefer_pods_of_their_own_zone() {
    play("proxies prefer their zone", |stage| {
        stage.cluster.run(&format!("kubectl -n {SHOP} scale deployment/web-v1 --replicas=4"));
        stage.await_endpoints("6/6");
        apply(stage, "{zoneAware: {mode: PreferLocal}, slowStart: {window: 0s}}");
        let load = Load::steady(stage, "load-zones");
        let (proxies, pods) = (pods(stage, "evenkeel.dev/pool=web"), pods(stage, "version=v1"));
        let near = |proxy: &Pod, pods: &[Pod]| pods.iter().filter(|pod| pod.zone == proxy.zone).count();
        let mut preferring = 0;
        for (proxy, picked) in proxies.iter().zip(picks_of_seconds(stage, &load, &proxies, &pods, 5)) {
            let (here, among) = (near(proxy, &pods) as u64, near(proxy, &proxies) as u64);
            // What the proxies of a zone get, its pods bear in full only if they are as great a part of all.
            let expected = part(here * proxies.len() as u64, among * pods.len() as u64).min(1.0);
            let stayed = pods.iter().zip(&picked).filter(|(pod, _)| pod.zone == proxy.zone);
            let share = part(stayed.map(|(_, count)| count).sum(), picked.iter().sum());
            eprintln!(
                "{} in {}: {here} of {} pods are near, {:.1} % stay",
                proxy.name,
                proxy.zone,
                pods.len(),
                share * 100.0
            );
            if here >= 2 && here < pods.len() as u64 {
                preferring += 1;
                assert!(share >= expected - 0.1, "{share} of {expected}");
            }
        }
        assert!(preferring > 0, "no proxy has two pods in its zone");
        assert_lossless(&load.finish());
    });
}
