//! Fields, targets and methods: what passes, what is added, what is refused.

use crate::endpoint::Endpoint;
use crate::pool::Pool;
use crate::proxy::Proxy;
use crate::wire::{GET, OK, field, fields, status};

async fn one(answer: &'static str) -> (Endpoint, Proxy) {
    let endpoint = Endpoint::answering(answer).await;
    let proxy = Proxy::start(&Pool::of(&[endpoint.addr])).await;
    (endpoint, proxy)
}

#[tokio::test]
async fn what_belongs_to_a_connection_stays_there_and_the_origin_is_told() {
    let answer = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: keep-alive, x-internal\r\nX-Internal: 1\r\n\
                  Keep-Alive: timeout=5\r\nProxy-Connection: keep-alive\r\nEvenkeel-Reason: UH\r\nX-Own: 2\r\n\
                  Set-Cookie: a=1\r\nSet-Cookie: b=2\r\n\r\nok";
    let (endpoint, proxy) = one(answer).await;
    let request = "GET /a%2Fb?x=%20&y HTTP/1.1\r\nHost: shop.example:81\r\nConnection: X-Secret, \u{e4}, host\r\n\
                   X-Secret: 1\r\nKeep-Alive: 5\r\nProxy-Connection: keep-alive\r\nTE: trailers, gzip\r\n\
                   X-Forwarded-For: 1.2.3.4\r\nX-Forwarded-Host: evil.example\r\nX-Forwarded-Proto: https\r\n\
                   X-Real-IP: 1.2.3.4\r\nForwarded: for=1.2.3.4\r\nCookie: a=1\r\nX-Own: 1\r\n\r\n";
    let (head, _) = proxy.ask(request).await;
    let sent = endpoint.heads().remove(0);
    assert!(sent.starts_with("GET /a%2Fb?x=%20&y HTTP/1.1\r\n"), "{sent}");
    for name in ["connection", "x-secret", "keep-alive", "proxy-connection", "forwarded"] {
        assert_eq!(fields(&sent, name), Vec::<&str>::new(), "{name}");
    }
    for (name, value) in [
        ("host", "shop.example:81"),
        ("te", "trailers"),
        ("x-forwarded-for", "127.0.0.1"),
        ("x-forwarded-host", "shop.example:81"),
        ("x-forwarded-proto", "http"),
        ("x-real-ip", "127.0.0.1"),
        ("cookie", "a=1"),
        ("x-own", "1"),
    ] {
        assert_eq!(fields(&sent, name), [value], "{name}");
    }
    for name in ["connection", "x-internal", "keep-alive", "proxy-connection", "evenkeel-reason"] {
        assert_eq!(fields(&head, name), Vec::<&str>::new(), "{name}");
    }
    assert_eq!((field(&head, "x-own"), fields(&head, "set-cookie")), (Some("2"), vec!["a=1", "b=2"]));
}

#[tokio::test]
async fn absolute_form_leaves_in_origin_form_with_its_authority_as_host() {
    let (endpoint, proxy) = one(OK).await;
    proxy.ask("GET http://abs.example:8/p?q HTTP/1.1\r\nHost: other.example\r\n\r\n").await;
    proxy.ask("GET http://abs.example HTTP/1.1\r\nHost: other.example\r\n\r\n").await;
    let [first, second] = &endpoint.heads()[..] else { panic!("two requests") };
    assert!(first.starts_with("GET /p?q HTTP/1.1\r\n"), "{first}");
    assert_eq!(fields(first, "host"), ["abs.example:8"]);
    assert_eq!(fields(first, "x-forwarded-host"), ["abs.example:8"]);
    assert!(second.starts_with("GET / HTTP/1.1\r\n"), "{second}");
}

