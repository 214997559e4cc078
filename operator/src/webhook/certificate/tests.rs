//! Certificates are made, kept, read and renewed.

use std::collections::BTreeSet;

use k8s_openapi::{ByteString, api::core::v1::Secret};

use super::*;

const NOW: i64 = 1_700_000_000;
const DAY: i64 = 24 * 3600;
const MONTH: i64 = 30 * DAY;

fn hosts(hosts: &[&str]) -> BTreeSet<String> {
    hosts.iter().map(|host| (*host).to_owned()).collect()
}

fn made(now: i64) -> (Secret, Kept) {
    let authority = Authority::make(now).expect("an authority");
    let all = hosts(&["evenkeel-operator.shop.svc", "127.0.0.1", "::1"]);
    let secret = Kept::make(&authority, &all, now, MONTH).expect("a certificate");
    let kept = Kept::read(&secret).expect("it can be read");
    (secret, kept)
}

#[test]
fn what_is_made_can_be_read_and_served() {
    let (_, kept) = made(NOW);
    assert_eq!(kept.facts.hosts, hosts(&["127.0.0.1", "::1", "evenkeel-operator.shop.svc"]));
    assert_eq!(kept.facts.leaf.until, NOW + MONTH);
    assert_eq!(kept.facts.authority.until, NOW + 365 * DAY);
    let lives = [kept.facts.leaf, kept.facts.authority];
    assert!(lives.iter().all(|life| life.is_on(NOW - DAY)), "clocks of nodes differ");
    assert!(kept.certified().is_ok());
    let named = Named::read(&kept.authority).expect("a certificate");
    assert!(named.is_authority && !Named::read(&kept.certificate).expect("a certificate").is_authority);
}

#[test]
fn a_kept_authority_signs_the_next_certificate() {
    let (_, kept) = made(NOW);
    let authority = kept.authority().expect("the authority");
    let next = Kept::make(&authority, &hosts(&["new.svc"]), NOW + DAY, MONTH).expect("a certificate");
    let next = Kept::read(&next).expect("it can be read");
    assert_eq!(next.authority, kept.authority);
    assert_eq!((next.facts.hosts, next.facts.leaf.until), (hosts(&["new.svc"]), NOW + DAY + MONTH));
}

#[test]
fn a_damaged_secret_is_told_without_its_content() {
    let (good, _) = made(NOW);
    let (other, _) = made(NOW);
    let of = |secret: &Secret, key: &str| secret.data.as_ref().expect("data")[key].clone();
    for key in [CA_CERTIFICATE, CA_KEY, CERTIFICATE, KEY] {
        for value in [None, Some(ByteString(b"rubbish".to_vec())), Some(of(&other, key))] {
            let mut secret = good.clone();
            let data = secret.data.as_mut().expect("data");
            data.remove(key);
            data.extend(value.map(|value| (key.to_owned(), value)));
            let problem = Kept::read(&secret).err().unwrap_or_else(|| panic!("{key} is damaged"));
            assert!(problem.contains(".crt") || problem.contains(".key"), "{problem}");
            assert!(!problem.contains("rubbish") && !problem.contains("BEGIN"), "{problem}");
        }
    }
    assert!(Kept::read(&Secret::default()).is_err());
}

