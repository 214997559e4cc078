//! Leaders change while pools change all the time: no table goes back, and all are right in the end.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};
use std::time::Duration;

use evenkeel_crds::BalancerPool;
use evenkeel_tests::{
    api::{Space, metal, pool},
    process::Signal,
};
use tokio::time::{Instant, sleep, timeout};

use crate::{
    history::History,
    pair::{Pair, set_weight},
};

const CHANGES_OF_LEADER: u32 = 50;
const POOLS: [&str; 4] = ["p0", "p1", "p2", "p3"];
/// Faster than the operator publishes, so that there is always something to do.
const BETWEEN_CHANGES: Duration = Duration::from_millis(25);
const EXIT: Duration = Duration::from_secs(8);
const LONGEST: Duration = Duration::from_secs(30);

/// Changes one pool after the other. Returns the last weight of each.
async fn churn(space: Space, end: Arc<AtomicBool>) -> u64 {
    let mut weight = 1;
    while !end.load(Ordering::Relaxed) {
        weight = weight % 1_000_000 + 1;
        for pool in POOLS {
            set_weight(&space, pool, weight).await;
            sleep(BETWEEN_CHANGES).await;
        }
    }
    weight
}

#[tokio::test(flavor = "multi_thread")]
async fn fifty_changes_of_leader_under_churn_end_in_the_right_tables() {
    let Some(mut pair) = Pair::set("churn").await else { return };
    let mut histories = Vec::new();
    for name in POOLS {
        pair.space.create::<BalancerPool>(pool(name, &[("metal", 1, metal("192.0.2.1"))])).await;
        pair.space.condition(name, "Ready", "True", "Ready").await;
        histories.push(History::follow(&pair.space, name).await);
    }
    let end = Arc::<AtomicBool>::default();
    let changes = tokio::spawn(churn(pair.space.clone(), Arc::clone(&end)));
    let start = Instant::now();
    for change in 0..CHANGES_OF_LEADER {
        pair.leader.signal(Signal::TERM);
        let finished = pair.promote().finish(EXIT);
        assert!(finished.status.success(), "{change}: {}\n{}", finished.status, finished.stderr.join("\n"));
    }
    let took = start.elapsed();
    end.store(true, Ordering::Relaxed);
    let weight = changes.await.expect("every change is taken");
    let mut versions = 0;
    for (name, history) in POOLS.iter().zip(&histories) {
        let right = timeout(LONGEST, history.saw_weight(weight)).await;
        assert!(right.is_ok(), "{name}: weight {weight} is not published: {:?}", history.so_far().last());
        pair.space.condition(name, "Ready", "True", "Ready").await;
        history.never_went_back();
        assert_eq!(history.so_far().last().map(|last| last.weight), Some(weight), "{name}");
        versions += history.so_far().len();
    }
    eprintln!("{CHANGES_OF_LEADER} changes of leader in {took:.1?}: {versions} versions of {} tables", POOLS.len());
    let transitions = pair.lease().await.lease_transitions;
    assert_eq!(transitions, i32::try_from(CHANGES_OF_LEADER).ok());
}
