//! Making a connection to an endpoint.

use std::{io, net::SocketAddr, time::Duration};

use rustix::io::Errno;
use socket2::{SockRef, TcpKeepalive};
use tokio::{
    net::TcpStream,
    time::{Instant, timeout},
};

use super::Connection;
use crate::balance::Reason;

/// Unacknowledged for so long, a connection is dead: the peer's node is gone without a word.
pub(super) const USER_TIMEOUT: Duration = Duration::from_secs(10);
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
    /// We have no descriptor, port or memory for it: no endpoint is to blame, and none is better.
    #[error("no connection to {address} for want of our own means: {error}")]
    Exhausted { address: SocketAddr, error: io::Error },
}

impl ConnectError {
    /// The reason that the client is told.
    pub(crate) fn reason(&self) -> Reason {
        match self {
            Self::Timeout { .. } => Reason::ConnectTimeout,
            Self::Io { .. } => Reason::ConnectFailed,
            Self::Exhausted { .. } => Reason::ProxyExhausted,
        }
    }

    /// Whether a descriptor was lacking, which idle connections may give back. A port they do not: after its end a connection
    /// holds it for a minute.
    pub(crate) fn lacks_descriptor(&self) -> bool {
        let Self::Exhausted { error, .. } = self else { return false };
        matches!(Errno::from_io_error(error), Some(Errno::MFILE | Errno::NFILE))
    }

    fn of(address: SocketAddr, error: io::Error) -> Self {
        let ours = [Errno::MFILE, Errno::NFILE, Errno::ADDRNOTAVAIL, Errno::NOBUFS, Errno::NOMEM];
        match Errno::from_io_error(&error) {
            Some(errno) if ours.contains(&errno) => Self::Exhausted { address, error },
            _ => Self::Io { address, error },
        }
    }
}

/// Connects within a time limit.
pub(crate) async fn connect(address: SocketAddr, limit: Duration) -> Result<Connection, ConnectError> {
    let stream = match timeout(limit, TcpStream::connect(address)).await {
        Err(_) => return Err(ConnectError::Timeout { address, after: limit }),
        Ok(connected) => connected.and_then(prepared).map_err(|error| ConnectError::of(address, error))?,
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_we_lack_ourselves_is_no_endpoints_fault() {
        let reason = |errno: Errno| ConnectError::of(([127, 0, 0, 1], 1).into(), errno.into()).reason();
        for errno in [Errno::MFILE, Errno::NFILE, Errno::ADDRNOTAVAIL, Errno::NOBUFS, Errno::NOMEM] {
            assert_eq!(reason(errno), Reason::ProxyExhausted, "{errno}");
            let error = ConnectError::of(([127, 0, 0, 1], 1).into(), errno.into());
            assert_eq!(error.lacks_descriptor(), [Errno::MFILE, Errno::NFILE].contains(&errno), "{errno}");
        }
        for errno in [Errno::CONNREFUSED, Errno::CONNRESET, Errno::HOSTUNREACH, Errno::NETUNREACH, Errno::PERM] {
            assert_eq!(reason(errno), Reason::ConnectFailed, "{errno}");
        }
    }
}