#[test]
fn certificates_are_made_anew_in_time() {
    let wanted = Wanted { hosts: hosts(&["a.svc"]), leaf_seconds: MONTH };
    let good = Facts {
        authority: Life { from: NOW - 100 * DAY, until: NOW + 265 * DAY },
        leaf: Life { from: NOW - DAY, until: NOW + 29 * DAY },
        hosts: hosts(&["a.svc"]),
    };
    let with = |change: &dyn Fn(&mut Facts)| {
        let mut facts = good.clone();
        change(&mut facts);
        next(Some(Ok(&facts)), &wanted, NOW)
    };
    assert_eq!(with(&|_| {}), Next::Wait(NOW + 19 * DAY), "two thirds of its life");
    assert_eq!(with(&|facts| facts.authority.until = NOW + 130 * DAY), Next::Wait(NOW + 19 * DAY));
    assert_eq!(
        with(&|facts| facts.authority = Life { from: NOW - 200 * DAY, until: NOW + 106 * DAY }),
        Next::Wait(NOW + 4 * DAY),
        "the authority's turn comes first"
    );
    for (what, is_authority, found) in [
        ("none", true, next(None, &wanted, NOW)),
        ("unreadable", true, next(Some(Err("ca.crt is missing")), &wanted, NOW)),
        ("authority expired", true, with(&|facts| facts.authority.until = NOW - 1)),
        ("authority of the future", true, with(&|facts| facts.authority.from = NOW + 1)),
        ("authority near its end", true, with(&|facts| facts.authority.until = NOW + 49 * DAY)),
        ("leaf near its end", false, with(&|facts| facts.leaf.until = NOW + 10 * DAY)),
        ("leaf expired", false, with(&|facts| facts.leaf.until = NOW - 1)),
        ("leaf of the future", false, with(&|facts| facts.leaf.from = NOW + 1)),
        ("leaf for another host", false, with(&|facts| facts.hosts = hosts(&["b.svc"]))),
        ("leaf for one host more", false, with(&|facts| facts.hosts = hosts(&["a.svc", "b.svc"]))),
        ("leaf that lives too long", false, with(&|facts| facts.leaf.until = NOW + MONTH + 1)),
    ] {
        match found {
            Next::Authority(_) => assert!(is_authority, "{what}"),
            Next::Leaf(_) => assert!(!is_authority, "{what}"),
            Next::Wait(_) => panic!("{what}: nothing to do"),
        }
    }
}

#[test]
fn what_was_just_made_is_left_alone() {
    for seconds in [10, 3600, MONTH] {
        let authority = Authority::make(NOW).expect("an authority");
        let wanted = Wanted { hosts: hosts(&["a.svc"]), leaf_seconds: seconds };
        let secret = Kept::make(&authority, &wanted.hosts, NOW, seconds).expect("a certificate");
        let kept = Kept::read(&secret).expect("it can be read");
        assert_eq!(next(Some(Ok(&kept.facts)), &wanted, NOW), Next::Wait(NOW + seconds - seconds / 3));
    }
}

#[test]
fn the_bundle_has_this_authority_and_the_one_before() {
    let pem = |secret: &Secret| {
        String::from_utf8(secret.data.as_ref().expect("data")[CA_CERTIFICATE].0.clone()).expect("PEM")
    };
    let [(first, one), (second, two), (third, three)] = [made(NOW), made(NOW + 1), made(NOW + 2)];
    let bundle = |kept: &Kept, secret: &Secret, current: &[&str], now| {
        let current: Vec<_> = current.iter().map(|text| Bundle::read(text.as_bytes())).collect();
        wanted(&kept.authority, &pem(secret), &current, now)
    };
    let trusts = |bundle: &Bundle| [&one, &two, &three].map(|kept| bundle.trusts(&kept.authority));
    let begun = bundle(&one, &first, &["", "rubbish"], NOW);
    assert_eq!(trusts(&begun), [true, false, false]);
    let rotated = bundle(&two, &second, &[&begun.pem()], NOW);
    assert_eq!(trusts(&rotated), [true, true, false]);
    assert_eq!(bundle(&two, &second, &[&rotated.pem()], NOW), rotated, "there is nothing more to do");
    assert_eq!(bundle(&two, &second, &[&begun.pem(), ""], NOW), rotated, "one of two webhooks is behind");
    let again = bundle(&three, &third, &[&rotated.pem()], NOW);
    assert_eq!(trusts(&again), [false, true, true], "two at most");
    assert_eq!(Bundle::read(again.pem().as_bytes()), again);
    let late = bundle(&three, &third, &[&rotated.pem()], NOW + 365 * DAY + 2);
    assert_eq!(trusts(&late), [false, false, true], "the one before is no longer valid");
}
