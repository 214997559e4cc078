//! The chart's life: dry run, upgrade, uninstall and a new installation, with traffic all the while.

use std::time::Duration;

use crate::clients::Clients;
use crate::cluster::{eventually, file};
use crate::load::{Load, assert_lossless};
use crate::stage::{OPERATOR, OWNED, SHOP, SYSTEM, Stage, play};

#[test]
fn the_api_server_takes_the_whole_chart() {
    play("helm template | kubectl apply --dry-run=server", |stage| {
        let cluster = &stage.cluster;
        let line = format!("helm template evenkeel charts/evenkeel -n {SYSTEM} --kube-version 1.34.4");
        let rendered = cluster.run(&line);
        let scratch = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(scratch.path(), rendered).unwrap();
        // Server-side: Helm, not kubectl, has written what is there.
        let path = scratch.path().display();
        cluster.run(&format!("kubectl apply --dry-run=server --server-side --force-conflicts -n {SYSTEM} -f {path}"));
    });
}

#[test]
fn an_upgrade_loses_nothing() {
    play("helm upgrade", |stage| {
        let older = older_chart();
        stage.install_chart(&older.path().display().to_string(), "");
        assert_eq!(second_column(stage), "Older");
        next_image(stage);
        let load = Clients::steady(stage, "load-upgrade");
        let old = stage.pods(SHOP, "evenkeel.dev/pool=web");
        stage.install(&format!("--set operator.logs.format=text --set proxy.image.tag={}-next", stage.tag));
        assert_eq!(second_column(stage), "Programmed");
        await_proxy_image(stage);
        stage.cluster.run(&format!("kubectl -n {SHOP} rollout status deployment/evenkeel-web --timeout=150s"));
        stage.await_gone(SHOP, &old);
        stage.await_programmed();
        load.go_on(2);
        load.finish_lossless();
        stage.install("");
    });
}

#[test]
fn uninstalling_leaves_pools_and_traffic() {
    play("helm uninstall, then no pool, then all anew", |stage| {
        let cluster = &stage.cluster;
        let load = Clients::steady(stage, "load-uninstall");
        let operator = stage.pods(SYSTEM, OPERATOR);
        cluster.run(&format!("helm uninstall evenkeel -n {SYSTEM} --wait --timeout=60s"));
        stage.await_gone(SYSTEM, &operator);
        load.go_on(10);
        cluster.run(&format!("kubectl -n {SHOP} get balancerpool/web {}", owned().join(" ")));
        load.finish_lossless();

        cluster.run(&format!("kubectl -n {SHOP} delete balancerpools --all"));
        let left = format!("kubectl -n {SHOP} get {} --ignore-not-found -o name", owned().join(" "));
        eventually("what the pool owned is gone, without an operator", Duration::from_secs(60), || {
            cluster.attempt(&left).is_ok_and(|names| names.is_empty()).then_some(())
        });

        stage.install("");
        stage.apply_example();
        let report = Load::start(stage, "load-again", "--requests 100 --rate 200").last_word();
        assert_lossless(&report);
    });
}

fn owned() -> Vec<String> {
    OWNED.iter().map(|kind| format!("{kind}/evenkeel-web")).collect()
}

/// The chart as a former version might have been: a column of the CRD has another name.
fn older_chart() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let from = concat!(env!("CARGO_MANIFEST_DIR"), "/../charts/evenkeel/.");
    let copied = std::process::Command::new("cp").args(["-r", from]).arg(folder.path()).status().unwrap();
    assert!(copied.success());
    let crd = file("charts/evenkeel/files/balancerpools.yaml").replace("name: Programmed\n", "name: Older\n");
    std::fs::write(folder.path().join("files/balancerpools.yaml"), crd).unwrap();
    folder
}

fn second_column(stage: &Stage) -> String {
    let path = "{.spec.versions[0].additionalPrinterColumns[1].name}";
    stage.cluster.run(&format!("kubectl get crd balancerpools.evenkeel.dev -o jsonpath={path}"))
}

/// A newer proxy, as far as Kubernetes can tell: the same program under another tag, on every node.
fn next_image(stage: &Stage) {
    let image = format!("docker.io/evenkeel/proxy:{}", stage.tag);
    for node in stage.cluster.nodes() {
        let tag = format!("docker exec {node} ctr --namespace=k8s.io images tag --force {image} {image}-next");
        stage.cluster.run(&tag);
    }
}

fn await_proxy_image(stage: &Stage) {
    let line = format!("kubectl -n {SHOP} get deployment evenkeel-web -o jsonpath={{..image}}");
    eventually("the operator gives the proxies their new image", Duration::from_secs(60), || {
        stage.cluster.attempt(&line).is_ok_and(|image| image.ends_with("-next")).then_some(())
    });
}
