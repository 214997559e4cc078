//! What a request must be: each rule with what breaks it and what just does not, from the client's bytes to the endpoint's.

use crate::recorder::{Recorder, Row, Then};
use crate::wire::{GET, field, fields, status};

use Then::{Closed, Open};

/// A request that an endpoint sees as `GET / HTTP/1.1`.
const ROOT: &[&str] = &["GET / HTTP/1.1"];
/// Nothing.
const NONE: &[&str] = &[];

async fn plain() -> Recorder {
    Recorder::start(|pool| pool).await
}

/// A GET with these lines beside `Host: a`.
fn with(lines: &str) -> String {
    format!("GET / HTTP/1.1\r\nHost: a\r\n{lines}\r\n\r\n")
}

#[tokio::test]
async fn there_is_one_host_and_the_target_leaves_in_origin_form() {
    let rows: &[Row] = &[
        ("GET / HTTP/1.1\r\nHost: a\r\n\r\n", 200, &["host: a"], Open),
        ("GET / HTTP/1.1\r\nHost: a:65535\r\n\r\n", 200, &["host: a:65535"], Open),
        ("GET / HTTP/1.1\r\nHost: [2001:db8::1]:80\r\n\r\n", 200, &["host: [2001:db8::1]:80"], Open),
        ("GET / HTTP/1.1\r\n\r\n", 400, NONE, Closed),
        ("GET / HTTP/1.1\r\nHost:\r\n\r\n", 400, NONE, Closed),
        ("GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", 400, NONE, Closed),
        ("GET / HTTP/1.1\r\nHost: a, b\r\n\r\n", 400, NONE, Closed),
        ("GET / HTTP/1.1\r\nHost: a:65536\r\n\r\n", 400, NONE, Closed),
        ("GET / HTTP/1.1\r\nHost: a:\r\n\r\n", 400, NONE, Closed),
        ("GET / HTTP/1.1\r\nHost: u@a\r\n\r\n", 400, NONE, Closed),
        ("GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", 400, NONE, Closed),
        (
            "GET http://b:8/p?q HTTP/1.1\r\nHost: a\r\n\r\n",
            200,
            &["GET /p?q HTTP/1.1", "host: b:8", "x-forwarded-host: b:8"],
            Open,
        ),
        ("GET http://b?q HTTP/1.1\r\nHost: a\r\n\r\n", 200, &["GET /?q HTTP/1.1", "host: b"], Open),
        ("GET http://b HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", 400, NONE, Closed),
        ("GET http://u@b/ HTTP/1.1\r\nHost: a\r\n\r\n", 400, NONE, Closed),
        ("GET ftp://b/ HTTP/1.1\r\nHost: a\r\n\r\n", 400, NONE, Closed),
        ("GET b:80 HTTP/1.1\r\nHost: b:80\r\n\r\n", 405, NONE, Closed),
        ("CONNECT b:80 HTTP/1.1\r\nHost: b:80\r\n\r\n", 405, NONE, Closed),
        ("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", 200, NONE, Open),
        ("GET * HTTP/1.1\r\nHost: a\r\n\r\n", 400, NONE, Closed),
        ("GET //b/../%2e;x?y=%zz&{} HTTP/1.1\r\nHost: a\r\n\r\n", 200, &["GET //b/../%2e;x?y=%zz&{} HTTP/1.1"], Open),
        ("GET /\u{e4} HTTP/1.1\r\nHost: a\r\n\r\n", 400, NONE, Closed),
        ("GET /a\u{7f} HTTP/1.1\r\nHost: a\r\n\r\n", 400, NONE, Closed),
        ("GET /<>`?\"<> HTTP/1.1\r\nHost: a\r\n\r\n", 200, &["GET /<>`?\"<> HTTP/1.1"], Open),
        // What goes out is one thing to every reader: no fragment.
        ("GET /a#b HTTP/1.1\r\nHost: a\r\n\r\n", 400, NONE, Closed),
    ];
    plain().await.holds(rows).await;
}

