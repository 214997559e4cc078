//! Tests: asking over real sockets.

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
};

use super::*;

/// Answers one connection with these bytes, after the request's head; then closes it.
async fn proxy_that_says(response: String) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("its address");
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.expect("a connection");
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await.expect("a request"));
        }
        assert!(head.starts_with(b"GET /status HTTP/1.1\r\n"));
        let _ = stream.write_all(response.as_bytes()).await; // the asker may have enough before the end
    });
    address
}

async fn ask(response: String) -> Result<Answer, AskError> {
    Asker::default().ask(proxy_that_says(response).await, &Key::new("shop", "web")).await
}

fn ok(body: &str) -> String {
    format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len())
}

#[tokio::test]
async fn a_proxy_says_which_generation_it_runs() {
    let body = r#"{"pools":[{"namespace":"shop","name":"api","generation":9},
        {"namespace":"shop","name":"web","generation":3,"revision":"r","since":"now","lastRefusal":null}],"more":1}"#;
    let answer = ask(ok(body)).await.expect("an answer");
    assert_eq!(answer, Answer { serves: true, generation: Some(3), revision: Some("r".into()), ..Answer::default() });
}

#[tokio::test]
async fn a_proxy_says_why_it_refused_a_table() {
    let body = r#"{"pools":[{"namespace":"shop","name":"web","generation":3,
        "lastRefusal":{"message":"schema version 2","tooNew":true}}]}"#;
    let refusal = ask(ok(body)).await.expect("an answer").refusal;
    assert_eq!(refusal, Some(Refusal { message: "schema version 2".into(), too_new: true }));
}

#[tokio::test]
async fn a_proxy_names_other_pools_of_the_namespace_that_it_refused() {
    let body = r#"{"pools":[{"namespace":"shop","name":"api","lastRefusal":{"message":"port 80 belongs to web"}},
        {"namespace":"bank","name":"api","lastRefusal":{"message":"no"}},{"namespace":"shop","name":"web","generation":3}]}"#;
    let answer = ask(ok(body)).await.expect("an answer");
    assert_eq!((answer.generation, answer.losers), (Some(3), vec![Key::new("shop", "api")]));
}

#[tokio::test]
async fn a_proxy_that_does_not_know_the_pool_runs_nothing_of_it() {
    assert_eq!(ask(ok(r#"{"pools":[]}"#)).await.expect("an answer"), Answer::default());
}

#[tokio::test]
async fn anything_else_is_an_error() {
    let large = format!("HTTP/1.1 200 OK\r\n\r\n{}", "x".repeat(MAX_ANSWER_BYTES + 1));
    for response in
        [ok("no json"), ok(""), "HTTP/1.1 503 No\r\ncontent-length: 0\r\n\r\n".into(), "nonsense".into(), large]
    {
        let start: String = response.chars().take(40).collect();
        assert!(ask(response).await.is_err(), "{start}");
    }
}

#[tokio::test(start_paused = true)]
async fn silence_has_an_end() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port"); // connects, and nobody ever answers
    let address = listener.local_addr().expect("its address");
    let asked = Asker::default().ask(address, &Key::new("shop", "web")).await;
    assert!(matches!(asked, Err(AskError::TooSlow)), "{asked:?}");
}
