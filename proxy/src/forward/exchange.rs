//! One request's account: what it holds, and how it ended. It is told exactly once, whatever ends the request.

use std::{rc::Rc, sync::Arc, time::Duration};

use tokio::time::Instant;

use super::{Fault, Reply, answer};
use crate::{
    balance::{
        AccessLog, BackendState, BudgetRules, EndpointState, Learns, NoPick, Outcome, Permit, Picked, Reason, Seen,
        View,
    },
    codec::{Asked, Framing, RequestHead},
    guard::{LineRules, Refusal},
    report::{End, Ended, Record},
    shared::Pool,
    upstream::Sent,
    worker::{Client, Worker},
};

/// A request under way. In a box, as it passes through many hands.
pub(crate) struct Exchange {
    pub(super) worker: Rc<Worker>,
    pub(super) pool: Arc<Pool>,
    client: Rc<Client>,
    backend: Option<Arc<BackendState>>,
    permit: Option<Permit>,
    /// What the request's endpoint is chosen by, if its pool has it so.
    key: Option<Box<[u8]>>,
    outcome: Option<Outcome>,
    /// When its first byte came.
    start: Instant,
    /// When the last attempt began.
    attempt: Instant,
    /// When the head of the answer was there.
    head: Option<Instant>,
    /// Bytes of the answer's body, as far as they went out.
    sent: u64,
    attempts: u32,
    is_head: bool,
    /// What is to be learnt of its endpoint.
    learns: Learns,
    /// Whether the attempt failed, once that was told.
    told: Option<bool>,
    has_body: bool,
    /// Its line in the access log, if it may have one.
    record: Option<Record>,
}

/// nginx's number for a client that left before it was answered.
const CLIENT_CLOSED_REQUEST: u16 = 499;

impl Exchange {
    pub(super) fn new(worker: &Rc<Worker>, client: &Rc<Client>) -> Box<Self> {
        let start = client.pace.take_first_byte().unwrap_or_else(Instant::now);
        Box::new(Self {
            worker: Rc::clone(worker),
            pool: Arc::clone(&worker.shared.pools[client.pool]),
            client: Rc::clone(client),
            backend: None,
            permit: None,
            key: None,
            learns: Learns::Nothing,
            told: None,
            has_body: false,
            outcome: None,
            start,
            attempt: start,
            head: None,
            sent: 0,
            attempts: 0,
            is_head: false,
            record: None,
        })
    }

    /// Begins the line in the access log, by what the pool says of that.
    pub(super) fn begin_line(&mut self, rules: &AccessLog) {
        let worker = &self.worker;
        self.record = worker.log.begin(rules, || worker.random(), self.start, self.client.origin.address());
    }

    /// Notes what is to be told of the head. `id`: the name that the request gets, if it has none.
    pub(super) fn note_request(&mut self, head: &RequestHead<'_>, asked: Asked, id: u128) {
        self.is_head = asked == Asked::Head;
        if let Some(record) = &mut self.record {
            record.note_head(head, id);
        }
    }

    /// Notes what its endpoint is chosen by, and whether it has a body.
    pub(super) fn note_kind(&mut self, key: Option<Box<[u8]>>, has_body: bool) {
        (self.key, self.has_body) = (key, has_body);
    }

    /// Picks an endpoint that was not tried, and takes a place there.
    pub(super) fn pick(&mut self, view: &View, tried: &[Arc<EndpointState>]) -> Result<Picked, NoPick> {
        self.permit = None;
        self.learns = view.plan.rule.learns();
        let picked = self.worker.pick(self.pool.index, view, self.key.as_deref(), tried)?;
        if let Some(affinity) = picked.affinity {
            self.pool.affinity.add(self.worker.index, affinity as usize);
        }
        self.permit = Some(picked.permit());
        self.attempts = self.attempts.max(1);
        self.backend = Some(Arc::clone(&picked.backend));
        Ok(picked)
    }

    /// Takes a place again where an earlier attempt was answered.
    pub(super) fn return_to(&mut self, picked: &Picked) {
        self.permit = Some(picked.permit_again());
        self.backend = Some(Arc::clone(&picked.backend));
    }

    /// Tells that an attempt failed, for those that are chosen next.
    pub(super) fn report_failure(&mut self) {
        self.report(self.attempt.elapsed(), true, self.learns);
    }

    fn report(&mut self, latency: Duration, failed: bool, learns: Learns) {
        self.told = Some(failed);
        if let Some(permit) = &self.permit {
            permit.endpoint().report(self.worker.millis(), Seen { latency, failed }, learns);
        }
    }

    /// Counts fields that were dropped for their names.
    pub(super) fn count_dropped_fields(&self, count: usize) {
        for _ in 0..count {
            self.pool.dropped_fields.add(self.worker.index, 0);
        }
    }

    /// Counts the request towards the retry budget.
    pub(super) fn count_request(&self) {
        self.pool.budget.count_request(self.worker.index, self.worker.second());
    }

    /// Asks the budget for a retry after a failure.
    pub(super) fn take_retry(&mut self, reason: Reason, rules: BudgetRules) -> bool {
        let thread = self.worker.index;
        let allowed = self.pool.budget.take_retry(thread, self.worker.second(), rules);
        if allowed {
            self.pool.retries.add(thread, reason.index());
            self.attempts += 1;
        }
        allowed
    }

    /// Notes that an attempt begins: the request may have been long in coming, and a pause may have been before.
    pub(super) fn begin_attempt(&mut self) {
        (self.attempt, self.head, self.told) = (Instant::now(), None, None);
    }

