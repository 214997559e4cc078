//! Somebody edits the Lease: it is mended, or another leads; nothing is stuck.

use std::time::Duration;

use kube::api::{DeleteParams, Patch, PatchParams};
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::pair::{Pair, judge, leases, until};

const NAME: &str = "evenkeel-operator";
/// A renewal comes every two seconds, give or take a fifth.
const MENDED: Duration = Duration::from_secs(4);
const SOON: Duration = Duration::from_secs(5);
const EXIT: Duration = Duration::from_secs(8);

async fn edit(pair: &Pair, spec: Value) {
    let patch = json!({ "spec": spec });
    leases(&pair.space).patch(NAME, &PatchParams::default(), &Patch::Merge(&patch)).await.expect("it is taken");
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_edits_the_lease_stops_nobody_for_long() {
    let Some(mut pair) = Pair::set("edits").await else { return };
    let holder = pair.lease().await.holder_identity;
    leases(&pair.space).delete(NAME, &DeleteParams::default()).await.expect("it is deleted");
    let is_ours = async |pair: &Pair| {
        let lease = leases(&pair.space).get_opt(NAME).await.expect("an answer").and_then(|lease| lease.spec);
        lease.is_some_and(|lease| lease.holder_identity == holder && lease.lease_duration_seconds == Some(15))
    };
    let mended = until("the leader makes it anew", || is_ours(&pair)).await;
    edit(&pair, json!({ "leaseDurationSeconds": 31_536_000, "renewTime": null, "acquireTime": null })).await;
    let shortened = until("nobody leads for a year", || is_ours(&pair)).await;
    judge("a Lease that was deleted or edited is mended", vec![mended, shortened], MENDED);
    assert!(!pair.follower.leads(), "nobody else took it");

    // Without a holder it is anybody's; whoever takes it leads, and the other follows or ends.
    let start = Instant::now();
    edit(&pair, json!({ "holderIdentity": null, "leaseTransitions": null })).await;
    until("another leads", async || pair.follower.leads()).await;
    pair.change().await;
    judge("a Lease without a holder, to the next publication", vec![pair.published(start).await], SOON);
    let said = pair.promote().finish(EXIT).stderr.join("\n");
    assert!(said.contains("holds it now"), "{said}");
}
