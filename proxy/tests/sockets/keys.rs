//! Consistent hashing, as clients see it: what a request's key is, where it leads, and what bounds it.

use std::collections::BTreeSet;

use crate::balancing::{held, hold, start};
use crate::pool::{Pool, xservers};
use crate::proxy::Proxy;
use crate::wire::field;

/// A pool by keys of that kind.
macro_rules! by {
    ($hash:literal) => {
        concat!("{algorithm: ConsistentHash, consistentHash: {", $hash, "}}")
    };
}

/// A kind of key, and requests with the n-th key that differ in all else, by a second number.
struct Case {
    balancing: &'static str,
    listener: &'static str,
    request: fn(usize, usize) -> String,
}

fn get(target: &str, fields: &str) -> String {
    format!("GET {target} HTTP/1.1\r\nHost: shop.example\r\n{fields}\r\n")
}

const TRUSTED: &str = ", trustedPeers: [127.0.0.0/8]";

const CASES: [Case; 9] = [
    Case {
        balancing: by!("type: Path"),
        listener: "",
        request: |key, other| get(&format!("/item/{key}?v={other}"), ""),
    },
    Case {
        balancing: by!("type: Path, table: Maglev"),
        listener: "",
        request: |key, other| get(&format!("/item/{key}?v={other}"), ""),
    },
    Case {
        balancing: by!("type: Header, header: {name: X-User}"),
        listener: "",
        request: |key, other| get(&format!("/{other}"), &format!("x-uSER: user-{key}\r\nX-User: {other}\r\n")),
    },
    Case {
        balancing: by!("type: Cookie, cookie: {name: sid}"),
        listener: "",
        request: |key, other| {
            get(&format!("/{other}"), &format!("Cookie: SID={other}; xsid={other}; sid=u{key}; a=b\r\n"))
        },
    },
    Case {
        balancing: by!("type: QueryParameter, queryParameter: {name: user}"),
        listener: "",
        request: |key, other| get(&format!("/{other}?users={other}&user=u{key}&user={other}"), ""),
    },
    Case {
        balancing: by!("type: Host"),
        listener: "",
        request: |key, other| {
            let host = if other % 2 == 0 { format!("shop-{key}.example") } else { format!("SHOP-{key}.example:8080") };
            format!("GET /{other} HTTP/1.1\r\nHost: {host}\r\n\r\n")
        },
    },
    Case {
        balancing: by!("type: SourceIP"),
        listener: TRUSTED,
        request: |key, other| {
            get(&format!("/{other}"), &format!("X-Forwarded-For: 198.51.100.{other}, 192.0.2.{key}\r\n"))
        },
    },
    Case {
        balancing: by!("type: Path, maxLoadPercent: 101"),
        listener: "",
        request: |key, _| get(&format!("/{key}"), ""),
    },
    Case {
        balancing: by!("type: Path, maxLoadPercent: 1000, table: Maglev"),
        listener: "",
        request: |key, _| get(&format!("/{key}"), ""),
    },
];

/// Who answers.
async fn server(proxy: &Proxy, request: &str) -> String {
    field(&proxy.ask(request).await.0, "x-server").expect("an endpoint's answer").to_owned()
}

#[tokio::test]
async fn a_key_has_one_endpoint_and_keys_have_all_of_them() {
    let servers = xservers::<3>().await;
    let addresses: Vec<_> = servers.iter().map(evenkeel_tests::xserver::XServer::addr).collect();
    for Case { balancing, listener, request } in CASES {
        let pool = Pool { balancing, listener, ..Pool::of(&addresses) };
        let [one, other] = [start(&pool).await, start(&pool).await];
        let mut seen = BTreeSet::new();
        for key in 0..40 {
            let first = server(&one, &request(key, 0)).await;
            for variant in 1..3 {
                assert_eq!(server(&one, &request(key, variant)).await, first, "{balancing}: key {key}");
            }
            assert_eq!(server(&other, &request(key, 7)).await, first, "{balancing}: key {key} at another proxy");
            seen.insert(first);
        }
        assert_eq!(seen.len(), 3, "{balancing}");
    }
}

#[tokio::test]
async fn requests_without_the_key_are_spread_and_strangers_do_not_choose_theirs() {
    let servers = xservers::<3>().await;
    let addresses: Vec<_> = servers.iter().map(evenkeel_tests::xserver::XServer::addr).collect();
    for (balancing, fields, expected) in [
        (by!("type: Header, header: {name: X-User}"), "Y-User: 1\r\n", 3),
        (by!("type: Header, header: {name: X-User}"), "X-User:\r\n", 3),
        (by!("type: Cookie, cookie: {name: sid}"), "Cookie: side=1\r\n", 3),
        (by!("type: QueryParameter, queryParameter: {name: user}"), "", 3),
        // Nobody vouches for it: all come from one address.
        (by!("type: SourceIP"), "X-Forwarded-For: 192.0.2.N\r\n", 1),
    ] {
        let proxy = start(&Pool { balancing, ..Pool::of(&addresses) }).await;
        let mut seen = BTreeSet::new();
        for number in 0..30 {
            seen.insert(server(&proxy, &get("/", &fields.replace('N', &number.to_string()))).await);
        }
        assert_eq!(seen.len(), expected, "{balancing} {fields}: {seen:?}");
    }
}

#[tokio::test]
async fn tables_differ_and_a_bound_sends_elsewhere_what_is_too_much() {
    let servers = xservers::<2>().await;
    let addresses = [servers[0].addr(), servers[1].addr()];
    let mut owners = Vec::new();
    for balancing in [by!("type: Path"), by!("type: Path, table: Ring"), by!("type: Path, table: Maglev")] {
        let proxy = start(&Pool { balancing, ..Pool::of(&addresses) }).await;
        let mut of = Vec::new();
        for key in 0..64 {
            of.push(server(&proxy, &get(&format!("/{key}"), "")).await);
        }
        owners.push(of);
    }
    assert_eq!(owners[0], owners[1], "a ring, unless something else is asked for");
    assert_ne!(owners[1], owners[2]);

    // Four of one key at once: all at its endpoint, or three, or two; of 2 endpoints' 4, 125 % of a half is 2.5, 180 % is 3.6.
    for (balancing, most) in [
        (by!("type: Path"), 4),
        (by!("type: Path, maxLoadPercent: 101"), 3),
        (by!("type: Path, maxLoadPercent: 125"), 3),
        (by!("type: Path, maxLoadPercent: 1000"), 4),
    ] {
        let proxy = start(&Pool { balancing, ..Pool::of(&addresses) }).await;
        let mut clients = Vec::new();
        for number in 0..4 {
            clients.push(hold(&proxy, &get("/same?delay=60s", ""), number).await);
        }
        let counts = [held(&proxy, &servers[0]).await, held(&proxy, &servers[1]).await];
        assert_eq!(counts.iter().sum::<u64>(), 4);
        let largest = counts[0].max(counts[1]);
        let as_expected = if most == 4 { largest == 4 } else { largest <= most };
        assert!(as_expected, "{balancing}: {counts:?}");
    }
}
