//! The counts of a run: what the last second brought, and everything before.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use http::HeaderValue;

use super::exchange::{Failed, Trace};
use super::failure::Failure;
use super::histogram::Histogram;
use super::report::{Change, Counts, FailedRequest, LoadReport};
use crate::clock::{rfc3339, unix_us};

/// Enough to see what kind of trouble it is; the counts tell how much.
const DETAILED_FAILURES: usize = 20;
/// Answers without `X-Server`.
const NAMELESS: &str = "-";

/// How one request ended.
#[derive(Debug)]
pub(super) struct Outcome {
    pub(super) number: u64,
    pub(super) trace: Trace,
    pub(super) result: Result<(), Failed>,
    /// When it ended, since the start of the run.
    pub(super) ended: Duration,
    /// From the scheduled time to the end.
    pub(super) latency: Duration,
    /// From the moment it was sent to the end.
    pub(super) service: Duration,
}

/// All counts of a run.
#[derive(Debug, Default)]
pub(super) struct Tally {
    second: Part,
    before: Part,
    first_failures: Vec<FailedRequest>,
    last_server: Option<HeaderValue>,
    /// When the last good answer ended, since the start of the run.
    last_good: Duration,
    longest_gap: Duration,
}

/// Counts of some time.
#[derive(Debug, Default)]
struct Part {
    ok: u64,
    replays: u64,
    connections: u64,
    by_server: BTreeMap<String, u64>,
    failures: BTreeMap<String, u64>,
    latency: Histogram,
}

impl Tally {
    /// Counts an outcome; gives the failure if it is one of the first.
    pub(super) fn record(&mut self, outcome: &Outcome) -> Option<FailedRequest> {
        self.second.record(outcome);
        if outcome.result.is_ok() {
            self.longest_gap = self.gap_until(outcome.ended);
            self.last_good = outcome.ended;
        }
        let failed = outcome.result.as_ref().err()?;
        if self.first_failures.len() == DETAILED_FAILURES {
            return None;
        }
        let failed = detail(outcome, failed);
        self.first_failures.push(failed.clone());
        Some(failed)
    }

    /// The change of server that this outcome shows, if it does. Failures change nothing.
    pub(super) fn change(&mut self, outcome: &Outcome) -> Option<Change> {
        let server = outcome.trace.server.as_ref().filter(|_| outcome.result.is_ok())?;
        if self.last_server.as_ref() == Some(server) {
            return None;
        }
        let from = self.last_server.replace(server.clone());
        let time = |at: Option<SystemTime>| unix_us(at.unwrap_or_else(SystemTime::now));
        Some(Change {
            unix_us: time(outcome.trace.head_at),
            sent_unix_us: time(outcome.trace.sent_at),
            from: from.as_ref().map(text),
            to: text(server),
            number: outcome.number,
        })
    }

    /// Ends the current second and reports it.
    pub(super) fn end_second(&mut self, since_start: Duration) -> LoadReport {
        let second = std::mem::take(&mut self.second);
        self.before.merge(&second);
        LoadReport { second: Some(second.counts()), ..self.report(since_start) }
    }

    /// The last report.
    pub(super) fn summary(&mut self, since_start: Duration) -> LoadReport {
        let second = std::mem::take(&mut self.second);
        self.before.merge(&second);
        let first_failures = self.first_failures.clone();
        LoadReport { summary: true, first_failures, ..self.report(since_start) }
    }

    fn report(&self, since_start: Duration) -> LoadReport {
        LoadReport {
            t: (since_start.as_secs_f64() * 1e3).round() / 1e3,
            unix_ms: unix_us(SystemTime::now()) / 1_000,
            longest_gap_ms: milliseconds(self.gap_until(since_start)),
            counts: self.before.counts(),
            ..LoadReport::default()
        }
    }

    /// The longest gap, with the one that may be open at that moment.
    fn gap_until(&self, since_start: Duration) -> Duration {
        self.longest_gap.max(since_start.saturating_sub(self.last_good))
    }
}

