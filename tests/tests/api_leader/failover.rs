//! The leader is gone: how soon the next one publishes.

use std::time::Duration;

use evenkeel_tests::{form::Form, process::Signal};
use tokio::time::Instant;

use crate::pair::{Pair, judge};

const GRACEFUL_ROUNDS: usize = 20;
/// Each takes the Lease's fifteen seconds: twenty in the long form.
const KILLED_ROUNDS: Form<usize> = Form { short: 3, long: 20 };
/// From SIGTERM until a change that was made then is published.
const GRACEFUL: Duration = Duration::from_secs(3);
/// From SIGKILL: the Lease's fifteen seconds, a renewal before it, a try, the publication.
const KILLED: Duration = Duration::from_secs(25);
const EXIT: Duration = Duration::from_secs(5);

#[tokio::test(flavor = "multi_thread")]
async fn a_leader_that_stops_hands_over_at_once() {
    let Some(mut pair) = Pair::set("graceful").await else { return };
    let (mut published, mut ended) = (Vec::new(), Vec::new());
    for round in 1..=GRACEFUL_ROUNDS {
        let start = Instant::now();
        pair.leader.signal(Signal::TERM);
        pair.leader.wait_for("Stopping."); // it must not publish the change itself
        pair.change().await;
        published.push(pair.published(start).await);
        let finished = pair.promote().finish(EXIT);
        ended.push(start.elapsed().min(EXIT));
        assert!(finished.status.success(), "round {round}: {}\n{}", finished.status, finished.stderr.join("\n"));
        let said = finished.stderr.join("\n");
        assert!(said.contains("The Lease is given up"), "round {round}: {said}");
        pair.leader.wait_for("Published.");
    }
    judge("graceful stop, to the next publication", published, GRACEFUL);
    let transitions = pair.lease().await.lease_transitions;
    assert_eq!(transitions, i32::try_from(GRACEFUL_ROUNDS).ok(), "each holder is counted once");
    pair.history.never_went_back();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leader_that_is_killed_is_replaced_within_25_seconds() {
    let Some(mut pair) = Pair::set("killed").await else { return };
    let mut published = Vec::new();
    for _ in 0..KILLED_ROUNDS.chosen() {
        let start = Instant::now();
        pair.leader.signal(Signal::KILL);
        pair.change().await;
        published.push(pair.published(start).await);
        let killed = pair.promote().finish(EXIT);
        assert!(!killed.status.success());
        assert!(pair.leader.log().iter().any(|line| line.contains("did not renew the Lease in time")));
    }
    judge("SIGKILL, to the next publication", published, KILLED);
    pair.history.never_went_back();
}
