//! What is logged of requests: who asked for what and what came of it, nothing secret, and never at a request's cost.

use std::collections::BTreeSet;
use std::time::Duration;

use evenkeel_tests::load::{Settings, Stop};
use evenkeel_tests::process::Signal;
use serde_json::Value;

use crate::endpoint::{Endpoint, nobody};
use crate::pool::{Pool, load, xserver};
use crate::proxy::{Proxy, until};
use crate::wire::{GET, OK, POST, field, status};

const ALL: &str = "  accessLog: {mode: All}\n";
const TRACE: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

fn keys(line: &Value) -> BTreeSet<&str> {
    line.as_object().unwrap().keys().map(String::as_str).collect()
}

#[tokio::test]
async fn a_line_says_who_asked_for_what_and_what_came_of_it() {
    let endpoint = Endpoint::answering(OK).await;
    let proxy = Proxy::start(&Pool { extra: ALL, ..Pool::of(&[endpoint.addr]) }).await;
    let mut client = proxy.connect().await;
    let before = time();
    client
        .send(format!(
            "POST /a/b?token=secret-query HTTP/1.1\r\nHost: shop.example:80\r\nTraceparent: {TRACE}\r\n\
             Cookie: secret-cookie\r\nAuthorization: secret-authorization\r\nContent-Length: 11\r\n\r\nsecret-body"
        ))
        .await;
    assert_eq!(status(&client.answer().await.0), 200);
    let lines = proxy.access_log(1).await;
    let line = &lines[0];
    for (key, expected) in [
        ("namespace", Value::from("default")),
        ("pool", "web".into()),
        ("client", "127.0.0.1".into()),
        ("method", "POST".into()),
        ("authority", "shop.example:80".into()),
        ("path", "/a/b".into()),
        ("protocol", "HTTP/1.1".into()),
        ("trace_id", "4bf92f3577b34da6a3ce929d0e0e4736".into()),
        ("status", 200.into()),
        ("bytes_in", 11.into()),
        ("bytes_out", 2.into()),
        ("backend", "b0".into()),
        ("endpoint", endpoint.addr.to_string().into()),
        ("attempts", 1.into()),
    ] {
        assert_eq!(line[key], expected, "{key}");
    }
    let sent = &endpoint.heads()[0];
    assert_eq!(field(sent, "traceparent"), Some(TRACE), "as it came");
    assert_eq!(line["request_id"].as_str(), field(sent, "x-request-id"), "the endpoint's log has the same name");
    let (ttfb, whole) = (line["ttfb_ms"].as_f64().unwrap(), line["duration_ms"].as_f64().unwrap());
    assert!(0.0 < ttfb && ttfb <= whole && whole < 20_000.0, "{line}");
    let ts = line["ts"].as_str().unwrap();
    assert!(*before <= *ts && *ts <= *time(), "{before} {ts}");
    assert!(!line.to_string().contains("secret"), "{line}");
    for absent in ["reason", "side"] {
        assert_eq!(line.get(absent), None);
    }
}

/// The time of day, by another program.
fn time() -> String {
    let said = std::process::Command::new("date").args(["-u", "+%Y-%m-%dT%H:%M:%S.%3NZ"]).output().unwrap();
    String::from_utf8(said.stdout).unwrap().trim().to_owned()
}

#[tokio::test]
async fn a_failure_has_its_reason_and_side_and_how_often_it_was_tried() {
    let (one, two) = (nobody().await, nobody().await);
    let proxy = Proxy::start(&Pool { extra: "  accessLog: {mode: Errors}\n", ..Pool::of(&[one, two]) }).await;
    let (_, body) = proxy.ask("GET / HTTP/1.0\r\nX-Request-Id: mine\r\n\r\n").await;
    let line = &proxy.access_log(1).await[0];
    assert_eq!((&line["status"], &line["reason"], &line["side"]), (&502.into(), &"UF".into(), &"upstream".into()));
    assert_eq!((&line["attempts"], &line["backend"]), (&2.into(), &"b0".into()));
    assert_eq!((&line["request_id"], &line["protocol"]), (&"mine".into(), &"HTTP/1.0".into()));
    assert_eq!(line["bytes_out"], body.len());
    assert_eq!(line.get("ttfb_ms"), None, "no endpoint said anything");
    assert!([one, two].iter().any(|endpoint| line["endpoint"] == endpoint.to_string()), "{line}");
}

