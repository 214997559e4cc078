//! `load`: counts by server, failures by kind, replays, schedules.

use std::process::Command;
use std::time::Duration;

use evenkeel_tests::load::{Change, LoadReport, Settings, Stop, run};
use evenkeel_tests::process::{ChildGuard, Finished, Signal};
use evenkeel_tests::programs::load_report;
use evenkeel_tests::xserver::{Behaviour, XServer};
use http::Method;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::raw::{SOON, answer_once, read_request, server};

async fn xserver(name: &str, behaviour: Behaviour) -> XServer {
    XServer::start("127.0.0.1:0".parse().unwrap(), name, behaviour).await.unwrap()
}

async fn load(settings: Settings) -> LoadReport {
    let stop = CancellationToken::new();
    tokio::time::timeout(2 * SOON, run(settings, &stop, |_| {})).await.unwrap()
}

fn to(addr: std::net::SocketAddr) -> Settings {
    Settings::to(&addr.to_string())
}

/// One request; the kind of its failure.
async fn failure(settings: Settings) -> String {
    let report = load(settings).await;
    assert_eq!((report.counts.total, report.counts.failed), (1, 1), "{report:?}");
    let kind = report.counts.failures.into_keys().next().unwrap();
    assert_eq!(report.first_failures[0].kind, kind);
    kind
}

fn program(arguments: &[&str]) -> ChildGuard {
    let mut command = Command::new(env!("CARGO_BIN_EXE_load"));
    command.args(arguments);
    ChildGuard::spawn(command).unwrap()
}

fn summary(finished: &Finished) -> LoadReport {
    load_report(finished).unwrap_or_else(|| panic!("no summary: {finished:?}"))
}

#[tokio::test]
async fn answers_are_counted_by_server() {
    // One address, two servers in turn: each connection goes to the other one.
    let addr = server(|number, mut stream| async move {
        read_request(&mut stream).await;
        let name = ["a", "b"][number % 2];
        let answer = format!("HTTP/1.1 200 OK\r\nX-Server: {name}\r\nContent-Length: 2\r\n\r\nok");
        stream.write_all(answer.as_bytes()).await.unwrap();
    })
    .await;
    let settings = Settings { stop: Stop::Requests(10), keep_alive_percent: 0, ..to(addr) };
    let counts = load(settings).await.counts;
    assert_eq!((counts.total, counts.ok, counts.connections), (10, 10, 10));
    assert_eq!((counts.by_server["a"], counts.by_server["b"]), (5, 5));
}

#[tokio::test]
async fn half_of_the_requests_have_a_connection_of_their_own() {
    let server = xserver("a", Behaviour::default()).await;
    let settings = Settings { stop: Stop::Requests(100), keep_alive_percent: 50, ..to(server.addr()) };
    let counts = load(settings).await.counts;
    assert_eq!((counts.ok, counts.connections, counts.by_server["a"]), (100, 51, 100));
}

#[tokio::test]
async fn failures_are_told_apart() {
    let server_503 = xserver("a", Behaviour { status: http::StatusCode::SERVICE_UNAVAILABLE, ..Behaviour::default() });
    assert_eq!(failure(to(server_503.await.addr())).await, "status_503");
    // A port that was just free.
    let nobody = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    assert_eq!(failure(to(nobody)).await, "connect_refused");
    assert_eq!(failure(Settings::to("no-such-name.invalid.:80")).await.split('_').next(), Some("dns"));
}

