//! Making a connection to an endpoint.

use std::{io, net::SocketAddr, time::Duration};

use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use socket2::{SockRef, TcpKeepalive};
use tokio::{net::TcpStream, time::timeout};

use super::{Connection, stream::UpstreamStream};
use crate::balance::Reason;

/// Unacknowledged for so long, a connection is dead: the peer's node is gone without a word.
const USER_TIMEOUT: Duration = Duration::from_secs(10);
/// Linux counts a peer that is alive but does not read as one that does not acknowledge. It may do so for as long as nginx
/// lets it (`proxy_send_timeout`).
const PAUSE_LIMIT: Duration = Duration::from_secs(60);
/// An idle peer is asked after 30 s, then every 10 s, three times.
const KEEPALIVE: TcpKeepalive =
    TcpKeepalive::new().with_time(Duration::from_secs(30)).with_interval(Duration::from_secs(10)).with_retries(3);
/// The largest response head.
const MAX_HEAD_BYTES: usize = 64 * 1024;
const MAX_FIELDS: usize = 200;

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConnectError {
    #[error("no connection to {address} within {after:?}")]
    Timeout { address: SocketAddr, after: Duration },
    #[error("no connection to {address}: {error}")]
    Io { address: SocketAddr, error: io::Error },
    #[error("no connection to {address}: {error}")]
    Http { address: SocketAddr, error: hyper::Error },
}

impl ConnectError {
    /// The reason that the client is told.
    pub(crate) fn reason(&self) -> Reason {
        match self {
            Self::Timeout { .. } => Reason::ConnectTimeout,
            Self::Io { .. } | Self::Http { .. } => Reason::ConnectFailed,
        }
    }
}

impl Connection {
    /// Lets the endpoint pause while it reads, from now on.
    pub(crate) fn bear_pauses(&self) -> io::Result<()> {
        self.probe.set_user_timeout(PAUSE_LIMIT)
    }
}

/// Connects within a time limit. A task of its own drives the connection until it ends.
pub(crate) async fn connect(address: SocketAddr, limit: Duration) -> Result<Connection, ConnectError> {
    let stream = match timeout(limit, TcpStream::connect(address)).await {
        Err(_) => return Err(ConnectError::Timeout { address, after: limit }),
        Ok(connected) => connected.and_then(prepared).map_err(|error| ConnectError::Io { address, error })?,
    };
    let mut builder = http1::Builder::new();
    builder.max_headers(MAX_FIELDS).max_header_size(MAX_HEAD_BYTES);
    let (stream, probe) = UpstreamStream::new(stream);
    let handshake = builder.handshake(TokioIo::new(stream)).await;
    let (sender, driver) = handshake.map_err(|error| ConnectError::Http { address, error })?;
    tokio::task::spawn_local(async move {
        if let Err(error) = driver.await {
            tracing::debug!(%address, %error, "upstream connection ended");
        }
    });
    Ok(Connection { sender, probe })
}

fn prepared(stream: TcpStream) -> io::Result<TcpStream> {
    stream.set_nodelay(true)?;
    let socket = SockRef::from(&stream);
    socket.set_tcp_user_timeout(Some(USER_TIMEOUT))?;
    socket.set_tcp_keepalive(&KEEPALIVE)?;
    Ok(stream)
}
