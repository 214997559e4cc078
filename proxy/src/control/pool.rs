//! One pool as control sees it: the table in force, the one that waits for its port, and the last one that was refused.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use evenkeel_crds::{
    RoutingTable,
    table::{Parts, Policy},
};
use tokio::time::Instant;

use super::{
    PoolStatus, Refusal,
    ports::{Age, Claim},
    taking::{Expected, InForce, Taken},
};
use crate::{
    last_good::Keeper,
    source::{Seen, Source},
};

/// A pool.
#[derive(Debug)]
pub(crate) struct PoolControl {
    expected: Expected,
    in_force: InForce,
    /// What the table in force came from.
    source: Source,
    /// Whether its own source ever showed anything.
    heard: bool,
    /// A good table that is not in force yet: somebody else has its port. Until a newer one is seen.
    pub(super) waiting: Option<Taken>,
    /// What an earlier process of the pod kept, until a table of the source is good.
    copy: Option<Parts>,
    /// Whether an earlier process of the pod served this pool.
    pub(super) served_before: bool,
    keeper: Option<Keeper>,
    /// Why nothing was ever seen at the source.
    silence: Option<String>,
    since: SystemTime,
    /// When the table in force came into force.
    loaded: Option<Instant>,
    refusal: Option<Refusal>,
    /// Why it does not listen where its newest table says.
    pub(super) denied: Option<Refusal>,
    /// Whether it listens.
    pub(super) listens: bool,
    pub(super) loads: u64,
    pub(super) refusals: u64,
    pub(super) unknown_fields: u64,
}

impl PoolControl {
    pub(crate) fn new(expected: Expected) -> Self {
        Self {
            source: expected.source,
            expected,
            in_force: InForce::default(),
            heard: false,
            waiting: None,
            copy: None,
            served_before: false,
            keeper: None,
            silence: None,
            since: SystemTime::now(),
            loaded: None,
            refusal: None,
            denied: None,
            listens: false,
            loads: 0,
            refusals: 0,
            unknown_fields: 0,
        }
    }

    /// Keeps a copy of each table from now on, and starts from the last one if need be.
    #[must_use]
    pub(crate) fn kept_by(mut self, keeper: Keeper, copy: Option<Parts>) -> Self {
        (self.keeper, self.served_before, self.copy) = (Some(keeper), copy.is_some(), copy);
        self
    }

    /// The table in force.
    pub(super) fn table(&self) -> Option<&RoutingTable> {
        self.in_force.table.as_ref()
    }

    pub(super) fn namespace(&self) -> &str {
        &self.expected.namespace
    }

    pub(super) fn name(&self) -> &str {
        &self.expected.name
    }

    /// Whether a policy is this pool's.
    pub(super) fn owns(&self, policy: &Policy) -> bool {
        self.expected.is_of(policy)
    }

    /// Reads and checks what the source saw. None: it is the table in force.
    pub(super) fn take_in(&mut self, seen: Seen) -> Result<Option<Taken>, Refusal> {
        let source = self.expected.source;
        (self.waiting, self.silence, self.heard) = (None, None, true);
        let taken = self.in_force.read(&self.expected, seen, source, &mut self.unknown_fields)?;
        self.copy = None;
        if taken.is_none() {
            self.comes_from(source);
        }
        Ok(taken)
    }

    /// Notes that nothing can be seen. Who has seen something goes on under that.
    pub(super) fn hear_nothing(&mut self, reason: String) {
        if !self.heard && self.silence.as_ref() != Some(&reason) {
            let (namespace, pool) = (self.namespace(), self.name());
            tracing::warn!(namespace, pool, reason, "nothing was seen of the pool's table yet");
            self.silence = Some(reason);
        }
    }

    /// The last good copy, if there is nothing else to serve by.
    pub(super) fn take_copy(&mut self) -> Option<Result<Taken, Refusal>> {
        if self.table().is_some() || self.waiting.is_some() {
            return None;
        }
        let copy = Seen::Parts(self.copy.take()?);
        self.in_force.read(&self.expected, copy, Source::LastGood, &mut self.unknown_fields).transpose()
    }

    /// Takes a good table: it comes into force as soon as the pool has its port. A first table names a mount's pool.
    pub(super) fn await_port(&mut self, taken: Taken) {
        let policy = &taken.table.policy;
        let Expected { namespace, name, is_named, .. } = &mut self.expected;
        if !std::mem::replace(is_named, true) {
            (*namespace, *name) = (policy.namespace.clone(), policy.pool.clone());
        }
        self.waiting = Some(taken);
    }

    /// What this pool wants of the ports, if it listens there now.
    pub(super) fn claim(&self, holds: Option<u16>) -> Claim {
        let newest = self.waiting.as_ref().map(|taken| &taken.table).or(self.table());
        Claim {
            wish: newest.map(|table| table.policy.listener.bind_port),
            holds,
            age: Age::new(newest.and_then(|table| table.policy.created), self.namespace(), self.name()),
        }
    }

    /// The waiting table, if it can come into force: the pool has its port, or the table changes nothing about that.
    pub(super) fn enters(&mut self, has_port: bool) -> Option<Taken> {
        let port = |table: &RoutingTable| table.policy.listener.bind_port;
        let now = self.table().map(port);
        self.waiting.take_if(|taken| has_port || now == Some(port(&taken.table)))
    }

