//! How long a client may take: deadlines counted in ticks of its worker, without a timer a connection.
//!
//! A timer that is set and reset with every request costs 1,300 instructions and a system call. Here a request stores a few
//! numbers; the worker looks at all connections with every tick, and wakes the one whose patience is over.

use std::{
    cell::{Cell, OnceCell},
    rc::Rc,
    task::Waker,
    time::Duration,
};

use tokio::time::Instant;

use crate::balance::ClientLimits;

/// How precise a deadline is.
pub(crate) const TICK: Duration = Duration::from_millis(1000 / PER_SECOND as u64);
const PER_SECOND: u32 = 2;
/// A client may take so long from the first byte of a head to its last (nginx: 60 s).
const HEAD: u32 = seconds(10);
/// And so long before it, if its pool says nothing else (nginx: 75 s).
const IDLE: u32 = seconds(75);
/// Within a body that an endpoint waits for (nginx: 60 s).
const BODY: u32 = seconds(60);
/// And without taking anything of an answer (nginx: 60 s).
const SEND: u32 = seconds(60);
/// Without a byte in either direction while an answer is on its way, if its pool says nothing else (Envoy: 5 min).
const STREAM: u32 = seconds(300);
/// After an answer the rest of its request may come for so long.
const REST: u32 = seconds(1);
/// A connection that lasts for ever would keep its client at this proxy for ever (nginx: 1 h, 1,000 requests).
const MAX_AGE: u32 = seconds(3600);
const MAX_REQUESTS: u32 = 10_000;
const NEVER: u32 = u32::MAX;

/// At least so long.
fn ticks(limit: Duration) -> u32 {
    u32::try_from(limit.as_millis().div_ceil(TICK.as_millis())).unwrap_or(NEVER / 2)
}

const fn seconds(seconds: u32) -> u32 {
    seconds * PER_SECOND
}

/// Ticks since the worker began.
#[derive(Clone, Debug, Default)]
pub(crate) struct Clock(Rc<Cell<u32>>);

impl Clock {
    pub(super) fn set(&self, ticks: u32) {
        self.0.set(ticks);
    }

    fn now(&self) -> u32 {
        self.0.get()
    }
}

/// What a client is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Nothing: no byte of a request is here.
    Idle,
    /// Sending a head.
    Head,
    /// Waiting for us, or sending a body.
    Request,
    /// Taking an answer, whose head is on its way.
    Answer,
}

/// What the pool of a client grants it, in ticks.
#[derive(Clone, Copy, Debug)]
struct Limits {
    idle: u32,
    stream: u32,
}

/// The pace of one client.
#[derive(Debug)]
pub(crate) struct Pace {
    clock: Clock,
    /// Its place in the worker's list. Written by that list.
    pub(super) place: Cell<usize>,
    phase: Cell<Phase>,
    limits: Cell<Limits>,
    deadline: Cell<u32>,
    is_over: Cell<bool>,
    /// Whether a tick came since the request in hand began.
    is_watched: Cell<bool>,
    /// Whether an answer waits for the client to take it.
    is_sending: Cell<bool>,
    requests: Cell<u32>,
    /// When the first byte of a head came that is not complete yet.
    first_byte: Cell<Option<Instant>>,
    /// Bytes of the body in hand.
    received: Cell<u64>,
    retires: u32,
    /// Whether the connection's task has something to look at, besides its socket.
    is_called: Cell<bool>,
    /// Of the connection's task, which stays the same.
    waker: OnceCell<Waker>,
}

impl Pace {
    /// Of a client that just connected. `spread`, below 1,000, tells connections of one moment apart: they are not all to
    /// end in one moment.
    pub(super) fn new(clock: Clock, spread: u32) -> Self {
        let now = clock.now();
        Self {
            retires: now + MAX_AGE / 10 * 9 + MAX_AGE / 5 * spread.min(999) / 999,
            clock,
            place: Cell::new(0),
            phase: Cell::new(Phase::Idle),
            limits: Cell::new(Limits { idle: IDLE, stream: STREAM }),
            deadline: Cell::new(now + IDLE + 1),
            is_over: Cell::default(),
            is_watched: Cell::default(),
            is_sending: Cell::default(),
            requests: Cell::default(),
            first_byte: Cell::default(),
            received: Cell::default(),
            is_called: Cell::default(),
            waker: OnceCell::new(),
        }
    }

    /// Grants the client what its pool says, from the next wait on; of one that has just come the first has begun.
    pub(crate) fn grant(&self, limits: ClientLimits) {
        self.limits.set(Limits { idle: ticks(limits.idle), stream: ticks(limits.stream) });
        if self.phase() == Phase::Idle && self.requests.get() == 0 {
            self.enter(Phase::Idle, self.limits.get().idle);
        }
    }

