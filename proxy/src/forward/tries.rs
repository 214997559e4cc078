//! A request's attempts, one after the other, until one is answered or no other may follow.

use std::{future::poll_fn, pin::pin, sync::Arc, task::Poll, time::Duration};

use super::{
    Reply, ResponseBody,
    answer::add_reason,
    attempt::{Answer, attempt},
    body::{Relay, Source},
    deadlines::Deadlines,
    exchange::Exchange,
    request::Outgoing,
    retry::{Failure, History, Next},
};
use crate::{
    balance::{EndpointState, Outcome, Picked, Reason, View},
    guard::LineRules,
    mishap,
    upstream::{Answered, Connection},
    wire::Inbound,
};

/// Forwards a request: the answer of an endpoint, or ours if there is none.
pub(super) async fn forward(mut exchange: Box<Exchange>, first: &View, mut outgoing: Box<Outgoing>) -> Reply {
    let rules = &first.plan.rules.response;
    let mut newer = None; // what is in force when another endpoint is picked
    let mut tries = Tries::new(first, &exchange);
    let Ok(mut picked) = exchange.pick(first, &tries.tried) else {
        return exchange.fail(rules, 503, Reason::NoHealthyUpstream, "no endpoint can serve");
    };
    loop {
        let view = newer.as_deref().unwrap_or(first);
        exchange.begin_attempt();
        let attempted = tries.attempt(&exchange, view, rules, &picked, &mut outgoing).await;
        match &attempted {
            Ok(answer) => exchange.note_head(is_failing(answer.0.head.status.as_u16()), answer.0.sent),
            Err(failure) if failure.is_endpoints() => exchange.report_failure(),
            Err(_) => {}
        }
        let failure = match attempted {
            Ok(answer) if outgoing.can_repeat() && is_listed(view, &answer) => {
                tries.hold(
                    &exchange,
                    Held { picked: picked.clone(), is_sent: outgoing.outbound.is_done(), answer },
                    view,
                );
                Failure::Status
            }
            Ok(answer) => return tries.succeed(exchange, rules, Source::of(view, &picked), outgoing, answer),
            Err(failure) => failure,
        };
        let next = tries.history.decide(failure, outgoing.can_repeat(), &view.plan.retry);
        if next == Next::OtherEndpoint {
            tries.tried.push(Arc::clone(&picked.endpoint));
            // The endpoints of the table that the request began with may be gone since.
            newer = exchange.pool.view.load_full().or(newer);
        }
        let view = newer.as_deref().unwrap_or(first);
        let pause = tries.pause(failure, view);
        let end = match next {
            Next::GiveUp => Some(End::Failure),
            Next::UsedUp => Some(End::UsedUp),
            _ if !view.has_untried(&tries.tried) => Some(End::Failure),
            _ if !tries.allow(pause) => Some(End::UsedUp),
            _ if !exchange.take_retry(failure.reason(), view.plan.retry_budget) => Some(End::UsedUp),
            _ => None,
        };
        if let Some(end) = end {
            return tries.give_up(exchange, rules, &outgoing, failure, end);
        }
        tries.has_retried |= failure.was_sent();
        if !pause.is_zero() {
            Box::pin(tokio::time::sleep(pause)).await; // on the heap, as few wait
        }
        if next == Next::OtherEndpoint {
            newer = exchange.pool.view.load_full().or(newer); // a table may have come in the pause
            match exchange.pick(newer.as_deref().unwrap_or(first), &tries.tried) {
                Ok(other) => picked = other,
                Err(_) => return tries.give_up(exchange, rules, &outgoing, failure, End::Failure),
            }
        }
    }
}

/// Whether an answer says that the endpoint cannot answer, or not so much: 501 and 505 say what nobody there can do.
fn is_failing(status: u16) -> bool {
    status == 429 || status >= 500 && ![501, 505].contains(&status)
}

fn is_listed(view: &View, answer: &Answer) -> bool {
    let (Answered { head, .. }, _) = &**answer;
    view.plan.retry.attempts > 0 && view.plan.retry.codes.contains(head.status.as_u16())
}

/// Why no attempt follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// What failed last is not tried again, or nobody is left for it.
    Failure,
    /// Attempts, the budget or the time are used up.
    UsedUp,
}

/// An answer after which the request is sent elsewhere. If that brings none, the client gets this one.
struct Held {
    picked: Picked,
    /// Whether the request was sent to its end before.
    is_sent: bool,
    answer: Answer,
}

/// What has been tried for a request.
struct Tries {
    history: History,
    /// Whether the request was sent again, after it had been sent.
    has_retried: bool,
    tried: Vec<Arc<EndpointState>>,
    /// On the heap, since it is rare and large.
    held: Option<Box<(Held, Source)>>,
    deadlines: Option<Box<Deadlines>>,
}

impl Tries {
    fn new(view: &View, exchange: &Exchange) -> Self {
        let deadlines = Deadlines::of(&view.plan, &exchange.worker.waits);
        Self { history: History::default(), has_retried: false, tried: Vec::new(), held: None, deadlines }
    }

