//! One request from its ticket to its outcome: connection, answer, and at most one replay.

use std::net::SocketAddr;
use std::time::SystemTime;

use bytes::Bytes;
use http::header::CONNECTION;
use http::{HeaderValue, Request, Response, StatusCode, Uri};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use tokio::time::timeout;

use super::connection::Connection;
use super::failure::Failure;
use super::resolve::Resolver;
use super::settings::{Host, Settings};

/// What happened to a request, also as far as it came when its time was over.
#[derive(Debug, Default)]
pub(super) struct Trace {
    phase: Phase,
    pub(super) reused: bool,
    pub(super) local: Option<SocketAddr>,
    pub(super) peer: Option<SocketAddr>,
    pub(super) server: Option<HeaderValue>,
    pub(super) opened: u64,
    pub(super) replays: u64,
    /// When the request was written, for the last time.
    pub(super) sent_at: Option<SystemTime>,
    /// When the head of the answer was here.
    pub(super) head_at: Option<SystemTime>,
}

#[derive(Debug, Default)]
enum Phase {
    #[default]
    Lookup,
    Connect,
    Head,
    Body,
}

/// A failure and what was said about it.
#[derive(Debug)]
pub(super) struct Failed {
    pub(super) failure: Failure,
    pub(super) detail: String,
}

/// The ways of one request: shared settings, and the connection that its worker keeps.
pub(super) struct Exchange<'a> {
    pub(super) settings: &'a Settings,
    pub(super) resolver: &'a Resolver,
    pub(super) kept: &'a mut Option<Connection>,
    pub(super) trace: &'a mut Trace,
}

impl Exchange<'_> {
    /// Sends the request; `keep_alive`: on the kept connection, which is kept again.
    pub(super) async fn run(mut self, keep_alive: bool) -> Result<(), Failed> {
        let within = self.settings.timeout;
        let Ok(result) = timeout(within, self.attempts(keep_alive)).await else {
            return Err(Failed { failure: self.trace.phase.timeout(), detail: format!("nothing within {within:?}") });
        };
        let status = result?;
        if status.is_success() {
            return Ok(());
        }
        Err(Failed { failure: Failure::Status(status), detail: status.to_string() })
    }

    async fn attempts(&mut self, keep_alive: bool) -> Result<StatusCode, Failed> {
        if keep_alive
            && let Some(mut old) = self.kept.take()
            && old.is_usable().await
        {
            let before = old.bytes();
            self.trace.reused = true;
            match self.attempt(&mut old, keep_alive).await {
                Err(failed) if self.may_replay(&failed, before, old.bytes()) => self.trace.replays += 1,
                result => {
                    *self.kept = result.is_ok().then_some(old);
                    return result;
                }
            }
        }
        self.trace.reused = false;
        let mut new = self.connect().await?;
        let result = self.attempt(&mut new, keep_alive).await;
        if keep_alive && result.is_ok() {
            *self.kept = Some(new);
        }
        result
    }

    /// RFC 9110 §9.2.2 and RFC 9112 §9.3.1: an old connection that was closed before any byte of an answer may have been closed
    /// before the request came. Then an idempotent request may be sent again; any other only if no byte of it had left.
    fn may_replay(&self, failed: &Failed, before: (u64, u64), after: (u64, u64)) -> bool {
        let unanswered = after.0 == before.0;
        let unsent = after.1 == before.1;
        failed.failure.is_close() && unanswered && (self.settings.method.is_idempotent() || unsent)
    }

    async fn connect(&mut self) -> Result<Connection, Failed> {
        self.trace.phase = Phase::Lookup;
        let addresses = self.addresses().await?;
        self.trace.phase = Phase::Connect;
        let connection = Connection::open(&addresses).await;
        self.trace.opened += 1;
        connection.map_err(|error| Failed { failure: Failure::of_connect(&error), detail: error.to_string() })
    }

    async fn addresses(&self) -> Result<Vec<SocketAddr>, Failed> {
        let target = &self.settings.target;
        let addresses = match &target.host {
            Host::Addr(address) => vec![*address],
            Host::Name(name) => self
                .resolver
                .lookup(name)
                .await
                .map_err(|error| Failed { failure: Failure::from(&error), detail: error.to_string() })?,
        };
        Ok(addresses.into_iter().map(|address| SocketAddr::new(address, target.port)).collect())
    }

    async fn attempt(&mut self, connection: &mut Connection, keep_alive: bool) -> Result<StatusCode, Failed> {
        self.trace.phase = Phase::Head;
        self.trace.local = connection.local;
        self.trace.peer = Some(connection.peer);
        self.trace.server.clone_from(&connection.server);
        self.trace.sent_at = Some(SystemTime::now());
        let response = connection.send(self.request(keep_alive)).await.map_err(|error| describe(&error))?;
        self.trace.head_at = Some(SystemTime::now());
        self.trace.server = response.headers().get("x-server").cloned();
        connection.server.clone_from(&self.trace.server);
        self.trace.phase = Phase::Body;
        finish(response).await
    }

    fn request(&self, keep_alive: bool) -> Request<Full<Bytes>> {
        let mut request = Request::new(Full::new(self.settings.body.clone()));
        *request.method_mut() = self.settings.method.clone();
        *request.uri_mut() = Uri::from(self.settings.target.path.clone());
        *request.headers_mut() = self.settings.headers.clone();
        if !keep_alive {
            request.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        }
        request
    }
}

impl Phase {
    fn timeout(&self) -> Failure {
        match self {
            Self::Lookup => Failure::DnsTimeout,
            Self::Connect => Failure::ConnectTimeout,
            Self::Head => Failure::Timeout,
            Self::Body => Failure::BodyTimeout,
        }
    }
}

/// Reads the answer to its end: a body that breaks off is a failure, whatever the status.
async fn finish(response: Response<Incoming>) -> Result<StatusCode, Failed> {
    let status = response.status();
    let mut body = response.into_body();
    while let Some(frame) = body.frame().await {
        frame.map_err(|error| describe(&error))?;
    }
    Ok(status)
}

fn describe(error: &hyper::Error) -> Failed {
    let cause = std::error::Error::source(error).map(|source| format!(": {source}"));
    Failed { failure: Failure::of_exchange(error), detail: format!("{error}{}", cause.unwrap_or_default()) }
}
