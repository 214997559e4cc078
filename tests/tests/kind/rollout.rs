//! Backends and proxies come and go without a lost request.

use std::time::Duration;

use crate::clients::Clients;
use crate::cluster::eventually;
use crate::load::{Load, assert_lossless, assert_shares};
use crate::stage::{EXAMPLE, SHOP, play};

#[test]
fn a_backend_is_scaled_up_and_down() {
    play("a backend scales 1 → 5 → 1", |stage| {
        let load = Clients::steady(stage, "load-scale");
        stage.cluster.run(&format!("kubectl -n {SHOP} scale deployment/web-v2 --replicas=5"));
        stage.await_endpoints("8/8");
        load.go_on(3);
        stage.cluster.run(&format!("kubectl -n {SHOP} scale deployment/web-v2 --replicas=1"));
        stage.await_endpoints("4/4");
        eventually("the others have drained and ended", Duration::from_secs(60), || {
            (stage.pods(SHOP, "version=v2").len() == 1).then_some(())
        });
        load.go_on(2);
        // A backend's share is the pool's to give, whatever the number of its pods.
        for report in load.finish_lossless() {
            assert_shares(&report.counts, EXAMPLE);
        }
    });
}

#[test]
fn a_backend_pod_is_deleted() {
    play("a backend pod is deleted", |stage| {
        let load = Clients::steady(stage, "load-delete");
        let pod = stage.pods(SHOP, "version=v1").swap_remove(0);
        stage.cluster.run(&format!("kubectl -n {SHOP} delete pod {pod}"));
        stage.await_endpoints("4/4");
        load.go_on(2);
        load.finish_lossless();
    });
}

#[test]
fn a_backend_is_rolled_out() {
    play("a backend rolls out", |stage| {
        let load = Clients::steady(stage, "load-backend");
        // The one with a single pod, too: its last pod leaves while its first comes.
        for version in ["v1", "v2"] {
            stage.roll_out(&format!("web-{version}"), &format!("version={version}"));
        }
        load.go_on(2);
        for report in load.finish_lossless() {
            assert_shares(&report.counts, EXAMPLE);
        }
    });
}

#[test]
fn the_proxies_are_rolled_out() {
    play("the proxies roll out", |stage| {
        let load = Load::steady(stage, "load-proxy");
        stage.roll_out("evenkeel-web", "evenkeel.dev/pool=web");
        load.go_on(2);
        assert_lossless(&load.finish());
    });
}