#[tokio::test]
async fn a_request_line_has_three_parts_and_single_spaces() {
    let long = "M".repeat(32);
    let (longest, longer) =
        (format!("{long} / HTTP/1.1\r\nHost: a\r\n\r\n"), format!("M{long} / HTTP/1.1\r\nHost: a\r\n\r\n"));
    let longest_line = format!("{long} / HTTP/1.1");
    let rows: &[Row] = &[
        ("get / HTTP/1.1\r\nHost: a\r\n\r\n", 200, &["get / HTTP/1.1"], Open),
        (&longest, 200, &[&longest_line], Open),
        (&longer, 400, NONE, Closed),
        ("G(T / HTTP/1.1\r\nHost: a\r\n\r\n", 400, NONE, Closed),
        ("GET  / HTTP/1.1\r\nHost: a\r\n\r\n", 400, NONE, Closed),
        ("GET\t/ HTTP/1.1\r\nHost: a\r\n\r\n", 400, NONE, Closed),
        ("GET /a b HTTP/1.1\r\nHost: a\r\n\r\n", 400, NONE, Closed),
        ("GET / HTTP/1.1 \r\nHost: a\r\n\r\n", 400, NONE, Closed),
        ("GET / HTTP/1.0\r\nConnection: keep-alive\r\nHost: a\r\n\r\n", 200, ROOT, Closed),
        ("GET / http/1.1\r\nHost: a\r\n\r\n", 400, NONE, Closed),
        ("GET / HTTP/1.2\r\nHost: a\r\n\r\n", 400, NONE, Closed),
        ("GET / HTTP/2.0\r\nHost: a\r\n\r\n", 505, NONE, Closed),
        ("GET / HTTP/0.9\r\nHost: a\r\n\r\n", 505, NONE, Closed),
        ("GET /\r\n\r\n", 400, NONE, Closed),
        ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\u{4}\0\0\0\0\0", 400, NONE, Closed),
        ("\r\n\r\n\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", 200, ROOT, Open),
        ("\r\n\r\n\r\n\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", 400, NONE, Closed),
    ];
    // The one that keeps alive by its own word says so.
    let (keeping, rest): (Vec<_>, Vec<_>) = rows.iter().partition(|row| row.0.contains("keep-alive"));
    let recorder = plain().await;
    recorder.holds(&rest.into_iter().copied().collect::<Vec<_>>()).await;
    let mut client = recorder.proxy.connect().await;
    for _ in 0..2 {
        client.send(keeping[0].0).await;
        let (head, _) = client.answer().await;
        assert_eq!((status(&head), field(&head, "connection")), (200, Some("keep-alive")));
    }
}

#[tokio::test]
async fn a_field_is_a_token_a_colon_and_a_value_without_controls() {
    let recorder = plain().await;
    for (lines, got, seen, then) in [
        ("X-A: 1\nX-B:2", 200, &["x-a: 1", "x-b: 2"][..], Open), // bare LF ends a line, and leaves as CRLF
        ("X-A:  1\t ", 200, &["x-a: 1"], Open),
        ("X-A:", 200, ROOT, Open),
        ("X-A: a\tb", 200, &["x-a: a\tb"], Open),
        ("X-A: \u{e4}", 200, &["x-a: \u{e4}"], Open),
        ("X-A : 1", 400, NONE, Closed),
        ("X(A: 1", 400, NONE, Closed),
        (": 1", 400, NONE, Closed),
        ("X-A", 400, NONE, Closed),
        ("X-A: 1\r\n folded", 400, NONE, Closed),
        ("X-A: 1\r\n\tfolded", 400, NONE, Closed),
        ("X-A: a\rb", 400, NONE, Closed),
        ("X-A: a\0b", 400, NONE, Closed),
        ("X-A: a\u{1}b", 400, NONE, Closed),
        ("X-A: a\u{7f}b", 400, NONE, Closed),
    ] {
        recorder.holds(&[(&with(lines), got, seen, then)]).await;
    }
    let first = "GET / HTTP/1.1\r\n X-A: 1\r\nHost: a\r\n\r\n";
    recorder.holds(&[(first, 400, NONE, Closed)]).await;
}

#[tokio::test]
async fn names_with_underscores_are_dropped_and_counted() {
    let recorder = plain().await;
    let sent = with("X_Forwarded_For: 1.2.3.4\r\nContent_Length: 9\r\nX-A: 1");
    recorder.holds(&[(&sent, 200, &["x-a: 1", "!x_forwarded_for: 1.2.3.4", "!content_length: 9"], Open)]).await;
    assert_eq!(recorder.proxy.metric("evenkeel_dropped_fields_total", &[]).await, 2);
}

#[tokio::test]
async fn heads_are_bounded_in_bytes_lines_and_targets() {
    let recorder = plain().await;
    let line = |bytes: usize| with(&format!("X: {}", "x".repeat(bytes - "X: \r\n".len())));
    let target = |bytes: usize| format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", "x".repeat(bytes - 1));
    let count = |fields: usize| with(&vec!["X: 1"; fields - 1].join("\r\n"));
    let head = |bytes: usize| {
        let rest = bytes - with("A: \r\nB: \r\nC: ").len();
        with(&format!("A: {}\r\nB: {}\r\nC: {}", "x".repeat(10_000), "x".repeat(10_000), "x".repeat(rest - 20_000)))
    };
    for (sent, got) in [
        (line(16 * 1024), 200),
        (line(16 * 1024 + 1), 431),
        (target(8_000), 200),
        (target(16 * 1024), 200),
        (target(16 * 1024 + 1), 414),
        (count(100), 200),
        (count(101), 431),
        (head(32 * 1024), 200),
        (head(32 * 1024 + 1), 431),
    ] {
        let (seen, then) = if got == 200 { (&["host: a"][..], Open) } else { (NONE, Closed) };
        recorder.holds(&[(&sent, got, seen, then)]).await;
    }
}

