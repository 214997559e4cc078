//! What to publish for a pool, given all that is known: pure, so that every case is a line in a test.

use evenkeel_crds::{
    RoutingTable,
    address::Scope,
    table::{FleetProxy, Parts, TableError},
    translate::{Inputs, Problem, ProblemKind, translate},
};
use k8s_openapi::api::core::v1::ConfigMap;

use super::{is_up_to_date, map_for, proxies_of};
use crate::{
    cluster::View,
    findings::{Findings, InForce, Obstacle},
    ownership::Ownership,
};

/// What to do, and what was found out.
#[derive(Debug)]
pub struct Plan {
    /// What to do.
    pub verdict: Verdict,
    /// What is true until it is done.
    pub findings: Findings,
}

/// What to do with the ConfigMap.
#[derive(Debug)]
pub enum Verdict {
    /// Nothing differs, or nothing can be done now.
    Leave,
    /// Write this.
    Write(Box<Publication>),
    /// Delete it: it was made immutable, so that it cannot be written.
    Replace,
}

/// A table to be written.
#[derive(Debug)]
pub struct Publication {
    /// What is written.
    pub map: ConfigMap,
    /// The table in it.
    pub table: RoutingTable,
    /// The size of its parts.
    pub bytes: usize,
}

/// Plans the publication. `known` is the table that is published, as far as it can be read.
#[must_use]
pub fn plan(view: &View, known: Option<&RoutingTable>, now: i64) -> Plan {
    let pool = &view.pool;
    let services: Vec<_> = view.services.iter().map(AsRef::as_ref).collect();
    let slices: Vec<_> = view.slices.iter().map(AsRef::as_ref).collect();
    let ready = proxies_of(view);
    let proxies: Vec<_> =
        ready.iter().map(|proxy| FleetProxy { name: proxy.name.clone(), zone: proxy.zone.clone() }).collect();
    let translation = translate(&Inputs {
        pool: &pool.object,
        services: &services,
        slices: &slices,
        proxies: &proxies,
        published: known,
        now,
        scope: Scope::Cluster,
    });
    let mut findings = Findings {
        uid: pool.uid().to_owned(),
        generation: pool.generation(),
        mode: pool.mode(),
        accepted: translation.is_accepted(),
        endpoints: translation.endpoints,
        problems: readable(translation.problems, pool.unreadable.as_deref()),
        in_force: known.map(InForce::from),
        obstacle: None,
        proxies: ready,
    };
    let verdict = verdict(view, translation.table, &mut findings);
    Plan { verdict, findings }
}

impl From<&RoutingTable> for InForce {
    fn from(table: &RoutingTable) -> Self {
        let policy = &table.policy;
        Self { generation: policy.generation, revision: policy.revision.clone(), backends: policy.backends.len() }
    }
}

/// Of a pool that cannot be read, one problem is worth saying; those of an empty spec are not.
fn readable(mut problems: Vec<Problem>, unreadable: Option<&str>) -> Vec<Problem> {
    let Some(error) = unreadable else { return problems };
    problems.retain(|problem| problem.kind != ProblemKind::Invalid);
    problems.insert(0, Problem::new(ProblemKind::Invalid, "spec", format!("cannot be read: {error}")));
    problems
}

fn verdict(view: &View, table: Option<RoutingTable>, findings: &mut Findings) -> Verdict {
    let before = view.map.as_deref();
    match before.map(|map| Ownership::of(&map.metadata, view.pool.meta())) {
        Some(Ownership::Foreign) => return obstructed(findings, Obstacle::Conflict),
        Some(Ownership::Leftover) => return obstructed(findings, Obstacle::Leftover),
        Some(Ownership::Ours) | None => {}
    }
    let Some(table) = table else { return Verdict::Leave };
    let parts = match Parts::encode(&table) {
        Ok(parts) => parts,
        Err(error @ TableError::TooLarge { .. }) => {
            return obstructed(findings, Obstacle::TooLarge(error.to_string()));
        }
        Err(error) => return obstructed(findings, Obstacle::Refused(error.to_string())),
    };
    match before {
        Some(map) if is_up_to_date(map, view.pool.meta(), &parts) => {
            findings.in_force = Some(InForce::from(&table));
            Verdict::Leave
        }
        Some(map) if map.immutable == Some(true) => Verdict::Replace,
        _ => {
            let bytes = parts.bytes();
            let map = map_for(view.pool.meta(), parts, before);
            Verdict::Write(Box::new(Publication { map, table, bytes }))
        }
    }
}

fn obstructed(findings: &mut Findings, obstacle: Obstacle) -> Verdict {
    if matches!(obstacle, Obstacle::Conflict | Obstacle::Leftover) {
        findings.in_force = None;
    }
    findings.obstacle = Some(obstacle);
    Verdict::Leave
}

#[cfg(test)]
#[path = "plan_tests.rs"]
mod tests;
