//! Making a connection to an endpoint.

use std::{io, net::SocketAddr, time::Duration};

use socket2::{SockRef, TcpKeepalive};
use tokio::{
    net::TcpStream,
    time::{Instant, timeout},
};

use super::Connection;
use crate::balance::Reason;

/// Unacknowledged for so long, a connection is dead: the peer's node is gone without a word.
const USER_TIMEOUT: Duration = Duration::from_secs(10);
/// An idle peer is asked after 30 s, then every 10 s, three times.
const KEEPALIVE: TcpKeepalive =
    TcpKeepalive::new().with_time(Duration::from_secs(30)).with_interval(Duration::from_secs(10)).with_retries(3);

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConnectError {
    #[error("no connection to {address} within {after:?}")]
    Timeout { address: SocketAddr, after: Duration },
    #[error("no connection to {address}: {error}")]
    Io { address: SocketAddr, error: io::Error },
}

impl ConnectError {
    /// The reason that the client is told.
    pub(crate) fn reason(&self) -> Reason {
        match self {
            Self::Timeout { .. } => Reason::ConnectTimeout,
            Self::Io { .. } => Reason::ConnectFailed,
        }
    }
}

/// Connects within a time limit.
pub(crate) async fn connect(address: SocketAddr, limit: Duration) -> Result<Connection, ConnectError> {
    let stream = match timeout(limit, TcpStream::connect(address)).await {
        Err(_) => return Err(ConnectError::Timeout { address, after: limit }),
        Ok(connected) => connected.and_then(prepared).map_err(|error| ConnectError::Io { address, error })?,
    };
    Ok(Connection::new(stream, Instant::now()))
}

fn prepared(stream: TcpStream) -> io::Result<TcpStream> {
    stream.set_nodelay(true)?;
    let socket = SockRef::from(&stream);
    socket.set_tcp_user_timeout(Some(USER_TIMEOUT))?;
    socket.set_tcp_keepalive(&KEEPALIVE)?;
    Ok(stream)
}
