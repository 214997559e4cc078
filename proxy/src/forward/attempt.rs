//! Attempts: pick an endpoint, connect, send, and on failure perhaps again.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use http::Response;

use super::{
    Fault, ResponseBody,
    body::Relay,
    exchange::Exchange,
    request::Outgoing,
    retry::{Failure, History, Next},
};
use crate::{
    balance::{EndpointState, Picked, Reason, View},
    codec::ResponseHead,
    mishap,
    upstream::{self, Connection, ExchangeError, Inbound, Means, Need, connect},
};

/// Forwards a request: the answer of an endpoint, or ours if there is none.
pub(super) async fn forward(mut exchange: Exchange, view: &View, mut outgoing: Outgoing) -> Response<ResponseBody> {
    let mut newer = None; // what is in force when another endpoint is picked
    let mut history = History::default();
    let mut tried: Vec<Arc<EndpointState>> = Vec::new();
    let Ok(mut picked) = exchange.pick(view, &tried) else {
        return exchange.fail(503, Reason::NoHealthyUpstream, "no endpoint can serve");
    };
    loop {
        let view = newer.as_deref().unwrap_or(view);
        let fresh = history.distrusts_kept();
        let failure = match attempt(&exchange, view, &picked, &mut outgoing, fresh).await {
            Ok(answer) => return relay(exchange, view, &picked, outgoing, answer),
            Err(failure) => failure,
        };
        let next = history.decide(failure, outgoing.can_repeat());
        if next == Next::OtherEndpoint {
            tried.push(Arc::clone(&picked.endpoint));
        }
        // The endpoints of the table that the request began with may be gone since.
        let present = exchange.pool.view.load_full().filter(|_| next == Next::OtherEndpoint);
        let view = present.as_deref().unwrap_or(view);
        let possible = next != Next::GiveUp && view.has_untried(&tried);
        if !possible || !exchange.take_retry(failure.reason(), view.plan.fleet) {
            return give_up(exchange, failure, outgoing.fault);
        }
        if next == Next::OtherEndpoint {
            match exchange.pick(view, &tried) {
                Ok(other) => picked = other,
                Err(_) => return give_up(exchange, failure, None),
            }
            newer = present.or(newer);
        }
    }
}

/// The status of the last failure; of the client's if that was the cause.
fn give_up(exchange: Exchange, last: Failure, fault: Option<Fault>) -> Response<ResponseBody> {
    if let Some(fault) = fault {
        return exchange.blame_client(fault);
    }
    let (status, detail) = match last.reason() {
        Reason::ConnectTimeout => (504, "no connection to an endpoint in time"),
        Reason::ResponseTimeout => (504, "no answer from the endpoint in time"),
        Reason::ConnectFailed => (502, "no connection to an endpoint"),
        Reason::UpstreamProtocol => (502, "the endpoint's answer is not HTTP"),
        Reason::ProxyExhausted => (503, "the proxy has no descriptor, port or memory left"),
        _ => (502, "the endpoint closed the connection before it answered"),
    };
    exchange.fail(status, last.reason(), detail)
}

/// The head of an endpoint's answer, its body on the way, and the connection that it comes on.
type Answer = (ResponseHead, Inbound, Connection);

/// One attempt at one endpoint; `fresh`: on a new connection.
async fn attempt(
    exchange: &Exchange,
    view: &View,
    picked: &Picked,
    outgoing: &mut Outgoing,
    fresh: bool,
) -> Result<Answer, Failure> {
    let address = picked.endpoint.address;
    let worker = &exchange.worker;
    let need = if outgoing.can_repeat() { Need::Likely } else { Need::Certain };
    let kept = if fresh { None } else { worker.idle.take(exchange.pool.index, address, need, worker.waits.now()) };
    let reused = kept.is_some();
    let mut connection = match kept {
        Some(connection) => connection,
        None => open(exchange, address, view.plan.connect_timeout).await?,
    };
    if outgoing.is_first() {
        exchange.count_request();
    }
    if outgoing.has_large_body() && connection.bear_pauses().is_err() {
        tracing::debug!(%address, "the connection is dead already"); // which sending will tell
    }
    let means = Means { buffers: &worker.buffers, waits: &worker.waits, limit: view.plan.response_header_timeout };
    outgoing.outbound.rewind();
    match upstream::exchange(&mut connection, &mut outgoing.outbound, outgoing.asked, &means).await {
        Ok((head, inbound)) => Ok((head, inbound, connection)),
        Err(error) => {
            tracing::debug!(%address, %error, reused, "attempt failed");
            if error.is_dead_peer() {
                worker.idle.forget(exchange.pool.index, address);
            }
            Err(classify(&error, outgoing, reused))
        }
    }
}

/// Makes a connection; if we have no descriptor for it, at the cost of idle ones.
async fn open(exchange: &Exchange, address: SocketAddr, limit: Duration) -> Result<Connection, Failure> {
    let worker = &exchange.worker;
    let mut has_shed = false;
    loop {
        let error = match connect(address, limit).await {
            Ok(connection) => return Ok(connection.counted_by(worker.shared.count_upstream(worker.index))),
            Err(error) => error,
        };
        tracing::debug!(%error, "attempt failed");
        match error.reason() {
            Reason::ProxyExhausted if !has_shed && worker.idle.shed() => has_shed = true,
            reason @ Reason::ProxyExhausted => return Err(Failure::Final(reason)),
            reason => {
                if reason == Reason::ConnectTimeout {
                    worker.idle.forget(exchange.pool.index, address);
                }
                return Err(Failure::Connect(reason));
            }
        }
    }
}

/// Tells whose fault it was and whether anything was sent.
fn classify(error: &ExchangeError<Fault>, outgoing: &mut Outgoing, reused: bool) -> Failure {
    match error {
        ExchangeError::Timeout => Failure::Final(Reason::ResponseTimeout),
        ExchangeError::Body(fault) => {
            outgoing.fault = Some(*fault);
            Failure::Final(Reason::BadRequest)
        }
        ExchangeError::Unsent(_) if reused => Failure::DeadUnsent,
        ExchangeError::Unsent(_) => Failure::Connect(Reason::ConnectFailed),
        ExchangeError::Closed(_) if reused => Failure::DeadSent,
        ExchangeError::Closed(_) => Failure::Broken,
        ExchangeError::Cut(_) => Failure::Final(Reason::UpstreamClosed),
        ExchangeError::Malformed(_) => Failure::Final(Reason::UpstreamProtocol),
    }
}

/// Passes the endpoint's answer on.
fn relay(
    mut exchange: Exchange,
    view: &View,
    picked: &Picked,
    mut outgoing: Outgoing,
    (head, inbound, connection): Answer,
) -> Response<ResponseBody> {
    mishap::may_happen(|| head.fields.get("x-mishap").map_or(&[], |value| value.as_bytes()));
    exchange.note_head();
    exchange.worker.buffers.give_written(outgoing.outbound.take_head());
    let body = ResponseBody::relay(Box::new(Relay {
        inbound,
        outbound: (!outgoing.outbound.is_done()).then_some(outgoing.outbound),
        status: head.status.as_u16(),
        address: picked.endpoint.address,
        epoch: view.epoch,
        rules: head.persistent.then_some(view.plan.connection_pool),
        reset: outgoing.reset,
        broken: None,
        held: Some((exchange, connection)),
    }));
    let mut response = Response::new(body);
    *response.status_mut() = head.status;
    *response.headers_mut() = head.fields;
    response
}