    /// Notes that the workers have this table now.
    pub(super) fn in_force(&mut self, taken: Taken) {
        let Taken { table, parts, source } = taken;
        let policy = &table.policy;
        if self.table().is_none_or(|before| before.policy != *policy) {
            tracing::info!(
                namespace = self.namespace(),
                pool = self.name(),
                generation = policy.generation,
                revision = policy.revision,
                %source,
                "policy in force"
            );
            self.doubt_budget(policy);
            self.since = SystemTime::now();
        }
        self.comes_from(source);
        self.loads += 1;
        let parts = Arc::new(parts);
        if let (Some(keeper), Source::Watch) = (&self.keeper, source) {
            keeper.keep(Arc::clone(&parts));
        }
        self.loaded = Some(Instant::now());
        self.in_force = InForce { table: Some(table), parts };
    }

    /// What a budget counts no more when a request's last retry is due does not hold that back.
    fn doubt_budget(&self, policy: &Policy) {
        let (window, request) = (policy.retry.budget_seconds(), policy.timeouts.request());
        if let Some(request) =
            request.filter(|request| policy.retry.attempts > 0 && *request > Duration::from_secs(window))
        {
            tracing::warn!(
                namespace = self.namespace(),
                pool = self.name(),
                "retry.budget.interval ({window}s) is shorter than timeouts.request ({request:?}): requests that take longer \
                 count for less than they cost; choose an interval that is no shorter"
            );
        }
    }

    /// Notes where the table in force is from.
    fn comes_from(&mut self, source: Source) {
        if self.source == Source::LastGood && source != Source::LastGood {
            let (namespace, pool) = (self.namespace(), self.name());
            tracing::info!(namespace, pool, "the source answers: the last good copy is no longer needed");
        }
        self.source = source;
    }

    /// Remembers a refusal until a table is taken.
    pub(super) fn note(&mut self, refusal: Option<Refusal>) {
        if let Some(refusal) = &refusal {
            self.refusals += 1;
            tracing::warn!(
                namespace = self.namespace(),
                pool = self.name(),
                refusal = refusal.message,
                "table refused; the last good one stays"
            );
        }
        self.refusal = refusal;
    }

    /// Notes where the pool listens, and why not where it wants to.
    pub(super) fn place(&mut self, listens: bool, denied: Option<Refusal>) {
        if let Some(refusal) = denied.as_ref().filter(|_| self.denied != denied) {
            let (namespace, pool) = (self.namespace(), self.name());
            tracing::warn!(namespace, pool, refusal = refusal.message, listens, "the pool does not get its port");
        }
        (self.listens, self.denied) = (listens, denied);
    }

    /// A good table whose port somebody else has is refused as well.
    pub(super) fn count_refused_port(&mut self) {
        self.refusals += u64::from(self.waiting.is_some());
    }

    pub(super) fn last_refusal(&self) -> Option<&Refusal> {
        self.refusal.as_ref().or(self.denied.as_ref())
    }

    /// Whether the newest table is in force.
    pub(super) fn last_load_succeeded(&self) -> bool {
        self.table().is_some() && self.last_refusal().is_none()
    }

    /// Whether it serves; or cannot for want of a port, but did in an earlier process of the pod. A container that is started
    /// again beside a running application must not take that out of service.
    pub(super) fn has_started(&self) -> bool {
        (self.table().is_some() && self.listens) || (self.served_before && self.denied.is_some())
    }

    /// Whether it serves by the last good copy.
    pub(super) fn is_from_copy(&self) -> bool {
        self.table().is_some() && self.source == Source::LastGood
    }

    /// How long the table in force has been that.
    pub(super) fn table_age(&self) -> Option<Duration> {
        self.loaded.map(|loaded| loaded.elapsed())
    }

    /// Why it does not serve.
    pub(super) fn trouble(&self) -> String {
        let reason = self.last_refusal().map(|refusal| &refusal.message).or(self.silence.as_ref());
        let reason = reason.map(|reason| format!(": {reason}")).unwrap_or_default();
        let what =
            if self.table().is_some() || self.waiting.is_some() { "does not listen" } else { "has no table yet" };
        match self.namespace() {
            "" => format!("{} {what}{reason}", self.name()),
            namespace => format!("pool {namespace}/{} {what}{reason}", self.name()),
        }
    }

    pub(super) fn status(&self) -> PoolStatus {
        let policy = self.table().filter(|_| self.listens).map(|table| &table.policy);
        let since = self.since.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        PoolStatus {
            namespace: self.expected.namespace.clone(),
            name: self.expected.name.clone(),
            source: self.source,
            waiting_for: self.silence.clone(),
            generation: policy.map(|policy| policy.generation),
            revision: policy.map(|policy| policy.revision.clone()),
            since: policy.map(|_| since.as_secs()),
            endpoints: self.table().map(|table| table.endpoints.ready()),
            last_refusal: self.last_refusal().cloned(),
        }
    }
}

#[cfg(test)]
#[path = "pool_tests.rs"]
mod tests;
