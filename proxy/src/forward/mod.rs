//! The way of a request: from the client's head to the last byte of the answer.

mod answer;
mod attempt;
mod body;
mod exchange;
mod fields;
mod request;
mod retry;

pub(crate) use body::{RequestBody, ResponseBody};

use std::{cell::Cell, net::IpAddr, rc::Rc};

use http::{HeaderValue, Request, Response, header};
use hyper::body::Incoming;

use crate::{shared::Stage, worker::Worker};
use exchange::Exchange;
use request::Outgoing;

/// Who is at the other end of a client connection.
#[derive(Clone, Debug)]
pub(crate) struct Client {
    /// The pool whose listener was used.
    pub(crate) pool: usize,
    /// The client's address as a field value.
    pub(crate) address: HeaderValue,
    /// Where it connected to, for those who send no `Host`.
    pub(crate) local: HeaderValue,
    /// Set if the connection must end with a reset.
    pub(crate) reset: Rc<Cell<bool>>,
}

impl Client {
    /// A client by its address and the one that it connected to.
    pub(crate) fn new(pool: usize, peer: IpAddr, local: std::net::SocketAddr) -> Self {
        let value = |text: String| HeaderValue::try_from(text).unwrap_or(HeaderValue::from_static("unknown"));
        Self {
            pool,
            address: value(peer.to_canonical().to_string()),
            local: value(local.to_string()),
            reset: Rc::default(),
        }
    }
}

/// Answers a request, by an endpoint or by ourselves.
pub(crate) async fn serve(
    worker: Rc<Worker>,
    client: Rc<Client>,
    request: Request<Incoming>,
) -> Response<ResponseBody> {
    let exchange = Exchange::new(&worker, client.pool);
    let mut response = match Outgoing::new(request, &client) {
        Ok(outgoing) => attempt::forward(exchange, outgoing).await,
        Err(refusal) => exchange.refuse(&refusal),
    };
    // Asked now: the process may have been told to end while the endpoint took its time.
    if *worker.stage.borrow() >= Stage::Closing {
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    response
}