    /// One attempt, within its deadlines.
    async fn attempt(
        &mut self,
        exchange: &Exchange,
        view: &View,
        rules: &LineRules,
        picked: &Picked,
        outgoing: &mut Outgoing,
    ) -> Result<Answer, Failure> {
        let deadlines = &mut self.deadlines;
        if let Some(deadlines) = deadlines {
            deadlines.begin_attempt(&exchange.worker.waits);
        }
        let over = {
            let mut sending = pin!(attempt(exchange, view, rules, picked, outgoing, self.history.distrusts_kept()));
            let answered = poll_fn(|cx| match (sending.as_mut().poll(cx), &mut *deadlines) {
                (Poll::Pending, Some(deadlines)) => deadlines.poll(cx).map(Err),
                (answered, _) => answered.map(Ok),
            });
            match answered.await {
                Ok(answered) => return answered,
                Err(over) => over,
            }
        };
        tracing::debug!(address = %picked.endpoint.address, ?over, "attempt failed: its time is over");
        Err(outgoing.judge_late(over))
    }

    /// Keeps an answer, for want of a better one.
    fn hold(&mut self, exchange: &Exchange, held: Held, view: &View) {
        let source = Source::of(view, &held.picked);
        self.discard(exchange);
        self.held = Some(Box::new((held, source)));
    }

    /// Needs no answer of before any more.
    fn discard(&mut self, exchange: &Exchange) {
        let Some((Held { is_sent, answer, .. }, source)) = self.held.take().map(|held| *held) else { return };
        let (Answered { head, written, mut inbound, .. }, connection) = *answer;
        exchange.worker.buffers.give_written(written);
        if is_sent && head.persistent && inbound.skip() {
            source.keep(exchange, connection);
        }
    }

    fn pause(&self, failure: Failure, view: &View) -> Duration {
        if !failure.wants_pause() {
            return Duration::ZERO;
        }
        view.plan.retry.pause(self.history.retries(), fastrand::f64())
    }

    fn allow(&self, pause: Duration) -> bool {
        self.deadlines.as_ref().is_none_or(|deadlines| deadlines.allow(pause))
    }

    /// Passes the endpoint's answer on.
    fn succeed(
        mut self,
        exchange: Box<Exchange>,
        rules: &LineRules,
        source: Source,
        mut outgoing: Box<Outgoing>,
        answer: Answer,
    ) -> Reply {
        self.discard(&exchange);
        mishap::may_happen(|| &answer.0.written);
        exchange.worker.buffers.give_written(outgoing.outbound.take_head());
        outgoing.outbound.forget_body();
        relay(answer, rules, |status, persistent, inbound, connection| Relay {
            inbound,
            outbound: if outgoing.outbound.is_done() { None } else { Some(outgoing.outbound) },
            outcome: Outcome::answered(status),
            source,
            is_kept: persistent,
            deadlines: self.deadlines,
            takes_trailers: outgoing.takes_trailers,
            broken: None,
            held: Some((exchange, connection)),
        })
    }

    /// The last answer of an endpoint, else the status of the last failure; of the client's if that was the cause.
    fn give_up(
        self,
        exchange: Box<Exchange>,
        rules: &LineRules,
        outgoing: &Outgoing,
        last: Failure,
        end: End,
    ) -> Reply {
        if let Some(fault) = outgoing.fault {
            return exchange.blame_client(rules, fault);
        }
        if let Some(held) = self.held {
            let in_vain = end == End::UsedUp || self.has_retried;
            let deadlines = self.deadlines.and_then(Deadlines::into_rest);
            return fall_back(exchange, rules, outgoing, *held, deadlines, in_vain.then_some(Reason::RetriesExhausted));
        }
        let (status, detail) = match last.reason() {
            Reason::ConnectTimeout => (504, "no connection to an endpoint in time"),
            Reason::ResponseTimeout => (504, "no answer from the endpoint in time"),
            Reason::ConnectFailed => (502, "no connection to an endpoint"),
            Reason::UpstreamProtocol => (502, "the endpoint's answer is not HTTP"),
            Reason::ProxyExhausted => (503, "the proxy has no descriptor, port or memory left"),
            _ => (502, "the endpoint closed the connection before it answered"),
        };
        match end {
            End::Failure => exchange.fail(rules, status, last.reason(), detail),
            End::UsedUp => {
                let detail = format!("no more retries; the last failure, {}: {detail}", last.reason());
                exchange.fail(rules, status, Reason::RetriesExhausted, &detail)
            }
        }
    }
}

/// Passes an answer on after which others were hoped for.
fn fall_back(
    mut exchange: Box<Exchange>,
    rules: &LineRules,
    outgoing: &Outgoing,
    (held, source): (Held, Source),
    deadlines: Option<Box<Deadlines>>,
    reason: Option<Reason>,
) -> Reply {
    exchange.return_to(&held.picked);
    exchange.note_held_head();
    let mut reply = relay(held.answer, rules, |status, persistent, inbound, connection| Relay {
        inbound,
        outbound: None, // what was not sent then has been sent elsewhere since
        outcome: Outcome { status, reason },
        source,
        is_kept: persistent && held.is_sent,
        deadlines,
        takes_trailers: outgoing.takes_trailers,
        broken: None,
        held: Some((exchange, connection)),
    });
    if let Some(reason) = reason {
        add_reason(&mut reply.written, rules, reason);
    }
    reply
}

fn relay(answer: Answer, rules: &LineRules, body: impl FnOnce(u16, bool, Inbound, Connection) -> Relay) -> Reply {
    let (Answered { head, mut written, inbound, .. }, connection) = *answer;
    written.extend_from_slice(rules.lines());
    let relay = body(head.status.as_u16(), head.persistent, inbound, connection);
    let body = ResponseBody::relay(Box::new(relay));
    Reply { written, has_date: head.has_date || rules.has_date(), framing: head.framing, closes: false, body }
}
