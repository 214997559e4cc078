//! The rule of the election: from what was seen of the Lease, and when by our own clock, to what to do now. It reads no clock.

use std::time::Duration;

use tokio::time::Instant;

use super::Record;

/// So long after it saw the holder's last sign of life, another takes over.
pub(super) const LEASE: Duration = Duration::from_secs(15);
/// No holder is waited for longer, whatever the Lease says: no release of ours asks for more.
pub(super) const LONGEST_LEASE: Duration = Duration::from_secs(60);
/// So long after it sent its last successful renewal, a leader no longer leads. The third of [`LEASE`] that is left is for clocks
/// that run differently fast and for a write that is on its way.
pub(super) const RENEW_DEADLINE: Duration = Duration::from_secs(10);
/// From one write to the next. Each wait is up to a fifth shorter or longer, so that replicas do not keep step.
pub(super) const RETRY: Duration = Duration::from_secs(2);
/// The longest that a write may take, so that at least two are tried before the renew deadline.
pub(super) const WRITE: Duration = Duration::from_secs(4);
const JITTER: f64 = 0.2;

/// What to do now.
#[derive(Clone, Debug, PartialEq)]
pub enum Turn {
    /// Nothing before that time, or before there is news.
    Wait(Option<Instant>),
    /// Write this.
    Write(Box<Claim>),
    /// End the process: it led and no longer does.
    Lost(Loss),
}

/// A write to the Lease: that we hold it.
#[derive(Clone, Debug, PartialEq)]
pub struct Claim {
    /// Why it is ours to write.
    pub occasion: Occasion,
    /// What it is written over; none if there is no Lease.
    pub before: Option<Record>,
}

/// Why the Lease is ours to write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Occasion {
    /// It is ours.
    Renew,
    /// There is none.
    Create,
    /// Nobody holds it.
    Free,
    /// Its holder has shown no sign of life for its duration.
    Expired,
}

/// Why a leader no longer leads.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Loss {
    /// It could not renew in time.
    #[error("it could not be renewed for {} s", RENEW_DEADLINE.as_secs())]
    Expired,
    /// The Lease says that another leads.
    #[error("{0} holds it now")]
    Usurped(String),
}

/// What is known of the election.
#[derive(Debug)]
pub struct Election {
    identity: String,
    seen: Option<Seen>,
    /// When the last successful write was sent: none before there was one.
    renewed: Option<Instant>,
    not_before: Option<Instant>,
    usurper: Option<String>,
}

#[derive(Debug)]
struct Seen {
    record: Option<Record>,
    /// When its last sign of life was first seen.
    since: Instant,
    /// How long it is to be respected from then on.
    lasts: Duration,
}

impl Election {
    /// The election as a new candidate sees it. No other process, not even one before it in the same pod, has its identity.
    #[must_use]
    pub fn new(identity: String) -> Self {
        Self { identity, seen: None, renewed: None, not_before: None, usurper: None }
    }

    /// Our identity.
    #[must_use]
    pub fn identity(&self) -> &str {
        &self.identity
    }

    /// Who holds the Lease, as far as we know.
    #[must_use]
    pub fn holder(&self) -> Option<&str> {
        self.record()?.holder.as_deref()
    }

    /// The Lease, as far as we know.
    #[must_use]
    pub fn record(&self) -> Option<&Record> {
        self.seen.as_ref()?.record.as_ref()
    }

    /// Until when we lead; none if we never did.
    #[must_use]
    pub fn leads_until(&self) -> Option<Instant> {
        Some(self.renewed? + RENEW_DEADLINE).filter(|_| self.usurper.is_none())
    }

    /// A watch says that the Lease is, or was, so: it may be late.
    pub fn saw(&mut self, record: Record, now: Instant) {
        if !self.is_late(&record) {
            self.take(Some(record), now);
        }
    }

    /// A watch says that the Lease was deleted, in that state, or is on no list.
    pub fn saw_no_more(&mut self, last: Option<&Record>, now: Instant) {
        if !last.is_some_and(|last| self.is_late(last)) {
            self.take(None, now);
        }
    }

    /// The API server was asked: the Lease is so.
    pub fn read(&mut self, record: Option<Record>, now: Instant) {
        self.take(record, now);
    }

    /// A write is about to be sent; `random` is between 0 and 1.
    pub fn sends(&mut self, now: Instant, random: f64) {
        self.not_before = Some(now + RETRY.mul_f64(1.0 + JITTER * (2.0 * random - 1.0)));
    }

    /// When a write that is sent now is given up.
    #[must_use]
    pub fn write_deadline(&self, now: Instant) -> Instant {
        let deadline = now + WRITE;
        self.leads_until().map_or(deadline, |until| until.min(deadline))
    }

    /// The write that was sent then succeeded: the Lease is now so.
    pub fn wrote(&mut self, record: Record, sent: Instant, now: Instant) {
        self.take(Some(record), now);
        // An answer that comes too late makes nobody a leader: the next write may.
        if self.renewed.is_some() || now < sent + RENEW_DEADLINE {
            self.renewed = Some(sent);
        }
    }

    /// What to do now.
    #[must_use]
    pub fn turn(&self, now: Instant) -> Turn {
        if let Some(usurper) = &self.usurper {
            return Turn::Lost(Loss::Usurped(usurper.clone()));
        }
        let until = self.leads_until();
        if until.is_some_and(|until| until <= now) {
            return Turn::Lost(Loss::Expired);
        }
        let Some(seen) = &self.seen else { return Turn::Wait(None) };
        let (occasion, due) = self.occasion(seen, now);
        let due = self.not_before.map_or(due, |not_before| not_before.max(due));
        if due <= now {
            return Turn::Write(Claim { occasion, before: seen.record.clone() }.into());
        }
        Turn::Wait(Some(until.map_or(due, |until| until.min(due))))
    }

    fn occasion(&self, seen: &Seen, now: Instant) -> (Occasion, Instant) {
        let expires = seen.since + seen.lasts;
        match &seen.record {
            // Who leads makes it anew at once, so that nobody else need.
            None if self.renewed.is_some() => (Occasion::Create, now),
            None => (Occasion::Create, expires),
            Some(Record { holder: None, .. }) => (Occasion::Free, now),
            Some(Record { holder: Some(holder), .. }) if *holder == self.identity => (Occasion::Renew, now),
            Some(_) => (Occasion::Expired, expires),
        }
    }

    fn is_late(&self, record: &Record) -> bool {
        self.record().is_some_and(|known| record.version().is_earlier_than(&known.version()))
    }

    fn take(&mut self, record: Option<Record>, now: Instant) {
        let is_other = |record: &Record| record.holder.as_ref().is_some_and(|holder| *holder != self.identity);
        if let Some(other) = record.as_ref().filter(|record| self.renewed.is_some() && is_other(record)) {
            self.usurper.clone_from(&other.holder);
        }
        let before = self.seen.as_ref().map(|seen| (seen.record.as_ref(), seen.since, seen.lasts));
        let (since, lasts) = match (before, &record) {
            (Some((Some(before), since, _)), Some(record)) if before.is_same_beat(record) => (since, record.lasts),
            (_, Some(record)) => (now, record.lasts),
            (Some((None, since, lasts)), None) => (since, lasts),
            // Its holder may lead still: it has just been robbed of its Lease and makes it anew.
            (Some((Some(before), ..)), None) if is_other(before) => (now, before.lasts),
            (_, None) => (now, Duration::ZERO),
        };
        self.seen = Some(Seen { record, since, lasts });
    }
}

#[cfg(test)]
#[path = "election_tests.rs"]
mod tests;
