//! One pool as control sees it: the table in force, and the last one that was refused.

use std::time::SystemTime;

use evenkeel_crds::{
    RoutingTable,
    address::Scope,
    table::{ENDPOINTS_KEY, FLEET_KEY, POLICY_KEY, Parts, TableError},
};

use super::{PoolStatus, Refusal};
use crate::source::Seen;

/// What a pool's tables must be.
#[derive(Clone, Debug)]
pub(crate) struct Expected {
    pub(crate) namespace: String,
    pub(crate) name: String,
    pub(crate) scope: Scope,
}

/// A pool.
pub(crate) struct PoolControl {
    expected: Expected,
    table: Option<RoutingTable>,
    /// The parts of `table`, if it came in parts: of no other, else what they are compared with is not what they say.
    parts: Parts,
    /// A good table whose port somebody else has; until a newer one is seen.
    pub(super) waiting: Option<Taken>,
    since: SystemTime,
    refusal: Option<Refusal>,
    pub(super) loads: u64,
    pub(super) refusals: u64,
    pub(super) unknown_fields: u64,
}

/// A table that is good, and the parts that it came in.
pub(super) struct Taken {
    pub(super) table: RoutingTable,
    parts: Parts,
}

impl PoolControl {
    pub(crate) fn new(expected: Expected) -> Self {
        Self {
            expected,
            table: None,
            parts: Parts::default(),
            waiting: None,
            since: SystemTime::now(),
            refusal: None,
            loads: 0,
            refusals: 0,
            unknown_fields: 0,
        }
    }

    pub(super) fn namespace(&self) -> &str {
        &self.expected.namespace
    }

    pub(super) fn name(&self) -> &str {
        &self.expected.name
    }

    /// Reads and checks a table. None: it is the one in force.
    pub(super) fn take_in(&mut self, seen: Result<Seen, String>) -> Result<Option<Taken>, Refusal> {
        self.waiting = None;
        let (table, parts) = match seen.map_err(Refusal::new)? {
            Seen::Table(table) => (*table, Parts::default()),
            Seen::Parts(parts) if self.table.is_some() && parts == self.parts => return Ok(None),
            Seen::Parts(parts) => (self.decode(&parts)?, parts),
        };
        table.check(self.expected.scope)?;
        let Expected { namespace, name, .. } = &self.expected;
        let policy = &table.policy;
        if (&policy.namespace, &policy.pool) != (namespace, name) {
            let found = format!("{}/{}", policy.namespace, policy.pool);
            return Err(Refusal::new(format!("the table is of pool {found}, not of {namespace}/{name}")));
        }
        Ok(Some(Taken { table, parts }))
    }

    /// Parses the parts whose bytes changed.
    fn decode(&mut self, parts: &Parts) -> Result<RoutingTable, TableError> {
        let mut unknown = 0;
        let mut on_unknown = |field: String| {
            unknown += 1;
            tracing::debug!(field, "a field that this release does not know is ignored");
        };
        let known = self.table.as_ref();
        let same = |key: &str| {
            parts.data.get(key) == self.parts.data.get(key)
                && parts.binary_data.get(key) == self.parts.binary_data.get(key)
        };
        let table = RoutingTable {
            policy: match known.filter(|_| same(POLICY_KEY)) {
                Some(table) => table.policy.clone(),
                None => parts.policy(&mut on_unknown)?,
            },
            endpoints: match known.filter(|_| same(ENDPOINTS_KEY)) {
                Some(table) => table.endpoints.clone(),
                None => parts.endpoints(&mut on_unknown)?,
            },
            fleet: match known.filter(|_| same(FLEET_KEY)) {
                Some(table) => table.fleet.clone(),
                None => parts.fleet(&mut on_unknown)?,
            },
        };
        self.unknown_fields += unknown;
        Ok(table)
    }

    /// Notes that the workers have this table now.
    pub(super) fn in_force(&mut self, taken: Taken) {
        let Taken { table, parts } = taken;
        let policy = &table.policy;
        let changed = self.table.as_ref().is_none_or(|before| before.policy != *policy);
        if changed {
            self.since = SystemTime::now();
            tracing::info!(
                namespace = self.namespace(),
                pool = self.name(),
                generation = policy.generation,
                revision = policy.revision,
                "policy in force"
            );
        }
        self.loads += 1;
        self.table = Some(table);
        self.parts = parts;
    }

    /// Remembers a refusal until a table is taken.
    pub(super) fn note(&mut self, applied: &Result<(), Refusal>) {
        if let Err(refusal) = applied {
            self.refusals += 1;
            tracing::warn!(
                namespace = self.namespace(),
                pool = self.name(),
                refusal = refusal.message,
                "table refused; the last good one stays"
            );
        }
        self.refusal = applied.clone().err();
    }

    /// Whether the newest table is in force.
    pub(super) fn last_load_succeeded(&self) -> bool {
        self.table.is_some() && self.refusal.is_none()
    }

    pub(super) fn is_loaded(&self) -> bool {
        self.table.is_some()
    }

    pub(super) fn status(&self) -> PoolStatus {
        let policy = self.table.as_ref().map(|table| &table.policy);
        let since = self.since.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        PoolStatus {
            namespace: self.expected.namespace.clone(),
            name: self.expected.name.clone(),
            generation: policy.map(|policy| policy.generation),
            revision: policy.map(|policy| policy.revision.clone()),
            since: policy.map(|_| since.as_secs()),
            endpoints: self.table.as_ref().map(|table| table.endpoints.ready()),
            last_refusal: self.refusal.clone(),
        }
    }
}

#[cfg(test)]
#[path = "pool_tests.rs"]
mod tests;
