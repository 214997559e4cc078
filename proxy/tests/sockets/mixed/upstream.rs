//! The endpoints: one kind by hand, which misbehaves as planned, and one by hyper, which does not.

use std::convert::Infallible;
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use http::{Method, Request, Response};
use http_body_util::{BodyExt as _, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;

use super::plan::{Exchange, Manner, Record};
use crate::wire::{Conn, field};

pub(super) async fn raw(record: &Arc<Record>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (addr, record) = (listener.local_addr().unwrap(), Arc::clone(record));
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            tokio::spawn(serve(Conn::new(stream), Arc::clone(&record)));
        }
    });
    addr
}

/// Serves until the connection ends, on whatever side.
async fn serve(mut conn: Conn, record: Arc<Record>) {
    while let Some(head) = conn.try_head().await {
        let exchange = Exchange::parse(head.split(' ').nth(1).unwrap());
        let method = head.split(' ').next().unwrap();
        record.expect(field(&head, "x-id") == Some(&exchange.id.to_string()), || format!("mixed fields: {head}"));
        if method == "POST" {
            record.posted(exchange.id);
        }
        if exchange.manner == Manner::Early {
            let _ = answer(&mut conn, &exchange, method == "HEAD").await;
            let _ = conn.rest().await; // else a reset could overtake the answer
            return;
        }
        let body = match (field(&head, "content-length"), field(&head, "transfer-encoding")) {
            (Some(length), None) => conn.try_exactly(length.parse().unwrap()).await,
            (None, Some("chunked")) => conn.chunks_and_trailers().await.map(|(body, _)| body),
            (None, None) => Some(String::new()),
            both => panic!("two framings: {both:?}"),
        };
        let Some(body) = body else { return }; // the client left
        let expected = if method == "POST" { exchange.asked() } else { String::new() };
        record.expect(body == expected, || format!("{exchange:?}: another body came, of {} bytes", body.len()));
        if !answer(&mut conn, &exchange, method == "HEAD").await {
            return;
        }
    }
}

/// Answers as planned. False: the connection ends.
async fn answer(conn: &mut Conn, exchange: &Exchange, bare: bool) -> bool {
    let Exchange { id, manner, .. } = *exchange;
    if manner == Manner::Reset {
        conn.make_reset();
        return false;
    }
    let body = exchange.answered();
    let start = format!("HTTP/1.1 {} X\r\nX-Id: {id}\r\n", exchange.status());
    let length = format!("{start}Content-Length: {}\r\n\r\n", body.len());
    let chunked = format!("{start}Transfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n");
    let end = body.len().saturating_sub(1);
    let message = match manner {
        Manner::NoContent | Manner::NotModified => start + "\r\n",
        Manner::Chunked if !bare => chunked + &chunks(&body, id) + "\r\n",
        Manner::Trailers if !bare => chunked + &chunks(&body, id) + &format!("X-Sum: {id}\r\n\r\n"),
        Manner::CutChunks if !bare => chunked + &chunks(&body, id),
        Manner::Close if !bare => start + "\r\n" + &body,
        Manner::CutLength if !bare => length + &body[..end],
        Manner::Early => {
            let shown = if bare { "" } else { &body };
            format!("{start}Connection: close\r\nContent-Length: {}\r\n\r\n{shown}", body.len())
        }
        Manner::Informed => format!(
            "HTTP/1.1 103 Hint\r\nX-Id: 0\r\n\r\nHTTP/1.1 100 Go\r\n\r\n{length}{}",
            if bare { "" } else { &body }
        ),
        _ if bare => length,
        _ => length + &body,
    };
    let sent = match manner {
        Manner::Dribbled => dribble(conn, &message, id).await,
        Manner::Surplus => {
            conn.try_send((message + "HTTP/1.1 200 OK\r\nX-Id: 0\r\nContent-Length: 6\r\n\r\npoison").as_bytes()).await
        }
        _ => conn.try_send(message.as_bytes()).await,
    };
    let ends = matches!(
        manner,
        Manner::Close | Manner::Early | Manner::Closing | Manner::CutLength | Manner::CutChunks | Manner::Surplus
    );
    sent.is_ok() && !ends
}

/// In chunks of all sizes, with extensions, up to the line of the last one.
fn chunks(body: &str, id: u64) -> String {
    let mut random = fastrand::Rng::with_seed(id);
    let (mut text, mut rest) = (String::new(), body);
    while !rest.is_empty() {
        let (chunk, later) = rest.split_at(random.usize(1..=rest.len().min(20_000)));
        let extension = if random.u32(0..5) == 0 { ";a=\"b;\"" } else { "" };
        write!(text, "{:x}{extension}\r\n{chunk}\r\n", chunk.len()).unwrap();
        rest = later;
    }
    text + "0\r\n"
}

async fn dribble(conn: &mut Conn, message: &str, id: u64) -> std::io::Result<()> {
    let mut random = fastrand::Rng::with_seed(id);
    let mut rest = message;
    let most = (message.len() / 20).max(4);
    while !rest.is_empty() {
        let (piece, later) = rest.split_at(random.usize(1..=rest.len().min(most)));
        conn.try_send(piece.as_bytes()).await?;
        tokio::task::yield_now().await;
        rest = later;
    }
    Ok(())
}

pub(super) async fn hyper(record: &Arc<Record>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (addr, record) = (listener.local_addr().unwrap(), Arc::clone(record));
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let record = Arc::clone(&record);
            let service = service_fn(move |request| reply(request, Arc::clone(&record)));
            tokio::spawn(hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service));
        }
    });
    addr
}

type Reply = http_body_util::combinators::UnsyncBoxBody<Bytes, Infallible>;

async fn reply(request: Request<Incoming>, record: Arc<Record>) -> Result<Response<Reply>, hyper::Error> {
    let exchange = Exchange::parse(request.uri().path());
    let id = exchange.id.to_string();
    record.expect(request.headers()["x-id"] == id, || format!("mixed fields: {:?}", request.headers()));
    let post = request.method() == Method::POST;
    if post {
        record.posted(exchange.id);
    }
    let body = request.into_body().collect().await?.to_bytes();
    let expected = if post { exchange.asked() } else { String::new() };
    record.expect(body == expected, || format!("{exchange:?}: another body came, of {} bytes", body.len()));
    let body = Bytes::from(exchange.answered());
    let reply = match exchange.manner {
        Manner::Chunked | Manner::Trailers => {
            let frames = body.chunks(9_000).map(|piece| Ok(Frame::data(Bytes::copy_from_slice(piece))));
            StreamBody::new(futures::stream::iter(frames.collect::<Vec<_>>())).boxed_unsync()
        }
        _ => Full::new(body).boxed_unsync(),
    };
    Ok(Response::builder().status(exchange.status()).header("x-id", id).body(reply).unwrap())
}
