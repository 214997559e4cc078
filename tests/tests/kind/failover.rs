//! When the operator that leads is gone, the other one goes on.

use std::time::{Duration, Instant};

use crate::cluster::eventually;
use crate::effect::Flips;
use crate::node::Container;
use crate::stage::{OPERATOR, SYSTEM, Stage, play};

/// The promise for a leader that is told to stop, and for one that dies without a word.
const GRACEFUL: Duration = Duration::from_secs(3);
const KILLED: Duration = Duration::from_secs(25);
/// For a pod to be made or to be ready.
const POD: Duration = Duration::from_secs(60);

#[test]
fn a_deleted_leader_is_followed_within_three_seconds() {
    play("the leading operator is deleted", |stage| {
        let slowest = slowest_change(stage, GRACEFUL, |leader| {
            stage.cluster.run(&format!("kubectl -n {SYSTEM} delete pod {leader} --wait=false"));
        });
        eprintln!("leader deleted: {slowest:?} until the next change was in effect");
    });
}

#[test]
fn a_killed_leader_is_followed_within_25_seconds() {
    play("the leading operator is killed", |stage| {
        let slowest = slowest_change(stage, KILLED, |leader| {
            Container::find(&stage.cluster, SYSTEM, leader, "operator").unwrap().kill(&stage.cluster);
        });
        eprintln!("leader killed: {slowest:?} until the next change was in effect");
    });
}

/// Ends the leader while changes are made one after another, each when the one before is in effect, until somebody else leads;
/// how long the slowest of them took.
fn slowest_change(stage: &Stage, promise: Duration, end: impl FnOnce(&str)) -> Duration {
    await_two(stage);
    let holder = holder(stage).unwrap();
    let leader = stage.pods(SYSTEM, OPERATOR).into_iter().find(|pod| holder.starts_with(pod.as_str()));
    let mut flips = Flips::start(stage, "load-failover");
    end(&leader.unwrap_or_else(|| panic!("{holder:?} is no pod of ours")));
    let (ended, mut slowest) = (Instant::now(), Duration::ZERO);
    while ended.elapsed() < GRACEFUL || self::holder(stage).is_none_or(|now| now == holder) {
        assert!(ended.elapsed() < 2 * promise, "nobody else leads");
        slowest = slowest.max(flips.next(2 * promise));
    }
    flips.finish();
    assert!(slowest < promise, "{slowest:?}");
    slowest
}

/// Waits until there are two operators and both are ready, so that there is one to go on.
fn await_two(stage: &Stage) {
    stage.cluster.run(&format!("kubectl -n {SYSTEM} rollout status deployment/evenkeel-operator --timeout=60s"));
    eventually("two operators", POD, || (stage.pods(SYSTEM, OPERATOR).len() == 2).then_some(()));
}

/// Who leads, as the Lease says; nobody while it is handed over.
fn holder(stage: &Stage) -> Option<String> {
    let line = format!("kubectl -n {SYSTEM} get lease evenkeel-operator -o jsonpath={{.spec.holderIdentity}}");
    stage.cluster.attempt(&line).ok().filter(|holder| !holder.is_empty())
}
