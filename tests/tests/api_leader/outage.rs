//! The API server is away: the leader ends, since it cannot know whether it leads; a follower waits; all is well when it is back.

use std::time::Duration;

use evenkeel_tests::form::Form;
use tokio::{
    task::block_in_place,
    time::{Instant, sleep_until, timeout},
};

use crate::{
    history::History,
    pair::{Pair, judge, set_weight},
};

/// Long enough for the leader to end and for its Lease to expire.
const OUTAGE: Form<Duration> = Form { short: Duration::from_secs(30), long: Duration::from_secs(120) };
/// The renew deadline, and a moment.
const LEADER_ENDS: Duration = Duration::from_secs(12);
/// When it is back, a watch begins again within a second and the follower tries every two.
const BACK: Duration = Duration::from_secs(20);

#[tokio::test(flavor = "multi_thread")]
async fn without_an_api_server_a_leader_ends_and_a_follower_waits() {
    let Some(pair) = Pair::set("outage").await else { return };
    let Pair { stage, space, leader, follower, .. } = &pair;
    let start = Instant::now();
    block_in_place(|| stage.server.stop());
    leader.wait_for("could not be renewed for 10 s");
    judge("API server gone, to the leader's end", vec![start.elapsed()], LEADER_ENDS);
    sleep_until(start + OUTAGE.chosen()).await;
    assert!(follower.metrics().contains("evenkeel_leader 0"), "it follows, and has not ended");
    block_in_place(|| stage.server.start_again());
    let start = Instant::now();
    set_weight(space, "web", 7).await;
    let history = History::follow(space, "web").await;
    let seen = timeout(BACK * 2, history.saw_weight(7)).await;
    let seen = seen.unwrap_or_else(|_| panic!("not published:\n{}", follower.log().join("\n")));
    judge("API server back, to the next publication", vec![seen.saturating_duration_since(start)], BACK);
    assert!(follower.leads());
    space.condition("web", "Ready", "True", "Ready").await;
}
