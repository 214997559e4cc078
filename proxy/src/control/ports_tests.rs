//! Sharing ports out: the older wins, whatever came first.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;

fn claim(age: i64, wish: u16, holds: Option<u16>) -> Claim {
    Claim { wish: Some(wish), holds, age: Age::new(Some(age), "shop", &format!("p{age}")) }
}

fn ports(claims: &[Claim]) -> Vec<Option<u16>> {
    share_out(claims, |_| Ok(())).into_iter().map(|share| share.port).collect()
}

#[test]
fn the_older_of_two_pools_gets_the_port_and_the_other_hears_who() {
    let shares = share_out(&[claim(7, 80, None), claim(3, 80, None)], |_| Ok(()));
    assert_eq!(shares[0], Share { port: None, denied: Some(Denied::Pool(1)) });
    assert_eq!(shares[1], Share { port: Some(80), denied: None });
    // Also if the younger one was first.
    assert_eq!(ports(&[claim(7, 80, Some(80)), claim(3, 80, None)]), [None, Some(80)]);
}

#[test]
fn two_pools_swap_their_ports_whichever_table_comes_first() {
    let (both, a, b) = ([Some(81), Some(80)], claim(1, 81, Some(80)), claim(2, 80, Some(81)));
    // The older one's first: it takes the port, and the younger one is without for a moment.
    assert_eq!(ports(&[a.clone(), claim(2, 81, Some(81))]), [Some(81), None]);
    assert_eq!(ports(&[claim(1, 81, Some(81)), claim(2, 80, None)]), both);
    // The younger one's first: it stays where it is.
    assert_eq!(ports(&[claim(1, 80, Some(80)), b.clone()]), [Some(80), Some(81)]);
    // Both at once.
    assert_eq!(ports(&[a, b]), both);
}

#[test]
fn whoever_does_not_get_a_port_keeps_his_former_one_unless_somebody_older_wants_it() {
    let refuse_90 = |port: u16| if port == 90 { Err("in use".into()) } else { Ok(()) };
    let shares = share_out(&[claim(1, 90, Some(80)), claim(2, 80, None)], refuse_90);
    assert_eq!(shares[0], Share { port: Some(80), denied: Some(Denied::System("in use".into())) });
    assert_eq!(shares[1], Share { port: None, denied: Some(Denied::Pool(0)) });
    let shares = share_out(&[claim(2, 90, Some(80)), claim(1, 80, None)], refuse_90);
    assert_eq!((shares[0].port, shares[1].port), (None, Some(80)));
}

#[test]
fn a_known_creation_comes_before_an_unknown_one_and_then_names_decide() {
    let mut ages = [
        Age::new(None, "a", "a"),
        Age::new(Some(5), "z", "z"),
        Age::new(Some(5), "b", "y"),
        Age::new(Some(4), "z", "z"),
        Age::new(Some(5), "b", "x"),
    ];
    ages.sort();
    let names: Vec<_> = ages.iter().map(|age| format!("{}{}", age.namespace, age.name)).collect();
    assert_eq!(names, ["zz", "bx", "by", "zz", "aa"]);
}

fn claims() -> impl Strategy<Value = Vec<Claim>> {
    let wish = proptest::option::of(1u16..6);
    proptest::collection::vec((wish, proptest::option::of(1u16..6)), 1..8).prop_map(|wishes| {
        let mut held = BTreeSet::new();
        let claim = |(age, (wish, holds)): (usize, (Option<u16>, Option<u16>))| Claim {
            wish,
            // No two hold the same, and who has no table holds nothing.
            holds: holds.filter(|port| wish.is_some() && held.insert(*port)),
            age: Age::new(i64::try_from(age % 3).ok(), "shop", &format!("p{age}")),
        };
        wishes.into_iter().enumerate().map(claim).collect()
    })
}

proptest! {
    #[test]
    fn no_port_is_given_twice_and_nobody_gets_what_he_did_not_ask_for(claims in claims(), refused in 1u16..6) {
        let shares = share_out(&claims, |port| if port == refused { Err("no".into()) } else { Ok(()) });
        let mut owners = BTreeMap::new();
        for (pool, (claim, share)) in claims.iter().zip(&shares).enumerate() {
            prop_assert_eq!(share.denied.is_none(), claim.wish.is_none() || share.port == claim.wish);
            prop_assert!(share.port.is_none() || share.port == claim.wish || share.port == claim.holds);
            if let Some(port) = share.port {
                prop_assert_eq!(owners.insert(port, pool), None);
            }
            if let Some(Denied::Pool(other)) = share.denied {
                prop_assert!(claims[other].age < claim.age, "only an older one takes a port");
                prop_assert_eq!(shares[other].port, claim.wish);
            }
        }
    }

    #[test]
    fn the_order_of_pools_in_the_process_does_not_matter(claims in claims(), seed in any::<u64>()) {
        let mut order: Vec<usize> = (0..claims.len()).collect();
        fastrand::Rng::with_seed(seed).shuffle(&mut order);
        let shuffled: Vec<_> = order.iter().map(|pool| claims[*pool].clone()).collect();
        let (before, after) = (ports(&claims), ports(&shuffled));
        for (place, pool) in order.into_iter().enumerate() {
            prop_assert_eq!(before[pool], after[place]);
        }
    }

    /// Tables arrive one by one; the process decides after each. In the end it is as after a restart, but for those who keep
    /// a former port.
    #[test]
    fn the_order_of_arrival_does_not_decide_who_gets_a_port(
        wishes in proptest::collection::vec(1u16..6, 1..8),
        seed in any::<u64>(),
    ) {
        let claim = |pool: usize, wish, holds| Claim { wish, holds, age: Age::new(None, "shop", &format!("p{pool}")) };
        let mut order: Vec<usize> = (0..wishes.len()).collect();
        fastrand::Rng::with_seed(seed).shuffle(&mut order);
        let (mut arrived, mut held) = (BTreeSet::new(), vec![None; wishes.len()]);
        for pool in order {
            arrived.insert(pool);
            let now = wishes.iter().enumerate();
            let now = now.map(|(pool, wish)| claim(pool, arrived.contains(&pool).then_some(*wish), held[pool]));
            held = ports(&now.collect::<Vec<_>>());
        }
        let afresh = wishes.iter().enumerate().map(|(pool, wish)| claim(pool, Some(*wish), None));
        prop_assert_eq!(held, ports(&afresh.collect::<Vec<_>>()));
    }
}
