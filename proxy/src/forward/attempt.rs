//! One attempt: a connection, the request on it, and the head of the answer; or why there is none.

use std::{net::SocketAddr, time::Duration};

use super::{Fault, exchange::Exchange, request::Outgoing, retry::Failure};
use crate::{
    balance::{Picked, Reason, View},
    guard::LineRules,
    upstream::{self, Answered, Connection, ExchangeError, Means, Need, connect},
};

/// The head of an endpoint's answer, its body on the way, and the connection that it comes on. In a box, as it passes through
/// many hands.
pub(super) type Answer = Box<(Answered, Connection)>;

/// How often idle connections are closed for the sake of one request: somebody else may take what that frees.
const MAX_CALLS: u32 = 3;

/// One attempt at one endpoint; `fresh`: on a new connection. `rules` are those of answers, of the table that the request began
/// with.
pub(super) async fn attempt(
    exchange: &Exchange,
    view: &View,
    rules: &LineRules,
    picked: &Picked,
    outgoing: &mut Outgoing,
    fresh: bool,
) -> Result<Answer, Failure> {
    outgoing.outbound.rewind(); // before anything is waited for: what an attempt before left says nothing of this one
    let address = picked.endpoint.address;
    let worker = &exchange.worker;
    let need = if outgoing.will_repeat() && view.plan.retry.attempts > 0 { Need::Likely } else { Need::Certain };
    let kept = if fresh { None } else { worker.idle.take(exchange.pool.index, address, need, worker.waits.now()) };
    let reused = kept.is_some();
    let mut connection = match kept {
        Some(connection) => connection,
        // On the heap: most go on a kept one, and none should have the space for it all its way.
        None => Box::pin(open(exchange, address, view.plan.connect_timeout)).await?,
    };
    if outgoing.is_first() {
        exchange.count_request();
    }
    if connection.bear_pauses(outgoing.has_large_body()).is_err() {
        tracing::debug!(%address, "the connection is dead already"); // which sending will tell
    }
    let plan = &view.plan;
    let limit = if outgoing.is_grpc() { plan.client_limits.stream } else { plan.response_header_timeout };
    let means = Means { buffers: &worker.buffers, waits: &worker.waits, limit, rules };
    match upstream::exchange(&mut connection, &mut outgoing.outbound, outgoing.asked, &means).await {
        Ok(answered) => Ok(Box::new((answered, connection))),
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
    let mut calls = 0;
    loop {
        let error = match connect(address, limit).await {
            Ok(connection) => return Ok(connection.counted_by(worker.shared.count_upstream(worker.index))),
            Err(error) => error,
        };
        tracing::debug!(%error, "attempt failed");
        match error.reason() {
            _ if error.lacks_descriptor() && calls < MAX_CALLS && worker.make_room(limit).await => calls += 1,
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
        ExchangeError::Timeout => Failure::Late,
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
