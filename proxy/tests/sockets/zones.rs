//! Zones, as clients see them: a proxy's own first, as long as it can bear it.

use std::collections::BTreeMap;

use evenkeel_crds::table::{ENDPOINTS_KEY, Parts};
use evenkeel_tests::xserver::XServer;

use crate::balancing::{answers, hold};
use crate::namespace::{in_namespace, xserver};
use crate::pool::{PORT, Pool};
use crate::proxy::{Proxy, own_address};
use crate::tables::{Mount, parts};

/// The pool's table, the first two servers in one zone, the others in the next.
fn zoned(pool: &Pool, servers: &[XServer]) -> Parts {
    let near = servers[..2].iter().map(|server| u64::from(server.addr().port())).collect::<Vec<_>>();
    let mut parts = parts(pool, 1);
    let text = parts.data.get_mut(ENDPOINTS_KEY).unwrap();
    let mut json: serde_json::Value = serde_json::from_str(text).unwrap();
    for row in json["backends"]["b0"].as_array_mut().unwrap() {
        let is_near = row[1].as_u64().is_some_and(|port| near.contains(&port));
        row[3] = if is_near { "eu-1a" } else { "eu-1b" }.into();
    }
    *text = json.to_string();
    parts
}

/// A proxy in a zone, on such a table.
async fn start(balancing: &'static str, servers: &[XServer], zone: &str) -> Proxy {
    let addresses: Vec<_> = servers.iter().map(XServer::addr).collect();
    let folder = tempfile::tempdir().unwrap();
    let mount = Mount::empty(&folder.path().join("web"));
    mount.put(&zoned(&Pool { balancing, ..Pool::of(&addresses) }, servers));
    let path = mount.path.to_str().unwrap().to_owned();
    let arguments = ["--tables", &path, "--sidecar", "--threads", "1", "--zone", zone];
    let proxy = Proxy::run(own_address(), PORT, folder, arguments).await;
    assert_eq!(proxy.probe("/startupz").await, 200);
    proxy
}

/// How many answers come from the first two, and from the others.
fn by_zone(counts: &BTreeMap<String, usize>) -> [usize; 2] {
    let of = |names: [&str; 2]| names.iter().filter_map(|name| counts.get(*name)).sum();
    [of(["a", "b"]), of(["c", "d"])]
}

in_namespace! {
    async fn a_proxy_prefers_its_own_zone_as_long_as_it_can_bear_it() {
        let servers = [xserver("a").await, xserver("b").await, xserver("c").await, xserver("d").await];
        let local = "{zoneAware: {mode: PreferLocal}}";
        for (balancing, zone, expected) in [
            (local, "eu-1a", [40, 0]),
            (local, "eu-1b", [0, 40]),
            (local, "us-1a", [20, 20]),
            ("{algorithm: RoundRobin, zoneAware: {mode: PreferLocal}}", "eu-1a", [40, 0]),
            ("{algorithm: RoundRobin}", "eu-1a", [20, 20]),
        ] {
            let proxy = start(balancing, &servers, zone).await;
            let counts = by_zone(&answers(&proxy, 40).await);
            let is_near = counts.iter().zip(expected).all(|(count, expected)| {
                if expected == 20 { (5..=35).contains(count) } else { *count == expected }
            });
            assert!(is_near, "{balancing} in {zone}: {counts:?}");
        }
    }

    async fn what_is_too_much_for_the_own_zone_goes_to_others() {
        let servers = [xserver("a").await, xserver("b").await, xserver("c").await, xserver("d").await];
        // So many are held at each of the two: the load of a local and a remote endpoint is then as this many and one to one.
        for (balancing, held, spills) in [
            ("{zoneAware: {mode: PreferLocal, spillOverPercent: 50}}", 1, true),
            ("{zoneAware: {mode: PreferLocal}}", 1, false),
            ("{zoneAware: {mode: PreferLocal}}", 5, true),
            ("{zoneAware: {mode: PreferLocal, spillOverPercent: 80}}", 5, true),
            ("{zoneAware: {mode: PreferLocal, spillOverPercent: 95}}", 5, false),
            ("{zoneAware: {mode: PreferLocal, spillOverPercent: 100}}", 5, false),
        ] {
            let proxy = start(balancing, &servers, "eu-1a").await;
            let mut clients = Vec::new();
            // What spills over while they are sent is no matter: until that is so, they all stay.
            while clients.len() < 2 * held && by_zone(&answers(&proxy, 1).await)[0] == 1 {
                let already = u64::try_from(clients.len()).unwrap();
                clients.push(hold(&proxy, "GET /?delay=60s HTTP/1.1\r\nHost: shop.example\r\n\r\n", already).await);
            }
            let [_, far] = by_zone(&answers(&proxy, 20).await);
            assert_eq!(far > 0, spills, "{balancing}: {far} with {} held", clients.len());
        }
    }
}
