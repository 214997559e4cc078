//! How long a client may take: deadlines counted in ticks of its worker, without a timer a connection.
//!
//! A timer that is set and reset with every request costs 1,300 instructions and a system call. Here a request stores a few
//! numbers; the worker looks at all connections with every tick, and wakes the one whose patience is over.

use std::{
    cell::{Cell, RefCell},
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

/// What the clients of a worker have in common.
#[derive(Clone, Debug, Default)]
pub(crate) struct Clock(Rc<Common>);

#[derive(Debug, Default)]
struct Common {
    /// Ticks since the worker began.
    now: Cell<u32>,
    /// How many clients hold more than their socket.
    awake: Cell<usize>,
}

impl Clock {
    pub(super) fn set(&self, ticks: u32) {
        self.0.now.set(ticks);
    }

    fn now(&self) -> u32 {
        self.0.now.get()
    }

    /// How many clients hold more than their socket.
    pub(super) fn awake(&self) -> usize {
        self.0.awake.get()
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
    /// Whether an answer waits for the client to take it.
    is_sending: Cell<bool>,
    /// Whether more of the request in hand may come than was read.
    is_unread: Cell<bool>,
    /// Whether somebody still reads its body.
    is_body_wanted: Cell<bool>,
    /// Whether it was not read to its end: the parser alone knows how much of it is to come.
    is_body_open: Cell<bool>,
    /// Whether it is in the list of those who have a parser. Written by that list.
    pub(super) is_listed: Cell<bool>,
    requests: Cell<u32>,
    /// When the first byte of a head came that is not complete yet.
    first_byte: Cell<Option<Instant>>,
    /// Bytes of the body in hand.
    received: Cell<u64>,
    retires: u32,
    /// Whether the connection holds nothing but its socket.
    is_lean: Cell<bool>,
    /// Whether it is to rest as soon as it can.
    must_rest: Cell<bool>,
    /// Whether the connection's task has something to look at, besides its socket.
    is_called: Cell<bool>,
    /// Of the connection's task, which stays the same.
    waker: RefCell<Option<Waker>>,
    /// Of whoever waits for the body.
    body: RefCell<Option<Waker>>,
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
            is_sending: Cell::default(),
            is_unread: Cell::default(),
            is_body_wanted: Cell::default(),
            is_body_open: Cell::default(),
            is_listed: Cell::default(),
            requests: Cell::default(),
            first_byte: Cell::default(),
            received: Cell::default(),
            is_lean: Cell::new(true),
            must_rest: Cell::default(),
            is_called: Cell::default(),
            waker: RefCell::default(),
            body: RefCell::default(),
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

    /// Whether bytes of the client may be unread: closing at once would cost it the answer.
    pub(crate) fn is_unread(&self) -> bool {
        self.is_unread.get() || self.phase() == Phase::Head
    }

    /// Whether the connection served so many requests, or for so long, that another one should follow.
    pub(crate) fn is_worn(&self) -> bool {
        self.requests.get() >= MAX_REQUESTS || self.clock.now() >= self.retires
    }

    /// Whether nothing is under way.
    pub(super) fn is_resting(&self) -> bool {
        self.phase() == Phase::Idle && !self.is_sending() && !self.is_body_wanted.get() && !self.is_body_open.get()
    }

    /// Whether that is so for a whole tick: then nobody who asks one thing after the other is about to ask. Or whether others
    /// need the room.
    pub(super) fn has_rested(&self) -> bool {
        self.is_resting() && (self.must_rest.get() || self.deadline.get() < self.clock.now() + self.limits.get().idle)
    }

    /// Lets it rest as soon as it can.
    pub(super) fn make_rest(&self) {
        if !self.is_lean() {
            self.must_rest.set(true);
            self.call();
        }
    }

    /// How many requests there were.
    pub(super) fn requests(&self) -> u32 {
        self.requests.get()
    }

    /// Whether the connection holds nothing but its socket.
    pub(super) fn is_lean(&self) -> bool {
        self.is_lean.get()
    }

    /// Whether the connection holds nothing but its socket, and need not be told to give anything up.
    pub(super) fn set_lean(&self, lean: bool) {
        let awake = &self.clock.0.awake;
        match (self.is_lean.replace(lean), lean) {
            (true, false) => awake.set(awake.get() + 1),
            (false, true) => awake.set(awake.get() - 1),
            _ => {}
        }
        self.must_rest.set(false);
    }

    /// Bytes came.
    pub(super) fn read(&self) {
        if self.phase() == Phase::Idle {
            self.first_byte.set(Some(Instant::now()));
            self.received.set(0); // also of one that never gets a head
        }
        match self.phase() {
            // What it has to take first has its own time.
            Phase::Idle if self.is_sending() => self.phase.set(Phase::Head),
            Phase::Idle => self.enter(Phase::Head, HEAD),
            Phase::Head => {}
            Phase::Request => self.is_unread.set(true), // of the body, or of the next request
            Phase::Answer => {
                self.is_unread.set(true);
                self.wait_for_answer();
            }
        }
    }

    /// The head is complete.
    pub(super) fn begin(&self, has_body: bool) {
        self.is_unread.set(has_body);
        self.is_body_wanted.set(has_body);
        self.is_body_open.set(has_body);
        self.received.set(0);
        self.requests.set(self.requests.get() + 1);
        self.phase.set(Phase::Request);
        self.is_over.set(false);
        self.wait_for_us();
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
    pub(crate) fn await_body(&self, waker: &Waker) {
        if self.phase() != Phase::Request {
            return; // once an answer is on its way, its client may do as it likes
        }
        if self.deadline.get() == NEVER {
            self.deadline.set(self.clock.now() + BODY + 1);
        }
        let mut body = self.body.borrow_mut();
        if !body.as_ref().is_some_and(|known| known.will_wake(waker)) {
            *body = Some(waker.clone());
        }
    }

    /// Something of the body came.
    pub(crate) fn take_body(&self, is_last: bool) {
        if self.phase() == Phase::Request {
            self.wait_for_us();
        }
        if is_last {
            self.is_unread.set(false);
            self.is_body_open.set(false);
        }
    }

    /// Nobody reads the body any more. What is left of it is for the parser to skip.
    pub(crate) fn leave_body(&self) {
        self.is_body_wanted.set(false);
        if self.phase() == Phase::Idle && !self.is_sending() {
            self.enter(Phase::Idle, self.limits.get().idle);
        }
    }

    /// An answer begins.
    pub(super) fn answer(&self) {
        self.phase.set(Phase::Answer);
        self.is_over.set(false);
        self.wait_for_answer();
    }

    /// It is our turn, unless the client still has to take the answer before.
    fn wait_for_us(&self) {
        if !self.is_sending() {
            self.deadline.set(NEVER);
        }
    }

    fn wait_for_answer(&self) {
        if !self.is_sending() {
            self.deadline.set(self.clock.now() + self.limits.get().stream + 1);
        }
    }

    /// The answer has been written, at least to where the client's system takes it from.
    pub(super) fn rest(&self) {
        self.phase.set(Phase::Idle);
        if !self.is_sending() {
            self.wait_for_next();
        }
    }

    fn wait_for_next(&self) {
        self.enter(Phase::Idle, if self.is_body_wanted.get() { REST } else { self.limits.get().idle });
    }

    /// The client's system takes nothing now.
    pub(super) fn stall(&self) {
        if !self.is_sending.replace(true) {
            self.deadline.set(self.clock.now() + SEND + 1);
        }
    }

    /// The client's system took something.
    pub(super) fn sent(&self) {
        let stalled = self.is_sending.replace(false);
        match self.phase() {
            Phase::Answer => self.wait_for_answer(),
            Phase::Idle if stalled => self.wait_for_next(),
            Phase::Head if stalled => self.enter(Phase::Head, HEAD),
            Phase::Request if stalled => {
                self.wait_for_us();
                self.call(); // the parser may not have looked at the request while it could not write
            }
            _ => {}
        }
    }

    fn enter(&self, phase: Phase, limit: u32) {
        self.phase.set(phase);
        self.is_over.set(false);
        self.deadline.set(self.clock.now() + limit + 1); // the tick that has begun is not a whole one
    }

    /// The connection's task, to be woken when it is called.
    pub(super) fn set_waker(&self, waker: &Waker) {
        *self.waker.borrow_mut() = Some(waker.clone());
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
        } else if !self.is_lean.get() && self.has_rested() {
            self.call();
        }
    }

    /// Wakes the connection to look at more than its socket, and whoever waits for its client's body.
    pub(super) fn call(&self) {
        self.is_called.set(true);
        for waker in [&self.waker, &self.body] {
            if let Some(waker) = &*waker.borrow() {
                waker.wake_by_ref();
            }
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
        pace.begin(true);
        clock.set(seconds(1000));
        pace.tick();
        assert!(!pace.is_over());
        for _ in 0..3 {
            pace.await_body(Waker::noop());
            clock.set(clock.now() + seconds(50));
            pace.await_body(Waker::noop());
            pace.tick();
            assert!(!pace.is_over());
            pace.take_body(false);
        }
        pace.await_body(Waker::noop());
        ends_after(&clock, &pace, 60);
    }

    #[test]
    fn once_the_answer_begins_the_body_may_stay_away_but_the_answer_must_be_taken() {
        let (clock, pace) = start();
        pace.read();
        pace.begin(true);
        pace.await_body(Waker::noop());
        pace.answer();
        pace.await_body(Waker::noop());
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
    fn an_answer_ends_when_nothing_moves_for_five_minutes() {
        let (clock, pace) = start();
        pace.read();
        pace.begin(false);
        pace.answer();
        for bytes in [Pace::sent, Pace::read] {
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
        pace.begin(false);
        pace.grant(granted);
        pace.answer();
        ends_after(&clock, &pace, 600);
        pace.answer();
        pace.rest();
        ends_after(&clock, &pace, 30);
    }

    #[test]
    fn the_next_request_takes_no_deadline_from_an_answer_that_is_not_taken() {
        let (clock, pace) = start();
        let stalled = |pace: &Pace| {
            pace.read();
            pace.begin(false);
            pace.answer();
            pace.stall();
            pace.rest();
        };
        stalled(&pace);
        clock.set(seconds(55));
        pace.read(); // half a head, behind the answer
        pace.tick();
        assert!(!pace.is_over(), "a slow reader is not a slow sender");
        pace.sent();
        ends_after(&clock, &pace, 10);

        let (clock, pace) = start();
        stalled(&pace);
        pace.begin(false); // a whole one, which waits
        pace.stall();
        ends_after(&clock, &pace, 60);
        assert!(pace.is_sending());
    }

    #[test]
    fn after_an_answer_the_client_is_idle_anew() {
        let (clock, pace) = start();
        pace.read();
        pace.begin(false);
        pace.answer();
        pace.stall();
        pace.rest();
        clock.set(seconds(50));
        pace.sent();
        ends_after(&clock, &pace, 75);
        assert_eq!(pace.phase(), Phase::Idle);
    }

    #[test]
    fn the_rest_of_a_request_that_was_answered_early_has_a_second() {
        let (clock, pace) = start();
        pace.read();
        pace.begin(true);
        pace.answer();
        pace.rest();
        ends_after(&clock, &pace, 1);
        pace.begin(true);
        pace.answer();
        pace.rest();
        pace.leave_body();
        ends_after(&clock, &pace, 75);
    }

    #[test]
    fn closing_waits_for_a_client_only_while_bytes_of_it_may_be_unread() {
        let (_, pace) = start();
        assert!(!pace.is_unread());
        pace.read();
        assert!(pace.is_unread(), "half a head");
        pace.begin(true);
        assert!(pace.is_unread(), "a body to come");
        pace.take_body(true);
        assert!(!pace.is_unread());
        pace.answer();
        pace.read();
        assert!(pace.is_unread(), "the next request");
    }

    #[test]
    fn a_connection_wears_out_by_requests_and_by_age() {
        let (clock, pace) = start();
        for _ in 0..9_999 {
            pace.begin(false);
        }
        assert!(!pace.is_worn());
        pace.begin(false);
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
