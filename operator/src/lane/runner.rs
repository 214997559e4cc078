//! Does a lane's work: takes pools from the queue as they are due, some at once, each with a deadline.

use std::{
    collections::HashMap,
    future::Future,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{
    sync::Notify,
    task::{self, JoinError, JoinSet},
    time::{Instant, sleep_until, timeout},
};
use tokio_util::sync::CancellationToken;
use tracing::{debug, error, warn};

use super::{Queue, Rest};
use crate::{error::Error, key::Key, metrics::Metrics};

/// The longest that one piece of work may take: a server that answers "try later" for minutes must not hold a pool.
const DEADLINE: Duration = Duration::from_secs(30);
/// At the end, how long work that has begun may go on.
const LAST_WORK: Duration = Duration::from_secs(5);

/// The work of a lane.
pub trait Step: Send + Sync + 'static {
    /// The work on one pool.
    fn run(&self, key: &Key) -> impl Future<Output = Result<Rest, Error>> + Send;
}

/// The pools that wait for one kind of work.
#[derive(Debug)]
pub struct Lane {
    name: &'static str,
    queue: Mutex<Queue>,
    woken: Notify,
}

type Done = (Instant, Result<Rest, Error>);

impl Lane {
    /// A lane, named in logs and metrics.
    #[must_use]
    pub fn new(name: &'static str) -> Self {
        Self { name, queue: Mutex::default(), woken: Notify::new() }
    }

    /// The pool is to be worked on, at once or as soon as its spacing allows.
    pub fn wake(&self, key: &Key) {
        self.queue().add(key, Instant::now());
        self.woken.notify_one();
    }

    /// Works until stopped; what has begun is then finished, with a deadline.
    pub async fn run<S: Step>(&self, step: Arc<S>, at_once: usize, metrics: Arc<Metrics>, end: CancellationToken) {
        let mut tasks: JoinSet<Done> = JoinSet::new();
        let mut keys: HashMap<task::Id, Key> = HashMap::new();
        loop {
            while tasks.len() < at_once {
                let Some(key) = self.queue().take(Instant::now()) else { break };
                let task = tasks.spawn(work(Arc::clone(&step), key.clone()));
                keys.insert(task.id(), key);
            }
            let next = self.queue().next_due().filter(|_| tasks.len() < at_once);
            tokio::select! {
                () = end.cancelled() => break,
                Some(done) = tasks.join_next_with_id() => self.done(done, &mut keys, &metrics),
                () = self.woken.notified() => {}
                () = sleep_until(next.unwrap_or_else(Instant::now)), if next.is_some() => {}
            }
        }
        let rest = async { while tasks.join_next().await.is_some() {} };
        if timeout(LAST_WORK, rest).await.is_err() {
            warn!(lane = self.name, "Work that had begun was cut short at the end.");
        }
    }

    fn done(&self, done: Result<(task::Id, Done), JoinError>, keys: &mut HashMap<task::Id, Key>, metrics: &Metrics) {
        let id = done.as_ref().map_or_else(JoinError::id, |(id, _)| *id);
        let Some(key) = keys.remove(&id) else { return };
        let (started, result) = match done {
            Ok((_, done)) => done,
            Err(error) => (Instant::now(), Err(Error::Panicked(error.to_string()))),
        };
        let now = Instant::now();
        metrics.reconciled(self.name, now - started, result.as_ref().err());
        match result {
            Ok(rest) => {
                debug!(lane = self.name, pool = %key, ?rest, took = ?(now - started), "Done.");
                self.queue().finish(&key, now, rest);
            }
            Err(error) => {
                let again_in = self.queue().fail(&key, now, error.backoff(), fastrand::f64());
                report(self.name, &key, &error, again_in);
            }
        }
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        // A panic cannot leave the queue half changed: nothing in it panics between two changes.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn work<S: Step>(step: Arc<S>, key: Key) -> Done {
    let started = Instant::now();
    let result = timeout(DEADLINE, step.run(&key)).await;
    (started, result.unwrap_or(Err(Error::TooSlow(DEADLINE))))
}

fn report(lane: &str, key: &Key, error: &Error, again_in: Duration) {
    match error {
        Error::Panicked(_) => error!(lane, pool = %key, %error, ?again_in, "Work panicked; it is tried again."),
        Error::NotLeading(_) => debug!(lane, pool = %key, "Work was left to whoever leads."),
        _ => warn!(lane, pool = %key, %error, reason = error.reason(), ?again_in, "Work failed; it is tried again."),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    /// Fails as often as told, then succeeds; counts its runs.
    struct Flaky {
        failures: usize,
        runs: AtomicUsize,
        ran: Notify,
    }

    impl Step for Flaky {
        async fn run(&self, _: &Key) -> Result<Rest, Error> {
            let run = self.runs.fetch_add(1, Ordering::SeqCst);
            self.ran.notify_one();
            match run {
                0 => panic!("the first run panics"),
                run if run < self.failures => Err(Error::TooSlow(Duration::ZERO)),
                _ => Ok(Rest::NOTHING),
            }
        }
    }

    #[tokio::test(flavor = "current_thread", start_paused = true)]
    async fn work_that_panics_or_fails_is_tried_again_later() {
        let lane = Arc::new(Lane::new("test"));
        let step = Arc::new(Flaky { failures: 3, runs: AtomicUsize::new(0), ran: Notify::new() });
        let end = CancellationToken::new();
        let running = tokio::spawn({
            let (lane, step, end) = (Arc::clone(&lane), Arc::clone(&step), end.clone());
            async move { lane.run(step, 2, Arc::new(Metrics::new()), end).await }
        });
        let start = Instant::now();
        lane.wake(&Key::new("shop", "web"));
        for _ in 0..4 {
            step.ran.notified().await;
        }
        let took = start.elapsed().as_secs_f64();
        assert!((5.6..=8.4).contains(&took), "1 + 2 + 4 s, each a fifth more or less: {took}");
        end.cancel();
        running.await.expect("the lane ends");
        assert_eq!(step.runs.load(Ordering::SeqCst), 4);
    }

    /// Never ends by itself.
    struct Stuck;

    impl Step for Stuck {
        async fn run(&self, _: &Key) -> Result<Rest, Error> {
            std::future::pending().await
        }
    }

    #[tokio::test(flavor = "current_thread", start_paused = true)]
    async fn stuck_work_is_given_up_and_holds_up_no_other_pool() {
        let lane = Arc::new(Lane::new("test"));
        let (metrics, end) = (Arc::new(Metrics::new()), CancellationToken::new());
        let running = tokio::spawn({
            let (lane, metrics, end) = (Arc::clone(&lane), Arc::clone(&metrics), end.clone());
            async move { lane.run(Arc::new(Stuck), 1, metrics, end).await }
        });
        lane.wake(&Key::new("shop", "web"));
        lane.wake(&Key::new("shop", "api"));
        let both = DEADLINE * 2 + Duration::from_millis(500);
        tokio::time::sleep(both).await; // the clock is paused: this takes no time
        assert!(metrics.render().contains(r#"evenkeel_reconcile_errors_total{lane="test",reason="too_slow"} 2"#));
        end.cancel();
        running.await.expect("the lane ends");
    }
}
