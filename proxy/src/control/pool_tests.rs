//! What a refused table leaves behind: nothing.

use std::net::IpAddr;

use evenkeel_crds::{
    RoutingTable,
    address::Scope,
    table::{BackendPolicy, BackendSource, EndpointRow, EndpointState, Endpoints, Fleet, Policy},
};

use super::*;

fn table(generation: i64, weight: u32, address: &str) -> RoutingTable {
    let mut policy = Policy::new("shop", "web", generation, 8080);
    policy.backends.push(BackendPolicy { name: "a".into(), weight, backup: false, source: BackendSource::Static });
    policy.revision = Policy::digest(&serde_json::to_value(&policy).expect("JSON"));
    let address: IpAddr = address.parse().expect("an address");
    let row = EndpointRow {
        address,
        port: 80,
        weight: 1,
        zone: String::new(),
        state: EndpointState::Ready,
        since: 0,
        pod: String::new(),
    };
    let endpoints = Endpoints { backends: [("a".into(), vec![row])].into() };
    RoutingTable { policy, endpoints, fleet: Fleet::default() }
}

fn pool() -> PoolControl {
    PoolControl::new(expected(true, Source::Watch))
}

fn expected(is_named: bool, source: Source) -> Expected {
    Expected { namespace: "shop".into(), name: "web".into(), is_named, scope: Scope::Cluster, source }
}

fn parts(table: &RoutingTable) -> Parts {
    Parts::encode(table).expect("encodes")
}

/// Does what control does where the port is free; whether the table came into force or was there already.
fn apply(pool: &mut PoolControl, table: &RoutingTable) -> bool {
    let taken = pool.take_in(Seen::Parts(parts(table)));
    let applied = taken.map(|taken| taken.into_iter().for_each(|taken| put_in_force(pool, taken)));
    let good = applied.is_ok();
    pool.note(applied.err());
    good
}

fn put_in_force(pool: &mut PoolControl, taken: Taken) {
    pool.await_port(taken);
    let taken = pool.enters(true).expect("it has its port");
    pool.in_force(taken);
    pool.place(true, None);
}

#[test]
fn a_refused_table_stays_refused_when_it_is_seen_again() {
    let (mut pool, forbidden) = (pool(), table(2, 1, "169.254.169.254"));
    assert!(apply(&mut pool, &table(1, 1, "10.0.0.1")));
    for seen in 1..=3 {
        assert!(!apply(&mut pool, &forbidden));
        assert!(!pool.last_load_succeeded() && pool.status().last_refusal.is_some());
        assert_eq!((pool.refusals, pool.status().generation), (seen, Some(1)));
    }
}

#[test]
fn a_good_table_after_a_refused_one_is_taken_whole() {
    let mut pool = pool();
    assert!(apply(&mut pool, &table(1, 1, "10.0.0.1")));
    assert!(!apply(&mut pool, &table(2, 7, "169.254.169.254")));
    // The same policy as in the refused table: it was never in force.
    assert!(apply(&mut pool, &table(2, 7, "10.0.0.2")));
    let table = pool.table().expect("a table");
    assert_eq!((table.policy.generation, table.policy.backends[0].weight), (2, 7));
    assert_eq!(table.endpoints.backends["a"][0].address.to_string(), "10.0.0.2");
    assert!(pool.last_load_succeeded());
}

#[test]
fn the_table_in_force_seen_again_ends_a_refusal_and_is_not_loaded_again() {
    let mut pool = pool();
    let good = table(1, 1, "10.0.0.1");
    assert!(apply(&mut pool, &good) && !apply(&mut pool, &table(2, 1, "127.0.0.1")) && apply(&mut pool, &good));
    assert_eq!((pool.loads, pool.last_load_succeeded()), (1, true));
}

