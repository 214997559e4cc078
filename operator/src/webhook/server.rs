//! The TLS server that the API server asks: HTTP/1.1, with bounds on all that a stranger could send.
//!
//! No HTTP/2: when a replica's node dies, a connection that carries all questions would keep failing until its PING is missed,
//! while each question of HTTP/1.1 that times out takes only its own connection down.

use std::{convert::Infallible, pin::pin, sync::Arc, time::Duration};

use http_body_util::Full;
use hyper::{
    Method, Request, Response, StatusCode,
    body::{Bytes, Incoming},
    header::{CONNECTION, HeaderValue},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::Notify,
    time::{Instant, sleep, sleep_until, timeout},
};
use tokio_rustls::TlsAcceptor;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::{debug, warn};

use super::{
    body::{self, ROOM},
    handler::Handler,
    review::{Policy, Question},
};
use crate::{
    admin::{TEXT, respond},
    guests::{Guest, Guests},
};

/// An API server keeps 25 idle ones, and opens more only while they are busy.
const CONNECTIONS: usize = 512;
/// The longest TLS handshake, and the longest wait for the first question after it.
const BEGINNING: Duration = Duration::from_secs(5);
/// An idle connection is the client's to close, which Go does after 90 s: who closes first can cut off a question on its way.
const IDLE: Duration = Duration::from_secs(150);
/// The longest head of a question.
const LARGEST_HEAD: usize = 64 << 10;
/// After this a connection is asked to end with its next answer, so that questions spread over replicas that came later.
const OLD: Duration = Duration::from_secs(600);
/// After this it is ended.
const OLDEST: Duration = Duration::from_secs(900);
/// After an accept that failed, for example because no file descriptor is left.
const AFTER_FAILURE: Duration = Duration::from_millis(100);

/// Listens and answers.
pub(super) struct Server {
    pub(super) listener: TcpListener,
    pub(super) acceptor: TlsAcceptor,
    pub(super) handler: Arc<Handler>,
    /// From then on connections are asked to end; new ones are accepted all the same, since clients hear of it later.
    pub(super) draining: CancellationToken,
    /// Has a token for each question that is being answered.
    pub(super) answering: TaskTracker,
}

/// What all connections share.
struct Shared {
    handler: Arc<Handler>,
    draining: CancellationToken,
    answering: TaskTracker,
}

impl Server {
    /// Accepts until the process ends.
    pub(super) async fn run(self) {
        let guests = Guests::new(CONNECTIONS, ROOM);
        let (handler, draining, answering) = (self.handler, self.draining, self.answering);
        let shared = Arc::new(Shared { handler, draining, answering });
        loop {
            match self.listener.accept().await {
                Ok((stream, peer)) => {
                    if let Some(guest) = guests.admit(peer.ip()) {
                        tokio::spawn(connection(stream, self.acceptor.clone(), Arc::clone(&shared), guest));
                    }
                }
                Err(error) => {
                    warn!(%error, "A connection of the webhook could not be accepted.");
                    sleep(AFTER_FAILURE).await;
                }
            }
        }
    }
}

async fn connection(stream: TcpStream, acceptor: TlsAcceptor, shared: Arc<Shared>, guest: Guest) {
    let _ = stream.set_nodelay(true); // an answer is one small write
    let handshake = tokio::select! {
        handshake = timeout(BEGINNING, acceptor.accept(stream)) => handshake,
        () = guest.ended() => return,
    };
    let stream = match handshake {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) => return debug!(%error, "A handshake failed."),
        Err(_) => return debug!("A handshake took too long."),
    };
    if let Err(error) = serve(TokioIo::new(stream), shared, guest).await {
        debug!(%error, "A connection of the webhook broke.");
    }
}

async fn serve<I>(stream: I, shared: Arc<Shared>, guest: Guest) -> hyper::Result<()>
where
    I: hyper::rt::Read + hyper::rt::Write + Unpin,
{
    let (since, asked) = (Instant::now(), Arc::new(Notify::new()));
    let (begun, guest) = (Arc::clone(&asked), Arc::new(guest));
    let asking = Arc::clone(&guest);
    let service = service_fn(move |request| {
        begun.notify_one();
        let (shared, guest) = (Arc::clone(&shared), Arc::clone(&asking));
        async move { Ok::<_, Infallible>(shared.respond(request, since, &guest).await) }
    });
    let mut server = http1::Builder::new();
    server.timer(TokioTimer::new()).header_read_timeout(IDLE).max_buf_size(LARGEST_HEAD);
    let mut connection = pin!(server.serve_connection(stream, service));
    tokio::select! {
        result = &mut connection => return result,
        () = sleep(BEGINNING) => return Ok(()), // nothing was asked
        () = guest.ended() => return Ok(()),
        () = asked.notified() => {}
    }
    tokio::select! {
        result = &mut connection => result,
        () = guest.ended() => Ok(()),
        () = sleep_until(since + OLDEST) => Ok(()),
    }
}

impl Shared {
    async fn respond(&self, request: Request<Incoming>, since: Instant, guest: &Guest) -> Response<Full<Bytes>> {
        let _answering = self.answering.token();
        let mut response = self.answer(request, guest).await;
        if self.draining.is_cancelled() || since.elapsed() > OLD {
            response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        }
        response
    }

    async fn answer(&self, request: Request<Incoming>, guest: &Guest) -> Response<Full<Bytes>> {
        let start = Instant::now();
        let Some(policy) = Policy::of_path(request.uri().path()) else {
            return respond(StatusCode::NOT_FOUND, TEXT, "there are /inject/fail and /inject/ignore\n");
        };
        if request.method() != Method::POST {
            return respond(StatusCode::METHOD_NOT_ALLOWED, TEXT, "only POST\n");
        }
        let body = body::read(request.into_body(), guest).await;
        let _busy = guest.busy();
        // Of what was sent the question keeps little, while it waits for what is to be looked up.
        let question = body.and_then(|bytes| Question::read(&bytes));
        let answer = self.handler.answer(policy, question).await;
        self.handler.metrics.admission_took(start.elapsed());
        respond(StatusCode::OK, "application/json", answer.to_string())
    }
}

#[cfg(test)]
#[path = "server_tests.rs"]
mod tests;
