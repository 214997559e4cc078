//! The server against clients that do as they please, in virtual time.

use std::{collections::BTreeSet, sync::atomic::AtomicBool};

use kube::{Client, Config};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};

use super::*;
use crate::{
    context::Context,
    inject::{Resources, Settings},
    metrics::Metrics,
    options::ProxyOptions,
    webhook::{body::LARGEST_BODY, lookup::Lookup},
};

/// A server whose API server is not there.
fn shared() -> Arc<Shared> {
    let _ = rustls::crypto::ring::default_provider().install_default(); // another test may have done it
    let nowhere = Config::new("http://127.0.0.1:1".parse().expect("a URL"));
    let client = Client::try_from(nowhere).expect("a client");
    let metrics = Arc::new(Metrics::new());
    let context = Arc::new(Context::new(client, ProxyOptions::default(), Arc::clone(&metrics)));
    let settings = Settings { image: "proxy:1".into(), pull_policy: None, resources: Resources::default() };
    let lookup = Lookup::new(context, BTreeSet::new());
    let handler = Arc::new(Handler { lookup, settings, metrics, synced: AtomicBool::new(true) });
    let (draining, answering) = (CancellationToken::new(), TaskTracker::new());
    Arc::new(Shared { handler, draining, answering })
}

fn connect(shared: &Arc<Shared>) -> DuplexStream {
    visit(shared, &Guests::new(CONNECTIONS, ROOM), [127, 0, 0, 1])
}

/// From that peer.
fn visit(shared: &Arc<Shared>, guests: &Arc<Guests>, peer: [u8; 4]) -> DuplexStream {
    let (client, server) = duplex(1 << 20);
    let guest = guests.admit(peer.into()).expect("a place");
    tokio::spawn(serve(TokioIo::new(server), Arc::clone(shared), guest));
    client
}

async fn send(stream: &mut DuplexStream, head: &str, body: &[u8]) {
    let head = format!("{head} HTTP/1.1\r\nhost: x\r\ncontent-length: {}\r\n\r\n", body.len());
    stream.write_all(head.as_bytes()).await.expect("it is read");
    let _ = stream.write_all(body).await; // the server may have had enough
}

/// One response: its head, and its body.
async fn receive(stream: &mut DuplexStream) -> (String, String) {
    let mut bytes = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).expect("a length");
            if body.len() == length.parse::<usize>().expect("a number") {
                return (head.to_owned(), body.to_owned());
            }
        }
        let read = stream.read_buf(&mut bytes).await.expect("a response");
        assert!(read > 0, "the connection ended: {text}");
    }
}

fn review(pod: &Value) -> Vec<u8> {
    let resource = json!({ "group": "", "version": "v1", "resource": "pods" });
    let request =
        json!({ "uid": "u-1", "namespace": "shop", "operation": "CREATE", "resource": resource, "object": pod });
    json!({ "request": request }).to_string().into_bytes()
}

/// Answers of a fresh connection to one question.
async fn ask(path: &str, body: &[u8]) -> Value {
    let mut stream = connect(&shared());
    send(&mut stream, &format!("POST {path}"), body).await;
    let (head, body) = receive(&mut stream).await;
    assert!(head.starts_with("HTTP/1.1 200 OK"), "{head}");
    serde_json::from_str(&body).expect("JSON")
}

#[tokio::test(start_paused = true)]
async fn whatever_is_sent_gets_a_review_by_the_policy() {
    for body in [Vec::new(), b"{".to_vec(), vec![b'x'; 100_000], vec![b' '; LARGEST_BODY + 1]] {
        let answer = ask("/inject/fail", &body).await;
        assert_eq!(answer["response"]["allowed"], false, "{} bytes", body.len());
        let message = answer["response"]["status"]["message"].as_str().expect("a message");
        assert!(message.contains("no AdmissionReview"), "{message}");
        let answer = ask("/inject/ignore", &body).await;
        assert_eq!(answer["response"]["allowed"], true, "{} bytes", body.len());
        assert!(answer["response"]["warnings"][0].as_str().is_some_and(|text| text.contains("no AdmissionReview")));
    }
}