impl Part {
    fn record(&mut self, outcome: &Outcome) {
        self.replays += outcome.trace.replays;
        self.connections += outcome.trace.opened;
        match &outcome.result {
            Ok(()) => {
                self.ok += 1;
                count(&mut self.by_server, &outcome.trace.server.as_ref().map_or_else(|| NAMELESS.to_owned(), text), 1);
            }
            Err(failed) => count(&mut self.failures, &failed.failure.to_string(), 1),
        }
        if !outcome.result.as_ref().is_err_and(|failed| !matches!(failed.failure, Failure::Status(_))) {
            self.latency.record(outcome.latency);
        }
    }

    fn merge(&mut self, other: &Self) {
        self.ok += other.ok;
        self.replays += other.replays;
        self.connections += other.connections;
        other.by_server.iter().for_each(|(server, n)| count(&mut self.by_server, server, *n));
        other.failures.iter().for_each(|(kind, n)| count(&mut self.failures, kind, *n));
        self.latency.merge(&other.latency);
    }

    fn counts(&self) -> Counts {
        let failed = self.failures.values().sum();
        let quantile = |per_mille| milliseconds(Duration::from_micros(self.latency.quantile_us(per_mille)));
        Counts {
            total: self.ok + failed,
            ok: self.ok,
            failed,
            replays: self.replays,
            connections: self.connections,
            by_server: self.by_server.clone(),
            failures: self.failures.clone(),
            p50_ms: quantile(500),
            p90_ms: quantile(900),
            p99_ms: quantile(990),
            p999_ms: quantile(999),
            max_ms: milliseconds(Duration::from_micros(self.latency.max_us())),
        }
    }
}

fn count(counts: &mut BTreeMap<String, u64>, key: &str, n: u64) {
    match counts.get_mut(key) {
        Some(count) => *count += n,
        None => drop(counts.insert(key.to_owned(), n)),
    }
}

fn detail(outcome: &Outcome, failed: &Failed) -> FailedRequest {
    let trace = &outcome.trace;
    let connection = match trace.local {
        None => "none",
        Some(_) if trace.reused => "reused",
        Some(_) => "new",
    };
    FailedRequest {
        time: rfc3339(SystemTime::now()),
        number: outcome.number,
        kind: failed.failure.to_string(),
        detail: failed.detail.clone(),
        connection: connection.to_owned(),
        local: trace.local.map(|address| address.to_string()),
        peer: trace.peer.map(|address| address.to_string()),
        server: trace.server.as_ref().map(text),
        after_ms: milliseconds(outcome.service),
    }
}

fn text(value: &HeaderValue) -> String {
    String::from_utf8_lossy(value.as_bytes()).into_owned()
}

/// With three digits behind the point: more would only be noise.
fn milliseconds(time: Duration) -> f64 {
    (time.as_secs_f64() * 1e6).round() / 1e3
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(ended_s: u64, good: bool) -> Outcome {
        let failed = || Failed { failure: Failure::ConnectRefused, detail: String::new() };
        let result = if good { Ok(()) } else { Err(failed()) };
        let ended = Duration::from_secs(ended_s);
        Outcome { number: 0, trace: Trace::default(), result, ended, latency: Duration::ZERO, service: Duration::ZERO }
    }

    #[test]
    fn a_gap_is_the_time_without_a_good_answer_whatever_failed_in_it() {
        let mut tally = Tally::default();
        for (ended_s, good) in [(1, true), (2, false), (4, false), (5, true), (6, true)] {
            tally.record(&outcome(ended_s, good));
        }
        let longest_ms = |tally: &mut Tally, s| tally.summary(Duration::from_secs(s)).longest_gap_ms;
        assert!((longest_ms(&mut tally, 7) - 4e3).abs() < 1e-9);
        assert!((longest_ms(&mut tally, 16) - 1e4).abs() < 1e-9, "the last one is open until the end");
    }
}
