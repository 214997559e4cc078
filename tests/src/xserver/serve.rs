//! The life of a server: accept, answer, and on request stop without losing what is in flight.

use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::task::Poll;
use std::time::Duration;

use http::header::CONNECTION;
use http::{HeaderValue, Request};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::answer::answer;
use super::behaviour::{Behaviour, Identity};
use crate::socket::{Gauge, Socket};

/// Without file descriptors `accept` fails at once, for ever: this keeps the loop from spinning.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// A connection that was opened just before the stop has its request under way, as a rule: it gets this long to show it.
/// (Go's `Server.Shutdown` does the same, with 5 s.)
const FIRST_REQUEST: Duration = Duration::from_millis(500);

/// A running server. Dropping it leaves it running until its runtime ends; [`stop`](Self::stop) ends it well.
#[derive(Debug)]
pub struct XServer {
    addr: SocketAddr,
    identity: Arc<Identity>,
    draining: CancellationToken,
    connections: TaskTracker,
}

/// What the tasks of a server share.
#[derive(Clone, Debug)]
struct Shared {
    identity: Arc<Identity>,
    closing: CancellationToken,
    connections: TaskTracker,
}

impl XServer {
    /// Listens on `addr` (port 0: the kernel chooses) and serves on the current runtime.
    pub async fn start(addr: SocketAddr, name: &str, behaviour: Behaviour) -> io::Result<Self> {
        let identity = Identity::new(name, behaviour);
        let identity = Arc::new(identity.map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))?);
        let listener = TcpListener::bind(addr).await?;
        let addr = listener.local_addr()?;
        let draining = CancellationToken::new();
        let connections = TaskTracker::new();
        let shared = Shared {
            identity: Arc::clone(&identity),
            closing: CancellationToken::new(),
            connections: connections.clone(),
        };
        tokio::spawn(close_after_drain(draining.clone(), shared.clone()));
        connections.spawn(accept(listener, shared));
        Ok(Self { addr, identity, draining, connections })
    }

    /// Where it listens.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.identity.name
    }

    /// How many requests it has answered.
    #[must_use]
    pub fn answered(&self) -> u64 {
        self.identity.answered.load(Relaxed)
    }

    /// Sets what `/health` says, as `POST /health?ok=…` does.
    pub fn set_healthy(&self, healthy: bool) {
        self.identity.healthy.store(healthy, Relaxed);
    }

    /// Goes on accepting for `drain`, then closes the listener and idle connections and finishes what is in flight.
    /// False if something was still in flight after `grace`.
    pub async fn stop(&self) -> bool {
        self.draining.cancel();
        self.connections.close();
        let Behaviour { drain, grace, .. } = self.identity.behaviour;
        timeout(drain + grace, self.connections.wait()).await.is_ok()
    }
}

async fn close_after_drain(draining: CancellationToken, shared: Shared) {
    draining.cancelled().await;
    let drain = shared.identity.behaviour.drain;
    if !drain.is_zero() {
        sleep(drain).await;
    }
    shared.closing.cancel();
}

async fn accept(listener: TcpListener, shared: Shared) {
    loop {
        tokio::select! {
            biased;
            () = shared.closing.cancelled() => break,
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => shared.spawn(stream),
                Err(error) => {
                    eprintln!("{}: accept: {error}", shared.identity.name);
                    sleep(ACCEPT_PAUSE).await;
                }
            },
        }
    }
    // For these the handshake is over: closing the listener would reset them.
    while let Some(stream) = next_waiting(&listener).await {
        shared.spawn(stream);
    }
}

/// The next connection of the listener's queue, if there is one right now.
async fn next_waiting(listener: &TcpListener) -> Option<TcpStream> {
    poll_fn(|cx| match listener.poll_accept(cx) {
        Poll::Ready(Ok((stream, _))) => Poll::Ready(Some(stream)),
        Poll::Ready(Err(_)) | Poll::Pending => Poll::Ready(None),
    })
    .await
}

impl Shared {
    fn spawn(&self, stream: TcpStream) {
        self.connections.spawn(self.clone().serve(stream));
    }

    async fn serve(self, stream: TcpStream) {
        // A peer that is gone already has no address any more.
        let Ok(local) = stream.local_addr() else { return };
        let (socket, gauge) = Socket::new(stream);
        let respond = service_fn(|request| self.respond(local, &gauge, request));
        let mut builder = http1::Builder::new();
        builder.timer(TokioTimer::new()).header_read_timeout(self.identity.behaviour.keep_alive);
        let mut connection = pin!(builder.serve_connection(TokioIo::new(socket), respond));
        // Errors end here: the client broke off, or was idle for too long, or sent something that is not HTTP.
        tokio::select! {
            _ = connection.as_mut() => return,
            () = self.closing.cancelled() => {}
        }
        if gauge.received() == 0 && timeout(FIRST_REQUEST, connection.as_mut()).await.is_ok() {
            return;
        }
        connection.as_mut().graceful_shutdown();
        let _ = connection.await;
    }

    async fn respond(
        &self,
        local: SocketAddr,
        gauge: &Gauge,
        request: Request<Incoming>,
    ) -> Result<http::Response<super::reply::Reply>, super::answer::ResetWanted> {
        let mut response = answer(&self.identity, local.ip(), request).await.inspect_err(|_| gauge.reset_at_end())?;
        if self.closing.is_cancelled() {
            response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        }
        Ok(response)
    }
}
