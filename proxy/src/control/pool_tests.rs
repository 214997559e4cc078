//! What a refused table leaves behind: nothing.

use std::net::IpAddr;

use evenkeel_crds::{
    RoutingTable,
    table::{BackendPolicy, BackendSource, EndpointRow, EndpointState, Endpoints, Fleet, Policy},
};

use super::*;

fn table(generation: i64, weight: u32, address: &str) -> RoutingTable {
    let mut policy = Policy::new("shop", "web", generation, 8080);
    policy.backends.push(BackendPolicy { name: "a".into(), weight, source: BackendSource::Static });
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
    PoolControl::new(Expected { namespace: "shop".into(), name: "web".into(), scope: Scope::Cluster })
}

/// Does what control does; whether the table came into force or was there already.
fn apply(pool: &mut PoolControl, table: &RoutingTable) -> bool {
    let parts = Parts::encode(table).expect("encodes");
    let taken = pool.take_in(Ok(Seen::Parts(parts)));
    let applied = taken.map(|taken| taken.into_iter().for_each(|taken| pool.in_force(taken)));
    pool.note(&applied);
    applied.is_ok()
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
    let table = pool.table.as_ref().expect("a table");
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
