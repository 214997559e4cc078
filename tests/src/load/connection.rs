//! One HTTP/1.1 connection of the client, whose reuse is in our hand and whose bytes are counted.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderValue, Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::task::JoinHandle;

use crate::socket::{Gauge, Socket};

/// A connection; dropping it closes the socket.
#[derive(Debug)]
pub(super) struct Connection {
    sender: SendRequest<Full<Bytes>>,
    driver: JoinHandle<()>,
    gauge: Arc<Gauge>,
    pub(super) local: Option<SocketAddr>,
    pub(super) peer: SocketAddr,
    /// Who answered last on it.
    pub(super) server: Option<HeaderValue>,
}

impl Connection {
    /// Connects to the first address that lets us; the error is that of the last.
    pub(super) async fn open(addresses: &[SocketAddr]) -> io::Result<Self> {
        let mut failure = io::ErrorKind::AddrNotAvailable.into();
        for peer in addresses {
            match TcpStream::connect(peer).await {
                Ok(stream) => return Self::new(stream, *peer).await,
                Err(error) => failure = error,
            }
        }
        Err(failure)
    }

    async fn new(stream: TcpStream, peer: SocketAddr) -> io::Result<Self> {
        let local = stream.local_addr().ok();
        let (socket, gauge) = Socket::new(stream);
        let (sender, driving) = handshake(TokioIo::new(socket)).await.map_err(io::Error::other)?;
        // Its error also reaches the request under way, or the next one finds the connection closed.
        let driver = tokio::spawn(async move {
            let _ = driving.await;
        });
        Ok(Self { sender, driver, gauge, local, peer, server: None })
    }

    /// Waits until the last answer is done with; false if the connection is closed.
    pub(super) async fn is_usable(&mut self) -> bool {
        self.sender.ready().await.is_ok()
    }

    pub(super) async fn send(&mut self, request: Request<Full<Bytes>>) -> hyper::Result<Response<Incoming>> {
        self.sender.send_request(request).await
    }

    /// Bytes received and sent so far.
    pub(super) fn bytes(&self) -> (u64, u64) {
        (self.gauge.received(), self.gauge.sent())
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.driver.abort();
    }
}
