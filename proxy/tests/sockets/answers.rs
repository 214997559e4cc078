//! What an endpoint may not do: each rule with an answer that breaks it and one that just does not.
//!
//! An endpoint with one worker is asked twice, so that a connection that is not kept shows in their number.

use std::sync::Arc;

use tokio::sync::Notify;

use crate::endpoint::Endpoint;
use crate::pool::Pool;
use crate::proxy::Proxy;
use crate::wire::{Conn, GET, OK, field, status};

/// What becomes of the connection to the endpoint.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Then {
    Kept,
    Discarded,
}
use Then::{Discarded, Kept};

/// What the client gets.
#[derive(Debug, PartialEq)]
enum Got {
    /// An answer with this status and body, to its end.
    Whole(u16, String),
    /// Our own answer, with this status and reason.
    Ours(u16, String),
    /// An answer that visibly does not come to its end.
    Broken,
}

fn whole(body: &str) -> Got {
    Got::Whole(200, body.into())
}

fn ours(status: u16, reason: &str) -> Got {
    Got::Ours(status, reason.into())
}

/// Reads an answer as a client must.
async fn read(client: &mut Conn, method: &str) -> Got {
    let Some(head) = client.head().await else { return Got::Broken };
    if let Some(reason) = field(&head, "evenkeel-reason") {
        return Got::Ours(status(&head), reason.to_owned());
    }
    let length = field(&head, "content-length").map(|length| length.parse().unwrap());
    let body = match (length, field(&head, "transfer-encoding")) {
        _ if method == "HEAD" || [204, 304].contains(&status(&head)) => Some(String::new()),
        // No test sends that much: all there is, then the end.
        (Some(length), None) if length > 1 << 30 => client.rest().await.ok().filter(|rest| rest.len() == length),
        (Some(length), None) => client.try_exactly(length).await,
        (None, Some("chunked")) => client.chunks_and_trailers().await.map(|(body, _)| body),
        other => panic!("not one framing: {other:?}"),
    };
    body.map_or(Got::Broken, |body| Got::Whole(status(&head), body))
}

/// Answers each request with the same bytes. `ends`: and closes then.
async fn endpoint(answer: String, ends: bool) -> Endpoint {
    Endpoint::start(move |mut accepted| {
        let answer = answer.clone();
        async move {
            while accepted.request().await.is_some() {
                accepted.conn.send(&answer).await;
                if ends {
                    return;
                }
            }
        }
    })
    .await
}

async fn judge(method: &str, answer: impl Into<String>, ends: bool, expected: Got, then: Option<Then>) {
    let answer = answer.into();
    let what = format!("{method} → {:?}", answer.chars().take(200).collect::<String>());
    let endpoint = endpoint(answer, ends).await;
    let proxy = Proxy::with(&[&Pool::of(&[endpoint.addr])], &["--threads", "1"]).await;
    for _ in 0..2 {
        let mut client = proxy.connect().await;
        client.send(format!("{method} / HTTP/1.1\r\nHost: a\r\n\r\n")).await;
        assert_eq!(read(&mut client, method).await, expected, "{what}");
        proxy.settles().await;
    }
    let reason = match &expected {
        Got::Whole(..) => None,
        Got::Ours(_, reason) => Some(reason.as_str()),
        Got::Broken => Some("UC"),
    };
    assert_eq!(proxy.failures("DPE").await + proxy.failures("DC").await, 0, "never the client's fault: {what}");
    if let Some(reason) = reason {
        assert_eq!(proxy.failures(reason).await, 2, "{what}");
    }
    assert_eq!(endpoint.heads().len(), 2, "sent once each: {what}");
    if let Some(then) = then {
        assert_eq!(endpoint.connections(), if then == Kept { 1 } else { 2 }, "{then:?}: {what}");
    }
}

fn answer(status_line: &str, fields: &str, body: &str) -> String {
    format!("{status_line}\r\n{fields}\r\n{body}")
}

