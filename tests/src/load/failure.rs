//! The kinds of failure, told apart by what the client saw.

use std::error::Error;
use std::fmt;
use std::io::{self, ErrorKind};

use http::StatusCode;

use super::resolve::LookupError;

/// Why a request failed; its `Display` is the name under which it is counted.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Failure {
    /// A complete answer, but not a 2xx: `status_503`.
    Status(StatusCode),
    /// The name has no address.
    DnsNotFound,
    /// No name server answered in time.
    DnsTimeout,
    /// A name server said no.
    DnsError,
    /// Nobody listens there.
    ConnectRefused,
    /// The handshake took too long.
    ConnectTimeout,
    /// There is no way to the address.
    ConnectUnreachable,
    /// This client has no port left.
    ConnectNoPort,
    /// The connection could not be made for another reason.
    ConnectError,
    /// The server (or something between) reset the connection.
    Reset,
    /// The server closed the connection before the answer was complete.
    Eof,
    /// No answer in time.
    Timeout,
    /// The answer began, but did not end in time.
    BodyTimeout,
    /// The answer is not HTTP.
    Malformed,
    /// The run ended before a connection was free for the request.
    NotSent,
    /// Something else; the log of the first failures tells what.
    Other,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Status(status) => return write!(f, "status_{}", status.as_u16()),
            Self::DnsNotFound => "dns_not_found",
            Self::DnsTimeout => "dns_timeout",
            Self::DnsError => "dns_error",
            Self::ConnectRefused => "connect_refused",
            Self::ConnectTimeout => "connect_timeout",
            Self::ConnectUnreachable => "connect_unreachable",
            Self::ConnectNoPort => "connect_no_port",
            Self::ConnectError => "connect_error",
            Self::Reset => "reset",
            Self::Eof => "eof",
            Self::Timeout => "timeout",
            Self::BodyTimeout => "body_timeout",
            Self::Malformed => "malformed",
            Self::NotSent => "not_sent",
            Self::Other => "other",
        })
    }
}

impl Failure {
    /// The connection ended under the request: what a client may replay if the connection was an old one.
    #[must_use]
    pub fn is_close(self) -> bool {
        matches!(self, Self::Reset | Self::Eof)
    }

    pub(super) fn of_connect(error: &io::Error) -> Self {
        match error.kind() {
            ErrorKind::ConnectionRefused => Self::ConnectRefused,
            ErrorKind::TimedOut => Self::ConnectTimeout,
            ErrorKind::HostUnreachable | ErrorKind::NetworkUnreachable => Self::ConnectUnreachable,
            ErrorKind::AddrNotAvailable => Self::ConnectNoPort,
            ErrorKind::ConnectionReset => Self::Reset,
            _ => Self::ConnectError,
        }
    }

    pub(super) fn of_exchange(error: &hyper::Error) -> Self {
        let io = error.source().and_then(|source| source.downcast_ref::<io::Error>());
        match io.map(io::Error::kind) {
            Some(ErrorKind::ConnectionReset | ErrorKind::BrokenPipe | ErrorKind::ConnectionAborted) => Self::Reset,
            Some(ErrorKind::UnexpectedEof) => Self::Eof,
            Some(ErrorKind::TimedOut) => Self::Timeout,
            _ if error.is_parse() => Self::Malformed,
            // Canceled: the connection was found closed before the request was written.
            _ if error.is_incomplete_message() || error.is_canceled() || error.is_closed() => Self::Eof,
            _ => Self::Other,
        }
    }
}

impl From<&LookupError> for Failure {
    fn from(error: &LookupError) -> Self {
        match error {
            LookupError::NotFound(_) => Self::DnsNotFound,
            LookupError::Timeout(_) => Self::DnsTimeout,
            LookupError::Refused { .. } | LookupError::Io { .. } => Self::DnsError,
        }
    }
}
