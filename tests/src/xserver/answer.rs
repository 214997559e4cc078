//! One request's answer: waits, fails, echoes or resets as the request and the server's behaviour say.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::header::{CONNECTION, CONTENT_TYPE};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use serde::Serialize;

use super::ask::Ask;
use super::behaviour::Identity;
use super::reply::Reply;
use crate::clock::rfc3339;

/// The request asked for a connection that ends without an answer.
#[derive(Debug, thiserror::Error)]
#[error("the request asked for a reset")]
pub(super) struct ResetWanted;

/// What `/` and every other path answers.
#[derive(Serialize)]
struct Hello<'a> {
    server: &'a str,
    hostname: &'a str,
    ip: IpAddr,
    path: &'a str,
    method: &'a str,
    time: String,
    message: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    headers: Option<BTreeMap<&'a str, Vec<String>>>,
}

/// Answers one request that came in on the local address `ip`.
pub(super) async fn answer(
    identity: &Identity,
    ip: IpAddr,
    request: Request<Incoming>,
) -> Result<Response<Reply>, ResetWanted> {
    let (parts, body) = request.into_parts();
    let mut response = match Ask::parse(parts.uri.query().unwrap_or_default()) {
        Ok(ask) if parts.uri.path() == "/health" => health(identity, &parts, &ask).await,
        Ok(ask) => ordinary(identity, ip, &parts, body, &ask).await?,
        Err(problem) => text(StatusCode::BAD_REQUEST, problem),
    };
    response.headers_mut().insert("x-server", identity.field.clone());
    identity.answered.fetch_add(1, Relaxed);
    Ok(response)
}

/// `GET` tells the health, `POST ?ok=…` sets it. The server's own delay and failures do not count here: a health check that
/// fails by chance is another test's subject.
async fn health(identity: &Identity, parts: &Parts, ask: &Ask) -> Response<Reply> {
    wait(ask.delay.unwrap_or_default()).await;
    match (&parts.method, ask.ok) {
        (&Method::POST, Some(ok)) => identity.healthy.store(ok, Relaxed),
        (&Method::POST, None) => return text(StatusCode::BAD_REQUEST, "ok: say ?ok=true or ?ok=false".to_owned()),
        _ => {}
    }
    let (status, word) = match identity.is_healthy() {
        // Who sets the health was understood, whatever it was set to.
        ok if parts.method == Method::POST => (StatusCode::OK, if ok { "ok" } else { "unhealthy" }),
        true => (StatusCode::OK, "ok"),
        false => (StatusCode::SERVICE_UNAVAILABLE, "unhealthy"),
    };
    json(ask.status.unwrap_or(status), format!("{{\"status\":\"{word}\"}}"), true)
}

async fn ordinary(
    identity: &Identity,
    ip: IpAddr,
    parts: &Parts,
    body: Incoming,
    ask: &Ask,
) -> Result<Response<Reply>, ResetWanted> {
    let echo = parts.uri.path() == "/echo" && ask.bytes.is_none();
    // hyper closes a connection whose request was not read to its end.
    let body = if echo { Some(body) } else { read_to_end(body).await };
    wait(ask.delay.unwrap_or(identity.behaviour.delay)).await;
    if ask.reset {
        return Err(ResetWanted);
    }
    let status = ask.status.unwrap_or_else(|| identity.status());
    let mut response = match (ask.bytes, body) {
        (Some(bytes), _) => fill(status, bytes, !ask.chunked),
        (None, Some(body)) => echoed(status, &parts.headers, body),
        (None, None) => json(status, hello(identity, ip, parts), !ask.chunked),
    };
    if ask.close {
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
    Ok(response)
}

/// A timer costs something even if it is zero.
async fn wait(delay: Duration) {
    if !delay.is_zero() {
        tokio::time::sleep(delay).await;
    }
}

/// Reads a body that nobody wants. A client that breaks off is noticed when the answer is written.
async fn read_to_end(mut body: Incoming) -> Option<Incoming> {
    while let Some(Ok(_)) = body.frame().await {}
    None
}

fn hello(identity: &Identity, ip: IpAddr, parts: &Parts) -> String {
    let hello = Hello {
        server: &identity.name,
        hostname: &identity.hostname,
        ip,
        path: parts.uri.path(),
        method: parts.method.as_str(),
        time: rfc3339(SystemTime::now()),
        message: &identity.message,
        headers: (parts.uri.path() == "/headers").then(|| fields(&parts.headers)),
    };
    // Strings and string keys always become JSON.
    serde_json::to_string(&hello).unwrap_or_default()
}

/// Every field with all its values, in the order received.
fn fields(headers: &HeaderMap) -> BTreeMap<&str, Vec<String>> {
    let values =
        |name| headers.get_all(name).iter().map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
    headers.keys().map(|name| (name.as_str(), values(name).collect())).collect()
}

fn echoed(status: StatusCode, headers: &HeaderMap, body: Incoming) -> Response<Reply> {
    let mut response = respond(status, "application/octet-stream", Reply::Echo(body));
    if let Some(kind) = headers.get(CONTENT_TYPE) {
        response.headers_mut().insert(CONTENT_TYPE, kind.clone());
    }
    response
}

fn fill(status: StatusCode, bytes: u64, sized: bool) -> Response<Reply> {
    respond(status, "application/octet-stream", Reply::Fill { left: bytes, sized })
}

fn json(status: StatusCode, json: String, sized: bool) -> Response<Reply> {
    respond(status, "application/json", Reply::Text { text: Bytes::from(json + "\n"), sized })
}

fn text(status: StatusCode, text: String) -> Response<Reply> {
    respond(status, "text/plain; charset=utf-8", Reply::Text { text: Bytes::from(text + "\n"), sized: true })
}

fn respond(status: StatusCode, kind: &'static str, body: Reply) -> Response<Reply> {
    // These two statuses have no body, RFC 9110 §15.3.5 and §15.4.5.
    let bodiless = matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
    let body = if bodiless { Reply::Fill { left: 0, sized: true } } else { body };
    let mut response = Response::new(body);
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}
