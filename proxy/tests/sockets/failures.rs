//! What goes wrong: who is tried next, what the client is told, what is counted. A table first, then what needs more words.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::{Instant, sleep};

use crate::endpoint::{Accepted, Endpoint, nobody};
use crate::pool::Pool;
use crate::proxy::{Proxy, until};
use crate::wire::{GET, OK, POST, field, status};

async fn told(proxy: &Proxy, request: &str) -> (u16, Option<String>) {
    let (head, _) = proxy.ask(request).await;
    (status(&head), field(&head, "evenkeel-reason").map(str::to_owned))
}

fn because(status: u16, reason: &str) -> (u16, Option<String>) {
    (status, Some(reason.into()))
}

async fn retries(proxy: &Proxy) -> u64 {
    proxy.metric("evenkeel_retries_total", &[]).await
}

/// What an endpoint does.
#[derive(Clone, Copy, Debug)]
enum Does {
    Refuse,
    NotAccept,
    NotAnswer,
    Close,
    Reset,
    Answer(&'static str),
}

/// What the endpoints do, how many there are, what the pool says of retries, and the request; what the client gets, status and
/// reason, on whose side that is booked; how often an endpoint saw the request, and how often it was tried again.
type Row = (Does, usize, &'static str, &'static str, u16, Option<&'static str>, &'static str, usize, u64);

const PUT: &str = "PUT / HTTP/1.1\r\nHost: shop.example\r\nContent-Length: 3\r\n\r\nabc";
const BUSY: &str = "HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\nContent-Length: 4\r\n\r\nbusy";
const LIST: &str = "  retry: {codes: [429, 503, 504]}\n";
const TWICE: &str = "  retry: {attempts: 2, codes: [503]}\n";
const NEVER: &str = "  retry: {attempts: 0, codes: [503, 504]}\n";

/// The specification of what becomes of a request whose endpoints fail.
const ROWS: &[Row] = &[
    // No connection: nothing was sent, so that others are tried, two at most.
    (Does::Refuse, 4, "", POST, 502, Some("UF"), "upstream", 0, 2),
    (Does::Refuse, 4, NEVER, GET, 502, Some("UF"), "upstream", 0, 2),
    (Does::Refuse, 1, "", GET, 502, Some("UF"), "upstream", 0, 0),
    (Does::NotAccept, 1, "", POST, 504, Some("UF,UT"), "upstream", 0, 0),
    (Does::NotAccept, 3, "", POST, 504, Some("UF,UT"), "upstream", 0, 2),
    // No answer in time: again only if 504 is listed, and nothing can happen twice.
    (Does::NotAnswer, 2, "", GET, 504, Some("UT"), "upstream", 1, 0),
    (Does::NotAnswer, 3, LIST, GET, 504, Some("URX"), "upstream", 2, 1),
    (Does::NotAnswer, 3, LIST, PUT, 504, Some("URX"), "upstream", 2, 1),
    (Does::NotAnswer, 2, LIST, POST, 504, Some("UT"), "upstream", 1, 0),
    (Does::NotAnswer, 2, NEVER, GET, 504, Some("UT"), "upstream", 1, 0),
    // A fresh connection that breaks before the first byte: again once, if nothing can happen twice.
    (Does::Close, 3, "", GET, 502, Some("URX"), "upstream", 2, 1),
    (Does::Close, 3, "", PUT, 502, Some("URX"), "upstream", 2, 1),
    (Does::Close, 3, TWICE, GET, 502, Some("URX"), "upstream", 2, 1),
    (Does::Close, 3, "", POST, 502, Some("UC"), "upstream", 1, 0),
    (Does::Close, 3, NEVER, GET, 502, Some("UC"), "upstream", 1, 0),
    (Does::Close, 1, "", GET, 502, Some("UC"), "upstream", 1, 0),
    (Does::Reset, 3, "", GET, 502, Some("URX"), "upstream", 2, 1),
    (Does::Reset, 3, "", POST, 502, Some("UC"), "upstream", 1, 0),
    // No HTTP: never again.
    (Does::Answer("HTTP/2 200 OK\r\n\r\n"), 2, LIST, GET, 502, Some("UPE"), "upstream", 1, 0),
    (Does::Answer("HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n"), 2, "", GET, 502, Some("UPE"), "upstream", 1, 0),
    // An answer is an answer, unless it is listed: then the last one counts.
    (Does::Answer(BUSY), 3, "", GET, 503, None, "", 1, 0),
    (Does::Answer(BUSY), 3, LIST, GET, 503, Some("URX"), "upstream", 2, 1),
    (Does::Answer(BUSY), 4, TWICE, PUT, 503, Some("URX"), "upstream", 3, 2),
    (Does::Answer(BUSY), 3, LIST, POST, 503, None, "", 1, 0),
    (Does::Answer(BUSY), 1, LIST, GET, 503, None, "", 1, 0),
    (Does::Answer(BUSY), 3, NEVER, GET, 503, None, "", 1, 0),
    // The client's own mistakes come to no endpoint.
    (Does::Answer(OK), 1, "", "GET / HTTP/1.1\r\n\r\n", 400, Some("DPE"), "client", 0, 0),
    (Does::Answer(OK), 1, "", "TRACE / HTTP/1.1\r\nHost: a\r\n\r\n", 405, Some("DPE"), "client", 0, 0),
    (Does::Answer(OK), 1, "", "CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n", 405, Some("DPE"), "client", 0, 0),
    (Does::Answer(OK), 1, "", "GET / HTTP/1.1\r\nHost: a\r\nExpect: x\r\n\r\n", 417, Some("DPE"), "client", 0, 0),
    (Does::Answer(OK), 1, "  limits: {requestBody: \"2\"}\n", PUT, 413, Some("DPE"), "client", 0, 0),
];

#[tokio::test]
async fn each_failure_has_its_status_reason_and_side_and_is_tried_again_or_not() {
    let mut wrong = Vec::new();
    for row in ROWS {
        if let Err(error) = try_row(row).await {
            wrong.push(format!("{row:?}: {error}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

async fn try_row((does, count, extra, request, code, reason, side, sent, retried): &Row) -> Result<(), String> {
    let (mut addresses, mut endpoints, mut queues) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..*count {
        match endpoint_that(*does).await {
            Some(endpoint) => {
                addresses.push(endpoint.addr);
                endpoints.push(endpoint);
            }
            None if matches!(does, Does::NotAccept) => {
                let (address, full) = unreachable().await;
                addresses.push(address);
                queues.push(full);
            }
            None => addresses.push(nobody().await),
        }
    }
    let pool = Pool { connect: "150ms", response_header: "150ms", extra, ..Pool::of(&addresses) };
    let proxy = Proxy::start(&pool).await;
    let (head, _) = proxy.ask(request).await;
    let failed = async |labels: &[&str]| proxy.metric("evenkeel_failed_requests_total", labels).await;
    let booked = match reason {
        Some(reason) => failed(&[&format!("reason=\"{reason}\""), &format!("side=\"{side}\"")]).await,
        None => 1,
    };
    let found = (
        (status(&head), field(&head, "evenkeel-reason")),
        (booked, failed(&[]).await),
        endpoints.iter().map(|endpoint| endpoint.heads().len()).sum::<usize>(),
        retries(&proxy).await,
    );
    let expected = ((*code, *reason), (1, u64::from(reason.is_some())), *sent, *retried);
    if found == expected { Ok(()) } else { Err(format!("{found:?}, not {expected:?}")) }
}

async fn endpoint_that(does: Does) -> Option<Endpoint> {
    let serve = move |mut accepted: Accepted| async move {
        accepted.request().await;
        match does {
            Does::Reset => accepted.conn.reset(),
            Does::Answer(answer) => {
                accepted.conn.send(answer).await;
                let _ = accepted.conn.rest().await;
            }
            Does::NotAnswer => drop(accepted.conn.rest().await),
            _ => {}
        }
    };
    match does {
        Does::Refuse | Does::NotAccept => None,
        _ => Some(Endpoint::start(serve).await),
    }
}

#[tokio::test]
async fn after_a_refused_connection_two_further_endpoints_are_tried() {
    let good = Endpoint::answering(OK).await;
    let proxy = Proxy::start(&Pool::of(&[nobody().await, nobody().await, good.addr])).await;
    for request in [GET, POST].repeat(6) {
        assert_eq!(told(&proxy, request).await, (200, None));
    }
    assert_eq!(good.heads().len(), 12);

    let none = [nobody().await, nobody().await, nobody().await, nobody().await];
    let proxy = Proxy::start(&Pool::of(&none)).await;
    assert_eq!(told(&proxy, POST).await, because(502, "UF"));
    assert_eq!((retries(&proxy).await, proxy.failures("UF").await), (2, 1));
    proxy.settles().await;
}

/// Listens, but its queue is full: further connections are neither made nor refused.
async fn unreachable() -> (SocketAddr, impl Sized) {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let listener = socket.listen(1).unwrap();
    let addr = listener.local_addr().unwrap();
    let mut waiting = Vec::new();
    while let Ok(stream) = tokio::time::timeout(Duration::from_millis(100), TcpStream::connect(addr)).await {
        waiting.push(stream.unwrap());
    }
    (addr, (listener, waiting))
}

#[tokio::test]
async fn a_connection_that_is_not_made_in_time_is_tried_elsewhere_then_504() {
    let (full, _held) = unreachable().await;
    let pool = Pool { connect: "100ms", ..Pool::of(&[full]) };
    let proxy = Proxy::start(&pool).await;
    let since = Instant::now();
    assert_eq!(told(&proxy, POST).await, because(504, "UF,UT"));
    assert!(since.elapsed() >= Duration::from_millis(100));
    assert_eq!(proxy.failures("UF,UT").await, 1);

    let good = Endpoint::answering(OK).await;
    let proxy = Proxy::start(&Pool { connect: "100ms", ..Pool::of(&[full, good.addr]) }).await;
    for _ in 0..4 {
        assert_eq!(told(&proxy, POST).await, (200, None));
    }
}

#[tokio::test]
async fn the_wait_for_a_response_begins_when_the_request_is_written() {
    let silent = Endpoint::start(|mut accepted| async move {
        accepted.head().await;
        let _ = accepted.conn.rest().await;
    })
    .await;
    let proxy = Proxy::start(&Pool { response_header: "300ms", ..Pool::of(&[silent.addr]) }).await;
    assert_eq!(told(&proxy, GET).await, because(504, "UT"));
    // GET with a body in chunks is a request like any other.
    for (method, framing, end) in [
        ("POST", "Content-Length: 7", "g"),
        ("POST", "Transfer-Encoding: chunked", ""),
        ("GET", "Transfer-Encoding: chunked", ""),
    ] {
        let mut client = proxy.connect().await;
        client.send(format!("{method} / HTTP/1.1\r\nHost: a\r\n{framing}\r\n\r\n")).await;
        for _ in 0..6 {
            sleep(Duration::from_millis(100)).await;
            client.send(if end.is_empty() { "1\r\nx\r\n" } else { "x" }).await;
        }
        let since = Instant::now();
        client.send(if end.is_empty() { "0\r\n\r\n" } else { end }).await;
        assert_eq!(status(&client.answer().await.0), 504);
        assert!(since.elapsed() >= Duration::from_millis(290), "{framing}: after {:?}", since.elapsed());
    }
    assert_eq!((proxy.failures("UT").await, retries(&proxy).await), (4, 0));
    proxy.settles().await;
}

/// Reads a request and closes, without a word.
async fn closing() -> Endpoint {
    Endpoint::start(|mut accepted| async move { drop(accepted.request().await) }).await
}

#[tokio::test]
async fn a_fresh_connection_that_breaks_is_replaced_elsewhere_once_if_nothing_happens_twice() {
    let (bad, good) = (closing().await, Endpoint::answering(OK).await);
    let proxy = Proxy::with(&[&Pool::of(&[bad.addr, good.addr])], &["--threads", "1"]).await;
    for _ in 0..10 {
        assert_eq!(told(&proxy, GET).await, (200, None));
    }
    assert_eq!((good.heads().len(), bad.heads().len()), (10, 5));
    let mut failed = 0;
    for _ in 0..10 {
        failed += usize::from(told(&proxy, POST).await == because(502, "UC"));
    }
    assert_eq!((failed, good.heads().len() + bad.heads().len()), (5, 25), "each POST is sent once");

    let bad = [closing().await, closing().await, closing().await];
    let proxy = Proxy::start(&Pool::of(&bad.each_ref().map(|endpoint| endpoint.addr))).await;
    assert_eq!(told(&proxy, GET).await, because(502, "URX"));
    assert_eq!(bad.iter().map(|endpoint| endpoint.heads().len()).sum::<usize>(), 2);
}

/// Answers one request on each connection, and closes when it has read the next.
async fn tiring() -> Endpoint {
    Endpoint::start(|mut accepted| async move {
        accepted.request().await;
        accepted.conn.send(OK).await;
        accepted.request().await;
    })
    .await
}

#[tokio::test]
async fn a_kept_connection_that_turns_out_dead_is_replaced_and_blames_nobody() {
    let endpoint = tiring().await;
    let proxy = Proxy::with(&[&Pool::of(&[endpoint.addr])], &["--threads", "1"]).await;
    for _ in 0..6 {
        assert_eq!(told(&proxy, GET).await, (200, None));
    }
    assert_eq!(proxy.failures("UC").await, 0);
    let before = endpoint.heads().len();
    assert_eq!(told(&proxy, POST).await, because(502, "UC"));
    assert_eq!(endpoint.heads().len(), before + 1, "a POST that may have been taken is not sent again");
}

#[tokio::test]
async fn a_post_survives_kept_connections_that_were_closed_meanwhile() {
    let endpoint = Endpoint::start(|mut accepted| async move {
        accepted.request().await;
        accepted.conn.send(OK).await; // and closes, though it did not say so
    })
    .await;
    let proxy = Proxy::with(&[&Pool::of(&[endpoint.addr])], &["--threads", "1"]).await;
    for _ in 0..100 {
        assert_eq!(told(&proxy, POST).await, (200, None));
    }
    assert_eq!(endpoint.heads().len(), 100);
}

#[tokio::test]
async fn dead_connections_to_several_endpoints_cost_no_request() {
    // Both answer once, take a second request and close; then the first is gone for good.
    let (mut first, second) = (tiring().await, tiring().await);
    let proxy = Proxy::with(&[&Pool::of(&[first.addr, second.addr])], &["--threads", "1"]).await;
    assert_eq!(told(&proxy, GET).await, (200, None));
    assert_eq!(told(&proxy, GET).await, (200, None));
    first.close().await;
    for _ in 0..6 {
        assert_eq!(told(&proxy, GET).await, (200, None));
    }
}

/// Begins an answer and breaks off.
async fn breaking(answer: &'static str, reset: bool) -> Endpoint {
    Endpoint::start(move |mut accepted| async move {
        accepted.request().await;
        accepted.conn.send(answer).await;
        if reset {
            sleep(Duration::from_millis(50)).await; // else the reset overtakes the bytes
            accepted.conn.reset();
        }
    })
    .await
}

#[tokio::test]
async fn a_broken_answer_never_looks_whole() {
    let length = "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf";
    let chunks = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n";
    let cut = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nff\r\nhalf";
    for (answer, reset) in [(length, false), (length, true), (chunks, false), (chunks, true), (cut, false)] {
        let endpoint = breaking(answer, reset).await;
        let proxy = Proxy::start(&Pool::of(&[endpoint.addr])).await;
        let mut client = proxy.connect().await;
        client.send(GET).await;
        if let Ok(got) = client.rest().await {
            let ended = got.ends_with("0\r\n\r\n") || !(got.contains("content-length: 10") || got.contains("chunked"));
            assert!(!ended, "{answer:?}, reset {reset}: {got:?}");
        }
        assert_eq!(proxy.failures("UC").await, 1);
        assert_eq!(endpoint.heads().len(), 1, "not sent again");
        proxy.settles().await;
    }
    // For HTTP/1.0 the end of the connection is the end of the body: only a reset tells that it is not.
    let endpoint = breaking(chunks, false).await;
    let proxy = Proxy::start(&Pool::of(&[endpoint.addr])).await;
    let mut client = proxy.connect().await;
    client.send("GET / HTTP/1.0\r\n\r\n").await;
    let got = client.rest().await;
    assert!(got.is_err(), "a clean end: {got:?}");
}

#[tokio::test]
async fn without_an_endpoint_the_answer_is_503_at_once() {
    let endpoint = Endpoint::answering(OK).await;
    let proxy = Proxy::start(&Pool::of(&[endpoint.addr])).await;
    let port = format!("port: {}", endpoint.addr.port());
    proxy.edit_text(Pool::of(&[endpoint.addr]).yaml().replace(&port, &format!("{port}, weight: 0")));
    until("no endpoint is left", async || told(&proxy, GET).await == because(503, "UH")).await;
    assert!(proxy.failures("UH").await > 0);
    // A client's connection goes on: it is not its fault.
    let mut client = proxy.connect().await;
    for _ in 0..2 {
        client.send(GET).await;
        assert_eq!(status(&client.answer().await.0), 503);
    }
}

#[tokio::test]
async fn retries_stay_within_their_budget() {
    const REQUESTS: u64 = 300;
    let none = [nobody().await, nobody().await, nobody().await];
    let proxy = Proxy::start(&Pool::of(&none)).await;
    let since = Instant::now();
    let mut client = proxy.connect().await;
    for _ in 0..REQUESTS {
        client.send(GET).await;
        assert_eq!(status(&client.answer().await.0), 502);
    }
    let windows = since.elapsed().as_secs() / 10 + 1;
    let retries = retries(&proxy).await;
    assert!((100..=100 * windows).contains(&retries), "{retries} retries: what was never sent allows none");
}

#[tokio::test]
async fn what_the_proxy_lacks_itself_blames_no_endpoint() {
    let release = Arc::new(Semaphore::new(0));
    let held = Arc::clone(&release);
    let endpoint = Endpoint::start(move |mut accepted| {
        let held = Arc::clone(&held);
        async move {
            accepted.request().await;
            let _permit = held.acquire().await.unwrap();
            accepted.conn.send(OK).await;
        }
    })
    .await;
    let pool = Pool::of(&[endpoint.addr, nobody().await]);
    let usual = Proxy::start(&pool).await;
    let used = std::fs::read_dir(format!("/proc/{}/fd", usual.id())).unwrap().count();
    let proxy = Proxy::with_descriptors(&pool, u32::try_from(used).unwrap() + 20).await;
    let mut clients = Vec::new();
    for _ in 0..16 {
        clients.push(proxy.connect().await);
    }
    proxy.reaches("evenkeel_connections_active", &[], 16).await;
    for client in &mut clients {
        client.send(GET).await;
    }
    let last = clients.last_mut().unwrap().answer().await.0;
    assert_eq!((status(&last), field(&last, "evenkeel-reason")), (503, Some("OM")));
    drop(clients);
    proxy.settles().await;
    let ours = proxy.metric("evenkeel_failed_requests_total", &[r#"reason="OM""#, r#"side="proxy""#]).await;
    assert!((1..16).contains(&ours), "{ours} of 16");
    assert_eq!(proxy.metric("evenkeel_failed_requests_total", &[r#"side="upstream""#]).await, 0);
    release.add_permits(100);
    assert_eq!(told(&proxy, GET).await, (200, None));
}
