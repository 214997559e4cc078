//! Tests: conditions and their transitions.

use evenkeel_crds::api::{EndpointCounts, ProxyMode};
use k8s_openapi::jiff::Timestamp;

use super::*;
use crate::{
    findings::InForce,
    report::{Programming, programmed},
};

/// A valid pool, published and at its second generation.
fn findings() -> Findings {
    Findings {
        uid: "u".into(),
        generation: 2,
        mode: ProxyMode::Deployment,
        accepted: true,
        problems: Vec::new(),
        in_force: Some(InForce { generation: 2, revision: "r".into(), backends: 1 }),
        endpoints: EndpointCounts::new(1, 1),
        obstacle: None,
        proxies: Vec::new(),
    }
}

fn settled() -> Programming {
    Programming { settled: true, total: 2, current: 2, ..Programming::default() }
}

fn verdicts(findings: &Findings, objects: &OwnFindings, programming: &Programming) -> Verdicts {
    Verdicts::new("web", findings, objects, programmed(findings, objects, programming))
}

fn time(seconds: i64) -> Time {
    Time(Timestamp::from_second(seconds).expect("a time"))
}

fn problem(kind: ProblemKind, field: &str) -> Problem {
    Problem::new(kind, field, "is wrong")
}

#[test]
fn a_pool_that_runs_everywhere_is_ready() {
    let verdicts = verdicts(&findings(), &OwnFindings::default(), &settled());
    for condition in conditions(&verdicts, 2, &[], &time(1)) {
        assert_eq!((condition.status.as_str(), condition.observed_generation), ("True", Some(2)), "{condition:?}");
    }
}

#[test]
fn an_invalid_spec_is_not_accepted_and_the_last_good_one_stays() {
    let mut findings = findings();
    findings.accepted = false;
    findings.problems = vec![problem(ProblemKind::Invalid, "spec.a"), problem(ProblemKind::Invalid, "spec.b")];
    findings.in_force = Some(InForce { generation: 1, revision: "r".into(), backends: 1 });
    let verdicts = verdicts(&findings, &OwnFindings::default(), &settled());
    assert_eq!(verdicts.accepted, Verdict::no("Invalid", "spec.a: is wrong; spec.b: is wrong"));
    assert_eq!(verdicts.programmed, Verdict::no("Pending", "generation 1 stays in force, since 2 is invalid"));
    assert_eq!(verdicts.resolved.status, "True", "of the policy in force");
    assert_eq!(verdicts.ready().reason, "Invalid");
    findings.in_force = None;
    let verdicts = super::tests::verdicts(&findings, &OwnFindings::default(), &Programming::default());
    assert_eq!(verdicts.resolved.status, "Unknown");
    assert_eq!(verdicts.programmed, Verdict::no("Pending", "generation 2 is not published yet"));
}

#[test]
fn what_cannot_be_resolved_is_named_and_the_rest_is_programmed() {
    let mut findings = findings();
    findings.problems =
        vec![problem(ProblemKind::PortNotFound, "spec.a"), problem(ProblemKind::BackendNotFound, "spec.b")];
    let verdicts = verdicts(&findings, &OwnFindings::default(), &settled());
    assert_eq!(verdicts.resolved, Verdict::no("PortNotFound", "spec.a: is wrong; spec.b: is wrong"));
    assert_eq!((verdicts.accepted.status, verdicts.programmed.status), ("True", "True"));
    assert_eq!(verdicts.ready().reason, "PortNotFound");
}

#[test]
fn objects_of_others_are_named() {
    let mut findings = findings();
    findings.obstacle = Some(Obstacle::Conflict);
    findings.in_force = None;
    let objects = OwnFindings { conflicts: vec![Kind::Service], refused: None };
    let verdicts = verdicts(&findings, &objects, &settled());
    assert_eq!((verdicts.accepted.reason, verdicts.programmed.reason), ("NameConflict", "Pending"));
    assert!(verdicts.accepted.message.starts_with("ConfigMap, Service evenkeel-web exists"), "{verdicts:?}");
}

#[test]
fn programmed_says_what_is_in_the_way() {
    type Change = fn(&mut Findings, &mut OwnFindings, &mut Programming);
    let cases: [(&str, Change, &str, &str); 9] = [
        ("all have it", |_, _, _| {}, "True", "Programmed"),
        ("others run it", |f, _, _| f.mode = ProxyMode::External, "True", "Published"),
        ("too large", |f, _, _| f.obstacle = Some(Obstacle::TooLarge("800 KiB".into())), "False", "TableTooLarge"),
        ("refused", |f, _, _| f.obstacle = Some(Obstacle::Refused("no".into())), "False", "ApplyFailed"),
        ("none is ready", |_, _, p| *p = Programming::default(), "False", "Pending"),
        ("one is behind", |_, _, p| (p.settled, p.current) = (false, 1), "False", "Pending"),
        ("too old", |_, _, p| (p.settled, p.too_old) = (false, Some("old".into())), "False", "ProxyTooOld"),
        ("no Deployment", |_, o, p| (p.settled, o.refused) = (false, Some("quota".into())), "False", "ApplyFailed"),
        ("settled before", |_, o, _| o.refused = Some("quota".into()), "True", "Programmed"),
    ];
    for (name, change, status, reason) in cases {
        let (mut findings, mut objects, mut programming) = (findings(), OwnFindings::default(), settled());
        change(&mut findings, &mut objects, &mut programming);
        let verdict = programmed(&findings, &objects, &programming);
        assert_eq!((verdict.status, verdict.reason), (status, reason), "{name}");
    }
}

