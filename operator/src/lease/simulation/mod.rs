//! Property test: whatever is delayed, lost, paused or killed, no two candidates lead at one moment, and soon somebody leads.
//!
//! **The bound.** A leader's gate is open for ten seconds of its own clock from when it *sent* a write that the server did. A rival
//! waits fifteen seconds of its own clock from when it *saw* that write, and its own write is refused if there was another since.
//! With clocks whose speeds differ by less than half, the first is over before the second begins: the gates of two candidates are
//! never open at once, not for a moment. A candidate that is paused cannot know that its time is over; its gate, which looks at
//! the clock, does. Where somebody else edits the Lease, a rival may begin at once; then the former leader cannot renew any more, so
//! that both last together at most for the ten seconds that it had.

mod process;
mod script;
mod world;

use proptest::prelude::*;

use self::{
    script::{FAST, Host, Ms, SLOWEST_CLOCK, Script, TROUBLE, Trouble, script},
    world::World,
};
use super::election::RENEW_DEADLINE;

/// A lease by the slowest clock, the slowest message before it, a process that starts again, a few tries.
const RECOVERY: Ms = 30_000;
/// So much more, if somebody wrote into the Lease of a dead leader that it lasts a year.
const LONGEST_LEASE: Ms = 50_000;
const CALM: Ms = 60_000;

/// Runs the script, and then in calm until somebody must lead; that one goes on.
fn play(script: &Script, recovery: Ms) -> Result<World, TestCaseError> {
    let mut world = World::new(script);
    world.run(TROUBLE + recovery);
    let mut led = Vec::new();
    for second in 0..CALM / 1000 {
        world.run(TROUBLE + recovery + second * 1000);
        led.push(world.leaders());
    }
    prop_assert!(led.iter().all(|&leaders| leaders == 1), "leaders in each second of calm: {:?}", led);
    Ok(world)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn two_never_lead_at_once_and_soon_one_does(script in script(false)) {
        let world = play(&script, RECOVERY)?;
        prop_assert_eq!(world.overlap, 0);
    }

    #[test]
    fn whoever_edits_the_lease_breaks_nothing_for_longer_than_the_deadline(script in script(true)) {
        let world = play(&script, RECOVERY + LONGEST_LEASE)?;
        let deadline = u64::try_from(RENEW_DEADLINE.as_millis()).expect("short") * 1000 / SLOWEST_CLOCK;
        prop_assert!(world.overlap <= if world.edited { deadline } else { 0 }, "{} ms", world.overlap);
    }
}

#[test]
fn the_simulation_can_fail() {
    // A rival whose clock runs twice as fast breaks the rule's assumption: were that not seen, nothing would be.
    let host = |speed| Host { starts: 0, offset_s: 0, speed };
    let cut = (20_000, 0, Trouble::CutOff(40_000));
    let script = |fast| Script {
        hosts: vec![host(1000), Host { starts: 5_000, ..host(fast) }],
        troubles: vec![cut.clone()],
        loss_percent: 0,
        slowest: FAST,
        seed: 1,
    };
    let overlap = |fast| {
        let mut world = World::new(&script(fast));
        world.run(TROUBLE);
        world.overlap
    };
    assert_eq!(overlap(1000), 0);
    assert!(overlap(2500) > 0);
}
