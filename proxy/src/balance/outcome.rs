//! How a request or an attempt ended: whose side it was on, and why.

use std::fmt;

/// Whose fault an end was. A client's mistake never counts against an endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The client's.
    Client,
    /// Ours.
    Proxy,
    /// The endpoint's.
    Upstream,
}

impl Side {
    /// The word in metrics.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::Proxy => "proxy",
            Self::Upstream => "upstream",
        }
    }
}

/// Why a request ended without the answer of an endpoint, or an attempt failed. The codes are Envoy's response flags,
/// where it has one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reason {
    /// No endpoint can serve.
    NoHealthyUpstream,
    /// A connection was refused or reset while it was made.
    ConnectFailed,
    /// A connection was not made in time.
    ConnectTimeout,
    /// No response header in time.
    ResponseTimeout,
    /// The connection ended before the response did.
    UpstreamClosed,
    /// The answer is not HTTP.
    UpstreamProtocol,
    /// There is no table yet.
    NoTable,
    /// The client left.
    ClientLeft,
    /// The request is not one that we serve.
    BadRequest,
    /// The client took too long to send its request.
    SlowClient,
    /// We have no descriptor, port or memory left. Envoy's flag of its overload manager.
    ProxyExhausted,
    /// A bug of ours ended the request: see `evenkeel_panics_total`.
    InternalError,
    /// The last failure could have been followed by another attempt, but attempts or their budget are used up.
    RetriesExhausted,
    /// The endpoint answered, with a status after which the request was sent to another. No request ends so.
    UpstreamStatus,
}

impl Reason {
    /// Every reason, for metrics.
    pub const ALL: [Self; 14] = [
        Self::NoHealthyUpstream,
        Self::ConnectFailed,
        Self::ConnectTimeout,
        Self::ResponseTimeout,
        Self::UpstreamClosed,
        Self::UpstreamProtocol,
        Self::NoTable,
        Self::ClientLeft,
        Self::BadRequest,
        Self::SlowClient,
        Self::ProxyExhausted,
        Self::InternalError,
        Self::RetriesExhausted,
        Self::UpstreamStatus,
    ];

    /// The place in [`Reason::ALL`].
    #[must_use]
    pub fn index(self) -> usize {
        self as usize
    }

    /// The code in the field `evenkeel-reason`, in metrics and in logs.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::NoHealthyUpstream => "UH",
            Self::ConnectFailed => "UF",
            Self::ConnectTimeout => "UF,UT",
            Self::ResponseTimeout => "UT",
            Self::UpstreamClosed => "UC",
            Self::UpstreamProtocol => "UPE",
            Self::NoTable => "NR",
            Self::ClientLeft => "DC",
            Self::BadRequest => "DPE",
            Self::SlowClient => "SI",
            Self::ProxyExhausted => "OM",
            Self::InternalError => "IE",
            Self::RetriesExhausted => "URX",
            Self::UpstreamStatus => "US",
        }
    }

    /// Whose side it is on.
    #[must_use]
    pub fn side(self) -> Side {
        match self {
            Self::NoHealthyUpstream | Self::NoTable | Self::ProxyExhausted | Self::InternalError => Side::Proxy,
            Self::ClientLeft | Self::BadRequest | Self::SlowClient => Side::Client,
            _ => Side::Upstream,
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

/// How a request ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// The status that the client got, or would have got: 499 if it left (nginx's number for that).
    pub status: u16,
    /// Why, if not by the endpoint's own whole answer.
    pub reason: Option<Reason>,
}

impl Outcome {
    /// An endpoint's whole answer.
    #[must_use]
    pub fn answered(status: u16) -> Self {
        Self { status, reason: None }
    }

    /// An end for a reason of ours.
    #[must_use]
    pub fn failed(status: u16, reason: Reason) -> Self {
        Self { status, reason: Some(reason) }
    }

    /// The class of the status: 1 to 5; 0 for a client that left, since nobody got a status then.
    #[must_use]
    pub fn class(&self) -> usize {
        match self.reason {
            Some(Reason::ClientLeft) => 0,
            _ => usize::from(self.status / 100).min(5),
        }
    }

    /// Whose side it was on; an endpoint's own answer is on the upstream's.
    #[must_use]
    pub fn side(&self) -> Side {
        self.reason.map_or(Side::Upstream, Reason::side)
    }
}
