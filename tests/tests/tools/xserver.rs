//! `xserver`: what it answers, and how it ends.

use std::path::Path;
use std::time::Duration;

use evenkeel_tests::process::Signal;
use evenkeel_tests::programs::Xserver;
use evenkeel_tests::xserver::{Behaviour, XServer};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};

use crate::raw::{Client, SOON};

async fn start(behaviour: Behaviour) -> XServer {
    XServer::start("127.0.0.1:0".parse().unwrap(), "a", behaviour).await.unwrap()
}

async fn connect(behaviour: Behaviour) -> Client {
    Client::connect(start(behaviour).await.addr()).await
}

fn program() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_xserver"))
}

#[tokio::test]
async fn it_answers_with_its_name() {
    let mut client = connect(Behaviour::default()).await;
    let (head, body) = client.get("/some/path?x=1").await;
    assert!(head.starts_with("http/1.1 200") && head.contains("\r\nx-server: a\r\n"), "{head}");
    let body: serde_json::Value = serde_json::from_str(&body).unwrap();
    assert_eq!((&body["server"], &body["path"], &body["method"]), (&"a".into(), &"/some/path".into(), &"GET".into()));
    assert_eq!((&body["ip"], &body["message"]), (&"127.0.0.1".into(), &"hello from a".into()));
    assert!(body["hostname"].is_string() && body["time"].as_str().unwrap().ends_with('Z'));
}

#[tokio::test]
async fn it_echoes_fields_and_bodies_on_one_connection() {
    let mut client = connect(Behaviour::default()).await;
    client.send("GET /headers HTTP/1.1\r\nHost: x\r\nX-Two: 1\r\nX-Two: 2\r\n\r\n").await;
    let body: serde_json::Value = serde_json::from_str(&client.answer().await.1).unwrap();
    assert_eq!(body["headers"]["x-two"], serde_json::json!(["1", "2"]));
    client.send("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello").await;
    assert_eq!(client.answer().await.1, "hello");
    // A body that nobody wants must not cost the connection.
    client.send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello").await;
    assert!(client.answer().await.1.contains("POST"));
    assert!(client.get("/").await.0.starts_with("http/1.1 200"));
}

#[tokio::test]
async fn a_request_can_ask_for_status_bytes_and_delay() {
    let mut client = connect(Behaviour::default()).await;
    assert!(client.get("/?status=503").await.0.starts_with("http/1.1 503"));
    assert_eq!(client.get("/?bytes=200000").await.1.len(), 200_000);
    let before = Instant::now();
    client.get("/?delay=50ms").await;
    assert!(before.elapsed() >= Duration::from_millis(50));
    let (head, body) = client.get("/?delay=50").await;
    assert!(head.starts_with("http/1.1 400") && body.contains("delay"), "{head}{body}");
    client.send("GET /?bytes=3&chunked=true&close=true HTTP/1.1\r\nHost: x\r\n\r\n").await;
    let rest = client.rest().await.unwrap();
    assert!(rest.to_lowercase().contains("connection: close") && rest.ends_with("3\r\nxxx\r\n0\r\n\r\n"), "{rest}");
}

#[tokio::test]
async fn a_request_can_ask_for_a_reset() {
    let mut client = connect(Behaviour::default()).await;
    client.send("GET /?reset=true HTTP/1.1\r\nHost: x\r\n\r\n").await;
    assert_eq!(client.rest().await.unwrap_err().kind(), std::io::ErrorKind::ConnectionReset);
}

#[tokio::test]
async fn health_is_set_at_the_start_and_by_post() {
    let mut client = connect(Behaviour { healthy: false, fail_percent: 100, ..Behaviour::default() }).await;
    assert!(client.get("/health").await.0.starts_with("http/1.1 503"));
    client.send("POST /health?ok=true HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n").await;
    client.answer().await;
    assert!(client.get("/health").await.0.starts_with("http/1.1 200"), "chance failures leave health checks alone");
    assert!(client.get("/").await.0.starts_with("http/1.1 500"));
}

#[tokio::test]
async fn idle_connections_are_closed_after_their_time() {
    let mut client = connect(Behaviour { keep_alive: Duration::from_millis(500), ..Behaviour::default() }).await;
    client.get("/").await;
    assert_eq!(client.rest().await.unwrap(), "");
}