#[tokio::test]
async fn the_status_line_is_http_1_and_a_status_from_100_to_599() {
    const FIVE: &str = "Content-Length: 5\r\n";
    for (line, expected) in [
        ("HTTP/1.1 200 OK", Some((200, Kept))),
        ("HTTP/1.1 200", Some((200, Kept))),
        ("HTTP/1.1 200 ", Some((200, Kept))),
        ("HTTP/1.1 599 Very Odd", Some((599, Kept))),
        ("HTTP/1.1 600 Beyond", None),
        ("HTTP/1.1 099 Below", None),
        ("HTTP/1.1 20 Short", None),
        ("HTTP/1.1 2000 Long", None),
        ("HTTP/1.1  200 Two spaces", None),
        ("HTTP/1.0 200 OK", Some((200, Discarded))),
        ("HTTP/2.0 200 OK", None),
        ("http/1.1 200 OK", None),
        ("ICY 200 OK", None),
    ] {
        let (got, then) = match expected {
            Some((status, then)) => (Got::Whole(status, "hello".into()), then),
            None => (ours(502, "UPE"), Discarded),
        };
        judge("GET", answer(line, FIVE, "hello"), false, got, Some(then)).await;
    }
}

#[tokio::test]
async fn a_length_is_one_number_and_chunks_win_over_it() {
    for (fields, body, expected, then) in [
        ("Content-Length: 5\r\n", "hello", whole("hello"), Kept),
        ("Content-Length: 5\r\nContent-Length: 5\r\n", "hello", whole("hello"), Kept),
        ("Content-Length: 5\r\nContent-Length: 6\r\n", "hello!", ours(502, "UPE"), Discarded),
        ("Content-Length: 5, 5\r\n", "hello", ours(502, "UPE"), Discarded),
        ("Content-Length: +5\r\n", "hello", ours(502, "UPE"), Discarded),
        ("Content-Length: 5x\r\n", "hello", ours(502, "UPE"), Discarded),
        ("Content-Length:\r\n", "hello", ours(502, "UPE"), Discarded),
        ("Content-Length: 9223372036854775808\r\n", "hello", ours(502, "UPE"), Discarded),
        ("Transfer-Encoding: CHUNKED\r\n", "5\r\nhello\r\n0\r\n\r\n", whole("hello"), Kept),
        ("Transfer-Encoding: chunked\r\nContent-Length: 3\r\n", "5\r\nhello\r\n0\r\n\r\n", whole("hello"), Discarded),
        ("Transfer-Encoding: gzip, chunked\r\n", "5\r\nhello\r\n0\r\n\r\n", ours(502, "UPE"), Discarded),
        ("Transfer-Encoding: chunked, chunked\r\n", "5\r\nhello\r\n0\r\n\r\n", ours(502, "UPE"), Discarded),
        ("Transfer-Encoding: identity\r\nContent-Length: 5\r\n", "hello", ours(502, "UPE"), Discarded),
    ] {
        judge("GET", answer("HTTP/1.1 200 OK", fields, body), false, expected, Some(then)).await;
    }
    let old = answer("HTTP/1.0 200 OK", "Transfer-Encoding: chunked\r\n", "5\r\nhello\r\n0\r\n\r\n");
    judge("GET", old, false, ours(502, "UPE"), Some(Discarded)).await;
    let old = answer("HTTP/1.0 200 OK", "Connection: keep-alive\r\nContent-Length: 5\r\n", "hello");
    judge("GET", old, false, whole("hello"), Some(Kept)).await;
}

#[tokio::test]
async fn fields_are_what_http_allows() {
    for (field, allowed) in [
        ("X: a\tb \u{e9}", true),
        ("X:", true),
        ("X: a\u{0}b", false),
        ("X: a\u{1}b", false),
        ("X: a\rb", false),
        ("X: a\r\n b", false),
        ("X : a", false),
        (" X: a", false),
        ("X", false),
        (": a", false),
        ("X(Y): a", false),
    ] {
        let (got, then) = if allowed { (whole("hello"), Kept) } else { (ours(502, "UPE"), Discarded) };
        let fields = format!("{field}\r\nContent-Length: 5\r\n");
        // What is wrong is not read to its end, so that the endpoint may see its connection reset.
        judge("GET", answer("HTTP/1.1 200 OK", &fields, "hello"), false, got, Some(then)).await;
    }
}

#[tokio::test]
async fn a_head_is_at_most_64_kib_and_200_fields() {
    let length = "Content-Length: 5\r\n";
    let frame = answer("HTTP/1.1 200 OK", &format!("X: \r\n{length}"), "").len();
    let long = |bytes: usize| format!("X: {}\r\n{length}", "x".repeat(bytes - frame));
    let many = |count: usize| format!("{}{length}", "X: 1\r\n".repeat(count - 1));
    for (fields, allowed) in [(long(65_536), true), (long(65_537), false), (many(200), true), (many(201), false)] {
        let (got, then) = if allowed { (whole("hello"), Kept) } else { (ours(502, "UPE"), Discarded) };
        judge("GET", answer("HTTP/1.1 200 OK", &fields, "hello"), false, got, Some(then)).await;
    }
}