#[tokio::test]
async fn errors_are_what_no_endpoint_answered_and_answers_from_500_on() {
    let endpoint = Endpoint::start(async |mut accepted| {
        while let Some((head, _)) = accepted.request().await {
            let status = head.split(['/', ' ']).nth(2).unwrap();
            accepted.conn.send(format!("HTTP/1.1 {status} X\r\nContent-Length: 0\r\n\r\n")).await;
        }
    })
    .await;
    let proxy = Proxy::start(&Pool { extra: "  accessLog: {mode: Errors}\n", ..Pool::of(&[endpoint.addr]) }).await;
    for answered in [200, 404, 499, 500, 503] {
        let (head, _) = proxy.ask(&format!("GET /{answered} HTTP/1.1\r\nHost: a\r\n\r\n")).await;
        assert_eq!(status(&head), answered);
    }
    proxy.ask("GET /refused HTTP/1.1\r\n\r\n").await; // by the guard
    proxy.ask("no HTTP at all\r\n\r\n").await; // and by the parser
    let lines = proxy.access_log(4).await;
    let said: BTreeSet<_> = lines.iter().map(|line| (line["status"].as_u64(), line["path"].as_str())).collect();
    let expected = [(500, Some("/500")), (503, Some("/503")), (400, Some("/refused")), (400, None)];
    assert_eq!(said, expected.into_iter().map(|(status, path)| (Some(status), path)).collect());
    assert_eq!(lines.len(), 4);
}

#[tokio::test]
async fn some_of_the_good_ones_are_logged_if_the_pool_says_so_and_none_by_default() {
    let server = xserver("s").await;
    for (extra, least, most) in [
        ("  accessLog: {mode: Sampled, samplePercent: 50}\n", 400, 600),
        ("  accessLog: {mode: Sampled, samplePercent: 100}\n", 1000, 1000),
        ("  accessLog: {mode: Sampled}\n", 0, 50),
        ("  accessLog: {mode: Errors}\n", 0, 0),
        ("", 0, 0),
    ] {
        let proxy = Proxy::start(&Pool { extra, ..Pool::of(&[server.addr()]) }).await;
        let settings = Settings { stop: Stop::Requests(1000), concurrency: 4, ..Settings::to(&proxy.addr.to_string()) };
        assert_eq!(load(settings).await.counts.ok, 1000);
        proxy.signal(Signal::INT);
        let finished = proxy.finish(Duration::from_secs(20)).await;
        assert!((least..=most).contains(&finished.stdout.len()), "{extra}: {} lines", finished.stdout.len());
    }
}

#[tokio::test]
async fn whatever_a_client_sends_a_line_stays_a_line() {
    let server = xserver("s").await;
    let proxy = Proxy::start(&Pool { extra: ALL, ..Pool::of(&[server.addr()]) }).await;
    let long = "x".repeat(5000);
    for (index, evil) in [
        b"GET /\"},{\"status\":1 HTTP/1.1\r\nHost: a\r\n\r\n".to_vec(),
        b"GET / HTTP/1.1\r\nHost: a\r\nX-Request-Id: \"\\\t\xff\xe2\x80\xae\r\nTraceparent: 00-short-x-y\r\n\r\n"
            .to_vec(),
        b"GET / HTTP/1.1\r\nHost: \"\\\xff\r\n\r\n".to_vec(),
        b"A\"B / HTTP/1.1\r\nHost: a\r\n\r\n".to_vec(),
        format!("GET /{long} HTTP/1.1\r\nHost: a\r\nX-Request-Id: {long}\r\n\r\n").into_bytes(),
    ]
    .into_iter()
    .enumerate()
    {
        let mut client = proxy.connect().await;
        client.send(&evil).await;
        client.head().await;
        let lines = proxy.access_log(index + 1).await;
        assert_eq!(lines.len(), index + 1);
        let line = &proxy.printed()[index];
        assert!(line.len() < 3500 && line.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' '), "{line}");
        assert_eq!(lines[index].get("trace_id"), None);
        let status = lines[index]["status"].as_u64().unwrap();
        assert!([200, 400].contains(&status), "{line}");
    }
}

#[tokio::test]
async fn a_client_that_left_and_an_answer_that_broke_off_are_told_apart() {
    let endpoint = Endpoint::start(async |mut accepted| {
        accepted.request().await;
        accepted.conn.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf").await;
        if accepted.number > 0 {
            std::future::pending::<()>().await;
        }
    })
    .await;
    let proxy = Proxy::start(&Pool { extra: ALL, ..Pool::of(&[endpoint.addr]) }).await;
    let mut client = proxy.connect().await;
    client.send(GET).await;
    client.up_to("half").await;
    let broken = proxy.access_log(1).await.remove(0);
    assert_eq!((&broken["status"], &broken["reason"], &broken["bytes_out"]), (&200.into(), &"UC".into(), &4.into()));
    let mut client = proxy.connect().await;
    client.send(GET).await;
    client.up_to("half").await;
    client.reset();
    let left = proxy.access_log(2).await.remove(1);
    assert_eq!((&left["status"], &left["reason"], &left["side"]), (&499.into(), &"DC".into(), &"client".into()));
    assert_eq!(left["bytes_out"], 4);
}

