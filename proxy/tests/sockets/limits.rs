//! Heads are bounded on both sides, connections in number, and what comes before the final answer is passed over.

use crate::endpoint::Endpoint;
use crate::pool::Pool;
use crate::proxy::{Proxy, until};
use crate::wire::{Conn, GET, OK, field, status};

#[tokio::test]
async fn a_request_head_beyond_the_limits_is_refused() {
    let endpoint = Endpoint::answering(OK).await;
    let proxy = Proxy::start(&Pool::of(&[endpoint.addr])).await;
    let fields = |count: usize| (0..count).map(|number| format!("X-{number}: 1\r\n")).collect::<Vec<_>>().concat();
    for (what, expected) in [
        (fields(99), 200),
        (fields(150), 431),
        (format!("X-Long: {}\r\n", "x".repeat(15 << 10)).repeat(2), 200),
        (format!("X-Long: {}\r\n", "x".repeat(15 << 10)).repeat(3), 431),
        (format!("X-Long: {}\r\n", "x".repeat(17 << 10)), 431),
    ] {
        let mut client = proxy.connect().await;
        client.send(format!("GET / HTTP/1.1\r\nHost: a\r\n{what}\r\n")).await;
        assert_eq!(status(&client.head().await.unwrap()), expected, "{} bytes", what.len());
    }
    assert_eq!(endpoint.heads().len(), 2);
}

#[tokio::test]
async fn an_answers_head_beyond_the_limits_is_a_protocol_error() {
    let long = format!("HTTP/1.1 200 OK\r\nX-Long: {}\r\nContent-Length: 0\r\n\r\n", "x".repeat(70 << 10));
    let many =
        format!("HTTP/1.1 200 OK\r\n{}\r\n", (0..250).map(|n| format!("X-{n}: 1\r\n")).collect::<Vec<_>>().concat());
    for answer in [long, many] {
        let endpoint = Endpoint::answering(answer.leak()).await;
        let proxy = Proxy::start(&Pool::of(&[endpoint.addr])).await;
        let (head, _) = proxy.ask(GET).await;
        assert_eq!((status(&head), field(&head, "evenkeel-reason")), (502, Some("UPE")));
    }
}

#[tokio::test]
async fn there_is_room_for_as_many_clients_as_descriptors_allow() {
    let endpoint = Endpoint::answering(OK).await;
    let proxy = Proxy::with_descriptors(&Pool::of(&[endpoint.addr]), 600).await;
    let mut clients = Vec::new();
    for _ in 0..(600 - 512) / 2 {
        clients.push(proxy.connect().await);
    }
    proxy.reaches("evenkeel_connections_active", &[], 44).await;
    for _ in 0..20 {
        assert!(proxy.connect().await.is_closed().await, "one too many");
    }
    assert_eq!(proxy.metric("evenkeel_connections_refused_total", &[]).await, 20);
    assert_eq!(proxy.probe("/livez").await, 200);
    for client in &mut clients {
        client.send(GET).await;
        assert_eq!(status(&client.answer().await.0), 200, "who is in is served");
    }
    drop(clients);
    proxy.reaches("evenkeel_connections_active", &[], 0).await;
    assert_eq!(status(&proxy.ask(GET).await.0), 200);
}

#[tokio::test]
async fn there_is_room_for_as_many_clients_as_was_said() {
    let endpoint = Endpoint::answering(OK).await;
    let pool = Pool::of(&[endpoint.addr]);
    let proxy = Proxy::with(&[&pool], &["--threads", "1", "--max-connections", "5"]).await;
    let mut clients = Vec::new();
    for _ in 0..5 {
        clients.push(proxy.connect().await);
    }
    proxy.reaches("evenkeel_connections_active", &[], 5).await;
    for _ in 0..1_000 {
        assert!(proxy.connect().await.is_closed().await, "one too many");
        clients[0].send(GET).await;
        assert_eq!(status(&clients[0].answer().await.0), 200, "who is in is served");
    }
    assert_eq!(proxy.metric("evenkeel_connections_refused_total", &[]).await, 1_000);
}

/// The descriptors that a process has.
fn descriptors(id: u32) -> Vec<u32> {
    let open = std::fs::read_dir(format!("/proc/{id}/fd")).unwrap();
    open.map(|entry| entry.unwrap().file_name().to_str().unwrap().parse().unwrap()).collect()
}

