//! The clients: by hand, on connections that they keep, pipeline on or leave; and by hyper.

use std::net::SocketAddr;
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http1::SendRequest;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use super::plan::{Exchange, Record};
use crate::wire::{Conn, field, status};

/// Asks for every exchange of a range.
pub(super) async fn run(proxy: SocketAddr, mut random: fastrand::Rng, mut ids: Range<u64>, record: Arc<Record>) {
    while !ids.is_empty() {
        if random.u32(0..4) == 0 {
            by_hyper(proxy, &mut random, &mut ids, &record).await;
        } else {
            by_hand(proxy, &mut random, &mut ids, &record).await;
        }
    }
}

/// How a request is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Get,
    Head,
    Length,
    Chunked,
    Expect,
}

impl Form {
    fn draw(random: &mut fastrand::Rng) -> Self {
        match random.u32(0..10) {
            0..5 => Self::Get,
            5 => Self::Head,
            6 | 7 => Self::Length,
            8 => Self::Chunked,
            _ => Self::Expect,
        }
    }

    fn posts(self) -> bool {
        !matches!(self, Self::Get | Self::Head)
    }

    /// Head and body.
    fn request(self, exchange: &Exchange) -> (String, String) {
        let method = match self {
            Self::Get => "GET",
            Self::Head => "HEAD",
            _ => "POST",
        };
        let id = exchange.id;
        let start = format!("{method} /{id} HTTP/1.1\r\nHost: a\r\nX-Id: {id}\r\n");
        let body = exchange.asked();
        match self {
            Self::Get | Self::Head => (start + "\r\n", String::new()),
            Self::Length => (format!("{start}Content-Length: {}\r\n\r\n", body.len()), body),
            Self::Expect => (format!("{start}Expect: 100-continue\r\nContent-Length: {}\r\n\r\n", body.len()), body),
            Self::Chunked => {
                let (first, second) = body.split_at(body.len() / 3);
                let chunk = |text: &str| match text.len() {
                    0 => String::new(),
                    length => format!("{length:X};x=y\r\n{text}\r\n"),
                };
                let body = format!("{}{}0\r\nX-Sum: 1\r\n\r\n", chunk(first), chunk(second));
                (start + "Transfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n", body)
            }
        }
    }
}

/// One connection: some exchanges one after the other, some pipelined, until it ends or is left.
async fn by_hand(proxy: SocketAddr, random: &mut fastrand::Rng, ids: &mut Range<u64>, record: &Record) {
    let mut conn = Conn::connect(proxy).await;
    for _ in 0..random.u32(1..20) {
        let batch: Vec<_> = ids.by_ref().take(random.usize(1..=4)).map(Exchange::new).collect();
        let pipelined = batch.len() > 1;
        let forms: Vec<_> = batch.iter().map(|_| if pipelined { Form::Get } else { Form::draw(random) }).collect();
        for (exchange, form) in batch.iter().zip(&forms) {
            let (head, body) = form.request(exchange);
            if random.u32(0..50) == 0 {
                let all = head + &body;
                let _ = conn.try_send(&all.as_bytes()[..random.usize(0..all.len())]).await;
                return record.counted("left while asking");
            }
            // An early answer may end the connection before all is sent.
            let _ = conn.try_send(head.as_bytes()).await;
            if *form == Form::Expect && !body.is_empty() && !is_continued(&mut conn).await {
                return record.counted("refused");
            }
            let _ = conn.try_send(body.as_bytes()).await;
        }
        for (place, (exchange, form)) in batch.iter().zip(&forms).enumerate() {
            // An answer that breaks off takes those before it along, as far as they are not sent yet.
            let excused = batch[place..].iter().any(|exchange| exchange.may_fail(form.posts()));
            if random.u32(0..50) == 0 {
                let _ = conn.try_exactly(random.usize(0..60)).await;
                return record.counted("left while answered");
            }
            if !read(&mut conn, exchange, *form, excused, record).await {
                return; // what was pipelined behind it is lost with the connection
            }
        }
    }
}

/// Whether the body is wanted. Anything but a 100 here ends the connection for this client.
async fn is_continued(conn: &mut Conn) -> bool {
    conn.try_head().await.is_some_and(|head| status(&head) == 100)
}

