//! Traffic is shared as the weights say, and follows them when they change.

use crate::clients::Clients;
use crate::load::{Load, assert_lossless, assert_shares, now_ms};
use crate::stage::{EXAMPLE, SHOP, play};

#[test]
fn five_hundred_requests_are_shared_by_weight() {
    play("500 requests at 70/30/0", |stage| {
        // By name, as an application would: through the cluster's name server.
        let arguments = format!("--url http://evenkeel-web.{SHOP}/ --requests 500 --rate 200 --keep-alive-percent 50");
        let report = Load::to(stage, "load-shares", &arguments).last_word();
        assert_lossless(&report);
        assert_eq!(report.counts.ok, 500);
        assert_shares(&report.counts, EXAMPLE);
    });
}

#[test]
fn weights_change_under_load() {
    play("weights change ten times", |stage| {
        let load = Clients::steady(stage, "load-weights");
        let changes = [
            [30, 70, 0],
            [0, 100, 0],
            [0, 0, 1],
            [1, 1, 1],
            [100, 0, 0],
            [50, 0, 50],
            [999_999, 1, 0],
            [0, 20, 80],
            [10, 10, 80],
            EXAMPLE,
        ];
        for weights in changes {
            stage.apply_weights(weights);
            let applied = now_ms();
            // The second that is looked at begins at most two seconds after the change: it was seen by then.
            load.assert_shares_after(applied, 1_000, weights);
        }
        load.finish_lossless();
    });
}
