//! `/livez`, `/readyz` and `/metrics`.

use std::{
    convert::Infallible,
    io,
    net::{Ipv4Addr, Ipv6Addr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use http_body_util::Full;
use hyper::{
    Method, Request, Response, StatusCode,
    body::{Bytes, Incoming},
    header::{CONTENT_TYPE, HeaderValue},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::Semaphore,
    time::sleep,
};
use tracing::{debug, info, warn};

use crate::{metrics::Metrics, options::ListenAddress};

/// Kubelet and a few scrapers; whoever else connects waits.
const CONNECTIONS: usize = 64;
/// The longest that a request's head may take.
const HEAD_DEADLINE: Duration = Duration::from_secs(10);
/// After an accept that failed, for example because no file descriptor is left.
const AFTER_FAILURE: Duration = Duration::from_millis(100);

const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
pub(crate) const TEXT: &str = "text/plain; charset=utf-8";

/// Answers probes and scrapers.
#[derive(Debug)]
pub struct Admin {
    listener: TcpListener,
    state: Arc<State>,
}

#[derive(Debug)]
struct State {
    metrics: Arc<Metrics>,
    ready: Arc<AtomicBool>,
}

impl Admin {
    /// Listens. `ready` becomes true when every cache has synced.
    pub async fn bind(address: ListenAddress, metrics: Arc<Metrics>, ready: Arc<AtomicBool>) -> io::Result<Self> {
        let listener = listen(address).await?;
        Ok(Self { listener, state: Arc::new(State { metrics, ready }) })
    }

    /// Where it listens.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Answers until the process ends.
    pub async fn serve(self) {
        if let Ok(address) = self.address() {
            info!(%address, "Answering /livez, /readyz and /metrics.");
        }
        let permits = Arc::new(Semaphore::new(CONNECTIONS));
        loop {
            let Ok(permit) = Arc::clone(&permits).acquire_owned().await else { return }; // it is never closed
            match self.listener.accept().await {
                Ok((stream, _)) => {
                    let state = Arc::clone(&self.state);
                    tokio::spawn(async move {
                        connection(stream, state).await;
                        drop(permit);
                    });
                }
                Err(error) => {
                    warn!(%error, "A connection could not be accepted.");
                    sleep(AFTER_FAILURE).await;
                }
            }
        }
    }
}

/// Listens there.
pub(crate) async fn listen(address: ListenAddress) -> io::Result<TcpListener> {
    match address {
        ListenAddress::One(address) => TcpListener::bind(address).await,
        ListenAddress::All(port) => match TcpListener::bind((Ipv6Addr::UNSPECIFIED, port)).await {
            Ok(listener) => Ok(listener),
            Err(_) => TcpListener::bind((Ipv4Addr::UNSPECIFIED, port)).await, // no IPv6 here
        },
    }
}

async fn connection(stream: TcpStream, state: Arc<State>) {
    let service = service_fn(move |request| {
        let response = state.answer(&request);
        async { Ok::<_, Infallible>(response) }
    });
    let mut server = http1::Builder::new();
    server.timer(TokioTimer::new()).header_read_timeout(HEAD_DEADLINE);
    if let Err(error) = server.serve_connection(TokioIo::new(stream), service).await {
        debug!(%error, "A connection broke.");
    }
}

impl State {
    fn answer(&self, request: &Request<Incoming>) -> Response<Full<Bytes>> {
        if !matches!(*request.method(), Method::GET | Method::HEAD) {
            return respond(StatusCode::METHOD_NOT_ALLOWED, TEXT, "only GET and HEAD\n");
        }
        match request.uri().path() {
            "/livez" => respond(StatusCode::OK, TEXT, "ok\n"),
            "/readyz" if self.ready.load(Ordering::Relaxed) => respond(StatusCode::OK, TEXT, "ok\n"),
            "/readyz" => respond(StatusCode::SERVICE_UNAVAILABLE, TEXT, "waiting for the API server\n"),
            "/metrics" => respond(StatusCode::OK, OPENMETRICS, self.metrics.render()),
            _ => respond(StatusCode::NOT_FOUND, TEXT, "there are /livez, /readyz and /metrics\n"),
        }
    }
}

/// A whole response.
pub(crate) fn respond(status: StatusCode, content_type: &'static str, body: impl Into<Bytes>) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body.into()));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}
