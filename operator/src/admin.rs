//! `/livez`, `/readyz` and `/metrics`.

use std::{
    convert::Infallible,
    io,
    net::{Ipv4Addr, Ipv6Addr, SocketAddr},
    pin::pin,
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
    time::{sleep, timeout},
};
use tracing::{debug, info, warn};

use crate::{
    guests::{Guest, Guests},
    metrics::Metrics,
    options::ListenAddress,
};

/// Kubelet and a few scrapers.
const CONNECTIONS: usize = 64;
/// After this a connection is asked to end, and soon after it ends: who reads slowly holds a place no longer.
const LIFETIME: Duration = Duration::from_secs(300);
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
        let guests = Guests::new(CONNECTIONS, 0);
        loop {
            match self.listener.accept().await {
                Ok((stream, peer)) => {
                    if let Some(guest) = guests.admit(peer.ip()) {
                        tokio::spawn(connection(stream, Arc::clone(&self.state), guest));
                    }
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

async fn connection(stream: TcpStream, state: Arc<State>, guest: Guest) {
    let service = service_fn(move |request| {
        let response = state.answer(&request);
        async { Ok::<_, Infallible>(response) }
    });
    let mut server = http1::Builder::new();
    server.timer(TokioTimer::new()).header_read_timeout(HEAD_DEADLINE);
    let mut connection = pin!(server.serve_connection(TokioIo::new(stream), service));
    let ended = tokio::select! {
        ended = &mut connection => ended,
        () = guest.ended() => return,
        () = sleep(LIFETIME) => {
            connection.as_mut().graceful_shutdown();
            timeout(HEAD_DEADLINE, connection).await.unwrap_or(Ok(()))
        }
    };
    if let Err(error) = ended {
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

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::{
        io::{AsyncReadExt as _, AsyncWriteExt as _},
        net::TcpSocket,
    };

    async fn connect(from: [u8; 4], to: SocketAddr) -> TcpStream {
        let socket = TcpSocket::new_v4().expect("a socket");
        socket.bind((from, 0).into()).expect("a loopback address");
        socket.connect(to).await.expect("a connection")
    }

    #[tokio::test]
    async fn who_holds_all_connections_keeps_no_probe_from_its_answer() {
        let address = ListenAddress::One(([127, 0, 0, 1], 0).into());
        let admin = Admin::bind(address, Arc::new(Metrics::new()), Arc::default()).await.expect("a port");
        let address = admin.address().expect("an address");
        tokio::spawn(admin.serve());
        let mut idle = Vec::new();
        for _ in 0..CONNECTIONS {
            idle.push(connect([127, 0, 0, 2], address).await);
        }
        let mut probe = connect([127, 0, 0, 1], address).await;
        probe.write_all(b"GET /livez HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await.expect("it is read");
        let mut answer = String::new();
        timeout(HEAD_DEADLINE / 2, probe.read_to_string(&mut answer)).await.expect("at once").expect("an answer");
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        assert_eq!(idle[0].read(&mut [0]).await.ok(), Some(0), "the oldest had to go");
    }
}
