//! Tests: asking proxies until all have the published policy.

use super::*;
use crate::report::Refusal;

fn proxy(number: u8) -> ProxyEndpoint {
    ProxyEndpoint { name: format!("p{number}"), address: [10, 0, 0, number].into(), zone: String::new() }
}

fn ready(proxies: &[u8]) -> Vec<Followed> {
    proxies.iter().map(|&number| Followed { proxy: proxy(number), ready: true }).collect()
}

fn unready(proxies: &[u8]) -> Vec<Followed> {
    proxies.iter().map(|&number| Followed { proxy: proxy(number), ready: false }).collect()
}

fn in_force(generation: i64) -> InForce {
    InForce { generation, revision: format!("r{generation}"), backends: 1 }
}

fn runs(number: u8, generation: i64) -> (ProxyEndpoint, Option<Answer>) {
    let revision = Some(in_force(generation).revision);
    (proxy(number), Some(Answer { serves: true, generation: Some(generation), revision, ..Answer::default() }))
}

fn refuses(number: u8, too_new: bool) -> (ProxyEndpoint, Option<Answer>) {
    let refusal = Some(Refusal { message: "no".into(), too_new });
    (proxy(number), Some(Answer { serves: true, generation: Some(1), refusal, ..Answer::default() }))
}

fn is_silent(number: u8) -> (ProxyEndpoint, Option<Answer>) {
    (proxy(number), None)
}

fn names(proxies: &[ProxyEndpoint]) -> Vec<&str> {
    let mut names: Vec<_> = proxies.iter().map(|proxy| proxy.name.as_str()).collect();
    names.sort_unstable();
    names
}

/// The second generation was just published for two proxies.
fn start(mode: ProxyMode) -> (Progress, Instant) {
    let now = Instant::now();
    let mut progress = Progress::new(None, now);
    progress.follow(mode, Some(&in_force(2)), ready(&[1, 2]), now);
    (progress, now)
}

const BOTH: [ProxyMode; 2] = [ProxyMode::Deployment, ProxyMode::Sidecar];

#[test]
fn it_is_settled_when_every_proxy_has_the_generation() {
    for mode in BOTH {
        let (mut progress, now) = start(mode);
        assert_eq!(progress.to_ask(now).len(), 0, "they need a moment");
        assert_eq!(names(&progress.to_ask(now + FIRST)), ["p1", "p2"]);
        progress.heard([runs(1, 2), runs(2, 1)], now);
        assert_eq!((progress.sum().current, progress.sum().settled), (1, false));
        assert_eq!(names(&progress.to_ask(now + SECOND)), ["p2"], "only who is behind");
        progress.heard([runs(2, 2)], now);
        assert_eq!((progress.sum().current, progress.sum().settled, progress.next()), (2, true, None));
    }
}

#[test]
fn waits_double_up_to_a_second_and_for_who_does_not_answer_to_ten() {
    let (mut progress, now) = start(ProxyMode::Deployment);
    progress.heard([runs(2, 2)], now);
    let mut waits = |answer: fn() -> (ProxyEndpoint, Option<Answer>), rounds: usize| -> Vec<_> {
        let wait = |_| {
            progress.heard([answer()], now);
            progress.next().expect("one is behind").duration_since(now).as_millis()
        };
        (0..rounds).map(wait).collect()
    };
    assert_eq!(waits(|| runs(1, 1), 6), [100, 200, 400, 800, 1000, 1000]);
    assert_eq!(waits(|| is_silent(1), 3), [6400, 10_000, 10_000]);
    assert_eq!(waits(|| runs(1, 1), 1), [1000]);
}

#[test]
fn who_comes_later_is_asked_but_unsettles_nothing() {
    for mode in BOTH {
        let (mut progress, now) = start(mode);
        progress.heard([runs(1, 2), runs(2, 2)], now);
        progress.follow(mode, Some(&in_force(2)), ready(&[1, 2, 3]), now);
        assert_eq!((progress.sum().total, progress.sum().current, progress.sum().settled), (3, 2, true));
        assert_eq!(names(&progress.to_ask(now + FIRST)), ["p3"]);
    }
}

#[test]
fn a_new_sidecar_is_not_waited_for_and_a_new_proxy_of_a_deployment_is() {
    for (mode, settled) in [(ProxyMode::Sidecar, true), (ProxyMode::Deployment, false)] {
        let (mut progress, now) = start(mode);
        progress.follow(mode, Some(&in_force(2)), ready(&[1, 2, 3]), now);
        progress.heard([runs(1, 2), runs(2, 2), runs(3, 1)], now);
        assert_eq!((progress.sum().settled, progress.sum().current), (settled, 2), "{mode:?}");
    }
}

#[test]
fn a_new_generation_asks_all_again() {
    for mode in BOTH {
        let (mut progress, now) = start(mode);
        progress.heard([runs(1, 2), runs(2, 2)], now);
        progress.follow(mode, Some(&in_force(3)), ready(&[1, 2]), now);
        assert_eq!((progress.sum().current, progress.sum().settled), (0, false));
        assert!(progress.is_young(now) && !progress.is_young(now + YOUTH));
        assert_eq!(progress.to_ask(now + FIRST).len(), 2);
    }
}

#[test]
fn a_proxy_that_left_is_not_waited_for() {
    for mode in BOTH {
        let (mut progress, now) = start(mode);
        progress.heard([runs(1, 2)], now);
        assert!(!progress.sum().settled);
        progress.follow(mode, Some(&in_force(2)), ready(&[1]), now);
        assert!(progress.sum().settled);
    }
}

