//! What the proxy tells of its choice is how it chooses.

use std::time::Duration;

use evenkeel_tests::{metrics::sum, xserver::XServer};
use serde_json::Value;

use crate::pool::{Pool, xservers};
use crate::proxy::Proxy;
use crate::wire::{field, status};

const BY_USER: &str = "{algorithm: ConsistentHash, consistentHash: {type: Header, header: {name: x-user}}}";

async fn explain(proxy: &Proxy, query: &str) -> Value {
    let (head, body) = proxy.admin(&format!("/explain?{query}")).await;
    assert_eq!(status(&head), 200, "{body}");
    serde_json::from_str(&body).unwrap()
}

/// The endpoint that the last step picks.
fn picked(explanation: &Value) -> &str {
    let last = explanation["steps"].as_array().and_then(|steps| steps.last()).unwrap();
    assert_eq!(last["step"], "picked");
    last["endpoint"].as_str().unwrap()
}

#[tokio::test]
async fn the_endpoint_of_a_key_is_told_before_a_request_goes_there() {
    let servers = xservers::<5>().await;
    let addresses: Vec<_> = servers.iter().map(XServer::addr).collect();
    let proxy = Proxy::start(&Pool { balancing: BY_USER, ..Pool::of(&addresses) }).await;
    for user in ["ann", "bob", "a b&c"] {
        let query: String = user.replace('&', "%26").replace(' ', "+");
        let explanation = explain(&proxy, &format!("pool=default/web&key={query}")).await;
        let head = proxy.ask(&format!("GET / HTTP/1.1\r\nHost: a\r\nX-User: {user}\r\n\r\n")).await.0;
        let server = field(&head, "x-server").unwrap();
        let number: usize = server.trim_start_matches('s').parse().unwrap();
        assert_eq!(picked(&explanation), addresses[number].to_string(), "{user}: {explanation:#}");
        assert_eq!((&explanation["algorithm"], &explanation["key"]), (&"ConsistentHash".into(), &user.into()));
    }
    let kept = proxy.metric("evenkeel_affinity_total", &[r#"result="kept""#]).await;
    assert_eq!((kept, proxy.metric("evenkeel_affinity_total", &[]).await), (3, 3));
}

#[tokio::test]
async fn candidates_and_what_speaks_for_them_are_told_and_nothing_comes_of_it() {
    let servers = xservers::<3>().await;
    let addresses: Vec<_> = servers.iter().map(XServer::addr).collect();
    let proxy = Proxy::start(&Pool { balancing: "{}", ..Pool::of(&addresses) }).await;
    proxy.ask("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    proxy.settles().await;
    let first = explain(&proxy, "pool=default/web&thread=0").await;
    assert_eq!(first["algorithm"], "LeastRequest");
    let looked = first["steps"].as_array().unwrap().iter().filter(|step| step["step"] == "looked");
    assert_eq!(looked.clone().filter(|step| step["latencyMicros"].is_u64()).count(), 1, "{first:#}");
    assert_eq!(looked.filter(|step| step["cost"] == 0.0 && step["inFlight"] == 0).count(), 3, "{first:#}");
    assert_eq!(picked(&explain(&proxy, "pool=default/web").await), picked(&first), "asking takes no turn");
}

#[tokio::test]
async fn who_asks_for_what_there_is_not_is_told_what_to_ask() {
    let servers = xservers::<1>().await;
    let proxy = Proxy::start(&Pool::of(&[servers[0].addr()])).await;
    for (query, code, words) in [
        ("", 400, "which pool?"),
        ("?key=a", 400, "which pool?"),
        ("?pool=default/other", 404, "no such pool"),
        ("?pool=default/web&thread=99", 404, "no such worker"),
        ("?pool=default/web&thread=x", 404, "no such worker"),
    ] {
        let (head, body) = proxy.admin(&format!("/explain{query}")).await;
        assert!(status(&head) == code && body.contains(words), "{query}: {head}{body}");
    }
}

#[tokio::test]
async fn the_time_that_a_client_takes_to_send_is_not_the_endpoints() {
    const SLOW: Duration = Duration::from_millis(400);
    let servers = xservers::<1>().await;
    let proxy = Proxy::start(&Pool { balancing: "{}", ..Pool::of(&[servers[0].addr()]) }).await;
    let mut client = proxy.connect().await;
    client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nab").await;
    tokio::time::sleep(SLOW).await; // what is to be seen, and not waited for
    client.send("cd").await;
    assert_eq!(status(&client.answer().await.0), 200);
    let metrics = proxy.admin("/metrics").await.1;
    let latency = sum::<f64>(&metrics, "evenkeel_endpoint_latency_seconds", &[]);
    assert!(latency > 0.0 && latency < SLOW.as_secs_f64() / 2.0, "{latency}");
}
