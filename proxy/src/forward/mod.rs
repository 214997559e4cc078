//! The way of a request: from the client's head to the last byte of the answer.

mod answer;
mod attempt;
mod body;
mod deadlines;
mod exchange;
mod incoming;
mod request;
mod retry;
mod tries;

pub(crate) use body::ResponseBody;
pub(crate) use exchange::report;
pub(crate) use incoming::{ClientBody, Fault};

use std::{cell::Cell, net::IpAddr, rc::Rc, sync::Arc};

use http::{Request, Response, Version};
use hyper::body::Incoming;

use crate::{
    balance::{Outcome, Reason, View},
    guard::{Context, Framing, Head, Origin, Passage, Rules},
    mishap,
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
    pub(crate) fn new(
        pool: usize,
        peer: IpAddr,
        local: std::net::SocketAddr,
        pace: Rc<Pace>,
        reset: Rc<Cell<bool>>,
    ) -> Self {
        Self { pool, origin: Origin::new(peer, local), reset, pace }
    }
}

/// A request that was looked at.
pub(crate) enum Admitted {
    /// It goes to an endpoint.
    Forward(Box<Exchange>, Arc<View>, Box<Outgoing>),
    /// It was answered already. On the heap, since it is rare and large.
    Answered(Box<Response<ResponseBody>>),
}

/// Looks at a request. Not part of the future that answers it, which would have space for what came, all its life.
pub(crate) fn admit(worker: &Rc<Worker>, client: &Rc<Client>, request: Request<Incoming>) -> Admitted {
    let mut exchange = Exchange::new(worker, client);
    let view = exchange.pool.view.load_full();
    let (parts, incoming) = request.into_parts();
    let id = worker.random();
    if let Some(view) = &view {
        exchange.begin_line(&view.plan.access_log);
    }
    exchange.note_request(&parts, id);
    mishap::may_happen(|| parts.uri.path().as_bytes());
    let reset = (parts.version < Version::HTTP_11).then(|| Rc::clone(&client.reset));
    let none = Rules::default();
    let rules = view.as_ref().map_or(&none, |view| &view.plan.rules);
    match (Head::check(parts, &Context { origin: &client.origin, rules, id }), view) {
        (Err(refusal), view) => answered(view.as_deref(), exchange.refuse(&refusal)),
        (Ok(Passage::Here), view) => {
            client.pace.leave_body();
            exchange.end(Outcome::answered(200));
            answered(view.as_deref(), answer::empty())
        }
        (Ok(Passage::Forward(_)), None) => {
            client.pace.leave_body();
            answered(None, exchange.fail(503, Reason::NoTable, "there is no routing table yet"))
        }
        (Ok(Passage::Forward(head)), Some(view)) => {
            exchange.count_dropped_fields(head.dropped());
            client.pace.grant(view.plan.client_limits);
            let body = !matches!(head.framing(), Framing::None | Framing::Length(0));
            let body = body.then(|| ClientBody::new(incoming, view.plan.rules.max_body, Rc::clone(&client.pace)));
            let buffers = &exchange.worker.buffers;
            let outgoing = Outgoing::new(&head, view.plan.rules.request.lines(), body, reset, buffers);
            buffers.give_fields(head.into_fields());
            Admitted::Forward(exchange, view, outgoing)
        }
    }
}

fn answered(view: Option<&View>, mut response: Response<ResponseBody>) -> Admitted {
    if let Some(view) = view {
        view.plan.rules.response.apply(response.headers_mut());
    }
    Admitted::Answered(Box::new(response))
}

/// The answer of an endpoint, or ours.
pub(crate) async fn answer(admitted: Admitted) -> Response<ResponseBody> {
    match admitted {
        Admitted::Forward(exchange, view, outgoing) => {
            let mut response = tries::forward(exchange, &view, outgoing).await;
            view.plan.rules.response.apply(response.headers_mut());
            response
        }
        Admitted::Answered(response) => *response,
    }
}
