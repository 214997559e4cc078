//! The gate: a layer of the HTTP client that lets reads pass always, and writes only while this process leads.
//!
//! It is asked when a write is about to be sent, and each time its sending goes on (a connection had to be made first, or the
//! process was stopped meanwhile), so that a leader that slept through its deadline sends nothing when it wakes up.

use std::{
    future::poll_fn,
    pin::pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll},
};

use futures::{FutureExt as _, future::BoxFuture};
use hyper::{Method, Request};
use tokio::{sync::Notify, time::Instant};
use tower::{BoxError, Layer, Service};

/// Why a write was not sent. Whoever leads does the same work: there is nothing to report and nothing to repeat.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this operator does not lead, so that it writes nothing")]
pub struct NotLeading;

impl NotLeading {
    /// Whether that is why a request failed.
    #[must_use]
    pub fn is_cause_of(error: &kube::Error) -> bool {
        matches!(error, kube::Error::Service(source) if source.is::<Self>())
    }
}

/// Whether this process may write now. Closed until it leads.
#[derive(Clone, Debug, Default)]
pub struct Gate {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    is_idle: Notify,
}

#[derive(Debug, Default)]
struct State {
    until: Option<Instant>,
    closed: bool,
    writing: usize,
}

impl Gate {
    /// Writes pass until then, unless it was closed.
    pub fn open_until(&self, until: Instant) {
        self.state().until = Some(until);
    }

    /// No other write passes, for ever. Those that are under way go on.
    pub fn close(&self) {
        self.state().closed = true;
    }

    /// Whether a write would pass.
    #[must_use]
    pub fn leads(&self, now: Instant) -> bool {
        self.state().leads(now)
    }

    /// Waits until no write is under way.
    pub async fn idle(&self) {
        loop {
            let mut changed = pin!(self.shared.is_idle.notified());
            changed.as_mut().enable(); // before the look, so that no change is missed
            if self.state().writing == 0 {
                return;
            }
            changed.await;
        }
    }

    fn enter(&self, now: Instant) -> Result<Pass, NotLeading> {
        let mut state = self.state();
        if !state.leads(now) {
            return Err(NotLeading);
        }
        state.writing += 1;
        Ok(Pass { gate: self.clone() })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Each change is one assignment: a panic leaves nothing half done.
        self.shared.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn leads(&self, now: Instant) -> bool {
        !self.closed && self.until.is_some_and(|until| now < until)
    }
}

/// A write that is under way.
#[derive(Debug)]
struct Pass {
    gate: Gate,
}

impl Pass {
    /// What was let in before the gate was closed goes on; what outlived the time of leading does not.
    fn check(&self, now: Instant) -> Result<(), NotLeading> {
        if self.gate.state().until.is_some_and(|until| now < until) { Ok(()) } else { Err(NotLeading) }
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        let mut state = self.gate.state();
        state.writing -= 1;
        if state.writing == 0 {
            self.gate.shared.is_idle.notify_waiters();
        }
    }
}

/// Puts the gate in front of a client.
#[derive(Clone, Debug)]
pub struct GateLayer {
    /// The gate.
    pub gate: Gate,
}

/// A client behind the gate.
#[derive(Clone, Debug)]
pub struct Gated<S> {
    inner: S,
    gate: Gate,
}

impl<S> Layer<S> for GateLayer {
    type Service = Gated<S>;

    fn layer(&self, inner: S) -> Gated<S> {
        Gated { inner, gate: self.gate.clone() }
    }
}

impl<S, B> Service<Request<B>> for Gated<S>
where
    S: Service<Request<B>, Error = BoxError>,
    S::Future: Send + 'static,
    S::Response: Send + 'static,
{
    type Response = S::Response;
    type Error = BoxError;
    type Future = BoxFuture<'static, Result<S::Response, BoxError>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        if matches!(*request.method(), Method::GET | Method::HEAD) {
            return self.inner.call(request).boxed();
        }
        match self.gate.enter(Instant::now()) {
            Ok(pass) => send(self.inner.call(request), pass).boxed(),
            Err(error) => futures::future::ready(Err(error.into())).boxed(),
        }
    }
}

/// Each poll may be the one that hands the request to a connection. What was handed over cannot be called back.
async fn send<T>(sending: impl Future<Output = Result<T, BoxError>>, pass: Pass) -> Result<T, BoxError> {
    let mut sending = pin!(sending);
    poll_fn(|context| match pass.check(Instant::now()) {
        Ok(()) => sending.as_mut().poll(context),
        Err(error) => Poll::Ready(Err(error.into())),
    })
    .await
}

#[cfg(test)]
#[path = "gate_tests.rs"]
mod tests;
