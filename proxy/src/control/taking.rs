//! From what a source saw to a table that can be used: checked whole, and only parts whose bytes changed are parsed.

use std::sync::Arc;

use evenkeel_crds::{
    RoutingTable,
    address::Scope,
    table::{ENDPOINTS_KEY, FLEET_KEY, POLICY_KEY, Parts, Policy, TableError},
};

use super::Refusal;
use crate::source::{Seen, Source};

/// What a pool's tables must be.
#[derive(Clone, Debug)]
pub(crate) struct Expected {
    pub(crate) namespace: String,
    pub(crate) name: String,
    /// Whether that is the pool's name. A mount is known by its directory until its first table names the pool.
    pub(crate) is_named: bool,
    pub(crate) scope: Scope,
    pub(crate) source: Source,
}

/// A table that is good, and the parts that it came in.
#[derive(Debug)]
pub(super) struct Taken {
    pub(super) table: RoutingTable,
    pub(super) parts: Parts,
    pub(super) source: Source,
}

/// The table in force, if there is one.
#[derive(Debug, Default)]
pub(super) struct InForce {
    pub(super) table: Option<RoutingTable>,
    /// The parts of `table`, if it came in parts: of no other, else what they are compared with is not what they say.
    pub(super) parts: Arc<Parts>,
}

impl Expected {
    /// Whether a policy is of the expected pool.
    pub(super) fn is_of(&self, policy: &Policy) -> bool {
        self.is_named && (&*self.namespace, &*self.name) == (&*policy.namespace, &*policy.pool)
    }
}

impl InForce {
    /// Reads and checks a table. None: it is the one in force. Fields that this release does not know are counted.
    pub(super) fn read(
        &self,
        expected: &Expected,
        seen: Seen,
        source: Source,
        unknown_fields: &mut u64,
    ) -> Result<Option<Taken>, Refusal> {
        let (table, parts) = match seen {
            Seen::Table(table) => (*table, Parts::default()),
            Seen::Parts(parts) if self.table.is_some() && parts == *self.parts => return Ok(None),
            Seen::Parts(parts) => (self.decode(&parts, unknown_fields)?, parts),
            Seen::Unusable(reason) | Seen::Nothing(reason) => return Err(Refusal::new(reason)),
        };
        table.check(expected.scope)?;
        if expected.is_named && !expected.is_of(&table.policy) {
            let found = format!("{}/{}", table.policy.namespace, table.policy.pool);
            let Expected { namespace, name, .. } = expected;
            return Err(Refusal::new(format!("the table is of pool {found}, not of {namespace}/{name}")));
        }
        Ok(Some(Taken { table, parts, source }))
    }

    /// Parses the parts whose bytes changed.
    fn decode(&self, parts: &Parts, unknown_fields: &mut u64) -> Result<RoutingTable, TableError> {
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
        *unknown_fields += unknown;
        Ok(table)
    }
}