#[test]
fn programmed_of_sidecars_says_what_is_in_the_way() {
    type Change = fn(&mut OwnFindings, &mut Programming);
    let cases: [(&str, Change, &str, &str, &str); 8] = [
        ("all have it", |_, _| {}, "True", "Programmed", "every ready sidecar runs generation 2"),
        ("none is ready", |_, p| (p.total, p.current) = (0, 0), "True", "Published", "those that start run it"),
        ("one is behind", |_, p| (p.settled, p.current) = (false, 1), "False", "Pending", "1 of 2 ready sidecars"),
        ("silent", |_, p| (p.settled, p.silent) = (false, 1), "False", "Pending", "1 did not answer at port 9440"),
        ("strangers", |_, p| (p.settled, p.strangers) = (false, 1), "False", "Pending", "1 do not serve this pool"),
        ("a new one clashes", |_, p| p.refused = Some("app-1: port 80".into()), "False", "ProxyRefused", "app-1: port"),
        ("a new one is old", |_, p| p.too_old = Some("app-1: 2".into()), "False", "ProxyTooOld", "app-1: 2"),
        (
            "none may read it",
            |o, p| (p.total, o.refused) = (0, Some("forbidden".into())),
            "False",
            "ApplyFailed",
            "forbidden",
        ),
    ];
    for (name, change, status, reason, message) in cases {
        let (mut findings, mut objects, mut programming) = (findings(), OwnFindings::default(), settled());
        findings.mode = ProxyMode::Sidecar;
        change(&mut objects, &mut programming);
        let verdict = programmed(&findings, &objects, &programming);
        assert_eq!((verdict.status, verdict.reason), (status, reason), "{name}");
        assert!(verdict.message.contains(message), "{name}: {}", verdict.message);
    }
}

#[test]
fn sidecars_that_come_and_go_are_no_news() {
    let of = |programming: &Programming| {
        let findings = Findings { mode: ProxyMode::Sidecar, ..findings() };
        conditions(&verdicts(&findings, &OwnFindings::default(), programming), 2, &[], &time(1))
    };
    let (some, none) = (of(&settled()), of(&Programming { settled: true, ..Programming::default() }));
    assert_eq!(transitions(&some, &none).count() + transitions(&none, &some).count(), 0);
    let refused = of(&Programming { refused: Some("app-1: port".into()), ..settled() });
    assert_eq!(
        transitions(&some, &refused).map(|condition| condition.reason.as_str()).collect::<Vec<_>>(),
        ["ProxyRefused"]
    );
}

#[test]
fn the_time_moves_only_with_the_status() {
    let waiting = Programming { total: 2, current: 1, ..Programming::default() };
    let first = conditions(&verdicts(&findings(), &OwnFindings::default(), &waiting), 2, &[], &time(1));
    let later = Programming { total: 3, ..waiting };
    let second = conditions(&verdicts(&findings(), &OwnFindings::default(), &later), 3, &first, &time(2));
    let third = conditions(&verdicts(&findings(), &OwnFindings::default(), &settled()), 3, &second, &time(3));
    let of = |conditions: &[Condition], type_: &str| {
        let found = conditions.iter().find(|condition| condition.type_ == type_).cloned().expect("the condition");
        (found.last_transition_time, found.observed_generation)
    };
    assert_eq!(of(&second, types::PROGRAMMED), (time(1), Some(3)), "another message and generation");
    assert_eq!(of(&third, types::PROGRAMMED), (time(3), Some(3)));
    assert_eq!(of(&third, types::ACCEPTED), (time(1), Some(3)));
}

#[test]
fn events_tell_of_changes_that_matter() {
    let of = |findings: &Findings, programming: &Programming| {
        conditions(&verdicts(findings, &OwnFindings::default(), programming), 2, &[], &time(1))
    };
    let names = |before: &[Condition], after: &[Condition]| -> Vec<String> {
        transitions(before, after).map(|condition| format!("{}={}", condition.type_, condition.status)).collect()
    };
    let waiting = of(&findings(), &Programming::default());
    let fine = of(&findings(), &settled());
    let mut lost = findings();
    lost.problems = vec![problem(ProblemKind::BackendNotFound, "spec.a")];
    let lost = of(&lost, &settled());
    assert_eq!(names(&[], &waiting), [""; 0], "a new pool waits for its proxies");
    assert_eq!(names(&waiting, &fine), ["Programmed=True"]);
    assert_eq!(names(&fine, &fine), [""; 0]);
    assert_eq!(names(&fine, &lost), ["ResolvedRefs=False"]);
    assert_eq!(names(&lost, &fine), ["ResolvedRefs=True"]);
    assert_eq!(names(&[], &lost), ["ResolvedRefs=False", "Programmed=True"]);
}

#[test]
fn long_messages_are_cut_between_characters() {
    assert_eq!(shortened("short"), "short");
    assert_eq!(shortened(&"ü".repeat(20_000)).len(), MAX_MESSAGE_BYTES);
    assert_eq!(shortened(&format!("a{}", "ü".repeat(20_000))).len(), MAX_MESSAGE_BYTES - 1);
}