#[tokio::test]
async fn no_body_follows_head_204_and_304_whatever_their_fields_say() {
    for (method, line, fields, body, then) in [
        ("HEAD", "HTTP/1.1 200 OK", "Content-Length: 5\r\n", "", Kept),
        ("HEAD", "HTTP/1.1 200 OK", "Content-Length: 5\r\n", "hello", Discarded),
        ("HEAD", "HTTP/1.1 200 OK", "Transfer-Encoding: chunked\r\n", "", Kept),
        ("HEAD", "HTTP/1.1 200 OK", "", "", Kept),
        ("GET", "HTTP/1.1 204 No Content", "", "", Kept),
        ("GET", "HTTP/1.1 204 No Content", "Content-Length: 5\r\n", "hello", Discarded),
        ("GET", "HTTP/1.1 304 Not Modified", "Content-Length: 5\r\n", "", Kept),
        ("GET", "HTTP/1.1 304 Not Modified", "Content-Length: 5\r\n", "hello", Discarded),
        ("GET", "HTTP/1.1 304 Not Modified", "Transfer-Encoding: chunked\r\n", "0\r\n\r\n", Discarded),
    ] {
        let code = line.split(' ').nth(1).unwrap().parse().unwrap();
        judge(method, answer(line, fields, body), false, Got::Whole(code, String::new()), Some(then)).await;
    }
}

#[tokio::test]
async fn bytes_behind_a_message_end_the_connection() {
    for (fields, body, then) in [
        ("Content-Length: 5\r\n", "hello", Kept),
        ("Content-Length: 5\r\n", "hello!", Discarded),
        ("Content-Length: 5\r\n", "hello\r\n", Discarded),
        ("Content-Length: 5\r\n", "helloHTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison", Discarded),
        ("Transfer-Encoding: chunked\r\n", "5\r\nhello\r\n0\r\n\r\n", Kept),
        ("Transfer-Encoding: chunked\r\n", "5\r\nhello\r\n0\r\n\r\n\n", Discarded),
        ("Transfer-Encoding: chunked\r\n", "5\r\nhello\r\n0\r\nX: 1\r\n\r\n", Kept),
        ("Transfer-Encoding: chunked\r\n", "5\r\nhello\r\n0\r\nX: 1\r\n\r\nHTTP/1.1", Discarded),
        ("Content-Length: 5\r\nConnection: close\r\n", "hello", Discarded),
    ] {
        judge("GET", answer("HTTP/1.1 200 OK", fields, body), false, whole("hello"), Some(then)).await;
    }
}

#[tokio::test]
async fn a_body_that_is_not_whole_never_looks_so() {
    let extended = |bytes: usize| format!("5;{}\r\nhello\r\n0\r\n\r\n", "e".repeat(bytes - 1));
    let trailers = |count: usize| format!("5\r\nhello\r\n0\r\n{}\r\n", "X: 1\r\n".repeat(count));
    for (fields, body, ends, expected) in [
        ("Content-Length: 6\r\n", "hello".into(), true, Got::Broken),
        ("Content-Length: 9223372036854775807\r\n", "hello".into(), true, Got::Broken),
        ("Content-Length: 5\r\n", "hello".into(), true, whole("hello")),
        ("", "hello".into(), true, whole("hello")),
        ("Connection: close\r\n", String::new(), true, whole("")),
        ("Transfer-Encoding: chunked\r\n", "5\r\nhello\r\n".into(), true, Got::Broken),
        ("Transfer-Encoding: chunked\r\n", "5\r\nhello\r\n0\r\n".into(), true, Got::Broken),
        ("Transfer-Encoding: chunked\r\n", "5\r\nhel".into(), true, Got::Broken),
        ("Transfer-Encoding: chunked\r\n", "5\r\nhello0\r\n\r\n".into(), false, Got::Broken),
        ("Transfer-Encoding: chunked\r\n", "5\nhello\r\n0\r\n\r\n".into(), false, Got::Broken),
        ("Transfer-Encoding: chunked\r\n", "+5\r\nhello\r\n0\r\n\r\n".into(), false, Got::Broken),
        ("Transfer-Encoding: chunked\r\n", "00000000000000005\r\nhello\r\n0\r\n\r\n".into(), false, Got::Broken),
        ("Transfer-Encoding: chunked\r\n", "0000000000000005\r\nhello\r\n0\r\n\r\n".into(), false, whole("hello")),
        ("Transfer-Encoding: chunked\r\n", extended(16 * 1024), false, whole("hello")),
        ("Transfer-Encoding: chunked\r\n", extended(16 * 1024 + 1), false, Got::Broken),
        ("Transfer-Encoding: chunked\r\n", trailers(200), false, whole("hello")),
        ("Transfer-Encoding: chunked\r\n", trailers(201), false, Got::Broken),
        ("Transfer-Encoding: chunked\r\n", "5\r\nhello\r\n0\r\nX : 1\r\n\r\n".into(), false, Got::Broken),
    ] {
        judge("GET", answer("HTTP/1.1 200 OK", fields, &body), ends, expected, None).await;
    }
}