/// A POST with these lines and bytes.
fn post(lines: &str, body: &str) -> String {
    format!("POST / HTTP/1.1\r\nHost: a\r\n{lines}\r\n\r\n{body}")
}

#[tokio::test]
async fn a_body_ends_in_one_way() {
    let recorder = plain().await;
    let chunked = "1;x=\"y\"\r\nA\r\n0\r\n\r\n";
    for (lines, body, got, seen, then) in [
        ("Content-Length: 0", "", 200, &["content-length: 0", "!transfer-encoding: chunked"][..], Open),
        ("Content-Length: 003", "abc", 200, &["content-length: 3", "abc"], Open),
        ("Content-Length: 1\r\nContent-Length: 1", "a", 200, &["content-length: 1", "a"], Open),
        ("X: 1", "", 200, &["!content-length: 0", "!transfer-encoding: chunked"], Open),
        ("Transfer-Encoding: CHUNKED", chunked, 200, &["transfer-encoding: chunked", "A"], Open),
        ("Content-Length: 1\r\nContent-Length: 2", "a", 400, NONE, Closed),
        ("Content-Length: 1, 1", "a", 400, NONE, Closed),
        ("Content-Length: +1", "a", 400, NONE, Closed),
        ("Content-Length: 0x1", "a", 400, NONE, Closed),
        ("Content-Length:", "", 400, NONE, Closed),
        ("Content-Length: 9223372036854775808", "a", 400, NONE, Closed),
        ("Transfer-Encoding: chunked, chunked", chunked, 400, NONE, Closed),
        ("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked", chunked, 400, NONE, Closed),
        ("Transfer-Encoding: gzip, chunked", chunked, 501, NONE, Closed),
        ("Transfer-Encoding: identity", chunked, 501, NONE, Closed),
        ("Transfer-Encoding: chunked, gzip", chunked, 501, NONE, Closed),
        ("Transfer-Encoding: chunked\r\nContent-Length: 3", chunked, 400, NONE, Closed),
        ("Content-Length: 3\r\nTransfer-Encoding: chunked", chunked, 400, NONE, Closed),
    ] {
        recorder.holds(&[(&post(lines, body), got, seen, then)]).await;
    }
    let old = "POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n";
    recorder.holds(&[(old, 400, NONE, Closed)]).await;
}

#[tokio::test]
async fn trailers_pass_if_they_decide_nothing() {
    let recorder = plain().await;
    let trailers = "X-Sum: 1\r\nHost: b\r\nContent-Length: 9\r\nTransfer-Encoding: gzip\r\nAuthorization: me\r\nCookie: a=1\r\n\
                    X-Forwarded-For: 1.2.3.4\r\nConnection: close\r\nX_Sum: 2\r\n";
    let sent = post(
        "Trailer: X-Sum, Host, Authorization, Cookie, X-Forwarded-For\r\nTE: trailers\r\nTransfer-Encoding: chunked",
        &format!("1\r\nA\r\n0\r\n{trailers}\r\n"),
    );
    recorder.holds(&[(&sent, 200, &["A", "x-sum: 1", "host: a"], Open)]).await;
    let mut client = recorder.proxy.connect().await;
    client.send(&sent).await;
    assert_eq!(status(&client.answer().await.0), 200);
    let seen = recorder.seen().remove(0);
    assert!(seen.ends_with("\nA\nx-sum: 1"), "{seen}");
}

#[tokio::test]
async fn what_belongs_to_the_connection_stays_there() {
    let recorder = plain().await;
    for (lines, seen) in [
        ("Connection: x-a\r\nX-A: 1\r\nX-B: 1", &["!x-a: 1", "x-b: 1", "!connection: x-a"][..]),
        (
            "Connection: host, content-length, x-real-ip, x-request-id\r\nX-Request-Id: 7",
            &["host: a", "x-real-ip: 127.0.0.1", "x-request-id: 7"],
        ),
        (
            "Keep-Alive: 5\r\nProxy-Connection: x\r\nHTTP2-Settings: x\r\nX-B: 1",
            &["!keep-alive: 5", "!proxy-connection: x", "!http2-settings: x", "x-b: 1"],
        ),
        ("Connection: Upgrade\r\nUpgrade: h2c", &["!upgrade: h2c", "!connection: Upgrade"]),
        ("TE: gzip, trailers", &["te: trailers"]),
        ("TE: gzip", &["!te: gzip"]),
    ] {
        recorder.holds(&[(&with(lines), 200, seen, Open)]).await;
    }
}