#[tokio::test]
async fn broken_connections_are_told_apart() {
    let answers: [(&str, &[u8]); 4] = [
        ("eof", b""),
        ("eof", b"HTTP/1.1 200 OK\r\nContent-Le"),
        ("eof", b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabc"),
        ("malformed", b"SSH-2.0-x\r\n\r\n"),
    ];
    for (kind, bytes) in answers {
        let addr = server(move |_, mut stream| async move {
            read_request(&mut stream).await;
            stream.write_all(bytes).await.unwrap();
        });
        assert_eq!(failure(to(addr.await)).await, kind, "{}", bytes.escape_ascii());
    }
    let reset = server(|_, mut stream| async move {
        read_request(&mut stream).await;
        stream.set_zero_linger().unwrap();
    });
    assert_eq!(failure(to(reset.await)).await, "reset");
}

#[tokio::test]
async fn a_late_answer_and_a_late_end_are_told_apart() {
    let timeout = Duration::from_millis(500);
    for (kind, bytes) in [("timeout", ""), ("body_timeout", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabc")] {
        let addr = server(move |_, mut stream| async move {
            read_request(&mut stream).await;
            stream.write_all(bytes.as_bytes()).await.unwrap();
            let _ = stream.read_u8().await; // until the client has given up
        });
        assert_eq!(failure(Settings { timeout, ..to(addr.await) }).await, kind);
    }
}

/// Each connection answers once, waits for the next request and closes without an answer.
async fn closes_at_the_second_request(with_reset: bool) -> std::net::SocketAddr {
    server(move |_, mut stream| async move {
        answer_once(&mut stream).await;
        tokio::spawn(async move {
            read_request(&mut stream).await;
            if with_reset {
                stream.set_zero_linger().unwrap();
            }
        });
    })
    .await
}

#[tokio::test]
async fn a_close_of_a_reused_connection_is_replayed_once_and_counted() {
    for with_reset in [false, true] {
        let settings = Settings { stop: Stop::Requests(2), ..to(closes_at_the_second_request(with_reset).await) };
        let counts = load(settings).await.counts;
        assert_eq!((counts.ok, counts.failed, counts.replays, counts.connections), (2, 0, 1, 2));
    }
}

#[tokio::test]
async fn a_request_that_is_not_idempotent_is_not_replayed() {
    let addr = closes_at_the_second_request(false).await;
    let report = load(Settings { stop: Stop::Requests(2), method: Method::POST, ..to(addr) }).await;
    assert_eq!((report.counts.ok, report.counts.replays, report.counts.failures["eof"]), (1, 0, 1));
    let failed = &report.first_failures[0];
    assert_eq!((failed.connection.as_str(), failed.server.as_deref(), failed.number), ("reused", Some("raw"), 1));
    assert!(failed.local.is_some() && failed.peer == Some(addr.to_string()));
}

#[tokio::test]
async fn a_close_after_the_first_byte_is_not_replayed() {
    let addr = server(|_, mut stream| async move {
        answer_once(&mut stream).await;
        read_request(&mut stream).await;
        stream.write_all(b"H").await.unwrap();
    });
    let counts = load(Settings { stop: Stop::Requests(2), ..to(addr.await) }).await.counts;
    assert_eq!((counts.ok, counts.replays, counts.failures["eof"]), (1, 0, 1));
}

#[tokio::test]
async fn a_connection_that_was_closed_while_idle_is_no_replay() {
    let server = xserver("a", Behaviour::default()).await;
    let mut settings = Settings { stop: Stop::Requests(5), ..to(server.addr()) };
    settings.target.path = "/?close=true".parse().unwrap();
    let counts = load(settings).await.counts;
    assert_eq!((counts.ok, counts.replays, counts.connections), (5, 0, 5));
}

#[tokio::test]
async fn an_error_status_keeps_its_connection() {
    let server = xserver("a", Behaviour { fail_percent: 100, ..Behaviour::default() }).await;
    let counts = load(Settings { stop: Stop::Requests(30), ..to(server.addr()) }).await.counts;
    assert_eq!((counts.failures["status_500"], counts.connections), (30, 1));
    assert!(counts.p50_ms > 0.0, "an error that was answered has a latency");
}

#[tokio::test]
async fn latency_counts_from_the_scheduled_time() {
    let server = xserver("a", Behaviour { delay: Duration::from_millis(50), ..Behaviour::default() }).await;
    // Ten at once on one connection of 50 ms each: the last waits for nine others.
    let settings = Settings { rate: Some(10_000.0), stop: Stop::Requests(10), ..to(server.addr()) };
    let counts = load(settings).await.counts;
    assert!(counts.max_ms > 450.0 && counts.p50_ms > 200.0, "{counts:?}");
}

#[tokio::test]
async fn what_cannot_be_sent_in_time_has_failed() {
    let server = xserver("a", Behaviour { delay: Duration::from_millis(100), ..Behaviour::default() }).await;
    let timeout = Duration::from_millis(500);
    let settings = Settings { rate: Some(10_000.0), stop: Stop::Requests(20), timeout, ..to(server.addr()) };
    let counts = load(settings).await.counts;
    assert_eq!(counts.total, 20);
    assert!(counts.failures["not_sent"] >= 10 && counts.ok > 0, "{counts:?}");
}

#[tokio::test]
async fn the_rate_is_kept_and_each_second_reported() {
    let server = xserver("a", Behaviour::default()).await;
    let url = format!("http://{}/", server.addr());
    let load = program(&["--url", &url, "--rate", "200", "--duration", "2200ms", "--keep-alive-percent", "50"]);
    let finished = tokio::task::spawn_blocking(|| load.finish(SOON).unwrap()).await.unwrap();
    assert!(finished.status.success(), "{finished:?}");
    let summary = summary(&finished);
    assert_eq!((summary.counts.ok, summary.counts.failed), (440, 0));
    assert!((2.1..5.0).contains(&summary.t), "{summary:?}");
    let lines: Vec<LoadReport> = finished.stdout.iter().map(|line| serde_json::from_str(line).unwrap()).collect();
    let seconds: u64 = lines.iter().filter_map(|line| line.second.as_ref()).map(|second| second.ok).sum();
    assert!(lines.len() >= 2 && (150..=440).contains(&seconds), "{lines:?}");
}

#[tokio::test]
async fn a_failure_is_logged_and_gives_exit_code_1() {
    let server = xserver("a", Behaviour::default()).await;
    let url = format!("http://{}/?status=503", server.addr());
    for (option, code) in [("--summary-only", 1), ("--fail-ok", 0)] {
        let load = program(&["--url", &url, "--requests", "30", "--concurrency", "2", option]);
        let finished = tokio::task::spawn_blocking(|| load.finish(SOON).unwrap()).await.unwrap();
        assert_eq!(finished.status.code(), Some(code));
        assert_eq!(finished.stderr.iter().filter(|line| line.starts_with("failed ")).count(), 20);
        assert_eq!(summary(&finished).counts.failures["status_503"], 30);
    }
}

#[tokio::test]
async fn sigterm_ends_the_run_with_a_summary() {
    let server = xserver("a", Behaviour::default()).await;
    let url = format!("http://localhost:{}/", server.addr().port());
    let load = program(&["--url", &url, "--rate", "100"]);
    let finished = tokio::task::spawn_blocking(move || {
        load.stdout().wait_for(SOON, |line| line.contains("\"second\"").then_some(())).unwrap();
        load.signal(Signal::TERM).unwrap();
        load.finish(SOON).unwrap()
    });
    let finished = finished.await.unwrap();
    assert!(finished.status.success());
    assert!(summary(&finished).counts.ok >= 50);
}

#[tokio::test]
async fn it_goes_on_after_sigterm_for_as_long_as_it_was_told() {
    let server = xserver("a", Behaviour::default()).await;
    let url = format!("http://{}/", server.addr());
    let load = program(&["--url", &url, "--rate", "100", "--linger", "1s"]);
    let finished = tokio::task::spawn_blocking(move || {
        load.stdout().wait_for(SOON, |line| line.contains("\"second\"").then_some(())).unwrap();
        load.signal(Signal::TERM).unwrap();
        load.finish(SOON).unwrap()
    });
    let summary = summary(&finished.await.unwrap());
    assert!(summary.t >= 1.9 && summary.counts.ok >= 190, "{summary:?}");
}

#[tokio::test]
async fn bodies_and_fields_are_sent() {
    let server = xserver("a", Behaviour::default()).await;
    let url = format!("http://{}/echo", server.addr());
    let arguments =
        ["--url", &url, "--requests", "3", "--method", "POST", "--body-bytes", "300000", "--header", "x: 1"];
    let load = program(&arguments);
    let finished = tokio::task::spawn_blocking(|| load.finish(SOON).unwrap()).await.unwrap();
    assert_eq!(summary(&finished).counts.ok, 3, "{finished:?}");
}

#[tokio::test]
async fn each_change_of_server_is_told_with_its_time() {
    // One connection whose answers come from a, a, b, b, a, a, and so on.
    let addr = server(|_, mut stream| async move {
        for name in ["a", "a", "b", "b", "a", "a"] {
            read_request(&mut stream).await;
            let answer = format!("HTTP/1.1 200 OK\r\nX-Server: {name}\r\nContent-Length: 0\r\n\r\n");
            stream.write_all(answer.as_bytes()).await.unwrap();
        }
    });
    let url = format!("http://{}/", addr.await);
    let load = program(&["--url", &url, "--watch-change", "--requests", "6"]);
    let finished = tokio::task::spawn_blocking(|| load.finish(SOON).unwrap()).await.unwrap();
    let changes: Vec<_> = finished.stdout.iter().filter_map(|line| Change::parse(line)).collect();
    let told: Vec<_> = changes.iter().map(|change| (change.number, change.from.as_deref(), &*change.to)).collect();
    assert_eq!(told, [(0, None, "a"), (2, Some("a"), "b"), (4, Some("b"), "a")]);
    assert!(changes.is_sorted_by_key(|change| change.unix_us));
    assert!(
        changes
            .iter()
            .all(|change| change.sent_unix_us <= change.unix_us && change.sent_unix_us > 1_700_000_000_000_000)
    );
}