#[tokio::test(start_paused = true)]
async fn a_pod_is_not_decided_about_when_its_pool_cannot_be_looked_up() {
    let labels = json!({ "evenkeel.dev/inject": "enabled" });
    let pod = json!({ "metadata": { "labels": labels, "annotations": { "evenkeel.dev/pools": "web" } }, "spec": {} });
    let answer = ask("/inject/fail", &review(&pod)).await;
    assert_eq!((&answer["response"]["uid"], &answer["response"]["status"]["code"]), (&json!("u-1"), &json!(503)));
    let message = answer["response"]["status"]["message"].as_str().expect("a message");
    assert!(
        message.contains(r#"BalancerPool "web" cannot be looked up now"#) && message.contains("try again"),
        "{message}"
    );
}

#[tokio::test(start_paused = true)]
async fn there_is_nothing_else_to_ask() {
    for (head, status) in [("GET /inject/fail", "405"), ("POST /", "404"), ("GET /metrics", "404")] {
        let mut stream = connect(&shared());
        send(&mut stream, head, b"").await;
        let (found, _) = receive(&mut stream).await;
        assert!(found.starts_with(&format!("HTTP/1.1 {status}")), "{head}: {found}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_body_that_does_not_come_is_not_waited_for() {
    let (mut stream, start) = (connect(&shared()), Instant::now());
    stream
        .write_all(b"POST /inject/fail HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\n{")
        .await
        .expect("it is read");
    let (_, body) = receive(&mut stream).await;
    assert!(body.contains(r#""allowed":false"#) && body.contains("did not come within 3s"), "{body}");
    assert_eq!(start.elapsed().as_secs(), 3);
}

#[tokio::test(start_paused = true)]
async fn who_asks_nothing_is_let_go_and_who_asked_may_stay_idle() {
    let shared = shared();
    let ends = async |mut stream: DuplexStream| {
        let start = Instant::now();
        let rest = stream.read_to_end(&mut Vec::new()).await;
        assert_eq!(rest.ok(), Some(0));
        start.elapsed().as_secs()
    };
    assert_eq!(ends(connect(&shared)).await, 5);
    let mut asked = connect(&shared);
    send(&mut asked, "POST /inject/fail", &review(&json!({}))).await;
    receive(&mut asked).await;
    let idle = ends(asked).await;
    assert!((100..=IDLE.as_secs()).contains(&idle), "clients close after 90 s: {idle} s");
}

#[tokio::test(start_paused = true)]
async fn at_the_end_connections_are_asked_to_close_with_an_answer() {
    let shared = shared();
    let mut stream = connect(&shared);
    for draining in [false, true] {
        send(&mut stream, "POST /inject/fail", &review(&json!({}))).await;
        let (head, body) = receive(&mut stream).await;
        assert_eq!(head.contains("connection: close"), draining, "{head}");
        assert!(body.contains(r#""allowed":true"#), "{body}");
        shared.draining.cancel();
    }
    assert_eq!(stream.read_to_end(&mut Vec::new()).await.ok(), Some(0));
}

#[tokio::test(start_paused = true)]
async fn idle_connections_and_stalled_bodies_of_one_peer_make_nobody_wait() {
    let (shared, start) = (shared(), Instant::now());
    let (guests, question) = (Guests::new(8, ROOM), review(&json!({ "padding": "x".repeat(100_000) })));
    let mut hostile = Vec::new();
    for _ in 0..8 {
        let mut stream = visit(&shared, &guests, [10, 0, 0, 1]);
        let head = format!("POST /inject/fail HTTP/1.1\r\nhost: x\r\ncontent-length: {LARGEST_BODY}\r\n\r\n");
        stream.write_all(head.as_bytes()).await.expect("it is read");
        stream.write_all(&vec![b' '; 1 << 20]).await.expect("it is read");
        hostile.push(stream);
    }
    for _ in 0..3 {
        let mut stream = visit(&shared, &guests, [10, 0, 0, 2]);
        send(&mut stream, "POST /inject/fail", &question).await;
        let (_, body) = receive(&mut stream).await;
        assert!(body.contains(r#""allowed":true"#), "{body}");
    }
    assert!(start.elapsed().as_secs() < 1, "{:?}", start.elapsed());
    assert_eq!(hostile[0].read_to_end(&mut Vec::new()).await.ok(), Some(0), "the oldest had to go");
}
