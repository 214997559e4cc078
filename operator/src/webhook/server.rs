//! The TLS server that the API server asks: HTTP/1.1, with bounds on all that a stranger could send.
//!
//! No HTTP/2: when a replica's node dies, a connection that carries all questions would keep failing until its PING is missed,
//! while each question of HTTP/1.1 that times out takes only its own connection down.

use std::{convert::Infallible, pin::pin, sync::Arc, time::Duration};

use http_body_util::{BodyExt as _, Full};
use hyper::{
    Method, Request, Response, StatusCode,
    body::{Body as _, Bytes, Incoming},
    header::{CONNECTION, HeaderValue},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{Notify, OwnedSemaphorePermit, Semaphore, SemaphorePermit},
    time::{Instant, sleep, sleep_until, timeout},
};
use tokio_rustls::TlsAcceptor;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::{debug, warn};

use super::{handler::Handler, review::Policy};
use crate::admin::{TEXT, respond};

/// An API server keeps 25 idle ones, and opens more only while they are busy.
const CONNECTIONS: usize = 512;
/// The longest TLS handshake, and the longest wait for the first question after it.
const BEGINNING: Duration = Duration::from_secs(5);
/// An idle connection is the client's to close, which Go does after 90 s: who closes first can cut off a question on its way.
const IDLE: Duration = Duration::from_secs(150);
/// The longest that a body may take.
const BODY: Duration = Duration::from_secs(3);
/// The API server takes 3 MiB from its clients, and adds little.
const LARGEST_BODY: usize = 4 << 20;
/// Almost every pod. What is larger waits for one of a few places, so that memory is bounded.
const SMALL_BODY: usize = 64 << 10;
const LARGE_BODIES: usize = 8;
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
    large: Semaphore,
}

impl Server {
    /// Accepts until the process ends.
    pub(super) async fn run(self) {
        let permits = Arc::new(Semaphore::new(CONNECTIONS));
        let large = Semaphore::new(LARGE_BODIES);
        let (handler, draining, answering) = (self.handler, self.draining, self.answering);
        let shared = Arc::new(Shared { handler, draining, answering, large });
        loop {
            let Ok(permit) = Arc::clone(&permits).acquire_owned().await else { return }; // it is never closed
            match self.listener.accept().await {
                Ok((stream, _)) => {
                    tokio::spawn(connection(stream, self.acceptor.clone(), Arc::clone(&shared), permit));
                }
                Err(error) => {
                    warn!(%error, "A connection of the webhook could not be accepted.");
                    sleep(AFTER_FAILURE).await;
                }
            }
        }
    }
}

async fn connection(stream: TcpStream, acceptor: TlsAcceptor, shared: Arc<Shared>, _permit: OwnedSemaphorePermit) {
    let _ = stream.set_nodelay(true); // an answer is one small write
    let stream = match timeout(BEGINNING, acceptor.accept(stream)).await {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) => return debug!(%error, "A handshake failed."),
        Err(_) => return debug!("A handshake took too long."),
    };
    if let Err(error) = serve(TokioIo::new(stream), shared).await {
        debug!(%error, "A connection of the webhook broke.");
    }
}

async fn serve<I>(stream: I, shared: Arc<Shared>) -> hyper::Result<()>
where
    I: hyper::rt::Read + hyper::rt::Write + Unpin,
{
    let (since, asked) = (Instant::now(), Arc::new(Notify::new()));
    let begun = Arc::clone(&asked);
    let service = service_fn(move |request| {
        begun.notify_one();
        let shared = Arc::clone(&shared);
        async move { Ok::<_, Infallible>(shared.respond(request, since).await) }
    });
    let mut server = http1::Builder::new();
    server.timer(TokioTimer::new()).header_read_timeout(IDLE).max_buf_size(SMALL_BODY);
    let mut connection = pin!(server.serve_connection(stream, service));
    tokio::select! {
        result = &mut connection => return result,
        () = sleep(BEGINNING) => return Ok(()), // nothing was asked
        () = asked.notified() => {}
    }
    tokio::select! {
        result = &mut connection => result,
        () = sleep_until(since + OLDEST) => Ok(()),
    }
}

impl Shared {
    async fn respond(&self, request: Request<Incoming>, since: Instant) -> Response<Full<Bytes>> {
        let _answering = self.answering.token();
        let mut response = self.answer(request).await;
        if self.draining.is_cancelled() || since.elapsed() > OLD {
            response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        }
        response
    }

    async fn answer(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        let start = Instant::now();
        let Some(policy) = Policy::of_path(request.uri().path()) else {
            return respond(StatusCode::NOT_FOUND, TEXT, "there are /inject/fail and /inject/ignore\n");
        };
        if request.method() != Method::POST {
            return respond(StatusCode::METHOD_NOT_ALLOWED, TEXT, "only POST\n");
        }
        let body = match timeout(BODY, self.read(request.into_body())).await {
            Ok(body) => body,
            Err(_) => Err(format!("it did not come within {BODY:?}")),
        };
        let bytes = body.as_ref().map(|(bytes, _)| bytes.as_slice()).map_err(Clone::clone);
        let answer = self.handler.answer(policy, bytes).await;
        self.handler.metrics.admission_took(start.elapsed());
        respond(StatusCode::OK, "application/json", answer.to_string())
    }

    /// Reads a body. A large one has one of few places as long as it is in memory.
    async fn read(&self, mut body: Incoming) -> Result<(Vec<u8>, Option<SemaphorePermit<'_>>), String> {
        let (mut bytes, mut place) = (Vec::new(), None);
        if body.size_hint().lower() > LARGEST_BODY as u64 {
            return Err(format!("it has more than {LARGEST_BODY} bytes"));
        }
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|error| error.to_string())?;
            let Ok(data) = frame.into_data() else { continue };
            let length = bytes.len() + data.len();
            if length > LARGEST_BODY {
                return Err(format!("it has more than {LARGEST_BODY} bytes"));
            }
            if length > SMALL_BODY && place.is_none() {
                place = self.large.acquire().await.ok(); // it is never closed
            }
            bytes.extend_from_slice(&data);
        }
        Ok((bytes, place))
    }
}

#[cfg(test)]
#[path = "server_tests.rs"]
mod tests;