#[test]
fn a_copy_serves_until_the_source_answers_and_never_replaces_what_it_brings() {
    let copy = table(1, 1, "10.0.0.1");
    let with_copy = || PoolControl { copy: Some(parts(&copy)), served_before: true, ..pool() };
    let mut waits = with_copy();
    waits.hear_nothing("away".into());
    let taken = waits.take_copy().expect("a copy").expect("a good one");
    put_in_force(&mut waits, taken);
    let status = waits.status();
    assert_eq!((status.source, status.generation, waits.is_from_copy()), (Source::LastGood, Some(1), true));
    assert_eq!(status.waiting_for.as_deref(), Some("away"));

    // The same table from the source: nothing is loaded anew, but where it is from is another matter.
    assert!(apply(&mut waits, &copy));
    let status = waits.status();
    assert_eq!((status.source, status.waiting_for, waits.loads), (Source::Watch, None, 1));
    assert!(waits.take_copy().is_none());

    let mut prompt = with_copy();
    assert!(apply(&mut prompt, &table(2, 1, "10.0.0.2")));
    prompt.hear_nothing("away".into());
    assert!(prompt.take_copy().is_none());
    assert_eq!((prompt.status().generation, prompt.status().waiting_for), (Some(2), None));

    // What is published cannot be used: better the copy than nothing.
    let mut refused = with_copy();
    assert!(!apply(&mut refused, &table(2, 1, "169.254.169.254")));
    let taken = refused.take_copy().expect("a copy").expect("a good one");
    put_in_force(&mut refused, taken);
    assert_eq!((refused.status().generation, refused.last_load_succeeded()), (Some(1), false));
}

#[test]
fn a_mount_is_known_by_its_directory_until_a_table_names_the_pool_and_then_takes_no_other() {
    let directory = Expected { namespace: String::new(), name: "/tables/a".into(), ..expected(false, Source::Mount) };
    let mut pool = PoolControl::new(directory);
    pool.hear_nothing("/tables/a: empty".into());
    assert_eq!(pool.trouble(), "/tables/a has no table yet: /tables/a: empty");
    assert_eq!((pool.status().namespace, pool.status().name), (String::new(), "/tables/a".into()));
    assert!(apply(&mut pool, &table(1, 1, "10.0.0.1")));
    assert_eq!((pool.status().namespace, pool.status().name), ("shop".into(), "web".into()));

    let mut other = table(2, 1, "10.0.0.1");
    other.policy.pool = "other".into();
    other.policy.revision = Policy::digest(&serde_json::to_value(&other.policy).expect("JSON"));
    assert!(!apply(&mut pool, &other));
    let refusal = pool.status().last_refusal.expect("a refusal").message;
    assert!(refusal.contains("shop/other") && refusal.contains("not of shop/web"), "{refusal}");
}

#[test]
fn a_pool_that_lost_its_port_says_so_and_follows_its_tables_all_the_same() {
    let mut pool = pool();
    assert!(apply(&mut pool, &table(1, 1, "10.0.0.1")));
    let older = Refusal::new("port 8080 belongs to pool shop/a".into());
    pool.place(false, Some(older.clone()));
    let status = pool.status();
    assert_eq!((status.generation, status.last_refusal), (None, Some(older)));

    // Connections that were made before live on, and need its endpoints.
    let taken = pool.take_in(Seen::Parts(parts(&table(2, 1, "10.0.0.2")))).expect("good").expect("new");
    pool.await_port(taken);
    let taken = pool.enters(false).expect("it changes nothing about the port");
    pool.in_force(taken);
    assert_eq!(pool.table().map(|table| table.policy.generation), Some(2));
    pool.place(true, None);
    assert_eq!((pool.status().generation, pool.status().last_refusal), (Some(2), None));
}

#[test]
fn started_again_without_its_port_it_holds_nobody_up_but_a_first_start_waits() {
    for served_before in [false, true] {
        let mut pool = PoolControl { served_before, ..pool() };
        assert!(!pool.has_started());
        let taken = pool.take_in(Seen::Parts(parts(&table(1, 1, "10.0.0.1")))).expect("good").expect("new");
        pool.await_port(taken);
        assert!(pool.enters(false).is_none());
        pool.place(false, Some(Refusal::new("taken".into())));
        assert_eq!(pool.has_started(), served_before);
        assert_eq!(pool.trouble(), "pool shop/web does not listen: taken");
    }
}
