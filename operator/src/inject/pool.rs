//! What a pod may expect of a pool that it names.

use evenkeel_crds::{
    address::Scope,
    api::ProxyMode,
    conditions::ACCEPTED,
    names,
    table::{Parts, Policy},
    translate::{Inputs, ProblemKind, translate},
};
use k8s_openapi::api::core::v1::ConfigMap;

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
            (None, None) => match condition(pool) {
                Some(message) => Self::Refused(message),
                None => Self::Usable { port: port(pool) },
            },
            (None, Some(_)) => Self::Usable { port: port(pool) },
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
fn condition(pool: &Pool) -> Option<String> {
    let conditions = &pool.object.status.as_ref()?.conditions;
    let accepted = conditions.iter().find(|condition| condition.type_ == ACCEPTED)?;
    let refused = accepted.status == "False" && accepted.observed_generation == Some(pool.generation());
    refused.then(|| accepted.message.clone())
}

fn policy(table: &ConfigMap) -> Option<Policy> {
    Parts::of(table).policy(&mut |_| {}).ok()
}

/// The spec was looked at: it is a port.
fn port(pool: &Pool) -> u16 {
    u16::try_from(pool.object.spec.listener.port).map(names::bind_port).unwrap_or_default()
}
