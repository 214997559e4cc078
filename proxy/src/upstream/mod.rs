//! Connections to endpoints: made with a deadline, kept by each thread for itself.

mod connect;
mod idle;

pub(crate) use connect::connect;
pub(crate) use idle::Idle;

use hyper::client::conn::http1::SendRequest;

use crate::forward::RequestBody;

/// A connection that can take a request.
pub(crate) type Connection = SendRequest<RequestBody>;
