//! Connections to endpoints: made with a deadline, kept by each thread for itself.

mod connect;
mod idle;
mod stream;

pub(crate) use connect::connect;
pub(crate) use idle::{Idle, Need};

use hyper::client::conn::http1::SendRequest;

use crate::forward::RequestBody;
use stream::Probe;

/// A connection that can take a request.
#[derive(Debug)]
pub(crate) struct Connection {
    /// Takes the request.
    pub(crate) sender: SendRequest<RequestBody>,
    probe: Probe,
}