#[test]
fn what_was_settled_before_a_restart_stays_settled() {
    let now = Instant::now();
    for (settled, generation, expected) in [(2, 2, true), (1, 2, false)] {
        let mut progress = Progress::new(Some(settled), now);
        progress.follow(ProxyMode::Deployment, Some(&in_force(generation)), ready(&[1]), now);
        assert_eq!((progress.sum().settled, progress.is_young(now)), (expected, !expected));
    }
}

#[test]
fn without_proxies_a_deployment_is_not_settled_and_sidecars_are() {
    for (mode, settled) in [(ProxyMode::Deployment, false), (ProxyMode::Sidecar, true)] {
        let now = Instant::now();
        let mut progress = Progress::new(None, now);
        progress.follow(mode, None, [], now);
        assert!(!progress.sum().settled, "nothing is published");
        progress.follow(mode, Some(&in_force(2)), [], now);
        assert_eq!((progress.sum().settled, progress.next()), (settled, None), "{mode:?}");
    }
}

#[test]
fn a_sidecar_that_is_not_ready_is_asked_but_neither_counted_nor_waited_for() {
    let now = Instant::now();
    let mut progress = Progress::new(None, now);
    progress.follow(ProxyMode::Sidecar, Some(&in_force(2)), ready(&[1]).into_iter().chain(unready(&[2])), now);
    assert_eq!(progress.to_ask(now + FIRST).len(), 2);
    progress.heard([runs(1, 2), is_silent(2)], now);
    let sum = progress.sum();
    assert_eq!((sum.total, sum.current, sum.silent, sum.settled), (1, 1, 0, true));
}

#[test]
fn a_sidecar_that_is_ready_again_is_asked_again() {
    let (mut progress, now) = start(ProxyMode::Sidecar);
    progress.heard([runs(1, 2), runs(2, 2)], now);
    progress.follow(ProxyMode::Sidecar, Some(&in_force(2)), ready(&[1]).into_iter().chain(unready(&[2])), now);
    progress.follow(ProxyMode::Sidecar, Some(&in_force(2)), ready(&[1, 2]), now);
    assert_eq!(names(&progress.to_ask(now + FIRST)), ["p2"], "it may run an older table now");
    assert!(progress.sum().settled);
}

#[test]
fn refusals_are_told_when_repeated_and_until_the_proxy_has_the_policy() {
    for mode in BOTH {
        let (mut progress, now) = start(mode);
        for _ in 0..REFUSALS {
            assert_eq!((progress.sum().too_old, progress.sum().refused), (None, None));
            progress.heard([refuses(1, true), refuses(2, false)], now);
        }
        assert_eq!(progress.sum().too_old.as_deref(), Some("p1: no"));
        assert_eq!(progress.sum().refused.as_deref(), Some("p2: no"));
        progress.follow(mode, Some(&in_force(3)), ready(&[1, 2]), now);
        assert!(progress.sum().refused.is_some(), "another generation alone mends nothing");
        progress.heard([runs(1, 3), runs(2, 3)], now);
        assert_eq!((progress.sum().too_old, progress.sum().refused), (None, None));
    }
}

#[test]
fn who_does_not_answer_holds_up_no_round_of_others() {
    let now = Instant::now();
    let all: Vec<_> = (1..=20).collect();
    let mut progress = Progress::new(None, now);
    progress.follow(ProxyMode::Sidecar, Some(&in_force(2)), ready(&all), now);
    assert_eq!(progress.to_ask(now + FIRST).len(), 20);
    progress.heard((1..=18).map(is_silent).chain([runs(19, 1), runs(20, 1)]), now);
    let later = now + LONGEST_SILENCE;
    assert_eq!(names(&progress.to_ask(later)), ["p19", "p20"]);
    progress.heard([runs(19, 2), runs(20, 2)], now);
    assert_eq!(progress.to_ask(later).len(), SILENT_AT_ONCE);
    assert_eq!(progress.sum().silent, 18);
}

#[test]
fn a_pod_whose_sidecar_does_not_serve_the_pool_is_counted_apart() {
    let (mut progress, now) = start(ProxyMode::Sidecar);
    progress.heard([runs(1, 2), (proxy(2), Some(Answer::default()))], now);
    assert_eq!((progress.sum().strangers, progress.sum().settled), (1, false));
}

#[test]
fn the_table_of_a_former_pool_of_that_name_does_not_count() {
    let (mut progress, now) = start(ProxyMode::Sidecar);
    let former = |number, generation| {
        let answer = Answer { revision: Some("former".into()), ..runs(number, generation).1.expect("an answer") };
        (proxy(number), Some(answer))
    };
    progress.heard([former(1, 2), former(2, 9)], now);
    assert_eq!((progress.sum().current, progress.sum().settled), (0, false));
}

#[test]
fn a_sidecar_that_may_have_lost_its_port_is_asked_again_and_one_that_has_is_not_asked_sooner() {
    let (mut progress, now) = start(ProxyMode::Sidecar);
    progress.heard([runs(1, 2), refuses(2, false)], now);
    let due = progress.next();
    progress.doubt("p2", now);
    assert_eq!(progress.next(), due, "it is known to be behind");
    progress.doubt("p1", now);
    assert_eq!(names(&progress.to_ask(now + FIRST)), ["p1"]);
    for _ in 0..REFUSALS {
        progress.heard([refuses(1, false)], now);
    }
    assert_eq!(progress.sum().refused.as_deref(), Some("p1: no"));
}