#[tokio::test]
async fn an_http_1_0_client_is_served() {
    let (endpoint, proxy) = one("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n").await;
    let mut client = proxy.connect().await;
    client.send("GET / HTTP/1.0\r\n\r\n").await;
    let answer = client.rest().await.unwrap();
    // No chunks: it would take them for the text. The end of the connection is the end of the body.
    assert!(answer.contains(" 200 ") && answer.ends_with("\r\n\r\nok"), "{answer}");
    let sent = &endpoint.heads()[0];
    assert!(sent.starts_with("GET / HTTP/1.1\r\n"), "{sent}");
    assert_eq!(field(sent, "host").unwrap(), proxy.addr.to_string());

    let (_endpoint, proxy) = one(OK).await;
    let mut client = proxy.connect().await;
    for _ in 0..2 {
        client.send("GET / HTTP/1.0\r\nHost: x\r\nConnection: keep-alive\r\n\r\n").await;
        assert_eq!(client.answer().await.1, "ok");
    }
}

/// Refused with a status, closed, counted as the client's fault, and never seen by an endpoint.
#[tokio::test]
async fn what_is_not_served_is_refused_and_the_connection_closed() {
    let (endpoint, proxy) = one(OK).await;
    let cases = [
        ("GET / HTTP/1.1\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", 400),
        ("GET http://abs.example/ HTTP/1.1\r\n\r\n", 400),
        ("GET http://abs.example/ HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400),
        ("CONNECT shop.example:443 HTTP/1.1\r\nHost: shop.example:443\r\n\r\n", 405),
        ("TRACE / HTTP/1.1\r\nHost: a\r\nX-Secret: 1\r\n\r\n", 405),
        ("POST / HTTP/1.1\r\nHost: a\r\nExpect: 200-maybe\r\nContent-Length: 1\r\n\r\n", 417),
        ("POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nExpect: x\r\nContent-Length: 1\r\n\r\n", 417),
    ];
    for (request, expected) in cases {
        let mut client = proxy.connect().await;
        client.send(request).await;
        let (head, body) = client.answer().await;
        assert_eq!(status(&head), expected, "{request:?}");
        assert_eq!(field(&head, "evenkeel-reason"), Some("DPE"), "{request:?}");
        assert_eq!(field(&head, "connection"), Some("close"), "{request:?}");
        assert!(!body.contains("X-Secret"), "{body}");
        assert!(client.is_closed().await, "{request:?}");
    }
    assert_eq!(endpoint.connections(), 0);
    assert_eq!(proxy.failures("DPE").await, cases.len() as u64);
}

#[tokio::test]
async fn a_client_that_expects_100_gets_it_when_the_body_is_wanted() {
    let (endpoint, proxy) = one(OK).await;
    let mut client = proxy.connect().await;
    client.send("POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-Continue\r\nContent-Length: 3\r\n\r\n").await;
    assert_eq!(status(&client.head().await.unwrap()), 100);
    client.send("abc").await;
    assert_eq!(status(&client.answer().await.0), 200);
    assert_eq!(field(&endpoint.heads()[0], "expect"), None);
}

#[tokio::test]
async fn an_upgrade_is_forwarded_as_a_plain_request() {
    let (endpoint, proxy) = one(OK).await;
    let upgrade = "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: websocket\r\n\
                   HTTP2-Settings: AAMAAABk\r\nSec-WebSocket-Key: x\r\n\r\n";
    let mut client = proxy.connect().await;
    client.send(upgrade).await;
    assert_eq!(status(&client.answer().await.0), 200);
    client.send(GET).await;
    assert_eq!(status(&client.answer().await.0), 200);
    let sent = &endpoint.heads()[0];
    assert_eq!([field(sent, "upgrade"), field(sent, "connection"), field(sent, "http2-settings")], [None; 3]);
}

#[tokio::test]
async fn an_unasked_101_is_a_protocol_error_of_the_endpoint() {
    let switch = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";
    let (_endpoint, proxy) = one(switch).await;
    let (head, _) = proxy.ask(GET).await;
    assert_eq!((status(&head), field(&head, "evenkeel-reason")), (502, Some("UPE")));
    proxy.settles().await;
}
