//! What a pod may expect of a pool that it names.

use evenkeel_crds::{
    address::Scope,
    api::ProxyMode,
    conditions::{ACCEPTED, PROGRAMMED, reasons},
    names,
    table::{Parts, Policy},
    translate::{Inputs, ProblemKind, translate},
};
use k8s_openapi::{api::core::v1::ConfigMap, apimachinery::pkg::apis::meta::v1::Condition};

use crate::{cluster::Pool, ownership::Ownership};

/// What a pod may expect of a pool that it names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PoolState {
    /// A sidecar can serve it at this port, now or as soon as its table is published.
    Usable {
        /// The port that a sidecar binds.
        port: u16,
    },
    /// There is none.
    Missing,
    /// The operator does not serve the namespace.
    NotServed,
    /// It could not be looked up.
    Unknown(String),
    /// It is being deleted.
    Going,
    /// It has no sidecars.
    OtherMode(ProxyMode),
    /// It never had a table, and will have none before somebody corrects it.
    Refused(String),
    /// It has a table that its sidecars may not read, before somebody removes what is in the way.
    Blocked(String),
}

impl PoolState {
    /// The state of a pool; `table` is what is published, or what else has that name.
    #[must_use]
    pub fn of(pool: &Pool, table: Option<&ConfigMap>) -> Self {
        if pool.is_going() {
            return Self::Going;
        }
        let table = table.filter(|table| Ownership::of(&table.metadata, pool.meta()) == Ownership::Ours);
        // The mode of what cannot be read is unknown, so that its table must speak for it.
        if pool.unreadable.is_none() && pool.mode() != ProxyMode::Sidecar {
            return Self::OtherMode(pool.mode());
        }
        match (problem(pool), table) {
            (None, None) => refusal(pool).map_or(Self::Usable { port: port(pool) }, Self::Refused),
            (None, Some(table)) => obstacle(pool, table).map_or(Self::Usable { port: port(pool) }, Self::Blocked),
            (Some(problem), table) => match table.and_then(policy) {
                Some(policy) => Self::Usable { port: policy.listener.bind_port }, // the last good policy is in force
                None => Self::Refused(problem),
            },
        }
    }

    /// Why a pod cannot have a sidecar for the pool, and what to do.
    #[must_use]
    pub fn problem(&self, name: &str, namespace: &str) -> Option<String> {
        Some(match self {
            Self::Usable { .. } => return None,
            Self::Missing => format!(
                "there is no BalancerPool {name:?} in namespace {namespace:?}; apply it first, or correct the annotation \
                 evenkeel.dev/pools"
            ),
            Self::NotServed => format!(
                "the operator does not serve namespace {namespace:?}; have it added to the chart's rbac.watchNamespaces, or \
                 remove the label evenkeel.dev/inject"
            ),
            Self::Unknown(error) => format!("BalancerPool {name:?} cannot be looked up now ({error}); try again"),
            Self::Going => {
                format!("BalancerPool {name:?} is being deleted; remove it from the annotation evenkeel.dev/pools")
            }
            Self::OtherMode(mode) => format!(
                "BalancerPool {name:?} has no sidecars, since its spec.proxy.mode is {mode:?}; set that to Sidecar, or remove \
                 the pool from the annotation evenkeel.dev/pools"
            ),
            Self::Refused(reason) => {
                format!("BalancerPool {name:?} is refused and never had a table; correct it: {reason}")
            }
            Self::Blocked(reason) => {
                format!("sidecars may not read the table of BalancerPool {name:?}; remove what is in the way: {reason}")
            }
        })
    }
}

/// What is wrong with the spec, before the operator has said so in the status.
fn problem(pool: &Pool) -> Option<String> {
    if let Some(error) = &pool.unreadable {
        return Some(error.clone());
    }
    let inputs = Inputs {
        pool: &pool.object,
        services: &[],
        slices: &[],
        proxies: &[],
        published: None,
        now: 0,
        scope: Scope::Cluster,
    };
    let problems = translate(&inputs).problems;
    problems.iter().find(|problem| problem.kind == ProblemKind::Invalid).map(ToString::to_string)
}

/// Why the operator refused this generation, for example since an object that is not its own has the table's name.
fn refusal(pool: &Pool) -> Option<String> {
    let refused = failed(pool, ACCEPTED).or_else(|| not_applied(pool))?;
    Some(refused.message.clone())
}

/// Why the table is there and yet of no use: the Role that lets sidecars read it is another's, or is refused. While an older
/// table is in force, it may be the newer one that is refused.
fn obstacle(pool: &Pool, table: &ConfigMap) -> Option<String> {
    let is_current = || policy(table).is_some_and(|policy| policy.generation == pool.generation());
    let conflict = failed(pool, ACCEPTED).filter(|condition| condition.reason == reasons::NAME_CONFLICT);
    let blocked = conflict.or_else(|| not_applied(pool).filter(|_| is_current()))?;
    Some(blocked.message.clone())
}

fn not_applied(pool: &Pool) -> Option<&Condition> {
    failed(pool, PROGRAMMED).filter(|condition| condition.reason == reasons::APPLY_FAILED)
}

/// The condition, if it is false for this generation.
fn failed<'a>(pool: &'a Pool, type_: &str) -> Option<&'a Condition> {
    let conditions = &pool.object.status.as_ref()?.conditions;
    let condition = conditions.iter().find(|condition| condition.type_ == type_)?;
    let is_false = condition.status == "False" && condition.observed_generation == Some(pool.generation());
    is_false.then_some(condition)
}

fn policy(table: &ConfigMap) -> Option<Policy> {
    Parts::of(table).policy(&mut |_| {}).ok()
}

/// The spec was looked at: it is a port.
fn port(pool: &Pool) -> u16 {
    u16::try_from(pool.object.spec.listener.port).map(names::bind_port).unwrap_or_default()
}
