//! When each request is due. In an open loop that is a schedule which no slow answer can hold up.
//!
//! A thread of its own releases the tickets: tokio's timer counts whole milliseconds, a thread's sleep is late by some 60 µs.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::thread;
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::settings::{Settings, Stop};

/// How soon the thread sees that a run was stopped, and how much a long pause of a low rate is cut into.
const LONGEST_SLEEP: Duration = Duration::from_millis(100);

/// The requests of a run, handed out one by one.
#[derive(Debug)]
pub(super) struct Tickets {
    start: Instant,
    /// None: closed loop.
    rate: Option<f64>,
    limit: u64,
    /// From here on nothing new is sent in a closed loop.
    end: Option<Instant>,
    /// Tickets that are due and not taken: a number, so a queue of any length costs nothing.
    due: Semaphore,
    taken: AtomicU64,
}

/// The permission to send one request.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ticket {
    pub(super) number: u64,
    /// When it was scheduled; latency counts from here.
    pub(super) due: Instant,
}

impl Tickets {
    /// Starts the schedule now; `stopped` ends it early.
    pub(super) fn start(settings: &Settings, stopped: CancellationToken) -> Arc<Self> {
        let start = Instant::now();
        let tickets = Arc::new(Self {
            start,
            rate: settings.rate,
            limit: limit(settings),
            end: match settings.stop {
                Stop::After(duration) => Some(start + duration),
                Stop::Requests(_) | Stop::Signal => None,
            },
            due: Semaphore::new(0),
            taken: AtomicU64::new(0),
        });
        if let Some(rate) = settings.rate {
            let (tickets, waiters) = (Arc::clone(&tickets), settings.concurrency);
            thread::spawn(move || tickets.release(rate, waiters, &stopped));
        }
        tickets
    }

    /// Waits for the next ticket; none when all are taken or the run was stopped.
    pub(super) async fn take(&self) -> Option<Ticket> {
        if self.rate.is_some() {
            self.due.acquire().await.ok()?.forget();
        }
        let number = self.taken.fetch_add(1, Relaxed);
        let late = self.rate.is_none() && self.end.is_some_and(|end| Instant::now() >= end);
        (number < self.limit && !late).then(|| Ticket { number, due: self.scheduled(number) })
    }

    /// When the last request is scheduled; none if nobody knows, or if there is no schedule.
    pub(super) fn last_due(&self) -> Option<Instant> {
        (self.rate.is_some() && self.limit < u64::MAX).then(|| self.scheduled(self.limit.saturating_sub(1)))
    }

    pub(super) fn started(&self) -> Instant {
        self.start
    }

    #[allow(clippy::cast_precision_loss, reason = "exact below 2^52 requests")]
    fn scheduled(&self, number: u64) -> Instant {
        match self.rate {
            Some(rate) => self.start + Duration::from_secs_f64(number as f64 / rate),
            None => Instant::now(),
        }
    }

    fn release(&self, rate: f64, waiters: usize, stopped: &CancellationToken) {
        let mut released = 0;
        while released < self.limit && !stopped.is_cancelled() {
            let due = due_after(self.start.elapsed(), rate).min(self.limit);
            self.due.add_permits(usize::try_from(due - released).unwrap_or(0));
            released = due;
            thread::sleep(self.scheduled(released).saturating_duration_since(Instant::now()).min(LONGEST_SLEEP));
        }
        if released == self.limit {
            // One more for each that waits, so that it sees that there is nothing left; closing would take the rest away.
            self.due.add_permits(waiters);
        } else {
            self.due.close();
        }
    }
}

/// How many requests a run has at most.
#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "not negative, and a cast of floats saturates"
)]
fn limit(settings: &Settings) -> u64 {
    match (&settings.stop, settings.rate) {
        (Stop::Requests(limit), _) => *limit,
        (Stop::After(duration), Some(rate)) => (duration.as_secs_f64() * rate).round() as u64,
        (Stop::After(_), None) | (Stop::Signal, _) => u64::MAX,
    }
}

/// How many requests are due when so much time has passed: the first at once.
#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "not negative, and a cast of floats saturates"
)]
fn due_after(elapsed: Duration, rate: f64) -> u64 {
    (elapsed.as_secs_f64() * rate) as u64 + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_due_from_the_start_on() {
        assert_eq!(due_after(Duration::ZERO, 200.0), 1);
        assert_eq!(due_after(Duration::from_millis(4), 200.0), 1);
        assert_eq!(due_after(Duration::from_millis(1_001), 200.0), 201);
        assert_eq!(due_after(Duration::from_secs(100), 0.1), 11);
    }

    #[tokio::test]
    async fn a_schedule_hands_out_its_tickets_in_order_and_ends() {
        let settings = Settings { rate: Some(5_000.0), stop: Stop::Requests(50), ..Settings::to("127.0.0.1:1") };
        let tickets = Tickets::start(&settings, CancellationToken::new());
        let mut previous = None;
        for number in 0..50 {
            let ticket = tickets.take().await.unwrap();
            assert_eq!(ticket.number, number);
            assert!(Instant::now() >= ticket.due && previous < Some(ticket.due));
            previous = Some(ticket.due);
        }
        assert!(tickets.take().await.is_none());
    }

    #[tokio::test]
    async fn a_stopped_schedule_ends() {
        let settings = Settings { rate: Some(1.0), stop: Stop::Signal, ..Settings::to("127.0.0.1:1") };
        let stopped = CancellationToken::new();
        let tickets = Tickets::start(&settings, stopped.clone());
        assert_eq!(tickets.take().await.unwrap().number, 0);
        stopped.cancel();
        assert!(tickets.take().await.is_none());
    }
}