#[tokio::test]
async fn the_last_lines_are_written_before_the_end() {
    let server = xserver("s").await;
    let proxy = Proxy::start(&Pool { extra: ALL, ..Pool::of(&[server.addr()]) }).await;
    let settings = Settings { stop: Stop::Requests(3000), concurrency: 8, ..Settings::to(&proxy.addr.to_string()) };
    assert_eq!(load(settings).await.counts.ok, 3000);
    proxy.signal(Signal::INT);
    let finished = proxy.finish(Duration::from_secs(20)).await;
    assert!(finished.status.success());
    let ids: BTreeSet<_> = finished
        .stdout
        .iter()
        .map(|line| serde_json::from_str::<Value>(line).unwrap()["request_id"].to_string())
        .collect();
    assert_eq!((finished.stdout.len(), ids.len()), (3000, 3000), "each request has a line of its own");
}

#[tokio::test]
async fn no_password_of_a_refused_request_is_logged() {
    let server = xserver("s").await;
    let proxy = Proxy::start(&Pool { extra: ALL, ..Pool::of(&[server.addr()]) }).await;
    let refused = [
        "CONNECT user:secret@evil:443 HTTP/1.1\r\nHost: a",
        "GET user:secret@evil HTTP/1.1\r\nHost: a",
        "GET http:/user:secret@evil/ HTTP/1.1\r\nHost: a",
        "GET http://user:secret@evil/ HTTP/1.1\r\nHost: a",
        "GET http://user:secret#w@evil/ HTTP/1.1\r\nHost: a",
        "GET http://user:secret/w@evil/ HTTP/1.1\r\nHost: a",
        "GET /#secret HTTP/1.1\r\nHost: a",
        "GET / HTTP/1.1\r\nHost: user:secret@evil",
    ];
    for request in refused {
        assert!([400, 405].contains(&status(&proxy.ask(&format!("{request}\r\n\r\n")).await.0)), "{request}");
    }
    for line in proxy.access_log(refused.len()).await {
        assert!(!line.to_string().contains("secret"), "{line}");
    }
}

#[tokio::test]
async fn a_log_that_nobody_reads_holds_up_no_request_and_not_the_end() {
    let server = xserver("s").await;
    let folder = tempfile::tempdir().unwrap();
    let pipe = folder.path().join("pipe");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    // Open in both directions, so that it can be opened without anybody who reads.
    let _held = std::fs::File::options().read(true).write(true).open(&pipe).unwrap();
    let proxy = Proxy::writing_to(&Pool { extra: ALL, ..Pool::of(&[server.addr()]) }, pipe.to_str().unwrap()).await;
    let settings = Settings { stop: Stop::Requests(8000), concurrency: 8, ..Settings::to(&proxy.addr.to_string()) };
    let report = load(settings).await;
    assert_eq!((report.counts.ok, report.counts.failed), (8000, 0));
    until("lines are lost", async || proxy.metric("evenkeel_access_log_dropped_total", &[]).await > 0).await;
    assert_eq!(proxy.probe("/livez").await, 200);
    proxy.signal(Signal::INT);
    let finished = proxy.finish(Duration::from_secs(20)).await;
    assert!(finished.status.success());
    assert!(finished.stderr.iter().any(|line| line.contains("the last lines of the access log are lost")));
}

#[tokio::test]
async fn a_log_that_cannot_be_written_is_counted_and_said_once() {
    let server = xserver("s").await;
    let proxy = Proxy::writing_to(&Pool { extra: ALL, ..Pool::of(&[server.addr()]) }, "/dev/full").await;
    for round in 1..=3 {
        assert_eq!(status(&proxy.ask(POST).await.0), 200);
        proxy.reaches("evenkeel_access_log_dropped_total", &[], round).await;
    }
    assert_eq!(proxy.metric("evenkeel_access_log_lines_total", &[]).await, 0);
    let said = proxy.log().into_iter().filter(|line| line.contains("the access log cannot be written")).count();
    assert_eq!(said, 1);
}

/// The line in the README is one that the proxy could have written.
#[tokio::test]
async fn the_readme_shows_every_field() {
    let readme = include_str!("../../../README.md");
    let shown = readme.lines().find(|line| line.starts_with("{\"ts\":")).expect("an example line");
    let shown: Value = serde_json::from_str(shown).unwrap();
    let endpoint = Endpoint::start(async |mut accepted| {
        accepted.request().await;
        accepted.conn.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf").await;
    })
    .await;
    let proxy = Proxy::start(&Pool { extra: ALL, ..Pool::of(&[endpoint.addr]) }).await;
    let mut client = proxy.connect().await;
    client.send(format!("GET / HTTP/1.1\r\nHost: a\r\nTraceparent: {TRACE}\r\n\r\n")).await;
    client.up_to("half").await;
    let line = proxy.access_log(1).await.remove(0);
    assert_eq!(keys(&shown), keys(&line));
}