    /// What the client is doing.
    pub(crate) fn phase(&self) -> Phase {
        self.phase.get()
    }

    /// Whether the client took too long, at what [`Pace::phase`] says or at taking an answer.
    pub(crate) fn is_over(&self) -> bool {
        self.is_over.get()
    }

    /// Whether the client does not take what is sent.
    pub(crate) fn is_sending(&self) -> bool {
        self.is_sending.get()
    }

    /// Whether the connection served so many requests, or for so long, that another one should follow.
    pub(crate) fn is_worn(&self) -> bool {
        self.requests.get() >= MAX_REQUESTS || self.clock.now() >= self.retires
    }

    /// Bytes of a head came.
    pub(super) fn read(&self) {
        if self.phase() == Phase::Idle {
            self.first_byte.set(Some(Instant::now()));
            self.received.set(0); // also of one that never gets a head
            self.enter(Phase::Head, HEAD);
        }
    }

    /// The head is complete.
    pub(crate) fn begin(&self) {
        self.received.set(0);
        self.requests.set(self.requests.get() + 1);
        self.phase.set(Phase::Request);
        self.is_over.set(false);
        self.is_watched.set(false);
        self.deadline.set(NEVER); // it is our turn
    }

    /// Whether the request in hand takes so long that its client may have left.
    pub(super) fn is_watched(&self) -> bool {
        self.is_watched.get()
    }

    /// When the head in hand began, to whoever asks first; of one that came with the request before nobody knows.
    pub(crate) fn take_first_byte(&self) -> Option<Instant> {
        self.first_byte.take()
    }

    /// Counts bytes of the body.
    pub(crate) fn count_received(&self, bytes: usize) {
        self.received.set(self.received.get() + bytes as u64);
    }

    /// How much of the body came.
    pub(crate) fn received(&self) -> u64 {
        self.received.get()
    }

    /// Somebody waits for the client's body.
    pub(crate) fn await_body(&self) {
        // Once an answer is on its way, its client may do as it likes.
        if self.phase() == Phase::Request && self.deadline.get() == NEVER {
            self.deadline.set(self.clock.now() + BODY + 1);
        }
    }

    /// Something of the body came.
    pub(crate) fn take_body(&self) {
        if self.is_sending() {
            return; // what it does not take has its own time
        }
        self.is_over.set(false);
        match self.phase() {
            Phase::Request => self.deadline.set(NEVER),
            Phase::Answer => self.wait_for_answer(),
            Phase::Idle | Phase::Head => {}
        }
    }

    /// An answer begins.
    pub(super) fn answer(&self) {
        self.phase.set(Phase::Answer);
        self.is_sending.set(false); // what could not be written before is told anew
        self.is_over.set(false);
        self.wait_for_answer();
    }

    fn wait_for_answer(&self) {
        self.deadline.set(self.clock.now() + self.limits.get().stream + 1);
    }

    /// The answer has been written; what is left of its request's body is to come.
    pub(super) fn pass_over(&self) {
        self.enter(Phase::Answer, REST);
    }

    /// The answer has been written, at least to where the client's system takes it from.
    pub(super) fn rest(&self) {
        self.enter(Phase::Idle, self.limits.get().idle);
    }

    /// The client's system takes nothing now.
    pub(super) fn stall(&self) {
        if !self.is_sending.replace(true) {
            self.deadline.set(self.clock.now() + SEND + 1);
        }
    }

    /// The client's system took something.
    pub(super) fn sent(&self) {
        self.is_sending.set(false);
        self.is_over.set(false);
        if self.phase() == Phase::Answer {
            self.wait_for_answer();
        }
    }

    fn enter(&self, phase: Phase, limit: u32) {
        self.phase.set(phase);
        self.is_over.set(false);
        self.deadline.set(self.clock.now() + limit + 1); // the tick that has begun is not a whole one
    }

    /// The connection's task, to be woken when it is called.
    pub(super) fn set_waker(&self, waker: &Waker) {
        let _ = self.waker.set(waker.clone()); // there is one task
    }

    /// Whether the connection's task was called since this was asked last. It is woken when it is.
    pub(super) fn take_call(&self) -> bool {
        self.is_called.replace(false)
    }

    /// Looks at the clock.
    pub(super) fn tick(&self) {
        if self.deadline.get() <= self.clock.now() {
            self.deadline.set(NEVER);
            self.is_over.set(true);
            self.call();
        } else if matches!(self.phase(), Phase::Request | Phase::Answer) && !self.is_watched.replace(true) {
            self.call();
        }
    }