#[tokio::test]
async fn what_is_in_flight_is_finished_at_the_end() {
    let server = start(Behaviour::default()).await;
    let mut busy = Client::connect(server.addr()).await;
    let mut idle = Client::connect(server.addr()).await;
    idle.get("/").await;
    busy.send("GET /?delay=1s HTTP/1.1\r\nHost: x\r\n\r\n").await;
    // The request must be there before the end begins; this one went the same way after it.
    idle.get("/").await;
    let (finished, head) = tokio::join!(server.stop(), async { busy.answer().await.0 });
    assert!(finished);
    assert!(head.starts_with("http/1.1 200") && head.contains("connection: close"), "{head}");
    assert_eq!(idle.rest().await.unwrap(), "", "an idle connection is closed, not reset");
    assert!(TcpStream::connect(server.addr()).await.is_err());
}

#[tokio::test]
async fn a_connection_made_just_before_the_end_gets_its_answer() {
    let server = start(Behaviour::default()).await;
    let mut client = Client::connect(server.addr()).await;
    let request = async {
        while TcpStream::connect(server.addr()).await.is_ok() {}
        client.get("/").await
    };
    let (finished, (head, _)) = timeout(SOON, async { tokio::join!(server.stop(), request) }).await.unwrap();
    assert!(finished && head.starts_with("http/1.1 200") && head.contains("connection: close"), "{head}");
}

#[tokio::test]
async fn while_draining_it_goes_on_accepting() {
    let server = start(Behaviour { drain: Duration::from_secs(1), ..Behaviour::default() }).await;
    let requests = async {
        for _ in 0..5 {
            // The delay lets the stop begin before the first of them is answered.
            Client::connect(server.addr()).await.get("/?delay=10ms").await;
        }
    };
    let began = Instant::now();
    let (finished, ()) = tokio::join!(server.stop(), requests);
    assert!(finished && began.elapsed() >= Duration::from_secs(1));
    assert_eq!(server.answered(), 5);
}

#[tokio::test]
async fn a_request_that_takes_too_long_does_not_hold_the_end_up() {
    let server = start(Behaviour { grace: Duration::from_millis(100), ..Behaviour::default() }).await;
    let mut client = Client::connect(server.addr()).await;
    client.send("GET /?delay=1h HTTP/1.1\r\nHost: x\r\n\r\n").await;
    Client::connect(server.addr()).await.get("/").await;
    assert!(!timeout(SOON, server.stop()).await.unwrap());
}

#[tokio::test]
async fn one_process_serves_several_names() {
    let xserver = Xserver::start(program(), &["a", "b", "c"], &["--message", "hi"]).unwrap();
    for (name, addr) in &xserver.servers {
        let (head, body) = Client::connect(*addr).await.get("/").await;
        assert!(head.contains(&format!("\r\nx-server: {name}\r\n")) && body.contains("\"message\":\"hi\""));
    }
}

#[tokio::test]
async fn sigterm_finishes_what_is_in_flight_and_exits_with_0() {
    let xserver = Xserver::start(program(), &["a"], &["--threads", "2"]).unwrap();
    let mut busy = Client::connect(xserver.addr()).await;
    busy.send("GET /?delay=1s HTTP/1.1\r\nHost: x\r\n\r\n").await;
    Client::connect(xserver.addr()).await.get("/?delay=20ms").await;
    xserver.process.signal(Signal::TERM).unwrap();
    assert!(busy.answer().await.0.starts_with("http/1.1 200"));
    let finished = xserver.process.finish(SOON).unwrap();
    assert!(finished.status.success(), "{finished:?}");
    assert_eq!(finished.stderr, ["draining", "a: stopped after 2 answers"]);
}

#[tokio::test]
async fn a_second_signal_ends_it_at_once() {
    let mut xserver = Xserver::start(program(), &["a"], &["--drain", "1h"]).unwrap();
    xserver.process.signal(Signal::INT).unwrap();
    // Signals of one kind that come together are one: the second waits until the first was seen.
    xserver.process.stderr().wait_for(SOON, |line| line.contains("draining").then_some(())).unwrap();
    xserver.process.signal(Signal::INT).unwrap();
    assert_eq!(xserver.process.wait(SOON).unwrap().code(), Some(130));
}
