//! A leader that sleeps through its time: when it wakes up it writes nothing, and says why it ends.

use std::time::Duration;

use evenkeel_tests::{api::Operator, form::Form, process::Signal};
use tokio::time::{Instant, sleep_until};

use crate::pair::Pair;

/// Long enough for the other to lead: nothing changes after the first twenty seconds.
const PAUSE: Form<Duration> = Form { short: Duration::from_secs(25), long: Duration::from_secs(60) };
const EXIT: Duration = Duration::from_secs(10);

/// How many tables it says that it has written.
fn tables_written(operator: &Operator) -> u64 {
    let metrics = operator.metrics();
    let line = metrics.lines().find_map(|line| line.strip_prefix(r#"evenkeel_table_writes_total{result="ok"} "#));
    line.and_then(|count| count.parse().ok()).unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leader_that_wakes_up_after_its_time_writes_nothing() {
    let Some(mut pair) = Pair::set("paused").await else { return };
    for _ in 0..3 {
        pair.change().await; // so that it is at work when it is stopped
    }
    let start = Instant::now();
    pair.leader.signal(Signal::STOP);
    let before = pair.history.so_far().len();
    pair.change().await;
    let took = pair.published(start).await;
    eprintln!("SIGSTOP, to the next publication: {took:.2?}");
    let paused = pair.leader.log().len();
    sleep_until(start + PAUSE.chosen()).await;
    // There is work for both when it wakes up.
    pair.change().await;
    pair.leader.signal(Signal::CONT);
    for _ in 0..20 {
        pair.change().await;
        pair.published(start).await;
    }
    let holder = pair.lease().await.holder_identity;
    let sleeper = pair.promote().finish(EXIT);
    assert!(!sleeper.status.success(), "it ends with an error: {}", sleeper.status);
    let said = sleeper.stderr[paused..].join("\n");
    assert!(said.contains("no longer the leader"), "{said}");
    for written in ["Published", "Applied.", "Condition changed", "Deleted"] {
        assert!(!said.contains(written), "it wrote: {said}");
    }
    assert_eq!(pair.lease().await.holder_identity, holder, "it did not touch the Lease");
    // The first of them may be the sleeper's last, from before it slept.
    let seen = pair.history.so_far().len() - before;
    let written = usize::try_from(tables_written(&pair.leader)).expect("a few");
    assert!((written..=written + 1).contains(&seen), "{seen} versions were seen, and the leader wrote {written}");
    pair.history.never_went_back();
    assert!(pair.leader.metrics().contains("evenkeel_leader 1"));
    assert!(pair.follower.metrics().contains("evenkeel_leader 0"));
}