#[tokio::test]
async fn sixteen_answers_may_come_before_the_final_one_but_no_upgrade() {
    let hints = |count: usize| "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n".repeat(count) + OK;
    judge("GET", hints(16), false, whole("ok"), Some(Kept)).await;
    judge("GET", hints(17), false, ours(502, "UPE"), Some(Discarded)).await;
    judge("GET", format!("HTTP/1.1 100 Continue\r\n\r\n{OK}"), false, whole("ok"), Some(Kept)).await;
    judge("GET", format!("HTTP/1.1 101 Switching\r\n\r\n{OK}"), false, ours(502, "UPE"), Some(Discarded)).await;
}

#[tokio::test]
async fn half_a_head_is_no_answer_and_is_not_asked_for_again() {
    for half in ["HTTP/1.1 200 OK\r\nContent-Le", "H"] {
        judge("GET", half, true, ours(502, "UC"), Some(Discarded)).await;
    }
}

#[tokio::test]
async fn a_head_may_come_byte_by_byte() {
    let answer = "HTTP/1.1 103 Early\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";
    let endpoint = Endpoint::start(move |mut accepted| async move {
        while accepted.request().await.is_some() {
            for byte in answer.as_bytes().chunks(1) {
                accepted.conn.send(byte).await;
                tokio::task::yield_now().await;
            }
        }
    })
    .await;
    let proxy = Proxy::with(&[&Pool::of(&[endpoint.addr])], &["--threads", "1"]).await;
    for _ in 0..10 {
        assert_eq!(proxy.ask(GET).await.1, "hello");
    }
    assert_eq!(endpoint.connections(), 1);
}

#[tokio::test]
async fn what_comes_on_an_idle_connection_is_nobodys_answer() {
    let (poison, poisoned) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (sends, sent) = (Arc::clone(&poison), Arc::clone(&poisoned));
    let endpoint = Endpoint::start(move |mut accepted| {
        let (sends, sent) = (Arc::clone(&sends), Arc::clone(&sent));
        async move {
            accepted.request().await;
            accepted.conn.send(OK).await;
            sends.notified().await;
            accepted.conn.send("HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison").await;
            sent.notify_one();
            assert_eq!(accepted.request().await, None, "it is not used again");
        }
    })
    .await;
    let proxy = Proxy::with(&[&Pool::of(&[endpoint.addr])], &["--threads", "1"]).await;
    for asked in 1..=10 {
        assert_eq!(proxy.ask(GET).await.1, "ok");
        assert_eq!(endpoint.connections(), asked);
        proxy.settles().await; // the connection is idle
        poison.notify_one();
        poisoned.notified().await;
    }
}

#[tokio::test]
async fn a_hint_of_a_shorter_life_is_heeded() {
    for (hint, connections) in [("timeout=5", 1), ("timeout=1", 3), ("timeout=0", 3)] {
        let answer = format!("HTTP/1.1 200 OK\r\nKeep-Alive: {hint}\r\nContent-Length: 2\r\n\r\nok");
        let endpoint = endpoint(answer, false).await;
        let proxy = Proxy::with(&[&Pool::of(&[endpoint.addr])], &["--threads", "1"]).await;
        for _ in 0..3 {
            assert_eq!(proxy.ask(GET).await.1, "ok");
        }
        assert_eq!(endpoint.connections(), connections, "{hint}");
    }
}