#[tokio::test]
async fn methods_and_expectations_that_are_not_served_are_refused() {
    let rows: &[Row] = &[
        ("TRACE / HTTP/1.1\r\nHost: a\r\n\r\n", 405, NONE, Closed),
        ("OPTIONS / HTTP/1.1\r\nHost: a\r\nMax-Forwards: 0\r\n\r\n", 200, NONE, Open),
        ("OPTIONS / HTTP/1.1\r\nHost: a\r\nMax-Forwards: 1\r\n\r\n", 200, &["max-forwards: 0"], Open),
        ("OPTIONS / HTTP/1.1\r\nHost: a\r\nMax-Forwards: x\r\n\r\n", 400, NONE, Closed),
        ("GET / HTTP/1.1\r\nHost: a\r\nMax-Forwards: 0\r\n\r\n", 200, &["max-forwards: 0"], Open),
        ("POST / HTTP/1.1\r\nHost: a\r\nExpect: more\r\nContent-Length: 1\r\n\r\na", 417, NONE, Closed),
        ("GET / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n\r\n", 200, &["!expect: 100-continue"], Open),
        ("POST / HTTP/1.0\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\na", 200, &["a"], Closed),
    ];
    let recorder = plain().await;
    recorder.holds(rows).await;
    let (head, _) = recorder.proxy.ask("TRACE / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert!(field(&head, "allow").is_some_and(|allow| allow.contains("GET")), "{head}");
}

#[tokio::test]
async fn the_word_of_trusted_peers_is_kept_and_that_of_others_replaced() {
    let told = with(
        "X-Forwarded-For: 1.2.3.4\r\nX-Forwarded-For: 5.6.7.8\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: b\r\n\
         X-Forwarded-Port: 443\r\nX-Real-IP: 1.2.3.4\r\nForwarded: for=1.2.3.4",
    );
    for (trusted, lines) in [
        (
            ", trustedPeers: [127.0.0.0/8]",
            &[
                "x-forwarded-for: 1.2.3.4, 5.6.7.8, 127.0.0.1",
                "x-forwarded-proto: https",
                "x-forwarded-host: b",
                "x-forwarded-port: 443",
                "x-real-ip: 1.2.3.4",
                "forwarded: for=1.2.3.4",
            ],
        ),
        (
            ", trustedPeers: [192.0.2.0/24]",
            &[
                "x-forwarded-for: 127.0.0.1",
                "x-forwarded-proto: http",
                "x-forwarded-host: a",
                "!x-forwarded-port: 443",
                "x-real-ip: 127.0.0.1",
                "!forwarded: for=1.2.3.4",
            ],
        ),
    ] {
        let recorder = Recorder::start(|pool| crate::pool::Pool { listener: trusted, ..pool }).await;
        recorder.holds(&[(&told, 200, lines, Open)]).await;
    }
}

#[tokio::test]
async fn a_request_has_an_id_of_its_own() {
    let recorder = plain().await;
    for _ in 0..2 {
        recorder.proxy.ask(GET).await;
    }
    let ids: Vec<_> = recorder.seen().iter().map(|seen| field(seen, "x-request-id").unwrap().to_owned()).collect();
    assert!(ids.iter().all(|id| id.len() == 32) && ids[0] != ids[1], "{ids:?}");
}

#[tokio::test]
async fn fields_are_changed_as_the_pool_says() {
    let headers = "  headers: {request: {set: [{name: X-Env, value: prod}], add: [{name: X-Tag, value: b}], remove: [X-Debug]}, \
                   response: {set: [{name: X-Frame-Options, value: DENY}, {name: date, value: today}], remove: [content-type]}}\n";
    let recorder = Recorder::start(|pool| crate::pool::Pool { extra: headers, ..pool }).await;
    let sent = with("X-Env: dev\r\nX-Tag: a\r\nX-Debug: 1");
    recorder.holds(&[(&sent, 200, &["x-env: prod", "!x-env: dev", "x-tag: a", "x-tag: b", "!x-debug: 1"], Open)]).await;
    for (request, expected) in [(GET, 200), ("GET / HTTP/1.1\r\n\r\n", 400)] {
        let (head, _) = recorder.proxy.ask(request).await;
        assert_eq!(fields(&head, "date"), ["today"], "one, the pool's");
        assert_eq!((status(&head), fields(&head, "x-frame-options")), (expected, vec!["DENY"]), "ours too");
        assert_eq!(field(&head, "content-type"), None);
    }
}
