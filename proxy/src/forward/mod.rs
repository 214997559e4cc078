//! The way of a request: from the client's head to the last byte of the answer.

mod answer;
mod attempt;
mod body;
mod exchange;
mod incoming;
mod request;
mod retry;

pub(crate) use body::ResponseBody;
pub(crate) use incoming::{ClientBody, Fault};

use std::{cell::Cell, net::IpAddr, rc::Rc};

use http::{Request, Response, Version};
use hyper::body::Incoming;

use crate::{
    balance::{Outcome, Reason, View},
    guard::{Context, Framing, Head, Origin, Passage, Rules},
    worker::{Pace, Worker},
};
use exchange::Exchange;
use request::Outgoing;

/// Who is at the other end of a client connection.
#[derive(Clone, Debug)]
pub(crate) struct Client {
    /// The pool whose listener was used.
    pub(crate) pool: usize,
    /// The two ends.
    pub(crate) origin: Origin,
    /// Set if the connection must end with a reset.
    pub(crate) reset: Rc<Cell<bool>>,
    /// How long it may take.
    pub(crate) pace: Rc<Pace>,
}

impl Client {
    /// A client by its address and the one that it connected to.
    pub(crate) fn new(pool: usize, peer: IpAddr, local: std::net::SocketAddr, pace: Rc<Pace>) -> Self {
        Self { pool, origin: Origin::new(peer, local), reset: Rc::default(), pace }
    }
}

/// Answers a request, by an endpoint or by ourselves.
pub(crate) async fn serve(worker: &Rc<Worker>, client: &Client, request: Request<Incoming>) -> Response<ResponseBody> {
    let exchange = Exchange::new(worker, client.pool);
    let view = exchange.pool.view.load_full();
    let mut response = answer(exchange, view.as_deref(), client, request).await;
    if let Some(view) = view {
        view.plan.rules.response.apply(response.headers_mut());
    }
    response
}

async fn answer(
    exchange: Exchange,
    view: Option<&View>,
    client: &Client,
    request: Request<Incoming>,
) -> Response<ResponseBody> {
    let (parts, incoming) = request.into_parts();
    let reset = (parts.version < Version::HTTP_11).then(|| Rc::clone(&client.reset));
    let none = Rules::default();
    let rules = view.map_or(&none, |view| &view.plan.rules);
    let context = Context { origin: &client.origin, rules, id: exchange.worker.random() };
    match (Head::check(parts, &context), view) {
        (Err(refusal), _) => exchange.refuse(&refusal),
        (Ok(Passage::Here), _) => {
            exchange.end(Outcome::answered(200));
            answer::empty()
        }
        (Ok(Passage::Forward(_)), None) => exchange.fail(503, Reason::NoTable, "there is no routing table yet"),
        (Ok(Passage::Forward(head)), Some(view)) => {
            exchange.count_dropped_fields(head.dropped());
            let body = !matches!(head.framing(), Framing::None | Framing::Length(0));
            let body = body.then(|| ClientBody::new(incoming, rules.max_body, Rc::clone(&client.pace)));
            let outgoing = Outgoing::new(&head, body, reset, &exchange.worker.buffers);
            drop(head); // it is written: an attempt needs no more of it
            attempt::forward(exchange, view, outgoing).await
        }
    }
}
