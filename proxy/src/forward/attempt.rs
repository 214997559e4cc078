//! Attempts: pick an endpoint, connect, send, and on failure perhaps again.

use std::{sync::Arc, time::Duration};

use http::{Request, Response, StatusCode};
use hyper::{body::Incoming, client::conn::TrySendError};
use tokio::time::{Instant, timeout};

use super::{
    Fault, RequestBody, ResponseBody,
    body::{Relay, Written},
    exchange::Exchange,
    request::Outgoing,
    retry::{Failure, History, Next},
};
use crate::{
    balance::{EndpointState, Picked, Reason, View},
    guard,
    upstream::{Connection, Need, connect},
};

/// Forwards a request: the answer of an endpoint, or ours if there is none.
pub(super) async fn forward(mut exchange: Exchange, view: &View, mut outgoing: Outgoing) -> Response<ResponseBody> {
    exchange.count_request();
    let mut history = History::default();
    let mut tried: Vec<Arc<EndpointState>> = Vec::new();
    let Ok(mut picked) = exchange.pick(view, &tried) else {
        return exchange.fail(503, Reason::NoHealthyUpstream, "no endpoint can serve");
    };
    loop {
        let fresh = history.distrusts_kept();
        let failure = match attempt(&exchange, view, &picked, &mut outgoing, fresh).await {
            Ok((response, connection)) => return relay(exchange, &picked, &outgoing, response, connection),
            Err(failure) => failure,
        };
        let next = history.decide(failure, outgoing.can_repeat());
        if next == Next::OtherEndpoint {
            tried.push(Arc::clone(&picked.endpoint));
        }
        let possible = next != Next::GiveUp && view.has_untried(&tried);
        if !possible || !exchange.take_retry(failure.reason(), view.plan.fleet) {
            return give_up(exchange, failure, outgoing.written.fault());
        }
        if next == Next::OtherEndpoint {
            match exchange.pick(view, &tried) {
                Ok(other) => picked = other,
                Err(_) => return give_up(exchange, failure, None),
            }
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
        _ => (502, "the endpoint closed the connection before it answered"),
    };
    exchange.fail(status, last.reason(), detail)
}

type Answer = (Response<Incoming>, Connection);

/// One attempt at one endpoint; `fresh`: on a new connection.
async fn attempt(
    exchange: &Exchange,
    view: &View,
    picked: &Picked,
    outgoing: &mut Outgoing,
    fresh: bool,
) -> Result<Answer, Failure> {
    let address = picked.endpoint.address;
    let idle = &exchange.worker.idle;
    let need = if outgoing.can_repeat() { Need::Likely } else { Need::Certain };
    let kept = if fresh { None } else { idle.take(exchange.pool.index, address, need, Instant::now()) };
    let reused = kept.is_some();
    let mut connection = match kept {
        Some(connection) => connection,
        None => connect(address, view.plan.connect_timeout).await.map_err(|error| {
            tracing::debug!(%error, "attempt failed");
            Failure::Connect(error.reason())
        })?,
    };
    if outgoing.has_large_body() && connection.bear_pauses().is_err() {
        tracing::debug!(%address, "the connection is dead already"); // which sending will tell
    }
    let written = outgoing.written.clone();
    let Some(request) = outgoing.next() else { return Err(Failure::Final(Reason::UpstreamClosed)) };
    let limit = view.plan.response_header_timeout;
    match send(&mut connection, request, &written, outgoing.has_body(), limit).await {
        None => Err(Failure::Final(Reason::ResponseTimeout)),
        Some(Ok(response)) if response.status() == StatusCode::SWITCHING_PROTOCOLS => {
            Err(Failure::Final(Reason::UpstreamProtocol)) // nobody asked for that: Upgrade is not forwarded
        }
        Some(Ok(response)) => Ok((response, connection)),
        Some(Err(error)) => Err(classify(error, outgoing, reused)),
    }
}

/// Sends a request. None: no response header within `limit` after the request was written to its end.
async fn send(
    connection: &mut Connection,
    request: Request<RequestBody>,
    written: &Written,
    has_body: bool,
    limit: Duration,
) -> Option<Result<Response<Incoming>, TrySendError<Request<RequestBody>>>> {
    let mut answer = std::pin::pin!(connection.sender.try_send_request(request));
    if has_body {
        tokio::select! {
            biased;
            answer = &mut answer => return Some(answer),
            () = written.wait() => {}
        }
    }
    timeout(limit, answer).await.ok()
}

/// Tells whose fault it was and whether anything was sent. A request that comes back whole is kept for the next attempt.
fn classify(mut error: TrySendError<Request<RequestBody>>, outgoing: &mut Outgoing, reused: bool) -> Failure {
    let unsent = error.take_message();
    let error = error.into_error();
    tracing::debug!(%error, reused, "attempt failed");
    if let Some(request) = unsent {
        outgoing.take_back(request);
        return if reused { Failure::DeadUnsent } else { Failure::Connect(Reason::ConnectFailed) };
    }
    if outgoing.written.fault().is_some() {
        Failure::Final(Reason::BadRequest)
    } else if error.is_parse() {
        Failure::Final(Reason::UpstreamProtocol)
    } else if reused {
        Failure::DeadSent
    } else {
        Failure::Broken
    }
}

/// Passes the endpoint's answer on.
fn relay(
    exchange: Exchange,
    picked: &Picked,
    outgoing: &Outgoing,
    response: Response<Incoming>,
    connection: Connection,
) -> Response<ResponseBody> {
    let (mut head, incoming) = response.into_parts();
    guard::strip_answer(&mut head.headers);
    let body = ResponseBody::relay(Relay {
        incoming,
        status: head.status.as_u16(),
        address: picked.endpoint.address,
        written: outgoing.written.clone(),
        reset: outgoing.reset.clone(),
        held: Some((exchange, connection)),
    });
    let mut response = Response::new(body);
    *response.status_mut() = head.status;
    *response.headers_mut() = head.headers;
    response
}
