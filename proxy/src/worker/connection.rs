//! One client connection, from accept to close.

use std::{
    convert::Infallible,
    future::poll_fn,
    net::SocketAddr,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderValue, Request, Response, header};
use http_body::{Body, Frame, SizeHint};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use socket2::{SockRef, TcpKeepalive};
use tokio::net::TcpStream;

use super::{
    Worker,
    closing::{Ending, close},
    pace::{Pace, Phase},
    stream::ClientStream,
};
use crate::{
    balance::{Outcome, Reason},
    forward::{self, Client, ResponseBody},
    shared::{ConnectionGuard, Stage},
};

/// The largest head of a request.
const MAX_HEAD_BYTES: usize = 32 * 1024;
/// The most fields of a request.
const MAX_FIELDS: usize = 100;
/// A client that is gone without a word is found out after about a minute and a half.
const KEEPALIVE: Duration = Duration::from_secs(60);

/// Serves a connection in a task of its own.
pub(super) fn spawn(worker: &Rc<Worker>, pool: usize, stream: TcpStream, peer: SocketAddr, guard: ConnectionGuard) {
    let worker = Rc::clone(worker);
    tokio::task::spawn_local(async move {
        let _guard = guard;
        match prepare(&stream) {
            Ok(local) => {
                let seat = Seat::take(&worker);
                serve(Rc::clone(&worker), Client::new(pool, peer.ip(), local, Rc::clone(&seat.pace)), stream).await;
            }
            Err(error) => tracing::debug!(%peer, %error, "the client left at once"),
        }
    });
}

fn prepare(stream: &TcpStream) -> std::io::Result<SocketAddr> {
    stream.set_nodelay(true)?;
    SockRef::from(stream).set_tcp_keepalive(&TcpKeepalive::new().with_time(KEEPALIVE))?;
    stream.local_addr()
}

/// A place among the worker's clients, given back when this is dropped.
struct Seat {
    worker: Rc<Worker>,
    pace: Rc<Pace>,
}

impl Seat {
    fn take(worker: &Rc<Worker>) -> Self {
        let spread = u32::try_from(worker.random() % 1000).unwrap_or_default();
        Self { pace: worker.clients.enter(spread), worker: Rc::clone(worker) }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.worker.clients.leave(&self.pace);
    }
}

/// For either direction, and a piece of a body more: a client that does not read costs that.
const MAX_BUFFER: usize = 64 * 1024;

async fn serve(worker: Rc<Worker>, client: Client, stream: TcpStream) {
    let pace = Rc::clone(&client.pace);
    let stream = ClientStream::new(stream, Rc::clone(&pace), Rc::clone(&client.reset));
    let client = Rc::new(client);
    let service = service_fn({
        let (worker, client) = (Rc::clone(&worker), Rc::clone(&client));
        move |request: Request<Incoming>| {
            client.pace.begin(!request.body().is_end_stream());
            let admitted = forward::admit(&worker, &client, request);
            let (worker, pace) = (Rc::clone(&worker), Rc::clone(&client.pace));
            async move { Ok::<_, Infallible>(pass_on(&worker, pace, forward::answer(admitted).await)) }
        }
    });
    let mut builder = http1::Builder::new();
    builder.header_read_timeout(None).max_headers(MAX_FIELDS).max_header_size(MAX_HEAD_BYTES).max_buf_size(MAX_BUFFER);
    let mut connection = builder.serve_connection(TokioIo::new(stream), service);
    let ended = tokio::select! {
        biased;
        ended = Pin::new(&mut connection) => Some(ended),
        () = told_to_end(&worker, &pace) => {
            Pin::new(&mut connection).graceful_shutdown();
            tokio::select! {
                biased;
                ended = Pin::new(&mut connection) => Some(ended),
                () = too_late(&pace) => None,
            }
        }
        () = too_late(&pace) => None,
    };
    let ending = match ended {
        Some(ended) => ending(&worker, &client, ended),
        None => lose_patience(&worker, &client),
    };
    let mut stream = connection.into_parts().io.into_inner();
    close(&mut stream.stream, ending).await;
}

/// Returns when the process closes idle connections. Not over a request that is here already: let the socket be looked at.
async fn told_to_end(worker: &Worker, pace: &Pace) {
    until(pace, || worker.is_at(Stage::Finishing)).await;
    tokio::task::yield_now().await;
}

/// Returns when the client took too long, but for a body: whoever waits for that answers.
async fn too_late(pace: &Pace) {
    let is_late = || pace.is_over() && (pace.phase() != Phase::Request || pace.is_sending());
    loop {
        until(pace, is_late).await;
        tokio::task::yield_now().await; // what is here already is not late
        if is_late() {
            return;
        }
    }
}

/// Waits for what the worker wakes its clients for.
async fn until(pace: &Pace, holds: impl Fn() -> bool) {
    poll_fn(|cx| {
        pace.set_waker(cx.waker());
        if holds() { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
}

fn ending(worker: &Rc<Worker>, client: &Rc<Client>, ended: hyper::Result<()>) -> Ending {
    if let Err(error) = ended {
        if error.is_parse() {
            // Answered by the parser, or below: these requests came to nobody else's eyes.
            let status = if error.is_parse_too_large() { 431 } else { 400 };
            forward::report(worker, client, Outcome::failed(status, Reason::BadRequest));
        }
        if error.is_parse_version_h2() {
            return Ending::Http2;
        }
        tracing::debug!(%error, "client connection ended");
    }
    let pace = &client.pace;
    if pace.is_unread() { Ending::Unread } else { Ending::Clean }
}

fn lose_patience(worker: &Rc<Worker>, client: &Rc<Client>) -> Ending {
    let pace = &client.pace;
    if pace.is_sending() {
        tracing::debug!("a client takes no more of its answer");
        client.reset.set(true);
        Ending::Clean
    } else if pace.phase() == Phase::Head {
        forward::report(worker, client, Outcome::failed(408, Reason::SlowClient));
        Ending::TooSlow
    } else {
        if pace.phase() == Phase::Answer {
            tracing::debug!("nothing of an answer came for too long");
            client.reset.set(true); // no client may take it for whole
        }
        Ending::Clean
    }
}

fn pass_on(worker: &Worker, pace: Rc<Pace>, mut response: Response<ResponseBody>) -> Response<Answer> {
    pace.answer();
    // Asked now: the process may have been told to end while the endpoint took its time.
    if worker.is_at(Stage::Closing) || pace.is_worn() {
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    response.map(|body| Answer { body, pace })
}

/// An answer's body. When it is dropped, the client rests.
struct Answer {
    body: ResponseBody,
    pace: Rc<Pace>,
}

impl Drop for Answer {
    fn drop(&mut self) {
        self.pace.rest();
    }
}

impl Body for Answer {
    type Data = Bytes;
    type Error = <ResponseBody as Body>::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
