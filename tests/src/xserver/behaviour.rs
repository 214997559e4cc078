//! How a server behaves when the request does not ask for something else.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use http::{HeaderValue, StatusCode};

/// As nginx: long enough that idle connections of a pool live, short enough that forgotten ones go.
const KEEP_ALIVE: Duration = Duration::from_secs(75);
/// A request in flight may take as long as Kubernetes lets a pod live on by default.
const GRACE: Duration = Duration::from_secs(30);

/// What a server does by default. The fields mirror the options of the program.
#[derive(Clone, Debug)]
pub struct Behaviour {
    /// The `message` of each answer; `hello from NAME` if none.
    pub message: Option<String>,
    /// Waited before each answer.
    pub delay: Duration,
    /// How many of a hundred answers are a 500.
    pub fail_percent: u8,
    /// The status of the other answers.
    pub status: StatusCode,
    /// What `/health` says at first.
    pub healthy: bool,
    /// How long a connection may stay without a request.
    pub keep_alive: Duration,
    /// How long a server that was told to stop goes on accepting.
    pub drain: Duration,
    /// How long requests in flight may take after that.
    pub grace: Duration,
}

impl Default for Behaviour {
    fn default() -> Self {
        Self {
            message: None,
            delay: Duration::ZERO,
            fail_percent: 0,
            status: StatusCode::OK,
            healthy: true,
            keep_alive: KEEP_ALIVE,
            drain: Duration::ZERO,
            grace: GRACE,
        }
    }
}

/// One named server: its behaviour, and what changes while it runs.
#[derive(Debug)]
pub(super) struct Identity {
    pub(super) name: String,
    /// The name as the value of `X-Server`.
    pub(super) field: HeaderValue,
    pub(super) hostname: String,
    pub(super) message: String,
    pub(super) behaviour: Behaviour,
    /// Written by `POST /health`.
    pub(super) healthy: AtomicBool,
    /// Written by each answer.
    pub(super) answered: AtomicU64,
}

impl Identity {
    /// Fails on a name that cannot stand in a header field.
    pub(super) fn new(name: &str, behaviour: Behaviour) -> Result<Self, http::header::InvalidHeaderValue> {
        Ok(Self {
            name: name.to_owned(),
            field: HeaderValue::from_str(name)?,
            hostname: rustix::system::uname().nodename().to_string_lossy().into_owned(),
            message: behaviour.message.clone().unwrap_or_else(|| format!("hello from {name}")),
            healthy: AtomicBool::new(behaviour.healthy),
            answered: AtomicU64::new(0),
            behaviour,
        })
    }

    /// The status of an answer to which the request did not give one.
    pub(super) fn status(&self) -> StatusCode {
        let fails = fastrand::u8(..100) < self.behaviour.fail_percent;
        if fails { StatusCode::INTERNAL_SERVER_ERROR } else { self.behaviour.status }
    }

    pub(super) fn is_healthy(&self) -> bool {
        self.healthy.load(Relaxed)
    }
}
