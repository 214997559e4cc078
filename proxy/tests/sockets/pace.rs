//! How long clients may take, how much they may send, and how their connections end.

use std::time::Duration;

use tokio::time::Instant;

use crate::endpoint::Endpoint;
use crate::pool::Pool;
use crate::proxy::{Proxy, until};
use crate::recorder::{Recorder, Then};
use crate::wire::{Conn, GET, OK, field, status};

#[tokio::test]
async fn a_head_has_ten_seconds_from_its_first_byte_then_408() {
    let recorder = Recorder::start(|pool| pool).await;
    let mut idle = recorder.proxy.connect().await;
    let mut late = recorder.proxy.connect().await;
    let since = Instant::now();
    late.send("GET / HTTP/1.1\r\nHost: a\r\n").await;
    // A field now and then does not help: the limit is one for the whole head.
    let mut trickle = tokio::time::interval(Duration::from_secs(1));
    for _ in 0..6 {
        trickle.tick().await;
        late.send("X-A: 1\r\n").await;
    }
    let head = late.head().await.unwrap();
    assert_eq!((status(&head), field(&head, "evenkeel-reason")), (408, Some("SI")));
    assert_eq!(field(&head, "connection"), Some("close"));
    late.exactly(field(&head, "content-length").unwrap().parse().unwrap()).await;
    assert!(late.is_closed().await);
    assert!((9..14).contains(&since.elapsed().as_secs()), "{:?}", since.elapsed());
    assert_eq!(recorder.proxy.failures("SI").await, 1);
    // One that sent nothing has longer, and is still served.
    idle.send(GET).await;
    assert_eq!(status(&idle.answer().await.0), 200);
    assert_eq!(recorder.seen().len(), 1);
}

#[tokio::test]
async fn a_body_larger_than_the_pool_takes_is_413() {
    let limited = |pool| Pool { extra: "  limits: {requestBody: 10k}\n", ..pool };
    let recorder = Recorder::start(limited).await;
    let length = |bytes: usize| {
        format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {bytes}\r\n\r\n{}", "x".repeat(bytes.min(60_000)))
    };
    let chunks = |count: usize| {
        let chunk = format!("3e8\r\n{}\r\n", "x".repeat(1000));
        format!("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n{}0\r\n\r\n", chunk.repeat(count))
    };
    recorder.holds(&[(&length(10_000), 200, &["content-length: 10000"], Then::Open)]).await;
    recorder.holds(&[(&chunks(10), 200, &["transfer-encoding: chunked"], Then::Open)]).await;
    // The whole body is sent before the answer is read: no reset may overtake that.
    recorder.holds(&[(&length(10_001), 413, &[], Then::Closed)]).await;
    recorder.holds(&[(&length(60_000), 413, &[], Then::Closed)]).await;
    // Without a length it goes upstream until it is too large, and never looks whole there.
    let mut client = recorder.proxy.connect().await;
    let (body, rest) =
        chunks(11).split_at_checked(10_000).map(|(body, rest)| (body.to_owned(), rest.to_owned())).unwrap();
    client.send(body).await;
    until("the request is on its way", async || recorder.endpoint.heads().len() == 5).await;
    client.send(rest).await;
    let (head, _) = client.answer().await;
    assert_eq!((status(&head), field(&head, "evenkeel-reason")), (413, Some("DPE")));
    assert!(client.is_closed().await);
    let mut seen: Vec<String> = Vec::new();
    until("the endpoint saw the end", async || {
        seen.extend(recorder.seen());
        !seen.is_empty()
    })
    .await;
    assert!(seen[0].ends_with("(cut short)"), "{seen:?}");
    recorder.proxy.settles().await;
}

#[tokio::test]
async fn whoever_expects_100_is_refused_before_the_body() {
    let recorder = Recorder::start(|pool| Pool { extra: "  limits: {requestBody: \"1\"}\n", ..pool }).await;
    let sent = "POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n";
    recorder.holds(&[(sent, 413, &[], Then::Closed)]).await;
}

/// An endpoint that answers a head at once and never reads the body.
async fn hasty() -> (Endpoint, Proxy) {
    let endpoint = Endpoint::start(|mut accepted| async move {
        accepted.head().await;
        accepted.conn.send(OK).await;
        let _ = accepted.conn.rest().await;
    })
    .await;
    let proxy = Proxy::start(&Pool::of(&[endpoint.addr])).await;
    (endpoint, proxy)
}

