//! Carries the election out: watches the Lease, writes it when it is our turn, and keeps the gate open while we lead.

use std::{future::Future, pin::pin, sync::Arc, time::Duration};

use futures::{Stream, StreamExt as _};
use k8s_openapi::{api::coordination::v1::Lease, jiff::Timestamp};
use kube::{
    Api, Client,
    api::PostParams,
    runtime::{
        WatchStreamExt as _,
        watcher::{self, Event},
    },
};
use tokio::{
    sync::oneshot,
    time::{Instant, sleep_until, timeout, timeout_at},
};
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

use super::{Claim, Election, Gate, Loss, Occasion, Place, Record, Turn, record::released};
use crate::{
    again::{Again, WATCH_SECONDS},
    metrics::Metrics,
};

/// From a watch that broke to the next: a released Lease is taken soon after the API server is back.
const WATCH_AGAIN: Duration = Duration::from_secs(1);
/// At the end, how long writes that are under way may take. After that they may still arrive, so the Lease is left to expire.
const LAST_WRITES: Duration = Duration::from_secs(2);
/// At the end, how long giving up the Lease may take.
const RELEASE: Duration = Duration::from_secs(2);
/// A complaint that stays the same is repeated after so many tries, about a minute.
const COMPLAIN_AGAIN: u32 = 30;

/// Why this process must not go on.
#[derive(Debug, thiserror::Error)]
#[error("no longer the leader: the Lease {lease} was lost, {loss}{}", after(last.as_ref()))]
pub struct LeaseError {
    lease: String,
    #[source]
    loss: Loss,
    last: Option<String>,
}

fn after(last: Option<&String>) -> String {
    last.map(|last| format!(" (the last try: {last})")).unwrap_or_default()
}

/// A candidate for leading, and the leader.
pub struct Campaign {
    api: Api<Lease>,
    place: Place,
    election: Election,
    gate: Gate,
    metrics: Arc<Metrics>,
    led: Option<oneshot::Sender<()>>,
    following: Option<String>,
    is_listed: bool,
    failure: Option<String>,
    failures: u32,
}

impl std::fmt::Debug for Campaign {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Campaign").field("place", &self.place).field("election", &self.election).finish_non_exhaustive()
    }
}

impl Campaign {
    /// A candidate. `client` is not behind the gate; `led` is told when leading begins.
    #[must_use]
    pub fn new(client: Client, place: Place, gate: Gate, metrics: Arc<Metrics>, led: oneshot::Sender<()>) -> Self {
        Self {
            api: Api::namespaced(client, &place.namespace),
            election: Election::new(place.identity.clone()),
            place,
            gate,
            metrics,
            led: Some(led),
            following: None,
            is_listed: false,
            failure: None,
            failures: 0,
        }
    }

    /// Stands for election, leads, and gives the Lease up when told to stop. A leader that loses the Lease ends with an error.
    pub async fn run(mut self, stop: CancellationToken) -> Result<(), LeaseError> {
        let mut events = pin!(self.events());
        loop {
            let next = match self.election.turn(Instant::now()) {
                Turn::Lost(loss) => return Err(self.lost(loss)),
                Turn::Write(claim) => {
                    self.write(&claim).await;
                    continue;
                }
                Turn::Wait(next) => next,
            };
            tokio::select! {
                biased;
                () = stop.cancelled() => break,
                Some(event) = events.next() => self.take_in(event),
                () = sleep_until(next.unwrap_or_else(Instant::now)), if next.is_some() => {}
            }
            self.tell_whom_we_follow();
        }
        self.give_up().await;
        Ok(())
    }

    fn events(&self) -> impl Stream<Item = watcher::Result<Event<Lease>>> + use<> {
        let config = watcher::Config::default().fields(&format!("metadata.name={}", self.place.name));
        watcher::watcher(self.api.clone(), config.timeout(WATCH_SECONDS)).backoff(Again::within(WATCH_AGAIN))
    }

    fn take_in(&mut self, event: watcher::Result<Event<Lease>>) {
        let now = Instant::now();
        match event {
            Ok(Event::Init) => self.is_listed = false,
            Ok(Event::InitApply(lease)) => {
                self.is_listed = true;
                self.election.saw(Record::of(lease), now);
            }
            Ok(Event::InitDone) if !self.is_listed => self.election.saw_no_more(None, now),
            Ok(Event::InitDone) => {}
            Ok(Event::Apply(lease)) => self.election.saw(Record::of(lease), now),
            Ok(Event::Delete(lease)) => self.election.saw_no_more(Some(&Record::of(lease)), now),
            Err(error) => debug!(%error, "The watch of the Lease broke; it is started again."),
        }
    }

