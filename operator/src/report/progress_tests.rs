//! Tests: asking proxies until all have the published policy.

use evenkeel_crds::api::{EndpointCounts, ProxyMode};

use super::*;
use crate::{findings::InForce, report::Refusal};

fn proxy(number: u8) -> ProxyEndpoint {
    ProxyEndpoint { name: format!("p{number}"), address: [10, 0, 0, number].into(), zone: String::new() }
}

fn published(generation: i64, proxies: &[u8]) -> Findings {
    Findings {
        uid: "u".into(),
        generation,
        mode: ProxyMode::Deployment,
        accepted: true,
        problems: Vec::new(),
        in_force: Some(InForce { generation, revision: "r".into(), backends: 1 }),
        endpoints: EndpointCounts::new(0, 0),
        obstacle: None,
        proxies: proxies.iter().copied().map(proxy).collect(),
    }
}

fn runs(number: u8, generation: i64) -> (ProxyEndpoint, Answer) {
    (proxy(number), Answer { generation: Some(generation), refusal: None })
}

fn refuses(number: u8, too_new: bool) -> (ProxyEndpoint, Answer) {
    let refusal = Some(Refusal { message: format!("p{number} says no"), too_new });
    (proxy(number), Answer { generation: Some(1), refusal })
}

/// The second generation was just published for two proxies.
fn start() -> (Progress, Instant) {
    let now = Instant::now();
    let mut progress = Progress::new(None, now);
    progress.follow(&published(2, &[1, 2]), now);
    (progress, now)
}

#[test]
fn it_is_settled_when_every_proxy_has_the_generation() {
    let (mut progress, now) = start();
    assert_eq!(progress.to_ask(now).len(), 0, "they need a moment");
    assert_eq!(progress.to_ask(now + FIRST).len(), 2);
    progress.heard([runs(1, 2), runs(2, 1)], now);
    assert_eq!((progress.sum().current, progress.sum().settled), (1, false));
    assert_eq!(progress.to_ask(now + SECOND), [proxy(2)], "only who is behind");
    progress.heard([runs(2, 2)], now);
    assert_eq!((progress.sum().current, progress.sum().settled, progress.next()), (2, true, None));
}

#[test]
fn waits_double_up_to_a_second() {
    let (mut progress, now) = start();
    let waits = [100, 200, 400, 800, 1000, 1000].map(|_| {
        progress.heard([], now);
        progress.next().expect("somebody is behind").duration_since(now).as_millis()
    });
    assert_eq!(waits, [100, 200, 400, 800, 1000, 1000]);
}

#[test]
fn who_comes_later_is_asked_but_unsettles_nothing() {
    let (mut progress, now) = start();
    progress.heard([runs(1, 2), runs(2, 2)], now);
    progress.follow(&published(2, &[1, 2, 3]), now);
    assert_eq!((progress.sum().total, progress.sum().current, progress.sum().settled), (3, 2, true));
    assert_eq!(progress.to_ask(now + FIRST), [proxy(3)]);
}

#[test]
fn a_new_generation_asks_all_again() {
    let (mut progress, now) = start();
    progress.heard([runs(1, 2), runs(2, 2)], now);
    progress.follow(&published(3, &[1, 2]), now);
    assert_eq!((progress.sum().current, progress.sum().settled), (0, false));
    assert!(progress.is_young());
    assert_eq!(progress.to_ask(now + FIRST).len(), 2);
}

#[test]
fn a_proxy_that_left_is_not_waited_for() {
    let (mut progress, now) = start();
    progress.heard([runs(1, 2)], now);
    progress.follow(&published(2, &[1]), now);
    progress.heard([], now);
    assert!(progress.sum().settled);
}

#[test]
fn what_was_settled_before_a_restart_stays_settled() {
    let now = Instant::now();
    let mut progress = Progress::new(Some(2), now);
    progress.follow(&published(2, &[1]), now);
    assert!(progress.sum().settled && !progress.is_young());
    let mut progress = Progress::new(Some(1), now);
    progress.follow(&published(2, &[1]), now);
    assert!(!progress.sum().settled);
}

#[test]
fn without_proxies_nothing_is_settled_or_asked() {
    let now = Instant::now();
    let mut progress = Progress::new(None, now);
    progress.follow(&published(2, &[]), now);
    progress.heard([], now);
    assert_eq!((progress.sum().settled, progress.next()), (false, None));
}

#[test]
fn refusals_are_told_until_the_proxy_has_the_policy() {
    let (mut progress, now) = start();
    progress.heard([refuses(1, true), refuses(2, false)], now);
    assert_eq!(progress.sum().too_old.as_deref(), Some("p1 says no"));
    assert_eq!(progress.sum().refused.as_deref(), Some("p2 says no"));
    progress.heard([runs(1, 2), runs(2, 2)], now);
    assert_eq!((progress.sum().too_old, progress.sum().refused), (None, None));
}