#[tokio::test]
async fn an_early_answer_reaches_a_client_that_still_sends() {
    let (_endpoint, proxy) = hasty().await;
    for bytes in [1_000, 60_000] {
        let mut client = proxy.connect().await;
        let body = "x".repeat(bytes);
        client.send(format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n{body}", bytes + 1)).await;
        let (head, text) = client.answer().await;
        assert_eq!((status(&head), text.as_str()), (200, "ok"));
        assert!(client.rest().await.unwrap().is_empty(), "a clean end after {bytes} bytes");
    }
}

#[tokio::test]
async fn after_an_early_answer_a_small_rest_of_the_body_is_passed_over_and_the_connection_goes_on() {
    let endpoint = Endpoint::start(|mut accepted| async move {
        while accepted.conn.try_head().await.is_some() {
            accepted.conn.send(OK).await; // whatever is to follow
        }
    })
    .await;
    let proxy = Proxy::start(&Pool::of(&[endpoint.addr])).await;
    for (framing, first, rest) in [
        ("Content-Length: 6", "abc", "def".to_owned()),
        ("Content-Length: 60006", "abc", format!("def{}", "x".repeat(60_000))),
        ("Transfer-Encoding: chunked", "3\r\nabc\r\n", "3\r\ndef\r\n0\r\nX-A: 1\r\n\r\n".to_owned()),
    ] {
        let mut client = proxy.connect().await;
        client.send(format!("POST / HTTP/1.1\r\nHost: a\r\n{framing}\r\n\r\n{first}")).await;
        assert_eq!(status(&client.answer().await.0), 200);
        client.send(format!("{rest}{GET}")).await;
        assert_eq!(status(&client.answer().await.0), 200, "{framing}: the next request");
    }
}

#[tokio::test]
async fn who_waits_for_a_word_and_gets_the_answer_instead_is_told_that_this_is_the_end() {
    let (_endpoint, proxy) = hasty().await;
    let mut client = proxy.connect().await;
    // Nobody told it to go on: whether what follows is the body or a request, only it knows.
    client.send("OPTIONS * HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n").await;
    let (head, _) = client.answer().await;
    assert_eq!((status(&head), field(&head, "connection")), (200, Some("close")));
    client.send(GET).await;
    assert!(client.rest().await.unwrap_or_default().is_empty(), "nothing behind it is answered");
}

#[tokio::test]
async fn a_client_that_goes_on_sending_after_an_early_answer_is_cut_off() {
    let (_endpoint, proxy) = hasty().await;
    let mut client = proxy.connect().await;
    client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000000\r\n\r\n").await;
    assert_eq!(status(&client.answer().await.0), 200);
    let since = Instant::now();
    let block = vec![b'x'; 1 << 16];
    while client.try_send(&block).await.is_ok() {
        assert!(since.elapsed() < Duration::from_secs(15), "it is still read");
    }
}

#[tokio::test]
async fn a_connection_retires_after_ten_thousand_requests() {
    let recorder = Recorder::start(|pool| pool).await;
    let mut client = recorder.proxy.connect().await;
    for number in 1..=10_000 {
        client.send(GET).await;
        let (head, _) = client.answer().await;
        assert_eq!(field(&head, "connection"), (number == 10_000).then_some("close"), "request {number}");
    }
    assert!(client.is_closed().await);
}

#[tokio::test]
async fn nothing_is_read_after_a_refusal() {
    let recorder = Recorder::start(|pool| pool).await;
    let twice = format!("GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n{GET}");
    recorder.holds(&[(&twice, 400, &[], Then::Closed)]).await;
    let closing = format!("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n{GET}");
    recorder.holds(&[(&closing, 200, &["GET / HTTP/1.1"], Then::Closed)]).await;
}

/// What nobody reads turns an end into a reset, which may overtake the answer.
#[tokio::test]
async fn much_that_follows_a_refusal_does_not_cost_the_client_the_answer() {
    let recorder = Recorder::start(|pool| pool).await;
    let many = GET.repeat(50_000 / GET.len());
    for _ in 0..10 {
        let twice = format!("GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n{many}");
        recorder.holds(&[(&twice, 400, &[], Then::Closed)]).await;
        let unreadable = format!("GET / HTTP/1.1\r\nHost : a\r\n\r\n{many}");
        recorder.holds(&[(&unreadable, 400, &[], Then::Closed)]).await;
        let closing = format!("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n{many}");
        recorder.holds(&[(&closing, 200, &["GET / HTTP/1.1"], Then::Closed)]).await;
    }
}

#[tokio::test]
async fn what_cannot_even_be_read_is_counted() {
    let recorder = Recorder::start(|pool| pool).await;
    let long = format!("GET / HTTP/1.1\r\nHost: a\r\nX-Long: {}\r\n\r\n", "x".repeat(40 << 10));
    let target = format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", "x".repeat(66_000));
    let preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    let mut count = 0;
    for (bad, expected) in [
        ("GET / HTTP/1.1\r\nHost : a\r\n\r\n", 400),
        ("G@T\x01 / HTTP/1.1\r\n\r\n", 400),
        (&long, 431),
        (&target, 414),
        (preface, 400),
    ] {
        let mut client = recorder.proxy.connect().await;
        let _ = client.try_send(bad.as_bytes()).await; // it may be refused before it is all here
        let head = client.head().await.unwrap();
        assert_eq!((status(&head), field(&head, "evenkeel-reason")), (expected, Some("DPE")), "{bad:.40}");
        count += 1;
        recorder.proxy.reaches("evenkeel_failed_requests_total", &["reason=\"DPE\""], count).await;
    }
    // Whoever leaves in the middle of a head asked nothing.
    let mut client = recorder.proxy.connect().await;
    client.send("GET / HT").await;
    drop(client);
    recorder.proxy.reaches("evenkeel_connections_active", &[], 0).await;
    assert_eq!(recorder.proxy.metric("evenkeel_failed_requests_total", &[]).await, count);
}

/// Nothing more for a minute and longer: `EVENKEEL_LONG_TESTS=1` runs what takes so long.
#[tokio::test]
async fn a_body_has_sixty_seconds_between_two_pieces_and_an_idle_client_75() {
    if std::env::var_os("EVENKEEL_LONG_TESTS").is_none() {
        return;
    }
    let (tell, mut told) = tokio::sync::mpsc::channel(1);
    let endpoint = Endpoint::start(move |mut accepted| {
        let tell = tell.clone();
        async move {
            accepted.head().await;
            tell.send(accepted.conn.patient_head().await).await.unwrap();
        }
    })
    .await;
    let proxy = Proxy::start(&Pool::of(&[endpoint.addr])).await;
    let (mut idle, mut slow) = (proxy.connect().await, proxy.connect().await);
    let mut asked = proxy.connect().await;
    let since = Instant::now();
    // Answered at once, by us: there is nothing to be asked again.
    asked.send("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert_eq!(status(&asked.answer().await.0), 200);
    slow.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n").await;
    let head = slow.patient_head().await.unwrap();
    assert_eq!((status(&head), field(&head, "evenkeel-reason")), (408, Some("SI")));
    assert!((59..63).contains(&since.elapsed().as_secs()), "{:?}", since.elapsed());
    assert_eq!(told.recv().await, Some(None), "the endpoint sees the connection end");
    for client in [&mut idle, &mut asked] {
        assert_eq!(client.patient_head().await, None);
    }
    assert!((74..78).contains(&since.elapsed().as_secs()), "{:?}", since.elapsed());
    proxy.settles().await;
}

/// Of a client that reads nothing of a large answer, the connection is reset after a minute.
#[tokio::test]
async fn an_answer_that_nobody_takes_is_given_up_after_sixty_seconds() {
    if std::env::var_os("EVENKEEL_LONG_TESTS").is_none() {
        return;
    }
    let endpoint = Endpoint::start(|mut accepted| async move {
        accepted.head().await;
        accepted.conn.send("HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n").await;
        let block = vec![b'x'; 1 << 16];
        while accepted.conn.try_send(&block).await.is_ok() {}
    })
    .await;
    let proxy = Proxy::start(&Pool::of(&[endpoint.addr])).await;
    let mut client = Conn::connect(proxy.addr).await;
    client.send(GET).await;
    assert_eq!(status(&client.head().await.unwrap()), 200);
    let since = Instant::now();
    tokio::time::timeout(Duration::from_secs(100), async {
        while proxy.metric("evenkeel_requests_in_flight", &[]).await > 0 {
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
    })
    .await
    .unwrap();
    assert!((58..64).contains(&since.elapsed().as_secs()), "{:?}", since.elapsed());
    assert!(client.rest().await.is_err(), "never a clean end");
}