    async fn write(&mut self, claim: &Claim) {
        let sent = Instant::now();
        self.election.sends(sent, fastrand::f64());
        let Place { namespace, name, identity } = &self.place;
        let lease = claim.lease(namespace, name, identity, Timestamp::now());
        let (api, params) = (self.api.clone(), PostParams::default());
        let written = match claim.before {
            Some(_) => self.in_time(api.replace(name, &params, &lease)).await,
            None => self.in_time(api.create(&params, &lease)).await,
        };
        match written {
            Ok(lease) => self.wrote(claim, lease, sent),
            Err(Failure::Outdated) => self.read().await,
            Err(Failure::Other(error)) => self.failed(error),
        }
    }

    /// Somebody else wrote first, or our own write had been done though its answer was lost.
    async fn read(&mut self) {
        let (api, name) = (self.api.clone(), self.place.name);
        match self.in_time(api.get_opt(name)).await {
            Ok(lease) => self.election.read(lease.map(Record::of), Instant::now()),
            Err(Failure::Outdated) => {} // a read is never that
            Err(Failure::Other(error)) => self.failed(error),
        }
    }

    async fn in_time<T>(&self, request: impl Future<Output = kube::Result<T>>) -> Result<T, Failure> {
        let started = Instant::now();
        match timeout_at(self.election.write_deadline(started), request).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(kube::Error::Api(status)))
                if matches!(status.code, 404 | 409) && !is_namespace_gone(&status.message) =>
            {
                Err(Failure::Outdated)
            }
            Ok(Err(kube::Error::Api(status))) => Err(Failure::Other(status.message)),
            Ok(Err(error)) => Err(Failure::Other(error.to_string())),
            Err(_) => Err(Failure::Other(format!("no answer within {:.1?}", started.elapsed()))),
        }
    }

    fn wrote(&mut self, claim: &Claim, lease: Lease, sent: Instant) {
        self.election.wrote(Record::of(lease), sent, Instant::now());
        (self.failure, self.failures) = (None, 0);
        let Some(until) = self.election.leads_until() else { return };
        self.gate.open_until(until);
        if let Some(led) = self.led.take() {
            let before = claim.before.as_ref().and_then(|before| before.holder.as_deref());
            let transitions = self.election.record().map(|record| record.transitions);
            info!(identity = self.place.identity, reason = reason(claim.occasion, before), transitions, "Leading.");
            self.metrics.leads(true);
            let _ = led.send(()); // nobody listens any more when the operator is stopping
        }
    }

    fn failed(&mut self, error: String) {
        let is_news = self.failure.as_ref() != Some(&error) || self.failures.is_multiple_of(COMPLAIN_AGAIN);
        self.failures = self.failures.saturating_add(1);
        if is_news {
            warn!(lease = self.lease(), error, "The Lease cannot be written; it is tried again.");
        }
        self.failure = Some(error);
    }

    fn tell_whom_we_follow(&mut self) {
        let holder = self.election.holder().filter(|holder| *holder != self.place.identity);
        if let Some(holder) = holder.filter(|holder| self.following.as_deref() != Some(holder)) {
            info!(identity = self.place.identity, reason = "it holds the Lease", "Following {holder}.");
            self.following = Some(holder.to_owned());
        }
    }

    fn lost(&self, loss: Loss) -> LeaseError {
        self.gate.close();
        self.metrics.leads(false);
        LeaseError { lease: self.lease(), loss, last: self.failure.clone() }
    }

    /// First nothing new is written, then what is under way is done, then the Lease is free.
    async fn give_up(&self) {
        let leads = self.gate.leads(Instant::now());
        self.gate.close();
        self.metrics.leads(false);
        let Some(record) = self.election.record().filter(|_| leads) else { return };
        if timeout(LAST_WRITES, self.gate.idle()).await.is_err() {
            warn!("Writes are still under way: another leads when the Lease has expired.");
            return;
        }
        let Place { namespace, name, .. } = &self.place;
        let lease = released(record, namespace, name, Timestamp::now());
        match timeout(RELEASE, self.api.replace(name, &PostParams::default(), &lease)).await {
            Ok(Ok(_)) => info!("The Lease is given up: another leads at once."),
            Ok(Err(error)) => warn!(%error, "The Lease was not given up: another leads when it has expired."),
            Err(_) => warn!("The Lease was not given up in time: another leads when it has expired."),
        }
    }

    fn lease(&self) -> String {
        format!("{}/{}", self.place.namespace, self.place.name)
    }
}

enum Failure {
    /// The Lease is not as it was thought to be.
    Outdated,
    Other(String),
}

/// A Lease that is not there can be made; a namespace that is not there cannot.
fn is_namespace_gone(message: &str) -> bool {
    message.starts_with("namespaces ")
}

fn reason(occasion: Occasion, before: Option<&str>) -> String {
    match occasion {
        Occasion::Renew => "the Lease is ours: the answer to an earlier write was lost".into(),
        Occasion::Create => "there was no Lease".into(),
        Occasion::Free => "nobody held the Lease".into(),
        Occasion::Expired => format!("{} did not renew the Lease in time", before.unwrap_or("its holder")),
    }
}
