//! A run: workers that take tickets and send, until there are none left.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval_at};
use tokio_util::sync::CancellationToken;

use super::connection::Connection;
use super::exchange::{Exchange, Failed, Trace};
use super::failure::Failure;
use super::pace::{Ticket, Tickets};
use super::report::{Change, FailedRequest, LoadReport};
use super::resolve::Resolver;
use super::settings::Settings;
use super::tally::{Outcome, Tally};

/// What happens during a run.
#[derive(Debug)]
pub enum Event<'a> {
    /// A second is over.
    Second(&'a LoadReport),
    /// Another server answered (with [`Settings::watch_change`]).
    Change(&'a Change),
    /// One of the first failures.
    Failed(&'a FailedRequest),
}

struct Run<S> {
    settings: Settings,
    tickets: Arc<Tickets>,
    resolver: Resolver,
    tally: Mutex<Tally>,
    stopped: CancellationToken,
    tell: S,
}

/// Sends the requests and gives the summary; `stop` ends the run early. `tell` hears what happens meanwhile.
pub async fn run<S>(settings: Settings, stop: &CancellationToken, tell: S) -> LoadReport
where
    S: Fn(Event<'_>) + Send + Sync + 'static,
{
    let stopped = stop.child_token();
    let tickets = Tickets::start(&settings, stopped.clone());
    let workers = settings.concurrency;
    let tally = Mutex::default();
    let run = Arc::new(Run { settings, tickets, resolver: Resolver::system(), tally, stopped, tell });
    let mut working = JoinSet::new();
    for _ in 0..workers {
        working.spawn(Arc::clone(&run).work());
    }
    let start = run.tickets.started();
    let mut seconds = interval_at(start + Duration::from_secs(1), Duration::from_secs(1));
    seconds.set_missed_tick_behavior(MissedTickBehavior::Skip);
    loop {
        tokio::select! {
            _ = seconds.tick() => {
                let report = run.tally().end_second(start.elapsed());
                (run.tell)(Event::Second(&report));
            }
            ended = working.join_next() => if ended.is_none() { break },
        }
    }
    let summary = run.tally().summary(start.elapsed());
    // The schedule's thread has ended, or does so now.
    run.stopped.cancel();
    summary
}

impl<S: Fn(Event<'_>)> Run<S> {
    async fn work(self: Arc<Self>) {
        let mut kept = None;
        while !self.stopped.is_cancelled()
            && let Some(ticket) = self.tickets.take().await
        {
            let outcome = if self.is_too_late() { self.not_sent(ticket) } else { self.send(ticket, &mut kept).await };
            self.record(&outcome);
        }
    }

    /// A run ends at the latest one time-out after its last ticket was due; what could not be sent by then has failed.
    fn is_too_late(&self) -> bool {
        self.tickets.last_due().is_some_and(|due| Instant::now() > due + self.settings.timeout)
    }

    async fn send(&self, ticket: Ticket, kept: &mut Option<Connection>) -> Outcome {
        let mut trace = Trace::default();
        let exchange = Exchange { settings: &self.settings, resolver: &self.resolver, kept, trace: &mut trace };
        let began = Instant::now();
        let result = exchange.run(self.settings.keeps_alive(ticket.number)).await;
        let (latency, service) = (ticket.due.elapsed(), began.elapsed());
        Outcome { number: ticket.number, trace, result, ended: self.tickets.started().elapsed(), latency, service }
    }

    fn not_sent(&self, ticket: Ticket) -> Outcome {
        let detail = "every connection was busy until one time-out after the end".to_owned();
        Outcome {
            number: ticket.number,
            trace: Trace::default(),
            result: Err(Failed { failure: Failure::NotSent, detail }),
            ended: self.tickets.started().elapsed(),
            latency: ticket.due.elapsed(),
            service: Duration::ZERO,
        }
    }

    fn record(&self, outcome: &Outcome) {
        let failed = self.tally().record(outcome);
        if let Some(failed) = failed {
            (self.tell)(Event::Failed(&failed));
        }
        let change = self.settings.watch_change.then(|| self.tally().change(outcome));
        if let Some(change) = change.flatten() {
            (self.tell)(Event::Change(&change));
        }
    }

    /// Counts are whole even if somebody panicked while counting.
    fn tally(&self) -> MutexGuard<'_, Tally> {
        self.tally.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
