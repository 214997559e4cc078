//! Where a message ends: one reading of it, on both sides, whatever the client sends.

use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::sleep;

use crate::endpoint::Endpoint;
use crate::pool::Pool;
use crate::proxy::{Proxy, until};
use crate::wire::{GET, OK, field, status};

/// An endpoint that reads chunks or a length, answers, and tells what body it read; `None`: it was cut short.
async fn reader() -> (Endpoint, mpsc::Receiver<Option<String>>) {
    let (tell, told) = mpsc::channel(100);
    let endpoint = Endpoint::start(move |mut accepted| {
        let tell = tell.clone();
        async move {
            while let Some(head) = accepted.head().await {
                let body = match (field(&head, "content-length"), field(&head, "transfer-encoding")) {
                    (Some(length), None) => accepted.conn.try_exactly(length.parse().unwrap()).await,
                    (None, Some("chunked")) => accepted.conn.chunks().await,
                    (None, None) => Some(String::new()),
                    both => panic!("two framings: {both:?}"),
                };
                let whole = body.is_some();
                tell.send(body).await.unwrap();
                if !whole {
                    return;
                }
                accepted.conn.send(OK).await;
            }
        }
    })
    .await;
    (endpoint, told)
}

#[tokio::test]
async fn a_body_goes_along_with_any_method() {
    let (endpoint, mut told) = reader().await;
    let proxy = Proxy::start(&Pool::of(&[endpoint.addr])).await;
    for method in ["GET", "DELETE", "POST", "OPTIONS", "PATCH"] {
        let mut client = proxy.connect().await;
        client.send(format!("{method} / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc")).await;
        assert_eq!(status(&client.answer().await.0), 200);
        assert_eq!(told.recv().await.unwrap().unwrap(), "abc", "{method} with a length");
        client.send(format!("{method} / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: Chunked\r\n\r\n")).await;
        client.send("2;x=1\r\nab\r\n1\r\nc\r\n0\r\n\r\n").await;
        assert_eq!(status(&client.answer().await.0), 200);
        assert_eq!(told.recv().await.unwrap().unwrap(), "abc", "{method} in chunks");
    }
}

#[tokio::test]
async fn a_length_beside_chunks_is_refused_and_nothing_behind_it_is_read() {
    let (endpoint, _told) = reader().await;
    let proxy = Proxy::start(&Pool::of(&[endpoint.addr])).await;
    let mut client = proxy.connect().await;
    let both = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n\
                1\r\nA\r\n0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n";
    client.send(both).await;
    let (head, _) = client.answer().await;
    assert_eq!((status(&head), field(&head, "connection")), (400, Some("close")));
    // Somebody before us may have taken what follows for the body.
    assert!(client.is_closed().await);
    assert_eq!(endpoint.heads(), Vec::<String>::new());
}

#[tokio::test]
async fn contradictory_framing_is_refused() {
    let (endpoint, _told) = reader().await;
    let proxy = Proxy::start(&Pool::of(&[endpoint.addr])).await;
    for framing in [
        "Content-Length: 1\r\nContent-Length: 2",
        "Content-Length: 1, 2",
        "Content-Length: +1",
        "Content-Length: -1",
        "Content-Length: 0x1",
        "Content-Length: 99999999999999999999",
        "Transfer-Encoding: gzip",
        "Transfer-Encoding: chunked, gzip",
        "Transfer-Encoding: identity",
        "Transfer-Encoding: xchunked",
        "Transfer-Encoding : chunked",
        " Transfer-Encoding: chunked",
    ] {
        let mut client = proxy.connect().await;
        client.send(format!("POST / HTTP/1.1\r\nHost: a\r\n{framing}\r\n\r\n1\r\nA\r\n0\r\n\r\n")).await;
        let answer = client.rest().await.unwrap_or_default();
        let coding = framing.starts_with("Transfer-Encoding: ");
        assert!(answer.starts_with(if coding { "HTTP/1.1 501 " } else { "HTTP/1.1 400 " }), "{framing:?}: {answer}");
    }
    let mut client = proxy.connect().await;
    client.send("POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n").await;
    let answer = client.rest().await.unwrap_or_default();
    assert!(answer.starts_with("HTTP/1.1 400 "), "chunks in HTTP/1.0: {answer}");
    assert_eq!(endpoint.heads(), Vec::<String>::new());
}