    /// Notes that the head of an answer is there. `failed`: whether the answer is that there is none.
    pub(super) fn note_head(&mut self, failed: bool, sent: Sent) {
        let now = Instant::now();
        self.head = Some(now);
        match sent {
            Sent::AtOnce => self.report(now.saturating_duration_since(self.attempt), failed, self.learns),
            Sent::At(last) => self.report(now.saturating_duration_since(last), failed, self.learns),
            // How long it would have taken nobody knows.
            Sent::NotYet => self.report(Duration::ZERO, failed, Learns::Nothing),
        }
    }

    /// Notes that the head of an answer of before is the one that counts.
    pub(super) fn note_held_head(&mut self) {
        self.head = Some(Instant::now());
    }

    /// Counts bytes of the answer's body.
    pub(super) fn count_sent(&mut self, bytes: usize) {
        self.sent += bytes as u64;
    }

    /// Ends the exchange.
    #[expect(clippy::boxed_local, reason = "its box is how everybody has it")]
    pub(super) fn end(mut self: Box<Self>, outcome: Outcome) {
        self.outcome = Some(outcome);
    }

    /// Ends the exchange of a client that left.
    pub(super) fn leave(self: Box<Self>) {
        self.end(Outcome::failed(CLIENT_CLOSED_REQUEST, Reason::ClientLeft));
    }

    /// Ends the exchange with an answer of our own.
    pub(super) fn fail(mut self: Box<Self>, rules: &LineRules, status: u16, reason: Reason, detail: &str) -> Reply {
        let reply = answer::failed(rules, status, reason, detail);
        if let (Framing::Length(length), false) = (reply.framing, self.is_head) {
            self.sent = length;
        }
        self.end(Outcome::failed(status, reason));
        reply
    }

    /// Ends the exchange with a refusal of what the client sent.
    pub(super) fn refuse(self: Box<Self>, rules: &LineRules, refusal: &Refusal) -> Reply {
        self.fail(rules, refusal.status, refusal.reason, refusal.detail)
    }

    /// Ends the exchange of a client whose body did not come to its end.
    pub(super) fn blame_client(self: Box<Self>, rules: &LineRules, fault: Fault) -> Reply {
        match fault.refusal() {
            refusal if fault == Fault::Left => {
                self.leave();
                // For who only closed its sending side; counted as one that left.
                answer::failed(rules, refusal.status, refusal.reason, refusal.detail)
            }
            refusal => self.refuse(rules, &refusal),
        }
    }
}

impl Exchange {
    fn ended(&self, outcome: Outcome) -> Ended {
        Ended {
            class: outcome.class(),
            duration: Instant::now().duration_since(self.start),
            header: self.head.map(|head| head.duration_since(self.attempt)),
            received: self.client.pace.received(),
            sent: self.sent,
        }
    }

    /// Tells what nobody has told yet of the endpoint: that it broke off an answer, or how long a client waited in vain.
    fn report_end(&mut self, outcome: Outcome) {
        match (outcome.reason, self.head) {
            (Some(Reason::UpstreamClosed | Reason::UpstreamProtocol | Reason::ResponseTimeout), Some(_))
                if self.told != Some(true) =>
            {
                self.report_failure();
            }
            // With a body it may be the client that let the endpoint wait.
            (Some(Reason::ClientLeft), None) if self.told.is_none() && !self.has_body => {
                let waited = self.attempt.elapsed();
                let endpoint = self.permit.as_ref().map(Permit::endpoint);
                let (now, learns) = (self.worker.millis(), self.learns);
                let is_late = |known: Option<Duration>| known.is_some_and(|known| known < waited);
                if let Some(endpoint) = endpoint.filter(|endpoint| is_late(endpoint.latency(now, learns))) {
                    endpoint.report(now, Seen { latency: waited, failed: false }, learns);
                }
            }
            _ => {}
        }
    }

    fn log(&self, record: Record, outcome: Outcome, ended: &Ended) {
        self.worker.log.end(
            record,
            &End {
                outcome,
                received: ended.received,
                sent: ended.sent,
                duration: ended.duration,
                ttfb: self.head.map(|head| head.duration_since(self.start)),
                backend: self.backend.as_ref().map(|backend| &*backend.name),
                endpoint: self.permit.as_ref().map(|permit| &**permit.endpoint()),
                attempts: self.attempts,
            },
        );
    }
}

/// The end of a request that nobody ended.
#[cold]
fn unfinished() -> Outcome {
    if std::thread::panicking() {
        return Outcome::failed(500, Reason::InternalError);
    }
    Outcome::failed(CLIENT_CLOSED_REQUEST, Reason::ClientLeft)
}

impl Drop for Exchange {
    fn drop(&mut self) {
        let outcome = self.outcome.unwrap_or_else(unfinished);
        let thread = self.worker.index;
        let ended = self.ended(outcome);
        if outcome.reason.is_some() {
            self.report_end(outcome);
        }
        match &self.backend {
            Some(backend) => backend.traffic.count(thread, &ended),
            None => self.pool.local.add(thread, outcome.class()),
        }
        if let Some(record) = self.record.take() {
            self.log(record, outcome, &ended);
        }
        if let Some(reason) = outcome.reason {
            self.pool.failures.add(thread, reason.index());
            let backend = self.backend.as_ref().map(|backend| &*backend.name);
            tracing::debug!(status = outcome.status, %reason, side = outcome.side().name(), backend, "request failed");
        }
    }
}