/// Lets a process have no descriptor more than it has.
fn exhaust(id: u32) {
    let open = descriptors(id);
    let lowest_free = (0..1024).find(|number| !open.contains(number)).unwrap();
    let limit = format!("--nofile={lowest_free}:");
    let done = std::process::Command::new("/usr/bin/prlimit").args(["--pid", &id.to_string(), &limit]).status();
    assert!(done.unwrap().success());
}

#[tokio::test]
async fn the_admin_port_answers_also_without_a_descriptor() {
    let endpoint = Endpoint::answering(OK).await;
    let proxy = Proxy::start(&Pool::of(&[endpoint.addr])).await;
    let mut client = proxy.connect().await;
    client.send(GET).await;
    client.answer().await;
    exhaust(proxy.id());
    let mut waiting = proxy.connect().await; // in the queue, or closed
    proxy.logs("a connection cannot be accepted").await;
    let mut kept = Conn::connect(proxy.admin).await; // a guest that stays makes way for the next
    for _ in 0..20 {
        assert_eq!(proxy.probe("/livez").await, 200);
        client.send(GET).await;
        assert!([200, 503].contains(&status(&client.answer().await.0)), "who is in has an answer");
    }
    assert!(kept.is_closed().await);
    let probes = (0..5).map(|_| proxy.probe("/metrics"));
    assert_eq!(futures::future::join_all(probes).await, [200; 5]);
    // Who leaves makes room.
    drop(client);
    waiting.send(GET).await;
    assert!([200, 503].contains(&status(&waiting.answer().await.0)));
}

#[tokio::test]
async fn a_worker_without_a_descriptor_has_one_of_another_workers_idle_connections() {
    let endpoint = Endpoint::start(|mut accepted| async move {
        while let Some((head, _)) = accepted.request().await {
            if !head.starts_with("GET /hanging") {
                accepted.conn.send(OK).await;
            }
        }
    })
    .await;
    let pool =
        Pool { response_header: "60s", extra: "  connectionPool: {idleTimeout: 60s}\n", ..Pool::of(&[endpoint.addr]) };
    let proxy = Proxy::start(&pool).await; // two workers, to which clients are shared out
    let mut clients = Vec::new();
    for _ in 0..12 {
        clients.push(proxy.connect().await);
    }
    proxy.reaches("evenkeel_connections_active", &[], 12).await;
    clients[0].send(GET).await;
    clients[0].answer().await;
    // Of those that the other worker has, two make a connection each, and keep it.
    let (mut hanging, mut others) = (Vec::new(), Vec::new());
    while hanging.len() < 2 {
        let mut client = clients.pop().expect("a client of the other worker");
        client.send(GET).await;
        client.answer().await;
        if endpoint.connections() == 2 + hanging.len() {
            client.send("GET /hanging HTTP/1.1\r\nHost: a\r\n\r\n").await;
            hanging.push(client);
        } else {
            others.push(client); // whose descriptor must not be free
        }
    }
    proxy.reaches("evenkeel_requests_in_flight", &[], 2).await;
    // Without the one that this look at the metrics takes.
    let open = proxy.metric("process_open_fds", &[]).await - 1;
    until("the look is over", async || descriptors(proxy.id()).len() as u64 == open).await;
    exhaust(proxy.id());
    for client in others.iter_mut().chain(&mut clients) {
        client.send(GET).await;
        let (head, _) = client.answer().await;
        assert_eq!(status(&head), 200, "{head}");
    }
    assert!(endpoint.connections() > 3, "one of the clients is the other worker's");
}

#[tokio::test]
async fn only_the_final_answer_counts() {
    let hints = "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n\
                 HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
    let endpoint = Endpoint::answering(hints).await;
    let proxy = Proxy::with(&[&Pool::of(&[endpoint.addr])], &["--threads", "1"]).await;
    let mut client = proxy.connect().await;
    for _ in 0..3 {
        client.send(GET).await;
        let (head, body) = client.answer().await;
        assert_eq!((status(&head), body.as_str(), field(&head, "link")), (200, "ok", None));
    }
    assert_eq!(endpoint.connections(), 1);
}