#[tokio::test]
async fn a_malformed_chunk_is_the_clients_fault_and_the_endpoint_sees_no_end() {
    for broken in
        ["x\r\nA\r\n0\r\n\r\n", "1\r\nAB\r\n0\r\n\r\n", "ffffffffffffffffff\r\n", "-1\r\n", "1\nA\r\n0\r\n\r\n"]
    {
        let (endpoint, mut told) = reader().await;
        let proxy = Proxy::start(&Pool::of(&[endpoint.addr])).await;
        let mut client = proxy.connect().await;
        client.send("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nA\r\n").await;
        until("the request is on its way", async || endpoint.heads().len() == 1).await;
        client.send(broken).await;
        let answer = client.rest().await.unwrap_or_default();
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 400 "), "{broken:?}: {answer}");
        assert_eq!(told.recv().await.unwrap(), None, "{broken:?}");
        proxy.reaches("evenkeel_failed_requests_total", &[r#"reason="DPE""#], 1).await;
        assert_eq!(proxy.failures("UC").await + proxy.failures("UPE").await + proxy.failures("UF").await, 0);
        proxy.settles().await;
    }
}

#[tokio::test]
async fn a_client_that_leaves_within_its_body_left_and_the_endpoint_sees_no_end() {
    for framing in ["Content-Length: 10\r\n\r\nabc", "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n"] {
        let (endpoint, mut told) = reader().await;
        let proxy = Proxy::start(&Pool::of(&[endpoint.addr])).await;
        let mut client = proxy.connect().await;
        client.send(format!("POST / HTTP/1.1\r\nHost: a\r\n{framing}")).await;
        until("the request is on its way", async || endpoint.heads().len() == 1).await;
        drop(client);
        assert_eq!(told.recv().await.unwrap(), None, "{framing:?}");
        proxy.reaches("evenkeel_failed_requests_total", &[r#"reason="DC""#], 1).await;
        assert_eq!(proxy.failures("DPE").await + proxy.failures("UC").await, 0);
        proxy.settles().await;
    }
}

#[tokio::test]
async fn a_broken_body_during_the_answer_does_not_blame_the_endpoint() {
    let endpoint = Endpoint::start(|mut accepted| async move {
        accepted.head().await;
        accepted.conn.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n").await;
        let _ = accepted.conn.rest().await;
    })
    .await;
    let proxy = Proxy::start(&Pool::of(&[endpoint.addr])).await;
    let mut client = proxy.connect().await;
    client.send("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nA\r\n").await;
    assert_eq!(status(&client.head().await.unwrap()), 200);
    client.up_to("ok\r\n").await;
    client.send("nonsense\r\n").await;
    let rest = client.rest().await.unwrap_or_default();
    assert!(!rest.contains("0\r\n\r\n"), "a clean end: {rest:?}");
    proxy.settles().await;
    assert_eq!((proxy.failures("UC").await, proxy.failures("DPE").await), (0, 1));
}

#[tokio::test]
async fn pipelined_requests_are_answered_in_order() {
    let endpoint = Endpoint::start(|mut accepted| async move {
        while let Some((head, _)) = accepted.request().await {
            let path = head.split(' ').nth(1).unwrap();
            accepted.conn.send(format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{path}", path.len())).await;
        }
    })
    .await;
    let proxy = Proxy::start(&Pool::of(&[endpoint.addr])).await;
    let mut client = proxy.connect().await;
    let requests: Vec<_> = (0..50).map(|number| format!("GET /{number} HTTP/1.1\r\nHost: a\r\n\r\n")).collect();
    client.send(requests.concat()).await;
    for number in 0..50 {
        assert_eq!(client.answer().await.1, format!("/{number}"));
    }
}

/// A proxy looks for clients who leave with every tick of half a second; nothing of that can be seen.
const A_TICK_AND_MORE: Duration = Duration::from_millis(1_200);

#[tokio::test]
async fn what_comes_behind_a_body_while_its_answer_is_awaited_is_the_next_request() {
    let endpoint = Endpoint::start(|mut accepted| async move {
        while let Some((head, body)) = accepted.request().await {
            let path = head.split(' ').nth(1).unwrap();
            if path == "/a" {
                sleep(A_TICK_AND_MORE * 2).await;
            }
            let said = format!("{path} {body}");
            accepted.conn.send(format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{said}", said.len())).await;
        }
    })
    .await;
    let proxy = Proxy::start(&Pool::of(&[endpoint.addr])).await;
    let (body, post) =
        ("b".repeat(50), |path, length| format!("POST {path} HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n"));
    let all = format!("{}abc{}{body}GET /c HTTP/1.1\r\nHost: a\r\n\r\n", post("/a", 3), post("/b", 50));
    // Cut where one read would take the next head, a part of it, a byte of it, or none.
    for cut in [post("/a", 3).len() + 3 + post("/b", 50).len(), 100, post("/a", 3).len() + 4, post("/a", 3).len() + 3] {
        let mut client = proxy.connect().await;
        let (first, rest) = all.split_at(cut);
        client.send(first).await;
        sleep(A_TICK_AND_MORE).await;
        client.send(rest).await;
        for expected in ["/a abc".to_owned(), format!("/b {body}"), "/c ".to_owned()] {
            assert_eq!(client.answer().await.1, expected, "cut at {cut}");
        }
    }
}

#[tokio::test]
async fn the_rest_of_a_body_that_was_answered_early_is_never_a_request_however_slowly_the_answer_is_taken() {
    let large = "x".repeat(8 << 20);
    let endpoint = Endpoint::start(move |mut accepted| {
        let large = large.clone();
        async move {
            while let Some(head) = accepted.conn.try_head().await {
                let body = if head.starts_with("POST") { &large[..] } else { "ok" };
                accepted.conn.send(format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len())).await;
                if accepted.conn.try_send(body.as_bytes()).await.is_err() {
                    return;
                }
            }
        }
    })
    .await;
    let proxy = Proxy::start(&Pool::of(&[endpoint.addr])).await;
    let mut client = proxy.connect().await;
    let chunk = "5\r\nhello\r\n";
    client.send(format!("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n{chunk}{chunk}")).await;
    sleep(A_TICK_AND_MORE).await; // the answer waits for its client
    let smuggled = "GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n";
    client.send(format!("{:x}\r\n{smuggled}\r\n{chunk}0\r\n\r\n{GET}", smuggled.len())).await;
    sleep(A_TICK_AND_MORE).await;
    assert_eq!(client.answer().await.1.len(), 8 << 20);
    assert_eq!(client.answer().await.1, "ok", "the next request's");
    client.send(GET).await;
    assert_eq!(client.answer().await.1, "ok", "and there was no other between");
}

#[tokio::test]
async fn an_endpoints_malformed_head_is_its_own_protocol_error() {
    for answer in [
        "nonsense\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
        "HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n",
        "HTTP/1.1 200 OK\r\nX Y: 1\r\n\r\n",
        "HTTP/1.1 2000 OK\r\n\r\n",
        "HTTP/2 200\r\n\r\n",
    ] {
        let endpoint = Endpoint::answering(answer).await;
        let proxy = Proxy::start(&Pool::of(&[endpoint.addr])).await;
        let (head, _) = proxy.ask(GET).await;
        assert_eq!((status(&head), field(&head, "evenkeel-reason")), (502, Some("UPE")), "{answer:?}");
        assert_eq!(endpoint.heads().len(), 1, "{answer:?} is tried once");
    }
}