    /// Wakes the connection to look at more than its socket.
    pub(super) fn call(&self) {
        self.is_called.set(true);
        if let Some(waker) = self.waker.get() {
            waker.wake_by_ref();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn start() -> (Clock, Pace) {
        let clock = Clock::default();
        (clock.clone(), Pace::new(clock, 500))
    }

    /// Whether patience is over after so many seconds, and not a second before.
    #[track_caller]
    fn ends_after(clock: &Clock, pace: &Pace, limit: u32) {
        let now = clock.now();
        clock.set(now + seconds(limit) - 1);
        pace.tick();
        assert!(!pace.is_over(), "before {limit} s");
        clock.set(now + seconds(limit) + 1);
        pace.tick();
        assert!(pace.is_over(), "after {limit} s");
    }

    #[test]
    fn an_idle_client_has_75_seconds_and_a_head_10_whatever_trickles_in() {
        let (clock, pace) = start();
        ends_after(&clock, &pace, 75);
        let (clock, pace) = start();
        clock.set(seconds(70));
        pace.read();
        for _ in 0..8 {
            clock.set(clock.now() + seconds(1));
            pace.tick();
            pace.read();
        }
        ends_after(&clock, &pace, 2);
        assert_eq!(pace.phase(), Phase::Head);
    }

    #[test]
    fn an_endpoint_may_take_its_time_but_a_body_must_go_on() {
        let (clock, pace) = start();
        pace.read();
        pace.begin();
        clock.set(seconds(1000));
        pace.tick();
        assert!(!pace.is_over());
        for _ in 0..3 {
            pace.await_body();
            clock.set(clock.now() + seconds(50));
            pace.await_body();
            pace.tick();
            assert!(!pace.is_over());
            pace.take_body();
        }
        pace.await_body();
        ends_after(&clock, &pace, 60);
    }

    #[test]
    fn once_the_answer_begins_the_body_may_stay_away_but_the_answer_must_be_taken() {
        let (clock, pace) = start();
        pace.read();
        pace.begin();
        pace.await_body();
        pace.answer();
        pace.await_body();
        clock.set(seconds(200));
        pace.tick();
        assert!(!pace.is_over());
        pace.stall();
        clock.set(clock.now() + seconds(59));
        pace.sent();
        pace.stall();
        ends_after(&clock, &pace, 60);
        assert!(pace.is_sending());
    }

    #[test]
    fn who_takes_no_answer_gains_no_time_by_sending() {
        let (clock, pace) = start();
        pace.read();
        pace.begin();
        pace.answer();
        pace.stall();
        clock.set(seconds(61));
        pace.take_body();
        pace.tick();
        pace.take_body();
        assert!(pace.is_over() && pace.is_sending());
    }

    #[test]
    fn an_answer_ends_when_nothing_moves_for_five_minutes() {
        let (clock, pace) = start();
        pace.read();
        pace.begin();
        pace.answer();
        for bytes in [Pace::sent, Pace::take_body] {
            clock.set(clock.now() + seconds(299));
            pace.tick();
            assert!(!pace.is_over());
            bytes(&pace);
        }
        ends_after(&clock, &pace, 300);
    }

    #[test]
    fn a_pool_may_grant_its_clients_more_or_less() {
        let granted = ClientLimits { idle: Duration::from_secs(30), stream: Duration::from_secs(600) };
        let (clock, pace) = start();
        pace.grant(granted);
        ends_after(&clock, &pace, 30);
        let (clock, pace) = start();
        pace.read();
        pace.begin();
        pace.grant(granted);
        pace.answer();
        ends_after(&clock, &pace, 600);
        pace.answer();
        pace.rest();
        ends_after(&clock, &pace, 30);
    }

    #[test]
    fn after_an_answer_the_client_is_idle_anew() {
        let (clock, pace) = start();
        pace.read();
        pace.begin();
        pace.answer();
        pace.stall();
        clock.set(seconds(50));
        pace.sent();
        pace.rest();
        ends_after(&clock, &pace, 75);
        assert_eq!(pace.phase(), Phase::Idle);
    }

    #[test]
    fn the_rest_of_a_request_that_was_answered_early_has_a_second() {
        let (clock, pace) = start();
        pace.read();
        pace.begin();
        pace.answer();
        pace.pass_over();
        pace.read();
        ends_after(&clock, &pace, 1);
        pace.rest();
        ends_after(&clock, &pace, 75);
    }

    #[test]
    fn a_connection_wears_out_by_requests_and_by_age() {
        let (clock, pace) = start();
        for _ in 0..9_999 {
            pace.begin();
        }
        assert!(!pace.is_worn());
        pace.begin();
        assert!(pace.is_worn());
        let ages = [0, 999].map(|spread| Pace::new(clock.clone(), spread));
        for (seconds_old, worn) in
            [(3239, [false, false]), (3240, [true, false]), (3959, [true, false]), (3960, [true, true])]
        {
            clock.set(seconds(seconds_old));
            assert_eq!(ages.each_ref().map(Pace::is_worn), worn, "after {seconds_old} s");
        }
    }
}
