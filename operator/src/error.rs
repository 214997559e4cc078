//! What can go wrong with a pool's work.

use std::time::Duration;

use crate::{lane::Backoff, lease::NotLeading};

/// Why work on a pool failed. It is tried again.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The API server refused a request, or could not be reached.
    #[error("cannot {doing}: {}", brief(source))]
    Api {
        /// What was tried, for example "write ConfigMap shop/evenkeel-web".
        doing: String,
        /// What came back.
        source: Box<kube::Error>,
    },
    /// An object changed each time between reading and writing it.
    #[error("{0} changes faster than it can be written")]
    Contended(String),
    /// The work took too long.
    #[error("not done within {0:?}")]
    TooSlow(Duration),
    /// This replica does not lead any more: its writes are not sent, and another does its work.
    #[error(transparent)]
    NotLeading(#[from] NotLeading),
    /// A bug.
    #[error("panicked: {0}")]
    Panicked(String),
    /// What the operator makes cannot be written as JSON: a bug.
    #[error("cannot write {what} as JSON: {source}")]
    Json {
        /// What it was.
        what: String,
        /// What is wrong.
        source: serde_json::Error,
    },
}

impl Error {
    /// An answer of the API server to that attempt.
    pub fn api(doing: impl Into<String>) -> impl FnOnce(kube::Error) -> Self {
        |source| {
            if NotLeading::is_cause_of(&source) {
                return NotLeading.into();
            }
            Self::Api { doing: doing.into(), source: Box::new(source) }
        }
    }

    /// The label in metrics and logs.
    #[must_use]
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Api { source, .. } => api_reason(source),
            Self::Contended(_) => "contended",
            Self::TooSlow(_) => "too_slow",
            Self::NotLeading(_) => "not_leading",
            Self::Panicked(_) => "panicked",
            Self::Json { .. } => "json",
        }
    }

    /// How long to wait before the next try.
    #[must_use]
    pub fn backoff(&self) -> Backoff {
        match self {
            Self::Api { .. } | Self::TooSlow(_) | Self::NotLeading(_) if !self.is_refusal() => Backoff::Unreachable,
            _ => Backoff::Refused,
        }
    }

    /// Whether the API server understood the request and refused it: it will refuse it again until somebody changes something.
    #[must_use]
    pub fn is_refusal(&self) -> bool {
        let Self::Api { source, .. } = self else { return false };
        matches!(&**source, kube::Error::Api(status) if matches!(status.code, 400..=499) && !matches!(status.code, 408 | 409 | 429))
    }
}

fn api_reason(error: &kube::Error) -> &'static str {
    let kube::Error::Api(status) = error else { return "connection" };
    match status.code {
        401 => "unauthorized",
        403 => "forbidden",
        404 => "not_found",
        409 => "conflict",
        422 => "invalid",
        429 => "too_many_requests",
        500..=599 => "server_error",
        _ => "api",
    }
}

/// The API server's message alone: kube repeats it in other forms.
fn brief(error: &kube::Error) -> String {
    match error {
        kube::Error::Api(status) => status.message.clone(),
        other => other.to_string(),
    }
}
