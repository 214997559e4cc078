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

pub(crate) use answer::Reply;
pub(crate) use body::ResponseBody;
pub(crate) use incoming::{ClientBody, Fault};

use std::{rc::Rc, sync::Arc};

use crate::{
    balance::{Outcome, Reason, View},
    codec::{Asked, RequestHead, Version},
    guard::{self, Context, Passage, Refusal, Rules},
    mishap,
    worker::{Client, Worker},
};
use exchange::Exchange;
use request::Outgoing;

/// A request that was looked at, and how it is answered.
pub(crate) struct Admitted {
    pub(crate) terms: Terms,
    way: Way,
}

/// What becomes of it.
enum Way {
    /// It goes to an endpoint.
    Forward(Box<Exchange>, Arc<View>, Box<Outgoing>),
    /// It was answered already.
    Answered(Box<Reply>),
}

/// What its client takes for an answer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Terms {
    pub(crate) asked: Asked,
    pub(crate) version: Version,
    /// Whether the connection may take another request.
    pub(crate) is_persistent: bool,
}

/// Looks at a request. Not part of the future that answers it, which would have space for what came, all its life.
pub(crate) fn admit(worker: &Rc<Worker>, client: &Rc<Client>, head: &RequestHead<'_>) -> Admitted {
    let (mut exchange, view) = open(worker, client);
    let id = worker.random();
    let mut terms = Terms { asked: Asked::by(head.method), version: head.version, is_persistent: false };
    exchange.note_request(head, terms.asked, id);
    mishap::may_happen(|| head.target.as_bytes());
    let none = Rules::default();
    let rules = view.as_ref().map_or(&none, |view| &view.plan.rules);
    let mut written = worker.buffers.take_written();
    let checked = guard::check(head, &Context { origin: &client.origin, rules, id }, &mut written);
    let passed = match checked {
        Ok(passed) => passed,
        Err(refusal) => {
            client.pace.begin();
            worker.buffers.give_written(written);
            return answered(terms, exchange.refuse(&rules.response, &refusal));
        }
    };
    terms.is_persistent = passed.is_persistent;
    client.pace.begin();
    let max_body = rules.max_body;
    let body = passed.framing.has_body().then(|| ClientBody::new(Rc::clone(client), &passed, max_body));
    if passed.passage == Passage::Here {
        exchange.end(Outcome::answered(200));
        return answered(terms, answer::empty(&rules.response));
    }
    let Some(view) = view else {
        let detail = "there is no routing table yet";
        return answered(terms, exchange.fail(&none.response, 503, Reason::NoTable, detail));
    };
    exchange.count_dropped_fields(passed.dropped);
    exchange.note_kind(guard::key(head, &client.origin, &view.plan.rules), body.is_some());
    client.pace.grant(view.plan.client_limits);
    let outgoing = Outgoing::new(head.method, terms.asked, &passed, written, body);
    Admitted { terms, way: Way::Forward(exchange, view, outgoing) }
}

/// Opens a request's account, and tells what is in force.
fn open(worker: &Rc<Worker>, client: &Rc<Client>) -> (Box<Exchange>, Option<Arc<View>>) {
    let mut exchange = Exchange::new(worker, client);
    let view = exchange.pool.view.load_full();
    if let Some(view) = &view {
        exchange.begin_line(&view.plan.access_log);
    }
    (exchange, view)
}

fn answered(terms: Terms, reply: Reply) -> Admitted {
    Admitted { terms, way: Way::Answered(Box::new(reply)) }
}

/// Answers what is not even a request, or not in time.
pub(crate) fn refuse(worker: &Rc<Worker>, client: &Rc<Client>, refusal: &Refusal) -> Admitted {
    let (exchange, view) = open(worker, client);
    let none = Rules::default();
    let rules = view.as_ref().map_or(&none, |view| &view.plan.rules);
    client.pace.begin();
    let terms = Terms { asked: Asked::Other, version: Version::Current, is_persistent: false };
    answered(terms, exchange.refuse(&rules.response, refusal))
}

/// The answer of an endpoint, or ours.
pub(crate) async fn answer(admitted: Admitted) -> Reply {
    match admitted.way {
        Way::Forward(exchange, view, outgoing) => tries::forward(exchange, &view, outgoing).await,
        Way::Answered(reply) => *reply,
    }
}
