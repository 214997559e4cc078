//! Tests of the rule, one case each. What any sequence of events leads to is in `simulation`.

use k8s_openapi::{apimachinery::pkg::apis::meta::v1::ObjectMeta, jiff::Timestamp};

use super::*;

const MS: Duration = Duration::from_millis(1);

fn record(version: u64, holder: &str, beat: i64) -> Record {
    Record {
        holder: Some(holder.to_owned()).filter(|holder| !holder.is_empty()),
        lasts: LEASE,
        transitions: 0,
        acquired: None,
        renewed: Timestamp::from_second(beat).ok(),
        metadata: ObjectMeta {
            uid: Some("1".into()),
            resource_version: Some(version.to_string()),
            ..ObjectMeta::default()
        },
    }
}

fn candidate() -> (Election, Instant) {
    (Election::new("me".into()), Instant::now())
}

/// One whose write was sent and answered at that moment.
fn leader() -> (Election, Instant) {
    let (mut election, now) = candidate();
    election.saw(record(1, "", 0), now);
    election.sends(now, 0.5);
    election.wrote(record(2, "me", 1), now, now);
    (election, now)
}

fn occasion(election: &Election, now: Instant) -> Option<Occasion> {
    match election.turn(now) {
        Turn::Write(claim) => Some(claim.occasion),
        _ => None,
    }
}

#[test]
fn nothing_is_done_before_the_lease_was_looked_at() {
    let (mut election, now) = candidate();
    assert_eq!(election.turn(now), Turn::Wait(None));
    election.saw_no_more(None, now);
    assert_eq!(occasion(&election, now), Some(Occasion::Create));
}

#[test]
fn a_free_lease_is_taken_at_once() {
    let (mut election, now) = candidate();
    election.saw(record(1, "other", 1), now);
    assert_eq!(election.turn(now), Turn::Wait(Some(now + LEASE)));
    election.saw(record(2, "", 2), now + MS);
    assert_eq!(occasion(&election, now + MS), Some(Occasion::Free));
}

#[test]
fn a_silent_holder_is_overtaken_after_the_lease_and_not_before() {
    let (mut election, start) = candidate();
    election.saw(record(1, "other", 1), start);
    election.saw(record(2, "other", 2), start + RETRY);
    assert_eq!(occasion(&election, start + RETRY + LEASE - MS), None);
    assert_eq!(occasion(&election, start + RETRY + LEASE), Some(Occasion::Expired));
}

#[test]
fn who_edits_labels_does_not_keep_a_dead_holder_alive() {
    let (mut election, start) = candidate();
    for second in 0..=15 {
        election.saw(record(u64::from(second), "other", 1), start + Duration::from_secs(1) * second);
    }
    let Turn::Write(claim) = election.turn(start + LEASE) else { panic!("it waits") };
    assert_eq!(claim.before.and_then(|before| before.metadata.resource_version).as_deref(), Some("15"));
}

#[test]
fn a_leader_renews_every_two_seconds_and_leads_ten_from_each_sending() {
    let (election, start) = leader();
    assert_eq!(election.leads_until(), Some(start + RENEW_DEADLINE));
    assert_eq!(election.turn(start), Turn::Wait(Some(start + RETRY)));
    assert_eq!(occasion(&election, start + RETRY), Some(Occasion::Renew));
    assert_eq!(election.turn(start + RENEW_DEADLINE), Turn::Lost(Loss::Expired));
}

#[test]
fn the_time_of_leading_counts_from_the_sending_and_not_from_the_answer() {
    let (mut election, start) = candidate();
    election.saw(record(1, "", 0), start);
    election.sends(start, 0.5);
    election.wrote(record(2, "me", 1), start, start + WRITE);
    assert_eq!(election.leads_until(), Some(start + RENEW_DEADLINE));
}

#[test]
fn an_answer_that_comes_after_the_deadline_makes_no_leader() {
    let (mut election, start) = candidate();
    election.saw(record(1, "", 0), start);
    election.sends(start, 0.5);
    let late = start + RENEW_DEADLINE;
    election.wrote(record(2, "me", 1), start, late);
    assert_eq!(election.leads_until(), None);
    assert_eq!(occasion(&election, late), Some(Occasion::Renew), "but the Lease is ours");
}

#[test]
fn no_write_outlives_the_time_of_leading() {
    let (election, start) = leader();
    assert_eq!(election.write_deadline(start), start + WRITE);
    let late = start + RENEW_DEADLINE - MS;
    assert_eq!(election.write_deadline(late), start + RENEW_DEADLINE);
}

#[test]
fn a_leader_that_sees_another_is_lost_but_not_by_old_news() {
    let (mut election, start) = leader();
    election.saw(record(1, "other", 1), start + MS);
    assert!(matches!(election.turn(start + MS), Turn::Wait(_)), "older than our own write");
    election.saw(record(3, "other", 2), start + MS);
    assert_eq!(election.turn(start + MS), Turn::Lost(Loss::Usurped("other".into())));
    assert_eq!(election.leads_until(), None);
}

#[test]
fn a_deleted_lease_is_made_anew_by_its_leader_and_left_alone_by_others() {
    let (mut election, start) = leader();
    election.saw_no_more(Some(&record(3, "me", 1)), start + MS);
    assert_eq!(occasion(&election, start + RETRY), Some(Occasion::Create));
    let (mut election, start) = candidate();
    election.saw(record(1, "other", 1), start);
    election.saw_no_more(Some(&record(2, "other", 1)), start + MS);
    election.saw_no_more(None, start + MS * 2);
    assert_eq!(occasion(&election, start + MS + LEASE - MS), None, "its leader leads still");
    assert_eq!(occasion(&election, start + MS + LEASE), Some(Occasion::Create));
}

#[test]
fn a_holder_without_a_name_is_none_and_a_leader_takes_the_lease_back() {
    let (mut election, start) = leader();
    election.saw(record(3, "", 1), start + MS);
    assert_eq!(occasion(&election, start + RETRY), Some(Occasion::Free));
    assert_eq!(election.turn(start + RENEW_DEADLINE), Turn::Lost(Loss::Expired));
}

#[test]
fn what_the_api_server_answers_counts_though_it_is_older() {
    let (mut election, start) = candidate();
    election.saw(record(9, "other", 9), start);
    election.read(Some(record(5, "other", 5)), start + MS);
    let version = election.record().and_then(|record| record.metadata.resource_version.clone());
    assert_eq!(version.as_deref(), Some("5"), "etcd was restored");
}

#[test]
fn writes_come_two_seconds_apart_whatever_happens() {
    let (mut election, start) = candidate();
    election.saw(record(1, "", 0), start);
    for (random, apart) in [(0.0, 1600), (0.5, 2000), (1.0, 2400)] {
        election.sends(start, random);
        let due = start + MS * apart;
        assert_eq!(election.turn(start), Turn::Wait(Some(due)));
        assert_eq!(occasion(&election, due), Some(Occasion::Free));
    }
}
