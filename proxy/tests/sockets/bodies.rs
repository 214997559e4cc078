//! Bodies stream both ways, whole or visibly broken.

use bytes::Bytes;
use evenkeel_tests::memory::peak_kb;

use crate::endpoint::Endpoint;
use crate::pool::{Pool, xserver};
use crate::proxy::{Proxy, until};
use crate::wire::{GET, OK, POST, field, status};

#[tokio::test]
async fn chunks_and_trailers_pass_both_ways() {
    let (tell, mut told) = tokio::sync::mpsc::channel(1);
    let endpoint = Endpoint::start(move |mut accepted| {
        let tell = tell.clone();
        async move {
            while accepted.head().await.is_some() {
                tell.send(accepted.conn.chunks_and_trailers().await).await.unwrap();
                let answer = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n\
                              3\r\nabc\r\n0\r\nX-Sum: 9\r\n\r\n";
                accepted.conn.send(answer).await;
            }
        }
    })
    .await;
    let proxy = Proxy::start(&Pool::of(&[endpoint.addr])).await;
    let mut client = proxy.connect().await;
    for _ in 0..3 {
        client.send("POST / HTTP/1.1\r\nHost: a\r\nTE: trailers\r\nTrailer: X-Sum\r\n").await;
        client.send("Transfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\nX-Sum: 7\r\n\r\n").await;
        let head = client.head().await.unwrap();
        assert_eq!((status(&head), field(&head, "transfer-encoding")), (200, Some("chunked")));
        let sent = told.recv().await.unwrap().expect("a whole body");
        assert_eq!(sent, ("ab".into(), vec!["x-sum: 7".into()]));
        let got = client.chunks_and_trailers().await.expect("a whole body");
        assert_eq!(got, ("abc".into(), vec!["x-sum: 9".into()]));
    }
    assert_eq!(endpoint.connections(), 1, "trailers end a message cleanly");
}

#[tokio::test]
async fn answers_without_a_body_keep_their_fields_and_the_connection() {
    let endpoint = Endpoint::start(|mut accepted| async move {
        while let Some((head, _)) = accepted.request().await {
            let answer = match head.split(' ').nth(1).unwrap() {
                "/204" => "HTTP/1.1 204 No Content\r\nX-Own: 1\r\n\r\n",
                "/304" => "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\nETag: x\r\n\r\n",
                "/chunked" => "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
                _ => "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n",
            };
            accepted.conn.send(answer).await;
        }
    })
    .await;
    let proxy = Proxy::with(&[&Pool::of(&[endpoint.addr])], &["--threads", "1"]).await;
    let mut client = proxy.connect().await;
    for _ in 0..3 {
        let mut ask = async |request: &str| {
            client.send(format!("{request} HTTP/1.1\r\nHost: a\r\n\r\n")).await;
            client.head().await.unwrap()
        };
        let head = ask("HEAD /").await;
        assert_eq!((status(&head), field(&head, "content-length")), (200, Some("5")));
        assert_eq!(status(&ask("HEAD /chunked").await), 200);
        let head = ask("GET /204").await;
        assert_eq!((status(&head), field(&head, "content-length"), field(&head, "x-own")), (204, None, Some("1")));
        let head = ask("GET /304").await;
        assert_eq!((status(&head), field(&head, "etag")), (304, Some("x")));
    }
    assert_eq!(endpoint.connections(), 1);
    proxy.settles().await;
}

#[tokio::test]
async fn large_bodies_stream_in_little_memory() {
    const BYTES: u64 = 64 << 20;
    let server = xserver("big").await;
    let sink = Endpoint::start(|mut accepted| async move {
        accepted.head().await;
        accepted.conn.count_to(BYTES).await;
        accepted.conn.send(OK).await;
    })
    .await;
    let down = Pool::of(&[server.addr()]);
    let up = Pool { name: "up", port: down.port + 1, ..Pool::of(&[sink.addr]) };
    let proxy = Proxy::with(&[&down, &up], &["--threads", "1"]).await;
    let before = peak_kb(proxy.id());
    for framing in ["", "&chunked=true"] {
        let mut client = proxy.connect().await;
        client.send(format!("GET /?bytes={BYTES}{framing} HTTP/1.1\r\nHost: a\r\n\r\n")).await;
        assert_eq!(status(&client.head().await.unwrap()), 200);
        // A client that does not read holds the endpoint back; it does not fill the proxy.
        proxy.reaches("evenkeel_requests_in_flight", &[r#"pool="web""#], 1).await;
        client.count_to(BYTES).await;
    }
    let mut client = crate::wire::Conn::connect((proxy.addr.ip(), up.port).into()).await;
    client.send(format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {BYTES}\r\n\r\n")).await;
    let block = Bytes::from(vec![b'x'; 1 << 20]);
    for _ in 0..BYTES >> 20 {
        client.send(&block).await;
    }
    assert_eq!(status(&client.answer().await.0), 200);
    let grown = peak_kb(proxy.id()) - before;
    assert!(grown < 8 * 1024, "{grown} KiB more");
    proxy.settles().await;
}

#[tokio::test]
async fn an_answer_before_the_end_of_the_request_passes_at_once() {
    let endpoint = Endpoint::start(|mut accepted| async move {
        accepted.head().await;
        accepted.conn.send("HTTP/1.1 413 Content Too Large\r\nContent-Length: 3\r\nConnection: close\r\n\r\nbig").await;
        let _ = accepted.conn.rest().await;
    })
    .await;
    let proxy = Proxy::start(&Pool::of(&[endpoint.addr])).await;
    let mut client = proxy.connect().await;
    client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\nbegin").await;
    let (head, body) = client.answer().await;
    assert_eq!((status(&head), body.as_str()), (413, "big"));
    proxy.settles().await;
    // The next client gets its own connection, not one with half a request on it.
    assert_eq!(status(&proxy.ask(POST).await.0), 413);
    assert_eq!(endpoint.connections(), 2);
    drop(client);
    until("nobody is connected", async || proxy.metric("evenkeel_connections_active", &[]).await <= 1).await;
}

#[tokio::test]
async fn a_request_after_a_refused_body_is_served() {
    let proxy = Proxy::start(&Pool::of(&[crate::endpoint::nobody().await])).await;
    let mut client = proxy.connect().await;
    for _ in 0..3 {
        client.send(POST).await;
        assert_eq!(status(&client.answer().await.0), 502);
        client.send(GET).await;
        assert_eq!(status(&client.answer().await.0), 502);
    }
}