/// Whether a reason says that the endpoint broke off: what may be sent twice was, in vain.
fn is_break(reason: &str, posts: bool) -> bool {
    reason == "UC" || (!posts && reason == "URX")
}

/// Reads an answer and compares it with what it must be. False: the connection is of no use any more.
async fn read(conn: &mut Conn, exchange: &Exchange, form: Form, may_break: bool, record: &Record) -> bool {
    let Some(head) = conn.try_head().await else {
        record.counted("no answer");
        return false;
    };
    if let Some(reason) = field(&head, "evenkeel-reason") {
        // A POST on a connection that the endpoint closes in that moment cannot be saved.
        let excused = exchange.may_fail(form.posts()) || form.posts();
        record.expect(excused && is_break(reason, form.posts()), || format!("{exchange:?} {form:?}: {head}"));
        record.counted("our own answer");
        return false;
    }
    let bare = form == Form::Head || [204, 304].contains(&status(&head));
    let body = match (field(&head, "content-length"), field(&head, "transfer-encoding")) {
        _ if bare => Some(String::new()),
        (Some(length), None) => conn.try_exactly(length.parse().unwrap()).await,
        (None, Some("chunked")) => conn.chunks_and_trailers().await.map(|(body, _)| body),
        other => panic!("not one framing: {other:?}"),
    };
    let mine = field(&head, "x-id") == Some(&exchange.id.to_string()) && status(&head) == exchange.status();
    record.expect(mine, || format!("{exchange:?} {form:?} got another's head: {head}"));
    let Some(body) = body else {
        record.expect(may_break, || format!("{exchange:?} {form:?} broke off"));
        record.counted("broken off");
        return false;
    };
    let expected = if bare { String::new() } else { exchange.answered() };
    record.expect(body == expected, || format!("{exchange:?} {form:?}: {} bytes came", body.len()));
    record.counted("whole");
    field(&head, "connection") != Some("close")
}

/// One connection of hyper's client.
async fn by_hyper(proxy: SocketAddr, random: &mut fastrand::Rng, ids: &mut Range<u64>, record: &Record) {
    let stream = TcpStream::connect(proxy).await.unwrap();
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
    let driver = tokio::spawn(connection);
    for id in ids.by_ref().take(random.usize(1..20)) {
        let exchange = Exchange::new(id);
        let posts = random.bool();
        if !ask(&mut sender, &exchange, posts, record).await {
            break;
        }
    }
    drop(sender);
    let _ = driver.await;
}

/// One exchange. False: the connection is of no use any more.
async fn ask(sender: &mut SendRequest<Full<Bytes>>, exchange: &Exchange, posts: bool, record: &Record) -> bool {
    if sender.ready().await.is_err() {
        record.counted("no answer");
        return false;
    }
    let (method, body) = if posts { ("POST", exchange.asked()) } else { ("GET", String::new()) };
    let request = Request::builder().method(method).uri(format!("/{}", exchange.id));
    let request = request.header("host", "a").header("x-id", exchange.id).body(Full::from(body)).unwrap();
    let Ok(response) = sender.send_request(request).await else {
        record.counted("no answer");
        return false;
    };
    if let Some(reason) = response.headers().get("evenkeel-reason") {
        let excused = exchange.may_fail(posts) || posts;
        let broke = reason.to_str().is_ok_and(|reason| is_break(reason, posts));
        record.expect(excused && broke, || format!("{exchange:?}: {reason:?}"));
        record.counted("our own answer");
        return false;
    }
    let mine = response.headers()["x-id"] == exchange.id.to_string() && response.status() == exchange.status();
    record.expect(mine, || format!("{exchange:?} got another's head: {response:?}"));
    let Ok(body) = response.into_body().collect().await else {
        record.expect(exchange.may_fail(posts), || format!("{exchange:?} broke off"));
        record.counted("broken off");
        return false;
    };
    let body = body.to_bytes();
    record.expect(body == exchange.answered(), || format!("{exchange:?}: {} bytes came", body.len()));
    record.counted("whole");
    true
}
